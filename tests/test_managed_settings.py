"""proxy/web/settings_file.py and `python -m proxy managed-settings`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy import clock
from proxy.cli import main
from proxy.web import settings_file
from translate.models import CHECKED, CLASS_NAMES, TABLE, catalog

URL = "https://proxy.example"


@pytest.fixture(autouse=True)
def same_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "today", lambda: CHECKED)


def run(capsys: pytest.CaptureFixture[str], *arguments: str, **environ: str) -> Any:
    command = ["managed-settings", "--url", URL, *arguments]
    assert main.main(command, environ, lambda: None) == 0
    return json.loads(capsys.readouterr().out)


def prices(content: Any, name: str) -> list[float]:
    row = content["modelPricing"]["overrides"][name]
    return [row[each] for each in ("input", "cacheRead", "output", "cacheWrite")]


def test_each_name_has_its_price(capsys: pytest.CaptureFixture[str]) -> None:
    content = run(capsys)
    assert content["env"] == {"ANTHROPIC_BASE_URL": URL}
    rows = content["modelPricing"]["overrides"]
    listed = {str(each["id"]) for each in catalog({}, today=CHECKED)}
    assert rows.keys() >= {*TABLE, *listed, *CLASS_NAMES.values()}
    for row in rows.values():
        assert row.keys() == {"input", "output", "cacheRead", "cacheWrite"}
        assert all(0 < rate < 10_000 for rate in row.values())
    assert prices(content, "gemini-4-neon") == [3, 0.15, 15, 3]
    assert prices(content, "claude-gemini-4-neon") == [3, 0.15, 15, 3]
    assert prices(content, "claude-opus-4-7") == [1.5, 0.075, 7.5, 1.5]
    assert prices(content, "claude-haiku-4-5") == [0.3, 0.03, 2.5, 0.3]


def test_retired_model_costs_what_its_successor_does(capsys: pytest.CaptureFixture[str]) -> None:
    content = run(capsys)
    assert prices(content, "gemini-3.5-flash") == prices(content, "gemini-3.6-flash")


def test_class_costs_what_the_settings_make_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    content = run(capsys, ANTHROPIC_DEFAULT_OPUS_MODEL="gemini-4-neon")
    for name in ("claude-opus-5-5", "claude-fable-5-2"):
        assert prices(content, name) == prices(content, "gemini-4-neon")
    assert prices(content, "claude-sonnet-5-5") == prices(content, "gemini-4-hydrogen")


def test_prices_are_those_of_the_day(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "today", lambda: "2026-12-01")
    assert prices(run(capsys), "gemini-4-carbon") == [4, 0.2, 20, 4]


def test_meter_is_switched_on_if_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--meter")["env"]["CLAUDE_CODE_USE_GATEWAY"] == "1"


@pytest.mark.parametrize("url", [f"{URL}/", f"{URL}/v1", f"{URL}/v1/", "proxy.example"])
def test_address_is_without_the_path_of_the_api(
    capsys: pytest.CaptureFixture[str], url: str
) -> None:
    assert run(capsys, "--url", url)["env"]["ANTHROPIC_BASE_URL"] == URL


@pytest.mark.parametrize("url", ["ftp://x", "https://", "https://a:b@c"])
def test_address_has_to_be_one(capsys: pytest.CaptureFixture[str], url: str) -> None:
    with pytest.raises(SystemExit):
        main.main(["managed-settings", "--url", url], {}, lambda: None)
    assert "expected a base URL like https://host" in capsys.readouterr().err


def test_no_secret_is_in_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    secret = "s3cret-" * 6
    content = run(capsys, PROXY_TOKEN=secret, PROXY_SECRET=secret, ANTHROPIC_AUTH_TOKEN=secret)
    assert "s3cret" not in json.dumps(content)


def test_help_says_where_the_file_belongs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main.main(["managed-settings", "--help"], {}, lambda: None)
    text = capsys.readouterr().out
    for path in settings_file.PLACES.values():
        assert path in text

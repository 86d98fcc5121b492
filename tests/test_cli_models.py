"""proxy/cli/models.py: the table of models, for a person and for a program."""

from __future__ import annotations

import json

import pytest

from proxy import clock
from proxy.cli import main
from translate.models import CHECKED, TABLE


def run(capsys: pytest.CaptureFixture[str], *arguments: str, **environ: str) -> str:
    assert main.main(["models", *arguments], environ, lambda: None) == 0
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def same_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "today", lambda: CHECKED)


def test_table_shows_prices_and_dates(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in run(capsys).splitlines()}
    assert list(rows) == ["MODEL", *TABLE]
    assert rows["gemini-4-hydrogen"] == "opus, sonnet yes 1.5 / 0.075 / 7.5 1,048,576"
    assert rows["gemini-4-carbon"].startswith("no 2 / 0.1 / 10 2026-12-01: 4 / 0.2 / 20")
    assert "2 / 0.2 / 12 or 4 / 0.4 / 18" in rows["gemini-3.1-pro-preview"]
    assert rows["gemini-2.5-pro"].endswith("2026-12-01, then gemini-3.8-flash")


def test_configured_model_is_listed_unknown_or_not(capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, ANTHROPIC_DEFAULT_HAIKU_MODEL="gemini-9-xenon")
    (row,) = (line for line in text.splitlines() if line.startswith("gemini-9-xenon"))
    assert row.split()[1:5] == ["haiku", "no", "not", "known"]


def test_json_holds_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    listed = json.loads(run(capsys, "--json", ANTHROPIC_DEFAULT_HAIKU_MODEL="gemini-9-xenon"))
    by_name = {each["name"]: each for each in listed}
    assert by_name["gemini-4-carbon"] == {
        "name": "gemini-4-carbon",
        "serves": [],
        "is_free": False,
        "price": {"input": 2.0, "cached": 0.1, "output": 10.0},
        "next_price": {"input": 4.0, "cached": 0.2, "output": 20.0, "since": "2026-12-01"},
        "context": 1_048_576,
        "output": 65_536,
        "retires": None,
        "successor": None,
    }
    assert by_name["gemini-9-xenon"]["price"] == {}
    large = by_name["gemini-3.1-pro-preview"]["price"]["large"]
    assert large == {"input": 4.0, "cached": 0.4, "output": 18.0}

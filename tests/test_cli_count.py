"""proxy/cli/count.py: Gemini's number, or an estimate that says so."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from proxy.cli import main
from tests.servers import Emulator

BODY = {"model": "opus", "messages": [{"role": "user", "content": "word " * 100}]}


def run(monkeypatch: pytest.MonkeyPatch, **environ: str) -> int:
    raw = io.BytesIO(json.dumps(BODY).encode())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(raw))
    return main.main(["count"], environ, lambda: None)


def test_gemini_counts(
    emulator: Emulator,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, GEMINI_ENDPOINT=emulator.url, GEMINI_API_KEY=key) == 0
    shown = capsys.readouterr()
    assert int(shown.out) > 100
    assert shown.err == "counted by gemini-4-hydrogen\n"
    assert emulator.journal(key)[0]["path"].endswith(":countTokens")


@pytest.mark.parametrize(
    ("key", "reason"),
    [("", "there is no key (GEMINI_API_KEY)"), ("bad-s3cret", "Google refused the API key: ")],
)
def test_estimate_says_why(
    key: str,
    reason: str,
    emulator: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environ = {"GEMINI_ENDPOINT": emulator.url, "XDG_CONFIG_HOME": str(tmp_path)}
    assert run(monkeypatch, GEMINI_API_KEY=key, **environ) == 0
    shown = capsys.readouterr()
    assert int(shown.out) > 100
    assert shown.err.startswith(f"estimated for gemini-4-hydrogen: {reason}")
    assert "s3cret" not in shown.err

"""proxy/cli/translate.py and standard_input.py: both ways, without asking anybody."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from proxy import clock
from proxy.cli import main, standard_input, translate
from tests import golden, servers
from tests.servers import Emulator
from translate.models import CHECKED

BODY = {"model": "opus", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi, it's me"}]}


@pytest.fixture(autouse=True)
def same_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "today", lambda: CHECKED)


def give(monkeypatch: pytest.MonkeyPatch, body: Any) -> None:
    """On standard input."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))


def run(*arguments: str, **environ: str) -> int:
    return main.main(["translate", *arguments], environ, lambda: None)


@pytest.mark.parametrize("folder", golden.folders(), ids=lambda path: path.name)
def test_golden_exchanges_are_translated_both_ways(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(translate, "MESSAGE_ID", golden.MESSAGE_ID)
    recorded = str(folder / "gemini.sse")
    for name, arguments in {
        "gemini.request.json": [],
        "events.sse": ["--response", recorded],
        "message.json": ["--response", recorded, "--whole"],
    }.items():
        give(monkeypatch, (folder / "request.json").read_bytes())
        assert run("--claude-code", *arguments) == 0
        assert capsys.readouterr().out == (folder / name).read_text("utf-8"), name


def test_model_and_url_stand_beside_the_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, {**BODY, "model": "gpt-5"})
    assert run(GEMINI_ENDPOINT="http://127.0.0.1:9") == 0
    shown = capsys.readouterr()
    path = "/v1beta/models/gemini-4-hydrogen:streamGenerateContent?alt=sse"
    warning, *lines = shown.err.splitlines()
    assert warning.startswith("gpt-5 is no Gemini or Claude model")
    assert lines == ["model gemini-4-hydrogen", f"POST http://127.0.0.1:9{path}"]
    assert json.loads(shown.out)["contents"][0]["role"] == "user"


def test_curl_command_runs(
    emulator: Emulator,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    give(monkeypatch, BODY)
    assert run("--curl", GEMINI_ENDPOINT=emulator.url, GEMINI_API_KEY=key) == 0
    command = capsys.readouterr().out
    assert key not in command
    environ = {**servers.clean_environ(), "GEMINI_API_KEY": key}
    done = subprocess.run(
        ["sh", "-c", command], env=environ, capture_output=True, timeout=20, check=True
    )
    assert done.stdout.startswith(b"data: {")
    (entry,) = emulator.journal(key)
    assert entry["body"]["contents"] == [{"role": "user", "parts": [{"text": "Hi, it's me"}]}]


def test_curl_asks_vertex_with_the_persons_login(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, BODY)
    assert run("--curl", GEMINI_BACKEND="vertex", GOOGLE_CLOUD_PROJECT="mine") == 0
    command = capsys.readouterr().out
    assert "/projects/mine/" in command
    assert 'Bearer $(gcloud auth print-access-token)"' in command


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "The request body is not valid JSON."),
        ({**BODY, "messages": 3}, "messages: expected a list"),
        pytest.param(b" " * 32_000_001, "The request is larger than 32 MB.", id="too large"),
    ],
)
def test_bad_input_is_the_apis_error(
    body: Any,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    give(monkeypatch, body)
    assert run() == 1
    assert capsys.readouterr() == ("", f"{message}\n")


def test_recording_that_cannot_be_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "gemini.sse"
    give(monkeypatch, BODY)
    assert run("--response", str(file)) == 1
    assert capsys.readouterr().err == f"{file} cannot be read: No such file or directory.\n"
    file.write_bytes(b"data: {}\n\n")
    monkeypatch.setattr(translate, "MAX_RESPONSE_BYTES", 3)
    give(monkeypatch, BODY)
    assert run("--response", str(file)) == 1
    assert "is larger than" in capsys.readouterr().err


def test_recorded_error_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "gemini.sse"
    file.write_text('data: {"error": {"code": 503, "message": "Overloaded."}}\n\n')
    give(monkeypatch, BODY)
    assert run("--response", str(file)) == 1
    assert capsys.readouterr().err == "Overloaded.\n"


def test_recording_is_read_up_to_a_stop_sequence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = json.dumps({"candidates": [{"content": {"parts": [{"text": "word " * 40}]}}]})
    file = tmp_path / "gemini.sse"
    file.write_text(f"data: {text}\n\n" * 3)
    give(monkeypatch, {**BODY, "stop_sequences": ["d w"]})
    assert run("--response", str(file), "--whole") == 0
    message = json.loads(capsys.readouterr().out)
    assert message["content"] == [{"type": "text", "text": "wor"}]
    assert message["stop_reason"] == "stop_sequence"


def test_person_at_a_terminal_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, BODY)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    assert standard_input.read_request() == BODY
    assert capsys.readouterr().err == f"{standard_input.HINT}\n"

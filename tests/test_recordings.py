"""proxy/recording/: what is recorded is complete, has no key in it, and is played again."""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from proxy import __main__ as cli
from proxy import banner, config
from proxy.cli import claude
from proxy.config import BadSetting
from proxy.recording import recorder
from proxy.recording.exchange import PING_FRAME, GeminiExchange, Recording
from proxy.recording.gemini import RecordedResponse
from proxy.recording.redaction import MIN_LENGTH
from tests import faults, golden, peers, servers
from tests.answers import chunk, text
from tests.faults import THINKS, UNAVAILABLE, google
from tests.messages import user
from tests.servers import LOCAL, Emulator
from tests.test_main import Front, events, front
from translate import ApiError

__all__ = ["front"]

MAX_SECONDS = 10
LATE = {"chunks": [{"text": "Now."}, {"delay": 1}, {"text": " Later."}]}
CALL = {"chunks": [{"thought": "Hm.", "sign": True}, {"call": {"name": "Bash", "args": {"a": 1}}}]}
OVERLOADED = {"status": UNAVAILABLE}
NO_KEY = google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.")
JUDGE = {
    "when": {"json": True},
    "chunks": [
        {"text": '{"verdicts": [{"number": 1, "outcome": "flagged", "explanation": "No"}]}'}
    ],
}
TOOLS = [{"name": "Bash", "input_schema": {"type": "object"}}]
CHECK = {"type": "dangerous_tool_use", "classifier_context": {"v": 1}}
HI: dict[str, Any] = {"model": "opus", "max_tokens": 99, "messages": [user("Hi")]}
STREAM = {"stream": True}
COUNT = "/v1/messages/count_tokens"

SESSION: dict[str, tuple[list[Any], dict[str, Any], list[int]]] = {
    "a stream with a call": ([CALL], {**STREAM, **THINKS, "tools": TOOLS}, [200]),
    "a whole answer": ([CALL], {"tools": TOOLS}, [200]),
    "an overload": ([OVERLOADED, CALL], {**STREAM, "tools": TOOLS}, [503, 200]),
    "a broken stream": ([{"chunks": [{"text": "Hi"}, {"cut": True}]}], STREAM, [200]),
    "no answer at all": ([{"chunks": [{"cut": True}], "repeat": True}], STREAM, [0, 0, 0]),
    "a late error": ([{"chunks": [{"text": "Hi"}, {"error": UNAVAILABLE}]}], STREAM, [200]),
    "a refused key": ([{"status": NO_KEY["status"]}], STREAM, [400]),
    "a bad request": ([], {"max_tokens": "many"}, []),
    "a verdict": ([JUDGE, CALL], {**STREAM, "tools": TOOLS, "safeguards": [CHECK]}, [200, 200]),
    "a key in the prompt": ([CALL], {"messages": [user("It is {key}, {escaped}.")]}, [200]),
}
"""Name -> what Gemini answers, the request, and with which statuses it is recorded."""

PINGS = {"PROXY_FIRST_BYTE_SECONDS": "0.05", "PROXY_PING_SECONDS": "0.05"}


def recorded(folder: Path, count: int) -> list[Path]:
    """So many recordings, once they are there: the client has its answer before."""
    end = time.monotonic() + MAX_SECONDS
    while len(found := golden.recordings(folder)) < count and time.monotonic() < end:
        time.sleep(0.01)
    assert len(found) == count
    return found


def described(folder: Path) -> Any:
    return json.loads((folder / "exchange.json").read_text("utf-8"))


# --- Recorded and played again --------------------------------------------------------------------


@pytest.fixture(scope="module")
def session(
    emulator: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """A served proxy that records, and where."""
    folder = tmp_path_factory.mktemp("session") / "new"
    settings = {"PROXY_AUTO_MODE_MODEL": "gemini-3.8-flash", "PROXY_LOG_BODIES": str(folder)}
    environ = {"GEMINI_ENDPOINT": emulator.url, **settings}
    with servers.serving(servers.PROXY, environ) as url:
        yield url, folder


def ask(url: str, key: str, path: str = "/v1/messages", **fields: Any) -> bytes:
    headers = {"x-api-key": key, "User-Agent": "claude-cli/2.1.330"}
    return LOCAL.post(url + path, json={**HI, **fields}, headers=headers, timeout=30).content


def only_new(folder: Path, before: int) -> Path:
    return recorded(folder, before + 1)[-1]


def check_replay(folder: Path) -> None:
    """In whatever pieces it is delivered."""
    assert golden.golden(folder) == {
        name: (folder / name).read_text("utf-8") for name in golden.golden(folder)
    }
    written = {file.name for file in folder.iterdir() if not file.name.startswith("gemini.")}
    assert written <= {*golden.golden(folder), "request.json"}
    once = golden.replay.replay(folder)
    for cut in (rb"(?s).", rb"(?s).{1,7}"):
        assert golden.replay.replay(folder, re.compile(cut)) == once


@pytest.mark.parametrize("name", SESSION)
def test_exchange_is_replayed(
    name: str, session: tuple[str, Path], emulator: Emulator, key: str
) -> None:
    replies, fields, statuses = SESSION[name]
    url, folder = session
    before = len(golden.recordings(folder))
    emulator.script(key, *replies)
    written = json.dumps(fields).replace("{key}", key).replace("{escaped}", f"\\u0022{key}")
    shown = ask(url, key, **json.loads(written))
    found = only_new(folder, before)
    exchanges = described(found)["gemini"]
    assert [exchange.get("status", 0) for exchange in exchanges] == statuses
    is_stream = (found / "events.sse").exists()
    answer = (found / ("events.sse" if is_stream else "response.json")).read_bytes()
    assert answer == shown.replace(key.encode(), b"[key]")
    assert not [file for file in found.iterdir() if key.encode() in file.read_bytes()]
    check_replay(found)


def test_pings_are_replayed_where_they_came(tmp_path: Path) -> None:
    """Behind no line of the body, and behind two of them."""
    with (
        peers.serving(None, PROXY_LOG_BODIES=str(tmp_path / "new"), **PINGS) as upstream,
        contextlib.closing(http.client.HTTPConnection("127.0.0.1", upstream.proxy_port)) as client,
    ):
        client.request("POST", "/v1/messages", json.dumps({**HI, **STREAM}), {"x-api-key": "k"})
        with upstream.accept_request() as sock:
            answer = client.getresponse()
            read_to(answer, b"event: ping\n")
            sock.sendall(faults.head() + faults.event(chunk(text("Hi"))))
            read_to(answer, b"event: content_block_delta\n")
            read_to(answer, b"event: ping\n")
            sock.sendall(faults.event(chunk(text("!"), finish="STOP")))
        answer.read()
        (found,) = recorded(tmp_path / "new", 1)
    signs = described(found)["gemini"][0]["signs_of_life"]
    assert {"ping 0", "ping 2"} <= set(signs) <= {"ping 0", "ping 2", "ping 4"}
    check_replay(found)


def read_to(answer: http.client.HTTPResponse, line: bytes) -> None:
    while (read := answer.readline()) != line:
        assert read


@pytest.mark.parametrize("key", ["test-of-a-count", "bad-key-of-a-count"])
def test_count_is_replayed(key: str, session: tuple[str, Path]) -> None:
    url, folder = session
    before = len(golden.recordings(folder))
    ask(url, key, COUNT)
    found = only_new(folder, before)
    assert described(found)["status"] == (401 if key.startswith("bad") else 200)
    check_replay(found)


@pytest.mark.parametrize("fields", [STREAM, {}], ids=["stream", "whole"])
def test_client_that_left_is_replayed(
    fields: Any, session: tuple[str, Path], emulator: Emulator, key: str
) -> None:
    url, folder = session
    before = len(golden.recordings(folder))
    emulator.script(key, {"chunks": [{"text": "Hi"}, {"delay": 30}]})
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=MAX_SECONDS)
    with contextlib.closing(connection):
        body = json.dumps({**HI, **fields})
        connection.request("POST", "/v1/messages", body, {"x-api-key": key})
        if fields:
            assert connection.getresponse().readline() == b"event: message_start\n"
        while not emulator.journal(key):
            time.sleep(0.01)
    found = only_new(folder, before)
    assert described(found)["client_left"]
    assert described(found)["status"] == (200 if fields else 499)
    check_replay(found)


def test_recordings_are_for_their_owner_only(session: tuple[str, Path], key: str) -> None:
    url, folder = session
    before = len(golden.recordings(folder))
    ask(url, key)
    found = only_new(folder, before)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder, found, *found.iterdir())]
    assert modes == [0o700, 0o700, *[0o600] * (len(modes) - 2)]


# --- One process ----------------------------------------------------------------------------------


@pytest.fixture
def folder(front: Front, tmp_path: Path) -> Path:
    """Where the function of this process records."""
    folder = tmp_path / "new"
    front.set(PROXY_LOG_BODIES=str(folder), PROXY_LOG_FORMAT="json")
    return folder


def read(answer: TestResponse) -> None:
    """To its end: a client that does not has left."""
    answer.get_data()
    answer.close()


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the log says beside its line for each request."""
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [entry["message"] for entry in entries if "message" in entry]


def test_broken_folder_fails_no_request(
    front: Front, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.rmdir()
    for _ in range(2):
        assert front.post().close() is None
    reason = "exchanges are not recorded: No such file or directory"
    assert lines(capsys) == [f"PROXY_LOG_BODIES: {reason}"]
    folder.mkdir()
    front.post().close()
    assert len(golden.recordings(folder)) == 1


def test_full_disk_leaves_nothing_behind(
    front: Front, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "rename", fail)
    front.post().close()
    reason = "exchanges are not recorded: No space left on device"
    assert lines(capsys) == [f"PROXY_LOG_BODIES: {reason}"]
    assert not list(folder.iterdir())


def test_fault_of_the_recorder_fails_no_request(
    front: Front, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("a prompt")

    monkeypatch.setattr(Recording, "files", fail)
    answer = front.post()
    assert answer.status_code == 200
    answer.close()
    assert lines(capsys) == ["PROXY_LOG_BODIES: exchanges are not recorded: ValueError"]
    assert not golden.recordings(folder)


def test_deep_request_is_not_recorded(
    front: Front, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """orjson reads deeper than it writes."""
    deep: Any = []
    for _ in range(400):
        deep = [deep]
    front.post(metadata={"deep": deep}).close()
    assert lines(capsys) == ["PROXY_LOG_BODIES: exchanges are not recorded: ApiError"]
    assert not list(folder.iterdir())


def test_silence_is_replayed(front: Front, folder: Path) -> None:
    front.set(PROXY_LOG_BODIES=str(folder), PROXY_SILENCE_SECONDS="0.5")
    front.script({"chunks": [{"text": "Hi"}, {"delay": 9}]})
    read(front.post(stream=True))
    (found,) = golden.recordings(folder)
    assert described(found)["gemini"][0]["end"] == "silent"
    check_replay(found)


def test_unreachable_gemini_is_replayed(front: Front, folder: Path) -> None:
    front.set(PROXY_LOG_BODIES=str(folder), GEMINI_ENDPOINT=f"127.0.0.1:{servers.free_port()}")
    answer = front.post()
    assert answer.status_code == 502
    answer.close()
    (found,) = golden.recordings(folder)
    (first, *_) = described(found)["gemini"]
    assert (first["error"]["status"], first["error"]["cause"]) == (502, "connection")
    check_replay(found)


def test_oldest_recordings_go(front: Front, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MAX_EXCHANGES", 2)
    left_over = folder / f".20200101T000000.000000-{'0' * 32}"
    for other in (left_over, folder / "mine", folder / f"{left_over.name[1:]}-mine"):
        other.mkdir()
    for number in range(3):
        front.post(model=f"gemini-{number}").close()
    models = [json.loads((each / "request.json").read_text())["model"] for each in kept(folder)]
    assert models == ["gemini-1", "gemini-2"]
    assert not left_over.exists()
    assert (folder / "mine").exists()
    monkeypatch.setattr(recorder, "MAX_KEPT_BYTES", 1)
    front.post(model="gemini-3").close()
    assert len(kept(folder)) == 1


def kept(folder: Path) -> list[Path]:
    return golden.recordings(folder)


def test_size_of_a_removed_folder_is_nothing(tmp_path: Path) -> None:
    assert recorder._size(tmp_path / "gone") == 0


def test_large_exchange_is_not_recorded(
    front: Front, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "MAX_HELD_BYTES", 3_000)
    large = front.post(messages=[user("x" * 4_000)], stream=True)
    assert events(large)[-1]["type"] == "message_stop"
    large.close()
    assert lines(capsys) == [f"PROXY_LOG_BODIES: {recorder.TOO_LARGE}"]
    assert not golden.recordings(folder)
    monkeypatch.setattr(recorder, "MAX_HELD_BYTES", 30_000)
    for _ in range(20):
        read(front.post(stream=True))
    assert not lines(capsys), "what was held is given back"


def test_key_in_pieces_is_not_written(
    front: Front, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    front.script({"chunks": [{"text": front.key[:9]}, {"text": front.key[9:]}]})
    front.post().close()
    assert lines(capsys) == [f"PROXY_LOG_BODIES: {recorder.IN_PIECES}"]
    assert not list(folder.iterdir())


def test_tokens_for_mcp_servers_are_no_part_of_it(front: Front, folder: Path) -> None:
    servers_ = [{"authorization_token": "a-token-of-mcp"}, {"authorization_token": 7}, 7]
    front.post(mcp_servers=servers_, metadata={"token": "a-token-of-mcp"}).close()
    front.post(mcp_servers=7).close()
    first, _ = golden.recordings(folder)
    assert "a-token-of-mcp" not in (first / "request.json").read_text()


def test_settings_are_part_of_it(front: Front, folder: Path) -> None:
    front.set(
        PROXY_LOG_BODIES=str(folder),
        ANTHROPIC_DEFAULT_OPUS_MODEL="gemini-3.8-flash",
        GEMINI_SAFETY="OFF",
        GEMINI_API_KEY="a-key-of-the-server",
    )
    front.post().close()
    (found,) = golden.recordings(folder)
    assert described(found)["settings"] == {
        "ANTHROPIC_DEFAULT_OPUS_MODEL": "gemini-3.8-flash",
        "GEMINI_SAFETY": "OFF",
    }
    check_replay(found)


def test_other_requests_are_not_recorded(front: Front, folder: Path) -> None:
    headers = {"x-api-key": front.key, "X-Forwarded-For": "192.0.2.7"}
    front.client.post("/v1/messages", json=HI, headers=headers).close()
    front.client.get("/v1/models", headers={"x-api-key": front.key}).close()
    front.client.post("/v1/messages", data="{", headers={"x-api-key": front.key}).close()
    assert not list(folder.iterdir())


# --- Responses ------------------------------------------------------------------------------------


class BrokenResponse:
    status, headers, deadline = 200, {"content-type": "text/event-stream"}, 1.0

    def __init__(self, error: Exception) -> None:
        self._error = error

    def reads(self) -> Iterator[bytes]:
        yield b"data: 1\n"
        raise self._error


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (TimeoutError(), "silent"),
        (TimeoutError(110, "Connection timed out"), "broken"),
        (ConnectionResetError(), "broken"),
        (ApiError(529, "Stopping."), "closed"),
    ],
)
def test_end_of_a_body_is_noted(error: Exception, end: str) -> None:
    exchange = GeminiExchange("model:method", b"{}")
    recording = Recording(lambda _: True, {}, {}, ())
    response = RecordedResponse(BrokenResponse(error), recording, exchange)  # type: ignore[arg-type]
    response.deadline = 2.0
    with pytest.raises(type(error)):
        list(response.reads())
    assert (exchange.end, exchange.lines, response.deadline) == (end, 1, 2.0)
    assert (exchange.error is not None) is isinstance(error, ApiError)


def test_keep_alive_is_a_sign_of_life() -> None:
    empty = b'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":""}}\n\n'
    recording = Recording(lambda _: True, {}, {}, ())
    exchange = recording.begin("model:method", b"{}")
    recording.read(exchange, b"data: 1\n\n")
    list(recording.watch([empty, empty]))
    assert exchange.signs_of_life == ["keep_alive 2"], "the first follows what was read"


def test_ping_behind_a_response_belongs_to_the_next() -> None:
    recording = Recording(lambda _: True, {}, {}, ())
    list(recording.watch([PING_FRAME]))
    first = recording.begin("model:method", b"{}")
    first.is_over = True
    list(recording.watch([PING_FRAME]))
    second = recording.begin("model:method", b"{}")
    assert (first.signs_of_life, second.signs_of_life) == ([], ["ping 0"])


def test_keep_alive_is_replayed(
    front: Front, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.answer.REAL_EVENT_SECONDS", 0.2)
    front.set(PROXY_LOG_BODIES=str(folder), **PINGS)
    front.script(LATE)
    read(front.post(stream=True))
    (found,) = golden.recordings(folder)
    monkeypatch.undo()
    signs = described(found)["gemini"][0]["signs_of_life"]
    assert {each.split()[0] for each in signs} == {"ping", "keep_alive"}
    check_replay(found)


# --- Where it is refused --------------------------------------------------------------------------


def open_recorder(folder: Path | str, host: str = "127.0.0.1") -> recorder.Recorder:
    return recorder.open_recorder(config.read({"PROXY_LOG_BODIES": str(folder)}), host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "localhost"])
def test_recorder_makes_its_folder(host: str, tmp_path: Path) -> None:
    open_recorder(tmp_path / "a/b", host)
    assert stat.S_IMODE((tmp_path / "a/b").stat().st_mode) == 0o700
    open_recorder(tmp_path / "a/b", host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.com"])
def test_recorder_is_for_this_machine(host: str, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=f"PROXY_LOG_BODIES: only a server .* on {host}\\. "):
        open_recorder(tmp_path / "new", host)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "name", ["K_SERVICE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_RUNTIME_API"]
)
def test_recorder_is_not_for_clouds(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(BadSetting, match=f"in a cloud records nothing \\({name} is set\\)"):
        open_recorder(tmp_path / "new")


def test_recorder_needs_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o750)
    with pytest.raises(BadSetting, match=f"others may look into {shared}: chmod 700 {shared}, or"):
        open_recorder(shared)
    (tmp_path / "file").touch()
    with pytest.raises(BadSetting, match="file cannot be used: File exists"):
        open_recorder(tmp_path / "file")
    with pytest.raises(BadSetting, match=r"~nobody-of-that-name/x cannot be used: no such home"):
        open_recorder("~nobody-of-that-name/x")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(BadSetting, match="it may not be written to"):
        open_recorder(tmp_path / "new")


@pytest.mark.parametrize(
    "secret", [{"PROXY_TOKEN": "x" * 11}, {"GEMINI_API_KEY": f"{'x' * 39},short"}]
)
def test_recorder_can_tell_keys_from_words(secret: dict[str, str], tmp_path: Path) -> None:
    environ = {"PROXY_LOG_BODIES": str(tmp_path / "new"), **secret}
    with pytest.raises(BadSetting, match="less than 12 characters"):
        recorder.open_recorder(config.read(environ), "127.0.0.1")
    recorder.open_recorder(config.read({**environ, **dict.fromkeys(secret, "x" * 12)}), "::1")


def test_framework_on_all_interfaces_does_not_start(tmp_path: Path) -> None:
    """It listens on all of them unless it is told."""
    command = [sys.executable, "-m", "functions_framework", *servers.PROXY]
    environ = {**servers.clean_environ(), "PROXY_LOG_BODIES": str(tmp_path / "new")}
    environ["PORT"] = str(servers.free_port())
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("PROXY_LOG_BODIES: only a server that listens")


def test_start_refuses_before_the_banner(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PROXY_LISTEN_ADDR", f"0.0.0.0:{servers.free_port()}")
    monkeypatch.setenv("PROXY_LOG_BODIES", str(tmp_path / "new"))
    with pytest.raises(BadSetting, match=r"this one listens on 0\.0\.0\.0\."):
        cli.main([])
    assert capsys.readouterr().out == ""


def test_recording_is_said_in_red(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = config.read({"PROXY_LOG_BODIES": "here"})
    line = "RECORDING every prompt and answer into here (PROXY_LOG_BODIES)"
    banner.print_recording(settings)
    assert capsys.readouterr().err == f"{line}\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    banner.print_recording(settings)
    assert capsys.readouterr().err == f"\x1b[31m{line}\x1b[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    banner.print_recording(settings)
    assert capsys.readouterr().err == f"{line}\n"


def test_start_says_that_it_records(
    front: Front, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    front.set(PROXY_LOG_BODIES=str(folder))
    assert f"RECORDING every prompt and answer into {folder}" in capsys.readouterr().err
    front.set()
    assert capsys.readouterr().err == ""


def test_launcher_says_that_it_records(capsys: pytest.CaptureFixture[str]) -> None:
    claude._print_start({"PROXY_LOG_BODIES": "here"})
    assert "RECORDING every prompt and answer into here" in capsys.readouterr().err
    claude._print_start({})
    assert "RECORDING" not in capsys.readouterr().err


# --- Golden exchanges -----------------------------------------------------------------------------


def test_recording_becomes_a_golden_exchange(
    front: Front,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    exchanges = tmp_path / "exchanges"
    exchanges.mkdir()
    monkeypatch.setattr(golden, "EXCHANGES", exchanges)
    read(front.post(stream=True))
    (found,) = golden.recordings(folder)
    capsys.readouterr()
    golden.main([str(found)])
    (added,) = golden.recordings()
    assert capsys.readouterr().out == f"{added}\n"
    assert {file.name: file.read_bytes() for file in added.iterdir()} == {
        file.name: file.read_bytes() for file in found.iterdir()
    }
    (found / "events.sse").write_text("event: other\n")
    golden.main([str(folder)])
    assert "\n-event: other\n" in capsys.readouterr().out
    check_replay(added)
    (found / "events.sse").unlink()
    golden.main([str(folder)])
    assert "\n+event: message_start\n" in capsys.readouterr().out


def test_folder_without_a_recording_is_said(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "gone"):
        with pytest.raises(SystemExit, match="no recording of PROXY_LOG_BODIES is there"):
            golden.main([str(place)])


def test_bounds_are_those_in_the_readme() -> None:
    readme = " ".join((servers.ROOT / "README.md").read_text("utf-8").split())
    kept, held = recorder.MAX_KEPT_BYTES // 1_000_000, recorder.MAX_HELD_BYTES // 1_000_000
    assert f"the last {recorder.MAX_EXCHANGES} requests or {kept} MB" in readme
    assert f"more than {held} MB are in memory" in readme
    assert f"has less than {MIN_LENGTH} characters does not start" in readme

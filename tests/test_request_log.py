"""proxy/request_log.py: what a request's line holds, and what it never does."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from proxy import __version__, request_log
from proxy.request_log import RequestLog, configure_logging, safe_identifier, should_log
from translate import ApiError, Cause, InvalidRequest
from translate.models import Tokens, find
from translate.response.usage import Billed

SECRET = "AIzaSy-prompt-or-key"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    log = request_log.log
    before = (log.handlers, log.level, log.propagate)
    yield
    log.handlers, log.level, log.propagate = before


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """What was written since it was last looked at; nothing but JSON, nothing elsewhere."""

    def written() -> list[dict[str, Any]]:
        out, err = capsys.readouterr()
        assert err == ""
        return [json.loads(line) for line in out.splitlines()]

    return written


def new(path: str = "/v1/messages", **fields: Any) -> RequestLog:
    return RequestLog("req_1", "POST", path, **fields)


# --- The line ---------------------------------------------------------------------------------


def test_the_line_of_a_request(lines: Lines) -> None:
    configure_logging("INFO")
    line = new(session="session-1", caller_id="key-0a1b2c3d", model="claude-opus-5", stream=True)
    line.gemini = "gemini-4-hydrogen"
    line.status = 200
    line.tokens = {"in": 9, "cached": 0, "out": 5, "thoughts": 2}
    line.failed_attempts = ["overloaded", "empty"]
    line.repairs = {"renamed": 1}
    line.judge["flagged"] = 1
    line.add_cost(Billed(find("gemini-4-hydrogen"), Tokens(9, 0, 5)))
    line.mark_first_byte()
    line.write()
    (entry,) = lines()
    written = datetime.fromisoformat(entry.pop("time"))
    assert abs((datetime.now(UTC) - written).total_seconds()) < 60
    assert 0 <= entry.pop("first_byte_ms") <= entry.pop("ms") < 60_000
    assert entry == {
        "severity": "INFO",
        "version": __version__,
        "request_id": "req_1",
        "method": "POST",
        "path": "/v1/messages",
        "status": 200,
        "session": "session-1",
        "caller_id": "key-0a1b2c3d",
        "model": "claude-opus-5",
        "gemini": "gemini-4-hydrogen",
        "stream": True,
        "tokens": {"in": 9, "cached": 0, "out": 5, "thoughts": 2},
        "tried": ["overloaded", "empty"],
        "repairs": {"renamed": 1},
        "judge": {"flagged": 1},
        "usd": 0.000051,
    }
    assert request_log.recent[-1]["usd"] == 0.000051
    assert request_log.recent[-1]["created"] <= time.time()


@pytest.mark.parametrize(
    ("log_format", "is_terminal", "no_color", "begin"),
    [
        ("AUTO", True, "", "\x1b[2m"),
        ("AUTO", True, "1", "1"),
        ("TEXT", False, "", "1"),
        ("AUTO", False, "", "{"),
        ("JSON", True, "", "{"),
    ],
)
def test_format_of_the_line(
    log_format: str, is_terminal: bool, no_color: str, begin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = io.StringIO()
    monkeypatch.setattr(output, "isatty", lambda: is_terminal)
    monkeypatch.setattr("sys.stdout", output)
    monkeypatch.setattr("time.localtime", lambda _: time.struct_time((2026, 1, 1, 12) + (0,) * 5))
    monkeypatch.setenv("NO_COLOR", no_color)
    configure_logging("INFO", log_format)
    new(status=200).write()
    assert output.getvalue().startswith(begin)
    assert "/v1/messages" in output.getvalue()


def test_last_requests_are_few() -> None:
    configure_logging("INFO")
    for _ in range(30):
        new(status=200).write()
    assert len(request_log.recent) == 20


def test_empty_values_are_not_logged(lines: Lines) -> None:
    configure_logging("INFO")
    new().write()
    (entry,) = lines()
    assert set(entry) == {
        *("time", "severity", "request_id", "method", "path", "status", "ms", "version"),
    }
    assert entry["status"] == 0


def test_a_client_that_left_has_a_status_of_its_own(lines: Lines) -> None:
    configure_logging("INFO")
    new(status=200, client_left=True).write()
    assert lines()[0]["status"] == 499


def test_times_are_milliseconds_since_the_request_came(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(request_log.time, "monotonic", lambda: now)
    line = new(started=100.0)
    now = 100.25
    line.mark_first_byte()
    now = 101.0
    line.mark_first_byte()
    assert (line.first_byte_ms, line.elapsed()) == (250, 1000)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, True),
        (0.0, True),
        (7, True),
        ("a", True),
        (["a"], True),
        (True, True),
        (False, False),
        (None, False),
        ("", False),
        ([], False),
        ((), False),
        ({}, False),
    ],
)
def test_zeros_are_kept_and_empty_values_dropped(value: Any, expected: bool) -> None:
    assert should_log(value) is expected


@pytest.mark.parametrize(
    ("created", "written"),
    [
        (0.0, "1970-01-01T00:00:00.000+00:00"),
        (1_795_861_439.9996, "2026-11-28T10:23:59.999+00:00"),
        (1_795_861_440.0625, "2026-11-28T10:24:00.062+00:00"),
    ],
)
def test_the_time_of_a_line_has_milliseconds(created: float, written: str) -> None:
    entry = logging.makeLogRecord({"msg": "", "created": created, "levelname": "INFO"})
    line = request_log.LogHandler().format(entry)
    assert json.loads(line)["time"] == written


# --- Levels -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "paths"),
    [
        ("DEBUG", ["/", "/v1/messages", "/v1/metrics"]),
        ("INFO", ["/v1/messages"]),
        ("WARNING", []),
        ("ERROR", []),
    ],
)
def test_a_health_check_is_only_worth_a_debug_line(
    lines: Lines, level: str, paths: list[str]
) -> None:
    configure_logging(level)
    for path in ("/", "/v1/messages", "/v1/metrics"):
        new(path).write()
    assert [line["path"] for line in lines()] == paths


def test_a_level_is_told_as_google_cloud_reads_it(lines: Lines) -> None:
    configure_logging("DEBUG")
    new("/").write()
    assert lines()[0]["severity"] == "DEBUG"


def test_others_words_are_lines_of_json_too(lines: Lines) -> None:
    configure_logging("INFO")
    request_log.log.warning("%d of %s", 1, 'many "things"\n')
    (entry,) = lines()
    assert (entry["severity"], entry["message"]) == ("WARNING", '1 of many "things"\n')
    assert set(entry) == {"time", "severity", "message"}


def test_a_line_is_written_once_however_often_the_log_is_set_up(lines: Lines) -> None:
    root = logging.getLogger()
    held: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = held.append  # type: ignore[method-assign]
    root.addHandler(handler)
    try:
        configure_logging("INFO")
        configure_logging("INFO")
        new().write()
    finally:
        root.removeHandler(handler)
    assert (len(lines()), held) == (1, [])


def test_lines_go_to_the_standard_output_of_the_moment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_logging("INFO")
    later = io.StringIO()
    monkeypatch.setattr(sys, "stdout", later)
    new().write()
    assert json.loads(later.getvalue())["request_id"] == "req_1"
    assert capsys.readouterr() == ("", "")


# --- What is never logged ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "claude-opus-4-8[1m]",
        "anthropic/claude-gemini-3.8-flash",
        "accounts/team@example.com:model_1",
        "x" * 100,
    ],
)
def test_an_identifier_is_logged(value: str) -> None:
    assert safe_identifier(value) == value


@pytest.mark.parametrize(
    "value",
    ["a sentence of a prompt", "x" * 101, "line\n", "naïve", "a?key=b", "<b>", '"', " ", "a,b"],
)
def test_what_is_no_identifier_is_replaced(value: str) -> None:
    assert safe_identifier(value) == "?"


@pytest.mark.parametrize("value", ["", None, 7, ["a"], {"a": 1}])
def test_what_is_no_text_is_no_identifier(value: Any) -> None:
    assert safe_identifier(value) == ""


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/v1/messages", "/v1/messages"),
        ("/v1/messages/", "/v1/messages"),
        ("/v1/models/claude-opus-5", "/v1/models/{id}"),
        (f"/v1/models/{SECRET}", "/v1/models/{id}"),
        (f"/v1/{SECRET}", "?"),
        (f"/v1/messages/{SECRET}", "?"),
        (f"/v1/{SECRET}/v1/messages", "?"),
        ("/v1/a b", "?"),
        (f"/{SECRET}", "?"),
        (f"/{SECRET}/v1/messages", "?"),
        ("/v1", "?"),
    ],
)
def test_a_path_is_logged_where_it_is_the_apis(lines: Lines, path: str, logged: str) -> None:
    configure_logging("INFO")
    new(path).write()
    (entry,) = lines()
    assert entry["path"] == logged
    assert SECRET not in json.dumps(entry)


@pytest.mark.parametrize(("method", "logged"), [("HEAD", "HEAD"), ("BREW", "?"), ("", "?")])
def test_a_method_is_logged_where_it_is_known(lines: Lines, method: str, logged: str) -> None:
    configure_logging("INFO")
    RequestLog("req_1", method, "/v1/messages").write()
    assert lines()[0]["method"] == logged


def test_lines_are_left_to_a_thread_once_there_is_one(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    registered: list[Any] = []
    monkeypatch.setattr("atexit.register", registered.append)
    configure_logging("INFO")
    request_log.write_in_background()
    assert registered == [request_log.flush], "at the end of the process, too"
    for number in range(100):
        new(session=f"session-{number}").write()
    request_log.flush()
    written = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["session"] for line in written] == [f"session-{number}" for number in range(100)]


def test_lines_that_were_dropped_are_reported_as_a_warning(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atexit.register", lambda _: None)
    configure_logging("INFO")
    request_log.write_in_background()
    (handler,) = request_log.log.handlers
    assert isinstance(handler, request_log.LogHandler)
    assert handler.queue is not None
    handler.queue._max_bytes = 1
    new().write()
    handler.queue._max_bytes = 10_000
    new().write()
    request_log.flush()
    line, report = (json.loads(line) for line in capfd.readouterr().out.splitlines())
    assert line["request_id"] == "req_1"
    assert (report["severity"], report["message"]) == (
        "WARNING",
        "1 log lines were dropped: nobody reads the standard output.",
    )


def test_whatever_a_client_sends_its_words_are_not_in_the_line(lines: Lines) -> None:
    configure_logging("DEBUG")
    words = f"please {SECRET}"
    new(f"/{words}", session=words, model=words, gemini=words).write()
    (entry,) = lines()
    assert SECRET not in json.dumps(entry)
    assert [entry[name] for name in ("path", "session", "model", "gemini")] == ["?"] * 4


# --- Failures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (ApiError(529, "Overloaded.", cause=Cause.OVERLOADED), "overloaded"),
        (ApiError(404, "No."), "not_found_error"),
        (InvalidRequest("messages", SECRET), "invalid_request_error"),
    ],
)
def test_an_error_is_shown_as_it_is_and_logged_by_a_word(
    lines: Lines, error: ApiError, word: str
) -> None:
    configure_logging("DEBUG")
    line = new()
    assert line.to_api_error(error) is error
    assert lines() == []
    line.write()
    (written,) = lines()
    assert written["error"] == word
    assert SECRET not in json.dumps(written)


def raised(error: Exception) -> Exception:
    """An exception that has been through a function with something to hide in it."""
    prompt = SECRET
    with pytest.raises(type(error)) as caught:
        raise error
    assert prompt
    return caught.value


def test_an_unexpected_exception_is_logged_by_its_place_only(lines: Lines) -> None:
    configure_logging("ERROR")
    line = new(session=SECRET)
    shown = line.to_api_error(raised(ValueError(SECRET)))
    assert (shown.status, shown.type, shown.retry) == (500, "api_error", None)
    assert shown.message == "Internal proxy error (request req_1). See the proxy's log."
    (entry,) = lines()
    frames = entry.pop("traceback")
    assert (entry.pop("time") > "2026", entry) == (
        True,
        {"severity": "ERROR", "request_id": "req_1", "exception": "ValueError"},
    )
    assert "test_request_log.py" in frames
    assert "in raised" in frames
    assert SECRET not in frames
    assert line.error == "api_error"


def test_an_exceptions_causes_are_not_told_either(lines: Lines) -> None:
    configure_logging("DEBUG")
    error = KeyError(SECRET)
    error.__cause__ = raised(ValueError(SECRET))
    error.add_note(SECRET)
    shown = new().to_api_error(raised(error))
    assert SECRET not in json.dumps([lines(), shown.message])


def test_request_nested_too_deeply_is_the_clients_fault(lines: Lines) -> None:
    def sink(depth: int = 0) -> int:
        return sink(depth + 1)

    configure_logging("DEBUG")
    line = new()
    with pytest.raises(RecursionError) as caught:
        sink()
    shown = line.to_api_error(caught.value)
    assert (shown.status, shown.message) == (400, "The request is nested too deeply.")
    assert (line.error, lines()) == ("invalid_request_error", [])


def test_a_log_that_cannot_be_written_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    request_log.configure_logging("INFO")
    monkeypatch.setattr("sys.stdout", closed)
    request_log.RequestLog("req_1", "POST", "/v1/messages").write()


def test_flush_without_a_queue_has_nothing_to_do(lines: Lines) -> None:
    configure_logging("INFO")
    request_log.flush()
    assert lines() == []


def test_other_handlers_of_the_log_get_no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    configure_logging("INFO")
    other = logging.NullHandler()
    request_log.log.addHandler(other)
    monkeypatch.setattr("atexit.register", lambda function: function)
    with open(os.devnull, "w") as nowhere:
        monkeypatch.setattr("sys.stdout", nowhere)
        request_log.write_in_background()
        request_log.flush()
    ours = request_log.log.handlers[0]
    assert isinstance(ours, request_log.LogHandler)
    assert ours.queue is not None
    assert not hasattr(other, "queue")
    configure_logging("INFO")

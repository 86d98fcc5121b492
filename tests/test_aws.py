"""proxy/aws: server.py and runtime_api.py: an invocation, its answer and its clock."""

from __future__ import annotations

import json
import logging
import os
import runpy
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from proxy import config, freezing
from proxy.aws import server as aws
from proxy.aws.runtime_api import FAILURES, Runtime
from proxy.aws.runtime_api import Invocation as Received
from tests.lambda_emulator.events import SEPARATOR, event
from tests.lambda_emulator.invocations import STREAM_CONTENT_TYPE, Failed, Invocation
from tests.lambda_emulator.runtime_api import RuntimeApi
from tests.servers import Emulator

GET = event("GET", "/", [], b"")
PROMPT = "somebody's prompt"
PLENTY = 60.0
SHORT = aws.MARGIN_SECONDS + 0.2
EVENTS = [("Content-Type", "text/event-stream; charset=utf-8"), ("Request-Id", "req_1")]
TEST_TIMEOUT = 20


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    api = RuntimeApi()
    yield api
    api.close()


def serve(api: RuntimeApi, app: Any, request: bytes = GET, seconds: float = PLENTY) -> Invocation:
    """One invocation, served to its end; nothing is lost when nobody reads meanwhile."""
    invocation = Invocation(request, seconds)
    api.invoke(invocation)
    aws.serve(Runtime(api.address), app)
    return invocation


def answers(status: str, headers: list[tuple[str, str]], *pieces: bytes) -> Any:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response(status, headers)
        yield from pieces

    return app


def prelude(piece: bytes) -> Any:
    """A prelude is a piece of its own."""
    text, separator, rest = piece.partition(SEPARATOR)
    assert (separator, rest) == (SEPARATOR, b"")
    return json.loads(text)


def test_each_piece_is_passed_on_behind_a_prelude(api: RuntimeApi) -> None:
    headers = [("Content-Type", "text/plain"), ("X-A", "1"), ("x-a", "2"), ("Set-Cookie", "a=1")]
    headers += [("Set-Cookie", "b=2"), ("Content-Length", "6"), ("Connection", "close")]
    invocation = serve(api, answers("201 Created", headers, b"one", b"", b"two"))
    head, *body = invocation.pieces()
    assert prelude(head) == {
        "statusCode": 201,
        "headers": {"content-type": "text/plain", "x-a": "1, 2"},
        "cookies": ["a=1", "b=2"],
    }
    assert body == [b"one", b"two"]
    assert invocation.content_type == STREAM_CONTENT_TYPE


@pytest.mark.parametrize("seconds", [PLENTY, 1.5, -1.0])
def test_what_a_frozen_process_cannot_do_is_done_before(
    api: RuntimeApi, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Behind the answer, and within the function's time."""
    waits: list[float] = []
    monkeypatch.setattr(freezing, "_tasks", [])
    freezing.before(waits.append)
    freezing.before(waits.append)
    serve(api, answers("200 OK", [], b"one"), seconds=seconds).pieces()
    (wait,) = waits
    assert seconds - 1 < wait <= seconds


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "302 Found"])
def test_an_answer_without_a_body_ends(api: RuntimeApi, status: str) -> None:
    (head,) = serve(api, answers(status, [("Location", "/")])).pieces()
    assert prelude(head)["statusCode"] == int(status[:3])


def test_a_piece_arrives_before_the_next_one_is_made(api: RuntimeApi) -> None:
    seen = threading.Event()
    order: list[str] = []

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"first"
        order.append("second is made" if seen.wait(TEST_TIMEOUT) else "too late")
        yield b"second"

    invocation = Invocation(GET, PLENTY)
    api.invoke(invocation)
    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(aws.serve, Runtime(api.address), app)
        pieces = invocation.pieces()
        next(pieces)
        assert next(pieces) == b"first"
        order.append("first is here")
        seen.set()
        assert list(pieces) == [b"second"]
        served.result()
    assert order == ["first is here", "second is made"]


def test_write_and_a_changed_mind(api: RuntimeApi) -> None:
    """The two old ways of WSGI: writing, and replacing the head while nothing is sent."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        try:
            raise ValueError
        except ValueError:
            write = start_response("500 Oh", [("X-Error", "1")], sys.exc_info())
        write(b"written")
        return [b"returned"]

    head, *body = serve(api, app).pieces()
    assert prelude(head) == {"statusCode": 500, "headers": {"x-error": "1"}, "cookies": []}
    assert body == [b"written", b"returned"]


def test_the_head_cannot_change_once_a_piece_is_sent(api: RuntimeApi) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"sent"
        start_response("500 Oh", [], (OSError, OSError("late"), None))

    invocation = serve(api, app)
    assert failure(invocation) == "OSError"


def failure(invocation: Invocation) -> str:
    with pytest.raises(Failed) as caught:
        list(invocation.pieces())
    return caught.value.error_type


def test_a_failure_before_the_first_byte(api: RuntimeApi, caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        raise ValueError(PROMPT)

    invocation = serve(api, app)
    assert failure(invocation) == "ValueError"
    assert invocation.content_type == "", "there is no answer but an error"
    assert f"{invocation.id}: exception ValueError" in caplog.text
    assert "test_aws.py" in caplog.text
    assert PROMPT not in caplog.text


def test_an_internal_error_points_to_the_log(
    api: RuntimeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        raise ValueError(PROMPT)

    reported: list[tuple[str, str]] = []
    monkeypatch.setattr(Runtime, "refuse", lambda _, __, *error: reported.append(error))
    serve(api, app)
    assert reported == [("ValueError", "Internal error. See the function's log.")]


def test_a_failure_after_the_first_byte_cuts_the_answer(
    api: RuntimeApi, caplog: pytest.LogCaptureFixture
) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"begun"
        raise ValueError(PROMPT)

    invocation = serve(api, app)
    pieces = invocation.pieces()
    assert [next(pieces) for _ in range(2)][1] == b"begun"
    with pytest.raises(Failed, match="ValueError"):
        next(pieces)
    assert PROMPT not in caplog.text


class Closable:
    """A body that notes when it is closed."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.is_closed = False

    def __call__(self, environ: Any, start_response: Any) -> Closable:
        start_response("200 OK", [])
        return self

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"piece"])

    def close(self) -> None:
        self.is_closed = True
        if self.error:
            raise self.error


def test_the_body_is_closed(api: RuntimeApi) -> None:
    body = Closable()
    assert list(serve(api, body).pieces())[1:] == [b"piece"]
    assert body.is_closed
    assert failure(serve(api, Closable(OSError()))) == "OSError"


@pytest.mark.parametrize("pieces", [[], [b"piece"]])
def test_an_app_without_a_head_has_failed(api: RuntimeApi, pieces: list[bytes]) -> None:
    assert failure(serve(api, lambda environ, start_response: pieces)) == "RuntimeError"


@pytest.mark.parametrize(
    "request_event", [b"{}", b"[]", b"null", b"no json", b'{"requestContext": 1}']
)
def test_an_event_of_something_else_is_refused(api: RuntimeApi, request_event: bytes) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        raise AssertionError("not to be called")

    assert failure(serve(api, app, request_event)) == "NoRequest"


class Stuck:
    """Gives some pieces and then waits for a Gemini that says nothing."""

    def __init__(self, headers: list[tuple[str, str]], *pieces: bytes) -> None:
        self.headers = headers
        self.pieces = pieces
        self.speaks = threading.Event()
        self.given = 0
        self.is_over = threading.Event()

    def __call__(self, environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", self.headers)
        yield from self.pieces
        self.speaks.wait(TEST_TIMEOUT)
        try:
            for self.given in range(1, 100):
                yield b"late"
        finally:
            self.is_over.set()


def test_a_stream_ends_with_an_error_event_when_time_is_up(api: RuntimeApi) -> None:
    app = Stuck(EVENTS, b"event: ping\n\n")
    invocation = serve(api, app, seconds=SHORT)
    assert time.time() < invocation.deadline, "before Lambda ends it"
    *_, ping, last = invocation.pieces()
    assert ping == b"event: ping\n\n"
    kind, data, *blank = last.decode().split("\n")
    assert (kind, blank) == ("event: error", ["", ""])
    reported = json.loads(data.removeprefix("data: "))
    assert reported["error"] == {"type": "timeout_error", "message": aws.OUT_OF_TIME}
    assert reported["request_id"] == "req_1"
    app.speaks.set()
    assert app.is_over.wait(TEST_TIMEOUT), "what nobody waits for stops"
    assert app.given == 1


def test_without_a_byte_it_is_an_error_with_a_status(api: RuntimeApi) -> None:
    app = Stuck(EVENTS)
    invocation = serve(api, app, seconds=SHORT)
    app.speaks.set()
    head, body = invocation.pieces()
    assert prelude(head) == {
        "statusCode": 504,
        "headers": {
            "content-type": "application/json",
            "request-id": f"req_{invocation.id}",
            "x-should-retry": "false",
        },
        "cookies": [],
    }
    assert json.loads(body) == {
        "type": "error",
        "error": {"type": "timeout_error", "message": aws.OUT_OF_TIME},
        "request_id": f"req_{invocation.id}",
    }


def test_error_of_its_own_can_be_read_by_a_page(api: RuntimeApi) -> None:
    page = event("GET", "/", [("Origin", "https://pivot.claude.ai")], b"")
    head, _ = serve(api, Stuck(EVENTS), page, seconds=SHORT).pieces()
    headers = prelude(head)["headers"]
    assert headers["access-control-allow-origin"] == "https://pivot.claude.ai"
    assert "request-id" in headers["access-control-expose-headers"]


def test_what_is_no_stream_of_events_is_cut(api: RuntimeApi) -> None:
    app = Stuck([("Content-Type", "application/json")], b'{"half": ')
    invocation = serve(api, app, seconds=SHORT)
    app.speaks.set()
    assert failure(invocation) == "OutOfTime"


def test_a_deadline_in_the_past_is_survived(api: RuntimeApi) -> None:
    head, _ = serve(api, Stuck([]), seconds=0.0).pieces()
    assert prelude(head)["statusCode"] == 504


def test_an_answer_over_the_limit_is_given_up(
    api: RuntimeApi, caplog: pytest.LogCaptureFixture
) -> None:
    api.most_bytes = 100_000
    is_closed = threading.Event()

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            while True:
                yield b"x" * 10_000
        finally:
            is_closed.set()

    invocation = serve(api, app)
    assert failure(invocation) == "Function.ResponseSizeTooLarge"
    assert f"{invocation.id}: the answer could not be delivered" in caplog.text
    assert is_closed.wait(TEST_TIMEOUT)


def test_what_the_runtime_api_refuses_is_logged(
    api: RuntimeApi, caplog: pytest.LogCaptureFixture
) -> None:
    Runtime(api.address).refuse(Received("unknown", 0.0, b""), "Any", "reported")
    assert "the Runtime API answered 400" in caplog.text
    assert "InvalidRequestID" in caplog.text


@pytest.fixture
def start(api: RuntimeApi, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`python -m proxy.aws` in this process, in a thread of its own: its end is the result."""

    def run(**environ: str) -> Any:
        for name in (*config.VARIABLES, "GEMINI_SECRET_ARN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", api.address)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        return ThreadPoolExecutor(1).submit(aws.main)

    return run


def test_it_serves_the_function_until_it_is_ended(
    start: Callable[..., Any], api: RuntimeApi, emulator: Emulator
) -> None:
    ended = start(GEMINI_ENDPOINT=emulator.url)
    for request, status in ((GET, 200), (event("GET", "/nothing", [], b""), 404)):
        invocation = Invocation(request, PLENTY)
        api.invoke(invocation)
        head, *_ = invocation.pieces()
        assert prelude(head)["statusCode"] == status
    api.close()
    assert isinstance(ended.exception(TEST_TIMEOUT), FAILURES)


def test_a_bad_setting_is_reported_and_ends_it(
    start: Callable[..., Any], api: RuntimeApi, caplog: pytest.LogCaptureFixture
) -> None:
    reported: list[Any] = []
    api.on_init_error = reported.append
    ended = start(GEMINI_SAFETY="none")
    assert ended.exception(TEST_TIMEOUT).code == 1
    ((error,), level) = reported, logging.ERROR
    assert error["errorType"] == "BadSetting"
    assert error["errorMessage"].startswith("GEMINI_SAFETY: expected one of")
    assert level in {record.levelno for record in caplog.records}


def test_elsewhere_its_start_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_LAMBDA_RUNTIME_API", raising=False)
    with pytest.raises(SystemExit, match="only AWS Lambda sets it"):
        runpy.run_module("proxy.aws", run_name="__main__")


def test_a_secret_is_read_before_the_function_is_loaded(
    start: Callable[..., Any], api: RuntimeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    from proxy.aws import secret

    monkeypatch.setattr(secret, "read", lambda arn: {"GEMINI_API_KEY": f"key of {arn}"})
    ended = start(GEMINI_SECRET_ARN="arn:a", PROXY_TOKEN="token", GEMINI_API_KEY="")
    api.close()
    assert isinstance(ended.exception(TEST_TIMEOUT), FAILURES)
    assert (os.environ["GEMINI_API_KEY"], os.environ["PROXY_TOKEN"]) == ("key of arn:a", "token")

"""The function on AWS Lambda: the same WSGI app behind a Function URL, streaming.

Here is the life of an invocation and its clock: an answer ends before Lambda ends the function,
and an error event says so. The protocol is in runtime_api.py, its forms are in event.py.
Started by `bootstrap`, the wrapper in build/lambda.zip, in place of AWS's own runtime, which
cannot stream from Python.
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from translate import ApiError, sse

from .. import config, cors, freezing
from . import event as events
from .event import Head
from .runtime_api import FAILURES, Invocation, ResponseStream, Runtime

log = logging.getLogger(__name__)

MARGIN_SECONDS = 1.0
"""Kept back from the function's time, to end an answer in."""

OUT_OF_TIME = (
    "The function on AWS Lambda has run for as long as it may (its Timeout, at most 15 minutes)."
)
LATE = "%s: out of time before the end of the answer"
INTERNAL_ERROR = "Internal error. See the function's log."
NO_REQUEST = "This is no event of a Function URL (payload format 2.0)."

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class OutOfTime(Exception):
    """The function's time is nearly over."""


class AppFailed(Exception):
    """The app raised an exception: `cause`."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.cause = cause


class AppThread:
    """Runs the app for one request, in a thread of its own: its time can end before it does.

    head: status and headers; they are there once the first piece or the end is.
    """

    def __init__(self, app: App, environ: dict[str, Any], until: float) -> None:
        self.head = Head(0, [])
        self.origin: str | None = environ.get("HTTP_ORIGIN")
        self._until = until
        self._pieces: queue.SimpleQueue[bytes | AppFailed | None] = queue.SimpleQueue()
        self._is_begun = False
        self._is_abandoned = False
        threading.Thread(target=self._work, args=(app, environ), daemon=True).start()

    def __iter__(self) -> Iterator[bytes]:
        """The pieces of the body as they come. Raises OutOfTime and AppFailed."""
        while True:
            try:
                piece = self._pieces.get(timeout=max(0.0, self._until - time.time()))
            except queue.Empty:
                raise OutOfTime from None
            if piece is None:
                return
            if isinstance(piece, AppFailed):
                raise piece
            yield piece

    def abandon(self) -> None:
        """Stop at the next piece. A wait for Gemini cannot be interrupted."""
        self._is_abandoned = True

    def _work(self, app: App, environ: dict[str, Any]) -> None:
        end = None
        try:
            with contextlib.ExitStack() as stack:
                pieces = app(environ, self._start_response)
                stack.callback(getattr(pieces, "close", _nothing))
                for piece in pieces:
                    if self._is_abandoned:
                        break
                    self._put(piece)
                self._put(b"")
        except BaseException as error:  # noqa: BLE001 - raised again by __iter__
            end = AppFailed(error)
        self._pieces.put(end)

    def _start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        if exc_info and self._is_begun:
            raise exc_info[1]
        self.head = events.head(status, headers)
        return self._put

    def _put(self, piece: bytes) -> None:
        if not self.head.status:
            raise RuntimeError("start_response was not called")
        if piece:
            self._is_begun = True
            self._pieces.put(piece)


def main() -> None:
    """Serve until Lambda ends the process."""
    runtime = Runtime(config.runtime_api())
    try:
        app = load()
    except (Exception, SystemExit) as error:
        log.exception("the function cannot be started")
        runtime.report_init_error(type(error).__name__, str(error))
        raise SystemExit(1) from None
    while True:
        serve(runtime, app)


def load() -> App:
    """The app that functions-framework serves elsewhere, with the secrets it needs."""
    if arn := config.secret_arn():
        from . import secret

        config.set_secrets(secret.read(arn))
    import functions_framework

    source = Path(__file__).parents[2] / "main.py"
    app: App = functions_framework.create_app(  # type: ignore[no-untyped-call]
        "messages", str(source), "http"
    )
    return app


def serve(runtime: Runtime, app: App) -> None:
    """One invocation, from its event to the last byte of its answer."""
    invocation = runtime.next()
    try:
        environ = events.environ(json.loads(invocation.event))
    except (ValueError, KeyError, TypeError, AttributeError):
        runtime.refuse(invocation, "NoRequest", NO_REQUEST)
        return
    app_thread = AppThread(app, environ, invocation.deadline - MARGIN_SECONDS)
    try:
        answer(runtime, invocation, app_thread)
    except FAILURES as error:
        log.warning("%s: the answer could not be delivered: %r", invocation.id, error)
    finally:
        app_thread.abandon()
    freezing.prepare(lambda: invocation.deadline - time.time())


def answer(runtime: Runtime, invocation: Invocation, app_thread: AppThread) -> None:
    """Send what the app gives. Until the first byte a failure still has a status."""
    pieces = iter(app_thread)
    try:
        first = next(pieces, b"")
    except OutOfTime:
        log.warning(LATE, invocation.id)
        refuse(runtime, invocation, app_thread.origin)
        return
    except AppFailed as failed:
        runtime.refuse(invocation, log_exception(invocation, failed.cause), INTERNAL_ERROR)
        return
    with contextlib.closing(runtime.response_stream(invocation)) as stream:
        stream.begin(events.prelude(app_thread.head))
        stream.send(first)
        try:
            for piece in pieces:
                stream.send(piece)
        except OutOfTime:
            log.warning(LATE, invocation.id)
            end_with_timeout_error(stream, app_thread.head)
        except AppFailed as failed:
            stream.fail(log_exception(invocation, failed.cause), INTERNAL_ERROR)
        else:
            stream.end()


def refuse(runtime: Runtime, invocation: Invocation, origin: str | None) -> None:
    """Out of time before the first byte: a 504, not to be retried, as it would take as long."""
    request_id = f"req_{invocation.id}"
    error = ApiError(504, OUT_OF_TIME, retry=False)
    headers = {"content-type": "application/json", "request-id": request_id, **error.headers()}
    headers |= cors.response_headers(origin, config.read().allow_origins, headers)
    head = Head(error.status, list(headers.items()))
    with contextlib.closing(runtime.response_stream(invocation)) as stream:
        stream.begin(events.prelude(head))
        stream.send(json.dumps(error.body(request_id)).encode())
        stream.end()


def end_with_timeout_error(stream: ResponseStream, head: Head) -> None:
    """Out of time in mid-answer: a stream of events ends with an error event, else it is cut.

    No `overloaded_error`, after which Claude Code would send the request three times more.
    """
    if not head.get("content-type").startswith("text/event-stream"):
        stream.fail(OutOfTime.__name__, OUT_OF_TIME)
        return
    stream.send(sse([ApiError(504, OUT_OF_TIME).body(head.get("request-id"))]))
    stream.end()


def log_exception(invocation: Invocation, error: BaseException) -> str:
    """Log an exception by its place, and return its name; its text may quote a prompt."""
    name = type(error).__name__
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("%s: exception %s\n%s", invocation.id, name, frames)
    return name


def _nothing() -> None:
    """The close of a body that has none."""

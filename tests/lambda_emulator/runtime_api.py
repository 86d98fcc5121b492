"""The Runtime API of one execution environment, strict about the protocol.

Knows paths, modes, chunks and trailers, and the errors AWS's own emulator gives. It refuses to
know who calls the function, and what a process is.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .events import MOST_STREAM_BYTES
from .invocations import Invocation

ROOT = "/2018-06-01/runtime"
ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"


class RuntimeApi:
    """Hands out invocations, one at a time, and takes their answers.

    on_done: called with an invocation when the runtime asks for the next one. on_init_error: called
    with what a runtime says that cannot start.
    """

    def __init__(self, most_bytes: int = MOST_STREAM_BYTES) -> None:
        self.most_bytes = most_bytes
        self.on_done: Callable[[Invocation], None] = lambda invocation: None
        self.on_init_error: Callable[[Any], None] = lambda error: None
        self.current: Invocation | None = None
        self._inbox: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.api = self
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def invoke(self, invocation: Invocation) -> None:
        self._inbox.put(invocation)

    def next(self) -> Invocation | None:
        """Called by the runtime; None when the environment is shut down."""
        if self.current is not None:
            self.on_done(self.current)
        self.current = self._inbox.get()
        return self.current

    def close(self) -> None:
        self._inbox.put(None)
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    api: RuntimeApi


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: it would be a line for each call."""

    def do_GET(self) -> None:
        if self.path != f"{ROOT}/invocation/next":
            self._reply(404, "UnknownPath")
            return
        invocation = self.server.api.next()
        if invocation is None:
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(invocation.event)))
        self.send_header("Lambda-Runtime-Aws-Request-Id", invocation.id)
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(invocation.deadline * 1000)))
        self.send_header("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000")
        self.end_headers()
        self.wfile.write(invocation.event)

    def do_POST(self) -> None:
        if self.path == f"{ROOT}/init/error":
            self.server.api.on_init_error(json.loads(self._body()))
            self._reply(202)
            return
        *before, invocation_id, action = self.path.split("/")
        invocation = self.server.api.current
        if "/".join(before) != f"{ROOT}/invocation" or action not in ("response", "error"):
            self._reply(404, "UnknownPath")
        elif invocation is None or invocation.id != invocation_id or invocation.is_answered:
            self._refuse("InvalidRequestID")
        elif action == "error":
            invocation.end(json.loads(self._body())["errorType"])
            self._reply(202)
        else:
            self._take(invocation)

    def _take(self, invocation: Invocation) -> None:
        """An answer, streamed or whole."""
        mode = self.headers.get("Lambda-Runtime-Function-Response-Mode")
        if mode not in (None, "streaming"):
            self._refuse("InvalidFunctionResponseMode")
            return
        invocation.content_type = self.headers.get("Content-Type", "")
        size = 0
        pieces = self._chunks(invocation) if mode else iter([self._body()])
        for piece in pieces:
            size += len(piece)
            if size > self.server.api.most_bytes:
                invocation.end("Function.ResponseSizeTooLarge")
                self.close_connection = True
                self._reply(413, "Function.ResponseSizeTooLarge")
                return
            invocation.put(piece)
        invocation.end()
        self._reply(202)

    def _chunks(self, invocation: Invocation) -> Iterator[bytes]:
        """A chunked body as it comes. What its trailers say ends the invocation."""
        try:
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
        except (OSError, ValueError):
            invocation.end("Runtime.TruncatedResponse")
            return
        if error_type := http.client.parse_headers(self.rfile).get(ERROR_TYPE):
            invocation.end(error_type)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _refuse(self, error_type: str) -> None:
        """A streamed body may never end: it is not waited for."""
        self._body()
        self.close_connection = True
        self._reply(400, error_type)

    def _reply(self, status: int, error_type: str | None = None) -> None:
        said = {"status": "OK"} if error_type is None else {"errorType": error_type}
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        with contextlib.suppress(OSError):  # a runtime that was killed waits for no answer
            self.end_headers()
            self.wfile.write(body)

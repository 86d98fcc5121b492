"""A Function URL with InvokeMode RESPONSE_STREAM: HTTP in front, invocations behind.

Knows what AWS answers for the function: too large a request, no environment free, a failure. It
passes on each piece as it comes, cuts what failed half-way, and never tells the function that a
client has left.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from . import events
from .environments import Function, Throttled
from .invocations import STREAM_CONTENT_TYPE, Failed, Invocation

TOO_LARGE = {"Message": "Request Entity Too Large"}
THROTTLED = {
    "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
    "Type": "User",
    "message": "Rate Exceeded.",
}
WITHOUT_BODY = {204, 304}


class FunctionUrl:
    """Serves a function on a port of this machine until it is closed, with all its processes."""

    def __init__(self, function: Function, port: int = 0) -> None:
        self._server = _Server(("127.0.0.1", port), Handler)
        self._server.function = function
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._server.function.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    function: Function


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the function logs."""

    def do_any(self) -> None:
        event = events.event(self.command, self.path, self.headers.items(), self._read())
        if len(event) > events.MOST_EVENT_BYTES:
            self._say(413, TOO_LARGE)
            return
        try:
            invocation = self.server.function.invoke(event)
        except Throttled:
            self._say(429, THROTTLED)
            return
        try:
            self._pass_on(invocation)
        except OSError:
            self.close_connection = True
            self._drain(invocation)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_any

    def _pass_on(self, invocation: Invocation) -> None:
        """The answer as it comes. Raises OSError when the client has left."""
        pieces = invocation.pieces()
        try:
            prelude, first = self._prelude(invocation, pieces)
        except (Failed, ValueError):
            self._say(502, "Internal Server Error")
            return
        has_body = self._begin(prelude, invocation)
        try:
            self._write(first if has_body else b"")
            for piece in pieces:
                self._write(piece if has_body else b"")
        except Failed:
            self.close_connection = True
            return
        if has_body:
            self.wfile.write(b"0\r\n\r\n")

    def _prelude(
        self, invocation: Invocation, pieces: Iterator[bytes]
    ) -> tuple[dict[str, Any], bytes]:
        """The head and what there is of the body; what is no streamed answer is all body."""
        prelude = events.Prelude()
        for piece in pieces:
            if invocation.content_type != STREAM_CONTENT_TYPE:
                return {"headers": {"content-type": "application/octet-stream"}}, piece
            if whole := prelude.feed(piece):
                return whole
        raise ValueError("the answer ended within its prelude")

    def _begin(self, prelude: dict[str, Any], invocation: Invocation) -> bool:
        """Send the head; whether a body follows."""
        status = prelude.get("statusCode", 200)
        has_body = self.command != "HEAD" and status not in WITHOUT_BODY
        self.send_response(status)
        self.send_header("x-amzn-RequestId", invocation.id)
        for name, value in prelude.get("headers", {}).items():
            self.send_header(name, value)
        for cookie in prelude.get("cookies", []):
            self.send_header("Set-Cookie", cookie)
        if has_body:
            self.send_header("Transfer-Encoding", "chunked")
        self._end_headers()
        return has_body

    def _end_headers(self) -> None:
        """Without the word, a client would use a connection again that it wanted closed."""
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _write(self, piece: bytes) -> None:
        if piece:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def _drain(self, invocation: Invocation) -> None:
        """The function runs on, and what it says goes nowhere."""
        try:
            for _ in invocation.pieces():
                pass
        except Failed:
            return

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(self._read_chunks())
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _read_chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _say(self, status: int, said: Any) -> None:
        """AWS's own answer."""
        body = said.encode() if isinstance(said, str) else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self._end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

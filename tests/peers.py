"""The two ends of the served proxy, by hand and over real sockets: an upstream and a client."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests import servers
from tests.sockets import server_context

TEST_TIMEOUT = 10.0
BUFFER_BYTES = 65_536
"""Of what an upstream has not read yet: a large body is not taken at once."""

OPEN, CONNECTING = "01", "02"
"""States of a connection in /proc/net/tcp."""


class Upstream:
    """Gemini's end, without a thread: each connection is accepted, read and written by the test.

    context: of TLS, where it is encrypted. proxy_port: where the proxy that asks it is served.
    """

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self._listener.settimeout(TEST_TIMEOUT)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.close = self._listener.close
        self.port = self._listener.getsockname()[1]
        self.proxy_port = 0

    def accept(self) -> socket.socket:
        """A connection of the proxy's, not encrypted yet."""
        sock, _ = self._listener.accept()
        sock.settimeout(TEST_TIMEOUT)
        return sock

    def encrypt(self, sock: socket.socket) -> socket.socket:
        return self._context.wrap_socket(sock, server_side=True) if self._context else sock

    def accept_request(self) -> socket.socket:
        """A connection of which the request was read."""
        sock = self.encrypt(self.accept())
        read_body(sock, read_head(sock))
        return sock

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Meanwhile a connection to it does not come about."""
        self._listener.listen(0)
        try:
            with socket.create_connection(("127.0.0.1", self.port)):
                yield
        finally:
            self.accept().close()
            self._listener.listen()

    def has_connection(self, state: str) -> bool:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        return any(row[2].endswith(f":{self.port:04X}") and row[3] == state for row in rows)


@contextlib.contextmanager
def serving(certificate: str | None, **environ: str) -> Iterator[Upstream]:
    """An upstream, encrypted where there is a certificate, and a proxy with these settings."""
    context = None
    if certificate:
        environ["REQUESTS_CA_BUNDLE"] = certificate
        context = server_context(certificate)
    with contextlib.closing(Upstream(context)) as upstream:
        scheme = "https" if context else "http"
        environ["GEMINI_ENDPOINT"] = f"{scheme}://127.0.0.1:{upstream.port}"
        with servers.serving(servers.PROXY, environ) as url:
            upstream.proxy_port = int(url.rsplit(":", 1)[1])
            yield upstream


def receive(sock: socket.socket) -> bytes:
    read = sock.recv(BUFFER_BYTES)
    assert read, "it was closed"
    return read


def read_head(sock: socket.socket) -> int:
    """Returns how much of the body is left."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += receive(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    return int(re.findall(rb"(?i)content-length: (\d+)", head)[0]) - len(body)


def read_body(sock: socket.socket, left: int) -> None:
    while left > 0:
        left -= len(receive(sock))


class Client:
    """One request of a Messages API client, and what it has received by now."""

    def __init__(self, upstream: Upstream, size: int = 2, path: str = "", **fields: Any) -> None:
        messages = [{"role": "user", "content": "x" * size}]
        body = json.dumps({"model": "m", "max_tokens": 9, "messages": messages, **fields}).encode()
        head = f"POST /v1/messages{path} HTTP/1.1\r\nHost: h\r\nx-api-key: k\r\nConnection: close"
        self.sock = socket.create_connection(("127.0.0.1", upstream.proxy_port), TEST_TIMEOUT)
        self.sock.sendall(f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        self.received = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def read_until(self, word: bytes, times: int = 1) -> None:
        while self.received.count(word) < times:
            self.received += receive(self.sock)

    def read_all(self) -> tuple[int, bytes]:
        """The status of the answer, and all that was received."""
        while read := self.sock.recv(BUFFER_BYTES):
            self.received += read
        return int(re.findall(rb"HTTP/1\.1 (\d+)", self.received)[-1]), self.received

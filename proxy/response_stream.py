"""An HTTP/1.1 response as it comes from a socket that does not block.

Framed by llhttp (httptools): 0.3 us for a chunk and 5 us for a head, where http.client, with its
parser for e-mail, took a third of the time of a short answer.
"""

from __future__ import annotations

import math
import socket
import ssl
import time
from collections.abc import Generator, Iterator
from typing import Any, Protocol

import httptools
from urllib3.exceptions import ProtocolError

from .liveness import SILENCE, Poller, Silence, Waiting

READ_BYTES = 16_384
"""At once: as much as a TLS record holds. More would be kept by each of many streams."""

MAX_HEAD_BYTES = 65_536
"""Of a response's status line and headers, and of what is around its body; http.client allows as
much in one line."""


INTERIM_STATUSES = (100, 103)
"""Before a response's own. Others of the 1xx nobody asked for: they are taken for the response."""


class Pool(Protocol):
    """Where a connection goes that can be used again."""

    def give_back(self, connection: Any) -> None: ...


class UpstreamResponse:
    """A response as it comes: `read_head`, then `reads`. Close it in any case.

    status, headers (their names in small letters): known once the head is there. deadline: in
    seconds of `time.monotonic`. It is moved by who gets what was waited for: a peer that sends a
    byte now and then has not answered.
    """

    def __init__(self, connection: Any, pool: Pool, poller: Poller) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.deadline = math.inf
        self._connection = connection
        self._pool = pool
        self._parser: Any = httptools.HttpResponseParser(self)
        self._received = self._receive(connection.sock, poller)
        self._head_size = 0
        self._body: list[bytes] = []
        self._has_head = self._is_complete = self._is_reusable = self._is_closed = False
        self._is_delimited = False
        """Whether the body tells its own end; otherwise the connection's end is its."""

    def has_come(self) -> bool:
        """Before all of the request is sent: whether it was answered, or nobody will answer it.

        Nothing is waited for. The connection cannot be used again. Raises ProtocolError, OSError.
        """
        try:
            read = self._connection.sock.recv(READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        if read:
            self._parse_head(read)
            self._is_reusable = False
        return self._has_head or not read

    def read_head(self) -> Waiting[None]:
        """Raises ProtocolError for what is no response, TimeoutError where none comes."""
        while not self._has_head:
            read = next(self._received)
            if isinstance(read, Silence):
                yield read
            elif read:
                self._parse_head(read)
            else:
                raise ProtocolError("the connection was closed without a response")

    def _parse_head(self, read: bytes) -> None:
        self._parse(read)
        self._head_size += len(read)
        if not self._has_head and self._head_size > MAX_HEAD_BYTES:
            raise ProtocolError("the head of the response is too large")

    def reads(self) -> Iterator[bytes | Silence]:
        """The body, in a piece for each read. Raises ProtocolError where it is cut or garbled, or
        encoded, which nobody asked for: a little of it could become very much."""
        if self.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
            raise ProtocolError("the response is encoded, though nobody asked for it")
        return self._pieces()

    def read_all(self, max_bytes: int) -> Waiting[bytes]:
        """The whole body, as far as it is allowed to go. Raises as `reads` does."""
        body = bytearray()
        for read in self.reads():
            if isinstance(read, Silence):
                yield read
                continue
            body += read
            if len(body) >= max_bytes:
                break
        return bytes(body[:max_bytes])

    def close(self) -> None:
        """Give the connection back where it can be used again, else close it."""
        if self._is_closed:
            return
        self._is_closed = True
        self._received.close()
        self._parser = None  # it refers to this object: nothing is left to garbage collection
        if self._is_complete and self._is_reusable:
            self._pool.give_back(self._connection)
        else:
            self._connection.close()

    def _pieces(self) -> Generator[bytes | Silence, None, None]:
        framing = 0  # bytes in a row that hold nothing of the body: extensions, trailers
        while True:
            if self._body:
                body, self._body = self._body, []
                yield body[0] if len(body) == 1 else b"".join(body)
            if self._is_complete:
                return
            read = next(self._received)
            if isinstance(read, Silence):
                yield read
            elif read:
                self._parse(read)
                framing = 0 if self._body else framing + len(read)
                if framing > MAX_HEAD_BYTES:
                    raise ProtocolError("there is too much around the body")
            elif self._is_delimited:
                raise ProtocolError("the connection was closed in the middle of the body")
            else:
                return

    def _receive(self, sock: Any, poller: Poller) -> Generator[bytes | Silence, None, None]:
        """What the socket has, read by read; nothing at its end."""
        pending = getattr(sock, "pending", None)
        # TLS inside of TLS does not tell what is pending: a read is tried first.
        is_nested = not isinstance(sock, socket.socket)
        has_tried = False
        last_deadline = -math.inf
        while True:
            # Where there is always something to read, and the deadline is not moved for it.
            if self.deadline == last_deadline and time.monotonic() >= last_deadline:
                raise TimeoutError("too little was received")
            last_deadline = self.deadline
            if has_tried or not (is_nested or (pending and pending())):
                while not poller.wait(sock.fileno(), self.deadline):
                    if time.monotonic() >= self.deadline:
                        raise TimeoutError("nothing was received")
                    yield SILENCE
            try:
                read = sock.recv(READ_BYTES) or b""  # the nested end is 0
                has_tried = False
            except (BlockingIOError, ssl.SSLWantReadError):
                has_tried = True
                continue
            yield read

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._is_complete:
                raise ProtocolError("the response is not HTTP/1.1") from error
            self._is_reusable = False

    # --- What llhttp calls: https://github.com/MagicStack/httptools ------------------------------

    def on_message_begin(self) -> None:
        if self._is_complete:
            raise ValueError("something follows the response")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._has_head:
            return  # a trailer
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status in INTERIM_STATUSES:
            self.headers = {}
            return
        self._has_head = True
        # After one of the 1xx the response may still come: nobody else is to take it for theirs.
        self._is_reusable = self._parser.should_keep_alive() and self.status >= 200
        self._is_delimited = not self.headers.keys().isdisjoint(
            ("content-length", "transfer-encoding")
        )

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._is_complete = self._has_head

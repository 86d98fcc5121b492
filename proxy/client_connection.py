"""A client's connection beside gunicorn's threads: its head as it comes, and its end.

Nothing in here waits: what has come is read, and whether all has.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import socket
import struct
import termios
import time
from collections.abc import Callable, Iterator
from typing import Any

from gunicorn.http.body import LengthReader
from gunicorn.http.errors import InvalidChunkSize, ParseException
from gunicorn.http.message import Request
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn

from . import request_body
from .http_errors import MAX_HEAD_BYTES, MAX_LINE_BYTES

HEAD_SECONDS = 10
"""From a connection's first moment, or the first byte of its next request, to the end of the head:
clients send it in one piece."""

READ_BYTES = 16_384

MAX_UNREAD_BYTES = 16_384
"""Of earlier answers, that a client has not taken when it asks for the next: with one more of that
size no thread waits for it."""

SEND_BUFFER_BYTES = 65_536
"""That the system keeps of an answer that is not taken, and as much again for its own use. By
itself it keeps 4 MB: for 300 clients that take nothing, seconds of work and a gigabyte. With 100 ms
to a client it still makes 600 kB a second; a model writes a few."""

REST_SECONDS = 0.1
"""In which the rest of a body that nobody has read is here, or the connection is closed."""

MAX_REST_BYTES = 65_536
"""Of it; as gunicorn has it."""

MAX_PIECES = 100_000
"""Of a chunked body, as it is read: chunks of 320 bytes for the largest one. A chunk costs 2 us."""

LINGER_SECONDS = 30
"""For which a client may go on sending what nobody reads; nginx has the same two by default
(lingering_time, lingering_timeout)."""

LINGER_SILENCE_SECONDS = 5

END_OF_HEAD = b"\r\n\r\n"
END_OF_LINE = b"\r\n"
EMPTY_LINES = re.compile(rb"(?:\r\n)+")

REQUEST_LINE = re.compile(rb"[!$%&'*+\-.^_`|~0-9A-Z]+ [!-~]+ HTTP/1\.[0-9]")
FIELD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*")
"""What a line of a head is in gunicorn's eyes, or it is no head."""

METHOD = re.compile(rb"[!$%&'*+\-.^_`|~0-9A-Z]{1,20}(?: |\Z)|\r\Z")
MAX_METHOD_BYTES = 21
"""How a request begins, which is known before its line is there."""

NOT_IN_A_LINE = re.compile(rb"[\x00-\x08\n-\x0c\x0e-\x1f\x7f]|\r(?!\Z)")
"""The other controls, and an end of a line that is only half of one."""

_discarded = memoryview(bytearray(65_536))


class BadHead(Exception):
    """A head that is too long, or too long in coming, or none."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Unreader(SocketUnreader):  # type: ignore[misc]
    """gunicorn's, which may be given a deadline for all reads together, in time.monotonic()."""

    deadline: float | None = None
    is_at_end = False
    """Whether nothing more comes from the client: it has closed its side, or is not read from."""

    def chunk(self, size_hint: int | None = None) -> bytes:
        if self.deadline is not None:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.sock.settimeout(left)
        data: bytes = super().chunk(size_hint)
        self.is_at_end = not data
        return data


class ClientRequest(Request):  # type: ignore[misc]
    """gunicorn's, whose answer says that it is the connection's last where the body's end is not
    here: what follows would be taken for the next request."""

    def set_body_reader(self) -> None:
        super().set_body_reader()
        if not isinstance(self.body.reader, LengthReader):
            self.body.reader.parser = _bounded(self.body.reader.parser)

    def should_close(self) -> bool:
        """Asked for when the head of the answer is written, and after it."""
        if not super().should_close() and not self._is_read() and not self._discard_rest():
            self.force_close()
        return bool(super().should_close())

    def _is_read(self) -> bool:
        reader = self.body.reader
        is_left = reader.length if isinstance(reader, LengthReader) else reader.parser
        return not (is_left or self.body.failed or self.unreader.is_at_end)

    def _discard_rest(self) -> bool:
        """Whether all the rest of the body was there, or nearly so."""
        if self.body.failed or self.unreader.is_at_end:
            return False
        size, self.unreader.deadline = 0, time.monotonic() + REST_SECONDS
        try:
            while piece := self.body.read(READ_BYTES):
                size += len(piece)
                if size >= MAX_REST_BYTES:
                    return False
        except (OSError, ParseException):
            return False
        finally:
            self.unreader.deadline = None
            self.unreader.sock.settimeout(None)
        return not self.unreader.is_at_end


def _bounded(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """A body's, each of which takes time, however short it is. Raises InvalidChunkSize."""
    for count, piece in enumerate(pieces):
        if count >= MAX_PIECES:
            raise InvalidChunkSize(b"")
        yield piece


class Connection(TConn):  # type: ignore[misc]
    """gunicorn's, with a head that is read without waiting, and an end that is awaited elsewhere.

    deadline: of what it waits for, in seconds of time.monotonic(). linger: closes it later, once
    its client has seen the answer. forget: called when it is closed.
    """

    def __init__(
        self,
        cfg: Any,
        sock: socket.socket,
        client: Any,
        server: Any,
        linger: Callable[[Connection], None],
        forget: Callable[[Connection], None],
    ) -> None:
        super().__init__(cfg, sock, client, server)
        self.deadline = 0.0
        self._linger = linger
        self._forget = forget
        self._head = bytearray()
        self._searched = 0
        """So much of the head has been looked through for its end."""
        self._line = 0
        """Where in the head the line begins of which the end has not come."""
        self._received = 0
        self._end_of_linger = 0.0
        request_body.set_send_timeout(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    @property
    def has_begun(self) -> bool:
        """Whether a part of a head has come."""
        return bool(self._head)

    def begin_head(self, now: float) -> bool:
        """Expect the next request; false for a client that does not take its answers."""
        self.deadline = now + HEAD_SECONDS
        self._received = self._searched = self._line = 0
        self.sock.setblocking(False)
        if not self.initialized:
            return True
        self._head = bytearray(self.parser.unreader.take_buffered())
        return count_unsent(self.sock) <= MAX_UNREAD_BYTES

    def receive_head(self) -> bool:
        """Read once, where something has come; whether the head is complete, and the parser has it.

        Raises BadHead, and OSError where the client has left.
        """
        if not self._is_complete():
            try:
                data = self.sock.recv(READ_BYTES)
            except BlockingIOError:
                return False
            if not data:
                raise ConnectionResetError
            self._head += data
            self._received += len(data)
            if not self._is_complete():
                return False
        if not self.initialized:
            self.init()
            self.parser.unreader, self.parser.mesg_class = Unreader(self.sock), ClientRequest
        self.parser.unreader.unread(bytes(self._head))
        self._head = bytearray()
        return True

    def _is_complete(self) -> bool:
        """Raises BadHead. Empty lines before a request are passed over (RFC 9112, 2.2)."""
        if empty := EMPTY_LINES.match(self._head):
            del self._head[: empty.end()]
            self._searched = self._line = 0
        end = self._head.find(END_OF_HEAD, max(0, self._searched - 3), MAX_HEAD_BYTES)
        searched, self._searched = self._searched, len(self._head)
        line = self._head.find(END_OF_LINE, 0, MAX_LINE_BYTES + len(END_OF_LINE))
        if line < 0 and len(self._head) > MAX_LINE_BYTES:
            raise BadHead(414)
        if end < 0 and max(len(self._head), self._received) >= MAX_HEAD_BYTES:
            raise BadHead(431)
        if end < 0:
            self._check_start(max(0, searched - 1))
        return end >= 0

    def _check_start(self, searched: int) -> None:
        """Refuse a part of a head, all but `searched` bytes of it new, that no rest makes good.

        A whole one gunicorn judges. Raises BadHead.
        """
        while (end := self._head.find(END_OF_LINE, max(self._line, searched))) >= 0:
            line = FIELD if self._line else REQUEST_LINE
            if not line.fullmatch(self._head, self._line, end):
                raise BadHead(400)
            self._line = end + len(END_OF_LINE)
        if NOT_IN_A_LINE.search(self._head, max(self._line, searched)):
            raise BadHead(400)
        if self._head and not self._line and not METHOD.match(self._head, 0, MAX_METHOD_BYTES):
            raise BadHead(400)

    def close(self, graceful: bool = False) -> None:
        """graceful: once the client has seen the answer, and without waiting for that here."""
        if graceful:
            self._linger(self)
        else:
            self._forget(self)
            super().close()

    def begin_linger(self, now: float) -> None:
        """Say that nothing more comes from here. Raises OSError where nobody is there any more."""
        self.sock.setblocking(False)
        self.sock.shutdown(socket.SHUT_WR)
        self._received = 0
        self._end_of_linger = now + LINGER_SECONDS
        self.deadline = now + LINGER_SILENCE_SECONDS

    def discard(self, now: float) -> bool:
        """Read and ignore what has come; false at its end, or where it is enough."""
        try:
            received = self.sock.recv_into(_discarded)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._received += received
        self.deadline = min(now + LINGER_SILENCE_SECONDS, self._end_of_linger)
        return bool(received) and self._received < request_body.MAX_IGNORED_BYTES


def count_unsent(sock: socket.socket) -> int:
    """Bytes that the other side has not taken; 0 where the system does not tell."""
    with contextlib.suppress(OSError, ValueError):
        raw = fcntl.ioctl(sock, termios.TIOCOUTQ, struct.pack("i", 0))
        return int(struct.unpack("i", raw)[0])
    return 0

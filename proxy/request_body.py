"""A request's body: how large it may be and how long it is waited for.

A body that is too large is read on, within bounds, so that a client that is still sending sees why
it is refused. Of a body that is not read at all, the worker takes care (client_connection.py).
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import struct
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, TypeVar

from werkzeug.exceptions import HTTPException

from translate import ApiError

MAX_BYTES = 32_000_000
"""Of a request's body, as in the Messages API ("Request size limits", seen 2026-11-23)."""

MAX_IGNORED_BYTES = 128_000_000
"""A client that is still sending reads no answer, so a body that is too large is read on."""

READ_BYTES = 262_144
SILENCE_SECONDS = 30
"""Of silence in the middle of a body, after which the rest of it is not waited for."""

BODY_SECONDS = 60
"""For which a body may be as slow as it likes."""

MIN_RATE = 32_000
"""Bytes a second, from then on: a quarter of a megabit, with which 32 MB take 17 minutes."""

SLOW_SECONDS = 0.5
"""After which a body is long in coming, and one of those that have no more than a share of the
threads: clients send it in one piece."""

CHECK_SECONDS = 0.25
"""Between two looks at the bodies that are being read."""

SEND_SECONDS = 30
"""In which a client takes next to nothing of its answer. After some three times that it is given
up: the system finds room for a part of what is sent, and then for another."""

HAS_TIMEVAL_TIMEOUTS = os.name != "nt"
"""Whether a socket's timeouts are a `timeval`, as POSIX has it."""

T = TypeVar("T")

_with_send_timeout: weakref.WeakSet[socket.socket] = weakref.WeakSet()
"""Clients whose SO_SNDTIMEO is set: once for each connection, as it stays."""

TOO_LARGE = "The request is larger than {:,} {}."
TIMED_OUT = "Timed out while reading the request body."
UNREADABLE = "The request's body cannot be read to its end."


def check_length(length: int, max_bytes: int = MAX_BYTES) -> None:
    """Raises ApiError 413 for a body that is too large."""
    if length > max_bytes:
        raise too_large(max_bytes)


def read_body(
    stream: IO[bytes],
    client: socket.socket | None = None,
    reserve: Callable[[int], None] = lambda size: None,
    max_bytes: int = MAX_BYTES,
) -> bytearray:
    """A request's body. Raises ApiError 413 for one that is too large, 408 for one that stops.

    client: the socket that it comes from, where that is known. What is then written to it does
    not wait for ever either: a client that reads nothing would hold a place among the answers.
    reserve: is told the size of what will have been read, before it is; what it raises is raised
    here, behind the rest of the body.
    """
    reading = Reading(client)
    if client is not None:
        set_send_timeout(client)
        _readings[client] = reading
    try:
        body = _within(SILENCE_SECONDS, client, lambda: _read(stream, reserve, reading, max_bytes))
    finally:
        if client is not None:
            del _readings[client]
        if reading.is_late:
            raise ApiError(408, TIMED_OUT)
    if body is None:
        raise too_large(max_bytes)
    return body


def too_large(max_bytes: int) -> ApiError:
    size = (max_bytes // 1_000_000, "MB") if max_bytes >= 1_000_000 else (max_bytes, "bytes")
    return ApiError(413, TOO_LARGE.format(*size))


def set_send_timeout(client: socket.socket) -> None:
    """Bound the time in which a client takes next to nothing of what is written to it."""
    if client not in _with_send_timeout:
        _set_socket_timeout(client, socket.SO_SNDTIMEO, SEND_SECONDS)
        _with_send_timeout.add(client)


@dataclass
class Reading:
    """A body that is being read. is_late: whether it was not waited for."""

    client: socket.socket | None
    received: int = 0
    is_late: bool = False
    started: float = field(default_factory=time.monotonic)

    @property
    def deadline(self) -> float:
        """In seconds of time.monotonic()."""
        return self.started + BODY_SECONDS + self.received / MIN_RATE

    def end(self) -> None:
        """The other thread reads the end of the body; the client may still read its answer."""
        self.is_late = True
        if self.client is not None:
            with contextlib.suppress(OSError):
                self.client.shutdown(socket.SHUT_RD)


_readings: dict[socket.socket, Reading] = {}
"""Of this process, by client."""


def watch(max_slow: int) -> threading.Event:
    """End bodies that are too late, and those of slow ones that are too many, in the background.

    It goes on until the event is set.
    """
    stopped = threading.Event()

    def run() -> None:
        while not stopped.wait(CHECK_SECONDS):
            end_late(max_slow, time.monotonic())

    threading.Thread(target=run, name="bodies", daemon=True).start()
    return stopped


def end_late(max_slow: int, now: float) -> None:
    """max_slow: so many may be long in coming; beyond, those go that have the least time left."""
    readings = list(_readings.copy().values())
    slow = [each for each in readings if each.started + SLOW_SECONDS <= now and not each.is_late]
    slow.sort(key=lambda each: each.deadline)
    for index, reading in enumerate(slow):
        if index < len(slow) - max_slow or reading.deadline <= now:
            reading.end()


def _read(
    stream: IO[bytes], reserve: Callable[[int], None], reading: Reading, max_bytes: int
) -> bytearray | None:
    """A whole body; None for one that is too large, of which the rest is discarded."""
    body = bytearray()
    while len(body) <= max_bytes:
        size = min(READ_BYTES, max_bytes + 1 - len(body))
        try:
            reserve(len(body) + size)
        except ApiError:
            _discard(stream, len(body))
            raise
        piece = stream.read(size)
        if not piece:
            return body
        body += piece
        reading.received = len(body)
    _discard(stream, len(body))
    return None


def _discard(stream: IO[bytes], size: int = 0) -> bool:
    """Read and ignore the rest of a body, of which `size` bytes were read; whether it ended."""
    while size < MAX_IGNORED_BYTES:
        piece = stream.read(READ_BYTES)
        if not piece:
            return True
        size += len(piece)
    return False


def _within(seconds: float, client: socket.socket | None, read: Callable[[], T]) -> T:
    """Bound each read: one without end would hold a thread, and a place among the answers.

    Raises ApiError, 408 for a read that timed out, 400 for a body that is cut or garbled.
    """
    try:
        _set_socket_timeout(client, socket.SO_RCVTIMEO, seconds)
        return read()
    except (TimeoutError, BlockingIOError):
        raise ApiError(408, TIMED_OUT) from None
    except (ApiError, HTTPException):
        raise
    except Exception:  # noqa: BLE001 - each server has its own for a body that is cut or garbled
        raise ApiError(400, UNREADABLE) from None
    finally:
        _set_socket_timeout(client, socket.SO_RCVTIMEO, 0)


def _set_socket_timeout(client: socket.socket | None, option: int, seconds: float) -> None:
    """For reads or writes alone. `settimeout` would release the GIL: another thread goes first."""
    if client is not None and HAS_TIMEVAL_TIMEOUTS:
        client.setsockopt(socket.SOL_SOCKET, option, _timeval(seconds))


@functools.cache
def _timeval(seconds: float) -> bytes:
    return struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))


def hang_up(client: socket.socket) -> None:
    """Both ways, and at once: whoever reads from the socket or writes to it finds it at its end."""
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)

"""Whether the upstream has something to say, and whether the client still listens.

A WSGI answer is a generator: blocked in a read, it could neither send a ping nor notice that its
client has left. So whatever waits is a generator too. It yields SILENCE when it is time to say
something to the client, and raises ClientDisconnected when nobody listens any more. One poll looks
at the upstream's socket and at the client's.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import math
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Final, Protocol, TypeVar

from translate import ApiError, Cause

T = TypeVar("T")


class Silence(enum.Enum):
    """The type of SILENCE: an item of a stream, as a chunk is."""

    SILENCE = enum.auto()


SILENCE: Final = Silence.SILENCE
Waiting = Generator[Silence, None, T]
"""A wait that ends with a T; `yield from` it."""

READABLE = getattr(select, "POLLIN", 0x001)
WRITABLE = getattr(select, "POLLOUT", 0x004)
ENDED_SENDING = getattr(select, "POLLRDHUP", READABLE)
"""Of a client: it sends no more. Only Linux tells that apart from a client that sends."""

GONE = sum(getattr(select, name, 0) for name in ("POLLERR", "POLLHUP", "POLLNVAL"))
"""Of a client: both directions are closed, or the connection was reset."""

INTERIM_RESPONSE = b"HTTP/1.1 100 Continue\r\n\r\n"
"""May stand before any response (RFC 9110, 15.2), and leaves its status open."""


STOPPING = "This server is being stopped. Retry."
RETRY_AFTER_SECONDS = 1
"""Another instance, or this one's successor, takes the next request."""


class ClientDisconnected(BaseException):
    """The client does not wait for the answer any more.

    A BaseException, so that `except Exception` does not catch it.
    """


class Poll(Protocol):
    """What this file needs of `select.poll`: descriptors, event masks, milliseconds."""

    def register(self, fd: int, eventmask: int, /) -> None: ...
    def modify(self, fd: int, eventmask: int, /) -> None: ...
    def unregister(self, fd: int, /) -> None: ...
    def poll(self, timeout: float | None, /) -> list[tuple[int, int]]: ...


class SelectPoll:
    """The same over `select.select`, for Windows. A client that left is noticed by a write only."""

    def __init__(self) -> None:
        self._masks: dict[int, int] = {}

    def register(self, fd: int, mask: int) -> None:
        self._masks[fd] = mask

    modify = register

    def unregister(self, fd: int) -> None:
        del self._masks[fd]

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        readers = [fd for fd, mask in self._masks.items() if mask & READABLE]
        writers = [fd for fd, mask in self._masks.items() if mask & WRITABLE]
        seconds = None if timeout is None else timeout / 1000
        if not readers and not writers:  # Windows refuses to wait for nothing
            time.sleep(seconds or 0)
            return []
        # A connection attempt that failed is writable on POSIX, an exception on Windows.
        found = select.select(readers, writers, writers, seconds)
        return [
            *((fd, READABLE) for fd in found[0]),
            *((fd, WRITABLE) for fd in {*found[1], *found[2]}),
        ]


class Poller:
    """Waits for one descriptor of the upstream's, and for the client's leaving meanwhile.

    client: the socket on which the client waits; None where the server does not tell it. A client
    behind TLS is not looked at. can_probe: whether it understands an interim response (HTTP/1.1).
    """

    stop_fd = -1
    """Readable from the moment on in which all waits have to end; -1 where nobody will tell."""

    def __init__(self, client: socket.socket | None = None, *, can_probe: bool = False) -> None:
        self.due = math.inf
        """When a wait yields SILENCE, in seconds of `time.monotonic`."""
        self.has_begun = False
        """Whether the response has begun: from then on only the answer writes to the client."""
        self._client = None if isinstance(client, ssl.SSLSocket) else client
        self._can_probe = can_probe
        self._fd = -1
        self._mask = 0
        self._poll: Poll = select.poll() if hasattr(select, "poll") else SelectPoll()
        if self.stop_fd >= 0:
            self._poll.register(self.stop_fd, READABLE)
        self._client_fd = -1
        if self._client is not None and (fd := self._client.fileno()) >= 0:
            self._client_fd = fd
            self._poll.register(fd, ENDED_SENDING)

    def wait(self, fd: int, deadline: float, mask: int = READABLE) -> bool:
        """Wait until a descriptor is ready, the silence is due or the deadline is there.

        fd: -1 to wait for the client alone. deadline: in seconds of `time.monotonic`. Returns
        whether the descriptor is ready. Raises ClientDisconnected, and ApiError 529 when the
        process is stopped.
        """
        if fd != self._fd or mask != self._mask:
            self._watch(fd, mask)
        seconds = min(self.due, deadline) - time.monotonic()
        timeout = None if seconds == math.inf else max(0, math.ceil(seconds * 1000))
        found = self._poll.poll(timeout)
        if len(found) == 1 and found[0][0] == fd:
            return True
        is_ready = False
        for each, events in found:
            if each == self._client_fd:
                self._look_at_client(events)
            elif each == self.stop_fd:
                raise ApiError(529, STOPPING, cause=Cause.BUSY, retry_after=RETRY_AFTER_SECONDS)
            else:
                is_ready = True
        return is_ready

    def pause(self, seconds: float) -> Waiting[None]:
        """Sleep."""
        deadline = time.monotonic() + seconds
        while True:
            self.wait(-1, deadline)
            if time.monotonic() >= deadline:
                return
            yield SILENCE

    def call(self, function: Callable[[], T], seconds: float = math.inf) -> Waiting[T]:
        """Run what blocks in a thread of its own. Returns what it returns, raises what it raises;
        TimeoutError where it has not ended by then.

        Left before its end, the thread goes on alone.
        """
        deadline = time.monotonic() + seconds
        result: Future[T] = Future()
        ours, theirs = socket.socketpair()
        with ours:
            thread = threading.Thread(target=_run, args=(function, result, theirs), daemon=True)
            thread.start()
            while not self.wait(ours.fileno(), deadline):
                if time.monotonic() >= deadline:
                    raise TimeoutError("the call has not ended in time")
                yield SILENCE
        try:
            return result.result()
        finally:
            del result  # an exception's traceback holds this frame, which would hold the exception

    def _watch(self, fd: int, mask: int) -> None:
        if self._fd >= 0:
            self._poll.unregister(self._fd)
        if fd >= 0:
            self._poll.register(fd, mask)
        self._fd, self._mask = fd, mask

    def _look_at_client(self, events: int) -> None:
        """A client that sends no more has left, or (rarely) only listens from now on: a write
        tells, as one that has left answers with a reset. It stays in the poll for that."""
        if events & GONE:
            raise ClientDisconnected
        self._poll.modify(self._client_fd, 0)
        if not self._has_ended_sending():
            return
        if self.has_begun:
            self.due = 0.0
        elif self._can_probe:
            assert self._client is not None
            with contextlib.suppress(OSError):
                self._client.send(INTERIM_RESPONSE, getattr(socket, "MSG_DONTWAIT", 0))

    def _has_ended_sending(self) -> bool:
        """Where the system has no POLLRDHUP, a client that is readable may ask for more already."""
        assert self._client is not None
        flags = socket.MSG_PEEK | getattr(socket, "MSG_DONTWAIT", 0)
        try:
            return ENDED_SENDING != READABLE or self._client.recv(1, flags) == b""
        except BlockingIOError:
            return False
        except OSError:
            raise ClientDisconnected from None


def prepare_stop() -> Callable[[], None]:
    """In a process that will be stopped: what is returned ends all waits, from then on."""
    Poller.stop_fd, theirs = os.pipe()
    return functools.partial(os.close, theirs)


def _run(function: Callable[[], T], result: Future[T], done: socket.socket) -> None:
    """The thread of `Poller.call`. done: closed in the end, which the other side notices."""
    with done:
        try:
            result.set_result(function())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            result.set_exception(error)
        del result  # as in Poller.call: this frame is in the traceback, too


def run(waiting: Waiting[T]) -> T:
    """Wait to the end, where nobody has to hear of a silence."""
    while True:
        try:
            next(waiting)
        except StopIteration as end:
            value: T = end.value
            return value

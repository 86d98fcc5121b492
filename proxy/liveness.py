"""Waiting that can be seen: work that blocks, and comes back when nothing happens for a while.

A WSGI answer is a generator; blocked in a read it can neither send a ping nor notice that its
client has left. So the work runs in a greenlet of the same thread: where it would block, it
switches back after the time it was given, and goes on from the very same place afterwards. A
second thread for each stream would do too, at the price of a switch of threads for each chunk.
This file refuses to know what is waited for.
"""

from __future__ import annotations

import enum
import math
import select
import socket
import ssl
import time
from collections.abc import Generator, Sequence
from typing import Generic, TypeVar

import greenlet

T = TypeVar("T")


class Sign(enum.Enum):
    """What `Work.take` returns when it has no item."""

    SILENCE = enum.auto()
    END = enum.auto()


class ClientLeft(BaseException):
    """Nobody waits for the answer any more. No error: it passes each `except Exception`."""


class Work(greenlet.greenlet, Generic[T]):
    """Items of a generator that blocks, taken one by one in the thread that made this."""

    def __init__(self, items: Generator[T, None, None]) -> None:
        super().__init__(self._play)
        self._items = items
        self._client: socket.socket | None = None
        self._due = 0.0

    def watch(self, client: socket.socket | None) -> None:
        """Look, while waiting, whether this client hangs up. None: nobody knows its socket."""
        if client is not None and not isinstance(client, ssl.SSLSocket):
            self._client = client

    def take(self, seconds: float) -> T | Sign:
        """The next item, or SILENCE after so many seconds without one, or END.

        Raises what the generator raises, and ClientLeft.
        """
        if self.dead:
            return Sign.END
        self._due = time.monotonic() + seconds
        taken: T | Sign = self.switch()
        return taken

    def stop(self) -> None:
        """End the work where it stands; its `finally` clauses run."""
        if not self.dead:
            self.throw()
        self._items.close()

    def _play(self) -> Sign:
        try:
            for item in self._items:
                self._give(item)
        finally:
            self._items.close()
        return Sign.END

    def _give(self, item: T | Sign) -> None:
        assert self.parent is not None
        self.parent.switch(item)

    def wait(self, sock: socket.socket | None, seconds: float | None, writes: bool = False) -> bool:
        """Called by the work itself: whether a socket can be read from, or written to, in time."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            until = self._due if deadline is None else min(self._due, deadline)
            if self._is_ready(sock, max(0.0, until - time.monotonic()), writes):
                return True
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                return False
            if now >= self._due:
                self._give(Sign.SILENCE)

    def _is_ready(self, sock: socket.socket | None, seconds: float, writes: bool) -> bool:
        client = [] if self._client is None else [self._client]
        mine = [] if sock is None else [sock]
        found = ready(client, mine, seconds) if writes else ready(mine + client, [], seconds)
        if self._client in found:
            self._look_at(self._client)
        return sock in found

    def _look_at(self, client: socket.socket) -> None:
        """A client that can be read from has hung up, or (rarely) asks for more already.

        An end of what it sends may also mean that it only listens from now on (Python's requests
        does that). Whether it still does, a write will tell: so the silence ends here.
        """
        try:
            sent = client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            raise ClientLeft from None
        self._client = None
        if sent == b"":
            self._due = 0.0


def ready(
    readers: Sequence[socket.socket], writers: Sequence[socket.socket], seconds: float | None
) -> list[socket.socket]:
    """Those that can be read from, or written to, as soon as there is one; none after that time.

    `select` knows no descriptors above 1,023, and `poll` is not everywhere; the classes of
    `selectors`, which would choose, cost ten times as much, once for each chunk.
    """
    if not hasattr(select, "poll"):
        # A connection that has failed can be written to; on Windows it is an exception.
        found = select.select(readers, writers, writers, seconds)
        return [*found[0], *found[1], *found[2]]
    poll = select.poll()
    for sock in readers:
        poll.register(sock, select.POLLIN)
    for sock in writers:
        poll.register(sock, select.POLLOUT)
    fds = {fd for fd, _ in poll.poll(None if seconds is None else math.ceil(seconds * 1000))}
    return [sock for sock in (*readers, *writers) if sock.fileno() in fds]


def until_ready(sock: socket.socket, seconds: float | None, writes: bool = False) -> bool:
    """Whether a socket can be read from, or written to, within that time (None: some time).

    In a Work this can be seen. A socket that connects can be written to when it has, or failed.
    """
    work = greenlet.getcurrent()
    if isinstance(work, Work):
        return work.wait(sock, seconds, writes)
    return bool(ready([], [sock], seconds) if writes else ready([sock], [], seconds))


def is_seen() -> bool:
    """Whether somebody takes what is done here, and sees it wait."""
    return isinstance(greenlet.getcurrent(), Work)


def pause(seconds: float) -> None:
    """Sleep, in a way that can be seen."""
    work = greenlet.getcurrent()
    if isinstance(work, Work):
        work.wait(None, seconds)
    else:
        time.sleep(seconds)

"""gunicorn's worker with heads and ends that take no thread.

A thread is for a connection whose head is complete, and only until its answer is sent: what waits
for a client, the poller of gunicorn's main loop does. Else a few hundred connections that send
half a line would take all threads, and ten that do not close the loop itself.
"""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from . import http_errors
from .client_connection import BadHead, Connection
from .request_body import hang_up
from .worker import Worker

INTERNALS = {
    "ThreadWorker.accept": ("self", "listener"),
    "ThreadWorker.enqueue_req": ("self", "conn"),
    "ThreadWorker.finish_request": ("self", "conn", "fs"),
    "ThreadWorker.handle": ("self", "conn"),
    "ThreadWorker.set_accept_enabled": ("self", "enabled"),
    "ThreadWorker.wait_for_and_dispatch_events": ("self", "timeout"),
    "ThreadWorker.notify": ("self",),
    "TConn.__init__": ("self", "cfg", "sock", "client", "server"),
    "TConn.init": ("self",),
    "TConn.close": ("self", "graceful"),
    "http.body.Body.read": ("self", "size"),
    "http.message.Request.set_body_reader": ("self",),
    "http.message.Request.should_close": ("self",),
    "http.unreader.SocketUnreader.chunk": ("self", "size_hint"),
    "http.unreader.SocketUnreader.take_buffered": ("self",),
    "http.unreader.SocketUnreader.unread": ("self", "data"),
}
"""What is overridden or called here, in `gunicorn.workers.gthread`, and its arguments. What is
overridden calls the original. Besides: the attributes poller, nr_conns, worker_connections, sockets
and alive, and the callbacks of the poller, which get the socket."""

MAX_LINGERING = 256
"""Connections closed from here that their clients leave open; beyond, the oldest goes."""

FULL_SECONDS = 0.01
"""Before a try to accept again, where all files that may be open are."""

CHECK_SECONDS = 0.5
"""Between two looks at the clock for all that waits."""


class BufferingWorker(Worker):
    """One process that serves requests, forked from gunicorn's master."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._heads: dict[Connection, None] = {}
        """Those whose head is not complete, in the order in which they came."""
        self._lingering: dict[Connection, None] = {}
        """Those whose end the client has not seen yet, oldest first; not in nr_conns."""
        self._connections: set[Connection] = set()
        self._next_check = 0.0

    def run(self) -> None:
        """Serve until the process is told to end; whose end is still awaited then is let go."""
        try:
            super().run()
        finally:
            for conn in self._connections.copy():
                conn.close()

    # --- Heads ------------------------------------------------------------------------------

    def accept(self, listener: socket.socket) -> None:
        """Take a connection. Where there are too many, the oldest without a head makes room."""
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                if not self._drop_oldest():
                    time.sleep(FULL_SECONDS)
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                raise
            return
        address = listener.getsockname()
        forget = self._connections.discard
        conn = Connection(self.cfg, sock, client, address, self._linger, forget)
        self._connections.add(conn)
        self.nr_conns += 1
        self.enqueue_req(conn)
        if self.nr_conns >= self.worker_connections and len(self._heads) > 1:
            self._drop_oldest()

    def enqueue_req(self, conn: Connection) -> None:
        """Wait for the next head of a connection. gunicorn calls it where one may have begun."""
        if conn.begin_head(time.monotonic()):
            self._receive(conn)
        else:
            self._drop(conn)

    def _receive(self, conn: Connection, _: object = None) -> None:
        """Read what has come of a head; with all of it, the connection gets a thread."""
        proceed: Callable[[Connection], None] = super().enqueue_req
        try:
            if not conn.receive_head():
                if conn not in self._heads:
                    self._heads[conn] = None
                    self._watch(conn, self._receive)
                return
        except BadHead as error:
            proceed = partial(self._refuse, error=error)
        except OSError:
            proceed = self._drop
        self._unwatch(self._heads, conn)
        proceed(conn)

    def _refuse(self, conn: Connection, error: BadHead) -> None:
        """Answer a head that cannot be served, and close."""
        with contextlib.suppress(OSError):
            conn.sock.send(http_errors.from_status(error.status))
        self.nr_conns -= 1
        self._linger(conn)

    def _drop(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.close()

    def _drop_oldest(self) -> bool:
        """Of those that only wait; false where there is none."""
        for conn in self._heads:
            self._unwatch(self._heads, conn)
            self._drop(conn)
            return True
        for conn in self._lingering:
            self._end(conn)
            return True
        return False

    # --- The end of a connection ------------------------------------------------------------

    def _linger(self, conn: Connection) -> None:
        """Close in the background. Closed at once, with something unread, the connection would be
        reset, and a client that is still sending would never see its answer."""
        if len(self._lingering) >= MAX_LINGERING:
            self._end(next(iter(self._lingering)))
        try:
            conn.begin_linger(time.monotonic())
        except OSError:
            conn.close()
            return
        self._lingering[conn] = None
        self._watch(conn, self._discard)

    def _discard(self, conn: Connection, _: object) -> None:
        if not conn.discard(time.monotonic()):
            self._end(conn)

    def _end(self, conn: Connection) -> None:
        self._unwatch(self._lingering, conn)
        conn.close()

    # --- The clock --------------------------------------------------------------------------

    def notify(self) -> None:
        """Called in each turn of gunicorn's loop: end what has waited for too long."""
        super().notify()
        now = time.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + CHECK_SECONDS
        for conn in [each for each in self._heads if each.deadline <= now]:
            self._unwatch(self._heads, conn)
            if conn.has_begun:
                self._refuse(conn, BadHead(408))
            else:
                self._drop(conn)
        for conn in [each for each in self._lingering if each.deadline <= now]:
            self._end(conn)

    def _watch(self, conn: Connection, callback: Callable[[Connection, object], None]) -> None:
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(callback, conn))

    def _unwatch(self, waiting: dict[Connection, None], conn: Connection) -> None:
        if conn in waiting:
            del waiting[conn]
            self.poller.unregister(conn.sock)

    # --- The end of the process -------------------------------------------------------------

    def set_accept_enabled(self, enabled: bool) -> None:
        """A stopping process refuses connections at once, and waits for no head."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                listener.close()
            for conn in list(self._heads):
                self._unwatch(self._heads, conn)
                self._drop(conn)

    def hang_up_all(self) -> None:
        """In any thread: whoever waits for a client is rid of it."""
        for conn in self._connections.copy():
            hang_up(conn.sock)

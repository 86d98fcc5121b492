"""Connections of requests and urllib3 on which one waits visibly (see liveness.py).

Knows where http.client connects, writes to its socket and reads from it, head and body, plain
and encrypted, and how its classes are put in place: by the class attributes that are there for
it. It refuses to know what is sent and read. What stays unseen: the look-up of a name, whose time
the system limits, and the handshake of TLS, whose time the timeout does.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import io
import itertools
import math
import os
import socket
import ssl
import time
from collections.abc import Iterable
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
)
from urllib3.util import Timeout
from urllib3.util.connection import allowed_gai_family

from . import liveness

PIECE_BYTES = 65_536
"""What is sent at once. A request no larger is hardly ever waited for, as the system holds it."""

TRIES = 4
"""To send a piece, evenly over the timeout."""

SHARES = 4
"""The first of many addresses may take a fourth of the time, and each other one of what is left."""

CONNECTING = {errno.EINPROGRESS, errno.EWOULDBLOCK}
"""A connection has been begun. The second is what Windows calls it."""

WATCHED = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in {
            "TCP_KEEPIDLE": 30,
            "TCP_KEEPALIVE": 30,  # the same on macOS
            "TCP_KEEPINTVL": 10,
            "TCP_KEEPCNT": 3,
            "TCP_USER_TIMEOUT": 60_000,
        }.items()
        if hasattr(socket, name)
    ),
]
"""Options of a socket, as far as the system has them: a peer that has gone without a word is
noticed in about a minute, silence or not. A shorter gap in the network is waited out."""

REST_SECONDS = 120
"""A connection that has been unused for longer is not used again: after a laptop's sleep, or behind
somebody's NAT, its peer may be gone, and to notice that would take a minute."""

Found = tuple[Any, ...]
"""What `getaddrinfo` finds: family, kind, protocol, name and address."""


class Patient(io.RawIOBase):
    """The reading side of a socket, on which one waits visibly."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        super().__init__()
        self._sock = sock
        self._raw = raw
        self._seconds = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        """As of a socket with a timeout; while it waits, the rest of the thread can go on.

        That the peer is gone (see WATCHED) is no silence of the peer's.
        """
        try:
            return self._read(buffer)
        except TimeoutError as error:
            if error.errno is None:
                raise
            raise ConnectionAbortedError(error.errno, "the peer is gone") from error

    def _read(self, buffer: Any) -> int | None:
        """The socket does not block: what is there is read at once, and with encryption what
        has come may be no data (a part of a record, or one of the tickets of TLS 1.3)."""
        if not liveness.is_seen():
            return self._raw.readinto(buffer)
        given = self._sock.gettimeout()
        if given != 0:
            self._seconds = given
            self._sock.settimeout(0)
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                size = self._raw.readinto(buffer)
                if size is not None:
                    return size
            if not liveness.until_ready(self._sock, self._seconds):
                raise TimeoutError("nothing to read")

    def close(self) -> None:
        if self._sock.fileno() >= 0 and self._sock.gettimeout() == 0:
            self._sock.settimeout(self._seconds)
        self._raw.close()
        super().close()


class PatientResponse(http.client.HTTPResponse):
    """http.client's response, its head and its body read through Patient."""

    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        self.fp = io.BufferedReader(Patient(sock, self.fp.detach()))


class PatientConnection(HTTPConnection):
    """urllib3's connection; while it connects and sends, the rest of the thread can go on."""

    response_class = PatientResponse
    rests_since = math.inf
    """By the clock, which goes on while the machine sleeps."""

    @property
    def is_connected(self) -> bool:
        """Whether it can be used once more."""
        return time.time() - self.rests_since < REST_SECONDS and super().is_connected

    def send(self, data: Any) -> None:
        """As http.client's, but each piece of a large body has the timeout, not all of it."""
        sock = self.sock
        is_large = isinstance(data, bytes) and len(data) > PIECE_BYTES
        if not is_large or not isinstance(sock, socket.socket):
            super().send(data)
            return
        seconds = sock.gettimeout()
        sock.settimeout(0)
        try:
            self._upload(sock, memoryview(data), seconds)
        finally:
            sock.settimeout(seconds)

    def _upload(self, sock: socket.socket, left: memoryview, seconds: float | None) -> None:
        """A socket says only late that it takes more: so it is tried before it is given up."""
        in_vain = 0
        while left:
            try:
                left = left[sock.send(left[:PIECE_BYTES]) :]
                in_vain = 0
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError) as error:
                if in_vain == TRIES:
                    message = f"Nothing was taken by {self.host}. (connect timeout={seconds})"
                    raise ConnectTimeoutError(self, message) from error
                writes = not isinstance(error, ssl.SSLWantReadError)
                is_ready = liveness.until_ready(sock, seconds and seconds / TRIES, writes)
                in_vain = 0 if is_ready else in_vain + 1

    def _new_conn(self) -> socket.socket:
        """As urllib3's, but all addresses of a name have the timeout together, not each."""
        try:
            return self._connected()
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except UnicodeError:
            raise LocationParseError(f"'{self.host}', label empty or too long") from None
        except TimeoutError as error:
            message = f"Connection to {self.host} timed out. (connect timeout={self.timeout})"
            raise ConnectTimeoutError(self, message) from error
        except OSError as error:
            message = f"Failed to establish a new connection: {error}"
            raise NewConnectionError(self, message) from error

    def _connected(self) -> socket.socket:
        """To the first address that answers. Each has a share of the time that is left."""
        host, family = self._dns_host.strip("[]"), allowed_gai_family()
        addresses = in_turn(socket.getaddrinfo(host, self.port, family, socket.SOCK_STREAM))
        seconds = Timeout.resolve_default_timeout(self.timeout)
        deadline = None if seconds is None else time.monotonic() + seconds
        for left in range(len(addresses), 0, -1):
            shares = min(left, SHARES)
            share = None if deadline is None else max(0.0, deadline - time.monotonic()) / shares
            try:
                sock = self._connected_to(addresses[-left], share)
                sock.settimeout(seconds)
                for option in WATCHED:
                    with contextlib.suppress(OSError):
                        sock.setsockopt(*option)
                return sock
            except OSError:
                if left == 1:
                    raise
        raise OSError("the name has no address")

    def _connected_to(self, found: Found, seconds: float | None) -> socket.socket:
        family, kind, protocol, _, address = found
        sock = socket.socket(family, kind, protocol)
        try:
            for option in self.socket_options or ():
                sock.setsockopt(*option)
            if self.source_address:
                sock.bind(self.source_address)
            sock.settimeout(0)
            code = sock.connect_ex(address)
            if code in CONNECTING:
                if not liveness.until_ready(sock, seconds, writes=True):
                    raise TimeoutError("timed out")
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code))
        except BaseException:
            sock.close()
            raise
        return sock


def in_turn(found: Iterable[Found]) -> list[Found]:
    """An address of each family in turn: where one has no way out, the other is tried soon."""
    families: dict[int, list[Found]] = {}
    for address in found:
        families.setdefault(address[0], []).append(address)
    rows = itertools.zip_longest(*families.values())
    return [address for row in rows for address in row if address is not None]


class PatientSecureConnection(PatientConnection, HTTPSConnection):
    """The same, encrypted."""


class PatientPool(urllib3.HTTPConnectionPool):
    ConnectionCls = PatientConnection

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.rests_since = time.time()
        super()._put_conn(conn)


class PatientSecurePool(PatientPool, urllib3.HTTPSConnectionPool):
    ConnectionCls = PatientSecureConnection


class PatientAdapter(HTTPAdapter):
    """Connections of the classes above, with and without somebody's HTTP_PROXY."""

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, *args: Any, **more: Any) -> Any:
        manager = super().proxy_manager_for(*args, **more)
        manager.pool_classes_by_scheme = POOLS
        return manager


POOLS = {"http": PatientPool, "https": PatientSecurePool}

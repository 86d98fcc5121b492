"""requests' transport for a stream that must never block: HTTP/1.1 over urllib3's connections.

urllib3 keeps the pool and connects (names, proxies, TLS), which blocks and so runs in a thread of
its own. From then on the socket does not block: what is sent waits in a Poller (liveness.py), which
also looks at the client. What is received is response_stream.py's.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidHeader
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
)
from urllib3.util.connection import allowed_gai_family
from urllib3.util.proxy import connection_requires_http_tunnel

from .liveness import READABLE, SILENCE, WRITABLE, Poller, Waiting
from .response_stream import UpstreamResponse

SEND_BYTES = 65_536
"""Of a large body at once, so that progress can be seen: TLS tells of a piece only when it is
through."""

UPLOAD_SECONDS = 900
"""32 MB, the largest request, take as long at 36 KB/s; AWS Lambda ends every answer by then."""

MAX_SHARES = 4
"""The first of many addresses may take a fourth of the time, and each other one of what is left."""

MAX_IDLE_SECONDS = 120
"""A connection that has been unused for longer is not used again: after a laptop's sleep, or behind
somebody's NAT, its peer may be gone, and to notice that would take a minute."""

KEEPALIVE_OPTIONS = [
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
"""Options of a socket, as far as the system has them: a peer that has vanished is noticed in about
a minute, silence or not. A shorter gap in the network is waited out."""

AddressInfo = tuple[Any, ...]
"""What `getaddrinfo` finds: family, kind, protocol, name and address."""


class Timeouts(NamedTuple):
    """In seconds. connect: to connect in, from the look-up of the name to TLS, and in which some of
    a request is taken. read: for a response's head, and for each event. upload: for all of a
    request."""

    connect: float
    read: float
    upload: float = UPLOAD_SECONDS


class Connection(HTTPConnection):
    """urllib3's connection. `connect` blocks and may be aborted from another thread; once it is
    through, nothing on the socket blocks."""

    idle_since = math.inf
    """In seconds of `time.time`, which goes on while the machine sleeps."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        """A duplicate of the socket while it connects: the TLS handshake has the original."""
        self._is_connecting = self._is_aborted = False

    @property
    def is_connected(self) -> bool:
        """Whether it can be used once more."""
        return time.time() - self.idle_since < MAX_IDLE_SECONDS and super().is_connected

    def connect(self) -> None:
        """Connect. Raises urllib3's exceptions, TimeoutError for TLS."""
        with self._lock:
            self._is_connecting = True
        try:
            super().connect()
            self.sock.settimeout(0)
        finally:
            with self._lock:
                self._is_connecting = False
                if self._handle is not None:
                    self._handle.close()
                    self._handle = None
                if self._is_aborted:
                    self.close()

    def abort(self) -> None:
        """Close the connection, in whatever state it is. A name look-up goes on unheard."""
        with self._lock:
            self._is_aborted = True
            if not self._is_connecting:
                self.close()
            elif self._handle is not None:
                with contextlib.suppress(OSError):
                    self._handle.shutdown(socket.SHUT_RDWR)

    def _new_conn(self) -> socket.socket:
        """As urllib3's, but all addresses of a name have the timeout together, not each."""
        try:
            return self._connect_any()
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except UnicodeError:
            raise LocationParseError(f"'{self.host}', label empty or too long") from None
        except TimeoutError as error:
            raise self.timed_out() from error
        except OSError as error:
            message = f"Failed to establish a new connection: {error}"
            raise NewConnectionError(self, message) from error

    def timed_out(self) -> ConnectTimeoutError:
        message = f"Connection to {self.host} timed out. (connect timeout={self.timeout})"
        return ConnectTimeoutError(self, message)

    def _connect_any(self) -> socket.socket:
        """To the first address that answers. Each has a share of the time that is left."""
        deadline = None if self.timeout is None else time.monotonic() + self.timeout
        host, family = self._dns_host.strip("[]"), allowed_gai_family()
        found = socket.getaddrinfo(host, self.port, family, socket.SOCK_STREAM)
        addresses = interleave_families(found)
        for left in range(len(addresses), 0, -1):
            share = None
            if deadline is not None:
                share = max(0.001, deadline - time.monotonic()) / min(left, MAX_SHARES)
            try:
                return self._connect_to(addresses[-left], share)
            except OSError:
                if left == 1:
                    raise
        raise OSError("the name has no address")

    def _connect_to(self, address: AddressInfo, seconds: float | None) -> socket.socket:
        sock = socket.socket(*address[:3])
        try:
            for option in self.socket_options or ():
                sock.setsockopt(*option)
            for option in KEEPALIVE_OPTIONS:
                with contextlib.suppress(OSError):
                    sock.setsockopt(*option)
            if self.source_address:
                sock.bind(self.source_address)
            self._hold(sock)
            sock.settimeout(seconds)
            sock.connect(address[4])
            sock.settimeout(self.timeout)
        except BaseException:
            sock.close()
            raise
        return sock

    def _hold(self, sock: socket.socket) -> None:
        """Let `abort` reach this socket. Raises OSError where it came first."""
        with self._lock:
            if self._is_aborted:
                raise ConnectionAbortedError("aborted")
            if self._handle is not None:
                self._handle.close()
            self._handle = sock.dup()


def interleave_families(found: Iterable[AddressInfo]) -> list[AddressInfo]:
    """An address of each family in turn: where one has no way out, the other is tried soon."""
    families: dict[int, list[AddressInfo]] = {}
    for address in found:
        families.setdefault(address[0], []).append(address)
    rows = itertools.zip_longest(*families.values())
    return [address for row in rows for address in row if address is not None]


class SecureConnection(Connection, HTTPSConnection):
    """The same, encrypted."""


class Pool(urllib3.HTTPConnectionPool):
    """urllib3's pool, of which single connections can be taken."""

    ConnectionCls = Connection

    is_tunnelled = False
    """Whether requests go through a CONNECT of somebody's HTTP proxy."""

    def take(self) -> Any:
        """A connection: idle for a short time at most, or not connected yet."""
        return self._get_conn()

    def connect(self, connection: Any, seconds: float) -> None:
        """Connect it, through a tunnel where there is a proxy. Blocks."""
        connection.timeout = seconds
        if self.is_tunnelled:
            self._prepare_proxy(connection)
        else:
            connection.connect()

    def give_back(self, connection: Any) -> None:
        connection.idle_since = time.time()
        self._put_conn(connection)


class SecurePool(Pool, urllib3.HTTPSConnectionPool):
    ConnectionCls = SecureConnection


class Adapter(HTTPAdapter):
    """requests' adapter for one endpoint, with `exchange` beside `send`."""

    _pool: Pool | None = None

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = POOL_CLASSES

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = POOL_CLASSES
        return manager

    def exchange(
        self,
        request: requests.PreparedRequest,
        poller: Poller,
        timeouts: Timeouts,
        *,
        verify: bool | str,
        cert: Any,
        proxies: Any,
    ) -> Waiting[UpstreamResponse]:
        """`send`, in which nothing blocks. Returns when the response has a head, even before all of
        the request is sent.

        request: with bytes for a body, and Content-Length among its headers. Raises exceptions of
        urllib3, requests and the system; TimeoutError where the server takes or says nothing.
        """
        pool = self._pool or self._find_pool(request, verify, cert, proxies)
        parts = _serialize(request, pool)
        response: UpstreamResponse | None = None
        connection = pool.take()
        try:
            if connection.sock is None:
                yield from _connect(connection, pool, poller, timeouts.connect)
            response = UpstreamResponse(connection, pool, poller)
            yield from transmit(connection, parts, poller, timeouts, response)
            response.deadline = time.monotonic() + timeouts.read
            yield from response.read_head()
        except BaseException:
            if response is not None:
                response.close()
            connection.abort()
            raise
        return response

    def _find_pool(self, request: Any, verify: Any, cert: Any, proxies: Any) -> Pool:
        """What requests would look for on each request. Raises OSError for a missing CA file."""
        pool: Any = self.get_connection_with_tls_context(request, verify, proxies, cert)
        self.cert_verify(pool, request.url, verify, cert)  # type: ignore[no-untyped-call]
        scheme = urlsplit(str(request.url)).scheme
        pool.is_tunnelled = connection_requires_http_tunnel(pool.proxy, pool.proxy_config, scheme)
        self._pool = pool
        return self._pool


POOL_CLASSES = {"http": Pool, "https": SecurePool}


def _serialize(request: requests.PreparedRequest, pool: Pool) -> tuple[bytes, bytes]:
    """A request's head and body. To a proxy without a tunnel, the whole URL is told.

    Raises InvalidHeader for a line break in a header or in the URL.
    """
    is_forwarded = pool.proxy is not None and not pool.is_tunnelled
    headers = {**(pool.proxy_headers if is_forwarded else {}), **request.headers}
    url = str(request.url)
    target = url if is_forwarded else request.path_url
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {urlsplit(url).netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if any("\r" in line or "\n" in line for line in lines):
        raise InvalidHeader("a header or the URL contains a line break")
    assert isinstance(request.body, bytes)
    return "\r\n".join([*lines, "", ""]).encode("latin-1"), request.body


def _connect(connection: Any, pool: Pool, poller: Poller, seconds: float) -> Waiting[None]:
    """Connect, in all so long: a look-up, addresses, a proxy and TLS may each take their time."""
    try:
        yield from poller.call(lambda: pool.connect(connection, seconds), seconds)
    except TimeoutError as error:
        raise connection.timed_out() from error


def transmit(
    connection: Any,
    parts: tuple[bytes, ...],
    poller: Poller,
    timeouts: Timeouts,
    response: UpstreamResponse,
) -> Waiting[None]:
    """Send the parts of a request. Raises ConnectTimeoutError where the peer takes nothing for as
    long as connecting may take, TimeoutError where all of it takes too long.

    It ends where the response has come already, or the peer has closed (and may have answered).
    """
    data = b"".join(parts) if sum(map(len, parts)) <= SEND_BYTES else b""
    deadline = time.monotonic() + timeouts.upload
    for part in (data,) if data else parts:
        left = memoryview(part)
        while left:
            if time.monotonic() >= deadline:
                raise TimeoutError("the request was taken too slowly")
            piece = left[:SEND_BYTES]
            try:
                sent = yield from _send(connection, piece, poller, timeouts.connect, response)
            except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
                return
            if not sent:
                return
            left = left[sent:]


def _send(
    connection: Any, data: memoryview, poller: Poller, seconds: float, response: UpstreamResponse
) -> Waiting[int]:
    """Send some of it, and return how many bytes: 0 where the response has come.

    The system calls a socket writable only when much of what it holds has been taken, so it is
    tried once more before it is given up.
    """
    sock = connection.sock
    if not isinstance(sock, socket.socket):
        return (yield from _send_nested(connection, data, poller, seconds, response))
    deadline = time.monotonic() + seconds
    while True:
        is_late = time.monotonic() >= deadline
        try:
            sent: int = sock.send(data)
            return sent
        except (BlockingIOError, ssl.SSLWantWriteError):
            mask = READABLE | WRITABLE
        except ssl.SSLWantReadError:
            mask = READABLE
        if response.has_come():
            return 0
        if is_late:
            raise _stalled(connection, seconds)
        while not poller.wait(sock.fileno(), deadline, mask) and time.monotonic() < deadline:
            yield SILENCE


def _send_nested(
    connection: Any, data: memoryview, poller: Poller, seconds: float, response: UpstreamResponse
) -> Waiting[int]:
    """For TLS inside of TLS: what a socket that does not block leaves over, it would lose."""

    def send() -> int:
        connection.sock.settimeout(seconds)
        try:
            sent: int = connection.sock.send(data)
        finally:
            connection.sock.settimeout(0)
        return sent

    if response.has_come():
        return 0
    try:
        return (yield from poller.call(send))
    except TimeoutError:
        if response.has_come():
            return 0
        raise _stalled(connection, seconds) from None


def _stalled(connection: Any, seconds: float) -> ConnectTimeoutError:
    message = f"Nothing was taken by {connection.host}. (connect timeout={seconds})"
    return ConnectTimeoutError(connection, message)

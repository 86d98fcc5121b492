"""proxy/connections.py: requests and responses on sockets that never block, and their pools."""

from __future__ import annotations

import base64
import contextlib
import gc
import http.client
import math
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import urllib3.exceptions
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProtocolError

from proxy import connections, response_stream
from proxy.connections import SEND_BYTES, Adapter, Connection, Timeouts, UpstreamResponse
from proxy.liveness import READABLE, SILENCE, ClientDisconnected, Poller, Waiting, run
from tests.servers import reset
from tests.sockets import (
    CHUNKED,
    HOST,
    INTERIM,
    LONG,
    OK,
    SOON,
    TO_BE_CLOSED,
    UNTIL_CLOSE,
    Pair,
    connected,
    drain,
    encrypt,
    join_threads,
    make_certificate,
    scripted,
    server_context,
    soon,
)

TIMEOUT = 0.3

BODY = bytes(range(256)) * 8_192
"""2 MB, of which little can be on its way."""

encrypted_too = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_certificate(tmp_path_factory.mktemp("tls"))


# --- Exchanges --------------------------------------------------------------------------------


class Last(bytes):
    """An answer after which the server closes."""


Answer = bytes | Callable[[Any], None]


class Server:
    """Answers requests in turn: with bytes, or by a function of the socket."""

    def __init__(self, *answers: Answer, context: ssl.SSLContext | None = None) -> None:
        self.answers = list(answers)
        self.context = context
        self.requests: list[bytes] = []
        self.connections = 0
        self.listener = socket.create_server((HOST, 0))
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        self.address = self.listener.getsockname()
        self.url = f"http{'s' if context else ''}://{HOST}:{self.address[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self.serve, args=[sock], daemon=True).start()

    def serve(self, sock: Any) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(sock)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context:
                sock = stack.enter_context(self.context.wrap_socket(sock, server_side=True))
            while request := read_request(sock):
                self.requests.append(request)
                answer = self.answers.pop(0)
                sock.sendall(answer) if isinstance(answer, bytes) else answer(sock)
                if isinstance(answer, Last):
                    break

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


MAX_HEAD = 4_096


def read_request(sock: Any) -> bytes:
    """A head, and the first 100 bytes of its body; nothing at the end of the connection, or where
    the rest of a large body follows."""
    request = b""
    while not request.endswith(b"\r\n\r\n") and (read := sock.recv(1)):
        request += read
        if len(request) > MAX_HEAD:
            return b""
    _, _, length = request.partition(b"Content-Length: ")
    for _ in range(min(100, int(length.split()[0] if length else 0))):
        request += sock.recv(1)
    return request


def tunnel(target: Server) -> Answer:
    """Answers a CONNECT, and then passes on what comes from either side, also where the target does
    not read."""

    def connect(sock: Any) -> None:
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
            other.connect(target.address)
            sock.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            other.setblocking(False)
            waiting = b""
            while True:
                readers = [other] if len(waiting) > 65_536 else [sock, other]
                ready, writable, _ = select.select(readers, [other] if waiting else [], [])
                if writable:
                    waiting = waiting[other.send(waiting) :]
                for each in ready:
                    if not (read := each.recv(65_536)):
                        return sock.close()
                    if each is other:
                        sock.sendall(read)
                    else:
                        waiting += read

    return connect


class Web:
    """Servers, and an adapter that asks them."""

    def __init__(self, certificate: str, stack: contextlib.ExitStack) -> None:
        self.certificate = certificate
        self.stack = stack
        self.adapter = stack.enter_context(contextlib.closing(Adapter()))

    def serve(self, *answers: Answer, tls: bool = False) -> Server:
        context = server_context(self.certificate) if tls else None
        return self.stack.enter_context(contextlib.closing(Server(*answers, context=context)))

    def exchange(
        self,
        url: str,
        body: bytes = b"{}",
        *,
        poller: Poller | None = None,
        connect: float = LONG,
        proxy: Server | None = None,
        verify: bool | str = "",
        **headers: str,
    ) -> Waiting[UpstreamResponse]:
        request = requests.PreparedRequest()
        request.method, request.url, request.body = "POST", url, body
        request.headers = {"Content-Length": str(len(body)), **headers}  # type: ignore[assignment]
        return self.adapter.exchange(
            request,
            poller or Poller(),
            Timeouts(connect, LONG),
            verify=verify or self.certificate,
            cert=None,
            proxies={"all": proxy.url.replace("://", "://me:pw@")} if proxy else None,
        )

    def ask(self, *given: Any, **options: Any) -> tuple[int, bytes]:
        """Status and body."""
        with contextlib.closing(run(self.exchange(*given, **options))) as stream:
            return stream.status, run(stream.read_all(1_000_000))


@pytest.fixture
def web(certificate: str) -> Iterator[Web]:
    with contextlib.ExitStack() as stack:
        yield Web(certificate, stack)


def test_exchange_sends_a_request_and_reads_its_response(web: Web) -> None:
    server = web.serve(OK)
    assert web.ask(f"{server.url}/a/b:c?alt=sse", b"body", key="caf\xe9") == (200, b"ok")
    assert server.requests == [
        b"POST /a/b:c?alt=sse HTTP/1.1\r\nHost: %b\r\nContent-Length: 4\r\nkey: caf\xe9\r\n\r\nbody"
        % server.url[7:].encode()
    ]


@pytest.mark.parametrize("bad", ["a\r\nX: b", "a\nb", "a\rb"])
def test_exchange_refuses_a_line_break_in_a_header(web: Web, bad: str) -> None:
    server = web.serve()
    for headers in ({"key": bad}, {bad: "value"}):
        with pytest.raises(requests.exceptions.InvalidHeader):
            web.ask(server.url, **headers)
    assert (server.requests, server.connections) == ([], 0)


@encrypted_too
@pytest.mark.parametrize(
    ("first", "idle", "connections"),
    [
        (OK, 0, 1),
        (OK, 110, 1),
        (OK, 130, 2),
        (INTERIM + CHUNKED + b"2\r\nok\r\n0\r\n\r\n", 0, 1),
        (OK + b"junk", 0, 2),
        (OK + OK, 0, 2),
        (TO_BE_CLOSED, 0, 2),
        (Last(OK), 0, 2),
        (Last(UNTIL_CLOSE + b"ok"), 0, 2),
    ],
)
def test_connection_is_used_again_after_a_whole_response(
    web: Web,
    monkeypatch: pytest.MonkeyPatch,
    first: Answer,
    idle: int,
    connections: int,
    tls: bool,
) -> None:
    """Unless it was idle for long, by the clock that goes on while a laptop sleeps."""
    server = web.serve(first, OK, tls=tls)
    assert web.ask(server.url) == (200, b"ok")
    now = time.time() + idle
    monkeypatch.setattr("proxy.connections.time.time", lambda: now)
    time.sleep(SOON)
    assert web.ask(server.url) == (200, b"ok")
    assert (len(server.requests), server.connections) == (2, connections)


def test_connection_is_not_used_again_after_half_a_response(web: Web) -> None:
    server = web.serve(CHUNKED + b"2\r\nok\r\n", OK)
    run(web.exchange(server.url)).close()
    assert web.ask(server.url) == (200, b"ok")
    assert server.connections == 2


def test_failed_exchange_is_left_to_no_garbage_collection(web: Web) -> None:
    server = web.serve(Last(OK[:20]))
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(ProtocolError):
            web.ask(server.url)
        assert not [each for each in gc.get_objects() if isinstance(each, UpstreamResponse)]
    finally:
        gc.enable()


def test_certificates_are_those_of_the_file(web: Web, tmp_path: Path) -> None:
    """One that is missing is looked for on each request."""
    server = web.serve(OK, tls=True)
    path = tmp_path / "ca.pem"
    for _ in range(2):
        with pytest.raises(OSError, match=f"invalid path: {path}"):
            web.ask(server.url, verify=str(path))
    path.write_bytes(Path(web.certificate).read_bytes())
    assert web.ask(server.url, verify=str(path)) == (200, b"ok")
    web.adapter = Adapter()
    with pytest.raises(ssl.SSLCertVerificationError):
        web.ask(server.url, verify=True)


# --- Proxies ----------------------------------------------------------------------------------

CREDENTIALS = b"Proxy-Authorization: Basic " + base64.b64encode(b"me:pw")


@encrypted_too
def test_proxy_forwards_requests_over_http(web: Web, tls: bool) -> None:
    proxy = web.serve(OK, tls=tls)
    assert web.ask("http://gemini.test:8000/a?b", proxy=proxy) == (200, b"ok")
    line, *headers = proxy.requests[0].split(b"\r\n")
    assert line == b"POST http://gemini.test:8000/a?b HTTP/1.1"
    assert {b"Host: gemini.test:8000", CREDENTIALS} < set(headers)


@encrypted_too
def test_proxy_makes_a_tunnel_for_requests_over_https(
    web: Web, monkeypatch: pytest.MonkeyPatch, tls: bool
) -> None:
    """Encrypted itself, there is TLS inside of TLS: what is decrypted already is not waited for."""
    monkeypatch.setattr(response_stream, "READ_BYTES", 10)
    server = web.serve(OK, Last(UNTIL_CLOSE + b"ok"), Last(b""), tls=True)
    proxy = web.serve(tunnel(server), tls=tls)
    for _ in range(2):
        assert web.ask(f"{server.url}/a", proxy=proxy) == (200, b"ok")
    assert [request.split(b"\r\n")[0] for request in server.requests] == [b"POST /a HTTP/1.1"] * 2
    assert b"Proxy-" not in b"".join(server.requests)
    (connect,) = proxy.requests
    assert connect.startswith(b"CONNECT %s:%d HTTP/1." % (HOST.encode(), server.address[1]))
    assert CREDENTIALS in connect.split(b"\r\n")
    assert (proxy.connections, server.connections) == (1, 1)
    proxy.answers.append(tunnel(server))
    with pytest.raises(ProtocolError, match="closed without a response"):
        web.ask(server.url, proxy=proxy)


@encrypted_too
def test_proxy_lets_silences_through(web: Web, tls: bool) -> None:
    """In an upload, before the response, and in it; who leaves then frees the upstream."""
    body = BODY * 4
    may_read, may_answer, is_freed = (threading.Event() for _ in range(3))

    def answer(sock: Any) -> None:
        may_read.wait(LONG)
        left = len(body) - 100
        while left:
            left -= len(sock.recv(65_536))
        may_answer.wait(LONG)
        sock.sendall(CHUNKED)
        if not sock.recv(1):
            is_freed.set()

    server = web.serve(answer, tls=True)
    poller = Poller()
    poller.due = 0
    asking = web.exchange(server.url, body, poller=poller, proxy=web.serve(tunnel(server), tls=tls))
    while not server.requests:
        assert next(asking) is SILENCE
    for event in (may_read, may_answer):
        poller.due = soon()
        assert next(asking) is SILENCE
        event.set()
    poller.due = math.inf
    stream = run(asking)
    poller.due = 0
    assert next(stream.reads()) is SILENCE
    stream.close()
    assert is_freed.wait(LONG)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 403 Forbidden\r\n\r\n", b"SSH-2.0\r\n\r\n"])
def test_proxy_may_refuse_a_tunnel(web: Web, answer: bytes) -> None:
    with pytest.raises((OSError, http.client.HTTPException), match=r"403 Forbidden|SSH"):
        web.ask("https://gemini.test", proxy=web.serve(Last(answer)))


# --- Uploads ----------------------------------------------------------------------------------


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """The two sides of a connection."""
    made = connected(buffer_bytes=65_536)
    if request.param:
        made = encrypt(made, request.getfixturevalue("certificate"))
    made[0].settimeout(0)
    with made[0], made[1]:
        yield made


def upload(
    sock: socket.socket,
    poller: Poller,
    *parts: bytes,
    seconds: float = TIMEOUT,
    in_all: float = LONG,
) -> Waiting[None]:
    connection = SimpleNamespace(sock=sock, host="localhost")
    pool: Any = None
    response = UpstreamResponse(connection, pool, poller)
    timeouts = Timeouts(seconds, LONG, in_all)
    return connections.transmit(connection, parts or (b"head", BODY), poller, timeouts, response)


def test_upload_may_take_longer_than_the_timeout(pair: Pair) -> None:
    poller = Poller()
    poller.due = soon()
    before = time.monotonic()
    read = b""
    for _ in upload(pair[0], poller):
        read += drain(pair[1], 60_000)
        poller.due = soon()
    assert time.monotonic() - before > TIMEOUT
    pair[0].shutdown(socket.SHUT_WR)
    pair[1].settimeout(LONG)
    assert read + pair[1].makefile("rb").read() == b"head" + BODY


def test_upload_of_which_nothing_is_taken_ends(pair: Pair) -> None:
    before = time.monotonic()
    with pytest.raises(ConnectTimeoutError, match="Nothing was taken by localhost"):
        run(upload(pair[0], Poller()))
    assert TIMEOUT <= time.monotonic() - before < LONG / 2


def test_upload_is_tried_once_more_before_it_is_given_up(pair: Pair) -> None:
    """The system calls a socket writable only when much of what it holds has been taken."""
    read = []

    class Late(Poller):
        def wait(self, fd: int, deadline: float, mask: int = READABLE) -> bool:
            read.append(drain(pair[1]))
            time.sleep(max(0, deadline - time.monotonic()))
            return False

    run(upload(pair[0], Late(), seconds=SOON))
    pair[0].shutdown(socket.SHUT_WR)
    pair[1].settimeout(LONG)
    assert b"".join(read) + pair[1].makefile("rb").read() == b"head" + BODY


def test_upload_ends_when_the_client_leaves(pair: Pair) -> None:
    ours, client = connected()
    with ours:
        poller = Poller(ours)
        poller.due = 0
        uploading = upload(pair[0], poller)
        assert next(uploading) is SILENCE
        reset(client)
        with pytest.raises(ClientDisconnected):
            run(uploading)


@encrypted_too
def test_upload_that_is_refused_in_its_middle_has_a_response(web: Web, tls: bool) -> None:
    """The peer has closed, which a send finds out."""
    server = web.serve(Last(b"HTTP/1.1 413 Large\r\nContent-Length: 2\r\n\r\nno"), tls=tls)
    assert web.ask(server.url, bytes(30_000_000)) == (413, b"no")


def test_upload_that_is_taken_little_by_little_ends(pair: Pair) -> None:
    """Though a little is taken all the time."""
    poller = Poller()
    poller.due = 0
    before = time.monotonic()
    uploading = upload(pair[0], poller, b"head", BODY * 20, seconds=LONG, in_all=TIMEOUT)

    def take() -> None:
        for _ in uploading:
            drain(pair[1], 1)
            time.sleep(SOON / 4)

    with pytest.raises(TimeoutError, match="too slowly"):
        take()
    assert TIMEOUT <= time.monotonic() - before < LONG / 2


ALL_KINDS = pytest.mark.parametrize("kind", ["plain", "tls", "nested"])
LARGE = b"HTTP/1.1 413 Large\r\nContent-Length: 2\r\n\r\nno"


def holding(*answers: bytes) -> tuple[Answer, threading.Event]:
    """Answers so, reads no more and closes when it may."""
    may_close = threading.Event()

    def answer(sock: Any) -> None:
        for each in answers:
            sock.sendall(each)
            time.sleep(SOON)
        may_close.wait(LONG)
        sock.close()

    return answer, may_close


@ALL_KINDS
@pytest.mark.parametrize(
    "answers",
    [[LARGE], [LARGE[:20], LARGE[20:]], [INTERIM, LARGE]],
    ids=["whole", "cut", "interim"],
)
def test_upload_ends_with_an_early_response(web: Web, kind: str, answers: list[bytes]) -> None:
    """Its peer reads no more and does not close: that connection is not used again."""
    answer, may_close = holding(*answers)
    server = web.serve(answer, OK, tls=kind != "plain")
    proxy = web.serve(tunnel(server), tunnel(server), tls=True) if kind == "nested" else None
    connect = 1.0 if kind == "nested" else LONG
    assert web.ask(server.url, bytes(30_000_000), connect=connect, proxy=proxy) == (413, b"no")
    may_close.set()
    assert web.ask(server.url, proxy=proxy) == (200, b"ok")
    assert (len(server.requests), server.connections) == (2, 2)


@pytest.mark.parametrize("has_come", [False, True])
def test_upload_through_two_layers_of_tls_ends(has_come: bool) -> None:
    """A send there blocks: whether there is a response is seen behind it, too."""

    class Stalled:
        reads: tuple[bytes, ...] = ()
        settimeout = fileno = print

        def send(self, data: memoryview) -> int:
            self.reads = (LARGE,) if has_come else ()
            raise TimeoutError

        def recv(self, size: int) -> bytes:
            if self.reads:
                return self.reads[0]
            raise BlockingIOError

    sock: Any = Stalled()
    expected: Any = contextlib.nullcontext()
    if not has_come:
        expected = pytest.raises(ConnectTimeoutError, match="Nothing was taken by localhost")
    with expected:
        run(upload(sock, Poller()))


@encrypted_too
def test_upload_goes_on_behind_an_interim_response(web: Web, tls: bool) -> None:
    def answer(sock: Any) -> None:
        sock.sendall(INTERIM)
        time.sleep(SOON)
        left = len(BODY) * 4 - 100
        while left:
            left -= len(sock.recv(65_536))
        sock.sendall(OK)

    server = web.serve(answer, OK, tls=tls)
    assert web.ask(server.url, BODY * 4) == (200, b"ok")
    assert web.ask(server.url) == (200, b"ok")
    assert server.connections == 1


def test_upload_ends_where_nobody_will_answer(web: Web) -> None:
    def answer(sock: Any) -> None:
        sock.shutdown(socket.SHUT_WR)
        may_close.wait(LONG)

    may_close = threading.Event()
    server = web.serve(answer)
    with pytest.raises(ProtocolError, match="closed without a response"):
        web.ask(server.url, bytes(30_000_000))
    may_close.set()


@pytest.mark.parametrize("junk", [b"SSH-2.0\r\n", OK[:17] + b"X: " + b"x" * 99_000])
def test_upload_ends_with_what_is_no_response(web: Web, junk: bytes) -> None:
    answer, may_close = holding(junk)
    server = web.serve(answer)
    with pytest.raises(ProtocolError, match=r"not HTTP/1\.1|too large"):
        web.ask(server.url, bytes(30_000_000))
    may_close.set()


def test_upload_waits_for_what_tls_has_to_read_first() -> None:
    """Each time it looks for a response, too."""
    sends, reads = (ssl.SSLWantWriteError(), ssl.SSLWantReadError()), ssl.SSLWantWriteError()
    ours, theirs = scripted(connected(), sends[0], reads, sends[1], reads)
    with ours, theirs:
        poller = Poller()
        poller.due = 0
        uploading = upload(ours, poller, b"ok")
        assert [next(uploading) for _ in range(3)] == [SILENCE] * 3
        theirs.send(b"x")
        run(uploading)
        assert theirs.recv(100) == b"ok"


@pytest.mark.parametrize(
    ("head", "body", "sizes"),
    [
        (b"head", b"", [4]),
        (b"head", bytes(SEND_BYTES - 4), [SEND_BYTES]),
        (b"head", bytes(SEND_BYTES + 1), [4, SEND_BYTES, 1]),
    ],
)
def test_upload_is_one_send_where_it_is_small(head: bytes, body: bytes, sizes: list[int]) -> None:
    ours, theirs = scripted(socket.socketpair())
    with ours, theirs:
        run(upload(ours, Poller(), head, body))
        ours.close()
        assert (ours.sizes, drain(theirs)) == (sizes, head + body)


# --- Connecting -------------------------------------------------------------------------------

Address = tuple[str, int]
Resolve = Callable[..., None]


@pytest.fixture
def good() -> Iterator[Address]:
    """The address of a server that says nothing."""
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()


@pytest.fixture
def hole() -> Iterator[Address]:
    """An address that does not answer: as many are waiting there as may."""
    with socket.socket() as server, contextlib.ExitStack() as waiting_there:
        server.bind((HOST, 0))
        server.listen(0)
        for _ in range(4):
            sock = waiting_there.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(server.getsockname())
        yield server.getsockname()


@pytest.fixture
def refusing() -> Iterator[Address]:
    """An address that nobody listens on, nor will."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        yield sock.getsockname()


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Give each name these addresses."""

    def give(*addresses: Address, after: Callable[[], Any] = lambda: None) -> None:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: (after(), found)[1])

    return give


@pytest.fixture
def connection() -> Iterator[Connection]:
    with contextlib.closing(Connection("gemini.test", timeout=TIMEOUT)) as made:
        yield made


@pytest.fixture
def shares(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The seconds that each address is given."""
    seconds: list[Any] = []
    real = Connection._connect_to

    def connect_to(self: Connection, address: Any, share: float | None) -> socket.socket:
        seconds.append(share)
        return real(self, address, share)

    monkeypatch.setattr(Connection, "_connect_to", connect_to)
    return seconds


def test_addresses_that_do_not_answer_leave_time_for_others(
    connection: Connection, resolve: Resolve, hole: Address, good: Address, shares: list[Any]
) -> None:
    resolve(hole, hole, hole, good)
    connection.connect()
    assert TIMEOUT / 8 < shares[0] <= TIMEOUT / 4
    assert all(share <= TIMEOUT / 4 + 0.001 for share in shares[:3])
    assert (len(shares), connection.sock.getpeername()) == (4, good)
    assert connection.sock.gettimeout() == 0
    assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_addresses_have_one_timeout_together(
    connection: Connection, resolve: Resolve, hole: Address, shares: list[Any]
) -> None:
    """Of many, the first has time enough."""
    resolve(*[hole] * 20)
    before = time.monotonic()
    with pytest.raises(ConnectTimeoutError, match=rf"timed out. \(connect timeout={TIMEOUT}\)"):
        connection.connect()
    assert TIMEOUT <= time.monotonic() - before < LONG / 2
    assert (len(shares), shares[0] > TIMEOUT / 8) == (20, True)


def test_addresses_without_a_way_to_them_are_passed_over(
    connection: Connection, resolve: Resolve, refusing: Address, good: Address
) -> None:
    resolve(("224.0.0.1", 9), refusing, good)
    connection.connect()
    assert connection.sock.getpeername() == good


def test_addresses_of_both_families_are_tried_in_turn() -> None:
    six, four = (socket.AF_INET6,), (socket.AF_INET,)
    assert connections.interleave_families([six, six, six, four]) == [six, four, six, six]
    assert connections.interleave_families([four, four]) == [four, four]
    assert connections.interleave_families([]) == []


def test_connecting_may_be_refused(
    connection: Connection, resolve: Resolve, refusing: Address, shares: list[Any]
) -> None:
    resolve(refusing)
    connection.timeout = None
    with pytest.raises(NewConnectionError, match="refused") as caught:
        connection.connect()
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert shares == [None]


def test_connecting_needs_a_name_that_has_addresses(
    connection: Connection, resolve: Resolve
) -> None:
    def fail() -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(urllib3.exceptions.LocationParseError, match="label empty or too long"):
        Connection("gemini..test").connect()
    resolve()
    with pytest.raises(NewConnectionError, match="no address"):
        connection.connect()
    resolve(after=fail)
    with pytest.raises(urllib3.exceptions.NameResolutionError, match=r"gemini\.test"):
        connection.connect()


@pytest.mark.parametrize("host", [HOST, f"[{HOST}]"])
def test_connecting_uses_the_options_of_the_connection(good: Address, host: str) -> None:
    source = ("127.0.0.2", 0)
    made = Connection(host, good[1], timeout=None, source_address=source, socket_options=None)
    with contextlib.closing(made):
        made.connect()
        assert (made.sock.getsockname()[0], made.sock.gettimeout()) == ("127.0.0.2", 0)
        assert not made.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_connecting_sets_keepalive_as_far_as_the_system_has_it(
    good: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer that goes without a word is noticed; an option that is refused is left out."""
    refused = (socket.IPPROTO_TCP, 9999, 1)
    options = [refused, *connections.KEEPALIVE_OPTIONS]
    monkeypatch.setattr(connections, "KEEPALIVE_OPTIONS", options)
    with contextlib.closing(Connection(*good)) as made:
        made.connect()
        assert made.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        expected = {"KEEPIDLE": 30, "KEEPINTVL": 10, "KEEPCNT": 3, "USER_TIMEOUT": 60_000}
        for name, value in expected.items():
            if option := getattr(socket, f"TCP_{name}", None):
                assert made.sock.getsockopt(socket.IPPROTO_TCP, option) == value


@pytest.mark.parametrize("stage", ["handshake", "tunnel", "upload"])
def test_connecting_to_a_server_that_says_nothing_times_out(
    web: Web, good: Address, stage: str
) -> None:
    place = f"{HOST}:{good[1]}"
    url = {"handshake": f"https://{place}", "tunnel": "https://gemini.test"}.get(stage)
    proxy: Any = SimpleNamespace(url=f"http://{place}") if stage == "tunnel" else None
    with pytest.raises(ConnectTimeoutError):
        web.ask(url or f"http://{place}", bytes(30_000_000), connect=TIMEOUT, proxy=proxy)


@pytest.mark.parametrize("stage", ["look-up", "tunnel", "tls proxy", "handshake"])
def test_connecting_has_one_timeout_for_all_of_it(web: Web, resolve: Resolve, stage: str) -> None:
    """Whatever trickles meanwhile; and nothing is left of it, but a look-up."""
    may_end = threading.Event()
    ends: list[bytes] = []

    def trickle(sock: Any) -> None:
        sock.settimeout(SOON)
        piece = b"\x16\x03\x03\x40\x00" if stage != "tunnel" else b"HTTP/1.1 200 OK\r\nX: "
        with contextlib.suppress(OSError), sock:
            while not may_end.is_set():
                sock.sendall(piece)
                piece = b"a"
                with contextlib.suppress(TimeoutError):
                    if not sock.recv(65_536):
                        break
        ends.append(piece)

    class Trickling(Server):
        serve = staticmethod(trickle)  # type: ignore[assignment]

    server = web.stack.enter_context(contextlib.closing(Trickling()))
    if stage == "look-up":
        resolve(server.address, after=may_end.wait)
    else:
        resolve(server.address)
    proxy: Any = None
    if stage in ("tunnel", "tls proxy"):
        scheme = "http" if stage == "tunnel" else "https"
        proxy = SimpleNamespace(url=f"{scheme}://proxy.test:1")
    threads = set(threading.enumerate())
    before = time.monotonic()
    with pytest.raises(ConnectTimeoutError, match=rf"connect timeout={TIMEOUT}"):
        web.ask("https://gemini.test", connect=TIMEOUT, proxy=proxy)
    assert TIMEOUT <= time.monotonic() - before < LONG / 2
    if stage == "look-up":
        may_end.set()
    join_threads(threads)
    assert len(ends) == (0 if stage == "look-up" else 1)


@pytest.mark.parametrize("stage", ["look-up", "connect", "handshake"])
def test_connecting_is_aborted_when_the_client_leaves(
    web: Web, resolve: Resolve, hole: Address, stage: str
) -> None:
    """A silence is seen before. A look-up alone goes on, and nothing is connected after it."""
    ours, client = connected()
    has_left = threading.Event()
    with ours, socket.create_server((HOST, 0)) as server:
        address = hole if stage == "connect" else server.getsockname()
        after = has_left.wait if stage == "look-up" else lambda: None
        resolve(address, address, after=after)
        server.settimeout(LONG)
        threads = set(threading.enumerate())
        poller = Poller(ours)
        poller.due = 0
        asking = web.exchange("https://gemini.test", poller=poller)
        assert [next(asking) for _ in range(3)] == [SILENCE] * 3
        (thread,) = set(threading.enumerate()) - threads
        time.sleep(SOON)
        accepted = server.accept()[0] if stage == "handshake" else ours
        if stage == "handshake":
            assert accepted.recv(1)
        reset(client)
        poller.due = math.inf
        with pytest.raises(ClientDisconnected):
            run(asking)
        has_left.set()
        thread.join(LONG / 3)
        assert not thread.is_alive()
        with accepted:
            while stage == "handshake" and accepted.recv(100_000):
                pass
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_connecting_may_be_aborted_at_any_time(good: Address) -> None:
    class AbortedMeanwhile(Connection):
        def _connect_to(self, *given: Any) -> socket.socket:
            sock = super()._connect_to(*given)
            self.abort()
            return sock

    made = Connection(*good)
    made.abort()
    with pytest.raises(NewConnectionError, match="aborted"):
        made.connect()
    assert made.sock is None
    for kind in (Connection, AbortedMeanwhile):
        with socket.create_server((HOST, 0)) as server:
            made = kind(*server.getsockname())
            made.connect()
            assert (made.sock is None) is (kind is AbortedMeanwhile)
            made.abort()
            with server.accept()[0] as accepted:
                assert (accepted.recv(1), made.sock) == (b"", None)

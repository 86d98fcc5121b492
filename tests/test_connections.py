"""proxy/connections.py: the connections on which one waits are those that requests uses."""

from __future__ import annotations

import contextlib
import errno
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
)

from proxy import connections, liveness
from proxy.connections import (
    PIECE_BYTES,
    Patient,
    PatientAdapter,
    PatientConnection,
    PatientPool,
    PatientSecureConnection,
    PatientSecurePool,
    in_turn,
)
from proxy.liveness import ClientLeft, Sign, Work
from tests.servers import reset

PROXY = "http://127.0.0.1:9"

SOON = 0.02
"""Seconds that are waited for in vain."""

TIMEOUT = 0.3

LONG = 30.0
"""Seconds that nothing here takes: a test that waits for so long has found a fault."""

Pair = tuple[socket.socket, socket.socket]
Connection = PatientConnection | PatientSecureConnection


@pytest.mark.parametrize(
    ("url", "pool"), [("http://gemini.test/", PatientPool), ("https://g.test/", PatientSecurePool)]
)
@pytest.mark.parametrize("through_a_proxy", [False, True])
def test_each_way_to_google_is_patient(url: str, pool: type, through_a_proxy: bool) -> None:
    adapter = PatientAdapter()
    manager = adapter.proxy_manager_for(PROXY) if through_a_proxy else adapter.poolmanager
    made = manager.connection_from_url(url)
    assert type(made) is pool
    assert issubclass(made.ConnectionCls, PatientConnection)
    assert made.ConnectionCls.default_port == {"http": 80, "https": 443}[made.scheme]
    assert made.ConnectionCls.response_class.__name__ == "PatientResponse"


def connected(buffer_bytes: int | None = None) -> Pair:
    """The two sides of a connection on which little more than that can be on its way."""
    with socket.socket() as server:
        ours = socket.socket()
        if buffer_bytes:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
        server.bind(("127.0.0.1", 0))
        server.listen()
        ours.connect(server.getsockname())
        theirs, _ = server.accept()
        theirs.settimeout(LONG)
        return ours, theirs


@pytest.fixture
def client() -> Iterator[Pair]:
    ours, theirs = connected()
    with ours, theirs:
        yield ours, theirs


# --- Reading ----------------------------------------------------------------------------------


def test_closing_closes_what_is_under_it() -> None:
    with socket.socket() as sock:
        raw = sock.makefile("rb", buffering=0)
        reader = Patient(sock, raw)  # type: ignore[arg-type]
        assert reader.readable()
        reader.close()
        assert raw.closed


def reading(sock: socket.socket, times: int = 1_000_000) -> Generator[bytes, None, None]:
    """Reads of a byte, as urllib3 does them."""
    raw: Any = sock.makefile("rb", buffering=0)
    with io.BufferedReader(Patient(sock, raw)) as file:
        while times and (read := file.read1(1)):
            times -= 1
            yield read


def test_a_connection_is_left_as_it_was_found() -> None:
    """While it is read from it does not block; the next request is sent as usual."""
    ours, theirs = socket.socketpair()

    with ours, theirs:
        ours.settimeout(30)
        work = Work(reading(ours, times=1))
        assert work.take(0) is Sign.SILENCE
        assert ours.gettimeout() == 0
        theirs.sendall(b"a")
        assert [work.take(30), work.take(30)] == [b"a", Sign.END]
        assert ours.gettimeout() == 30


def test_a_timeout_that_is_set_meanwhile_counts() -> None:
    ours, theirs = socket.socketpair()

    with ours, theirs:
        ours.settimeout(30)
        work = Work(reading(ours, times=2))
        theirs.sendall(b"a")
        assert work.take(30) == b"a"
        ours.settimeout(0.02)
        with pytest.raises(TimeoutError, match="nothing to read"):
            work.take(30)


class Dead(io.RawIOBase):
    """The socket of a peer of which the system has heard nothing for too long."""

    def readinto(self, buffer: Any) -> int:
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")


@pytest.mark.parametrize("in_a_work", [True, False])
def test_a_peer_that_is_gone_is_not_silent(in_a_work: bool) -> None:
    """A silence is the client's to hear of; a connection is made anew."""
    ours, theirs = socket.socketpair()

    def read() -> Generator[bytes, None, None]:
        yield io.BufferedReader(Patient(ours, Dead())).read1(1)

    with ours, theirs, pytest.raises(ConnectionAbortedError):
        Work(read()).take(LONG) if in_a_work else next(read())


def test_a_peer_that_goes_without_a_word_is_noticed(good: Address) -> None:
    with contextlib.closing(PatientConnection(*good)) as made:
        made.connect()
        assert made.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        told = {
            name: made.sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
            if hasattr(socket, name)
        }
    seen = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 60_000}
    assert told == {name: seen[name] for name in told}


def test_an_option_that_the_system_refuses_is_left_out(
    good: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "WATCHED", [(socket.IPPROTO_TCP, 9999, 1)])
    with contextlib.closing(PatientConnection(*good)) as made:
        made.connect()
        assert made.sock.getpeername() == good


@pytest.mark.parametrize(("rested", "is_used_again"), [(100, True), (130, False)])
def test_a_connection_that_has_rested_for_long_is_not_used_again(
    rested: int, is_used_again: bool, good: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock goes on while a laptop sleeps."""
    with contextlib.closing(PatientPool(*good)) as pool:
        first = pool._get_conn()
        first.connect()
        pool._put_conn(first)
        before = first.sock
        now = time.time() + rested
        monkeypatch.setattr(connections.time, "time", lambda: now)
        pool._get_conn()
        assert (first.sock is before) is is_used_again
        first.close()
        pool._put_conn(None)


# --- Reading behind encryption ----------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with a key and a certificate that nobody need trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    start = datetime(2020, 1, 1, tzinfo=UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=36_500))
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(secret + signed.public_bytes(Encoding.PEM))
    return str(path)


def encrypted(
    pair: Pair, certificate: str, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> tuple[ssl.SSLSocket, ssl.SSLSocket]:
    """The two sides of a connection after the handshake."""
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate)
    theirs.maximum_version = version
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ours.check_hostname, ours.verify_mode = False, ssl.CERT_NONE
    with ThreadPoolExecutor(1) as other:
        shaking = other.submit(theirs.wrap_socket, pair[1], server_side=True)
        return ours.wrap_socket(pair[0]), shaking.result(LONG)


versions = pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda version: version.name
)


@versions
def test_silence_is_seen_behind_encryption(certificate: str, version: ssl.TLSVersion) -> None:
    """TLS 1.3 sends tickets after the handshake: they make a socket readable, without data."""
    ours, theirs = encrypted(socket.socketpair(), certificate, version)
    with ours, theirs:
        ours.settimeout(LONG)
        work = Work(reading(ours))
        before = time.monotonic()
        assert [work.take(0), work.take(SOON)] == [Sign.SILENCE] * 2
        assert time.monotonic() - before < LONG / 2
        theirs.sendall(b"ab")
        assert [work.take(LONG), work.take(LONG)] == [b"a", b"b"]
        ours.settimeout(SOON)
        with pytest.raises(TimeoutError, match="nothing to read"):
            work.take(LONG)


@versions
def test_the_end_of_an_encrypted_stream_is_seen(certificate: str, version: ssl.TLSVersion) -> None:
    ours, theirs = encrypted(socket.socketpair(), certificate, version)
    with ours:
        work = Work(reading(ours))
        theirs.sendall(b"a")
        assert work.take(LONG) == b"a"
        theirs.close()
        assert work.take(LONG) is Sign.END


def test_what_is_decrypted_already_is_not_waited_for(certificate: str) -> None:
    """A record is larger than what is read at once; its rest makes no socket readable."""
    size = 2 * io.DEFAULT_BUFFER_SIZE
    ours, theirs = encrypted(socket.socketpair(), certificate)
    with ours, theirs:
        work = Work(reading(ours))
        theirs.sendall(bytes(size))
        assert work.take(LONG) == b"\0"
        assert [work.take(0) for _ in range(size)] == [b"\0"] * (size - 1) + [Sign.SILENCE]
        work.stop()


def test_outside_of_a_work_an_encrypted_read_waits_itself(certificate: str) -> None:
    ours, theirs = encrypted(socket.socketpair(), certificate)
    with ours, theirs:
        ours.settimeout(LONG)
        later = threading.Timer(SOON, theirs.sendall, [b"a"])
        later.start()
        assert next(reading(ours)) == b"a"
        later.join()


# --- Sending ----------------------------------------------------------------------------------

BODY = bytes(range(256)) * 8_192
"""2 MB, of which little can be on its way."""

Uploads = tuple[Connection, socket.socket]


@pytest.fixture(params=["plain", "encrypted"])
def uploads(request: pytest.FixtureRequest) -> Iterator[Uploads]:
    """A connection that has been made, and its other side."""
    pair = connected(buffer_bytes=65_536)
    kind: type[Connection] = PatientConnection
    if request.param == "encrypted":
        kind, pair = (
            PatientSecureConnection,
            encrypted(pair, request.getfixturevalue("certificate")),
        )
    connection = kind("localhost", timeout=TIMEOUT)
    connection.sock = pair[0]
    connection.sock.settimeout(TIMEOUT)
    with pair[0], pair[1]:
        yield connection, pair[1]


def sending(connection: Connection, data: Any) -> Generator[str, None, None]:
    connection.send(data)
    yield "sent"


def all_of(sock: socket.socket, size: int, pause: float = 0.0) -> bytes:
    """What is sent, read with pauses."""
    read = b""
    with sock.makefile("rb") as file:
        while len(read) < size:
            time.sleep(pause)
            read += file.read(min(100_000, size - len(read)))
    return read


@pytest.mark.parametrize("in_a_work", [True, False])
def test_an_upload_may_take_longer_than_the_timeout(uploads: Uploads, in_a_work: bool) -> None:
    connection, theirs = uploads
    silences = 0
    before = time.monotonic()
    with ThreadPoolExecutor(1) as server:
        reads = server.submit(all_of, theirs, len(BODY), TIMEOUT / 10)
        if in_a_work:
            work = Work(sending(connection, BODY))
            while (taken := work.take(SOON)) is Sign.SILENCE:
                silences += 1
            assert taken == "sent"
        else:
            connection.send(BODY)
        assert time.monotonic() - before > TIMEOUT
        assert reads.result(LONG) == BODY
    assert (silences > 0) is in_a_work
    assert connection.sock.gettimeout() == TIMEOUT


@pytest.mark.parametrize("in_a_work", [True, False])
def test_an_upload_of_which_nothing_is_taken_ends(uploads: Uploads, in_a_work: bool) -> None:
    connection, _ = uploads
    work = Work(sending(connection, BODY))
    before = time.monotonic()
    with pytest.raises(ConnectTimeoutError, match="Nothing was taken by localhost"):
        work.take(LONG) if in_a_work else connection.send(BODY)
    assert TIMEOUT <= time.monotonic() - before < 4 * TIMEOUT
    assert connection.sock.gettimeout() == TIMEOUT


def test_without_a_timeout_an_upload_may_stand_still(uploads: Uploads) -> None:
    connection, theirs = uploads
    connection.sock.settimeout(None)
    work = Work(sending(connection, BODY))
    assert [work.take(SOON), work.take(SOON)] == [Sign.SILENCE] * 2
    with ThreadPoolExecutor(1) as server:
        reads = server.submit(all_of, theirs, len(BODY))
        assert work.take(LONG) == "sent"
        assert reads.result(LONG) == BODY
    assert connection.sock.gettimeout() is None


def test_a_client_that_leaves_ends_an_upload(uploads: Uploads, client: Pair) -> None:
    work = Work(sending(uploads[0], BODY))
    work.watch(client[0])
    assert work.take(0) is Sign.SILENCE
    reset(client[1])
    with pytest.raises(ClientLeft):
        work.take(LONG)


def test_a_server_that_does_not_read_is_a_timeout_of_requests() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(requests.ConnectTimeout):
        ask(f"http://127.0.0.1:{server.getsockname()[1]}/", body=bytes(30_000_000))


def ask(url: str, body: bytes = b"{}") -> requests.Response:
    request = requests.Request("POST", url, data=body).prepare()
    adapter = PatientAdapter()
    try:
        return adapter.send(request, stream=True, timeout=(TIMEOUT, LONG), proxies={})
    finally:
        adapter.close()


def test_a_socket_is_tried_before_it_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system calls it writable only when much of what it holds has been taken."""
    ours, theirs = connected(buffer_bytes=65_536)
    theirs.settimeout(SOON)
    read = []

    def until_ready(*_: Any) -> bool:
        with contextlib.suppress(TimeoutError):
            while True:
                read.append(theirs.recv(1_000_000))
        return False

    monkeypatch.setattr(liveness, "until_ready", until_ready)
    connection = PatientConnection("localhost")
    connection.sock = ours
    with ours, theirs:
        connection.send(BODY)
        until_ready()
    assert b"".join(read) == BODY


class Asking(socket.socket):
    """Behind encryption, something may have to be read before more can be sent."""

    def send(self, data: Any, flags: int = 0) -> int:
        if not self.recv(1):
            raise AssertionError
        return super().send(data)

    def recv(self, size: int, flags: int = 0) -> bytes:
        try:
            return super().recv(size, flags)
        except BlockingIOError:
            raise ssl.SSLWantReadError from None


def test_what_has_to_be_read_first_is_waited_for() -> None:
    pair = connected()
    body = bytes(PIECE_BYTES + 1)
    connection = PatientConnection("localhost")
    connection.sock = ours = Asking(fileno=pair[0].detach())
    ours.settimeout(TIMEOUT)
    with ours, pair[1] as theirs:
        work = Work(sending(connection, body))
        assert work.take(0) is Sign.SILENCE
        theirs.send(b"ab")
        assert work.take(LONG) == "sent"
        assert len(all_of(theirs, len(body))) == len(body)
        with pytest.raises(ConnectTimeoutError):
            connection.send(body)


@pytest.mark.parametrize(
    "data", [b"head", bytes(PIECE_BYTES), io.BytesIO(b"file"), [b"some", b"pieces"], bytearray(99)]
)
def test_what_is_small_or_no_bytes_is_sent_as_ever(data: Any) -> None:
    class Plain(socket.socket):
        def settimeout(self, value: float | None) -> None:
            raise AssertionError

    pair = connected()
    connection = PatientConnection("localhost")
    connection.sock = ours = Plain(fileno=pair[0].detach())
    with ours, pair[1] as theirs, ThreadPoolExecutor(1) as server:
        reads = server.submit(lambda: theirs.makefile("rb").read())
        connection.send(data)
        connection.close()
        expected = b"".join(data) if isinstance(data, list) else data
        assert reads.result(LONG) == getattr(expected, "getvalue", lambda: expected)()


def test_a_large_body_on_something_like_a_socket_is_sent_as_ever() -> None:
    """urllib3's encryption inside of encryption, through a proxy."""

    class Like:
        sent = b""

        def sendall(self, data: bytes) -> None:
            self.sent += data

    connection = PatientConnection("localhost")
    connection.sock = like = Like()  # type: ignore[assignment]
    connection.send(BODY)
    assert like.sent == BODY


# --- Connecting -------------------------------------------------------------------------------

Address = tuple[str, int]
Resolve = Callable[..., None]


@pytest.fixture
def good() -> Iterator[Address]:
    """The address of a server."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


@pytest.fixture
def hole() -> Iterator[Address]:
    """An address that does not answer: as many are waiting there as may."""
    with socket.socket() as server, contextlib.ExitStack() as waiting_there:
        server.bind(("127.0.0.1", 0))
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
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Give the name that is asked for these addresses."""

    def give(*addresses: Address) -> None:
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)
            for address in addresses
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)

    return give


def connecting(connection: Connection) -> Generator[Address, None, None]:
    connection.connect()
    yield connection.sock.getpeername()


@pytest.fixture
def connection() -> Iterator[PatientConnection]:
    with contextlib.closing(PatientConnection("gemini.test", timeout=TIMEOUT)) as made:
        yield made


def test_addresses_that_do_not_answer_do_not_keep_the_others_from_being_tried(
    connection: PatientConnection,
    resolve: Resolve,
    hole: Address,
    good: Address,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The times they have are counted: an address on this machine needs none."""
    times: list[float] = []
    real = liveness.until_ready

    def until_ready(sock: socket.socket, seconds: float, writes: bool) -> bool:
        times.append(seconds)
        return real(sock, seconds, writes)

    monkeypatch.setattr(liveness, "until_ready", until_ready)
    resolve(hole, hole, hole, good)
    connection.connect()
    assert times[0] > TIMEOUT / 8
    assert all(seconds <= TIMEOUT / 4 + 0.001 for seconds in times)
    assert connection.sock.getpeername() == good
    assert connection.sock.gettimeout() == TIMEOUT
    assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_of_many_addresses_the_first_has_time_enough(
    connection: PatientConnection,
    resolve: Resolve,
    refusing: Address,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times: list[float] = []

    def refuse(found: Any, seconds: float) -> socket.socket:
        times.append(seconds)
        raise TimeoutError

    monkeypatch.setattr(connection, "_connected_to", refuse)
    resolve(*[refusing] * 20)
    with pytest.raises(ConnectTimeoutError):
        connection.connect()
    assert len(times) == 20
    assert TIMEOUT / 8 < times[0] <= TIMEOUT / 4


def test_where_one_family_has_no_way_out_the_other_is_tried_soon() -> None:
    six, four = (socket.AF_INET6,), (socket.AF_INET,)
    assert in_turn([six, six, six, four]) == [six, four, six, six]
    assert in_turn([four, four]) == [four, four]
    assert in_turn([]) == []


def test_a_connection_is_waited_for_visibly(
    connection: PatientConnection, resolve: Resolve, hole: Address, good: Address
) -> None:
    resolve(hole, good)
    work = Work(connecting(connection))
    assert [work.take(0), work.take(SOON)] == [Sign.SILENCE] * 2
    assert work.take(LONG) == good
    assert connection.sock.gettimeout() == TIMEOUT


def test_a_client_that_leaves_ends_the_connecting(
    connection: PatientConnection, resolve: Resolve, hole: Address, client: Pair
) -> None:
    resolve(hole, hole)
    work = Work(connecting(connection))
    work.watch(client[0])
    assert work.take(0) is Sign.SILENCE
    reset(client[1])
    with pytest.raises(ClientLeft):
        work.take(LONG)
    assert connection.sock is None


def test_one_timeout_holds_for_all_addresses(resolve: Resolve, hole: Address) -> None:
    resolve(*[hole] * 20)
    before = time.monotonic()
    with pytest.raises(requests.ConnectTimeout, match=f"timed out. .connect timeout={TIMEOUT}"):
        ask("http://gemini.test/")
    assert TIMEOUT <= time.monotonic() - before < 10 * TIMEOUT


def test_an_address_without_a_way_to_it_is_passed_over(
    connection: PatientConnection, resolve: Resolve, refusing: Address, good: Address
) -> None:
    resolve(("224.0.0.1", 9), refusing, good)
    connection.connect()
    assert connection.sock.getpeername() == good


@pytest.mark.parametrize("timeout", [TIMEOUT, None])
def test_a_connection_that_is_refused(
    connection: PatientConnection, resolve: Resolve, refusing: Address, timeout: float | None
) -> None:
    resolve(refusing)
    connection.timeout = timeout
    with pytest.raises(NewConnectionError, match="refused") as caught:
        connection.connect()
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


def test_a_name_without_addresses(connection: PatientConnection, resolve: Resolve) -> None:
    resolve()
    with pytest.raises(NewConnectionError, match="no address"):
        connection.connect()


def test_a_name_that_nobody_knows(
    connection: PatientConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(NameResolutionError, match=r"gemini\.test"):
        connection.connect()


def test_a_name_that_is_none() -> None:
    with pytest.raises(LocationParseError, match="label empty or too long"):
        PatientConnection("gemini..test").connect()


@pytest.mark.parametrize("host", ["127.0.0.1", "[127.0.0.1]"])
def test_a_connection_is_made_as_it_was_asked_for(good: Address, host: str) -> None:
    made = PatientConnection(
        host, good[1], timeout=None, source_address=("127.0.0.2", 0), socket_options=None
    )
    with contextlib.closing(made):
        made.connect()
        assert made.sock.getsockname()[0] == "127.0.0.2"
        assert made.sock.gettimeout() is None
        assert not made.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_timeout_of_all_sockets_is_used_where_no_other_is_given(good: Address) -> None:
    given = socket.getdefaulttimeout()
    socket.setdefaulttimeout(LONG)
    try:
        with contextlib.closing(PatientConnection(*good)) as made:
            made.timeout = connections.Timeout.DEFAULT_TIMEOUT  # type: ignore[assignment]
            made.connect()
            assert made.sock.gettimeout() == LONG
    finally:
        socket.setdefaulttimeout(given)

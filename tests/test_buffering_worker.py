"""proxy/buffering_worker.py, client_connection.py: slow clients, and those that do not close."""

from __future__ import annotations

import contextlib
import errno
import inspect
import json
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http.errors import ParseException
from gunicorn.workers import gthread

from proxy import buffering_worker, client_connection, http_errors, request_body
from proxy.buffering_worker import INTERNALS, BufferingWorker
from proxy.client_connection import MAX_REST_BYTES
from proxy.http_errors import MAX_HEAD_BYTES, MAX_LINE_BYTES
from tests.servers import reset
from tests.sockets import LONG

THREADS = 2
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
GET_AND_CLOSE = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
SHORT = 0.05
"""Seconds, for deadlines that are waited for."""


def post(length: int, path: str = "/") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (path.encode(), length)


class App:
    """Reads bodies that are sent to /read, and answers with their length; waits at /wait."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.answer = b"ok"
        self.requests = 0

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        self.requests += 1
        answer = self.answer
        if environ["PATH_INFO"] == "/wait":
            assert self.may_answer.wait(LONG)
        elif environ["PATH_INFO"] == "/read":
            try:
                answer = b"%d" % len(environ["wsgi.input"].read())
            except TimeoutError:
                answer = b"timeout"
            except (OSError, ParseException):
                answer = b"garbled"
        start_response("200 OK", [("Content-Length", str(len(answer)))])
        return [answer]


class Server:
    """A worker in a thread of this process, and clients of it."""

    def __init__(self, listener: socket.socket) -> None:
        self.app = App()
        cfg = Config()
        cfg.set("threads", THREADS)
        cfg.set("limit_request_line", 0)  # as functions-framework does
        cfg.set("graceful_timeout", int(LONG))
        self.worker = BufferingWorker(0, os.getppid(), [listener], self.app, 0, cfg, Logger(cfg))
        self.address = listener.getsockname()
        self._clients = contextlib.ExitStack()
        # What init_process does, less what is for a process of its own.
        self.worker.wsgi = self.app
        self.worker.tpool = self.worker.get_thread_pool()
        self.worker.poller = selectors.DefaultSelector()
        self.worker.method_queue.init()
        self._thread = threading.Thread(target=self.worker.run)

    def start(self) -> None:
        self._thread.start()

    def connect(self, *pieces: bytes) -> socket.socket:
        client = self._clients.enter_context(socket.create_connection(self.address, LONG))
        for piece in pieces:
            client.sendall(piece)
        return client

    def get(self) -> bytes:
        """What somebody else gets meanwhile."""
        return read(self.connect(GET_AND_CLOSE))

    def wait_until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + LONG
        while not holds():
            assert time.monotonic() < end
            time.sleep(0.001)

    def stop(self) -> None:
        self.app.may_answer.set()
        self._clients.close()
        self.worker.alive = False
        self._thread.join(LONG)
        assert not self._thread.is_alive()
        self.close()

    def close(self) -> None:
        """What it has without running."""
        self.worker.tmp.close()
        self.worker.method_queue.close()
        self.worker.poller.close()


def read(client: socket.socket) -> bytes:
    """All that comes until the server closes, or resets."""
    pieces = []
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(65_536):
            pieces.append(piece)
    return b"".join(pieces)


def read_until(client: socket.socket, end: bytes) -> bytes:
    """One answer, or the rest of it; gunicorn sends head and body one by one."""
    read = b""
    while not read.endswith(end) and (piece := client.recv(65_536)):
        read += piece
    assert read.endswith(end)
    return read


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(buffering_worker, "CHECK_SECONDS", 0.005)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1_000)
    server = Server(listener)
    server.worker.wait_for_and_dispatch_events = quicker(server.worker)
    server.start()
    yield server
    server.stop()


def quicker(worker: Any) -> Callable[[float], None]:
    """The loop looks at the clock each second, and in tests more often."""
    wait = worker.wait_for_and_dispatch_events
    return lambda timeout: wait(min(timeout, SHORT / 5))


# --- Heads ------------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [b"", b"GET / HT", GET[:-2], b"\r\n\r\n"])
def test_heads_that_do_not_end_take_no_threads(server: Server, piece: bytes) -> None:
    for _ in range(10 * THREADS):
        server.connect(piece)
    server.wait_until(lambda: len(server.worker._heads) == 10 * THREADS)
    assert server.get().startswith(OK)


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([GET], id="at once"),
        pytest.param([b"\r\n\r\n", GET], id="behind empty lines"),
        pytest.param([bytes([byte]) for byte in GET], id="byte by byte"),
        pytest.param([GET[:-1], GET[-1:]], id="its last byte alone"),
    ],
)
def test_head_is_served_however_it_comes(server: Server, pieces: list[bytes]) -> None:
    client = server.connect(pieces[0])
    for piece in pieces[1:]:
        time.sleep(0.001)
        client.sendall(piece)
    assert read_until(client, b"ok").startswith(OK)


def test_connection_is_kept_for_the_next_request(server: Server) -> None:
    client = server.connect()
    for _ in range(3):
        client.sendall(GET[:10])
        time.sleep(SHORT)
        client.sendall(GET[10:])
        read_until(client, b"ok")


def test_pipelined_requests_are_answered_in_turn(server: Server) -> None:
    client = server.connect(GET * 5 + GET_AND_CLOSE)
    assert read(client).count(OK) == 6


def test_client_that_leaves_before_its_head_is_forgotten(server: Server) -> None:
    client = server.connect(b"GET")
    server.wait_until(lambda: server.worker.nr_conns == 1)
    reset(client)
    server.wait_until(lambda: not server.worker._connections and not server.worker.nr_conns)
    assert server.get().startswith(OK)


@pytest.mark.parametrize("pace", [None, SHORT / 3])
def test_head_that_is_long_in_coming_is_refused(
    server: Server, pace: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a whole, however it gets on."""
    monkeypatch.setattr(client_connection, "HEAD_SECONDS", SHORT)
    client = server.connect(b"GET / HTTP/1.1\r\n")
    client.settimeout(pace)
    answer = b""
    with contextlib.suppress(OSError):
        while not answer:
            with contextlib.suppress(TimeoutError):
                answer = client.recv(1_000)
            if not answer:
                client.sendall(b"X: y\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n")
    error = json.loads(body)["error"]
    assert error == {"type": "timeout_error", "message": http_errors.MESSAGES[408]}
    assert f"Content-Length: {len(body)}".encode() in head


def test_connection_without_a_byte_is_closed_in_silence(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_connection, "HEAD_SECONDS", SHORT)
    assert read(server.connect()) == b""
    server.wait_until(lambda: not server.worker._connections and not server.worker.nr_conns)


def line(size: int) -> bytes:
    """A request line of so many bytes, without its end."""
    return b"GET /%b HTTP/1.1" % (b"x" * (size - len(b"GET / HTTP/1.1")))


def head(size: int) -> bytes:
    """A whole head of so many bytes."""
    fields = b"GET / HTTP/1.1\r\nConnection: close\r\n"
    while size - len(fields) - 2 > 2_000:
        fields += b"X: %b\r\n" % (b"x" * 990)
    return fields + b"X: %b\r\n\r\n" % (b"x" * (size - len(fields) - 7))


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(line(MAX_LINE_BYTES) + b"\r\nConnection: close\r\n\r\n", 200, id="a line"),
        pytest.param(line(MAX_LINE_BYTES + 1) + b"\r\n\r\n", 414, id="a line too long"),
        pytest.param(line(MAX_LINE_BYTES + 1), 414, id="a line without an end"),
        pytest.param(head(MAX_HEAD_BYTES), 200, id="a head"),
        pytest.param(head(MAX_HEAD_BYTES + 1), 431, id="a head too long"),
        pytest.param(b"\r\n" * MAX_HEAD_BYTES, 431, id="empty lines without an end"),
    ],
)
def test_heads_have_a_length(server: Server, sent: bytes, status: int) -> None:
    answer = read(server.connect(sent))
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    if status != 200:
        error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
        assert error["message"] == http_errors.MESSAGES[status]
    assert server.app.requests == int(status == 200)


@pytest.fixture
def conn() -> Iterator[client_connection.Connection]:
    """One without a worker; its client is `conn.sock`'s other side, in `conn.client`."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield client_connection.Connection(
            Config(), ours, theirs, ("127.0.0.1", 2), *[lambda _: None] * 2
        )


def test_head_is_complete_before_it_is_parsed(conn: Any) -> None:
    """The parser takes no more than there is, and so waits for nobody."""
    assert conn.begin_head(0)
    for piece in (GET[:-1], GET[-1:] + b"more"):
        conn.client.sendall(piece)
        is_complete = conn.receive_head()
    assert is_complete
    assert next(conn.parser).path == "/"
    assert conn.parser.unreader.take_buffered() == b"more"


def test_end_of_a_connection_is_waited_for_without_blocking(conn: Any) -> None:
    conn.begin_linger(0)
    assert conn.discard(1)
    assert conn.deadline == client_connection.LINGER_SILENCE_SECONDS
    conn.client.sendall(b"more")
    assert conn.discard(2)
    assert conn.deadline == 2 + client_connection.LINGER_SILENCE_SECONDS
    conn.sock.close()
    assert not conn.discard(3)


def test_head_is_looked_through_once(conn: Any) -> None:
    """Byte by byte, too: else 64 kB would be looked through 64 thousand times."""
    searched: list[int] = []

    class Head(bytearray):
        def find(self, sub: Any, start: Any = 0, end: Any = None) -> int:  # type: ignore[override]
            if sub == client_connection.END_OF_HEAD:
                searched.append(len(self) - start)
            return super().find(sub, start, len(self) if end is None else end)

    assert conn.begin_head(0)
    conn._head = Head(GET[:-4])
    for byte in b"\r\nX: " + b"x" * 500:
        conn.client.sendall(bytes([byte]))
        assert not conn.receive_head()
    assert max(searched[2:]) <= 4


def test_oldest_head_makes_room_for_the_next(server: Server) -> None:
    server.worker.worker_connections = 10
    waiting = [server.connect(b"GET") for _ in range(30)]
    assert server.get().startswith(OK)
    assert read(waiting[0]) == b""
    assert len(server.worker._heads) <= 10


def test_request_line_that_is_none_is_refused(server: Server) -> None:
    assert read(server.connect(b"SSH-2.0-x\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "sent",
    [
        *(b"GET / HTTP/1.1\nHost: x\n\n", b"GET / HTTP/1.1\r\nHost: x\n", b"\n", b"\rG"),
        *(b"GET / HT\0", b"GET / HTTP/1.1\rHost: x\r", b"GET / HTTP/1.1\r\nX: \r\rY"),
        *(b"GET /\r\n", b"GET / HTTP/2.0\r\n", b"GET  / HTTP/1.1\r\n", b"GET /\xff HTTP/1.1\r\n"),
        *(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"HTTP/1.1 200 OK\r\n"),
        *(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x80\x2e\x01\x03\x01"),
        *(b'{"a": 1}', b"get / HTTP/1.1\r\n", b"X" * 21, b" GET"),
        *(b"GET / HTTP/1.1\r\nnone\r\n", b"GET / HTTP/1.1\r\nX: y\r\n more\r\n"),
        *(
            b"GET / HTTP/1.1\r\n: y\r\n",
            b"GET / HTTP/1.1\r\nX y: z\r\n",
            b"GET / HTTP/1.1\r\nX: \x01",
        ),
    ],
)
@pytest.mark.parametrize("is_dripped", [False, True])
def test_head_that_nothing_makes_good_is_refused_at_once(
    conn: Any, sent: bytes, is_dripped: bool
) -> None:
    """Nobody waits for the rest of it."""
    assert conn.begin_head(0)
    pieces = [bytes([byte]) for byte in sent] if is_dripped else [sent]

    def send() -> None:
        for piece in pieces:
            conn.client.sendall(piece)
            if conn.receive_head():
                next(conn.parser)

    with pytest.raises((client_connection.BadHead, ParseException)) as refused:
        send()
    assert getattr(refused.value, "status", 400) == 400
    assert refused.type.__name__ not in http_errors.GUNICORN_STATUSES


SECRET = b"sk-secret"


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"GET / %b HTTP/1.1\r\n", 400),
        (b"GET /\xff%b HTTP/1.1\r\n", 400),
        (b"sk%b / HTTP/1.1\r\n", 400),
        (b"GET / HTTP/%b\r\n", 400),
        (b"GET / HTTP/1.1\r\n%b\r\n", 400),
        (b"GET / HTTP/1.1\r\n %b: x\r\n", 400),
        (b"GET / HTTP/1.1\r\nx %b: x\r\n", 400),
        (b"GET / HTTP/1.1\r\nx: %b\x01\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: %b\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\nX: %b\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\nX: %b\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: %b\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\nX: %b\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\nX: %b\r\n", 400),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nX: %b\r\n", 400),
        (b"GET / HTTP/1.1\r\nExpect: %b\r\n", 417),
        (b"GET / HTTP/1.1\r\nX: %b" + b"x" * 9_000 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: %b\r\n" + b"X: y\r\n" * 101, 431),
    ],
)
def test_gunicorns_refusals_are_in_the_apis_shape(
    server: Server, lines: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """And quote nothing, here or in the log."""
    server.worker.log.error_log.addHandler(caplog.handler)
    answer = read(server.connect(lines % SECRET + b"Host: x\r\n\r\n"))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close\r\nContent-Type: application/json\r\n" in head
    error = json.loads(body)
    assert error["type"] == "error"
    assert error["error"] == {
        "type": "invalid_request_error",
        "message": http_errors.MESSAGES[status],
    }
    assert error["request_id"] in head.decode()
    assert SECRET not in answer
    assert SECRET.decode() not in caplog.text
    assert not server.app.requests


def test_served_function_has_these_bounds(proxy: str) -> None:
    """The framework starts this worker, with no setting made."""
    host, port = proxy.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), LONG) as client:
        client.sendall(line(MAX_LINE_BYTES + 1))
        assert read(client).startswith(b"HTTP/1.1 414 ")


# --- Bodies -----------------------------------------------------------------------------------


def test_body_is_read_whole(server: Server) -> None:
    client = server.connect(post(3_000_000, "/read"), bytes(3_000_000), GET_AND_CLOSE)
    answers = read(client)
    assert answers.count(OK) == 2
    assert b"3000000" in answers


@pytest.mark.parametrize("length", [10, 1_000_000])
def test_body_that_nobody_reads_takes_no_thread(server: Server, length: int) -> None:
    """And its client has the answer before it has sent all."""
    clients = [server.connect(post(length)) for _ in range(10 * THREADS)]
    assert server.get().startswith(OK)
    for client in clients:
        read_until(client, b"ok")
        client.sendall(bytes(length))
        assert read(client) == b""


def test_short_body_that_nobody_reads_leaves_the_connection_open(server: Server) -> None:
    client = server.connect(post(1_000) + bytes(1_000))
    read_until(client, b"ok")
    client.sendall(GET)
    read_until(client, b"ok")


CHUNKED = b"POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(post(10) + b"hi", id="content-length too long"),
        pytest.param(CHUNKED % b"/", id="no last chunk"),
        pytest.param(CHUNKED % b"/" + b"0\r\nX: y\r\n", id="no end of the trailer"),
        pytest.param(CHUNKED % b"/" + b"1;x", id="no end of a chunk's line"),
        pytest.param(CHUNKED % b"/" + b"zz\r\n", id="no chunk"),
        pytest.param(CHUNKED % b"/read" + b"zz\r\n", id="no chunk, and read"),
        pytest.param(post(MAX_REST_BYTES) + bytes(MAX_REST_BYTES), id="too long to discard"),
    ],
)
def test_answer_says_that_the_rest_of_a_body_is_not_read(server: Server, sent: bytes) -> None:
    """Else the client's next request would be taken for it, or be cut."""
    answer = read(server.connect(sent))
    assert answer.startswith(OK)
    assert b"\r\nConnection: close\r\n" in answer


@pytest.mark.parametrize("sent", [post(10, "/read") + b"hi", CHUNKED % b"/read", post(10) + b"hi"])
def test_body_that_is_cut_is_the_connections_last(server: Server, sent: bytes) -> None:
    """By its client, or where it is not waited for any longer."""
    client = server.connect(sent)
    client.shutdown(socket.SHUT_WR)
    assert b"\r\nConnection: close\r\n" in read(client)


@pytest.mark.parametrize("piece", [b"X: y\r\n", b"2\r\nhi\r\n", b"1;x"])
def test_body_that_drips_takes_no_thread(server: Server, piece: bytes) -> None:
    """Of a body that nobody reads, all together has a tenth of a second, not each read."""
    start = CHUNKED % b"/" + (b"0\r\n" if piece.startswith(b"X") else b"")
    clients = [server.connect(start) for _ in range(3 * THREADS)]
    is_over = threading.Event()

    def drip() -> None:
        while not is_over.wait(SHORT / 5):
            for client in clients:
                with contextlib.suppress(OSError):
                    client.send(piece)

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        answers = [read_until(client, b"ok") for client in clients]
        assert server.get().startswith(OK)
    finally:
        is_over.set()
        thread.join()
    assert all(b"\r\nConnection: close\r\n" in answer for answer in answers)


def test_rest_of_a_body_has_one_deadline(conn: Any) -> None:
    """Also where there is always something to read."""
    unreader = client_connection.Unreader(conn.sock)
    conn.client.sendall(b"more")
    unreader.deadline = time.monotonic() - 1
    with pytest.raises(TimeoutError):
        unreader.chunk()


def test_body_is_read_in_a_bounded_number_of_pieces(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_connection, "MAX_PIECES", 10)
    chunks = CHUNKED % b"/read"
    assert b"11" in read(server.connect(chunks + b"1\r\nx\r\n" * 9 + b"0\r\n\r\n" + GET_AND_CLOSE))
    answer = read(server.connect(chunks + b"1\r\nx\r\n" * 10 + b"0\r\n\r\n" + GET_AND_CLOSE))
    assert b"garbled" in answer
    assert answer.count(OK) == 1


# --- Answers that are not taken ---------------------------------------------------------------


def test_client_that_takes_no_answer_gets_no_more(server: Server) -> None:
    """Whoever asks again and again, and reads nothing, would hold a thread for each connection."""
    server.app.answer = bytes(10_000)
    clients = []
    for _ in range(5 * THREADS):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        client.connect(server.address)
        client.setblocking(False)
        clients.append(client)
        with contextlib.suppress(BlockingIOError):
            client.sendall(GET * 1_000)
    try:
        server.wait_until(lambda: not server.worker._connections and not server.worker.nr_conns)
        assert server.get().startswith(OK)
    finally:
        for client in clients:
            client.close()


def test_little_is_kept_of_an_answer_that_is_not_taken(conn: Any) -> None:
    """Linux doubles what it is asked for."""
    size = conn.sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    assert size <= 2 * client_connection.SEND_BUFFER_BYTES


def test_unsent_bytes_are_none_where_the_system_does_not_tell() -> None:
    with socket.socket() as sock:
        sock.close()
        assert client_connection.count_unsent(sock) == 0


# --- The end ----------------------------------------------------------------------------------


def test_connections_left_open_keep_nobody_waiting(server: Server) -> None:
    clients = [server.connect(GET_AND_CLOSE) for _ in range(10)]
    for client in clients:
        assert read(client).startswith(OK)
    start = time.monotonic()
    assert server.get().startswith(OK)
    assert time.monotonic() - start < 1
    assert len(server.worker._lingering) >= len(clients)


def test_connection_left_open_is_closed_in_the_end(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_connection, "LINGER_SILENCE_SECONDS", SHORT)
    client = server.connect(GET_AND_CLOSE)
    assert read(client).startswith(OK)
    server.wait_until(lambda: not server.worker._connections and not server.worker.nr_conns)


@pytest.mark.parametrize("limit", ["LINGER_SECONDS", "MAX_IGNORED_BYTES"])
def test_client_that_goes_on_sending_is_not_listened_to_for_ever(
    server: Server, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = client_connection if limit == "LINGER_SECONDS" else request_body
    monkeypatch.setattr(module, limit, {"LINGER_SECONDS": SHORT}.get(limit, 10_000))
    client = server.connect(post(10**9))
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < 1_000_000:
            sent += client.send(bytes(1_000))
            time.sleep(0.001)
    assert 0 < sent < 1_000_000


def test_oldest_left_open_makes_room(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffering_worker, "MAX_LINGERING", 3)
    for _ in range(10):
        assert read(server.connect(GET_AND_CLOSE)).startswith(OK)
    server.wait_until(lambda: len(server.worker._lingering) == 3)
    server.wait_until(lambda: len(server.worker._connections) == 3)


def test_client_that_has_closed_first_is_forgotten(server: Server) -> None:
    client = server.connect(b"GET /wait HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    server.wait_until(lambda: server.app.requests == 1)
    reset(client)
    server.app.may_answer.set()
    server.wait_until(lambda: not server.worker._connections and not server.worker.nr_conns)


# --- What a process may have ------------------------------------------------------------------


def test_too_many_open_files_end_no_worker(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = server.connect(b"GET")
    server.wait_until(lambda: len(server.worker._heads) == 1)
    real, failures = socket.socket.accept, [errno.EMFILE, errno.EMFILE, errno.EAGAIN]

    def accept(self: socket.socket) -> Any:
        if failures:
            raise OSError(failures.pop(0), "no")
        return real(self)

    monkeypatch.setattr(socket.socket, "accept", accept)
    assert server.get().startswith(OK)
    assert read(waiting) == b"", "it made room"


def test_connection_left_open_makes_room_where_no_other_does(server: Server) -> None:
    assert read(server.connect(GET_AND_CLOSE)).startswith(OK)
    server.wait_until(lambda: len(server.worker._lingering) == 1)
    server.worker.method_queue.defer(server.worker._drop_oldest)
    server.wait_until(lambda: not server.worker._connections)


def test_another_failure_to_accept_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def accept(self: socket.socket) -> Any:
        raise OSError(errno.EBADF, "no")

    monkeypatch.setattr(socket.socket, "accept", accept)
    listener = socket.create_server(("127.0.0.1", 0))
    with (
        listener,
        contextlib.closing(Server(listener)) as server,
        pytest.raises(OSError, match="no"),
    ):
        server.worker.accept(listener)


def test_stop_refuses_connections_and_ends_what_waits(server: Server) -> None:
    waiting = [server.connect(piece) for piece in (b"", b"GET /")]
    server.wait_until(lambda: len(server.worker._heads) == 2)
    server.worker.alive = False
    assert [read(client) for client in waiting] == [b"", b""]
    server._thread.join(LONG)
    with pytest.raises(ConnectionRefusedError):
        server.connect()


def test_stop_lets_go_of_clients_in_the_end(server: Server) -> None:
    client = server.connect(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
    server.wait_until(lambda: server.app.requests == 1)
    server.worker.hang_up_all()
    assert read(client) == b""


# --- gunicorn ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", INTERNALS)
def test_gunicorn_is_the_one_that_is_built_upon(name: str) -> None:
    """The name of the test is that of what has changed: see whether it is still called alike."""
    found: Any = gthread
    for part in name.split("."):
        found = getattr(found, part)
    assert tuple(inspect.signature(found).parameters) == INTERNALS[name]

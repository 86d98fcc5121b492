"""Many clients at once, clients that leave, too many, too much, and a server that is stopped.

Counts sockets and threads of the served proxy's worker from outside, in /proc. It refuses to
know how long anything takes: the only bounds on time are those of a hang.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.faults import RAW_GOOD, TEXT, RawServer
from tests.messages import user
from tests.servers import Emulator

PROC = Path("/proc")
needs_proc = pytest.mark.skipif(
    not (PROC / "self/fd").is_dir() or not (PROC / "self/net/tcp").exists(),
    reason="OPEN SOCKETS AND THREADS ARE NOT COUNTED HERE: there is no /proc",
)

STREAMS = 200
LEAVERS = 100
HANG_SECONDS = 40
BODY: dict[str, Any] = {"model": "claude-opus-5", "max_tokens": 9999, "messages": [user("Hi")]}


# --- A client that costs next to nothing ------------------------------------------------------


def request(
    key: str, *, stream: bool = True, body: bytes | None = None, said: int | None = None
) -> bytes:
    """A request's bytes. said: the length it tells, where that is another."""
    body = json.dumps({**BODY, "stream": stream}).encode() if body is None else body
    lines = [
        "POST /v1/messages HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        "Connection: close",
        f"x-api-key: {key}",
        f"Content-Length: {len(body) if said is None else said}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Client:
    """One connection, and what came over it."""

    def __init__(self, url: str, sent: bytes) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self.got = b""
        self.socket = socket.create_connection((host, int(port)), HANG_SECONDS)
        self.socket.sendall(sent)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def until(self, mark: bytes) -> Client:
        """Read until that has come. Fails where the answer ends before it does."""
        while mark not in self.got:
            read = self.socket.recv(65_536)
            assert read, self.got[-2000:]
            self.got += read
        return self

    def rest(self) -> bytes:
        """Everything, to the end of the connection."""
        while read := self.socket.recv(65_536):
            self.got += read
        return self.got

    @property
    def status(self) -> int:
        return int(self.got.split(b" ", 2)[1])

    @property
    def headers(self) -> Mapping[str, str]:
        lines = self.got.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    @property
    def json(self) -> Any:
        return json.loads(self.got.partition(b"\r\n\r\n")[2])


def eventually(is_so: Callable[[], bool]) -> bool:
    """Whether something comes to be, before it must be called a hang."""
    deadline = time.monotonic() + HANG_SECONDS / 2
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.1)
    return is_so()


# --- A worker, seen from outside --------------------------------------------------------------

LISTENS = "0A"


class Worker:
    """The process that serves, found by its parent, and that one by its port."""

    def __init__(self, url: str) -> None:
        self._port = int(url.rpartition(":")[2])
        (self.master,) = (
            pid
            for pid in _processes()
            if _parent(pid) == os.getpid() and str(self._port).encode() in _command(pid)
        )
        (self.pid,) = (pid for pid in _processes() if _parent(pid) == self.master)

    @property
    def threads(self) -> int:
        return len(os.listdir(PROC / str(self.pid) / "task"))

    @property
    def files(self) -> int:
        """Open files of every kind."""
        return len(os.listdir(PROC / str(self.pid) / "fd"))

    @property
    def clients(self) -> int:
        """Connections that somebody has made to it."""
        return self._sockets()["clients"]

    @property
    def upstreams(self) -> int:
        """Connections that it has made."""
        return self._sockets()["upstreams"]

    def _sockets(self) -> Counter[str]:
        found: Counter[str] = Counter()
        rows = {}
        for line in (PROC / str(self.pid) / "net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            rows[f"socket:[{fields[9]}]"] = (int(fields[1].rpartition(":")[2], 16), fields[3])
        for file in (PROC / str(self.pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                port, state = rows.get(os.readlink(file), (0, LISTENS))
                if state != LISTENS:
                    found["clients" if port == self._port else "upstreams"] += 1
        return found


def _processes() -> list[int]:
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal()]


def _parent(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    return 0


def _command(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return (PROC / str(pid) / "cmdline").read_bytes()
    return b""


@contextlib.contextmanager
def proxied(endpoint: str, **environ: str) -> Iterator[str]:
    """A proxy of the test's own that is not patient."""
    quick = {"PROXY_FIRST_BYTE_SECONDS": "1", "PROXY_PING_SECONDS": "1", "PROXY_LOG_LEVEL": "error"}
    with servers.serving(servers.PROXY, {**quick, "GEMINI_ENDPOINT": endpoint, **environ}) as url:
        yield url


# --- Many at once -----------------------------------------------------------------------------


@needs_proc
def test_streams_200_at_once_end_well_and_leave_nothing(emulator: Emulator, key: str) -> None:
    """Twice: what the first time leaves for the second to use is no leak."""
    slow = [chunk for i in range(6) for chunk in ({"text": f"word {i} "}, {"delay": 0.7})]
    emulator.script(key, {"chunks": [{"text": "All "}, *slow, {"text": "said."}], "repeat": True})
    with proxied(emulator.url) as url:
        worker = Worker(url)
        resting = worker.files
        running: list[Counter[str | None]] = []
        together = threading.Barrier(STREAMS, lambda: running.append(closed(emulator, key)))

        def stream(_: int) -> bytes:
            with Client(url, request(key)) as client:
                client.until(b"content_block_delta")
                together.wait(HANG_SECONDS)
                return client.rest()

        left = []
        for _ in range(2):
            with ThreadPoolExecutor(STREAMS) as pool:
                answers = list(pool.map(stream, range(STREAMS)))
            for answer in answers:
                assert [answer.count(mark) for mark in ONE_OF_EACH] == [1] * len(ONE_OF_EACH)
                assert b"event: error" not in answer
            assert eventually(lambda: worker.clients == 0)
            left.append((worker.upstreams, worker.threads, worker.files))
        assert [each[None] for each in running] == [STREAMS] * 2
        assert max(upstreams for upstreams, _, _ in left) <= STREAMS
        assert left[1] <= left[0]
        assert left[1][2] <= resting + STREAMS
    journal = emulator.journal(key)
    assert Counter(each["closed"] for each in journal) == {"complete": 2 * STREAMS}


ONE_OF_EACH = (
    *(b"event: message_start\n", b"event: content_block_start\n", b"event: content_block_stop\n"),
    *(b"All ", b"word 0 ", b"word 5 ", b"said.", b"event: message_delta\n"),
    b"event: message_stop\n",
)


# --- Clients that leave -----------------------------------------------------------------------

LEFT_WHILE = {
    "chunks flow": [{"text": "word "}, {"delay": 0.2}] * 150,
    "upstream is silent": [{"text": "word "}, {"delay": 60}, {"text": "end"}],
    "nothing has come yet": [{"raw": ""}, {"delay": 60}, {"text": "end"}],
}


@needs_proc
@pytest.mark.parametrize("state", LEFT_WHILE)
def test_clients_that_leave_free_their_upstreams(emulator: Emulator, key: str, state: str) -> None:
    emulator.script(key, {"chunks": LEFT_WHILE[state], "repeat": True})
    with proxied(emulator.url) as url:
        worker = Worker(url)
        assert eventually(lambda: worker.clients == 0)
        resting = worker.files

        def begin(_: int) -> Client:
            return Client(url, request(key)).until(b"message_start")

        with ThreadPoolExecutor(LEAVERS) as pool:
            clients = list(pool.map(begin, range(LEAVERS)))
        assert [each["closed"] for each in emulator.journal(key)] == [None] * LEAVERS
        assert worker.files >= resting + 2 * LEAVERS
        for client in clients:
            client.socket.close()
        assert eventually(lambda: worker.clients + worker.upstreams == 0)
        assert eventually(lambda: closed(emulator, key) == {"client": LEAVERS})
        assert eventually(lambda: worker.files <= resting)


def closed(emulator: Emulator, key: str) -> Counter[str | None]:
    return Counter(each["closed"] for each in emulator.journal(key))


# --- Too many ---------------------------------------------------------------------------------


def test_concurrency_limit_refuses_one_and_recovers(emulator: Emulator, key: str) -> None:
    waits = {"chunks": [{"text": "word "}, {"delay": 60}, {"text": "end"}]}
    emulator.script(key, waits, waits, waits, {"chunks": [{"text": "In."}], "repeat": True})
    with proxied(emulator.url, PROXY_CONCURRENCY="3") as url:

        def ask(*, stream: bool = False) -> Client:
            with Client(url, request(key, stream=stream)) as client:
                client.rest()
            return client

        held = contextlib.ExitStack()
        holding = [held.enter_context(Client(url, request(key))) for _ in range(3)]
        for client in holding:
            client.until(b"word ")
        for is_stream in (True, False):
            sent_away = ask(stream=is_stream)
            assert (sent_away.status, sent_away.headers["retry-after"]) == (529, "5")
            assert sent_away.json["error"]["type"] == "overloaded_error"
        assert closed(emulator, key) == {None: 3}
        assert servers.LOCAL.get(url, timeout=HANG_SECONDS).ok
        holding.pop().socket.close()
        assert eventually(lambda: ask().status == 200)
        assert closed(emulator, key)[None] == 2
        assert [ask(stream=is_stream).status for is_stream in (True, False)] == [200, 200]
        held.close()


def test_concurrency_is_released_by_failed_requests(emulator: Emulator, key: str) -> None:
    bad = {"status": {"code": 400, "message": "No.", "status": "INVALID_ARGUMENT"}}
    torn = {"chunks": [{"text": "word "}, {"cut": True}]}
    emulator.script(key, bad, bad, torn, torn, {"chunks": [{"text": "In."}], "repeat": True})
    with proxied(emulator.url, PROXY_CONCURRENCY="1") as url:
        bodies = [None, None, None, None, b"{", b"{}", None]
        statuses = []
        for body in bodies:
            with Client(url, request(key, body=body)) as client:
                client.rest()
                statuses.append(client.status)
    assert statuses == [400, 400, 200, 200, 400, 400, 200]


HURRIED = (
    "from proxy import request_body; request_body.SILENCE_SECONDS = request_body.SEND_SECONDS = 1;"
    "from functions_framework._cli import _cli; _cli()"
)
"""The server, less patient with half a body, or half an answer, than any setting makes it."""


@contextlib.contextmanager
def hurried(endpoint: str, **environ: str) -> Iterator[str]:
    port = servers.free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-c", HURRIED, "--host", "127.0.0.1", "--port", str(port)]
    with servers.running([*command, *servers.PROXY], {"GEMINI_ENDPOINT": endpoint, **environ}, url):
        yield url


@needs_proc
def test_body_that_stops_halfway_times_out(emulator: Emulator, key: str) -> None:
    """It would hold a thread and a place for as long as its client likes."""
    emulator.script(key, {"chunks": [{"text": "In."}], "repeat": True})
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(hurried(emulator.url, PROXY_CONCURRENCY="2"))
        half = request(key, said=10_000)
        halves = [stack.enter_context(Client(url, half)) for _ in range(2)]
        for client in halves:
            client.until(b"request_id")
            assert (client.status, client.json["error"]["type"]) == (408, "timeout_error")
        with Client(url, request(key)) as client:
            assert b"event: message_stop" in client.rest()
        assert eventually(lambda: Worker(url).clients == 0)
    assert closed(emulator, key) == {"complete": 1}


def test_client_that_reads_nothing_is_given_up(emulator: Emulator, key: str) -> None:
    much = {"chunks": [{"text": "x" * 1_000_000}] * 30, "usage": {"candidatesTokenCount": 9}}
    emulator.script(key, much, {"chunks": [{"text": "In."}], "repeat": True})
    with hurried(emulator.url, PROXY_CONCURRENCY="1") as url, Client(url, request(key)) as idle:
        idle.until(b"message_start")

        def status() -> int:
            with Client(url, request(key, stream=False)) as client:
                client.rest()
            return client.status

        assert eventually(lambda: status() == 200)
    assert eventually(lambda: closed(emulator, key)["client"] == 1)


# --- The end of a server ----------------------------------------------------------------------


@needs_proc
def test_server_stop_lets_running_streams_finish(emulator: Emulator, key: str) -> None:
    slow = [chunk for i in range(10) for chunk in ({"text": f"word {i} "}, {"delay": 0.3})]
    emulator.script(key, {"chunks": [{"text": "All "}, *slow, {"text": "said."}]})
    with proxied(emulator.url) as url:
        worker = Worker(url)
        with Client(url, request(key)).until(b"word 0 ") as client:
            os.kill(worker.master, signal.SIGTERM)
            assert b"word 9 " not in client.until(b"word 2 ").got
            late = unserved(url)
            answer = client.rest()
        assert [answer.count(mark) for mark in ONE_OF_EACH] == [1] * len(ONE_OF_EACH)
        assert late() == b""
        with pytest.raises(ConnectionRefusedError):
            Client(url, b"")
    assert closed(emulator, key) == {"complete": 1}


def unserved(url: str) -> Callable[[], bytes]:
    """Somebody who comes when the server is on its way out; to be asked what they got."""
    try:
        client = Client(url, request("late"))
    except OSError:
        return lambda: b""

    def got() -> bytes:
        with client, contextlib.suppress(ConnectionResetError):
            return client.rest()
        return b""

    return got


# --- Too much ---------------------------------------------------------------------------------


def large(megabytes: int) -> bytes:
    """A request's body of that size."""
    filled = {**BODY, "messages": [user("x" * (megabytes * 1_000_000 - 200))]}
    body = json.dumps(filled).encode()
    return body + b" " * (megabytes * 1_000_000 - len(body))


def chunked(key: str, body: bytes) -> bytes:
    """A request whose length nobody knows before its end."""
    told = request(key, body=b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    size = 1_000_000
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return told + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])


@pytest.fixture
def raw() -> Iterator[RawServer]:
    server = RawServer(listens=True)
    yield server
    server.close()


@pytest.mark.parametrize("told", ["its length", "chunks"])
def test_large_body_without_a_key_gets_its_401(told: str) -> None:
    body = large(20)
    sent = request("", body=body) if told == "its length" else chunked("", body)
    with proxied("http://127.0.0.1:9") as url, Client(url, sent) as client:
        client.rest()
        assert (client.status, client.headers["x-should-retry"]) == (401, "false")
        assert client.json["error"]["type"] == "authentication_error"


def test_body_may_have_32_megabytes(
    raw: RawServer, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is larger hears so in the API's own words, and the log has nothing to add."""
    monkeypatch.setattr(servers, "output", tmp_path)
    raw.play(key, [RAW_GOOD])
    with proxied(raw.url, PROXY_LOG_LEVEL="info") as url:
        statuses = []
        for sent in (
            *(request(key, body=large(31)), chunked(key, large(31))),
            *(request(key, body=large(33)), chunked(key, large(33))),
        ):
            with Client(url, sent) as client:
                client.rest()
                statuses.append(client.status)
            if client.status == 200:
                assert client.json["content"] == [{"type": "text", "text": TEXT}]
            else:
                error = {"type": "request_too_large", "message": client.json["error"]["message"]}
                assert client.json == {
                    "type": "error",
                    "error": error,
                    "request_id": client.headers["request-id"],
                }
                assert "32 MB" in error["message"]
        assert statuses == [200, 200, 413, 413]
        assert raw.attempts(key) == 2
    (output,) = (file.read_text() for file in tmp_path.iterdir())
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["status"] for line in lines] == statuses

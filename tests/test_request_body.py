"""proxy/request_body.py: bodies up to a size, and for as long as they get on."""

from __future__ import annotations

import io
import queue
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from gunicorn.http.errors import ChunkMissingTerminator, InvalidChunkSize, NoMoreData
from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import LimitedStream

from proxy import request_body
from proxy.request_body import Reading, read_body
from translate import ApiError

Pair = tuple[socket.socket, socket.socket]

TEST_TIMEOUT = 20
"""Seconds that nothing here takes."""


class Body(io.BytesIO):
    """A client's body, and the largest size that was read at once."""

    largest = 0

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert size > 0, "a body is never read without a bound"
        self.largest = max(self.largest, size)
        return super().read(size)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits a test need not send megabytes for."""
    monkeypatch.setattr(request_body, "MAX_IGNORED_BYTES", 43)
    monkeypatch.setattr(request_body, "READ_BYTES", 8)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("size", [0, 1, 10])
def test_a_body_is_read_whole(size: int) -> None:
    assert read_body(Body(b"x" * size), max_bytes=10) == b"x" * size


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("size", "ignored"),
    [
        pytest.param(11, 11, id="by a byte"),
        pytest.param(30, 30, id="to its end"),
        pytest.param(1000, 43, id="as far as it is worth"),
    ],
)
def test_a_body_that_is_too_large_is_read_on_and_refused(size: int, ignored: int) -> None:
    body = Body(b"x" * size)
    with pytest.raises(ApiError) as caught:
        read_body(body, max_bytes=10)
    error = caught.value
    assert (error.status, error.type, error.headers()) == (413, "request_too_large", {})
    assert error.message == "The request is larger than 10 bytes."
    assert (body.tell(), body.largest) == (ignored, request_body.READ_BYTES)


@pytest.mark.usefixtures("small")
def test_a_body_is_reserved_before_it_is_read() -> None:
    body = Body(b"x" * 30)
    reserved: list[tuple[int, int]] = []

    def reserve(size: int) -> None:
        reserved.append((size, body.tell()))
        if size > 10:
            raise ApiError(529, "full")

    with pytest.raises(ApiError, match="full"):
        read_body(body, None, reserve, 10)
    assert reserved == [(8, 0), (11, 8)]
    assert body.tell() == 30, "the client has sent all, and sees the answer"


def test_the_limit_is_the_messages_apis() -> None:
    assert len(read_body(io.BytesIO(bytes(32_000_000)))) == 32_000_000
    with pytest.raises(ApiError, match="larger than 32 MB"):
        read_body(io.BytesIO(bytes(32_000_001)))


class Received:
    """A body as gunicorn reads it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def read(self, size: int) -> bytes:
        return self._sock.recv(size)


def receive_timeout(sock: socket.socket) -> tuple[int, ...]:
    """How long a read waits, in seconds and microseconds; two zeros: without end."""
    return struct.unpack("ll", sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16))


def test_a_body_that_stops_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else some half bodies would take all places, and everybody else were refused."""
    monkeypatch.setattr(request_body, "SILENCE_SECONDS", 0.02)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"half")
        with pytest.raises(ApiError) as caught:
            read_body(Received(ours), ours)  # type: ignore[arg-type]
        assert (ours.gettimeout(), receive_timeout(ours)) == (None, (0, 0))
    error = caught.value
    assert (error.status, error.type, error.headers()) == (408, "timeout_error", {})
    assert error.message == "Timed out while reading the request body."


def test_a_body_that_comes_in_time_is_read_to_its_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as stream:
        theirs.sendall(b"half and half")
        theirs.shutdown(socket.SHUT_WR)
        assert read_body(stream, ours) == b"half and half"
        assert (ours.gettimeout(), receive_timeout(ours)) == (None, (0, 0))


def test_half_a_body_is_answered_at_once(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once: the framework would first wait for the rest."""
    monkeypatch.setattr(request_body, "SILENCE_SECONDS", 0.02)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"half")
        stream = Received(ours)
        server = {"gunicorn.socket": ours, "wsgi.input": stream, "wsgi.input_terminated": True}
        answer = client.post("/v1/messages", headers={"x-api-key": "key"}, environ_overrides=server)
    assert (answer.status_code, answer.get_json()["error"]["type"]) == (408, "timeout_error")


def test_a_client_that_takes_nothing_of_its_answer_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(request_body, "SEND_SECONDS", 0.02)
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as stream:
        theirs.shutdown(socket.SHUT_WR)
        read_body(stream, ours)
        monkeypatch.setattr(
            request_body, "HAS_TIMEVAL_TIMEOUTS", False
        )  # not set again, and it still holds
        read_body(stream, ours)
        end = threading.Timer(TEST_TIMEOUT, request_body.hang_up, [theirs])
        end.start()
        with pytest.raises(BlockingIOError):
            ours.sendall(bytes(10_000_000))
        end.cancel()
        theirs.recv(10_000_000)
        ours.sendall(b"more")


class Counting(socket.socket):
    """Notes which of its options are set."""

    def __init__(self, fileno: int) -> None:
        super().__init__(fileno=fileno)
        self.options: list[int] = []

    def setsockopt(self, level: int, option: int, *value: Any) -> None:
        self.options.append(option)
        super().setsockopt(level, option, *value)


def test_the_timeout_of_writes_is_set_once_a_connection() -> None:
    one, other = socket.socketpair()
    with other, Counting(one.detach()) as ours:
        for _ in range(3):
            assert read_body(Body(b"body"), ours) == b"body"
    assert ours.options == [socket.SO_SNDTIMEO, *[socket.SO_RCVTIMEO] * 6]


# --- A body that is long in coming ------------------------------------------------------------


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(TEST_TIMEOUT)
    with ours, theirs:
        yield ours, theirs


def begin(pair: Pair, *pieces: bytes) -> tuple[threading.Thread, list[ApiError], Reading]:
    """Read a body of 3 MB in a thread, of which so much has come and been read."""
    failures: list[ApiError] = []
    body = LimitedStream(Received(pair[0]), 3_000_000)  # type: ignore[arg-type]

    def read() -> None:
        try:
            read_body(body, pair[0])
        except ApiError as error:
            failures.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    for piece in pieces:
        pair[1].sendall(piece)
    end = time.monotonic() + TEST_TIMEOUT
    while pair[0] not in request_body._readings or request_body._readings[pair[0]].received != sum(
        map(len, pieces)
    ):
        assert time.monotonic() < end
        time.sleep(0.001)
    return thread, failures, request_body._readings[pair[0]]


@pytest.mark.parametrize("pieces", [[], [b"some"], [bytes(640_000)]])
def test_a_body_has_a_deadline_as_a_whole(pair: Pair, pieces: list[bytes]) -> None:
    """However it gets on: the more has come, the longer it may take."""
    thread, failures, reading = begin(pair, *pieces)
    seconds = request_body.BODY_SECONDS + sum(map(len, pieces)) / request_body.MIN_RATE
    assert reading.deadline == pytest.approx(reading.started + seconds)
    request_body.end_late(1, reading.deadline - 0.01)
    assert not reading.is_late
    request_body.end_late(1, reading.deadline)
    thread.join(TEST_TIMEOUT)
    assert [(error.status, error.message) for error in failures] == [(408, request_body.TIMED_OUT)]
    assert request_body._readings == {}
    pair[0].sendall(b"answer")
    assert pair[1].recv(10) == b"answer", "it can still be told"


def test_few_bodies_may_be_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that have come furthest stay; one that is not slow yet is not counted."""
    readings = [Reading(None, received=received, started=0) for received in (3, 1, 2)]
    readings.append(Reading(None, started=100))
    monkeypatch.setattr(request_body, "_readings", dict(enumerate(readings)))
    request_body.end_late(2, request_body.SLOW_SECONDS)
    assert [reading.is_late for reading in readings] == [False, True, False, False]
    request_body.end_late(1, request_body.SLOW_SECONDS)
    assert [reading.is_late for reading in readings] == [False, True, True, False]


def test_late_bodies_are_looked_for_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "CHECK_SECONDS", 0.001)
    looked: queue.SimpleQueue[int] = queue.SimpleQueue()
    monkeypatch.setattr(request_body, "end_late", lambda max_slow, now: looked.put(max_slow))
    stopped = request_body.watch(7)
    try:
        assert [looked.get(timeout=TEST_TIMEOUT) for _ in range(2)] == [7, 7]
    finally:
        stopped.set()


class Garbled:
    """A body in chunks that are none, as gunicorn reads it."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def read(self, size: int) -> bytes:
        raise self._error


@pytest.mark.parametrize(
    "error", [InvalidChunkSize(b"zz"), NoMoreData(b""), ChunkMissingTerminator(b"x")]
)
def test_a_body_that_is_cut_or_garbled_is_the_clients_fault(error: Exception) -> None:
    with pytest.raises(ApiError) as caught:
        read_body(Garbled(error))  # type: ignore[arg-type]
    assert (caught.value.status, caught.value.message) == (400, request_body.UNREADABLE)


def test_what_the_framework_says_of_a_body_is_left_as_it_is() -> None:
    with pytest.raises(ClientDisconnected):
        read_body(Garbled(ClientDisconnected()))  # type: ignore[arg-type]

"""proxy/request_body.py: bodies up to a size, and for as long as they get on."""

from __future__ import annotations

import io
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from gunicorn.http.errors import ChunkMissingTerminator, InvalidChunkSize, NoMoreData
from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import LimitedStream

from proxy import request_body
from proxy.request_body import read_body
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
    monkeypatch.setattr(request_body, "MAX_BYTES", 10)
    monkeypatch.setattr(request_body, "MAX_IGNORED_BYTES", 43)
    monkeypatch.setattr(request_body, "READ_BYTES", 8)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("size", [0, 1, 10])
def test_a_body_is_read_whole(size: int) -> None:
    assert read_body(Body(b"x" * size)) == b"x" * size


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
        read_body(body)
    error = caught.value
    assert (error.status, error.type, error.headers()) == (413, "request_too_large", {})
    assert error.message == "The request is larger than 32 MB."
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
        read_body(body, None, reserve)
    assert reserved == [(8, 0), (11, 8)]
    assert body.tell() == 30, "the client has sent all, and sees the answer"


def test_the_limit_is_the_messages_apis() -> None:
    assert len(read_body(io.BytesIO(bytes(32_000_000)))) == 32_000_000
    with pytest.raises(ApiError):
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
    monkeypatch.setattr(request_body, "BODY_SECONDS", 0.02)
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
    monkeypatch.setattr(request_body, "BODY_SECONDS", 0.02)
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


# --- A client that is still sending -----------------------------------------------------------


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(TEST_TIMEOUT)
    with ours, theirs:
        yield ours, theirs


def test_a_client_hears_the_answer_when_it_has_sent_all(pair: Pair) -> None:
    """And may ask again over the same connection."""
    ours, theirs = pair
    body = LimitedStream(Received(ours), 3_000_000)  # type: ignore[arg-type]
    listening = threading.Thread(target=request_body.drain_request_body, args=(body, ours))
    listening.start()
    theirs.sendall(bytes(3_000_000) + b"GET /")
    listening.join(TEST_TIMEOUT)
    assert ours.recv(100) == b"GET /"
    assert receive_timeout(ours) == (0, 0)


@pytest.mark.parametrize(
    ("limit", "value"),
    [("DRAIN_SILENCE_SECONDS", 0.02), ("DRAIN_SECONDS", 0.02), ("MAX_IGNORED_BYTES", 1)],
)
def test_a_client_that_goes_on_for_too_long_is_not_listened_to(
    limit: str, value: float, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pair
    monkeypatch.setattr(request_body, limit, value)
    theirs.sendall(b"half")
    request_body.drain_request_body(Received(ours), ours)  # type: ignore[arg-type]
    assert theirs.recv(1) == b""
    request_body.hang_up(ours)


@pytest.mark.parametrize(
    ("path", "headers", "is_waited_for"),
    [
        pytest.param("/v1/messages", {"CONTENT_LENGTH": "70000"}, True, id="a large body"),
        pytest.param("/v1/messages", {"CONTENT_LENGTH": "65536"}, False, id="a small one"),
        pytest.param("/v1/messages", {"HTTP_TRANSFER_ENCODING": "chunked"}, True, id="any length"),
        pytest.param("/v1/messages", {}, False, id="none"),
        pytest.param("/else", {"CONTENT_LENGTH": "70000"}, True, id="for nobody"),
        pytest.param(
            "/v1/messages",
            {"CONTENT_LENGTH": "70000", "HTTP_X_API_KEY": "key"},
            False,
            id="one that is read",
        ),
    ],
)
def test_a_large_body_is_read_on_behind_a_refusal(
    client: FlaskClient,
    pair: Pair,
    path: str,
    headers: dict[str, str],
    is_waited_for: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listened_to: list[socket.socket] = []
    monkeypatch.setattr(
        request_body, "drain_request_body", lambda _, client: listened_to.append(client)
    )
    ours, _ = pair
    server = {
        "gunicorn.socket": ours,
        "wsgi.input": io.BytesIO(b"{"),
        "wsgi.input_terminated": True,
    }
    answer = client.post(path, environ_overrides={**server, **headers})
    assert answer.status_code in (400, 401, 404)
    assert listened_to == []
    answer.close()
    assert listened_to == [ours] * is_waited_for


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

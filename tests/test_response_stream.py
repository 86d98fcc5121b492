"""proxy/response_stream.py: a response is the same however it is cut, and its end is known."""

from __future__ import annotations

import errno
import gzip
import itertools
import socket
import ssl
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from urllib3.exceptions import ProtocolError

from proxy import response_stream
from proxy.liveness import READABLE, Poller, run
from proxy.response_stream import UpstreamResponse
from tests.sockets import (
    CHUNKED,
    INTERIM,
    OK,
    SOON,
    TO_BE_CLOSED,
    UNTIL_CLOSE,
    Pair,
    encrypt,
    make_certificate,
    scripted,
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_certificate(tmp_path_factory.mktemp("tls"))


class Received(Poller):
    """A response of which a piece comes with each silence (None: nothing); after the last, its peer
    closes."""

    def __init__(self, *pieces: bytes | None, pair: Pair | None = None) -> None:
        super().__init__()
        self.due = 0
        self.deadlines: list[float] = []
        self.pieces: Iterator[bytes | None] = iter(pieces)
        self.sock, self.peer = pair or socket.socketpair()
        self.sock.settimeout(0)
        self.ends: list[str] = []
        connection = SimpleNamespace(sock=self.sock, close=lambda: self.ends.append("closed"))
        pool: Any = SimpleNamespace(give_back=lambda _: self.ends.append("given back"))
        self.stream = UpstreamResponse(connection, pool, self)

    def wait(self, fd: int, deadline: float, mask: int = READABLE) -> bool:
        self.deadlines.append(deadline)
        is_ready = super().wait(fd, deadline, mask)
        if not is_ready and (piece := next(self.pieces, b"")):
            self.peer.sendall(piece)
        elif not is_ready and piece is not None:
            self.peer.close()
        return is_ready

    def reads(self) -> list[bytes]:
        """The body, read by read."""
        run(self.stream.read_head())
        return [read for read in self.stream.reads() if isinstance(read, bytes)]

    def __enter__(self) -> Received:
        return self

    def __exit__(self, *_: Any) -> None:
        for _ in range(2):
            self.stream.close()
        self.sock.close()
        self.peer.close()
        assert len(self.ends) == 1


def cut(raw: bytes, size: int) -> list[bytes]:
    return [raw[at : at + size] for at in range(0, len(raw), size)]


@pytest.mark.parametrize("size", [1, 40, 10_000])
@pytest.mark.parametrize(
    ("raw", "status", "body", "is_reusable"),
    [
        (OK, 200, b"ok", True),
        (b"HTTP/1.1 429 Slow\r\ncontent-LENGTH:  2 \r\n\r\nno", 429, b"no", True),
        (b"HTTP/1.1 500 \r\nContent-Length: 0\r\n\r\n", 500, b"", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        (CHUNKED + b"1\r\no\r\n1;x=y\r\nk\r\n0\r\n\r\n", 200, b"ok", True),
        (CHUNKED + b"2\r\nok\r\n0\r\nLink: x\r\nA: b\r\n\r\n", 200, b"ok", True),
        (INTERIM + OK, 200, b"ok", True),
        (UNTIL_CLOSE + b"ok", 200, b"ok", False),
        (TO_BE_CLOSED, 200, b"ok", False),
        (b"HTTP/1.0 200 OK\r\n\r\nok", 200, b"ok", False),
        (b"HTTP/1.0" + OK[8:], 200, b"ok", False),
    ],
)
def test_response_is_read_however_it_is_cut(
    raw: bytes, status: int, body: bytes, is_reusable: bool, size: int
) -> None:
    with Received(*cut(raw, size)) as received:
        assert b"".join(received.reads()) == body
        assert received.stream.status == status
        assert "link" not in received.stream.headers
    assert received.ends == ["given back" if is_reusable else "closed"]


def test_response_body_comes_in_a_piece_for_each_read() -> None:
    chunks = [b"1\r\na\r\n2\r\nbc\r\n3", b"\r\nd", b"ef\r", b"\n0\r\n", b"\r\n"]
    with Received(CHUNKED, *chunks) as received:
        assert received.reads() == [b"abc", b"d", b"ef"]
        assert received.stream.headers == {"transfer-encoding": "chunked"}


@pytest.mark.parametrize("junk", [b"junk", OK])
def test_response_that_something_follows_is_whole(junk: bytes) -> None:
    """But nobody knows what comes next on its connection."""
    with Received(OK + junk) as received:
        assert (received.reads(), received.stream.status) == ([b"ok"], 200)
    assert received.ends == ["closed"]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "closed without a response"),
        (OK[:20], "closed without a response"),
        (INTERIM, "closed without a response"),
        (b"SSH-2.0-OpenSSH_9\r\n", "not HTTP/1.1"),
        (b"HTTP/1.1 two OK\r\n\r\n", "not HTTP/1.1"),
        (OK[:17] + b"X: " + b"x" * 99_000, "too large"),
        (INTERIM * 2_000, "too large"),
        (OK[:-1], "in the middle of the body"),
        (CHUNKED + b"2\r\nok\r\n", "in the middle of the body"),
        (CHUNKED + b"two\r\nok\r\n", "not HTTP/1.1"),
        (CHUNKED + b"0\r\nX: " + b"x" * 199_000, "too much around the body"),
        (CHUNKED + b"0\r\n" + b"X: x\r\n" * 40_000, "too much around the body"),
        (CHUNKED + b"1;" + b"x" * 199_000, "too much around the body"),
    ],
    ids=lambda value: value[:30] if isinstance(value, bytes) else None,
)
def test_response_that_is_cut_or_garbled_is_an_error(raw: bytes, message: str) -> None:
    """And its connection is not used again."""
    with Received(*cut(raw, 50_000)) as received, pytest.raises(ProtocolError, match=message):
        received.reads()
    assert received.ends == ["closed"]


@pytest.mark.parametrize("encoding", ["gzip", "GZip", "br", "x"])
def test_response_that_is_encoded_is_refused(encoding: str) -> None:
    """Before a byte of it is decoded."""
    body = gzip.compress(bytes(99))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
    with (
        Received(head.encode() + body) as received,
        pytest.raises(ProtocolError, match="nobody asked for it"),
    ):
        received.reads()


@pytest.mark.parametrize("encoding", [b"identity", b"Identity", b""])
def test_response_that_is_not_encoded_may_say_so(encoding: bytes) -> None:
    raw = OK.replace(b"\r\n", b"\r\nContent-Encoding: %b\r\n" % encoding, 1)
    with Received(raw) as received:
        assert received.reads() == [b"ok"]


@pytest.mark.parametrize("status", [101, 102, 104, 199])
@pytest.mark.parametrize("more", [b"", OK], ids=["alone", "before another"])
def test_response_of_an_unexpected_1xx_is_one(status: int, more: bytes) -> None:
    """Another may follow on its connection, which nobody else is to get."""
    upgrade = b"Upgrade: x\r\nConnection: Upgrade\r\n" if status == 101 else b""
    raw = b"HTTP/1.1 %d Hi\r\n%b\r\n" % (status, upgrade)
    with Received(raw + more) as received:
        assert (received.reads(), received.stream.status) == ([], status)
    assert received.ends == ["closed"]


@pytest.mark.parametrize(("max_bytes", "expected"), [(9, b"okok"), (4, b"okok"), (3, b"oko")])
def test_response_is_read_as_far_as_it_is_allowed(max_bytes: int, expected: bytes) -> None:
    with Received(CHUNKED, b"2\r\nok\r\n", b"2\r\nok\r\n", b"0\r\n\r\n") as received:
        run(received.stream.read_head())
        assert run(received.stream.read_all(max_bytes)) == expected
    assert received.ends == ["given back" if max_bytes == 9 else "closed"]


@pytest.mark.parametrize(
    ("begin", "piece", "has_head"),
    [
        (None, None, False),
        (UNTIL_CLOSE[:-2], b"a", False),
        (CHUNKED, None, True),
        (CHUNKED, b"1\r\na\r\n", True),
    ],
)
def test_response_deadline_is_that_of_all_reads(
    begin: bytes | None, piece: bytes | None, has_head: bool
) -> None:
    """Whatever comes meanwhile. It has no errno: that is for the system's."""
    with Received(begin) as received:
        received.pieces = itertools.chain(received.pieces, itertools.repeat(piece))
        if has_head:
            run(received.stream.read_head())
        before = time.monotonic()
        received.stream.deadline = before + SOON
        with pytest.raises(TimeoutError) as caught:
            run(received.stream.read_all(10**9) if has_head else received.stream.read_head())
        assert (time.monotonic() - before >= SOON, caught.value.errno) == (True, None)
        assert len(received.deadlines) > 4


def test_response_deadline_ends_what_never_pauses() -> None:
    """Where there is always something to read, it is looked at before the next."""
    with Received(CHUNKED + b"1\r\na\r\n" * 100) as received:
        run(received.stream.read_head())
        reads = received.stream.reads()
        assert isinstance(next(reads), bytes)
        received.stream.deadline = time.monotonic()
        for _ in range(2):
            received.peer.sendall(b"1\r\na\r\n")
        assert isinstance(next(reads), bytes)
        received.peer.sendall(b"1\r\na\r\n")
        with pytest.raises(TimeoutError, match="too little"):
            next(reads)


def test_response_of_a_peer_that_vanished_is_no_silence() -> None:
    """The system's timeout has a number. Where it is wrong about what is there, no harm is done."""
    dead = TimeoutError(errno.ETIMEDOUT, "Connection timed out")
    pair = scripted(socket.socketpair(), BlockingIOError(), ssl.SSLWantReadError(), dead)
    with Received(OK, pair=pair) as received, pytest.raises(TimeoutError) as caught:
        received.reads()
    assert (caught.value.errno, received.ends) == (errno.ETIMEDOUT, ["closed"])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_response_behind_tls_has_silences_and_an_end(certificate: str, version: Any) -> None:
    """TLS 1.3 sends tickets after the handshake: they make a socket readable, without data."""
    pair = encrypt(socket.socketpair(), certificate, version)
    with Received(UNTIL_CLOSE, b"a", b"b", pair=pair) as received:
        assert received.reads() == [b"a", b"b"]


def test_response_that_is_decrypted_already_is_not_waited_for(
    certificate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response_stream, "READ_BYTES", 10)
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + bytes(1000)
    with Received(raw, pair=encrypt(socket.socketpair(), certificate)) as received:
        assert len(received.reads()) >= 100
    assert len(received.deadlines) < 5

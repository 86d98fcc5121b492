"""proxy/gemini.py: whole events whatever the reads, and every failure as an ApiError."""

from __future__ import annotations

import contextlib
import json
import math
import re
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from proxy import gemini, liveness
from proxy.auth import Key
from proxy.concurrency import MemoryBudget
from proxy.connections import Timeouts
from proxy.endpoints import DeveloperEndpoint
from proxy.gemini import BrokenStream, Gemini, complete_events
from proxy.liveness import SILENCE, Poller
from translate import ApiError, Cause

KEY = Key("secret")
TIMEOUTS = Timeouts(5, 30)
MEMORY = 12_000_000

EVENTS = [b'data: {"a": "\xc3\xa9\xe2\x80\xa8"}', b": comment", b"data: [1]", b"data: x\r\ndata: y"]
BARE = b'{\n  "error": {\n    "code": 503\n  }\n}\n'


@given(st.sampled_from([b"\r\n\r\n", b"\n\n"]), st.data())
def test_events_are_whole_however_they_are_cut(blank: bytes, data: Any) -> None:
    body = b"".join(event + blank for event in EVENTS)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)), max_size=10)))
    reads = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True) if a < b]
    pieces: list[Any] = list(complete_events(reads))
    assert b"".join(pieces) == body
    assert all(piece.endswith(blank) for piece in pieces)


def test_rest_behind_the_last_blank_line_is_no_event() -> None:
    reads = [b"data: 1\n\ndata: {", SILENCE, b'"a"']
    assert list(complete_events(reads)) == [b"data: 1\n\n", SILENCE]


@pytest.mark.parametrize(
    "reads",
    [
        [BARE],
        [b"data: 1\r\n\r\n" + BARE],
        [b"data: 1\r\n\r\n", *(bytes([byte]) for byte in BARE)],
        [b"data: 1\r\n\r\n" + BARE + b"\r\n\r\n"],
    ],
)
def test_bare_error_becomes_an_event(reads: list[bytes]) -> None:
    *_, last = complete_events(reads)
    assert isinstance(last, bytes)
    assert json.loads(last.removeprefix(b"data: ")) == {"error": {"code": 503}}


def test_large_event_is_searched_once() -> None:
    """Work grows with the size of an event, not with its square: counted, not timed."""
    searched = 0

    class Buffer(bytearray):
        def rfind(self, mark: Any, start: Any = 0, end: Any = None) -> int:
            nonlocal searched
            searched += len(self) - start
            return super().rfind(mark, start)

    size, step = 1_000_000, 1_000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gemini, "bytearray", Buffer, raising=False)
        list(complete_events(b"x" * step for _ in range(size // step)))
    assert size <= searched / len(gemini.BLANK_LINES) < 2 * size


@pytest.mark.parametrize("step", [1, 1_000])
@pytest.mark.parametrize(
    ("event", "is_whole"),
    [
        (b"data: " + b"x" * 3_990, True),
        (b"data: " + b"x" * 3_991, False),
        (b"data: \r\n" * 40 + b"data: x", True),
        (b"data:\n" * 700, False),
        (b":\r" * 1_999, False),
    ],
    ids=["large", "too large", "many lines", "too many lines", "comments"],
)
def test_event_has_a_size_and_few_lines(
    event: bytes, is_whole: bool, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gemini, "MAX_EVENT_BYTES", 4_000)
    monkeypatch.setattr(gemini, "MAX_COPIED_BYTES", 400_000)
    body = b"data: 1\n\n" + event + b"\r\n\r\n"
    reads = [body[at : at + step] for at in range(0, len(body), step)]
    expected = contextlib.nullcontext() if is_whole else pytest.raises(BrokenStream)
    found: list[Any] = []
    with expected:
        found += complete_events(reads)
        assert b"".join(found) == body


def test_stream_has_a_size_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of any size, without end: a whole answer would be kept in memory."""
    monkeypatch.setattr(gemini, "MAX_STREAM_BYTES", 27)
    event = b"data: 1\n\n"
    assert list(complete_events([event] * 3)) == [event] * 3
    with pytest.raises(BrokenStream):
        list(complete_events([event] * 4))


def test_event_that_is_large_reserves_memory() -> None:
    """As it grows; and gives it back when it was used."""
    calls: list[Any] = []
    large = [b"x" * 20_000] * 5
    for piece in complete_events([b"data: ", *large, b"\n\n", b"data: 1", b"\n\n"], calls.append):
        calls.append(str(len(piece)))
    assert calls == [80_006, 100_006, 100_008, "100008", 0, "9"]


@pytest.mark.parametrize(
    ("events", "is_lone"),
    [
        (b"data: %b\n\n", True),
        (b"data:%b\r\n\r\n", True),
        (b"data: %b\r\r", True),
        (b"data: %b\nd\n\n", False),
        (b"data: %b\rid: 1\r\r", False),
        (b"data: %b\n\ndata: 1\n\n", False),
        (b": %b\n\n", False),
        (b"data: 1%.0b\n\n", False),
    ],
)
def test_large_event_of_one_line_is_read_in_place(events: bytes, is_lone: bool) -> None:
    value = ["x" * gemini.SMALL_EVENT_BYTES]
    data = gemini.lone_data(events % json.dumps(value).encode())
    assert (data is not None) is is_lone
    assert data is None or json.loads(bytes(data)) == value


@pytest.mark.parametrize(
    ("between", "max_copies"), [(b"", 18), (b"\r\ndata: ", 24)], ids=["one line", "two lines"]
)
def test_large_event_has_few_copies(between: bytes, max_copies: int) -> None:
    """As they are allocated, of which half is ever used: the text alone takes four bytes for each
    character. Decoded by sseclient it would be 32."""
    event = b'data: {"a":%b"%b\xf0\x9f\x98\x80"}\r\n\r\n' % (between, b"x" * 3_000_000)
    reads = [event[at : at + 65_536] for at in range(0, len(event), 65_536)]
    response = SimpleNamespace(headers={"content-type": SSE}, reads=lambda: reads)
    budget = MemoryBudget(2 * gemini.EVENT_COPIES * len(event))
    opened = gemini.ChunkStream(respond(response), Key("k"), 1, budget.reserve())
    tracemalloc.start()
    try:
        ((chunk,),) = opened
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    text: Any = chunk
    assert len(text["a"]) == 3_000_001
    assert peak < max_copies * len(event)


def respond(response: Any) -> liveness.Waiting[Any]:
    """A request that is answered at once."""
    yield from ()
    return response


# --- A server that answers with what it is given ----------------------------------------------

Serve = Callable[..., Gemini]


def client_of(port: int, timeouts: Timeouts = TIMEOUTS) -> Gemini:
    endpoint = DeveloperEndpoint(f"http://127.0.0.1:{port}")
    return Gemini(endpoint, 1, timeouts, MemoryBudget(MEMORY))


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server with one fixed answer; returns a client of it."""
    servers = []

    def start(body: bytes, status: int = 200, content_type: str = "text/event-stream") -> Gemini:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Retry-After", "33")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return client_of(server.server_port)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def stream(gemini: Gemini, model: str = "gemini-x", due: float = math.inf) -> gemini.ChunkStream:
    poller = Poller()
    poller.due = due
    return gemini.stream(model, b"{}", KEY, poller)


def failure(gemini: Gemini, due: float = math.inf) -> ApiError:
    """After nothing, after comments, or after silences where they are due."""
    with contextlib.closing(stream(gemini, due=due)) as chunks, pytest.raises(ApiError) as caught:
        assert all(chunk in (SILENCE, []) for chunk in chunks)
    return caught.value


def test_chunks_come_in_one_list_for_each_read(serve: Serve) -> None:
    chunks = stream(serve(b'data: {"a": 1}\r\n\r\ndata: {"b": 2}\r\n\r\n'))
    chunks.end_within(1)
    assert list(chunks) == [[{"a": 1}, {"b": 2}]]
    chunks.end_within(None)
    chunks.close()


def test_streams_have_memory_for_large_events_together(
    serve: Serve,
) -> None:
    """Which they give back in any case; beyond it an answer is a broken one."""
    client = serve(b'data: {"a": "%b"}\n\ndata: {"b": "%b' % (b"x" * 540_000, b"x" * 540_000))
    for _ in range(3):
        with contextlib.closing(stream(client)) as first:
            chunks = iter(first)
            while not next(chunks):
                pass
            assert client._memory.taken > 7_000_000
            assert failure(client).cause is Cause.BROKEN
            assert client._memory.taken > 7_000_000
        assert client._memory.taken == 0


def test_stream_that_is_not_iterated_asks_nothing() -> None:
    stream(client_of(9)).close()


@pytest.mark.parametrize("bad", [b'{"error": {"code": 503}}', b"[DONE]", b'{"candi', b'"\xff"'])
def test_chunks_before_a_bad_event_are_not_lost(serve: Serve, bad: bytes) -> None:
    body = b'data: {"a": 1}\r\n\r\ndata: {"b": 2}\r\n\r\ndata: %b\r\n\r\n' % bad
    with contextlib.closing(stream(serve(body))) as opened:
        chunks = iter(opened)
        assert next(chunks) == [{"a": 1}, {"b": 2}]
        with pytest.raises(ApiError):
            next(chunks)


ODD = (101, 102, 199, 201, 204, 206, 302, 307, 402, 405, 407, 418, 431, 451, 505, 599, 600, 999)
"""Statuses that nobody expects of Gemini."""

JSON, HTML, SSE = "application/json", "text/html", "text/event-stream"
NO_EVENTS = "Gemini answered with something that is not a stream of events."


@pytest.mark.parametrize(
    ("body", "status", "content_type", "shown"),
    [
        (b'{"error": {"message": "Slow down, secret."}}', 429, JSON, (429, "Slow down, [key].")),
        (b'[{"error": {"code": 503, "message": "Busy."}}]', 200, JSON, (529, "Busy.")),
        (b"<html>", 200, HTML, (502, NO_EVENTS)),
        (b"<html>", 503, HTML, (529, "Gemini answered with status 503.")),
        (b"", 301, HTML, (502, "Gemini answered with status 301.")),
        *((b"", status, HTML, (502, f"Gemini answered with status {status}.")) for status in ODD),
        (b'{"error": {"message": "No tea."}}', 418, JSON, (502, "No tea.")),
        (b"[]", 200, HTML, (502, "Gemini answered with status 502.")),
        (b'{"error": "text"}', 500, HTML, (500, "Gemini answered with status 500.")),
        (b'data: {"error": {"code": null, "message": "Oops."}}\n\n', 200, SSE, (500, "Oops.")),
        (b"data: \xff\r\n\r\n", 200, SSE, (529, gemini.BROKEN)),
    ],
)
def test_error_is_read_from_status_and_body(
    serve: Serve, body: bytes, status: int, content_type: str, shown: tuple[int, str]
) -> None:
    error = failure(serve(body, status, content_type))
    assert (error.status, error.message) == shown


@pytest.mark.parametrize("status", ODD)
def test_odd_status_is_tried_again_unless_it_would_come_again(serve: Serve, status: int) -> None:
    error = failure(serve(b"", status, HTML))
    is_refusal = 400 <= status < 500
    assert (error.cause, error.retry) == ((None, False) if is_refusal else (Cause.INTERNAL, None))


@pytest.mark.parametrize("content_type", [JSON, SSE])
def test_error_that_is_too_large_is_not_read(serve: Serve, content_type: str) -> None:
    """An event is a broken answer then, as one that is cut."""
    shown = {"error": {"code": 503, "message": "x" * 200_000}}
    hidden = {"error": {"code": 503, "message": "x" * 300_000}}
    bodies = [json.dumps(each).encode() for each in (shown, hidden)]
    status = 503 if content_type == JSON else 200
    if content_type == SSE:
        bodies = [b"data: %b\n\n" % body for body in bodies]
    first, second = (failure(serve(body, status, content_type)) for body in bodies)
    assert first.message == "x" * 200_000
    expected = "Gemini answered with status 503." if content_type == JSON else gemini.BROKEN
    assert second.message == expected


def test_quotas_time_may_be_in_a_header(serve: Serve) -> None:
    body = b'{"error": {"code": 429, "message": "Resource has been exhausted."}}'
    assert failure(serve(body, 429, JSON)).retry_after == 33


@pytest.mark.parametrize(("body", "tokens"), [(b'{"totalTokens": 7}', 7), (b"{}", 0)])
def test_token_count(serve: Serve, body: bytes, tokens: int) -> None:
    assert liveness.run(serve(body, 200, JSON).count_tokens("m", {}, KEY, Poller())) == tokens


@pytest.mark.parametrize("body", [b'{"totalTokens": "many"}', b"[]", b"<html>"])
def test_token_count_that_is_no_number(serve: Serve, body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        liveness.run(serve(body, 200, JSON).count_tokens("m", {}, KEY, Poller()))
    assert caught.value.status == 502


def test_model_name_cannot_leave_its_place(serve: Serve) -> None:
    with pytest.raises(ApiError):
        list(stream(serve(b"", 404, "text/plain"), "../../evil?x#"))
    endpoint = DeveloperEndpoint("http://gemini.test/base")
    made = Gemini(endpoint, 1, TIMEOUTS, MemoryBudget(MEMORY))
    path, credential = made._authorize("../evil?x#", "countTokens", KEY)
    request = made._request(path, credential, b"{}")
    assert request.url == "http://gemini.test/base/v1beta/models/..%2Fevil%3Fx%23:countTokens"


# --- A server that does not answer ------------------------------------------------------------


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


SILENT = r"Gemini at 127\.0\.0\.1:\d+ did not answer in time\."
FELL_SILENT = r"Gemini fell silent in the middle of its answer\."
REFUSED = HEAD.replace(b"200 OK", b"503 Busy")


@contextlib.contextmanager
def trickling(begin: bytes, piece: bytes) -> Iterator[int]:
    """A server that begins so, and then sends a piece every now and then; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError), server.accept()[0] as sock:
                sock.sendall(begin)
                sock.settimeout(0.005)
                while True:
                    sock.sendall(piece)
                    with contextlib.suppress(TimeoutError):
                        if b"{}" not in sock.recv(65_536):
                            break

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    ("begin", "piece", "message"),
    [
        (b"", b"", SILENT),
        (b"HTTP/1.1 200 OK\r\n", b"a", SILENT),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", SILENT),
        (HEAD, b"", FELL_SILENT),
        (HEAD, b": still there\r\n\r\n", FELL_SILENT),
        (HEAD + b"data: ", b"1", FELL_SILENT),
    ],
    ids=["head", "piece of a head", "interim", "body", "comment", "piece of an event"],
)
def test_silence_is_a_timeout_whatever_trickles(begin: bytes, piece: bytes, message: str) -> None:
    with trickling(begin, piece) as port:
        error = failure(client_of(port, Timeouts(5, 0.2)), due=0.0)
    assert (error.status, error.cause) == (504, Cause.SILENCE)
    assert re.fullmatch(message, error.message)


@pytest.mark.parametrize("piece", [b"", b"{"], ids=["stalls", "trickles"])
@pytest.mark.parametrize(
    ("head", "shown"),
    [
        (REFUSED, (529, "Gemini answered with status 503.")),
        (HEAD.replace(b"event-stream", b"html"), (502, NO_EVENTS)),
    ],
    ids=["503", "a page"],
)
def test_body_of_an_error_is_not_waited_for(
    head: bytes, shown: tuple[int, str], piece: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gemini, "ERROR_BODY_SECONDS", 0.05)
    with trickling(head, piece) as port:
        error = failure(client_of(port))
    assert (error.status, error.message) == shown


def test_events_have_the_timeout_each_until_the_end() -> None:
    """And what follows the end has its own together, events or not."""
    with (
        trickling(HEAD, b"data: {}\r\n\r\n") as port,
        contextlib.closing(stream(client_of(port))) as chunks,
    ):
        events = iter(chunks)
        deadlines = [next(events) and chunks._response.deadline for _ in range(4)]
        assert sorted({*deadlines}) == deadlines
        chunks.end_within(0.05)
        with pytest.raises(ApiError, match=FELL_SILENT):
            list(events)


LATE = urllib3.exceptions.ConnectTimeoutError(None, "late")  # type: ignore[arg-type]
VANISHED = TimeoutError(110, "the peer has vanished")
UNREACHABLE = "Gemini could not be reached at gemini.test: "
CORRECT = "orrect GEMINI_ENDPOINT on the server."


@pytest.mark.parametrize(
    ("raised", "status", "message", "retry"),
    [
        (LATE, 504, f"{UNREACHABLE}no answer in time. C{CORRECT}", False),
        (ConnectionRefusedError(), 502, f"{UNREACHABLE}connection refused. C{CORRECT}", False),
        (VANISHED, 502, f"{UNREACHABLE}TimeoutError. If it stays so, c{CORRECT}", None),
    ],
)
def test_unreachable_server(
    raised: Exception,
    status: int,
    message: str,
    retry: bool | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise raised

    monkeypatch.setattr("proxy.gemini.Adapter.exchange", fail)
    error = failure(
        Gemini(DeveloperEndpoint("http://gemini.test"), 1, TIMEOUTS, MemoryBudget(MEMORY))
    )
    assert (error.status, error.cause, error.message) == (status, Cause.CONNECTION, message)
    assert error.retry is retry


def test_unreachable_google_is_no_fault_of_a_setting() -> None:
    endpoint = DeveloperEndpoint("https://generativelanguage.googleapis.com")
    client = Gemini(endpoint, 1, TIMEOUTS, MemoryBudget(MEMORY))
    assert "HTTPS_PROXY names the way out" in client._unreachable(LATE).message

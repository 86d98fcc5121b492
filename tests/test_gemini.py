"""proxy/gemini.py: whole events whatever the reads, and every failure as an ApiError."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from proxy import gemini
from proxy.auth import Key
from proxy.endpoints import DeveloperEndpoint
from proxy.gemini import Gemini, complete_events
from translate import ApiError

KEY = Key("secret")
TIMEOUTS = (5, 30)

EVENTS = [b'data: {"a": "\xc3\xa9\xe2\x80\xa8"}', b": comment", b"data: [1]", b"data: x\r\ndata: y"]
BARE = b'{\n  "error": {\n    "code": 503\n  }\n}\n'


@given(st.sampled_from([b"\r\n\r\n", b"\n\n"]), st.data())
def test_events_are_whole_however_they_are_cut(blank: bytes, data: Any) -> None:
    body = b"".join(event + blank for event in EVENTS)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)), max_size=10)))
    reads = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True) if a < b]
    pieces = list(complete_events(iter(reads)))
    assert b"".join(pieces) == body
    assert all(piece.endswith(blank) for piece in pieces)


def test_what_follows_the_last_blank_line_is_no_event() -> None:
    assert list(complete_events(iter([b"data: 1\n\ndata: {", b'"a"']))) == [b"data: 1\n\n"]


@pytest.mark.parametrize(
    "reads",
    [
        [BARE],
        [b"data: 1\r\n\r\n" + BARE],
        [b"data: 1\r\n\r\n", *(bytes([byte]) for byte in BARE)],
        [b"data: 1\r\n\r\n" + BARE + b"\r\n\r\n"],
    ],
)
def test_a_bare_error_becomes_an_event(reads: list[bytes]) -> None:
    *_, last = complete_events(iter(reads))
    assert json.loads(last.removeprefix(b"data: ")) == {"error": {"code": 503}}


# --- A server that answers with what it is given ----------------------------------------------

Serve = Callable[..., Gemini]


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
        return Gemini(DeveloperEndpoint(f"http://127.0.0.1:{server.server_port}"), 1, TIMEOUTS)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def failure(gemini: Gemini) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        list(gemini.stream("gemini-x", b"{}", KEY))
    return caught.value.status, caught.value.message


def test_chunks_come_in_one_list_for_each_read(serve: Serve) -> None:
    stream = serve(b'data: {"a": 1}\r\n\r\ndata: {"b": 2}\r\n\r\n').stream("m", b"{}", KEY)
    assert list(stream) == [[{"a": 1}, {"b": 2}]]
    stream.wait(1)
    stream.close()


@pytest.mark.parametrize("bad", [b'{"error": {"code": 503}}', b"[DONE]", b'{"candi', b'"\xff"'])
def test_what_came_before_a_bad_event_in_the_same_read_is_not_lost(
    serve: Serve, bad: bytes
) -> None:
    body = b'data: {"a": 1}\r\n\r\ndata: {"b": 2}\r\n\r\ndata: %b\r\n\r\n' % bad
    chunks = iter(serve(body).stream("m", b"{}", KEY))
    assert next(chunks) == [{"a": 1}, {"b": 2}]
    with pytest.raises(ApiError):
        next(chunks)


def test_an_error_is_read_from_its_body(serve: Serve) -> None:
    body = json.dumps({"error": {"code": 429, "message": "Slow down, secret."}}).encode()
    assert failure(serve(body, 429, "application/json")) == (429, "Slow down, [key].")


def test_a_quotas_time_may_be_in_a_header(serve: Serve) -> None:
    body = b'{"error": {"code": 429, "message": "Resource has been exhausted."}}'
    with pytest.raises(ApiError) as caught:
        serve(body, 429, "application/json").stream("m", b"{}", KEY)
    assert caught.value.retry_after == 33


def test_an_error_in_a_list_under_status_200(serve: Serve) -> None:
    body = b'[{"error": {"code": 503, "message": "Overloaded."}}]'
    assert failure(serve(body, 200, "application/json")) == (529, "Overloaded.")


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        (
            b"<html>",
            200,
            (502, "Gemini answered with something that is not a stream of events."),
        ),
        (b"<html>", 503, (529, "Gemini answered with status 503.")),
        (b"", 301, (502, "Gemini answered with status 301.")),
        (b"[]", 200, (502, "Gemini answered with status 502.")),
        (b'{"error": "text"}', 500, (500, "Gemini answered with status 500.")),
    ],
)
def test_answers_that_are_not_googles(
    serve: Serve, body: bytes, status: int, expected: tuple[int, str]
) -> None:
    assert failure(serve(body, status, "text/html")) == expected


def test_a_mid_stream_error_without_a_code(serve: Serve) -> None:
    body = b'data: {"error": {"code": null, "message": "Oops."}}\r\n\r\n'
    assert failure(serve(body)) == (500, "Oops.")


def test_an_event_that_is_not_text(serve: Serve) -> None:
    assert failure(serve(b"data: \xff\r\n\r\n")) == (529, gemini.BROKEN)


@pytest.mark.parametrize("body", [b'{"totalTokens": "many"}', b"[]", b"<html>"])
def test_a_count_that_is_none(serve: Serve, body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        serve(body, 200, "application/json").count_tokens("m", {}, KEY)
    assert caught.value.status == 502


def test_a_large_event_is_searched_once() -> None:
    """Work grows with the size of an event, not with its square: counted, not timed."""

    class Counted(bytes):
        searched = 0

    class Buffer(bytearray):
        def rfind(self, mark: Any, start: Any = 0, end: Any = None) -> int:
            Counted.searched += len(self) - start
            return super().rfind(mark, start)

    size, step = 1_000_000, 1_000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gemini, "bytearray", Buffer, raising=False)
        list(complete_events(b"x" * step for _ in range(size // step)))
    assert size <= Counted.searched / len(gemini.BLANK_LINES) < 2 * size


def test_a_silent_server_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        gemini = Gemini(
            DeveloperEndpoint(f"http://127.0.0.1:{silent.getsockname()[1]}"), 1, (5, 0.05)
        )
        status, message = failure(gemini)
    assert (status, message.endswith("did not answer in time.")) == (504, True)


def test_a_server_that_cannot_be_reached_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise requests.ConnectTimeout

    monkeypatch.setattr("proxy.gemini.PatientAdapter.send", fail)
    with pytest.raises(ApiError) as caught:
        Gemini(DeveloperEndpoint("http://gemini.test"), 1, TIMEOUTS).stream("m", b"{}", KEY)
    assert (caught.value.status, caught.value.cause) == (504, "connection")
    assert caught.value.message == "Gemini at gemini.test could not be reached in time."


def test_a_silence_in_mid_stream_is_told_as_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        gemini = Gemini(
            DeveloperEndpoint(f"http://127.0.0.1:{server.getsockname()[1]}"), 1, (5, 0.05)
        )

        def begin() -> None:
            connection, _ = server.accept()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            held.append(connection)

        held: list[socket.socket] = []
        thread = threading.Thread(target=begin)
        thread.start()
        stream = gemini.stream("m", b"{}", KEY)
        with pytest.raises(ApiError) as caught:
            list(stream)
        thread.join()
        held[0].close()
    assert (caught.value.status, caught.value.cause) == (504, "silence")


def test_a_model_name_cannot_leave_its_place(serve: Serve) -> None:
    with pytest.raises(ApiError):
        serve(b"", 404, "text/plain").stream("../../evil?x#", b"{}", KEY)
    prepared = Gemini(DeveloperEndpoint("http://gemini.test/base"), 1, TIMEOUTS)._prepare(
        "../evil?x#", "countTokens"
    )
    assert prepared.url == "http://gemini.test/base/v1beta/models/..%2Fevil%3Fx%23:countTokens"

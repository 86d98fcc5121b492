"""proxy/answer.py: what a client is sent, and when, whatever the upstream does."""

from __future__ import annotations

import contextlib
import gc
import json
import socket
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from proxy import answer
from proxy.liveness import ClientDisconnected
from tests.answers import chunk, text, thought
from tests.fake_gemini import (
    BROKEN,
    END,
    EXHAUSTED,
    HI,
    MODEL,
    OVERLOADED,
    SHORT_WAIT,
    Case,
    Stream,
    make_case,
)
from tests.servers import reset
from tests.sockets import Pair, connected
from translate import ApiError, Cause

SILENCE = 3 * SHORT_WAIT
TEST_TIMEOUT = 30.0
FIRST_BYTE = {"PROXY_FIRST_BYTE_SECONDS": str(SHORT_WAIT)}
PING = {"PROXY_PING_SECONDS": str(SHORT_WAIT)}


def opened(*steps: Any, whole: bool = False, **more: Any) -> Case:
    """An answer with its first block (or all of it), made of one stream or of several."""
    streams = steps if isinstance(steps[0], Stream) else [Stream(*steps)]
    case = make_case(*streams, whole=whole, **more)
    case.answer.open(whole=whole)
    return case


def events(pieces: Any) -> list[Any]:
    frames = b"".join(pieces).decode().strip().split("\n\n")
    return [json.loads(frame.split("\ndata: ")[1]) for frame in frames]


def types(pieces: Any) -> list[str]:
    return [event["type"] for event in events(pieces)]


BEGINNING = ["message_start", "content_block_start", "content_block_delta"]


def test_answer_is_sent_as_it_comes() -> None:
    case = opened(chunk(text("Hel")), chunk(text("lo."), **END))
    pieces = iter(case.answer)
    assert types([next(pieces)]) == BEGINNING
    assert types(pieces)[-1] == "message_stop"
    entry = case.log_entry
    assert case.gemini.streams[0].is_closed
    assert (entry.gemini, entry.client_left, entry.error) == (MODEL, False, "")
    assert (entry.first_byte_ms is not None, entry.tokens["in"]) == (True, 0)
    assert case.answer.headers() == {"x-gemini-model": MODEL}
    entry.gemini = "as it was written"
    case.answer.close()
    assert entry.gemini == "as it was written"


def test_cost_is_that_of_all_attempts() -> None:
    usage = {"promptTokenCount": 1_000_000}
    case = opened(Stream({**chunk(thought("Hm.")), "usageMetadata": usage}, BROKEN), Stream(HI))
    list(case.answer)
    assert case.log_entry.usd == pytest.approx(1.5)


def test_making_an_answer_asks_nothing() -> None:
    assert make_case(Stream(HI)).gemini.requests == []


def test_whole_answer_is_waited_for() -> None:
    case = opened(SILENCE, HI, whole=True, settings={**PING, **FIRST_BYTE})
    assert case.answer.message()["content"] == [{"type": "text", "text": "Hi."}]


def test_headers_tell_what_failed_before() -> None:
    case = opened(Stream(OVERLOADED), Stream(BROKEN), Stream(HI))
    assert case.answer.headers() == {
        "x-gemini-model": MODEL,
        "x-gemini-tried": "overloaded, broken",
    }


# --- Silence ----------------------------------------------------------------------------------


@pytest.mark.parametrize("waits", [(SILENCE,), (SILENCE, {"usageMetadata": {}})])
def test_silent_model_lets_the_stream_begin(waits: Any) -> None:
    case = opened(*waits, HI, settings=FIRST_BYTE)
    assert types(case.answer)[:4] == ["message_start", "ping", *BEGINNING[1:]]


def test_chunks_without_a_block_do_not_begin_the_stream() -> None:
    case = opened({"usageMetadata": {}}, HI)
    assert types([next(iter(case.answer))]) == BEGINNING


def test_silence_is_filled_with_pings() -> None:
    case = opened(chunk(text("Hel")), SILENCE, chunk(text("lo."), **END), settings=PING)
    assert 1 <= types(case.answer).count("ping") <= 3


def test_chunks_without_events_are_a_silence() -> None:
    """Usage alone, or a call that is held back: nothing of it reaches the client."""
    nothing = [SILENCE, {"usageMetadata": {}}] * 4
    settings = {"PROXY_PING_SECONDS": str(2 * SHORT_WAIT)}
    case = opened(chunk(text("a")), *nothing, chunk(text("b"), **END), settings=settings)
    assert types(case.answer).count("ping") >= 3


@pytest.mark.parametrize(
    ("first", "delta"),
    [
        (text("a"), {"type": "text_delta", "text": ""}),
        (thought("a"), {"type": "thinking_delta", "thinking": ""}),
    ],
)
def test_long_silence_has_a_real_event_too(
    first: Any, delta: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "REAL_EVENT_SECONDS", 0)
    case = opened(chunk(first), SILENCE, chunk(text("b"), **END), settings=PING)
    assert delta in [event.get("delta") for event in events(case.answer)]


# --- Failures ---------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [True, False])
def test_persistent_failure_keeps_its_status(whole: bool) -> None:
    with pytest.raises(ApiError) as caught:
        opened(*[Stream(OVERLOADED)] * 6, whole=whole)
    assert caught.value.status == 529


@pytest.mark.parametrize(
    ("streams", "error", "cause"),
    [
        ([[chunk(text("Hel")), OVERLOADED]], ("overloaded_error", "Overloaded."), "overloaded"),
        (
            [[chunk(thought("Hm.")), EXHAUSTED], [ApiError(400, "Long.", cause=Cause.CONTEXT)]],
            ("rate_limit_error", "Exhausted."),
            "exhausted",
        ),
    ],
)
def test_failure_once_begun_is_an_event_and_no_end(
    streams: list[Any], error: tuple[str, str], cause: str
) -> None:
    case = opened(*(Stream(*steps) for steps in streams))
    shown = events(case.answer)
    assert shown[-1]["error"] == dict(zip(("type", "message"), error, strict=True))
    assert "message_stop" not in [event["type"] for event in shown]
    assert case.log_entry.error == cause


def test_exception_once_begun_shows_no_content() -> None:
    last = events(opened(chunk(text("a")), KeyError("a prompt")).answer)[-1]
    assert last["error"]["type"] == "api_error"
    assert "a prompt" not in json.dumps(last)


def test_log_entry_has_the_failed_attempts() -> None:
    case = opened(*[Stream(chunk(**END))] * 2, Stream(HI))
    assert types(case.answer)[-1] == "message_stop"
    assert case.log_entry.failed_attempts == ["empty", "empty"]


# --- Clients that leave ------------------------------------------------------------------------


@pytest.fixture
def client() -> Iterator[Pair]:
    """The proxy's end of a client's connection, and the client's."""
    ours, theirs = connected()
    with ours, theirs:
        yield ours, theirs


LEAVE: list[Callable[[socket.socket], None]] = [socket.socket.close, reset]


@pytest.mark.parametrize("leave", LEAVE)
def test_client_that_leaves_in_silence_frees_the_upstream(client: Pair, leave: Any) -> None:
    ours, theirs = client
    case = opened(chunk(text("a")), TEST_TIMEOUT, client=ours)
    sent = []
    for piece in case.answer:
        sent.append(types([piece]))
        ours.send(piece)
        if len(sent) == 1:
            theirs.recv(1000)  # what is closed with something unread is reset
            leave(theirs)
    assert sent == ([BEGINNING] if leave is reset else [BEGINNING, ["ping"]])
    assert (case.gemini.streams[0].is_closed, case.log_entry.client_left) == (True, True)


@pytest.mark.parametrize("leave", LEAVE)
@pytest.mark.parametrize("whole", [True, False])
def test_client_that_leaves_before_the_first_byte(client: Pair, leave: Any, whole: bool) -> None:
    ours, theirs = client
    with pytest.raises(ClientDisconnected):
        opened(lambda: leave(theirs), TEST_TIMEOUT, whole=whole, client=ours)


def test_client_that_only_listens_gets_its_status(client: Pair) -> None:
    """It closes its sending side before the first byte: no reason to begin the stream early."""
    ours, theirs = client
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(ApiError) as caught:
        opened(*[Stream(SILENCE, OVERLOADED)] * 6, client=ours)
    assert caught.value.status == 529


def test_client_that_only_listens_gets_its_answer(client: Pair) -> None:
    ours, theirs = client
    case = opened(chunk(text("a")), SILENCE, chunk(text("b"), **END), client=ours)
    theirs.shutdown(socket.SHUT_WR)
    assert types(case.answer) == [*BEGINNING, "ping", *BEGINNING[2:], *TAIL]
    assert not case.log_entry.client_left


TAIL = ["content_block_stop", "message_delta", "message_stop"]


@pytest.mark.parametrize("has_socket", [True, False])
def test_client_that_the_server_gives_up(client: Pair, has_socket: bool) -> None:
    """The server closes the answer, and waits for nothing more from its client."""
    ours, theirs = client
    case = opened(chunk(text("a")), chunk(text("b"), **END), client=ours if has_socket else None)
    pieces = iter(case.answer)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert (case.gemini.streams[0].is_closed, case.log_entry.client_left) == (True, True)
    if has_socket:
        assert (theirs.recv(1), ours.recv(1)) == (b"", b"")


@pytest.mark.parametrize("begins_with", [(), (chunk(text("Hel")),)])
def test_failed_request_is_left_to_no_garbage_collection(begins_with: Any) -> None:
    """With its body of up to 32 MB, it would stay until thousands of others have failed."""

    def fail() -> None:
        raise ApiError(529, "No.", cause=Cause.OVERLOADED)

    gc.collect()
    gc.disable()
    try:
        case = make_case(*(Stream(*begins_with, fail) for _ in range(9)))
        kept = weakref.ref(case.attempts)
        with contextlib.suppress(ApiError):
            case.answer.open(whole=False)
            list(case.answer)
        case.answer.close()
        del case
        assert kept() is None
    finally:
        gc.enable()

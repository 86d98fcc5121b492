"""proxy/answer.py: what a client is sent, and when, whatever the upstream does."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from proxy import answer, config, liveness
from proxy.answer import Answer
from proxy.attempts import Recovery
from proxy.gemini import BrokenStream
from proxy.liveness import ClientLeft
from proxy.request_log import RequestLog
from tests.answers import call, chunk, text, thought
from tests.servers import reset
from translate import ApiError, StreamTranslator, Translation, translate
from translate.request import overrides as request_overrides

SOON = 0.02
LONG = 30
BODY = {
    "model": "claude-opus-5",
    "max_tokens": 100,
    "thinking": {"type": "adaptive"},
    "messages": [{"role": "user", "content": "Hi"}],
}
END = {"finish": "STOP"}
Step = Callable[[], list[Any]]


def silence() -> list[Any]:
    liveness.pause(3 * SOON)
    return []


def broken() -> list[Any]:
    raise BrokenStream


def overloaded() -> list[Any]:
    raise ApiError(529, "Overloaded.", cause="overloaded")


def spent() -> list[Any]:
    raise ApiError(429, "Spent.", cause="exhausted", retry=False)


class Stream:
    """One request's chunks: each step is chunks, or something that happens."""

    def __init__(self, *steps: Any) -> None:
        self._steps = steps
        self.is_closed = False
        self.waits: list[float] = []

    def __iter__(self) -> Iterator[list[Any]]:
        for step in self._steps:
            yield step() if callable(step) else [step]

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)

    def close(self) -> None:
        self.is_closed = True


class Fake(Recovery):
    """Recovery without Gemini: a stream for each request, and no pauses."""

    def __init__(self, *streams: Stream) -> None:
        self.streams = list(streams)
        self.asked_with: list[str | None] = []
        super().__init__(None, self.plan, [None], ["gemini-3.8-flash"])  # type: ignore[arg-type, list-item]

    def plan(self, overrides: request_overrides.RequestOverrides) -> Translation:
        return translate(BODY, {}, overrides=overrides)

    def ask(self, token: str | None) -> Any:
        self.asked_with.append(token)
        return self.streams[len(self.asked_with) - 1]

    def prepare(self, cause: str, error: ApiError | None) -> float | None:
        pause = super().prepare(cause, error)
        return None if pause is None else 0.0


def made(
    *streams: Stream, whole: bool = False, client: Any = None, **seconds: str
) -> tuple[Answer, RequestLog, Fake]:
    recovery, record = Fake(*streams), RequestLog("req_1", "POST", "/v1/messages")
    names = {"first_byte": "PROXY_FIRST_BYTE_SECONDS", "ping": "PROXY_PING_SECONDS"}
    settings = config.read({names[name]: value for name, value in seconds.items()})

    def begin(asked: Translation, previous: StreamTranslator | None) -> StreamTranslator:
        return StreamTranslator(
            asked, message_id="msg_0a1b2c3d", model="m", carries_signatures=True, previous=previous
        )

    made = Answer(recovery, begin, record, settings, whole=whole, client=client)
    return made, record, recovery


def events(pieces: Any) -> list[Any]:
    frames = b"".join(pieces).decode().strip().split("\n\n")
    return [json.loads(frame.split("\ndata: ")[1]) for frame in frames]


def kinds(pieces: Any) -> list[str]:
    return [event["type"] for event in events(pieces)]


def said(told: list[Any]) -> str:
    deltas = [event["delta"] for event in told if event["type"] == "content_block_delta"]
    return "".join(delta.get("text", "") for delta in deltas)


def test_an_answer_is_sent_as_it_comes() -> None:
    stream = Stream(chunk(text("Hel")), chunk(text("lo."), **END))
    told, record, _ = made(stream)
    pieces = iter(told)
    assert kinds([next(pieces)]) == ["message_start", "content_block_start", "content_block_delta"]
    assert kinds(pieces)[-1] == "message_stop"
    assert stream.is_closed
    assert (record.gemini, record.client_left, record.error) == ("gemini-4-hydrogen", False, "")
    assert told.headers() == {"x-gemini-model": "gemini-4-hydrogen"}


@pytest.mark.parametrize(
    ("tool", "seconds"),
    [
        ({"name": "Bash", "input_schema": {}}, answer.LINGER_SECONDS),
        ({"type": "web_search_20250305", "name": "web_search"}, answer.ROUND_SECONDS),
    ],
)
def test_an_answer_that_googles_tools_work_on_may_go_on_after_its_end(
    tool: Any, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BODY, "tools", [tool])
    steps = [chunk(text("H")), chunk(text("e"), **END), chunk(text("llo")), chunk(text("."), **END)]
    told, _, _ = made(stream := Stream(*steps))
    assert said(events(told)) == "Hello."
    assert stream.waits == [seconds, float(config.DEFAULTS["PROXY_SILENCE_SECONDS"]), seconds]


def test_an_answer_that_breaks_off_after_a_round_does_not_look_complete() -> None:
    stream = Stream(chunk(text("Hel"), **END), chunk(text("lo")), overloaded)
    told, _, _ = made(stream)
    shown = events(told)
    assert (said(shown), shown[-1]["type"]) == ("Hello", "error")


def test_a_model_that_is_silent_lets_the_stream_begin() -> None:
    told, _, _ = made(Stream(silence, chunk(text("Hi."), **END)), first_byte=str(SOON))
    assert kinds(told)[:4] == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
    ]


def test_a_silence_is_filled_with_pings() -> None:
    steps = [chunk(text("Hel")), silence, chunk(text("lo."), **END)]
    told, _, _ = made(Stream(*steps), ping=str(SOON))
    assert 1 <= kinds(told).count("ping") <= 3


def test_chunks_that_say_nothing_are_a_silence() -> None:
    """Usage alone, or a call that is held back: nothing of it reaches the client."""
    nothing = [silence, {"usageMetadata": {}}] * 4
    told, _, _ = made(
        Stream(chunk(text("a")), *nothing, chunk(text("b"), **END)), ping=str(2 * SOON)
    )
    assert kinds(told).count("ping") >= 3


@pytest.mark.parametrize(
    ("first", "delta"),
    [
        (text("a"), {"type": "text_delta", "text": ""}),
        (thought("a"), {"type": "thinking_delta", "thinking": ""}),
    ],
)
def test_a_long_silence_has_a_real_event_too(
    first: Any, delta: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "REAL_EVENT_SECONDS", 0)
    told, _, _ = made(Stream(chunk(first), silence, chunk(text("b"), **END)), ping=str(SOON))
    assert delta in [event.get("delta") for event in events(told)]


def test_a_whole_answer_is_waited_for() -> None:
    told, _, _ = made(Stream(silence, chunk(text("Hi."), **END)), whole=True, ping=str(SOON))
    assert told.message()["content"] == [{"type": "text", "text": "Hi."}]


@pytest.mark.parametrize("failure", [broken, overloaded])
def test_what_fails_behind_a_thought_is_tried_again_in_the_same_message(failure: Step) -> None:
    told, record, _ = made(
        Stream(chunk(thought("Hm.")), failure), Stream(chunk(text("Hi.")), chunk(**END))
    )
    shown = events(told)
    assert [event["type"] for event in shown].count("message_start") == 1
    assert said(shown) == "Hi."
    assert shown[-1]["type"] == "message_stop"
    assert len(record.failed_attempts) == 1


def test_what_was_tried_before_the_first_byte_is_in_the_headers() -> None:
    told, _, recovery = made(Stream(overloaded), Stream(broken), Stream(chunk(text("Hi."), **END)))
    recovery.warning = "Mind this."
    assert told.headers() == {
        "x-gemini-model": "gemini-4-hydrogen",
        "x-gemini-tried": "overloaded, broken",
        "x-gemini-warning": "Mind this.",
    }


def test_a_failure_that_stays_keeps_its_status() -> None:
    with pytest.raises(ApiError) as caught:
        made(*[Stream(overloaded)] * 6)
    assert caught.value.status == 529


def test_a_model_that_stood_in_and_stays_empty_is_no_answer() -> None:
    with pytest.raises(ApiError, match="Spent"):
        made(Stream(spent), *(Stream(chunk(**END)) for _ in range(3)))


@pytest.mark.parametrize("is_streamed_since", [False, True])
def test_a_failure_of_the_model_that_stood_in_is_not_the_clients(is_streamed_since: bool) -> None:
    """Its context is smaller; the client is not to compact a conversation for that."""

    def too_long() -> list[Any]:
        raise ApiError(400, "prompt is too long: 3 tokens > 2 maximum", cause="context")

    first = Stream(*([chunk(thought("Hm."))] if is_streamed_since else []), spent)
    with pytest.raises(ApiError, match="Spent") if not is_streamed_since else nullcontext():
        told, _, recovery = made(first, Stream(too_long))
        assert events(told)[-1]["error"] == {"type": "rate_limit_error", "message": "Spent."}
        assert recovery.tried == ["exhausted"]


def test_an_answer_that_stays_empty_ends() -> None:
    told, record, _ = made(*[Stream(chunk(**END))] * 3)
    assert kinds(told) == ["message_start", "message_delta", "message_stop"]
    assert record.failed_attempts == ["empty", "empty"]


def test_what_fails_behind_a_text_is_an_error_and_no_end() -> None:
    told, record, _ = made(Stream(chunk(text("Hel")), overloaded))
    shown = events(told)
    assert shown[-1]["error"] == {"type": "overloaded_error", "message": "Overloaded."}
    assert "message_stop" not in [event["type"] for event in shown]
    assert record.error == "overloaded"


def test_a_whole_answer_begins_anew_even_behind_a_text() -> None:
    told, _, _ = made(
        Stream(chunk(text("Hel")), broken), Stream(chunk(text("Hi."), **END)), whole=True
    )
    assert told.message()["content"] == [{"type": "text", "text": "Hi."}]


def test_an_unforeseen_error_behind_a_text_tells_only_its_place() -> None:
    def bug() -> list[Any]:
        raise KeyError("a prompt")

    told, _, _ = made(Stream(chunk(text("a")), bug))
    last = events(told)[-1]
    assert last["error"]["type"] == "api_error"
    assert "a prompt" not in json.dumps(last)


# --- Streams that break and go on --------------------------------------------------------------


def test_a_cut_behind_a_checkpoint_is_resumed() -> None:
    told, record, recovery = made(
        Stream(chunk(text("Hel"), continuationToken="t1"), broken),
        Stream(broken),
        Stream(chunk(text("lo."), **END)),
    )
    shown = events(told)
    assert (said(shown), shown[-1]["type"]) == ("Hello.", "message_stop")
    assert recovery.asked_with == [None, "t1", "t1"]
    assert record.failed_attempts == ["resumed", "resumed"]


def test_a_cut_behind_what_was_shown_since_is_an_error() -> None:
    told, _, recovery = made(
        Stream(chunk(text("a"), continuationToken="t1"), chunk(text("b")), broken)
    )
    assert events(told)[-1]["type"] == "error"
    assert recovery.asked_with == [None]


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    ("first", "asked"),
    [
        ([chunk(text("a"), continuationToken="t1"), broken], 4),
        ([chunk(text("a"), continuationToken="t1", finish="CONTINUATION")], 5),
    ],
    ids=["it is cut", "it is long"],
)
def test_a_stream_that_cannot_be_resumed_is_given_up(
    first: list[Any], asked: int, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while, and for good: from its beginning it would cost as much once more."""
    pauses: list[float] = []
    monkeypatch.setattr(liveness, "pause", pauses.append)
    streams = [Stream(*first), *(Stream(overloaded) for _ in range(9))]
    with pytest.raises(ApiError, match="Overloaded") if whole else nullcontext():
        told, _, recovery = made(*streams, whole=whole)
        assert events(told)[-1]["error"]["message"] == "Overloaded."
        assert recovery.asked_with == [None, *["t1"] * (asked - 1)]
    assert [stream.is_closed for stream in streams].count(True) == asked
    assert pauses == [0.0, 0.5, 1.5]


def test_a_refusal_is_not_resumed() -> None:
    def refused() -> list[Any]:
        raise ApiError(400, "No.", cause="request")

    told, _, recovery = made(Stream(chunk(text("a"), continuationToken="t1"), refused))
    assert events(told)[-1]["error"]["message"] == "No."
    assert recovery.asked_with == [None]


def test_what_breaks_behind_the_end_is_no_failure() -> None:
    told, _, _ = made(Stream(chunk(text("Hi."), **END), broken))
    assert kinds(told)[-1] == "message_stop"


def test_a_call_that_was_held_back_can_be_asked_for_again() -> None:
    told, record, _ = made(
        Stream(chunk(call("c", "Bash", {})), broken), Stream(chunk(text("Hi."), **END))
    )
    assert said(events(told)) == "Hi."
    assert record.failed_attempts == ["broken"]


# --- Clients that leave ------------------------------------------------------------------------


@pytest.fixture
def client() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        theirs = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
    with ours, theirs:
        yield ours, theirs


def test_a_server_that_gives_a_client_up_waits_for_nothing_more_from_it(client: Any) -> None:
    ours, theirs = client
    told, record, _ = made(Stream(chunk(text("a")), chunk(text("b"), **END)), client=ours)
    pieces = iter(told)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert (theirs.recv(1), ours.recv(1), record.client_left) == (b"", b"", True)


def test_a_client_that_leaves_while_nothing_comes_ends_the_upstream(client: Any) -> None:
    ours, theirs = client
    stream = Stream(chunk(text("a")), lambda: liveness.pause(LONG))
    told, record, _ = made(stream, client=ours)
    pieces = iter(told)
    next(pieces)
    reset(theirs)
    assert list(pieces) == []
    assert (stream.is_closed, record.client_left) == (True, True)


def test_a_client_that_resets_while_a_whole_answer_is_made_ends_the_upstream(client: Any) -> None:
    ours, theirs = client

    def leave() -> list[Any]:
        reset(theirs)
        liveness.pause(LONG)
        return []

    stream = Stream(chunk(text("a")), leave)
    with pytest.raises(ClientLeft):
        made(stream, whole=True, client=ours)
    assert stream.is_closed


def test_a_client_that_only_listens_gets_the_status_of_its_stream(client: Any) -> None:
    """It closes its sending side before the first byte: no reason to begin the stream early."""
    ours, theirs = client
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(ApiError) as caught:
        made(*[Stream(silence, overloaded)] * 6, client=ours)
    assert caught.value.status == 529


def test_an_answer_that_is_not_read_on_ends_the_upstream() -> None:
    stream = Stream(chunk(text("a")), lambda: liveness.pause(LONG))
    told, record, _ = made(stream)
    pieces = told.__iter__()
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert (stream.is_closed, record.client_left) == (True, True)

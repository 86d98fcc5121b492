"""proxy/attempts.py: the requests that one answer takes, and what the client sees of them."""

from __future__ import annotations

from typing import Any

import pytest

from proxy import attempts
from tests import fake_gemini
from tests.answers import call, chunk, text, thought
from tests.fake_gemini import BROKEN, END, EXHAUSTED, HI, OVERLOADED, Stream
from translate import ApiError, Cause
from translate.models import Tokens

SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}}
TOOLS = [{"name": name, "input_schema": SCHEMA} for name in "ABCDE"]
SEARCH = {"type": "web_search_20250305", "name": "web_search"}


class Run:
    """All events of an answer, or the error that it ended with."""

    def __init__(self, *streams: list[Any], **more: Any) -> None:
        self.case = fake_gemini.make_case(*(Stream(*steps) for steps in streams), **more)
        self.gemini, self.poller = self.case.gemini, self.case.poller
        self.events: list[Any] = []
        self.error: ApiError | None = None
        try:
            for item in self.case.attempts.events():
                self.events += item  # type: ignore[operator]
        except ApiError as error:
            self.error = error
        self.failed_attempts = self.case.attempts.plan.failed_attempts

    @property
    def text(self) -> str:
        deltas = [each["delta"] for each in self.events if each["type"] == "content_block_delta"]
        return "".join(delta.get("text", "") for delta in deltas)


END_ALONE = chunk(**END)
HEL, LO = chunk(text("Hel")), chunk(text("lo."), **END)
CHECKPOINT = chunk(text("Hel"), continuationToken="t1")
HM = chunk(thought("Hm."))
NO_KEY = ApiError(401, "No.", cause=Cause.KEY)
REFUSED = ApiError(400, "No.", cause=Cause.REQUEST)
TOO_LONG = ApiError(400, "prompt is too long: 3 tokens > 2 maximum", cause=Cause.CONTEXT)


def test_attempt_follows_with_its_pause_key_and_change() -> None:
    malformed = chunk(finish="MALFORMED_FUNCTION_CALL")
    run = Run([NO_KEY], [OVERLOADED], [malformed], [HI], keys=["new", "old"], tools=TOOLS)
    assert (run.text, run.poller.pauses) == ("Hi.", [0.0, 0.5, 0.0])
    assert run.failed_attempts == ["key", "overloaded", "malformed"]
    assert [key for _, _, key in run.gemini.requests] == ["new", "old", "old", "old"]
    assert ["toolConfig" in body for _, body, _ in run.gemini.requests] == [False] * 3 + [True]
    assert all(stream.is_closed for stream in run.gemini.streams)


@pytest.mark.parametrize(
    ("streams", "text", "failed"),
    [
        ([[HM, BROKEN], [HI]], "Hi.", ["broken"]),
        ([[HM, OVERLOADED], [HI]], "Hi.", ["overloaded"]),
        ([[chunk(call("c", "Bash", {})), BROKEN], [HI]], "Hi.", ["broken"]),
        ([[HI, BROKEN]], "Hi.", []),
        ([[CHECKPOINT, BROKEN], [BROKEN], [LO]], "Hello.", ["resumed", "resumed"]),
        ([[HEL, BROKEN]], "Hel", None),
        ([[HEL], [HI]], "Hel", None),
        ([[chunk(text("Hel"), **END), chunk(text("lo")), OVERLOADED]], "Hello", None),
        ([[CHECKPOINT, chunk(text("lo")), BROKEN]], "Hello", None),
        ([[CHECKPOINT, REFUSED]], "Hel", None),
    ],
)
def test_failure_is_retried_until_a_text_is_shown(
    streams: list[Any], text: str, failed: list[str] | None
) -> None:
    run = Run(*streams)
    assert (run.text, run.error is None) == (text, failed is not None)
    assert run.failed_attempts == (failed or [])
    assert len(run.gemini.requests) == 1 + len(run.failed_attempts)
    types = [event["type"] for event in run.events]
    assert (types.count("message_start"), types[-1] == "message_stop") == (1, failed is not None)


@pytest.mark.parametrize(
    ("streams", "error"),
    [
        ([[ApiError(404, "No.")]], (404, "No.")),
        ([[REFUSED]], (400, "No.")),
        ([[HM]] * 3, (529, BROKEN.message)),
        ([[EXHAUSTED], *[[END_ALONE]] * 3], (429, "Exhausted.")),
        ([[EXHAUSTED], [TOO_LONG]], (429, "Exhausted.")),
        ([[HM, EXHAUSTED], [TOO_LONG]], (429, "Exhausted.")),
    ],
)
def test_error_of_the_last_attempt(streams: list[Any], error: tuple[int, str]) -> None:
    """A fallback's context is smaller: the client is not to compact a conversation for that."""
    run = Run(*streams)
    assert run.error is not None
    assert (run.error.status, run.error.message) == error
    assert len(run.gemini.requests) == len(streams)


FORM = {"output_format": {"type": "json_schema", "schema": {"type": "object"}}}
PROSE, HALF_JSON = chunk(text("I cannot."), **END), chunk(text('{"a": '), **END)
WHOLE_JSON = chunk(text('```\n{"a": 1}\n```'), **END)


@pytest.mark.parametrize(
    ("streams", "whole", "shown", "failed"),
    [
        ([[PROSE], [WHOLE_JSON]], False, '{"a": 1}', 1),
        ([[PROSE], [HALF_JSON], [WHOLE_JSON]], True, '{"a": {"a": 1}', 2),
        ([[HALF_JSON]], False, '{"a": ', 0),
        ([[PROSE], [HALF_JSON]], False, '{"a": ', 1),
        ([[PROSE]] * 3, False, "", 2),
        ([[HALF_JSON]] * 3, True, '{"a": ' * 3, 2),
    ],
)
def test_json_is_asked_for_until_some_is_shown(
    streams: list[Any], whole: bool, shown: str, failed: int
) -> None:
    """Then an error says so: a text would be taken for the JSON."""
    run = Run(*streams, whole=whole, **FORM)
    assert (run.text, run.failed_attempts) == (shown, [Cause.NO_JSON] * failed)
    assert (run.error and run.error.cause) == (None if "1}" in shown else Cause.NO_JSON)


def test_whole_answer_is_retried_behind_a_text() -> None:
    run = Run([HEL, BROKEN], [HI], whole=True)
    assert (run.error, [event["type"] for event in run.events].count("message_start")) == (None, 2)


@pytest.mark.parametrize("is_claude_code", [True, False])
def test_claude_code_does_not_think_by_default(is_claude_code: bool) -> None:
    fields: Any = {"model": "claude-opus-5-5", "thinking": None}
    case = fake_gemini.make_case(Stream(HI), is_claude_code=is_claude_code, **fields)
    assert case.attempts.plan.translation.shows_thinking is not is_claude_code


@pytest.mark.parametrize("thinking", [{}, {"thinking": {"type": "disabled"}}])
def test_signatures_are_carried_without_thinking(thinking: Any) -> None:
    signed = chunk(call("c", "Bash", {}, thoughtSignature="AAAA"), **END)
    run = Run([signed], tools=TOOLS, **thinking)
    assert "signature_delta" in str(run.events)


@pytest.mark.parametrize("cause", Cause)
def test_resumable_causes(cause: Cause) -> None:
    run = Run([CHECKPOINT, ApiError(400, "No.", cause=cause)], [LO])
    is_resumed = cause in attempts.RESUMABLE
    assert (run.text, run.error is None) == (("Hello.", True) if is_resumed else ("Hel", False))
    assert run.gemini.tokens == ([None, "t1"] if is_resumed else [None])
    assert run.gemini.requests[-1][1] == {
        **run.gemini.requests[0][1],
        **({"continuationToken": "t1"} if is_resumed else {}),
    }


def test_resumptions_are_counted_at_each_checkpoint() -> None:
    cut = [[chunk(text("a"), continuationToken=f"t{i}"), BROKEN] for i in range(5)]
    run = Run(*cut, [LO])
    assert (run.text, run.poller.pauses) == ("aaaaalo.", [0.0] * 5)
    assert run.gemini.tokens == [None, *(f"t{i}" for i in range(5))]


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    ("first", "requests"),
    [
        ([CHECKPOINT, BROKEN], 4),
        ([chunk(text("a"), continuationToken="t1", finish="CONTINUATION")], 5),
    ],
    ids=["it is cut", "it is long"],
)
def test_failed_resumptions_are_final(first: list[Any], requests: int, whole: bool) -> None:
    """After a while, and for good: from its beginning it would cost as much once more."""
    run = Run(first, *[[OVERLOADED] for _ in range(9)], whole=whole)
    assert (run.error, run.gemini.tokens) == (OVERLOADED, [None, *["t1"] * (requests - 1)])
    assert [stream.is_closed for stream in run.gemini.streams].count(True) == requests
    assert run.poller.pauses == list(attempts.RESUMPTION_PAUSES) == [0.0, 0.5, 1.5]


@pytest.mark.parametrize(
    ("tool", "seconds"),
    [(TOOLS[0], attempts.END_OF_BODY_SECONDS), (SEARCH, attempts.BUILT_IN_TOOL_SECONDS)],
)
def test_end_of_body_is_waited_for(tool: Any, seconds: float) -> None:
    """Once, whatever follows, unless the answer goes on."""
    more = [chunk(text("o")), chunk(text("."), **END), chunk(), chunk(**END), chunk()]
    run = Run([HEL, chunk(text("l"), **END), *more], tools=[tool])
    assert run.text == "Hello."
    assert run.gemini.streams[0].ends == [seconds, None, seconds]


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("parts", [[], [text("a")]], ids=["without parts", "with parts"])
@pytest.mark.parametrize("is_cut", [False, True])
def test_requests_of_one_answer_are_limited(is_cut: bool, parts: list[Any], whole: bool) -> None:
    """With ever new tokens; and then all of it is not begun anew."""

    def hop(token: str) -> list[Any]:
        if is_cut:
            return [chunk(*parts, continuationToken=token), BROKEN]
        return [chunk(*parts, continuationToken=token, finish="CONTINUATION")]

    run = Run(*(hop(f"t{at}") for at in range(99)), whole=whole)
    assert len(run.gemini.requests) == attempts.MAX_REQUESTS
    assert run.error is not None
    assert (run.error.status, run.error.cause) == (529, Cause.BROKEN)
    assert run.text == "a" * len(parts) * attempts.MAX_REQUESTS


def test_requests_are_counted_over_all_attempts() -> None:
    hops = [[chunk(continuationToken=f"t{at}", finish="CONTINUATION")] for at in range(20)]
    run = Run(*hops, [END_ALONE], *hops)
    assert len(run.gemini.requests) == attempts.MAX_REQUESTS


def test_end_of_a_hop_is_waited_for() -> None:
    run = Run([chunk(text("Hel"), continuationToken="t1", finish="CONTINUATION"), BROKEN], [LO])
    assert (run.text, run.gemini.tokens) == ("Hello.", [None, "t1"])
    assert run.gemini.streams[0].ends == [attempts.END_OF_BODY_SECONDS]


def test_bill_has_every_request_that_was_sent() -> None:
    """A continued answer reads its input again, and a failed attempt is billed, too."""

    def counted(prompt: int, *parts: Any, **more: Any) -> Any:
        usage = {"promptTokenCount": prompt, "candidatesTokenCount": 1}
        return {**chunk(*parts, **more), "usageMetadata": usage}

    hop = counted(7, text("a"), continuationToken="t1", finish="CONTINUATION")
    run = Run([counted(5, thought("Hm.")), BROKEN], [hop], [counted(9, text("b"), **END)])
    billed = run.case.attempts.billed
    assert [each.tokens for each in billed] == [Tokens(5, 0, 1), Tokens(7, 0, 1), Tokens(9, 0, 1)]
    assert {each.model for each in billed} == {run.case.attempts.plan.translation.model}


def test_stop_sequence_ends_the_request() -> None:
    run = Run([chunk(text("a<stop>b")), BROKEN], stop_sequences=["<stop>"])
    assert (run.text, run.error, run.gemini.streams[0].is_closed) == ("a", None, True)
    assert run.events[-2]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "<stop>"}

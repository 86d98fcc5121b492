"""proxy/attempts.py: how answers end that fall short again and again, or break."""

from __future__ import annotations

from typing import Any

import pytest

from tests.answers import TEXT, call, chunk, short, text, thought
from tests.fake_gemini import BROKEN, END, EXHAUSTED, HI, OVERLOADED, Stream, make_case
from tests.messages import PNG, assistant, result, use, user
from translate import ApiError, Cause, collect
from translate.request.overrides import ANSWER_NOW, CALL_IN_PIECES
from translate.response.finish import EXPLANATIONS, SHORTFALLS
from translate.response.google_errors import CHOOSE_MODEL_HINT
from translate.response.media_errors import SAYS_NOTHING
from translate.signatures import SENTINEL

TOOLS = [{"name": "Bash", "input_schema": {}}]
SIGNED = call("f1", thoughtSignature="A")
EMPTY, MALFORMED = chunk(**END), chunk(finish="MALFORMED_FUNCTION_CALL")
THOUGHTS = {**chunk(**END), "usageMetadata": {"thoughtsTokenCount": 5}}
UNSIGNED = chunk(finish="MISSING_THOUGHT_SIGNATURE")


class Ending:
    """What a client gets. whole: at once; begun: of a stream that has begun with a ping."""

    def __init__(
        self, *streams: list[Any], whole: bool = False, begun: bool = False, **fields: Any
    ) -> None:
        steps = [Stream(*each) for each in streams]
        self.case = make_case(*steps, whole=whole, **fields)
        self.case.poller.has_begun = begun
        self.events: list[Any] = []
        self.error: ApiError | None = None
        try:
            for item in self.case.attempts.events():
                self.events += item  # type: ignore[operator]
        except ApiError as error:
            self.error = error

    @property
    def content(self) -> list[Any]:
        return [
            block.get("text", block["type"]) for block in collect(self.events).get("content", [])
        ]

    @property
    def requests(self) -> list[Any]:
        return [body for _, body, _ in self.case.gemini.requests]


def last_text(request: Any) -> str:
    return str(request["contents"][-1]["parts"][-1].get("text"))


SHORT = {
    "empty": (EMPTY, Cause.EMPTY, 3),
    "thoughts": (THOUGHTS, Cause.THOUGHTS, 3),
    "malformed": (MALFORMED, Cause.MALFORMED, 3),
    "a call beside it": (
        chunk(SIGNED, finish="MALFORMED_FUNCTION_CALL"), Cause.MALFORMED, 3),
    "a call without a name": (chunk(SIGNED, call("f2", ""), **END), Cause.MALFORMED, 3),
    "an unexpected call": (chunk(finish="UNEXPECTED_TOOL_CALL"), Cause.MALFORMED, 3),
    "no signature": (UNSIGNED, Cause.SIGNATURE, 2),
}  # fmt: skip


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(("given", "cause", "attempts"), SHORT.values(), ids=SHORT)
def test_shortfall_that_stays_is_an_error(
    given: Any, cause: Cause, attempts: int, whole: bool
) -> None:
    ending = Ending(*[[given]] * attempts, whole=whole, tools=TOOLS)
    assert ending.error is not None
    assert (ending.error.status, ending.error.cause) == (502, cause)
    assert ending.error.message == EXPLANATIONS[cause]
    assert ending.error.retry is (False if cause in SHORTFALLS.values() else None)
    assert len(ending.requests) == attempts
    assert {event["type"] for event in ending.events} == {"message_start"}


@pytest.mark.parametrize(("given", "cause", "attempts"), SHORT.values(), ids=SHORT)
def test_shortfall_of_a_stream_that_has_begun_is_said(
    given: Any, cause: Cause, attempts: int
) -> None:
    ending = Ending(*[[given]] * attempts, begun=True, tools=TOOLS)
    assert (ending.error, ending.content) == (None, [EXPLANATIONS[cause]])
    is_malformed = cause in SHORTFALLS.values()
    stop_reason = collect(ending.events)["stop_reason"]
    assert stop_reason == ("tool_use" if is_malformed else "end_turn")


def test_shortfall_behind_thinking_is_said() -> None:
    ending = Ending(*[[chunk(thought("Hm."), **END)]] * 3)
    assert (ending.error, ending.content) == (None, ["thinking", EXPLANATIONS[Cause.THOUGHTS]])


def test_shortfall_of_a_fallback_shows_the_first_error() -> None:
    assert Ending([EXHAUSTED], *[[EMPTY]] * 3).error is EXHAUSTED


def test_exhausted_models_are_not_named_as_those_that_are_left() -> None:
    spent = [[ApiError(429, f"Spent. {CHOOSE_MODEL_HINT}.", cause=Cause.EXHAUSTED)]] * 2
    error = Ending(*spent).error
    assert error is not None
    assert "Free keys also have gemini-3.6-flash" in error.message


def test_malformed_call_behind_a_text_is_final_in_a_stream() -> None:
    """The client asks again by itself; whoever has seen nothing yet gets another attempt."""
    half = chunk(text("I write."), finish="MALFORMED_FUNCTION_CALL")
    ending = Ending([half])
    assert ending.content == ["I write.", EXPLANATIONS[Cause.MALFORMED]]
    ending = Ending([half], [HI], whole=True)
    assert (ending.content, len(ending.requests)) == (["Hi."], 2)


@pytest.mark.parametrize(
    ("given", "instruction"),
    [(EMPTY, ANSWER_NOW), (THOUGHTS, ANSWER_NOW), (MALFORMED, CALL_IN_PIECES)],
)
def test_last_attempt_tells_the_model(given: Any, instruction: str) -> None:
    """Behind all else, so that what Gemini has cached of the conversation stays good."""
    ending = Ending([given], [given], [HI], tools=TOOLS)
    assert ending.content == ["Hi."]
    first, second, last = ending.requests
    assert (instruction in last_text(second), instruction in last_text(last)) == (False, True)
    assert last["contents"][0]["parts"][:1] == first["contents"][0]["parts"]


def test_last_attempt_is_made_though_nothing_is_left_to_change() -> None:
    ending = Ending([EMPTY], [EMPTY], [THOUGHTS], [THOUGHTS], [HI])
    assert (ending.content, len(ending.requests)) == (["Hi."], 5)


def test_missing_signature_is_mended_for_any_model() -> None:
    """gemini-2.5-pro is another model's name from 2026-12-01 on, with that one's rules."""
    text = "Function call is missing a thought_signature in functionCall parts."
    refusal = ApiError(400, text, cause=Cause.SIGNATURE)
    turns = [user("go"), assistant(use("a")), user(result("a"))]
    ending = Ending([refusal], [HI], messages=turns, tools=TOOLS, model="gemini-2.5-pro")
    assert ending.content == ["Hi."]
    calls = [body["contents"][1]["parts"][0] for body in ending.requests]
    assert [part.get("thoughtSignature") for part in calls] == [None, SENTINEL]


IMAGE = [user("Look.", {"type": "image", "source": PNG})]


@pytest.mark.parametrize(
    ("cause", "message", "attempts"),
    [
        (Cause.MEDIA, "Unable to process input image.", 1),
        (Cause.PARAMETER, SAYS_NOTHING, 2),
    ],
)
def test_refused_medium_is_named_in_the_clients_words(
    cause: Cause, message: str, attempts: int
) -> None:
    refusal = ApiError(400, message, cause=cause)
    error = Ending(*[[refusal]] * attempts, messages=IMAGE).error
    assert error is not None
    assert (error.status, error.cause) == (400, Cause.MEDIA)
    assert error.message == f"messages.0.content.1.image: Could not process image: {message}"
    assert Ending(*[[refusal]] * attempts).error is refusal


@pytest.mark.parametrize(
    ("model", "is_subagent", "status", "named"),
    [
        ("claude-opus-5-5", False, 424, "set ANTHROPIC_DEFAULT_OPUS_MODEL there"),
        ("claude-haiku-5-5", False, 424, "set ANTHROPIC_DEFAULT_HAIKU_MODEL there"),
        ("claude-opus-5-5", True, 424, "set CLAUDE_CODE_SUBAGENT_MODEL there"),
        ("gemini-9", False, 404, CHOOSE_MODEL_HINT),
    ],
)
def test_unknown_model_names_who_chose_it(
    model: str, is_subagent: bool, status: int, named: str
) -> None:
    unknown = ApiError(404, f"model: No. {CHOOSE_MODEL_HINT}.", cause=Cause.MODEL)
    settings = {
        "ANTHROPIC_DEFAULT_OPUS_MODEL": "gemini-9",
        "CLAUDE_CODE_SUBAGENT_MODEL": "gemini-9",
        "GEMINI_FALLBACK_MODELS": "",
    }
    error = Ending([unknown], model=model, is_subagent=is_subagent, settings=settings).error
    assert error is not None
    assert error.status == status
    assert named in error.message


BLOCKED = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}


@pytest.mark.parametrize("whole", [True, False])
def test_blocked_prompt_is_an_error_for_claude_code(whole: bool) -> None:
    """For a refusal it blames the Claude model that it has asked for."""
    ending = Ending([BLOCKED], whole=whole, is_claude_code=True)
    assert ending.error is not None
    assert (ending.error.status, ending.error.retry) == (424, False)
    assert ending.error.message.startswith("Gemini blocked this request: PROHIBITED_CONTENT. ")
    assert len(ending.requests) == 1


@pytest.mark.parametrize("fields", [{"is_claude_code": True, "begun": True}, {}])
def test_blocked_prompt_is_a_refusal_elsewhere(fields: Any) -> None:
    ending = Ending([BLOCKED], **fields)
    assert collect(ending.events)["stop_reason"] == "refusal"


def test_answer_that_is_stopped_is_a_refusal() -> None:
    """Claude Code asks again, with a word of warning: that may help."""
    ending = Ending([chunk(finish="RECITATION")], is_claude_code=True)
    assert collect(ending.events)["stop_reason"] == "refusal"


def test_call_is_shown_before_an_error_that_is_final() -> None:
    """Claude Code 2.1.197 runs it and goes on; else the answer would end with the error."""
    ending = Ending([chunk(text("I run."), SIGNED), OVERLOADED])
    assert (ending.error, ending.content) == (OVERLOADED, ["I run.", "thinking", "tool_use"])


def test_call_that_was_not_shown_is_made_anew() -> None:
    ending = Ending([chunk(thought("Hm."), SIGNED), BROKEN], [HI])
    assert (ending.error, ending.content) == (None, ["thinking", "Hi."])


def test_error_without_a_call_shows_nothing_more() -> None:
    assert Ending([chunk(text("I run.")), OVERLOADED]).content == ["I run."]


@pytest.mark.parametrize("bad", [{"candidates": 7}, "text", chunk({"text": 7}), [HI]])
def test_chunk_of_wrong_types_is_a_broken_answer(bad: Any) -> None:
    assert Ending([bad], [HI]).content == ["Hi."]
    ending = Ending(*[[bad]] * 3)
    assert ending.error is not None
    assert (ending.error.status, ending.error.cause) == (529, Cause.BROKEN)
    assert Ending([HI, bad]).content == ["Hi."]


def test_events_before_a_broken_chunk_are_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def read_at_once(stream: Stream) -> Any:
        yield [*stream._steps]

    monkeypatch.setattr(Stream, "__iter__", read_at_once)
    ending = Ending([chunk(thought("Hm.")), {"candidates": 7}], [HI])
    assert ending.content == ["thinking", "Hi."]
    assert [short(event) for event in ending.events][4:6] == [(1, TEXT), (1, "text_delta", "Hi.")]
    first = Ending([{"candidates": 7}], [HI])
    assert first.content == ["Hi."]

"""translate/response/finish.py: why an answer ended, for the client and for the next attempt."""

from typing import Any

import pytest

from translate.errors import FAILED_DEPENDENCY, Cause
from translate.response.finish import (
    EXPLANATIONS,
    SHORTFALLS,
    STOP_REASONS,
    Finish,
    shortfall_error,
)

GOOGLES_FINISH_REASONS = {
    *("FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "CONTINUATION", "SAFETY", "RECITATION"),
    *("LANGUAGE", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL"),
    *("UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE", "ESCALATION"),
    *("MALFORMED_RESPONSE", "PUP_LIMITED_DISABLED", "MODEL_ARMOR", "IMAGE_SAFETY", "NO_IMAGE"),
    *("IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER"),
}
"""Every value of Google's references and SDKs, Vertex AI's included (seen 2026-11-28)."""


def finished(reason: str, *ratings: Any) -> Finish:
    finish = Finish()
    finish.set(reason, {"finishReason": reason, "safetyRatings": [*ratings]})
    return finish


def test_finish_reasons_are_all_in_the_table() -> None:
    assert set(STOP_REASONS) == GOOGLES_FINISH_REASONS
    assert set(STOP_REASONS.values()) == {"end_turn", "max_tokens", "tool_use", "refusal"}


@pytest.mark.parametrize(
    ("reason", "has_calls", "expected"),
    [
        ("STOP", False, "end_turn"),
        ("STOP", True, "tool_use"),
        ("OTHER", True, "tool_use"),
        ("MAX_TOKENS", True, "max_tokens"),
        ("SAFETY", True, "refusal"),
        ("MALFORMED_FUNCTION_CALL", False, "tool_use"),
        ("A_NEW_REASON", False, "end_turn"),
        ("A_NEW_REASON", True, "tool_use"),
    ],
)
def test_calls_turn_an_end_into_tool_use(reason: str, has_calls: bool, expected: str) -> None:
    assert finished(reason).stop_reason(has_calls=has_calls) == expected


def test_refusal_names_the_filters_that_were_hit() -> None:
    blocked = [{"category": name, "blocked": True} for name in ("HARM_A", "HARM_B")]
    finish = finished("SAFETY", {"category": "HARM_C", "probability": "LOW"}, *blocked)
    assert finish.refusal == "Gemini stopped this answer: SAFETY (HARM_A, HARM_B)."
    assert finished("SPII", {"category": "HARM_C"}).refusal == "Gemini stopped this answer: SPII."


def test_blocked_prompt_is_a_refusal() -> None:
    finish = Finish()
    finish.block({"blockReason": "JAILBREAK"})
    assert finish.stop_reason(has_calls=False) == "refusal"
    assert finish.refusal == "Gemini blocked this request: JAILBREAK."


def test_blocked_prompt_as_an_error_is_final() -> None:
    finish = Finish()
    assert finish.blocked_error is None
    finish.block({"blockReason": "JAILBREAK"})
    error = finish.blocked_error
    assert error is not None
    assert (error.status, error.retry) == (FAILED_DEPENDENCY, False)
    assert error.message.startswith("Gemini blocked this request: JAILBREAK. Change the last")
    finish.reset()
    assert finish.blocked_error is None
    assert finished("PROHIBITED_CONTENT").blocked_error is None


@pytest.mark.parametrize("reason", [{}, {"blockReason": ""}, {"blockReason": None}])
def test_feedback_without_a_block_reason_is_no_end(reason: Any) -> None:
    finish = Finish()
    finish.block(reason)
    finish.block({"blockReason": "BLOCK_REASON_UNSPECIFIED"})
    assert finish.reason is None


def test_finish_is_forgotten_when_the_answer_goes_on() -> None:
    finish = finished("SAFETY", {"category": "HARM_A", "blocked": True})
    finish.reset()
    assert finish.reason is None
    finish.set("SPII", {})
    assert finish.refusal == "Gemini stopped this answer: SPII."


@pytest.mark.parametrize("reason", sorted(GOOGLES_FINISH_REASONS))
def test_shortfall_follows_from_the_reason(reason: str) -> None:
    ends_turn = STOP_REASONS[reason] == "end_turn"
    for has_thought, cause in ((False, Cause.EMPTY), (True, Cause.THOUGHTS)):
        finish, expected = finished(reason), cause if ends_turn else SHORTFALLS.get(reason)
        assert finish.shortfall(has_answer=False, has_thought=has_thought) is expected
        malformed = SHORTFALLS.get(reason)
        assert finish.shortfall(has_answer=True, has_thought=has_thought) is malformed
        assert finish.is_refusal is (STOP_REASONS[reason] == "refusal")
    assert {name for name, stop in STOP_REASONS.items() if stop == "tool_use"} == set(SHORTFALLS)


def test_shortfall_needs_an_end() -> None:
    assert Finish().shortfall(has_answer=False, has_thought=True) is None


@pytest.mark.parametrize("cause", EXPLANATIONS)
def test_shortfall_error_is_shown_by_claude_code(cause: Cause) -> None:
    """Which shows the text of a 502; what fails again in the same way is not tried again."""
    assert {Cause.EMPTY, Cause.THOUGHTS, Cause.NO_JSON, *SHORTFALLS.values()} == set(EXPLANATIONS)
    error = shortfall_error(cause)
    assert (error.status, error.message, error.cause) == (502, EXPLANATIONS[cause], cause)
    is_chance = cause in (Cause.EMPTY, Cause.THOUGHTS)
    assert error.headers() == ({} if is_chance else {"x-should-retry": "false"})

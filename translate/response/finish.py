"""How an answer ends: Gemini's finishReason -> Anthropic's stop_reason, and what was missing.

What is missing is said: in an error, or where the answer has begun, in a sentence at its end.

Source: FinishReason and BlockedReason in Google's v1beta GenerateContent reference and SDKs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import FAILED_DEPENDENCY, ApiError, Cause
from ..wire import Candidate

STOP_REASONS = {
    "STOP": "end_turn",
    "OTHER": "end_turn",
    "FINISH_REASON_UNSPECIFIED": "end_turn",
    "TOO_MANY_TOOL_CALLS": "end_turn",
    "NO_IMAGE": "end_turn",
    "IMAGE_OTHER": "end_turn",
    "MAX_TOKENS": "max_tokens",
    "CONTINUATION": "max_tokens",
    # Claude Code answers a tool_use without a block by asking again: the recovery wanted here.
    "MALFORMED_FUNCTION_CALL": "tool_use",
    "UNEXPECTED_TOOL_CALL": "tool_use",
    "MALFORMED_RESPONSE": "tool_use",
    "MISSING_THOUGHT_SIGNATURE": "tool_use",
    "SAFETY": "refusal",
    "RECITATION": "refusal",
    "LANGUAGE": "refusal",
    "BLOCKLIST": "refusal",
    "PROHIBITED_CONTENT": "refusal",
    "SPII": "refusal",
    "MODEL_ARMOR": "refusal",
    "ESCALATION": "refusal",
    "PUP_LIMITED_DISABLED": "refusal",
    "IMAGE_SAFETY": "refusal",
    "IMAGE_PROHIBITED_CONTENT": "refusal",
    "IMAGE_RECITATION": "refusal",
}
"""finishReason -> stop_reason; a reason that is not listed ends the turn."""

SHORTFALLS = {
    "MALFORMED_FUNCTION_CALL": Cause.MALFORMED,
    "UNEXPECTED_TOOL_CALL": Cause.MALFORMED,
    "MALFORMED_RESPONSE": Cause.MALFORMED,
    "MISSING_THOUGHT_SIGNATURE": Cause.SIGNATURE,
}
"""finishReason -> why another attempt is worth it. A call that came with it is not to be run."""

EXPLANATIONS = {
    Cause.EMPTY: "Gemini's answer was empty. Send the message again, or change it.",
    Cause.THOUGHTS: "Gemini thought, but gave no answer. Send the message again, or change it.",
    Cause.MALFORMED: "Gemini called a tool in a form that cannot be read: it was not run. Ask for "
    "smaller steps, such as a long file in several pieces.",
    Cause.NO_JSON: "Gemini's answer is not the JSON that was asked for. Ask for a simpler schema, "
    "or choose another model.",
    Cause.SIGNATURE: "Gemini missed a thought signature. Compact the conversation (/compact), or "
    "choose another model (/model).",
}
"""What a client is told of an answer that falls short in the end."""

BY_CHANCE = frozenset({Cause.EMPTY, Cause.THOUGHTS})
"""Worth a client's own further attempts. The others fail again in the same way, and a malformed
call costs all the tokens of its arguments each time."""


def shortfall_error(cause: Cause) -> ApiError:
    """The error for an answer of which nothing was shown.

    502: Claude Code shows the sentence of a 5xx as it is, but for 529, which becomes "Repeated 529
    Overloaded errors" (seen 2026-11-23).
    """
    retry = None if cause in BY_CHANCE else False
    return ApiError(502, EXPLANATIONS[cause], cause=cause, retry=retry)


BLOCKED_PROMPT = "PROHIBITED_CONTENT"
"""The finishReason of an answer whose prompt was blocked; Gemini gives none then."""

NOT_BLOCKED = (None, "", "BLOCK_REASON_UNSPECIFIED")


class Finish:
    """Why an answer has ended, as far as Gemini has said."""

    def __init__(self) -> None:
        self.reason: str | None = None
        """Gemini's finishReason; None while the answer goes on."""
        self._refusal = ""
        self._is_blocked = False

    def set(self, reason: str, candidate: Candidate) -> None:
        """The candidate names a reason, and with a refusal the filters that were hit."""
        self.reason = reason
        blocking = [
            str(rating.get("category"))
            for rating in candidate.get("safetyRatings", ())
            if rating.get("blocked")
        ]
        if blocking:
            self._refusal = f"Gemini stopped this answer: {reason} ({', '.join(blocking)})."

    def block(self, feedback: Mapping[str, Any]) -> None:
        """promptFeedback: the prompt was blocked, unless it gives no reason."""
        reason = feedback.get("blockReason")
        if reason not in NOT_BLOCKED:
            self.reason = BLOCKED_PROMPT
            self._refusal = f"Gemini blocked this request: {reason}."
            self._is_blocked = True

    def reset(self) -> None:
        """The answer goes on after all."""
        self.reason, self._refusal, self._is_blocked = None, "", False

    @property
    def refusal(self) -> str:
        """What the client is shown of a refusal."""
        return self._refusal or f"Gemini stopped this answer: {self.reason}."

    @property
    def blocked_error(self) -> ApiError | None:
        """A blocked prompt as an error, for Claude Code: of any answer that ends with `refusal` it
        says that the safeguards of the Claude model it has asked for flagged the message, and
        2.1.332 asks again (seen 2026-11-28). Of an answer that Gemini stops that may help; a prompt
        is blocked again."""
        if not self._is_blocked:
            return None
        message = f"{self.refusal} Change the last message, or start a new session."
        return ApiError(FAILED_DEPENDENCY, message, retry=False)

    def stop_reason(self, *, has_calls: bool) -> str:
        """The Anthropic stop_reason. Gemini says STOP after function calls too."""
        reason = STOP_REASONS.get(str(self.reason), "end_turn")
        return "tool_use" if has_calls and reason == "end_turn" else reason

    @property
    def is_refusal(self) -> bool:
        """Whether the answer was stopped on purpose: the same again would be stopped again."""
        return self.stop_reason(has_calls=False) == "refusal"

    def shortfall(self, *, has_answer: bool, has_thought: bool) -> Cause | None:
        """Why an attempt falls short of an answer; None: it is to be shown as it is."""
        if self.reason is None or has_answer or self.stop_reason(has_calls=False) != "end_turn":
            return SHORTFALLS.get(str(self.reason))
        return Cause.THOUGHTS if has_thought else Cause.EMPTY

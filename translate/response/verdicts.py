"""Verdicts of the judge -> `safeguard_results`, as Claude Code reads them.

A call is `not_flagged` only where the judge has said so of that very call; everything else that
comes of asking it is `flagged` or has no verdict.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, cast

from ..wire import Block, Event, Json

MAX_EXPLANATION_LENGTH = 500
"""Characters, of what a person reads on one screen with the call."""


class Reason(StrEnum):
    """Why there is no verdict.

    Claude Code asks the person, or tells its model: after `error` that another try is in vain,
    after any other that one more may help (read in 2.1.330, 2026-11-28). It knows the first five.
    """

    TIMEOUT = "timeout"
    INPUT_TOO_LONG = "input_too_long"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    ERROR = "error"
    MALFORMED = "malformed"
    FAILED = "failed"


STOP_REASONS = {"max_tokens": Reason.TRUNCATED, "refusal": Reason.REFUSED}
"""How the judge's message has ended, where it is no answer -> the reason."""


class ToolUses:
    """The tool_use blocks of a stream of events, whole."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._pieces: list[str] | None = None
        """Of the input of the block that is open."""

    def add(self, events: Iterable[Event]) -> None:
        for event in events:
            match event["type"]:
                case "content_block_start" if event["content_block"]["type"] == "tool_use":
                    self.blocks.append(cast(Block, dict(event["content_block"])))
                    self._pieces = []
                case "content_block_delta" if self._pieces is not None:
                    self._pieces.append(event["delta"].get("partial_json", ""))
                case "content_block_stop" if self._pieces is not None:
                    self.blocks[-1]["input"] = _parse("".join(self._pieces) or "{}")
                    self._pieces = None


def read_verdicts(message: Json, ids: Sequence[str]) -> Mapping[str, Json] | Reason:
    """The verdict of each call that has one, by its id.

    message: the judge's, whole. ids: of the calls, in the order of their numbers. A reason, where
    it holds no verdicts at all.
    """
    if (stop_reason := message["stop_reason"]) in STOP_REASONS:
        return STOP_REASONS[stop_reason]
    text = "".join(block["text"] for block in message["content"] if block["type"] == "text")
    answer = _parse(text)
    verdicts = answer.get("verdicts") if isinstance(answer, dict) else None
    if not isinstance(verdicts, list):
        return Reason.MALFORMED
    found: dict[str, Json] = {}
    for verdict in verdicts:
        number, result = _read_verdict(verdict)
        if result is None or not 1 <= number <= len(ids):
            continue
        identity = ids[number - 1]
        if found.get(identity, {}).get("outcome") != "flagged":
            found[identity] = result
    return found or Reason.MALFORMED


def _read_verdict(verdict: Any) -> tuple[int, Json | None]:
    """A call's number and its result; None for what is no verdict."""
    if not isinstance(verdict, dict):
        return 0, None
    number, outcome = verdict.get("number"), verdict.get("outcome")
    explanation = verdict.get("explanation")
    if type(number) is not int or outcome not in ("flagged", "not_flagged"):
        return 0, None
    text = explanation.strip() if isinstance(explanation, str) else ""
    if len(text) > MAX_EXPLANATION_LENGTH:
        text = f"{text[: MAX_EXPLANATION_LENGTH - 1]}…"
    return number, {"type": "evaluated", "outcome": outcome, "explanation": text}


def available(tool_uses: Mapping[str, Json]) -> Json:
    """A status with a result for each call, by its id."""
    return {"type": "available", "tool_uses": tool_uses}


def unavailable(reason: Reason) -> Json:
    return {"type": "unavailable", "reason": reason}


def _parse(text: str) -> Any:
    """Decoded JSON; None for what is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None

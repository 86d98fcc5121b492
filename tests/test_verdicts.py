"""translate/response/verdicts.py: what a judge has said becomes what Claude Code reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.answers import call, chunk, text, translator
from translate.response.verdicts import (
    MAX_EXPLANATION_LENGTH,
    Reason,
    ToolUses,
    available,
    read_verdicts,
    unavailable,
)

IDS = ["toolu_a", "toolu_b"]


def message(content: Any, stop_reason: str = "end_turn") -> Any:
    given = content if isinstance(content, str) else json.dumps({"verdicts": content})
    blocks = [{"type": "thinking", "thinking": "{"}, {"type": "text", "text": given}]
    return {"content": blocks, "stop_reason": stop_reason}


def verdict(number: Any, outcome: Any = "not_flagged", explanation: Any = "Why.") -> Any:
    return {"number": number, "outcome": outcome, "explanation": explanation}


def evaluated(outcome: str, explanation: str = "Why.") -> Any:
    return {"type": "evaluated", "outcome": outcome, "explanation": explanation}


FLAGGED, NOT_FLAGGED = evaluated("flagged"), evaluated("not_flagged")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([verdict(1), verdict(2, "flagged")], {"toolu_a": NOT_FLAGGED, "toolu_b": FLAGGED}),
        ([verdict(2, "flagged")], {"toolu_b": FLAGGED}),
        ([verdict(1, "flagged"), verdict(1)], {"toolu_a": FLAGGED}),
        ([verdict(1), verdict(1, "flagged")], {"toolu_a": FLAGGED}),
        ([verdict(1, explanation=None)], {"toolu_a": evaluated("not_flagged", "")}),
        ([verdict(1, explanation=" So. ")], {"toolu_a": evaluated("not_flagged", "So.")}),
        ([verdict(1), "not_flagged", {}], {"toolu_a": NOT_FLAGGED}),
    ],
)
def test_verdict_belongs_to_its_number(given: Any, found: Any) -> None:
    assert read_verdicts(message(given), IDS) == found


@pytest.mark.parametrize(
    "given",
    [
        *("", "not_flagged", "null", "[]", "{}", '{"verdicts": "not_flagged"}', "[" * 100_000),
        *([], [{}], ["not_flagged"], [None], [verdict(0)], [verdict(3)], [verdict(-1)]),
        *([verdict("1")], [verdict(True)], [verdict(1.0)], [verdict(None)]),
        *([verdict(1, "ok")], [verdict(1, None)], [verdict(1, "NOT_FLAGGED")], [verdict(1, True)]),
    ],
)
def test_nothing_else_is_a_verdict(given: Any) -> None:
    assert read_verdicts(message(given), IDS) is Reason.MALFORMED


@pytest.mark.parametrize(
    ("stop_reason", "reason"), [("max_tokens", Reason.TRUNCATED), ("refusal", Reason.REFUSED)]
)
def test_answer_that_did_not_end_is_none(stop_reason: str, reason: Reason) -> None:
    assert read_verdicts(message([verdict(1)], stop_reason), IDS) is reason


def test_explanation_has_a_length() -> None:
    found = read_verdicts(message([verdict(1, explanation="x" * 9_000)]), IDS)
    assert isinstance(found, dict)
    explanation = found["toolu_a"]["explanation"]
    assert (len(explanation), explanation[-1]) == (MAX_EXPLANATION_LENGTH, "…")


def test_status_in_the_clients_words() -> None:
    assert available({"toolu_a": FLAGGED}) == {
        "type": "available",
        "tool_uses": {"toolu_a": FLAGGED},
    }
    assert json.loads(json.dumps(unavailable(Reason.TIMEOUT))) == {
        "type": "unavailable",
        "reason": "timeout",
    }


def test_tool_uses_of_a_stream() -> None:
    machine, found = translator(), ToolUses()
    found.add(machine.feed(chunk(text("I look."), call("a", args={"command": "ls"}))))
    found.add(machine.feed(chunk(call("b", "Read"), finish="STOP")))
    found.add(machine.finish())
    assert [(block["name"], block["input"]) for block in found.blocks] == [
        ("Bash", {"command": "ls"}),
        ("Read", {}),
    ]


def test_input_that_broke_off_is_none() -> None:
    start = {"type": "tool_use", "id": "toolu_a", "name": "Bash", "input": {}}
    found = ToolUses()
    found.add(
        [
            {"type": "content_block_start", "index": 0, "content_block": start},
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "input_json_delta", "partial_json": '{"command": "rm'},
            },
            {"type": "content_block_stop", "index": 0},
        ]
    )
    assert found.blocks[0]["input"] is None

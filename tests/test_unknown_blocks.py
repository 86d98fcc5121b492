"""translate/request/unknown_blocks.py: what a block holds that nobody knows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.messages import assistant, user
from translate.request.unknown_blocks import (
    MAX_VALUES,
    has_encrypted,
    held_text,
    lossy_types,
    without_compacted,
    without_encrypted,
)


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ({"type": "x"}, ""),
        ({"type": "x", "text": "a"}, "a"),
        ({"type": "x", "content": "a"}, "a"),
        ({"type": "x", "content": [{"type": "text", "text": "a"}, "b", 7, None]}, "a\nb"),
        ({"type": "x", "content": {"type": "y", "text": "a", "summary": "b"}}, "a\nb"),
        ({"type": "x", "text": {"text": ["a", ["b"]]}, "content": "c"}, "a\nb\nc"),
        ({"type": "x", "data": "a", "encrypted_content": "b", "signature": "c"}, ""),
        ({"type": "x", "content": None, "text": ""}, ""),
        ({"type": "x", "source": {"type": "base64", "data": "a"}, "title": "b"}, "b"),
        (
            {"type": "x", "title": "a", "context": "b", "source": {"content": [{"text": "c"}]}},
            "a\nb\nc",
        ),
    ],
)
def test_text_is_found_wherever_it_stands(block: Any, text: str) -> None:
    assert held_text(block) == text


def test_text_is_looked_for_in_so_many_values() -> None:
    texts = held_text({"content": ["a"] * 10 * MAX_VALUES}).split("\n")
    assert len(texts) == MAX_VALUES - 2
    nested: Any = "deep"
    for _ in range(2 * MAX_VALUES):
        nested = [nested]
    assert held_text(nested) == ""


def test_what_is_encrypted_is_left_out() -> None:
    found = [{"url": "u", "encrypted_content": "x", "page_age": None}, "a", 1]
    assert without_encrypted({"content": found, "encrypted_index": "y"}) == {
        "content": [{"url": "u"}, "a", 1]
    }


def test_types_of_the_models_turns_that_nobody_knows() -> None:
    messages: Any = [user({"type": "z"}), assistant({"type": "b"}, {"type": "a"}, "So.")]
    assert lossy_types(messages, {"text"}) == ["a", "b"]


FOUND = {"type": "web_search_tool_result", "content": [{"url": "u", "encrypted_content": "x"}]}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([{"url": "u", "encrypted_content": "x"}], True),
        ([{"url": "u"}, "a", {"encrypted_content": "x"}], True),
        ({"type": "encrypted_code_execution_result", "encrypted_stdout": "x"}, True),
        ([{"url": "u", "encrypted_content": ""}], False),
        ([{"url": "u"}], False),
        ("text", False),
        (None, False),
    ],
)
def test_what_only_another_server_reads(content: Any, expected: bool) -> None:
    assert has_encrypted({"type": "web_search_tool_result", "content": content}) is expected


def test_results_that_are_reduced_to_text() -> None:
    messages: Any = [assistant({**FOUND, "tool_use_id": "ours"}, {"type": "x_tool_result"})]
    known = {"web_search_tool_result", "x_tool_result"}
    assert lossy_types(messages, known) == ["web_search_tool_result"]


SUMMARY = {"type": "compaction", "content": "They greeted."}
FAILED = {"type": "compaction", "content": None}


@pytest.mark.parametrize(
    ("turns", "left"),
    [
        ([user("a"), assistant("b"), user("c")], ["a", "b", "c"]),
        ([user("a"), assistant("b", SUMMARY, "c"), user("d")], [SUMMARY, "c", "d"]),
        ([user("a"), assistant(SUMMARY), user("b"), assistant(SUMMARY, "c")], [SUMMARY, "c"]),
        ([user("a"), assistant(SUMMARY), user("b"), assistant(FAILED)], [SUMMARY, "b", FAILED]),
        ([user("a"), assistant(FAILED, "b")], ["a", FAILED, "b"]),
        ([user("a", SUMMARY)], ["a", SUMMARY]),
        ([], []),
    ],
)
def test_what_a_compaction_stands_for_is_dropped(turns: Any, left: Any) -> None:
    """As by Anthropic; what stays keeps its place, which an error names."""
    kept = without_compacted(turns)
    shown = [block.get("text", block) for turn in kept for block in turn["content"]]
    assert [block for block in shown if block] == left
    for turn, original in zip(kept, turns, strict=True):
        assert turn["role"] == original["role"]
        for block, before in zip(turn["content"], original["content"], strict=False):
            assert block in (before, {"type": "text", "text": ""})


def test_history_without_a_compaction_is_not_copied() -> None:
    turns = [user("a"), assistant("b")]
    assert without_compacted(turns) is turns

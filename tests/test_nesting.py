"""translate/request/nesting.py: what nests deeper than Google takes it becomes text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.messages import assistant, result, use, user
from translate.request.nesting import MAX_DEPTH, TOO_DEEP, limit_depth, limit_messages


def nested(depth: int, inner: Any = 1) -> Any:
    """Objects and lists by turns."""
    for i in range(depth):
        inner = [inner] if i % 2 else {"a": inner, "b": i}
    return inner


def depth_of(value: Any) -> int:
    if not isinstance(value, (dict, list)):
        return 0
    items = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth_of, items), default=0)


@pytest.mark.parametrize("depth", [0, 1, MAX_DEPTH])
def test_value_that_is_not_too_deep_stays_the_same(depth: int) -> None:
    value = nested(depth)
    assert limit_depth(value) is value


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 100, 500])
def test_deep_part_becomes_its_json(depth: int) -> None:
    value = {"deep": nested(depth - 1), "flat": [1, {"b": 2}]}
    before = json.dumps(value)
    limited = limit_depth(value)
    assert depth_of(limited) == MAX_DEPTH
    assert limited["flat"] == [1, {"b": 2}]
    (text,) = [each for each in strings(limited) if len(each) > 1]
    assert json.loads(text) == nested(depth - MAX_DEPTH)
    assert json.dumps(value) == before


def strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = [*value.values()] if isinstance(value, dict) else value if type(value) is list else []
    return [each for item in items for each in strings(item)]


def test_part_that_nobody_can_write_is_named() -> None:
    assert strings(limit_depth(nested(300_000))) == [TOO_DEEP]


DEEP = nested(300)
SEARCH = {"type": "web_search_tool_result", "tool_use_id": "s", "content": DEEP}


@pytest.mark.parametrize(
    ("block", "name"),
    [
        (use("t", "Bash", DEEP), "Bash"),
        ({"type": "server_tool_use", "id": "s", "name": "web_search", "input": DEEP}, "web_search"),
        (SEARCH, "web_search_tool_result"),
        ({"type": "browser_state", "tabs": [DEEP]}, "browser_state"),
    ],
)
def test_blocks_of_any_json_are_limited(block: Any, name: str) -> None:
    messages: Any = [user("Go."), assistant({"type": "text", "text": "So."}, block), user("On.")]
    limited, names = limit_messages(messages)
    assert names == [name]
    assert (limited[0], limited[2]) == (messages[0], messages[2])
    assert limited[1]["content"][0] == {"type": "text", "text": "So."}
    assert depth_of(limited[1]["content"][1]) == MAX_DEPTH
    assert depth_of(block) > 300


def test_messages_that_are_not_too_deep_stay_the_same() -> None:
    messages: Any = [user("Go."), assistant(use("t", given={"a": [1]})), user(result("t"))]
    assert limit_messages(messages) == (messages, [])
    assert limit_messages(messages)[0] is messages

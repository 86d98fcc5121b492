"""JSON that nests deeper than Google takes it: the deep part becomes text.

It stands in the client's history, such as a call's arguments, and comes with every request.
"""

from __future__ import annotations

import json
from typing import Any

from ..wire import Block, Message

MAX_DEPTH = 32
"""Levels of a block. Google's JSON parser takes 100 of a whole request ("Message too deep. Max
recursion depth reached": kDefaultMaxRecursionDepth of protobuf's JsonStreamParser, reported of
Gemini on 2026-09-05); and a level of arguments is a Struct, its entry and a Value in protobuf's
bytes, of which 100 messages may nest as well."""

TOO_DEEP = "(nested too deeply)"
"""For what even Python's JSON library does not write: some 900 levels with Python 3.11."""

FREE_TYPES = ("tool_use", "_tool_result", "browser_state")
"""How the types of blocks end that hold any JSON. A `tool_result` holds blocks."""


def limit_messages(messages: list[Message]) -> tuple[list[Message], list[str]]:
    """The messages without what nests too deeply, and the tools or types of the blocks that had
    such; the same messages where none had."""
    names: set[str] = set()
    limited = [_limit_message(message, names) for message in messages]
    return (limited, sorted(names)) if names else (messages, [])


def _limit_message(message: Message, names: set[str]) -> Message:
    """names: to which those of its deep blocks are added."""
    deep: dict[int, Block] = {}
    for i, block in enumerate(message["content"]):
        if block["type"].endswith(FREE_TYPES) and (limited := limit_depth(block)) is not block:
            deep[i] = limited
            names.add(str(block.get("name", block["type"])))
    if not deep:
        return message
    return {**message, "content": [deep.get(i, each) for i, each in enumerate(message["content"])]}


def limit_depth(value: Any, depth: int = MAX_DEPTH) -> Any:
    """A value in which lists and objects below so many levels are JSON text; the same object where
    there are none."""
    if isinstance(value, dict):
        deep = _limit_items(value.items(), depth - 1)
        return {**value, **deep} if deep else value
    if isinstance(value, list):
        deep = _limit_items(enumerate(value), depth - 1)
        return [deep.get(i, item) for i, item in enumerate(value)] if deep else value
    return value


def _limit_items(items: Any, depth: int) -> dict[Any, Any]:
    """Those that change. items: pairs of a place and a value."""
    return {
        place: limited
        for place, item in items
        if isinstance(item, (dict, list))
        and (limited := limit_depth(item, depth) if depth else to_text(item)) is not item
    }


def to_text(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return TOO_DEEP

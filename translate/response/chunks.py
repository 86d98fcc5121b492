"""The door for Gemini's chunks: fields of the types that Google documents, or InvalidChunk.

After this file nobody checks a type again, but for function calls: tool_call_repair.py reads those.
Null is as good as absent (proto3's JSON), unknown fields are let through.
Source: GenerateContentResponse in Google's v1beta reference, seen 2026-11-28.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from ..wire import Chunk, Json
from .surrogates import replace_halves

Check = Callable[[Any], Any]
"""Takes a value, returns it as it is used, raises InvalidChunk."""

MAX_DEPTH = 200
"""Levels of what comes back within every later request: arguments of calls, and traces. The JSON
library of the proxy writes 254 (orjson 3.11)."""

MAX_COUNT = 2**31 - 1
"""Of tokens: Google's field has 32 bits."""


class InvalidChunk(Exception):
    """A field of a wrong type: whoever sent this is not Gemini, or is broken."""


def is_deeper(value: Any, depth: int) -> bool:
    """Whether lists and objects stand within each other on more levels than that."""
    level = [value]
    for _ in range(depth):
        level = [item for each in level for item in _items(each)]
        if not level:
            return False
    return any(isinstance(each, (dict, list)) for each in level)


def _items(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        return iter(value.values())
    return iter(value) if isinstance(value, list) else iter(())


def _fields(checks: Mapping[str, Check]) -> Check:
    """A check of an object's known fields; it is copied only where one of them has to change."""
    kinds = {name: (EXACT_TYPES.get(field), field) for name, field in checks.items()}

    def check(value: Any) -> Json:
        if type(value) is not dict:
            raise InvalidChunk
        checked = value
        for name, given in value.items():
            kind, field = kinds.get(name, UNKNOWN)
            if field is None or type(given) is kind:
                continue
            if given is None:
                checked = {key: item for key, item in checked.items() if key != name}
                continue
            right = field(given)
            if right is not given:
                checked = dict(checked) if checked is value else checked
                checked[name] = right
        return checked

    return check


UNKNOWN: tuple[None, None] = (None, None)


def _list_of(item: Check) -> Check:
    def check(value: Any) -> list[Any]:
        if type(value) is not list:
            raise InvalidChunk
        checked = value
        for i, given in enumerate(value):
            right = item(given)
            if right is not given:
                checked = value.copy() if checked is value else checked
                checked[i] = right
        return checked

    return check


def _anything(value: Any) -> Any:
    return value


def _text(value: Any) -> str:
    """A piece of a text, which may end in the middle of a character (see surrogates.py)."""
    if type(value) is not str:
        raise InvalidChunk
    return value


def _string(value: Any) -> str:
    return replace_halves(_text(value))


def _boolean(value: Any) -> bool:
    """Called for what is none only: see EXACT_TYPES."""
    raise InvalidChunk


def _integer(value: Any) -> int:
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) is not int:
        raise InvalidChunk
    return value


def _count(value: Any) -> int:
    """Of tokens: what is beyond would be a refund, or more than a store can add up."""
    number = value if type(value) is int else _integer(value)
    return number if 0 <= number <= MAX_COUNT else max(0, min(number, MAX_COUNT))


EXACT_TYPES: dict[Check, type] = {_text: str, _boolean: bool, _integer: int}
"""Check -> a type whose values pass it unchanged, so that it need not be called for them."""


def _trace(value: Any) -> Json:
    """A trace of Gemini's own tools, which goes back as it came."""
    if type(value) is not dict or is_deeper(value, MAX_DEPTH):
        raise InvalidChunk
    text = json.dumps(value, ensure_ascii=False)
    clean = replace_halves(text)
    return value if clean is text else cast(Json, json.loads(clean))


_strings = _list_of(_string)

_part = _fields(
    {
        "text": _text,
        "thought": _boolean,
        "thoughtSignature": _string,
        "functionCall": _anything,
        "executableCode": _fields({"language": _string, "code": _string}),
        "codeExecutionResult": _fields({"outcome": _string, "output": _string}),
        "inlineData": _fields({"mimeType": _string}),
        "toolCall": _trace,
        "toolResponse": _trace,
    }
)

_web_page = _fields({"uri": _string, "title": _string})

_support = _fields(
    {
        "segment": _fields({"text": _string}),
        "groundingChunkIndices": _list_of(_integer),
    }
)

_grounding = _fields(
    {
        "webSearchQueries": _strings,
        "groundingChunks": _list_of(_fields({"web": _web_page})),
        "groundingSupports": _list_of(_support),
    }
)

_fetched = _fields({"retrievedUrl": _string, "urlRetrievalStatus": _string})

_candidate = _fields(
    {
        "content": _fields({"parts": _list_of(_part)}),
        "finishReason": _string,
        "safetyRatings": _list_of(_fields({"category": _string, "blocked": _boolean})),
        "continuationToken": _string,
        "groundingMetadata": _grounding,
        "urlContextMetadata": _fields({"urlMetadata": _list_of(_fetched)}),
    }
)

_usage = _fields(
    {
        "promptTokenCount": _count,
        "cachedContentTokenCount": _count,
        "candidatesTokenCount": _count,
        "thoughtsTokenCount": _count,
        "toolUsePromptTokenCount": _count,
        "totalTokenCount": _count,
    }
)

_chunk = _fields(
    {
        "candidates": _list_of(_candidate),
        "promptFeedback": _fields({"blockReason": _string}),
        "usageMetadata": _usage,
    }
)


def read_chunk(value: Any) -> Chunk:
    """A decoded chunk. Raises InvalidChunk."""
    return cast(Chunk, value if _is_text(value) else _chunk(value))


def _is_text(value: Any) -> bool:
    """Whether a chunk is a piece of text and its counts, all of the right types.

    Nearly every chunk is, and this takes a third of the time of `_chunk`. Raises InvalidChunk.
    """
    try:
        (candidate,) = value["candidates"]
        (part,) = candidate["content"]["parts"]
        counts = value["usageMetadata"]
        return (
            type(part["text"]) is str
            and len(part) == 1
            and len(candidate) == 1 + ("index" in candidate)
            and "promptFeedback" not in value
            and type(counts) is dict
            and _usage(counts) is counts
        )
    except (KeyError, TypeError, ValueError):
        return False

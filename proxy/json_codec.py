"""JSON at the edges, by orjson: fast, and forgiving where clients are sloppy.

Every failure is an ApiError, and a request's body has a bounded number of values.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import orjson

from translate import ApiError

MAX_VALUES = 1_000_000
"""Of a request's body: 32 MB of the smallest ones would take 1 GB, and all threads' time."""

MIN_VALUE_BYTES = 2
"""Of JSON text that a value takes, such as `1,` and `[]`."""

PIECE_BYTES = 16_384
STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
TOO_MANY = f"The request has more than {MAX_VALUES:,} values."
NO_JSON = "The request body is not valid JSON."
TOO_DEEP = "The request is nested too deeply."
"""orjson reads 1,024 levels and writes 254 (seen 2026-11-25, version 3.11)."""


def dumps(value: Any) -> bytes:
    """Compact JSON. Raises ApiError 400 for what cannot be written: it came with a request."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise ApiError(400, TOO_DEEP) from error


def loads(raw: bytes | str, *, keeps_halves: bool = False) -> Any:
    """A request body, or a chunk. Raises ApiError 400 for what is not JSON.

    JavaScript clients cut strings in the middle of a surrogate pair; such a half becomes "?".
    keeps_halves: whether it stays, as the other half may come with the next chunk.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        pass
    try:
        lenient = json.loads(raw, parse_constant=_refuse_constant)
        clean = json.dumps(lenient, ensure_ascii=False, allow_nan=False)
        strict = orjson.loads(clean.encode("utf-8", "replace"))
        return lenient if keeps_halves else strict
    except (RecursionError, orjson.JSONDecodeError) as error:
        # What json has read and written is JSON: orjson can only find it too deep.
        raise ApiError(400, TOO_DEEP) from error
    except ValueError as error:
        raise ApiError(400, NO_JSON) from error


def loads_request(raw: bytes) -> Any:
    """A request's body. Raises ApiError, also 413 for one with too many lists and objects."""
    if len(raw) > MAX_VALUES * MIN_VALUE_BYTES and _has_too_many_values(raw):
        raise ApiError(413, TOO_MANY)
    return loads(raw)


def _has_too_many_values(raw: bytes) -> bool:
    """Counts in pieces: without a copy of the whole, and so that other threads get their turn.

    Nearly every body passes the first test, at 0.6 ms a MB. Of the others, the marks inside strings
    are subtracted; a value has two strings at the most.
    """
    marks = sum(_marks(raw[at : at + PIECE_BYTES]) for at in range(0, len(raw), PIECE_BYTES))
    if marks <= MAX_VALUES:
        return False
    quotes = raw.count(b'"')
    if quotes > 4 * MAX_VALUES and quotes - raw.count(b'\\"') > 4 * MAX_VALUES:
        return True
    for string in itertools.islice(STRING.finditer(raw), 2 * MAX_VALUES):
        if marks <= MAX_VALUES:
            break
        marks -= _marks(string[0])
    return marks > MAX_VALUES


def _marks(text: bytes) -> int:
    """As many as there are values, or more: commas and brackets inside strings count too."""
    return len(text) - len(text.translate(None, b",[{"))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")

"""JSON at the edges, by orjson: fast, and forgiving where clients are sloppy.

Every failure is an ApiError, and a request's body has a bounded number of values.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from typing import Any

import orjson

from translate import ApiError

MAX_VALUES = 500_000
"""Of a request's body: at two tokens each they fill Gemini's context. In a schema they take 1.2 s,
and 32 MB of the smallest ones would take 1 GB of memory (measured 2026-11-28)."""

MIN_VALUE_BYTES = 2
"""Of JSON text that a value takes, such as `1,` and `[]`."""

PIECE_BYTES = 16_384
STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
TOO_MANY = f"The request has more than {MAX_VALUES:,} values."
NO_JSON = "The request body is not valid JSON."
TOO_DEEP = "The request is nested too deeply."
"""orjson reads 1,024 levels and writes 254 (seen 2026-11-25, version 3.11)."""

TOO_DEEP_FOR_ORJSON = re.compile("depth|recursion", re.IGNORECASE)
"""In its messages: "depth limit exceeded" in version 3.13, "Recursion limit reached" before."""

BOM = b"\xef\xbb\xbf"
"""A mark before UTF-8 that some editors leave; RFC 8259, 8.1, lets a parser ignore it."""

SURROGATES = re.compile(
    rb"(?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})++"
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\xed[\xa0-\xbf][\x80-\xbf]"
)
"""Pairs in escapes, one half in an escape, and a half in bytes, which no UTF-8 has."""

MAX_SURROGATES = 100_000
"""Of matches in a body, at 1.5 us each. A client cuts a string once; a text full of emoji that
stand alone has some for each line."""

LARGE_NUMBER = re.compile(rb"NaN|Infinity|[0-9]{308}|[eE]\+?[0-9]{3}")
"""What no text is without that has a number which `float` knows and JSON does not."""

TOKEN = re.compile(
    rb'"(?:[^"\\]++|\\.)*+"?'
    rb"|(?P<number>-?(?:NaN\b|Infinity\b|(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?))",
    re.DOTALL,
)
"""A string, or a number; those of Python are numbers, too."""

MAX_NUMBER = 1_100
"""Characters: as many as a double may have that is written to its end. To read one takes time that
grows with their square."""

BACKSLASH = b"\\"
QUESTION_MARK = rb"\u003f"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}".encode()

NARROW_COPIES = 3
"""Of a body, at once: decoded, and as it goes to Google in a buffer that is doubled."""

WIDE_COPIES = 7
"""Where there may be one character beyond ASCII: Python then takes up to four bytes for each of a
string's characters, and one more for what orjson keeps of it (measured 2026-11-28)."""

SMALL_BYTES = 1_000_000
"""Of a body that counts as wide unseen: to look would cost a common request a tenth of its time."""

VALUE_BYTES = 350
"""Of memory for a value, decoded and translated: 337 for empty tool calls and their results
(measured 2026-11-28, Python 3.11)."""


def dumps(value: Any) -> bytes:
    """Compact JSON. Raises ApiError 400 for what cannot be written: it came with a request."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise ApiError(400, TOO_DEEP) from error


def dumps_pretty(value: Any) -> bytes:
    """JSON for a person, with a line end. Raises ApiError as `dumps` does."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError as error:
        raise ApiError(400, TOO_DEEP) from error


def loads(raw: bytes | bytearray | memoryview | str) -> Any:
    """A request body, or a chunk. Raises ApiError 400 for what is not JSON.

    JavaScript clients cut strings in the middle of a surrogate pair; such a half becomes "?", in
    place where `raw` is a bytearray: a copy of it could be 32 MB. Numbers that no JSON parser of
    Google's takes become strings: they may stand in a history, which comes again.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if TOO_DEEP_FOR_ORJSON.search(error.msg):
            raise ApiError(400, TOO_DEEP) from None
    text = raw if isinstance(raw, bytearray) else bytearray(_encode(raw))
    _replace_halves(text)
    text = _quote_numbers(text)
    try:
        return orjson.loads(memoryview(text)[len(BOM) :] if text.startswith(BOM) else text)
    except orjson.JSONDecodeError as error:
        is_too_deep = TOO_DEEP_FOR_ORJSON.search(error.msg)
        raise ApiError(400, TOO_DEEP if is_too_deep else NO_JSON) from None


def loads_chunk(raw: bytes | memoryview | str) -> Any:
    """As `loads`, but half of a surrogate pair stays: the next chunk may hold the other half."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        loads(raw)  # raises ApiError for what is not JSON, whatever its halves
    try:
        return json.loads(bytes(_quote_numbers(bytearray(_encode(raw)))))
    except RecursionError as error:
        raise ApiError(400, TOO_DEEP) from error


def _encode(raw: bytes | memoryview | str) -> bytes | memoryview:
    return raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw


def _replace_halves(text: bytearray) -> None:
    """Replace halves of surrogate pairs by what is as long: escapes by "?", bytes by U+FFFD."""
    at = 0
    for _ in range(MAX_SURROGATES):
        match = SURROGATES.search(text, at)
        if match is None:
            return
        at = match.end()
        if text[match.start()] != BACKSLASH[0]:
            text[match.start() : at] = REPLACEMENT
        elif _count_backslashes(text, match.start()) % 2:
            at = match.start() + len(rb"\u")
        elif match["half"]:
            text[match.start() : at] = QUESTION_MARK


def _quote_numbers(text: bytearray) -> bytearray:
    """Numbers beyond a double, and NaN, become strings; so whoever made them can still read them.

    Python's clients write NaN, and models numbers of any length.
    """
    if not LARGE_NUMBER.search(text):
        return text
    return bytearray(TOKEN.sub(_quote_number, text))


def _quote_number(token: re.Match[bytes]) -> bytes:
    number = token["number"]
    if number is None:
        return token[0]
    is_long = len(number) > MAX_NUMBER
    if not is_long and math.isfinite(float(number)):
        return number
    return b'"%b"' % number


def _count_backslashes(text: bytearray, end: int) -> int:
    """How many stand in a row before `end`: an odd one takes from the next its meaning."""
    start = end
    while start:
        piece = text[max(0, start - PIECE_BYTES) : start]
        rest = len(piece.rstrip(BACKSLASH))
        start -= len(piece) - rest
        if rest:
            break
    return end - start


def loads_request(raw: bytes | bytearray) -> Any:
    """A request's body. Raises ApiError, also 413 for one with too many lists and objects."""
    if len(raw) > MAX_VALUES * MIN_VALUE_BYTES and _count_values(raw, MAX_VALUES) > MAX_VALUES:
        raise ApiError(413, TOO_MANY)
    return loads(raw)


def memory_size(raw: bytes | bytearray, *, is_exact: bool = False) -> int:
    """Bytes of memory that a request takes at most, from its body to what is sent to Google.

    is_exact: by the characters of a small body, too, and without the marks inside strings, which
    takes some 10 ms a MB. More than MAX_VALUES are never decoded.
    """
    is_looked_at = is_exact or len(raw) > SMALL_BYTES
    # From the end: CPython finds two bytes there in half of the time of `in`.
    is_narrow = is_looked_at and raw.isascii() and raw.rfind(b"\\u") < 0
    copies = NARROW_COPIES if is_narrow else WIDE_COPIES
    values = _count_values(raw, 0) if is_exact else _count_marks(raw)
    return copies * len(raw) + VALUE_BYTES * min(values, MAX_VALUES)


def _count_values(raw: bytes | bytearray, enough: int) -> int:
    """As many values as there are, or more; closer only while there are more than enough.

    Counts in pieces: without a copy of the whole, and so that other threads get their turn. Nearly
    every body passes the first test, at 0.6 ms a MB. Of the others, the marks inside strings are
    subtracted; a value has two strings at the most.
    """
    marks = _count_marks(raw)
    if marks <= enough:
        return marks
    quotes = raw.count(b'"')
    if quotes > 4 * MAX_VALUES and quotes - raw.count(b'\\"') > 4 * MAX_VALUES:
        return marks
    for string in itertools.islice(STRING.finditer(raw), 2 * MAX_VALUES):
        if marks <= enough:
            break
        marks -= _marks(string[0])
    return marks


def _count_marks(raw: bytes | bytearray) -> int:
    return sum(_marks(raw[at : at + PIECE_BYTES]) for at in range(0, len(raw), PIECE_BYTES))


def _marks(text: bytes | bytearray) -> int:
    """As many as there are values, or more: commas and brackets inside strings count too."""
    return len(text) - len(text.translate(None, b",[{"))

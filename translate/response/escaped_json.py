"""JSON that stands within a JSON string, without the string's escapes, piece by piece.

A model that is only told the form may write all of a document as one string literal.
Source: RFC 8259, section 7.
"""

from __future__ import annotations

import re
from typing import NamedTuple

WITHIN = re.compile(r'(?:[^"\\]++|\\.?)*+', re.DOTALL)
"""Up to the end of the string. No alternative fails once it has taken something: Python 3.11.2
(Debian 12's, seen on 2026-11-29) counts that in behind a possessive group."""
INCOMPLETE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?")
MAX_INCOMPLETE = 5
"""Characters of an escape of which the next piece has the rest."""
ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
MEANINGS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "\\": "\\", "/": "/"}


class Unescaped(NamedTuple):
    """text: the JSON. end: up to where it was read. has_ended: whether the string ends there."""

    text: str
    end: int
    has_ended: bool


def unescape(text: str, at: int) -> Unescaped:
    """Read from a place within a string on; what is no escape stays as it is."""
    within = WITHIN.match(text, at)
    assert within is not None  # it matches nothing, too
    end = within.end()
    if end == len(text):
        end = _end_of_escapes(text, at)
    return Unescaped(ESCAPE.sub(_meaning, text[at:end]), end, text[end : end + 1] == '"')


def _end_of_escapes(text: str, at: int) -> int:
    """The end of a text, or the place of an escape of which it has only the beginning."""
    last = text.rfind("\\", max(at, len(text) - MAX_INCOMPLETE))
    if last < 0 or not INCOMPLETE.fullmatch(text, last):
        return len(text)
    before = text[at:last]
    is_escaped = (len(before) - len(before.rstrip("\\"))) % 2
    return len(text) if is_escaped else last


def _meaning(escape: re.Match[str]) -> str:
    if escape[1]:
        return chr(int(escape[1], 16))
    return MEANINGS.get(escape[2], escape[0])

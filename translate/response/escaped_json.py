"""JSON that stands within a JSON string, without the string's escapes, piece by piece.

A model that is only told the form may write all of a document as one string literal.
Source: RFC 8259, section 7.
"""

from __future__ import annotations

import re
from typing import NamedTuple

WITHIN = re.compile(r'(?:[^"\\]++|\\u[0-9a-fA-F]{4}|\\[^u]|\\u(?![0-9a-fA-F]{0,3}\Z))*+', re.DOTALL)
"""Up to the end of the string, or to an escape of which the next piece has the rest."""
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
    return Unescaped(ESCAPE.sub(_meaning, within[0]), end, text[end : end + 1] == '"')


def _meaning(escape: re.Match[str]) -> str:
    if escape[1]:
        return chr(int(escape[1], 16))
    return MEANINGS.get(escape[2], escape[0])

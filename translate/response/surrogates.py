"""Halves of surrogate pairs: two that meet become one character, the others U+FFFD.

JSON may write a character beyond U+FFFF as a pair of escapes. A model's text that is cut between
them comes as two chunks with half a character each, and no UTF-8 can be made of one half.
"""

from __future__ import annotations

REPLACEMENT = "\ufffd"
FIRST_HALF = ("\ud800", "\udbff")
"""The range of those that open a pair."""


def replace_halves(text: str) -> str:
    """The text with its pairs as characters, and no half; nearly always the text itself."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


class SurrogateJoiner:
    """A text that comes in pieces: half a character at the end of one waits for the next."""

    def __init__(self) -> None:
        self._half = ""

    def add(self, piece: str) -> str:
        """What of the text may be shown now."""
        if not self._half and piece.isascii():
            return piece
        text = self._half + piece
        is_cut = FIRST_HALF[0] <= text[-1:] <= FIRST_HALF[1]
        self._half = text[-1:] if is_cut else ""
        return replace_halves(text[:-1] if is_cut else text)

    def flush(self) -> str:
        """What stands for a half that waits, when something else than the text follows."""
        half, self._half = self._half, ""
        return REPLACEMENT if half else ""

"""Which model a mistyped name was probably meant for: `gemnii-4-neon`, `gemini-3-8-flash`, `neon`.

A name that is merely newer than the table is no typo: it is made of words and numbers as Google
makes names of. So words are compared with words, and a number alone makes no name wrong.
"""

from __future__ import annotations

import difflib
import re
from typing import NamedTuple

from .table import ALIASES, TABLE

MAX_LENGTH, MAX_WORDS, MIN_WORD = 64, 8, 3
"""Characters and words of a name that are looked at, since comparing costs their product; twice
what Google's names have. Characters of a word: shorter ones are like too many others."""

SIMILAR_WORD, SIMILAR_NAME = 0.75, 0.6
"""As difflib measures it: one letter of a word of four or five is another, or two are swapped."""

PART = re.compile(r"[a-z]+|\d+")

OTHER_WORDS = frozenset({"live", "mini"})
"""Google's own, too: like one of the table's, yet none of them mistyped."""


class Parts(NamedTuple):
    """words: of letters. digits: all of them in their order, as dots and dashes get lost."""

    words: list[str]
    digits: str


def _parts(name: str) -> Parts:
    parts = PART.findall(name)
    words = [part for part in parts if not part.isdigit()]
    return Parts(words, "".join(part for part in parts if part.isdigit()))


CANDIDATES = {
    name: _parts(name)
    for name in (*(model.name for model in TABLE.values() if not model.successor), *ALIASES)
}
"""The names that are suggested: of models that stay, the best first."""

WORDS = sorted(
    {word for name in (*TABLE, *ALIASES) for word in _parts(name).words if len(word) >= MIN_WORD}
)


def nearest(name: str) -> str | None:
    """The candidate that a name in lower case was probably meant for; None where it may be right,
    or is like none."""
    if len(name) > MAX_LENGTH:
        return None
    words, digits = _parts(name)
    if len(words) > MAX_WORDS or not (words or digits):
        return None
    corrected = [_correct(word) for word in words]
    is_mistyped = corrected != words
    same = [name for name, parts in CANDIDATES.items() if _is_same(parts, corrected, digits)]
    if same:
        return same[0]
    if not is_mistyped and name.startswith(("gemini-", "gemma-")) and len(words) > 1:
        return None
    for candidate, parts in CANDIDATES.items():
        if set(corrected) <= set(parts.words) and parts.digits.startswith(digits):
            return candidate
    close = difflib.get_close_matches(_replace(name, corrected), CANDIDATES, 1, SIMILAR_NAME)
    return close[0] if close and is_mistyped else None


def _is_same(parts: Parts, words: list[str], digits: str) -> bool:
    """But for the order of the words and what stands between them."""
    is_joined = "".join(parts.words) == "".join(words)
    return parts.digits == digits and (is_joined or sorted(parts.words) == sorted(words))


def _replace(name: str, words: list[str]) -> str:
    """The name with these words in place of its own."""
    corrected = iter(words)
    return PART.sub(lambda part: part[0] if part[0].isdigit() else next(corrected), name)


def _correct(word: str) -> str:
    """The table's word that is meant, or the word itself."""
    if word in OTHER_WORDS or len(word) < MIN_WORD:
        return word
    close = difflib.get_close_matches(word, WORDS, 1, SIMILAR_WORD)
    return close[0] if close else word

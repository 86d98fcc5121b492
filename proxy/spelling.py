"""Settings that are probably not what was meant: names of variables and of models, and quotes.

A new model of Google's need not be known: only what looks like a known name, and is none, is
taken for a slip.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

from translate import models

OURS = "PROXY_"
"""How variables begin that nobody else has: each of them that is not known is a slip."""

SIMILAR = ("GEMINI_",)
"""How variables of others begin, too: only those that look like one of ours are slips."""

SURE = 0.85
"""How alike a variable that is meant and one that is written are (difflib)."""

QUOTES = "\"'"

AS_IT_IS = "models/"
"""Before a name that is right all the same."""


def did_you_mean(suggestion: str | None) -> str:
    return f"; did you mean {suggestion}?" if suggestion else ""


def unquote(value: str) -> str:
    """Without a pair of quotes around it, which env files of Docker keep."""
    if len(value) < 2 or value[0] != value[-1] or value[0] not in QUOTES:
        return value
    return value if value[0] in value[1:-1] else value[1:-1].strip()


def find_slips(
    environ: Mapping[str, str], variables: Iterable[str], secrets: Iterable[str]
) -> Iterator[str]:
    """A sentence for each variable that is not known or whose value has quotes; never the value."""
    known = list(variables)
    for name in sorted(environ.keys() - set(known)):
        may_be_ours = name.startswith((OURS, *SIMILAR))
        similar = difflib.get_close_matches(name, known, 1, SURE) if may_be_ours else []
        if similar or name.startswith(OURS):
            yield f"{name} is not a setting{did_you_mean(similar[0] if similar else None)}"
    for name in secrets:
        value = environ.get(name, "").strip()
        if any(unquote(part) != part for part in (value, *map(str.strip, value.split(",")))):
            yield f"{name}: the quotes around its value are left out"


def problem_of_model(value: str) -> str:
    """Why a setting's model is probably none, as a sentence; "" where it may be one.

    A Claude model's name is taken, too: the same shell may serve the client.
    """
    is_google = models.google_name(value) is not None
    if is_google and value.startswith(AS_IT_IS):
        return ""
    suggestion = models.suggest(value)
    if suggestion is None and (is_google or models.is_claude(value)):
        return ""
    return f"{value!r} is not a Gemini model{did_you_mean(suggestion)}"

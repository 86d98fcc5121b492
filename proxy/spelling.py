"""Settings that are probably not what was meant: names of variables and of models, and quotes.

A new model of Google's need not be known here: only what looks like a known name, and is none, is
taken for a slip.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from translate import models

OURS = "PROXY_"
"""How variables begin that nobody else has: each of them that is not known is a slip."""

SIMILAR = ("GEMINI_",)
"""How variables of others begin, too: only those that look like one of ours are slips."""

SURE, LIKELY, POSSIBLE = 0.85, 0.75, 0.5
"""How alike two words are (difflib): a name of a variable, a word of a model's name, its whole."""

QUOTES = "\"'"

ALIASES = {*models.CLASSES, "opusplan", "default"}
"""Claude's names without `claude`, as Claude Code takes them."""

WORDS = {
    *(word for name in (*models.TABLE, *models.FORMER) for word in re.findall("[a-z]+", name)),
    *("gemma", "learnlm", "it", "exp", "experimental", "latest", "ultra", "nano", "live", "tts"),
    *("image", "audio", "native", "dialog", "thinking", "robotics", "er", "computer", "use"),
}
"""Of Gemini models' names."""

AS_IT_IS = "models/"
"""Before a name that is right all the same."""


def suggest(word: str, known: Iterable[str], likeness: float) -> str:
    """The known word that is most like this one; "" where none is like it."""
    import difflib  # needed for a slip only

    return next(iter(difflib.get_close_matches(word, known, 1, likeness)), "")


def did_you_mean(suggestion: str) -> str:
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
        suggestion = suggest(name, known, SURE) if name.startswith((OURS, *SIMILAR)) else ""
        if suggestion or name.startswith(OURS):
            yield f"{name} is not a setting{did_you_mean(suggestion)}"
    for name in secrets:
        value = environ.get(name, "").strip()
        if any(unquote(part) != part for part in (value, *map(str.strip, value.split(",")))):
            yield f"{name}: the quotes around its value are left out"


def problem_of_model(value: str) -> str:
    """Why a setting's model is probably none, as a sentence; "" where it may be one.

    A Claude model's name is taken, too: the same shell may serve the client.
    """
    name = None if unquote(value) != value else models.google_name(value)
    if value.startswith(AS_IT_IS) and name:
        return ""
    if name is None:
        if value.lower().startswith("claude") or value.lower() in ALIASES:
            return ""
        suggestion = suggest(value.lower(), models.TABLE, POSSIBLE)
    elif name in models.TABLE or not (slips := _misspelt_words(name)):
        return ""
    else:
        for word, right in slips.items():
            name = name.replace(word, right)
        suggestion = suggest(name, models.TABLE, POSSIBLE)
    return f"{value!r} is not a Gemini model{did_you_mean(suggestion)}"


def _misspelt_words(name: str) -> dict[str, str]:
    """Words of a name that are not known, but like one that is -> that one."""
    unknown = [word for word in re.findall("[a-z]+", name) if word not in WORDS]
    found = {word: suggest(word, WORDS, LIKELY) for word in unknown}
    return {word: right for word, right in found.items() if right}

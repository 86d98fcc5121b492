"""How many tokens a request has: Gemini's own count, or an estimate when it cannot be had.

Refuses to know messages: it counts what the translation made of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from translate import ApiError, Cause, Translation

from . import json_codec
from .attempts import OF_THE_KEY
from .auth import Key
from .gemini import Gemini

BYTES_PER_TOKEN = 4
"""Of JSON text; Google's own rule of thumb is four characters a token."""

FINAL = OF_THE_KEY | {Cause.BILLING, Cause.FORBIDDEN}
"""Causes that the client is told of; for everything else an estimate serves it better."""


def count(gemini: Gemini, asked: Translation, keys: Sequence[Key]) -> int:
    """Input tokens of a translated count_tokens request. Raises ApiError for a refused one."""
    try:
        return _counted(gemini, asked, keys)
    except ApiError as error:
        if error.cause in FINAL:
            raise
    return max(1, len(json_codec.dumps(asked.request)) // BYTES_PER_TOKEN)


def _counted(gemini: Gemini, asked: Translation, keys: Sequence[Key]) -> int:
    key, *others = keys
    try:
        return gemini.count_tokens(asked.model.name, asked.request, key)
    except ApiError as error:
        if error.cause is not Cause.KEY or not others:
            raise
        return _counted(gemini, asked, others)

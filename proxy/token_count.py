"""How many tokens a request has: Gemini's own count, or an estimate when it cannot be had.

What is counted is the translated request, not its messages.
"""

from __future__ import annotations

from collections.abc import Sequence

from translate import ApiError, Cause, Translation

from . import json_codec
from .auth import Key
from .concurrency import ConcurrencyLimit
from .gemini import Gemini
from .liveness import Poller, Waiting
from .retry_policies import SAME_FOR_ALL_MODELS

BYTES_PER_TOKEN = 4
"""Of JSON text; Google's own rule of thumb is four characters a token."""

SHARE = 4
"""One place in so many may wait for a count, so that counts that are slow leave room for messages.
Claude Code's `/context` asks for up to 25 at once, and waits for all of them."""

REPORTED_CAUSES = SAME_FOR_ALL_MODELS | {Cause.BILLING, Cause.FORBIDDEN}
"""Causes of errors that the client gets; after any other an estimate serves it better."""


def count(
    gemini: Gemini,
    translation: Translation,
    keys: Sequence[Key],
    poller: Poller,
    limit: ConcurrencyLimit,
) -> Waiting[int]:
    """Input tokens of a translated count_tokens request. Raises ApiError for a refused one.

    limit: of the counts that wait for Gemini; beyond it, a count is estimated at once.
    """
    try:
        with limit:
            return (yield from _count_by_gemini(gemini, translation, keys, poller))
    except ApiError as error:
        if error.cause in REPORTED_CAUSES:
            raise
    return estimate(translation)


def estimate(translation: Translation) -> int:
    """Input tokens of a translated request, by its size."""
    return max(1, len(json_codec.dumps(translation.request)) // BYTES_PER_TOKEN)


def _count_by_gemini(
    gemini: Gemini, translation: Translation, keys: Sequence[Key], poller: Poller
) -> Waiting[int]:
    """With the next key where Google refuses one. Raises ApiError."""
    key, *others = keys
    model, request = translation.model.name, translation.request
    try:
        return (yield from gemini.count_tokens(model, request, key, poller))
    except ApiError as error:
        if error.cause is not Cause.KEY or not others:
            raise
        return (yield from _count_by_gemini(gemini, translation, others, poller))

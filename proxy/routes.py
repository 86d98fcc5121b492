"""The paths of the API. main.py has a handler for each.

Any other path may hold a key, out of a base URL: it is answered by a 404, and never logged.
"""

from __future__ import annotations

HEALTH = "/"
MESSAGES = "/v1/messages"
COUNT_TOKENS = "/v1/messages/count_tokens"
MODELS = "/v1/models"
MODEL = "/v1/models/{id}"

MODEL_PREFIX = "/v1/models/"
EXACT = frozenset({HEALTH, MESSAGES, COUNT_TOKENS, MODELS})

HEALTH_CHECKS = frozenset({HEALTH})
"""Asked for every few seconds, and worth no line in the log."""


def find(path: str) -> str | None:
    """The route of a path, with or without a slash at its end; None where there is none."""
    path = normalize(path)
    if path in EXACT:
        return path
    return MODEL if path.startswith(MODEL_PREFIX) else None


def model_id(path: str) -> str:
    """Of a path whose route is MODEL."""
    return normalize(path).removeprefix(MODEL_PREFIX)


def normalize(path: str) -> str:
    return "/" + path.strip("/")

"""The paths of the API. main.py has a handler for each.

Any other path may hold a key, out of a base URL: it is answered by a 404, and never logged.
"""

from __future__ import annotations

import re

HEALTH = "/"
HELLO = "/api/hello"
"""What Claude Code asks for first, and `claude doctor` shows the status of (2.1.330, 331)."""

MESSAGES = "/v1/messages"
COUNT_TOKENS = "/v1/messages/count_tokens"
MODELS = "/v1/models"
MODEL = "/v1/models/{id}"

USAGE = "/usage.json"
USAGE_PAGE = "/usage"
USAGE_CSV = "/usage.csv"
CLIENT_USAGE = "/api/oauth/usage"
"""What Claude Code asks for its own meter (see team/client_budget.py)."""

STATUS_LINE = "/statusline.py"
TEAM_PAGE = "/team"
METRICS = "/metrics"
OWN_TOKEN = "/token"
MANAGED_SETTINGS = "/managed-settings.json"

SIGN_IN = "/sign-in"
SIGN_OUT = "/sign-out"
OIDC = "/sign-in/oidc"
OIDC_CALLBACK = "/sign-in/oidc/callback"
"""Where an OpenID provider sends a person back to; it has to know the URL beforehand."""

TELEMETRY = ("/v1/metrics", "/v1/logs", "/v1/traces")
"""Where clients leave figures about themselves (OTLP/HTTP): Claude Code sends its own to its
gateway."""

MODEL_PREFIX = "/v1/models/"
READ = ("GET", "HEAD")
PAGES = {
    **dict.fromkeys((USAGE, USAGE_PAGE, USAGE_CSV, CLIENT_USAGE, STATUS_LINE, METRICS), READ),
    **dict.fromkeys((OIDC, OIDC_CALLBACK), ("GET",)),
    MANAGED_SETTINGS: READ,
    OWN_TOKEN: (*READ, "POST"),
    SIGN_IN: (*READ, "POST"),
    SIGN_OUT: ("POST",),
    TEAM_PAGE: (*READ, "POST"),
    **dict.fromkeys(TELEMETRY, ("POST",)),
}
"""Beside the API, and the methods of each: web/site.py makes them."""

OF_CLIENTS = frozenset({HELLO, MESSAGES, COUNT_TOKENS, MODELS, MODEL, CLIENT_USAGE, *TELEMETRY})
"""What clients ask at their base URL: not served where there are pages only (PROXY_API_URL)."""

EXACT = frozenset({HEALTH, HELLO, MESSAGES, COUNT_TOKENS, MODELS, *PAGES})

UNLOGGED = frozenset({HEALTH, HELLO, *TELEMETRY})
"""Come every few seconds, and are worth no line in the log."""

SLASHES = re.compile("/{2,}")
SECOND_BASE = re.compile(f"(?:/v1)+(?=/v1/|{HELLO}$|{CLIENT_USAGE}$)")
"""What a base URL that ends with /v1 puts before the paths of a client that has its own."""


def find(path: str) -> str | None:
    """The route of a path, with or without a slash at its end; None where there is none."""
    if path in EXACT:  # nearly always, and normalized already
        return path
    path = normalize(path)
    if path in EXACT:
        return path
    return MODEL if path.startswith(MODEL_PREFIX) else None


def is_misdirected(path: str) -> bool:
    """Whether a path that has no route is that of the API behind a base URL that is wrong."""
    return normalize(path).endswith((MESSAGES, COUNT_TOKENS))


def model_id(path: str) -> str:
    """Of a path whose route is MODEL."""
    return normalize(path).removeprefix(MODEL_PREFIX)


def normalize(path: str) -> str:
    """A path as it was meant: `//v1/messages/` and `/v1/v1/messages` are `/v1/messages`."""
    path = "/" + SLASHES.sub("/", path).strip("/")
    second = SECOND_BASE.match(path)
    return path[second.end() :] if second else path

"""CORS: which pages of other sites may ask and read, and the headers that tell their browser.

Claude for Excel, Word and PowerPoint is such a page. The standard: https://fetch.spec.whatwg.org,
"CORS protocol"; a request without an Origin has nothing to do with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from werkzeug.datastructures import Headers

ANY = "*"

EXPOSED = ("request-id", "retry-after", "x-should-retry", "x-proxy-version", "x-budget-warning")
EXPOSED_PREFIX = "x-gemini-"
"""Response headers that a page may read: these, and all that begin like this."""

PREFLIGHT_SECONDS = 7_200
"""For which a browser remembers a preflight answer: as long as Chrome does at most."""

PRIVATE_NETWORK = "Access-Control-Request-Private-Network"
"""Chrome's question before a public page may ask a server on this machine (Private Network Access;
without its answer Excel cannot reach one, seen 2026-11-28)."""


def is_allowed(origin: str, allowed: Sequence[str]) -> bool:
    """Whether pages of this origin may read answers."""
    return ANY in allowed or origin.lower() in allowed


def is_foreign(headers: Headers) -> bool:
    """Whether a page of another site than this server's has caused the request."""
    origin = headers.get("Origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc.lower() != headers.get("Host", "").lower()
    except ValueError:
        return True


def response_headers(
    origin: str | None, allowed: Sequence[str], names: Iterable[str]
) -> dict[str, str]:
    """The headers that let a page read the answer to its request. names: of all headers it has."""
    if origin is None or not is_allowed(origin, allowed):
        return {}
    more = [name for name in names if name.lower().startswith(EXPOSED_PREFIX)]
    return {
        "Access-Control-Allow-Origin": ANY if ANY in allowed else origin,
        "Access-Control-Expose-Headers": ", ".join([*EXPOSED, *more]),
        "Vary": "Origin",
    }


def preflight_headers(headers: Headers, methods: Iterable[str]) -> dict[str, str]:
    """What a page may send: any headers, and the methods that there are."""
    answer = {
        "Access-Control-Allow-Methods": ", ".join(methods),
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }
    if requested := headers.get("Access-Control-Request-Headers"):
        answer["Access-Control-Allow-Headers"] = requested
    if headers.get(PRIVATE_NETWORK) == "true":
        answer["Access-Control-Allow-Private-Network"] = "true"
    return answer

"""Who may call, and with whose Gemini key.

Knows the two headers that carry a credential and the two ways of running: each caller brings
a key of their own, or the server has one and lends it. Keys go to Google and nowhere else.
It refuses to know what a key looks like: Google's prefixes change.
"""

from __future__ import annotations

import hmac
from ipaddress import ip_address

from werkzeug.datastructures import Headers

from translate import ApiError
from translate.errors import KEY_HINT

from .config import Settings

FORWARDED = ("X-Forwarded-For", "Forwarded", "Origin")
"""Headers of a request that did not start at a program on this machine."""

LIKELY_GOOGLE = ("AIza", "AQ.")
"""How Gemini keys begin so far; only used to choose between two credentials."""


def gemini_key(headers: Headers, remote_address: str | None, settings: Settings) -> str:
    """The key to call Gemini with. Raises ApiError 401 when the caller may not have one.

    With PROXY_TOKEN set, a caller must present it; the server's key is then used (or, where it
    has none, the caller's second credential). Without PROXY_TOKEN, the server's key serves only
    programs on the same machine; everybody else brings a key.
    """
    presented = credentials(headers)
    if settings.token:
        others = [value for value in presented if not _equal(value, settings.token)]
        if len(others) == len(presented):
            raise _refused("This server asks for its access token: set ANTHROPIC_AUTH_TOKEN to it.")
        return settings.api_key or _own(others)
    if settings.api_key and _is_local(headers, remote_address):
        return settings.api_key
    return _own(presented)


def credentials(headers: Headers) -> list[str]:
    """What the caller presents, likeliest Gemini key first.

    `Authorization: Bearer` holds ANTHROPIC_AUTH_TOKEN and goes before `x-api-key`, which may
    hold a left-over Anthropic key.
    """
    scheme, _, bearer = headers.get("Authorization", "").strip().partition(" ")
    found = [bearer.strip() if scheme.lower() == "bearer" else "", headers.get("x-api-key", "")]
    distinct = dict.fromkeys(value.strip() for value in found if value.strip())
    return sorted(distinct, key=lambda value: not value.startswith(LIKELY_GOOGLE))


def _own(presented: list[str]) -> str:
    if not presented:
        raise _refused(f"No API key in the request. {KEY_HINT}")
    return presented[0]


def _refused(message: str) -> ApiError:
    return ApiError(401, message, retry=False)


def _equal(presented: str, secret: str) -> bool:
    return hmac.compare_digest(presented.encode(), secret.encode())


def _is_local(headers: Headers, remote_address: str | None) -> bool:
    if any(name in headers for name in FORWARDED):
        return False
    try:
        return ip_address(remote_address or "").is_loopback
    except ValueError:
        return False

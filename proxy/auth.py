"""Authentication: who calls, and with whose Gemini key.

A caller brings a key in one of two headers, or the server has keys of its own and uses them for
callers that may. Keys go to Google and nowhere else. What a key looks like decides nothing here
but an order: Google's prefixes change.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import NamedTuple

from werkzeug.datastructures import Headers

from translate import ApiError
from translate.response.google_errors import KEY_HINT

from . import config, cors, spelling
from .config import KEY, TOKEN, Settings, is_loopback
from .payers import UNCOUNTED, AccessTokens, Counting, Holder, Payer

FORWARDED = (
    *("Forwarded", "Via", "X-Real-IP", "X-Client-IP", "X-Cluster-Client-IP", "True-Client-IP"),
    *(
        "CF-Connecting-IP",
        "CF-Ray",
        "Fastly-Client-IP",
        "Fly-Client-IP",
        "X-Envoy-External-Address",
    ),
    *("X-Original-Host", "X-Original-URL", "Origin"),
)
"""Headers of a request that did not start at a program on this machine: what proxies, tunnels and
browsers add."""

FORWARDED_PREFIX = "X-Forwarded-"
"""Proxies add several of these, each its own."""

HOST = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)\]|(?P<name>[0-9A-Za-z.-]+))(?::[0-9]{1,5})?"
)
"""The Host header of a request to this machine. What parsers of URLs make of anything else differs:
a path, a name and password, a zone (RFC 9110, 7.2, has none of them)."""

OWN_SITE = (None, "none", "same-origin")
"""Sec-Fetch-Site of a request that no page of another site has caused. Browsers send no Origin with
an image, a frame or a link."""

LIKELY_GOOGLE = ("AIza", "AQ.")
"""How Gemini keys begin so far; only used to choose between two credentials."""

ANTHROPIC = "sk-ant-"
"""How Anthropic's own secrets begin; they are never sent to Google."""

SERVERS_HINT = "It is this server's own key (GEMINI_API_KEY). Contact the server's administrator."
SESSION_HINT = (
    "It is the key of this session: end it, and `gemini-claude --forget` removes the key, or "
    "correct GEMINI_API_KEY."
)
"""Who has started the server by the launcher is its administrator, and sees no server."""
IDENTITY_HINT = (
    "It is this server's own identity in Google Cloud. Contact the server's administrator."
)
TOKEN_HINT = "This server asks for its access token: set ANTHROPIC_AUTH_TOKEN to it."
NO_TOKEN_HINT = (
    "This server asks Gemini in its own name, and has no PROXY_TOKEN that a caller could present: "
    "have one set on the server."
)
ORIGIN_HINT = (
    "This server's own key is not used for pages of other sites, unless PROXY_ALLOW_ORIGINS names "
    "them: have yours added on the server."
)
NO_KEY_HINT = (
    "This server has no Gemini key of its own: have GEMINI_API_KEY set on the server, or send "
    "yours beside the access token (ANTHROPIC_API_KEY)."
)
"""Without the header's name, at which Claude Code 2.1.332 says `Please run /login` instead."""


class Key(NamedTuple):
    """A Gemini key, and what to do when Google refuses it."""

    value: str
    hint: str = KEY_HINT


class Caller(NamedTuple):
    """An authenticated caller.

    caller_id: for the log; the same for the same caller, and no way back to a key. keys: what to
    call Gemini with; the next one where Google refuses one.
    """

    caller_id: str
    keys: tuple[Key, ...]
    payer: Payer = UNCOUNTED


class SharedToken:
    """PROXY_TOKEN, the same for all callers, who are not distinguished. "" where there is none."""

    counting = Counting.NOT

    def __init__(self, token: str) -> None:
        self._token = token

    def find(self, presented: Sequence[str]) -> Holder | None:
        others = [value for value in presented if not is_equal(value, self._token)]
        is_presented = self._token and len(others) < len(presented)
        return Holder("token", UNCOUNTED, others) if is_presented else None


def authenticate(
    headers: Headers,
    remote_address: str | None,
    settings: Settings,
    tokens: AccessTokens,
    *,
    needs_key: bool = True,
) -> Caller:
    """The caller, with the keys for it. Raises ApiError 401 where there are none. needs_key: not
    for what only concerns this server: then an access token alone will do.

    Where access tokens are taken, a caller must present one, or, if PROXY_AUTH allows it, a key;
    for a token's holder the server's key is used (or, where it has none, the caller's second
    credential). Vertex AI takes no key but the server's identity. Without access tokens, the
    server's key serves only programs on the same machine; everybody else brings a key. For a page
    of a site that is not allowed it is never used: ApiError 403.
    """
    presented = credentials(headers)
    hint = SESSION_HINT if config.ends_with_stdin() else SERVERS_HINT
    server_keys = tuple(Key(key, hint) for key in settings.api_keys)
    if settings.is_vertex:
        server_keys = (Key("", IDENTITY_HINT),)
    if TOKEN in settings.accepts:
        if holder := tokens.find(presented):
            if not server_keys and not needs_key:
                return Caller(holder.caller_id, (), holder.payer)
            return _holder(holder, server_keys, headers, settings)
        if KEY not in settings.accepts:
            raise _unauthorized(TOKEN_HINT)
    elif server_keys and is_local(headers, remote_address):
        return Caller("local", server_keys)
    if settings.is_vertex:
        raise _unauthorized(NO_TOKEN_HINT)
    return _caller_keys(presented, KEY_HINT)


def _holder(
    holder: Holder, server_keys: tuple[Key, ...], headers: Headers, settings: Settings
) -> Caller:
    if not server_keys:
        return _caller_keys(holder.others, NO_KEY_HINT)._replace(payer=holder.payer)
    if not _may_use_server_key(headers, settings):
        raise ApiError(403, ORIGIN_HINT, retry=False)
    return Caller(holder.caller_id, server_keys, holder.payer)


def credentials(headers: Headers) -> list[str]:
    """The credentials in the headers, likeliest Gemini key first.

    `Authorization: Bearer` holds ANTHROPIC_AUTH_TOKEN and goes before `x-api-key`, which may
    hold a left-over Anthropic key. Quotes around one are those that an env file has left.
    """
    scheme, _, bearer = headers.get("Authorization", "").strip().partition(" ")
    found = [bearer.strip() if scheme.lower() == "bearer" else "", headers.get("x-api-key", "")]
    unquoted = (spelling.unquote(value.strip()) for value in found)
    distinct = dict.fromkeys(value for value in unquoted if value)
    return sorted(distinct, key=lambda value: not value.startswith(LIKELY_GOOGLE))


def _caller_keys(presented: list[str], hint: str) -> Caller:
    keys = [value for value in presented if not value.startswith(ANTHROPIC)]
    if keys:
        checksum = hashlib.sha256(keys[0].encode("utf-8", "replace")).hexdigest()[:8]
        return Caller(f"key-{checksum}", (Key(keys[0]),))
    if presented:
        raise _unauthorized(
            f"The request holds an Anthropic key, which is not sent to Google. {hint}"
        )
    raise _unauthorized(f"No API key in the request. {hint}")


def _unauthorized(message: str) -> ApiError:
    return ApiError(401, message, retry=False)


def is_equal(presented: str, secret: str) -> bool:
    """In a time that tells nothing of the secret."""
    return hmac.compare_digest(presented.encode(), secret.encode())


def _may_use_server_key(headers: Headers, settings: Settings) -> bool:
    """Whether no page has sent a request, or one of this server or of an allowed site."""
    origin = headers.get("Origin", "")
    return not cors.is_foreign(headers) or cors.is_allowed(origin, settings.allow_origins)


def is_local(headers: Headers, remote_address: str | None) -> bool:
    """Whether a request comes from this machine and was meant for it, as far as can be told."""
    # `in` costs three times as much as `get`: it raises for a header that is absent.
    if any(headers.get(name) is not None for name in FORWARDED):
        return False
    if headers.get("Sec-Fetch-Site") not in OWN_SITE or _has_prefix(headers, FORWARDED_PREFIX):
        return False
    host = HOST.fullmatch(headers.get("Host", ""))
    if host is None:
        return False
    return is_loopback(remote_address or "") and is_loopback(host["ipv6"] or host["name"])


def _has_prefix(headers: Headers, prefix: str) -> bool:
    return any(name.lower().startswith(prefix.lower()) for name, _ in headers)

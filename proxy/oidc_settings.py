"""The settings of signing in with an OpenID provider, which config.py reads from the environment.

They are set together, or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from . import spelling
from .setting_values import BadSetting, is_loopback, read_list, read_secret

ISSUER = "PROXY_OIDC_ISSUER"
CLIENT_ID = "PROXY_OIDC_CLIENT_ID"
CLIENT_SECRET = "PROXY_OIDC_CLIENT_SECRET"
DOMAINS = "PROXY_OIDC_DOMAINS"
PLAN = "PROXY_OIDC_PLAN"

NEEDED = (ISSUER, CLIENT_ID, CLIENT_SECRET, DOMAINS)

DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
"""Of addresses of mail, in small letters."""


@dataclass(frozen=True)
class OidcSettings:
    """issuer: the provider's own name, a URL. domains: of the addresses that may sign in. plan: of
    who signs in so."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    domains: tuple[str, ...]
    plan: str


def read(get: Callable[[str], str]) -> OidcSettings | None:
    """get: a variable's value, "" where it is not set. None for none. Raises BadSetting."""
    values, plan = {name: get(name) for name in NEEDED}, get(PLAN)
    if not any(values.values()):
        return None
    values[CLIENT_SECRET] = spelling.unquote(values[CLIENT_SECRET])
    for name in (CLIENT_ID, CLIENT_SECRET):
        read_secret(name, values[name])
    for name, value in values.items():
        if not value:
            raise BadSetting(name, f"is needed, too: all of {', '.join(NEEDED)}")
    domains = tuple(each.removeprefix("@") for each in read_list(values[DOMAINS].lower()))
    for domain in domains:
        if not DOMAIN.fullmatch(domain):
            raise BadSetting(DOMAINS, f"expected domains like example.com, got {domain!r}")
    issuer = _read_issuer(values[ISSUER])
    return OidcSettings(issuer, values[CLIENT_ID], values[CLIENT_SECRET], domains, plan)


def _read_issuer(value: str) -> str:
    problem = "expected a URL like https://accounts.google.com"
    try:
        url = urlsplit(value)
        is_safe = url.scheme == "https" or (
            url.scheme == "http" and is_loopback(url.hostname or "")
        )
    except ValueError:
        raise BadSetting(ISSUER, problem) from None
    if not is_safe or not url.hostname or url.query or url.fragment or url.username is not None:
        raise BadSetting(ISSUER, problem)
    return value

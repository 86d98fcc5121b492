"""A token for a person who has none at hand, but is signed in to the pages: derived from the one
that they have signed in with, so charged and revoked with it, good no longer than it, and signed by
the same secret.

Of each token there is one for each day: however often somebody wants to see it, it is the same, and
what is written down of it stays small.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta, tzinfo

from . import tokens
from .people import SHARED
from .token_registry import ActError, Registry
from .tokens import Token
from .windows import day_at, day_begins

MAX_DAYS = 90
"""Of a token that is shown, as operators give them: who has signed in with an OpenID provider has
presented none that would end."""

IS_REVOKED = "The token {} that was shown today is revoked. {}"
SHOW = "show"
"""In the log of acts."""


def can_derive(parent: Token) -> bool:
    """A derived token was made to be narrower: the page knows not all of it. PROXY_TOKEN has no
    person."""
    return len(parent.ids) == 1 and parent.ids != SHARED.ids


def derive(registry: Registry, parent: Token, secret: str, now: int) -> tuple[str, Token]:
    """The token's text, which is kept nowhere, and what it says. parent: as it was presented.
    secret: what has signed that. Raises ActError, StoreError."""
    zone = registry.plans.zone
    identity = own_id(parent, now, zone)
    last = day_begins(day_at(now, zone) + timedelta(days=MAX_DAYS), now, zone)
    expires = min(parent.expires, last)
    text = tokens.derive(tokens.create(parent, secret), identity, expires=expires)
    token = tokens.verify(text, [secret], now)
    if registry.revoked_from(token) is not None:
        raise ActError(IS_REVOKED.format(identity, registry.plans.contact).strip())
    by = f"{parent.person}:{parent.id}"
    registry.audit(SHOW, identity, token.person, by, is_repeatable=True)
    return text, token


def own_id(parent: Token, now: int, zone: tzinfo) -> str:
    """Of the token of a day: as long as others' ids."""
    name = f"{parent.id} {parent.person} {day_at(now, zone)}"
    return hashlib.sha256(name.encode()).hexdigest()[:8]

"""What operators do with access tokens: issue, rotate and revoke. For commands and pages alike.

Each writes a line that says who did it. What a function cannot do it says in an ActError, and then
has changed nothing; all raise StoreError.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import NamedTuple

from . import tokens
from .plans import did_you_mean
from .token_registry import ActError, Registry
from .tokens import Token

NO_NAME = "The plan file has no {} {!r}{}"
IS_DERIVED = "The token {} is derived from {}: rotate that, and derive anew."
IS_REVOKED = "The token {} is revoked already: make a new one."
NOT_THEIRS = "The token {} is {}'s, not {}'s."
NOT_KNOWN = "The store does not know the token {}: give its --person, too."


class Rotated(NamedTuple):
    """text: of the new token. second: from which the old one is refused."""

    text: str
    token: Token
    second: int


def new_id() -> str:
    return secrets.token_hex(4)


def issue(registry: Registry, token: Token, by: str) -> str:
    """A new token's text, which is kept nowhere."""
    text = tokens.create(token, registry.secret)
    check_plan(registry, token)
    registry.remember(token)
    registry.audit("create", token.id, token.person, by)
    return text


def check_plan(registry: Registry, token: Token) -> None:
    """That its plan and its group are in the plan file, where there is one: the server would not
    take it otherwise."""
    plans = registry.plans
    if plans.plans:
        kinds = (("plan", token.plan, plans.plans), ("group", token.group, plans.groups))
        for kind, name, known in kinds:
            if name and name not in known:
                raise ActError(NO_NAME.format(kind, name, did_you_mean(name, known)))


def check_good(registry: Registry, old: Token) -> None:
    """That a token can be replaced."""
    if len(old.ids) > 1:
        raise ActError(IS_DERIVED.format(old.id, old.ids[-2]))
    if registry.revoked_from(old) is not None:
        raise ActError(IS_REVOKED.format(old.id))


def rotate(
    registry: Registry, old: Token, by: str, now: int, *, identity: str, grace: int
) -> Rotated:
    """A new token in place of an old one, which is good for so many seconds more. identity: of the
    new one, which has the same plan and group, and lasts as long as the old one did."""
    check_good(registry, old)
    new = replace(old, ids=(identity,), issued=now, expires=now + old.expires - old.issued)
    registry.make_room(old.person, now)
    text, second = issue(registry, new, by), now + grace
    registry.revoke(old.id, old.person, second, now, old.expires)
    registry.audit("rotate", old.id, old.person, by)
    return Rotated(text, new, second)


def revoke(registry: Registry, identity: str, person: str, by: str, now: int) -> str:
    """Have a token refused, and what is derived from it: from now on, where there is a store.
    person: whose it is, or "" for whoever the store says; returned as it is found."""
    person = _owner(registry, identity, person)
    registry.make_room(person, now)
    registry.revoke(identity, person, now, now, registry.expires(identity, now))
    registry.audit("revoke", identity, person, by)
    return person


def revoke_before(registry: Registry, person: str, second: int, by: str) -> None:
    """Have all tokens of a person refused that were issued before a Unix second."""
    registry.revoke_before(person, second)
    registry.audit("revoke", "-", person, by)


def _owner(registry: Registry, identity: str, person: str) -> str:
    """Of a token; without a store its id is enough to have it refused."""
    known = next((each.person for each in registry.issued() if each.id == identity), person)
    if person and known != person:
        raise ActError(NOT_THEIRS.format(identity, known, person))
    if registry.store and not known:
        raise ActError(NOT_KNOWN.format(identity))
    return known

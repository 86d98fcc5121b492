"""What operators do: issue, rotate and revoke access tokens, and raise a budget for the time being.
For commands and pages alike.

Each writes a line that says who did it. What a function cannot do it says in an ActError, and then
has changed nothing; all raise StoreError.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from . import counters, tokens
from .counters import RAISED
from .money import NANO
from .plans import did_you_mean
from .token_registry import ActError, Registry
from .tokens import Token
from .windows import Window, window_at

NO_NAME = "The plan file has no {} {!r}{}"
IS_DERIVED = "The token {} is derived from {}: rotate that, and derive anew."
IS_REVOKED = "The token {} is revoked already: make a new one."
NOT_THEIRS = "The token {} is {}'s, not {}'s."
NO_STORE = "A raise is kept in the store, and PROXY_STORE is not set: put it into the plan file."
NO_LIMIT = "{} has no limit {}: there is nothing to raise."
NO_RAISE = "{} may use as much already: the limit {} is {}."
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


def raise_limit(
    registry: Registry, account: str, field: str, limit: int, by: str, now: int
) -> Window:
    """Lift a budget until its window ends; 0 takes back what has been raised. account: of a person
    or a group. field: of RAISED. limit: as in Limits. Returns the window."""
    window = check_raise(registry, account, field, limit, now)
    assert registry.store is not None
    zone = registry.plans.zone
    marks = {each: counters.raise_mark(RAISED[each], now, zone) for each in RAISED}
    registry.drop_raises(account, marks.values())
    mark = marks[field]
    if limit:
        registry.store.mark(account, mark, limit)
    else:
        registry.store.unmark(account, [mark])
    kind, _, name = account.partition(":")
    whose = name if kind == "person" else account
    registry.audit("raise", f"{field}={amount(field, limit)}", whose, by)
    return window


def check_raise(registry: Registry, account: str, field: str, limit: int, now: int) -> Window:
    """That a raise would change something, by the plan file and the tokens that are listed."""
    if registry.store is None:
        raise ActError(NO_STORE)
    found = _limits(registry, account, field, now)
    kind, _, name = account.partition(":")
    whose = name if kind == "person" else f"The group {name}"
    limits = [each for each in found if each is not None]
    if found and not limits:
        raise ActError(NO_LIMIT.format(whose, field))
    if limits and 0 < limit <= min(limits):
        raise ActError(NO_RAISE.format(whose, field, amount(field, min(limits))))
    period = counters.KINDS[RAISED[field]].period
    assert period is not None
    return window_at(period, now, registry.plans.zone)


def amount(field: str, limit: int) -> str:
    """Of Limits, for a person."""
    if not field.startswith("usd_"):
        return str(limit)
    return f"{Decimal(limit) / NANO:f}"


def _limits(registry: Registry, account: str, field: str, now: int) -> list[int | None]:
    """Of an account, by each plan that a token of its person names; none where nothing is known."""
    plans = registry.plans
    if account.startswith(counters.GROUP):
        group = account.removeprefix(counters.GROUP)
        limits = plans.of_group(group, now)
        if limits is None:
            raise ActError(NO_NAME.format("group", group, did_you_mean(group, plans.groups)))
        return [getattr(limits, field)]
    person = account.removeprefix(counters.PERSON)
    names = {each.plan for each in registry.issued() if each.person == person}
    found = (plans.of_person(person, each, now) for each in sorted(names))
    return [getattr(each.limits, field) for each in found if each is not None]


def _owner(registry: Registry, identity: str, person: str) -> str:
    """Of a token; without a store its id is enough to have it refused."""
    known = next((each.person for each in registry.issued() if each.id == identity), person)
    if person and known != person:
        raise ActError(NOT_THEIRS.format(identity, known, person))
    if registry.store and not known:
        raise ActError(NOT_KNOWN.format(identity))
    return known

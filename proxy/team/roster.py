"""The people of a team, for its operators: who has which plan, how much of it is used, who has
tokens, and when somebody was last seen.

What is known of a person is what the store has: tokens that were issued, and what was used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from .counters import PERSON, RAISED, raise_mark
from .plans import Limits, Plans
from .stores import Store
from .token_registry import Registry
from .tokens import Token
from .windows import Period, day_at

SEEN_DAYS = 30
"""For which the last day of somebody is looked for, today among them."""

PERIODS = (Period.DAY, Period.WEEK, Period.MONTH)


class Person(NamedTuple):
    """plan, group: those of the token that was issued last, "" where none is known. tokens: all
    that are listed, the newest first. spent: nano-US$ of this day, week and month, without what is
    held. last: the last day on which something was used, ISO; "" for longer ago."""

    name: str
    plan: str = ""
    group: str = ""
    tokens: Sequence[Token] = ()
    spent: Mapping[Period, int] = dict.fromkeys(PERIODS, 0)
    last: str = ""


class State(NamedTuple):
    """Of a person, as their account has it. revoked: of each token, in their order, the Unix second
    from which it is; None where it is not. limits: None where the plan is not known."""

    revoked: Sequence[int | None]
    limits: Limits | None

    def good(self, person: Person, now: int) -> list[Token]:
        """The tokens that are not refused."""
        return [
            token
            for token, second in zip(person.tokens, self.revoked, strict=True)
            if token.expires > now and (second is None or second > now)
        ]


def people(registry: Registry, figures: Store, now: int, only: str | None = None) -> list[Person]:
    """All that are known, by name, or only one. figures: where is counted. Raises StoreError."""
    today = day_at(now, registry.plans.zone)
    begins = {
        Period.DAY: today.isoformat(),
        Period.WEEK: (today - timedelta(days=today.weekday())).isoformat(),
        Period.MONTH: today.replace(day=1).isoformat(),
    }
    since = min((today - timedelta(days=SEEN_DAYS - 1)).isoformat(), *begins.values())
    tokens: dict[str, list[Token]] = {}
    for token in registry.issued():
        if only in (None, token.person):
            tokens.setdefault(token.person, []).insert(0, token)
    spent: dict[str, dict[Period, int]] = {}
    last: dict[str, str] = {}
    (rows,) = figures.sums((("day", "person"),), since, today.isoformat(), only)
    for row in rows:
        last[row.person] = max(row.day, last.get(row.person, ""))
        amounts = spent.setdefault(row.person, dict.fromkeys(PERIODS, 0))
        for period, first in begins.items():
            if row.day >= first:
                amounts[period] += row.nano_usd
    return [
        _person(name, tokens.get(name, []), spent.get(name), last.get(name, ""))
        for name in sorted({*tokens, *spent})
    ]


def find(registry: Registry, figures: Store, name: str, now: int) -> Person:
    """One of them; one who is not known has nothing. Raises StoreError."""
    return next(iter(people(registry, figures, now, name)), Person(name))


def look(registry: Registry, figures: Store, person: Person, now: int) -> State:
    """One read. Raises StoreError."""
    values = figures.read(f"{PERSON}{person.name}")
    plan = registry.plans.of_person(person.name, person.plan, now)
    return State(
        [registry.revoked_from(each, values) for each in person.tokens],
        raised(plan.limits, values, registry.plans, now) if plan else None,
    )


def raised(limits: Limits, values: Mapping[str, int], plans: Plans, now: int) -> Limits:
    """By the marks in an account."""
    found = {}
    for field, counter in RAISED.items():
        if limit := values.get(raise_mark(counter, now, plans.zone)):
            found[field] = limit
    return limits.raised([Limits(**found)])


def _person(
    name: str, tokens: Sequence[Token], spent: Mapping[Period, int] | None, last: str
) -> Person:
    plan, group = (tokens[0].plan, tokens[0].group) if tokens else ("", "")
    return Person(name, plan, group, tokens, spent or dict.fromkeys(PERIODS, 0), last)

"""Who has used what: the totals of a store as tables, for `GET /usage.json` and for
`python -m proxy usage`, and what is left of each budget; for Claude Code's own meter, too.

People and figures only. Sums are taken in whole nano-US$ and shown in US$.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from translate import ApiError

from ..payers import Counting, Payer
from . import client_budget, counters
from .budget import Budgets
from .client_budget import Cap
from .counters import GROUP, KINDS, PERSON, Amounts
from .holds import Member
from .money import NANO
from .payer import MemberPayer
from .plans import Limits
from .stores import Refusal, Store, StoreError, Usage, sums_by
from .token_registry import Registry
from .tokens import NAME, BadToken, Token
from .windows import Period, day_at, window_at

Table = dict[str, Any]

SINCE = "30d"
MAX_DAYS = 400
"""Of one report: a year and its month before; as rows of a store, some ten thousand for a team."""

EVERYONE = "*"
DAYS = re.compile(r"([1-9][0-9]{0,3})d")

FIELDS = {"person": "person", "model": "model", "day": "day", "class": "request_class"}
"""What a report can be by -> the field of Usage."""

NOT_COUNTED = (
    "Nothing is counted for this caller: figures are kept for access tokens (see PROXY_SECRET)."
)
NOT_AN_OPERATOR = (
    "These are the figures of others: only operators, whom the plan file names, may see them, and "
    "not with a derived token."
)
NO_METER = "This server does not feed Claude Code's own meter (PROXY_CLIENT_BUDGET is off)."
DOWN = "The figures cannot be read now: the store is down. Try again later."
BAD_PERSON = "person: expected the name of a person, or * for everyone"


class BadSince(ValueError):
    """No first day of a report."""

    def __init__(self) -> None:
        super().__init__(
            f"since: expected days like 30d or a day like 2026-11-01, at most {MAX_DAYS} days ago"
        )


class Span(NamedTuple):
    """The first and the last day of a report, ISO."""

    since: str
    until: str


def read_span(since: str, today: date) -> Span:
    """since: "30d" for the last 30 days, today among them, or the first day. Raises BadSince."""
    try:
        if found := DAYS.fullmatch(since):
            first = today - timedelta(days=int(found[1]) - 1)
        else:
            first = date.fromisoformat(since)
    except ValueError:
        raise BadSince from None
    if not 0 <= (today - first).days < MAX_DAYS:
        raise BadSince
    return Span(first.isoformat(), today.isoformat())


class Selection(NamedTuple):
    """Whose figures are shown to whom. person: one, or EVERYONE. is_operator: whether the payer may
    see others'."""

    payer: MemberPayer
    person: str
    span: Span
    is_operator: bool


class Report(NamedTuple):
    """Of one person, or EVERYONE. parts: by day, model and class of request; people: by person."""

    person: str
    span: Span
    parts: Sequence[Usage]
    people: Sequence[Usage]

    @property
    def total(self) -> Usage:
        return _sum(self.people)

    def by(self, name: str) -> Sequence[Usage]:
        """name: of FIELDS."""
        return self.people if name == "person" else sums_by((FIELDS[name],), self.parts)

    def table(self) -> Table:
        groups = {
            name: [{name: getattr(row, FIELDS[name]), **_figures(row)} for row in self.by(name)]
            for name in FIELDS
        }
        total = _figures(self.total)
        return {"person": self.person, **self.span._asdict(), "total": total, "by": groups}


def answer(payer: Payer, query: Mapping[str, str], now: int) -> Table:
    """The report that an access token's holder gets, with their budgets. Raises ApiError."""
    selection = select(payer, query, now)
    budgets = selection.payer.budgets
    try:
        found = read(budgets.figures, selection.span, selection.person)
        lines = list(budget_lines(selection, now))
    except StoreError:
        raise ApiError(503, DOWN) from None
    is_local = budgets.counting is Counting.PER_INSTANCE
    return {"scope": "instance" if is_local else "shared", **found, "budgets": lines}


def client_answer(payer: Payer, now: int) -> Table:
    """The answer to `GET /api/oauth/usage`, with which Claude Code shows its person's budget.
    Raises ApiError."""
    if not isinstance(payer, MemberPayer):
        raise ApiError(404, NOT_COUNTED, retry=False)
    budgets, member = payer.budgets, payer.member
    if not budgets.client_budget:
        raise ApiError(404, NO_METER, retry=False)
    payer.check()
    try:
        used, caps = _caps(budgets, f"{PERSON}{member.token.person}", member.plan.limits, now)
        if member.group is not None:
            caps += _caps(budgets, f"{GROUP}{member.token.group}", member.group, now)[1]
    except StoreError:
        raise ApiError(503, DOWN) from None
    return client_budget.report(caps, used)


def _caps(
    budgets: Budgets, account: str, limits: Limits, now: int
) -> tuple[dict[Period, int], list[Cap]]:
    """What an account has used in each period, in nano-US$, and its budgets in US$."""
    values, zone = budgets.figures.read(account), budgets.plans.zone
    used, caps = {}, []
    for plain in counters.lines(account, limits, now, zone):
        _, period, is_money, _ = KINDS[plain.kind]
        if period is None or not is_money:
            continue
        line = plain.raised(values.get(plain.raises, 0))
        used[period] = values.get(line.name, 0)
        if line.limit is not None:
            budget = Refusal(line.entry(Amounts()), used[period], 0)
            caps.append(client_budget.to_cap(budget, window_at(period, now, zone).ends))
    return used, caps


def select(payer: Payer, query: Mapping[str, str], now: int) -> Selection:
    """query: `since`, and `person`, which others than operators may only give as their own. Raises
    ApiError."""
    if not isinstance(payer, MemberPayer):
        raise ApiError(404, NOT_COUNTED, retry=False)
    payer.check()
    budgets, token = payer.budgets, payer.member.token
    person = query.get("person") or token.person
    may_see_others = is_operator(token, budgets)
    if person != token.person and not may_see_others:
        raise ApiError(403, NOT_AN_OPERATOR, retry=False)
    if person != EVERYONE and not NAME.fullmatch(person):
        raise ApiError(400, BAD_PERSON)
    try:
        span = read_span(query.get("since") or SINCE, day_at(now, budgets.plans.zone))
    except BadSince as error:
        raise ApiError(400, str(error)) from None
    return Selection(payer, person, span, may_see_others)


def load(store: Store, span: Span, person: str = EVERYONE) -> Report:
    """Raises StoreError."""
    groups = (("day", "model", "request_class"), ("person",))
    parts, people = store.sums(groups, *span, None if person == EVERYONE else person)
    return Report(person, span, parts, people)


def read(store: Store, span: Span, person: str = EVERYONE) -> Table:
    """A report of one person or everyone. Raises StoreError."""
    return load(store, span, person).table()


def is_operator(token: Token, budgets: Budgets) -> bool:
    """A derived token is for its own figures: it was made to be narrower."""
    return token.person in budgets.plans.operators and len(token.ids) == 1


def _sum(rows: Iterable[Usage]) -> Usage:
    """Its names and day are empty."""
    return Usage("", "", "", "", *map(sum, zip(*(row.figures for row in rows), strict=True)))


def _figures(usage: Usage) -> Table:
    return {
        "requests": usage.requests,
        "errors": usage.errors,
        "input": usage.input,
        "cached": usage.cached,
        "output": usage.output,
        "usd": usage.nano_usd / NANO,
        "saved_usd": usage.saved / NANO,
        "estimated_usd": usage.estimated / NANO,
        "mean_ms": round(usage.ms / usage.requests) if usage.requests else 0,
    }


def budget_lines(selection: Selection, now: int) -> Iterator[Table]:
    """What is used of each limit in its window, and as much of that as answers under way hold. For
    everyone those of the groups. Raises StoreError."""
    budgets, person = selection.payer.budgets, selection.person
    if person == EVERYONE:
        for name in sorted(budgets.plans.groups):
            yield from _lines(budgets, GROUP, name, budgets.plans.of_group(name, now), now)
    elif member := _find_member(selection, now):
        yield from _lines(budgets, PERSON, person, member.plan.limits, now)
        yield from _lines(budgets, GROUP, member.token.group, member.group, now)
    else:
        for line in _lines(budgets, PERSON, person, Limits(), now):
            del line["limit"]
            yield line


def _find_member(selection: Selection, now: int) -> Member | None:
    """Whose figures are selected. The plan of another than the payer is that of the token which
    they were issued last; None where the store or the plan file does not know it."""
    budgets, member = selection.payer.budgets, selection.payer.member
    if selection.person == member.token.person:
        return member
    token = Registry(store=budgets.figures).newest(selection.person)
    with suppress(BadToken):
        return budgets.member(token, now) if token else None
    return None


def _lines(
    budgets: Budgets, kind: str, name: str, limits: Limits | None, now: int
) -> Iterator[Table]:
    """None, where there are no limits."""
    if limits is None:
        return
    zone = budgets.plans.zone
    account = f"{kind}{name}"
    values, held = budgets.figures.read(account), budgets.figures.held(account)
    for line in counters.lines(account, limits, now, zone):
        field, period, is_money, _ = KINDS[line.kind]
        used, limit = values.get(line.name, 0), line.raised(values.get(line.raises, 0)).limit
        under_way = min(used, held.get(line.name, 0))
        window = window_at(period, now, zone) if period else None
        yield {
            kind.rstrip(":"): name,
            "budget": field,
            "used": used / NANO if is_money else used,
            "held": under_way / NANO if is_money else under_way,
            "limit": limit / NANO if is_money and limit is not None else limit,
            "resets_at": _moment(window.ends) if window else None,
        }


def _moment(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat().replace("+00:00", "Z")

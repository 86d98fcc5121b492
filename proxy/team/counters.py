"""What a plan limits, as counters of a store: one table, by which a hold's entries are made and a
refusal is explained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import tzinfo
from typing import NamedTuple

from .plans import Limits
from .stores import Entry, kind_of
from .tokens import LATEST, Token
from .windows import Period, Window, window_at

PERSON, GROUP = "person:", "group:"
"""How the accounts of people and of groups begin."""

REVOKED, REVOKED_FROM, REVOKED_BEFORE = "revoked.", "revoked_from.", "revoked_before"
"""Marks in a person's account: 1 for a token's id; for one that is good a while longer, LATEST less
the Unix second from which it is revoked, so that the limit falls with time and the mark need not be
written twice; and the second before which all were issued that are revoked."""

EXPIRES = "expires."
"""Beside the marks of a token's id: the second in which it expires."""

RAISE = "raise."
"""Mark in an account: the limit of one of its budgets in one window, where an operator has raised
it. It has no colon, as a hold does not count on it: it names it, with nothing to add, so that each
write brings its value along."""

NEEDLESS_SECONDS = 86_400
"""After a token's end: then its marks can go, whatever the clock of a server says."""


class Kind(NamedTuple):
    """limit: the field of Limits. period: None for what is open at the moment. is_always: counted
    without a limit, too: what a person has used is shown to them."""

    limit: str
    period: Period | None
    is_money: bool = False
    is_always: bool = False


KINDS = {
    "requests": Kind("requests_per_minute", Period.MINUTE),
    "streams": Kind("open_streams", None),
    "tokens": Kind("tokens_per_day", Period.DAY),
    "usd_day": Kind("usd_per_day", Period.DAY, is_money=True, is_always=True),
    "usd_week": Kind("usd_per_week", Period.WEEK, is_money=True, is_always=True),
    "usd_month": Kind("usd_per_month", Period.MONTH, is_money=True, is_always=True),
}
"""Counter, without its window -> what it counts."""


RAISED = {
    kind.limit: name
    for name, kind in KINDS.items()
    if kind.is_money or kind.limit == "tokens_per_day"
}
"""What an operator can raise for a window: field of Limits -> counter."""


class Amounts(NamedTuple):
    """What one request adds. nano_usd, tokens: held. final_...: what it has used by now."""

    nano_usd: int = 0
    tokens: int = 0
    final_nano_usd: int = 0
    final_tokens: int = 0

    def of(self, counter: str) -> tuple[int, int]:
        """Amount and final of a counter, whose name has no window here."""
        if KINDS[counter].is_money:
            return self.nano_usd, self.final_nano_usd
        return RATES.get(counter, (self.tokens, self.final_tokens))


RATES = {"requests": (1, 1), "streams": (1, 0)}
"""Counter -> amount and final of each request."""


class Line(NamedTuple):
    """One counter of an account: an entry without its amounts. raises: the mark that may raise its
    limit, "" for none."""

    account: str
    kind: str
    name: str
    limit: int | None
    raises: str = ""

    def entry(self, amounts: Amounts) -> Entry:
        amount, final = amounts.of(self.kind)
        return Entry(self.account, self.name, amount, self.limit, final)

    def raised(self, limit: int) -> Line:
        """limit: the value of its mark, 0 for none."""
        if self.limit is None or limit <= self.limit:
            return self
        return self._replace(limit=limit)


def lines(account: str, limits: Limits, now: int, zone: tzinfo) -> Iterator[Line]:
    """Of one account, for a request that began `now`."""
    for name, kind in KINDS.items():
        limit = getattr(limits, kind.limit)
        if limit is not None or kind.is_always:
            window = window_at(kind.period, now, zone).name if kind.period else ""
            can_raise = limit is not None and kind.limit in RAISED
            raises = f"{RAISE}{name}.{window}" if can_raise else ""
            yield Line(account, name, f"{name}:{window}" if window else name, limit, raises)


def raise_mark(counter: str, now: int, zone: tzinfo) -> str:
    """That raises the limit of a counter (of KINDS) in its window of `now`."""
    period = KINDS[counter].period
    assert period is not None
    return f"{RAISE}{counter}.{window_at(period, now, zone).name}"


def marks(token: Token, now: int) -> Iterator[Entry]:
    """That neither a token is revoked nor one that it was derived from."""
    account = f"{PERSON}{token.person}"
    for each in token.ids:
        yield Entry(account, f"{REVOKED}{each}", 0, 0)
        yield Entry(account, f"{REVOKED_FROM}{each}", 0, LATEST - now - 1)
    yield Entry(account, REVOKED_BEFORE, 0, token.issued)


def revocation(identity: str, second: int, now: int) -> tuple[str, int]:
    """The mark, and its value, that revokes a token from a Unix second on."""
    if second <= now:
        return f"{REVOKED}{identity}", 1
    return f"{REVOKED_FROM}{identity}", LATEST - second


def needless_marks(values: Mapping[str, int], now: int) -> list[str]:
    """Of a person's counters, the marks of tokens that are refused anyway: they have expired."""
    found = []
    for name, expires in values.items():
        if name.startswith(EXPIRES) and expires <= now - NEEDLESS_SECONDS:
            identity = name.removeprefix(EXPIRES)
            marks = (f"{REVOKED}{identity}", f"{REVOKED_FROM}{identity}")
            found += [each for each in marks if each in values] + [name]
    return found


def revoked_from(token: Token, values: Mapping[str, int]) -> int | None:
    """The Unix second from which the marks in its person's account revoke a token, 0 for at once;
    None where they do not."""
    seconds = [0 for each in token.ids if values.get(f"{REVOKED}{each}")]
    for each in token.ids:
        if value := values.get(f"{REVOKED_FROM}{each}"):
            seconds.append(LATEST - value)
    if values.get(REVOKED_BEFORE, 0) > token.issued:
        seconds.append(0)
    return min(seconds, default=None)


def is_mark(entry: Entry) -> bool:
    return entry.counter.startswith((REVOKED, REVOKED_FROM)) or entry.counter == REVOKED_BEFORE


def is_budget(entry: Entry) -> bool:
    """Whether it counts money or tokens: neither a rate nor a mark."""
    found = KINDS.get(kind_of(entry.counter))
    return found is not None and found.limit in RAISED


def kind(entry: Entry) -> Kind:
    return KINDS[kind_of(entry.counter)]


def window(entry: Entry, now: int, zone: tzinfo) -> Window:
    """That an entry counts in, which began `now`."""
    return window_at(kind(entry).period or Period.MINUTE, now, zone)

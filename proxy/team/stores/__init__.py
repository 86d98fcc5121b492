"""Where is counted what people use: one interface of a few verbs, one module for each store.

An *account* (a person, or a group) has *counters*: integers with names. A *hold* adds to several of
them at once, on the condition that none is then above its limit, and is replaced by what a request
really took when that has ended. All else is put in these terms, so that one atomic write decides:

    requests a minute   requests:2026-11-28T18:43   1 stays
    open streams        streams                     1, and 0 when the request has ended
    tokens a day        tokens:2026-11-28           the held ones, then the real ones
    money a day         usd_day:2026-11-28          nano-US$, the same
    money a week        usd_week:2026-W48
    money a month       usd_month:2026-11
    a revoked token     revoked.<id>                nothing is added, and the limit is 0
    the same, later     revoked_from.<id>           nothing is added, and the limit falls with time
    tokens revoked      revoked_before              nothing is added, and the limit is the second in
     by their age                                   which the token was issued
    a raised limit      raise.usd_day.2026-11-28    nothing is added, without a limit: its value
                                                    comes back with the write

A counter contains what is held, so that a store needs to compare one stored number with a constant
(limit - amount). A counter whose name has a window, behind a colon, is never reset: the next window
has another name.

This module stands on nothing; what counters a plan has is budget.py's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

STORE_SECONDS = 2.0
"""For one verb of a store, whatever it does meanwhile: Anthropic's gateway waits as long, and the
request does not wait for more. It is far above what any of them takes when it works (12 ms)."""

SWEPT_SECONDS = 86_400
"""How long an abandoned hold is remembered, so that a request that ends after all is charged what
it took. No host lets one last longer than an hour."""

TOTALS_DAYS = 410
"""How long the totals of a day are kept: the longest span of a report (MAX_DAYS of usage.py), and
ten days for time zones, and for who looks once more."""

MAX_UNMARKED = 100
"""Counters that are dropped at once: their names fit into one write of every store."""


class StoreError(Exception):
    """The store cannot be asked: it is down, slow or throttled. Its text holds no secrets."""


Key = tuple[str, str]
"""An account and one of its counters."""


class Entry(NamedTuple):
    """What a hold has to do with one counter.

    amount: what it adds while it is open. limit: above which the counter may not be afterwards;
    None where it is only counted. final: what stays of the amount when the hold ends, as far as
    known by now.
    """

    account: str
    counter: str
    amount: int
    limit: int | None = None
    final: int = 0

    @property
    def key(self) -> Key:
        return self.account, self.counter


class Usage(NamedTuple):
    """What one person has used of one model on a day, for one class of request.

    day: ISO, in the plans' time zone. request_class: see request_log.py. input: tokens, those from
    the cache among them; output: tokens, thoughts among them. nano_usd: the cost. estimated: as
    much of it as was not reported by the end. saved: what the cached tokens would have cost more.
    ms: how long the requests took together.
    """

    day: str
    person: str
    model: str
    request_class: str = ""
    requests: int = 0
    errors: int = 0
    input: int = 0
    cached: int = 0
    output: int = 0
    nano_usd: int = 0
    estimated: int = 0
    saved: int = 0
    ms: int = 0

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self[:4]

    @property
    def figures(self) -> tuple[int, ...]:
        return self[4:]


FIGURES = Usage._fields[4:]

Fields = tuple[str, ...]
"""Some of Usage's first four, by which rows are added up."""


@dataclass(frozen=True)
class Hold:
    """Of one request. id: unique, of letters, digits, "-" and "_". entries: at most one for each
    counter; the first one's account is the owner. ends: Unix seconds, from when the process of the
    request is taken for dead. usage: what is known of it by now, for the totals.
    """

    id: str
    entries: tuple[Entry, ...]
    ends: int
    usage: tuple[Usage, ...] = ()

    @property
    def owner(self) -> str:
        return self.entries[0].account

    @property
    def accounts(self) -> tuple[str, ...]:
        """In the order of the entries."""
        return tuple(dict.fromkeys(entry.account for entry in self.entries))

    def of(self, account: str) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.account == account)

    def pick(self, values: Mapping[Key, int]) -> dict[Key, int]:
        """The values of its own counters, 0 for those that are not there."""
        return {entry.key: values.get(entry.key, 0) for entry in self.entries}


class OpenHold(Protocol):
    """As it stands in a store. amounts: what it has added so far, to counters of accounts.
    finals: what stays when it is abandoned."""

    @property
    def amounts(self) -> Mapping[Key, int]: ...

    @property
    def finals(self) -> Mapping[Key, int]: ...


class Refusal(NamedTuple):
    """A counter that would be above its limit. value: before, what is held in it. held: as much of
    it as open holds have taken and may give back."""

    entry: Entry
    value: int
    held: int

    @property
    def key(self) -> Key:
        return self.entry.key


class Outcome(NamedTuple):
    """Of `hold` and `change`. refusals: none where it was done; else nothing at all was changed.
    values: (account, counter) -> value afterwards, for the counters of the hold, also where it was
    refused; one that is not there may be left out."""

    refusals: tuple[Refusal, ...]
    values: Mapping[Key, int]


class Holds(Protocol):
    """What a request asks of a store. Each verb takes at most STORE_SECONDS and raises StoreError
    where it could not be done, or where nobody knows whether it was: then it can be repeated, since
    each is done once for a hold.

    now: Unix seconds.
    """

    def hold(self, hold: Hold, now: int) -> Outcome:
        """Add all amounts, or none where one counter would be above its limit.

        Abandoned holds of the accounts do not count: before it refuses, a store has settled them by
        their `final` and `usage`, marked as estimated.
        """

    def change(self, hold: Hold, now: int) -> Outcome:
        """Replace what a hold has been so far, its end too. Limits are those of the new entries,
        and refuse only what grows. A hold that was settled stays so: nothing is done."""

    def settle(self, hold: Hold, now: int) -> None:
        """End a hold: `final` replaces the amount of each entry, `usage` is added to the totals.
        Also for one that was taken for abandoned; nothing is done for one that was settled."""


class Store(Holds, Protocol):
    """All that is asked of one."""

    is_shared: bool
    """Whether all instances count here; if not, each has limits of its own."""
    is_remote: bool
    """Whether a verb takes round trips over a network."""

    def mark(self, account: str, counter: str, value: int) -> None:
        """Set a counter that no hold adds to: what is revoked."""

    def unmark(self, account: str, counters: Sequence[str]) -> None:
        """Drop counters that no hold adds to, MAX_UNMARKED at once; nothing is done for those that
        are not there."""

    def read(self, account: str) -> Mapping[str, int]:
        """The counters of an account."""

    def held(self, account: str) -> Mapping[str, int]:
        """As much of each of its counters as open holds have taken and may give back."""

    def usage(self, since: str, until: str, person: str | None = None) -> Sequence[Usage]:
        """The totals of the days from the first to the last, of one person or everyone, sorted.
        They are kept for TOTALS_DAYS."""

    def sums(
        self, groups: Sequence[Fields], since: str, until: str, person: str | None = None
    ) -> Sequence[Sequence[Usage]]:
        """The same added up, for each group by the fields that it names; the others are empty. A
        team's year has some 100,000 rows, and a page shows a few hundred."""

    def check(self) -> None:
        """Whether the store can be asked: raises StoreError."""

    def close(self) -> None:
        """Nothing is asked afterwards."""


def refusals(
    entries: Iterable[Entry],
    values: Mapping[Key, int],
    amounts: Mapping[Key, int],
) -> tuple[Refusal, ...]:
    """Those of one hold, whose `held` is for the store to fill in. values: of the counters, absent
    for 0. amounts: what this hold has added so far."""
    found = []
    for entry in entries:
        if entry.limit is None:
            continue
        value, growth = values.get(entry.key, 0), entry.amount - amounts.get(entry.key, 0)
        if value + growth > entry.limit and (growth > 0 or not entry.amount):
            found.append(Refusal(entry, value, 0))
    return tuple(found)


def stale_counters(names: Iterable[str], entries: Iterable[Entry]) -> list[str]:
    """Counters of windows that are long over: of each kind that an entry counts on, all before the
    entry's but the last, on which a clock that is behind, or an open hold, may still count.

    The names are of one account, as the entries are.
    """
    current = {kind_of(entry.counter): entry.counter for entry in entries if ":" in entry.counter}
    older: dict[str, list[str]] = {kind: [] for kind in current}
    for name in names:
        kind = kind_of(name)
        if kind in current and name < current[kind]:
            older[kind].append(name)
    return [name for group in older.values() for name in sorted(group)[:-1]]


def kind_of(counter: str) -> str:
    """Its name without the window."""
    return counter.partition(":")[0]


def abandoned(usage: Iterable[Usage]) -> tuple[Usage, ...]:
    """What a request has used whose process died: as much as was known, and all of it estimated."""
    return tuple(each._replace(estimated=each.nano_usd) for each in usage)


def correction(usage: Iterable[Usage], recorded: Iterable[Usage]) -> tuple[Usage, ...]:
    """What has to be added for a request that has ended after all, and was taken for dead: then the
    totals have what was recorded of it."""
    taken_back = (
        Usage(*each.key, *(-figure for figure in each.figures)) for each in abandoned(recorded)
    )
    return (*usage, *taken_back)


def differences(old: Mapping[Key, int], new: Mapping[Key, int]) -> dict[Key, int]:
    """What counters have been given so far by what they are to be given; without those that stay
    as they are."""
    changes = {key: new.get(key, 0) - old.get(key, 0) for key in {**old, **new}}
    return {key: change for key, change in changes.items() if change}


def totals_end(day: str) -> int:
    """The Unix second until which the totals of a day, ISO, are kept."""
    kept = datetime.fromisoformat(f"{day}T00:00:00Z") + timedelta(days=TOTALS_DAYS)
    return int(kept.timestamp())


def first_kept(now: int) -> str:
    """The oldest day, ISO, whose totals are kept still. now: Unix seconds."""
    first = datetime.fromtimestamp(now, UTC).date() - timedelta(days=TOTALS_DAYS - 1)
    return first.isoformat()


def held_by(holds: Iterable[OpenHold]) -> Counter[Key]:
    """What open holds have taken and may give back."""
    held: Counter[Key] = Counter()
    for each in holds:
        held.update(each.amounts)
        held.subtract(each.finals)
    return held


def held_in(account: str, holds: Iterable[OpenHold]) -> dict[str, int]:
    """The same for the counters of one account."""
    return {name: held for (owner, name), held in held_by(holds).items() if owner == account}


def sums_by(fields: Fields, usage: Iterable[Usage]) -> list[Usage]:
    """Rows added up by these fields, sorted; the other fields are empty."""
    others: dict[str, Any] = {name: "" for name in Usage._fields[:4] if name not in fields}
    sums = sums_by_key(each._replace(**others) for each in usage)
    return [Usage(*key, *sums[key]) for key in sorted(sums)]


def sums_by_key(usage: Iterable[Usage]) -> dict[tuple[str, str, str, str], list[int]]:
    """The figures of rows that have one key, added up."""
    sums: dict[tuple[str, str, str, str], list[int]] = {}
    for each in usage:
        before = sums.get(each.key, [0] * len(FIGURES))
        sums[each.key] = [a + b for a, b in zip(before, each.figures, strict=True)]
    return sums

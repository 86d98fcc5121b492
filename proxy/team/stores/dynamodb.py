"""A store in one DynamoDB table, for all instances of an endpoint on AWS.

Items, by `pk` and `sk` (strings):

    <account>  counters     one attribute for each counter
    holds      <id>         a hold that is open, or was abandoned less than SWEPT_SECONDS ago
    totals     <total>      one attribute for each figure of Usage, and `expires`

The key of a total is the JSON of [month, person, day, model, class]: so the rows of one person are
a range in each month, and those of everyone one range, of whole months.

A verb that writes is one transaction (TransactWriteItems) on the hold, its accounts and the totals:
all is written or nothing, also where the process dies. Each condition compares one stored number
with a constant (limit - growth). A transaction may be repeated though its answer was lost: the
hold's item is there, has another version, or is gone.

Who uses the table needs ACTIONS on it, and time-to-live on the attribute `expires`; an item that
has expired and still stands there is ignored by its own time stamp.

What it costs, at US$ 0.625 for a million write units and 0.125 for read units (on demand, since
November 2024). Each item has less than 1 KB: 2 write units in a transaction, 1 read unit.

    for a person in a group   round trips   write units   read units   US$ for 1,000
    hold                                2             6            2          0.0040
    change                              3             6            5          0.0044
    settle                              2             8            1          0.0051

A request is held, corrected once and settled: US$ 0.0135 for 1,000 of them, and 0.0044 for each
step of output beyond the first. Without a group each verb writes one item less: US$ 0.0094. A page
of one person's usage is one query for each month that it touches, and reads their rows only; one of
everyone's is one query for each MB, which is 6,000 totals. A verb takes 1.1 ms of CPU, a change 1.7
(one core of 2026, without the network; with it 2.5 and 3.4).

What bounds an item: an account has three windows of each kind of counter at most, since older ones
are dropped, and the marks of a person's revoked tokens (MAX_REVOKED of token_registry.py, which
bounds its own two accounts); a hold and a total have names of at most 256 characters. Transactions
on one account follow each other, and those that meet are tried again: it is the group's item that
limits how fast a large group goes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from . import (
    FIGURES,
    STORE_SECONDS,
    SWEPT_SECONDS,
    Fields,
    Hold,
    Key,
    Outcome,
    StoreError,
    Usage,
    abandoned,
    correction,
    differences,
    held_by,
    held_in,
    refusals,
    stale_counters,
    sums_by,
    sums_by_key,
    totals_end,
)
from .dynamodb_client import Client, ConditionFailed

ACTIONS = ("BatchGetItem", "ConditionCheckItem", "DeleteItem", "PutItem", "Query", "UpdateItem")
"""Of IAM, after "dynamodb:"; a transaction needs those of its parts."""

SWEEP_SECONDS = 60
"""How often a process looks for abandoned holds where it refuses nothing: one query."""

MAX_SWEPT = 10
"""Abandoned holds that one verb settles, a transaction each: 10 ms each, within STORE_SECONDS. What
is left is the next one's."""

UNREADABLE = "an item or answer cannot be read ({}); check AWS_ENDPOINT_URL and who writes to it"

Item = dict[str, Any]


class Recorded(NamedTuple):
    """A hold as it stands in the table. amounts, finals: as in an Entry. version: of its item, one
    more with each write, 0 for none."""

    id: str
    amounts: Mapping[Key, int]
    finals: Mapping[Key, int]
    ends: int
    usage: tuple[Usage, ...]
    is_swept: bool = False
    version: int = 0


class DynamoStore:
    """table: its name, in the region and with the rights of the process. Raises StoreError where
    boto3 lacks a setting. clock, sleep: in seconds."""

    is_shared = True
    is_remote = True

    def __init__(
        self,
        table: str,
        seconds: float = STORE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = table
        self._client = Client(table, seconds, clock, sleep)
        self._swept_at = 0

    def hold(self, hold: Hold, now: int) -> Outcome:
        with self._verb():
            if now >= self._swept_at + SWEEP_SECONDS:
                self._sweep(now)
            return self._write(hold, None, now)

    def change(self, hold: Hold, now: int) -> Outcome:
        with self._verb():
            recorded, values = self._look(hold, now)
            if recorded is None:
                return Outcome((), hold.pick(values))
            return self._write(hold, recorded, now)

    def settle(self, hold: Hold, now: int) -> None:
        with self._verb():
            while (recorded := self._find(hold.id, now)) and not self._end(hold, recorded):
                pass  # somebody has written it since

    def mark(self, account: str, counter: str, value: int) -> None:
        with self._verb():
            self._client.call(
                "update_item",
                **self._item(account, "counters"),
                UpdateExpression="SET #c = :v",
                ExpressionAttributeNames={"#c": counter},
                ExpressionAttributeValues={":v": _number(value)},
            )

    def unmark(self, account: str, counters: Sequence[str]) -> None:
        with self._verb():
            self._remove(account, counters)

    def read(self, account: str) -> Mapping[str, int]:
        with self._verb():
            return {name: value for (_, name), value in self._values([account]).items()}

    def usage(self, since: str, until: str, person: str | None = None) -> Sequence[Usage]:
        ranges = [(f'["{since[:7]}', f'["{until[:7]}"\uffff')]
        if person is not None:
            starts = [_dump([month, person])[:-1] for month in _months(since, until)]
            ranges = [(f'{start},"{since}', f'{start},"{until}"\uffff') for start in starts]
        with self._verb():
            items = (item for each in ranges for item in self._query("totals", *each))
            return sorted(row for row in map(_parse_totals, items) if since <= row.day <= until)

    def held(self, account: str) -> Mapping[str, int]:
        with self._verb():
            holds = map(_parse, self._query("holds", " ", "\uffff"))
            return held_in(account, (each for each in holds if not each.is_swept))

    def sums(
        self, groups: Sequence[Fields], since: str, until: str, person: str | None = None
    ) -> Sequence[Sequence[Usage]]:
        rows = self.usage(since, until, person)
        return [sums_by(fields, rows) for fields in groups]

    def check(self) -> None:
        self.read("check")

    def close(self) -> None:
        self._client.close()

    # --- Verbs -------------------------------------------------------------------------------

    @contextmanager
    def _verb(self) -> Iterator[None]:
        """Within the deadline. What cannot be read is an error of the store, too: something else
        answers for it, or somebody else writes to the table."""
        self._client.begin()
        try:
            yield
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._client.error(UNREADABLE.format(type(error).__name__)) from error

    def _end(self, hold: Hold, recorded: Recorded) -> bool:
        """Whether it was still recorded so."""
        changes = differences(recorded.amounts, {entry.key: entry.final for entry in hold.entries})
        used = correction(hold.usage, recorded.usage if recorded.is_swept else ())
        delete = {"Delete": self._item("holds", hold.id) | _is_version(recorded.version)}
        return self._transact([delete, *self._adds(changes, {}), *self._totals(used)])

    def _write(self, hold: Hold, recorded: Recorded | None, now: int) -> Outcome:
        """Have a hold add what its entries say instead of what is recorded, or refuse that."""
        open_holds: Sequence[Recorded] | None = None
        while not self._transact(self._replacement(hold, recorded)):
            found, values = self._look(hold, now)
            if found != recorded:
                if found is None or recorded is None:  # settled meanwhile, or done before
                    return Outcome((), hold.pick(values))
                recorded = found
                continue
            refused = refusals(hold.entries, values, _amounts(recorded))
            if refused and open_holds is None:
                has_swept, open_holds = self._sweep(now, but=hold.id)
                if has_swept:
                    continue
            if refused:
                held = held_by(open_holds or ())
                return Outcome(tuple(r._replace(held=held[r.key]) for r in refused), values)
        values = self._values(hold.accounts)
        self._drop_stale(hold, values)
        return Outcome((), hold.pick(values))

    def _replacement(self, hold: Hold, recorded: Recorded | None) -> list[Item]:
        amounts = {entry.key: entry.amount for entry in hold.entries}
        finals = {entry.key: entry.final for entry in hold.entries}
        changes = differences(_amounts(recorded), amounts)
        rooms = {
            entry.key: entry.limit - changes.get(entry.key, 0)
            for entry in hold.entries
            if entry.limit is not None and (changes.get(entry.key, 0) > 0 or not entry.amount)
        }
        used = correction((), recorded.usage) if recorded and recorded.is_swept else ()
        version = recorded.version if recorded else 0
        put = self._put(Recorded(hold.id, amounts, finals, hold.ends, hold.usage, False, version))
        return [put, *self._adds(changes, rooms), *self._totals(used)]

    def _sweep(self, now: int, but: str = "") -> tuple[bool, list[Recorded]]:
        """Settle what was abandoned, by what was known. Whether something was, and what is open."""
        self._swept_at = now
        holds = [_parse(item) for item in self._query("holds", " ", "\uffff")]
        open_holds = [each for each in holds if not each.is_swept]
        due = [each for each in open_holds if each.ends <= now and each.id != but][:MAX_SWEPT]
        for each in due:
            put = self._put(each._replace(amounts=each.finals, ends=now, is_swept=True))
            changes = differences(each.amounts, each.finals)
            self._transact([put, *self._adds(changes, {}), *self._totals(abandoned(each.usage))])
        return bool(due), [each for each in open_holds if each not in due]

    def _drop_stale(self, hold: Hold, values: Mapping[Key, int]) -> None:
        """What cannot be dropped now is dropped with the next hold."""
        for account in hold.accounts:
            names = [name for owner, name in values if owner == account]
            if stale := stale_counters(names, hold.of(account)):
                with suppress(StoreError):
                    self._remove(account, stale)

    def _remove(self, account: str, names: Sequence[str]) -> None:
        self._client.call(
            "update_item",
            **self._item(account, "counters"),
            UpdateExpression=f"REMOVE {', '.join(f'#{i}' for i in range(len(names)))}",
            ExpressionAttributeNames={f"#{i}": name for i, name in enumerate(names)},
        )

    # --- Items -------------------------------------------------------------------------------

    def _item(self, pk: str, sk: str) -> Item:
        return {"TableName": self._table, "Key": {"pk": {"S": pk}, "sk": {"S": sk}}}

    def _put(self, hold: Recorded) -> Item:
        """Replace the version that is named, 0 for none."""
        item = {
            **self._item("holds", hold.id)["Key"],
            "entries": {"S": _dump(_by_account(hold.amounts, hold.finals))},
            "usage": {"S": _dump(hold.usage)},
            "ends": _number(hold.ends),
            "version": _number(hold.version + 1),
        }
        if hold.is_swept:  # what is open must not vanish before it is settled
            item["expires"] = _number(hold.ends + SWEPT_SECONDS)
        return {"Put": {"TableName": self._table, "Item": item, **_is_version(hold.version)}}

    def _adds(self, changes: Mapping[Key, int], rooms: Mapping[Key, int]) -> Iterator[Item]:
        """rooms: above which a counter may not be before."""
        for account in dict.fromkeys(account for account, _ in (*changes, *rooms)):
            names = [name for owner, name in {**changes, **rooms} if owner == account]
            adds, conditions, values = [], [], {}
            for i, name in enumerate(names):
                if change := changes.get((account, name)):
                    adds.append(f"#{i} :a{i}")
                    values[f":a{i}"] = _number(change)
                if (room := rooms.get((account, name))) is not None:
                    absent = f"attribute_not_exists(#{i}) OR " if room >= 0 else ""
                    conditions.append(f"({absent}#{i} <= :r{i})")
                    values[f":r{i}"] = _number(room)
            write = self._item(account, "counters") | {
                "ExpressionAttributeNames": {f"#{i}": name for i, name in enumerate(names)},
                "ExpressionAttributeValues": values,
            }
            if conditions:
                write["ConditionExpression"] = " AND ".join(conditions)
            if adds:
                write["UpdateExpression"] = f"ADD {', '.join(adds)}"
            yield {"Update" if adds else "ConditionCheck": write}

    def _totals(self, usage: Iterable[Usage]) -> Iterator[Item]:
        for (day, person, *others), figures in sums_by_key(usage).items():
            adds = [f"#{name} :{name}" for name in FIGURES]
            values = dict(zip(FIGURES, figures, strict=True)) | {"expires": totals_end(day)}
            yield {
                "Update": self._item("totals", _dump([day[:7], person, day, *others]))
                | {
                    "UpdateExpression": f"SET #expires = :expires ADD {', '.join(adds)}",
                    "ExpressionAttributeNames": {f"#{name}": name for name in values},
                    "ExpressionAttributeValues": {f":{n}": _number(values[n]) for n in values},
                }
            }

    # --- Calls -------------------------------------------------------------------------------

    def _look(self, hold: Hold, now: int) -> tuple[Recorded | None, dict[Key, int]]:
        """What is recorded of a hold, and all counters of its accounts."""
        items = self._get([("holds", hold.id), *((each, "counters") for each in hold.accounts)])
        found = items.pop(("holds", hold.id), None)
        return _parse_open(found, now), _parse_counters(items)

    def _find(self, identity: str, now: int) -> Recorded | None:
        key = ("holds", identity)
        return _parse_open(self._get([key]).get(key), now)

    def _values(self, accounts: Iterable[str]) -> dict[Key, int]:
        return _parse_counters(self._get([(each, "counters") for each in accounts]))

    def _get(self, keys: Iterable[Key]) -> dict[Key, Item]:
        """The items that there are, by pk and sk."""
        wanted = [self._item(*key)["Key"] for key in keys]
        left: Item = {self._table: {"Keys": wanted, "ConsistentRead": True}}
        items: list[Item] = []
        while left:
            page = self._client.call("batch_get_item", RequestItems=left)
            items += page["Responses"].get(self._table, ())
            left = page.get("UnprocessedKeys", {})
        return {(item["pk"]["S"], item["sk"]["S"]): item for item in items}

    def _query(self, pk: str, first: str, last: str) -> Iterator[Item]:
        start: Item = {}
        while True:
            page = self._client.call(
                "query",
                TableName=self._table,
                KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
                ExpressionAttributeValues={
                    ":pk": {"S": pk},
                    ":first": {"S": first},
                    ":last": {"S": last},
                },
                ConsistentRead=True,
                **start,
            )
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _transact(self, writes: list[Item]) -> bool:
        """All, or none where a condition is not met: whether it was done."""
        try:
            self._client.call("transact_write_items", TransactItems=writes)
        except ConditionFailed:
            return False
        return True


def _number(value: int) -> Item:
    return {"N": str(value)}


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _is_version(version: int) -> Item:
    """A condition. 0: there is none."""
    if not version:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {
        "ConditionExpression": "version = :version",
        "ExpressionAttributeValues": {":version": _number(version)},
    }


def _parse_open(item: Item | None, now: int) -> Recorded | None:
    found = item and _parse(item)
    if not found or (found.is_swept and found.ends <= now - SWEPT_SECONDS):
        return None
    return found


def _parse(item: Item) -> Recorded:
    entries = {
        (account, name): pair
        for account, counters in json.loads(item["entries"]["S"]).items()
        for name, pair in counters.items()
    }
    return Recorded(
        item["sk"]["S"],
        {key: amount for key, (amount, _) in entries.items()},
        {key: final for key, (_, final) in entries.items()},
        int(item["ends"]["N"]),
        tuple(Usage(*each) for each in json.loads(item["usage"]["S"])),
        "expires" in item,
        int(item["version"]["N"]),
    )


def _parse_counters(items: Mapping[Key, Item]) -> dict[Key, int]:
    return {
        (account, name): int(value["N"])
        for (account, _), item in items.items()
        for name, value in item.items()
        if "N" in value
    }


def _parse_totals(item: Item) -> Usage:
    _, person, day, *others = json.loads(item["sk"]["S"])
    return Usage(day, person, *others, *(int(item[name]["N"]) for name in FIGURES))


def _months(since: str, until: str) -> Iterator[str]:
    """Of two days, ISO, and all between them."""
    year, month = map(int, since[:7].split("-"))
    while (name := f"{year:04}-{month:02}") <= until[:7]:
        yield name
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)


def _by_account(
    amounts: Mapping[Key, int], finals: Mapping[Key, int]
) -> dict[str, dict[str, tuple[int, int]]]:
    """Account -> counter -> amount and final: as short as can be, since each KB is paid for."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for (account, name), amount in amounts.items():
        final = finals[account, name]
        if amount or final:
            found.setdefault(account, {})[name] = (amount, final)
    return found


def _amounts(recorded: Recorded | None) -> Mapping[Key, int]:
    return recorded.amounts if recorded else {}

"""A store in one collection of Firestore, for all instances of an endpoint on Google Cloud.

Documents, by the beginning of their id:

    account-  account, accounts (the same in a list), counters: a map, to which increments add
    shard-    the same, for an account that many count on: see firestore_shards.py
    hold-     owner, entries, usage (JSON), accounts, and `due` while it is open: its end
    total-    a field for each figure of Usage, and its key; day and person_day are for queries

A hold is one commit, of its own document and its accounts: all is written or nothing, also where
the process dies. Firestore has no condition on a number, and a transaction that reads before it
writes is aborted where several meet on a group; so a commit *adds*, looks at the sums as of its own
time, and takes all of it back with a second commit where one is above its limit. A limit is never
passed by what is admitted: each has seen all that had added before. What is being taken back stands
in an open hold, so a refusal, which is looked up as of the time of the second commit, calls it held
and never spent; and where there was room at that time after all, the hold is tried again. What a
process leaves behind that dies before it has taken back, is an abandoned hold.

Each commit has a precondition on the hold's document, so it may be repeated though its answer was
lost: the document is there, has another version, or is gone. Where it was the answer to a `change`
that was too much, that change stays: one step (see holds.py) above the limit.

What 1,000 requests of a person in a group cost, at US$ 0.09 for 100,000 writes, 0.03 for reads and
0.01 for deletes (one region; a multi-region costs twice as much). n: documents that the group is
counted in, at most one for each of its people and SHARDS.

                         writes   reads   deletes   n = 5    n = 30 (40 people)   n = 64
    hold                      3       n                0.0042        0.0117       0.0219
    change                    3   n + 1                0.0045        0.0120       0.0222
    settle                    3       1         1      0.0031        0.0031       0.0031
    all three                 9  2n + 2         1   US$ 0.0118        0.0268       0.0472

Without a group: 6 writes, 2 reads, 1 delete, US$ 0.0061. A refusal: 5 writes, 1 delete, 2n + 2
reads, and one for each open hold of its accounts. 20,000 writes and 50,000 reads a day are free.

Time-to-live belongs on the field `expires`; a hold that has expired and still stands there is
ignored by its own time stamp. The process needs roles/datastore.user.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from . import (
    FIGURES,
    STORE_SECONDS,
    SWEPT_SECONDS,
    Entry,
    Fields,
    Hold,
    Key,
    Outcome,
    Refusal,
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
from .firestore_client import (
    Client,
    ConditionFailed,
    Json,
    document_id,
    field_path,
    increment,
    integer,
    string,
    strings,
    timestamp,
    where,
)
from .firestore_shards import account_fields, parse_counters, place, sums

DATABASE = "(default)"

SWEEP_SECONDS = 60
"""How often a process looks for abandoned holds where it refuses nothing: one query."""

MAX_SWEPT = 10
"""Abandoned holds that one verb settles, a commit each: 15 ms each, within STORE_SECONDS. What is
left is the next one's."""

Amounts = Mapping[Key, int]


class Recorded(NamedTuple):
    """A hold as it stands in the collection. owner: the account by which shards are chosen.
    version: the time of its last write, "" for none."""

    id: str
    owner: str
    entries: tuple[Entry, ...]
    ends: int
    usage: tuple[Usage, ...]
    is_swept: bool
    version: str

    @property
    def amounts(self) -> dict[Key, int]:
        return {entry.key: entry.amount for entry in self.entries}

    @property
    def finals(self) -> dict[Key, int]:
        return {entry.key: entry.final for entry in self.entries}


class FirestoreStore:
    """project, collection: as in firestore://project/collection. headers, emulator, clock, sleep:
    see Client."""

    is_shared = True
    is_remote = True

    def __init__(
        self,
        project: str,
        collection: str,
        headers: Callable[[float], Mapping[str, str]],
        seconds: float = STORE_SECONDS,
        *,
        database: str = DATABASE,
        emulator: str = "",
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        names = project, database, collection
        self._client = Client(names, headers, seconds, emulator, clock, sleep)
        self._sweep_at = 0

    def hold(self, hold: Hold, now: int) -> Outcome:
        with self._client.deadline():
            if now >= self._sweep_at:
                self._sweep(now)
            return self._write(hold, _as_recorded(hold)._replace(entries=(), usage=()), now)

    def change(self, hold: Hold, now: int) -> Outcome:
        with self._client.deadline():
            recorded = self._find(hold.id, now)
            if recorded is None:
                return Outcome((), self._values(hold, hold.accounts))
            return self._write(hold, recorded, now)

    def settle(self, hold: Hold, now: int) -> None:
        finals = {entry.key: entry.final for entry in hold.entries}
        with self._client.deadline():
            while recorded := self._find(hold.id, now):
                used = correction(hold.usage, recorded.usage if recorded.is_swept else ())
                changes = differences(recorded.amounts, finals)
                try:
                    adds = self._adds(recorded.owner, changes)
                    self._client.commit([self._delete(recorded), *adds, *self._totals(used)])
                except ConditionFailed:
                    continue  # somebody has written it since
                return

    def mark(self, account: str, counter: str, value: int) -> None:
        counters = {"mapValue": {"fields": {counter: integer(value)}}}
        fields = {**account_fields(account), "counters": counters}
        write = self._update(document_id("account", account), fields)
        write["updateMask"] = {
            "fieldPaths": [*account_fields(account), field_path("counters", counter)]
        }
        with self._client.deadline():
            self._client.commit([write])

    def unmark(self, account: str, counters: Sequence[str]) -> None:
        with self._client.deadline(), suppress(ConditionFailed):  # there is no such account
            self._remove(document_id("account", account), counters, {"exists": True})

    def read(self, account: str) -> Mapping[str, int]:
        with self._client.deadline():
            return {name: value for (_, name), value in self._counters((account,)).items()}

    def usage(self, since: str, until: str, person: str | None = None) -> Sequence[Usage]:
        field, first, last = "day", since, until
        if person is not None:
            field, first, last = "person_day", _pair(person, since), _pair(person, until)
        with self._client.deadline():
            found = self._client.query(
                where(field, "GREATER_THAN_OR_EQUAL", string(first)),
                where(field, "LESS_THAN_OR_EQUAL", string(last)),
            )
            return sorted(_parse_usage(each["fields"]) for each in found.values())

    def held(self, account: str) -> Mapping[str, int]:
        with self._client.deadline():
            return held_in(account, _holds(self._concerned((account,)).values()))

    def sums(
        self, groups: Sequence[Fields], since: str, until: str, person: str | None = None
    ) -> Sequence[Sequence[Usage]]:
        rows = self.usage(since, until, person)
        return [sums_by(fields, rows) for fields in groups]

    def check(self) -> None:
        with self._client.deadline():
            self._client.get([document_id("account", "check")])

    def close(self) -> None:
        self._client.close()

    # --- Verbs -------------------------------------------------------------------------------

    def _write(self, hold: Hold, recorded: Recorded, now: int) -> Outcome:
        """Have a hold add what its entries say instead of what is recorded, or refuse that."""
        has_swept = False
        while True:
            try:
                own, written, moment = self._replace(recorded, _as_recorded(hold))
                values = own | self._values(hold, hold.accounts[1:], moment)
            except ConditionFailed:
                found = self._find(hold.id, now)
                if found is None and recorded.version:  # settled meanwhile
                    return Outcome((), self._values(hold, hold.accounts))
                if found is None or recorded.version:
                    recorded = found or recorded
                    continue
                own, written = {}, found  # nobody knew that it was done
                values = self._values(hold, hold.accounts)
            if not _over(hold, values, recorded):
                self._drop_stale(hold, own)
                return Outcome((), values)
            if not has_swept:
                self._sweep(now, but=hold.id)
                has_swept = True
            if moment := self._take_back(written, recorded):
                refused, values = self._refusals(hold, recorded.amounts, moment)
                if refused:
                    return Outcome(refused, values)
            recorded = self._find(hold.id, now) or recorded

    def _replace(self, old: Recorded, new: Recorded) -> tuple[dict[Key, int], Recorded, str]:
        """In one commit. Returns the values of the new one's counters in the documents that it
        counts in, the new one as it stands then, and when that is. Raises ConditionFailed."""
        changes = {entry.key: 0 for entry in new.entries} | differences(old.amounts, new.amounts)
        used = correction((), old.usage) if old.is_swept and not new.is_swept else ()
        if new.is_swept:
            used = abandoned(old.usage)
        adds = self._adds(new.owner, changes)
        writes = [self._put(new, old.version), *adds, *self._totals(used)]
        results, moment = self._client.commit(writes)
        found = [
            int(each["integerValue"])
            for result in results[1 : 1 + len(adds)]
            for each in result["transformResults"]
        ]
        values = dict(zip(_by_account(changes), found, strict=True))
        known = {entry.key: values[entry.key] for entry in new.entries}
        return known, new._replace(version=results[0]["updateTime"]), moment

    def _take_back(self, written: Recorded, old: Recorded) -> str:
        """Undo `_replace`. Returns when; "" where somebody has written the hold since."""
        changes = differences(written.amounts, old.amounts)
        write = self._put(old, written.version) if old.version else self._delete(written)
        used = abandoned(old.usage) if old.is_swept else ()
        adds = self._adds(old.owner, changes)
        try:
            _, moment = self._client.commit([write, *adds, *self._totals(used)])
        except ConditionFailed:
            return ""
        return moment

    def _refusals(
        self, hold: Hold, amounts: Amounts, read_time: str
    ) -> tuple[tuple[Refusal, ...], dict[Key, int]]:
        """What stood against a hold, in its accounts and their open holds."""
        found = self._concerned(hold.accounts, read_time).values()
        values = sums(each for each in found if "account" in each["fields"])
        held = held_by(_holds(found))
        refused = refusals(hold.entries, values, amounts)
        return tuple(each._replace(held=held[each.key]) for each in refused), values

    def _sweep(self, now: int, but: str = "") -> None:
        """Settle what was abandoned, by what was known."""
        due = where("due", "LESS_THAN_OR_EQUAL", integer(now))
        found = self._client.query(due, limit=MAX_SWEPT + 1)
        for each in map(_parse, found.values()):
            if each.id == but:
                continue
            entries = tuple(entry._replace(amount=entry.final) for entry in each.entries)
            try:
                self._replace(each, each._replace(entries=entries, ends=now, is_swept=True))
            except ConditionFailed:
                continue  # another process did
        if len(found) <= MAX_SWEPT:
            self._sweep_at = now + SWEEP_SECONDS

    def _drop_stale(self, hold: Hold, values: Amounts) -> None:
        """When a window begins in a document: counters of old ones, and those without a window that
        are 0, as the marks of tokens that are not revoked."""
        if not any(":" in e.counter and e.amount == values.get(e.key) for e in hold.entries):
            return
        ids = {place(account, hold.owner): account for account in hold.accounts}
        for identity, document in self._client.get(list(ids)).items():
            counters, own = parse_counters(document), hold.of(ids[identity])
            used = {entry.counter for entry in own}
            unused = (n for n, v in counters.items() if not v and ":" not in n)
            stale = [*stale_counters(counters, own), *(n for n in unused if n not in used)]
            if stale:
                with suppress(ConditionFailed):  # a mark may have been set since
                    self._remove(identity, stale, {"updateTime": document["updateTime"]})

    def _remove(self, identity: str, names: Iterable[str], condition: Json) -> None:
        """Raises ConditionFailed."""
        write = self._update(identity, {})
        write["updateMask"] = {"fieldPaths": [field_path("counters", name) for name in names]}
        write["currentDocument"] = condition
        self._client.commit([write])

    # --- Documents ---------------------------------------------------------------------------

    def _find(self, identity: str, now: int) -> Recorded | None:
        for document in self._client.get([document_id("hold", identity)]).values():
            found = _parse(document)
            if not (found.is_swept and found.ends <= now - SWEPT_SECONDS):
                return found
        return None

    def _counters(self, accounts: Sequence[str], read_time: str = "") -> Counter[Key]:
        if not accounts:
            return Counter()
        theirs = where("account", "IN", strings(accounts))
        return sums(self._client.query(theirs, read_time=read_time).values())

    def _concerned(self, accounts: Sequence[str], read_time: str = "") -> Mapping[str, Json]:
        """The documents of accounts, and of their open holds."""
        concerned = where("accounts", "ARRAY_CONTAINS_ANY", strings(accounts))
        return self._client.query(concerned, read_time=read_time)

    def _values(self, hold: Hold, accounts: Sequence[str], read_time: str = "") -> dict[Key, int]:
        found = self._counters(accounts, read_time)
        return {entry.key: found[entry.key] for entry in hold.entries if entry.account in accounts}

    def _update(self, identity: str, fields: Json) -> Json:
        return {"update": {"name": self._client.name(identity), "fields": fields}}

    def _put(self, hold: Recorded, version: str) -> Json:
        """Replace the version that is named, "" for none."""
        fields = {
            "id": string(hold.id),
            "owner": string(hold.owner),
            "entries": string(json.dumps([e for e in hold.entries if e.amount or e.final])),
            "usage": string(json.dumps(hold.usage)),
            "ends": integer(hold.ends),
        }
        if hold.is_swept:  # what is open must not vanish before it is settled
            fields["expires"] = timestamp(hold.ends + SWEPT_SECONDS)
        else:
            fields["due"] = integer(hold.ends)
            fields["accounts"] = strings(list(dict.fromkeys(e.account for e in hold.entries)))
        condition = {"updateTime": version} if version else {"exists": False}
        write = self._update(document_id("hold", hold.id), fields)
        return {**write, "currentDocument": condition}

    def _delete(self, hold: Recorded) -> Json:
        name = self._client.name(document_id("hold", hold.id))
        return {"delete": name, "currentDocument": {"updateTime": hold.version}}

    def _adds(self, owner: str, changes: Amounts) -> list[Json]:
        """One write for each account, in their order. The masks keep what else is there."""
        adds: dict[str, list[Json]] = {}
        for account, counter in changes:
            path = field_path("counters", counter)
            adds.setdefault(account, []).append(increment(path, changes[account, counter]))
        return [
            {
                **self._update(place(account, owner), account_fields(account)),
                "updateMask": {"fieldPaths": list(account_fields(account))},
                "updateTransforms": transforms,
            }
            for account, transforms in adds.items()
        ]

    def _totals(self, usage: Iterable[Usage]) -> Iterator[Json]:
        for key, figures in sums_by_key(usage).items():
            day, person, *_ = key
            fields = {name: string(value) for name, value in zip(Usage._fields, key, strict=False)}
            fields["person_day"] = string(_pair(person, day))
            fields["expires"] = timestamp(totals_end(day))
            pairs = zip(FIGURES, figures, strict=True)
            yield {
                **self._update(document_id("total", json.dumps(key)), fields),
                "updateMask": {"fieldPaths": list(fields)},
                "updateTransforms": [increment(name, figure) for name, figure in pairs],
            }


def _as_recorded(hold: Hold) -> Recorded:
    return Recorded(hold.id, hold.owner, hold.entries, hold.ends, hold.usage, False, "")


def _over(hold: Hold, values: Amounts, old: Recorded) -> tuple[Refusal, ...]:
    """Limits that are passed by what has been added instead of what was recorded."""
    before = {
        e.key: values.get(e.key, 0) - (e.amount - old.amounts.get(e.key, 0)) for e in hold.entries
    }
    return refusals(hold.entries, before, old.amounts)


def _by_account(keys: Iterable[Key]) -> list[Key]:
    """In the order of `_adds`."""
    accounts: dict[str, list[Key]] = {}
    for key in keys:
        accounts.setdefault(key[0], []).append(key)
    return [key for group in accounts.values() for key in group]


def _pair(person: str, day: str) -> str:
    """Sorted by day among those of one person."""
    return json.dumps([person, day])


def _holds(documents: Iterable[Json]) -> Iterator[Recorded]:
    """Those among documents of accounts."""
    return (_parse(each) for each in documents if "account" not in each["fields"])


def _parse(document: Json) -> Recorded:
    fields = document["fields"]
    return Recorded(
        fields["id"]["stringValue"],
        fields["owner"]["stringValue"],
        tuple(Entry(*each) for each in json.loads(fields["entries"]["stringValue"])),
        int(fields["ends"]["integerValue"]),
        tuple(Usage(*each) for each in json.loads(fields["usage"]["stringValue"])),
        "due" not in fields,
        document["updateTime"],
    )


def _parse_usage(fields: Json) -> Usage:
    key = (fields[name]["stringValue"] for name in Usage._fields[:4])
    return Usage(*key, *(int(fields[name]["integerValue"]) for name in FIGURES))

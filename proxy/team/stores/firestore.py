"""A store in one collection of Firestore, for all instances of an endpoint on Google Cloud.

Documents, by the beginning of their id:

    account-  counters: a map. Increments add to it, and answer with what is then there
    hold-     entries, usage (JSON), accounts, and while it is open `due`: when it is abandoned
    total-    a field for each figure of Usage, and its key; day and person_day are for queries

A hold is one commit, of its own document and its accounts: all is written or nothing, also where
the process dies. Firestore has no condition on a number, and a transaction that reads before it
writes is aborted where several meet on a group; so a commit *adds*, looks at the sums in its
answer, and takes all of it back with a second commit where one is above its limit. A limit is never
passed by what is admitted. What is being taken back stands in an open hold, so a refusal, which is
looked up in one consistent snapshot, calls it held and never spent; and where the snapshot has room
after all, the hold is tried again. What a process leaves behind that dies before it has taken back,
is an abandoned hold.

Each commit has a precondition on the hold's document, so it may be repeated though its answer was
lost: the document is there, has another version, or is gone. Where it was the answer to a `change`
that was too much, that change stays: one step (see holds.py) above the limit.

Firestore sustains about one write a second to a document, more in bursts. A request is 2 writes to
its person's and its group's: a group of more than some 30 requests a minute, for long, is slowed
down, and at STORE_SECONDS its requests are served or refused as PROXY_STORE_DOWN says.

What 1,000 requests of a person in a group cost, at US$ 0.09 for 100,000 writes, 0.03 for reads and
0.01 for deletes (one region; a multi-region costs twice as much): hold 3 writes; settle 1 read, 3
writes, 1 delete. 6,000 x 0.09/100,000 + 1,000 x 0.03/100,000 + 1,000 x 0.01/100,000 = US$ 0.0058.
Each change: 1 read, 3 writes (US$ 0.003 for 1,000). A refusal: 5 writes, 1 delete, and a read for
each open hold of its accounts. 20,000 writes and 50,000 reads a day are free.

Time-to-live belongs on the field `expires`; a hold that has expired and still stands there is
ignored by its own time stamp. The process needs roles/datastore.user.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from . import (
    FIGURES,
    STORE_SECONDS,
    SWEPT_SECONDS,
    Entry,
    Hold,
    Key,
    Outcome,
    Refusal,
    Usage,
    abandoned,
    correction,
    differences,
    held_by,
    refusals,
    stale_counters,
    sums_by_key,
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
    where,
)

DATABASE = "(default)"

SWEEP_SECONDS = 60
"""How often a process looks for abandoned holds where it refuses nothing: one query."""

MAX_SWEPT = 10
"""Abandoned holds that one verb settles, a commit each: 15 ms each, within STORE_SECONDS. What is
left is the next one's."""

KEPT_DAYS = 400
"""Of a total: a year and a month, then it expires."""

Amounts = Mapping[Key, int]


class Recorded(NamedTuple):
    """A hold as it stands in the collection. version: the time of its last write, "" for none."""

    id: str
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
                return Outcome((), self._values(hold))
            return self._write(hold, recorded, now)

    def settle(self, hold: Hold, now: int) -> None:
        finals = {entry.key: entry.final for entry in hold.entries}
        with self._client.deadline():
            while recorded := self._find(hold.id, now):
                used = correction(hold.usage, recorded.usage if recorded.is_swept else ())
                changes = differences(recorded.amounts, finals)
                try:
                    self._client.commit(
                        [self._delete(recorded), *self._adds(changes), *self._totals(used)]
                    )
                except ConditionFailed:
                    continue  # somebody has written it since
                return

    def mark(self, account: str, counter: str, value: int) -> None:
        counters = {"counters": {"mapValue": {"fields": {counter: integer(value)}}}}
        write = self._update(document_id("account", account), counters)
        write["updateMask"] = {"fieldPaths": [field_path("counters", counter)]}
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
            found, _ = self._client.query(
                where(field, "GREATER_THAN_OR_EQUAL", string(first)),
                where(field, "LESS_THAN_OR_EQUAL", string(last)),
            )
            return sorted(_parse_usage(each["fields"]) for each in found.values())

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
                values, written = self._replace(recorded, _as_recorded(hold))
            except ConditionFailed:
                found = self._find(hold.id, now)
                if found is None and recorded.version:  # settled meanwhile
                    return Outcome((), self._values(hold))
                if found is None or recorded.version:
                    recorded = found or recorded
                    continue
                values, written = self._values(hold), found  # nobody knew that it was done
            if not _over(hold, values, recorded):
                self._drop_stale(hold, values)
                return Outcome((), values)
            if self._take_back(written, recorded):
                if not has_swept:
                    self._sweep(now, but=hold.id)
                    has_swept = True
                refused, values = self._refusals(hold, recorded.amounts)
                if refused:
                    return Outcome(refused, values)
            recorded = self._find(hold.id, now) or recorded

    def _replace(self, old: Recorded, new: Recorded) -> tuple[dict[Key, int], Recorded]:
        """In one commit. Returns the values of the new one's counters, and the new one as it stands
        then. Raises ConditionFailed."""
        changes = {entry.key: 0 for entry in new.entries} | differences(old.amounts, new.amounts)
        used = correction((), old.usage) if old.is_swept and not new.is_swept else ()
        if new.is_swept:
            used = abandoned(old.usage)
        adds = self._adds(changes)
        results = self._client.commit([self._put(new, old.version), *adds, *self._totals(used)])
        sums = [
            int(each["integerValue"])
            for result in results[1 : 1 + len(adds)]
            for each in result["transformResults"]
        ]
        values = dict(zip(_by_account(changes), sums, strict=True))
        known = {entry.key: values[entry.key] for entry in new.entries}
        return known, new._replace(version=results[0]["updateTime"])

    def _take_back(self, written: Recorded, old: Recorded) -> bool:
        """Undo `_replace`. False where somebody has written the hold since."""
        changes = differences(written.amounts, old.amounts)
        write = self._put(old, written.version) if old.version else self._delete(written)
        used = abandoned(old.usage) if old.is_swept else ()
        try:
            self._client.commit([write, *self._adds(changes), *self._totals(used)])
        except ConditionFailed:
            return False
        return True

    def _refusals(self, hold: Hold, amounts: Amounts) -> tuple[tuple[Refusal, ...], dict[Key, int]]:
        """What stands against a hold, from one snapshot of its accounts and their open holds."""
        accounts = strings(hold.accounts)
        found, read_time = self._client.query(where("accounts", "ARRAY_CONTAINS_ANY", accounts))
        values = self._counters(hold.accounts, read_time)
        held = held_by(map(_parse, found.values()))
        refused = refusals(hold.entries, values, amounts)
        return tuple(each._replace(held=held[each.key]) for each in refused), values

    def _sweep(self, now: int, but: str = "") -> None:
        """Settle what was abandoned, by what was known."""
        due = where("due", "LESS_THAN_OR_EQUAL", integer(now))
        found, _ = self._client.query(due, limit=MAX_SWEPT + 1)
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
        """When a window begins: counters of old ones, and those without a window that are 0, as the
        marks of tokens that are not revoked."""
        if not any(":" in e.counter and e.amount == values.get(e.key) for e in hold.entries):
            return
        ids = {document_id("account", account): account for account in hold.accounts}
        for identity, document in self._client.get(list(ids)).items():
            counters, own = _parse_counters(document), hold.of(ids[identity])
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

    def _counters(self, accounts: Sequence[str], read_time: str | None = None) -> dict[Key, int]:
        ids = {document_id("account", account): account for account in accounts}
        return {
            (ids[identity], name): value
            for identity, document in self._client.get(list(ids), read_time).items()
            for name, value in _parse_counters(document).items()
        }

    def _values(self, hold: Hold) -> dict[Key, int]:
        return hold.pick(self._counters(hold.accounts))

    def _update(self, identity: str, fields: Json) -> Json:
        return {"update": {"name": self._client.name(identity), "fields": fields}}

    def _put(self, hold: Recorded, version: str) -> Json:
        """Replace the version that is named, "" for none."""
        fields = {
            "id": string(hold.id),
            "entries": string(json.dumps([e for e in hold.entries if e.amount or e.final])),
            "usage": string(json.dumps(hold.usage)),
            "ends": integer(hold.ends),
        }
        if hold.is_swept:  # what is open must not vanish before it is settled
            fields["expires"] = _timestamp(hold.ends + SWEPT_SECONDS)
        else:
            fields["due"] = integer(hold.ends)
            fields["accounts"] = strings(list(dict.fromkeys(e.account for e in hold.entries)))
        condition = {"updateTime": version} if version else {"exists": False}
        write = self._update(document_id("hold", hold.id), fields)
        return {**write, "currentDocument": condition}

    def _delete(self, hold: Recorded) -> Json:
        name = self._client.name(document_id("hold", hold.id))
        return {"delete": name, "currentDocument": {"updateTime": hold.version}}

    def _adds(self, changes: Amounts) -> list[Json]:
        """One write for each account, in their order."""
        adds: dict[str, list[Json]] = {}
        for account, counter in changes:
            path = field_path("counters", counter)
            adds.setdefault(account, []).append(increment(path, changes[account, counter]))
        return [
            {
                **self._update(document_id("account", account), {}),
                "updateMask": {},  # else the document would be emptied
                "updateTransforms": transforms,
            }
            for account, transforms in adds.items()
        ]

    def _totals(self, usage: Iterable[Usage]) -> Iterator[Json]:
        for key, figures in sums_by_key(usage).items():
            day, person, *_ = key
            fields = {name: string(value) for name, value in zip(Usage._fields, key, strict=False)}
            fields["person_day"] = string(_pair(person, day))
            last = date.fromisoformat(day) + timedelta(days=KEPT_DAYS)
            fields["expires"] = {"timestampValue": f"{last}T00:00:00Z"}
            pairs = zip(FIGURES, figures, strict=True)
            yield {
                **self._update(document_id("total", json.dumps(key)), fields),
                "updateMask": {"fieldPaths": list(fields)},
                "updateTransforms": [increment(name, figure) for name, figure in pairs],
            }


def _as_recorded(hold: Hold) -> Recorded:
    return Recorded(hold.id, hold.entries, hold.ends, hold.usage, False, "")


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


def _timestamp(seconds: int) -> Json:
    moment = datetime.fromtimestamp(seconds, UTC)
    return {"timestampValue": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}


def _parse(document: Json) -> Recorded:
    fields = document["fields"]
    return Recorded(
        fields["id"]["stringValue"],
        tuple(Entry(*each) for each in json.loads(fields["entries"]["stringValue"])),
        int(fields["ends"]["integerValue"]),
        tuple(Usage(*each) for each in json.loads(fields["usage"]["stringValue"])),
        "due" not in fields,
        document["updateTime"],
    )


def _parse_counters(document: Json) -> dict[str, int]:
    counters: dict[str, Any] = document["fields"]["counters"]["mapValue"].get("fields", {})
    return {name: int(each["integerValue"]) for name, each in counters.items()}


def _parse_usage(fields: Json) -> Usage:
    key = (fields[name]["stringValue"] for name in Usage._fields[:4])
    return Usage(*key, *(int(fields[name]["integerValue"]) for name in FIGURES))

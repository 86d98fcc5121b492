"""A store in one file, for all processes of one machine; without a file, for one process alone.

Each verb that writes is one transaction that begins by taking the only lock there is to write
(`begin immediate`), so that what it reads stays true until it commits; one that only reads waits
for no writer. A process has one connection: transactions follow each other in any case.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import NamedTuple

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
    first_kept,
    held_by,
    held_in,
    refusals,
    stale_counters,
)

IN_MEMORY = ":memory:"

MAX_SWEPT = 100
"""Abandoned holds that one verb settles: as many as a process that died may have had open. What is
left is the next one's."""

DROP_SECONDS = 86_400
"""How often a process looks for totals that are too old: with its first hold, and once a day."""

MAX_DROPPED = 1_000
"""Totals that one verb drops: 1 ms. What is left is the next one's."""

BUSY_SECONDS = 0.0005
"""Between two attempts to write where another process does, which takes about as long. SQLite's own
waiting grows to 0.1 s: who has waited longest then waits on while all others pass."""

TOTALS_KEY = "day, person, model, request_class"

SCHEMA = f"""
pragma journal_mode = wal;
pragma synchronous = normal;
create table if not exists counters (
    account text, name text, value integer not null, primary key (account, name)
) without rowid;
create table if not exists holds (
    id text primary key, ends integer not null, swept integer not null,
    entries text not null, usage text not null
) without rowid;
create index if not exists holds_by_end on holds (swept, ends);
create table if not exists totals (
    day text, person text, model text, request_class text,
    {", ".join(f"{name} integer not null" for name in FIGURES)},
    primary key ({TOTALS_KEY})
) without rowid;
"""
"""With a write-ahead log readers do not wait for writers. What is lost with `normal` when a machine
loses its power, and then only, are the last transactions: a checkpoint syncs, a commit does not."""

ADD_TO_COUNTER = """
insert into counters values (?, ?, ?)
on conflict do update set value = value + excluded.value
"""
ADD_TO_TOTALS = f"""
insert into totals values (?, ?, ?, ?, {", ".join("?" * len(FIGURES))})
on conflict do update set {", ".join(f"{name} = {name} + excluded.{name}" for name in FIGURES)}
"""
DROP_TOTALS = f"""
delete from totals where ({TOTALS_KEY}) in
(select {TOTALS_KEY} from totals where day < ? limit ?)
"""
READ_HOLD = "select id, entries, usage, swept from holds"
READ_OPEN_HOLDS = f"{READ_HOLD} where swept = 0"
READ_SUMS = f"""
select {{}}, {", ".join(f"sum({name})" for name in FIGURES)} from totals
where day between :since and :until and :person in ('', person) group by {{}} order by {{}}
"""


class Recorded(NamedTuple):
    """A hold as it stands in the file. amounts: what it has added so far, to counters of accounts.
    finals: what stays when it is abandoned."""

    id: str
    amounts: Mapping[Key, int]
    finals: Mapping[Key, int]
    usage: tuple[Usage, ...]
    is_swept: bool


class SqliteStore:
    """path: a file on a disk of this machine, which is made where there is none, in a folder that
    there is; or IN_MEMORY, where each process counts for itself and begins with nothing."""

    is_remote = False

    def __init__(self, path: str, seconds: float = STORE_SECONDS) -> None:
        self.is_shared = path != IN_MEMORY
        self._path = path
        self._seconds = seconds
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._drop_at = 0
        if self.is_shared:
            opened.add(self)

    def hold(self, hold: Hold, now: int) -> Outcome:
        with self._transaction() as db:
            _sweep(db, now)
            if now >= self._drop_at:
                self._drop_totals(db, now)
            if _find(db, hold.id) is not None:
                return Outcome((), hold.pick(_values(db, hold)))  # nobody knew that it was done
            return _write(db, hold, {})

    def change(self, hold: Hold, now: int) -> Outcome:
        with self._transaction() as db:
            recorded = _find(db, hold.id)
            if recorded is None:
                return Outcome((), hold.pick(_values(db, hold)))
            _sweep(db, now, but=hold.id)
            outcome = _write(db, hold, recorded.amounts)
            if recorded.is_swept and not outcome.refusals:
                _add_totals(db, correction((), recorded.usage))
            return outcome

    def settle(self, hold: Hold, now: int) -> None:
        with self._transaction() as db:
            recorded = _find(db, hold.id)
            if recorded is None:
                return
            _replace(db, recorded.amounts, {entry.key: entry.final for entry in hold.entries})
            swept_usage = recorded.usage if recorded.is_swept else ()
            _add_totals(db, correction(hold.usage, swept_usage))
            db.execute("delete from holds where id = ?", (hold.id,))

    def mark(self, account: str, counter: str, value: int) -> None:
        with self._transaction() as db:
            row = (account, counter, value)
            db.execute("insert or replace into counters values (?, ?, ?)", row)

    def unmark(self, account: str, counters: Sequence[str]) -> None:
        with self._transaction() as db:
            _drop(db, account, counters)

    def read(self, account: str) -> Mapping[str, int]:
        with self._transaction("begin") as db:
            rows = db.execute("select name, value from counters where account = ?", (account,))
            return dict(rows)

    def usage(self, since: str, until: str, person: str | None = None) -> Sequence[Usage]:
        days = "select * from totals where day between ? and ?"
        order = f"order by {TOTALS_KEY}"
        with self._transaction("begin") as db:
            if person is None:
                rows = db.execute(f"{days} {order}", (since, until))
            else:
                rows = db.execute(f"{days} and person = ? {order}", (since, until, person))
            return [Usage(*row) for row in rows]

    def held(self, account: str) -> Mapping[str, int]:
        with self._transaction("begin") as db:
            return held_in(account, _open_holds(db, (account,)))

    def sums(
        self, groups: Sequence[Fields], since: str, until: str, person: str | None = None
    ) -> Sequence[Sequence[Usage]]:
        """In SQLite itself: a quarter of what it costs to read the rows and to add them up here."""
        values = {"since": since, "until": until, "person": person or ""}
        with self._transaction("begin") as db:
            return [_read_sums(db, fields, values) for fields in groups]

    def check(self) -> None:
        with self._transaction() as db:
            db.execute("select 1 from counters limit 1").fetchall()

    def close(self) -> None:
        with self._lock:
            self._disconnect()

    @contextmanager
    def _transaction(self, begin: str = "begin immediate") -> Iterator[sqlite3.Connection]:
        """Commits, or takes back all. Raises StoreError. begin: "begin" for what only reads."""
        end = time.monotonic() + self._seconds
        if not self._lock.acquire(timeout=self._seconds):
            raise StoreError("SQLite: this process's other requests take too long")
        try:
            db = self._connect(end)
            _wait(lambda: db.execute(begin), end)
            yield db
            db.execute("commit")
        except BaseException as error:
            self._take_back()
            if isinstance(error, sqlite3.Error):
                raise StoreError(f"SQLite: {error}") from None
            raise
        finally:
            self._lock.release()

    def _drop_totals(self, db: sqlite3.Connection, now: int) -> None:
        """Of days that no report shows any more."""
        if db.execute(DROP_TOTALS, (first_kept(now), MAX_DROPPED)).rowcount < MAX_DROPPED:
            self._drop_at = now + DROP_SECONDS

    def _connect(self, end: float) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(
                self._path, timeout=0, isolation_level=None, check_same_thread=False
            )
            with ExitStack() as stack:
                stack.callback(connection.close)
                _wait(lambda: connection.executescript(SCHEMA), end)
                stack.pop_all()
            self._connection = connection
        return self._connection

    def _take_back(self) -> None:
        """What is not committed. A file is opened anew: it may have been repaired or replaced."""
        if self.is_shared or self._connection is None:
            self._disconnect()
        else:
            self._connection.rollback()

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None


opened: weakref.WeakSet[SqliteStore] = weakref.WeakSet()
"""Those with a file."""


def close_all() -> None:
    for store in opened:
        store.close()


getattr(os, "register_at_fork", lambda **_: None)(before=close_all)
# A connection must not be carried over a fork, not even to be closed there; it is opened again when
# it is next used: https://www.sqlite.org/howtocorrupt.html#_carrying_an_open_database_connection_across_a_fork_


def _wait(execute: Callable[[], object], end: float) -> None:
    """Until no other process is in the way. end: in seconds of time.monotonic(). Raises
    sqlite3.OperationalError.

    SQLite itself does not wait where several open a new file, for the one that gives it its
    write-ahead log (https://www.sqlite.org/wal.html, 9).
    """
    while True:
        try:
            execute()
            return
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() >= end:
                raise
        time.sleep(BUSY_SECONDS)


def _find(db: sqlite3.Connection, identity: str) -> Recorded | None:
    row = db.execute(f"{READ_HOLD} where id = ?", (identity,)).fetchone()
    return row and _parse(row)


def _open_holds(db: sqlite3.Connection, accounts: Iterable[str]) -> Iterator[Recorded]:
    """Those that have an entry of one of these accounts, each once. Others' are passed over unread:
    to parse 5,000 of them takes 20 times as long (64 ms), while nobody can write."""
    marks = [json.dumps(account) for account in accounts]
    any_of = " or ".join("instr(entries, ?)" for _ in marks)
    return map(_parse, db.execute(f"{READ_OPEN_HOLDS} and ({any_of})", marks))


def _parse(row: tuple[str, str, str, int]) -> Recorded:
    identity, entries, usage, is_swept = row
    parsed = json.loads(entries)
    return Recorded(
        identity,
        {(account, counter): amount for account, counter, amount, _ in parsed},
        {(account, counter): final for account, counter, _, final in parsed},
        tuple(map(Usage._make, json.loads(usage))),
        bool(is_swept),
    )


def _keep(
    db: sqlite3.Connection,
    identity: str,
    ends: int,
    entries: Iterable[tuple[str, str, int, int]],
    usage: Iterable[Usage],
    is_swept: bool = False,
) -> None:
    """entries: account, counter, amount and final of each."""
    row = (identity, ends, is_swept, json.dumps(list(entries)), json.dumps(list(usage)))
    db.execute("insert or replace into holds values (?, ?, ?, ?, ?)", row)


def _sweep(db: sqlite3.Connection, now: int, but: str = "") -> None:
    """Settle what was abandoned, by what was known, and forget what was so long ago."""
    condition = "where swept = 0 and ends <= ? and id != ? limit ?"
    rows = db.execute(f"{READ_HOLD} {condition}", (now, but, MAX_SWEPT)).fetchall()
    if rows:
        db.execute("delete from holds where swept = 1 and ends <= ?", (now - SWEPT_SECONDS,))
    for row in rows:
        recorded = _parse(row)
        _replace(db, recorded.amounts, recorded.finals)
        _add_totals(db, abandoned(recorded.usage))
        entries = [(*key, final, final) for key, final in recorded.finals.items()]
        _keep(db, recorded.id, now, entries, recorded.usage, is_swept=True)


def _write(db: sqlite3.Connection, hold: Hold, amounts: Mapping[Key, int]) -> Outcome:
    """Have a hold add what its entries say instead of `amounts`, or refuse that."""
    values = _values(db, hold)
    if refused := refusals(hold.entries, values, amounts):
        held = held_by(_open_holds(db, {each.entry.account for each in refused}))
        return Outcome(tuple(each._replace(held=held[each.key]) for each in refused), values)
    new = {entry.key: entry.amount for entry in hold.entries}
    changed = _replace(db, amounts, new)
    for account in {account for account, _ in changed.keys() - values.keys()}:  # a window begins
        names = [name for owner, name in values if owner == account]
        if stale := stale_counters(names, hold.of(account)):
            _drop(db, account, stale)
    entries = [(*each.key, each.amount, each.final) for each in hold.entries]
    _keep(db, hold.id, hold.ends, [each for each in entries if any(each[2:])], hold.usage)
    return Outcome((), {key: values.get(key, 0) + new[key] - amounts.get(key, 0) for key in new})


def _replace(
    db: sqlite3.Connection, old: Mapping[Key, int], new: Mapping[Key, int]
) -> dict[Key, int]:
    """What counters have been given so far by what they are to be given. Returns the changes."""
    changes = differences(old, new)
    db.executemany(ADD_TO_COUNTER, [(*key, change) for key, change in changes.items()])
    return changes


def _drop(db: sqlite3.Connection, account: str, names: Iterable[str]) -> None:
    rows = [(account, name) for name in names]
    db.executemany("delete from counters where account = ? and name = ?", rows)


def _values(db: sqlite3.Connection, hold: Hold) -> dict[Key, int]:
    """All counters of a hold's accounts."""
    accounts = hold.accounts
    marks = ", ".join("?" * len(accounts))
    rows = db.execute(f"select * from counters where account in ({marks})", accounts)
    return {(account, name): value for account, name, value in rows}


def _add_totals(db: sqlite3.Connection, usage: Iterable[Usage]) -> None:
    db.executemany(ADD_TO_TOTALS, list(usage))


def _read_sums(db: sqlite3.Connection, fields: Fields, values: Mapping[str, str]) -> list[Usage]:
    """fields: of Usage."""
    empty = dict.fromkeys(Usage._fields[:4], "")
    rows = db.execute(READ_SUMS.replace("{}", ", ".join(fields)), values)
    count = len(fields)
    return [
        Usage(*(empty | dict(zip(fields, row, strict=False))).values(), *row[count:])
        for row in rows
    ]

"""proxy/team/stores/sqlite.py: what the contract of all stores does not say: processes, forks, and
a file that is none."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from proxy.team.stores import Entry, Hold, StoreError, Usage, sqlite
from proxy.team.stores.sqlite import IN_MEMORY, SqliteStore, close_all
from tests.servers import ROOT
from tests.team_stores import closing

NOW, END = 1_795_900_000, 1_795_903_600
DAY = "usd_day:2026-11-28"

WORK = """
import sys
from proxy.team.stores import Entry, Hold, Usage
from proxy.team.stores.sqlite import SqliteStore

path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = SqliteStore(path, seconds=60)
admitted = 0
for number in range(count):
    identity = f"{name}-{number}"
    entries = tuple(
        Entry(account, counter, amount, limit, final)
        for account in ("person:alice", "group:core")
        for counter, amount, limit, final in (
            ("usd_day:2026-11-28", 10, 2_000, 7),
            ("requests:2026-11-28T18:43", 1, 250, 1),
            ("streams", 1, None, 0),
        )
    )
    usage = (Usage("2026-11-28", "alice", "m", requests=1, nano_usd=7),)
    hold = Hold(identity, entries, 1_795_903_600, usage)
    if not store.hold(hold, 1_795_900_000).refusals:
        admitted += 1
        if number % 3:
            store.change(hold, 1_795_900_000)
        if name != "killed":
            store.settle(hold, 1_795_900_001)
print(admitted, flush=True)
if name == "killed":
    sys.stdin.read()
"""

FORK = """
import os, sys
from proxy.team.stores import Entry, Hold
from proxy.team.stores.sqlite import SqliteStore

store = SqliteStore(sys.argv[1])
entry = Entry("person:alice", "streams", 1, None)
store.hold(Hold("before", (entry,), 9, ()), 1)
child = os.fork()
for number in range(50):
    store.hold(Hold(f"{child}-{number}", (entry,), 9, ()), 1)
if child:
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from closing(monkeypatch)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "team.sqlite")


def hold(name: str, amount: int = 1) -> Hold:
    return Hold(name, (Entry("person:alice", DAY, amount, 2_000),), END, ())


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def killed(path: str) -> int:
    """A process that is killed with 20 holds open: how many of them were admitted."""
    with start(WORK, path, "killed", "20") as process:
        assert process.stdout
        admitted = int(process.stdout.readline())
        process.kill()
    return admitted


def test_sums_of_many_processes_are_exact(path: str, killed: int) -> None:
    """Complaint 3: counters drift apart elsewhere. Requests a minute are exact, money is never over
    the limit, and what a killed process held is charged as far as known."""
    processes = [start(WORK, path, f"p{number}", "80") for number in range(4)]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    admitted = sum(map(int, outputs))
    store = SqliteStore(path)
    assert (killed, admitted + killed) == (20, 250)
    held = store.read("person:alice")
    assert held == store.read("group:core")
    assert held == {DAY: 20 * 10 + 230 * 7, "requests:2026-11-28T18:43": 250, "streams": 20}
    store.hold(hold("sweeps"), END)
    assert store.read("person:alice")[DAY] == 250 * 7 + 1
    assert store.read("person:alice")["streams"] == 0
    row = Usage("2026-11-28", "alice", "m", requests=250, nano_usd=1_750, estimated=140)
    assert store.usage("", "9") == [row]
    store.close()


def test_totals_that_no_report_shows_are_dropped(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a process's first hold, and once a day; no more of them than are dropped at once."""
    monkeypatch.setattr(sqlite, "MAX_DROPPED", 2)
    store = SqliteStore(path)
    number = iter(range(99))

    def count(now: int, *days: str) -> list[str]:
        """The days that are kept then."""
        used = tuple(Usage(day, "alice", "m") for day in days)
        held = Hold(f"h{next(number)}", hold("h").entries, END, used)
        store.hold(held, now)
        store.settle(held, now)
        return [row.day for row in store.usage("", "9")]

    month_ago, day = NOW - 30 * sqlite.DROP_SECONDS, sqlite.DROP_SECONDS
    old = ["2025-10-12", "2025-10-13", "2025-10-14"]
    kept = ["2025-10-15", "2025-10-16", "2026-11-28"]
    assert count(month_ago, *old, *kept) == old + kept
    assert count(NOW) == old[2:] + kept
    assert count(NOW, old[0]) == [old[0], *kept]
    assert count(NOW + day - 1) == [old[0], *kept]
    assert count(NOW + day) == kept[1:]
    store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_connection_is_not_carried_over_a_fork(path: str) -> None:
    process = start(FORK, path)
    process.communicate(timeout=60)
    assert process.returncode == 0
    store = SqliteStore(path)
    assert store.read("person:alice") == {"streams": 101}
    close_all()
    assert store.read("person:alice") == {"streams": 101}
    store.close()
    store.close()


def test_store_without_a_file_counts_for_itself() -> None:
    one, other = SqliteStore(IN_MEMORY), SqliteStore(IN_MEMORY)
    assert not one.is_shared
    one.hold(hold("a", 5), NOW)
    close_all()
    assert one.read("person:alice") == {DAY: 5}
    assert other.read("person:alice") == {}
    for store in (one, other):
        store.close()


def test_lock_of_other_threads_is_waited_for_with_a_bound(path: str) -> None:
    store = SqliteStore(path, seconds=0.02)
    with store._lock, pytest.raises(StoreError, match="take too long"):
        store.check()
    store.check()
    store.close()


def test_threads_share_a_connection(path: str) -> None:
    store = SqliteStore(path)
    threads = [
        threading.Thread(target=lambda n=n: store.hold(hold(f"{n}"), NOW)) for n in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.read("person:alice") == {DAY: 16}
    store.close()


@pytest.mark.parametrize("name", ["none/team.sqlite", "text"])
def test_file_that_is_no_database_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "text").write_text("No database." * 100)
    store = SqliteStore(str(tmp_path / name))
    for _ in range(2):
        with pytest.raises(StoreError, match=r"SQLite: (unable to open|file is not a database)"):
            store.check()
    store.close()


@pytest.mark.parametrize("path", [IN_MEMORY, "team.sqlite"])
def test_exception_inside_takes_back_what_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Whatever it is: the next verb finds no transaction that was left open."""
    store = SqliteStore(path if path == IN_MEMORY else str(tmp_path / path))
    store.hold(hold("a", 5), NOW)
    monkeypatch.setattr("proxy.team.stores.sqlite._keep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.hold(hold("b", 5), NOW)
    assert store.read("person:alice") == {DAY: 5}
    store.close()


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_file_that_is_repaired_is_opened_again(tmp_path: Path) -> None:
    file = tmp_path / "team.sqlite"
    file.write_text("No database." * 100)
    store = SqliteStore(str(file))
    with pytest.raises(StoreError):
        store.check()
    file.unlink()
    store.check()
    store.close()


def test_new_file_is_opened_by_several_at_once(path: str) -> None:
    stores = [SqliteStore(path, seconds=60) for _ in range(8)]
    start = threading.Barrier(len(stores))

    def check(store: SqliteStore) -> None:
        start.wait()
        store.check()

    with ThreadPoolExecutor(len(stores)) as pool:
        list(pool.map(check, stores))


class Busy:
    """A statement that fails with these codes, one by one, before it is done."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)

    def __call__(self) -> None:
        if self.codes:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = self.codes.pop(0)
            raise error


def test_other_processes_are_waited_for_with_a_bound() -> None:
    busy = Busy(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_RECOVERY)
    sqlite._wait(busy, time.monotonic() + 60)
    assert busy.codes == []
    for seconds, code in ((0, sqlite3.SQLITE_BUSY), (60, sqlite3.SQLITE_IOERR)):
        with pytest.raises(sqlite3.OperationalError):
            sqlite._wait(Busy(code), time.monotonic() + seconds)


def test_open_holds_of_others_cost_nothing(path: str) -> None:
    """What each verb reads it finds by an index, however many holds are open."""
    store = SqliteStore(path, 60)
    hold = Hold("a", (Entry("person:a", DAY, 1, 9, 1),), END)
    store.hold(Hold("0", hold.entries, NOW - 1), NOW - 9)  # it is abandoned
    with transaction(store) as db:
        read: list[str] = []
        db.set_trace_callback(read.append)
    store.hold(hold, NOW)
    store.change(hold, NOW)
    store.settle(hold, NOW)
    with transaction(store) as db:
        db.set_trace_callback(None)
        found = [each for each in read if " from holds" in each]
        assert len(found) >= 6
        for statement in found:
            ((_, _, _, plan), *_) = db.execute(f"explain query plan {statement}")
            assert plan.startswith("SEARCH holds USING"), (statement, plan)


def transaction(store: SqliteStore) -> contextlib.AbstractContextManager[Any]:
    return store._transaction()


def test_report_waits_for_no_writer(path: str) -> None:
    """Nor does a writer wait for it: a page adds up 100,000 rows."""
    store = SqliteStore(path, seconds=0.1)
    row = Usage("2026-11-28", "alice", "gemini-4-neon", nano_usd=7)
    entry = Entry("person:alice", "usd_day:2026-11-28", 1)
    store.hold(Hold("a", (entry,), 9, (row,)), 1)
    store.settle(Hold("a", (entry,), 9, (row,)), 1)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        ((found,),) = store.sums([("person",)], "2026-11-01", "2026-11-30")
    store.close()
    assert found.nano_usd == 7


def test_refusal_reads_only_its_own_accounts_holds(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it does, nobody can write: others' open answers must not make it slow."""
    store = SqliteStore(path)
    for person in ("alice", "al", "bob"):
        for number in range(3):
            entry = Entry(f"person:{person}", "streams", 1)
            store.hold(Hold(f"{person}{number}", (entry,), 9), 1)
    parsed: list[str] = []
    parse = sqlite._parse
    monkeypatch.setattr(sqlite, "_parse", lambda row: (parsed.append(row[0]), parse(row))[1])
    (refusal,) = store.hold(Hold("al3", (Entry("person:al", "streams", 1, 3),), 9), 1).refusals
    held = store.held("person:al")
    store.close()
    assert (refusal.held, held, parsed) == (3, {"streams": 3}, ["al0", "al1", "al2"] * 2)

"""The stores of proxy/team/ as test_stores.py sees them: how each is opened, and how it fails.

A further store adds a class and its name to BACKENDS.
"""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from proxy.team import breaker
from proxy.team.breaker import Breaker
from proxy.team.stores import Store
from proxy.team.stores.sqlite import SqliteStore
from tests.team_clock import Clock
from tests.team_dynamodb import Dynamo
from tests.team_firestore import Firestore

SECRET = "s" * 32


def team_settings(key: str, path: Path, plans: str) -> dict[str, str]:
    """Of a server that asks Gemini with this key and counts in this file."""
    return {
        "GEMINI_API_KEY": key,
        "PROXY_SECRET": SECRET,
        "PROXY_PLANS": plans,
        "PROXY_STORE": f"sqlite://{path}",
    }


def closing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a fixture does so that no test leaves a connection open: Python 3.13 warns of it."""
    made: list[SqliteStore] = []
    make = SqliteStore.__init__

    def __init__(store: SqliteStore, *given: Any, **named: Any) -> None:
        make(store, *given, **named)
        made.append(store)

    monkeypatch.setattr(SqliteStore, "__init__", __init__)
    yield
    for each in list(breaker.started):
        end(each)
    for store in made:
        store.close()


def end(around: Breaker) -> None:
    """Its thread, which would write to the log of another test that its store is down."""
    around.retry = lambda: None  # type: ignore[method-assign]
    around._waiting.clear()
    while (thread := around._thread) is not None and thread.is_alive():
        around.error = ""
        around._wake.set()
        thread.join(0.01)


def still_breakers(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Breakers without threads, and their clock."""
    clock = Clock()
    monkeypatch.setattr(Breaker, "_watch", lambda breaker: None)
    monkeypatch.setattr("proxy.team.budget.Breaker", functools.partial(Breaker, seconds=clock))
    return clock


class Backend(Protocol):
    """One empty store. faults: which of "slow", "down" and "throttled" can happen to it; of
    writes_only, those that no reader meets. fault_seconds: its deadline where they do."""

    faults: tuple[str, ...]
    writes_only: tuple[str, ...]
    fault_seconds: float

    def __init__(self, folder: Path) -> None: ...

    def open(self, seconds: float = 2.0) -> Store:
        """A client of the same store, as another process has one."""

    def fault(self, kind: str) -> contextlib.AbstractContextManager[None]:
        """While it lasts, no verb can be done, and after it all can."""

    def half_write(self) -> contextlib.AbstractContextManager[None]:
        """While it lasts, a verb fails when it has written all but its end: what is written in one
        piece is not written, what is written in several is written in part."""

    def close(self) -> None: ...


class Sqlite:
    faults = ("slow", "down")
    writes_only = ("slow",)
    fault_seconds = 0.2

    def __init__(self, folder: Path) -> None:
        self._path = folder / "team.sqlite"

    def open(self, seconds: float = 2.0) -> Store:
        return SqliteStore(str(self._path), seconds)

    @contextlib.contextmanager
    def fault(self, kind: str) -> Iterator[None]:
        """Slow: another process writes, and does not end. Down: a table is damaged."""
        with contextlib.closing(sqlite3.connect(self._path, isolation_level=None)) as db:
            if kind == "slow":
                db.execute("begin immediate")
                yield
                return
            db.execute("alter table counters rename to kept")
            db.execute("create view counters as select * from missing")
            yield
            db.execute("drop view counters")
            db.execute("alter table kept rename to counters")

    @contextlib.contextmanager
    def half_write(self) -> Iterator[None]:
        with contextlib.closing(sqlite3.connect(self._path, isolation_level=None)) as db:
            for change in ("insert", "delete"):
                db.execute(
                    f"create trigger fail_{change} before {change} on holds"
                    " begin select raise(abort, 'disk I/O error'); end"
                )
            yield
            for change in ("insert", "delete"):
                db.execute(f"drop trigger fail_{change}")

    def close(self) -> None:
        """Each store is closed by who opened it."""


BACKENDS: dict[str, type[Backend]] = {
    "sqlite": Sqlite,
    "dynamodb": Dynamo,
    "firestore": Firestore,
}

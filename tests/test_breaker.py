"""proxy/team/breaker.py: a store that is down is left alone; what ended meanwhile is settled."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from proxy import freezing
from proxy.team import breaker, tokens
from proxy.team.breaker import CLOSE_SECONDS, DOWN_SECONDS, MAX_TRIES, MAX_WAITING, Breaker
from proxy.team.stores import Entry, Hold, StoreError, Usage
from proxy.team.stores.sqlite import SqliteStore
from proxy.team.tokens import LATEST, Token
from tests import servers
from tests.servers import Emulator
from tests.team_clock import Clock
from tests.team_stores import SECRET, closing, team_settings
from tests.test_main import MESSAGE

NOW = int(datetime(2026, 11, 28, 18, 43, 12, tzinfo=UTC).timestamp())
DAY = "2026-11-28"
SECONDS = 20
"""For what happens at once."""


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("proxy.clock.now", lambda: NOW)
    yield from closing(monkeypatch)


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    store = SqliteStore(str(tmp_path / "team.sqlite"), 0.01)
    store.check()
    return store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def still(store: SqliteStore, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Breaker:
    """Without a thread, and the only one there is."""
    monkeypatch.setattr(Breaker, "_watch", lambda breaker: None)
    monkeypatch.setattr(breaker, "started", weakref.WeakSet())
    return Breaker(store, clock)


class Down:
    """Another process keeps the file for itself."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._db = sqlite3.connect(self._path, isolation_level=None)
        self._db.execute("begin immediate")

    def __exit__(self, *exc: object) -> None:
        self._db.close()


@pytest.fixture
def down(tmp_path: Path) -> Down:
    return Down(tmp_path / "team.sqlite")


def ended(number: int = 1) -> Hold:
    entry = Entry("person:alice", f"usd_day:{DAY}", 0, None, 5)
    return Hold(f"r{number}", (entry,), NOW + 60, (Usage(DAY, "alice", "m", "", output=7),))


def used(store: SqliteStore) -> tuple[int, int]:
    """Nano-US$ of the counter, and tokens of the totals."""
    rows = store.usage(DAY, DAY)
    return store.read("person:alice").get(f"usd_day:{DAY}", 0), sum(row.output for row in rows)


def wait_for(thread: threading.Thread | None) -> None:
    assert thread is not None
    thread.join(SECONDS)
    assert not thread.is_alive()


def test_what_waits_is_settled_without_a_request(
    store: SqliteStore, down: Down, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "DOWN_SECONDS", 0.01)
    around, check, checked = Breaker(store), store.check, threading.Semaphore(0)
    monkeypatch.setattr(store, "check", lambda: (checked.release(), check()))
    with down:
        with pytest.raises(StoreError):
            around.hold(ended(), NOW)
        around.settle_later(ended(), ended())
        thread = around._thread
        for _ in range(2):
            assert checked.acquire(timeout=SECONDS)
        assert around.error
    wait_for(thread)
    assert (around.error, around.waiting, used(store)) == ("", 0, (5, 7))


def test_store_that_is_down_is_logged_while_it_is(
    still: Breaker, down: Down, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line for each attempt to reach it, and not for each request."""
    lines: list[object] = []
    monkeypatch.setattr(breaker.log, "warning", lines.append)
    with down:
        for _ in range(3):
            still.retry()
            still.retry()
            clock.sleep(DOWN_SECONDS)
    still.retry()
    assert lines == [breaker.DOWN_ENTRY] * 3


def test_thread_lives_only_while_there_is_something_to_do(store: SqliteStore) -> None:
    around = Breaker(store)
    for number in (1, 2):
        around.settle_later(ended(number), ended(number))
        thread = around._thread
        around._wake.set()
        wait_for(thread)
    assert (around._thread, used(store)) == (None, (10, 14))


def test_store_that_answers_has_the_rest_settled_at_once(
    store: SqliteStore, down: Down, clock: Clock
) -> None:
    around = Breaker(store, clock)
    with down, pytest.raises(StoreError):
        around.hold(ended(1), NOW)
    around.settle_later(ended(2), ended(2))
    thread = around._thread
    clock.sleep(DOWN_SECONDS)
    around.hold(ended(1), NOW)
    wait_for(thread)
    assert used(store) == (5, 7)


def test_store_that_is_down_is_asked_once_in_a_while(
    still: Breaker, down: Down, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    hold = still._store.hold
    monkeypatch.setattr(still._store, "hold", lambda *given: (asked.append(1), hold(*given))[1])
    with down:
        for seconds in (0, 1, DOWN_SECONDS - 1, 1):
            clock.sleep(seconds)
            with pytest.raises(StoreError):
                still.hold(ended(), NOW)
        assert len(asked) == 2
    with pytest.raises(StoreError):
        still.change(ended(), NOW)
    clock.sleep(DOWN_SECONDS)
    for verb in (still.change, still.settle):  # answers under way do not wait to find it out
        with pytest.raises(StoreError):
            verb(ended(), NOW)
    still.hold(ended(), NOW)
    still.change(ended(), NOW)
    assert still.error == ""


def test_what_cannot_be_settled_holds_up_no_other(
    still: Breaker, store: SqliteStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(breaker.log, "error", lambda text, *more: lines.append(text % more))
    settle = store.settle

    def refuse(hold: Hold, now: int) -> None:
        if hold.id == "r1":
            raise StoreError("too large")
        settle(hold, now)

    monkeypatch.setattr(store, "settle", refuse)
    still.settle_later(ended(1), ended(1))
    still.settle_later(ended(2), ended(2))
    still.retry()
    for _ in range(MAX_TRIES):
        assert not lines
        clock.sleep(DOWN_SECONDS)
        still.hold(ended(3), NOW)
        still.retry()
    assert used(store)[1] == 7
    assert (still.waiting, lines) == (0, [breaker.LOST % breaker.NOT_TAKEN])
    still.retry()
    assert still.error == ""


def test_store_that_can_only_be_read_is_left_alone(
    still: Breaker, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one whose writes are throttled: the thread waits before it tries again, and no request
    waits for it meanwhile."""
    errors: list[str] = []

    def refuse(hold: Hold, now: int) -> None:
        errors.append(still.error)
        raise StoreError("throttled")

    with monkeypatch.context() as patched:
        patched.setattr(store, "settle", refuse)
        still.settle_later(ended())
        for _ in range(2 * MAX_TRIES):  # as nothing is written, it is not given up
            still.retry()
            assert (still.error, still._wake.is_set()) == ("throttled", False)
    assert {*errors[1:]} == {"throttled"}
    still.retry()
    assert (still.error, still.waiting) == ("", 0)


def test_process_without_threads_settles_by_its_requests(
    store: SqliteStore, down: Down, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that has too many already, or that ends (Python 3.12): no request fails for it."""
    around = Breaker(store, clock)

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        with down, pytest.raises(StoreError):
            around.hold(ended(1), NOW)
        around.settle_later(ended(2), ended(2))
    around.settle_later(ended(3), ended(3))
    thread = around._thread
    around._wake.set()
    wait_for(thread)
    assert (around.error, used(store)) == ("", (10, 14))


def test_end_of_the_process_settles_what_waits(
    still: Breaker, store: SqliteStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker.settle_all()
    for number in range(3):
        still.settle_later(ended(number), ended(number))
    settle = store.settle

    def slow(hold: Hold, now: int) -> None:
        settle(hold, now)
        clock.sleep(CLOSE_SECONDS / 2)

    monkeypatch.setattr(store, "settle", slow)
    breaker.settle_all()
    assert (still.waiting, used(store)) == (1, (10, 14))


def test_end_of_an_invocation_settles_what_waits(still: Breaker, store: SqliteStore) -> None:
    still.settle_later(ended(), ended())
    freezing.prepare(lambda: CLOSE_SECONDS)
    assert still.waiting == 1, "there is no time for it"
    freezing.prepare(lambda: 60)
    assert (still.waiting, used(store)) == (0, (5, 7))


def test_freezing_waits_for_a_store_once_in_a_while(
    still: Breaker, store: SqliteStore, down: Down, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each invocation ends so, and is paid for as long as it takes."""
    asked, check = [], store.check
    monkeypatch.setattr(store, "check", lambda: (asked.append(1), check()))
    still.settle_later(ended(), ended())
    with down:
        for seconds, times in ((0, 1), (0, 1), (DOWN_SECONDS, 2), (0, 2)):
            clock.sleep(seconds)
            breaker.settle_before_freezing(60)
            assert len(asked) == times
    breaker.settle_all()
    assert (still.waiting, used(store)) == (0, (5, 7))


def test_end_of_the_process_waits_for_no_store(still: Breaker, down: Down) -> None:
    still.settle_later(ended(), ended())
    with down:
        still.settle_waiting(is_last=True)
    assert still.waiting == 1


def test_what_waits_is_bounded(still: Breaker, caplog: pytest.LogCaptureFixture) -> None:
    """What is lost is logged."""
    for number in range(MAX_WAITING):
        still.settle_later(ended(number))
    assert caplog.messages == []
    still.settle_later(ended(MAX_WAITING))
    assert still.waiting == MAX_WAITING
    assert caplog.messages == [breaker.LOST % "more than 1,000 wait"]


def test_stopped_server_settles_what_waits(
    emulator: Emulator, key: str, store: SqliteStore, down: Down, tmp_path: Path
) -> None:
    """gunicorn's, which ends long before the thread would try again."""
    answer = {"chunks": [{"text": "Hi."}], "usage": {"promptTokenCount": 9}}
    emulator.script(key, answer)
    environ = {"GEMINI_ENDPOINT": emulator.url, **team_settings(key, tmp_path / "team.sqlite", "")}
    with servers.serving(servers.PROXY, environ) as url:
        token = tokens.create(Token(("t1",), "alice", "default", 0, LATEST), SECRET)
        headers = {"x-api-key": token}
        with down:
            served = servers.LOCAL.post(
                f"{url}/v1/messages", json=MESSAGE, headers=headers, timeout=SECONDS
            )
        assert served.status_code == 200, served.text
        assert store.usage("0", "9") == []
    assert [(row.person, row.input) for row in store.usage("0", "9")] == [("alice", 9)]

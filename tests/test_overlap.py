"""proxy/team/overlap.py: hold and request at once, as a client, a store over a network and Gemini
see it; here the store is SQLite's, which says that it is remote."""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from proxy.liveness import SILENCE, ClientDisconnected
from proxy.payers import Items
from proxy.request_log import RequestLog
from proxy.team import overlap, plans
from proxy.team.budget import Budgets
from proxy.team.holds import Request
from proxy.team.money import NANO
from proxy.team.overlap import MAX_OVERLAPPED, SEEN_SECONDS
from proxy.team.payer import MemberPayer
from proxy.team.refusals import BudgetError
from proxy.team.stores import Entry, Hold, Outcome, StoreError
from proxy.team.stores.sqlite import IN_MEMORY, SqliteStore
from proxy.team.tokens import BadToken, Token
from tests.test_team import DAY, NOW, at_noon
from translate import ApiError, Translation, translate
from translate.models import Tokens, find
from translate.response.usage import Billed

__all__ = ["at_noon"]
NEON = find("gemini-4-neon")
ALICE = Token(("t1",), "alice", "standard", NOW - 60, NOW + 999, "core")
CI = Token(("t1", "ci"), "alice", "standard", NOW - 60, NOW + 999, "core")
BOB = Token(("t2",), "bob", "standard", NOW - 60, NOW + 999, "core")
PLANS = """
[plans.standard]
requests_per_minute = 20
open_streams = 12
usd_per_day = 1
[groups.core]
usd_per_week = 4
"""
BODY = {
    "model": "gemini-4-neon",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hi."}],
}
ITEMS: list[Any] = [[{"type": "message_start"}], [{"type": "message_stop"}]]
BILLED = Tokens(900, 0, 5)
PAID = 900 * 3_000 + 5 * 15_000
"""Nano-US$ of it."""
SECONDS = 10
"""In which all happens that a test waits for."""

numbers = itertools.count()


class Remote(SqliteStore):
    """For this test's process and others. answers: while it is clear, a hold is under way. down:
    whether it fails then."""

    is_remote = True

    def __init__(self) -> None:
        super().__init__(IN_MEMORY)
        self.is_shared = True
        self.answers = threading.Event()
        self.answers.set()
        self.down = False
        self.log: list[str] = []

    def hold(self, hold: Hold, now: int) -> Outcome:
        assert self.answers.wait(SECONDS), "the request was not sent before"
        if self.down:
            raise StoreError("hold failed")
        outcome = super().hold(hold, now)
        self.log.append("refused" if outcome.refusals else "held")
        return outcome

    def spend(self, counter: str, amount: int, account: str = "person:alice") -> None:
        """In another process."""
        entry = Entry(account, counter, amount, None, amount)
        super().hold(Hold(f"other-{next(numbers)}", (entry,), NOW + 999), NOW)

    def used(self) -> dict[str, int]:
        """What alice has used since her first request."""
        values = self.read("person:alice")
        used = {name.partition(":")[0]: value for name, value in values.items() if value}
        return {**used, "usd_day": used["usd_day"] - PAID}


class Upstream:
    """Gemini, asked for one answer. answered: what happens before its first item comes."""

    def __init__(self, answered: Callable[[], object] = lambda: None, *items: Any) -> None:
        self._answered = answered
        self._items = items or ITEMS
        self.is_closed = False
        self.reported = BILLED
        self.judged: list[Billed] = []
        self.billed = [Billed(NEON, Tokens())]

    @property
    def translation(self) -> Translation:
        return translate(BODY, {})

    def events(self) -> Items:
        try:
            self._answered()
            self.billed = [Billed(NEON, self.reported)]
            for item in self._items:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self.is_closed = True


@pytest.fixture
def store() -> Remote:
    return Remote()


@pytest.fixture
def gate(store: Remote) -> Budgets:
    """Which has seen all counters of alice."""
    found = Budgets(plans.parse(PLANS, "plans.toml"), store)
    assert list(answer(found, Upstream())) == ITEMS
    store.log.clear()
    return found


def answer(gate: Budgets, upstream: Upstream, *, is_stream: bool = True) -> Items:
    log_entry = RequestLog(f"req_{next(numbers)}", "POST", "/v1/messages", model="gemini-4-neon")
    log_entry.stream = is_stream
    payer = MemberPayer(gate, gate.member(ALICE, NOW))
    return payer.charged(upstream.events(), upstream, log_entry, 3_000)


def overlaps(gate: Budgets, token: Token = ALICE, size: int = 1_000, now: int = NOW) -> bool:
    """Whether a request need not wait for its hold."""
    request = Request(f"req_{next(numbers)}", NEON, size, 100, DAY)
    charge = gate.admit(gate.member(token, now), request, now, is_stream=True)
    pending = charge._pending
    charge.settle(now)
    return pending is not None


# --- What passes -------------------------------------------------------------------------------


def test_request_is_sent_while_it_is_held(gate: Budgets, store: Remote) -> None:
    """The store does not answer before Gemini is asked."""
    store.answers.clear()
    upstream = Upstream(store.answers.set)
    assert list(answer(gate, upstream)) == ITEMS
    assert store.used() == {"requests": 2, "usd_day": PAID, "usd_week": 2 * PAID} | {
        "usd_month": 2 * PAID
    }


@pytest.mark.parametrize("first", [SILENCE, [], ITEMS[0]])
def test_nothing_is_shown_before_it_is_held(gate: Budgets, store: Remote, first: Any) -> None:
    store.answers.clear()
    upstream = Upstream(store.answers.set, first, *ITEMS)
    assert next(answer(gate, upstream)) == first
    assert store.log == ["held"]


def test_meter_has_what_was_held(store: Remote) -> None:
    """Its headers wait for the store as the answer does."""
    gate = Budgets(plans.parse(PLANS, "plans.toml"), store, client_budget=True)
    list(answer(gate, Upstream()))
    store.spend(f"usd_day:{DAY}", NANO // 2)
    store.answers.clear()
    log_entry = RequestLog("req_metered", "POST", "/v1/messages", model="gemini-4-neon")
    log_entry.stream = True
    upstream = Upstream(store.answers.set)
    payer = MemberPayer(gate, gate.member(ALICE, NOW))
    next(payer.charged(upstream.events(), upstream, log_entry, 3_000))
    name = "anthropic-ratelimit-unified-overage-utilization"
    assert float(log_entry.budget_headers[name]) == 0.5


def test_client_that_leaves_before_it_is_held(gate: Budgets, store: Remote) -> None:
    """What is held is given back."""
    store.answers.clear()
    upstream = Upstream(store.answers.set, ClientDisconnected())
    with pytest.raises(ClientDisconnected):
        next(answer(gate, upstream))
    assert store.log == ["held"]
    assert store.used()["usd_day"] == PAID
    assert "streams" not in store.used()


# --- What is refused after all -----------------------------------------------------------------


def test_refused_request_is_closed_and_paid(gate: Budgets, store: Remote) -> None:
    """It counts as no request of this minute, though it has cost something."""
    store.answers.clear()

    def answered() -> None:
        store.spend(f"usd_day:{DAY}", NANO)
        store.answers.set()

    upstream = Upstream(answered)
    with pytest.raises(BudgetError, match="spend limit reached"):
        next(answer(gate, upstream))
    assert upstream.is_closed
    used = store.used()
    assert (used["requests"], used["usd_day"], "streams" in used) == (1, NANO + PAID, False)
    (row,) = store.usage(DAY, DAY)
    assert (row.requests, row.errors, row.nano_usd) == (2, 1, 2 * PAID)


def test_instance_sends_in_vain_only_at_first(store: Remote) -> None:
    """The bound: MAX_OVERLAPPED at once of each instance, here one, and none after that."""
    sent: list[Budgets] = []
    gates = [Budgets(plans.parse(PLANS, "plans.toml"), store) for _ in range(2)]
    for gate in gates:
        list(answer(gate, Upstream()))
    store.spend(f"usd_day:{DAY}", NANO)
    for gate in gates * 5:
        with pytest.raises(BudgetError, match="spend limit reached"):
            next(answer(gate, Upstream(functools.partial(sent.append, gate))))
    assert sent == gates
    assert store.used()["usd_day"] == NANO + (len(gates) + 1) * PAID


def test_refused_request_is_estimated_in_silence(gate: Budgets, store: Remote) -> None:
    """Gemini has had it, and has not counted it: it is charged by its size."""
    store.answers.clear()

    def answered() -> None:
        store.spend(f"usd_day:{DAY}", NANO)
        store.answers.set()

    upstream = Upstream(answered, SILENCE)
    upstream.reported = Tokens()
    with pytest.raises(BudgetError, match="spend limit reached"):
        next(answer(gate, upstream))
    (row,) = store.usage(DAY, DAY)
    assert row.estimated == row.nano_usd - PAID == (row.input - BILLED.input) * 3_000 > 0
    assert store.used()["usd_day"] == NANO + row.estimated


def test_refused_request_is_paid_once(
    gate: Budgets, store: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the store has settled it, and its answer was lost."""
    store.answers.clear()
    settle, lost = store.settle, iter([StoreError("no answer in time")])

    def settle_and_lose(settled: Hold, now: int) -> None:
        settle(settled, now)
        for error in lost:
            raise error

    def answered() -> None:
        store.spend(f"usd_day:{DAY}", NANO)
        store.answers.set()

    monkeypatch.setattr(store, "settle", settle_and_lose)
    with pytest.raises(BudgetError, match="spend limit reached"):
        next(answer(gate, Upstream(answered)))
    assert gate._store is not None
    gate._store.retry()
    assert (gate._store.waiting, store.used()["usd_day"]) == (0, NANO + PAID)


@pytest.mark.parametrize("first", [ITEMS[0], ApiError(400, "What Gemini says of the prompt.")])
def test_revoked_token_is_refused_before_anything(gate: Budgets, store: Remote, first: Any) -> None:
    store.answers.clear()

    def revoke() -> None:
        store.mark("person:alice", "revoked.t1", 1)
        store.answers.set()

    with pytest.raises(BadToken):
        next(answer(gate, Upstream(revoke, first)))
    assert store.used()["usd_day"] == PAID
    assert not overlaps_unless_revoked(gate)


def overlaps_unless_revoked(gate: Budgets) -> bool:
    with pytest.raises(BadToken):
        overlaps(gate)
    return False


def test_error_of_gemini_is_shown_where_it_is_held(gate: Budgets, store: Remote) -> None:
    with pytest.raises(ApiError, match="Invalid"):
        next(answer(gate, Upstream(lambda: None, ApiError(400, "Invalid."))))
    assert store.log == ["held"]


@pytest.mark.parametrize("serves", [True, False])
def test_store_that_goes_down_meanwhile(store: Remote, serves: bool) -> None:
    """What was sent is counted when it is back, whether it was served or refused."""
    gate = Budgets(plans.parse(PLANS, "plans.toml"), store, serves_when_down=serves)
    list(answer(gate, Upstream()))
    store.answers.clear()
    store.down = True
    items = answer(gate, Upstream(store.answers.set))
    if serves:
        assert list(items) == ITEMS
    else:
        with pytest.raises(BudgetError, match="unavailable"):
            next(items)
    assert store.used()["usd_day"] == 0
    store.down = False
    assert gate._store is not None
    gate._store.retry()
    assert store.used()["usd_day"] == PAID


# --- Where there is plenty ---------------------------------------------------------------------


def test_request_waits_for_its_hold_at_first(gate: Budgets) -> None:
    """Of a person, and of a token, whose marks are others."""
    for token in (BOB, CI):
        assert not overlaps(gate, token)
        assert overlaps(gate, token)


def test_what_was_seen_is_old_after_a_minute(gate: Budgets) -> None:
    assert overlaps(gate, now=NOW + SEEN_SECONDS)
    assert overlaps(gate, now=NOW + 2 * SEEN_SECONDS)
    assert not overlaps(gate, now=NOW + 3 * SEEN_SECONDS + 1)


@pytest.mark.parametrize(("size", "has_plenty"), [(200_000, True), (260_000, False)])
def test_large_request_waits_for_its_hold(gate: Budgets, size: int, has_plenty: bool) -> None:
    """Three quarters of the day's US$ 1 are no plenty, at US$ 3 a million and more."""
    assert overlaps(gate, size=size) is has_plenty


@pytest.mark.parametrize(
    ("account", "counter", "few", "more"),
    [
        ("person:alice", f"usd_day:{DAY}", 0.73 * NANO, 0.03 * NANO),
        ("group:core", "usd_week:2026-W48", 2.98 * NANO, 0.03 * NANO),
        ("person:alice", "requests:2026-11-28T12:00", 11, 1),
        ("person:alice", "streams", 7, 1),
    ],
)
def test_quarter_of_a_limit_is_no_plenty(
    gate: Budgets, store: Remote, account: str, counter: str, few: float, more: float
) -> None:
    """Another process uses it; one request here sees that, and the next waits."""
    store.spend(counter, int(few), account)
    assert [overlaps(gate), overlaps(gate)] == [True, True]
    store.spend(counter, int(more), account)
    overlaps(gate)
    assert not overlaps(gate)


def test_requests_that_overlap_count_each_other(gate: Budgets, store: Remote) -> None:
    """Three of US$ 0.25 each: the third would be above three quarters of 1."""
    store.answers.clear()
    charges = []
    for _ in range(2):
        request = Request(f"req_{next(numbers)}", NEON, 83_000, 100, DAY)
        charges.append(gate.admit(gate.member(ALICE, NOW), request, NOW, is_stream=True))
    assert all(charge._pending for charge in charges)
    hold = charges[0].hold.wanted(NOW)
    assert gate._overlap.start(hold, lambda: None, NOW) is None
    store.answers.set()
    for charge in charges:
        charge.settle(NOW)


def test_refusal_counts_whatever_is_heard_later(gate: Budgets, store: Remote) -> None:
    """An answer of the store that was on its way before."""
    counter = "person:alice", f"usd_day:{DAY}"
    assert overlaps(gate)
    gate._overlap.note({counter: NANO}, NOW, refused=True)
    gate._overlap.note({counter: 0}, NOW)
    assert not overlaps(gate)
    assert not overlaps(gate, now=NOW + SEEN_SECONDS - 1)
    assert overlaps(gate, now=NOW + SEEN_SECONDS)


def test_few_holds_are_written_at_once(gate: Budgets, store: Remote) -> None:
    store.answers.clear()
    hold = Hold("none", (Entry("person:new", "usd_day", 1),), NOW)  # no limit, and never seen
    pending = [gate._overlap.start(hold, store.answers.wait, NOW) for _ in range(MAX_OVERLAPPED)]
    assert gate._overlap.start(hold, store.answers.wait, NOW) is None
    store.answers.set()
    assert all(each is not None and each.result(SECONDS) for each in pending)
    assert gate._overlap.start(hold, store.answers.wait, NOW)


def test_process_without_threads_waits_for_its_holds(
    gate: Budgets, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        assert not overlaps(gate)
    assert gate._overlap._running == 0
    assert overlaps(gate)


def test_what_is_seen_is_bounded(gate: Budgets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlap, "MAX_SEEN", 3)
    overlaps(gate)
    assert len(gate._overlap._seen) == 3


def test_whole_answer_waits_for_its_hold(gate: Budgets, store: Remote) -> None:
    """Until it has a first chunk, it could not be closed where it is refused."""
    upstream = Upstream(lambda: store.log.append("sent"))
    assert list(answer(gate, upstream, is_stream=False)) == ITEMS
    assert store.log == ["held", "sent"]


def test_store_of_this_machine_is_waited_for() -> None:
    gate = Budgets(plans.parse(PLANS, "plans.toml"), SqliteStore(IN_MEMORY))
    assert [overlaps(gate), overlaps(gate)] == [False, False]

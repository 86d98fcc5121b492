"""proxy/team/stores/: one contract for all of them. What a team's users complain of elsewhere is
named by its number in the table of README ("complaint 1")."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proxy import clock
from proxy.team.stores import (
    MAX_UNMARKED,
    SWEPT_SECONDS,
    TOTALS_DAYS,
    Entry,
    Hold,
    Refusal,
    Store,
    StoreError,
    Usage,
    first_kept,
    stale_counters,
    totals_end,
)
from proxy.team.token_registry import Act, Registry
from proxy.team.usage import MAX_DAYS
from tests.team_stores import BACKENDS, Backend

NOW, SOON = 1_795_900_000, 1_795_903_600
ALICE, BOB, GROUP = "person:alice", "person:bob", "group:core"
DAY = "usd_day:2026-11-28"


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    backend = BACKENDS[request.param](tmp_path)
    yield backend
    backend.close()


@pytest.fixture
def store(backend: Backend) -> Iterator[Store]:
    store = backend.open()
    yield store
    store.close()


def money(
    amount: int,
    limit: int | None = 100,
    *,
    final: int = 0,
    account: str = ALICE,
    counter: str = DAY,
) -> Entry:
    return Entry(account, counter, amount, limit, final)


def usage(nano_usd: int = 7, **more: int | str) -> Usage:
    return Usage("2026-11-28", "alice", "gemini-4-neon", nano_usd=nano_usd, requests=1)._replace(
        **more
    )


def hold(name: str, *entries: Entry, ends: int = SOON, used: tuple[Usage, ...] = ()) -> Hold:
    return Hold(name, entries, ends, used)


def value(store: Store, account: str = ALICE, counter: str = DAY) -> int:
    return store.read(account).get(counter, 0)


def totals(store: Store) -> list[Usage]:
    """Of all days; what adds up to nothing is left out."""
    return [row for row in store.usage("", "9") if any(row.figures)]


# --- Holding -----------------------------------------------------------------------------------


def test_hold_adds_all_its_amounts(store: Store) -> None:
    entries = (money(40), money(40, account=GROUP), money(1, None, counter="streams"))
    outcome = store.hold(hold("a", *entries), NOW)
    assert outcome.refusals == ()
    assert outcome.values == {(ALICE, DAY): 40, (GROUP, DAY): 40, (ALICE, "streams"): 1}
    assert dict(store.read(ALICE)) == {DAY: 40, "streams": 1}
    assert dict(store.read(GROUP)) == {DAY: 40}


def test_hold_may_fill_a_limit_and_not_pass_it(store: Store) -> None:
    assert not store.hold(hold("a", money(60)), NOW).refusals
    assert not store.hold(hold("b", money(40)), NOW).refusals
    assert store.hold(hold("c", money(1)), NOW).refusals == (Refusal(money(1), 100, 100),)


@pytest.mark.parametrize("account", [ALICE, GROUP])
def test_hold_refused_in_one_counter_adds_nothing(store: Store, account: str) -> None:
    limits = {ALICE: 100, GROUP: 100, account: 30}
    entries = tuple(money(40, limits[each], account=each) for each in (ALICE, GROUP))
    outcome = store.hold(hold("a", *entries, money(1, 1, counter="streams")), NOW)
    assert outcome.refusals == (Refusal(money(40, 30, account=account), 0, 0),)
    assert {value(store), value(store, GROUP), value(store, counter="streams")} == {0}
    store.settle(hold("a", money(0, final=40)), NOW)
    assert value(store) == 0


def test_hold_refused_names_every_full_counter(store: Store) -> None:
    entries = (money(40, 30), money(40, 100), money(40, 20, account=GROUP))
    refusals = store.hold(hold("a", *entries[:1], *entries[2:]), NOW).refusals
    assert [(each.entry.account, each.entry.limit) for each in refusals] == [
        (ALICE, 30),
        (GROUP, 20),
    ]


def test_hold_repeated_is_held_once(store: Store) -> None:
    """As after a time-out, when nobody knows whether it was done."""
    for _ in range(2):
        outcome = store.hold(hold("a", money(60), money(60, account=GROUP)), NOW)
        assert (outcome.refusals, outcome.values[ALICE, DAY]) == ((), 60)
    assert (value(store), value(store, GROUP)) == (60, 60)


def test_refusal_tells_spent_from_held(store: Store) -> None:
    store.hold(hold("a", money(50)), NOW)
    store.settle(hold("a", money(0, final=30)), NOW)
    store.hold(hold("b", money(60, final=10)), NOW)
    (refusal,) = store.hold(hold("c", money(20)), NOW).refusals
    assert (refusal.value, refusal.held) == (90, 50)


@pytest.mark.parametrize("account", [ALICE, GROUP])
def test_mark_comes_back_with_each_write(store: Store, account: str) -> None:
    """That nothing is added to: with what was done, and with what was refused."""
    raised = Entry(account, "raise.usd_day.2026-11-28", 0)
    entries = (money(40), money(40, account=GROUP), raised)
    assert store.hold(hold("a", *entries), NOW).values[raised.key] == 0
    store.mark(account, raised.counter, 7)
    assert store.hold(hold("b", *entries), NOW).values[raised.key] == 7
    refused = store.hold(hold("c", *entries), NOW)
    assert {each.key for each in refused.refusals} == {(ALICE, DAY), (GROUP, DAY)}
    assert refused.values[raised.key] == 7
    more = (money(90), money(90, account=GROUP), raised)
    assert store.change(hold("b", *entries), NOW).values[raised.key] == 7
    refused = store.change(hold("b", *more), NOW)
    assert (bool(refused.refusals), refused.values[raised.key]) == (True, 7)
    store.settle(hold("b", *entries), NOW)
    assert value(store, account, raised.counter) == 7


@pytest.mark.parametrize("counter", ["revoked.t1", "revoked_before"])
def test_revoked_token_is_refused_by_the_same_write(store: Store, counter: str) -> None:
    """Complaint 12: revoked keys work on for minutes elsewhere."""
    limit = 0 if counter == "revoked.t1" else NOW - 10
    mark = Entry(ALICE, counter, 0, limit)
    assert not store.hold(hold("a", money(10), mark), NOW).refusals
    store.mark(ALICE, counter, NOW)
    assert store.hold(hold("b", money(10), mark), NOW).refusals == (Refusal(mark, NOW, 0),)
    assert value(store) == 10
    store.mark(ALICE, counter, 0)
    assert not store.hold(hold("c", money(10), mark), NOW).refusals


def test_unmark_drops_many_counters_and_no_other(store: Store) -> None:
    """As many as are dropped at once, with the longest names; those that are not there, too."""
    names = [f"revoked.{i:032}" for i in range(MAX_UNMARKED)]
    store.unmark(ALICE, names)
    assert store.read(ALICE) == {}
    for name in (*names[::9], "revoked_before", "a.b@c+d-e.f"):
        store.mark(ALICE, name, NOW)
    assert len(store.read(ALICE)) == len(names[::9]) + 2
    store.unmark(ALICE, [*names[1:], "a.b@c+d-e.f"])
    assert store.read(ALICE) == {names[0]: NOW, "revoked_before": NOW}
    store.unmark(ALICE, [names[0], "revoked_before"])
    assert store.read(ALICE) == {}


def test_requests_at_once_never_pass_a_limit(backend: Backend) -> None:
    """Complaint 1: concurrent requests all pass the check before any is recorded."""
    stores = [backend.open(seconds=60) for _ in range(4)]
    start = threading.Barrier(8)

    def run(number: int) -> int:
        start.wait()
        entries = (money(7), money(7, 150, account=GROUP))
        done = [stores[number % 4].hold(hold(f"{number}-{i}", *entries), NOW) for i in range(10)]
        return sum(not outcome.refusals for outcome in done)

    with ThreadPoolExecutor(8) as pool:
        admitted = sum(pool.map(run, range(8)))
    assert admitted == 14
    assert (value(stores[0]), value(stores[0], GROUP)) == (98, 98)
    for each in stores:
        each.close()


def test_people_at_once_never_pass_their_groups_limit(backend: Backend) -> None:
    """Complaint 4: limits live in each replica elsewhere. Who is refused is never told that what
    others hold is spent, and in the end all of it can be used."""
    stores = [backend.open(seconds=60) for _ in range(4)]
    start = threading.Barrier(8)

    def run(number: int) -> list[tuple[Refusal, ...]]:
        start.wait()
        entries = (money(7, None, account=f"person:p{number}"), money(7, 150, account=GROUP))
        store = stores[number % 4]
        return [store.hold(hold(f"{number}-{i}", *entries), NOW).refusals for i in range(10)]

    with ThreadPoolExecutor(8) as pool:
        found = [refusals for each in pool.map(run, range(8)) for refusals in each]
    assert all(each.held == each.value for refusals in found for each in refusals)
    admitted = sum(not refusals for refusals in found)
    assert (admitted <= 21, value(stores[0], GROUP)) == (True, 7 * admitted)
    entries = (money(7, None), money(7, 150, account=GROUP))
    while not stores[0].hold(hold(f"last-{admitted}", *entries), NOW).refusals:
        admitted += 1
    assert (admitted, value(stores[0], GROUP)) == (21, 147)
    for each in stores:
        each.close()


def test_groups_budget_is_the_sum_of_its_people(store: Store) -> None:
    people = [f"person:p{number}" for number in range(9)]
    for person in people:
        entries = (money(10, account=person), money(10, account=GROUP))
        store.hold(hold(person[7:], *entries), NOW)
    store.settle(hold("p0", money(10, account=people[0]), money(10, final=4, account=GROUP)), NOW)
    refused = store.hold(hold("b", money(20, account=BOB), money(20, account=GROUP)), NOW).refusals
    assert refused == (Refusal(money(20, account=GROUP), 84, 80),)
    change = hold("p1", money(20, account=people[1]), money(26, account=GROUP))
    assert store.change(change, NOW).values[GROUP, DAY] == 100
    assert value(store, GROUP) == 100


# --- Changing and settling ---------------------------------------------------------------------


def test_change_replaces_what_was_held(store: Store) -> None:
    store.hold(hold("a", money(80), money(80, account=GROUP)), NOW)
    outcome = store.change(hold("a", money(20, final=5), money(20, account=GROUP)), NOW)
    assert (outcome.refusals, outcome.values) == ((), {(ALICE, DAY): 20, (GROUP, DAY): 20})
    for _ in range(2):
        store.change(hold("a", money(60), money(60, account=GROUP)), NOW)
    assert (value(store), value(store, GROUP)) == (60, 60)


def test_change_refused_leaves_all_as_it_was(store: Store) -> None:
    store.hold(hold("a", money(60), money(60, account=GROUP)), NOW)
    outcome = store.change(hold("a", money(70), money(70, 65, account=GROUP)), NOW)
    assert [each.value for each in outcome.refusals] == [60]
    assert (value(store), value(store, GROUP)) == (60, 60)


def test_change_that_does_not_grow_is_not_refused(store: Store) -> None:
    store.hold(hold("a", money(60)), NOW)
    assert not store.change(hold("a", money(50, 10)), NOW).refusals
    assert value(store) == 50


def test_settle_charges_what_was_used(store: Store) -> None:
    store.hold(hold("a", money(80), money(80, account=GROUP), money(1, counter="streams")), NOW)
    settled = hold(
        "a",
        money(80, final=30),
        money(80, final=30, account=GROUP),
        money(1, counter="streams"),
        used=(usage(30), usage(2, model="gemini-4-hydrogen")),
    )
    for _ in range(2):  # also when nobody knows whether it was done
        store.settle(settled, NOW)
    assert (value(store), value(store, GROUP), value(store, counter="streams")) == (30, 30, 0)
    assert totals(store) == [usage(2, model="gemini-4-hydrogen"), usage(30)]


def test_settle_may_pass_a_limit(store: Store) -> None:
    """What was used is counted, whatever the limit; and the next is refused."""
    store.hold(hold("a", money(80)), NOW)
    store.settle(hold("a", money(80, final=130)), NOW)
    assert value(store) == 130
    assert store.hold(hold("b", money(1)), NOW).refusals == (Refusal(money(1), 130, 0),)
    assert not store.hold(hold("c", money(1, None)), NOW).refusals


def test_settled_hold_is_not_changed(store: Store) -> None:
    store.hold(hold("a", money(80)), NOW)
    store.settle(hold("a", money(80, final=30)), NOW)
    outcome = store.change(hold("a", money(90)), NOW)
    assert (outcome.refusals, outcome.values, value(store)) == ((), {(ALICE, DAY): 30}, 30)


# --- Abandoned holds ---------------------------------------------------------------------------


def test_abandoned_hold_is_charged_what_was_known(store: Store) -> None:
    entries = (money(90, final=8), money(1, 1, counter="streams"))
    store.hold(hold("dead", *entries, used=(usage(8),)), NOW)
    assert store.hold(hold("b", money(80)), SOON - 1).refusals
    assert not store.hold(hold("c", money(80), money(1, 1, counter="streams")), SOON).refusals
    assert (value(store), value(store, counter="streams")) == (88, 1)
    assert totals(store) == [usage(8, estimated=8)]


def test_abandoned_holds_of_others_leave_a_group(store: Store) -> None:
    store.hold(hold("dead", money(90), money(90, account=GROUP)), NOW)
    entries = (money(80, account=BOB), money(80, account=GROUP))
    assert not store.hold(hold("b", *entries), SOON).refusals
    assert value(store, GROUP) == 80


def test_abandoned_hold_makes_room_for_a_change(store: Store) -> None:
    store.hold(hold("dead", money(60)), NOW)
    store.hold(hold("a", money(30), ends=SOON + 10), NOW)
    assert not store.change(hold("a", money(90)), SOON).refusals


def test_request_that_ends_after_all_is_charged_once(store: Store) -> None:
    store.hold(hold("late", money(90, final=8), used=(usage(8),)), NOW)
    store.hold(hold("b", money(50)), SOON)
    store.settle(hold("b", money(50, final=50)), SOON)
    for _ in range(2):
        store.settle(hold("late", money(90, final=20), used=(usage(20),)), SOON + 5)
    assert value(store) == 70
    assert totals(store) == [usage(20)]


def test_request_that_goes_on_after_all_is_held_again(store: Store) -> None:
    store.hold(hold("late", money(50, final=8), used=(usage(8),)), NOW)
    store.hold(hold("b", money(60), ends=SOON + 99), SOON)
    again = hold("late", money(60, final=9), ends=SOON + 99, used=(usage(9),))
    assert store.change(again, SOON + 1).refusals
    assert (value(store), totals(store)) == (68, [usage(8, estimated=8)])
    again = hold("late", money(40, final=9), ends=SOON + 99, used=(usage(9),))
    assert not store.change(again, SOON + 1).refusals
    assert (value(store), totals(store)) == (100, [])
    store.settle(hold("late", money(40, final=9), used=(usage(9),)), SOON + 2)
    assert (value(store), totals(store)) == (69, [usage(9)])


def test_abandoned_hold_is_forgotten_in_the_end(store: Store) -> None:
    store.hold(hold("late", money(90, final=8)), NOW)
    store.hold(hold("b", money(1)), SOON)
    store.hold(hold("c", money(1)), SOON + SWEPT_SECONDS)
    store.settle(hold("late", money(90, final=20)), SOON + SWEPT_SECONDS)
    assert value(store) == 8 + 1


# --- Reading -----------------------------------------------------------------------------------


def test_counters_of_old_windows_are_dropped(store: Store) -> None:
    """Complaint 19: what was spent before counts against nothing, and nothing resets it."""
    for day in range(1, 5):
        entries = (
            money(1, 1, final=1, counter=f"usd_day:2026-11-0{day}"),
            money(1, counter="streams"),
        )
        store.hold(hold(f"{day}", *entries), NOW)
        store.settle(hold(f"{day}", *entries), NOW)
    assert dict(store.read(ALICE)) == {
        "usd_day:2026-11-03": 1,
        "usd_day:2026-11-04": 1,
        "streams": 0,
    }


def test_act_that_is_done_again_is_a_line_of_its_own(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, expected = Registry(store=store), []
    for second in (NOW, NOW, NOW + 1):
        monkeypatch.setattr(clock, "now", lambda second=second: second)
        registry.audit("raise", "usd_per_day=2.5", "carol.c", "bob.b:bob-1")
        expected.append(Act(second, "raise", "usd_per_day=2.5", "bob.b:bob-1", "carol.c"))
    assert registry.acts() == expected


def test_stale_counters_are_those_of_the_same_kind() -> None:
    names = ["a:1", "a:2", "a:3", "a:4", "b:1", "b:2", "revoked.x", "streams"]
    assert stale_counters(names, [Entry(ALICE, "a:3", 1), Entry(ALICE, "streams", 1)]) == ["a:1"]
    assert stale_counters([], [Entry(ALICE, "a:3", 1)]) == []


def test_usage_is_summed_by_day_person_model_and_class(store: Store) -> None:
    """Complaints 20, 21: a page is one read, and says who used what."""
    rows = (
        usage(1, person="bob", input=5, cached=3, output=2, ms=8, errors=1, saved=4),
        usage(2, day="2026-11-27"),
        usage(3),
        usage(3, request_class="subagent"),
    )
    for number, row in enumerate([*rows, rows[0]]):
        store.hold(hold(f"h{number}", money(1, None)), NOW)
        store.settle(hold(f"h{number}", money(1, None), used=(row,)), NOW)
    twice = Usage(*rows[0].key, *(2 * figure for figure in rows[0].figures))
    assert store.usage("2026-11-01", "2026-11-30") == [rows[1], rows[2], rows[3], twice]
    assert store.usage("2026-11-28", "2026-11-28", "alice") == [rows[2], rows[3]]
    assert store.usage("2026-11-28", "2026-11-28", "carol") == []


def test_usage_of_one_person_has_no_other(store: Store) -> None:
    """In each month that the days are of, and none beside them."""
    days = ("2025-11-30", "2025-12-01", "2025-12-31", "2026-01-01", "2026-02-01", "2026-02-02")
    people = ("ali", "alice", "alice+b@mail.example", "bob")
    rows = [usage(1, day=day, person=person) for day in days for person in people]
    store.hold(hold("a", money(1, None)), NOW)
    store.settle(hold("a", money(1, None), used=tuple(rows)), NOW)
    for person in people:
        theirs = [row for row in rows if row.person == person]
        assert store.usage("2025-12-01", "2026-02-01", person) == theirs[1:5]
    assert store.usage("2025-12-01", "2026-02-01") == rows[4:20]
    assert store.usage("2025-12-31", "2025-12-31", "alice") == [rows[9]]


def test_totals_outlive_the_longest_report() -> None:
    """NOW is in the evening of 2026-11-28, and in the next day already east of UTC+2."""
    assert first_kept(NOW) == "2025-10-15"
    assert totals_end("2025-10-14") <= NOW < totals_end("2025-10-15")
    assert TOTALS_DAYS >= MAX_DAYS + 2


def test_usage_is_added_up_by_the_fields_of_a_group(store: Store) -> None:
    """Complaint 20."""
    rows = (
        usage(1, person="bob", model="hydrogen", day="2026-11-27", ms=8, saved=4),
        usage(2, day="2026-11-27"),
        usage(4, request_class="main", errors=1),
        usage(8, person="bob"),
    )
    for number, row in enumerate(rows):
        store.hold(hold(f"h{number}", money(1, None)), NOW)
        store.settle(hold(f"h{number}", money(1, None), used=(row,)), NOW)
    november = "2026-11-01", "2026-11-30"
    people, by_class = store.sums([("person",), ("day", "request_class")], *november)
    assert people == [
        Usage("", "alice", "", nano_usd=6, requests=2, errors=1),
        Usage("", "bob", "", nano_usd=9, requests=2, ms=8, saved=4),
    ]
    assert [(each.key, each.nano_usd) for each in by_class] == [
        (("2026-11-27", "", "", ""), 3),
        (("2026-11-28", "", "", ""), 8),
        (("2026-11-28", "", "", "main"), 4),
    ]
    (models,) = store.sums([("model",)], *november, "bob")
    assert [(each.model, each.nano_usd) for each in models] == [
        ("gemini-4-neon", 8),
        ("hydrogen", 1),
    ]
    assert store.sums([("day",), ("person",)], *november, "carol") == [[], []]


def test_held_is_what_open_holds_may_give_back(store: Store) -> None:
    store.hold(hold("a", money(30, final=10), money(1, counter="streams")), NOW)
    store.hold(hold("b", money(5, account=BOB), money(5, account=GROUP)), NOW)
    store.hold(hold("c", money(7)), NOW)
    store.settle(hold("c", money(7, final=7)), NOW)
    assert {n: v for n, v in store.held(ALICE).items() if v} == {DAY: 20, "streams": 1}
    assert dict(store.held(GROUP)) == {DAY: 5}
    assert dict(store.held("person:carol")) == {}


# --- Faults ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backend", "kind"),
    [(name, kind) for name, each in BACKENDS.items() for kind in each.faults],
    indirect=["backend"],
)
def test_store_fault_is_one_error_and_passes(backend: Backend, kind: str) -> None:
    """Complaint 13: it recovers by itself."""
    store = backend.open(backend.fault_seconds)
    store.hold(hold("a", money(1)), NOW)
    verbs = (
        lambda: store.hold(hold("b", money(1)), NOW),
        lambda: store.change(hold("a", money(2)), NOW),
        lambda: store.settle(hold("a", money(2)), NOW),
        lambda: store.mark(ALICE, "revoked_before", NOW),
        store.check,
    )
    with backend.fault(kind):
        for verb in verbs:
            with pytest.raises(StoreError):
                verb()
        with contextlib.ExitStack() as stack:
            if kind not in backend.writes_only:
                stack.enter_context(pytest.raises(StoreError))
            store.read(ALICE)
    store.check()
    assert value(store) == 1
    assert not store.hold(hold("b", money(1)), NOW).refusals
    store.close()


def test_half_written_hold_is_taken_back(backend: Backend) -> None:
    store = backend.open()
    store.check()
    entries = (money(60, final=0), money(60, account=GROUP))
    with backend.half_write(), pytest.raises(StoreError):
        store.hold(hold("a", *entries), NOW)
    assert not store.hold(hold("b", *entries), SOON).refusals
    assert (value(store), value(store, GROUP)) == (60, 60)
    store.close()


def test_half_written_end_is_repeated_and_counts_once(backend: Backend) -> None:
    store = backend.open()
    store.hold(hold("a", money(60), money(60, account=GROUP)), NOW)
    settled = hold("a", money(60, final=9), money(60, final=9, account=GROUP), used=(usage(9),))
    with backend.half_write(), pytest.raises(StoreError):
        store.settle(settled, NOW)
    store.settle(settled, NOW)
    assert (value(store), value(store, GROUP), totals(store)) == (9, 9, [usage(9)])
    store.close()

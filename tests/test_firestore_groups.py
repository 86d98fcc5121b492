"""proxy/team/stores/firestore.py: a group, which many count on, in several documents."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import requests

from proxy.team.stores import Entry, Hold, Refusal, StoreError, Usage
from proxy.team.stores.firestore import FirestoreStore
from proxy.team.stores.firestore import __doc__ as doc
from proxy.team.stores.firestore_client import Client, Json, string, where
from proxy.team.stores.firestore_shards import SHARDS, place
from tests.team_firestore import Firestore, intercepted
from tests.test_firestore import backend, before_commit, store

__all__ = ["backend", "store"]

pytestmark = pytest.mark.firestore

NOW, SOON = 1_795_900_000, 1_795_903_600
ALICE, GROUP = "person:alice", "group:core"
DAY = "usd_day:2026-11-28"


def shared(
    name: str,
    person: str = "alice",
    amount: int = 60,
    *,
    counter: str = DAY,
    final: int = 8,
    ends: int = SOON,
) -> Hold:
    """Of a person in a group that has a limit of 100."""
    usage = Usage("2026-11-28", person, "m", requests=1, nano_usd=final)
    own = Entry(f"person:{person}", counter, amount, None, final)
    return Hold(name, (own, Entry(GROUP, counter, amount, 100, final)), ends, (usage,))


def ids(store: FirestoreStore) -> set[str]:
    """Of the documents that the group is counted in."""
    with store._client.deadline():
        return set(store._client.query(where("account", "EQUAL", string(GROUP))))


def test_store_that_fails_before_the_sums_holds_once(
    backend: Firestore, store: FirestoreStore
) -> None:
    """The money is held, and nobody knows of it: repeated it is the same, abandoned it is over."""
    store.hold(shared("a", "bob", 30), NOW)
    for name in ("repeated", "dead"):
        with backend.fault("down", "runQuery"), pytest.raises(StoreError):
            store.hold(shared(name, amount=20), NOW)
    assert store.hold(shared("repeated", amount=20), NOW).values[GROUP, DAY] == 70
    store.settle(shared("repeated", amount=20), NOW)
    store.hold(shared("b", amount=1, ends=SOON + 9), SOON)
    assert store.read(GROUP) == {DAY: 8 + 8 + 8 + 1}


def test_room_in_a_group_is_taken_by_one_of_two(backend: Firestore, store: FirestoreStore) -> None:
    """By the one that came first, also where the other has come before it looks."""
    other = backend.open()
    refused: list[Refusal] = []

    def come_between(url: str, send: Callable[[], requests.Response]) -> requests.Response:
        if url.endswith(":commit") and not refused:
            answer = send()
            refused.append(Refusal(Entry(GROUP, DAY, 0), 0, 0))
            refused[:] = other.hold(shared("b", "carol"), NOW).refusals
            return answer
        return send()

    with intercepted(come_between):
        assert store.hold(shared("a"), NOW).values == {(ALICE, DAY): 60, (GROUP, DAY): 60}
    assert [(each.key, each.value, each.held) for each in refused] == [((GROUP, DAY), 60, 52)]
    assert store.read(GROUP) == {DAY: 60}
    other.close()


def test_room_in_a_group_that_comes_meanwhile_is_used(
    backend: Firestore, store: FirestoreStore
) -> None:
    other = backend.open()
    store.hold(shared("a"), NOW)
    with before_commit(2, lambda: other.settle(shared("a"), NOW)):
        values = store.hold(shared("c", "carol"), NOW).values
    assert values == {("person:carol", DAY): 60, (GROUP, DAY): 68}
    other.close()


def test_window_of_a_group_ends_while_its_people_answer(store: FirestoreStore) -> None:
    """Each is charged in the window in which it began, and old ones are dropped."""
    days = [f"usd_day:2026-11-2{number}" for number in range(5, 10)]
    for number, day in enumerate(days):
        store.hold(shared(f"a{number}", counter=day, final=number), NOW)
        store.hold(shared(f"b{number}", "carol", 40, counter=day, final=number), NOW)
        for name, person in (("a", "alice"), ("b", "carol")):
            if number:
                earlier = shared(f"{name}{number - 1}", person, counter=days[number - 1], final=30)
                store.settle(earlier, NOW)
    assert store.read(GROUP) == {days[3]: 60, days[4]: 100}
    assert len(ids(store)) == 2


def test_group_is_counted_in_a_bounded_number_of_documents(store: FirestoreStore) -> None:
    for number in range(3 * SHARDS):
        store.hold(shared(f"h{number}", f"p{number}", 0), NOW)
    assert SHARDS // 2 < len(ids(store)) <= SHARDS


def test_hold_without_amounts_stays_its_owners(store: FirestoreStore) -> None:
    entries = (Entry(ALICE, DAY, 0), Entry(GROUP, DAY, 60, 100, 8))
    store.hold(Hold("dead", entries, SOON), NOW)
    before = ids(store)
    store.hold(Hold("b", (Entry(ALICE, DAY, 1),), SOON + 9), SOON)
    assert (store.read(GROUP), ids(store)) == ({DAY: 8}, before)


@pytest.mark.parametrize("people", [5, 30])
def test_verbs_cost_what_is_documented(
    store: FirestoreStore, people: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [f"p{number}" for number in range(3 * SHARDS)]
    members = list({place(GROUP, f"person:{name}"): name for name in found}.values())[:people]
    for name in members:
        store.hold(shared(name, name, 1), NOW)
    costs = count_costs(monkeypatch)
    rows = []
    for verb in (store.hold, store.change, store.settle):
        costs.update(writes=0, reads=0, deletes=0)
        verb(shared("x", members[0], 2, final=1), NOW)
        rows.append([costs["writes"], costs["reads"], costs["deletes"]])
    assert rows == [[3, people, 0], [3, people + 1, 0], [3, 1, 1]]
    for name, row in zip(("hold", "change", "settle"), rows, strict=True):
        usd = (row[0] * 0.09 + row[1] * 0.03 + row[2] * 0.01) / 100
        found_row = re.search(rf"^    {name} .*? {usd:.4f}\b", doc, re.MULTILINE)
        assert found_row, (name, f"{usd:.4f}")


def count_costs(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """What is billed from now on."""
    costs: dict[str, int] = {}
    commit, get, query = Client.commit, Client.get, Client.query

    def count_commit(client: Client, writes: Sequence[Json]) -> tuple[list[Json], str]:
        deletes = sum("delete" in write for write in writes)
        costs["deletes"] += deletes
        costs["writes"] += len(writes) - deletes
        return commit(client, writes)

    def count_get(client: Client, ids: Sequence[str]) -> dict[str, Json]:
        costs["reads"] += len(ids)
        return get(client, ids)

    def count_query(client: Client, *filters: Json, **named: Any) -> dict[str, Json]:
        found = query(client, *filters, **named)
        costs["reads"] += max(1, len(found))
        return found

    monkeypatch.setattr(Client, "commit", count_commit)
    monkeypatch.setattr(Client, "get", count_get)
    monkeypatch.setattr(Client, "query", count_query)
    return costs

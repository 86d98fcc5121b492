"""proxy/team/stores/dynamodb.py: what its verbs cost, how large its items are, and its rights."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from proxy.team.stores import Entry, Hold, Usage, totals_end
from proxy.team.stores.dynamodb import ACTIONS, DynamoStore
from proxy.team.stores.dynamodb import __doc__ as doc
from tests.team_dynamodb import TABLE, Dynamo, intercepted

NOW, SOON = 1_795_900_000, 1_795_903_600
ALICE = "person:alice"
WRITE = "TransactWriteItems"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DynamoStore]:
    backend = Dynamo(tmp_path)
    yield backend.open()
    backend.close()


KINDS = ("requests", "streams", "tokens", "usd_day", "usd_week", "usd_month")


def whole(
    name: str, window: str = "2026-11-28T18:43", final: int = 0, amount: int = 999_999_999
) -> Hold:
    """A hold as large as can be: the longest names, all counters of a person and a group."""
    person, group = f"person:{'p' * 64}", f"group:{'g' * 64}"
    marks = (Entry(person, "revoked.tok_12345678", 0, 0), Entry(person, "revoked_before", 0, NOW))
    entries = tuple(
        Entry(account, f"{kind}:{window}", amount, 10**15, final)
        for account in (person, group)
        for kind in KINDS
    )
    figures = (1, 0, 999_999, 999_999, 65_536, 999_999_999, 999_999_999, 999_999_999, 3_600_000)
    usage = Usage("2026-11-28", "p" * 64, "gemini-4-neon-preview", "subagent", *figures)
    return Hold(f"{name:_<36}", (*marks, *entries), SOON, (usage,))


def test_verbs_cost_what_is_documented(store: DynamoStore) -> None:
    """Complaint 27: few writes, to one item a person. Round trips, write units and read units."""
    trips: list[tuple[str, dict[str, Any]]] = []
    expected = {
        store.hold: ("hold", 2, 6, 2),
        store.change: ("change", 3, 6, 5),
        store.settle: ("settle", 2, 8, 1),
    }
    store.check()
    store.hold(whole("other"), NOW)  # the first one of a process looks for abandoned holds, too
    for amount, (verb, (name, *costs)) in enumerate(expected.items(), 9_999):
        trips.clear()
        with recorded(trips):
            verb(whole("a", amount=amount, final=5), NOW)
        writes = [w for op, body in trips if op == WRITE for w in body["TransactItems"]]
        reads = [
            key
            for op, body in trips
            if op == "BatchGetItem"
            for key in body["RequestItems"][TABLE]["Keys"]
        ]
        assert [len(trips), 2 * len(writes), len(reads)] == costs
        assert documented(name) == costs
    assert len(store.usage("", "9")) == 1


def documented(verb: str) -> list[int]:
    """The row of the module's table, whose US$ follow from its units."""
    (row,) = re.findall(rf"^    {verb} +(\d) +(\d) +(\d) +([\d.]+)$", doc, re.MULTILINE)
    *costs, usd = row
    _, writes, reads = map(int, costs)
    assert float(usd) == pytest.approx((writes * 0.625 + reads * 0.125) / 1_000, abs=0.00005)
    return [int(cost) for cost in costs]


def test_usage_of_one_person_reads_their_rows_only(
    store: DynamoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Complaint 20: however many others there are, by a query for each month."""
    days = ("2026-09-30", "2026-10-01", "2026-11-28")
    rows = tuple(Usage(day, f"p{n}", "m", requests=1) for day in days for n in range(9))
    held = Hold("a", (Entry(ALICE, "streams", 1),), SOON, rows)
    store.hold(held, NOW)
    store.settle(held, NOW)
    queries: list[int] = []
    query = DynamoStore._query

    def count(self: DynamoStore, *given: str) -> Iterator[dict[str, Any]]:
        items = list(query(self, *given))
        queries.append(len(items))
        return iter(items)

    monkeypatch.setattr(DynamoStore, "_query", count)
    (found,) = store.sums([("person",)], "2026-10-01", "2026-11-28", "p1")
    assert (found, queries) == ([Usage("", "p1", "", requests=2)], [1, 1])
    store.usage("2026-10-01", "2026-11-28")
    assert queries[2:] == [18]


def test_totals_expire_and_counters_do_not(store: DynamoStore) -> None:
    """Time-to-live, which template.yaml has on this attribute, deletes by it."""
    used = (Usage("2026-11-28", "alice", "m", requests=1),)
    a, b, c = (Hold(name, (Entry(ALICE, "streams", 1),), SOON, used) for name in "abc")
    for each in (a, b, c):
        store.hold(each, NOW)
    for each in (b, c):
        store.settle(each, NOW)
    items = boto3.client("dynamodb").scan(TableName=TABLE)["Items"]
    expires = {item["pk"]["S"]: item.get("expires") for item in items}
    end = {"N": str(totals_end("2026-11-28"))}
    assert expires == {ALICE: None, "holds": None, "totals": end}


@contextlib.contextmanager
def recorded(trips: list[tuple[str, dict[str, Any]]]) -> Iterator[None]:
    def record(name: str, request: dict[str, Any]) -> None:
        trips.append((name, json.loads(request["body"])))

    with intercepted(record):
        yield


def test_items_stay_below_a_kilobyte(store: DynamoStore) -> None:
    """However many windows go by."""
    for number in range(1, 9):
        store.hold(whole(f"{number}", f"2026-11-28T18:0{number}"), NOW)
        store.settle(whole(f"{number}", f"2026-11-28T18:0{number}", final=5), NOW)
    store.hold(whole("open", "2026-11-28T18:09", final=5), NOW)
    items = boto3.client("dynamodb").scan(TableName=TABLE)["Items"]
    assert len(items) == 4
    assert [item["sk"]["S"] for item in items if size(item) > 1_024] == []
    assert all(len(item) <= 2 + 3 * len(KINDS) for item in items)


def size(item: dict[str, Any]) -> int:
    """Of names and values, in bytes: a number has one for two digits, and one more."""
    return sum(
        len(name) + (len(value["S"]) if "S" in value else len(value["N"]) // 2 + 2)
        for name, value in item.items()
    )


PARTS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}


def test_actions_are_those_that_are_used(store: DynamoStore) -> None:
    trips: list[tuple[str, dict[str, Any]]] = []
    with recorded(trips):
        store.check()
        store.mark(ALICE, "revoked.t1", 1)
        store.hold(Hold("marked", (Entry(ALICE, "revoked.t2", 0, 0),), SOON), NOW)
        for verb in (store.hold, store.change, store.settle):
            verb(whole("a"), NOW)
        store.usage("", "9")
    used = {name for name, _ in trips if name != WRITE}
    used |= {PARTS[part] for _, body in trips for w in body.get("TransactItems", ()) for part in w}
    assert used == set(ACTIONS)

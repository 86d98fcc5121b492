"""proxy/team/stores/dynamodb.py: what is DynamoDB's own. test_stores.py has the contract."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError

from proxy.team.stores import SWEPT_SECONDS, Entry, Hold, Refusal, StoreError, Usage
from proxy.team.stores.dynamodb import DynamoStore
from tests.team_dynamodb import REGION, TABLE, Dynamo, intercepted, refused

NOW, SOON = 1_795_900_000, 1_795_903_600
ALICE, DAY = "person:alice", "usd_day:2026-11-28"
WRITE = "TransactWriteItems"


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Dynamo]:
    backend = Dynamo(tmp_path)
    yield backend
    backend.close()


@pytest.fixture
def store(backend: Dynamo) -> DynamoStore:
    return backend.open()


def hold(name: str, amount: int, limit: int | None = 100, final: int = 0) -> Hold:
    usage = Usage("2026-11-28", "alice", "gemini-4-neon", nano_usd=final)
    return Hold(name, (Entry(ALICE, DAY, amount, limit, final),), SOON, (usage, usage))


def before(operation: str, *steps: Callable[[], Any]) -> contextlib.AbstractContextManager[None]:
    """Do something before each of the next calls of an operation, or instead of it."""
    left = list(steps)

    def run(name: str, _: Any) -> Any:
        return left.pop(0)() if name == operation and left else None

    return intercepted(run)


def canceled(*reasons: str) -> Callable[[], Any]:
    return lambda: refused("TransactionCanceledException", *reasons)


# --- What passes by itself -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        canceled("None", "TransactionConflict"),
        canceled("ThrottlingError", "None"),
        lambda: refused("ProvisionedThroughputExceededException"),
        lambda: refused("ThrottlingException"),
        lambda: refused("TransactionInProgressException"),
        lambda: refused("InternalServerError"),
    ],
    ids=["conflict", "canceled", "over", "throttled", "in_progress", "fault"],
)
def test_fault_that_passes_is_tried_again(store: DynamoStore, fault: Callable[[], Any]) -> None:
    with before(WRITE, *[fault] * 4):
        assert store.hold(hold("a", 60), NOW).values == {(ALICE, DAY): 60}
    assert store.read(ALICE) == {DAY: 60}


def test_mark_meets_a_transaction(store: DynamoStore) -> None:
    with before("UpdateItem", lambda: refused("TransactionConflictException")):
        store.mark(ALICE, "revoked.t1", 1)
    assert store.read(ALICE) == {"revoked.t1": 1}


def test_lost_answer_within_a_verb_counts_once(store: DynamoStore) -> None:
    """The write was done, and the answer was lost: it is repeated, and changes nothing."""
    for verb in (store.hold, store.change, store.settle):
        with losing(times=1):
            verb(hold("a", 60, final=9), NOW)
    assert store.read(ALICE) == {DAY: 9}
    assert [row.nano_usd for row in store.usage("", "9")] == [18]


def test_lost_answer_after_a_verb_counts_once(backend: Dynamo) -> None:
    store = backend.open(seconds=2)
    for verb in (store.hold, store.change, store.settle):
        with losing(times=1_000), pytest.raises(StoreError, match="no answer in time"):
            verb(hold("a", 60, final=9), NOW)
        verb(hold("a", 60, final=9), NOW)
    assert store.read(ALICE) == {DAY: 9}
    assert [row.nano_usd for row in store.usage("", "9")] == [18]


@contextlib.contextmanager
def losing(times: int) -> Iterator[None]:
    """The answers of so many transactions, which are done."""
    left = times

    def lose(name: str, request: dict[str, Any]) -> None:
        nonlocal left
        if name == WRITE and left:
            left -= 1
            with contextlib.suppress(store_client.exceptions.TransactionCanceledException):
                store_client.transact_write_items(**json.loads(request["body"]))
            raise ReadTimeoutError(endpoint_url="https://dynamodb")

    store_client = boto3.client("dynamodb")
    with intercepted(passing(lose)):
        yield


def passing(step: Callable[[str, dict[str, Any]], Any]) -> Callable[[str, dict[str, Any]], Any]:
    """What a step does itself passes it by."""
    is_inside = False

    def once(name: str, request: dict[str, Any]) -> Any:
        nonlocal is_inside
        if is_inside:
            return None
        is_inside = True
        try:
            return step(name, request)
        finally:
            is_inside = False

    return once


# --- What does not -------------------------------------------------------------------------------

DENIED = ("AccessDeniedException", "give its IAM role the actions")
MISSING = ("ResourceNotFoundException", "no such table")


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        DENIED,
        MISSING,
        ("ExpiredTokenException", "new AWS_ACCESS_KEY_ID"),
        ("UnrecognizedClientException", "new AWS_ACCESS_KEY_ID"),
        ("ThrottlingException", "bill it on demand"),
        ("TransactionConflictException", "put fewer people into one group"),
        ("InternalServerError", "health.aws"),
        ("ValidationException", "pk and sk"),
        ("SomethingNew", "SomethingNew"),
        ("TransactionCanceledException", "TransactionCanceledException"),
    ],
)
def test_fault_says_what_to_do(backend: Dynamo, code: str, advice: str) -> None:
    store = backend.open()
    with backend.fault(code), pytest.raises(StoreError) as caught:
        store.hold(hold("a", 60), NOW)
    text = str(caught.value)
    assert text.startswith("DynamoDB, table team: ")
    assert advice in text
    assert "alice" not in text
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_fault_without_end_ends_in_time(backend: Dynamo) -> None:
    clocks = [0.0]

    def sleep(seconds: float) -> None:
        clocks.append(clocks[-1] + seconds)

    store = DynamoStore(TABLE, 2.0, lambda: clocks[-1], sleep)
    with backend.fault("TransactionConflictException"), pytest.raises(StoreError):
        store.hold(hold("a", 60), NOW)
    assert 0.7 < clocks[-2] <= 1.0 < clocks[-1] < 1.4
    assert len(clocks) < 200


def test_missing_table_is_an_error(backend: Dynamo) -> None:
    with pytest.raises(StoreError, match="table other: there is no such table"):
        DynamoStore("other").check()


def test_table_with_other_keys_is_an_error(backend: Dynamo) -> None:
    boto3.client("dynamodb").create_table(
        TableName="other",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(StoreError, match="it needs the string keys pk and sk"):
        DynamoStore("other").hold(hold("a", 60), NOW)


@pytest.fixture
def without_moto(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Nothing of this machine's own settings for AWS."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return monkeypatch


def test_missing_region_is_an_error(without_moto: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match="set AWS_REGION"):
        DynamoStore(TABLE)


def test_missing_credentials_are_an_error(without_moto: pytest.MonkeyPatch) -> None:
    without_moto.setenv("AWS_DEFAULT_REGION", REGION)
    with pytest.raises(StoreError, match="give this process an IAM role"):
        DynamoStore(TABLE).check()


@pytest.fixture
def server(without_moto: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """It takes connections, and nobody answers them."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        use_endpoint(without_moto, server.getsockname()[1])
        yield server


def use_endpoint(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDNOBODY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize("listens", [True, False])
def test_server_that_does_not_answer_is_an_error(server: socket.socket, listens: bool) -> None:
    if not listens:
        server.close()
    store = DynamoStore(TABLE, seconds=0.1)
    for verb in (store.hold, store.change, store.settle):
        with pytest.raises(StoreError, match="no answer in time") as caught:
            verb(hold("a", 60), NOW)
        assert "secret" not in str(caught.value)
    store.close()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"\xff", b'{"Responses": 7}', b""])
def test_answer_that_is_not_dynamodbs_is_an_error(
    without_moto: pytest.MonkeyPatch, body: bytes
) -> None:
    """As of a proxy between."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        use_endpoint(without_moto, server.server_port)
        store = DynamoStore(TABLE, seconds=60)
        try:
            with pytest.raises(StoreError):
                store.settle(hold("a", 60), NOW)
        finally:
            store.close()
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("key", "attribute"),
    [
        (("holds", "a"), {"entries": {"S": "{"}}),
        (("holds", "a"), {"entries": {"S": "[]"}}),
        (("holds", "a"), {"version": {"S": "x"}}),
        ((ALICE, "counters"), {"usd_day:2026-11-28": {"N": "1.5"}}),
        (("totals", '["2026-11","alice","2026-11-28","m",""]'), {"requests": {"N": "1"}}),
    ],
)
def test_damaged_item_is_an_error(
    store: DynamoStore, key: tuple[str, str], attribute: dict[str, Any]
) -> None:
    store.hold(hold("a", 10), NOW)
    item = {"pk": {"S": key[0]}, "sk": {"S": key[1]}, **attribute}
    boto3.client("dynamodb").put_item(TableName=TABLE, Item=item)
    verb = store.usage if key[0] == "totals" else store.change
    given: tuple[Any, ...] = ("", "9") if key[0] == "totals" else (hold("a", 20), NOW)
    with pytest.raises(StoreError, match="an item or answer cannot be read"):
        verb(*given)


# --- Transactions that meet ----------------------------------------------------------------------


def test_change_meets_other_change(backend: Dynamo) -> None:
    store, other = backend.open(), backend.open()
    store.hold(hold("a", 10), NOW)
    with before(WRITE, lambda: void(other.change(hold("a", 20), NOW))):
        assert store.change(hold("a", 30), NOW).values == {(ALICE, DAY): 30}
    with before(WRITE, lambda: void(other.change(hold("a", 40), NOW))):
        store.settle(hold("a", 30, final=5), NOW)
    assert store.read(ALICE) == {DAY: 5}


def test_change_meets_the_end(backend: Dynamo) -> None:
    store, other = backend.open(), backend.open()
    store.hold(hold("a", 10), NOW)
    with before(WRITE, lambda: void(other.settle(hold("a", 10, final=5), NOW))):
        assert store.change(hold("a", 30), NOW).values == {(ALICE, DAY): 5}


def test_sweep_meets_other_sweep(backend: Dynamo) -> None:
    store, other = backend.open(), backend.open()
    store.hold(hold("dead", 90, final=8), NOW)
    with before(WRITE, lambda: void(other.hold(hold("c", 0), SOON))):
        assert store.hold(hold("b", 50), SOON).values == {(ALICE, DAY): 58}


def test_refusal_sweeps_first(backend: Dynamo) -> None:
    store = backend.open()
    store.hold(hold("dead", 90, final=8), SOON - 1)
    full = replace(hold("b", 92), ends=SOON + 1)
    assert store.hold(full, SOON).values == {(ALICE, DAY): 100}
    assert store.hold(hold("c", 1), SOON).refusals == (Refusal(hold("c", 1).entries[0], 100, 92),)


def test_room_made_meanwhile_is_taken(store: DynamoStore) -> None:
    with before(WRITE, *[canceled("None", "ConditionalCheckFailed")] * 2):
        assert not store.hold(hold("a", 60), NOW).refusals


def test_expired_hold_is_ignored_though_it_stands(store: DynamoStore) -> None:
    store.hold(hold("late", 90, final=8), NOW)
    store.hold(hold("b", 1), SOON)
    store.settle(hold("late", 90, final=20), SOON + SWEPT_SECONDS)
    assert store.read(ALICE) == {DAY: 9}


def test_stale_counters_that_stay_are_dropped_later(backend: Dynamo) -> None:
    store = backend.open()
    days = [Entry(ALICE, f"usd_day:2026-11-0{day}", 1) for day in range(1, 5)]
    for day in days[:2]:
        store.hold(Hold(day.counter, (day,), SOON), NOW)
    with backend.fault("down", "UpdateItem"):
        assert store.hold(Hold("c", (days[2],), SOON), NOW).values == {days[2].key: 1}
    assert len(store.read(ALICE)) == 3
    store.hold(Hold("d", (days[3],), SOON), NOW)
    assert list(store.read(ALICE)) == [days[2].counter, days[3].counter]


# --- Reading -------------------------------------------------------------------------------------


def test_query_reads_all_pages(store: DynamoStore) -> None:
    for name in "abc":
        store.hold(hold(name, 10), NOW)

    def shorten(name: str, request: dict[str, Any]) -> None:
        if name == "Query":
            request["body"] = json.dumps(json.loads(request["body"]) | {"Limit": 1}).encode()

    with intercepted(shorten):
        (refusal,) = store.hold(hold("d", 90), NOW).refusals
    assert refusal.held == 30


def test_item_that_was_not_read_is_read_again(store: DynamoStore) -> None:
    store.hold(hold("a", 10), NOW)
    keys = {TABLE: {"Keys": [{"pk": {"S": ALICE}, "sk": {"S": "counters"}}]}}
    answer = {"Responses": {}, "UnprocessedKeys": keys}
    with before("BatchGetItem", lambda: (AWSResponse("", 200, {}, None), answer)):
        assert store.read(ALICE) == {DAY: 10}


def void(_: object) -> None:
    """For a step whose result nobody needs."""

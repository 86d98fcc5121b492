"""proxy/team/stores/firestore.py: what is Firestore's own. test_stores.py has the contract."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from proxy.team.stores import SWEPT_SECONDS, Entry, Hold, StoreError, Usage
from proxy.team.stores.firestore import MAX_SWEPT, FirestoreStore
from proxy.team.stores.firestore_client import HOST
from tests.team_clock import Clock
from tests.team_firestore import Firestore, answered, intercepted

pytestmark = pytest.mark.firestore

NOW, SOON = 1_795_900_000, 1_795_903_600
ALICE, GROUP = "person:alice", "group:core"
DAY = "usd_day:2026-11-28"
SECRET = "ya29.secret"
Send = Callable[[], requests.Response]


@pytest.fixture
def backend(tmp_path: Path) -> Firestore:
    return Firestore(tmp_path)


@pytest.fixture
def store(backend: Firestore) -> Iterator[FirestoreStore]:
    store = backend.open()
    yield store
    store.close()


def hold(name: str, amount: int = 60, *, ends: int = SOON, limit: int | None = 100) -> Hold:
    usage = Usage("2026-11-28", "alice", "m", nano_usd=8)
    return Hold(name, (Entry(ALICE, DAY, amount, limit, 8),), ends, (usage,))


def before_commits(actions: Mapping[int, Callable[[], Any]]) -> Any:
    """Another process is faster, before this store's commits of those numbers."""
    count = 0

    def act(url: str, send: Send) -> requests.Response:
        nonlocal count
        if url.endswith(":commit") and (count := count + 1) in waiting:
            waiting.pop(count)()
        return send()

    waiting = dict(actions)
    return intercepted(act)


def before_commit(number: int, action: Callable[[], Any]) -> Any:
    return before_commits({number: action})


def lost(*numbers: int) -> Any:
    """Commits that are done, and whose answers are lost."""
    count = 0

    def lose(url: str, send: Send) -> requests.Response:
        nonlocal count
        answer = send()
        count += url.endswith(":commit")
        if url.endswith(":commit") and count in numbers:
            raise requests.ConnectionError
        return answer

    return intercepted(lose)


def google(headers: Callable[[float], Mapping[str, str]] = lambda _: {}) -> FirestoreStore:
    """A store on Google's own address, at which nothing is asked."""
    clock = Clock()
    return FirestoreStore("p", "team", headers, 2, database="d", clock=clock, sleep=clock.sleep)


# --- Answers that are lost, and others that are faster -------------------------------------------


def test_answer_that_is_lost_is_asked_for_again(store: FirestoreStore) -> None:
    with lost(1):
        assert store.hold(hold("a"), NOW).values == {(ALICE, DAY): 60}
    with lost(1):
        assert store.change(hold("a", 50), NOW).values == {(ALICE, DAY): 50}
    with lost(1):
        store.settle(hold("a"), NOW)
    assert store.read(ALICE) == {DAY: 8}
    assert [row.nano_usd for row in store.usage("", "9")] == [8]


def test_lost_answer_of_what_was_too_much_is_taken_back(store: FirestoreStore) -> None:
    store.hold(hold("a"), NOW)
    with lost(1, 2):
        (refusal,) = store.hold(hold("b"), NOW).refusals
    assert (refusal.value, refusal.held, store.read(ALICE)) == (60, 52, {DAY: 60})


@pytest.mark.parametrize("limit", [10, 100])
def test_change_meets_an_end_by_another_process(
    backend: Firestore, store: FirestoreStore, limit: int
) -> None:
    other = backend.open()
    for number in (1, 2):
        store.hold(hold(f"a{number}", 5), NOW)
        ended = hold(f"a{number}", 5)
        with before_commit(number, lambda ended=ended: other.settle(ended, NOW)):
            outcome = store.change(hold(f"a{number}", 20, limit=limit), NOW)
        assert outcome.refusals == ()
    assert store.read(ALICE)[DAY] in (16, 28)
    other.close()


def test_settle_meets_a_change_by_another_process(
    backend: Firestore, store: FirestoreStore
) -> None:
    other = backend.open()
    store.hold(hold("a"), NOW)
    with before_commit(1, lambda: other.change(hold("a", 90), NOW)):
        store.settle(hold("a"), NOW)
    assert store.read(ALICE) == {DAY: 8}
    other.close()


def test_change_meets_a_change_by_another_process(
    backend: Firestore, store: FirestoreStore
) -> None:
    other = backend.open()
    store.hold(hold("a"), NOW)
    with before_commit(1, lambda: other.change(hold("a", 90), NOW)):
        assert store.change(hold("a", 70), NOW).values == {(ALICE, DAY): 70}
    other.close()


def test_room_that_comes_meanwhile_is_used(backend: Firestore, store: FirestoreStore) -> None:
    """Nobody is refused who has room by what the refusal itself would say."""
    other = backend.open()
    store.hold(hold("a"), NOW)
    with before_commit(2, lambda: other.settle(hold("a"), NOW)):
        assert store.hold(hold("b"), NOW).values == {(ALICE, DAY): 68}
    other.close()


def test_room_that_goes_again_is_refused(backend: Firestore, store: FirestoreStore) -> None:
    other = backend.open()
    store.hold(hold("a"), NOW)
    actions = {
        2: lambda: other.settle(hold("a"), NOW),
        4: lambda: other.hold(hold("c", 90), NOW),  # after the end of a, which is a commit, too
    }
    with before_commits(actions):
        (refusal,) = store.hold(hold("b"), NOW).refusals
    assert (refusal.value, refusal.held) == (98, 82)
    other.close()


def test_hold_that_is_taken_back_by_others_is_refused(
    backend: Firestore, store: FirestoreStore
) -> None:
    other = backend.open()
    store.hold(hold("a"), NOW)
    with before_commit(2, lambda: other.settle(hold("b"), NOW)):
        assert store.hold(hold("b"), NOW).refusals
    assert store.read(ALICE) == {DAY: 68}
    other.close()


def test_abandoned_hold_is_settled_by_one_process(
    backend: Firestore, store: FirestoreStore
) -> None:
    other = backend.open()
    store.hold(hold("dead"), NOW)
    with before_commit(1, lambda: other.hold(hold("b", 1, ends=SOON + 9), SOON)):
        store.hold(hold("c", 1, ends=SOON + 9), SOON)
    assert store.read(ALICE) == {DAY: 10}
    assert [row.estimated for row in store.usage("", "9")] == [8]
    other.close()


def test_more_abandoned_holds_than_one_verb_settles(store: FirestoreStore) -> None:
    for number in range(MAX_SWEPT + 2):
        store.hold(hold(f"dead{number}", 9, limit=None), NOW)
    for name in ("b", "c"):
        store.hold(hold(name, 0, ends=SOON + 9), SOON)
    assert store.read(ALICE)[DAY] == 8 * (MAX_SWEPT + 2)


def test_refused_change_of_an_abandoned_hold_is_undone(store: FirestoreStore) -> None:
    store.hold(hold("late"), NOW)
    store.hold(hold("b", 50, ends=SOON + 9), SOON)
    for _ in range(2):
        assert store.change(hold("late", 90, ends=SOON + 9), SOON).refusals
    assert store.read(ALICE) == {DAY: 58}
    assert [row.estimated for row in store.usage("", "9")] == [8]


def test_change_that_is_late_is_refused_and_not_abandoned(store: FirestoreStore) -> None:
    store.hold(hold("late"), NOW)
    assert store.change(hold("late", 101, ends=SOON + 9), SOON).refusals
    assert store.read(ALICE) == {DAY: 60}


# --- Documents -----------------------------------------------------------------------------------


def test_marks_of_nobody_are_dropped_with_old_windows(
    backend: Firestore, store: FirestoreStore
) -> None:
    """A person's document does not grow with the number of tokens that they ever had."""
    other = backend.open()

    def request(minute: int) -> Hold:
        mark = Entry(ALICE, f"revoked.t{minute}", 0, 0)
        later = Entry(ALICE, f"revoked_from.t{minute}", 0, 9)
        entries = (Entry(ALICE, f"requests:{minute}", 1), mark, later)
        return Hold(f"h{minute}", entries, SOON, ())

    store.hold(request(1), NOW)
    with before_commit(2, lambda: other.mark(ALICE, "revoked.t1", NOW)):
        store.hold(request(2), NOW)
    assert store.read(ALICE)["revoked.t1"] == NOW
    store.hold(request(3), NOW)
    assert store.read(ALICE) == {
        **{"requests:2": 1, "requests:3": 1},
        **{"revoked.t1": NOW, "revoked.t3": 0, "revoked_from.t3": 0},
    }
    other.close()


def test_names_of_all_kinds_are_kept(store: FirestoreStore) -> None:
    account, counter = "person:../a b@x.org/ü", "a.b`c\\d:/é"
    entry = Entry(account, counter, 3)
    usage = Usage("2026-11-28", 'a/"ü', "models/m", requests=1)
    store.hold(Hold("a", (entry,), SOON, ()), NOW)
    store.settle(Hold("a", (entry._replace(final=2),), SOON, (usage,)), NOW)
    assert store.read(account) == {counter: 2}
    assert store.usage("2026-11-28", "2026-11-28", 'a/"ü') == [usage]


def test_documents_expire_that_nothing_needs(store: FirestoreStore) -> None:
    """Time-to-live deletes by this field; an open hold has none."""
    store.hold(hold("dead"), NOW)
    store.hold(hold("open", 1, ends=SOON + 9), SOON)
    with store._client.deadline():
        found = store._client.get(["hold-dead", "hold-open"])
        expires = {name: each["fields"].get("expires") for name, each in found.items()}
        (total,) = store._client.get(["total-" + TOTAL]).values()
    assert SOON + SWEPT_SECONDS == 1_795_990_000
    assert expires == {"hold-dead": {"timestampValue": "2026-11-29T22:06:40Z"}, "hold-open": None}
    assert total["fields"]["expires"] == {"timestampValue": "2028-01-12T00:00:00Z"}


TOTAL = "%5B%222026-11-28%22%2C%20%22alice%22%2C%20%22m%22%2C%20%22%22%5D"


def test_document_of_others_is_an_error(store: FirestoreStore) -> None:
    with store._client.deadline():
        fields = {"account": {"stringValue": ALICE}, "x": {"nullValue": None}}
        store._client.commit([store._update("account-person%3Aalice", fields)])
    with pytest.raises(StoreError, match=r"a document cannot be read \(KeyError\)"):
        store.read(ALICE)


# --- Calls ---------------------------------------------------------------------------------------

ERRORS = {
    "PERMISSION_DENIED": "roles/datastore.user: run `make setup-gcp PROJECT=p STORE=firestore`",
    "UNAUTHENTICATED": "gcloud auth application-default login",
    "NOT_FOUND": "the project p has no database d: run `make setup-gcp",
    "FAILED_PRECONDITION": "the database d needs Native mode",
    "RESOURCE_EXHAUSTED": "enable billing for the project p",
    "ABORTED": "too many requests write to one account at once",
    "UNAVAILABLE": "UNAVAILABLE: retry",
    "INVALID_ARGUMENT": "check the project, database and collection",
}


@pytest.mark.parametrize(("status", "sentence"), ERRORS.items())
def test_error_says_what_to_do(status: str, sentence: str) -> None:
    error = {"error": {"status": status, "message": SECRET}}
    for body in (error, [error]):
        with intercepted(lambda url, send, body=body: answered(400, body)):
            for verb in (google().check, lambda: google().mark(ALICE, "x", 1)):
                with pytest.raises(StoreError) as caught:
                    verb()
                assert str(caught.value).startswith(f"Firestore: {status}: ")
                assert sentence in str(caught.value)
                assert SECRET not in str(caught.value)


@pytest.mark.parametrize("body", [{}, [], {"error": SECRET}, None])
def test_answer_that_is_not_firestores_is_an_error(body: Any) -> None:
    with (
        intercepted(lambda url, send: answered(502, body)),
        pytest.raises(StoreError, match=r"cannot be read \(HTTP 502\)") as caught,
    ):
        google().check()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (requests.ConnectTimeout, "it takes too long"),
        (requests.ReadTimeout, "it takes too long"),
        (requests.exceptions.ProxyError, r"firestore.googleapis.com cannot be reached \(ProxyErr"),
        (requests.exceptions.ChunkedEncodingError, "cannot be reached"),
    ],
)
def test_fault_of_a_connection_is_an_error(error: type[Exception], sentence: str) -> None:
    def fail(url: str, send: Send) -> requests.Response:
        raise error(SECRET)

    with intercepted(fail), pytest.raises(StoreError, match=sentence) as caught:
        google().check()
    assert SECRET not in str(caught.value)


def test_contention_is_tried_again_within_the_deadline(store: FirestoreStore) -> None:
    refused = iter(["ABORTED", "UNAVAILABLE", "ABORTED"])

    def contend(url: str, send: Send) -> requests.Response:
        status = next(refused, None)
        return answered(409, {"error": {"status": status}}) if status else send()

    with intercepted(contend):
        store.hold(hold("a"), NOW)
    assert store.read(ALICE) == {DAY: 60}


def test_credentials_go_with_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were given, whatever a netrc file says; no redirect takes them elsewhere."""
    seen: list[tuple[requests.PreparedRequest, dict[str, Any]]] = []

    def send(
        session: requests.Session, request: requests.PreparedRequest, **named: Any
    ) -> requests.Response:
        seen.append((request, named))
        return answered(200, [])

    def headers(seconds: float) -> Mapping[str, str]:
        assert 0 < seconds <= 2
        return {"Authorization": f"Bearer {SECRET}"}

    monkeypatch.setattr(requests.Session, "send", send)
    store = google(headers)
    store.check()
    store.check()
    store.close()
    google().close()
    request, named = seen[0]
    url = f"{HOST}/v1/projects/p/databases/d/documents:batchGet"
    assert (request.url, request.headers["Authorization"]) == (url, f"Bearer {SECRET}")
    assert (named["allow_redirects"], named["timeout"]) == (False, (0.5, 1.5))


def test_connections_are_not_carried_over_a_fork(
    store: FirestoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.check()
    before = store._client._connections()
    assert store._client._connections() is before
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        after = store._client._connections()
        assert after is not before
    before.close()
    after.close()

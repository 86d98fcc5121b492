"""proxy/team/firestore_opening.py: a URL, and credentials in time."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from proxy import config
from proxy.setting_values import BadSetting
from proxy.team import firestore_opening, opening
from proxy.team.stores import StoreError
from proxy.team.stores.firestore import FirestoreStore
from tests.team_firestore import Firestore, answered, intercepted
from translate import ApiError


class Credentials:
    """ready: whether they are there; else they come when `come` is set, or fail with `error`."""

    def __init__(self, *, ready: bool = False, error: ApiError | None = None) -> None:
        self.ready, self.error, self.come = ready, error, threading.Event()

    def is_ready(self, *, needs_project: bool) -> bool:
        return self.ready

    def headers(self) -> dict[str, str]:
        if not self.ready:
            self.come.wait()
        if self.error:
            raise self.error
        return {"Authorization": "Bearer t"}


def test_store_at_the_emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Firestore(tmp_path)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", backend.emulator)
    store = opening.open_store(f"firestore://demo-team/{backend.collection}")
    assert isinstance(store, FirestoreStore)
    store._client._seconds = 60
    store.mark("a", "b", 1)
    assert backend.open().read("a") == {"b": 1}
    store.close()


def test_store_at_google_is_asked_with_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    monkeypatch.setattr(firestore_opening, "DefaultCredentials", lambda: Credentials(ready=True))
    urls = []
    for url in ("firestore://demo-team/team", "firestore://demo-team/team?database=name"):
        store = firestore_opening.open_firestore(url, config.firestore_emulator())
        with intercepted(lambda url, send: urls.append(url) or answered(200, [])):
            store.check()
        assert store._client._headers(2) == {"Authorization": "Bearer t"}
        store.close()
    assert urls == [
        f"https://firestore.googleapis.com/v1/projects/demo-team/databases/{name}/documents:batchGet"
        for name in ("(default)", "name")
    ]


@pytest.mark.parametrize(
    "url",
    [
        *("firestore://", "firestore://demo-team", "firestore://demo-team/", "firestore:demo-team"),
        *("firestore://demo-team/a/b", "firestore://demo-team/__x__", "firestore://d/team"),
        *("firestore://demo-team/team?db=x", "firestore://demo-team/team?database=x/y"),
    ],
)
def test_url_that_is_none_of_firestores(url: str) -> None:
    with pytest.raises(
        BadSetting, match="PROXY_STORE: expected firestore://project/collection, or"
    ):
        opening.open_store(url)


def test_credentials_are_waited_for_with_a_bound() -> None:
    late, soon = Credentials(), Credentials()
    with pytest.raises(StoreError, match="have not come in time: retry"):
        firestore_opening.headers(late, 0.01)  # type: ignore[arg-type]
    soon.come.set()
    assert firestore_opening.headers(soon, 60)["Authorization"] == "Bearer t"  # type: ignore[arg-type]
    late.come.set()


@pytest.mark.parametrize("ready", [True, False])
def test_credentials_that_there_are_not(ready: bool) -> None:
    none = Credentials(ready=ready, error=ApiError(500, "No credentials: log in."))
    none.come.set()
    with pytest.raises(StoreError, match=r"^Firestore: No credentials: log in\.$"):
        firestore_opening.headers(none, 60)  # type: ignore[arg-type]

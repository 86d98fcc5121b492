"""Firestore's store, from its URL and with Google Cloud's credentials, which it has in time or not.

firestore://project/collection
firestore://project/collection?database=NAME
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from translate import ApiError

from .. import liveness
from ..google_auth import DefaultCredentials
from ..setting_values import BadSetting
from .stores import StoreError
from .stores.firestore import DATABASE, FirestoreStore

URL = re.compile(
    r"firestore://(?P<project>[a-z][a-z0-9-]{4,28}[a-z0-9])"
    r"/(?P<collection>(?!__)[A-Za-z0-9_-]{1,100})(?:\?database=(?P<database>[a-z0-9-]{4,63}))?"
)
WANTED = "expected firestore://project/collection, or firestore://project/collection?database=NAME"
NOT_IN_TIME = "Firestore: Google Cloud's credentials have not come in time: retry"


def open_firestore(url: str, emulator: str) -> FirestoreStore:
    """emulator: its host and port, "" for Google. Nothing is asked yet. Raises BadSetting."""
    found = URL.fullmatch(url)
    if found is None:
        raise BadSetting("PROXY_STORE", f"{WANTED}, got {url!r}")
    credentials = DefaultCredentials()
    return FirestoreStore(
        found["project"],
        found["collection"],
        lambda seconds: headers(credentials, seconds),
        database=found["database"] or DATABASE,
        emulator=emulator,
    )


def headers(credentials: DefaultCredentials, seconds: float) -> Mapping[str, str]:
    """Within so many seconds. What is found later is there for the next request. Raises
    StoreError."""
    try:
        if credentials.is_ready(needs_project=False):
            return credentials.headers()
        return liveness.run(liveness.Poller().call(credentials.headers, seconds))
    except TimeoutError:
        raise StoreError(NOT_IN_TIME) from None
    except ApiError as error:
        raise StoreError(f"Firestore: {error}") from None

"""Firestore's REST API over requests: commits, reads and queries within a deadline.

Google's own library does the same over gRPC, and takes 430 ms to import and 51 MB. Contract:
https://cloud.google.com/firestore/docs/reference/rest/v1/projects.databases.documents
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter

from . import StoreError

Json = dict[str, Any]

HOST = "https://firestore.googleapis.com"
EMULATOR_HEADERS = {"Authorization": "Bearer owner"}
"""With which the emulator skips its security rules, as a service account does."""

MAX_CONNECTIONS = 32
"""That are kept; more are opened where more requests are under way, and closed after them."""

PAUSE_SECONDS = 0.02
"""At most, before the first repetition, and twice as long before each that follows: a commit takes
some 12 ms."""
MAX_PAUSE_SECONDS = 0.32

REPEATED = ("ABORTED", "UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED")
"""Contention, of which nothing was written; and what nobody knows of. All commits of this store may
be repeated: see firestore.py."""

CONDITIONS = ("ALREADY_EXISTS", "FAILED_PRECONDITION", "NOT_FOUND")
"""How a commit whose precondition does not hold is refused."""

SETUP = "run `make setup-gcp PROJECT={project} STORE=firestore`"
HINTS = {
    "PERMISSION_DENIED": f"give the service's account roles/datastore.user: {SETUP}",
    "UNAUTHENTICATED": "the credentials are not accepted: renew them, or run `gcloud auth"
    " application-default login`",
    "NOT_FOUND": f"the project {{project}} has no database {{database}}: {SETUP}",
    "FAILED_PRECONDITION": f"the database {{database}} needs Native mode: {SETUP}",
    "RESOURCE_EXHAUSTED": "the day's free quota is used up, or writes come too fast: enable billing"
    " for the project {project}, or wait",
    "ABORTED": "too many requests write to one account at once: retry, or make its group smaller",
    "INVALID_ARGUMENT": "check the project, database and collection of PROXY_STORE",
}
"""What to do, by the status that Google gives."""
TOO_SLOW = "it takes too long: retry, and check the database's place and the way to it"
UNREACHABLE = "{host} cannot be reached ({error}): check the network, and FIRESTORE_EMULATOR_HOST"
UNREADABLE = "an answer of {host} cannot be read (HTTP {status}): check FIRESTORE_EMULATOR_HOST"


class ConditionFailed(Exception):
    """Of a commit: nothing was written."""


class Client:
    """Of one collection; used by all threads. Each verb runs in `deadline`, in its thread.

    headers: the credentials; called with the seconds that it may take, raises StoreError. emulator:
    its host and port, "" for Google. clock, sleep: in seconds.
    """

    def __init__(
        self,
        names: tuple[str, str, str],
        headers: Callable[[float], Mapping[str, str]],
        seconds: float,
        emulator: str = "",
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._project, self._database, self.collection = names
        documents = f"projects/{self._project}/databases/{self._database}/documents"
        self._prefix = f"{documents}/{self.collection}/"
        self._host = f"http://{emulator}" if emulator else HOST
        self._url = f"{self._host}/v1/{documents}:"
        self._headers = (lambda _: EMULATOR_HEADERS) if emulator else headers
        self._is_direct = bool(emulator)
        self._seconds, self._clock, self._sleep = seconds, clock, sleep
        self._local = threading.local()
        self._session: requests.Session | None = None
        self._process = 0

    # --- Verbs -------------------------------------------------------------------------------

    def commit(self, writes: Sequence[Json]) -> tuple[list[Json], str]:
        """All or none. Returns a result for each, and when it was. Raises ConditionFailed."""
        answer = self._call("commit", {"writes": list(writes)})
        return answer["writeResults"], answer["commitTime"]

    def get(self, ids: Sequence[str]) -> dict[str, Json]:
        """Id -> document, of those that there are."""
        body = {"documents": [self.name(each) for each in ids]}
        found = (each["found"] for each in self._call("batchGet", body) if "found" in each)
        return {self._id(each): each for each in found}

    def query(
        self, *filters: Json, limit: int | None = None, read_time: str = ""
    ) -> dict[str, Json]:
        """Id -> document, of those that match all filters. read_time: as of when, "" for now."""
        where = {"compositeFilter": {"op": "AND", "filters": list(filters)}}
        query: Json = {"from": [{"collectionId": self.collection}], "where": where}
        if limit:
            query["limit"] = limit
        body: Json = {"structuredQuery": query}
        if read_time:
            body["readTime"] = read_time
        answer = self._call("runQuery", body)
        found = (each["document"] for each in answer if "document" in each)
        return {self._id(each): each for each in found}

    def name(self, identity: str) -> str:
        return f"{self._prefix}{identity}"

    def _id(self, document: Json) -> str:
        return str(document["name"]).removeprefix(self._prefix)

    def close(self) -> None:
        if self._session is not None:
            self._session.close()

    @contextmanager
    def deadline(self) -> Iterator[None]:
        """Of one verb of the store. Raises StoreError for what is no answer of Firestore's."""
        self._local.until = self._clock() + self._seconds
        try:
            yield
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            text = f"a document cannot be read ({type(error).__name__}): who else writes there?"
            raise StoreError(f"Firestore: {text}") from None

    # --- Calls -------------------------------------------------------------------------------

    def _call(self, method: str, body: Json) -> Any:
        has_condition = any("currentDocument" in each for each in body.get("writes", ()))
        pause, problem = PAUSE_SECONDS, TOO_SLOW
        while True:
            remaining = self._local.until - self._clock()
            if remaining <= 0:
                raise StoreError(f"Firestore: {problem}")
            try:
                status, answer = self._post(method, body, remaining)
            except requests.Timeout:
                raise StoreError(f"Firestore: {TOO_SLOW}") from None
            except (requests.RequestException, OSError) as error:
                problem = UNREACHABLE.format(host=self._host, error=type(error).__name__)
            else:
                if status == "":
                    return answer
                if has_condition and status in CONDITIONS:
                    raise ConditionFailed
                problem = self._problem(status)
                if status not in REPEATED:
                    raise StoreError(f"Firestore: {problem}")
            self._sleep(min(random.uniform(0, pause), max(0, self._local.until - self._clock())))
            pause = min(2 * pause, MAX_PAUSE_SECONDS)

    def _post(self, method: str, body: Json, seconds: float) -> tuple[str, Any]:
        """The status, "" for success, and the answer."""
        credentials = self._headers(seconds)

        def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers.update(credentials)  # a netrc file would replace them
            return request

        response = self._connections().post(
            self._url + method,
            data=json.dumps(body, separators=(",", ":")),
            headers={"Content-Type": "application/json", "User-Agent": "gemini-messages"},
            auth=authorize,
            timeout=(seconds / 4, seconds * 3 / 4),
            allow_redirects=False,
        )
        try:
            answer = response.json()
            if response.status_code == 200:
                return "", answer
            # A stream's error, as batchGet's, comes as the one item of a list.
            error = answer[0] if isinstance(answer, list) else answer
            return str(error["error"]["status"]), None
        except (ValueError, LookupError, TypeError):
            text = UNREADABLE.format(host=self._host, status=response.status_code)
            raise StoreError(f"Firestore: {text}") from None

    def _problem(self, status: str) -> str:
        hint = HINTS.get(status, "retry")
        return f"{status}: {hint.format(project=self._project, database=self._database)}"

    def _connections(self) -> requests.Session:
        """Of this process: a fork must not write to its parent's."""
        if self._session is None or self._process != os.getpid():
            session = requests.Session()
            session.trust_env = not self._is_direct
            session.mount(self._host, HTTPAdapter(pool_maxsize=MAX_CONNECTIONS))
            self._process, self._session = os.getpid(), session
        return self._session


# --- Values --------------------------------------------------------------------------------------


def where(field: str, op: str, value: Json) -> Json:
    return {"fieldFilter": {"field": {"fieldPath": field}, "op": op, "value": value}}


def integer(value: int) -> Json:
    return {"integerValue": str(value)}


def string(value: str) -> Json:
    return {"stringValue": value}


def strings(values: Sequence[str]) -> Json:
    return {"arrayValue": {"values": [string(each) for each in values]}}


def timestamp(seconds: int) -> Json:
    return {"timestampValue": f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"}


def increment(path: str, amount: int) -> Json:
    return {"fieldPath": path, "increment": integer(amount)}


def field_path(*names: str) -> str:
    """Quoted, as names that are no identifiers have to be."""
    quoted = (name.replace("\\", "\\\\").replace("`", "\\`") for name in names)
    return ".".join(f"`{name}`" for name in quoted)


def document_id(kind: str, name: str) -> str:
    """Without slashes, which would make a path of it."""
    return f"{kind}-{quote(name, safe='')}"

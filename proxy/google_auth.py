"""Application Default Credentials: Google Cloud's access tokens for Vertex AI.

google-auth finds them (a service account, a metadata server, a person's login) and renews them. It
is imported at the first use: most servers never need it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from translate import ApiError

from . import liveness

T = TypeVar("T")

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)

PAUSES = {"STALE": 60.0, "INVALID": 5.0, "MISSING": 5.0}
"""Seconds between two tries to renew a token that is still good, or is not, and to find
credentials: those who have waited meanwhile do not wait for another."""

GOOGLE_AUTH_SECONDS = 20
"""For each of google-auth's two jobs, finding and renewing: its pauses between five tries at a
metadata server take 15 s. For other servers it would wait two minutes, or for ever."""

NO_CREDENTIALS = (
    "No Google Cloud credentials found (Application Default Credentials): {}. Run the server in "
    "Google Cloud, or run `gcloud auth application-default login` once."
)
NOT_NOW = "Google Cloud's credentials could not be renewed just now: {}. Retry later."
NO_LIBRARY = "Vertex AI cannot be asked from here: google-auth is not in the zip for AWS Lambda."
NO_PROJECT = "This server does not know its project: set GOOGLE_CLOUD_PROJECT."


class DefaultCredentials:
    """Found at the first use, in the process that uses them, and shared by its threads.

    One of them finds and renews for all. `project` and `headers` block where `is_ready` is false,
    for twice GOOGLE_AUTH_SECONDS at the most.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._credentials: Any = None
        self._project = ""
        self._failures: dict[str, tuple[float, Exception]] = {}
        """A token's state -> when it may be renewed (or looked for) again, and why it was not."""

    def is_ready(self, *, needs_project: bool) -> bool:
        """Whether there is a good token that need not be renewed, or is just being renewed."""
        if self._credentials is None or (needs_project and not self._project):
            return False
        state = self._credentials.token_state.name
        if state != "STALE":
            return bool(state == "FRESH")
        return self._lock.locked() or time.monotonic() < self._failures.get(state, NEVER)[0]

    def project(self) -> str:
        """The project that the credentials belong to. Raises ApiError where it is not known."""
        if not self._project:
            with self._lock:
                if not self._project:
                    self._find()
        if not self._project:
            raise ApiError(500, NO_PROJECT, retry=False)
        return self._project

    def headers(self) -> dict[str, str]:
        """A token, and for a person's login the project that pays. Raises ApiError for none."""
        if not self.is_ready(needs_project=False):
            with self._lock:
                if self._credentials is None:
                    self._find()
                self._renew()
        headers: dict[str, str] = {}
        self._credentials.apply(headers)
        return headers

    def _renew(self) -> None:
        """Refresh the token ahead of its end; where that fails, it is used to its end."""
        state = self._credentials.token_state.name
        if state == "FRESH":
            return
        from google.auth import exceptions
        from google.auth.transport.requests import Request

        if time.monotonic() >= self._failures.get(state, NEVER)[0]:
            try:
                _run(lambda: self._credentials.refresh(Request()))
            except (exceptions.GoogleAuthError, TimeoutError) as error:
                state = self._credentials.token_state.name
                self._failures[state] = time.monotonic() + PAUSES[state], error
            else:
                return
        if state == "INVALID":
            raise _credentials_error(self._failures[state][1])

    def _find(self) -> None:
        try:
            import google.auth
            from google.auth import exceptions
        except ImportError:
            raise ApiError(500, NO_LIBRARY, retry=False) from None
        until, failure = self._failures.get("MISSING", NEVER)
        if time.monotonic() < until:
            raise _credentials_error(failure)
        try:
            self._credentials, project = _run(lambda: google.auth.default(scopes=SCOPES))
        except (exceptions.GoogleAuthError, TimeoutError) as error:
            self._failures["MISSING"] = time.monotonic() + PAUSES["MISSING"], error
            raise _credentials_error(error) from None
        self._project = project or ""


NEVER = (0.0, None)


def _run(function: Callable[[], T]) -> T:
    """Run what google-auth does in a thread, which is left alone where it takes too long."""
    return liveness.run(liveness.Poller().call(function, GOOGLE_AUTH_SECONDS))


def _credentials_error(error: Any) -> ApiError:
    """As an ApiError, without the error's own text: it may quote a credential server's answer."""
    from google.auth.exceptions import TransportError

    kind = type(error).__name__
    # google-auth wraps what the metadata server's connection says (2.63.0, seen 2026-11-26).
    is_transport = any(isinstance(each, TransportError) for each in (error, error.__cause__))
    if is_transport or isinstance(error, TimeoutError) or error.retryable:
        return ApiError(502, NOT_NOW.format(kind))
    return ApiError(500, NO_CREDENTIALS.format(kind), retry=False)

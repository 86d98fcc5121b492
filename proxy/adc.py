"""Application Default Credentials: in whose name this server asks Google Cloud, and its token.

Knows google-auth, which finds a service account, a metadata server or a person's login. It
refuses to know what is asked. google-auth is imported at the first use: most never need it.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from translate import ApiError

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)

PAUSE_SECONDS = 60
"""Between two tries to renew a token that is still good: one may take google-auth 15 s."""

NO_IDENTITY = (
    "This server has no identity of Google Cloud (Application Default Credentials): {}. "
    "Run it there, or once `gcloud auth application-default login`."
)
NOT_NOW = "This server's identity of Google Cloud could not be renewed just now: {}. Try again."
NO_LIBRARY = "Vertex AI cannot be asked from here: google-auth is not in the zip for AWS Lambda."
NO_PROJECT = "This server does not know its project: set GOOGLE_CLOUD_PROJECT."


class Identity:
    """Found at the first use, in the process that uses it, and shared by its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._credentials: Any = None
        self._project = ""
        self._next_try = 0.0
        """When a token that is still good may be renewed."""

    def project(self) -> str:
        """The project that the identity belongs to. Raises ApiError where it is not known."""
        with self._lock:
            if not self._project:
                self._find()
        if not self._project:
            raise ApiError(500, NO_PROJECT, retry=False)
        return self._project

    def headers(self) -> dict[str, str]:
        """A token, and for a person's also the project that pays. Raises ApiError for none."""
        headers: dict[str, str] = {}
        with self._lock:
            if self._credentials is None:
                self._find()
            self._renew()
            self._credentials.apply(headers)
        return headers

    def _renew(self) -> None:
        """Ahead of the token's end; where that fails, the token is used to its end."""
        from google.auth import exceptions
        from google.auth.credentials import TokenState
        from google.auth.transport.requests import Request

        state = self._credentials.token_state
        is_early = state == TokenState.STALE and time.monotonic() < self._next_try
        if state == TokenState.FRESH or is_early:
            return
        try:
            self._credentials.refresh(Request())
        except exceptions.GoogleAuthError as error:
            if self._credentials.token_state == TokenState.INVALID:
                raise _none(error) from None
            self._next_try = time.monotonic() + PAUSE_SECONDS

    def _find(self) -> None:
        try:
            import google.auth
            from google.auth import exceptions
        except ImportError:
            raise ApiError(500, NO_LIBRARY, retry=False) from None
        try:
            self._credentials, project = google.auth.default(scopes=SCOPES)
        except exceptions.GoogleAuthError as error:
            raise _none(error) from None
        self._project = project or ""


def _none(error: Any) -> ApiError:
    """Without the error's own text: it may quote what a credential server said."""
    from google.auth.exceptions import TransportError

    kind = type(error).__name__
    # google-auth wraps what the metadata server's connection says (2.63.0, seen 2026-11-26).
    is_transport = any(isinstance(each, TransportError) for each in (error, error.__cause__))
    if is_transport or error.retryable:
        return ApiError(502, NOT_NOW.format(kind), cause="connection")
    return ApiError(500, NO_IDENTITY.format(kind), retry=False)

"""Application Default Credentials: Google Cloud's access tokens for Vertex AI.

google-auth finds them (a service account, a metadata server, a person's login) and renews them. It
is imported at the first use: most servers never need it.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from translate import ApiError

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)

PAUSES = {"STALE": 60.0, "INVALID": 5.0}
"""Seconds between two tries to renew a token that is still good, or is not. One may take
google-auth 15 s, for which all others wait."""

NO_CREDENTIALS = (
    "No Google Cloud credentials found (Application Default Credentials): {}. Run the server in "
    "Google Cloud, or run `gcloud auth application-default login` once."
)
NOT_NOW = "Google Cloud's credentials could not be renewed just now: {}. Retry later."
NO_LIBRARY = "Vertex AI cannot be asked from here: google-auth is not in the zip for AWS Lambda."
NO_PROJECT = "This server does not know its project: set GOOGLE_CLOUD_PROJECT."


class DefaultCredentials:
    """Found at the first use, in the process that uses them, and shared by its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._credentials: Any = None
        self._project = ""
        self._failures: dict[str, tuple[float, Exception]] = {}
        """A token's state -> when it may be renewed again, and why it was not."""

    def project(self) -> str:
        """The project that the credentials belong to. Raises ApiError where it is not known."""
        with self._lock:
            if not self._project:
                self._find()
        if not self._project:
            raise ApiError(500, NO_PROJECT, retry=False)
        return self._project

    def headers(self) -> dict[str, str]:
        """A token, and for a person's login the project that pays. Raises ApiError for none."""
        headers: dict[str, str] = {}
        with self._lock:
            if self._credentials is None:
                self._find()
            self._renew()
            self._credentials.apply(headers)
        return headers

    def _renew(self) -> None:
        """Refresh the token ahead of its end; where that fails, it is used to its end."""
        state = self._credentials.token_state.name
        if state == "FRESH":
            return
        from google.auth import exceptions
        from google.auth.transport.requests import Request

        until, _ = self._failures.get(state, (0.0, None))
        if time.monotonic() >= until:
            try:
                self._credentials.refresh(Request())
            except exceptions.GoogleAuthError as error:
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
        try:
            self._credentials, project = google.auth.default(scopes=SCOPES)
        except exceptions.GoogleAuthError as error:
            raise _credentials_error(error) from None
        self._project = project or ""


def _credentials_error(error: Any) -> ApiError:
    """As an ApiError, without the error's own text: it may quote a credential server's answer."""
    from google.auth.exceptions import TransportError

    kind = type(error).__name__
    # google-auth wraps what the metadata server's connection says (2.63.0, seen 2026-11-26).
    is_transport = any(isinstance(each, TransportError) for each in (error, error.__cause__))
    if is_transport or error.retryable:
        return ApiError(502, NOT_NOW.format(kind))
    return ApiError(500, NO_CREDENTIALS.format(kind), retry=False)

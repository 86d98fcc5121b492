"""Application Default Credentials: in whose name this server asks Google Cloud, and its token.

Knows google-auth, which finds a service account, a metadata server or a person's login. It
refuses to know what a token is for. google-auth is imported at the first use: most never need it.
"""

from __future__ import annotations

import threading
from typing import Any

from translate import ApiError

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)

NO_IDENTITY = (
    "This server has no identity of Google Cloud (Application Default Credentials): {}. "
    "Run it there, or once `gcloud auth application-default login`."
)
NO_LIBRARY = "Vertex AI cannot be asked from here: google-auth is not in the zip for AWS Lambda."
NO_PROJECT = "This server does not know its project: set GOOGLE_CLOUD_PROJECT."


class Identity:
    """Found at the first use, in the process that uses it, and shared by its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._credentials: Any = None
        self._project = ""

    def project(self) -> str:
        """The project that the identity belongs to. Raises ApiError where it is not known."""
        with self._lock:
            self._find()
        if not self._project:
            raise ApiError(500, NO_PROJECT, retry=False)
        return self._project

    def token(self) -> str:
        """An access token, renewed ahead of its expiry. Raises ApiError where there is none."""
        with self._lock:
            self._find()
            from google.auth import credentials, exceptions
            from google.auth.transport.requests import Request

            if self._credentials.token_state != credentials.TokenState.FRESH:
                try:
                    self._credentials.refresh(Request())
                except exceptions.GoogleAuthError as error:
                    raise _none(error) from None
            return str(self._credentials.token)

    def _find(self) -> None:
        if self._credentials is not None:
            return
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


def _none(error: Exception) -> ApiError:
    """Without the error's own text: it may quote what a credential server said."""
    return ApiError(500, NO_IDENTITY.format(type(error).__name__), retry=False)

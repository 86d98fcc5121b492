"""Google's endpoints: base URL, paths, credential headers and token counts of each.

There are two: the Gemini API and Vertex AI. No I/O; google_auth.py gets Google Cloud's tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote

from translate.models import DEVELOPER, VERTEX, Platform
from translate.wire import Json

from . import google_auth
from .auth import Key
from .config import Settings

MULTI_REGIONS = ("us", "eu")


class Endpoint(Protocol):
    """One of Google's APIs. platform: what a request may hold there."""

    base_url: str
    platform: Platform

    def is_ready(self) -> bool:
        """Whether `path` and `headers` answer at once; else they block."""

    def path(self, model: str, method: str) -> str:
        """The path of a method of a model, with a leading slash."""

    def headers(self, key: Key) -> dict[str, str]:
        """The headers that carry the credential. Raises ApiError where there is none."""

    def count_tokens_body(self, model: str, request: Mapping[str, Any]) -> Json:
        """A CountTokensRequest for a GenerateContentRequest."""


class DeveloperEndpoint:
    """The Gemini API (ai.google.dev), asked with a key."""

    platform = DEVELOPER

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    def is_ready(self) -> bool:
        return True

    def path(self, model: str, method: str) -> str:
        return f"/v1beta/models/{quote(model, safe='')}:{method}"

    def headers(self, key: Key) -> dict[str, str]:
        return {"x-goog-api-key": key.value}

    def count_tokens_body(self, model: str, request: Mapping[str, Any]) -> Json:
        return {"generateContentRequest": {"model": f"models/{model}", **request}}


class VertexEndpoint:
    """Vertex AI (cloud.google.com), asked with this server's own Google Cloud credentials."""

    platform = VERTEX

    def __init__(self, base_url: str, project: str, location: str) -> None:
        self.base_url = base_url or f"https://{_host(location)}"
        self._project = project
        self._location = quote(location, safe="")
        self._credentials = google_auth.DefaultCredentials()

    def is_ready(self) -> bool:
        return self._credentials.is_ready(needs_project=not self._project)

    def path(self, model: str, method: str) -> str:
        project = quote(self._project or self._credentials.project(), safe="")
        place = f"projects/{project}/locations/{self._location}"
        return f"/v1beta1/{place}/publishers/google/models/{quote(model, safe='')}:{method}"

    def headers(self, key: Key) -> dict[str, str]:
        return self._credentials.headers()

    def count_tokens_body(self, model: str, request: Mapping[str, Any]) -> Json:
        return {name: value for name, value in request.items() if name in COUNT_TOKENS_FIELDS}


COUNT_TOKENS_FIELDS = ("contents", "systemInstruction", "tools")
"""What Vertex AI's CountTokensRequest has of a request (v1beta1, seen 2026-11-23)."""


def _host(location: str) -> str:
    if location == "global":
        return "aiplatform.googleapis.com"
    if location in MULTI_REGIONS:
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"


def from_settings(settings: Settings) -> Endpoint:
    """The endpoint that the settings choose."""
    if settings.is_vertex:
        return VertexEndpoint(settings.endpoint, settings.project, settings.location)
    return DeveloperEndpoint(settings.endpoint)

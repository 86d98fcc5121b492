"""The same models behind Vertex AI's door: its paths, who is let in, and what it does not know.

A project takes the place of a key. Knows which fields Vertex AI lacks (google-genai 3.4.0's
converters for it).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from emulator_errors import NOT_OAUTH, Json, bad_request, refusal

PATH = re.compile(
    r"/v1beta1/projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)"
    r"/publishers/google/models/(?P<model>[^/:]+):(?P<method>\w+)"
)
TOKEN = re.compile(r"Bearer ya29\.[\w-]+")
"""How access tokens look; every one of them is good."""

COUNTED = ("contents", "systemInstruction", "tools", "generationConfig", "instances", "model")
UNKNOWN = 'Invalid JSON payload received. Unknown name "{}"{}: Cannot find field.'
IDS = ("functionCall", "functionResponse")


def admit(authorization: str) -> None:
    """Raise Refusal for what is no access token."""
    if not TOKEN.fullmatch(authorization):
        raise refusal(NOT_OAUTH, "UNAUTHENTICATED")


def check(received: Json, message: str) -> None:
    """Raise Refusal for fields that only the Gemini API has."""
    is_count = message == "CountTokensRequest"
    wrong = list(_counting(received) if is_count else _generating(received))
    if wrong:
        raise bad_request([(path, _unknown(path, name)) for path, name in wrong])


def _generating(received: Json) -> Iterator[tuple[str, str]]:
    yield from (("", name) for name in ("store", "serviceTier") if name in received)
    if "includeServerSideToolInvocations" in received.get("toolConfig", {}):
        yield "tool_config", "includeServerSideToolInvocations"
    for i, content in enumerate(received.get("contents", [])):
        for j, part in enumerate(content.get("parts", [])):
            yield from _part(f"contents[{i}].parts[{j}]", part)


def _part(at: str, part: Any) -> Iterator[tuple[str, str]]:
    for kind in IDS:
        if "id" in part.get(kind, {}):
            snake = re.sub("[A-Z]", lambda capital: "_" + capital[0].lower(), kind)
            yield f"{at}.{snake}", "id"


def _counting(received: Json) -> Iterator[tuple[str, str]]:
    yield from (("", name) for name in received if name not in COUNTED)


def _unknown(path: str, name: str) -> str:
    return UNKNOWN.format(name, f" at '{path}'" if path else "")

"""An HTTP request -> the event of a Function URL (payload format 2.0), and the answer's prelude.

Knows AWS's names and limits.
"""

from __future__ import annotations

import base64
import json
import time
from typing import Any

MOST_EVENT_BYTES = 6 * 1_048_576 + 100
"""Lambda quota "invocation payload, synchronous": 6 MB; AWS's own emulator says 6,291,556."""

MOST_STREAM_BYTES = 200 * 1_048_576
"""Lambda quota "streamed responses"."""

MOST_PRELUDE_BYTES = 16_384
SEPARATOR = b"\0" * 8

DOMAIN = "emulated.lambda-url.us-east-1.on.aws"
CALLER = "203.0.113.7"
"""Everybody calls from the internet."""

TEXT_TYPES = ("text/", "application/json", "application/javascript", "application/xml")


def event(method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> bytes:
    """What the function gets, as JSON."""
    path, _, query = target.partition("?")
    joined: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        joined[key] = f"{joined[key]},{value}" if key in joined else value
    cookies = joined.pop("cookie", "")
    is_text, text = _as_text(joined.get("content-type", ""), body)
    agent = joined.get("user-agent", "")
    forwarded = {"x-forwarded-for": CALLER, "x-forwarded-port": "443", "x-forwarded-proto": "https"}
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {**joined, "host": DOMAIN, **forwarded},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "emulated",
            "domainName": DOMAIN,
            "domainPrefix": "emulated",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": CALLER,
                "userAgent": agent,
            },
            "requestId": "00000000-0000-4000-8000-000000000000",
            "routeKey": "$default",
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime()),
            "timeEpoch": int(time.time() * 1000),
        },
        "isBase64Encoded": not is_text,
    }
    if cookies:
        made["cookies"] = cookies.split("; ")
    if body:
        made["body"] = text
    return json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode()


def _as_text(content_type: str, body: bytes) -> tuple[bool, str]:
    """Whether a body is passed as text; everything else is base64."""
    if content_type.startswith(TEXT_TYPES) or "+json" in content_type:
        try:
            return True, body.decode()
        except UnicodeDecodeError:
            pass
    return False, base64.b64encode(body).decode()


class Prelude:
    """Collects the front of a streamed answer until it is whole."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, piece: bytes) -> tuple[dict[str, Any], bytes] | None:
        """Status, headers and cookies, and the body so far. Raises ValueError for nonsense."""
        self._held += piece
        head, separator, body = self._held.partition(SEPARATOR)
        if len(head) > MOST_PRELUDE_BYTES:
            raise ValueError("the prelude is too long")
        if not separator:
            return None
        found = json.loads(head)
        if not isinstance(found, dict):
            raise ValueError("the prelude is no object")
        if set(found) - {"statusCode", "headers", "cookies"}:
            raise ValueError(f"unknown fields in the prelude: {sorted(found)}")
        return found, body

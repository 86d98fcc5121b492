"""A Function URL's event (payload format 2.0) -> a WSGI environ; a WSGI head -> a prelude.

No I/O. See docs.aws.amazon.com/lambda, "Invoking Lambda function URLs".
"""

from __future__ import annotations

import base64
import io
import json
import sys
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from translate.wire import Json

SEPARATOR = b"\0" * 8
"""Between the prelude and the body."""

HOP_BY_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding"}
"""Headers about a connection that is not the client's."""


class Head(NamedTuple):
    """Status and headers, which a WSGI app begins its answer with."""

    status: int
    headers: list[tuple[str, str]]

    def get(self, name: str) -> str:
        """A header's value, "" where there is none. name: in small letters."""
        return next((value for key, value in self.headers if key.lower() == name), "")


def environ(event: Any) -> dict[str, Any]:
    """The WSGI environ of an event. Raises KeyError, TypeError or ValueError for anything else.

    A caller never looks like a program on this machine: X-Forwarded-For is always there.
    """
    context = event["requestContext"]
    http = context["http"]
    body = _body(event)
    headers = {name.lower(): str(value) for name, value in event.get("headers", {}).items()}
    headers.setdefault("x-forwarded-for", http["sourceIp"])
    if cookies := event.get("cookies"):
        headers["cookie"] = "; ".join(cookies)
    return {
        "REQUEST_METHOD": http["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(event["rawPath"]).decode("latin-1"),
        "QUERY_STRING": _wsgi(event.get("rawQueryString", "")),
        "SERVER_NAME": context.get("domainName", "localhost"),
        "SERVER_PORT": headers.get("x-forwarded-port", "443"),
        "SERVER_PROTOCOL": http.get("protocol", "HTTP/1.1"),
        "REMOTE_ADDR": http["sourceIp"],
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": _wsgi(headers.pop("content-type", "")),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": headers.get("x-forwarded-proto", "https"),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **{
            f"HTTP_{name.upper().replace('-', '_')}": _wsgi(value)
            for name, value in headers.items()
            if name not in HOP_BY_HOP
        },
    }


def prelude(head: Head) -> bytes:
    """Status, headers and cookies, in the form in which a Function URL expects them."""
    headers: dict[str, str] = {}
    cookies = []
    for key, value in head.headers:
        name = key.lower()
        if name == "set-cookie":
            cookies.append(value)
        elif name not in HOP_BY_HOP:
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    answer: Json = {"statusCode": head.status, "headers": headers, "cookies": cookies}
    return json.dumps(answer).encode() + SEPARATOR


def head(status: str, headers: list[tuple[str, str]]) -> Head:
    """The arguments of `start_response` as a Head."""
    return Head(int(status.split()[0]), list(headers))


def _body(event: Any) -> bytes:
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        return base64.b64decode(body, validate=True)
    encoded: bytes = body.encode("utf-8", "replace")
    return encoded


def _wsgi(text: str) -> str:
    """A text as WSGI has it: its bytes, one a character."""
    return text.encode("utf-8", "replace").decode("latin-1")

"""What a page gets of a request, and what it gives: a form and its bounds, a body, its headers.

main.py reads the one from Flask, and makes Flask's response of the other.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl

from werkzeug import Request
from werkzeug.datastructures import Headers

from translate import ApiError

from .. import auth, json_codec, request_body
from ..liveness import Poller
from ..request_log import RequestLog
from . import HEADERS, render

MAX_FORM_BYTES = 16_384
"""A page's form has a few fields, none longer than a token."""

MAX_FORM_FIELDS = 50
"""Far more than a page's form has: each is an object."""

FORM = "application/x-www-form-urlencoded"
NOT_A_FORM = f"Expected a form ({FORM})."
BAD_FORM = "The form cannot be read."

HTML, JSON = "text/html; charset=utf-8", "application/json"
TEXT = "text/plain; charset=utf-8"
NO_STORE = {"Cache-Control": "no-store"}

NOSNIFF = {"X-Content-Type-Options": "nosniff"}
"""A browser takes an answer for what its type says, figures as pages."""

HSTS = {"Strict-Transport-Security": "max-age=31536000"}
"""A browser that was here by https comes by https for a year."""


class Page(NamedTuple):
    """An answer, whole. headers: beside Content-Type and Content-Length; several values of a name
    are several headers."""

    body: bytes
    content_type: str = HTML
    status: int = 200
    headers: Mapping[str, str | Sequence[str]] = HEADERS


@dataclass(frozen=True)
class PageRequest:
    """route: of routes.py. url: this server's, as the browser has it. is_local: whether it comes
    from this machine. is_browser: whether a page is wanted, and not JSON. read: the body, of at
    most so many bytes; raises ApiError."""

    method: str
    route: str
    url: str
    query: Mapping[str, str]
    headers: Headers
    cookies: Mapping[str, str]
    remote_address: str | None
    is_local: bool
    is_browser: bool
    log_entry: RequestLog
    poller: Poller
    read: Callable[[int], bytes | bytearray] = field(repr=False)

    @property
    def is_https(self) -> bool:
        return self.url.startswith("https:")

    def form(self) -> dict[str, str]:
        """The fields of the body, once. Raises ApiError."""
        if self.headers.get("Content-Type", "").partition(";")[0].strip().lower() != FORM:
            raise ApiError(415, NOT_A_FORM)
        try:
            text = self.read(MAX_FORM_BYTES).decode()
            return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS))
        except ValueError:
            raise ApiError(400, BAD_FORM) from None


def read(
    request: Request,
    route: str,
    log_entry: RequestLog,
    poller: Poller,
    client: socket.socket | None,
) -> PageRequest:
    """Of what the server has got. client: the socket that it comes from, where that is known."""

    def read_body(max_bytes: int) -> bytearray:
        request_body.check_length(request.content_length or 0, max_bytes)
        return request_body.read_body(request.stream, client, max_bytes=max_bytes)

    forwarded = request.headers.get("X-Forwarded-Proto", request.scheme)
    # The first of several proxies', the browser's.
    scheme = forwarded.partition(",")[0].strip().lower()
    return PageRequest(
        request.method,
        route,
        f"{'https' if scheme == 'https' else 'http'}://{request.host}",
        request.args,
        request.headers,
        request.cookies,
        request.remote_addr,
        auth.is_local(request.headers, request.remote_addr),
        request.accept_mimetypes.best_match((JSON, "text/html")) == "text/html",
        log_entry,
        poller,
        read_body,
    )


def json_page(value: object, headers: Mapping[str, str] = NO_STORE) -> Page:
    return Page(json_codec.dumps(value), JSON, headers=headers)


def redirect(location: str, *cookies: str) -> Page:
    """To be got by GET. cookies: headers Set-Cookie."""
    return Page(b"", TEXT, 303, {**HEADERS, "Location": location, "Set-Cookie": cookies})


def error_page(error: ApiError, log_entry: RequestLog) -> Page:
    """For a person, what programs get as JSON."""
    log_entry.error = error.cause or error.type
    body = render(
        "error.html",
        title=HTTPStatus(error.status).phrase,
        message=error.message,
        status=error.status,
        request_id=log_entry.request_id,
    )
    return Page(body, HTML, error.status, {**HEADERS, **error.headers()})

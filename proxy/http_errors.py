"""Errors of HTTP itself: what is answered where there is no request that the function could see.

Nothing that a client has sent is in them, nor in the log: a line that is no header may hold a key.
"""

from __future__ import annotations

from http import HTTPStatus

from translate import ApiError

from . import json_codec
from .request_log import RequestLog, new_request_id

MAX_LINE_BYTES = 8_190
"""Of a request's first line, as in Apache (LimitRequestLine): the longest URL here has 100."""

MAX_HEAD_BYTES = 65_536
"""Of all of a head. Claude Code's has 1.5 kB; a browser's cookies for a host have 16 kB at most."""

MESSAGES = {
    400: "The request is not well-formed HTTP/1.1.",
    408: "Timed out while reading the request's head.",
    414: f"The request line is longer than {MAX_LINE_BYTES // 1000} KB.",
    417: "Of what a request can expect, only 100-continue is known.",
    431: (
        f"The request's head is larger than {MAX_HEAD_BYTES // 1000} KB, has a field of more than "
        f"{MAX_LINE_BYTES // 1000} KB, or too many fields."
    ),
}
"""Status -> what a person should know."""

GUNICORN_STATUSES = {
    "ExpectationFailed": 417,
    "LimitRequestHeaders": 431,
    "LimitRequestLine": 414,
    "InvalidResponseHeader": 500,
    "InvalidResponseHeaderName": 500,
}
"""Its ParseExceptions that are no 400, by name: not every version has each. A transfer coding that
is not known is one, too (in RFC 9112, 6.1, it should be a 501): clients send a 5xx again."""


def from_gunicorn(error: Exception) -> bytes:
    """The response to what gunicorn could not take; what is no client's fault is logged."""
    status = _status(error)
    return _render(error if status == 500 else ApiError(status, MESSAGES[status]))


def from_status(status: int) -> bytes:
    """The response to a head that is refused."""
    return _render(ApiError(status, MESSAGES[status]))


def _render(exception: Exception) -> bytes:
    """A whole response, after which nothing follows on the connection."""
    log_entry = RequestLog(new_request_id(), "", "", "")
    error = log_entry.to_api_error(exception)
    body = json_codec.dumps(error.body(log_entry.request_id))
    head = (
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"request-id: {log_entry.request_id}\r\n\r\n"
    )
    return head.encode() + body


def _status(error: Exception) -> int:
    names = [each.__name__ for each in type(error).__mro__]
    known = (GUNICORN_STATUSES[name] for name in names if name in GUNICORN_STATUSES)
    return next(known, 400 if "ParseException" in names else 500)

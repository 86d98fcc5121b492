"""Every failure a client can see: one exception family that carries its own HTTP status.

Knows Google's error bodies and the Anthropic error types they become.
It refuses to know HTTP: it is raised anywhere and rendered once, at the front door.

ApiError
└── InvalidRequest      400, the path of the offending field first
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from .wire import Json

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Status -> Anthropic error type (Messages API reference, "Errors")."""

STATUSES = {409: 400, 422: 400, 499: 500, 501: 500, 503: 529}
"""Google's status -> the status with which this client does the right thing."""

RPC_STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""Google's status names, for errors in mid-stream that have no code (google.rpc.Code)."""

KEY_HINT = (
    "Set ANTHROPIC_AUTH_TOKEN to a Gemini API key (https://aistudio.google.com/apikey) "
    "and start the client again."
)
TERMINAL_QUOTA = re.compile(r"PerDay|Daily", re.IGNORECASE)
LIMIT_ZERO = re.compile(r"limit: 0\b")
RETRY_TEXT = re.compile(r"[Rr]etry in ([0-9.]+)(ms|s)\b")
DURATION = re.compile(r"^([0-9.]+)(ms|s)$")
TOO_LONG = re.compile(
    r"input token count(?: \((\d+)\))? exceeds the maximum number of tokens allowed \(?(\d+)\)?"
)


class ApiError(Exception):
    """A failure to be shown to the client.

    status: HTTP status. message: plain words for a person. retry: whether the client should
    try again (`x-should-retry`), None to let it decide. retry_after: whole seconds. allow: the
    methods a path does take.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        retry: bool | None = None,
        retry_after: int | None = None,
        allow: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type = ERROR_TYPES.get(
            status, "invalid_request_error" if status < 500 else "api_error"
        )
        self.message = message
        self.retry = retry
        self.retry_after = retry_after
        self.allow = allow

    def body(self, request_id: str) -> Json:
        """The Anthropic error object; also the data of an `event: error`."""
        return {
            "type": "error",
            "error": {"type": self.type, "message": self.message},
            "request_id": request_id,
        }

    def headers(self) -> dict[str, str]:
        """The response headers that steer the client's retries."""
        headers: dict[str, str] = {}
        if self.retry is not None:
            headers["x-should-retry"] = str(self.retry).lower()
        if self.retry_after is not None:
            headers["retry-after"] = str(self.retry_after)
        if self.allow is not None:
            headers["Allow"] = self.allow
        return headers


class InvalidRequest(ApiError):
    """The request itself is at fault: `path` says where, `problem` says what."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(400, f"{path}: {problem}")


def from_google(status: int, body: Any, key_hint: str = KEY_HINT) -> ApiError:
    """Google's error answer -> the ApiError to show.

    status: the HTTP status Google gave; the code in the body goes before it, as an error may come
    under status 200. body: the decoded JSON, `{"error": {...}}` or that in a list; anything else
    is tolerated. key_hint: what to do about a refused key.
    """
    error = _error_object(body)
    status = _status(error, status)
    message = str(error.get("message") or f"Gemini answered with status {status}.")
    reasons = {str(detail.get("reason")) for detail in _details(error)}
    if "API_KEY_INVALID" in reasons or status == 401:
        return ApiError(401, f"Google refused the API key: {message} {key_hint}", retry=False)
    if status == 403:
        return ApiError(403, f"Google refused the request: {message}", retry=False)
    if status == 429:
        return _quota(error, message)
    too_long = TOO_LONG.search(message)
    if too_long:
        limit = int(too_long[2])
        used = int(too_long[1] or limit + 1)
        return ApiError(400, f"prompt is too long: {used} tokens > {limit} maximum")
    return ApiError(STATUSES.get(status, status), message)


def _status(error: Mapping[str, Any], given: int) -> int:
    code = error.get("code")
    if isinstance(code, int) and 400 <= code <= 599:
        return code
    return RPC_STATUSES.get(str(error.get("status")), given)


def _quota(error: Mapping[str, Any], message: str) -> ApiError:
    """429: either worth waiting for, or (a spent day, a model not in this tier) not today."""
    quota_ids = " ".join(
        str(violation.get("quotaId"))
        for detail in _details(error)
        for violation in _objects(detail.get("violations"))
    )
    if TERMINAL_QUOTA.search(quota_ids) or LIMIT_ZERO.search(message):
        return ApiError(429, message, retry=False)
    return ApiError(429, message, retry_after=_retry_after(error, message))


def _retry_after(error: Mapping[str, Any], message: str) -> int | None:
    for detail in _details(error):
        delay = DURATION.match(str(detail.get("retryDelay")))
        if delay:
            return _seconds(*delay.groups())
    said = RETRY_TEXT.search(message)
    return _seconds(*said.groups()) if said else None


def _seconds(number: str, unit: str) -> int:
    return max(1, math.ceil(float(number) / (1000 if unit == "ms" else 1)))


def _error_object(body: Any) -> Mapping[str, Any]:
    if isinstance(body, list) and body:
        body = body[0]
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


def _details(error: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return _objects(error.get("details"))


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

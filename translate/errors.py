"""Every failure a client can see: one exception family that carries its own HTTP status.

Errors are raised anywhere and rendered once, at the front door. Each may carry a Cause, by which
retry policies are looked up; which of Google's errors has which is in response/google_errors.py.

ApiError
└── InvalidRequest      400, the path of the offending field first
"""

from __future__ import annotations

from enum import StrEnum

from .wire import Json


class Cause(StrEnum):
    """Why an attempt failed. The values are shown in `x-gemini-tried` and in the log.

    The first three groups are Google's refusals, by what has to change before it accepts.
    """

    # The key, its project or the server's place.
    KEY = "key"
    REGION = "region"
    BILLING = "billing"
    DISABLED = "disabled"
    RESTRICTED = "restricted"
    FORBIDDEN = "forbidden"
    # The request.
    MODEL = "model"
    PAYLOAD = "payload"
    CONTEXT = "context"
    MEDIA = "media"
    SIGNATURE = "signature"
    SCHEMA = "schema"
    THINKING = "thinking"
    PARAMETER = "parameter"
    REQUEST = "request"
    # A quota: one that is back within the time a client waits, or one that is not.
    QUOTA = "quota"
    EXHAUSTED = "exhausted"
    # Google's servers and the way to them.
    TIMEOUT = "timeout"
    OVERLOADED = "overloaded"
    INTERNAL = "internal"
    CONNECTION = "connection"
    OFFLINE = "offline"
    BROKEN = "broken"
    SILENCE = "silence"
    # An answer that is complete, but of no use.
    EMPTY = "empty"
    THOUGHTS = "thoughts"
    MALFORMED = "malformed"
    NO_JSON = "no_json"
    # This server.
    BUSY = "busy"


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

FAILED_DEPENDENCY = 424
"""For what Gemini refuses for good and the client's next request cannot change. Claude Code 2.1.197
and 2.1.332 print its message alone and send one request. Of a 400 the second sends six, for a 404
both blame the selected model, and of a 5xx both say that it is usually temporary (2026-11-28)."""


class ApiError(Exception):
    """A failure to be shown to the client.

    status: HTTP status. message: plain words for a person. cause: by which a retry policy is
    looked up; None where there is nothing to choose. retry: whether the client should try again
    (`x-should-retry`), None to let it decide. retry_after: whole seconds. allow: the methods a
    path does take. error_code: what a program is to act on, in `error.details`.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        cause: Cause | None = None,
        retry: bool | None = None,
        retry_after: int | None = None,
        allow: str | None = None,
        error_code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type = ERROR_TYPES.get(
            status, "invalid_request_error" if status < 500 else "api_error"
        )
        self.message = message
        self.cause = cause
        self.retry = retry
        self.retry_after = retry_after
        self.allow = allow
        self.error_code = error_code

    def body(self, request_id: str) -> Json:
        """The Anthropic error object; also the data of an `event: error`."""
        error: Json = {"type": self.type, "message": self.message}
        if self.error_code is not None:
            error["details"] = {"error_code": self.error_code}
        return {"type": "error", "error": error, "request_id": request_id}

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

"""Google's errors: the envelope, the HTTP status of each RPC status, and who is let in.

Knows the texts that depend on nothing but the key and the model's name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

HTTP_OF = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "INTERNAL": 500,
}

BARE = "Request contains an invalid argument."
"""What Google says when it does not say what is wrong."""

NO_KEY = (
    "Method doesn't allow unregistered callers (callers without established identity). Please"
    " use API Key or other form of API consumer identity to call this API."
)
NOT_OAUTH = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie"
    " or other valid authentication credential."
    " See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
BAD_KEY = "API key not valid. Please pass a valid API key."
BAD_KEY_PREFIX = "bad"
SERVICE = "generativelanguage.googleapis.com"
TYPE = "type.googleapis.com/google.rpc."


class Refusal(Exception):
    """An answer that is an error; `body` is what goes over the wire."""

    def __init__(self, error: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error.get("message", ""))
        self.error = dict(error)
        self.headers = dict(headers or {})

    @property
    def http_status(self) -> int:
        return int(self.error.get("code") or HTTP_OF.get(str(self.error.get("status")), 500))

    @property
    def body(self) -> Json:
        return {"error": self.error}


def refusal(
    message: str,
    status: str = "INVALID_ARGUMENT",
    details: Sequence[Json] = (),
    *,
    legacy: bool = False,
) -> Refusal:
    """One of Google's errors. legacy: with the old `errors` list that some still carry."""
    error: Json = {"code": HTTP_OF[status], "message": message}
    if legacy:
        error["errors"] = [{"message": message, "domain": "global", "reason": "badRequest"}]
    error["status"] = status
    if details:
        error["details"] = list(details)
    return Refusal(error)


def bad_request(violations: Sequence[tuple[str, str]]) -> Refusal:
    """Every violation the transcoder found: (field or "", description)."""
    listed = [
        {"field": field, "description": text} if field else {"description": text}
        for field, text in violations
    ]
    detail = {"@type": TYPE + "BadRequest", "fieldViolations": listed}
    return refusal("\n".join(text for _, text in violations), details=[detail])


def no_such_model(model: str, method: str) -> Refusal:
    return refusal(
        f"models/{model} is not found for API version v1beta, or is not supported for {method}."
        " Call ListModels to see the list of available models and their supported methods.",
        "NOT_FOUND",
    )


def admit(key: str, authorization: str) -> None:
    """Raise Refusal unless the key is good. Every key is, but those that begin with `bad`."""
    if key.startswith(BAD_KEY_PREFIX):
        raise refusal(BAD_KEY, details=[_info("API_KEY_INVALID", service=SERVICE), _localized()])
    if key:
        return
    if authorization.startswith("Bearer "):
        detail = _info("ACCESS_TOKEN_TYPE_UNSUPPORTED", service=SERVICE)
        raise refusal(NOT_OAUTH, "UNAUTHENTICATED", [detail])
    raise refusal(NO_KEY, "PERMISSION_DENIED")


def _info(reason: str, **metadata: str) -> Json:
    return {
        "@type": TYPE + "ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": metadata,
    }


def _localized() -> Json:
    return {"@type": TYPE + "LocalizedMessage", "locale": "en-US", "message": BAD_KEY}

"""Google's errors -> the errors a client is shown: one table, first match wins.

Google's statuses, reasons and texts, and what Claude Code does with each answer: which status
makes it wait, stop, compact or ask for another key. What is tried before an error is shown
depends on its `cause` only (proxy/retry_policies.py).
Sources: google.rpc.Code; texts and reasons as seen in Google's answers until 2026-11-23.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from ..errors import ApiError, Cause
from .surrogates import replace_halves

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
"""Google's status names, for errors in mid-stream that have no code."""

KEY_HINT = (
    "Set ANTHROPIC_AUTH_TOKEN to a Gemini API key (https://aistudio.google.com/apikey) "
    "and start the client again."
)
CHOOSE_MODEL_HINT = "Another model can be chosen with ANTHROPIC_MODEL or `/model`"

NO_API = (
    "The endpoint answers, but has no Gemini API at this path (404). Correct GEMINI_ENDPOINT on "
    "the server: a base URL like https://host, without /v1beta/models."
)
"""A 404 without Google's error object: as one of a model, the client would blame the model."""

MAX_RETRY_AFTER_SECONDS = 60
"""Claude Code gives up at once on a longer `retry-after`."""

MAX_WAIT_SECONDS = 300
"""A client is not asked to wait for a quota that is back later than this."""


MEDIA = (
    # Places and properties of media.
    r"inline_?[dD]ata|file_?[dD]ata|file ur[il]\b|provided URL|\bURL_[A-Z]|mimeType parameter"
    r"|[Uu]nsupported MIME type|MIME type must be|`function_response\.parts`"
    # What has been seen of images and PDFs, and what is likely to be said of any medium.
    r"|(?i:\b(?:images?|documents?|pdfs?|files?|media|audio|videos?)\b[^.]{0,80}\b(?:not valid"
    r"|invalid|unsupported|not supported|not enabled|unable|cannot|could not|corrupt\w*|exceeds?"
    r"|too (?:large|many|big|small)|no pages|password|encrypted|empty)\b)"
    r"|(?i:\b(?:unable|failed) to (?:process|decode|read|fetch|load)\b[^.]{0,40}"
    r"\b(?:images?|documents?|pdfs?|files?|media|audio|videos?)\b)"
)
"""Broad: for a request without media it makes no difference (see media_errors.py)."""


SPENDING_RATE = "[Ss]pend-based rate limit|[Ss]pending rate|[Ss]pend(?:ing)? limit"
"""A paid tier's dollars per rolling ten minutes: no other model helps, but waiting does.
https://ai.google.dev/gemini-api/docs/rate-limits, seen 2026-11-28."""


class Rule(NamedTuple):
    """One kind of error.

    cause: what a retry policy is looked up by. statuses: Google's. pattern: found in its reasons,
    quota ids or text; None: any. status, template, retry: what the client gets; the template may
    quote {message} and {hint}.
    """

    cause: Cause | None
    statuses: Collection[int]
    pattern: str | None
    status: int
    template: str = "{message}"
    retry: bool | None = None


RULES = (
    Rule(Cause.KEY, {401}, None, 401, "Google refused the API key: {message} {hint}", False),
    Rule(
        Cause.KEY,
        {400, 403},
        "API_KEY_(?:INVALID|NOT_FOUND|EXPIRED)|API [Kk]ey (?:not valid|not found|expired)"
        "|unregistered callers",
        401,
        "Google refused the API key: {message} {hint}",
        False,
    ),
    Rule(
        Cause.KEY,
        {400, 403},
        "reported as leaked",
        401,
        "Google has blocked this API key because it was found in public: make a new one. {hint}",
        False,
    ),
    Rule(
        Cause.REGION,
        {400, 403},
        "User location is not supported",
        403,
        "Gemini is not offered where this server runs: Google looks at the server's address, not "
        "at yours. Run it in a supported region (https://ai.google.dev/gemini-api/docs/"
        "available-regions).",
        False,
    ),
    Rule(
        Cause.BILLING,
        {400, 402, 403, 429},
        "free tier is not available|[Pp]repayment credits|BILLING_DISABLED|enable billing",
        402,
        "This model needs billing: enable it for the key's project at "
        "https://aistudio.google.com/apikey. Google says: {message}",
        False,
    ),
    Rule(
        Cause.BILLING,
        {402, 403, 429},
        r"[Ss]pend(?:ing)? cap\b",
        402,
        "The project's monthly spending cap is reached: raise it at https://ai.studio/spend. "
        "Google says: {message}",
        False,
    ),
    Rule(
        Cause.DISABLED,
        {403},
        "SERVICE_DISABLED|has not been used in project",
        403,
        "The API is not enabled in the project that is asked: enable it, and wait a few minutes. "
        "Google says: {message}",
        False,
    ),
    Rule(
        Cause.RESTRICTED,
        {403},
        "API_KEY_[A-Z_]+_BLOCKED|are blocked",
        403,
        "The API key is restricted and may not be used for this: allow the Generative Language "
        "API, and this server's address, among the key's restrictions. Google says: {message}",
        False,
    ),
    Rule(Cause.FORBIDDEN, {403}, None, 403, "Google refused the request: {message}", False),
    Rule(
        Cause.MODEL, {404}, None, 404, "{message} " + f"{CHOOSE_MODEL_HINT}; /v1/models lists some."
    ),
    Rule(Cause.PAYLOAD, {400, 413}, "payload size exceeds the limit", 413),
    Rule(Cause.PAYLOAD, {413}, None, 413),
    Rule(Cause.SIGNATURE, {400}, "[Tt]hought.?[Ss]ignature", 400),
    Rule(
        Cause.SCHEMA,
        {400},
        r"function_declarations\[\d+\]\.(?!name)|functionDeclaration|undefined schema"
        r"|\$ref|too many states|nesting depth",
        400,
    ),
    Rule(Cause.THINKING, {400}, "[Tt]hinking[ _]?([Ll]evel|[Bb]udget|[Cc]onfig)", 400),
    Rule(Cause.PARAMETER, {400}, "Unknown name", 400),
    Rule(Cause.MEDIA, {400}, MEDIA, 400),
    Rule(Cause.PARAMETER, {400}, "an invalid argument|not enabled for this model", 400),
    Rule(Cause.REQUEST, {400, 422}, None, 400),
    Rule(
        Cause.OVERLOADED,
        {429, 503},
        "MODEL_CAPACITY_EXHAUSTED|[Nn]o capacity available",
        529,
    ),
    Rule(
        Cause.EXHAUSTED,
        {429},
        r"limit: 0\b",
        429,
        f"This key's tier does not include this model. {CHOOSE_MODEL_HINT}. "
        + "Google says: {message}",
        False,
    ),
    Rule(
        Cause.EXHAUSTED,
        {429},
        "PerDay|Daily",
        429,
        "Today's quota for this model is exhausted; Google renews it at midnight Pacific time. "
        f"{CHOOSE_MODEL_HINT}. " + "Google says: {message}",
        False,
    ),
    Rule(
        Cause.QUOTA,
        {429},
        SPENDING_RATE,
        429,
        "The spend limit per ten minutes of this key's tier is reached; it is back within that "
        "time. Google says: {message}",
    ),
    Rule(Cause.QUOTA, {429}, None, 429),
    Rule(Cause.TIMEOUT, {408, 504}, None, 504),
    Rule(Cause.OVERLOADED, {503, 529}, None, 529),
    Rule(Cause.INTERNAL, {409, 499, 500, 501}, None, 500),
    Rule(Cause.INTERNAL, {*range(200, 400), *range(502, 600)}, None, 502),
)
"""The first that matches. A later rule may count on the earlier ones not to match."""

DURATION = r"(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,9}(?:\.\d{1,30})?)(ms|s))?(?<=[hms])\b"
"""Digits are bounded, as Python reads no number of more than 4,300."""
RETRY_TEXT = re.compile(f"[Rr]etry in {DURATION}")
RETRY_DELAY = re.compile(DURATION)
RETRY_AFTER = re.compile(r"\d{1,9}")
PART = re.compile(r"contents\[\d{1,9}\]\.parts")
PER_MINUTE = "PerMinute"
TOO_LONG = re.compile(
    r"input token count(?:(?: \((\d{1,12})\))? exceeds the maximum number of tokens allowed"
    r"| is (\d{1,12}) but (?:the )?model (?:only )?supports up to) \(?(\d{1,12})\b\)?"
)
"""The Gemini API's words, with and without the count, and Vertex AI's."""


def from_google(
    status: int, body: Any, key_hint: str = KEY_HINT, retry_after: str | None = None
) -> ApiError:
    """Google's error answer -> the ApiError to show.

    status: the HTTP status Google gave; the code in the body goes before it, as an error may come
    under status 200. body: the decoded JSON, `{"error": {...}}` or that in a list; anything else
    is tolerated. key_hint: what to do about a refused key. retry_after: the answer's header.
    """
    error = _error_object(body)
    status = _status(error, status)
    message = _message(error) or f"Gemini answered with status {status}."
    too_long = TOO_LONG.search(message) if status == 400 else None
    if too_long:
        return _context_error(too_long)
    if status == 404 and not error:
        return ApiError(502, NO_API, cause=Cause.REQUEST, retry=False)
    rule = _find_rule(status, " ".join([*_reasons(error), message]))
    wait = _wait(error, message, retry_after) if rule.cause is Cause.QUOTA else None
    if rule.pattern is SPENDING_RATE:
        wait = min(wait or MAX_RETRY_AFTER_SECONDS, MAX_RETRY_AFTER_SECONDS)
    shown = rule.template.format(message=message, hint=key_hint)
    if wait is None:
        return ApiError(rule.status, shown, cause=rule.cause, retry=rule.retry)
    return _quota_error(shown, wait)


def _message(error: Mapping[str, Any]) -> str:
    """Google's text, with the place of the part it is about where only the details name it."""
    message = _string(error.get("message"))
    for detail in _details(error):
        for violation in _objects(detail.get("fieldViolations")):
            field = _string(violation.get("field"))
            if PART.search(field) and not PART.search(message):
                message += f" ({field})"
    return message


def _context_error(too_long: re.Match[str]) -> ApiError:
    limit = int(too_long[3])
    used = int(too_long[1] or too_long[2] or limit + 1)
    message = f"prompt is too long: {used} tokens > {limit} maximum"
    return ApiError(400, message, cause=Cause.CONTEXT)


def _quota_error(message: str, wait: int) -> ApiError:
    """A quota that is back after `wait` seconds: the client may wait, or has to give up."""
    cause = Cause.QUOTA if wait <= MAX_RETRY_AFTER_SECONDS else Cause.EXHAUSTED
    if wait <= MAX_WAIT_SECONDS:
        return ApiError(429, message, cause=cause, retry_after=min(wait, MAX_RETRY_AFTER_SECONDS))
    shown = (
        f"The quota for this model is exhausted for {wait} s. {CHOOSE_MODEL_HINT}. "
        f"Google says: {message}"
    )
    return ApiError(429, shown, cause=cause, retry=False)


def _find_rule(status: int, text: str) -> Rule:
    for rule in RULES:
        if status in rule.statuses and (rule.pattern is None or re.search(rule.pattern, text)):
            return rule
    return Rule(None, (), None, status)


def _status(error: Mapping[str, Any], http_status: int) -> int:
    code = error.get("code")
    if isinstance(code, int) and 400 <= code <= 599:
        return code
    return RPC_STATUSES.get(_string(error.get("status")), http_status)


def _reasons(error: Mapping[str, Any]) -> Iterator[str]:
    """What the details name: reasons and quota ids."""
    for detail in _details(error):
        yield _string(detail.get("reason"))
        for violation in _objects(detail.get("violations")):
            yield _string(violation.get("quotaId"))


def _wait(error: Mapping[str, Any], message: str, header: str | None) -> int | None:
    """Whole seconds until a quota is back; None where Google does not say."""
    for detail in _details(error):
        delay = RETRY_DELAY.fullmatch(_string(detail.get("retryDelay")))
        if delay:
            return _seconds(*delay.groups())
    match = RETRY_TEXT.search(message)
    if match:
        return _seconds(*match.groups())
    if header is not None and RETRY_AFTER.fullmatch(header):
        return max(1, int(header))
    is_by_minute = any(PER_MINUTE in reason for reason in _reasons(error))
    return MAX_RETRY_AFTER_SECONDS if is_by_minute else None


def _seconds(hours: str | None, minutes: str | None, number: str | None, unit: str | None) -> int:
    seconds = float(number or 0) / (1000 if unit == "ms" else 1)
    return max(1, math.ceil(int(hours or 0) * 3600 + int(minutes or 0) * 60 + seconds))


def _error_object(body: Any) -> Mapping[str, Any]:
    if isinstance(body, list) and body:
        body = body[0]
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


def _details(error: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return _objects(error.get("details"))


def _string(value: Any) -> str:
    """A string as it can be sent on; "" for what is none."""
    return replace_halves(value) if isinstance(value, str) else ""


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

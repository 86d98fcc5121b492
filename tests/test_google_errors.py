"""translate/response/google_errors.py: each of Google's errors as the client handles it right.

The texts are Google's own, as they were seen in its answers until 2026-11-23.
"""

import re
from random import Random
from typing import Any, NamedTuple

import pytest

from tests.mutations import changed, places
from translate.errors import ApiError, Cause
from translate.response.google_errors import (
    KEY_HINT,
    MAX_RETRY_AFTER_SECONDS,
    RPC_STATUSES,
    from_google,
)

TYPE = "type.googleapis.com/google.rpc."
STOP = {"x-should-retry": "false"}
CHOOSE = "Another model can be chosen with ANTHROPIC_MODEL or `/model`"


def google(status: str, message: str, *details: Any, code: Any = 0, **more: Any) -> dict[str, Any]:
    """Google's envelope; the code is that of the status unless it is given."""
    error: dict[str, Any] = {
        "code": RPC_STATUSES[status] if code == 0 else code,
        "message": message,
        "status": status,
        **more,
    }
    return {"error": {**error, "details": list(details)} if details else error}


def info(reason: str) -> dict[str, Any]:
    return {
        "@type": TYPE + "ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    }


def localized(message: str) -> dict[str, Any]:
    return {"@type": TYPE + "LocalizedMessage", "locale": "en-US", "message": message}


def violated(*quota_ids: str) -> dict[str, Any]:
    dimensions = {"location": "global", "model": "gemini-2.5-pro"}
    return {
        "@type": TYPE + "QuotaFailure",
        "violations": [
            {"quotaMetric": METRIC, "quotaId": each, "quotaDimensions": dimensions}
            for each in quota_ids
        ],
    }


def retry_in(delay: str) -> dict[str, Any]:
    return {"@type": TYPE + "RetryInfo", "retryDelay": delay}


class Case(NamedTuple):
    """An answer of Google's, and what the client gets for it."""

    body: Any
    status: int
    type: str
    message: str
    cause: Cause | None
    headers: dict[str, str] = {}  # noqa: RUF012 - nobody writes to it
    given: int | None = None
    """The HTTP status, where the body does not tell it."""


# --- Keys and places --------------------------------------------------------------------------

NOT_VALID = "API key not valid. Please pass a valid API key."
NOT_FOUND = "API Key not found. Please pass a valid API key."
EXPIRED = "API key expired. Please renew the API key."
NO_KEY = (
    "Method doesn't allow unregistered callers (callers without established identity). Please use "
    "API Key or other form of API consumer identity to call this API."
)
NOT_OAUTH = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie "
    "or other valid authentication credential. See "
    "https://developers.google.com/identity/sign-in/web/devconsole-project."
)
UNUSED = (
    "Generative Language API has not been used in project 123 before or it is disabled. Enable it "
    "by visiting https://console.developers.google.com/apis/api/generativelanguage.googleapis.com/"
    "overview?project=123 then retry."
)
BLOCKED = (
    "Requests to this API generativelanguage.googleapis.com method google.ai.generativelanguage."
    "v1beta.GenerativeService.StreamGenerateContent are blocked."
)
REFERRER = "Requests from referer <empty> are blocked."
LEAKED = "Your API key was reported as leaked. Please use another API key."
REGION = "User location is not supported for the API use."
NOT_FREE = (
    "Gemini API free tier is not available in your country. Please enable billing on your project "
    "in Google AI Studio."
)
PREPAID = "Your prepayment credits are depleted. Please add credits to go on."
UNBILLED = "This API method requires billing to be enabled."

SAY_LEAKED = (
    "Google has blocked this API key because it was found in public: make a new one. " + KEY_HINT
)
SAY_DISABLED = (
    "The API is not enabled in the project that is asked: enable it, and wait a few minutes. "
    f"Google says: {UNUSED}"
)
SAY_REGION = (
    "Gemini is not offered where this server runs: Google looks at the server's address, not at "
    "yours. Run it in a supported region (https://ai.google.dev/gemini-api/docs/available-regions)."
)


def refused_key(body: Any, said: str) -> Case:
    message = f"Google refused the API key: {said} {KEY_HINT}"
    return Case(body, 401, "authentication_error", message, Cause.KEY, STOP)


def restricted(body: Any, said: str) -> Case:
    message = (
        "The API key is restricted and may not be used for this: allow the Generative Language "
        "API, and this server's address, among the key's restrictions. Google says: " + said
    )
    return Case(body, 403, "permission_error", message, Cause.RESTRICTED, STOP)


def unpaid(body: Any, said: str) -> Case:
    message = (
        "This model needs billing: enable it for the key's project at "
        "https://aistudio.google.com/apikey. Google says: " + said
    )
    return Case(body, 402, "billing_error", message, Cause.BILLING, STOP)


CAP = (
    "Your project has exceeded its monthly spending cap. Please go to AI Studio at "
    "https://ai.studio/spend to manage your project spend cap. Learn more at "
    "https://ai.google.dev/gemini-api/docs/billing#project-spend-caps."
)


def capped(status: str, said: str) -> Case:
    message = (
        "The project's monthly spending cap is reached: raise it at https://ai.studio/spend. "
        "Google says: " + said
    )
    return Case(google(status, said), 402, "billing_error", message, Cause.BILLING, STOP)


KEYS = {
    "an invalid key": refused_key(
        google("INVALID_ARGUMENT", NOT_VALID, info("API_KEY_INVALID"), localized(NOT_VALID)),
        NOT_VALID),
    "a deleted key": refused_key(google("INVALID_ARGUMENT", NOT_FOUND, info("API_KEY_INVALID")),
        NOT_FOUND),
    "an expired key": refused_key(google("INVALID_ARGUMENT", EXPIRED, info("API_KEY_EXPIRED")),
        EXPIRED),
    "an invalid key, by its text": refused_key(google("INVALID_ARGUMENT", NOT_VALID), NOT_VALID),
    "a deleted key, by its text": refused_key(google("INVALID_ARGUMENT", NOT_FOUND), NOT_FOUND),
    "an expired key, by its text": refused_key(google("INVALID_ARGUMENT", EXPIRED), EXPIRED),
    "an invalid key, by its reason": refused_key(
        google("PERMISSION_DENIED", "No.", info("API_KEY_INVALID")), "No."),
    "no key": refused_key(google("PERMISSION_DENIED", NO_KEY), NO_KEY),
    "a bad bearer token": refused_key(
        google("UNAUTHENTICATED", NOT_OAUTH, info("ACCESS_TOKEN_TYPE_UNSUPPORTED")), NOT_OAUTH),
    "no credential": refused_key(google("UNAUTHENTICATED", NOT_OAUTH, info("CREDENTIALS_MISSING")),
        NOT_OAUTH),
    "a leaked key": Case(google("PERMISSION_DENIED", LEAKED), 401, "authentication_error",
        SAY_LEAKED, Cause.KEY, STOP),
    "a leaked key, as a bad request": Case(google("INVALID_ARGUMENT", LEAKED), 401,
        "authentication_error", SAY_LEAKED, Cause.KEY, STOP),
    "a key that may not call this API": restricted(
        google("PERMISSION_DENIED", BLOCKED, info("API_KEY_SERVICE_BLOCKED")), BLOCKED),
    "a key for another site": restricted(
        google("PERMISSION_DENIED", REFERRER, info("API_KEY_HTTP_REFERRER_BLOCKED")), REFERRER),
    "a key for another address": restricted(
        google("PERMISSION_DENIED", "No.", info("API_KEY_IP_ADDRESS_BLOCKED")), "No."),
    "a restricted key, by its text": restricted(google("PERMISSION_DENIED", BLOCKED), BLOCKED),
    "a disabled API": Case(google("PERMISSION_DENIED", UNUSED, info("SERVICE_DISABLED")), 403,
        "permission_error", SAY_DISABLED, Cause.DISABLED, STOP),
    "a disabled API, by its text": Case(google("PERMISSION_DENIED", UNUSED), 403,
        "permission_error", SAY_DISABLED, Cause.DISABLED, STOP),
    "forbidden": Case(google("PERMISSION_DENIED", "The caller does not have permission"), 403,
        "permission_error", "Google refused the request: The caller does not have permission",
        Cause.FORBIDDEN, STOP),
    "a region": Case(google("FAILED_PRECONDITION", REGION), 403, "permission_error", SAY_REGION,
        Cause.REGION, STOP),
    "a region, forbidden": Case(google("PERMISSION_DENIED", REGION), 403, "permission_error",
        SAY_REGION, Cause.REGION, STOP),
    "a country without a free tier": unpaid(google("FAILED_PRECONDITION", NOT_FREE), NOT_FREE),
    "that country, forbidden": unpaid(google("PERMISSION_DENIED", NOT_FREE), NOT_FREE),
    "no billing": unpaid(google("PERMISSION_DENIED", UNBILLED, info("BILLING_DISABLED")), UNBILLED),
    "nothing paid": unpaid(google("", NOT_FREE, code=402), NOT_FREE),
    "a spending cap": capped("RESOURCE_EXHAUSTED", CAP),
    "a spending cap of an account": capped(
        "RESOURCE_EXHAUSTED", "Your billing account has exceeded its monthly spending cap"),
    "a spending cap, forbidden": capped("PERMISSION_DENIED", CAP),
    "spent credits": unpaid(google("RESOURCE_EXHAUSTED", PREPAID), PREPAID),
}  # fmt: skip


# --- Quotas -----------------------------------------------------------------------------------

METRIC = "generativelanguage.googleapis.com/generate_content_free_tier_requests"
MINUTE = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
TOKENS_A_MINUTE = "GenerateContentInputTokensPerModelPerMinute-FreeTier"
HELP = {
    "@type": TYPE + "Help",
    "links": [
        {
            "description": "Learn more about Gemini API quotas",
            "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
        }
    ],
}
EXHAUSTED = "Resource has been exhausted (e.g. check quota)."
EXHAUSTED_VERTEX = (
    "Resource exhausted. Please try again later. Please refer to https://cloud.google.com/"
    "vertex-ai/generative-ai/docs/error-code-429 for more details."
)


def exceeded(limit: int, delay: str = "") -> str:
    return (
        "You exceeded your current quota, please check your plan and billing details. For more "
        "information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. "
        "To monitor your current usage, head to: https://ai.dev/usage?tab=rate-limit. \n* Quota "
        f"exceeded for metric: {METRIC}, limit: {limit}, model: gemini-2.5-pro"
        + (f"\nPlease retry in {delay}." if delay else "")
    )


def limited(
    message: str,
    *details: Any,
    after: int | None,
    cause: Cause = Cause.QUOTA,
    said: str = "",
) -> Case:
    headers = {} if after is None else {"retry-after": str(after)}
    body = google("RESOURCE_EXHAUSTED", message, *details)
    return Case(body, 429, "rate_limit_error", said + message, cause, headers)


def exhausted(said: str, message: str, *details: Any) -> Case:
    body = google("RESOURCE_EXHAUSTED", message, *details)
    return Case(body, 429, "rate_limit_error", said + message, Cause.EXHAUSTED, STOP)


SPENDING = (
    "You exceeded your spend-based rate limit. Your spending rate has exceeded the allowed limit "
    "for your account's billing history and tier."
)
SAY_SPENDING = (
    "The spend limit per ten minutes of this key's tier is reached; it is back within that time. "
    "Google says: "
)
SAY_DAY = (
    "Today's quota for this model is exhausted; Google renews it at midnight Pacific time. "
    f"{CHOOSE}. Google says: "
)


def say_for(seconds: int) -> str:
    return f"The quota for this model is exhausted for {seconds} s. {CHOOSE}. Google says: "


SAY_TIER = f"This key's tier does not include this model. {CHOOSE}. Google says: "

QUOTAS = {
    "a minute's requests": limited(
        exceeded(2, "56.185908122s"), HELP, violated(MINUTE), retry_in("56s"), after=56
    ),
    "RetryInfo goes before the text": limited(
        exceeded(2, "56.185908122s"), retry_in("16.2s"), after=17
    ),
    "a moment": limited(EXHAUSTED, retry_in("0.539477544s"), after=1),
    "a moment in milliseconds": limited(EXHAUSTED, retry_in("900ms"), after=1),
    "seconds in milliseconds": limited(EXHAUSTED, retry_in("1001ms"), after=2),
    "no time at all": limited(EXHAUSTED, retry_in("0s"), after=1),
    "a delay in the text": limited(exceeded(2, "56.185908122s"), after=57),
    "a delay in the text, in milliseconds": limited(exceeded(2, "539.4ms"), after=1),
    "a delay that cannot be read": limited(EXHAUSTED, retry_in("soon"), after=None),
    "a minute's quota without a delay": limited(exceeded(2), violated(MINUTE), after=60),
    "a minute's tokens without a delay": limited(exceeded(2), violated(TOKENS_A_MINUTE), after=60),
    "just within the client's patience": limited(EXHAUSTED, retry_in("60s"), after=60),
    "just beyond it": limited(EXHAUSTED, retry_in("60.1s"), after=60, cause=Cause.EXHAUSTED),
    "beyond it, in the text": limited(exceeded(2, "120.5s"), after=60, cause=Cause.EXHAUSTED),
    "the longest wait": limited(EXHAUSTED, retry_in("300s"), after=60, cause=Cause.EXHAUSTED),
    "longer than that": exhausted(say_for(301), EXHAUSTED, retry_in("301s")),
    "minutes, in the text": limited(exceeded(2, "1m2.5s"), after=60, cause=Cause.EXHAUSTED),
    "hours, in the text": exhausted(say_for(30_907), exceeded(2, "8h35m6.4s")),
    "longer than that, in the text": exhausted(
        say_for(3600), exceeded(2, "3600s"), violated(MINUTE)
    ),
    "a spending rate": limited(SPENDING, after=60, said=SAY_SPENDING),
    "a spending rate that is back soon": limited(
        SPENDING, retry_in("7s"), after=7, said=SAY_SPENDING
    ),
    "a spending rate that is back late": limited(
        SPENDING, retry_in("500s"), after=60, said=SAY_SPENDING
    ),
    "a day's requests": exhausted(SAY_DAY, exceeded(50), HELP, violated(DAY)),
    "a day's requests with a delay": exhausted(
        SAY_DAY, exceeded(50, "32.1s"), violated(MINUTE, DAY), retry_in("32s")
    ),
    "a daily quota": exhausted(SAY_DAY, "Quota exceeded.", violated("DailyTokens")),
    "a model of another tier": exhausted(SAY_TIER, exceeded(0)),
    "a model of another tier with a delay": exhausted(
        SAY_TIER, exceeded(0, "32.1s"), violated(DAY, MINUTE), retry_in("32s")
    ),
    "out of capacity": limited(EXHAUSTED, after=None),
    "out of capacity on Vertex": limited(EXHAUSTED_VERTEX, after=None),
    "details that are none": limited(
        EXHAUSTED, "text", {"violations": "text"}, {"violations": ["text", {}]}, after=None
    ),
}


# --- Requests that are wrong ------------------------------------------------------------------

OVERFLOW = "The input token count (1200345) exceeds the maximum number of tokens allowed (1048576)."
OVERFLOW_OLDER = "The input token count exceeds the maximum number of tokens allowed 1048576."
OVERFLOW_VERTEX = (
    "Unable to submit request because the input token count is 1200345 but the model only supports "
    "up to 1048576. Reduce the input token count and try again."
)
UNKNOWN = "Invalid JSON payload received. Unknown name "
PROPERTY = "tools[0].function_declarations[6].parameters.properties[3]"
BAD_NAME = (
    "* GenerateContentRequest.tools[0].function_declarations[21].name: Invalid function name. "
    "Must start with a letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), underscores "
    "(_), dots (.), colons (:), or dashes (-), with a maximum length of 64."
)
BAD_NAME_LONG = (
    "The GenerateContentRequest proto is invalid:\n  * tools[0].function_declarations[53].name: "
    "[FIELD_INVALID] Invalid function name. Must start with a letter or an underscore. Must be "
    "a-z, A-Z, 0-9, or contain underscores (_), dots (.), colons (:), or dashes (-), with a "
    "maximum length of 64."
)
COUNTS = (
    "Please ensure that the number of function response parts is equal to the number of function "
    "call parts of the function call turn."
)
UNSIGNED = (
    "Function call is missing a thought_signature in functionCall parts. This is required for "
    "tools to work correctly, and missing thought_signature may lead to degraded model "
    "performance. Additional data, function call `default_api:Bash` , position 64. Please refer "
    "to https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
)
UNSIGNED_OLDER = (
    "Function call `get_weather` in the `2.` content block is missing a `thought_signature`. "
    "Learn more: https://ai.google.dev/gemini-api/docs/thought-signatures"
)
VERTEX_SCHEMA = (
    "Unable to submit request because `move` functionDeclaration `parameters.entries` schema "
    "specified other fields alongside any_of. When using any_of, it must be the only field set."
)
REQUEST = "* GenerateContentRequest."
DECLARED = REQUEST + "tools[0].function_declarations[0].parameters"

WRONG = {
    Cause.SCHEMA: [
        f"{UNKNOWN}\"exclusiveMinimum\" at '{PROPERTY}.value.any_of[0]': Cannot find field.",
        f"{UNKNOWN}\"propertyNames\" at '{PROPERTY}.value': Cannot find field.\n"
        f"{UNKNOWN}\"$schema\" at 'tools[0].function_declarations[0].parameters': Cannot find"
        " field.",
        f"{UNKNOWN}\"type\" at '{PROPERTY}.value': Proto field is not repeating, cannot start"
        " list.", f"Invalid value at '{PROPERTY}.value.enum[0]' (TYPE_STRING), 7",
        f"{DECLARED}.properties: should be non-empty for OBJECT type",
        f"{DECLARED}.properties[x].items: missing field.",
        f"{DECLARED}.properties[url].format: only 'enum' and 'date-time' are supported for STRING"
        " type", f"{DECLARED}.required[0]: property is not defined", VERTEX_SCHEMA,
        VERTEX_SCHEMA.partition(" schema ")[0] + " schema didn't specify the schema type field.",
        "schema at properties.draft can only contain properties starting with '$' when $ref is"
        " present",
        "$ref 'QuestionOption' was set alongside unsupported fields. If a schema node has $ref"
        " set, then only description and default can be set alongside it",
        "reference to undefined schema at properties.x",
        "The specified schema produces a constraint that has too many states for serving.",
        "A schema in GenerationConfig in the request exceeds the maximum allowed nesting depth."],
    Cause.SIGNATURE: [
        UNSIGNED, UNSIGNED_OLDER, "Corrupted thought signature.", "Invalid thought signature.",
        "Invalid value at 'contents[1].parts[0].thought_signature' (TYPE_BYTES), Base64 decoding"
        ' failed for "???"'],
    Cause.THINKING: [
        "You can only set only one of thinking budget and thinking level.",
        "The model does not support setting thinking_budget to 0.",
        "The thinking budget (52428) is invalid.",
        "Thinking budget is not supported for this model.",
        "Thinking level is not supported for this model.",
        f"{UNKNOWN}\"thinkingLevel\" at 'generation_config.thinking_config': Cannot find field."],
    Cause.PARAMETER: [
        "Request contains an invalid argument.", f'{UNKNOWN}"max_tokens": Cannot find field.',
        "Penalty is not enabled for this model"],
    Cause.MEDIA: [
        "Unable to process input image. Please retry or report in"
        " https://developers.generativeai.google/guide/troubleshooting",
        "Provided image is not valid.", "Provided image is not valid", "Unsupported MIME type: png",
        "The document has no pages.",
        "The document contains 1438 pages which exceeds the supported page limit of 1000.",
        "Unable to submit request because it has a mimeType parameter with value image/svg+xml,"
        " which is not supported. Update the mimeType and try again.",
        "Unable to submit request because it has an empty mimeType parameter in fileData.",
        "Unable to submit request because the mime_type: video/mp4 is not supported in"
        " `function_response.parts`.",
        f"{REQUEST}contents[0].parts[1].inline_data.mime_type: MIME type must be image/png,"
        " image/jpeg, image/webp, image/heic, or image/heif.",
        "Invalid value at 'contents[0].parts[2].inline_data.data' (TYPE_BYTES), Base64 decoding"
        ' failed for "data:image/png;base64"',
        "Cannot fetch content from the provided URL. Please ensure the URL is valid and accessible",
        "URL_ROBOTED-ROBOTED_DENIED", "Invalid or unsupported file uri: https://x.test/a.png",
        "The image is too large.", "PDF is encrypted", "Image input modality is not enabled",
        "Failed to decode the video."],
    Cause.REQUEST: [
        "Please ensure that function call turn comes immediately after a user turn or after a"
        " function response turn.",
        "Please ensure that function response turn comes immediately after a function call turn.",
        COUNTS,
        "Please ensure that single turn requests end with a user role or the role field is empty.",
        "Please use a valid role: user, model.", f"{REQUEST}contents: contents is not specified",
        f"{REQUEST}contents[1].parts: contents.parts must not be empty.",
        "Unable to submit request because it must include at least one parts field, which"
        " describes the prompt input.", "Duplicate function declaration found: Bash",
        "Please enable tool_config.include_server_side_tool_invocations to use Built-in tools"
        " with Function calling.",
        "Google Maps tool with a response mime type: 'application/json' is unsupported",
        "Tool use with function calling is unsupported", BAD_NAME, BAD_NAME_LONG,
        "The input token count is too large for a maximum number of 65536 output tokens.",
        "maxOutputTokens must be in the range from 1 to 65537."],
}  # fmt: skip
"""Cause -> the texts that have it. They are shown as they are."""


def wrong(said: str, cause: Cause) -> Case:
    details = {
        "@type": TYPE + "BadRequest",
        "fieldViolations": [{"field": "x", "description": said}],
    }
    body = google("INVALID_ARGUMENT", said, details)
    return Case(body, 400, "invalid_request_error", said, cause)


def overflow(said: str, used: int, limit: int) -> Case:
    message = f"prompt is too long: {used} tokens > {limit} maximum"
    body = google("INVALID_ARGUMENT", said)
    return Case(body, 400, "invalid_request_error", message, Cause.CONTEXT)


PAYLOAD = "Request payload size exceeds the limit: 20971520 bytes."
NO_MODEL = (
    "models/gemini-9 is not found for API version v1beta, or is not supported for generateContent."
    " Call ListModels to see the list of available models and their supported methods."
)
LEGACY = [{"message": COUNTS, "domain": "global", "reason": "badRequest"}]

REQUESTS = {
    **{
        f"{cause} {i}": wrong(said, cause)
        for cause, texts in WRONG.items() for i, said in enumerate(texts)},
    "with a legacy list of errors": Case(google("INVALID_ARGUMENT", COUNTS, errors=LEGACY), 400,
        "invalid_request_error", COUNTS, Cause.REQUEST),
    "a full context": overflow(OVERFLOW, 1200345, 1048576),
    "a full context of an older kind": overflow(OVERFLOW_OLDER, 1048577, 1048576),
    "a full context on Vertex": overflow(OVERFLOW_VERTEX, 1200345, 1048576),
    "a full context in another place": overflow(OVERFLOW_OLDER[:-8] + "65536.", 65537, 65536),
    "a payload": Case(google("INVALID_ARGUMENT", PAYLOAD), 413, "request_too_large", PAYLOAD,
        Cause.PAYLOAD),
    "a payload, with its own status": Case(google("INVALID_ARGUMENT", PAYLOAD, code=413), 413,
        "request_too_large", PAYLOAD, Cause.PAYLOAD),
    "a payload that a server before Google's refused": Case("<html>", 413, "request_too_large",
        "Gemini answered with status 413.", Cause.PAYLOAD, given=413),
    "a model that is not there": Case(google("NOT_FOUND", NO_MODEL), 404, "not_found_error",
        f"{NO_MODEL} {CHOOSE}; /v1/models lists some.", Cause.MODEL),
    "something that cannot be processed": Case(google("INVALID_ARGUMENT", "No.", code=422), 400,
        "invalid_request_error", "No.", Cause.REQUEST),
}  # fmt: skip


# --- Failures of Google's own -----------------------------------------------------------------

OVERLOADED = "The model is overloaded. Please try again later."
DEMAND = (
    "This model is currently experiencing high demand. Spikes in demand are usually temporary. "
    "Please try again later."
)
CAPACITY = "No capacity available for model gemini-3.1-pro-preview on the server"
NO_CAPACITY = "MODEL_CAPACITY_EXHAUSTED"
INTERNAL = (
    "An internal error has occurred. Please retry or report in "
    "https://developers.generativeai.google/guide/troubleshooting"
)
INTERNAL_SHORT = "Internal error encountered."
DEADLINE = "Deadline expired before operation could complete."
TIMED_OUT = "The request timed out. Please try again."
CANCELLED = "The operation was cancelled."


def overloaded(body: Any, said: str, given: int | None = None) -> Case:
    return Case(body, 529, "overloaded_error", said, Cause.OVERLOADED, given=given)


def internal(body: Any, said: str, status: int = 500, given: int | None = None) -> Case:
    return Case(body, status, "api_error", said, Cause.INTERNAL, given=given)


def late(body: Any, said: str, given: int | None = None) -> Case:
    return Case(body, 504, "timeout_error", said, Cause.TIMEOUT, given=given)


FAILURES = {
    "overloaded": overloaded(google("UNAVAILABLE", OVERLOADED), OVERLOADED),
    "high demand": overloaded(google("UNAVAILABLE", DEMAND), DEMAND),
    "overloaded, in a list": overloaded([google("UNAVAILABLE", OVERLOADED)], OVERLOADED),
    "overloaded, without JSON": overloaded("<html>", "Gemini answered with status 503.", given=503),
    "overloaded, in Anthropic's number": overloaded(
        google("UNAVAILABLE", OVERLOADED, code=529), OVERLOADED
    ),
    "no capacity": overloaded(google("UNAVAILABLE", CAPACITY, info(NO_CAPACITY)), CAPACITY),
    "no capacity, as a quota": overloaded(
        google("RESOURCE_EXHAUSTED", CAPACITY, info(NO_CAPACITY), retry_in("40s")), CAPACITY
    ),
    "no capacity, by its text": overloaded(google("RESOURCE_EXHAUSTED", CAPACITY), CAPACITY),
    "no capacity, by its reason": overloaded(
        google("RESOURCE_EXHAUSTED", EXHAUSTED, info(NO_CAPACITY)), EXHAUSTED
    ),
    "internal": internal(google("INTERNAL", INTERNAL), INTERNAL),
    "internal, in short": internal(google("INTERNAL", INTERNAL_SHORT), INTERNAL_SHORT),
    "unknown": internal(google("UNKNOWN", INTERNAL_SHORT), INTERNAL_SHORT),
    "lost data": internal(google("DATA_LOSS", INTERNAL_SHORT), INTERNAL_SHORT),
    "cancelled": internal(google("CANCELLED", CANCELLED), CANCELLED),
    "not implemented": internal(google("UNIMPLEMENTED", "Later."), "Later."),
    "a conflict": internal(google("ABORTED", "Aborted."), "Aborted.", 500),
    "a redirect": internal(None, "Gemini answered with status 301.", 502, given=301),
    "an answer without content": internal(None, "Gemini answered with status 204.", 502, given=204),
    "a gateway": internal("<html>", "Gemini answered with status 502.", 502, given=502),
    "an empty list": internal([], "Gemini answered with status 502.", 502, given=502),
    "no error object": internal(
        {"error": "text"}, "Gemini answered with status 599.", 502, given=599
    ),
    "a deadline": late(google("DEADLINE_EXCEEDED", DEADLINE), DEADLINE),
    "a time-out": late(google("DEADLINE_EXCEEDED", TIMED_OUT), TIMED_OUT),
    "a time-out of the request": late(None, "Gemini answered with status 408.", given=408),
    "a status nobody knows": Case(
        "<html>", 418, "invalid_request_error", "Gemini answered with status 418.", None, given=418
    ),
}

MID_STREAM = {
    "in mid-stream, with a code": overloaded(google("UNAVAILABLE", OVERLOADED), OVERLOADED,
        given=200),
    "in mid-stream, without a code": overloaded(google("UNAVAILABLE", OVERLOADED, code=None),
        OVERLOADED, given=200),
    "in mid-stream, an exhausted quota": exhausted(SAY_DAY, EXHAUSTED, violated(DAY))._replace(
        given=200),
    "in mid-stream, with a code that is none": internal(
        google("INTERNAL", INTERNAL_SHORT, code=600), INTERNAL_SHORT, given=200),
    "in mid-stream, with the first code of an error": Case(google("", COUNTS, code=400), 400,
        "invalid_request_error", COUNTS, Cause.REQUEST, given=200),
    "in mid-stream, with the last code of an error": internal(google("", INTERNAL_SHORT, code=599),
        INTERNAL_SHORT, 502, given=200),
    "in mid-stream, with a code in letters": late(google("DEADLINE_EXCEEDED", DEADLINE, code="504"),
        DEADLINE, given=200),
    "in mid-stream, with nothing to go by": internal({"error": {"code": None, "message": "Oops."}},
        "Oops.", given=500),
    "in mid-stream, without a message": internal({"error": {"code": 500}},
        "Gemini answered with status 500.", given=200),
}  # fmt: skip

CASES = {**KEYS, **QUOTAS, **REQUESTS, **FAILURES, **MID_STREAM}


def shown(case: Case) -> ApiError:
    given = case.given
    if given is None:
        error = case.body[0] if isinstance(case.body, list) else case.body
        given = error["error"]["code"]
    return from_google(given, case.body)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_errors_of_google_as_the_client_sees_them(case: Case) -> None:
    error = shown(case)
    assert error.body("req_1") == {
        "type": "error",
        "error": {"type": case.type, "message": case.message},
        "request_id": "req_1",
    }
    assert (error.status, error.headers(), error.cause) == (case.status, case.headers, case.cause)


def test_key_hint_for_a_key_of_the_servers() -> None:
    error = from_google(400, google("INVALID_ARGUMENT", NOT_VALID), "Tell the owner.")
    assert error.message == f"Google refused the API key: {NOT_VALID} Tell the owner."
    error = from_google(403, google("PERMISSION_DENIED", LEAKED), "Tell the owner.")
    assert error.message.endswith("make a new one. Tell the owner.")


@pytest.mark.parametrize("time", ["60 seconds", "12hours", "1.5h", "5 minutes", "a while", "7"])
def test_retry_time_in_other_words_is_none(time: str) -> None:
    body = google("RESOURCE_EXHAUSTED", f"Please retry in {time}.")
    assert from_google(429, body).retry_after is None
    assert from_google(429, body, retry_after="45").retry_after == 45


@pytest.mark.parametrize(
    ("header", "details", "expected"),
    [
        ("33", [], 33),
        ("0", [], 1),
        ("33", [retry_in("7s")], 7),
        ("Wed, 21 Oct 2026 07:28:00 GMT", [], None),
        ("", [violated(MINUTE)], 60),
    ],
)
def test_retry_after_header_counts_where_there_is_no_other_time(
    header: str, details: list[Any], expected: int | None
) -> None:
    body = google("RESOURCE_EXHAUSTED", EXHAUSTED, *details)
    assert from_google(429, body, retry_after=header).retry_after == expected


@pytest.mark.parametrize("digits", ["9" * 400, "9" * 5_000])
def test_numbers_beyond_all_bounds_are_none(digits: str) -> None:
    late = google("RESOURCE_EXHAUSTED", f"Please retry in {digits}s.", retry_in(f"{digits}s"))
    assert from_google(429, late, retry_after=digits).retry_after is None
    full = "input token count exceeds the maximum number of tokens allowed"
    error = from_google(400, google("INVALID_ARGUMENT", f"{full} ({digits})."))
    assert error.cause is Cause.REQUEST


def test_place_that_only_the_details_name_is_shown() -> None:
    where = "contents[0].parts[1].inline_data.data"
    details = [{"fieldViolations": [{"field": "tools[0]"}, {"field": where}, {"field": where}]}]
    error = from_google(400, google("INVALID_ARGUMENT", "An invalid argument.", *details))
    assert (error.message, error.cause) == (f"An invalid argument. ({where})", Cause.MEDIA)


@pytest.mark.parametrize("body", [None, "<html>", {}, {"detail": "Not Found"}])
def test_page_that_is_not_there_is_no_fault_of_the_model(body: Any) -> None:
    """A client would show a 404 as a problem with the model that it asked for."""
    error = from_google(404, body)
    assert (error.status, error.retry, error.cause) == (502, False, Cause.REQUEST)
    assert "Correct GEMINI_ENDPOINT on the server" in error.message


def test_message_with_braces_is_shown_as_it_is() -> None:
    said = "Invalid value at 'contents' {hint} {0} {message}"
    assert from_google(403, google("PERMISSION_DENIED", said)).message.endswith(f": {said}")


MUTATIONS = 5_000
WRONG_TYPES = [
    *(None, True, -1, 1.5, 10**30, 503, "", "7s", "\ud83d", [], {}, [None], ["x"], [[]], [{}]),
    *({"a": []}, {"message": 7}, {"error": {}}),
]


def test_mutated_errors_are_errors_all_the_same() -> None:
    random = Random(20261128)
    bodies = [case.body for case in CASES.values()]
    for _ in range(MUTATIONS):
        body = random.choice(bodies)
        mutated = changed(body, random.choice([*places(body)]), random.choice(WRONG_TYPES))
        error = from_google(random.choice([200, 302, 400, 403, 429, 503]), mutated)
        assert 400 <= error.status <= 599
        assert error.message.encode()
        assert "None" not in error.message
        assert error.headers().keys() <= {"x-should-retry", "retry-after"}


HTTP = {
    400: ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE"),
    401: ("UNAUTHENTICATED",),
    403: ("PERMISSION_DENIED",),
    404: ("NOT_FOUND",),
    409: ("ABORTED", "ALREADY_EXISTS"),
    429: ("RESOURCE_EXHAUSTED",),
    499: ("CANCELLED",),
    500: ("INTERNAL", "UNKNOWN", "DATA_LOSS"),
    501: ("UNIMPLEMENTED",),
    503: ("UNAVAILABLE",),
    504: ("DEADLINE_EXCEEDED",),
}


@pytest.mark.parametrize("code", HTTP)
def test_status_name_means_the_same_as_its_code(code: int) -> None:
    for name in HTTP[code]:
        by_name = from_google(200, google(name, "No.", code=None))
        by_code = from_google(code, google("", "No.", code=None))
        assert by_name.cause
        assert by_name.__dict__ == by_code.__dict__
    assert {each for each, value in RPC_STATUSES.items() if value == code} == set(HTTP[code])


# --- What the client makes of words -----------------------------------------------------------

TRIGGERS = {
    "it compacts": r"prompt is too long|exceeds the maximum number of tokens allowed|input is too "
    r"long for requested model|maximum context length|exceeds the context window",
    "it asks for less": r"input length and `max_tokens` exceed context limit",
    "it takes a feature away": r"capability_rejected",
    "it takes images away": r"could not process image|image exceeds|messages\.\d+\.content.*image",
    "it takes documents away": r"could not process pdf|pdf pages|messages\.\d+\.content.*(pdf|doc)",
    "it takes all thinking away": r"signature in thinking block|"
    r"thinking block.*(cannot be modified|invalid signature)",
    "it folds system messages": r"role.*system.*not supported|system.*role.*not supported",
    "it tries again": r"overloaded_error",
    "it asks to log in": r"x-api-key",
    "it asks for credits": r"credit balance is too low",
    "it turns to its own fallback": r"model:",
}
"""What Claude Code does when it finds some words in an error (seen in 2.1.197 and 2.1.330)."""

MEANT = {
    "it compacts": {Cause.CONTEXT},
    # Only of a 404 or a permission_error; in a 429 Google's text names the metric and the model.
    "it turns to its own fallback": {Cause.QUOTA, Cause.EXHAUSTED},
}
"""The causes whose text may hold them: one on purpose, the other without effect."""


@pytest.mark.parametrize("effect", TRIGGERS)
def test_messages_trigger_nothing_unmeant_in_the_client(effect: str) -> None:
    found = {
        error.cause
        for error in map(shown, CASES.values())
        if re.search(TRIGGERS[effect], error.message, re.IGNORECASE | re.DOTALL)
    }
    assert found == MEANT.get(effect, set())


def test_context_error_reads_as_the_client_expects() -> None:
    pattern = r"prompt is too long[^0-9]*(\d+)\s*tokens?\s*>\s*(\d+)"
    told = {
        name: match.groups()
        for name, case in CASES.items()
        if (match := re.search(pattern, shown(case).message, re.IGNORECASE))
    }
    assert told == {
        "a full context": ("1200345", "1048576"),
        "a full context of an older kind": ("1048577", "1048576"),
        "a full context in another place": ("65537", "65536"),
        "a full context on Vertex": ("1200345", "1048576"),
    }


def test_retry_after_is_never_longer_than_the_client_waits() -> None:
    waits = [error.retry_after for error in map(shown, CASES.values())]
    assert max(wait for wait in waits if wait is not None) == MAX_RETRY_AFTER_SECONDS


def test_retry_after_and_giving_up_exclude_each_other() -> None:
    errors = [shown(case) for case in CASES.values()]
    assert [error for error in errors if error.retry is False and error.retry_after] == []
    # Claude Code makes 11 requests in 3 minutes of a 401 that does not forbid it.
    assert {error.retry for error in errors if error.status == 401} == {False}

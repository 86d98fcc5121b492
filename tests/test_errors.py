"""translate/errors.py: each of Google's refusals as the answer this client handles right."""

from typing import Any

import pytest

from translate.errors import ApiError, InvalidRequest, from_google

KEY_HINT = (
    "Set ANTHROPIC_AUTH_TOKEN to a Gemini API key (https://aistudio.google.com/apikey) "
    "and start the client again."
)


def google(code: int, message: str, status: str = "", details: Any = None) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, "details": details}}


def answer(error: ApiError) -> tuple[int, str, str, dict[str, str]]:
    body = error.body("req_1")
    assert (body["type"], body["request_id"]) == ("error", "req_1")
    return error.status, body["error"]["type"], body["error"]["message"], error.headers()


INVALID_KEY = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
STOP = {"x-should-retry": "false"}
PER_DAY = [{"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}]
PER_MINUTE = [
    {"violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}]},
    {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "16.2s"},
]
TOO_LONG = "The input token count (1200345) exceeds the maximum number of tokens allowed (1048576)."
TOO_LONG_OLDER = "The input token count exceeds the maximum number of tokens allowed 1048576."
DEPTH = "A schema in the request exceeds the maximum allowed nesting depth."


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        pytest.param(
            400,
            google(400, "API key not valid.", "INVALID_ARGUMENT", INVALID_KEY),
            (
                401,
                "authentication_error",
                f"Google refused the API key: API key not valid. {KEY_HINT}",
                STOP,
            ),
            id="a bad key ends the client's retries at once",
        ),
        pytest.param(
            401,
            google(401, "Invalid credentials."),
            (
                401,
                "authentication_error",
                f"Google refused the API key: Invalid credentials. {KEY_HINT}",
                STOP,
            ),
            id="a bad bearer token too",
        ),
        pytest.param(
            403,
            google(403, "Requests to this API are blocked."),
            (
                403,
                "permission_error",
                "Google refused the request: Requests to this API are blocked.",
                STOP,
            ),
            id="forbidden",
        ),
        pytest.param(
            404,
            google(404, "models/gemini-9 is not found."),
            (404, "not_found_error", "models/gemini-9 is not found.", {}),
            id="unknown model",
        ),
        pytest.param(
            429,
            google(429, "Quota exceeded.", details=PER_MINUTE),
            (429, "rate_limit_error", "Quota exceeded.", {"retry-after": "17"}),
            id="a quota with a delay",
        ),
        pytest.param(
            429,
            google(429, "Please retry in 539.4ms."),
            (429, "rate_limit_error", "Please retry in 539.4ms.", {"retry-after": "1"}),
            id="a delay that only the text tells",
        ),
        pytest.param(
            429,
            google(429, "Resource has been exhausted."),
            (429, "rate_limit_error", "Resource has been exhausted.", {}),
            id="a quota without a delay",
        ),
        pytest.param(
            429,
            google(429, "Quota exceeded.", details=PER_DAY),
            (429, "rate_limit_error", "Quota exceeded.", STOP),
            id="a spent day",
        ),
        pytest.param(
            429,
            google(429, "Quota exceeded, limit: 0, retry in 5s", details=PER_MINUTE),
            (429, "rate_limit_error", "Quota exceeded, limit: 0, retry in 5s", STOP),
            id="a model that is not in this tier",
        ),
        pytest.param(
            400,
            google(400, TOO_LONG),
            (
                400,
                "invalid_request_error",
                "prompt is too long: 1200345 tokens > 1048576 maximum",
                {},
            ),
            id="a full context makes the client compact",
        ),
        pytest.param(
            400,
            google(400, TOO_LONG_OLDER),
            (
                400,
                "invalid_request_error",
                "prompt is too long: 1048577 tokens > 1048576 maximum",
                {},
            ),
            id="a full context without a count",
        ),
        pytest.param(
            400,
            google(400, DEPTH),
            (400, "invalid_request_error", DEPTH, {}),
            id="another limit is not a full context",
        ),
        pytest.param(
            503,
            [google(503, "The model is overloaded.")],
            (529, "overloaded_error", "The model is overloaded.", {}),
            id="overloaded, in a list",
        ),
        pytest.param(
            500,
            google(500, "Internal error encountered."),
            (500, "api_error", "Internal error encountered.", {}),
            id="internal",
        ),
        pytest.param(
            504,
            google(504, "Deadline expired."),
            (504, "timeout_error", "Deadline expired.", {}),
            id="deadline",
        ),
        pytest.param(
            200,
            google(503, "The model is overloaded."),
            (529, "overloaded_error", "The model is overloaded.", {}),
            id="an error in mid-stream",
        ),
        pytest.param(
            500,
            google(10_000, "Nobody knows."),
            (500, "api_error", "Nobody knows.", {}),
            id="a code that is none",
        ),
        pytest.param(
            200,
            {"error": {"code": None, "status": "UNAVAILABLE", "message": "Overloaded."}},
            (529, "overloaded_error", "Overloaded.", {}),
            id="no code but a name",
        ),
        pytest.param(
            418,
            "<html>",
            (418, "invalid_request_error", "Gemini answered with status 418.", {}),
            id="not JSON",
        ),
        pytest.param(
            599,
            {"error": "text"},
            (599, "api_error", "Gemini answered with status 599.", {}),
            id="no error object",
        ),
        pytest.param(
            502,
            [],
            (502, "api_error", "Gemini answered with status 502.", {}),
            id="an empty list",
        ),
    ],
)
def test_googles_errors(status: int, body: Any, expected: tuple[Any, ...]) -> None:
    assert answer(from_google(status, body)) == expected


def test_a_key_of_the_servers_own_has_its_own_hint() -> None:
    error = from_google(400, google(400, "Invalid.", details=INVALID_KEY), "Tell the owner.")
    assert error.message == "Google refused the API key: Invalid. Tell the owner."


def test_a_method_that_is_not_taken() -> None:
    assert ApiError(405, "No.", allow="GET, HEAD").headers() == {"Allow": "GET, HEAD"}


def test_an_invalid_request_names_the_field() -> None:
    assert answer(InvalidRequest("messages.0.role", "field required")) == (
        400,
        "invalid_request_error",
        "messages.0.role: field required",
        {},
    )

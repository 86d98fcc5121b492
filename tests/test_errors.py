"""translate/errors.py: the shape of an error, and the headers that steer the client."""

import pytest

from translate.errors import ERROR_TYPES, ApiError, Cause, InvalidRequest


def test_error_body_has_the_apis_shape() -> None:
    error = ApiError(529, "Overloaded.", cause=Cause.OVERLOADED, retry_after=3)
    assert error.body("req_1") == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "Overloaded."},
        "request_id": "req_1",
    }
    assert error.headers() == {"retry-after": "3"}


def test_error_code_is_among_the_details() -> None:
    error = ApiError(400, "No.", error_code="thread_unsupported_request")
    assert error.body("req_1")["error"] == {
        "type": "invalid_request_error",
        "message": "No.",
        "details": {"error_code": "thread_unsupported_request"},
    }


@pytest.mark.parametrize(
    ("status", "kind"),
    [*ERROR_TYPES.items(), (418, "invalid_request_error"), (599, "api_error")],
)
def test_status_has_a_type(status: int, kind: str) -> None:
    assert ApiError(status, "No.").type == kind


def test_retry_header() -> None:
    assert ApiError(401, "No.", retry=False).headers() == {"x-should-retry": "false"}
    assert ApiError(500, "No.", retry=True).headers() == {"x-should-retry": "true"}
    assert ApiError(500, "No.").headers() == {}


def test_allow_header() -> None:
    assert ApiError(405, "No.", allow="GET, HEAD").headers() == {"Allow": "GET, HEAD"}


def test_invalid_request_names_the_field() -> None:
    error = InvalidRequest("messages.0.role", "field required")
    assert (error.status, error.message) == (400, "messages.0.role: field required")


def test_causes_are_logged_by_their_values() -> None:
    assert {cause.name.lower() for cause in Cause} == set(Cause)
    assert (f"{Cause.EXHAUSTED} x2", Cause.KEY == "key") == ("exhausted x2", True)

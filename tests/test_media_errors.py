"""translate/response/media_errors.py: the error names the medium, and reads as the client needs."""

from __future__ import annotations

from typing import Any

import pytest

from translate.errors import ApiError, Cause
from translate.response.media_errors import SAYS_NOTHING, explain_media_error
from translate.translation import MediaPlace

OLD = MediaPlace("messages.0.content.1.image", "image", False, (0, 1))
SHOT = MediaPlace("messages.2.content.0.tool_result.content.1.image", "image", True, (2, 0, 0))
PAPER = MediaPlace(
    "messages.2.content.0.tool_result.content.2.document", "document", True, (2, 0, 1)
)
PASTED = MediaPlace("messages.2.content.1.image", "image", True, (2, 1))
LAST = MediaPlace("messages.2.content.2.document", "document", True, (2, 2))
ALL = [OLD, SHOT, PAPER, PASTED, LAST]

DATA = "Invalid value at '{}' (TYPE_BYTES), Base64 decoding failed for \"???\""
MIME = "* GenerateContentRequest.{}: MIME type must be image/png, image/jpeg, or image/webp."


def explained(message: str, *media: MediaPlace, cause: Cause = Cause.MEDIA) -> ApiError:
    return explain_media_error(ApiError(400, message, cause=cause), lambda: media)


@pytest.mark.parametrize(
    ("message", "media", "expected"),
    [
        (DATA.format("contents[0].parts[1].inline_data.data"), ALL, OLD),
        (MIME.format("contents[2].parts[1].inline_data.mime_type"), ALL, PASTED),
        (
            DATA.format("contents[2].parts[0].function_response.parts[1].inline_data.data"),
            ALL,
            PAPER,
        ),
        (DATA.format("contents[2].parts[0].functionResponse.parts[0].inlineData.data"), ALL, SHOT),
        (DATA.format("contents[2].parts[0]"), ALL, SHOT),
        (DATA.format("contents[9].parts[0]") + DATA.format("contents[0].parts[1]"), ALL, OLD),
        (DATA.format("contents[9].parts[0]"), [OLD, SHOT], SHOT),
        ("Unable to process input image.", [OLD], OLD),
        ("Unable to process input image.", ALL, PASTED),
        ("Provided image is not valid.", [OLD, PAPER], OLD),
        ("Provided image is not valid.", [PAPER], PAPER),
        ("The document has no pages.", [SHOT, PAPER, PASTED], PAPER),
        ("The PDF is password protected.", ALL, LAST),
        ("Cannot fetch content from the provided URL.", ALL, LAST),
    ],
)
def test_medium_is_the_one_that_google_means(
    message: str, media: list[MediaPlace], expected: MediaPlace
) -> None:
    """By its place, by its kind, or the last: the others have been accepted before."""
    error = explained(message, *media)
    name = "image" if expected.kind == "image" else "PDF"
    assert error.message == f"{expected.path}: Could not process {name}: {message}"
    assert (error.status, error.cause, error.headers()) == (400, Cause.MEDIA, {})


@pytest.mark.parametrize(("media", "expected"), [(ALL, LAST), ([OLD], None), ([], None)])
def test_error_that_says_nothing_means_a_new_medium(media: Any, expected: Any) -> None:
    error = explained(SAYS_NOTHING, *media, cause=Cause.PARAMETER)
    paths = error.message.partition(": ")[0]
    assert paths == (expected.path if expected else SAYS_NOTHING)


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not Cause.MEDIA])
def test_other_errors_stay_as_they_are(cause: Cause) -> None:
    def media_places() -> list[MediaPlace]:
        raise AssertionError("nobody has to look for media")

    error = ApiError(400, "Unable to process input image.", cause=cause)
    assert explain_media_error(error, media_places) is error


def test_request_without_media_keeps_googles_words() -> None:
    error = explained("Unable to process input image.")
    assert (error.message, error.cause) == ("Unable to process input image.", Cause.MEDIA)

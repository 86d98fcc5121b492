"""Google refuses a medium -> an error by which Claude Code takes that medium out and goes on.

It looks for the path of a block, or for some words, in a 400: it puts a text in the block's place,
with what stands behind the path, and asks again. Google's own words tell it nothing, so that each
later request of the session would be refused, too.
Sources: the programs of 2.1.197 and 2.1.330; Google's texts as seen in other projects' issues until
2026-11-28.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ..errors import ApiError, Cause
from ..translation import MediaPlace

NAMES = {"image": "image", "document": "PDF"}
"""Type of a block -> what the client's words call it."""

POSITION = re.compile(
    r"contents\[(\d{1,6})\]\.parts\[(\d{1,6})\]"
    r"(?:\.function_?[rR]esponse\.parts\[(\d{1,6})\])?"
)
HINTS = (
    ("image", re.compile(r"\bimages?\b", re.IGNORECASE)),
    ("document", re.compile(r"\b(?:documents?|pdfs?|pages?)\b", re.IGNORECASE)),
)
"""Kind of a medium -> words that mean it."""

SAYS_NOTHING = "Request contains an invalid argument."
"""All that Google says of some media: a BMP, a TIFF, an image of no pixels."""


def explain_media_error(
    error: ApiError, media_places: Callable[[], Sequence[MediaPlace]]
) -> ApiError:
    """The error in the client's words where it is about a medium, else the error itself.

    media_places: finds the media of the request, in the client's order.
    """
    medium = _refused_medium(error, media_places)
    if medium is None:
        return error
    message = f"{medium.path}: Could not process {NAMES[medium.kind]}: {error.message}"
    return ApiError(400, message, cause=Cause.MEDIA)


def _refused_medium(
    error: ApiError, media_places: Callable[[], Sequence[MediaPlace]]
) -> MediaPlace | None:
    if error.cause is Cause.MEDIA:
        media = media_places()
        return _by_position(error.message, media) or _last(_meant(error.message, media))
    if error.cause is Cause.PARAMETER and error.message == SAYS_NOTHING:
        return _last([medium for medium in media_places() if medium.is_new])
    return None


def _by_position(message: str, media: Sequence[MediaPlace]) -> MediaPlace | None:
    """The medium at the place that Google names; it may name the part around it only."""
    first: dict[tuple[int, ...], MediaPlace] = {}
    for medium in media:
        for length in range(1, len(medium.position) + 1):
            first.setdefault(medium.position[:length], medium)
    for found in POSITION.finditer(message):
        position = tuple(int(index) for index in found.groups() if index is not None)
        if position in first:
            return first[position]
    return None


def _meant(message: str, media: Sequence[MediaPlace]) -> Sequence[MediaPlace]:
    """The media of the kind that a text speaks of, where there are any."""
    for kind, words in HINTS:
        of_kind = [medium for medium in media if medium.kind == kind]
        if of_kind and words.search(message):
            return of_kind
    return media


def _last(media: Sequence[MediaPlace]) -> MediaPlace | None:
    """Where Google names no place it is the last: the others have been accepted with an earlier
    request, or come to be the last when this one is taken out."""
    return media[-1] if media else None

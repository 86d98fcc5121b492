"""A base64 source -> the part it becomes: its media type and data as people send them.

What has one reading is mended: `image/jpg`, a data: URL, line breaks, the alphabet of URLs, a text
as base64. What Gemini cannot read is refused here, and so is what is no base64, in words by which
Claude Code takes the medium out of its history and goes on.
"""

from __future__ import annotations

import base64
import binascii
import re
import string

from ..wire import Part, Source
from .validation import InvalidValue

SYNONYMS = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "application/x-pdf": "application/pdf",
    "application/acrobat": "application/pdf",
}
"""Media type, as some write it -> as it is registered."""

READABLE = frozenset(
    {
        *(f"image/{subtype}" for subtype in ("png", "jpeg", "webp", "gif", "heic", "heif", "avif")),
        "application/pdf",
    }
)
"""What Gemini may read; of other images it says no more than `invalid argument`."""

STREAMS = ("audio/", "video/")
TEXTS = ("text/", "application/json", "application/xml")
"""How the media types begin of what can be read as text."""

UTF_8 = "utf-8"
CHARSETS = {
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "windows-1252": "cp1252",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
}
"""The `charset` of a text -> Python's name for it. All others are read as UTF-8, which ASCII is,
too."""

ALPHABET = (string.ascii_letters + string.digits + "+/").encode()
DATA_URL = "data:"
SCHEMES = ("https://", "http://", "gs://")
"""How the addresses begin of what Google fetches; gs: is its own storage."""

SLICE = 65_536
"""Characters looked at at once, so that 20 MB are not there twice."""
MAX_SHOWN = 60
"""Characters of a media type in an error."""

NAMES = {"image": "image", "document": "PDF"}
"""Type of a block -> what the client's words call its medium."""


class InvalidMedium(InvalidValue):
    """A medium that cannot be sent; its path ends with the type of its block."""

    def __init__(self, problem: str, kind: str) -> None:
        super().__init__(f"Could not process {NAMES[kind]}: {problem}", kind)


def inline_part(source: Source, kind: str) -> Part:
    """kind: the type of the client's block. Raises InvalidMedium."""
    media_type, data = source["media_type"], source["data"]
    if _is_data_url(data):
        media_type, data = split_data_url(data, media_type)
    media_type, _, parameters = media_type.partition(";")
    media_type = media_type.strip().lower()
    media_type = SYNONYMS.get(media_type, media_type) or _by_its_beginning(data)
    is_text = media_type.startswith(TEXTS)
    if not is_text and media_type not in READABLE and not media_type.startswith(STREAMS):
        problem = f"Gemini cannot read {media_type[:MAX_SHOWN]!r}; send PNG, JPEG, WebP or a PDF"
        raise InvalidMedium(problem, kind)
    data = _mend(data, kind)
    if is_text:
        return {"text": base64.b64decode(data).decode(_encoding(parameters), "replace")}
    return {"inlineData": {"mimeType": media_type, "data": data}}


def _by_its_beginning(data: str) -> str:
    """The media type of base64 that has none; "" for a kind that is not known."""
    return next((kind for start, kind in BEGINNINGS.items() if data.startswith(start)), "")


BEGINNINGS = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
    "JVBERi": "application/pdf",
}
"""Base64 of the first bytes of a file -> its media type."""


def linked_part(url: str, kind: str) -> Part:
    """A url source. It is handed on, never fetched here. Raises InvalidMedium."""
    if _is_data_url(url):
        return inline_part({"media_type": "", "data": url}, kind)
    if not url.lower().startswith(SCHEMES):
        raise InvalidMedium("Gemini fetches http, https and gs addresses only", kind)
    return {"fileData": {"fileUri": url}}


def _is_data_url(text: str) -> bool:
    return text[: len(DATA_URL)].lower() == DATA_URL


def split_data_url(url: str, media_type: str = "") -> tuple[str, str]:
    """A data: URL -> its media type with parameters, or the one given where it has none, and its
    data as base64.

    Without `;base64` it holds bytes, some of them as %XX (RFC 2397); but people leave the word out
    before an image's base64, too, and write a text as it is. A text is the default.
    """
    head, _, data = url.partition(",")
    kind, *parameters = head[len(DATA_URL) :].split(";")
    media_type = ";".join([kind.strip() or media_type or "text/plain", *parameters])
    is_base64 = "base64" in (parameter.strip().lower() for parameter in parameters)
    is_text = media_type.lower().startswith(TEXTS)
    if is_base64 or not data or (not is_text and _is_base64(data)):
        return media_type, data
    raw = data.encode("utf-8", "replace")
    if not NO_ESCAPE.search(raw):  # quoted-printable is the same with another mark, and fast
        raw = binascii.a2b_qp(raw.replace(b"=", b"%3D").replace(b"%", b"="))
    return media_type, base64.b64encode(raw).decode()


def _encoding(parameters: str) -> str:
    """Python's name for the charset among a media type's parameters."""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return CHARSETS.get(value.strip(" \"'").lower(), UTF_8)
    return UTF_8


NO_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def _mend(data: str, kind: str) -> str:
    """Base64 as Google takes it. Looked at in one pass; what is right already is not copied."""
    if _is_base64(data):
        return data
    mended = "".join(data.split()).rstrip("=").replace("-", "+").replace("_", "/")
    mended += "=" * (-len(mended) % 4)
    if not _is_base64(mended):
        raise InvalidMedium("it holds no data" if not mended else "it is no base64", kind)
    return mended


def _is_base64(data: str) -> bool:
    """Letters of the alphabet, padded to fours. `translate` takes a sixth of a regex's time."""
    if not data or len(data) % 4 or not data.isascii():
        return False
    padding = "==" if data.endswith("==") else "=" * data.endswith("=")
    end = len(data) - len(padding)
    return not any(
        data[start : min(start + SLICE, end)].encode().translate(None, delete=ALPHABET)
        for start in range(0, end, SLICE)
    )

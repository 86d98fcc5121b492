"""translate/request/inline_media.py: media types and base64 as people send them."""

from __future__ import annotations

import base64
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translate.request.inline_media import (
    SLICE,
    InvalidMedium,
    inline_part,
    linked_part,
    split_data_url,
)

BYTES = b"\xfb\xff\xfe??>"
RIGHT = base64.b64encode(BYTES).decode()
PNG, PDF = "image/png", "application/pdf"


def part(media_type: str = PNG, data: str = RIGHT, kind: str = "image") -> Any:
    return inline_part({"type": "base64", "media_type": media_type, "data": data}, kind)


def inline(media_type: str, data: str = RIGHT) -> Any:
    return {"inlineData": {"mimeType": media_type, "data": data}}


@pytest.mark.parametrize(
    ("written", "registered"),
    [
        ("image/jpg", "image/jpeg"),
        ("image/pjpeg", "image/jpeg"),
        ("image/x-png", PNG),
        ("IMAGE/PNG", PNG),
        (" image/png ", PNG),
        ("image/png; charset=binary", PNG),
        ("image/webp", "image/webp"),
        ("image/gif", "image/gif"),
        ("image/heic", "image/heic"),
        ("application/x-pdf", PDF),
        (PDF, PDF),
        ("audio/mp3", "audio/mp3"),
        ("video/mp4", "video/mp4"),
    ],
)
def test_media_type_is_written_as_registered(written: str, registered: str) -> None:
    assert part(written) == inline(registered)


@pytest.mark.parametrize(
    "data",
    [
        RIGHT,
        RIGHT.rstrip("="),
        f"{RIGHT[:4]}\n{RIGHT[4:]}\r\n",
        f" {RIGHT} ",
        RIGHT.replace("+", "-").replace("/", "_"),
        RIGHT.replace("+", "-").replace("/", "_").rstrip("="),
        RIGHT + "==",
        f"data:image/png;base64,{RIGHT}",
        f"data:;base64,{RIGHT}",
        f"data:,{RIGHT}",
    ],
)
def test_base64_that_has_one_reading_is_mended(data: str) -> None:
    assert part(data=data) == inline(PNG)


def test_data_url_knows_its_type() -> None:
    assert part(PNG, f"data:image/jpg;base64,{RIGHT}") == inline("image/jpeg")
    assert part(PNG, f"Data:image/jpg;name=a;Base64,{RIGHT}") == inline("image/jpeg")
    with_charset = "text/plain;charset=x;base64"
    assert split_data_url(f"data:{with_charset},QQ==") == (with_charset, "QQ==")
    assert split_data_url("data:") == ("text/plain", "")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("data:,Hello%2C%20w%c3%b6rld!", {"text": "Hello, wörld!"}),
        ("data:text/plain,QQ==", {"text": "QQ=="}),
        ("data:Text/HTML;charset=utf-8,<p>100%</p>", {"text": "<p>100%</p>"}),
        ("data:text/plain,a=b%3D%25 c%0d%0a\n ", {"text": "a=b=% c\r\n\n "}),
        ("data:text/plain,%ff", {"text": "\N{REPLACEMENT CHARACTER}"}),
        ("data:text/plain,%41%zz%", {"text": "%41%zz%"}),
        (f"data:image/png,{RIGHT}", inline(PNG)),
        ("data:;Charset=ISO-8859-1,caf%E9", {"text": "café"}),
        ('data:text/html;charset="windows-1252",%80', {"text": "€"}),
        ("data:text/plain;x;charset=utf-16le;base64,QQA=", {"text": "A"}),
        ("data:text/plain;charset=rot13,%C3%A9", {"text": "é"}),
        ("data:image/png,%89PNG%0d%0A", inline(PNG, "iVBORw0K")),
    ],
)
def test_data_urls_without_base64_hold_bytes(url: str, expected: Any) -> None:
    assert linked_part(url, "document") == expected


def test_charset_of_a_text_counts() -> None:
    assert part("text/plain; charset=iso-8859-1", "6Q==") == {"text": "é"}
    assert part("text/plain; charset=latin1", "data:;base64,6Q==") == {"text": "é"}


@pytest.mark.parametrize("url", ["https://x.test/a", "http://x.test/a", "HTTPS://x", "gs://b/a"])
def test_address_is_handed_on(url: str) -> None:
    assert linked_part(url, "image") == {"fileData": {"fileUri": url}}


def test_address_may_be_the_data() -> None:
    assert linked_part(f"data:image/jpg;base64,{RIGHT}", "image") == inline("image/jpeg")


@pytest.mark.parametrize("url", ["", "a.png", "/home/me/a.png", "file:///a.png", "ftp://x/a"])
def test_address_that_google_does_not_fetch_is_refused(url: str) -> None:
    with pytest.raises(InvalidMedium) as caught:
        linked_part(url, "document")
    problem = "Could not process PDF: Gemini fetches http, https and gs addresses only"
    assert (caught.value.problem, caught.value.path) == (problem, ["document"])


def test_what_is_right_is_not_copied() -> None:
    data = "ABCD" * SLICE + RIGHT
    tracemalloc.start()
    assert part(data=data)["inlineData"]["data"] is data
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < len(data)


@pytest.mark.parametrize("position", [0, SLICE - 1, SLICE, 2 * SLICE - 1])
def test_each_character_is_looked_at(position: int) -> None:
    data = "A" * position + "!" + "A" * (2 * SLICE - position - 1)
    with pytest.raises(InvalidMedium):
        part(data=data)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("", "it holds no data"),
        (" \n", "it holds no data"),
        ("data:image/png;base64,", "it holds no data"),
        ("====", "it holds no data"),
        ("AAAAA", "it is no base64"),
        ("AA=A", "it is no base64"),
        ("AAA!", "it is no base64"),
        ("AAAé", "it is no base64"),
        ("/home/me/picture.png", ""),
        ("https://x.test/a.png", "it is no base64"),
    ],
)
def test_what_is_no_base64_is_refused(data: str, problem: str) -> None:
    if not problem:
        data, problem = f"file://{data}", "it is no base64"
    with pytest.raises(InvalidMedium) as caught:
        part(data=data)
    assert (caught.value.problem, caught.value.path) == (
        f"Could not process image: {problem}",
        ["image"],
    )


@pytest.mark.parametrize(
    ("media_type", "kind", "name"),
    [
        ("image/bmp", "image", "image"),
        ("image/svg+xml", "image", "image"),
        ("image/tiff", "image", "image"),
        ("application/msword", "document", "PDF"),
        ("", "document", "PDF"),
        ("x" * 1_000, "image", "image"),
    ],
)
def test_what_gemini_cannot_read_is_refused(media_type: str, kind: str, name: str) -> None:
    with pytest.raises(InvalidMedium) as caught:
        part(media_type, kind=kind)
    assert caught.value.problem == (
        f"Could not process {name}: Gemini cannot read {media_type[:60]!r}; send PNG, JPEG, WebP "
        "or a PDF"
    )
    assert caught.value.path == [kind]


@pytest.mark.parametrize(
    "media_type", ["text/plain", "text/markdown", "text/csv; charset=utf-8", "application/json"]
)
def test_text_in_base64_is_text(media_type: str) -> None:
    data = base64.b64encode("naïve\n".encode()).decode()
    assert part(media_type, data, "document") == {"text": "naïve\n"}


def test_text_that_is_no_utf_8_is_read_as_far_as_it_goes() -> None:
    assert part("text/plain", base64.b64encode(b"a\xff").decode()) == {"text": "a\ufffd"}


@given(st.binary(min_size=1), st.booleans(), st.booleans(), st.booleans())
def test_whatever_is_sent_as_base64_arrives(
    given: bytes, for_urls: bool, padded: bool, wrapped: bool
) -> None:
    data = (base64.urlsafe_b64encode if for_urls else base64.b64encode)(given).decode()
    data = data if padded else data.rstrip("=")
    data = "\n".join(data[i : i + 7] for i in range(0, len(data), 7)) if wrapped else data
    assert base64.b64decode(part(data=data)["inlineData"]["data"], validate=True) == given


@pytest.mark.parametrize(
    ("first", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"\xff\xd8\xff\xe0....", "image/jpeg"),
        (b"GIF89a....", "image/gif"),
        (b"RIFF....WEBP", "image/webp"),
        (b"%PDF-1.7....", "application/pdf"),
    ],
)
def test_file_without_a_type_is_known_by_its_beginning(first: bytes, media_type: str) -> None:
    data = base64.b64encode(first).decode()
    assert part("", data) == inline(media_type, data)

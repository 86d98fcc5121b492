"""proxy/recording/redaction.py: no key is left, as far as it can be known."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.recording.redaction import MIN_LENGTH, Secrets

KEY = "AIzaSyEXAMPLE-0123456789"
QUOTED = 'a "quoted" \\ token='


@pytest.mark.parametrize("secret", [KEY, QUOTED])
@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda secret: secret, id="as it is"),
        pytest.param(lambda secret: json.dumps({"text": f"x{secret}x"}), id="in JSON"),
        pytest.param(lambda secret: json.dumps(json.dumps({"a": secret})), id="in JSON in JSON"),
        pytest.param(lambda secret: json.dumps({secret: 1}), id="as a name"),
    ],
)
def test_key_is_replaced_in_every_form(secret: str, form: Any) -> None:
    written = form(secret)
    redacted = Secrets([secret]).redact(written.encode()).decode()
    assert redacted == form("[key]")


def test_key_is_replaced_in_a_url() -> None:
    url = b"https://x.test/?key=a%20%22quoted%22%20%5C%20token%3D&b=1"
    assert Secrets([QUOTED]).redact(url) == b"https://x.test/?key=[key]&b=1"


def test_longer_of_two_keys_goes_first() -> None:
    assert Secrets([KEY, KEY + "-more"]).redact(f"{KEY}-more {KEY}".encode()) == b"[key] [key]"


def test_words_are_no_keys() -> None:
    for word in ("anything", "x" * (MIN_LENGTH - 1), ""):
        text = f"Do {word} you like.".encode()
        assert Secrets([word]).redact(text) == text
    assert Secrets(["x" * MIN_LENGTH]).redact(b"x" * MIN_LENGTH) == b"[key]"


def sse(*values: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(value).encode() + b"\r\n\r\n" for value in values)


@pytest.mark.parametrize(
    ("stream", "is_found"),
    [
        (sse({"text": f"my {KEY[:9]}", "role": "model"}, {"text": f"{KEY[9:]}."}), True),
        (sse({"parts": [{"text": KEY[:9]}, {"text": KEY[9:]}]}), True),
        (sse({"text": KEY[:9]}, {"id": KEY[9:]}), False),
        (sse({"text": KEY[:9]}, {"text": KEY[10:]}), False),
        (sse({"text": "[key]"}), False),
        (f'{{"error": "{KEY[:9]}\\u{ord(KEY[9]):04x}{KEY[10:]}"}}'.encode(), True),
        (f'data: {{"text":\ndata: "{KEY[:9]}"}}\n\ndata: {{"text": "{KEY[9:]}"}}'.encode(), True),
        (b"data: {broken\r\n\r\n<h1>No JSON</h1>", False),
        (b"data: 7\n\n", False),
    ],
)
def test_key_in_pieces_is_found(stream: bytes, is_found: bool) -> None:
    assert Secrets([KEY]).are_in_pieces_of(stream) is is_found

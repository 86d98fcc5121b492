"""translate/response/escaped_json.py: a JSON string's escapes, in whatever pieces."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translate.response.escaped_json import unescape


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('a\\"b"c', ('a"b', 4, True)),
        ("a\\", ("a", 1, False)),
        ("a\\\\", ("a\\", 3, False)),
        ("a\\\\\\u00", ("a\\", 3, False)),
        ("a\\\\u00", ("a\\u00", 6, False)),
        ("a\\u00e", ("a", 1, False)),
        ("a\\u00e9", ("a\u00e9", 7, False)),
        ("\\u00x\\d", ("\\u00x\\d", 7, False)),
        ("", ("", 0, False)),
    ],
)
def test_escapes_are_read_as_far_as_they_came(text: str, expected: tuple[str, int, bool]) -> None:
    assert unescape(text, 0) == expected


@given(st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF)))
def test_every_string_is_unescaped(text: str) -> None:
    literal = json.dumps(text)
    assert unescape(literal, 1) == (text, len(literal) - 1, True)

"""translate/response/scalar_answer.py: the one scalar behind a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from translate.response.answer_schema import AnswerSchema
from translate.response.scalar_answer import MAX_SENTENCE, find_scalar

STRING, NUMBER = {"type": "string"}, {"type": "number"}
COLOR = {"type": "string", "enum": ["red", "dark blue"]}


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        (STRING, 'The answer is: "red"', '"red"'),
        (STRING, 'It is:\n```json\n"r\\u00e9d"\n```', '"r\\u00e9d"'),
        (STRING, 'It is **"red"**.', '"red"'),
        (STRING, 'It is "red" or "blue"', None),
        (STRING, 'Not "red" at all', None),
        (STRING, "It is: red", None),
        (STRING, "I cannot.", None),
        (STRING, "x" * MAX_SENTENCE + '"a"', None),
        (COLOR, 'It is "red".', '"red"'),
        (COLOR, 'It is "green".', None),
        (COLOR, "The answer is: **dark blue**", '"dark blue"'),
        (COLOR, "red", '"red"'),
        (COLOR, "It may be red: or it is green", None),
        (COLOR, "One [of these]: red", None),
        (NUMBER, "The answer is: 42.", "42"),
        (NUMBER, "At 12:30", None),
        (NUMBER, "Of 3: 4", None),
        (NUMBER, "So: true", None),
        ({"enum": [1, True]}, "So: 1", "1"),
        ({"enum": [1, 2]}, "So: 3", None),
        ({"type": "boolean"}, "So: false", "false"),
        ({"type": ["object", "string"]}, 'It is "red"', None),
    ],
)
def test_scalar_with_one_reading_is_found(schema: Any, text: str, expected: str | None) -> None:
    assert find_scalar(text, AnswerSchema(schema)) == expected

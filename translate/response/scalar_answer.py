"""The one scalar of an answer that should be JSON, and has a sentence before it.

`The answer is: "red"`, and an enum's value without quotes. What may be read in two ways is none.
"""

from __future__ import annotations

import json
import re

from .answer_schema import AnswerSchema

MAX_SENTENCE = 4_096
"""Characters of an answer that has one scalar: it is a sentence or two."""

LAST_STRING = re.compile(
    r'[^"]*+("(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+")[^"\w]*+', re.ASCII
)
COLON = re.compile(r":\s")
MARKS = " \t\n\r`*_'.!"
"""Around a value, such as Markdown's."""
NO_SENTENCE = re.compile(r'["{}\[\]0-9]')
"""Characters of JSON, or of another value."""
SCALAR = re.compile(
    r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null", re.ASCII
)


def find_scalar(text: str, schema: AnswerSchema) -> str | None:
    """The JSON of the scalar at the end of a text; None where there is none, or more than one."""
    if len(text) > MAX_SENTENCE or schema.brackets:
        return None
    if string := LAST_STRING.fullmatch(text):
        return string[1] if schema.allows_scalar(json.loads(string[1])) else None
    *_, end = 0, *(colon.end() for colon in COLON.finditer(text))
    value = text[end:].strip(MARKS)
    if NO_SENTENCE.search(text[:end]):
        return None
    if schema.allows_enum(value):
        return json.dumps(value, ensure_ascii=False)
    return value if SCALAR.fullmatch(value) and schema.allows_scalar(json.loads(value)) else None

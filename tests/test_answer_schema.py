"""translate/response/answer_schema.py: how a document begins, and what it must have."""

from __future__ import annotations

from typing import Any

import pytest

from translate.response.answer_schema import AnswerSchema

OBJECT, ARRAY, NULL = {"type": "object"}, {"type": "array"}, {"type": "null"}
ANY = ("{[", set('"-0123456789tfn'))


@pytest.mark.parametrize(
    ("schema", "brackets", "scalar_starts"),
    [
        (OBJECT, "{", ""),
        ({"type": ["array", "null"]}, "[", "n"),
        ({"properties": {}}, "{", ""),
        ({"anyOf": [OBJECT, {"oneOf": [NULL, {"type": "boolean"}]}, 7]}, "{", "ntf"),
        ({"enum": ["red", None, True, [], {}]}, "{[", '"ntf'),
        ({"enum": [1, 1.5]}, "", "-0123456789"),
        ({"type": "string", "enum": ["red"]}, "", '"'),
        ({}, *ANY),
        ({"anyOf": []}, *ANY),
        ({"enum": "red"}, *ANY),
        ({"type": "OBJECT"}, *ANY),
        ({"type": ["string", {}]}, *ANY),
        ({"anyOf": [OBJECT, {}]}, *ANY),
    ],
)
def test_beginnings_of_a_document(schema: Any, brackets: str, scalar_starts: Any) -> None:
    found = AnswerSchema(schema)
    assert (found.brackets, found.scalar_starts) == (brackets, set(scalar_starts))


@pytest.mark.parametrize(
    ("schema", "starts"),
    [
        ({"items": OBJECT}, "{"),
        ({"items": OBJECT, "prefixItems": [ARRAY]}, "["),
        ({"items": {"type": ["boolean", "null"]}}, "tfTFnN"),
        ({"anyOf": [{**ARRAY, "items": OBJECT}, {**ARRAY, "items": ARRAY}, NULL]}, "{["),
        ({"anyOf": [OBJECT, NULL], "items": {"type": "string"}}, '"'),
        (ARRAY, '{["-0123456789tfTFnN'),
        ({"items": True}, '{["-0123456789tfTFnN'),
    ],
)
def test_beginnings_of_an_array(schema: Any, starts: str) -> None:
    allows = AnswerSchema(schema).allows_first_item
    assert {start for start in '{["-0123456789tfTFnNx' if allows(start)} == set(starts)
    assert AnswerSchema(schema, is_enforced=True).allows_first_item("x")


A, B = {**OBJECT, "required": ["a"]}, {**OBJECT, "required": ["b"]}


@pytest.mark.parametrize(
    ("schema", "names", "expected"),
    [
        (A, "a", True),
        (A, "bc", False),
        (A, "", False),
        (OBJECT, "", True),
        ({**A, "required": ["a", 7, []]}, "a", True),
        ({**A, "required": "b"}, "a", True),
        ({"anyOf": [A, B]}, "b", True),
        ({"anyOf": [A, {"oneOf": [B]}, NULL, 7]}, "c", False),
        ({**A, "anyOf": [B]}, "b", False),
        ({"anyOf": [NULL]}, "c", True),
        ({"anyOf": "a"}, "c", True),
    ],
)
def test_members_that_a_document_must_have(schema: Any, names: str, expected: bool) -> None:
    assert AnswerSchema(schema).allows_members({*names}) is expected
    assert AnswerSchema(schema, is_enforced=True).allows_members({*names})


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"type": "string"}, "red", (True, False)),
        ({"enum": ["red"]}, "red", (True, True)),
        ({"enum": ["red"]}, "blue", (False, False)),
        ({"type": "integer", "enum": [1]}, "red", (False, False)),
    ],
)
def test_scalars_that_a_document_may_be(schema: Any, value: str, expected: Any) -> None:
    found = AnswerSchema(schema)
    assert (found.allows_scalar(value), found.allows_enum(value)) == expected
    assert AnswerSchema({"enum": [1]}).allows_scalar(True) is False

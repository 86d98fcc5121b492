"""translate/unions.py: schemas put together without losing what either said."""

import copy
from typing import Any

import pytest

from translate.unions import either, nullable, opened, united

DEFINITIONS: dict[str, Any] = {
    "A": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
    "B": {"allOf": [{"$ref": "A"}, {"properties": {"b": {}}}]},
    "Loop": {"allOf": [{"$ref": "Loop"}], "title": "again"},
}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param({"type": "string"}, {"type": "string"}, id="nothing to unite"),
        pytest.param({"allOf": 1}, {"allOf": 1}, id="no list"),
        pytest.param(
            {"allOf": [{"$ref": "B"}, {"properties": {"c": {}}, "required": ["c"]}]},
            {
                "type": "object",
                "properties": {"a": {"type": "string"}, "b": {}, "c": {}},
                "required": ["a", "c"],
            },
            id="through two references",
        ),
        pytest.param({"allOf": [{"$ref": "Loop"}]}, {"title": "again"}, id="a cycle"),
        pytest.param(
            {"allOf": [False, {"$ref": "none"}, {"title": "t"}]}, {"title": "t"}, id="odd"
        ),
        pytest.param(
            {"description": "D", "minimum": 1, "allOf": [{"minimum": 5, "description": "E"}]},
            {"description": "D", "minimum": 1, "also has to fit": [{"minimum": 5}]},
            id="a contradiction",
        ),
        pytest.param(
            {
                "properties": {"k": {"type": "string"}, "l": True},
                "allOf": [{"properties": {"k": {"enum": ["a"]}, "l": {}}, "required": 1}],
                "required": ["k"],
            },
            {
                "properties": {"k": {"enum": ["a"], "type": "string"}, "l": True},
                "required": ["k"],
            },
            id="one property twice",
        ),
        pytest.param(
            {"properties": 1, "allOf": [{"properties": {"a": {}}}]},
            {"properties": 1},
            id="properties that are none",
        ),
    ],
)
def test_all_of(schema: Any, expected: Any) -> None:
    before = copy.deepcopy(schema)
    assert united(schema, DEFINITIONS.get) == expected
    assert schema == before


def test_contradictions_add_up() -> None:
    schema = {"minimum": 1, "allOf": [{"minimum": 2}, {"minimum": 3}]}
    assert united(schema, DEFINITIONS.get)["also has to fit"] == [{"minimum": 2}, {"minimum": 3}]


def test_a_chain_without_end_is_cut() -> None:
    def endless(reference: str) -> Any:
        return {"allOf": [{"$ref": reference + "x"}], "title": "t"}

    assert united({"allOf": [{"$ref": "x"}]}, endless) == {"title": "t"}


A, B, C = ({"enum": [letter], "type": "string"} for letter in "abc")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (A, B, {"enum": ["a", "b"], "type": "string"}),
        (A, {"type": "integer"}, {"anyOf": [A, {"type": "integer"}]}),
        ({"anyOf": [A, {"type": "null"}]}, B, {"anyOf": [A, {"type": "null"}, B]}),
        ({"anyOf": [A, {"type": "null"}]}, A, {"anyOf": [A, {"type": "null"}]}),
    ],
)
def test_either_of_two(one: Any, other: Any, expected: Any) -> None:
    assert either(one, other) == expected


@pytest.mark.parametrize(
    ("schema", "allowed"),
    [
        ({"patternProperties": {"^a": A}, "additionalProperties": False}, A),
        (
            {"patternProperties": {"^a": A, "^b": B}, "additionalProperties": False},
            {"anyOf": [A, B]},
        ),
        ({"patternProperties": {"^a": A}, "additionalProperties": True}, True),
        ({"patternProperties": 1, "additionalProperties": False}, False),
        ({"additionalProperties": False}, False),
    ],
)
def test_patterns_of_names(schema: Any, allowed: Any) -> None:
    assert opened(schema)["additionalProperties"] == allowed


def test_nullable() -> None:
    assert nullable({"type": "string", "nullable": True}) == {"type": ["string", "null"]}
    for plain in ({"nullable": True}, {"type": "string", "nullable": False}, {"type": "string"}):
        assert nullable(plain) == plain

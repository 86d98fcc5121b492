"""translate/request/schema_merging.py: several schemas in one, and what contradicts itself."""

import copy
import json
from typing import Any

import pytest

from translate.request.schema_merging import merge_all_of, merge_alternatives

DEFINITIONS: dict[str, Any] = {
    "A": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
    "B": {"allOf": [{"$ref": "A"}, {"properties": {"b": {}}}]},
    "Loop": {"allOf": [{"$ref": "Loop"}], "title": "again"},
}


ALL_OF: dict[str, Any] = {
    "nothing to unite": ({"type": "string"}, {"type": "string"}),
    "no list": ({"allOf": 1}, {"allOf": 1}),
    "through two references": (
        {"allOf": [{"$ref": "B"}, {"properties": {"c": {}}, "required": ["c"]}]},
        {
            "type": "object", "properties": {"a": {"type": "string"}, "b": {}, "c": {}},
            "required": ["a", "c"]}),
    "a cycle": ({"allOf": [{"$ref": "Loop"}]}, {"title": "again"}),
    "odd": ({"allOf": [False, {"$ref": "none"}, {"title": "t"}]}, {"title": "t"}),
    "a contradiction": (
        {"description": "D", "minimum": 1, "allOf": [{"minimum": 5, "description": "E"}]},
        {"description": "D", "minimum": 1, "conflicting constraints": [{"minimum": 5}]}),
    "one property twice": ({
        "properties": {"k": {"type": "string"}, "l": True},
        "allOf": [{"properties": {"k": {"enum": ["a"]}, "l": {}}, "required": 1}],
        "required": ["k"]},
        {"properties": {"k": {"enum": ["a"], "type": "string"}, "l": True}, "required": ["k"]}),
    "the same again": ({"minimum": 1, "allOf": [{"minimum": 1}]}, {"minimum": 1}),
    "a property that is none": ({"allOf": [
        {"properties": {"k": True}}, {"properties": {"k": {}}}]}, {"properties": {"k": True}}),
    "one property again and again": ({"allOf": [
        {"properties": {"k": {"title": "t"}}, "required": ["k", []]},
        {"properties": {"k": {"minimum": 1}}, "required": ["k", "l", "k"]},
        {"properties": {"k": {"minimum": 2, "properties": {"a": {}}}}},
        {"properties": {"k": True}, "required": ["m"]}]},
        {
            "properties": {"k": {
                "title": "t", "minimum": 1, "properties": {"a": {}},
                "conflicting constraints": [{"minimum": 2}]}},
            "required": ["k", "l", "m"]}),
    "properties that are none": ({"properties": 1, "allOf": [{"properties": {"a": {}}}]},
        {"properties": 1}),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "expected"), ALL_OF.values(), ids=ALL_OF)
def test_all_of(schema: Any, expected: Any) -> None:
    before = copy.deepcopy(schema)
    assert merge_all_of(schema, DEFINITIONS.get) == expected
    assert schema == before


def test_contradictions_add_up() -> None:
    schema = {"minimum": 1, "allOf": [{"minimum": 2}, {"minimum": 3}]}
    assert merge_all_of(schema, DEFINITIONS.get)["conflicting constraints"] == [
        {"minimum": 2},
        {"minimum": 3},
    ]


def test_a_chain_without_end_is_cut() -> None:
    def endless(reference: str) -> Any:
        return {"allOf": [{"$ref": reference + "x"}], "title": "t"}

    assert merge_all_of({"allOf": [{"$ref": "x"}]}, endless) == {"title": "t"}


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
    assert merge_alternatives([one, other]) == expected


def test_one_alternative_stays() -> None:
    assert merge_alternatives([{"anyOf": [A, B]}]) == {"anyOf": [A, B]}


def test_alternatives_of_any_values() -> None:
    values = [[1], True, 1, 1.0]
    merged = merge_alternatives([{"enum": [value], "type": "x"} for value in values])
    assert json.dumps(merged) == json.dumps({"enum": values, "type": "x"})
    assert merge_alternatives([A, B, {"type": "null"}, A]) == {
        "anyOf": [{"enum": ["a", "b"], "type": "string"}, {"type": "null"}]
    }

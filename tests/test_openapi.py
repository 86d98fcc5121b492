"""translate/request/openapi.py: the closed set of fields of Gemini's older schemas."""

import json
from pathlib import Path
from typing import Any

import pytest

from translate.request import openapi

FIELDS = {
    *("type", "format", "title", "description", "nullable", "enum", "items", "maxItems"),
    *("minItems", "properties", "required", "minimum", "maximum", "anyOf", "propertyOrdering"),
}
TYPES = {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT"}


def property_of(node: Any) -> Any:
    converted, _ = openapi.parameters({"properties": {"x": node}})
    assert converted is not None
    check(converted)
    return converted["properties"]["x"]


def check(node: Any) -> None:
    """What Google demands of every Schema message."""
    assert set(node) <= FIELDS
    if "anyOf" in node:
        assert set(node) <= {"anyOf", "nullable"}
    else:
        assert node["type"] in TYPES
    assert ("items" in node) == (node.get("type") == "ARRAY")
    assert bool(node.get("properties")) == (node.get("type") == "OBJECT")
    assert set(node.get("required", [])) <= set(node.get("properties", {}))
    assert "enum" not in node or node["type"] == "STRING"
    assert node.get("format", "enum") in openapi.STRING_FORMATS
    for inner in [*node.get("properties", {}).values(), *node.get("anyOf", [])]:
        check(inner)
    if "items" in node:
        check(node["items"])


ONE_PROPERTY: dict[str, Any] = {
    "string": ({"type": "string"}, {"type": "STRING"}),
    "a format that is taken": ({"type": "string", "format": "date-time", "enum": ["a", ""]},
        {"type": "STRING", "format": "date-time", "enum": ["a"]}),
    "a format that is noted": ({"type": "string", "format": "uri", "description": "Where."},
        {"type": "STRING", "description": "Where. (format: uri)"}),
    "numbers are not enumerated": ({"type": "integer", "exclusiveMinimum": 0, "enum": [1, 2]},
        {"type": "INTEGER", "minimum": 1, "description": "(one of [1, 2])"}),
    "boolean": ({"type": "boolean"}, {"type": "BOOLEAN"}),
    "nullable": ({"type": ["integer", "null"], "maximum": 5},
        {"type": "INTEGER", "maximum": 5, "nullable": True}),
    "two types": ({"type": ["string", "integer"], "description": "Either."}, {"anyOf": [
        {"type": "STRING", "description": "Either."},
        {"type": "INTEGER", "description": "Either."}]}),
    "alternatives stand alone": ({
        "anyOf": [{"type": "string", "description": "Own."}, {"const": 1}], "description": "Said."},
        {"anyOf": [
            {"type": "STRING", "description": "Own."},
            {"type": "INTEGER", "description": "Said. (one of [1])"}]}),
    "one alternative is none": (
        {"oneOf": [{"type": "null"}, {"type": "string"}], "description": "Said."},
        {"type": "STRING", "description": "Said.", "nullable": True}),
    "a list of anything": ({"type": "array", "minItems": 1}, {
        "type": "ARRAY", "minItems": 1,
        "items": {"type": "STRING", "description": "(any JSON value, written as text)"}}),
    "a tuple": ({"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "string"}},
        {
            "type": "ARRAY", "description": '(in order: [{"type": "string"}])',
            "items": {"type": "STRING"}}),
    "an object": (
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "b"]},
        {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "required": ["a"]}),
    "a free object": ({"type": "object", "additionalProperties": True, "description": "Headers."},
        {"type": "STRING", "description": "Headers. (a JSON object, written as text)"}),
    "an untyped enumeration": ({"enum": [1, "a"]},
        {"type": "STRING", "description": '(one of [1, "a"])'}),
    "a type again and again": ({"type": ["integer"] * 3, "maximum": 5},
        {"type": "INTEGER", "maximum": 5}),
    "types nobody knows": ({"type": ["x", "y", "integer"], "description": "Any."}, {"anyOf": [
        {"type": "STRING", "description": "Any. (any JSON value, written as text)"},
        {"type": "INTEGER", "description": "Any."}]}),
    "words again and again": ({"type": "string", "enum": ["b", "a", "b"]},
        {"type": "STRING", "enum": ["b", "a"]}),
    "required again and again": (
        {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a", "a"]},
        {"type": "OBJECT", "properties": {"a": {"type": "BOOLEAN"}}, "required": ["a"]}),
    "a union in a union": ({"description": "Said.", "anyOf": [
        {"anyOf": [{"type": "string"}, {"type": "boolean"}]},
        {"oneOf": [{"type": "number"}, {"type": "boolean"}]},
        {"type": "integer"}]}, {"anyOf": [
        {"anyOf": [{"type": "STRING", "description": "Said."}, {"type": "BOOLEAN"}]},
        {"anyOf": [{"type": "NUMBER"}, {"type": "BOOLEAN"}]},
        {"type": "INTEGER", "description": "Said."}]}),
    "no type": ({"type": 5},
        {"type": "STRING", "description": "(any JSON value, written as text)"}),
}  # fmt: skip


@pytest.mark.parametrize(("node", "expected"), ONE_PROPERTY.values(), ids=ONE_PROPERTY)
def test_one_property(node: Any, expected: Any) -> None:
    assert property_of(node) == expected


def test_a_tool_that_takes_nothing_has_no_parameters() -> None:
    assert openapi.parameters({"type": "object", "properties": {}})[0] is None


@pytest.mark.parametrize("union", [{"type": ["string", "boolean"]}, {"anyOf": [
    {"type": "string"}, {"type": "boolean"}]}])  # fmt: skip
def test_a_long_description_is_not_repeated(union: Any) -> None:
    long = "x" * openapi.MAX_REPEATED
    assert property_of({**union, "description": long}) == {
        "anyOf": [{"type": "STRING", "description": long}, {"type": "BOOLEAN"}]
    }


def test_the_tools_of_claude_code() -> None:
    request = json.loads((Path(__file__).parent / "fixtures/claude_code_request.json").read_text())
    for tool in request["tools"]:
        converted, _ = openapi.parameters(tool["input_schema"])
        if converted is not None:
            check(converted)

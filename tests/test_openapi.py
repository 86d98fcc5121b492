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
    converted = openapi.parameters({"properties": {"x": node}})
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


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        pytest.param({"type": "string"}, {"type": "STRING"}, id="string"),
        pytest.param(
            {"type": "string", "format": "date-time", "enum": ["a", ""]},
            {"type": "STRING", "format": "date-time", "enum": ["a"]},
            id="a format that is taken",
        ),
        pytest.param(
            {"type": "string", "format": "uri", "description": "Where."},
            {"type": "STRING", "description": "Where. (format: uri)"},
            id="a format that is noted",
        ),
        pytest.param(
            {"type": "integer", "exclusiveMinimum": 0, "enum": [1, 2]},
            {"type": "INTEGER", "minimum": 1, "description": "(one of [1, 2])"},
            id="numbers are not enumerated",
        ),
        pytest.param({"type": "boolean"}, {"type": "BOOLEAN"}, id="boolean"),
        pytest.param(
            {"type": ["integer", "null"], "maximum": 5},
            {"type": "INTEGER", "maximum": 5, "nullable": True},
            id="nullable",
        ),
        pytest.param(
            {"type": ["string", "integer"], "description": "Either."},
            {
                "anyOf": [
                    {"type": "STRING", "description": "Either."},
                    {"type": "INTEGER", "description": "Either."},
                ]
            },
            id="two types",
        ),
        pytest.param(
            {
                "anyOf": [{"type": "string", "description": "Own."}, {"const": 1}],
                "description": "Said.",
            },
            {
                "anyOf": [
                    {"type": "STRING", "description": "Own."},
                    {"type": "INTEGER", "description": "Said. (one of [1])"},
                ]
            },
            id="alternatives stand alone",
        ),
        pytest.param(
            {"oneOf": [{"type": "null"}, {"type": "string"}], "description": "Said."},
            {"type": "STRING", "description": "Said.", "nullable": True},
            id="one alternative is none",
        ),
        pytest.param(
            {"type": "array", "minItems": 1},
            {
                "type": "ARRAY",
                "minItems": 1,
                "items": {"type": "STRING", "description": "(any JSON value, written as text)"},
            },
            id="a list of anything",
        ),
        pytest.param(
            {"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "string"}},
            {
                "type": "ARRAY",
                "description": '(in order: [{"type": "string"}])',
                "items": {"type": "STRING"},
            },
            id="a tuple",
        ),
        pytest.param(
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "b"]},
            {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "required": ["a"]},
            id="an object",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": True, "description": "Headers."},
            {"type": "STRING", "description": "Headers. (a JSON object, written as text)"},
            id="a free object",
        ),
        pytest.param(
            {"enum": [1, "a"]},
            {"type": "STRING", "description": '(one of [1, "a"])'},
            id="an untyped enumeration",
        ),
        pytest.param(
            {"type": 5},
            {"type": "STRING", "description": "(any JSON value, written as text)"},
            id="no type",
        ),
    ],
)
def test_one_property(node: Any, expected: Any) -> None:
    assert property_of(node) == expected


def test_a_tool_that_takes_nothing_has_no_parameters() -> None:
    assert openapi.parameters({"type": "object", "properties": {}}) is None


def test_the_tools_of_claude_code() -> None:
    request = json.loads((Path(__file__).parent / "fixtures/claude_code_request.json").read_text())
    for tool in request["tools"]:
        converted = openapi.parameters(tool["input_schema"])
        if converted is not None:
            check(converted)

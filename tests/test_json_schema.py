"""translate/request/json_schema.py: what Gemini understands stays, the rest is noted."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from translate.request import json_schema
from translate.request.json_schema import (
    MAX_DEPTH,
    MAX_NESTING,
    MAX_REFERENCE,
    allow_pattern_properties,
    clean_schema,
    expand_nullable,
)


def parameters(schema: Any) -> Any:
    return json_schema.parameters(schema).schema


def property_of(node: Any) -> Any:
    """What one property's schema becomes."""
    return parameters({"type": "object", "properties": {"x": node}})["properties"]["x"]


ONE_PROPERTY: dict[str, Any] = {
    "plain": ({"type": "string"}, {"type": "string"}),
    "understood": ({"type": ["string", "null"], "format": "uri", "title": "T", "minItems": 1},
        {"type": ["string", "null"], "format": "uri", "title": "T", "minItems": 1}),
    "without meaning": ({"$schema": "s", "$id": "i", "$comment": "c", "type": "string"},
        {"type": "string"}),
    "noted after the description": (
        {"type": "string", "pattern": "^a", "minLength": 2, "description": "A name."},
        {"type": "string", "description": 'A name. (minLength: 2; pattern: "^a")'}),
    "noted without a description": ({"type": "number", "default": 0.5},
        {"type": "number", "description": "(default: 0.5)"}),
    "const": ({"const": "deleted"}, {"enum": ["deleted"], "type": "string"}),
    "number": ({"const": 3, "type": "number"}, {"type": "number", "enum": [3]}),
    "const float": ({"const": 1.5}, {"enum": [1.5], "type": "number"}),
    "const without enum": ({"const": True}, {"description": "(const: true)"}),
    "exclusive bounds of integers": (
        {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 10},
        {"type": "integer", "minimum": 1, "maximum": 9}),
    "exclusive bound of a number": ({"type": "number", "exclusiveMinimum": 0},
        {"type": "number", "minimum": 0, "description": "(exclusiveMinimum: 0)"}),
    "exclusive bound at the end of the integers": (
        {"type": "integer", "exclusiveMinimum": 2**64 - 1, "exclusiveMaximum": -(2**63)},
        {"type": "integer", "description":
            f"(exclusiveMaximum: {-(2**63)}; exclusiveMinimum: {2**64 - 1})"}),
    "exclusive bound of draft 4": ({"type": "number", "minimum": 1, "exclusiveMinimum": True},
        {"type": "number", "minimum": 1, "description": "(exclusiveMinimum: true)"}),
    "a bound that is no number": (
        {"type": "number", "minimum": "-Infinity", "maximum": "1e999"}, {"type": "number"},
    ),
    "an empty enum": ({"type": "string", "enum": []}, {"type": "string"}),
    "an enum that is no list": ({"enum": "a"}, {}),
    "required with something else": ({"type": "object", "required": ["a", 1]},
        {"type": "object", "required": ["a"]}),
    "required of draft 3": ({"required": True}, {"required": []}),
    "items": ({"type": "array", "items": {"const": 1}},
        {"type": "array", "items": {"enum": [1], "type": "integer"}}),
    "a tuple": ({"type": "array", "items": [{"type": "string"}, True]},
        {"type": "array", "prefixItems": [{"type": "string"}, {}]}),
    "no alternatives": ({"anyOf": []}, {}),
    "alternatives": ({"anyOf": [{"const": 1}, False]},
        {"anyOf": [{"enum": [1], "type": "integer"}, {"description": "No value is valid here."}]}),
    "a map": ({"type": "object", "additionalProperties": {"pattern": "a"}},
        {"type": "object", "additionalProperties": {"description": '(pattern: "a")'}}),
    "closed, with property names": (
        {"type": "object", "additionalProperties": False, "propertyNames": {"pattern": "a"}},
        {
            "type": "object", "additionalProperties": False,
            "description": '(propertyNames: {"pattern": "a"})'}),
    "properties named like keywords": (
        {"type": "object", "properties": {"const": {}, "$ref": {"type": "string"}}},
        {"type": "object", "properties": {"const": {}, "$ref": {"type": "string"}}}),
    "properties that are none": ({"properties": 1}, {}),
    "all of": ({
        "description": "Both.", "allOf": [
            {"properties": {"a": {}}, "required": ["a"], "type": "object"},
            {"properties": {"b": {}}, "required": ["a", "b"], "description": "No."}, False]},
        {
            "description": "Both.", "properties": {"a": {}, "b": {}}, "required": ["a", "b"],
            "type": "object"}),
    "all of nothing": ({"allOf": 1}, {"description": "(allOf: 1)"}),
    "all of what contradicts itself": ({"minimum": 1, "allOf": [{"minimum": 5}]},
        {"minimum": 1, "description": '(conflicting constraints: [{"minimum": 5}])'}),
    "a map with patterns": ({
        "type": "object", "patternProperties": {"^A": {"type": "string"}},
        "additionalProperties": False}, {
            "type": "object", "additionalProperties": {"type": "string"},
            "description": '(patternProperties: {"^A": {"type": "string"}})'}),
}  # fmt: skip


@pytest.mark.parametrize(("node", "expected"), ONE_PROPERTY.values(), ids=ONE_PROPERTY)
def test_one_property(node: Any, expected: Any) -> None:
    before = copy.deepcopy(node)
    cleaned = property_of(node)
    assert (cleaned, node) == (expected, before)


def test_a_reference_is_inlined_with_its_siblings() -> None:
    assert parameters(
        {
            "type": "object",
            "properties": {
                "a": {"$ref": "#/$defs/Name", "description": "Mine."},
                "b": {"allOf": [{"$ref": "#/definitions/a~1%62"}]},
            },
            "$defs": {"Name": {"type": "string", "description": "Any."}},
            "definitions": {"a/b": {"$ref": "#/definitions/c"}, "c": {"type": "integer"}},
        }
    ) == {
        "type": "object",
        "properties": {
            "a": {"type": "string", "description": "Mine."},
            "b": {"type": "integer"},
        },
    }


def test_a_cycle_is_cut_and_told() -> None:
    tree = {"type": "object", "properties": {"child": {"$ref": "#/$defs/Tree"}}}
    assert parameters(
        {"properties": {"root": {"$ref": "#/$defs/Tree"}}, "$defs": {"Tree": tree}}
    ) == {
        "type": "object",
        "properties": {
            "root": {
                "type": "object",
                "properties": {
                    "child": {
                        "type": "object",
                        "description": "(recursive reference #/$defs/Tree)",
                    }
                },
            }
        },
    }


@pytest.mark.parametrize(
    "reference", ["#/$defs/No", "other.json#/a", "#/$defs/List/0", "#/a/b/c", "#anchor"]
)
def test_a_reference_to_nowhere_is_told(reference: str) -> None:
    schema = {"properties": {"a": {"$ref": reference}}, "$defs": {"List": [1]}, "a": {}}
    assert parameters(schema)["properties"]["a"] == {
        "type": "object",
        "description": f"(unresolved reference {reference})",
    }


def test_the_root_may_be_a_reference() -> None:
    schema = {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"x": {}}}}}
    assert parameters(schema) == {"type": "object", "properties": {"x": {}}}


def test_the_root_is_always_an_object() -> None:
    assert parameters({}) == {"type": "object", "properties": {}}
    assert parameters({"type": ["object", "null"]}) == {"type": "object", "properties": {}}


def test_alternatives_at_the_root_are_merged() -> None:
    assert parameters(
        {
            "type": "object",
            "properties": {"how": {"type": "string"}},
            "required": ["how"],
            "anyOf": [
                {"properties": {"a": {"type": "string"}, "z": {}}, "required": ["a", "z"]},
                {"properties": {"b": {"type": "string"}, "z": {}}, "required": ["b", "z"]},
            ],
        }
    ) == {
        "type": "object",
        "properties": {
            "a": {"type": "string"},
            "z": {},
            "b": {"type": "string"},
            "how": {"type": "string"},
        },
        "required": ["z", "how"],
        "description": (
            '(anyOf: [{"properties": {"a": {"type": "string"}, "z": {}}, "required": ["a", "z"]}, '
            '{"properties": {"b": {"type": "string"}, "z": {}}, "required": ["b", "z"]}])'
        ),
    }
    assert "required" not in parameters({"oneOf": [{"required": ["a"]}, {}]})


def test_a_discriminated_union_at_the_root_keeps_every_choice() -> None:
    def branch(kind: str) -> dict[str, Any]:
        return {"properties": {"kind": {"const": kind}, kind: {}}, "required": ["kind", kind]}

    merged = parameters({"oneOf": [branch("a"), branch("b"), branch("a")]})
    assert merged["properties"]["kind"] == {"enum": ["a", "b"], "type": "string"}
    assert merged["required"] == ["kind"]


def test_descriptions_do_not_multiply_without_end() -> None:
    schema = {
        "properties": {f"p{i}": {"$ref": "#/$defs/D"} for i in range(100)},
        "$defs": {"D": {"type": "string", "description": "x" * 1_000}},
    }
    cleaned = json_schema.parameters(schema, max_inlined=5_000)
    assert len(json.dumps(cleaned.schema)) < 20_000
    assert (cleaned.inlined, cleaned.is_reduced) == (5_000, True)


def test_a_long_keyword_is_told_in_short() -> None:
    description = property_of({"default": "x" * 1000})["description"]
    assert description == '(default: "' + "x" * 399 + "…)"


def test_nesting_is_bounded() -> None:
    deep: Any = {"type": "string"}
    for _ in range(MAX_DEPTH * 4):
        deep = {"type": "array", "items": deep}
    cleaned = json.dumps(property_of(deep))
    assert cleaned.count("items") == MAX_DEPTH
    assert "(nested deeper than shown)" in cleaned


def test_references_do_not_multiply_without_end() -> None:
    doubling = {
        f"D{i}": {"properties": {side: {"$ref": f"#/$defs/D{i + 1}"} for side in "lr"}}
        for i in range(11)
    }
    schema = {"properties": {"x": {"$ref": "#/$defs/D0"}}, "$defs": doubling}
    cleaned = json_schema.parameters(schema, max_inlined=5_000)
    assert json.dumps(cleaned.schema).count('"properties"') == 1 + len(doubling)
    assert "shortened reference #/$defs/D1" in json.dumps(cleaned.schema)
    assert (cleaned.inlined, cleaned.is_reduced) == (5_000, True)


def test_bases_do_not_multiply_without_end() -> None:
    doubling: Any = {
        f"D{i}": {"allOf": [{"$ref": f"#/$defs/D{i + 1}"}] * 2, "properties": {f"p{i}": {}}}
        for i in range(20)
    }
    schema = {"allOf": [{"$ref": "#/$defs/D0"}], "$defs": doubling}
    cleaned = json_schema.parameters(schema)
    assert cleaned.schema["properties"].keys() == {f"p{i}" for i in range(20)}
    assert "shortened reference" in cleaned.schema["description"]
    assert cleaned.is_reduced


def test_each_definition_is_still_inlined_once() -> None:
    """Whole, though it is more than references may add: none of them is used again."""
    schema = {
        "properties": {f"p{i}": {"$ref": f"#/$defs/D{i}"} for i in range(50)},
        "$defs": {f"D{i}": {"enum": ["x" * 50, 1]} for i in range(50)},
    }
    cleaned = json_schema.parameters(schema, max_inlined=1_000)
    assert not cleaned.is_reduced
    assert cleaned.schema == parameters(schema)


def test_definitions_within_each_other_are_named() -> None:
    """Each once would still be quadratic."""
    inner: Any = {}
    for _ in range(40):
        inner = {"properties": {"x": inner}}
    paths = ["#/$defs/D" + "/properties/x" * i for i in range(40)]
    schema = {
        "properties": {f"p{i}": {"$ref": path} for i, path in enumerate(paths)},
        "$defs": {"D": inner},
    }
    cleaned = json_schema.parameters(schema, max_inlined=0)
    assert cleaned.is_reduced
    assert "shortened reference" in json.dumps(cleaned.schema)


def test_a_schema_that_is_too_deep_is_only_named() -> None:
    deep: Any = {}
    for _ in range(MAX_NESTING // 2 - 2):
        deep = {"allOf": [deep], "properties": {"x": True}}
    assert clean_schema({"allOf": [deep]}).schema["properties"] == {"x": {}}
    shown = {"description": "(nested too deeply to be shown)"}
    deep = [[[deep]]]
    assert clean_schema({"not": [[deep]]}) == (shown, 0, True)
    assert parameters({"not": [[deep]]}) == {**shown, "type": "object", "properties": {}}


def test_patterns_within_patterns_are_read_once() -> None:
    inner: Any = {"title": "x" * 100_000}
    for i in range(20):
        inner = {"patternProperties": {f"{i}" * 50: inner}, "additionalProperties": False}
    assert len(json.dumps(parameters({"properties": {"x": inner}}))) < 120_000


def test_a_reference_has_a_length() -> None:
    name = "x" * (MAX_REFERENCE - len("#/$defs/"))
    for more, shown in (("", {"type": "null"}), ("y", "unresolved reference #/$defs/x")):
        node = {"$ref": f"#/$defs/{name}{more}"}
        schema = {"properties": {"a": node}, "$defs": {f"{name}{more}": {"type": "null"}}}
        cleaned = parameters(schema)["properties"]["a"]
        assert cleaned == shown or shown in cleaned["description"]


KEYWORDS = st.sampled_from(
    [
        *("type", "properties", "items", "anyOf", "oneOf", "allOf", "$ref", "enum", "const"),
        *("required", "description", "additionalProperties", "exclusiveMinimum", "default"),
        *("not", "x"),
    ]
)
LEAVES = (
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["string", "#", "#/$defs/x"])
)
ANY_JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(KEYWORDS, ANY_JSON, max_size=5))
@settings(max_examples=300)
def test_any_schema_gives_an_object_without_references(node: Any) -> None:
    before = copy.deepcopy(node)
    cleaned = parameters(node)
    assert node == before
    assert cleaned["type"] == "object"
    assert isinstance(cleaned["properties"], dict)
    assert list(keywords(cleaned) & {"$ref", "const", "allOf", "default", "not"}) == []
    assert parameters(node) == cleaned


def keywords(node: Any) -> set[str]:
    """The keywords a schema uses anywhere; names of properties are none."""
    found = set(node)
    for key, value in node.items():
        if key == "properties":
            found |= {word for item in value.values() for word in keywords(item)}
        elif key in ("anyOf", "oneOf", "prefixItems"):
            found |= {word for item in value for word in keywords(item)}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            found |= keywords(value)
    return found


def test_the_tools_of_claude_code_keep_their_meaning() -> None:
    request = json.loads((Path(__file__).parent / "fixtures/claude_code_request.json").read_text())
    cleaned = {tool["name"]: parameters(tool["input_schema"]) for tool in request["tools"]}
    assert len(cleaned) == 24
    status = cleaned["TaskUpdate"]["properties"]["status"]
    assert {"enum": ["deleted"], "type": "string"} in status["anyOf"]
    assert cleaned["Read"]["properties"]["limit"]["minimum"] == 1
    assert "propertyNames" in cleaned["TaskCreate"]["properties"]["metadata"]["description"]
    assert "$schema" not in json.dumps(cleaned)


A, B = ({"enum": [letter], "type": "string"} for letter in "ab")


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
    assert allow_pattern_properties(schema)["additionalProperties"] == allowed


def test_nullable() -> None:
    assert expand_nullable({"type": "string", "nullable": True}) == {"type": ["string", "null"]}
    for plain in ({"nullable": True}, {"type": "string", "nullable": False}, {"type": "string"}):
        assert expand_nullable(plain) == plain

"""Schemas put together: `allOf` folded into its owner, alternatives joined, keywords made plain.

Knows which keywords two schemas may both have. It refuses to know what Gemini understands
(schema.py), and never changes a schema in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .wire import Json

MAX_DEPTH = 24
"""References that may be followed one after the other."""


def either(one: Json, other: Json) -> Json:
    """What fits one schema or the other; two enumerations of a type become one."""
    if one.keys() == other.keys() == {"enum", "type"} and one["type"] == other["type"]:
        return {**one, "enum": list(dict.fromkeys([*one["enum"], *other["enum"]]))}
    known = one["anyOf"] if one.keys() == {"anyOf"} else [one]
    return {"anyOf": known if other in known else [*known, other]}


Target = Callable[[str], Any]


def united(schema: Json, target: Target, trail: tuple[str, ...] = ()) -> Json:
    """`allOf` folded into its owner, at every level; what contradicts itself is kept to be told."""
    members = schema.get("allOf")
    if not isinstance(members, list):
        return schema
    whole = {key: value for key, value in schema.items() if key != "allOf"}
    for member in members:
        inner = trail
        if isinstance(member, dict) and isinstance(member.get("$ref"), str):
            reference = member["$ref"]
            member = target(reference) if reference not in trail else None
            inner = (*trail, reference)
        if isinstance(member, dict) and len(inner) <= MAX_DEPTH:
            whole = _merged(whole, united(member, target, inner))
    return whole


def _merged(first: Json, second: Json) -> Json:
    """Both at once. Where they differ the first is kept, and the second told."""
    merged = {**second, **first}
    differing = {
        key: value
        for key, value in second.items()
        if key in first and first[key] != value and key not in UNITING
    }
    if differing:
        merged[DIFFERING] = [*first.get(DIFFERING, []), differing]
    for key, unite in UNITING.items():
        if key in first and key in second:
            merged[key] = unite(first[key], second[key])
    return merged


def _united_properties(first: Any, second: Any) -> Any:
    if not isinstance(first, dict) or not isinstance(second, dict):
        return first
    both = {
        name: _merged(first[name], second[name])
        for name in first
        if name in second and isinstance(first[name], dict) and isinstance(second[name], dict)
    }
    return {**second, **first, **both}


def _united_required(first: Any, second: Any) -> Any:
    if not isinstance(first, list) or not isinstance(second, list):
        return first
    return [*first, *(name for name in second if name not in first)]


DIFFERING = "also has to fit"
"""How what contradicts is told; no keyword of JSON Schema has blanks."""

UNITING: dict[str, Callable[[Any, Any], Any]] = {
    "properties": _united_properties,
    "required": _united_required,
    "description": lambda first, second: first,
    "title": lambda first, second: first,
}
"""Keywords that two schemas can have without a contradiction."""


def opened(schema: Json) -> Json:
    """`patternProperties` allow keys that `additionalProperties: false` beside them would not."""
    patterns = schema.get("patternProperties")
    if not isinstance(patterns, dict) or schema.get("additionalProperties") is not False:
        return schema
    allowed = list(patterns.values())
    return {
        **schema,
        "additionalProperties": allowed[0] if len(allowed) == 1 else {"anyOf": allowed},
    }


def nullable(schema: Json) -> Json:
    """OpenAPI 3.0's `nullable` is a type of its own in JSON Schema."""
    kind = schema.get("type")
    if schema.get("nullable") is not True or not isinstance(kind, str):
        return schema
    kept = {key: value for key, value in schema.items() if key != "nullable"}
    return {**kept, "type": [kind, "null"]}

"""JSON Schema -> the JSON Schema that Gemini understands, without losing meaning.

Here stands which keywords `parametersJsonSchema` understands; what it would ignore goes into the
description instead, references are inlined, and the root is always an object.
A schema comes in, a new schema goes out, nothing is changed in place.
Source: Google's FunctionDeclaration and responseJsonSchema reference, seen 2026-11-23.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..wire import Json

KEPT = frozenset(
    {
        *("type", "format", "title", "description", "enum", "minItems", "maxItems"),
        *("minimum", "maximum", "required", "propertyOrdering"),
    }
)
"""Understood as they are."""

DROPPED = frozenset(["$schema", "$id", "$ref", "$anchor", "$comment", "$defs", "definitions"])
"""Without meaning once references are inlined."""

MAX_DEPTH = 24
"""Levels of schemas; Google refuses what nests deeper than it likes without saying how deep."""

MAX_NODES = 4_000
"""Schemas in one declaration: inlined references may not multiply without end."""

MAX_TEXT = 200_000
"""Characters of one declaration's descriptions: nor may their text."""

MAX_NOTE = 400
"""Characters of a description spent on one keyword that has no other place."""

MAX_ROOT_NOTE = 4_000
"""The same for the alternatives at the root, which stand nowhere else."""


def parameters(schema: Json) -> Json:
    """A tool's `input_schema` -> its `parametersJsonSchema`: always an object at the root."""
    root = clean_schema(schema)
    alternatives = [key for key in ("anyOf", "oneOf") if key in root]
    for key in alternatives:
        root = _fold_alternatives(root, key)
    return {**root, "type": "object", "properties": root.get("properties", {})}


def clean_schema(schema: Json) -> Json:
    """A schema for an answer -> its `responseJsonSchema`; any type at the root."""
    return _Cleaner(schema).clean(schema, 0, ())


def _fold_alternatives(root: Json, key: str) -> Json:
    """Alternatives are refused at the root: merge their properties, describe the choice."""
    branches = [branch for branch in root[key] if isinstance(branch, dict)]
    folded = {name: value for name, value in root.items() if name != key}
    properties: Json = {}
    for branch in [*branches, root]:
        for name, schema in branch.get("properties", {}).items():
            known = properties.get(name, schema)
            properties[name] = known if known == schema else merge_alternatives(known, schema)
    common = [set(branch.get("required", [])) for branch in branches]
    required = set(root.get("required", [])).union(set.intersection(*common) if common else ())
    if required:
        folded["required"] = [name for name in properties if name in required]
    folded["properties"] = properties
    return append_to_description(folded, [_note(key, branches, MAX_ROOT_NOTE)])


class _Cleaner:
    """Walks one schema; holds its definitions and how many nodes may still be made."""

    def __init__(self, root: Json) -> None:
        self._root = root
        self._nodes_left = MAX_NODES
        self._text_left = MAX_TEXT

    def clean(self, schema: Any, depth: int, trail: tuple[str, ...]) -> Json:
        """One cleaned schema. `trail` holds the references being inlined, to cut cycles."""
        if not isinstance(schema, dict):
            return {} if schema is True else {"description": "No value is valid here."}
        self._nodes_left -= 1
        self._text_left -= len(str(schema.get("description", ""))) + len(
            str(schema.get("enum", ""))
        )
        if depth > MAX_DEPTH or self._nodes_left < 0 or self._text_left < 0:
            return {"type": _plain_type(schema), "description": "(nested deeper than shown)"}
        schema = expand_nullable(allow_pattern_properties(merge_all_of(schema, self._target)))
        reference = schema.get("$ref")
        if isinstance(reference, str):
            return self._inline(schema, reference, depth, trail)
        return self._clean_keywords(schema, depth, trail)

    def _inline(self, schema: Json, reference: str, depth: int, trail: tuple[str, ...]) -> Json:
        target = self._target(reference)
        siblings = {key: value for key, value in schema.items() if key != "$ref"}
        if reference in trail or not isinstance(target, dict):
            why = "recursive" if reference in trail else "unresolved"
            stub = {"type": _plain_type(target), **siblings}
            cleaned = self._clean_keywords(stub, depth, trail)
            return append_to_description(cleaned, [f"{why} reference {reference}"])
        return self.clean({**target, **siblings}, depth + 1, (*trail, reference))

    def _target(self, reference: str) -> Any:
        """The definition that a local reference (`#/$defs/x`) points at, or None."""
        if reference != "#" and not reference.startswith("#/"):
            return None
        found: Any = self._root
        for step in reference.split("/")[1:]:
            found = found.get(_unescape(step)) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else None

    def _clean_keywords(self, schema: Json, depth: int, trail: tuple[str, ...]) -> Json:
        cleaned: Json = {}
        notes = []
        for key, value in schema.items():
            if key in NESTED:
                NESTED[key](cleaned, key, value, lambda sub: self.clean(sub, depth + 1, trail))
            elif key in KEPT:
                cleaned[key] = value
            elif key not in DROPPED and key not in EXACT:
                notes.append(_note(key, value))
        for key in EXACT:
            if key in schema:
                notes += EXACT[key](cleaned, key, schema[key])
        return append_to_description(_drop_refused(cleaned), sorted(notes))


def _unescape(step: str) -> str:
    """A step of a JSON pointer in a URL fragment (RFC 6901, sections 4 and 6)."""
    plain = re.sub(r"%([0-9A-Fa-f]{2})", lambda code: chr(int(code[1], 16)), step)
    return plain.replace("~1", "/").replace("~0", "~")


def _drop_refused(schema: Json) -> Json:
    """Without what Google refuses: an empty enum, `required` that is no list of names."""
    if "enum" in schema and not (isinstance(schema["enum"], list) and schema["enum"]):
        schema = {key: value for key, value in schema.items() if key != "enum"}
    if "required" in schema:
        names = schema["required"] if isinstance(schema["required"], list) else []
        schema = {**schema, "required": [name for name in names if isinstance(name, str)]}
    return schema


def _plain_type(schema: Any) -> str:
    kind = schema.get("type") if isinstance(schema, dict) else None
    return kind if isinstance(kind, str) else "object"


def _note(key: str, value: Any, max_length: int = MAX_NOTE) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return f"{key}: {text if len(text) <= max_length else text[:max_length] + '…'}"


def append_to_description(schema: Json, notes: Sequence[str]) -> Json:
    """The schema with its notes, in parentheses, at the end of the description."""
    if not notes:
        return schema
    description = schema.get("description")
    addition = f"({'; '.join(notes)})"
    return {**schema, "description": f"{description} {addition}" if description else addition}


# --- Keywords that hold schemas ---------------------------------------------------------------

Clean = Callable[[Any], Json]


def _schema_or_flag(cleaned: Json, key: str, value: Any, clean: Clean) -> None:
    cleaned[key] = value if isinstance(value, bool) else clean(value)


def _items(cleaned: Json, key: str, value: Any, clean: Clean) -> None:
    """A list under `items` is the older spelling of `prefixItems`."""
    if isinstance(value, list):
        cleaned["prefixItems"] = [clean(item) for item in value]
    else:
        cleaned[key] = clean(value)


def _schemas(cleaned: Json, key: str, value: Any, clean: Clean) -> None:
    if isinstance(value, list) and value:
        cleaned[key] = [clean(item) for item in value]


def _properties(cleaned: Json, key: str, value: Any, clean: Clean) -> None:
    """Names of properties are not keywords, however much they look like them."""
    if isinstance(value, Mapping):
        cleaned[key] = {name: clean(item) for name, item in value.items()}


NESTED = {
    "properties": _properties,
    "items": _items,
    "prefixItems": _schemas,
    "anyOf": _schemas,
    "oneOf": _schemas,
    "additionalProperties": _schema_or_flag,
}

# --- Keywords with an exact equivalent --------------------------------------------------------


def _const(cleaned: Json, key: str, value: Any) -> list[str]:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return [_note(key, value)]
    cleaned["enum"] = [value]
    if "type" not in cleaned:
        cleaned["type"] = JSON_TYPES[type(value)]
    return []


JSON_TYPES = {str: "string", int: "integer", float: "number"}


def _exclusive(cleaned: Json, key: str, value: Any) -> list[str]:
    """An exclusive bound of an integer is the next integer; others keep the bound and say so."""
    bound, step = EXCLUSIVE[key]
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and bound not in cleaned:
        if cleaned.get("type") == "integer" and isinstance(value, int):
            cleaned[bound] = value + step
            return []
        cleaned[bound] = value
    return [_note(key, value)]


EXCLUSIVE = {"exclusiveMinimum": ("minimum", 1), "exclusiveMaximum": ("maximum", -1)}

EXACT = {"const": _const, "exclusiveMinimum": _exclusive, "exclusiveMaximum": _exclusive}


# --- Schemas put together ----------------------------------------------------------------------


MAX_REFERENCES = 24
"""References that may be followed one after the other."""


def merge_alternatives(one: Json, other: Json) -> Json:
    """What fits one schema or the other; two enumerations of a type become one."""
    if one.keys() == other.keys() == {"enum", "type"} and one["type"] == other["type"]:
        return {**one, "enum": list(dict.fromkeys([*one["enum"], *other["enum"]]))}
    known = one["anyOf"] if one.keys() == {"anyOf"} else [one]
    return {"anyOf": known if other in known else [*known, other]}


Target = Callable[[str], Any]


def merge_all_of(schema: Json, target: Target, trail: tuple[str, ...] = ()) -> Json:
    """`allOf` folded into its owner, at every level; contradictions are kept under DIFFERING."""
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
        if isinstance(member, dict) and len(inner) <= MAX_REFERENCES:
            whole = _merge(whole, merge_all_of(member, target, inner))
    return whole


def _merge(first: Json, second: Json) -> Json:
    """Both at once. Where they differ the first is kept, and the second under DIFFERING."""
    merged = {**second, **first}
    differing = {
        key: value
        for key, value in second.items()
        if key in first and first[key] != value and key not in MERGERS
    }
    if differing:
        merged[DIFFERING] = [*first.get(DIFFERING, []), differing]
    for key, merge_values in MERGERS.items():
        if key in first and key in second:
            merged[key] = merge_values(first[key], second[key])
    return merged


def _merge_properties(first: Any, second: Any) -> Any:
    if not isinstance(first, dict) or not isinstance(second, dict):
        return first
    both = {
        name: _merge(first[name], second[name])
        for name in first
        if name in second and isinstance(first[name], dict) and isinstance(second[name], dict)
    }
    return {**second, **first, **both}


def _merge_required(first: Any, second: Any) -> Any:
    if not isinstance(first, list) or not isinstance(second, list):
        return first
    return [*first, *(name for name in second if name not in first)]


DIFFERING = "conflicting constraints"
"""The note that describes them; no keyword of JSON Schema has a blank in it."""

MERGERS: dict[str, Callable[[Any, Any], Any]] = {
    "properties": _merge_properties,
    "required": _merge_required,
    "description": lambda first, second: first,
    "title": lambda first, second: first,
}
"""Keywords that two schemas can have without a contradiction."""


def allow_pattern_properties(schema: Json) -> Json:
    """`patternProperties` allow keys that `additionalProperties: false` beside them would not."""
    patterns = schema.get("patternProperties")
    if not isinstance(patterns, dict) or schema.get("additionalProperties") is not False:
        return schema
    allowed = list(patterns.values())
    return {
        **schema,
        "additionalProperties": allowed[0] if len(allowed) == 1 else {"anyOf": allowed},
    }


def expand_nullable(schema: Json) -> Json:
    """OpenAPI 3.0's `nullable` is a type of its own in JSON Schema."""
    kind = schema.get("type")
    if schema.get("nullable") is not True or not isinstance(kind, str):
        return schema
    kept = {key: value for key, value in schema.items() if key != "nullable"}
    return {**kept, "type": [kind, "null"]}

"""A cleaned JSON Schema -> the OpenAPI subset that `parameters` takes: the second form.

For the one tool whose JSON Schema Gemini refused. Here stand the fields of Google's Schema message
and what it demands of them; what does not fit goes into the description. Where a value can only
be given as text, it is asked for as text (response/tool_call_repair.py reads it back).
References and the rarer keywords are gone by then: json_schema.py has dealt with them.
Source: https://ai.google.dev/api/caching#Schema, and Google's refusals, seen 2026-11-23.
"""

from __future__ import annotations

import json
from typing import Any

from ..wire import Json
from . import json_schema as schemas
from .json_schema import append_to_description

AS_THEY_ARE = frozenset(
    {"title", "minItems", "maxItems", "minimum", "maximum", "propertyOrdering", "description"}
)
STRING_FORMATS = frozenset({"enum", "date-time"})
"""The only formats of a string that are not refused."""


MAX_REPEATED = 1_000
"""Characters of a description that has to be repeated, for all branches together."""


def parameters(
    json_schema: Json, max_inlined: int = schemas.MAX_INLINED
) -> tuple[Json | None, schemas.Cleaned]:
    """A tool's `input_schema` -> its `parameters`, None for a tool that takes nothing, and the
    JSON Schema that they are made of. max_inlined: see json_schema.py."""
    cleaned = schemas.parameters(json_schema, max_inlined)
    return _node(cleaned.schema) if cleaned.schema["properties"] else None, cleaned


def _node(node: Json, inherited: str = "") -> Json:
    """inherited: the description of a union that this is the first branch of."""
    branches = [item for key in ("anyOf", "oneOf") for item in node.get(key, [])]
    kinds = _kinds(node)
    nullable = "null" in kinds or any("null" in _kinds(branch) for branch in branches)
    kinds = [kind for kind in kinds if kind != "null"]
    if len(kinds) > 1:
        alone = {key: value for key, value in node.items() if key != "description"}
        branches = [{**alone, "type": kind} for kind in kinds]
    branches = [branch for branch in branches if _kinds(branch) != ["null"]]
    if branches:
        result = _alternatives(node, branches, inherited)
    else:
        described = {"description": inherited, **node} if inherited else node
        kind = kinds[0] if kinds else ""
        result = BUILDERS.get(kind, _as_text)({**described, "type": kind})
    return {**result, "nullable": True} if nullable else result


def _alternatives(node: Json, branches: list[Json], inherited: str) -> Json:
    """`anyOf` has to stand alone: a description beside it is repeated in each branch.

    A long one stands in the first branch alone, as does one that has come down from further out:
    with each level, there would be many times more of it.
    """
    if len(branches) == 1:
        return _node({**_without_branches(node), **branches[0]}, inherited)
    own = node.get("description")
    description = own or inherited
    is_repeated = bool(own) and len(str(own)) * len(branches) <= MAX_REPEATED
    first, *others = branches
    return {
        "anyOf": [
            _node(first, description),
            *(_node(_describe(branch, own) if is_repeated else branch) for branch in others),
        ]
    }


def _describe(branch: Json, description: Any) -> Json:
    """A branch that has no branches itself, with a description unless it has one."""
    is_union = "anyOf" in branch or "oneOf" in branch
    return branch if is_union else {"description": description, **branch}


def _without_branches(node: Json) -> Json:
    return {key: value for key, value in node.items() if key not in ("anyOf", "oneOf", "type")}


def _kinds(node: Any) -> list[str]:
    """Each once, those that nobody knows as one: every kind of several becomes a branch."""
    kind = node.get("type") if isinstance(node, dict) else None
    kinds = kind if isinstance(kind, list) else [kind]
    names = (kind for kind in kinds if isinstance(kind, str))
    return list(dict.fromkeys(name if name in KNOWN else "" for name in names))


def _plain(node: Json, kind: str) -> Json:
    kept = {key: value for key, value in node.items() if key in AS_THEY_ARE}
    return {"type": kind, **kept}


def _object(node: Json) -> Json:
    """An object without known properties is refused: it is asked for as text."""
    properties = {name: _node(item) for name, item in node.get("properties", {}).items()}
    if not properties:
        return _as_text(node)
    result = {**_plain(node, "OBJECT"), "properties": properties}
    required = [name for name in dict.fromkeys(node.get("required", [])) if name in properties]
    return {**result, "required": required} if required else result


def _array(node: Json) -> Json:
    """A list needs items; those of a tuple are described."""
    result = _plain(node, "ARRAY")
    if "prefixItems" in node:
        result = append_to_description(
            result, [f"in order: {json.dumps(node['prefixItems'], ensure_ascii=False)}"]
        )
    return {**result, "items": _node(node.get("items", {}))}


def _string(node: Json) -> Json:
    result = _plain(node, "STRING")
    if node.get("format") in STRING_FORMATS:
        result["format"] = node["format"]
    elif "format" in node:
        result = append_to_description(result, [f"format: {node['format']}"])
    words = dict.fromkeys(word for word in node.get("enum", []) if isinstance(word, str) and word)
    return {**result, "enum": [*words]} if words else result


def _number(node: Json) -> Json:
    """Only strings may be enumerated."""
    result = _plain(node, node["type"].upper())
    if "enum" in node:
        return append_to_description(result, [f"one of {json.dumps(node['enum'])}"])
    return result


def _boolean(node: Json) -> Json:
    return _plain(node, "BOOLEAN")


def _as_text(node: Json) -> Json:
    """Any value, written as text."""
    result: Json = {"type": "STRING"}
    if "description" in node:
        result["description"] = node["description"]
    if "enum" in node:
        return append_to_description(result, [f"one of {json.dumps(node['enum'])}"])
    what = "a JSON object" if node["type"] == "object" else "any JSON value"
    return append_to_description(result, [f"{what}, written as text"])


BUILDERS = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _number,
    "number": _number,
    "boolean": _boolean,
}

KNOWN = frozenset({*BUILDERS, "null"})

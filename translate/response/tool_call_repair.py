"""Calls that a model got nearly right -> what they can only have meant.

Knows the slips that Gemini makes with other people's tools, and the one reading each of them
has. Whatever has two readings stays as it is: the client's own check then tells the model.
It refuses to know parts and blocks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..wire import Json

PREFIXES = ("default_api:", "default_api.")
"""How Gemini names functions among themselves; seen in its errors, 2026-11-23."""

WRAPPERS = ("parameters", "arguments", "args", "input")
"""Keys under which a model may put all arguments once more."""

OPAQUE = frozenset({"$ref", "allOf", "anyOf", "oneOf", "patternProperties"})
"""Where these stand at the root, the properties there are not all there are: nothing is mended."""

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


class Repaired(NamedTuple):
    """A call as it was meant. repairs: what was mended, by kind, without content."""

    name: str
    args: Json
    repairs: list[str]


def repair(name: str, args: Json, tools: Mapping[str, Json]) -> Repaired:
    """Mend a call. tools: tool name -> input schema, of all tools of the request."""
    repairs: list[str] = []
    meant = _meant_name(name, tools)
    if meant != name:
        repairs.append("name")
    schema = tools.get(meant)
    if schema is None:
        return Repaired(meant, args, repairs)
    if schema.keys() & OPAQUE:
        return Repaired(meant, args, repairs)
    for kind, mend in MENDERS:
        mended = mend(args, schema)
        if mended is not args:
            repairs.append(kind)
            args = mended
    return Repaired(meant, args, repairs)


def _meant_name(name: str, tools: Mapping[str, Json]) -> str:
    if name in tools:
        return name
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    alike = [tool for tool in tools if tool.lower() == name.lower()]
    return alike[0] if len(alike) == 1 else name


def _unwrapped(args: Json, schema: Json) -> Json:
    """All arguments inside one object that the schema does not know."""
    if len(args) != 1:
        return args
    ((key, value),) = args.items()
    known = _properties(schema)
    is_wrong = schema.get("additionalProperties") is False or bool(_missing(args, schema))
    is_wrapper = key in WRAPPERS and key not in known and isinstance(value, dict) and bool(value)
    return value if is_wrong and is_wrapper and value.keys() <= known.keys() else args


def _renamed(args: Json, schema: Json) -> Json:
    """One unknown key in the place of one required key that is missing and sounds like it."""
    known = _properties(schema)
    unknown = [key for key in args if key not in known]
    missing = _missing(args, schema)
    if len(unknown) != 1 or len(missing) != 1 or schema.get("additionalProperties"):
        return args
    (wrong,), (right,) = unknown, missing
    if not _fits(args[wrong], known.get(right, {})) or not _sound_alike(wrong, right):
        return args
    return {right if key == wrong else key: value for key, value in args.items()}


def _parsed(args: Json, schema: Json) -> Json:
    """Lists and objects that were written as strings."""
    known = _properties(schema)
    mended = {
        key: _decoded(value, known.get(key, {})) if isinstance(value, str) else value
        for key, value in args.items()
    }
    return args if mended == args else mended


def _decoded(text: str, schema: Any) -> Any:
    kind = schema.get("type") if isinstance(schema, dict) else None
    if kind not in ("array", "object"):
        return text
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, TYPES[kind]) else text


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _missing(args: Json, schema: Json) -> list[str]:
    required = schema.get("required")
    return [key for key in required if key not in args] if isinstance(required, list) else []


def _sound_alike(one: str, other: str) -> bool:
    """`path` and `file_path`, `cmd` and `command`, `filename` and `file_path`."""
    short, long = sorted((_letters(one), _letters(other)), key=len)
    rest = iter(long)
    return short[:3] == long[:3] or all(letter in rest for letter in short)


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


MENDERS = (("unwrapped", _unwrapped), ("renamed", _renamed), ("parsed", _parsed))


def _properties(schema: Json) -> Json:
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else {}


def _fits(value: Any, schema: Any) -> bool:
    kind = schema.get("type") if isinstance(schema, dict) else None
    if not isinstance(kind, str) or kind not in TYPES:
        return False
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))

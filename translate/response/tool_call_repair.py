"""Calls that a model got nearly right -> what they can only have meant.

The slips that Gemini makes with other people's tools, each with the one reading that it has.
A functionCall without any reading is none (`read_call`): it is asked for again. What can be read
in two ways stays as it is: the client's own check then tells the model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

from ..wire import FunctionCall, Json
from .chunks import MAX_DEPTH, is_deeper
from .integers import fit_integers
from .surrogates import replace_halves

PREFIXES = ("default_api:", "default_api.")
"""How Gemini names functions among themselves; seen in its errors, 2026-11-23."""

WRAPPERS = ("parameters", "arguments", "args", "input")
"""Keys under which a model may put all arguments once more."""

OPAQUE = frozenset({"$ref", "allOf", "anyOf", "oneOf", "patternProperties"})
"""At the root of a schema: `properties` does not name all that may be there."""

MAX_REQUIRED = 1_000
"""Names that a schema requires: they are looked through for each call. A schema with more is taken
as one that requires none; Claude Code's tools require four at most."""

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


class ReadCall(NamedTuple):
    """A functionCall with fields of the right types. repairs: as in RepairedCall."""

    call: FunctionCall
    repairs: list[str]


def read_call(value: Any) -> ReadCall | None:
    """A functionCall as Gemini sent it, whole or a piece; None where it has no reading.

    An id of a wrong type is dropped: it is only of use to Gemini. A name may be missing, as a
    piece has none.
    """
    if not isinstance(value, dict):
        return None
    fields = {name: field for name, field in value.items() if field is not None}
    read_args = _read_args(fields.get("args", {}))
    if read_args is None or not _has_right_types(fields):
        return None
    args, repairs = read_args
    if args and "partialArgs" in fields:
        return None
    call: FunctionCall = {"args": args} if "args" in fields else {}
    if "name" in fields:
        call["name"] = replace_halves(fields["name"])
    if "partialArgs" in fields:
        call["partialArgs"] = fields["partialArgs"]
    if "willContinue" in fields:
        call["willContinue"] = fields["willContinue"]
    if isinstance(fields.get("id"), str):
        call["id"] = fields["id"]
    return ReadCall(call, repairs)


def has_name(call: FunctionCall) -> bool:
    """Whether a call names a function."""
    return bool(_bare_name(call.get("name", "")))


def _has_right_types(fields: Json) -> bool:
    pieces = fields.get("partialArgs", [])
    return (
        isinstance(fields.get("name", ""), str)
        and isinstance(fields.get("willContinue", False), bool)
        and isinstance(pieces, list)
        and all(isinstance(piece, dict) for piece in pieces)
    )


def _read_args(value: Any) -> tuple[Json, list[str]] | None:
    """The arguments and how they were repaired: a JSON text is parsed, a list of objects with
    names of their own is joined."""
    repairs = []
    if isinstance(value, str):
        repairs = ["parsed"]
        value = _parse(value) if value.strip() else {}
    elif isinstance(value, list) and all(isinstance(item, dict) for item in value):
        repairs = ["joined"]
        joined = {name: item for each in value for name, item in each.items()}
        value = joined if len(joined) == sum(map(len, value)) else None
    if not isinstance(value, dict) or is_deeper(value, MAX_DEPTH):
        return None
    return value, repairs


class RepairedCall(NamedTuple):
    """A call as it was meant. repairs: the kinds of slips in it, without content."""

    name: str
    args: Json
    repairs: list[str]


class CallRepair:
    """Repairs the calls of one answer. tools: tool name -> input schema, of all tools."""

    def __init__(self, tools: Mapping[str, Json]) -> None:
        self._tools = tools

    def repair(self, called: str, args: Json) -> RepairedCall:
        """Repair a call. called: the name in it."""
        name = self._find_name(called)
        repairs = [] if name == called else ["name"]
        schema = self._tools.get(name)
        if schema is None:
            return RepairedCall(name, args, repairs)
        for kind, repair_args in ARGUMENT_REPAIRS if schema.keys().isdisjoint(OPAQUE) else OF_ANY:
            repaired = repair_args(args, schema)
            if repaired is not args:
                repairs.append(kind)
                args = repaired
        return RepairedCall(name, args, repairs)

    def _find_name(self, name: str) -> str:
        if name in self._tools:
            return name
        name = _bare_name(name)
        return self._by_lower_name.get(_lower_key(name)) or name

    @cached_property
    def _by_lower_name(self) -> Mapping[tuple[int, str], str | None]:
        """The tools, made when a call first needs it; None for two that differ in case alone."""
        found: dict[tuple[int, str], str | None] = {}
        for tool in self._tools:
            key = _lower_key(tool)
            found[key] = None if key in found else tool
        return found


def _lower_key(name: str) -> tuple[int, str]:
    """With the length: some characters become two."""
    return len(name), name.lower()


def _bare_name(name: str) -> str:
    name = name.strip()
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _unwrap(args: Json, schema: Json) -> Json:
    """All arguments inside one object that the schema does not know."""
    if len(args) != 1:
        return args
    ((key, value),) = args.items()
    known = _properties(schema)
    is_wrong = schema.get("additionalProperties") is False or bool(_missing_keys(args, schema))
    is_wrapper = key in WRAPPERS and key not in known and isinstance(value, dict) and bool(value)
    return value if is_wrong and is_wrapper and value.keys() <= known.keys() else args


def _rename_key(args: Json, schema: Json) -> Json:
    """One unknown key in the place of one required key that is missing and sounds like it."""
    known = _properties(schema)
    unknown = [key for key in args if key not in known]
    missing = _missing_keys(args, schema)
    if len(unknown) != 1 or len(missing) != 1 or schema.get("additionalProperties"):
        return args
    (wrong,), (right,) = unknown, missing
    if not _fits(args[wrong], known.get(right, {})) or not _are_similar(wrong, right):
        return args
    return {right if key == wrong else key: value for key, value in args.items()}


def _parse_strings(args: Json, schema: Json) -> Json:
    """Lists and objects that were written as strings."""
    known = _properties(schema)
    repaired = {
        key: _decode(value, known.get(key, {})) if isinstance(value, str) else value
        for key, value in args.items()
    }
    return args if repaired == args else repaired


def _decode(text: str, schema: Any) -> Any:
    kind = schema.get("type") if isinstance(schema, dict) else None
    if kind not in ("array", "object"):
        return text
    value = _parse(text)
    return value if isinstance(value, TYPES[kind]) else text


def _parse(text: str) -> Any:
    """A JSON text's value; None where it is none, or is nested too deeply."""
    try:
        value = json.loads(text, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        return None
    return None if is_deeper(value, MAX_DEPTH) else value


def _reject_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _missing_keys(args: Json, schema: Json) -> list[str]:
    """A client's schema may hold anything: what is not a name is not required."""
    required = schema.get("required")
    if not isinstance(required, list) or len(required) > MAX_REQUIRED:
        return []
    return [name for name in required if isinstance(name, str) and name not in args]


def _are_similar(one: str, other: str) -> bool:
    """`path` and `file_path`, `cmd` and `command`, `filename` and `file_path`."""
    short, long = sorted((_letters(one), _letters(other)), key=len)
    rest = iter(long)
    return short[:3] == long[:3] or all(letter in rest for letter in short)


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


OF_ANY = (("integers", fit_integers),)
"""Repairs that go by any schema."""

ARGUMENT_REPAIRS = (
    ("unwrapped", _unwrap),
    ("renamed", _rename_key),
    ("parsed", _parse_strings),
    *OF_ANY,
)


def _properties(schema: Json) -> Json:
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else {}


def _fits(value: Any, schema: Any) -> bool:
    kind = schema.get("type") if isinstance(schema, dict) else None
    if not isinstance(kind, str) or kind not in TYPES:
        return False
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))

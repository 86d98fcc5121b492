"""JSON Schema -> the JSON Schema that Gemini understands, without losing meaning.

Here stands which keywords `parametersJsonSchema` understands; what it would ignore goes into the
description instead, references are inlined, and the root is always an object.
A schema comes in, a new schema goes out, nothing is changed in place. The work is linear in the
schema, and in what references may add to it: where that is not enough, each is inlined once.
Source: Google's FunctionDeclaration and responseJsonSchema reference, seen 2026-11-23.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..wire import Json
from .schema_merging import SHORTENED, merge_all_of, merge_alternatives

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

MAX_NESTING = 200
"""Levels of lists and objects, of which a schema takes two: the JSON library of the proxy writes
254 (orjson 3.11), and Python calls functions within each other 1,000 times."""

MAX_INLINED = 200_000
"""Characters of JSON that references may add to one schema, at 0.3 us each: with fewer, schemas of
MCP servers are still whole; those of recursive types have no end."""

MAX_REFERENCE = 1_000
"""Characters of a reference: it is a path of a few names."""

MAX_NOTE = 400
"""Characters of a description spent on one keyword that has no other place."""

MAX_ROOT_NOTE = 4_000
"""The same for the alternatives at the root, which stand nowhere else."""


class Cleaned(NamedTuple):
    """schema: for Gemini. inlined: the characters that references took of what they may add; all of
    that where it was not enough. is_reduced: whether parts of it are only named."""

    schema: Json
    inlined: int
    is_reduced: bool


def parameters(schema: Json, max_inlined: int = MAX_INLINED) -> Cleaned:
    """A tool's `input_schema` -> its `parametersJsonSchema`: always an object at the root."""
    cleaned = clean_schema(schema, max_inlined)
    root = cleaned.schema
    alternatives = [key for key in ("anyOf", "oneOf") if key in root]
    for key in alternatives:
        root = _fold_alternatives(root, key)
    root = {**root, "type": "object", "properties": root.get("properties", {})}
    return cleaned._replace(schema=root)


def clean_schema(schema: Json, max_inlined: int = MAX_INLINED) -> Cleaned:
    """A schema for an answer -> its `responseJsonSchema`; any type at the root.

    max_inlined: characters that references may add. Where they are too few, each definition is
    inlined in one place, and named in the others.
    """
    containers = _containers(schema)
    if containers is None:
        return Cleaned({"description": "(nested too deeply to be shown)"}, 0, True)
    sizes = _Sizes(containers)
    cleaner = _Cleaner(schema, sizes, max_inlined)
    try:
        cleaned = cleaner.clean(schema, 0, ())
    except _TooLarge:
        cleaner = _Cleaner(schema, sizes, sizes[schema], once=True)
        cleaned = cleaner.clean(schema, 0, ())
        return Cleaned(cleaned, max_inlined, cleaner.is_reduced)
    return Cleaned(cleaned, max_inlined - cleaner.left, cleaner.is_reduced)


def _fold_alternatives(root: Json, key: str) -> Json:
    """Alternatives are refused at the root: merge their properties, describe the choice."""
    branches = [branch for branch in root[key] if isinstance(branch, dict)]
    folded = {name: value for name, value in root.items() if name != key}
    found: dict[str, list[Json]] = {}
    for branch in [*branches, root]:
        for name, schema in branch.get("properties", {}).items():
            found.setdefault(name, []).append(schema)
    properties = {name: merge_alternatives(schemas) for name, schemas in found.items()}
    common = [set(branch.get("required", [])) for branch in branches]
    required = set(root.get("required", [])).union(set.intersection(*common) if common else ())
    if required:
        folded["required"] = [name for name in properties if name in required]
    folded["properties"] = properties
    return append_to_description(folded, [_note(key, branches, MAX_ROOT_NOTE)])


def _containers(root: Json) -> list[Any] | None:
    """The lists and objects of a schema, outermost first; None where it is too deep."""
    level: list[Any] = [root]
    found: list[Any] = []
    for _ in range(MAX_NESTING):
        found += level
        items = (item for each in level for item in _values(each))
        level = [item for item in items if isinstance(item, (dict, list))]
    return None if level else found


class _Sizes:
    """Characters of each list and object of a schema; counted when one is asked for, as most
    schemas have no references."""

    def __init__(self, containers: Sequence[Any]) -> None:
        self._containers = containers
        self._sizes: dict[int, int] = {}

    def __getitem__(self, container: Any) -> int:
        if not self._sizes:
            for each in reversed(self._containers):
                self._sizes[id(each)] = self._measure(each)
        return self._sizes[id(container)]

    def _measure(self, container: Any) -> int:
        """The lists and objects in it are measured."""
        size = CONTAINER_SIZE
        if isinstance(container, dict):
            size += sum(map(len, container))
        for item in _values(container):
            if isinstance(item, str):
                size += len(item)
            elif isinstance(item, (dict, list)):
                size += self._sizes[id(item)]
            else:
                size += NUMBER_SIZE
        return size


CONTAINER_SIZE, NUMBER_SIZE = 16, 4
"""Characters, with those around it. Objects take most of the time, so none counts as small."""


def _values(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


class _TooLarge(Exception):
    """References would add more to a schema than they may."""


class _Cleaner:
    """Walks one schema; holds its definitions and how much of them may still be inlined.

    left: characters. once: whether a definition is inlined once at the most,
    as far as there is room. Otherwise, `clean` raises _TooLarge where there is none.
    """

    def __init__(self, root: Json, sizes: _Sizes, left: int, *, once: bool = False) -> None:
        self._root = root
        self._sizes = sizes
        self.left = left
        self._once = once
        self._inlined: set[int] = set()
        """The ids of definitions."""
        self.is_reduced = False

    def clean(self, schema: Any, depth: int, trail: tuple[str, ...]) -> Json:
        """One cleaned schema. `trail` holds the references being inlined, to cut cycles."""
        if not isinstance(schema, dict):
            return {} if schema is True else {"description": "No value is valid here."}
        if depth > MAX_DEPTH:
            self.is_reduced = True
            return {"type": _plain_type(schema), "description": "(nested deeper than shown)"}
        schema = expand_nullable(allow_pattern_properties(merge_all_of(schema, self._member)))
        reference = schema.get("$ref")
        if isinstance(reference, str):
            return self._inline(schema, reference, depth, trail)
        return self._clean_keywords(schema, depth, trail)

    def _inline(self, schema: Json, reference: str, depth: int, trail: tuple[str, ...]) -> Json:
        target = self._target(reference)
        siblings = {key: value for key, value in schema.items() if key != "$ref"}
        if target is None:
            why = "unresolved"
        elif reference in trail:
            why = "recursive"
        elif not self._take(target):
            why = "shortened"
        else:
            return self.clean({**target, **siblings}, depth + 1, (*trail, reference))
        stub = {"type": _plain_type(target), **siblings}
        cleaned = self._clean_keywords(stub, depth, trail)
        return append_to_description(cleaned, [f"{why} reference {reference[:MAX_REFERENCE]}"])

    def _target(self, reference: str) -> Json | None:
        """The definition that a local reference (`#/$defs/x`) points at, or None."""
        if reference != "#" and not reference.startswith("#/"):
            return None
        if len(reference) > MAX_REFERENCE:
            return None
        found: Any = self._root
        for step in reference.split("/")[1:]:
            found = found.get(_unescape(step)) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else None

    def _member(self, reference: str) -> Json | None:
        """The definition that an `allOf` refers to; one that is not inlined again is noted."""
        target = self._target(reference)
        return target if target is None or self._take(target) else {SHORTENED: reference}

    def _take(self, target: Json) -> bool:
        """Whether a definition is inlined here. Raises _TooLarge."""
        size = self._sizes[target]
        if size > self.left or (self._once and id(target) in self._inlined):
            if not self._once:
                raise _TooLarge
            self.is_reduced = True
            return False
        self.left -= size
        self._inlined.add(id(target))
        return True

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
    """Without what Google refuses: an empty enum, `required` that is no list of names, a bound that
    is none, such as `Infinity`, which Python's clients write and proxy/json_codec.py makes a text.
    """
    if "enum" in schema and not (isinstance(schema["enum"], list) and schema["enum"]):
        schema = {key: value for key, value in schema.items() if key != "enum"}
    for bound in ("minimum", "maximum"):
        if isinstance(schema.get(bound), str):
            schema = {key: value for key, value in schema.items() if key != bound}
    if "required" in schema:
        names = schema["required"] if isinstance(schema["required"], list) else []
        schema = {**schema, "required": [name for name in names if isinstance(name, str)]}
    return schema


def _plain_type(schema: Any) -> str:
    kind = schema.get("type") if isinstance(schema, dict) else None
    return kind if isinstance(kind, str) else "object"


def _note(key: str, value: Any, max_length: int = MAX_NOTE) -> str:
    """Reads of a value no more than it says: what is noted may hold what is noted again."""
    text = ""
    pieces = (
        ENCODER.iterencode(value) if isinstance(value, (dict, list)) else [ENCODER.encode(value)]
    )
    for piece in pieces:
        text += piece
        if len(text) > max_length:
            text = text[:max_length] + "…"
            break
    return f"{key}: {text}"


ENCODER = json.JSONEncoder(ensure_ascii=False)


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
            if value + step in INTEGERS:
                cleaned[bound] = value + step
                return []
            return [_note(key, value)]
        cleaned[bound] = value
    return [_note(key, value)]


INTEGERS = range(-(2**63), 2**64)
"""Those that the JSON library of the proxy writes."""

EXCLUSIVE = {"exclusiveMinimum": ("minimum", 1), "exclusiveMaximum": ("maximum", -1)}

EXACT = {"const": _const, "exclusiveMinimum": _exclusive, "exclusiveMaximum": _exclusive}


# --- Keywords in another form ------------------------------------------------------------------


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

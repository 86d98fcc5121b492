"""What a schema says of a JSON answer as a whole: how it begins, and what it must have.

Enough to tell a document from what looks like one, and from a wrong one. Gemini holds answers to
their schema itself where it was sent as a field; a schema in the prompt is only a wish.
Source: JSON Schema 2020-12.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from functools import cached_property
from typing import Any

from ..wire import Json
from .integers import as_list

BRACKETS = {"object": "{", "array": "["}
SCALAR_STARTS = {
    "string": '"',
    "number": "-0123456789",
    "integer": "-0123456789",
    "boolean": "tf",
    "null": "n",
}
"""Type of a schema -> how its documents begin."""

PYTHON_WORDS = {"True": "true", "False": "false", "None": "null"}
PYTHON_STARTS = {"boolean": "TF", "null": "N"}
"""The same within a document, in Python's words."""

TYPES = BRACKETS.keys() | SCALAR_STARTS.keys()
PYTHON_TYPES: dict[type, str] = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
}


class AnswerSchema:
    """schema: cleaned (see json_schema.py). is_enforced: whether Gemini itself was given it."""

    def __init__(self, schema: Json, *, is_enforced: bool = False) -> None:
        self._schema = schema
        self._is_enforced = is_enforced
        kinds = _kinds(schema)
        self.brackets = "".join(BRACKETS[kind] for kind in BRACKETS if kind in kinds)
        """That a document may begin with."""
        self.scalar_starts = frozenset("".join(SCALAR_STARTS.get(kind, "") for kind in kinds))

    def allows_scalar(self, value: Any) -> bool:
        """Whether a document may be that string, number, truth value or null."""
        enum = as_list(self._schema.get("enum"))
        begins_so = json.dumps(value)[0] in self.scalar_starts
        return begins_so and (not enum or (type(value), value) in [(type(e), e) for e in enum])

    def allows_enum(self, value: str) -> bool:
        """Whether it is one of the strings that a document must be."""
        return "enum" in self._schema and self.allows_scalar(value)

    def allows_first_item(self, start: str) -> bool:
        """Whether a document that is an array may have an element that begins so."""
        return self._is_enforced or start in self._item_starts

    def allows_members(self, names: Collection[str]) -> bool:
        """Whether a document that is an object has all that it must have."""
        if self._is_enforced:
            return True
        return _allows_members(self._schema, names) if names else self._allows_none

    @cached_property
    def _item_starts(self) -> str:
        kinds = _item_kinds(self._schema)
        starts = {**BRACKETS, **SCALAR_STARTS}
        return "".join(starts[kind] + PYTHON_STARTS.get(kind, "") for kind in kinds)

    @cached_property
    def _allows_none(self) -> bool:
        """Once for all of the `{}` that a sentence may hold."""
        return _allows_members(self._schema, ())


def _kinds(schema: Json) -> set[str]:
    """The types that a schema allows its document; all, where it does not say which, or names some
    that nobody knows."""
    if "type" not in schema:
        if alternatives := [*_alternatives(schema)]:
            return set().union(*map(_kinds, alternatives))
        if enum := as_list(schema.get("enum")):
            return {PYTHON_TYPES[type(value)] for value in enum}
    given = schema.get("type", "object" if "properties" in schema else None)
    kinds = given if isinstance(given, list) else [given]
    known = {kind for kind in kinds if isinstance(kind, str) and kind in TYPES}
    return known if known and len(known) == len(kinds) else {*TYPES}


def _item_kinds(schema: Json) -> set[str]:
    """The same of the first element of an array."""
    if alternatives := [each for each in _alternatives(schema) if "array" in _kinds(each)]:
        return set().union(*map(_item_kinds, alternatives))
    first = [*as_list(schema.get("prefixItems")), schema.get("items")][0]
    return _kinds(first) if isinstance(first, dict) else {*TYPES}


def _allows_members(schema: Json, names: Collection[str]) -> bool:
    if any(isinstance(name, str) and name not in names for name in as_list(schema.get("required"))):
        return False
    alternatives = [each for each in _alternatives(schema) if "object" in _kinds(each)]
    return not alternatives or any(_allows_members(each, names) for each in alternatives)


def _alternatives(schema: Json) -> Iterator[Json]:
    for key in ("anyOf", "oneOf"):
        yield from (each for each in as_list(schema.get(key)) if isinstance(each, dict))

"""Several JSON Schemas in one: those that all hold (`allOf`), and those of which one does.

Each value is looked at once: a schema with thousands of members costs no more than its length.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..wire import Json

MAX_MEMBERS = 24
"""Levels of `allOf` within `allOf`, those behind references counted in."""


def merge_alternatives(schemas: Sequence[Json]) -> Json:
    """What fits any of the schemas; enumerations of one type that follow each other become one."""
    if len(schemas) == 1:
        return schemas[0]
    members = [
        member
        for schema in schemas
        for member in (schema["anyOf"] if schema.keys() == {"anyOf"} else [schema])
    ]
    distinct = {_dumps(member): member for member in members}
    merged = [
        _merge_enums([member for _, member in group])
        for _, group in itertools.groupby(distinct.items(), _enum_type)
    ]
    return merged[0] if len(merged) == 1 else {"anyOf": merged}


def _enum_type(item: tuple[str, Json]) -> str:
    """The same for enumerations of one type; else of its own for each schema, its JSON."""
    text, schema = item
    return _dumps(schema["type"]) if schema.keys() == {"enum", "type"} else text


def _merge_enums(schemas: Sequence[Json]) -> Json:
    first, *others = schemas
    if not others:
        return first
    values = {_dumps(value): value for schema in schemas for value in schema["enum"]}
    return {**first, "enum": [*values.values()]}


Target = Callable[[str], Json | None]


def merge_all_of(schema: Json, target: Target) -> Json:
    """`allOf` folded into its owner, at every level; contradictions are kept under DIFFERING.

    target: the definition that a reference points at, None for none.
    """
    members = schema.get("allOf")
    if not isinstance(members, list):
        return schema
    merged = _Merged({key: value for key, value in schema.items() if key != "allOf"})
    _add_members(merged, members, target, ())
    return merged.schema()


def _add_members(
    merged: _Merged, members: Iterable[Any], target: Target, trail: tuple[str, ...]
) -> None:
    """trail: of references, or "" for a member that stands here, outermost first."""
    for member in members:
        reference = member.get("$ref") if isinstance(member, dict) else None
        if isinstance(reference, str):
            member = target(reference) if reference not in trail else None
        if not isinstance(member, dict):
            continue
        merged.add({key: value for key, value in member.items() if key != "allOf"})
        inner = member.get("allOf")
        if isinstance(inner, list) and len(trail) < MAX_MEMBERS:
            _add_members(merged, inner, target, (*trail, str(reference or "")))


class _Merged:
    """A schema that takes in others. Where they differ the first is kept, the others are listed.

    What is made here is changed in place: a copy for each of many schemas would be quadratic.
    """

    def __init__(self, schema: Json) -> None:
        self._fields = dict(schema)
        self._properties: dict[str, Any] | None = None
        """Once there are two that have them: name -> its schema, or a _Merged."""
        self._required: dict[str, None] | None = None
        self._differing: list[Json] = []

    def add(self, other: Json) -> None:
        differing = {}
        for key, value in other.items():
            if key not in self._fields:
                self._fields[key] = value
            elif key in MERGERS:
                MERGERS[key](self, self._fields[key], value)
            elif self._fields[key] != value:
                differing[key] = value
        if differing:
            self._differing.append(differing)

    def schema(self) -> Json:
        """All of them in one."""
        if self._properties is not None:
            self._fields["properties"] = {
                name: known.schema() if isinstance(known, _Merged) else known
                for name, known in self._properties.items()
            }
        if self._required is not None:
            self._fields["required"] = [*self._required]
        if self._differing:
            self._fields[DIFFERING] = self._differing
        return self._fields

    def add_properties(self, first: Any, other: Any) -> None:
        if not isinstance(first, dict) or not isinstance(other, dict):
            return
        if self._properties is None:
            self._properties = dict(first)
        for name, schema in other.items():
            known = self._properties.setdefault(name, schema)
            if known is schema or not isinstance(schema, dict):
                continue
            if isinstance(known, dict):
                known = self._properties[name] = _Merged(known)
            if isinstance(known, _Merged):
                known.add(schema)

    def add_required(self, first: Any, other: Any) -> None:
        if not isinstance(first, list) or not isinstance(other, list):
            return
        if self._required is None:
            self._required = _names(first)
        self._required.update(_names(other))

    def keep_first(self, first: Any, other: Any) -> None:
        """Where a difference is no contradiction."""


def _names(values: Iterable[Any]) -> dict[str, None]:
    return dict.fromkeys(value for value in values if isinstance(value, str))


DIFFERING = "conflicting constraints"
SHORTENED = "shortened reference"
"""The notes that describe them; no keyword of JSON Schema has a blank in it."""

MERGERS: dict[str, Callable[[_Merged, Any, Any], None]] = {
    "properties": _Merged.add_properties,
    "required": _Merged.add_required,
    "description": _Merged.keep_first,
    "title": _Merged.keep_first,
}
"""Keywords that two schemas can have without a contradiction."""


def _dumps(value: Any) -> str:
    """By which values are compared: Python takes 1, 1.0 and True for one."""
    return ENCODER.encode(value)


ENCODER = json.JSONEncoder(sort_keys=True)

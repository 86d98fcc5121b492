"""Numbers as a schema has them: 1.0 is 1 where it says integer.

Google keeps arguments of calls in a Struct, which has floats only, and a model writes what it likes
into an answer; many a client checks for integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ..wire import Json

MAX_EXACT = 2.0**53
"""Up to here every whole float is one integer; beyond, it is any of several."""

MAX_ALTERNATIVES = 20
"""Schemas that are looked at for one value: references and unions may lead to each other."""

MAX_REFERENCE = 1_000
"""Characters of a reference: it is a path of a few names."""

FRACTION_STARTS = (".", "e", "E")
"""What follows the digits of a number that is written as a float."""

UNIONS = ("anyOf", "oneOf", "allOf")


def fit_integers(args: Json, schema: Json) -> Json:
    """The arguments with integers where the schema has them; the same object where none changed.

    schema: a client's, so it may hold anything.
    """
    return _Fitter(schema).fit(args, [schema]) if _has_whole_float(args) else args


def _has_whole_float(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_whole_float(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_whole_float(item) for item in value)
    return isinstance(value, float) and value.is_integer()


class Alternatives(NamedTuple):
    """The schemas that a value may have to fit, and whether one wants an integer, and none any
    number."""

    schemas: list[Json]
    want_integer: bool


class _Fitter:
    """Fits values to schemas; the elements of a list have the same ones, which are found once.

    root: where references begin.
    """

    def __init__(self, root: Json) -> None:
        self._root = root
        self._found: dict[tuple[int, ...], Alternatives] = {}
        """By the ids of the schemas that lead to them."""

    def fit(self, value: Any, schemas: Iterable[Any]) -> Any:
        """schemas: those that the value may have to fit."""
        alternatives, want_integer = self.alternatives([*schemas])
        if isinstance(value, dict):
            fitted: Any = {
                name: self.fit(item, _of_member(name, alternatives)) for name, item in value.items()
            }
            return fitted if _has_changed(value.values(), fitted.values()) else value
        if isinstance(value, list):
            fitted = [self.fit(item, _of_element(i, alternatives)) for i, item in enumerate(value)]
            return fitted if _has_changed(value, fitted) else value
        if not isinstance(value, float) or not value.is_integer() or abs(value) > MAX_EXACT:
            return value
        return int(value) if want_integer else value

    def alternatives(self, schemas: list[Any]) -> Alternatives:
        key = tuple(map(id, schemas))
        if key not in self._found:
            found = _find_alternatives(schemas, self._root)
            types = {name for schema in found for name in _types(schema)}
            want_integer = "integer" in types and "number" not in types
            self._found[key] = Alternatives(found, want_integer)
        return self._found[key]


class SchemaPath:
    """The place in a document that comes in pieces, and whether its schema wants an integer there.

    schema: as for `fit_integers`.
    """

    def __init__(self, schema: Json) -> None:
        self._schema = schema
        self._fitter = _Fitter(schema)
        self._levels: list[tuple[list[Json], str | int]] = []
        """For each object and array that is open, its schemas, and the member or the position."""

    def open(self) -> None:
        """An object or an array begins."""
        self._levels.append((self._here().schemas, 0))

    def close(self) -> None:
        self._levels.pop()

    def start_member(self, name: str) -> None:
        self._levels[-1] = (self._levels[-1][0], name)

    def next_element(self) -> None:
        """A comma: in an object the name of a member follows."""
        schemas, position = self._levels[-1]
        if isinstance(position, int):
            self._levels[-1] = (schemas, position + 1)

    def reset(self) -> None:
        """Another document begins."""
        self._levels.clear()

    def fit_scalar(self, text: str) -> str:
        """A number, or any other scalar, as it is to stand here."""
        if text.lstrip("-0123456789")[:1] not in FRACTION_STARTS:
            return text
        value = float(text)
        if not value.is_integer() or abs(value) > MAX_EXACT or not self._here().want_integer:
            return text
        return str(int(value))

    def _here(self) -> Alternatives:
        if not self._levels:
            return self._fitter.alternatives([self._schema])
        schemas, step = self._levels[-1]
        inner = _of_element(step, schemas) if isinstance(step, int) else _of_member(step, schemas)
        return self._fitter.alternatives([*inner])


def _has_changed(before: Iterable[Any], after: Iterable[Any]) -> bool:
    return any(one is not other for one, other in zip(before, after, strict=True))


def _find_alternatives(schemas: Iterable[Any], root: Json) -> list[Json]:
    """The schemas, those of their unions, and those they refer to."""
    found: dict[int, Json] = {}
    waiting = [*schemas]
    while waiting and len(found) < MAX_ALTERNATIVES:
        schema = waiting.pop()
        if isinstance(schema, dict) and id(schema) not in found:
            found[id(schema)] = schema
            for name in UNIONS:
                waiting += as_list(schema.get(name))[:MAX_ALTERNATIVES]
            waiting.append(_resolve(schema.get("$ref"), root))
    return [*found.values()]


def _resolve(reference: Any, root: Json) -> Any:
    """What `#/$defs/name` stands for in the schema; None where that is nothing."""
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return None
    if len(reference) > MAX_REFERENCE:
        return None
    target: Any = root
    for step in reference.removeprefix("#/").split("/"):
        target = target.get(step) if isinstance(target, dict) else None
    return target


def _of_member(name: str, schemas: Iterable[Json]) -> Iterator[Any]:
    for schema in schemas:
        properties = schema.get("properties")
        if isinstance(properties, dict) and name in properties:
            yield properties[name]
        else:
            yield schema.get("additionalProperties")


def _of_element(position: int, schemas: Iterable[Json]) -> Iterator[Any]:
    for schema in schemas:
        first = as_list(schema.get("prefixItems")) or as_list(schema.get("items"))
        yield first[position] if position < len(first) else schema.get("items")


def _types(schema: Json) -> list[Any]:
    kind = schema.get("type")
    kinds = [kind] if isinstance(kind, str) else as_list(kind)[:MAX_ALTERNATIVES]
    return [each for each in kinds if isinstance(each, str)]


def as_list(value: Any) -> list[Any]:
    """What a schema has where a list belongs; [] for anything else."""
    return value if isinstance(value, list) else []

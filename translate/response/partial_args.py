"""A call's arguments in pieces -> the JSON text of its input, as it grows.

Vertex AI can stream arguments: each piece names a place (`$.todos[0].text`) and a value, and a
string may come in several pieces. What is written here is never taken back.
Source: FunctionCall.partialArgs in Google's aiplatform v1beta1 reference, seen 2026-11-23.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from ..wire import Json
from .chunks import MAX_DEPTH

STEP = re.compile(r"\['((?:[^'\\]|\\.)*)'\]|\[(\d{1,9})\]|\.([^.\[\]]+)")
ESCAPED = re.compile(r"\\(.)")
VALUES: dict[str, tuple[type, ...]] = {
    "stringValue": (str,),
    "numberValue": (int, float),
    "boolValue": (bool,),
    "nullValue": (str,),
}
"""Name of a value -> its types. A null is an enum of one name."""

Step = str | int
Place = tuple[Step, ...]


class InvalidPiece(Exception):
    """A piece of which no JSON can be made that holds what it says."""


class Container(NamedTuple):
    """An open list or object.

    place: where it stands. closer: how it is closed. names: of its members; their positions in a
    list.
    """

    place: Place
    closer: str
    names: set[Step]


class PartialArgs:
    """Writes one JSON object. Pieces come in the order of the text, as a model writes it."""

    def __init__(self) -> None:
        self._open: list[Container] = []
        """Outermost first."""
        self._string: Place | None = None
        """The place of a string that goes on."""

    @property
    def is_within_string(self) -> bool:
        """Whether a string has begun and not ended."""
        return self._string is not None

    def add(self, pieces: Iterable[Json]) -> str:
        """The text that some pieces add. Raises InvalidPiece."""
        return "".join([self._add_piece(piece) for piece in pieces])

    def end(self) -> str:
        """The text that closes what is open."""
        return self._begin_root() + self._end_string() + self._close_to(0)

    def _add_piece(self, piece: Json) -> str:
        path, name, value, goes_on = _read_piece(piece)
        place = _parse_path(path)
        is_string = name == "stringValue"
        if is_string and place == self._string:
            text = _escape(value)
        elif place:
            text = self._end_string() + self._go_to(place) + _begin_value(path, name, value)
        elif name is None:
            return self._begin_root()
        else:
            raise InvalidPiece
        self._string = place if is_string and goes_on else None
        return text + '"' if is_string and not goes_on else text

    def _go_to(self, place: Place) -> str:
        """Close and open containers until a member can be written at this place."""
        text = self._begin_root()
        parent = place[:-1]
        shared = sum(1 for opened in self._open if opened.place == parent[: len(opened.place)])
        text += self._close_to(shared)
        for depth in range(len(self._open), len(place)):
            text += self._begin_member(place[depth - 1])
            closer = "]" if isinstance(place[depth], int) else "}"
            text += self._begin_container(place[:depth], closer)
        return text + self._begin_member(place[-1])

    def _begin_root(self) -> str:
        return "" if self._open else self._begin_container((), "}")

    def _begin_container(self, place: Place, closer: str) -> str:
        self._open.append(Container(place, closer, set()))
        return "{" if closer == "}" else "["

    def _begin_member(self, step: Step) -> str:
        """What stands before a member. Written once is written for good: there is no way back to
        a member, and none over a gap in a list."""
        _, closer, names = self._open[-1]
        is_index = isinstance(step, int)
        if is_index != (closer == "]") or step in names or (is_index and step != len(names)):
            raise InvalidPiece
        comma = "," if names else ""
        names.add(step)
        return comma if is_index else f"{comma}{json.dumps(step, ensure_ascii=False)}:"

    def _close_to(self, count: int) -> str:
        """Close all but so many of the open containers."""
        closed = "".join([container.closer for container in reversed(self._open[count:])])
        del self._open[count:]
        return closed

    def _end_string(self) -> str:
        text = "" if self._string is None else '"'
        self._string = None
        return text


def _read_piece(piece: Json) -> tuple[str, str | None, Any, bool]:
    """A piece's path, the name of its value, the value, and whether that goes on."""
    fields = {name: field for name, field in piece.items() if field is not None}
    path, goes_on = fields.get("jsonPath", ""), fields.get("willContinue", False)
    names = [name for name in VALUES if name in fields]
    if not isinstance(path, str) or not isinstance(goes_on, bool) or len(names) > 1:
        raise InvalidPiece
    if not names:
        return path, "nullValue" if "nullValue" in piece else None, None, goes_on
    value, kinds = fields[names[0]], VALUES[names[0]]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise InvalidPiece
    return path, names[0], value, goes_on


def _begin_value(path: str, name: str | None, value: Any) -> str:
    if name is None:
        return "[]" if path.endswith("[]") else "{}"
    if name == "stringValue":
        return f'"{_escape(value)}'
    return _dump_scalar(None if name == "nullValue" else value)


def _parse_path(path: str) -> Place:
    """`$.todos[0].text` -> ("todos", 0, "text"). Raises InvalidPiece for what is no path."""
    if path[:1] not in ("$", ""):
        raise InvalidPiece
    steps: list[Step] = []
    end = len(path) - 2 if path.endswith("[]") else len(path)
    at = 1
    while at < end:
        step = STEP.match(path, at, end)
        if step is None or len(steps) == MAX_DEPTH:
            raise InvalidPiece
        quoted, index, name = step.groups()
        steps.append(int(index) if index else name or ESCAPED.sub(r"\1", quoted or ""))
        at = step.end()
    return tuple(steps)


def _escape(text: str) -> str:
    """A string's JSON without its quotes."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _dump_scalar(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value)

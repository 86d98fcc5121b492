"""A call's arguments in pieces -> the JSON text of its input, as it grows.

Vertex AI can stream arguments: each piece names a place (`$.todos[0].text`) and a value, and a
string may come in several pieces. What is written here is never taken back.
Source: FunctionCall.partialArgs in Google's aiplatform v1beta1 reference, seen 2026-11-23.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from ..wire import Json

STEP = re.compile(r"\['((?:[^'\\]|\\.)*)'\]|\[(\d+)\]|\.([^.\[\]]+)")
VALUES = ("stringValue", "numberValue", "boolValue", "nullValue")

Step = str | int
Place = tuple[Step, ...]


class PartialArgs:
    """Writes one JSON object. Pieces come in the order of the text, as a model writes it."""

    def __init__(self) -> None:
        self._open: list[tuple[Place, str]] = []
        """Places of the open containers, outermost first, and how each is closed."""
        self._is_empty = True
        """Whether the innermost container has no member yet."""
        self._string: Place | None = None
        """The place of a string that goes on."""

    @property
    def has_begun(self) -> bool:
        """Whether there is any text yet."""
        return bool(self._open)

    def add(self, pieces: Iterable[Json]) -> str:
        """The text that some pieces add."""
        return "".join(self._add_piece(piece) for piece in pieces)

    def end(self) -> str:
        """The text that closes what is open."""
        start = "" if self._open else self._begin_container((), "}")
        return start + self._end_string() + self._close_to(-1)

    def _add_piece(self, piece: Json) -> str:
        path = str(piece.get("jsonPath", ""))
        place = _parse_path(path)
        if place == self._string and "stringValue" in piece:
            text = _escape(piece["stringValue"])
        else:
            text = self._end_string() + self._go_to(place) + self._begin_value(path, piece)
        self._string = place if "stringValue" in piece and piece.get("willContinue") else None
        if "stringValue" in piece and self._string is None:
            text += '"'
        return text

    def _go_to(self, place: Place) -> str:
        """Close and open containers until a member can be written at this place."""
        text = "" if self._open else self._begin_container((), "}")
        parent = place[:-1]
        shared = sum(1 for opened, _ in self._open if opened == parent[: len(opened)]) - 1
        text += self._close_to(shared)
        for depth in range(len(self._open), len(place)):
            text += self._begin_member(place[depth - 1])
            text += self._begin_container(
                place[:depth], "]" if isinstance(place[depth], int) else "}"
            )
        return text + (self._begin_member(place[-1]) if place else "")

    def _begin_container(self, place: Place, closer: str) -> str:
        self._open.append((place, closer))
        self._is_empty = True
        return "{" if closer == "}" else "["

    def _begin_member(self, step: Step) -> str:
        comma = "" if self._is_empty else ","
        self._is_empty = False
        return comma if isinstance(step, int) else f"{comma}{json.dumps(step, ensure_ascii=False)}:"

    def _close_to(self, depth: int) -> str:
        closed = [closer for _, closer in self._open[depth + 1 :]]
        if closed:
            self._is_empty = False
        del self._open[depth + 1 :]
        return "".join(reversed(closed))

    def _end_string(self) -> str:
        text = "" if self._string is None else '"'
        self._string = None
        return text

    def _begin_value(self, path: str, piece: Json) -> str:
        name = next((name for name in VALUES if name in piece), None)
        if name is None:
            return "[]" if path.endswith("[]") else "{}"
        if name == "stringValue":
            return f'"{_escape(piece[name])}'
        return _dump_scalar(None if name == "nullValue" else piece[name])


def _parse_path(path: str) -> Place:
    steps: list[Step] = []
    for quoted, index, name in STEP.findall(path):
        steps.append(int(index) if index else name or re.sub(r"\\(.)", r"\1", quoted))
    return tuple(steps)


def _escape(text: str) -> str:
    """A string's JSON without its quotes."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _dump_scalar(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value)

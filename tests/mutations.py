"""JSON with one value changed, for tests of what must hold whatever comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def places(value: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a JSON value, the whole first."""
    yield path
    if isinstance(value, dict | list):
        for step, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, *path, step)


def changed(value: Any, path: tuple[Any, ...], leaf: Any) -> Any:
    """A copy with another value at one place, which may be a new field of an object."""
    if not path:
        return leaf
    copied = value.copy()
    copied[path[0]] = changed(value[path[0]], path[1:], leaf) if path[1:] else leaf
    return copied

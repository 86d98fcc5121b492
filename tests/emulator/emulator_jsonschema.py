"""The little that Google refuses in a `parametersJsonSchema`; everything else it ignores.

Knows the rules of `$ref` and that the root describes an object. Only keywords that Gemini
understands are looked into.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from emulator_errors import Json

BESIDE_REF = frozenset({"$ref", "description", "default"})
REF_ALONE = (
    "$ref '{}' was set alongside unsupported fields. If a schema node has $ref set, then only"
    " description and default can be set alongside it."
)
UNDEFINED = "reference to undefined schema at {}"
ENDLESS = "cyclic reference to {} outside of non-required properties"
ROOT = "`{}` functionDeclaration `parameters` schema should be of type OBJECT."
DEFINITIONS = "#/$defs/"

LISTS = ("anyOf", "oneOf", "prefixItems")
SINGLE = ("items", "additionalProperties")
MAPS = ("properties", "$defs")


def parameters(schema: Any, function: str) -> Iterator[str]:
    """What is wrong with the schema of one function's parameters."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        yield ROOT.format(function)
    yield from references(schema, function)


def references(schema: Any, name: str) -> Iterator[str]:
    """What is wrong with the `$ref`s of a schema. name: what the whole is called."""
    for path, node in _nodes(schema, ""):
        if "$ref" in node:
            yield from _reference(schema, path, node)
    if _is_endless(schema, schema, ()):
        yield ENDLESS.format(name)


def _reference(root: Json, path: str, node: Json) -> Iterator[str]:
    if not node.keys() <= BESIDE_REF:
        yield REF_ALONE.format(str(node["$ref"]).rpartition("/")[2])
    if _target(root, node["$ref"]) is None:
        yield UNDEFINED.format(path)


def _nodes(node: Any, path: str) -> Iterator[tuple[str, Json]]:
    """Every schema inside, with its path: `properties.x.items`."""
    if not isinstance(node, dict):
        return
    yield path, node
    for name, inner in _children(node):
        yield from _nodes(inner, f"{path}.{name}" if path else name)


def _children(node: Json) -> Iterator[tuple[str, Any]]:
    for keyword in MAPS:
        for name, inner in _mapping(node.get(keyword)).items():
            yield f"{keyword}.{name}", inner
    for keyword in LISTS:
        for i, inner in enumerate(_listing(node.get(keyword))):
            yield f"{keyword}[{i}]", inner
    for keyword in SINGLE:
        yield keyword, node.get(keyword)


def _target(root: Json, reference: Any) -> Json | None:
    """What `#/$defs/...` points to."""
    if not isinstance(reference, str) or not reference.startswith(DEFINITIONS):
        return None
    node: Any = root
    for step in reference[2:].split("/"):
        node = _mapping(node).get(step.replace("~1", "/").replace("~0", "~"))
    return node if isinstance(node, dict) else None


def _is_endless(root: Json, node: Any, passed: tuple[str, ...]) -> bool:
    """Whether what must be there leads back to itself."""
    if not isinstance(node, dict):
        return False
    reference = node.get("$ref")
    if isinstance(reference, str):
        if reference in passed:
            return True
        return _is_endless(root, _target(root, reference), (*passed, reference))
    return any(_is_endless(root, inner, passed) for inner in _must_be_there(node))


def _must_be_there(node: Json) -> Iterator[Any]:
    """The schemas inside, without those of optional properties and mere definitions."""
    required = _listing(node.get("required"))
    for name, inner in _children(node):
        keyword, _, property_name = name.partition(".")
        is_optional = keyword == "properties" and property_name not in required
        if keyword != "$defs" and not is_optional:
            yield inner


def _listing(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> Json:
    return value if isinstance(value, dict) else {}

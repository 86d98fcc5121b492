"""The rules of tools: names, schemas of parameters, what goes together, how calls are forced.

Knows function declarations, built-in tools and toolConfig, and both ways to describe parameters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import emulator_jsonschema
from emulator_errors import BARE, Json
from emulator_request import Asked

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:\-]{0,63}")
INVALID_NAME = (
    "Invalid function name. Must start with a letter or an underscore. Must be alphameric (a-z,"
    " A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of"
    " 64."
)
BOTH_SCHEMAS = "parameters_json_schema is mutually exclusive with parameters."

MOST_DECLARATIONS = 512
TOO_MANY = "Maximum 512 function declarations can be provided."
DUPLICATE = "Duplicate function declaration found: {}"
NOT_COMBINED = (
    "Please enable tool_config.include_server_side_tool_invocations to use Built-in tools with"
    " Function calling."
)
NEVER_COMBINED = "Tool use with function calling is unsupported"
NO_DECLARATIONS = "Function calling config is set without function_declarations."
ALLOWED_MODE = "Allowed function names should only be set when function calling mode is ANY."
ALLOWED_UNKNOWN = "Allowed function name {} is not in function_declarations."

RESTRICTING_MODES = ("ANY", "VALIDATED")
STRING_FORMATS = ("", "enum", "date-time")


def fields(asked: Asked) -> Iterator[tuple[str, str]]:
    """Names, and schemas in the OpenAPI subset."""
    for path, declaration in asked.declarations:
        if not NAME.fullmatch(declaration.get("name", "")):
            yield f"{path}.name", INVALID_NAME
        if "parameters" in declaration and "parametersJsonSchema" in declaration:
            yield f"{path}.parameters_json_schema", BOTH_SCHEMAS
        for field in ("parameters", "response"):
            yield from schema_fields(f"{path}.{field}", declaration.get(field))


def schema_fields(path: str, schema: Json | None) -> Iterator[tuple[str, str]]:
    """What the server finds in a Schema, and in every Schema inside."""
    if schema is None:
        return
    kind = schema.get("type", "TYPE_UNSPECIFIED")
    if kind == "TYPE_UNSPECIFIED" and not schema.get("anyOf"):
        yield f"{path}.type", "must be specified when not using one_of, any_of or all_of fields"
    if kind == "OBJECT" and not schema.get("properties"):
        yield f"{path}.properties", "should be non-empty for OBJECT type"
    if kind == "ARRAY" and "items" not in schema:
        yield f"{path}.items", "missing field."
    if kind == "STRING" and schema.get("format", "") not in STRING_FORMATS:
        yield f"{path}.format", "only 'enum' and 'date-time' are supported for STRING type"
    yield from _enum_fields(path, kind, schema.get("enum", ()))
    for i, name in enumerate(schema.get("required", ())):
        if name not in schema.get("properties", {}):
            yield f"{path}.required[{i}]", "property is not defined"
    for inner_path, inner in _inner(path, schema):
        yield from schema_fields(inner_path, inner)


def _enum_fields(path: str, kind: str, values: Sequence[str]) -> Iterator[tuple[str, str]]:
    if values and kind != "STRING":
        yield f"{path}.enum", "only allowed for STRING type"
    for i, value in enumerate(values):
        if value == "":
            yield f"{path}.enum[{i}]", "cannot be empty"


def _inner(path: str, schema: Json) -> Iterator[tuple[str, Json]]:
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}.properties[{name}]", inner
    if "items" in schema:
        yield f"{path}.items", schema["items"]
    for i, inner in enumerate(schema.get("anyOf", ())):
        yield f"{path}.any_of[{i}]", inner


def declarations(asked: Asked) -> Iterator[str]:
    """All declarations together, and their JSON Schemas."""
    if len(asked.declared) > MOST_DECLARATIONS:
        yield TOO_MANY
    for name, times in Counter(asked.declared).items():
        if times > 1:
            yield DUPLICATE.format(name)
    for _, declaration in asked.declarations:
        if "parametersJsonSchema" in declaration:
            schema, name = declaration["parametersJsonSchema"], declaration["name"]
            yield from emulator_jsonschema.parameters(schema, name)


def combinations(asked: Asked) -> Iterator[str]:
    """Functions beside built-in tools: never before Gemini 3, and only when told so since.

    Told so, the mode is VALIDATED unless another is asked for; AUTO is refused.
    """
    tools: list[Json] = asked.body.get("tools", [])
    if not asked.declared or not any(set(tool) - {"functionDeclarations"} for tool in tools):
        return
    config = _tool_config(asked)
    if not asked.model.combines:
        yield NEVER_COMBINED
    if not config.get("includeServerSideToolInvocations"):
        yield NOT_COMBINED
    if config.get("functionCallingConfig", {}).get("mode") == "AUTO":
        yield BARE


def calling_mode(asked: Asked) -> Iterator[str]:
    """functionCallingConfig names declared functions, in the modes that restrict."""
    config = _tool_config(asked).get("functionCallingConfig")
    if config is None:
        return
    if not asked.declared:
        yield NO_DECLARATIONS
    allowed: list[Any] = config.get("allowedFunctionNames", [])
    if allowed and config.get("mode") not in RESTRICTING_MODES:
        yield ALLOWED_MODE
    for name in allowed:
        if name not in asked.declared:
            yield ALLOWED_UNKNOWN.format(name)


def _tool_config(asked: Asked) -> Json:
    return dict(asked.body.get("toolConfig", {}))

"""tools and tool_choice -> function declarations and the mode they are called in.

Here stand the kinds of tools, what each becomes, and Gemini's rules for their names. The insides
of a schema are json_schema.py's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from ..errors import InvalidRequest
from ..models import Model
from ..wire import FunctionDeclaration, Json, Tool
from . import json_schema, openapi

PLACEHOLDER = "DeferredToolPlaceholder"
"""Claude Code 2.1.330 declares it while its other tools wait behind ToolSearch; not callable."""

LEGAL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
"""Google's rule; its documents allow 128 characters, its errors 64 (seen 2026-11-23)."""

MODES = {"auto": "AUTO", "any": "ANY", "tool": "ANY", "none": "NONE"}
"""tool_choice.type -> functionCallingConfig.mode."""

BUILT_IN = {
    "web_search": "googleSearch",
    "web_fetch": "urlContext",
    "code_execution": "codeExecution",
}
"""How a server tool's type begins -> Gemini's tool."""

MAX_FUNCTIONS = 512
"""In one request (google-genai, `types.Tool.function_declarations`, seen 2026-11-23)."""

Declare = Callable[[Tool], FunctionDeclaration]


def function_name(name: str) -> str:
    """A name Gemini takes: the tool's own, or a legal one with a checksum of it at the end."""
    if LEGAL_NAME.fullmatch(name):
        return name
    legal = re.sub(r"[^A-Za-z0-9_.:-]", "_", name)
    start = "" if re.match(r"[A-Za-z_]", legal) else "_"
    checksum = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{start}{legal[:54]}_{checksum}"


def declaration(tool: Tool) -> FunctionDeclaration:
    """One custom tool -> its function declaration."""
    return {
        "name": function_name(tool["name"]),
        "description": tool.get("description", ""),
        "parametersJsonSchema": json_schema.parameters(tool.get("input_schema", {})),
    }


def openapi_declaration(tool: Tool) -> FunctionDeclaration:
    """The second form of a declaration; without `parameters` for a tool that takes nothing."""
    parameters = openapi.parameters(tool.get("input_schema", {}))
    named: FunctionDeclaration = {
        "name": function_name(tool["name"]),
        "description": tool.get("description", ""),
    }
    return {**named, "parameters": parameters} if parameters else named


class ToolSet(NamedTuple):
    """The tools of a request by kind. built_in: Gemini's tool -> the definition it came from."""

    functions: list[Tool]
    built_in: dict[str, Tool]

    @property
    def search(self) -> Tool:
        """The definition of the web search; empty when there is none."""
        return self.built_in.get("googleSearch", {})


def classify_tools(tools: Iterable[Tool], choice: Json | None, model: Model) -> ToolSet:
    """Functions and built-in tools; raises InvalidRequest for what has no counterpart.

    Where no tool is to be used, built-in ones are left out: Gemini's NONE does not stop them.
    """
    is_off = choice is not None and choice["type"] == "none"
    tool_set = ToolSet([], {})
    for i, tool in enumerate(tools):
        kind = tool.get("type", "custom")
        built_in = next((BUILT_IN[name] for name in BUILT_IN if kind.startswith(name)), None)
        if built_in and is_off:
            continue
        if built_in:
            tool_set.built_in[built_in] = tool
        elif kind != "custom":
            raise InvalidRequest(f"tools.{i}.type", f"{kind!r} is not supported here")
        elif tool["name"] != PLACEHOLDER:
            tool_set.functions.append(tool)
    if len(tool_set.functions) > MAX_FUNCTIONS:
        problem = f"Gemini takes at most {MAX_FUNCTIONS} tools, got {len(tool_set.functions):,}"
        raise InvalidRequest("tools", problem)
    if tool_set.functions and tool_set.built_in and not model.mixes_tools:
        raise InvalidRequest("tools", f"{model.name} cannot use server tools beside others")
    return tool_set


def tool_declarations(
    tool_set: ToolSet, declare: Declare, in_openapi: Collection[str] = ()
) -> list[Json]:
    """Gemini's `tools`: one entry for all functions, one for each built-in tool.

    in_openapi: functions whose JSON Schema was refused.
    """
    functions = [
        openapi_declaration(tool) if function_name(tool["name"]) in in_openapi else declare(tool)
        for tool in tool_set.functions
    ]
    entries: list[Json] = [{"functionDeclarations": functions}] if functions else []
    return [*entries, *({name: {}} for name in tool_set.built_in)]


def tool_names(tools: Iterable[Tool]) -> dict[str, str]:
    """Function name -> tool name, for the way back; only where the two differ."""
    pairs = ((function_name(tool["name"]), tool["name"]) for tool in tools)
    return {function: tool for function, tool in pairs if function != tool}


def tool_config(tool_set: ToolSet, choice: Json | None, *, validated: bool = False) -> Json | None:
    """tool_choice -> toolConfig; None where Gemini's own default is meant.

    validated: whether calls are held to their schemas though nobody asked for it.
    Built-in tools beside functions need a flag, and VALIDATED in place of AUTO.
    https://ai.google.dev/gemini-api/docs/function-calling, seen 2026-11-23.
    """
    if not tool_set.functions:
        return None
    calling = _calling_config(choice, tool_set)
    if validated and calling is None:
        calling = {"mode": "VALIDATED"}
    if not tool_set.built_in:
        return {"functionCallingConfig": calling} if calling else None
    return {
        "functionCallingConfig": calling or {"mode": "VALIDATED"},
        "includeServerSideToolInvocations": True,
    }


def _calling_config(choice: Json | None, tool_set: ToolSet) -> Json | None:
    if choice is None or choice["type"] == "auto":
        strict = any(tool.get("strict") for tool in tool_set.functions)
        return {"mode": "VALIDATED"} if strict else None
    if choice["type"] not in MODES:
        raise InvalidRequest("tool_choice.type", f"expected one of {', '.join(MODES)}")
    mode: Json = {"mode": MODES[choice["type"]]}
    if choice["type"] != "tool":
        return mode
    if choice.get("name") in [tool["name"] for tool in tool_set.built_in.values()]:
        return {"mode": "NONE"}
    if choice.get("name") not in [tool["name"] for tool in tool_set.functions]:
        raise InvalidRequest("tool_choice.name", "expected the name of one of the tools")
    return {**mode, "allowedFunctionNames": [function_name(choice["name"])]}

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

NOT_UNIQUE = "Tool names must be unique."
"""As Anthropic says it; Google refuses the second one, too."""

MAX_INLINED = 2_000_000
"""Characters that references may add to all schemas of a request: ten times what they may add to
one. A request with hundreds of tools would else take minutes."""


class Declared(NamedTuple):
    """A tool as a function. inlined, is_reduced: of its schema, see json_schema.Cleaned."""

    function: FunctionDeclaration
    inlined: int
    is_reduced: bool


Declare = Callable[[Tool, int], Declared]
"""A tool and how many characters references may add to its schema -> its declaration."""


def function_name(name: str) -> str:
    """A name Gemini takes: the tool's own, or a legal one with a checksum of it at the end."""
    if LEGAL_NAME.fullmatch(name):
        return name
    legal = re.sub(r"[^A-Za-z0-9_.:-]", "_", name)
    start = "" if re.match(r"[A-Za-z_]", legal) else "_"
    checksum = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{start}{legal[:54]}_{checksum}"


def declaration(tool: Tool, max_inlined: int = json_schema.MAX_INLINED) -> Declared:
    """One custom tool -> its function declaration."""
    cleaned = json_schema.parameters(tool.get("input_schema", {}), max_inlined)
    function: FunctionDeclaration = {
        "name": function_name(tool["name"]),
        "description": tool.get("description", ""),
        "parametersJsonSchema": cleaned.schema,
    }
    return Declared(function, cleaned.inlined, cleaned.is_reduced)


def openapi_declaration(tool: Tool, max_inlined: int = json_schema.MAX_INLINED) -> Declared:
    """The second form of a declaration; without `parameters` for a tool that takes nothing."""
    parameters, cleaned = openapi.parameters(tool.get("input_schema", {}), max_inlined)
    function: FunctionDeclaration = {
        "name": function_name(tool["name"]),
        "description": tool.get("description", ""),
    }
    if parameters:
        function["parameters"] = parameters
    return Declared(function, cleaned.inlined, cleaned.is_reduced)


class ToolSet(NamedTuple):
    """The tools of a request by kind.

    function_names: of `functions`, in their order. built_in: Gemini's tool -> its definition.
    unavailable: the names of server tools that this model cannot use beside functions.
    """

    functions: list[Tool]
    function_names: list[str]
    built_in: dict[str, Tool]
    unavailable: tuple[str, ...] = ()

    @property
    def search(self) -> Tool:
        """The definition of the web search; empty when there is none."""
        return self.built_in.get("googleSearch", {})

    @property
    def tool_names(self) -> dict[str, str]:
        """Function name -> tool name, for the way back; only where the two differ."""
        pairs = zip(self.function_names, self.functions, strict=True)
        return {function: tool["name"] for function, tool in pairs if function != tool["name"]}


def classify_tools(tools: Iterable[Tool], choice: Json | None, model: Model) -> ToolSet:
    """Functions and built-in tools; raises InvalidRequest for what has no counterpart.

    Where no tool is to be used, built-in ones are left out: Gemini's NONE does not stop them. So
    they are where the model cannot use them beside functions: a session needs its own tools more.
    """
    functions: list[Tool] = []
    built_in: dict[str, Tool] = {}
    server_names: list[str] = []
    for i, tool in enumerate(tools):
        kind = tool.get("type", "custom")
        if kind == "custom":
            if tool["name"] != PLACEHOLDER:
                functions.append(tool)
        elif gemini_tool := _built_in(kind):
            built_in[gemini_tool] = tool
            server_names.append(tool["name"])
        else:
            raise InvalidRequest(f"tools.{i}.type", f"{kind!r} is not supported here")
    if choice is not None and choice["type"] == "none":
        built_in = {}
    if len(functions) > MAX_FUNCTIONS:
        problem = f"Gemini takes at most {MAX_FUNCTIONS} tools, got {len(functions):,}"
        raise InvalidRequest("tools", problem)
    names = [function_name(tool["name"]) for tool in functions]
    if len({*names, *server_names}) < len(names) + len(server_names):
        raise InvalidRequest("tools", NOT_UNIQUE)
    if functions and built_in and not model.mixes_tools:
        return ToolSet(functions, names, {}, tuple(tool["name"] for tool in built_in.values()))
    return ToolSet(functions, names, built_in)


def _built_in(kind: str) -> str | None:
    """Gemini's own tool for a server tool's type."""
    return next((BUILT_IN[start] for start in BUILT_IN if kind.startswith(start)), None)


class Declarations(NamedTuple):
    """entries: Gemini's `tools`: one for all functions, one for each built-in tool. reduced: the
    functions whose schemas are not whole."""

    entries: list[Json]
    reduced: list[str]


def tool_declarations(
    tool_set: ToolSet, declare: Declare, in_openapi: Collection[str] = ()
) -> Declarations:
    """in_openapi: functions whose JSON Schema was refused.

    The first schemas take what they need of MAX_INLINED, so that they are the same with each
    request, whatever `declare` remembers.
    """
    functions: list[FunctionDeclaration] = []
    reduced = []
    left = MAX_INLINED
    for name, tool in zip(tool_set.function_names, tool_set.functions, strict=True):
        max_inlined = min(left, json_schema.MAX_INLINED)
        make = openapi_declaration if name in in_openapi else declare
        declared = make(tool, max_inlined)
        functions.append(declared.function)
        left -= declared.inlined
        if declared.is_reduced:
            reduced.append(name)
    entries: list[Json] = [{"functionDeclarations": functions}] if functions else []
    return Declarations([*entries, *({name: {}} for name in tool_set.built_in)], reduced)


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
    built_in = [tool["name"] for tool in tool_set.built_in.values()]
    if choice.get("name") in (*built_in, *tool_set.unavailable):
        return {"mode": "NONE"}
    if choice.get("name") not in [tool["name"] for tool in tool_set.functions]:
        raise InvalidRequest("tool_choice.name", "expected the name of one of the tools")
    return {**mode, "allowedFunctionNames": [function_name(choice["name"])]}

"""tools and tool_choice -> function declarations and the mode they are called in.

Knows tool definitions, Gemini's rules for their names, and the two forms of a call's id.
It refuses to know messages, and leaves the insides of a schema to schema.py.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable

from . import schema
from .errors import InvalidRequest
from .wire import FunctionDeclaration, Json, Tool

PLACEHOLDER = "DeferredToolPlaceholder"
"""Claude Code 2.1.330 declares it while its other tools wait behind ToolSearch; not callable."""

LEGAL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
"""Google's rule; its documents say 128 characters, its refusals say 64 (seen 2026-11-23)."""

MODES = {"auto": "AUTO", "any": "ANY", "tool": "ANY", "none": "NONE"}
"""tool_choice.type -> functionCallingConfig.mode."""

Declare = Callable[[Tool], FunctionDeclaration]


def function_name(name: str) -> str:
    """A name Gemini takes: the tool's own, or a legal one with a checksum of it at the end."""
    if LEGAL_NAME.fullmatch(name):
        return name
    legal = re.sub(r"[^A-Za-z0-9_.:-]", "_", name)
    checksum = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"_{legal[:54]}_{checksum}"


def declaration(tool: Tool) -> FunctionDeclaration:
    """One custom tool -> its function declaration."""
    return {
        "name": function_name(tool["name"]),
        "description": tool.get("description", ""),
        "parametersJsonSchema": schema.parameters(tool.get("input_schema", {})),
    }


def functions(tools: Iterable[Tool]) -> list[Tool]:
    """The tools to declare; raises InvalidRequest for a kind that has no counterpart."""
    declared = []
    for i, tool in enumerate(tools):
        if tool.get("type", "custom") != "custom":
            raise InvalidRequest(f"tools.{i}.type", f"{tool['type']!r} is not supported here")
        if tool["name"] != PLACEHOLDER:
            declared.append(tool)
    return declared


def names(tools: Iterable[Tool]) -> dict[str, str]:
    """Function name -> tool name, for the way back; only where the two differ."""
    pairs = ((function_name(tool["name"]), tool["name"]) for tool in tools)
    return {function: tool for function, tool in pairs if function != tool}


def calling_config(choice: Json | None) -> Json | None:
    """tool_choice -> toolConfig; None where Gemini's own default (AUTO) is meant."""
    if choice is None or choice["type"] == "auto":
        return None
    mode = MODES.get(choice["type"])
    if mode is None:
        raise InvalidRequest("tool_choice.type", f"expected one of {', '.join(MODES)}")
    config: Json = {"mode": mode}
    if choice["type"] == "tool":
        if not isinstance(choice.get("name"), str):
            raise InvalidRequest("tool_choice.name", "expected the name of a tool")
        config["allowedFunctionNames"] = [function_name(choice["name"])]
    return {"functionCallingConfig": config}


LEGAL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
OUR_ID = re.compile(r"toolu_[0-9a-f]{8}_([A-Za-z0-9_-]{1,64})")


def tool_use_id(tag: str, call_id: str | None, position: int) -> str:
    """The id of a tool_use: Gemini's own inside one that is unique in the conversation.

    tag: 8 hex digits of the message's id. position: the call's place in the message.
    Claude Code names files after these ids, so they are short and of `[A-Za-z0-9_-]`.
    """
    if call_id is not None and LEGAL_ID.fullmatch(call_id):
        return f"toolu_{tag}_{call_id}"
    return f"toolu_{tag}{position:02d}"


def call_id(tool_use_id: str) -> str:
    """The way back: Gemini's own id where there is one, else the tool_use's."""
    match = OUR_ID.fullmatch(tool_use_id)
    return match[1] if match else tool_use_id

"""One content block -> the parts it becomes, wherever it stands.

Knows the blocks that either side of a conversation may hold: text, media, what was found.
It refuses to know turns, calls and their results: those are contents.py's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from .errors import InvalidRequest
from .shapes import Problem, block_list
from .wire import Block, Part, Source


def parts_of(path: str, block: Block) -> list[Part]:
    if block["type"] not in PARTS:
        raise InvalidRequest(path, f"a {block['type']!r} block is not supported here")
    return PARTS[block["type"]](path, block)


def parts_of_all(path: str, blocks: Iterable[Block]) -> list[Part]:
    """The parts of a list of blocks. path: the list's own."""
    return [part for i, block in enumerate(blocks) for part in parts_of(f"{path}.{i}", block)]


def _text(path: str, block: Block) -> list[Part]:
    return _said(block["text"])


def _said(text: str) -> list[Part]:
    """Gemini refuses an empty text."""
    return [{"text": text}] if text else []


def _media(path: str, block: Block) -> list[Part]:
    """An image or a document; a URL is handed on, never fetched here."""
    source = block["source"]
    kind = source["type"]
    if kind not in SOURCES:
        raise InvalidRequest(f"{path}.source.type", f"{kind!r} is not supported here")
    needs, build = SOURCES[kind]
    for field in needs:
        if not isinstance(source.get(field), str):
            raise InvalidRequest(f"{path}.source.{field}", "expected a string")
    headings: list[Part] = [
        {"text": heading} for heading in (block.get("title"), block.get("context")) if heading
    ]
    return [*headings, *build(path, source)]


def _inline(path: str, source: Source) -> list[Part]:
    return [{"inlineData": {"mimeType": source["media_type"], "data": source["data"]}}]


def _nested(path: str, source: Source) -> list[Part]:
    """A document made of blocks, or of a string that stands for one."""
    content = source.get("content")
    if isinstance(content, str):
        return _said(content)
    try:
        checked = block_list(content)
    except Problem as problem:
        raise InvalidRequest(
            ".".join([path, "source.content", *problem.path]), problem.problem
        ) from None
    return parts_of_all(f"{path}.source.content", checked)


class SourceKind(NamedTuple):
    """The fields a source must have, and the parts it becomes."""

    needs: tuple[str, ...]
    build: Callable[[str, Source], list[Part]]


SOURCES = {
    "base64": SourceKind(("media_type", "data"), _inline),
    "url": SourceKind(("url",), lambda path, source: [{"fileData": {"fileUri": source["url"]}}]),
    "text": SourceKind(("data",), lambda path, source: _said(source["data"])),
    "content": SourceKind((), _nested),
}


def _search_result(path: str, block: Block) -> list[Part]:
    """A passage a client found by itself: where it is from, then what it says."""
    heading: Part = {"text": f"[{block['title']}]({block['source']})"}
    return [heading, *parts_of_all(f"{path}.content", block["content"])]


def _server_tool(path: str, block: Block) -> list[Part]:
    """A tool that ran at the server, told in words: what looks like a call would be imitated."""
    if "input" in block:
        given = json.dumps(_readable(block["input"]), ensure_ascii=False)
        return [{"text": f"(The server was asked to use {block.get('name')} with {given}.)"}]
    found = json.dumps(_readable(block.get("content")), ensure_ascii=False)
    return [{"text": f"(The server's {block['type'].removesuffix('_tool_result')} found {found}.)"}]


def is_traced(block: Block) -> bool:
    """Whether a block shows what Gemini's own trace beside it replays (see grounding.py)."""
    identity = block.get("id") or block.get("tool_use_id")
    return isinstance(identity, str) and OUR_SERVER_ID.fullmatch(identity) is not None


OUR_SERVER_ID = re.compile(r"srvtoolu_[0-9a-f]{8}[sf]\d\d+")


def _readable(value: Any) -> Any:
    """Without what only its own server can read."""
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if isinstance(value, dict):
        return {
            name: _readable(item)
            for name, item in value.items()
            if not name.startswith("encrypted_") and item is not None
        }
    return value


def _tool_reference(path: str, block: Block) -> list[Part]:
    """What Claude Code's ToolSearch found; the tool itself is declared from now on."""
    return [{"text": f"The tool {block['tool_name']} is now available."}]


def _tool_change(path: str, block: Block) -> list[Part]:
    """Claude Code 2.1.330 may announce tools in a system message; the list itself has them."""
    tool = block.get("tool") or {}
    name = tool.get("name") or (tool.get("definition") or {}).get("name")
    change = "now available" if block["type"] == "tool_addition" else "no longer available"
    return [{"text": f"The tool {name} is {change}."}]


PARTS: dict[str, Callable[[str, Block], list[Part]]] = {
    "text": _text,
    "image": _media,
    "document": _media,
    "search_result": _search_result,
    "tool_reference": _tool_reference,
    "tool_addition": _tool_change,
    "tool_removal": _tool_change,
    "server_tool_use": _server_tool,
    "web_search_tool_result": _server_tool,
    "web_fetch_tool_result": _server_tool,
    "code_execution_tool_result": _server_tool,
    "bash_code_execution_tool_result": _server_tool,
    "text_editor_code_execution_tool_result": _server_tool,
    "mcp_tool_use": _server_tool,
    "mcp_tool_result": _server_tool,
}

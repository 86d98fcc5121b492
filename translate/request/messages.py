"""Messages and their blocks -> contents and their parts, in an order Gemini accepts.

Here stands every block type, and the rules of a Gemini history: turns alternate, each call is
answered once and in order, the first turn is the user's. What a client's history breaks
(interrupted, resumed, compacted sessions) is repaired here.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from .. import signatures
from ..errors import InvalidRequest
from ..models import Model
from ..signatures import call_id
from ..wire import Block, Content, FunctionCall, FunctionResponse, Json, Message, Part, Source
from .tools import function_name
from .validation import InvalidValue, block_list

RESUMED = "(The conversation starts in the middle: its beginning is not available.)"
CONTINUE = "Continue your last message exactly where it stops. Repeat nothing of it."
INTERRUPTED = "interrupted: this call has no result"


class Placed(NamedTuple):
    """A block and where the client put it, for error messages."""

    path: str
    block: Block


class Turn(NamedTuple):
    role: str
    blocks: list[Placed]


class Call(NamedTuple):
    """A function call that waits for its response, and the id its tool_result will name."""

    tool_use_id: str
    call: FunctionCall


def contents(messages: Iterable[Message], model: Model, *, signed: bool = True) -> list[Content]:
    """The conversation as Gemini's contents.

    signed: whether the thought signatures in it are trusted.
    Raises InvalidRequest with the path of a block that has no counterpart.
    """
    history: list[Content] = []
    waiting: list[Call] = []
    for turn in _turns(messages):
        if turn.role == "assistant":
            parts = _model_parts(turn.blocks, model, signed)
            waiting = _calls(turn.blocks, parts)
            _append(history, "model", parts)
        else:
            _append(history, "user", _user_parts(turn.blocks, waiting, model))
            waiting = []
    return _bounded(history, waiting, model)


def reminder(text: str) -> str:
    """A system message that stands between others, as Claude Code writes such text itself."""
    if text.lstrip().startswith("<system-reminder>"):
        return text
    return f"<system-reminder>\n{text}\n</system-reminder>"


def _turns(messages: Iterable[Message]) -> list[Turn]:
    """Consecutive messages of one side joined; system messages speak on the user's side."""
    turns: list[Turn] = []
    for i, message in enumerate(messages):
        role = "assistant" if message["role"] == "assistant" else "user"
        placed = [
            Placed(f"messages.{i}.content.{j}", block) for j, block in enumerate(message["content"])
        ]
        if message["role"] == "system":
            placed = [_as_reminder(*item) for item in placed]
        if turns and turns[-1].role == role:
            turns[-1].blocks.extend(placed)
        else:
            turns.append(Turn(role, placed))
    return turns


def _as_reminder(path: str, block: Block) -> Placed:
    if block["type"] != "text":
        return Placed(path, block)
    return Placed(path, {"type": "text", "text": reminder(block["text"])})


def _append(history: list[Content], role: str, parts: list[Part]) -> None:
    """Add a turn; an empty one vanishes, and its neighbours become one."""
    if not parts:
        return
    if history and history[-1]["role"] == role:
        history[-1]["parts"].extend(parts)
    else:
        history.append({"role": "model" if role == "model" else "user", "parts": parts})


def _bounded(history: list[Content], waiting: list[Call], model: Model) -> list[Content]:
    """First and last turn by Gemini's rules."""
    if not history:
        raise InvalidRequest("messages", "nothing to answer: every message is empty")
    if history[0]["role"] == "model":
        history.insert(0, {"role": "user", "parts": [{"text": RESUMED}]})
    _append(history, "user", [_interrupted(call) for _, call in waiting])
    if history[-1]["role"] == "model" and not model.prefill:
        history.append({"role": "user", "parts": [{"text": CONTINUE}]})
    return history


# --- The model's side -------------------------------------------------------------------------


def _model_parts(blocks: Iterable[Placed], model: Model, signed: bool) -> list[Part]:
    """Thinking is not replayed, its signatures are: each once, on the part it came with."""
    parts: list[Part] = []
    signature: str | None = None
    has_call = has_trace = False
    for path, block in blocks:
        if block["type"] == "thinking":
            given = block.get("signature", "") if signed else ""
            found = signatures.unwrap(given, model.name)
            if found is not None and found.kind == signatures.CALL:
                signature = found.value
            elif found is not None and (part := signatures.carried_part(found)):
                parts.append(part)
                has_trace = has_trace or found.kind == signatures.PART
        elif has_trace and is_traced(block):
            continue
        elif block["type"] == "tool_use":
            if not has_call and model.signs:
                signature = signature or signatures.SENTINEL
            parts.append(_call(block, signature, model))
            signature, has_call = None, True
        elif block["type"] != "redacted_thinking":
            parts.extend(parts_of(path, block))
    return parts


def _call(block: Block, signature: str | None, model: Model) -> Part:
    given = block["input"]
    call: FunctionCall = {
        "name": function_name(block["name"]),
        "args": given if isinstance(given, dict) else {"input": given},
    }
    if model.call_ids:
        call["id"] = call_id(block["id"])
    part: Part = {"functionCall": call}
    if signature:
        part["thoughtSignature"] = signature
    return part


def _calls(blocks: Iterable[Placed], parts: Iterable[Part]) -> list[Call]:
    ids = [block["id"] for _, block in blocks if block["type"] == "tool_use"]
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    return [Call(*pair) for pair in zip(ids, calls, strict=True)]


# --- The user's side --------------------------------------------------------------------------


def _user_parts(blocks: Iterable[Placed], waiting: list[Call], model: Model) -> list[Part]:
    """Responses first, in the order of their calls; a result without a call becomes text."""
    responses: dict[int, Part] = {}
    rest: list[Part] = []
    positions: dict[str, deque[int]] = defaultdict(deque)
    for i, (tool_use_id, _) in enumerate(waiting):
        positions[tool_use_id].append(i)
    for path, block in blocks:
        if block["type"] != "tool_result":
            rest.extend(parts_of(path, block))
            continue
        text, media = _result(path, block)
        unanswered = positions.get(block["tool_use_id"])
        if not unanswered:
            rest += [{"text": f"[Result of a tool call that is not in this history]\n{text}"}]
            rest += media
        else:
            position = unanswered.popleft()
            key = "error" if block.get("is_error") else "output"
            response = _response(waiting[position].call, {key: text})
            if media and model.multimodal_results:
                response["functionResponse"]["parts"] = media
            else:
                rest += media
            responses[position] = response
    answers = [
        responses[i] if i in responses else _interrupted(call)
        for i, (_, call) in enumerate(waiting)
    ]
    return answers + rest


def _response(call: FunctionCall, response: Json) -> Part:
    answer: FunctionResponse = {"name": call["name"], "response": response}
    if "id" in call:
        answer["id"] = call["id"]
    return {"functionResponse": answer}


def _interrupted(call: FunctionCall) -> Part:
    return _response(call, {"error": INTERRUPTED})


def _result(path: str, block: Block) -> tuple[str, list[Part]]:
    """A tool_result's text, and what it holds beside text."""
    parts = parts_of_all(f"{path}.content", block.get("content", []))
    text = "\n".join(part["text"] for part in parts if "text" in part)
    return text, [part for part in parts if "text" not in part]


# --- One block, wherever it stands -------------------------------------------------------------


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
    except InvalidValue as problem:
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
    """A tool that ran at the server, in words: what looks like a call would be imitated."""
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

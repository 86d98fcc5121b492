"""Messages and their blocks -> contents and their parts, in an order Gemini accepts.

Here stands every block type, and the rules of a Gemini history: turns alternate, each call is
answered once and in order, the first turn is the user's. What a client's history breaks
(interrupted, resumed, compacted sessions) is repaired here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from .. import signatures
from ..errors import InvalidRequest
from ..models import Model
from ..signatures import call_id
from ..wire import Block, Content, FunctionCall, FunctionResponse, Json, Message, Part, Source
from .inline_media import InvalidMedium, inline_part, linked_part
from .nesting import limit_depth
from .tools import function_name
from .unknown_blocks import held_text, without_compacted, without_encrypted
from .validation import InvalidValue

RESUMED = "(The conversation starts in the middle: its beginning is not available.)"
CONTINUE = "Continue your last message exactly where it stops. Repeat nothing of it."
INTERRUPTED = "interrupted: this call has no result"


Call = tuple[str, FunctionCall]
"""The id that a tool_result will name, and the function call that waits for its response."""


def contents(
    messages: Sequence[Message], model: Model, *, signed: bool = True, instruction: str = ""
) -> list[Content]:
    """The conversation as Gemini's contents.

    Consecutive messages of one side are one turn; system messages speak on the user's side.
    signed: whether the thought signatures in it are trusted. instruction: a system message behind
    all others, if any.
    Raises InvalidRequest with the path of a block that has no counterpart.
    """
    history: list[Content] = []
    turn: ModelTurn | UserTurn = UserTurn([], model)
    i = j = 0
    try:
        for i, message in enumerate(without_compacted(messages)):  # noqa: B007 - for the path
            role, blocks = message["role"], message["content"]
            if (role == "assistant") is not turn.is_models:
                _append(history, turn)
                turn = UserTurn(turn.calls, model) if turn.is_models else ModelTurn(model, signed)
            add = turn.add
            for j, block in enumerate(blocks):  # noqa: B007 - for the path
                add(block if role != "system" else _as_reminder(block))
    except InvalidValue as problem:
        raise problem.at("messages", str(i), "content", str(j)) from None
    if instruction:
        _append(history, turn)
        turn = UserTurn(turn.calls, model)
        turn.add({"type": "text", "text": reminder(instruction)})
    _append(history, turn)
    return _complete(history, turn.calls, model)


def _as_reminder(block: Block) -> Block:
    return {**block, "text": reminder(block["text"])} if block["type"] == "text" else block


def reminder(text: str) -> str:
    """A system message that stands between others, as Claude Code writes such text itself."""
    if text.lstrip().startswith("<system-reminder>"):
        return text
    return f"<system-reminder>\n{text}\n</system-reminder>"


def _append(history: list[Content], turn: ModelTurn | UserTurn) -> None:
    """Add a turn; an empty one vanishes, and its neighbours become one."""
    parts = turn.finish()
    if not parts:
        return
    role: Literal["model", "user"] = "model" if turn.is_models else "user"
    if history and history[-1]["role"] == role:
        history[-1]["parts"].extend(parts)
    else:
        history.append({"role": role, "parts": parts})


def _complete(history: list[Content], unanswered: list[Call], model: Model) -> list[Content]:
    """First and last turn by Gemini's rules."""
    if not history:
        raise InvalidRequest("messages", "nothing to answer: every message is empty")
    if history[0]["role"] == "model":
        history.insert(0, {"role": "user", "parts": [{"text": RESUMED}]})
    _append(history, UserTurn(unanswered, model))
    if history[-1]["role"] == "model" and not model.prefill:
        history.append({"role": "user", "parts": [{"text": CONTINUE}]})
    return history


# --- The model's side -------------------------------------------------------------------------


class ModelTurn:
    """The model's parts, and the calls among them.

    Thinking is not replayed, its signatures are: each once, on the part it came with. Where they
    are not trusted, Gemini has asked for one, whatever is known of the model.
    """

    is_models = True

    def __init__(self, model: Model, signed: bool) -> None:
        self.calls: list[Call] = []
        self._ids: set[str] = set()
        self._parts: list[Part] = []
        self._model = model
        self._signed = signed
        self._signature: str | None = None
        """That of the next call."""
        self._has_trace = False

    def add(self, block: Block) -> None:
        block_type = block_type_of(block)
        if block_type.in_model_turn is not None:
            block_type.in_model_turn(self, block)
            return
        count = len(self._parts)
        try:
            block_type.anywhere(block, self._parts)
        except InvalidValue:
            del self._parts[count:]
            self.add_unknown(block)

    def add_unknown(self, block: Block) -> None:
        """What cannot be sent stays in the client's history: its text goes, or nothing."""
        _text({"type": "text", "text": held_text(block)}, self._parts)

    def add_thinking(self, block: Block) -> None:
        signature = block.get("signature")
        if not signature or not self._signed:
            return
        found = signatures.unwrap(signature, self._model.name)
        if found is None:
            return
        if found.kind == signatures.CALL:
            self._signature = found.value
        elif part := signatures.carried_part(found):
            self._parts.append(limit_depth(part))
            self._has_trace = self._has_trace or found.kind == signatures.PART

    def drop(self, block: Block) -> None:
        """Redacted thinking: only the model that made it can read it."""

    def add_call(self, block: Block) -> None:
        given = block["input"]
        call: FunctionCall = {
            "name": function_name(block["name"]),
            "args": given if isinstance(given, dict) else {"input": given},
        }
        if self._model.call_ids:
            call["id"] = self._unique_id(block["id"])
        part: Part = {"functionCall": call}
        if not self.calls and (self._model.signs or not self._signed):
            part["thoughtSignature"] = self._signature or signatures.SENTINEL
        elif self._signature:
            part["thoughtSignature"] = self._signature
        self._signature = None
        self._parts.append(part)
        self.calls.append((block["id"], call))

    def _unique_id(self, identity: str) -> str:
        """Gemini tells the calls of a turn apart by their ids."""
        unique = call_id(identity)
        if unique in self._ids:
            unique = signatures.checksum(f"{len(self.calls)} {identity}")
        self._ids.add(unique)
        return unique

    def add_server_tool(self, block: Block) -> None:
        if not (self._has_trace and is_traced(block)):
            block_type_of(block).anywhere(block, self._parts)

    def finish(self) -> list[Part]:
        return self._parts


# --- The user's side --------------------------------------------------------------------------


class UserTurn:
    """Responses first, in the order of their calls, then the rest; each call gets one.

    A result without a call becomes text.
    """

    is_models = False

    def __init__(self, waiting: list[Call], model: Model) -> None:
        self.calls: list[Call] = []
        """Always none: those of the turn before are answered here."""
        self._waiting = waiting
        self._model = model
        self._responses: list[Part | None] = [None] * len(waiting)
        self._rest: list[Part] = []
        self._positions: dict[str, list[int]] = {}
        """tool_use_id -> the places of its calls, the first one last."""
        for i in reversed(range(len(waiting))):
            self._positions.setdefault(waiting[i][0], []).append(i)

    def add(self, block: Block) -> None:
        block_type = block_type_of(block)
        if block_type.in_user_turn is not None:
            block_type.in_user_turn(self, block)
        else:
            block_type.anywhere(block, self._rest)

    def add_result(self, block: Block) -> None:
        try:
            text, media = _result(block)
        except InvalidMedium as problem:
            raise problem.below("tool_result") from None
        positions = self._positions.get(block["tool_use_id"])
        if not positions:
            self._rest.append(
                {"text": f"[Result of a tool call that is not in this history]\n{text}"}
            )
        else:
            position = positions.pop()
            key = "error" if block.get("is_error") else "output"
            response = _response(self._waiting[position][1], {key: text})
            self._responses[position] = response
            if media and self._model.multimodal_results:
                response["functionResponse"]["parts"] = media
                return
        self._rest += media

    def finish(self) -> list[Part]:
        if not self._waiting:
            return self._rest
        answers = [
            response or _response(call, {"error": INTERRUPTED})
            for response, (_, call) in zip(self._responses, self._waiting, strict=True)
        ]
        return answers + self._rest


def _response(call: FunctionCall, response: Json) -> Part:
    answer: FunctionResponse = {"name": call["name"], "response": response}
    if "id" in call:
        answer["id"] = call["id"]
    return {"functionResponse": answer}


def _result(block: Block) -> tuple[str, list[Part]]:
    """A tool_result's text, and what it holds beside text."""
    content: list[Block] = block.get("content", [])
    if len(content) == 1 and content[0]["type"] == "text":
        return content[0]["text"], []
    parts: list[Part] = []
    _add_all(content, parts, "content")
    text = "\n".join([part["text"] for part in parts if "text" in part])
    return text, [part for part in parts if "text" not in part]


# --- One block, wherever it stands -------------------------------------------------------------


def _add_all(blocks: Iterable[Block], parts: list[Part], *path: str) -> None:
    """Add the parts of blocks within a block. path: their list's own, from that block."""
    i = 0
    try:
        for i, block in enumerate(blocks):  # noqa: B007 - for the path
            block_type_of(block).anywhere(block, parts)
    except InvalidValue as problem:
        raise problem.below(*path, str(i)) from None


def _unsupported(block: Block, parts: list[Part]) -> None:
    raise InvalidValue(f"a {block['type']!r} block is not supported here")


def _text(block: Block, parts: list[Part]) -> None:
    """Gemini refuses an empty text."""
    if block["text"]:
        parts.append({"text": block["text"]})


def _media(block: Block, parts: list[Part]) -> None:
    """An image or a document; a URL is handed on, never fetched here."""
    source = block["source"]
    add_source = SOURCES.get(source["type"])
    if add_source is None:
        problem = f"a source of type {source['type']!r} is not supported here; send it as base64"
        raise InvalidMedium(problem, block["type"])
    for heading in (block.get("title"), block.get("context")):
        if heading:
            parts.append({"text": heading})
    add_source(source, parts, block["type"])


def _inline(source: Source, parts: list[Part], kind: str) -> None:
    parts.append(inline_part(source, kind))


def _by_url(source: Source, parts: list[Part], kind: str) -> None:
    parts.append(linked_part(source["url"], kind))


def _plain_text(source: Source, parts: list[Part], kind: str) -> None:
    if source["data"]:
        parts.append({"text": source["data"]})


def _of_blocks(source: Source, parts: list[Part], kind: str) -> None:
    """A medium within is the document's: that is what a client can take out."""
    try:
        _add_all(source["content"], parts, "source", "content")
    except InvalidMedium as problem:
        problem.path = [kind]
        raise


SOURCES: dict[str, Callable[[Source, list[Part], str], None]] = {
    "base64": _inline,
    "url": _by_url,
    "text": _plain_text,
    "content": _of_blocks,
}
"""Type of a source -> what adds its parts, for a type of block. Its fields: validation.SOURCES."""


def _search_result(block: Block, parts: list[Part]) -> None:
    """A passage a client found by itself: where it is from, then what it says."""
    parts.append({"text": f"[{block['title']}]({block['source']})"})
    _add_all(block["content"], parts, "content")


def _server_tool_use(block: Block, parts: list[Part]) -> None:
    """A tool that ran at the server, in words: what looks like a call would be imitated."""
    given = json.dumps(without_encrypted(block.get("input")), ensure_ascii=False)
    parts.append({"text": f"(The server was asked to use {block.get('name')} with {given}.)"})


def _server_tool_result(block: Block, parts: list[Part]) -> None:
    found = json.dumps(without_encrypted(block.get("content")), ensure_ascii=False)
    name = block["type"].removesuffix("_tool_result")
    parts.append({"text": f"(The server's {name} found {found}.)"})


def is_traced(block: Block) -> bool:
    """Whether a block shows what a trace of Gemini's beside it replays (see grounding.py)."""
    identity = block.get("id") or block.get("tool_use_id")
    return isinstance(identity, str) and OUR_SERVER_ID.fullmatch(identity) is not None


OUR_SERVER_ID = re.compile(r"srvtoolu_[0-9a-f]{8}[sf]\d\d+")


def _tool_reference(block: Block, parts: list[Part]) -> None:
    """What Claude Code's ToolSearch found; the tool itself is declared from now on."""
    parts.append({"text": f"The tool {block['tool_name']} is now available."})


def _tool_change(block: Block, parts: list[Part]) -> None:
    """Claude Code 2.1.330 may announce tools in a system message; the list itself has them."""
    tool = block["tool"]
    name = tool.get("name") or tool.get("definition", {}).get("name")
    change = "now available" if block["type"] == "tool_addition" else "no longer available"
    parts.append({"text": f"The tool {name} is {change}."})


def _compaction(block: Block, parts: list[Part]) -> None:
    """What came before it, in short; null where shortening failed."""
    if content := block.get("content"):
        parts.append({"text": str(content)})


def _nothing(block: Block, parts: list[Part]) -> None:
    """A mark for the server alone: another model went on here, or an MCP server had these tools."""


def _browser_state(block: Block, parts: list[Part]) -> None:
    """The tabs of a client's browser behind a call, which Anthropic's server writes out."""
    shown = {name: block.get(name) for name in ("tabs", "state_changes")}
    parts.append({"text": json.dumps(shown, ensure_ascii=False)})


class BlockType(NamedTuple):
    """What a type of block becomes.

    anywhere: adds its parts, in whichever turn and in whichever block it stands. in_model_turn,
    in_user_turn: what it is in such a turn instead.
    """

    anywhere: Callable[[Block, list[Part]], None] = _unsupported
    in_model_turn: Callable[[ModelTurn, Block], None] | None = None
    in_user_turn: Callable[[UserTurn, Block], None] | None = None


SERVER_TOOL_USE = BlockType(_server_tool_use, in_model_turn=ModelTurn.add_server_tool)
SERVER_TOOL_RESULT = BlockType(_server_tool_result, in_model_turn=ModelTurn.add_server_tool)

UNKNOWN = BlockType(in_model_turn=ModelTurn.add_unknown)

SUFFIXES = (("_tool_use", SERVER_TOOL_USE), ("_tool_result", SERVER_TOOL_RESULT))
"""How the types of new tools of Anthropic's servers end."""

BLOCKS = {
    "text": BlockType(_text),
    "image": BlockType(_media),
    "document": BlockType(_media),
    "search_result": BlockType(_search_result),
    "thinking": BlockType(_nothing, in_model_turn=ModelTurn.add_thinking),
    "redacted_thinking": BlockType(_nothing, in_model_turn=ModelTurn.drop),
    "tool_use": BlockType(in_model_turn=ModelTurn.add_call),
    "tool_result": BlockType(in_user_turn=UserTurn.add_result),
    "tool_reference": BlockType(_tool_reference),
    "tool_addition": BlockType(_tool_change),
    "tool_removal": BlockType(_tool_change),
    "server_tool_use": SERVER_TOOL_USE,
    "web_search_tool_result": SERVER_TOOL_RESULT,
    "web_fetch_tool_result": SERVER_TOOL_RESULT,
    "code_execution_tool_result": SERVER_TOOL_RESULT,
    "bash_code_execution_tool_result": SERVER_TOOL_RESULT,
    "text_editor_code_execution_tool_result": SERVER_TOOL_RESULT,
    "mcp_tool_use": SERVER_TOOL_USE,
    "mcp_tool_result": SERVER_TOOL_RESULT,
    "compaction": BlockType(_compaction),
    "fallback": BlockType(_nothing),
    "mcp_tool_listing": BlockType(_nothing),
    "browser_state": BlockType(_browser_state),
}
"""Type of a block -> what it becomes. Which fields it has stands in validation.BLOCKS."""

REPLAYED = BLOCKS.keys() - {"compaction", "fallback", "mcp_tool_listing", "redacted_thinking"}
"""Types of blocks of which nothing is lost, but for what is encrypted in a server's result."""


def block_type_of(block: Block) -> BlockType:
    kind = block["type"]
    found = BLOCKS.get(kind)
    if found is not None:
        return found
    return next((each for suffix, each in SUFFIXES if kind.endswith(suffix)), UNKNOWN)

"""Messages and their blocks -> contents and their parts, in an order Gemini accepts.

Knows every block type, and the rules of a Gemini history: turns alternate, each call is
answered once and in order, the first turn is the user's. What a client's history breaks
(interrupted, resumed, compacted sessions) is mended here.
It refuses to know tools' definitions and everything beside the conversation.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from typing import NamedTuple

from . import signatures
from .blocks import is_traced, parts_of, parts_of_all
from .errors import InvalidRequest
from .models import Model
from .tools import call_id, function_name
from .wire import Block, Content, FunctionCall, FunctionResponse, Json, Message, Part

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

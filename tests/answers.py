"""Answers of Gemini in short, for the tests of the stream machine and of its calls."""

from __future__ import annotations

from typing import Any

from translate.models import find
from translate.response.stream import StreamTranslator
from translate.translation import Domains, Translation

MODEL = "gemini-4-hydrogen"
TAG = "0a1b2c3d"


def translation(**changes: Any) -> Translation:
    """A translated request for which everything is allowed."""
    fields: dict[str, Any] = {
        "model": find(MODEL),
        "messages": (),
        "trusts_signatures": True,
        "request": {},
        "functions": (),
        "tool_names": {},
        "shows_thinking": True,
        "stop_sequences": (),
        "max_tokens": None,
        "domains": Domains(),
        "input_schemas": {},
        "max_calls": None,
        "carries_signatures": True,
        "response_schema": None,
        "is_streamed": True,
    }
    return Translation(**{**fields, **changes})


def translator(previous: StreamTranslator | None = None, **changes: Any) -> StreamTranslator:
    return StreamTranslator(
        translation(**changes),
        message_id=f"msg_{TAG}4e5f",
        model="claude-opus-5",
        previous=previous,
    )


def chunk(*parts: Any, finish: str | None = None, **more: Any) -> Any:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [{**candidate, **more}]}


def text(value: str, **more: Any) -> dict[str, Any]:
    return {"text": value, **more}


def thought(value: str, **more: Any) -> dict[str, Any]:
    return {"text": value, "thought": True, **more}


def call(identity: str | None, name: str = "Bash", args: Any = None, **more: Any) -> dict[str, Any]:
    function: dict[str, Any] = {"name": name}
    if identity is not None:
        function["id"] = identity
    if args is not None:
        function["args"] = args
    return {"functionCall": function, **more}


def signed(value: str) -> dict[str, Any]:
    return {"text": "", "thoughtSignature": value}


def short_events(*chunks: Any, **changes: Any) -> list[Any]:
    """All events of an answer, in short: what opened, grew, closed and how it ended."""
    machine = translator(**changes)
    events = [event for given in chunks for event in machine.feed(given)] + machine.finish()
    return [short(event) for event in events]


def short(event: Any) -> Any:
    match event["type"]:
        case "content_block_start":
            return (event["index"], event["content_block"])
        case "content_block_delta":
            return (event["index"], *event["delta"].values())
        case "content_block_stop":
            return (event["index"], "stop")
        case "message_delta":
            return event["delta"]["stop_reason"]
    return event["type"]


TEXT = {"type": "text", "text": ""}
THINKING = {"type": "thinking", "thinking": "", "signature": ""}


def tool(identity: str, name: str = "Bash") -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{TAG}{identity}", "name": name, "input": {}}


def carried(value: str, kind: str = "c") -> str:
    return f"gs1.{kind}.{MODEL}:{value}"

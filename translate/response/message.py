"""The two exits of the stream machine: events -> SSE bytes, or one whole message.

A message is the collected stream: whatever a client gets in one piece, another gets in events.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from ..wire import Event, Json

SSE_HEADS = {
    kind: f"event: {kind}\ndata: ".encode()
    for kind in (
        *("message_start", "message_delta", "message_stop"),
        *("content_block_start", "content_block_delta", "content_block_stop"),
        *("ping", "error"),
    )
}
"""Event type -> what stands before its JSON. These are all events that the Messages API has."""


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def sse(events: Iterable[Event], dumps: Callable[[Any], bytes] = _compact) -> bytes:
    """Events -> the bytes of one write. dumps: a JSON encoder, which may be a faster one."""
    pieces: list[bytes] = []
    for event in events:
        pieces += (SSE_HEADS[event["type"]], dumps(event), b"\n\n")
    return b"".join(pieces)


DELTA_FIELDS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "signature"),
    "input_json_delta": ("partial_json", "input"),
}
"""Delta type -> (its own field, the field of the block it grows)."""


def collect(events: Iterable[Event]) -> Json:
    """A whole stream of events -> the message that a non-streaming request gets."""
    message: Json = {}
    for event in events:
        COLLECTORS.get(event["type"], _ignore)(message, event)
    for block in message["content"][-1:]:
        _join(block)
    return message


def _message_start(message: Json, event: Event) -> None:
    message.update(event["message"], content=[])


def _block_start(message: Json, event: Event) -> None:
    message["content"].append(dict(event["content_block"]))


def _block_delta(message: Json, event: Event) -> None:
    delta, block = event["delta"], message["content"][-1]
    if delta["type"] == "citations_delta":
        block.setdefault("citations", []).append(delta["citation"])
        return
    source, field = DELTA_FIELDS[delta["type"]]
    if not isinstance(block[field], list):
        block[field] = []
    block[field].append(delta[source])


def _block_stop(message: Json, event: Event) -> None:
    """A call that was broken off is left out: without its input it could be run all the same."""
    block = message["content"][-1]
    _join(block)
    if isinstance(block.get("input"), str):
        try:
            block["input"] = json.loads(block["input"])
        except ValueError:
            message["content"].pop()


def _join(block: Json) -> None:
    """The pieces that have come are one text: added one by one, they would be copied each time."""
    for _, field in DELTA_FIELDS.values():
        if isinstance(block.get(field), list):
            block[field] = "".join(block[field])


def _message_delta(message: Json, event: Event) -> None:
    message.update(event["delta"])
    message["usage"] = event["usage"]


def _ignore(message: Json, event: Event) -> None:
    """`ping` and `message_stop` leave no trace in a message."""


COLLECTORS = {
    "message_start": _message_start,
    "content_block_start": _block_start,
    "content_block_delta": _block_delta,
    "content_block_stop": _block_stop,
    "message_delta": _message_delta,
}

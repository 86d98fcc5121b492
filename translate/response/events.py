"""The events of one message, in the only order that is allowed.

Knows the grammar: message_start, then blocks one at a time (start, deltas, stop), then
message_delta and message_stop. It refuses to know Gemini, and what goes into a block.
Text is kept back by output_limit.py for as long as it may become a stop sequence.
"""

from __future__ import annotations

import json
from typing import Any

from ..wire import Event, Json
from .output_limit import OutputLimit

GROWING: dict[str, Json] = {
    "text": {"type": "text", "text": ""},
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
}
"""Blocks that several parts may continue, as they begin."""

EMPTY_DELTAS = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
}
EMPTY_DELTA = ("input_json_delta", "partial_json")
"""For the blocks of tools."""


def compact(value: Json) -> str:
    """The JSON of a tool's input."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Events:
    """Collects events until they are drained. All changes of blocks go through open and close."""

    def __init__(self, limit: OutputLimit) -> None:
        self.limit = limit
        """Of the attempt at an answer that is under way; the events go on from one to the next."""
        self.has_begun = False
        self.has_emitted_answer = False
        """Whether more than thinking was shown: text, a call, a signature."""
        self.open_block: str | None = None
        """The kind of the open block."""
        self.last_block: str | None = None
        """The kind of the block opened last."""
        self._index = -1
        self._events: list[Event] = []

    @property
    def has_block(self) -> bool:
        return self._index >= 0

    def begin(self, message: Json) -> None:
        """message_start, before everything else."""
        self.has_begun = True
        self.emit("message_start", message=message)

    def keep_alive(self, kind: str) -> None:
        """A real event that says nothing; a block of that kind is begun where none is open."""
        if self.open_block is None:
            self.open(kind)
        name, field = EMPTY_DELTAS.get(str(self.open_block), EMPTY_DELTA)
        self.emit("content_block_delta", index=self._index, delta={"type": name, field: ""})

    def text(self, text: str, tokens: int) -> None:
        """Show the model's text, as far as the client wants it (see output_limit.py)."""
        shown = self.limit.apply(text, tokens)
        if shown:
            self.say(shown)

    def flush(self) -> None:
        """Show the text that was kept back, before something else follows it."""
        rest = self.limit.flush()
        if rest:
            self.say(rest)

    def say(self, text: str) -> None:
        """Show a text whatever the client's limits."""
        self.open("text")
        self.delta("text_delta", text=text)

    def open(self, kind: str, block: Json | None = None) -> None:
        """Begin a block and end the one before; an open text or thinking block just goes on."""
        if kind != "text":
            self.flush()
        if self.open_block == kind:
            return
        self.close()
        self.has_emitted_answer = self.has_emitted_answer or kind not in GROWING
        self.open_block = self.last_block = kind
        self._index += 1
        self.emit("content_block_start", index=self._index, content_block=block or GROWING[kind])

    def close(self) -> None:
        if self.open_block is not None:
            self.open_block = None
            self.emit("content_block_stop", index=self._index)

    def delta(self, kind: str, **fields: Any) -> None:
        """Grow the open block."""
        self.has_emitted_answer = self.has_emitted_answer or kind != "thinking_delta"
        self.emit("content_block_delta", index=self._index, delta={"type": kind, **fields})

    def emit(self, kind: str, **fields: Any) -> None:
        self._events.append({"type": kind, **fields})

    def drain(self) -> list[Event]:
        """The events since the last call."""
        events, self._events = self._events, []
        return events

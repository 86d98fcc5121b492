"""The events of one message, in the only order that is allowed.

message_start, then blocks one at a time (start, deltas, stop), then message_delta and
message_stop. Kept back are a text that may become a stop sequence (by output_limit.py), calls that
may have to be dropped, and a text with sources, which go in front of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from ..wire import Event, Json
from .output_limit import OutputLimit
from .surrogates import SurrogateJoiner

GROWING: dict[str, Json] = {
    "text": {"type": "text", "text": ""},
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
}
"""Blocks that several parts may continue, as they begin."""

EMPTY_DELTAS = {
    "text": {"type": "text_delta", "text": ""},
    "thinking": {"type": "thinking_delta", "thinking": ""},
}
EMPTY_DELTA = {"type": "input_json_delta", "partial_json": ""}
"""For the blocks of tools."""


def compact(value: Json) -> str:
    """The JSON of a tool's input."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Mark(NamedTuple):
    """Where events that are kept back begin, and what was shown before them."""

    start: int
    open_block: str | None
    last_block: str | None
    last_index: int
    has_answer: bool


class Events:
    """Collects events until they are drained. Only `open` and `close` change the open block."""

    def __init__(self, limit: OutputLimit) -> None:
        self.limit = limit
        """Of the attempt at an answer that is under way; the events go on from one to the next."""
        self.open_block: str | None = None
        """The type of the open block: the state of the machine."""
        self.has_begun = False
        self._has_answer = False
        """Whether there is more than thinking: text, a call, a signature."""
        self._held: Mark | None = None
        """Where the calls begin that may have to be dropped."""
        self.place_limit: float = 0
        """Characters of text that may be kept back, so that other blocks can go in front of it."""
        self._place: Mark | None = None
        """Where they would go."""
        self._kept = 0
        """Characters behind it."""
        self._text = SurrogateJoiner()
        self._growth = SurrogateJoiner()
        """Of the open block, where that is another one: thinking, or a call's input."""
        self.last_block: str | None = None
        """The type of the block opened last."""
        self._index = -1
        self._events: list[Event] = []

    @property
    def has_block(self) -> bool:
        """Whether a block was shown."""
        shown = self._shown
        return (self._index if shown is None else shown.last_index) >= 0

    @property
    def has_answer(self) -> bool:
        """Whether there is more than thinking, shown or kept back."""
        return self._has_answer

    @property
    def has_emitted_answer(self) -> bool:
        """Whether more than thinking was shown: text, a call, a signature."""
        shown = self._shown
        return self._has_answer if shown is None else shown.has_answer

    @property
    def _shown(self) -> Mark | None:
        """Where the client stands; None where nothing is kept back."""
        if self._held is None or self._place is None:
            return self._held or self._place
        return self._held if self._held.start <= self._place.start else self._place

    def _mark(self) -> Mark:
        state = (self.open_block, self.last_block, self._index, self._has_answer)
        return Mark(len(self._events), *state)

    def hold(self) -> None:
        """Keep back all events from here on, until they are released or discarded."""
        self.flush()
        if self._held is None:
            self._held = self._mark()

    def release(self) -> None:
        """Show what is held."""
        self._held = None

    def discard(self) -> None:
        """Forget what is held."""
        if self._held is not None:
            self._go_back(self._held)

    def rewind(self) -> None:
        """Forget all that was not shown: another attempt goes on from there."""
        if (shown := self._shown) is not None:
            self._go_back(shown)
        self._text, self._growth = SurrogateJoiner(), SurrogateJoiner()

    def _go_back(self, mark: Mark) -> None:
        start, self.open_block, self.last_block, self._index, self._has_answer = mark
        del self._events[start:]
        self._text, self._growth = SurrogateJoiner(), SurrogateJoiner()
        self._held = None
        if self._place is not None and self._place.start >= start:
            self._place, self._kept = None, 0

    @property
    def has_place(self) -> bool:
        """Whether blocks can still go in front of the text."""
        return self._place is not None

    def end_place(self) -> None:
        """Show the text: nothing goes in front of it any more."""
        self._place, self.place_limit = None, 0

    @contextmanager
    def before_text(self) -> Iterator[None]:
        """The blocks that are added within go in front of the text for which there is a place."""
        place = self._place
        assert place is not None
        later = self._events[place.start :]
        del self._events[place.start :]
        state = self.open_block, self.last_block, self._index
        self.open_block, self._index = None, place.last_index
        yield
        added = self._index - place.last_index
        for event in later:
            event["index"] += added
        self._events += later
        self.open_block, self.last_block, self._index = state
        self._index += added
        self.end_place()

    def begin(self, message: Json) -> None:
        """message_start, before everything else."""
        self.has_begun = True
        self._events.append({"type": "message_start", "message": message})

    def keep_alive(self, block: str) -> None:
        """An empty delta, now; a block of that type is opened where none is open."""
        self.end_place()
        if self.open_block is None:
            self.open(block)
        self._append_delta(dict(EMPTY_DELTAS.get(str(self.open_block), EMPTY_DELTA)))

    def add_text(self, text: str, tokens: int) -> None:
        """The model's text, as far as the client wants it.

        tokens: Gemini's count of visible tokens so far, this text included.
        """
        allowed = self.limit.apply(self._text.add(text), tokens)
        if allowed:
            self._add_text(allowed)

    def add_notice(self, text: str) -> None:
        """A text of this proxy, in a block of its own, whatever the client's limits."""
        self.close()
        self._add_text(text)

    def add_thinking(self, text: str) -> None:
        self.open("thinking")
        if text := self._growth.add(text):
            self._append_delta({"type": "thinking_delta", "thinking": text})

    def add_input(self, text: str) -> None:
        """A piece of the JSON of the open call."""
        self._has_answer = True
        if text := self._growth.add(text):
            self._append_delta({"type": "input_json_delta", "partial_json": text})

    def flush(self) -> None:
        """Show the text that was kept back, before something else follows it."""
        rest = self._text.flush()
        pending = self.limit.flush() + ("" if self.limit.stop_reason else rest)
        if pending:
            self._add_text(pending)

    def open(self, kind: str, block: Json | None = None) -> None:
        """Begin a block and end the one before; an open text or thinking block just goes on."""
        if kind != "text":
            self.flush()
        if self.open_block == kind:
            return
        self.close()
        self._has_answer = self._has_answer or kind not in GROWING
        if kind == "text" and self.place_limit and self._place is None:
            self._place = self._mark()
        self.open_block = self.last_block = kind
        self._index += 1
        start = block or GROWING[kind]
        self._events.append(
            {"type": "content_block_start", "index": self._index, "content_block": start}
        )

    def close(self) -> None:
        if self.open_block is not None:
            self._end_growth()
            self.open_block = None
            self._events.append({"type": "content_block_stop", "index": self._index})

    def add_delta(self, kind: str, **fields: Any) -> None:
        """Something else than text, thinking and input for the open block."""
        self._has_answer = True
        self._end_growth()
        self._append_delta({"type": kind, **fields})

    def end(self, stop_reason: str, usage: Json) -> None:
        """The last events. `claude -p` 2.1.197 prints nothing of a message that ends with a
        thinking block, so an empty text follows one."""
        if self.last_block == "thinking":
            self.open("text")
        self.close()
        delta = {"stop_reason": stop_reason, "stop_sequence": self.limit.stop_sequence}
        self._events.append({"type": "message_delta", "delta": delta, "usage": usage})
        self._events.append({"type": "message_stop"})

    def drain(self) -> list[Event]:
        """The events since the last call, but for those that are kept back."""
        shown = self._shown
        if shown is None:
            events, self._events = self._events, []
            return events
        size = shown.start
        events = self._events[:size]
        del self._events[:size]
        self._held = self._held and self._held._replace(start=self._held.start - size)
        self._place = self._place and self._place._replace(start=self._place.start - size)
        return events

    def _add_text(self, text: str) -> None:
        """Written out, as most events are made here."""
        if self.open_block != "text":
            self.open("text")
        self._has_answer = True
        if self._place is not None:
            self._kept += len(text)
            if self._kept > self.place_limit:
                self.end_place()
        delta = {"type": "text_delta", "text": text}
        self._events.append({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _end_growth(self) -> None:
        """Half a character that nothing has completed."""
        if rest := self._growth.flush():
            add = self.add_thinking if self.open_block == "thinking" else self.add_input
            add(rest)

    def _append_delta(self, delta: Json) -> None:
        self._events.append({"type": "content_block_delta", "index": self._index, "delta": delta})

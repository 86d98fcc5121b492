"""Function calls and thought signatures -> tool_use blocks and the thinking blocks before them.

Which signature is whose is pending_signatures.py's; text, ends and usage are stream.py's.
"""

from __future__ import annotations

from collections.abc import Iterable

from .. import signatures
from ..translation import Translation
from ..wire import FunctionCall, Part
from .events import Events, compact
from .partial_args import InvalidPiece, PartialArgs
from .pending_signatures import PendingSignatures, SignedCall
from .tool_call_repair import CallRepair, has_name, read_call

MAX_CALLS = 1_000
"""In one answer: a client runs them all and sends them back with every later request. An
agent's turn has some tens at the most; a model that repeats itself has thousands."""


class ToolCalls:
    """The calls of one answer. tag: makes ids unique."""

    def __init__(self, translation: Translation, events: Events, tag: str) -> None:
        self._translation = translation
        self._events = events
        self._tag = tag
        self._pending = PendingSignatures(waits=translation.carries_signatures)
        self._repair = CallRepair(translation.input_schemas)

        self.is_malformed = False
        """Whether a call came that cannot be read."""
        self.repairs: dict[str, int] = {}
        """How often a call had to be repaired, by kind of slip."""
        self._count = 0
        """How many have been shown."""
        self._ids: set[str] = set()
        self._partial: PartialArgs | None = None
        """The arguments of a call that comes in pieces."""
        self._begun: FunctionCall = {}
        """Its first piece."""
        self._has_shown_args = False
        """Whether the client has got any of them."""
        self._has_ended_pieces = False
        """Whether a call in pieces has ended: a second sign of its end is nothing then."""

    @property
    def has_any(self) -> bool:
        """Whether there is a call, shown or kept back."""
        return self._size > 0

    def add(self, part: Part) -> None:
        """A part with a function call, whole or in pieces.

        Nothing counts behind a call that cannot be read: the answer is asked for again.
        """
        if self.is_malformed or (self._partial is None and self._is_full):
            return
        read = read_call(part["functionCall"])
        if read is None:
            self.is_malformed = True
            return
        self._count_repairs(read.repairs)
        call, signature = read.call, part.get("thoughtSignature")
        if self._partial is not None:
            if not self._is_other(call):
                self._add_piece(self._partial, call)
                return
            self._end_unfinished(self._partial)
        self._begin(call, signature)

    def _begin(self, call: FunctionCall, signature: str | None) -> None:
        """A whole call, or the first piece of one."""
        if self.is_malformed or self._is_full:
            return
        if not has_name(call):
            self.is_malformed = bool(call) or not self._has_ended_pieces
        elif self._size == MAX_CALLS:
            self.is_malformed = True
        elif _is_in_pieces(call):
            *ready, begun = self._pending.on_call_in_pieces(call, signature)
            self._show(ready)
            self._begin_pieces(begun)
        else:
            self._show(self._pending.on_call(call, signature))

    @property
    def has_open_call(self) -> bool:
        """Whether a call in pieces has not ended yet."""
        return self._partial is not None

    def has_to_wait(self, part: Part) -> bool:
        """Whether a part that comes between the pieces of a call has to wait for the last one.

        Only pieces go on at once, and another call in pieces, as its own follow.
        """
        if "functionCall" not in part:
            return True
        read = read_call(part["functionCall"])
        if read is None:
            return False
        return self._is_other(read.call) and not _is_in_pieces(read.call)

    def _is_other(self, call: FunctionCall) -> bool:
        """Whether a call is not the next piece of the one that is open."""
        has_new_id = "id" in call and call["id"] != self._begun.get("id", call["id"])
        has_new_name = has_name(call) and call["name"] != self._begun["name"]
        return has_new_id or has_new_name or bool(call.get("args"))

    def _end_unfinished(self, partial: PartialArgs) -> None:
        """Another call begins: the open one has ended, unless it is in the middle of a string."""
        if partial.is_within_string:
            self.is_malformed = True
        else:
            self._add_piece(partial, {})

    @property
    def _is_full(self) -> bool:
        """Whether the answer has as many calls as the client wants."""
        return self._size == self._translation.max_calls

    @property
    def _size(self) -> int:
        """How many calls there are, shown or kept back."""
        return self._count + len(self._pending.unsigned_calls)

    def before_text(self, signature: str | None) -> None:
        """Text follows, and it may have a signature of its own."""
        ready = self._pending.on_text(signature)
        if ready:
            self._show(ready)

    def before_thought(self, signature: str | None) -> None:
        """A thought follows, and it may have a signature."""
        self._show(self._pending.on_thought(signature))

    def add_empty_part(self, signature: str | None) -> None:
        """A part that holds nothing but, perhaps, a signature."""
        self._show(self._pending.on_empty_part(signature))

    def add_trace(self, part: Part) -> None:
        """A trace of Gemini's own tools: it goes back as it came, with the next request."""
        self._show(self._pending.flush())
        self._carry(signatures.PART, signatures.pack(part))

    def drop(self) -> None:
        """None of the calls is to be run that the client has not yet got whole."""
        self.is_malformed = True
        self._pending.unsigned_calls.clear()
        self._events.discard()

    def end_open_call(self, *, is_whole: bool) -> None:
        """The answer ends: no further piece comes.

        The JSON of a call that was broken off stays open, as with Anthropic: closed, it could be
        run. So Claude Code tells its model that it was not (seen 2026-11-26, 2.1.197 and 2.1.330).
        is_whole: whether nothing was broken off.
        """
        if self._partial is not None and is_whole:
            self._add_piece(self._partial, {})
        elif self._events.open_block == "tool_use" and not self._has_shown_args:
            self._events.add_input("{")
        self._partial = None

    def flush(self) -> None:
        """Nothing more is waited for."""
        self._show(self._pending.flush())

    def _show(self, calls: Iterable[SignedCall]) -> None:
        for signed in calls:
            call = signed.call
            called, given = self._tool_name(call), call.get("args") or {}
            name, args, repairs = self._repair.repair(called, given)
            self._count_repairs(repairs)
            self._events.hold()
            self._open(signed, name)
            self._events.add_input(compact(args))
            self._events.close()

    def _count_repairs(self, kinds: Iterable[str]) -> None:
        for kind in kinds:
            self.repairs[kind] = self.repairs.get(kind, 0) + 1

    def _tool_name(self, call: FunctionCall) -> str:
        """The name of the tool behind a function."""
        function = call.get("name", "")
        return self._translation.tool_names.get(function, function)

    def _open(self, signed: SignedCall, name: str) -> None:
        for text_signature in signed.text_signatures:
            self._carry(signatures.TEXT, text_signature)
        if signed.signature:
            self._carry(signatures.CALL, signed.signature)
        tool_use = {
            "type": "tool_use",
            "id": self._unique_id(signed.call.get("id")),
            "name": name,
            "input": {},
        }
        self._count += 1
        self._events.open("tool_use", tool_use)

    def _unique_id(self, call_id: str | None) -> str:
        """The tool_use's id, with Gemini's own in it unless that came before."""
        identity = signatures.tool_use_id(self._tag, call_id, self._count)
        if identity in self._ids:
            identity = signatures.tool_use_id(self._tag, None, self._count)
        self._ids.add(identity)
        return identity

    def _carry(self, kind: str, signature: str) -> None:
        """Put a signature on the open thinking block, or on an empty one made for it."""
        if self._translation.carries_signatures:
            self._events.open("thinking")
            wrapped = signatures.wrap(kind, self._translation.model.name, signature)
            self._events.add_delta("signature_delta", signature=wrapped)
            self._events.close()

    def _begin_pieces(self, signed: SignedCall) -> None:
        partial, call = PartialArgs(), signed.call
        text = self._piece_text(partial, call)
        if text is None:
            return
        name, _, repairs = self._repair.repair(self._tool_name(call), {})
        self._count_repairs(repairs)
        self._open(signed, name)
        self._partial, self._begun, self._has_shown_args = partial, call, False
        self._add_piece_text(partial, call, text)

    def _add_piece(self, partial: PartialArgs, call: FunctionCall) -> None:
        text = self._piece_text(partial, call)
        if text is not None:
            self._add_piece_text(partial, call, text)

    def _piece_text(self, partial: PartialArgs, call: FunctionCall) -> str | None:
        """What a piece adds to the JSON of the arguments; None where that cannot be said."""
        try:
            return partial.add(call.get("partialArgs", ()))
        except InvalidPiece:
            self.is_malformed = True
            return None

    def _add_piece_text(self, partial: PartialArgs, call: FunctionCall, text: str) -> None:
        is_last = not call.get("willContinue")
        if is_last:
            self._events.hold()
            text += partial.end()
        if text:
            self._events.add_input(text)
            self._has_shown_args = self._has_shown_args or not is_last
        if is_last:
            self._partial, self._has_ended_pieces = None, True
            self._events.close()


def _is_in_pieces(call: FunctionCall) -> bool:
    return "partialArgs" in call or bool(call.get("willContinue"))

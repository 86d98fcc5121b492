"""Function calls and thought signatures -> tool_use blocks and the thinking blocks before them.

Which signature is whose is pending_signatures.py's; text, ends and usage are stream.py's.
"""

from __future__ import annotations

from collections.abc import Iterable

from .. import signatures
from ..translation import Translation
from ..wire import FunctionCall, Part
from .events import Events, compact
from .partial_args import PartialArgs
from .pending_signatures import PendingSignatures, SignedCall
from .tool_call_repair import repair


class ToolCalls:
    """The calls of one answer.

    tag: makes ids unique. carries_signatures: whether signatures may ride on thinking blocks.
    """

    def __init__(
        self, translation: Translation, events: Events, tag: str, carries_signatures: bool
    ) -> None:
        self._translation = translation
        self._events = events
        self._tag = tag
        self._carries_signatures = carries_signatures
        self._pending = PendingSignatures(waits=carries_signatures)

        self.repairs: dict[str, int] = {}
        """How often a call had to be repaired, by kind of slip."""
        self._count = 0
        """How many have been shown."""
        self._ids: set[str] = set()
        self._partial: PartialArgs | None = None
        """The arguments of a call that comes in pieces."""

    @property
    def has_any(self) -> bool:
        """Whether there is a call, shown or kept back."""
        return self._count > 0 or bool(self._pending.unsigned_calls)

    def add(self, part: Part) -> None:
        """A part with a function call, whole or in pieces."""
        call, signature = part["functionCall"], part.get("thoughtSignature")
        if self._partial is not None:
            self._add_piece(self._partial, call)
        elif self._count + len(self._pending.unsigned_calls) == self._translation.max_calls:
            return
        elif "partialArgs" in call or call.get("willContinue"):
            *ready, begun = self._pending.on_call_in_pieces(call, signature)
            self._show(ready)
            self._open(begun, self._tool_name(call))
            self._partial = PartialArgs()
            self._add_piece(self._partial, call)
        else:
            self._show(self._pending.on_call(call, signature))

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

    def finish(self, *, is_whole: bool) -> None:
        """The answer ends: nothing more is waited for.

        The JSON of a call that was broken off stays open, as with Anthropic: closed, it could be
        run. So Claude Code tells its model that it was not (seen 2026-11-26, 2.1.197 and 2.1.330).
        is_whole: whether nothing was broken off.
        """
        self._show(self._pending.flush())
        if self._partial is not None and is_whole:
            self._add_piece(self._partial, {})
        elif self._partial is not None and not self._partial.has_begun:
            self._events.add_delta("input_json_delta", partial_json="{")

    def _show(self, calls: Iterable[SignedCall]) -> None:
        for signed in calls:
            call = signed.call
            name, args, repairs = repair(
                self._tool_name(call), call.get("args") or {}, self._translation.input_schemas
            )
            for kind in repairs:
                self.repairs[kind] = self.repairs.get(kind, 0) + 1
            self._open(signed, name)
            self._events.add_delta("input_json_delta", partial_json=compact(args))
            self._events.close()

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
        if self._carries_signatures:
            self._events.open("thinking")
            wrapped = signatures.wrap(kind, self._translation.model.name, signature)
            self._events.add_delta("signature_delta", signature=wrapped)
            self._events.close()

    def _add_piece(self, partial: PartialArgs, call: FunctionCall) -> None:
        text = partial.add(call.get("partialArgs") or [])
        is_last = not call.get("willContinue")
        if is_last:
            text += partial.end()
        if text:
            self._events.add_delta("input_json_delta", partial_json=text)
        if is_last:
            self._partial = None
            self._events.close()

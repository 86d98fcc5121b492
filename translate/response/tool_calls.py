"""Function calls and thought signatures -> tool_use blocks and the thinking blocks before them.

Knows on which call a signature belongs, wherever in an answer it comes, and keeps a call back
until that is known. It refuses to know text, ends and usage: those are stream.py's.
"""

from __future__ import annotations

from collections import Counter

from .. import signatures
from ..translation import Translation
from ..wire import FunctionCall, Part
from .events import Events, compact
from .partial_args import PartialArgs
from .tool_call_repair import repair


class Calls:
    """The calls of one answer.

    out: where events go. tag: makes ids unique. carries_signatures: whether signatures may ride on
    thinking blocks.
    """

    def __init__(
        self, translation: Translation, out: Events, tag: str, carries_signatures: bool
    ) -> None:
        self._translation = translation
        self._out = out
        self._tag = tag
        self._carries_signatures = carries_signatures

        self.count = 0
        """How many have been shown."""
        self.repairs: Counter[str] = Counter()
        """How often a call had to be repaired, by kind of slip."""
        self._has_signed_call = False
        self._loose: str | None = None
        """A signature that came on an empty text or a thought: the next call's, if it has none."""
        self._said: str | None = None
        """The signature of a text, until a call follows that text."""
        self._ids: set[str] = set()
        self._held: list[Part] = []
        """Unsigned calls, kept back until a later part brings their signature."""
        self._partial: PartialArgs | None = None
        """The arguments of a call that comes in pieces."""

    @property
    def has_any(self) -> bool:
        """Whether there is a call, shown or kept back."""
        return self.count > 0 or bool(self._held)

    def part(self, part: Part) -> None:
        """A part with a function call, whole or in pieces."""
        call = part["functionCall"]
        if self._partial is not None:
            self._piece(self._partial, call)
        elif self.count + len(self._held) == self._translation.max_calls:
            return
        elif "partialArgs" in call or call.get("willContinue"):
            self.release()
            signature = part.get("thoughtSignature") or self._taken()
            self._begin(self._tool(call), call.get("id"), signature)
            self._partial = PartialArgs()
            self._piece(self._partial, call)
        else:
            self._whole(part)

    def text(self, signature: str | None) -> None:
        """Text follows: a signature that no call took is let go, held calls go on without.

        The text's own signature travels with the next call; behind the last text there is no
        place for it, and Gemini does not ask for it.
        """
        self.release()
        self._loose, self._said = None, signature or self._said

    def thought(self, signature: str | None) -> None:
        """A thought follows; its signature is the next part's."""
        self.release()
        self._loose = signature or self._loose

    def loose(self, signature: str | None) -> None:
        """An empty part's signature: of the calls that wait for one, else of the next call."""
        if signature is not None and self._held:
            self.release(signature)
        elif signature is not None and not self._has_signed_call:
            self._loose = signature

    def trace(self, part: Part) -> None:
        """A trace of Gemini's own tools: it goes back as it came, with the next request."""
        self.release()
        self._carry(signatures.PART, signatures.pack(part))

    def release(self, signature: str | None = None) -> None:
        """Let the held calls go, the first with the signature that came for it, if one did."""
        held, self._held = self._held, []
        for part in held:
            self._show(part["functionCall"], signature)
            signature = None

    def finish(self, *, is_whole: bool) -> None:
        """The answer ends: nothing more is waited for.

        The JSON of a call that was broken off stays open, as with Anthropic: closed, it could be
        run. So Claude Code tells its model that it was not (seen 2026-11-26, 2.1.197 and 2.1.330).
        is_whole: whether nothing was broken off.
        """
        self.release()
        if self._partial is not None and is_whole:
            self._piece(self._partial, {})
        elif self._partial is not None and not self._partial.has_begun:
            self._out.delta("input_json_delta", partial_json="{")

    def _whole(self, part: Part) -> None:
        signature = part.get("thoughtSignature")
        if signature:
            self.release()
            if self._loose:
                self._carry(signatures.TEXT, self._loose)
                self._loose = None
        elif self._held:
            self._held.append(part)
            return
        else:
            signature = self._taken()
        if signature is None and self._carries_signatures and not self._has_signed_call:
            self._held.append(part)
        else:
            self._show(part["functionCall"], signature)

    def _taken(self) -> str | None:
        signature, self._loose = self._loose, None
        return signature

    def _carry(self, kind: str, signature: str) -> None:
        """Put a signature on the open thinking block, or on an empty one made for it."""
        if self._carries_signatures:
            self._out.open("thinking")
            wrapped = signatures.wrap(kind, self._translation.model.name, signature)
            self._out.delta("signature_delta", signature=wrapped)
            self._out.close()

    def _show(self, call: FunctionCall, signature: str | None) -> None:
        name, args, repairs = repair(
            self._tool(call), call.get("args") or {}, self._translation.input_schemas
        )
        self.repairs.update(repairs)
        self._begin(name, call.get("id"), signature)
        self._out.delta("input_json_delta", partial_json=compact(args))
        self._out.close()

    def _tool(self, call: FunctionCall) -> str:
        """The name of the tool behind a function."""
        function = call.get("name", "")
        return self._translation.tool_names.get(function, function)

    def _begin(self, name: str, call_id: str | None, signature: str | None) -> None:
        if self._said:
            self._carry(signatures.TEXT, self._said)
            self._said = None
        if signature:
            self._carry(signatures.CALL, signature)
            self._has_signed_call = True
        identity = signatures.tool_use_id(self._tag, call_id, self.count)
        if identity in self._ids:
            identity = signatures.tool_use_id(self._tag, None, self.count)
        self._ids.add(identity)
        tool_use = {
            "type": "tool_use",
            "id": identity,
            "name": name,
            "input": {},
        }
        self.count += 1
        self._out.open("tool_use", tool_use)

    def _piece(self, partial: PartialArgs, call: FunctionCall) -> None:
        text = partial.add(call.get("partialArgs") or [])
        is_last = not call.get("willContinue")
        if is_last:
            text += partial.end()
        if text:
            self._out.delta("input_json_delta", partial_json=text)
        if is_last:
            self._partial = None
            self._out.close()

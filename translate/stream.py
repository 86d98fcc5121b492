"""StreamTranslator: Gemini's chunks in, Anthropic's events out.

Knows what each part of an answer becomes, and which calls still wait for their signature;
the order of events is kept by events.py.
It refuses to know bytes, clocks and sockets: chunks are decoded JSON, ids come from outside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from . import signatures, tools
from .errors import ApiError
from .events import Events, compact
from .grounding import Grounding
from .repair import repair
from .request import Translation
from .response import Totals, stop_reason, told
from .wire import Candidate, Chunk, Event, FunctionCall, Json, Part

BROKEN = "Gemini's answer ended before it was complete."
UNBLOCKED = (None, "", "BLOCK_REASON_UNSPECIFIED")


class StreamTranslator:
    """One answer's way from chunks to events: `feed` every chunk, then `finish`.

    asked: the translated request. message_id: `msg_` and at least 8 hex digits. model: the
    request's own `model`, echoed. carries: whether signatures may ride on thinking blocks (see
    signatures.py).
    """

    def __init__(self, asked: Translation, *, message_id: str, model: str, carries: bool) -> None:
        self._asked = asked
        self._message_id = message_id
        self._tag = message_id.removeprefix("msg_")[:8]
        self._model = model
        self._carries = carries
        self._cut = asked.cut
        self._grounding = Grounding(asked.domains)

        self._out = Events()
        self._has_started = False
        self._calls = 0
        self._has_signed_call = False
        self._loose: str | None = None
        """A signature that came on an empty text or a thought: the next call's, if it has none."""
        self._held: list[Part] = []
        """Unsigned calls, kept back until a later part brings their signature."""

        self.repairs: Counter[str] = Counter()
        """How often a call had to be mended, by kind of slip."""

        self._totals = Totals()
        self._token: str | None = None
        """With which the rest of a long answer is asked for."""
        self._continues = False
        self._finish_reason: str | None = None
        self._refusal: str | None = None

    @property
    def has_content(self) -> bool:
        """Whether a block has begun or the answer's end is known: a status can be chosen."""
        return self._out.has_block or self.is_finished or self.is_cut

    @property
    def is_finished(self) -> bool:
        """Whether Gemini has said that the answer is complete, and why it ended."""
        return self._finish_reason is not None

    @property
    def is_cut(self) -> bool:
        """Whether the answer has reached an end of the client's choosing: `finish` it."""
        return self._cut.reason is not None

    def feed(self, chunk: Chunk) -> list[Event]:
        """The events that one chunk makes, message_start before all others."""
        self._totals.update(chunk.get("usageMetadata") or {})
        self._start()
        block_reason = (chunk.get("promptFeedback") or {}).get("blockReason")
        if block_reason not in UNBLOCKED:
            self._finish_reason = "PROHIBITED_CONTENT"
            self._refusal = f"Gemini blocked this request: {block_reason}."
        for candidate in (chunk.get("candidates") or [])[:1]:
            self._candidate(candidate)
        return self._out.taken()

    def continuation(self) -> str | None:
        """The token to ask for the rest with, when a hop has ended before the answer did.

        https://ai.google.dev/gemini-api/docs/generate-content/long-decode, seen 2026-11-23.
        """
        if not self._continues or self.is_cut:
            return None
        self._totals.next_hop()
        self._continues = False
        return self._token

    def finish(self) -> list[Event]:
        """The last events. Raises ApiError when the answer broke off before its end."""
        if not self.is_finished and not self.is_cut:
            raise ApiError(529, BROKEN)
        self._release(None)
        self._flush()
        self._grounding.show(self._out, self._tag)
        reason = self._stop_reason()
        if reason == "refusal":
            self._out.close()
            self._show(self._refusal or f"Gemini stopped this answer: {self._finish_reason}.")
        if self._out.last_block == "thinking":
            # `claude -p` 2.1.197 prints nothing when a message ends with a thinking block.
            self._out.open("text")
        self._out.close()
        totals = self._totals.usage(searched=self._grounding.searches > 0)
        self._out.emit(
            "message_delta",
            delta={"stop_reason": reason, "stop_sequence": self._cut.stop_sequence},
            usage={**totals, **self._grounding.usage()},
        )
        self._out.emit("message_stop")
        return self._out.taken()

    def _stop_reason(self) -> str:
        if self._cut.reason is not None:
            return self._cut.reason
        return stop_reason(str(self._finish_reason), has_calls=self._calls > 0)

    # --- Candidates and parts -----------------------------------------------------------------

    def _candidate(self, candidate: Candidate) -> None:
        for part in (candidate.get("content") or {}).get("parts") or []:
            for key, handle in PARTS:
                if key in part and not self.is_cut:
                    handle(self, part)
                    break
        self._grounding.add(candidate)
        self._token = candidate.get("continuationToken") or self._token
        finish_reason = candidate.get("finishReason")
        self._continues = finish_reason == "CONTINUATION" and self._token is not None
        if finish_reason and not self._continues:
            self._finish_reason = finish_reason
            blocking = [
                str(rating.get("category"))
                for rating in candidate.get("safetyRatings") or []
                if rating.get("blocked")
            ]
            if blocking:
                reasons = ", ".join(blocking)
                self._refusal = f"Gemini stopped this answer: {finish_reason} ({reasons})."

    def _text_part(self, part: Part) -> None:
        """Test emptiness first: an empty text is only there to carry a signature."""
        text, signature = part.get("text"), part.get("thoughtSignature")
        if not text:
            self._loose_signature(signature)
            return
        self._release(None)
        if not part.get("thought"):
            self._loose = None
            self._text(text)
            return
        self._loose = signature or self._loose
        if self._asked.thinks:
            self._flush()
            self._out.open("thinking")
            self._out.delta("thinking_delta", thinking=text)

    def _call_part(self, part: Part) -> None:
        if self._calls + len(self._held) == self._asked.most_calls:
            return
        signature = part.get("thoughtSignature")
        if signature:
            self._release(None)
            if self._loose:
                self._carry(signatures.TEXT, self._loose)
        elif self._held:
            self._held.append(part)
            return
        else:
            signature = self._loose
        self._loose = None
        if signature is None and self._carries and not self._has_signed_call:
            self._held.append(part)
        else:
            self._call(part["functionCall"], signature)

    def _told_part(self, part: Part) -> None:
        self._release(None)
        self._text(told(part))

    def _tool_part(self, part: Part) -> None:
        """A trace of Gemini's own tools: it goes back as it came, with the next request."""
        self._release(None)
        self._carry(signatures.PART, signatures.pack(part))

    # --- Signatures and calls -----------------------------------------------------------------

    def _loose_signature(self, signature: str | None) -> None:
        """An empty part's signature: of the calls that wait for one, else of the next call."""
        if signature is None:
            return
        if self._held:
            self._release(signature)
        elif not self._has_signed_call:
            self._loose = signature

    def _release(self, signature: str | None) -> None:
        """Let the held calls go, the first with the signature that came for it, if one did."""
        held, self._held = self._held, []
        for part in held:
            self._call(part["functionCall"], signature)
            signature = None

    def _carry(self, kind: str, signature: str) -> None:
        """Put a signature on the open thinking block, or on an empty one made for it."""
        if self._carries:
            self._flush()
            self._out.open("thinking")
            wrapped = signatures.wrap(kind, self._asked.model.name, signature)
            self._out.delta("signature_delta", signature=wrapped)
            self._out.close()

    def _call(self, call: FunctionCall, signature: str | None) -> None:
        if signature:
            self._carry(signatures.CALL, signature)
            self._has_signed_call = True
        function = call.get("name", "")
        name, args, repairs = repair(
            self._asked.names.get(function, function), call.get("args") or {}, self._asked.schemas
        )
        self.repairs.update(repairs)
        tool_use = {
            "type": "tool_use",
            "id": tools.tool_use_id(self._tag, call.get("id"), self._calls),
            "name": name,
            "input": {},
        }
        self._calls += 1
        self._flush()
        self._out.open("tool_use", tool_use)
        self._out.delta("input_json_delta", partial_json=compact(args))
        self._out.close()

    # --- Events -------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._has_started:
            return
        self._has_started = True
        message: Json = {
            "id": self._message_id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": self._totals.usage(),
        }
        self._out.emit("message_start", message=message)

    def _text(self, text: str) -> None:
        """Show the model's text, as far as the client wants it."""
        shown = self._cut.text(text, self._totals.visible)
        if shown:
            self._show(shown)

    def _flush(self) -> None:
        """Show the text that was kept back, before something else follows it."""
        rest = self._cut.rest()
        if rest:
            self._show(rest)

    def _show(self, text: str) -> None:
        self._out.open("text")
        self._out.delta("text_delta", text=text)


PARTS: tuple[tuple[str, Callable[[StreamTranslator, Part], None]], ...] = (
    ("text", StreamTranslator._text_part),
    ("functionCall", StreamTranslator._call_part),
    ("executableCode", StreamTranslator._told_part),
    ("codeExecutionResult", StreamTranslator._told_part),
    ("inlineData", StreamTranslator._told_part),
    ("toolCall", StreamTranslator._tool_part),
    ("toolResponse", StreamTranslator._tool_part),
    ("thoughtSignature", StreamTranslator._text_part),
)
"""A part's data field -> what is done with it; a part with a signature alone counts as empty."""

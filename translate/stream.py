"""StreamTranslator: Gemini's chunks in, Anthropic's events out.

Knows what each part of an answer becomes and how an answer ends; calls and their signatures
are calls.py's, the order of events is events.py's.
It refuses to know bytes, clocks and sockets: chunks are decoded JSON, ids come from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .calls import Calls
from .cut import Cut
from .errors import ApiError
from .events import Events
from .grounding import Grounding
from .request import Translation
from .response import Totals, stop_reason, told
from .wire import Candidate, Chunk, Event, Json, Part

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
        self._cut = Cut(asked.stops, asked.most_tokens)
        self._grounding = Grounding(asked.domains)

        self._out = Events(self._cut)
        self._has_started = False
        self._calls = Calls(asked, self._out, self._tag, carries)
        self._totals = Totals()
        self._token: str | None = None
        """With which the rest of a long answer is asked for."""
        self._last_token: str | None = None
        """With which this hop was asked for: one that hands it back does not get on."""
        self._continues = False
        self._finish_reason: str | None = None
        self._refusal: str | None = None

    @property
    def has_content(self) -> bool:
        """Whether a block has begun or the answer's end is known: a status can be chosen."""
        return self._out.has_block or self.is_finished or self.is_cut

    @property
    def repairs(self) -> Mapping[str, int]:
        """How often a call had to be mended, by kind of slip."""
        return self._calls.repairs

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
        self._last_token, self._token, self._continues = self._token, None, False
        return self._last_token

    def finish(self) -> list[Event]:
        """The last events. Raises ApiError when the answer broke off before its end."""
        if not self.is_finished and not self.is_cut:
            raise ApiError(529, BROKEN)
        self._calls.finish()
        self._out.flush()
        self._grounding.show(self._out, self._tag)
        reason = self._stop_reason()
        if reason == "refusal":
            self._out.close()
            self._out.say(self._refusal or f"Gemini stopped this answer: {self._finish_reason}.")
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
        return stop_reason(str(self._finish_reason), has_calls=self._calls.count > 0)

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
        is_new = self._token not in (None, self._last_token)
        self._continues = finish_reason == "CONTINUATION" and is_new
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
            self._calls.loose(signature)
        elif part.get("thought"):
            self._calls.thought(signature)
            if self._asked.thinks:
                self._out.open("thinking")
                self._out.delta("thinking_delta", thinking=text)
        else:
            self._calls.text(signature)
            self._out.text(text, self._totals.visible)

    def _call_part(self, part: Part) -> None:
        self._calls.part(part)

    def _trace_part(self, part: Part) -> None:
        self._calls.trace(part)

    def _told_part(self, part: Part) -> None:
        self._calls.text(part.get("thoughtSignature"))
        self._out.text(told(part), self._totals.visible)

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


PARTS: tuple[tuple[str, Callable[[StreamTranslator, Part], None]], ...] = (
    ("text", StreamTranslator._text_part),
    ("functionCall", StreamTranslator._call_part),
    ("executableCode", StreamTranslator._told_part),
    ("codeExecutionResult", StreamTranslator._told_part),
    ("inlineData", StreamTranslator._told_part),
    ("toolCall", StreamTranslator._trace_part),
    ("toolResponse", StreamTranslator._trace_part),
    ("thoughtSignature", StreamTranslator._text_part),
)
"""A part's data field -> what is done with it; a part with a signature alone counts as empty."""

"""StreamTranslator: Gemini's chunks in, Anthropic's events out.

What each part of an answer becomes, in one table (`PARTS`). The order of events is events.py's,
calls and their signatures are tool_calls.py's, ends are finish.py's and continuation.py's.
Chunks are decoded JSON; ids come from outside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from ..errors import ApiError, Cause
from ..translation import Translation
from ..wire import Candidate, Event, Json, Part, Usage
from .chunks import InvalidChunk, read_chunk
from .continuation import Continuation
from .events import Events
from .finish import EXPLANATIONS, Finish, shortfall_error
from .grounding import Grounding
from .json_answer import JsonAnswer
from .output_limit import OutputLimit
from .tool_calls import ToolCalls
from .usage import Billed, UsageTotals

MAX_KEPT_TEXT = 8_192
"""Characters of a text that a stream keeps back until its sources are known, which go in front of
it: some ten seconds of a model's writing, and more than a search is answered with. A whole answer
has no limit. Beside functions a text is kept back only once Gemini has counted what a tool read."""

BROKEN = "Gemini's answer ended before it was complete."


class StreamTranslator:
    """One answer's way from chunks to events: `feed` every chunk, then `finish`.

    message_id: `msg_` and at least 8 hex digits. model: the request's own `model`, echoed.
    previous: the translator of an attempt that failed before it had answered; what it has shown
    stays, and this one goes on behind it.
    """

    def __init__(
        self,
        translation: Translation,
        *,
        message_id: str,
        model: str,
        previous: StreamTranslator | None = None,
    ) -> None:
        self._translation = translation
        self._message_id = message_id
        self._tag = message_id.removeprefix("msg_")[:8]
        self._model = model
        self._limit = OutputLimit(translation.stop_sequences, translation.max_tokens)
        self._grounding = Grounding(translation.domains)
        schema = translation.response_schema
        is_enforced = translation.is_schema_enforced
        self._json = None if schema is None else JsonAnswer(schema, is_enforced=is_enforced)
        """What the text of the answer is, where that has to be JSON."""

        self._events: Events = previous._events if previous else Events(self._limit)
        self._events.rewind()
        self._events.limit = self._limit
        self._events.place_limit = 0
        self._may_use_tools = translation.has_sources and bool(translation.functions)
        """Whether Google's tools are among others: then most answers have no sources."""
        if translation.has_sources and not self._may_use_tools:
            self._keep_place()
        self._calls = ToolCalls(translation, self._events, self._tag)
        self._totals = UsageTotals()
        self._finish = Finish()
        self._continuation = Continuation()
        self._waiting: list[Part] = []
        """What came between the pieces of a call."""

    @property
    def has_block(self) -> bool:
        """Whether a block has begun: the client has something to see."""
        return self._events.has_block

    @property
    def has_emitted_answer(self) -> bool:
        """Whether more than thinking was shown; then no other attempt can take this one's place."""
        return self._events.has_emitted_answer

    @property
    def has_answer(self) -> bool:
        """Whether there is more than thinking, shown or kept back."""
        has_text = self._json is not None and self._json.has_text
        has_shown = self._events.has_answer or self._calls.has_any or self._limit.has_pending
        return has_shown or has_text

    @property
    def shortfall(self) -> Cause | None:
        """Why an attempt that has ended is no answer to go on with; None where it is one."""
        if self.is_cut:
            return None
        if self._calls.is_malformed and self.is_finished and not self._finish.is_refusal:
            return Cause.MALFORMED
        has_thought = self._totals.thoughts > 0 or self._events.has_block
        shortfall = self._finish.shortfall(has_answer=self.has_answer, has_thought=has_thought)
        return Cause.NO_JSON if shortfall is None and self._lacks_json else shortfall

    @property
    def _lacks_json(self) -> bool:
        """Whether the last turn has come to its own end, and is not the JSON that it has to be."""
        is_last = self.is_finished and not self._calls.has_any
        if self._json is None or not is_last or self._json.is_whole:
            return False
        return self._finish.stop_reason(has_calls=False) == "end_turn"

    @property
    def shortfall_error(self) -> ApiError | None:
        """The same as an error, for a client that was shown nothing."""
        return shortfall_error(self.shortfall) if self.shortfall else None

    @property
    def blocked_error(self) -> ApiError | None:
        """That the prompt was blocked, for a client that was shown nothing."""
        return self._finish.blocked_error

    @property
    def repairs(self) -> Mapping[str, int]:
        """How often a call had to be repaired, by kind of slip."""
        return self._calls.repairs

    @property
    def is_finished(self) -> bool:
        """Whether Gemini has said that the answer is complete, and why it ended."""
        return self._finish.reason is not None

    @property
    def is_cut(self) -> bool:
        """Whether the answer has reached an end of the client's choosing: `finish` it."""
        return self._limit.stop_reason is not None

    def feed(self, chunk: object) -> list[Event]:
        """The events that one chunk makes, message_start before all others.

        chunk: decoded JSON. Raises ApiError for what is no chunk. Called for each of thousands of
        chunks, most of them with one text and new token counts: what a chunk does not hold must
        cost nothing here.
        """
        try:
            chunk = read_chunk(chunk)
        except InvalidChunk:
            raise ApiError(529, BROKEN, cause=Cause.BROKEN) from None
        metadata = chunk.get("usageMetadata")
        if metadata:
            self._totals.update(metadata)
            if self._may_use_tools and self._totals.has_tool_use:
                self._may_use_tools = False
                self._keep_place()
        if not self._events.has_begun:
            self._begin()
        candidates = chunk.get("candidates")
        if candidates:
            self._add_candidate(candidates[0])
        feedback = chunk.get("promptFeedback")
        if feedback:
            self._finish.block(feedback)
        return self._events.drain()

    def _keep_place(self) -> None:
        """Keep back a text that has not begun, until its sources are known."""
        if not self._events.has_answer:
            self._events.place_limit = MAX_KEPT_TEXT if self._translation.is_streamed else math.inf

    def finish(self) -> list[Event]:
        """The last events. Raises ApiError when the answer broke off before its end, and where it
        is no JSON: a sentence that says so would be none either."""
        if not self.is_finished and not self.is_cut:
            raise ApiError(529, BROKEN)
        shortfall = self.shortfall
        if shortfall and self._json is not None:
            raise shortfall_error(shortfall)
        self._end_calls()
        self._end_text()
        self._grounding.emit(self._events, self._tag)
        self._events.end_place()
        if shortfall:
            self._events.add_notice(EXPLANATIONS[shortfall])
        has_calls = self._calls.has_any or self._calls.is_malformed
        reason = self._limit.stop_reason or self._finish.stop_reason(has_calls=has_calls)
        if reason == "refusal":
            self._events.add_notice(self._finish.refusal)
        self._events.end(reason, {**self._total_usage(), **self._grounding.usage()})
        return self._events.drain()

    def _end_calls(self) -> None:
        """A call beside one that cannot be read is not run: Gemini had not finished the turn."""
        if drops_calls := self._drops_calls:
            self._calls.drop()
        is_whole = self._finish.reason == "STOP" and not self.is_cut and not drops_calls
        self._calls.end_open_call(is_whole=is_whole)
        self._add_waiting()
        self._calls.flush()
        self._events.release()

    def _end_text(self) -> None:
        if self._json is not None:
            is_cut = self._finish.reason != "STOP"
            self._events.add_text(self._json.flush(is_cut=is_cut), self._totals.visible)
        self._events.flush()

    @property
    def _drops_calls(self) -> bool:
        """Whether none of the attempt's calls is to be run."""
        return self.shortfall in (Cause.MALFORMED, Cause.SIGNATURE)

    def release(self) -> list[Event]:
        """What is kept back, for a client that hears no more than an error."""
        self._events.release()
        self._events.end_place()
        return self._events.drain()

    def _total_usage(self) -> Usage:
        return self._totals.usage(searched=self._grounding.searches > 0)

    def begin(self) -> list[Event]:
        """message_start, for a client that waits while Gemini is silent."""
        if not self._events.has_begun:
            self._begin()
        return self._events.drain()

    def keep_alive(self) -> list[Event]:
        """An empty delta: Claude Code 2.1.197 counts only real events as a sign of life.

        A call that was kept back is shown first: the delta belongs behind it.
        """
        self._events.release()
        thinks = self._translation.shows_thinking and not self._limit.has_pending
        self._events.keep_alive("thinking" if thinks else "text")
        return self._events.drain()

    @property
    def tokens(self) -> Mapping[str, int]:
        """What the attempt has used so far."""
        usage = self._total_usage()
        return {
            "in": usage["input_tokens"],
            "cached": usage["cache_read_input_tokens"],
            "out": usage["output_tokens"],
            "thoughts": self._totals.thoughts,
        }

    @property
    def billed(self) -> list[Billed]:
        """What the attempt has cost so far, request by request; the last is under way."""
        searched = self._grounding.searches > 0
        model = self._translation.model
        return [Billed(model, tokens) for tokens in self._totals.billed(searched=searched)]

    @property
    def has_ended(self) -> bool:
        """Whether what was asked for has come to its end, the answer's or this hop's."""
        return self.is_finished or self.is_cut or self._continuation.is_due

    def resumption(self) -> str | None:
        """The token to go on with when a stream has broken off right behind a checkpoint."""
        return self._next_hop(self._continuation.resume())

    def continuation(self) -> str | None:
        """The token to ask for the rest with, when a hop has ended before the answer did."""
        return None if self.is_cut else self._next_hop(self._continuation.next_hop())

    def _next_hop(self, token: str | None) -> str | None:
        if token is not None:
            self._totals.next_hop()
        return token

    # --- Candidates and parts -----------------------------------------------------------------

    def _add_candidate(self, candidate: Candidate) -> None:
        parts = candidate.get("content", {}).get("parts", ())
        if self._finish.reason is not None and any(map(has_content, parts)):
            # Google's own tools work in rounds, and each may end with a reason (seen 2026-11-26).
            self._finish.reset()
        for part in parts:
            if self._limit.stop_reason is not None:
                break
            if self._calls.has_open_call:
                self._add_within_call(part)
            else:
                self._add_part(part)
        self._grounding.add(candidate)
        self._continuation.add(candidate, has_parts=bool(parts))
        reason = candidate.get("finishReason")
        if reason and not self._continuation.is_due:
            self._finish.set(reason, candidate)
            if not self._drops_calls:
                self._events.release()

    def _add_part(self, part: Part) -> None:
        for field, add in PARTS:
            if field in part:
                add(self, part)
                break

    def _add_within_call(self, part: Part) -> None:
        """Between the pieces of a call: what is no piece follows the last of them."""
        if self._calls.has_to_wait(part):
            self._waiting.append(part)
            return
        self._add_part(part)
        if not self._calls.has_open_call:
            self._add_waiting()

    def _add_waiting(self) -> None:
        parts, self._waiting = self._waiting, []
        for part in parts:
            if self._limit.stop_reason is None:
                self._add_part(part)

    def _add_text(self, part: Part) -> None:
        """Test emptiness first: an empty text is only there to carry a signature."""
        text, signature = part.get("text"), part.get("thoughtSignature")
        if not text:
            self._calls.add_empty_part(signature)
        elif part.get("thought"):
            self._calls.before_thought(signature)
            if self._translation.shows_thinking:
                self._events.add_thinking(text)
        else:
            self._calls.before_text(signature)
            if self._json is not None:
                text = self._json.add(text)
            self._events.add_text(text, self._totals.visible)

    def _add_call(self, part: Part) -> None:
        self._calls.add(part)

    def _add_trace(self, part: Part) -> None:
        self._calls.add_trace(part)

    def _add_as_text(self, part: Part) -> None:
        self._calls.before_text(part.get("thoughtSignature"))
        if self._json is None:
            self._events.add_text(render_as_text(part), self._totals.visible)

    def _begin(self) -> None:
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
        self._events.begin(message)


PARTS: tuple[tuple[str, Callable[[StreamTranslator, Part], None]], ...] = (
    ("text", StreamTranslator._add_text),
    ("functionCall", StreamTranslator._add_call),
    ("executableCode", StreamTranslator._add_as_text),
    ("codeExecutionResult", StreamTranslator._add_as_text),
    ("inlineData", StreamTranslator._add_as_text),
    ("toolCall", StreamTranslator._add_trace),
    ("toolResponse", StreamTranslator._add_trace),
    ("thoughtSignature", StreamTranslator._add_text),
)
"""A part's data field -> what is done with it; a part with a signature alone counts as empty.
Others are let go: nobody knows what they are."""


def has_content(part: Part) -> bool:
    """Whether a part is more than white space, or the carrier of a signature."""
    if part.get("text", "").strip():
        return True
    return any(part.get(field) for field, _ in PARTS if field not in ("text", "thoughtSignature"))


def render_as_text(part: Part) -> str:
    """A part that no block can hold, as text: code, what it printed, media."""
    code = part.get("executableCode")
    if code is not None:
        language = str(code.get("language", "")).lower()
        return f"\n```{language}\n{code.get('code', '')}\n```\n"
    result = part.get("codeExecutionResult")
    if result is not None:
        outcome = result.get("outcome", "OUTCOME_OK")
        failed = "" if outcome == "OUTCOME_OK" else f"{outcome}\n"
        return f"\n```\n{failed}{result.get('output', '')}\n```\n"
    media_type = part.get("inlineData", {}).get("mimeType")
    return f"\n[Gemini sent {media_type} data, which this API cannot show.]\n"

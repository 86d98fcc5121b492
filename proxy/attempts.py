"""Everything that is done again: one answer may take several attempts, and an attempt several
requests.

An attempt that failed is followed by another as retry_policies.py says; a stream that is long or
was cut is continued by another request. What a request is made of is translate/'s, where it goes
gemini.py's.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from translate import (
    ApiError,
    Cause,
    RequestOverrides,
    StreamTranslator,
    Translation,
    models,
    translate,
)
from translate.models import Platform
from translate.request.media import media_places
from translate.response.media_errors import explain_media_error
from translate.response.model_errors import explain_model_error, explain_setting_error
from translate.response.usage import Billed
from translate.translation import MediaPlace
from translate.wire import Chunk, Event

from . import json_codec
from .auth import Key
from .config import Settings
from .gemini import BrokenStream, ChunkStream, Gemini
from .liveness import SILENCE, Poller, Silence
from .retry_policies import Plan
from .tool_cache import RequestTools

MAX_REQUESTS = 32
"""For one answer: its attempts, what resumes them, and the parts of a long one. These are 16 at the
most (of 65,536 tokens, in a context of 1,048,576), and one may be thinking that is not shown: so
each counts, whether it shows anything or not."""

END_OF_BODY_SECONDS = 1
"""For all that follows a complete answer: the connection is reused if the body ends too."""

BUILT_IN_TOOL_SECONDS = 60
"""Longer when built-in tools may continue after a finishReason: code that Google runs has 30 s."""

RESUMPTION_PAUSES = (0.0, 0.5, 1.5)
"""Seconds before each, as many as there may be in a row without getting further:
https://ai.google.dev/gemini-api/docs/long-decode."""

RESUMABLE = frozenset(
    {
        *(Cause.BROKEN, Cause.CONNECTION, Cause.OFFLINE, Cause.SILENCE),
        *(Cause.INTERNAL, Cause.OVERLOADED, Cause.TIMEOUT),
    }
)


@dataclass(frozen=True)
class MessagesCall:
    """A client's request, and what its translation takes from elsewhere.

    body: decoded JSON. platform: Google's API that is asked. message_id: the answer's. fallbacks:
    Gemini models to ask when another cannot be had. today: an ISO date.
    """

    body: Any
    settings: Settings
    platform: Platform
    message_id: str
    fallbacks: Sequence[str] = ()
    is_subagent: bool = False
    is_claude_code: bool = False
    today: str = models.CHECKED
    tools: RequestTools = field(default_factory=RequestTools)

    def translate(self, changed: RequestOverrides) -> Translation:
        """Raises ApiError for a bad request."""
        return translate(
            self.body,
            self.settings.model_settings,
            safety=self.settings.safety,
            is_subagent=self.is_subagent,
            is_claude_code=self.is_claude_code,
            declare=self.tools.declare,
            overrides=changed,
            platform=self.platform,
            today=self.today,
        )

    @property
    def model_setting(self) -> str | None:
        """The setting that chooses the model, where the request does not."""
        return models.setting_for(
            self.body["model"], self.settings.model_settings, is_subagent=self.is_subagent
        )

    def new_translator(
        self, translation: Translation, previous: StreamTranslator | None = None
    ) -> StreamTranslator:
        """For an attempt, which goes on behind what a previous one has shown."""
        return StreamTranslator(
            translation,
            message_id=self.message_id,
            model=self.body["model"],
            previous=previous,
        )


class Attempts:
    """The events of one answer, whatever attempts and requests they take.

    is_whole: whether the client sees nothing before all is complete, so that an attempt can begin
    anew even behind a text.
    """

    def __init__(
        self,
        call: MessagesCall,
        gemini: Gemini,
        keys: Sequence[Key],
        poller: Poller,
        *,
        is_whole: bool,
    ) -> None:
        self._call = call
        self._gemini = gemini
        self._poller = poller
        self._is_whole = is_whole
        self._requests = 0
        self._failed_resumptions = 0
        """In a row behind the same checkpoint."""
        self._earlier: list[Billed] = []
        self.judged: list[Billed] = []
        """Requests of auto mode's judge."""
        self.plan = Plan(call.translate, keys, call.fallbacks)
        self.translator = call.new_translator(self.plan.translation)

    def events(self) -> Generator[list[Event] | Silence, None, None]:
        """Events in a list for each read of the upstream. Raises ApiError in the end, where no
        attempt was an answer."""
        while True:
            error: ApiError | None = None
            try:
                yield from self._attempt()
                cause = self.translator.shortfall if self._may_retry else None
            except ApiError as raised:
                if not self._may_retry:
                    if events := self.translator.release():
                        yield events
                    raise
                error, cause = raised, raised.cause
            pause = self.plan.next_attempt(cause, error) if cause else None
            if pause is None:
                break
            self._earlier += self.translator.billed
            yield from self._poller.pause(pause)
            previous = None if self._is_whole else self.translator
            self.translator = self._call.new_translator(self.plan.translation, previous)
        final_error = self.plan.final_error(error) if error or cause else None
        if final_error is None and not self._has_begun:
            final_error = self.translator.shortfall_error
            if final_error is None and self._call.is_claude_code:
                final_error = self.translator.blocked_error
        if final_error is not None:
            try:
                raise self._explain(final_error)
            finally:
                # Its traceback holds this frame: held here as well, both would stay for long.
                error = final_error = None
        yield self.translator.finish()

    @property
    def translation(self) -> Translation:
        """Of the attempt under way."""
        return self.plan.translation

    @property
    def billed(self) -> list[Billed]:
        """All requests of this answer, whatever became of them; the last is under way."""
        return [*self._earlier, *self.translator.billed]

    def _explain(self, error: ApiError) -> ApiError:
        """The error in words by which a client, or a person, can go on."""
        if self._call.platform == models.DEVELOPER:
            error = explain_model_error(error, self.plan.tried_models, self._call.today)
        error = explain_setting_error(error, self._call.model_setting)
        return explain_media_error(error, self._media)

    def _media(self) -> Sequence[MediaPlace]:
        return media_places(self.plan.translation)

    @property
    def _has_begun(self) -> bool:
        """Whether the client has a status already, so that only the answer can say what failed."""
        has_begun = self._poller.has_begun or self.translator.has_block
        return has_begun and not self._is_whole

    @property
    def _may_retry(self) -> bool:
        """Whether a failure can be followed by another attempt."""
        is_shown = self.translator.has_emitted_answer and not self._is_whole
        is_resumable = self._failed_resumptions <= len(RESUMPTION_PAUSES)
        return not is_shown and is_resumable and not self._is_used_up

    @property
    def _is_used_up(self) -> bool:
        return self._requests >= MAX_REQUESTS

    def _attempt(self) -> Iterator[list[Event] | Silence]:
        """The requests that one answer takes: mostly one, more for a long or a broken one."""
        token: str | None = None
        self._failed_resumptions = 0
        while True:
            try:
                yield from self._stream_request(token)
                token, self._failed_resumptions = self.translator.continuation(), 0
                if token is None:
                    return
                if self._is_used_up:
                    raise BrokenStream
            except ApiError as error:
                checkpoint = self.translator.resumption()
                if checkpoint is None or error.cause not in RESUMABLE or self._is_used_up:
                    raise
                is_same = checkpoint == token
                self._failed_resumptions = self._failed_resumptions + 1 if is_same else 1
                if self._failed_resumptions > len(RESUMPTION_PAUSES):
                    raise
                token = checkpoint
                self.plan.failed_attempts.append("resumed")
                yield from self._poller.pause(RESUMPTION_PAUSES[self._failed_resumptions - 1])

    def _stream_request(self, token: str | None) -> Iterator[list[Event] | Silence]:
        """One request's chunks. After the end of the answer little more is waited for."""
        self._requests += 1
        translator = self.translator
        stream = self._open(token)
        awaiting_end_of_body = False
        try:
            for chunks in stream:
                if chunks is SILENCE:
                    yield SILENCE
                    continue
                self._call.tools.keep()
                yield from self._feed(chunks)
                has_ended = translator.has_ended
                if has_ended and translator.is_cut:
                    return
                if has_ended is not awaiting_end_of_body:
                    awaiting_end_of_body = has_ended
                    stream.end_within(self._end_seconds if awaiting_end_of_body else None)
            if not translator.has_ended:
                raise BrokenStream
        except ApiError:
            if not translator.has_ended:
                raise
        finally:
            stream.close()

    def _feed(self, chunks: list[Chunk]) -> Iterator[list[Event]]:
        """The events of one read; those before a chunk that is broken are not lost."""
        events: list[Event] = []
        try:
            for chunk in chunks:
                events += self.translator.feed(chunk)
        except ApiError:
            if events:
                yield events
            raise
        yield events

    def _open(self, token: str | None) -> ChunkStream:
        """The stream of a request; with a continuation token, of what follows."""
        translation = self.plan.translation
        more = {} if token is None else {"continuationToken": token}
        body = json_codec.dumps({**translation.request, **more})
        return self._gemini.stream(translation.model.name, body, self.plan.key, self._poller)

    @property
    def _end_seconds(self) -> float:
        has_built_in = self.plan.translation.has_built_in
        return BUILT_IN_TOOL_SECONDS if has_built_in else END_OF_BODY_SECONDS

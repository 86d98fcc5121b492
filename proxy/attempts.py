"""Everything that is done again: one answer may take several attempts, and an attempt several
requests.

Policies say for each cause how often, after what pause and with what change an attempt is followed
by another (Plan); a stream that is long or was cut is continued by another request (Attempts). What
a request is made of is translate/'s, where it goes gemini.py's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

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
from translate.request import overrides
from translate.request.media import media_places
from translate.response.media_errors import explain_media_error
from translate.translation import MediaPlace
from translate.wire import Chunk, Event

from . import json_codec
from .auth import Key
from .config import Settings
from .gemini import BrokenStream, ChunkStream, Gemini
from .liveness import SILENCE, Poller, Silence
from .tool_cache import RequestTools

END_OF_BODY_SECONDS = 1
"""For all that follows a complete answer: the connection is reused if the body ends too."""

BUILT_IN_TOOL_SECONDS = 60
"""Longer when built-in tools may continue after a finishReason: code that Google runs has 30 s."""

RESUMPTION_PAUSES = (0.0, 0.5, 1.5)
"""Seconds before each, as many as there may be in a row without getting further:
https://ai.google.dev/gemini-api/docs/long-decode."""

RESUMABLE = frozenset(
    {
        *(Cause.BROKEN, Cause.CONNECTION, Cause.SILENCE),
        *(Cause.INTERNAL, Cause.OVERLOADED, Cause.TIMEOUT),
    }
)

SAME_FOR_ALL_MODELS = frozenset({Cause.KEY, Cause.REGION, Cause.DISABLED, Cause.RESTRICTED})
"""Causes that no other model would mend."""


# --- Policies -----------------------------------------------------------------------------------


class RetryPolicy(NamedTuple):
    """pauses: seconds before each attempt, as many as there may be. change: what is different in
    the next one; false: nothing is left to change. last_change: the same for the last one, where it
    is another. other_model: whether a fallback model helps."""

    pauses: tuple[float, ...]
    change: Callable[[Plan, str], bool]
    last_change: Callable[[Plan, str], bool] | None = None
    other_model: bool = False

    def change_before(self, attempt: int) -> Callable[[Plan, str], bool]:
        is_last = attempt == len(self.pauses) - 1
        return self.last_change if is_last and self.last_change else self.change


def _unchanged(plan: Plan, message: str) -> bool:
    return True


def _apply(override: overrides.Override) -> Callable[[Plan, str], bool]:
    return lambda plan, message: plan.apply(override, message)


def _apply_or_repeat(override: overrides.Override) -> Callable[[Plan, str], bool]:
    """With the override where it changes something; the same again in any case."""
    return lambda plan, message: plan.apply(override, message) or True


class Plan:
    """What is asked of Gemini next.

    translate_with: translates the client's request with overrides. keys: in the order in which
    they are tried. fallbacks: models to ask when one is not available.
    """

    def __init__(
        self,
        translate_with: Callable[[RequestOverrides], Translation],
        keys: Sequence[Key],
        fallbacks: Sequence[str] = (),
    ) -> None:
        self._translate_with = translate_with
        self._keys = iter(keys)
        self.key = next(self._keys)
        self._fallbacks = iter(fallbacks)
        self._overrides = overrides.NO_OVERRIDES
        self._failures: Counter[Cause] = Counter()
        """Cause -> attempts it has cost the model that is asked now."""
        self.translation = translate_with(overrides.NO_OVERRIDES)
        self.failed_attempts: list[str] = []
        """The causes of all attempts that failed and were followed by another."""
        self.warning = ""
        """What the client's owner should know: a retired model was asked for."""
        self._original_error: ApiError | None = None
        """Why the model that was asked for was given up, when a fallback model is asked."""

    def next_attempt(self, cause: Cause, error: ApiError | None) -> float | None:
        """Plan another attempt, and return after how many seconds; None: there is none.

        error: what the attempt ended with, where it was an error.
        """
        message = error.message if error else ""
        policy = RETRY_POLICIES[cause]
        failures = self._failures[cause]
        self._failures[cause] += 1
        if failures < len(policy.pauses) and policy.change_before(failures)(self, message):
            self.failed_attempts.append(cause)
            return policy.pauses[failures]
        is_fallback_error = self._original_error is not None and cause not in SAME_FOR_ALL_MODELS
        if (policy.other_model or is_fallback_error) and self._use_fallback():
            if self._original_error is None and error is not None:
                self._original_error = error.with_traceback(None)
            self.failed_attempts.append(cause)
            return 0.0
        return None

    def final_error(self, error: ApiError | None) -> ApiError | None:
        """What the client is shown in the end; None for an answer that stays poor.

        error: of the last attempt. A fallback model's own error is hidden unless it is retryable,
        as then the whole can be tried again, or concerns the key.
        """
        if self._original_error is None or error is None:
            return self._original_error or error
        is_retryable = error.retry is not False and (error.status == 429 or error.status >= 500)
        is_shown = is_retryable or error.cause in SAME_FOR_ALL_MODELS
        return error if is_shown else self._original_error

    def headers(self) -> dict[str, str]:
        """What a curious client may know about the way its answer came about."""
        headers = {
            "x-gemini-model": self.translation.model.name,
            **attempts_header(self.failed_attempts),
        }
        warnings = [*self.translation.warnings, *([self.warning] if self.warning else [])]
        if warnings:
            headers["x-gemini-warning"] = " ".join(warnings)
        return headers

    def use_next_key(self, message: str) -> bool:
        """The next of the server's keys: one was withdrawn, or its successor is not yet known."""
        key = next(self._keys, None)
        self.key = key or self.key
        return key is not None

    def use_successor(self, message: str) -> bool:
        """The model that has taken the place of a retired one."""
        retired = self.translation.model
        replacement = models.successor(retired.name)
        if replacement is None or not self._switch_model(replacement):
            return False
        self.warning = f"{retired.name} is gone, ask for {replacement}."
        return True

    def apply(self, override: overrides.Override, message: str) -> bool:
        """Change the request; false where that changes nothing. message: Google's."""
        return self._translate(override(self._overrides, self.translation.functions, message))

    def _use_fallback(self) -> bool:
        """The next of the fallback models that can serve this request."""
        return any(self._switch_model(model) for model in self._fallbacks)

    def _switch_model(self, model: str) -> bool:
        """False where it is the model that is asked already, by its own name or a retired one."""
        self._failures.clear()
        current = self.translation.model.name
        if model == current or not self._translate(overrides.use_model(model)):
            return False
        return self.translation.model.name != current

    def _translate(self, changed: RequestOverrides) -> bool:
        if changed == self._overrides:
            return False
        try:
            self.translation = self._translate_with(changed)
        except ApiError:
            return False
        self._overrides = changed
        return True


NO_RETRY = RetryPolicy((), _unchanged)
AT_ONCE = (0.0,) * 8
ANSWER_NOW = _apply_or_repeat(overrides.ask_for_answer)

RETRY_POLICIES = {
    # A pooled connection may have died while the instance was frozen: at once, then in a while.
    Cause.CONNECTION: RetryPolicy((0.0, 0.5), _unchanged),
    Cause.OVERLOADED: RetryPolicy((0.5, 1.5), _unchanged, other_model=True),
    Cause.INTERNAL: RetryPolicy((0.5, 1.5), _unchanged),
    Cause.TIMEOUT: RetryPolicy((0.5,), _unchanged),
    Cause.BROKEN: RetryPolicy((0.0, 0.5), _unchanged),
    Cause.EMPTY: RetryPolicy((0.0, 0.5), _unchanged, ANSWER_NOW),
    Cause.THOUGHTS: RetryPolicy((0.0, 0.5), _unchanged, ANSWER_NOW),
    Cause.MALFORMED: RetryPolicy(
        (0.0, 0.0),
        _apply_or_repeat(overrides.validate_calls),
        _apply_or_repeat(overrides.ask_for_pieces),
    ),
    Cause.NO_JSON: RetryPolicy((0.0, 0.0), _apply_or_repeat(overrides.ask_for_json)),
    Cause.SIGNATURE: RetryPolicy((0.0,), _apply(overrides.drop_signatures)),
    Cause.SCHEMA: RetryPolicy((0.0,) * 4, _apply(overrides.use_openapi_schema)),
    Cause.THINKING: RetryPolicy((0.0,), _apply(overrides.drop_thinking)),
    Cause.PARAMETER: RetryPolicy((0.0,) * 3, _apply(overrides.drop_unknown_fields)),
    Cause.EXHAUSTED: RetryPolicy((), _unchanged, other_model=True),
    Cause.KEY: RetryPolicy(AT_ONCE, Plan.use_next_key),
    Cause.MODEL: RetryPolicy(AT_ONCE, Plan.use_successor, other_model=True),
    # The client's to wait for: it is back soon.
    Cause.QUOTA: NO_RETRY,
    # It was waited for as long as anybody will.
    Cause.SILENCE: NO_RETRY,
    # The client's to mend: it compacts, or shows the sentence to a person.
    Cause.CONTEXT: NO_RETRY,
    Cause.PAYLOAD: NO_RETRY,
    Cause.MEDIA: NO_RETRY,
    Cause.REQUEST: NO_RETRY,
    # Its owner's.
    Cause.REGION: NO_RETRY,
    Cause.BILLING: NO_RETRY,
    Cause.DISABLED: NO_RETRY,
    Cause.RESTRICTED: NO_RETRY,
    Cause.FORBIDDEN: NO_RETRY,
    # This server's own: Gemini was not asked.
    Cause.BUSY: NO_RETRY,
}
"""What is done about each cause before an answer has begun."""


def attempts_header(failed_attempts: Sequence[str]) -> dict[str, str]:
    """The header that says what has failed before, `overloaded x2, malformed`; none, if nothing."""
    causes = [
        cause if times == 1 else f"{cause} x{times}"
        for cause, times in Counter(failed_attempts).items()
    ]
    return {"x-gemini-tried": ", ".join(causes)} if causes else {}


# --- Attempts -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class MessagesCall:
    """A client's request, and what its translation takes from elsewhere.

    body: decoded JSON. platform: Google's API that is asked. message_id: the answer's. today: an
    ISO date.
    """

    body: Any
    settings: Settings
    platform: Platform
    message_id: str
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
        self._failed_resumptions = 0
        """In a row behind the same checkpoint."""
        self.plan = Plan(call.translate, keys, call.settings.fallbacks)
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
            yield from self._poller.pause(pause)
            previous = None if self._is_whole else self.translator
            self.translator = self._call.new_translator(self.plan.translation, previous)
        final_error = self.plan.final_error(error) if error or cause else None
        if final_error is None and not self._has_begun:
            final_error = self.translator.shortfall_error
        if final_error is not None:
            try:
                raise explain_media_error(final_error, self._media)
            finally:
                # Its traceback holds this frame: held here as well, both would stay for long.
                error = final_error = None
        yield self.translator.finish()

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
        return not is_shown and self._failed_resumptions <= len(RESUMPTION_PAUSES)

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
            except ApiError as error:
                checkpoint = self.translator.resumption()
                if checkpoint is None or error.cause not in RESUMABLE:
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
                if translator.is_cut:
                    return
                if translator.has_ended is not awaiting_end_of_body:
                    awaiting_end_of_body = translator.has_ended
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

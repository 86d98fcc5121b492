"""One answer on its way from upstream to the client.

Knows that a status can be chosen only until the first byte, that an attempt can be followed by
another only until there is more than thinking, that a silence must be filled, and that an answer
once begun must end: with its last event or with an `error` event. It refuses to know HTTP and
JSON on either side, and what is done about a failure (recovery.py does).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Generator, Iterator

from translate import ApiError, StreamTranslator, Translation, collect, sse
from translate.wire import Event, Json

from . import json_codec, liveness
from .attempts import Recovery, told
from .config import Settings
from .gemini import BrokenStream, ChunkStream
from .liveness import ClientLeft, Sign, Work
from .request_body import hang_up
from .request_log import RequestLog

PING: Event = {"type": "ping"}

REAL_EVENT_SECONDS = 230
"""Claude Code 2.1.197 hangs up after 300 s with nothing but pings (seen 2026-11-23)."""

LINGER_SECONDS = 1
"""Between two reads once the answer is complete: the connection is reused if the body ends too."""

ROUND_SECONDS = 60
"""The same where it may go on all the same: code that Google runs has 30 s."""

RESUMPTIONS = (0.0, 0.5, 1.5)
"""Seconds before each, as many as there may be in a row without getting further:
https://ai.google.dev/gemini-api/docs/long-decode."""

RESUMABLE = frozenset({"broken", "connection", "internal", "overloaded", "silence", "timeout"})

Begin = Callable[[Translation, StreamTranslator | None], StreamTranslator]
"""Makes the translator of an attempt, which goes on behind what an earlier one has shown."""


class Answer:
    """Chunks through a translator. Close it in any case: that frees the upstream.

    whole: whether the client gets one message, and nothing before it is complete. client: the
    socket that it listens on, where that is known.
    Creating it waits for the first block (of a whole answer, for its end), or until the client
    has waited for long enough; a failure before that still raises ApiError with its own status,
    and a client that has left before that raises ClientLeft.
    """

    def __init__(
        self,
        recovery: Recovery,
        begin: Begin,
        record: RequestLog,
        settings: Settings,
        *,
        whole: bool,
        client: socket.socket | None,
    ) -> None:
        self._recovery = recovery
        self._begin = begin
        self._record = record
        self._ping = settings.ping
        self._silence = settings.silence
        self._whole = whole
        self._client = client
        self._in_vain = 0
        """Failures in a row behind the same checkpoint."""
        self._translator = begin(recovery.asked, None)
        self._work = Work(self._play())
        self._work.watch(client)
        self._events: list[Event] = []
        self._due = self._last_event = time.monotonic()
        try:
            self._open(None if whole else settings.first_byte)
        except BaseException:
            self.close()
            raise

    def message(self) -> Json:
        """The whole answer as one message."""
        return collect(self._events)

    def __iter__(self) -> Iterator[bytes]:
        """The answer as server-sent events, one piece for each read of the upstream."""
        try:
            yield self._written(self._events)
            while (batch := self._work.take(self._due - time.monotonic())) is not Sign.END:
                if isinstance(batch, Sign):
                    yield self._written(self._sign_of_life())
                elif batch:
                    self._last_event = time.monotonic()
                    yield self._written(batch)
        except ClientLeft:
            self._record.client_left = True
        except GeneratorExit:
            self._record.client_left = True
            if self._client is not None:
                hang_up(self._client)  # else the server would wait for more from it
            raise
        except Exception as error:  # noqa: BLE001 - the status is sent: only an event can tell
            shown = self._record.to_api_error(error)
            yield sse([shown.body(self._record.request_id)], json_codec.dumps)
        finally:
            self.close()

    def headers(self) -> dict[str, str]:
        """What a curious client may know about the way its answer came about."""
        headers = {"x-gemini-model": self._recovery.asked.model.name, **told(self._recovery.tried)}
        if self._recovery.warning:
            headers["x-gemini-warning"] = self._recovery.warning
        return headers

    def close(self) -> None:
        """Free the upstream, and leave in the record what is known by now."""
        self._work.stop()
        self._record.gemini = self._recovery.asked.model.name
        self._record.tokens = self._translator.tokens
        self._record.failed_attempts = self._recovery.tried
        self._record.repairs = self._translator.repairs

    def _open(self, patience: float | None) -> None:
        """Take what comes until there is something to show, or patience (in seconds) ends."""
        until = None if patience is None else time.monotonic() + patience
        while self._whole or not self._translator.has_block:
            left = self._ping if until is None else until - time.monotonic()
            batch = self._work.take(left) if left > 0 else Sign.SILENCE
            if batch is Sign.END:
                return
            if not isinstance(batch, Sign):
                self._events += batch
            elif until is not None and time.monotonic() >= until:
                self._events += [*self._translator.begin(), PING]
                return

    def _written(self, events: list[Event]) -> bytes:
        """Nothing has to be said again for a while: only what goes out is a sign of life."""
        self._due = time.monotonic() + self._ping
        return sse(events, json_codec.dumps)

    def _sign_of_life(self) -> list[Event]:
        if time.monotonic() - self._last_event < REAL_EVENT_SECONDS:
            return [PING]
        self._last_event = time.monotonic()
        return self._translator.keep_alive()

    # --- The work, which waits --------------------------------------------------------------------

    def _play(self) -> Generator[list[Event], None, None]:
        """Attempts, until one is an answer or nothing is left to try."""
        error: ApiError | None
        while True:
            try:
                yield from self._attempt()
                error, cause = None, self._translator.shortfall
            except ApiError as raised:
                is_shown = self._translator.has_emitted_answer and not self._whole
                if is_shown or self._in_vain > len(RESUMPTIONS):
                    raise
                error, cause = raised, raised.cause
            pause = self._recovery.prepare(cause, error) if cause else None
            if pause is None:
                break
            liveness.pause(pause)
            before = None if self._whole else self._translator
            self._translator = self._begin(self._recovery.asked, before)
        problem = self._recovery.verdict(error) if error or cause else None
        if problem is not None:
            raise problem
        yield self._translator.finish()

    def _attempt(self) -> Iterator[list[Event]]:
        """The requests that one answer takes: mostly one, more for a long or a broken one."""
        token: str | None = None
        self._in_vain = 0
        while True:
            try:
                yield from self._hop(self._recovery.ask(token))
                token, self._in_vain = self._translator.continuation(), 0
                if token is None:
                    return
            except ApiError as error:
                checkpoint = self._translator.resumption()
                if checkpoint is None or error.cause not in RESUMABLE:
                    raise
                self._in_vain = self._in_vain + 1 if checkpoint == token else 1
                if self._in_vain > len(RESUMPTIONS):
                    raise
                token = checkpoint
                self._recovery.tried.append("resumed")
                liveness.pause(RESUMPTIONS[self._in_vain - 1])

    def _hop(self, stream: ChunkStream) -> Iterator[list[Event]]:
        """One request's chunks. After the end of the answer little more is waited for."""
        translator = self._translator
        linger = ROUND_SECONDS if self._recovery.asked.has_built_in else LINGER_SECONDS
        is_hurried = False
        try:
            for chunks in stream:
                self._record.mark_first_byte()
                yield [event for chunk in chunks for event in translator.feed(chunk)]
                if translator.is_cut:
                    return
                if translator.is_finished or is_hurried:
                    is_hurried = translator.is_finished
                    stream.wait(linger if is_hurried else self._silence)
            if not translator.has_ended:
                raise BrokenStream
        except ApiError:
            if not translator.has_ended:
                raise
        finally:
            stream.close()

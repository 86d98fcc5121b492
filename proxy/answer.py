"""One answer on its way to the client: its first block, its silence, its end.

A status can be chosen only until the first byte, so an answer is opened before it is begun. A
silence is filled with pings, and an answer once begun ends with its last event or with an `error`
event. What is tried again meanwhile is attempts.py's.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Generator, Iterator

from translate import collect, sse
from translate.wire import Event, Json

from . import json_codec
from .attempts import Attempts
from .config import Settings
from .liveness import SILENCE, ClientDisconnected, Poller, Silence
from .request_body import hang_up
from .request_log import RequestLog

PING: Event = {"type": "ping"}

REAL_EVENT_SECONDS = 230
"""Claude Code 2.1.197 hangs up after 300 s with nothing but pings (seen 2026-11-23)."""


class Answer:
    """`open` it, then take its `message` or iterate over it. Close it in any case: that frees the
    upstream.

    client: the socket that the client listens on, where that is known. items: what the attempts'
    events become on their way, where something is added to them.
    """

    def __init__(
        self,
        attempts: Attempts,
        poller: Poller,
        log_entry: RequestLog,
        settings: Settings,
        client: socket.socket | None = None,
        items: Generator[list[Event] | Silence, None, None] | None = None,
    ) -> None:
        self._attempts = attempts
        self._poller = poller
        self._log_entry = log_entry
        self._settings = settings
        self._client = client
        self._items = items or attempts.events()
        self._events: list[Event] = []
        """What the answer begins with."""
        self._last_event = time.monotonic()
        self._is_closed = False

    def open(self, *, whole: bool) -> None:
        """Wait for the first block (of a whole answer, for its end), or until a client has waited
        for long enough.

        Until then a failure raises ApiError with a status of its own, and a client that leaves
        ClientDisconnected.
        """
        if not whole:
            self._poller.due = time.monotonic() + self._settings.first_byte
        for item in self._items:
            if item is not SILENCE:
                self._log_entry.mark_first_byte()
                self._events += item
                if self._attempts.translator.has_block and not whole:
                    return
            if not whole and time.monotonic() >= self._poller.due:
                self._events += [*self._attempts.translator.begin(), PING]
                return

    def message(self) -> Json:
        """The whole answer as one message."""
        return collect(self._events)

    def __iter__(self) -> Iterator[bytes]:
        """The answer as server-sent events, one piece for each read of the upstream."""
        self._poller.has_begun = True
        try:
            yield self._encode(self._events)
            for item in self._items:
                if item is not SILENCE:
                    self._log_entry.mark_first_byte()
                if item is not SILENCE and item:
                    self._last_event = time.monotonic()
                    yield self._encode(item)
                elif time.monotonic() >= self._poller.due:
                    yield self._encode(self._sign_of_life())
        except ClientDisconnected:
            self._log_entry.client_left = True
        except GeneratorExit:
            self._log_entry.client_left = True
            if self._client is not None:
                hang_up(self._client)  # else the server would wait for more from it
            raise
        except Exception as error:  # noqa: BLE001 - the status is sent: only an event can tell
            body = self._log_entry.to_api_error(error).body(self._log_entry.request_id)
            yield sse([body], json_codec.dumps)
        finally:
            self.close()

    def headers(self) -> dict[str, str]:
        """What a curious client may know about the way its answer came about."""
        return self._attempts.plan.headers()

    def close(self) -> None:
        """Free the upstream, and leave in the log entry what is known by now."""
        if self._is_closed:
            return
        self._is_closed = True
        self._items.close()
        plan, translator = self._attempts.plan, self._attempts.translator
        self._log_entry.gemini = plan.translation.model.name
        self._log_entry.tokens = translator.tokens
        for billed in (*self._attempts.billed, *self._attempts.judged):
            self._log_entry.add_cost(billed)
        self._log_entry.failed_attempts = plan.failed_attempts
        self._log_entry.repairs = translator.repairs

    def _encode(self, events: list[Event]) -> bytes:
        """Only what goes out is a sign of life: then nothing has to be said for a while."""
        self._poller.due = time.monotonic() + self._settings.ping
        return sse(events, json_codec.dumps)

    def _sign_of_life(self) -> list[Event]:
        if time.monotonic() - self._last_event < REAL_EVENT_SECONDS:
            return [PING]
        self._last_event = time.monotonic()
        return self._attempts.translator.keep_alive()

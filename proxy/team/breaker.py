"""A store that may be down: it is left alone for a while then, so that nobody waits for it, and
what has ended meanwhile is settled when it is back, whether requests come or not.

A thread asks it every DOWN_SECONDS, for as long as it is down or something waits, and so does the
end of the process. On AWS Lambda the end of each invocation does: the thread is frozen there.
"""

from __future__ import annotations

import atexit
import logging
import math
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from .. import clock, freezing
from .stores import STORE_SECONDS, Hold, Outcome, Store, StoreError

T = TypeVar("T")

DOWN_SECONDS = 5
"""Between two attempts to reach a store that has failed."""

MAX_WAITING = 1_000
"""Requests that have ended while the store was down. What is beyond is charged as an abandoned hold
is, by what was known, where the store has heard of it."""

MAX_TRIES = 10
"""To settle one request in a store that answers otherwise: what it cannot take must not hold up the
others for good."""

CLOSE_SECONDS = 1
"""For all that waits, when the process ends: Cloud Run allows 10 s, and the answers under way have
had PROXY_STOP_SECONDS of them. And behind an invocation on AWS Lambda, whose time is billed."""

LOST = "What a request took could not be written to the store: %s"
NOT_TAKEN = "it takes others, and not this one"

DOWN_ENTRY = {"message": "The store of the budgets cannot be asked.", "store": "down"}
"""In the log, for alerts. Without a reason, in which an SDK may quote what it was given."""

log = logging.getLogger("gemini_messages")


class NotAskedError(StoreError):
    """The store was left alone: it has heard of nothing."""


@dataclass
class Ended:
    """A request. to_hold: what has to be held first, where the store has not heard of it."""

    settled: Hold
    to_hold: Hold | None = None
    tries: int = 0


class Breaker:
    """Of one process, around its store. seconds: of a clock that nobody sets.

    error: why the store is left alone, "" while it works. While it is, verbs raise NotAskedError at
    once; but one `hold` or `read` in DOWN_SECONDS goes through, to see whether it is back.
    """

    def __init__(self, store: Store, seconds: Callable[[], float] = time.monotonic) -> None:
        self.error = ""
        self._store = store
        self._seconds = seconds
        self._probe_at = 0.0
        self._logged_until = -math.inf
        self._waiting: deque[Ended] = deque(maxlen=MAX_WAITING)
        self._takes_others = False
        """Whether something has been written since it last did not take what waits."""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._retrying = threading.Lock()
        self._retries_until = math.inf
        started.add(self)

    @property
    def store(self) -> Store:
        """Without the breaker: for reports, which nobody's answer waits for."""
        return self._store

    @property
    def waiting(self) -> int:
        """Requests to settle."""
        return len(self._waiting)

    def hold(self, hold: Hold, now: int) -> Outcome:
        outcome = self._ask(self._store.hold, hold, now, is_probe=True)
        self._takes_others = True
        return outcome

    def read(self, account: str) -> Mapping[str, int]:
        return self._ask(self._store.read, account, is_probe=True)

    def change(self, hold: Hold, now: int) -> Outcome:
        return self._ask(self._store.change, hold, now)

    def settle(self, hold: Hold, now: int) -> None:
        self._ask(self._store.settle, hold, now)

    def settle_later(self, settled: Hold, to_hold: Hold | None = None) -> None:
        if len(self._waiting) == MAX_WAITING:  # as one comes, the oldest goes
            log.error(LOST, f"more than {MAX_WAITING:,} wait")
        self._waiting.append(Ended(settled, to_hold))
        self._watch()

    def retry(self) -> None:
        """Ask the store whether it is back, and settle what waits: it is only when that is done, as
        one whose writes are throttled can still be read."""
        with self._retrying:
            try:
                self._try(self._store.check)
                while self._waiting and self._seconds() < self._retries_until:
                    self._settle_next()
            except StoreError:
                return  # in `error`; the next time, then
            self.error = ""

    def settle_waiting(self, *, is_last: bool) -> None:
        """Once more, for CLOSE_SECONDS and what the store then takes, while the process can.
        is_last: also where the store has failed a moment ago."""
        if self._waiting and (is_last or not self.error or self._may_probe()):
            self._retries_until = self._seconds() + CLOSE_SECONDS
            self.retry()
            self._retries_until = math.inf

    def _ask(self, verb: Callable[..., T], *given: object, is_probe: bool = False) -> T:
        """For a request. Raises StoreError, NotAskedError."""
        if self.error and not (is_probe and self._may_probe()):
            raise NotAskedError(self.error)
        answer = self._try(verb, *given)
        if self.error:
            self.error = ""
            self._wake.set()
        return answer

    def _try(self, verb: Callable[..., T], *given: object) -> T:
        """Raises StoreError."""
        try:
            return verb(*given)
        except StoreError as error:
            self._note(error)
            raise

    def _may_probe(self) -> bool:
        with self._lock:
            if self._seconds() < self._probe_at:
                return False
            self._probe_at = self._seconds() + DOWN_SECONDS
            return True

    def _note(self, error: StoreError) -> None:
        """With one line in the log for DOWN_SECONDS, however many requests meet it."""
        with self._lock:
            self.error, seconds = str(error), self._seconds()
            self._probe_at = seconds + DOWN_SECONDS
            is_new = seconds >= self._logged_until
            if is_new:
                self._logged_until = seconds + DOWN_SECONDS
        if is_new:
            log.warning(DOWN_ENTRY)
        self._watch()

    def _settle_next(self) -> None:
        """Raises StoreError, with what could not be settled at the end of the line."""
        ended, now = self._waiting.popleft(), clock.now()
        try:
            if ended.to_hold is not None:
                self._try(self._store.hold, ended.to_hold, now)
                ended.to_hold = None
            self._try(self._store.settle, ended.settled, now)
            self._takes_others = True
        except StoreError:
            ended.tries += self._takes_others
            self._takes_others = False
            if ended.tries < MAX_TRIES:
                self._waiting.append(ended)
            else:
                log.error(LOST, NOT_TAKEN)
            raise

    def _watch(self) -> None:
        """Have a thread that retries."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():  # it does not survive a fork
                self._thread = threading.Thread(target=self._run, daemon=True)
                with suppress(RuntimeError):  # there is none to be had: the next one tries again
                    self._thread.start()

    def _run(self) -> None:
        while True:
            self._wake.wait(DOWN_SECONDS)
            self._wake.clear()
            self.retry()
            with self._lock:
                if not self.error and not self._waiting:
                    self._thread = None
                    return


started: weakref.WeakSet[Breaker] = weakref.WeakSet()


def settle_all(*, is_last: bool = True) -> None:
    """At the end of the process."""
    for breaker in list(started):
        breaker.settle_waiting(is_last=is_last)


def settle_before_freezing(seconds: float) -> None:
    """seconds: that there are for it. With too few nothing is begun."""
    if seconds > CLOSE_SECONDS + 2 * STORE_SECONDS:
        settle_all(is_last=False)


atexit.register(settle_all)
freezing.before(settle_before_freezing)

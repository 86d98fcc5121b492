"""Holds that are written while their request is on its way to Gemini already: so the way to a store
over a network takes no time of its own.

Only where what this process has last seen of the counters has plenty of room. The answer waits for
its hold before its first item; one that is refused after all was sent in vain, is closed, and is
charged what Gemini has reported of it, or its input by its size. It may have written for as long as
Gemini's first chunk took, or PROXY_FIRST_BYTE_SECONDS: less than a step of output. That is why only
streams are sent so: an answer that is wanted as a whole is silent for longer.

So what is spent beyond a limit is at most what it is without (holds.py), and MAX_OVERLAPPED times
the instances such requests. With calls of 8 and 10 ms, which DynamoDB and Firestore take, the first
token comes 2 ms later than without a plan, instead of 26 and 25 (`make bench-team`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import NamedTuple, TypeVar

from . import counters
from .stores import Entry, Hold, Key, kind_of, refusals

T = TypeVar("T")

SEEN_SECONDS = 60
"""How long what was seen counts, and a refusal. Others seldom use a quarter of a limit so soon."""

PLENTY = 0.75
"""Of a limit: where a request does not go beyond, there is plenty. From there on a person is warned
of a budget (WARNING_SHARE)."""

MAX_OVERLAPPED = 4
"""Holds of one process that are being written so: as many requests can be sent in vain. More than
that seldom begin within the two round trips of 10 ms that a hold takes."""

MAX_SEEN = 4_096
"""Counters: those of some 300 people, of which each has about ten."""


class Seen(NamedTuple):
    """at, refused_at: Unix seconds."""

    value: int
    at: int
    refused_at: int = -SEEN_SECONDS


class Overlap:
    """Of one process. now: Unix seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[Key, Seen] = {}
        """By account and kind of counter, the oldest first: what was seen of a minute holds for the
        next one."""
        self._running = 0

    def note(self, values: Mapping[Key, int], now: int, *, refused: bool = False) -> None:
        """What a store has answered of its counters; refused: that had no room.

        A refusal counts, whatever is heard later: answers of the store pass each other on their
        way. So at most MAX_OVERLAPPED requests are sent in vain each time that money ends.
        """
        with self._lock:
            for (account, counter), value in values.items():
                key = account, kind_of(counter)
                before = self._seen.pop(key, Seen(0, 0))
                self._seen[key] = Seen(value, now, now if refused else before.refused_at)
            while len(self._seen) > MAX_SEEN:
                del self._seen[next(iter(self._seen))]

    def start(self, hold: Hold, write: Callable[[], T], now: int) -> Future[T] | None:
        """Run what writes a hold in a thread of its own; None where it has to be waited for before
        the request is sent. Until more is seen, the hold counts as accepted."""
        with self._lock:
            if self._running >= MAX_OVERLAPPED or not self._has_plenty(hold.entries, now):
                return None
            result: Future[T] = Future()
            try:
                threading.Thread(target=self._run, args=(write, result), daemon=True).start()
            except RuntimeError:  # there is none to be had
                return None
            self._running += 1
            for entry in hold.entries:
                if seen := self._seen.get(_key(entry)):
                    self._seen[_key(entry)] = seen._replace(value=seen.value + entry.amount)
            return result

    def _has_plenty(self, entries: Iterable[Entry], now: int) -> bool:
        """Marks of revoked tokens have to be seen as well."""
        values, lowered = {}, []
        for entry in entries:
            if entry.limit is None:
                continue
            seen = self._seen.get(_key(entry))
            if seen is None or now - seen.at > SEEN_SECONDS or now - seen.refused_at < SEEN_SECONDS:
                return False
            values[entry.key] = seen.value
            share = 1 if counters.is_mark(entry) else PLENTY
            lowered.append(entry._replace(limit=int(entry.limit * share)))
        return not refusals(lowered, values, {})

    def _run(self, write: Callable[[], T], result: Future[T]) -> None:
        try:
            value = write()
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self._end()
            result.set_exception(error)
        else:
            self._end()
            result.set_result(value)
        del result  # an exception's traceback holds this frame, which would hold the exception

    def _end(self) -> None:
        with self._lock:
            self._running -= 1


def _key(entry: Entry) -> Key:
    return entry.account, kind_of(entry.counter)

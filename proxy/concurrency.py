"""How much one process works on at once: so many answers, and so many bytes of memory for them.

What is beyond is refused, not queued: its client knows better how long to wait.
"""

from __future__ import annotations

import threading

from translate import ApiError, Cause

RETRY_AFTER_SECONDS = 5
"""After which a refused client may try again."""

BUSY = "Too many concurrent requests (limit {}). Retry later."

LARGE_BYTES = 16_000_000
"""Of memory: a request for more than that may not take the last of it."""

LARGE_SHARE = 0.75
"""Of all memory for requests, as much as large ones may fill: a few of them, however slowly they
come, leave room for everybody else's."""

NO_MEMORY = "Too many large requests at once. Retry later."
TOO_LARGE = "The request needs {} MB of memory; this server has {} MB for one request."


class ConcurrencyLimit:
    """A context manager for one answer at a time, of which `limit` may be under way.

    Entering raises ApiError 529 at once where all places are taken; nothing waits for one.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._free = threading.BoundedSemaphore(limit)

    def __enter__(self) -> None:
        if not self._free.acquire(blocking=False):
            message = BUSY.format(self._limit)
            raise ApiError(529, message, cause=Cause.BUSY, retry_after=RETRY_AFTER_SECONDS)

    def __exit__(self, *_: object) -> None:
        self._free.release()


class MemoryBudget:
    """Bytes of memory for all requests of a process together."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.taken = 0
        self._lock = threading.Lock()

    def reserve(self) -> Reservation:
        """An empty reservation for one request, to be closed with it."""
        return Reservation(self)

    def take(self, size: int, more: int) -> None:
        """For a reservation of `size` bytes in all, of which `more` are new. Raises ApiError: 529
        where others have too much, 413 where it could never be had."""
        limit = self._size if size <= LARGE_BYTES else int(self._size * LARGE_SHARE)
        if size > limit:
            raise ApiError(413, TOO_LARGE.format(size // 1_000_000, limit // 1_000_000))
        with self._lock:
            if more > 0 and self.taken + more > limit:
                cause, retry_after = Cause.BUSY, RETRY_AFTER_SECONDS
                raise ApiError(529, NO_MEMORY, cause=cause, retry_after=retry_after)
            self.taken += more


class Reservation:
    """The memory of one request: a context manager that gives all of it back."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self.size = 0

    def resize(self, size: int) -> None:
        """Take or give back, so that it holds `size` bytes. Raises ApiError 529 or 413."""
        self._budget.take(size, size - self.size)
        self.size = size

    def __enter__(self) -> Reservation:
        return self

    def __exit__(self, *_: object) -> None:
        self.resize(0)

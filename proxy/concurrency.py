"""How many answers one process works on at once.

The next request is refused, not queued: its client knows better how long to wait.
"""

from __future__ import annotations

import threading

from translate import ApiError, Cause

RETRY_AFTER_SECONDS = 5
"""After which a refused client may try again."""

BUSY = "Too many concurrent requests (limit {}). Retry later."


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

"""How many answers one process works on at once.

The next request is refused, not queued: its client knows better how long to wait.
"""

from __future__ import annotations

import threading

from translate import ApiError, Cause

BUSY_SECONDS = 5
"""After which a client that was sent away may come again."""

BUSY = "This server is working on as many answers as it can ({} at once); try again."


class Gate:
    """Lets a number of answers be under way at once, and refuses the next at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._free = threading.BoundedSemaphore(most)

    def enter(self) -> None:
        """Raises ApiError 529 where all places are taken; `leave` gives one back."""
        if not self._free.acquire(blocking=False):
            raise ApiError(529, BUSY.format(self._most), cause=Cause.BUSY, retry_after=BUSY_SECONDS)

    def leave(self) -> None:
        self._free.release()

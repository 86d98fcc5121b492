"""One invocation as Lambda sees it: an event in, pieces of an answer out, then an end.

Knows how the two servers pass it on to each other.
"""

from __future__ import annotations

import queue
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

STREAM_CONTENT_TYPE = "application/vnd.awslambda.http-integration-response"


class Failed(Exception):
    """The function failed: `error_type` as it, or Lambda for it, reported."""

    def __init__(self, error_type: str) -> None:
        super().__init__(error_type)
        self.error_type = error_type


@dataclass
class Invocation:
    """deadline: when the environment is killed, in seconds since the epoch."""

    event: bytes
    seconds: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    content_type: str = ""
    is_answered: bool = False
    failure: str | None = None

    def __post_init__(self) -> None:
        self.deadline = time.time() + self.seconds
        self._output: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def put(self, piece: bytes) -> None:
        self._output.put(piece)

    def end(self, failure: str | None = None) -> None:
        """The first end counts: what comes after it is about an answer that is over."""
        if not self.is_answered:
            self.is_answered = True
            self.failure = failure
            self._output.put(None)

    def pieces(self) -> Iterator[bytes]:
        """The answer as it comes. Raises Failed if it ends with a failure."""
        while (piece := self._output.get(timeout=self.seconds + 30)) is not None:
            yield piece
        if self.failure is not None:
            raise Failed(self.failure)

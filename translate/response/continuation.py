"""The tokens by which an answer goes on in another request, and when it does.

A long answer comes in several requests ("hops"), each asked for with the token that the one
before it gave; a stream that broke off can be resumed behind its last checkpoint.
https://ai.google.dev/gemini-api/docs/generate-content/long-decode, seen 2026-11-23.
"""

from __future__ import annotations

from ..wire import Candidate


class Continuation:
    """Where one answer can be continued."""

    def __init__(self) -> None:
        self.is_due = False
        """Whether this hop has ended before the answer did."""
        self._token: str | None = None
        """The last one of this hop."""
        self._requested: str | None = None
        """The one that this hop was asked for with: a hop that hands it back does not get on."""
        self._checkpoint: str | None = None
        """The one behind which nothing was shown yet."""

    def add(self, candidate: Candidate, *, has_parts: bool) -> None:
        """Take over a candidate's token. A token stands behind the parts that came with it."""
        token = candidate.get("continuationToken")
        if token:
            self._token = self._checkpoint = token
        elif has_parts:
            self._checkpoint = None
        is_continued = candidate.get("finishReason") == "CONTINUATION"
        self.is_due = is_continued and self._token not in (None, self._requested)

    def next_hop(self) -> str | None:
        """The token to ask for the rest with; None where the answer does not go on."""
        return self._go_on(self._token) if self.is_due else None

    def resume(self) -> str | None:
        """The token to go on with after a stream has broken off right behind a checkpoint.

        What was shown after a checkpoint would come once more, so there is no way back to it.
        """
        return None if self._checkpoint is None else self._go_on(self._checkpoint)

    def _go_on(self, token: str | None) -> str | None:
        self._requested = self._checkpoint = token
        self._token, self.is_due = None, False
        return token

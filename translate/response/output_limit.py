"""Where an answer's text ends before Gemini says so: stop sequences and the token limit.

Gemini's own stop sequences are few and it does not tell which one matched; its token limit
counts thoughts, so it is asked for more than the client wants. Both are therefore applied
here, to the visible text: text in, text out.
"""

from __future__ import annotations

from collections.abc import Sequence

from .stop_finder import StopFinder


class OutputLimit:
    """The end of one answer's text.

    stop_sequences: those at which it ends, none of them shown. max_tokens: visible tokens allowed,
    None where Gemini's own limit does.
    """

    def __init__(self, stop_sequences: Sequence[str] = (), max_tokens: int | None = None) -> None:
        self._finder = StopFinder(stop_sequences) if stop_sequences else None
        self._max_tokens = max_tokens
        self._tokens = 0
        self._pending = ""
        self.stop_reason: str | None = None
        """`stop_sequence` or `max_tokens`, once the answer is cut."""
        self.stop_sequence: str | None = None

    def apply(self, text: str, tokens: int) -> str:
        """What of the next piece of text may be shown now.

        tokens: Gemini's count of visible tokens so far, this piece included. The start of what
        may become a stop sequence is kept back.
        """
        if self.stop_reason:
            return ""
        finder = self._finder
        if finder is None and (self._max_tokens is None or tokens <= self._max_tokens):
            if tokens > self._tokens:
                self._tokens = tokens
            return text
        share = self._share(len(text), tokens)
        self.stop_reason = None if share is None else "max_tokens"
        piece = text[:share]
        text = self._pending + piece
        found = finder.find(piece) if finder else None
        if found:
            end, self.stop_sequence = found
            end += len(self._pending) - len(self.stop_sequence)
            self.stop_reason, self._pending = "stop_sequence", ""
            return text[:end]
        kept = finder.possible if finder and share is None else 0
        self._pending = text[len(text) - kept :]
        return text[: len(text) - kept]

    @property
    def has_pending(self) -> bool:
        """Whether text is kept back."""
        return bool(self._pending)

    def flush(self) -> str:
        """What was kept back, when something else than text follows."""
        pending, self._pending = self._pending, ""
        if self._finder:
            self._finder.reset()
        return pending

    def _share(self, size: int, tokens: int) -> int | None:
        """How many of a piece's characters the limit still allows; None for all."""
        before, self._tokens = self._tokens, max(self._tokens, tokens)
        if self._max_tokens is None or self._tokens <= self._max_tokens:
            return None
        left = max(0, self._max_tokens - before)
        return round(size * left / (self._tokens - before))

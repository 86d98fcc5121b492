"""Where an answer's text ends before Gemini says so: stop sequences and the token limit.

Gemini's own stop sequences are few and it does not tell which one matched; its token limit
counts thoughts, so it is asked for more than the client wants. Both are therefore applied
here, to the visible text: text in, text out.
"""

from __future__ import annotations

from collections.abc import Sequence


class OutputLimit:
    """The end of one answer's text.

    stop_sequences: those at which it ends, none of them shown. max_tokens: visible tokens allowed,
    None where Gemini's own limit does.
    """

    def __init__(self, stop_sequences: Sequence[str] = (), max_tokens: int | None = None) -> None:
        self._stop_sequences = stop_sequences
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
        if not self._stop_sequences and (self._max_tokens is None or tokens <= self._max_tokens):
            if tokens > self._tokens:
                self._tokens = tokens
            return text
        share = self._share(len(text), tokens)
        self.stop_reason = None if share is None else "max_tokens"
        text = self._pending + text[:share]
        _, at, stop = min(
            (
                (text.find(stop) + len(stop), text.find(stop), stop)
                for stop in self._stop_sequences
                if stop in text
            ),
            default=(-1, -1, None),
        )
        if stop is not None:
            self.stop_reason, self.stop_sequence, self._pending = "stop_sequence", stop, ""
            return text[:at]
        kept = self._possible_start(text) if share is None else 0
        self._pending = text[len(text) - kept :]
        return text[: len(text) - kept]

    @property
    def has_pending(self) -> bool:
        """Whether text is kept back."""
        return bool(self._pending)

    def flush(self) -> str:
        """What was kept back, when something else than text follows."""
        pending, self._pending = self._pending, ""
        return pending

    def _share(self, size: int, tokens: int) -> int | None:
        """How many of a piece's characters the limit still allows; None for all."""
        before, self._tokens = self._tokens, max(self._tokens, tokens)
        if self._max_tokens is None or self._tokens <= self._max_tokens:
            return None
        left = max(0, self._max_tokens - before)
        return round(size * left / (self._tokens - before))

    def _possible_start(self, text: str) -> int:
        """How many characters at the end may be the beginning of a stop sequence."""
        longest = max(map(len, self._stop_sequences))
        for size in range(min(longest - 1, len(text)), 0, -1):
            if any(stop.startswith(text[-size:]) for stop in self._stop_sequences):
                return size
        return 0

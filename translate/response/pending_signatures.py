"""Which thought signature belongs to which function call.

Gemini puts a signature on a call itself, on a thought or an empty part before it, or on an empty
part behind a row of calls, of which it is the first one's. So a call without a signature is kept
back until that is known. A text's own signature goes back in front of the next call; behind the
last text there is no place for it, and Gemini does not ask for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..wire import FunctionCall


class SignedCall(NamedTuple):
    """A call that can be shown: its signature, and those of texts that go in front of it."""

    call: FunctionCall
    signature: str | None = None
    text_signatures: Sequence[str] = ()


class PendingSignatures:
    """The signatures and calls of one answer that wait for each other.

    waits: whether a call is kept back for its signature at all. Every method takes the next part
    of the answer, and returns the calls that go before it, or that it completes.
    """

    def __init__(self, *, waits: bool) -> None:
        self.unsigned_calls: list[FunctionCall] = []
        """Calls that are kept back until a later part brings the signature of the first."""
        self._waits = waits
        self._has_signed_call = False
        self._for_call: str | None = None
        """It came on an empty part or a thought: the next call's, if that has none."""
        self._of_text: str | None = None
        """It came on a text, behind which no call has followed yet."""

    def on_text(self, signature: str | None) -> Sequence[SignedCall]:
        """A signature that no call took is let go; the text's own waits for the next call."""
        ready = self.flush() if self.unsigned_calls else ()
        self._for_call = None
        self._of_text = signature or self._of_text
        return ready

    def on_thought(self, signature: str | None) -> Sequence[SignedCall]:
        """A thought's signature is that of the part that follows."""
        ready = self.flush()
        self._for_call = signature or self._for_call
        return ready

    def on_empty_part(self, signature: str | None) -> Sequence[SignedCall]:
        """Its signature is that of the calls that wait for one, else of the next call."""
        if signature is None:
            return ()
        if self.unsigned_calls:
            return self.flush(signature)
        if not self._has_signed_call:
            self._for_call = signature
        return ()

    def on_call(self, call: FunctionCall, signature: str | None) -> Sequence[SignedCall]:
        """A whole call."""
        if signature:
            return [*self.flush(), self._sign(call, signature)]
        if self.unsigned_calls or self._has_to_wait:
            self.unsigned_calls.append(call)
            return ()
        return [self._sign(call, None)]

    def on_call_in_pieces(self, call: FunctionCall, signature: str | None) -> Sequence[SignedCall]:
        """The first piece of a call; it is shown at once, as the last one of those returned."""
        return [*self.flush(), self._sign(call, signature)]

    def flush(self, signature: str | None = None) -> Sequence[SignedCall]:
        """Let the calls that wait go, the first with the signature that came for it, if any."""
        if not self.unsigned_calls:
            return ()
        (first, *others), self.unsigned_calls = self.unsigned_calls, []
        return [self._sign(first, signature), *(SignedCall(call) for call in others)]

    @property
    def _has_to_wait(self) -> bool:
        return self._waits and not self._has_signed_call and self._for_call is None

    def _sign(self, call: FunctionCall, signature: str | None) -> SignedCall:
        """A pending signature that the call has no need of keeps its place in front of it."""
        unused = self._for_call if signature else None
        texts = [each for each in (self._of_text, unused) if each]
        signature = signature or self._for_call
        self._of_text = self._for_call = None
        self._has_signed_call = self._has_signed_call or bool(signature)
        return SignedCall(call, signature, texts)

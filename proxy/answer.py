"""One answer on its way from upstream to the client.

Knows that a status can be chosen only until the first byte, and that an answer once begun
must end: with its last event or with an `error` event. It refuses to know HTTP and JSON
on either side.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator

from translate import ApiError, StreamTranslator, collect, sse
from translate.wire import Event, Json

from . import codec
from .upstream import BrokenStream, ChunkStream

log = logging.getLogger(__name__)


class Answer:
    """Chunks through a translator. Close it in any case: that frees the upstream.

    ask: opens the stream; with a continuation token, the stream of what follows.
    Creating it waits for the first content (or the real end), so that every failure before
    it still raises ApiError with a status of its own.
    """

    def __init__(
        self,
        ask: Callable[[str | None], ChunkStream],
        translator: StreamTranslator,
        request_id: str,
    ) -> None:
        self._ask = ask
        self._chunks = ask(None)
        self._request_id = request_id
        self._batches = self._translate(translator)
        self._first: list[Event] = []
        try:
            while not translator.has_content:
                self._first += next(self._batches)
        except BaseException:
            self.close()
            raise

    def message(self) -> Json:
        """The whole answer as one message."""
        try:
            return collect(event for batch in self._all() for event in batch)
        finally:
            self.close()

    def __iter__(self) -> Iterator[bytes]:
        """The answer as server-sent events, one piece for each read of the upstream."""
        try:
            for batch in self._all():
                if batch:
                    yield sse(batch, codec.dumps)
        except Exception as error:  # noqa: BLE001 - the status is sent: only an event can tell
            yield sse([as_api_error(error, self._request_id).body(self._request_id)], codec.dumps)
        finally:
            self.close()

    def close(self) -> None:
        self._chunks.close()

    def _all(self) -> Iterator[list[Event]]:
        yield self._first
        yield from self._batches

    def _translate(self, translator: StreamTranslator) -> Iterator[list[Event]]:
        yield from self._hop(translator)
        while token := translator.continuation():
            self._chunks = self._ask(token)
            yield from self._hop(translator)
        yield translator.finish()
        if translator.repairs:
            log.warning("%s: calls mended: %s", self._request_id, dict(translator.repairs))

    def _hop(self, translator: StreamTranslator) -> Iterator[list[Event]]:
        """One request's chunks. After the end of the answer little more is waited for."""
        try:
            for chunks in self._chunks:
                yield [event for chunk in chunks for event in translator.feed(chunk)]
                if translator.is_cut:
                    break
                if translator.is_finished:
                    self._chunks.hurry()
        except BrokenStream:
            if not translator.is_finished:
                raise
        self._chunks.close()


def as_api_error(error: Exception, request_id: str) -> ApiError:
    """Any exception as one for the client; what is unforeseen is logged by its place only.

    An exception's text may quote a prompt, so neither the log nor the client gets it.
    """
    if isinstance(error, ApiError):
        return error
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("%s: unforeseen %s\n%s", request_id, type(error).__name__, frames)
    return ApiError(500, f"The proxy failed on this request ({request_id}); its log says where.")

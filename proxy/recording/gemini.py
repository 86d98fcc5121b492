"""Gemini for one request that is recorded: what it is asked and what it answers is noted.

Nothing of it waits or fails but the Gemini and the response behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from werkzeug.datastructures import Headers

from translate import ApiError

from .. import auth
from ..connections import Timeouts
from ..gemini import Gemini
from ..liveness import Poller, Silence, Waiting
from ..response_stream import UpstreamResponse
from .exchange import GeminiExchange, Recording

KEPT_HEADERS = ("content-type", "retry-after")
"""Of a response: those that gemini.py reads."""


class RecordingGemini(Gemini):
    """Shares all with the Gemini it stands for."""

    def __init__(self, gemini: Gemini, recording: Recording) -> None:
        vars(self).update(vars(gemini))
        self._recording = recording
        self._current: GeminiExchange

    def _post(
        self,
        model: str,
        method: str,
        body: bytes,
        key: auth.Key,
        poller: Poller,
        timeouts: Timeouts,
    ) -> Waiting[UpstreamResponse]:
        target = f"{model}:{method.partition('?')[0]}"
        exchange = self._current = self._recording.begin(target, body)
        try:
            return (yield from super()._post(model, method, body, key, poller, timeouts))
        except ApiError as error:
            if not exchange.status:
                exchange.fail(error)
            raise

    def _exchange(
        self, request: Any, poller: Poller, timeouts: Timeouts
    ) -> Waiting[UpstreamResponse]:
        # Vertex AI's token is made for the request: only here it is known.
        self._recording.secrets.update(auth.credentials(Headers(list(request.headers.items()))))
        response = yield from super()._exchange(request, poller, timeouts)
        recorded = RecordedResponse(response, self._recording, self._current)
        return cast(UpstreamResponse, recorded)


class RecordedResponse:
    """A response whose body is noted on its way: what gemini.py needs of one."""

    def __init__(
        self, response: UpstreamResponse, recording: Recording, exchange: GeminiExchange
    ) -> None:
        self._response = response
        self._recording = recording
        self._gemini_exchange = exchange
        self.status = exchange.status = response.status
        self.headers = response.headers
        exchange.headers = {
            name: response.headers[name] for name in KEPT_HEADERS if name in response.headers
        }

    @property
    def deadline(self) -> float:
        """See UpstreamResponse."""
        return self._response.deadline

    @deadline.setter
    def deadline(self, deadline: float) -> None:
        self._response.deadline = deadline

    def reads(self) -> Iterator[bytes | Silence]:
        """See UpstreamResponse."""
        exchange = self._gemini_exchange
        try:
            for read in self._response.reads():
                if not isinstance(read, Silence):
                    self._recording.read(exchange, read)
                yield read
            exchange.end = "complete"
        except ApiError as error:
            exchange.fail(error)
            raise
        except TimeoutError as error:
            exchange.end = "broken" if error.errno else "silent"
            raise
        except Exception:
            exchange.end = "broken"
            raise

    read_all = UpstreamResponse.read_all

    def close(self) -> None:
        self._gemini_exchange.is_over = True
        self._response.close()

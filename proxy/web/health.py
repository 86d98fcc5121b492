"""Whether Gemini's endpoint can be reached from here, for a person who looks at the page.

It is asked without a key, and not again for a while: any answer will do.
"""

from __future__ import annotations

import threading
import time

from translate import ApiError

from ..gemini import Gemini
from ..liveness import Poller, run
from .home import Endpoint

KEPT_SECONDS = 30.0
USUAL = (200, 404)
"""The emulator's answer to who asks for nothing, and Google's (seen 2026-11-28)."""


class EndpointHealth:
    """What was heard last. host: the endpoint's."""

    def __init__(self, gemini: Gemini, host: str) -> None:
        self._gemini = gemini
        self._host = host
        self._lock = threading.Lock()
        self._heard: Endpoint | None = None
        self._heard_at = 0.0

    def look(self, poller: Poller) -> Endpoint:
        """One looks, all others who come meanwhile wait for it."""
        with self._lock:
            if self._heard is None or time.monotonic() - self._heard_at > KEPT_SECONDS:
                self._heard = self._ask(poller)
                self._heard_at = time.monotonic()
            return self._heard

    def _ask(self, poller: Poller) -> Endpoint:
        try:
            status = run(self._gemini.probe(poller))
        except ApiError as error:
            return Endpoint(self._host, False, f"NOT REACHED: {error.message.rstrip('.')}")
        if status in USUAL:
            return Endpoint(self._host, True, "it answers")
        return Endpoint(self._host, False, f"it answers with HTTP {status}")

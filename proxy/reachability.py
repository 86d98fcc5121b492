"""Whether Gemini's endpoint answers, for a person who starts the server: looked for a moment.

It is asked without a key, any answer will do, and whatever happens the start goes on.
"""

from __future__ import annotations

import queue
import threading

from translate import ApiError

from . import config, endpoints
from .config import Settings

MAX_SECONDS = 1.0
"""That a start waits: a name that is not known, and a port where nobody listens, take none."""

LATE = f"no answer within {MAX_SECONDS:g} s"


def look(settings: Settings) -> str:
    """What the endpoint answered, in some words."""
    found: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=lambda: found.put(_ask(settings)), daemon=True).start()
    try:
        return found.get(timeout=MAX_SECONDS)
    except queue.Empty:
        return LATE


def _ask(settings: Settings) -> str:
    from .concurrency import MemoryBudget
    from .connections import Timeouts
    from .gemini import Gemini
    from .liveness import Poller, run

    timeouts = Timeouts(settings.connect, settings.silence)
    try:
        endpoint = endpoints.from_settings(settings)
        gemini = Gemini(endpoint, 1, timeouts, MemoryBudget(config.request_memory()))
        run(gemini.probe(Poller()))
    except ApiError as error:
        return f"NOT REACHED: {error.message.partition(': ')[2] or error.message}"
    except Exception as error:  # noqa: BLE001 - the server itself will say more
        return f"NOT REACHED: {type(error).__name__}"
    return "reachable"

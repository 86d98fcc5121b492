"""What sessions of Claude Code have cost lately, as this process has answered them.

A store keeps days, and no sessions: there are thousands of those. So this is for a server that is
one process on one machine; of several instances each would know of a part.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import routes

MAX_SESSIONS = 1_000
"""Of all people together: those of a team's last days, 300 bytes each."""


@dataclass
class Session:
    """began, last: when its first and its last request ended, in Unix seconds. usd: at list
    prices."""

    id: str
    person: str
    began: float
    last: float
    requests: int = 0
    usd: float = 0.0


class Sessions:
    """Those that were used last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: OrderedDict[tuple[str, str], Session] = OrderedDict()

    def add(self, entry: Mapping[str, Any], now: float) -> None:
        """entry: of the log. What names no person or no session does not count."""
        person, identity = entry.get("person"), entry.get("session")
        if not person or not identity or entry.get("path") != routes.MESSAGES:
            return
        with self._lock:
            session = self._sessions.setdefault(
                (person, identity), Session(identity, person, now, now)
            )
            self._sessions.move_to_end((person, identity))
            session.last = now
            session.requests += 1
            session.usd += entry.get("usd") or 0
            if len(self._sessions) > MAX_SESSIONS:
                self._sessions.popitem(last=False)

    def of(self, person: str, count: int) -> list[Session]:
        """So many of a person, the one that was used last first."""
        with self._lock:
            found = [each for each in self._sessions.values() if each.person == person]
        return found[: -count - 1 : -1]


recent = Sessions()
"""Of this process."""

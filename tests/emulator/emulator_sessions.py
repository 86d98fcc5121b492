"""What is kept for each API key: its script and how far it is, its journal, its cached prefixes.

Knows locks and how long things are kept.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from pathlib import Path

import emulator_scripts
from emulator_errors import Json
from emulator_request import Asked
from emulator_usage import shared_prefix

MOST_ENTRIES = 1_000
MOST_PREFIXES = 64
DEFAULT_SCRIPT = Path(__file__).with_name("default_script.json")


class Session:
    """One key's. Every method may be called from any thread."""

    def __init__(self, script: Json) -> None:
        self.replies: list[Json] = script.get("replies", [])
        self.used: set[int] = set()
        self.journal: deque[Json] = deque(maxlen=MOST_ENTRIES)
        self._prefixes: deque[tuple[str, str]] = deque(maxlen=MOST_PREFIXES)
        self._lock = threading.Lock()

    def choose(self, asked: Asked) -> int | None:
        with self._lock:
            return emulator_scripts.choose(self.replies, self.used, asked)

    def shared(self, model: str, canonical: str) -> int:
        """How many characters of a request were in an earlier one; remembers this one."""
        with self._lock:
            before = [text for name, text in self._prefixes if name == model]
            self._prefixes.append((model, canonical))
        return max((shared_prefix(canonical, text) for text in before), default=0)


class Sessions:
    """Every key's; a key that nobody registered plays the default script."""

    def __init__(self) -> None:
        self._default: Json = json.loads(DEFAULT_SCRIPT.read_text("utf-8"))
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def of(self, key: str) -> Session:
        with self._lock:
            return self._sessions.setdefault(key, Session(self._default))

    def register(self, key: str, script: Json) -> None:
        """Begin anew with a script. Raises BadScript."""
        emulator_scripts.check(script)
        with self._lock:
            self._sessions[key] = Session(script)

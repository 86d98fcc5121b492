"""One line for each request: caller, models, status, tokens, how long it took.

A line never holds keys, prompts, answers or error texts.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import random
import re
import sys
import time
import traceback
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from translate import ApiError, models
from translate.response.usage import Billed

from . import __version__, clock, config, json_codec, log_queue, log_text, routes, sessions
from .log_queue import LogQueue

log = logging.getLogger("gemini_messages")

IDENTIFIER = re.compile(r"[A-Za-z0-9._:/@\[\]-]{1,100}")
"""What a client may write into the log: names and ids, no sentences."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""What a method may be to be logged: a client can make up others."""

REQUEST_CLASSES = frozenset({"main", "subagent", "workflow", "compaction", "auxiliary"})
"""Claude Code's own words (x-claude-code-request-class, with CLAUDE_CODE_GATEWAY_HINT_HEADERS=1);
what others write there is "other": totals are kept for each."""

DROPPED = "%d log lines were dropped: nobody reads the standard output."

USD_DIGITS = 6
"""Behind the point: a token of the cheapest model costs 0.00000001."""

recent: deque[dict[str, Any]] = deque(maxlen=20)
"""The entries of the last requests, the newest last, for who sits at this machine."""

CLIENT_LEFT = 499
"""The status of an answer nobody waited for (nginx's number for it)."""


@dataclass
class RequestLog:
    """What is known about one request by the end of it.

    request_class, agent: what Claude Code says the request is for, and which kind of agent's it is.
    caller_id: see auth.py. person, plan: of an access token. budget: the used share of theirs, once
    it is large; budget_headers: of the answer. model: as the client named it. gemini: the one
    that was used. failed_attempts: their causes, oldest first. repairs: how many tool calls
    were repaired, by kind. judge: of auto mode's verdict (see auto_mode.py): model, tokens,
    outcomes. usd: US dollars at list price, of all attempts and of the judge. started: seconds of
    time.monotonic().
    """

    request_id: str
    method: str
    path: str
    session: str = ""
    request_class: str = ""
    agent: str = ""
    caller_id: str = ""
    person: str = ""
    plan: str = ""
    budget: float | None = None
    budget_headers: dict[str, str] = field(default_factory=dict)
    model: str = ""
    gemini: str = ""
    stream: bool = False
    status: int = 0
    error: str = ""
    client_left: bool = False
    tokens: Mapping[str, int] = field(default_factory=dict)
    failed_attempts: Sequence[str] = ()
    repairs: Mapping[str, int] = field(default_factory=dict)
    judge: dict[str, Any] = field(default_factory=dict)
    usd: float = 0.0
    started: float = field(default_factory=time.monotonic)
    first_byte_ms: int | None = None

    def add_cost(self, billed: Billed) -> None:
        """Of one request to Gemini."""
        self.usd += models.cost(billed.model, clock.today(), billed.tokens)

    def mark_first_byte(self) -> None:
        """Gemini has begun to answer."""
        if self.first_byte_ms is None:
            self.first_byte_ms = self.elapsed()

    def to_api_error(self, error: Exception) -> ApiError:
        """Convert any exception to one for the client, and log an unexpected one by its place only.

        An exception's text may quote a prompt, so neither the log nor the client gets it.
        """
        if isinstance(error, RecursionError):
            error = ApiError(400, json_codec.TOO_DEEP)
        if not isinstance(error, ApiError):
            frames = "".join(traceback.format_tb(error.__traceback__))
            kind = type(error).__name__
            log.error({"request_id": self.request_id, "exception": kind, "traceback": frames})
            message = f"Internal proxy error (request {self.request_id}). See the proxy's log."
            error = ApiError(500, message)
        self.error = error.cause or error.type
        return error

    def write(self) -> None:
        """To be called once, when the answer is over. A health check is only worth a debug line,
        and so is a client's telemetry."""
        route = routes.find(self.path)
        level = logging.DEBUG if route in routes.UNLOGGED else logging.INFO
        if not log.isEnabledFor(level):
            return
        fields = {
            "request_id": self.request_id,
            "method": self.method if self.method in METHODS else "?",
            "path": route or "?",
            "status": CLIENT_LEFT if self.client_left else self.status,
            "error": self.error,
            "session": safe_identifier(self.session),
            "class": self.request_class,
            "agent": safe_identifier(self.agent),
            "caller_id": self.caller_id,
            "person": self.person,
            "plan": self.plan,
            "budget": self.budget,
            "model": safe_identifier(self.model),
            "gemini": safe_identifier(self.gemini),
            "stream": self.stream,
            "tokens": dict(self.tokens),
            "tried": list(self.failed_attempts),
            "repairs": dict(self.repairs),
            "judge": self.judge,
            "usd": round(self.usd, USD_DIGITS) or None,
            "first_byte_ms": self.first_byte_ms,
            "ms": self.elapsed(),
            "version": __version__,
        }
        entry = {name: value for name, value in fields.items() if should_log(value)}
        record = log.makeRecord(log.name, level, "", 0, entry, (), None)
        if level == logging.INFO:
            recent.append({**entry, "created": record.created})
            sessions.recent.add(entry, record.created)
        log.handle(record)

    def set_caller(self, caller_id: str, person: str, plan: str) -> None:
        self.caller_id, self.person, self.plan = caller_id, person, plan

    def elapsed(self) -> int:
        """Milliseconds so far."""
        return round(1000 * (time.monotonic() - self.started))


def new_request_id() -> str:
    return f"req_{random.getrandbits(128):032x}"


def request_class(value: str, *, is_subagent: bool) -> str:
    """Of a request's headers."""
    if not value:
        return "subagent" if is_subagent else ""
    return value if value in REQUEST_CLASSES else "other"


def should_log(value: object) -> bool:
    """Keep zeros, drop empty values."""
    return bool(value) or (value == 0 and value is not False)


def safe_identifier(value: object) -> str:
    """Return identifiers unchanged; replace anything else with "?"."""
    if not isinstance(value, str) or not value:
        return ""
    return value if IDENTIFIER.fullmatch(value) else "?"


class LogHandler(logging.Handler):
    """Writes to standard output, whatever that is at the moment: JSON, as Google Cloud reads it, or
    text for a person.

    Without a lock: a line is written in one piece, and threads would queue behind each other.
    queue: where lines are left instead, once there is one.
    """

    queue: LogQueue | None = None

    def __init__(self, *, is_text: bool = False, has_color: bool = False) -> None:
        super().__init__()
        self._is_text = is_text
        self._has_color = has_color

    def handle(self, record: logging.LogRecord) -> bool:
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Never let logging fail a request."""
        line = f"{self.format(record)}\n"
        if self.queue is not None:
            self.queue.put(line.encode())
            return
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write(line)
            sys.stdout.flush()

    def format(self, record: logging.LogRecord) -> str:
        fields = record.msg if isinstance(record.msg, dict) else {"message": record.getMessage()}
        if self._is_text:
            return log_text.render(fields, record.created, has_color=self._has_color)
        milliseconds = int(record.created % 1 * 1000)
        written = f"{_second(int(record.created))}.{milliseconds:03d}+00:00"
        return json_codec.dumps({"time": written, "severity": record.levelname, **fields}).decode()


@functools.lru_cache(maxsize=1)
def _second(timestamp: int) -> str:
    """As ISO 8601, in UTC; to format it anew for each line would cost 1 us."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def configure_logging(level: str, log_format: str = "JSON") -> None:
    """Write records of this level and above to standard output, one line each.

    log_format: JSON, TEXT, or AUTO: text where standard output is a terminal.
    """
    is_terminal = False
    with contextlib.suppress(AttributeError, ValueError):  # there is none, or it is closed
        is_terminal = sys.stdout.isatty()
    is_text = log_format == "TEXT" or (log_format == "AUTO" and is_terminal)
    has_color = is_terminal and not config.no_color()
    log.handlers = [LogHandler(is_text=is_text, has_color=has_color)]
    log.setLevel(level)
    log.propagate = False


def write_in_background() -> None:
    """Leave lines to a thread from now on, in this process (and not in those forked from it).

    Not on AWS Lambda: its environments are frozen when an invocation ends, with what is left.
    """
    fd = sys.stdout.fileno()
    for handler in log.handlers:
        if isinstance(handler, LogHandler):
            handler.queue = LogQueue(functools.partial(log_queue.write_all, fd), _dropped)
    atexit.register(flush)


def flush() -> None:
    """Write what waits, as far as that can be done soon."""
    for handler in log.handlers:
        if isinstance(handler, LogHandler) and handler.queue is not None:
            handler.queue.flush()


def _dropped(count: int) -> bytes:
    record = log.makeRecord(log.name, logging.WARNING, "", 0, DROPPED, (count,), None)
    return f"{LogHandler().format(record)}\n".encode()

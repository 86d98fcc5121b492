"""Figures of each answer for an OpenTelemetry collector, where OTEL_EXPORTER_OTLP_ENDPOINT is set.

An answer leaves them in a bounded queue when it is over. One thread of each process loads the SDK
(otlp.py), adds them up and sends them, so that no answer waits for a collector, or fails with it.
The names are those of the conventions for generative AI, as far as there are any (status
"Development", seen 2026-11-29: https://github.com/open-telemetry/semantic-conventions-genai).
"""

from __future__ import annotations

import atexit
import importlib.util
import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from translate.models import TABLE

from . import freezing, routes

if TYPE_CHECKING:
    from .config import Settings
    from .request_log import RequestLog

log = logging.getLogger("gemini_messages")

EXPORT_SECONDS = 60.0
"""Between the first answer that is new to the collector and the next export (the SDK's default)."""

FLUSH_SECONDS = 1.0
"""For which an ending process waits until its figures are sent."""

INVOCATION_SECONDS = 2.0
"""For which an invocation on AWS Lambda waits, its answer sent: the time is billed. The first one
of an instance loads the SDK in it."""

MAX_WAITING = 10_000
"""Answers whose figures wait, such as those of 15 minutes at 10 a second, while a collector hangs.
Those beyond are not counted."""

SDK = "opentelemetry.exporter.otlp.proto.http.metric_exporter"
VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"
INSTALL = "python -m pip install -r requirements-otlp.txt"
MISSING = f"{VARIABLE} is set, and nothing is sent there: {INSTALL}"
FAILED = "OTLP: the figures could not be sent (%s). They are sent with the next ones."
BROKEN = "OTLP: figures are lost, as the SDK failed on them (%s)."

OTHER = "_OTHER"
"""The conventions' own word for a value that is not one of a list: a client can make up names."""

LEFT = "client_disconnected"


class Instrument(NamedTuple):
    """buckets: upper bounds of a histogram's, which the conventions prescribe; none: a counter."""

    name: str
    unit: str
    description: str
    buckets: Sequence[float] = ()


SECONDS = tuple(0.01 * 2**power for power in range(14))
TOKENS = tuple(float(4**power) for power in range(14))

DURATION = Instrument(
    "gen_ai.client.operation.duration", "s", "From a request to the end of its answer.", SECONDS
)
FIRST_CHUNK = Instrument(
    "gen_ai.client.operation.time_to_first_chunk",
    "s",
    "From a request to the first of Gemini's answer, where it is streamed.",
    SECONDS,
)
TOKEN_USAGE = Instrument(
    "gen_ai.client.token.usage",
    "{token}",
    "Tokens of an answer: input with cached ones, output with thoughts.",
    TOKENS,
)
COST = Instrument("gemini_messages.cost", "{USD}", "US dollars at list price, of all attempts.")

INSTRUMENTS = (DURATION, FIRST_CHUNK, TOKEN_USAGE, COST)

OPERATION, PROVIDER, MODEL = "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model"
ERROR, TOKEN_TYPE, PERSON = "error.type", "gen_ai.token.type", "user.name"
ATTRIBUTES = {
    OPERATION: "`generate_content`",
    PROVIDER: "`gcp.gemini` or `gcp.vertex_ai`",
    MODEL: f"the Gemini model, `{OTHER}` for one that is not known by name",
    ERROR: "of a failure: the log's `error`",
    TOKEN_TYPE: "of tokens: `input` or `output`",
    PERSON: "of a cost: the log's `person`",
}
"""Attribute -> its values, each of a list that no client can lengthen."""


class Measurement(NamedTuple):
    instrument: Instrument
    value: float
    attributes: Mapping[str, str]


class Sink(Protocol):
    """What adds figures up and sends them."""

    def record(self, measurement: Measurement) -> None: ...

    def export(self) -> str:
        """Send all, and return why that failed, "" where it did not."""


def measurements(entry: RequestLog, provider: str) -> list[Measurement]:
    """Of a message that Gemini was asked for, when it is over."""
    if routes.find(entry.path) != routes.MESSAGES or not entry.gemini:
        return []
    base = {
        OPERATION: "generate_content",
        PROVIDER: provider,
        MODEL: entry.gemini if entry.gemini in TABLE else OTHER,
    }
    error = LEFT if entry.client_left else entry.error
    failed = base | ({ERROR: str(error)} if error else {})
    found = [Measurement(DURATION, entry.elapsed() / 1000, failed)]
    if entry.stream and entry.first_byte_ms is not None:
        found.append(Measurement(FIRST_CHUNK, entry.first_byte_ms / 1000, base))
    tokens = entry.tokens
    counts = {
        "input": tokens.get("in", 0) + tokens.get("cached", 0),
        "output": tokens.get("out", 0),
    }
    found += [
        Measurement(TOKEN_USAGE, count, base | {TOKEN_TYPE: kind})
        for kind, count in counts.items()
        if count
    ]
    if entry.usd:
        person = {PERSON: entry.person} if entry.person else {}
        found.append(Measurement(COST, entry.usd, base | person))
    return found


class Pusher:
    """Takes figures at once, from any thread, and has a sink send them."""

    def __init__(
        self,
        open_sink: Callable[[], Sink],
        provider: str,
        export_seconds: float = EXPORT_SECONDS,
    ) -> None:
        self._open_sink = open_sink
        self._provider = provider
        self._export_seconds = export_seconds
        self._items: queue.SimpleQueue[list[Measurement] | threading.Event] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_running = False
        self._is_failing = False

    def record(self, entry: RequestLog) -> None:
        """To be called once an answer is over."""
        found = measurements(entry, self._provider)
        if found and self._items.qsize() < MAX_WAITING:
            self._items.put(found)
            self._start()

    def flush(self, seconds: float) -> bool:
        """Have all sent that is new, and wait for so long at most; whether that is done.

        Without a wait it may be called in a signal handler: it takes no lock that others hold.
        """
        if not self._is_running:
            return True
        done = threading.Event()
        self._items.put(done)
        return done.wait(seconds)

    def _start(self) -> None:
        """With the first answer: threads do not survive the fork of a worker."""
        with self._lock:
            if self._is_running:
                return
            self._is_running = True
        # A daemon, as a collector may keep it waiting when the process ends.
        threading.Thread(target=self._run, name="telemetry", daemon=True).start()

    def _run(self) -> None:
        sink: Sink | None = None
        due: float | None = None
        while True:
            item = self._next(due)
            try:
                sink = sink or self._open_sink()
                if isinstance(item, list):
                    due = due or time.monotonic() + self._export_seconds
                    for measurement in item:
                        sink.record(measurement)
                elif due is not None:
                    due = None
                    self._report(sink.export())
            except Exception as error:  # noqa: BLE001 - it is another's, and must not end the thread
                self._report(type(error).__name__, BROKEN)
            if isinstance(item, threading.Event):
                item.set()

    def _next(self, due: float | None) -> list[Measurement] | threading.Event | None:
        """None once it is time to send."""
        try:
            return self._items.get(timeout=due and max(0.0, due - time.monotonic()))
        except queue.Empty:
            return None

    def _report(self, reason: str, message: str = FAILED) -> None:
        """The first failure of a row. Never the SDK's own text: the URL may hold a key."""
        if reason and not self._is_failing:
            log.warning(message, reason)
        self._is_failing = bool(reason)


_pusher: Pusher | None = None
"""None where there is no collector."""


def start(settings: Settings) -> None:
    """For this process and those forked from it."""
    global _pusher
    _pusher = None
    if not settings.otlp_endpoint:
        return
    if not is_installed():
        print(f"gemini-messages: {MISSING}", file=sys.stderr, flush=True)
        return
    provider = "gcp.vertex_ai" if settings.is_vertex else "gcp.gemini"
    _pusher = Pusher(_open_otlp, provider)
    atexit.register(flush)
    freezing.before(flush_invocation)


def is_installed() -> bool:
    try:
        return importlib.util.find_spec(SDK) is not None
    except ModuleNotFoundError:
        return False


def record(entry: RequestLog) -> None:
    if _pusher is not None:
        _pusher.record(entry)


def flush(seconds: float = FLUSH_SECONDS) -> None:
    """Have figures sent before the process ends, or is frozen."""
    if _pusher is not None:
        _pusher.flush(seconds)


def flush_invocation(seconds: float) -> None:
    """seconds: that the invocation may still take."""
    flush(min(INVOCATION_SECONDS, seconds))


def _open_otlp() -> Sink:
    from .otlp import OtlpSink  # not where nobody collects

    return OtlpSink()

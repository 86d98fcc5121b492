"""A Gemini that plays steps, and an answer made of it: for the tests of attempts and answers.

A step is a chunk; an exception, which is raised; a number, for so many seconds of silence; or a
function, which is called.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from proxy import auto_mode, config
from proxy.answer import Answer
from proxy.attempts import Attempts, MessagesCall
from proxy.auth import Key
from proxy.gemini import BrokenStream
from proxy.liveness import Poller, Silence, Waiting
from proxy.request_log import RequestLog
from tests.answers import chunk, text
from translate import ApiError, Cause
from translate.models import DEVELOPER

MODEL, FLASH, CARBON = "gemini-4-hydrogen", "gemini-3.8-flash", "gemini-4-carbon"
SHORT_WAIT = 0.02
BODY: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 100,
    "thinking": {"type": "adaptive"},
    "messages": [{"role": "user", "content": "Hi"}],
}
TOOLS = [{"name": "Bash", "input_schema": {}}]
END = {"finish": "STOP"}
HI = chunk(text("Hi."), **END)
BROKEN = BrokenStream()
OVERLOADED = ApiError(529, "Overloaded.", cause=Cause.OVERLOADED)
EXHAUSTED = ApiError(429, "Exhausted.", cause=Cause.EXHAUSTED, retry=False)


class InstantPoller(Poller):
    """Notes pauses, and does not make them."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> Waiting[None]:
        self.pauses.append(seconds)
        yield from ()


class Stream:
    """One request's chunks. ends: within which it had to end; is_closed: whether it was given
    back."""

    def __init__(self, *steps: Any) -> None:
        self._steps = steps
        self.poller = Poller()
        self.is_closed = False
        self.ends: list[float | None] = []

    def __iter__(self) -> Iterator[list[Any] | Silence]:
        for step in self._steps:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, float):
                yield from Poller.pause(self.poller, step)
            elif callable(step):
                step()
            else:
                yield [step]

    def end_within(self, seconds: float | None) -> None:
        self.ends.append(seconds)

    def close(self) -> None:
        self.is_closed = True


class FakeGemini:
    """A stream for each request, in turn. requests: model, decoded body and key of each."""

    platform = DEVELOPER

    def __init__(self, *streams: Stream) -> None:
        self.streams = streams
        self.requests: list[tuple[str, Any, str]] = []

    def stream(self, model: str, body: bytes, key: Key, poller: Poller) -> Stream:
        self.requests.append((model, json.loads(body), key.value))
        stream = self.streams[len(self.requests) - 1]
        stream.poller = poller
        return stream

    @property
    def tokens(self) -> list[str | None]:
        """With which continuation token each request was made."""
        return [body.get("continuationToken") for _, body, _ in self.requests]


class Case(NamedTuple):
    answer: Answer
    attempts: Attempts
    gemini: FakeGemini
    poller: InstantPoller
    log_entry: RequestLog


def make_case(
    *streams: Stream,
    whole: bool = False,
    keys: Sequence[str] = ("key",),
    client: Any = None,
    is_claude_code: bool = False,
    is_subagent: bool = False,
    settings: dict[str, str] | None = None,
    **fields: Any,
) -> Case:
    """An answer that is not open yet. settings: environment variables; fields: of the request."""
    gemini, poller = FakeGemini(*streams), InstantPoller(client, can_probe=True)
    log_entry = RequestLog("req_1", "POST", "/v1/messages")
    read = config.read({"GEMINI_FALLBACK_MODELS": FLASH, **(settings or {})})
    call = MessagesCall(
        {**BODY, **fields},
        read,
        DEVELOPER,
        "msg_0a1b2c3d",
        fallbacks=read.fallbacks,
        is_claude_code=is_claude_code,
        is_subagent=is_subagent,
    )
    pairs = [Key(key) for key in keys]
    attempts = Attempts(call, gemini, pairs, poller, is_whole=whole)  # type: ignore[arg-type]
    items = auto_mode.judged_events(call, attempts, gemini, poller, log_entry)  # type: ignore[arg-type]
    answer = Answer(attempts, poller, log_entry, read, client, items)
    return Case(answer, attempts, gemini, poller, log_entry)

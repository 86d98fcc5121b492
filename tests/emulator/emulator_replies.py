"""Plays a scripted reply: chunks -> events -> the bytes of a stream, or one merged response.

Knows Google's frames, where a finish reason stands, and every way a stream can break.
"""

from __future__ import annotations

import errno
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from emulator_errors import Json, Refusal
from emulator_parts import Speaker
from emulator_request import Asked
from emulator_scripts import DIRECTIVES
from emulator_usage import Meter

CRLF = "\r\n"
BREAKING = ("cut", "end", "error", "raw_error")
"""Directives after which no finish reason comes."""


@dataclass(frozen=True)
class Frame:
    """One GenerateContentResponse."""

    body: Json


@dataclass(frozen=True)
class Problem:
    """An error in mid-stream, as a frame or un-prefixed."""

    error: Json
    is_frame: bool


@dataclass(frozen=True)
class Raw:
    text: str


@dataclass(frozen=True)
class Pause:
    seconds: float


@dataclass(frozen=True)
class Cut:
    """The connection breaks."""


Event = Frame | Problem | Raw | Pause | Cut

EVENTS: dict[str, Callable[[Any], Event]] = {
    "delay": Pause,
    "cut": lambda _: Cut(),
    "error": lambda error: Problem(error, is_frame=True),
    "raw_error": lambda error: Problem(error, is_frame=False),
    "raw": Raw,
}
"""Directive -> what happens; `end` only ends."""


class Reply:
    """One reply being played."""

    def __init__(self, script: Json, asked: Asked, meter: Meter) -> None:
        self.speaker = Speaker(asked)
        self._script = script
        self._asked = asked
        self._meter = meter
        self._response_id = secrets.token_urlsafe(12)

    def events(self) -> Iterator[Event]:
        if "block_reason" in self._script:
            feedback = {"promptFeedback": {"blockReason": self._script["block_reason"]}}
            yield Frame(self._framed(feedback))
            return
        chunks = self._script.get("chunks", [])
        finish = self._finish(chunks)
        last = self._finishing_chunk(chunks) if finish else None
        for i, chunk in enumerate(chunks):
            directive = next((name for name in DIRECTIVES if name in chunk), None)
            if directive == "end":
                return
            if directive:
                yield EVENTS[directive](chunk[directive])
            else:
                yield from self._frame(chunk, finish if i == last else {})
        if finish and last is None:
            alone: Json = {"text": ""} if self._script.get("finish_alone") else {"candidate": {}}
            yield from self._frame(alone, finish)

    def _finish(self, chunks: list[Json]) -> Json:
        reason = self._script.get("finish", "STOP")
        if reason is None or any(name in chunk for chunk in chunks for name in BREAKING):
            return {}
        message = self._script.get("finish_message")
        return {"finishReason": reason} | ({"finishMessage": message} if message else {})

    def _finishing_chunk(self, chunks: list[Json]) -> int | None:
        """The last frame carries the finish reason, unless that comes alone."""
        frames = [i for i, chunk in enumerate(chunks) if not DIRECTIVES.keys() & chunk.keys()]
        return frames[-1] if frames and not self._script.get("finish_alone") else None

    def _frame(self, chunk: Json, finish: Json) -> Iterator[Frame]:
        own = {name: value for name, value in chunk.items() if name not in ("candidate", "parts")}
        specs = chunk.get("parts", [own] if own else [])
        parts = []
        for spec in specs:
            part = self.speaker.part(spec)
            self._meter.add(part)
            if self.speaker.is_heard(spec):
                parts.append(part)
        if specs and not parts and not finish:
            return
        candidate: Json = {}
        if specs or "parts" in chunk:
            candidate["content"] = {**({"parts": parts} if parts else {}), "role": "model"}
        candidate |= {**finish, "index": 0, **chunk.get("candidate", {})}
        yield Frame(self._framed({"candidates": [candidate]}, last=bool(finish)))

    def _framed(self, body: Json, *, last: bool = False) -> Json:
        return {
            **body,
            "usageMetadata": self._meter.metadata(last=last),
            "modelVersion": self._asked.model.name,
            "responseId": self._response_id,
        }


def stream(
    events: Iterator[Event], script: Json, wait: Callable[[float], None], *, sse: bool
) -> Iterator[bytes]:
    """The bytes of a streamed answer. wait: sleeps, and raises when nobody listens any more."""
    pieces = (_sse if sse else _array)(events, script.get("newline", CRLF))
    size = script.get("split", 0)
    pending = b""
    for piece in pieces:
        if isinstance(piece, str):
            written, pending = _writes(pending + piece.encode(), size)
            yield from written
            continue
        if pending:
            yield pending
            pending = b""
        if isinstance(piece, Cut):
            raise broken()
        wait(piece.seconds)
    if pending:
        yield pending


def _writes(data: bytes, size: int) -> tuple[list[bytes], bytes]:
    """The pieces that are written now, and what waits for more; size 0: all, also nothing."""
    if not size:
        return [data], b""
    end = len(data) - len(data) % size
    return [data[start : start + size] for start in range(0, end, size)], data[end:]


def _sse(events: Iterator[Event], newline: str) -> Iterator[str | Pause | Cut]:
    for event in events:
        match event:
            case Frame():
                yield f"data: {_dump(event.body)}{newline * 2}"
            case Problem(is_frame=True):
                yield f"data: {_dump({'error': event.error})}{newline * 2}"
            case Problem():
                yield _pretty(event.error)
            case Raw():
                yield event.text
            case _:
                yield event


def _array(events: Iterator[Event], newline: str) -> Iterator[str | Pause | Cut]:
    """Without alt=sse: one JSON array, written as it grows."""
    before = "["
    for event in events:
        match event:
            case Frame() | Problem():
                body = event.body if isinstance(event, Frame) else {"error": event.error}
                yield f"{before}{_dump(body)}"
                before = f"{newline},"
            case Raw():
                yield event.text
            case _:
                yield event
    yield "]" if before != "[" else "[]"


def merge(events: Iterator[Event], wait: Callable[[float], None]) -> Json:
    """The whole answer as generateContent gives it, without raw texts. Raises what breaks it."""
    merged: Json = {}
    for event in events:
        match event:
            case Frame():
                merged = _merged(merged, event.body)
            case Problem():
                raise Refusal(event.error)
            case Pause():
                wait(event.seconds)
            case Cut():
                raise broken()
    return merged


def broken() -> ConnectionResetError:
    return ConnectionResetError(errno.ECONNRESET, "the script cuts the connection")


def _merged(sofar: Json, frame: Json) -> Json:
    """Candidates grow; of everything else the newest counts."""
    if "candidates" not in frame or "candidates" not in sofar:
        return {**sofar, **frame}
    (old,), (new,) = sofar["candidates"], frame["candidates"]
    candidate = {**old, **new}
    contents = [each["content"] for each in (old, new) if "content" in each]
    if contents:
        joined = _joined([part for content in contents for part in content.get("parts", ())])
        candidate["content"] = {**({"parts": joined} if joined else {}), "role": "model"}
    return {**sofar, **frame, "candidates": [candidate]}


def _joined(parts: list[Json]) -> list[Json]:
    """Adjacent texts of the same kind as one; a signature ends it."""
    joined: list[Json] = []
    for part in parts:
        before = joined[-1] if joined else {}
        if _is_text(part) and _is_text(before) and _continues(before, part):
            joined[-1] = {**before, **part, "text": before["text"] + part["text"]}
        elif part != {"text": ""}:
            joined.append(part)
    return joined


def _is_text(part: Json) -> bool:
    return "text" in part


def _continues(before: Json, part: Json) -> bool:
    return "thoughtSignature" not in before and before.get("thought") == part.get("thought")


def _dump(body: Json) -> str:
    return json.dumps(body, ensure_ascii=False)


def _pretty(error: Json) -> str:
    return json.dumps({"error": error}, ensure_ascii=False, indent=2) + "\n"

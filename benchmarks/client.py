"""Asks a server, and takes the time: one connection, or many at once, each asking in turn.

All times are seconds of `time.perf_counter`, which upstream.py has, too.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

STAMP = re.compile(rb"@(\d+\.\d+) (\d+\.\d+)@")
STAMP_BYTES = 64
"""Kept of what was read, for a stamp that comes in two pieces; longer than one."""

READ_BYTES = 65_536
END = b"\r\n0\r\n\r\n"
"""Of a chunked body. Without its first line break it may also end the headers."""

PATIENCE_SECONDS = 60


class Chunk(NamedTuple):
    """When the upstream had the request, when it wrote the chunk, and when that was here."""

    received: float
    written: float
    read: float


@dataclass
class Answer:
    """is_whole: the status was 200, and the API's last event came. sent: when the request was.
    head: the first line of what came."""

    sent: float
    ended: float = 0.0
    is_whole: bool = False
    head: bytes = b""
    chunks: list[Chunk] = field(default_factory=list)

    @property
    def added(self) -> float:
        """What the first text waited beyond the upstream, on its way there and back."""
        first = self.chunks[0]
        return (first.received - self.sent) + (first.read - first.written)


class Question(NamedTuple):
    """Where and what to ask. end: what stands in the last event of a whole answer."""

    url: str
    body: bytes
    headers: dict[str, str]
    end: bytes

    def encode(self) -> bytes:
        parts = urlsplit(self.url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        lines = [f"POST {target} HTTP/1.1", f"Host: {parts.netloc}"]
        lines += ["Content-Type: application/json", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


class Client:
    """One connection, opened anew where the server has closed it."""

    def __init__(self, question: Question) -> None:
        self._request, self._end = question.encode(), question.end
        parts = urlsplit(question.url)
        self._host, self._port = parts.hostname, parts.port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self) -> Answer:
        """Raises OSError where nobody listens."""
        answer = Answer(time.perf_counter())
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
            answer.sent = time.perf_counter()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                self._writer.write(self._request)
                is_reusable = await self._read(answer)
        except (OSError, TimeoutError):
            is_reusable = False
        answer.ended = time.perf_counter()
        if not is_reusable:
            self.close()
        return answer

    async def _read(self, answer: Answer) -> bool:
        """The answer to its end. Returns whether the connection can be used again."""
        assert self._reader is not None
        kept = tail = head = b""
        while data := await self._reader.read(READ_BYTES):
            now = time.perf_counter()
            head = head or data[:READ_BYTES]
            kept += data
            position = 0
            for stamp in STAMP.finditer(kept):
                answer.chunks.append(Chunk(float(stamp[1]), float(stamp[2]), now))
                position = stamp.end()
            tail = (tail + data)[-READ_BYTES:]
            kept = kept[max(position, len(kept) - STAMP_BYTES) :]
            if tail.endswith(END) or not head.startswith(b"HTTP/1.1 200"):
                break
        answer.head = head.partition(b"\r\n")[0]
        is_good = head.startswith(b"HTTP/1.1 200")
        answer.is_whole = is_good and self._end in tail and bool(answer.chunks)
        return is_good and tail.endswith(END)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


async def ask_in_turn(question: Question, count: int) -> list[Answer]:
    """As many, one after the other."""
    client = Client(question)
    try:
        return [await client.ask() for _ in range(count)]
    finally:
        client.close()


async def ask_for(question: Question, connections: int, seconds: float) -> list[Answer]:
    """As many connections as that, each asking again until the time is over."""
    until = time.perf_counter() + seconds

    async def ask_again() -> list[Answer]:
        client, answers = Client(question), []
        try:
            while time.perf_counter() < until:
                answers.append(await client.ask())
        finally:
            client.close()
        return answers

    asked = await asyncio.gather(*(ask_again() for _ in range(connections)))
    return [answer for answers in asked for answer in answers]


async def ask_at_once(question: Question, count: int, spread: float) -> list[Answer]:
    """As many streams, begun over `spread` seconds."""

    async def ask(number: int) -> Answer:
        await asyncio.sleep(spread * number / count)
        return (await ask_in_turn(question, 1))[0]

    return await asyncio.gather(*map(ask, range(count)))

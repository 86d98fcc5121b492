"""A Gemini that answers at once, for `make bench`: how many chunks, and how far apart, is said by
`PUT /_answer?chunks=10&seconds=0.05`. Checks nothing.

The text of each chunk is `@received written@`: when the request had come, and when the chunk was
written, in seconds of the clock that all processes of a machine share. What stands between it and
the client may change all but that text, so that this server's own delays are not counted.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from urllib.parse import parse_qs, urlsplit

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Answer:
    """The shape of the next answers."""

    chunks = 10
    seconds = 0.0


class Connection(asyncio.Protocol):
    """One client's requests, one after the other."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._read = b""
        self._transport: asyncio.Transport | None = None
        self._next: asyncio.Handle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, problem: Exception | None) -> None:
        if self._next is not None:
            self._next.cancel()

    def data_received(self, data: bytes) -> None:
        self._read += data
        end = self._read.find(b"\r\n\r\n")
        if end < 0:
            return
        length = LENGTH.search(self._read, 0, end + 2)
        size = end + 4 + (int(length[1]) if length else 0)
        if len(self._read) >= size:
            head, self._read = self._read[:end], self._read[size:]
            self._respond(head.split(b" ", 2)[1].decode())

    def _respond(self, target: str) -> None:
        assert self._transport is not None
        url = urlsplit(target)
        if url.path == "/_answer":
            given = parse_qs(url.query)
            self._answer.chunks = int(given["chunks"][0])
            self._answer.seconds = float(given["seconds"][0])
        if ":streamGenerateContent" not in url.path:
            self._transport.write(EMPTY)
            return
        self._transport.write(HEAD)
        self._write(1, time.perf_counter(), time.perf_counter())

    def _write(self, number: int, received: float, due: float) -> None:
        """Chunk by chunk, each at its time: a late one makes none of the others late."""
        assert self._transport is not None
        count, seconds = self._answer.chunks, self._answer.seconds
        while number <= count and not self._transport.is_closing():
            self._transport.write(chunk(received, number, is_last=number == count))
            number, due = number + 1, due + seconds
            if seconds:
                loop = asyncio.get_running_loop()
                pause = due - time.perf_counter()
                self._next = loop.call_later(pause, self._write, number, received, due)
                return


def chunk(received: float, number: int, *, is_last: bool) -> bytes:
    """As it goes over the wire, with the end of the body behind the last."""
    text = f"@{received:.6f} {time.perf_counter():.6f}@ "
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    if is_last:
        candidate["finishReason"] = "STOP"
    used = {"promptTokenCount": 900, "candidatesTokenCount": 5 * number}
    data = {
        "candidates": [candidate],
        "usageMetadata": {**used, "totalTokenCount": sum(used.values())},
        "modelVersion": "bench",
    }
    line = b"data: " + json.dumps(data).encode() + b"\r\n\r\n"
    return b"%x\r\n%s\r\n%s" % (len(line), line, b"0\r\n\r\n" if is_last else b"")


async def serve(port: int) -> None:
    answer = Answer()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(answer), "127.0.0.1", port, backlog=1_000
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))

"""One exchange while it is recorded: what Gemini was asked, what came back, what the client got.

`files` makes of it what is written: an exchange.json beside the bodies, without known keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from translate import ApiError, sse
from translate.wire import Json

from .. import json_codec
from ..gemini import CHUNK_EVENTS
from .redaction import Secrets

SIGN_OF_LIFE = re.compile(rb'"(?:text|thinking|partial_json)":""\}\}\n\n\Z')
"""The end of an empty delta."""

PING_FRAME = sse([{"type": "ping"}], json_codec.dumps)


@dataclass
class GeminiExchange:
    """One request to Gemini, and what came back.

    target: model and method. end: of the body, "complete", "broken", "silent", or "closed" from
    here. error: where there is no response, or it was not waited for any longer. signs_of_life:
    what the client got meanwhile, and how many lines of the body had come by then: "ping 0".
    """

    target: str
    request: bytes
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: list[bytes] = field(default_factory=list)
    lines: int = 0
    end: str = "closed"
    error: Json | None = None
    is_over: bool = False
    """Whether it is closed, so that a sign of life belongs to the next."""
    signs_of_life: list[str] = field(default_factory=list)

    def fail(self, error: ApiError) -> None:
        names = ("status", "message", "cause", "retry", "retry_after")
        self.is_over = True
        self.error = {name: getattr(error, name) for name in names}

    def add(self, read: bytes) -> None:
        self.body.append(read)
        self.lines += read.count(b"\n")

    @property
    def body_suffix(self) -> str:
        """Of the body's file."""
        is_stream = self.headers.get("content-type", "").startswith(CHUNK_EVENTS)
        return "sse" if is_stream else "body"

    def describe(self) -> Json:
        """All but the bodies; empty fields are left out."""
        fields = {
            "target": self.target,
            "status": self.status,
            "headers": self.headers,
            "end": self.end,
            "error": self.error,
            "signs_of_life": self.signs_of_life,
        }
        return {name: value for name, value in fields.items() if value}


class Recording:
    """One exchange with a client.

    reserve: asks for so many bytes of memory. body: the client's request. conditions: what else
    the answer depends on. secrets: the keys and tokens that may stand in it.
    """

    def __init__(
        self,
        reserve: Callable[[int], bool],
        body: Any,
        conditions: Json,
        secrets: Iterable[str],
    ) -> None:
        self._reserve = reserve
        self._body = body
        self._conditions = conditions
        self.secrets = set(secrets)
        self.is_given_up = False
        """It was too large."""
        self._exchanges: list[GeminiExchange] = []
        self._answer: list[bytes] = []
        self._is_complete = False
        self._held = 0
        self._has_news = False
        """Whether anything was asked or read since the client last got something."""
        self._between: list[str] = []
        """Signs of life behind one request to Gemini, to be noted with the next."""

    def begin(self, target: str, request: bytes) -> GeminiExchange:
        """Note a request to Gemini."""
        self._has_news = True
        exchange = GeminiExchange(target, request)
        exchange.signs_of_life, self._between = self._between, []
        if self._hold(request):
            self._exchanges.append(exchange)
        return exchange

    def read(self, exchange: GeminiExchange, read: bytes) -> None:
        """Note a piece of a response."""
        self._has_news = True
        if self._hold(read):
            exchange.add(read)

    def watch(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """What the client gets, noted on its way."""
        iterator = iter(pieces)
        try:
            for piece in iterator:
                self._note(piece)
                yield piece
            self._is_complete = True
        finally:
            for each in (iterator, pieces):
                if hasattr(each, "close"):
                    each.close()

    def _note(self, piece: bytes) -> None:
        is_ping = piece.endswith(PING_FRAME)
        is_keep_alive = not self._has_news and bool(SIGN_OF_LIFE.search(piece))
        self._has_news = False
        if self._hold(piece):
            self._answer.append(piece)
        if self._exchanges and (is_ping or is_keep_alive):
            last = self._exchanges[-1]
            kind = "ping" if is_ping else "keep_alive"
            if last.is_over:
                self._between.append(f"{kind} 0")
            else:
                last.signs_of_life.append(f"{kind} {last.lines}")

    def _hold(self, data: bytes) -> bool:
        """Whether it is to be kept."""
        if not self.is_given_up and not self._reserve(len(data)):
            self.is_given_up = True
            self._exchanges.clear()
            self._answer.clear()
            self.release()
        if not self.is_given_up:
            self._held += len(data)
        return not self.is_given_up

    def release(self) -> None:
        """Give back the memory."""
        self._reserve(-self._held)
        self._held = 0

    def files(self, status: int, *, is_stream: bool, client_left: bool) -> dict[str, bytes] | None:
        """Name -> content, without keys; None where one stands in it in pieces.

        status, is_stream: of the response. client_left: before its end.
        """
        described = {
            **self._conditions,
            "status": status,
            "client_left": client_left or not self._is_complete,
            "gemini": [exchange.describe() for exchange in self._exchanges],
        }
        files = {
            "exchange.json": json_codec.dumps_pretty(described),
            "request.json": json_codec.dumps_pretty(self._body),
            answer_file(is_stream=is_stream): b"".join(self._answer),
        }
        for index, exchange in enumerate(self._exchanges):
            prefix = file_prefix(index)
            request = json_codec.loads(exchange.request)
            files[f"{prefix}.request.json"] = json_codec.dumps_pretty(request)
            if exchange.status:
                files[f"{prefix}.{exchange.body_suffix}"] = b"".join(exchange.body)
        secrets = Secrets(self.secrets)
        files = {name: secrets.redact(content) for name, content in files.items()}
        if any(secrets.are_in_pieces_of(content) for content in files.values()):
            return None
        return files


def file_prefix(index: int) -> str:
    """`gemini`, `gemini.2`, `gemini.3`: of the files of each request to Gemini."""
    return f"gemini.{index + 1}" if index else "gemini"


def answer_file(*, is_stream: bool) -> str:
    """Where stands what the client got."""
    return "events.sse" if is_stream else "response.json"

"""Gemini over requests and sseclient-py: chunks out, ApiError on failure.

Knows URLs, headers, connections and how they fail. It refuses to know what a chunk means.
Four rules keep the stream prompt and whole: no compression; sseclient is fed complete events
as they arrive, never the response; what is left at the end of the body is no event; the
response is closed in any case.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
import sseclient
import urllib3

from translate import ApiError, from_google
from translate.models import Platform
from translate.response.stream import BROKEN
from translate.wire import Chunk

from . import config, json_codec
from .auth import Key
from .connections import PatientAdapter
from .endpoints import Endpoint

COUNT_SECONDS = 10
"""For a count of tokens: a client that asks for a dozen at once waits for all of them."""

READ_BYTES = 65_536
MOST_ERROR_BYTES = 1_048_576
CHUNK_EVENTS = "text/event-stream"

FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
"""What a socket's failure looks like, depending on which layer notices it."""

HEADERS = {
    "Content-Type": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "gemini-messages",
}


class BrokenStream(ApiError):
    """The body ended, or stopped making sense, without a word from Gemini about it."""

    def __init__(self) -> None:
        super().__init__(529, BROKEN, cause="broken")


class Gemini:
    """One backend and a pool of connections to it; made once, used by every thread.

    The adapter is called without a Session's `send`: no cookies are kept between callers,
    no redirect is followed with a key in hand, and no netrc replaces it.
    """

    def __init__(self, backend: Endpoint, connections: int, timeouts: tuple[float, float]) -> None:
        """timeouts: seconds to connect in, and seconds that may pass between two reads."""
        self._backend = backend
        self._endpoint = endpoint = backend.base_url
        self._timeouts = timeouts
        self._session = requests.Session()
        adapter = PatientAdapter(pool_maxsize=connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._environment = self._session.merge_environment_settings(endpoint, {}, True, None, None)
        if config.is_loopback(urlsplit(endpoint).hostname or ""):
            self._environment["proxies"] = {}
        self._prepared = functools.lru_cache(maxsize=256)(self._prepare)

    def stream(self, model: str, body: bytes, key: Key) -> ChunkStream:
        """Ask for a streamed answer; returns when Gemini has accepted the request.

        body: a GenerateContentRequest as JSON. Raises ApiError for every refusal and failure.
        """
        response = self._post(model, "streamGenerateContent?alt=sse", body, key, self._timeouts)
        response.request.body = None  # not to be kept for as long as the answer takes
        if not response.headers.get("Content-Type", "").startswith(CHUNK_EVENTS):
            raise _failure(response, key)
        return ChunkStream(response, key)

    @property
    def platform(self) -> Platform:
        """What a request may hold."""
        return self._backend.platform

    def count_tokens(self, model: str, request: Mapping[str, Any], key: Key) -> int:
        """Input tokens of a GenerateContentRequest, told soon or not at all. Raises ApiError."""
        body = json_codec.dumps(self._backend.count_tokens_body(model, request))
        timeouts = self._timeouts[0], min(COUNT_SECONDS, self._timeouts[1])
        response = self._post(model, "countTokens", body, key, timeouts)
        answer = _read_json(response)
        tokens = answer.get("totalTokens", 0) if isinstance(answer, dict) else None
        if not isinstance(tokens, int):
            raise ApiError(502, "Gemini's token count is not a number.")
        return tokens

    def _post(
        self, model: str, method: str, body: bytes, key: Key, timeouts: tuple[float, float]
    ) -> requests.Response:
        request = self._prepared(model, method).copy()
        request.body = body
        request.headers["Content-Length"] = str(len(body))
        request.headers.update(self._backend.headers(key))
        try:
            response = self._session.get_adapter(self._endpoint).send(
                request,
                stream=True,
                timeout=timeouts,
                verify=self._environment["verify"] or True,
                cert=self._environment["cert"],
                proxies=self._environment["proxies"],
            )
        except FAILURES as error:
            raise self._unreachable(error) from None
        if response.status_code != requests.codes.ok:
            raise _failure(response, key)
        return response

    def _prepare(self, model: str, method: str) -> requests.PreparedRequest:
        url = self._endpoint + self._backend.path(model, method)
        return requests.Request("POST", url, headers=HEADERS).prepare()

    def _unreachable(self, error: Exception) -> ApiError:
        host = urlsplit(self._endpoint).netloc
        if isinstance(error, requests.ReadTimeout):
            return ApiError(504, f"Gemini at {host} did not answer in time.", cause="silence")
        if isinstance(error, requests.ConnectTimeout):
            return ApiError(
                504, f"Gemini at {host} could not be reached in time.", cause="connection"
            )
        message = f"Gemini could not be reached at {host}: {type(error).__name__}."
        return ApiError(502, message, cause="connection")


class ChunkStream:
    """Chunks as they arrive, in one list for each read of the socket. Close it in any case."""

    def __init__(self, response: requests.Response, key: Key) -> None:
        self._response = response
        self._key = key

    def __iter__(self) -> Iterator[list[Chunk]]:
        """Raises ApiError for an error Gemini reports in mid-stream, and for a broken body."""
        try:
            pieces: list[bytes] = []
            # Made once, as making one waits for a lock; any iterable will do.
            client = sseclient.SSEClient(pieces)  # type: ignore[arg-type]
            for events in complete_events(self._reads()):
                pieces[:] = [events]
                yield from self._decoded(client)
        except (*FAILURES, UnicodeDecodeError) as error:
            if isinstance(error, (TimeoutError, urllib3.exceptions.ReadTimeoutError)):
                message = "Gemini fell silent in the middle of its answer."
                raise ApiError(504, message, cause="silence") from error
            raise BrokenStream from error

    def wait(self, seconds: float) -> None:
        """Between two reads from now on, no longer than that."""
        connection = self._response.raw.connection
        if connection is not None and connection.sock is not None:
            connection.sock.settimeout(seconds)

    def close(self) -> None:
        self._response.close()

    def _reads(self) -> Iterator[bytes]:
        while read := self._response.raw.read1(READ_BYTES, decode_content=True):
            yield read

    def _decoded(self, client: sseclient.SSEClient) -> Iterator[list[Chunk]]:
        """The chunks of one read; those before one that is bad are not lost."""
        chunks: list[Chunk] = []
        try:
            for event in client.events():
                chunks.append(self._chunk(event.data))
        except (ApiError, UnicodeDecodeError):
            if chunks:
                yield chunks
            raise
        yield chunks

    def _chunk(self, data: str) -> Chunk:
        try:
            chunk = json_codec.loads(data)
        except ApiError:
            chunk = None
        if not isinstance(chunk, dict):
            raise BrokenStream
        if "error" in chunk:
            raise _reported(chunk, 500, self._key)
        return chunk  # type: ignore[return-value]


def complete_events(reads: Iterator[bytes]) -> Iterator[bytes]:
    """Cut what was read at the last blank line, so that each piece holds whole events.

    What follows the last blank line of the body is no event, unless it is an error: Google
    writes some as bare JSON over several lines, and those are made events here.
    """
    held = bytearray()
    for read in reads:
        searched = max(0, len(held) - 3)
        held += read
        ends = [at + len(mark) for mark in BLANK_LINES if (at := held.rfind(mark, searched)) >= 0]
        if ends:
            yield from _framed(bytes(held[: max(ends)]))
            del held[: max(ends)]
    if _bare_json(held) is not None:
        yield from _framed(bytes(held))


BLANK_LINES = (b"\r\n\r\n", b"\n\n", b"\r\r")


def _framed(piece: bytes) -> Iterator[bytes]:
    start = _bare_json(piece)
    if start is None:
        yield piece
    else:
        yield piece[:start]
        yield b"data: " + b" ".join(piece[start:].split()) + b"\n\n"


def _bare_json(piece: bytes | bytearray) -> int | None:
    """Where a line begins with a brace: no field of an event does."""
    if piece.startswith(b"{"):
        return 0
    found = piece.find(b"\n{")
    return None if found < 0 else found + 1


def _failure(response: requests.Response, key: Key) -> ApiError:
    """The error that a refused request carries; the response is used up."""
    status = response.status_code
    answer = _read_json(response)
    if status == requests.codes.ok:
        if isinstance(answer, (dict, list)):
            return _reported(answer, 502, key)
        message = "Gemini answered with something that is not a stream of events."
        return ApiError(502, message, cause="internal")
    return _reported(answer, status, key, response.headers.get("Retry-After"))


def _reported(answer: Any, status: int, key: Key, wait: str | None = None) -> ApiError:
    """Google's error; should it quote the key, without it. wait: its Retry-After."""
    error = from_google(status, answer, key.hint, wait)
    if key.value:
        error.message = error.message.replace(key.value, "[key]")
    return error


def _read_json(response: requests.Response) -> Any:
    try:
        return json_codec.loads(response.raw.read(MOST_ERROR_BYTES, decode_content=True))
    except (ApiError, *FAILURES):
        return None
    finally:
        response.close()

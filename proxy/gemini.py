"""Gemini over requests and sseclient-py: chunks out, ApiError on failure.

Four rules keep the stream prompt and whole: no compression; sseclient is fed complete events as
they arrive, never the response (a large one of one line is parsed without it); what is left at the
end of the body is no event; the response is closed in any case.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
import sseclient
import urllib3
from requests.utils import check_header_validity, select_proxy

from translate import ApiError, Cause, from_google
from translate.models import Platform
from translate.response.stream import BROKEN
from translate.wire import Chunk

from . import config, json_codec, outbound, unreachable
from .auth import Key
from .concurrency import MemoryBudget, Reservation
from .connections import Adapter, Timeouts
from .endpoints import Endpoint
from .liveness import Poller, Silence, Waiting
from .response_stream import UpstreamResponse

COUNT_SECONDS = 10
"""For a count of tokens: a client that asks for a dozen at once waits for all of them."""

PROBE_SECONDS = 3
"""To connect, and to answer: a person waits."""

MAX_ERROR_BYTES = 262_144
"""Of an error, as a response or an event: a line on each of 512 functions has some 150 KB, and to
find out what a text means takes up to 1 s a MB."""

ERROR_BODY_SECONDS = 5
"""For all of an error's body. It comes with its head; where it does not, the status says enough."""

MAX_EVENT_BYTES = 33_554_432
"""As much as a request may have; a picture of Gemini's has some 3 MB."""

MAX_STREAM_BYTES = 134_217_728
"""Of one request's events: 65,536 tokens, each in a chunk of its own, take some 40 MB. A client
that waits for a whole answer has all of it in memory here."""

MAX_COPIED_BYTES = 4_294_967_296
"""Of one event: sseclient copies it once for each of its lines, of which Gemini's have one. In so
much it takes 0.1 s."""

ONE_BYTE = "latin-1"
"""The encoding that sseclient reads: a character for each byte, so that its copies of a large event
are no wider than the event. The JSON parser reads the bytes as UTF-8."""

SMALL_EVENT_BYTES = 65_536
"""Of an event, that any stream may hold; a larger one takes its memory from the budget."""

EVENT_COPIES = 13
"""Of an event at once, until it has gone to the client: its text may have four bytes for each
character, and sseclient has copies of several lines. One line has 8 (measured 2026-11-28)."""

GOOGLE = ".googleapis.com"
"""How the endpoints end that no setting names."""

CHUNK_EVENTS = "text/event-stream"

FAILURES = (
    *(requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException),
    OSError,
)
"""What a connection's failure looks like, depending on which layer notices it."""

HEADERS = {
    "Content-Type": "application/json",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "User-Agent": "gemini-messages",
}


class BrokenStream(ApiError):
    """The body ended, or stopped making sense, without a word from Gemini about it."""

    def __init__(self) -> None:
        super().__init__(529, BROKEN, cause=Cause.BROKEN)


class Gemini:
    """One endpoint and a pool of connections to it; made once, used by every thread.

    memory: for large events, which it takes from requests.

    The adapter is called without a Session's `send`: no cookies are kept between callers,
    no redirect is followed with a key in hand, and no netrc replaces it.
    """

    def __init__(
        self, endpoint: Endpoint, max_connections: int, timeouts: Timeouts, memory: MemoryBudget
    ) -> None:
        self._memory = memory
        self._endpoint = endpoint
        self._timeouts = timeouts
        self._adapter = Adapter(pool_maxsize=max_connections)
        url = endpoint.base_url
        with requests.Session() as session:
            self._environment = session.merge_environment_settings(url, {}, True, None, None)
        if config.is_loopback(urlsplit(url).hostname or ""):
            self._environment["proxies"] = {}
        self._address = self._where = urlsplit(url).netloc
        self._setting = "" if self._where.endswith(GOOGLE) else "GEMINI_ENDPOINT"
        if http_proxy := select_proxy(url, self._environment["proxies"]):
            self._setting = f"{urlsplit(url).scheme.upper()}_PROXY"
            self._where += f" through the proxy {outbound.show(http_proxy)}"

    def close(self) -> None:
        """Close the connections that rest in the pool; it is not used any more."""
        self._adapter.close()

    @property
    def platform(self) -> Platform:
        """What a request may hold."""
        return self._endpoint.platform

    def stream(self, model: str, body: bytes, key: Key, poller: Poller) -> ChunkStream:
        """A streamed answer, which is asked for when it is iterated.

        body: a GenerateContentRequest as JSON.
        """
        method = "streamGenerateContent?alt=sse"
        request = self._post(model, method, body, key, poller, self._timeouts)
        return ChunkStream(request, key, self._timeouts.read, self._memory.reserve())

    def count_tokens(
        self, model: str, request: Mapping[str, Any], key: Key, poller: Poller
    ) -> Waiting[int]:
        """Input tokens of a GenerateContentRequest, told soon or not at all. Raises ApiError."""
        body = json_codec.dumps(self._endpoint.count_tokens_body(model, request))
        read = min(COUNT_SECONDS, self._timeouts.read)
        timeouts = self._timeouts._replace(read=read, upload=COUNT_SECONDS)
        stream = yield from self._post(model, "countTokens", body, key, poller, timeouts)
        answer = yield from _read_json(stream)
        tokens = answer.get("totalTokens", 0) if isinstance(answer, dict) else None
        if not isinstance(tokens, int):
            raise ApiError(502, "Gemini's token count is not a number.")
        return tokens

    def _post(
        self, model: str, method: str, body: bytes, key: Key, poller: Poller, timeouts: Timeouts
    ) -> Waiting[UpstreamResponse]:
        """Returns when Gemini has accepted the request. Raises ApiError for every refusal."""
        if self._endpoint.is_ready():
            path, credential = self._authorize(model, method, key)
        else:
            path, credential = yield from poller.call(lambda: self._authorize(model, method, key))
        request = self._request(path, credential, body)
        stream = yield from self._exchange(request, poller, timeouts)
        if stream.status != requests.codes.ok:
            raise (yield from _failure(stream, key))
        return stream

    def probe(self, poller: Poller) -> Waiting[int]:
        """The status with which the endpoint answers a request without a key, told soon. Raises
        ApiError where there is no answer."""
        request = self._request("/", {}, b"")
        request.method = "GET"
        connect, read = (min(PROBE_SECONDS, each) for each in self._timeouts[:2])
        timeouts = self._timeouts._replace(connect=connect, read=read)
        response = yield from self._exchange(request, poller, timeouts)
        response.close()
        return response.status

    def _exchange(
        self, request: requests.PreparedRequest, poller: Poller, timeouts: Timeouts
    ) -> Waiting[UpstreamResponse]:
        """Raises ApiError for a connection that fails."""
        try:
            response = yield from self._adapter.exchange(
                request,
                poller,
                timeouts,
                verify=self._environment["verify"] or True,
                cert=self._environment["cert"],
                proxies=self._environment["proxies"],
            )
        except FAILURES as error:
            raise self._unreachable(error) from None
        request.body = None  # not to be kept for as long as the answer takes
        return response

    def _authorize(self, model: str, method: str, key: Key) -> tuple[str, dict[str, str]]:
        """The path to ask, and the headers with the credential. Raises ApiError for none."""
        return self._endpoint.path(model, method), self._endpoint.headers(key)

    def _request(
        self, path: str, credential: Mapping[str, str], body: bytes
    ) -> requests.PreparedRequest:
        """Made by hand, as every part of it is known to be right but a caller's key."""
        for header in credential.items():
            check_header_validity(header)
        request = requests.PreparedRequest()
        request.method = "POST"
        request.url = self._endpoint.base_url + path
        headers = {**HEADERS, "Content-Length": str(len(body)), **credential}
        request.headers = headers  # type: ignore[assignment]
        request.body = body
        return request

    def _unreachable(self, error: Exception) -> ApiError:
        if _is_silence(error):
            message = f"Gemini at {self._where} did not answer in time."
            return ApiError(504, message, cause=Cause.SILENCE)
        problem = unreachable.explain(error, self._address, self._setting)
        is_late = type(error) is urllib3.exceptions.ConnectTimeoutError
        return ApiError(
            504 if is_late else 502,
            f"Gemini could not be reached at {self._where}: {problem.reason}. {problem.advice}",
            cause=problem.cause,
            retry=None if problem.passes else False,
        )


class ChunkStream:
    """Chunks as they arrive, in one list for each read of the socket. Close it in any case.

    timeout: seconds for each event; comments, and pieces of one, are a silence. memory: for what is
    held of a large one.
    """

    def __init__(
        self, request: Waiting[UpstreamResponse], key: Key, timeout: float, memory: Reservation
    ) -> None:
        self._request = request
        self._memory = memory
        self._response: UpstreamResponse | None = None
        self._key = key
        self._timeout = timeout
        self._is_ending = False

    def __iter__(self) -> Iterator[list[Chunk] | Silence]:
        """Raises ApiError for a refusal, an error in mid-stream, and for a broken body."""
        self._response = response = yield from self._request
        if not response.headers.get("content-type", "").startswith(CHUNK_EVENTS):
            raise (yield from _failure(response, self._key))
        response.deadline = time.monotonic() + self._timeout
        try:
            pieces: list[bytes] = []
            # Made once, as making one waits for a lock; any iterable will do.
            client = sseclient.SSEClient(pieces, ONE_BYTE)  # type: ignore[arg-type]
            for events in complete_events(response.reads(), self._reserve):
                if isinstance(events, Silence):
                    yield events
                    continue
                data = lone_data(events)
                pieces[:] = [events] if data is None else []
                yield from self._decoded(client, response, data)
                data = None
        except FAILURES as error:
            if _is_silence(error):
                message = "Gemini fell silent in the middle of its answer."
                raise ApiError(504, message, cause=Cause.SILENCE) from error
            raise BrokenStream from error

    def end_within(self, seconds: float | None) -> None:
        """For all that follows a read, whatever it is; None: for each event the timeout again."""
        self._is_ending = seconds is not None
        if self._response is not None and seconds is not None:
            self._response.deadline = time.monotonic() + seconds

    def close(self) -> None:
        self._request.close()
        if self._memory.size:
            self._memory.resize(0)
        if self._response is not None:
            self._response.close()

    def _reserve(self, size: int) -> None:
        try:
            self._memory.resize(EVENT_COPIES * size)
        except ApiError:
            raise BrokenStream from None

    def _decoded(
        self, client: sseclient.SSEClient, response: UpstreamResponse, data: memoryview | None
    ) -> Iterator[list[Chunk]]:
        """The chunks of one read; those before one that is bad are not lost. data: of an event
        that the client does not get."""
        chunks: list[Chunk] = [] if data is None else [self._chunk(data)]
        try:
            for event in client.events():
                chunks.append(self._chunk(event.data.encode(ONE_BYTE)))
        except ApiError:
            if chunks:
                yield chunks
            raise
        yield chunks
        if chunks and not self._is_ending:
            response.deadline = time.monotonic() + self._timeout

    def _chunk(self, data: bytes | memoryview) -> Chunk:
        try:
            chunk = json_codec.loads_chunk(data)
        except ApiError:
            chunk = None
        if not isinstance(chunk, dict):
            raise BrokenStream
        if "error" in chunk:
            if len(data) > MAX_ERROR_BYTES:
                raise BrokenStream
            raise _reported(chunk, 500, self._key)
        return chunk  # type: ignore[return-value]


def complete_events(
    reads: Iterable[bytes | Silence], reserve: Callable[[int], None] = lambda size: None
) -> Iterator[bytes | Silence]:
    """Cut what was read at the last blank line, so that each piece holds whole events.

    What follows the last blank line of the body is no event, unless it is an error: Google
    writes some as bare JSON over several lines, and those are made events here. reserve: called
    with the bytes that are held of a large event, and with 0 behind it; may raise. Raises
    BrokenStream for an event, or a stream, that is too large.
    """
    held, breaks, total = bytearray(), 0, 0
    for read in reads:
        if isinstance(read, Silence):
            yield read
            continue
        total += len(read)
        if total > MAX_STREAM_BYTES:
            raise BrokenStream
        if not held and read.endswith(BLANK_LINES) and _bare_json(read) is None:
            yield read
            continue
        searched = max(0, len(held) - 3)
        held += read
        breaks += read.count(b"\n") + read.count(b"\r")
        if len(held) > MAX_EVENT_BYTES or breaks * len(held) > MAX_COPIED_BYTES:
            raise BrokenStream
        if len(held) > SMALL_EVENT_BYTES:
            reserve(len(held))
        ends = [at + len(mark) for mark in BLANK_LINES if (at := held.rfind(mark, searched)) >= 0]
        if ends:
            piece, rest = bytes(memoryview(held)[: max(ends)]), held[max(ends) :]
            held, breaks = bytearray(rest), 0
            yield from _framed(piece)
            if len(piece) > SMALL_EVENT_BYTES:
                reserve(0)
    if _bare_json(held) is not None:
        yield from _framed(bytes(held))


def lone_data(events: bytes) -> memoryview | None:
    """The data of one large event of one line, which all of Gemini's are, in place: sseclient makes
    eight copies of it. Line ends that follow it are blanks to a JSON parser. None: anything else.
    """
    if len(events) <= SMALL_EVENT_BYTES or not events.startswith(DATA):
        return None
    tail = events[-len(BLANK_LINES[0]) :]
    end = len(events) - len(tail) + len(tail.rstrip(b"\r\n"))
    if events.find(b"\n", 0, end) >= 0 or events.find(b"\r", 0, end) >= 0:
        return None
    return memoryview(events)[len(DATA) :]


DATA = b"data:"
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


def _is_silence(error: Exception) -> bool:
    """A timeout of ours; one with a number is the system's: its peer has vanished."""
    return isinstance(error, TimeoutError) and error.errno is None


def _failure(stream: UpstreamResponse, key: Key) -> Waiting[ApiError]:
    """The error that a refused request carries; the response is used up."""
    status = stream.status
    stream.deadline = time.monotonic() + ERROR_BODY_SECONDS
    answer = yield from _read_json(stream)
    if status == requests.codes.ok:
        if isinstance(answer, (dict, list)):
            return _reported(answer, 502, key)
        message = "Gemini answered with something that is not a stream of events."
        return ApiError(502, message, cause=Cause.INTERNAL)
    return _reported(answer, status, key, stream.headers.get("retry-after"))


def _reported(answer: Any, status: int, key: Key, wait: str | None = None) -> ApiError:
    """Google's error; should it quote the key, without it. wait: its Retry-After."""
    error = from_google(status, answer, key.hint, wait)
    if error.cause is None:
        error = _unexpected(error)
    if key.value:
        error.message = error.message.replace(key.value, "[key]")
    return error


def _unexpected(error: ApiError) -> ApiError:
    """A status that no rule knows, as a 502 with its words: the client would take it for its own
    fault. One of the 4xx would come again."""
    if 400 <= error.status < 500:
        return ApiError(502, error.message, retry=False)
    return ApiError(502, error.message, cause=Cause.INTERNAL)


def _read_json(stream: UpstreamResponse) -> Waiting[Any]:
    try:
        return json_codec.loads((yield from stream.read_all(MAX_ERROR_BYTES)))
    except (ApiError, *FAILURES):
        return None
    finally:
        stream.close()

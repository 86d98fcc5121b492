"""`python -m proxy translate`: a Messages request -> what Gemini would be asked, and a recorded
answer of Gemini's -> what the client would get. Nothing is sent anywhere.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from translate import ApiError, StreamTranslator, Translation, collect, sse, translate
from translate.wire import Event

from .. import clock, config, endpoints
from ..auth import Key
from ..concurrency import MemoryBudget
from ..endpoints import Endpoint
from ..gemini import CHUNK_EVENTS, ChunkStream
from ..liveness import SILENCE, Waiting
from ..response_stream import UpstreamResponse
from . import standard_input

DESCRIPTION = """\
Read a Messages request (JSON) from standard input and print the request to Gemini that it becomes;
model and URL go to standard error. Nothing is sent. With --response, print instead what a client
would get for a recorded answer to that request.

    python -m proxy translate < request.json
    python -m proxy translate --curl < request.json | sh > gemini.sse
    python -m proxy translate --response gemini.sse < request.json
"""

MESSAGE_ID = "msg_0a1b2c3d4e5f60718293a4b5c6d7e8f9"
"""The same each time, so that two runs can be compared."""

READ_BYTES = 65_536
MAX_RESPONSE_BYTES = 100_000_000
"""Of a recorded answer: all events of --whole are kept, and the longest answers have a tenth."""

MAX_EVENT_MEMORY = 1_000_000_000
"""Bytes, for one event and its copies: nothing else goes on here."""

METHOD = "streamGenerateContent?alt=sse"

CREDENTIALS = {
    False: "x-goog-api-key: $GEMINI_API_KEY",
    True: "Authorization: Bearer $(gcloud auth print-access-token)",
}
"""Whether Vertex AI is asked -> the header that curl sends, for a shell to fill in."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--curl",
        action="store_true",
        help="print the request as a curl command, which takes the key from $GEMINI_API_KEY",
    )
    shown.add_argument(
        "--response",
        metavar="FILE",
        type=Path,
        help="a stream that Gemini has answered (SSE): print the events that a client gets "
        "(default: none, the request is printed)",
    )
    parser.add_argument(
        "--claude-code",
        action="store_true",
        help="as if Claude Code had sent it: how much room there is for thinking depends on that",
    )
    parser.add_argument(
        "--whole", action="store_true", help="with --response: print the message, not its events"
    )


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    settings = config.read(environ)
    endpoint = endpoints.from_settings(settings)
    body = standard_input.read_request()
    translation = translate(
        body,
        settings.model_settings,
        safety=settings.safety,
        is_claude_code=arguments.claude_code,
        platform=endpoint.platform,
        today=clock.today(),
    )
    for warning in translation.warnings:
        print(warning, file=sys.stderr)
    if arguments.response:
        events = _events(translation, body["model"], arguments.response)
        _print_response(events, is_whole=arguments.whole)
    elif arguments.curl:
        print(_curl(translation, endpoint, CREDENTIALS[settings.is_vertex]))
    else:
        print(f"model {translation.model.name}", file=sys.stderr)
        print(f"POST {_url(translation, endpoint)}", file=sys.stderr, flush=True)
        print(_pretty(translation.request))
    return 0


# --- The way there --------------------------------------------------------------------------------


def _url(translation: Translation, endpoint: Endpoint) -> str:
    return endpoint.base_url + endpoint.path(translation.model.name, METHOD)


def _curl(translation: Translation, endpoint: Endpoint, credential: str) -> str:
    """No line of the JSON is the mark that ends it: all but braces are indented."""
    return "\n".join(
        [
            f"curl --silent --show-error --no-buffer {shlex.quote(_url(translation, endpoint))} \\",
            f'  --header "{credential}" \\',
            "  --header 'Content-Type: application/json' \\",
            "  --data-binary @- <<'JSON'",
            _pretty(translation.request),
            "JSON",
        ]
    )


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


# --- The way back ---------------------------------------------------------------------------------


def _events(translation: Translation, model: str, file: Path) -> Iterator[list[Event]]:
    """The events of each read. Raises ApiError for an error within the recorded stream."""
    translator = StreamTranslator(translation, message_id=MESSAGE_ID, model=model)
    memory = MemoryBudget(MAX_EVENT_MEMORY).reserve()
    for chunks in ChunkStream(_recorded(file), Key(""), math.inf, memory):
        for chunk in chunks if chunks is not SILENCE else ():
            if not translator.is_cut:
                yield translator.feed(chunk)
    yield translator.finish()


def _recorded(file: Path) -> Waiting[UpstreamResponse]:
    """A file in the place of a connection."""
    yield from ()
    return cast(UpstreamResponse, RecordedStream(file))


class RecordedStream:
    """What a ChunkStream needs of a response. Its `reads` raises ApiError for a file that cannot be
    read, or is too large."""

    headers: Mapping[str, str] = {"content-type": CHUNK_EVENTS}

    def __init__(self, file: Path) -> None:
        self._file = file
        self.deadline = math.inf
        """Set by the ChunkStream; a file is always there."""

    def reads(self) -> Iterator[bytes]:
        left = MAX_RESPONSE_BYTES
        try:
            with self._file.open("rb") as file:
                while piece := file.read(READ_BYTES):
                    left -= len(piece)
                    if left < 0:
                        limit = f"{MAX_RESPONSE_BYTES // 1_000_000} MB"
                        raise ApiError(413, f"{self._file} is larger than {limit}.")
                    yield piece
        except OSError as error:
            raise ApiError(400, f"{self._file} cannot be read: {error.strerror}.") from None


def _print_response(events: Iterator[list[Event]], *, is_whole: bool) -> None:
    if is_whole:
        print(_pretty(collect(event for each in events for event in each)))
        return
    for each in events:
        print(sse(each).decode(), end="")

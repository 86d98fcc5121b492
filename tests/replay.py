"""A recorded exchange, once more: Gemini answers what it answered, and the client gets it.

Time is part of the recording: nothing is waited for, and signs of life come where they came.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from proxy import auto_mode, config, endpoints, json_codec, liveness, token_count
from proxy.answer import Answer
from proxy.attempts import Attempts, MessagesCall
from proxy.auth import Key
from proxy.concurrency import ConcurrencyLimit, MemoryBudget
from proxy.connections import Timeouts
from proxy.gemini import Gemini
from proxy.liveness import SILENCE, ClientDisconnected, Poller, Silence, Waiting
from proxy.recording.exchange import answer_file, file_prefix
from proxy.request_log import CLIENT_LEFT, RequestLog
from proxy.response_stream import UpstreamResponse
from proxy.tool_cache import RequestTools
from translate import ApiError, Cause, translate

EXCHANGE = "exchange.json"

AS_IT_IS = re.compile(rb"(?s).+")
"""How a body is delivered, unless a test cuts it in other ways."""

LINE = re.compile(rb"[^\n]*\n|[^\n]+\Z")

MAX_EVENT_MEMORY = 2_000_000_000
"""Bytes, for one event and its copies: nothing else goes on here."""

ENDS = {"silent": TimeoutError, "broken": ConnectionResetError}
NOT_WAITED_FOR = ApiError(504, "The recording ends here.", cause=Cause.TIMEOUT)
NOTHING_RECORDED = ApiError(502, "The recording has no answer to this request.", retry=False)


class InstantPoller(Poller):
    """Makes no pauses."""

    def pause(self, seconds: float) -> Waiting[None]:
        yield from ()


class ReplayingGemini(Gemini):
    """Answers each request as the same was answered, in turn.

    folder: of the recording. recorded: its exchange.json. cut: see AS_IT_IS.
    """

    def __init__(
        self, folder: Path, recorded: Any, settings: config.Settings, cut: re.Pattern[bytes]
    ) -> None:
        endpoint = endpoints.from_settings(settings)
        endpoint.is_ready = lambda: True  # type: ignore[method-assign]
        memory = MemoryBudget(MAX_EVENT_MEMORY)
        super().__init__(endpoint, 1, Timeouts(math.inf, math.inf), memory)
        self._folder = folder
        self._recorded = recorded
        self._cut = cut
        self.targets: list[str] = []
        self.bodies: list[bytes] = []
        self.answer: Answer | None = None
        """To be given a sign of life at the right moment."""

    def _authorize(self, model: str, method: str, key: Key) -> tuple[str, dict[str, str]]:
        self.targets.append(f"{model}:{method.partition('?')[0]}")
        return "/", {}

    def _exchange(
        self, request: Any, poller: Poller, timeouts: Timeouts
    ) -> Waiting[UpstreamResponse]:
        index = len(self.bodies)
        self.bodies.append(request.body)
        if index >= len(self._recorded["gemini"]):
            raise NOTHING_RECORDED
        exchange = self._recorded["gemini"][index]
        signs = [(kind, int(at)) for kind, at in map(str.split, exchange.get("signs_of_life", ()))]
        for kind, at in signs:
            if not at:
                yield from self._let_answer(kind, poller)
        if "status" not in exchange:
            raise self._end(exchange) or ClientDisconnected
        [file] = self._folder.glob(f"{file_prefix(index)}.[sb]*")
        later = [sign for sign in signs if sign[1]]
        reads = self._reads(file.read_bytes(), exchange, later, poller)
        return cast(UpstreamResponse, ReplayedResponse(exchange, reads))

    def _reads(
        self, body: bytes, exchange: Any, signs: list[tuple[str, int]], poller: Poller
    ) -> Iterator[bytes | Silence]:
        """A body, in pieces, with what the client got meanwhile."""
        lines, begin = LINE.findall(body), 0
        for kind, at in signs:
            yield from self._cut.findall(b"".join(lines[begin:at]))
            begin = at
            yield from self._let_answer(kind, poller)
        yield from self._cut.findall(b"".join(lines[begin:]))
        if exchange["end"] != "complete":
            raise self._end(exchange) or ClientDisconnected

    def _let_answer(self, kind: str, poller: Poller) -> Iterator[Silence]:
        """Give a sign of life."""
        poller.due = -math.inf
        if kind == "keep_alive" and self.answer is not None:
            self.answer._last_event = -math.inf
        yield SILENCE

    def _end(self, exchange: Any) -> Exception | None:
        """How a request ended; None where the client had left."""
        if error := exchange.get("error"):
            cause = error["cause"] and Cause(error["cause"])
            return ApiError(**{**error, "cause": cause})
        if exchange["end"] in ENDS:
            return ENDS[exchange["end"]]()
        return None if self._recorded["client_left"] else NOT_WAITED_FOR


class ReplayedResponse:
    """What gemini.py needs of a response."""

    def __init__(self, exchange: Any, reads: Iterator[bytes | Silence]) -> None:
        self.status = exchange["status"]
        self.headers = exchange.get("headers", {})
        self.deadline = math.inf
        self._reads = reads

    def reads(self) -> Iterator[bytes | Silence]:
        return self._reads

    read_all = UpstreamResponse.read_all

    def close(self) -> None:
        """There is no connection."""


def replay(folder: Path, cut: re.Pattern[bytes] = AS_IT_IS) -> dict[str, bytes]:
    """The files of a recording that the code writes, and what it writes into them now."""
    recorded = json.loads((folder / EXCHANGE).read_text("utf-8"))
    body = json.loads((folder / "request.json").read_text("utf-8"))
    settings = config.read(recorded["settings"])
    settings = dataclasses.replace(settings, first_byte=math.inf, ping=math.inf)
    gemini = ReplayingGemini(folder, recorded, settings, cut)
    status, is_stream, answer = _answer(body, recorded, settings, gemini)
    exchanges = [
        {**exchange, "target": target}
        for exchange, target in zip(recorded["gemini"], gemini.targets, strict=False)
    ]
    written = {
        EXCHANGE: json_codec.dumps_pretty({**recorded, "status": status, "gemini": exchanges}),
        answer_file(is_stream=is_stream): answer,
    }
    for index, request in enumerate(gemini.bodies):
        content = json_codec.dumps_pretty(json_codec.loads(request))
        written[f"{file_prefix(index)}.request.json"] = content
    return written


def _answer(
    body: Any, recorded: Any, settings: config.Settings, gemini: ReplayingGemini
) -> tuple[int, bool, bytes]:
    """Status, whether it is a stream, and what the client gets; as main.py does it."""
    log_entry = RequestLog(recorded["request_id"], "POST", recorded["path"])
    keys = [Key("", hint) for hint in recorded["key_hints"]]
    make = _count if recorded["path"].endswith("/count_tokens") else _message
    try:
        return make(body, recorded, settings, gemini, keys, log_entry)
    except ClientDisconnected:
        return CLIENT_LEFT, False, b""
    except Exception as error:  # noqa: BLE001 - as in main.py
        api_error = log_entry.to_api_error(error)
        return api_error.status, False, json_codec.dumps(api_error.body(log_entry.request_id))


def _count(
    body: Any,
    recorded: Any,
    settings: config.Settings,
    gemini: ReplayingGemini,
    keys: list[Key],
    log_entry: RequestLog,
) -> tuple[int, bool, bytes]:
    translation = translate(
        body,
        settings.model_settings,
        counting=True,
        declare=RequestTools().declare,
        platform=gemini.platform,
        today=recorded["today"],
    )
    count = token_count.count(gemini, translation, keys, InstantPoller(), ConcurrencyLimit(1))
    return 200, False, json_codec.dumps({"input_tokens": liveness.run(count)})


def _message(
    body: Any,
    recorded: Any,
    settings: config.Settings,
    gemini: ReplayingGemini,
    keys: list[Key],
    log_entry: RequestLog,
) -> tuple[int, bool, bytes]:
    call = MessagesCall(
        body,
        settings,
        gemini.platform,
        message_id=log_entry.request_id.replace("req_", "msg_"),
        fallbacks=settings.fallbacks,
        is_subagent=recorded["is_subagent"],
        is_claude_code=recorded["is_claude_code"],
        today=recorded["today"],
    )
    poller = InstantPoller()
    is_stream = bool(isinstance(body, dict) and body.get("stream"))
    attempts = Attempts(call, gemini, keys, poller, is_whole=not is_stream)
    items = auto_mode.judged_events(call, attempts, gemini, poller, log_entry)
    gemini.answer = answer = Answer(attempts, poller, log_entry, settings, items=items)
    with contextlib.closing(answer):
        answer.open(whole=not is_stream)
        if is_stream:
            return 200, True, b"".join(answer)
        return 200, False, json_codec.dumps(answer.message())

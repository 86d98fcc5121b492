"""Every way in which Gemini fails a client, and what the client must get: `make faults`.

The matrix is data: FAULTS says how a fault is provoked, with the emulator or with a server of raw
sockets, and what is right when it happens once and when it stays. The runner plays each of them
against a served proxy, streamed and whole, all at once. It sees what a client sees, and how
often upstream was asked.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import socket
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import requests

from tests import servers
from tests.answers import chunk, text
from tests.messages import PNG, assistant, result, thinking, use, user
from translate import Cause
from translate.response.finish import EXPLANATIONS
from translate.signatures import CALL, wrap

Json = dict[str, Any]

HANG_SECONDS = 50
"""A client that has waited for so long waits for ever."""

# --- What a client gets -----------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What came of a request; of an expected one, see `differences`.

    error, message: of an error answer, or of the event that ends a stream. retry: the headers
    that steer the client. attempts: requests that upstream saw. disorder: what is wrong with the
    order of the events. pings, signature: how many, and how long.
    """

    status: int = 200
    error: str = ""
    message: str = ""
    text: str = ""
    thinking: str = ""
    stop: str = ""
    retry: str = ""
    tried: str = ""
    model: str = ""
    warning: str = ""
    attempts: int | None = None
    pings: int = 0
    signature: int = 0
    disorder: str = ""


AT_LEAST = ("pings", "signature")
WITHIN = ("message", "warning")


def differences(expected: Outcome, got: Outcome) -> list[str]:
    """Where an outcome is not the expected one.

    Of a message a part is expected (of none: nothing), of pings the least number; attempts that
    are None are not looked at.
    """
    found = []
    for name in (each.name for each in fields(Outcome)):
        want, is_ = getattr(expected, name), getattr(got, name)
        if name in AT_LEAST:
            is_right = is_ >= want
        elif name in WITHIN:
            is_right = want in is_ and bool(want) == bool(is_)
        else:
            is_right = is_ == want or (name == "attempts" and want is None)
        if not is_right:
            found.append(f"{name}: {_short(is_)} instead of {_short(want)}")
    return found


def _short(value: Any) -> str:
    told = repr(value)
    return told if len(told) < 120 else f"{told[:60]}...{told[-20:]} ({len(told)})"


# --- The matrix -------------------------------------------------------------------------------

PROXIES: dict[str, dict[str, str]] = {
    "patient": {},
    "hasty": {
        "PROXY_FIRST_BYTE_SECONDS": "0.3",
        "PROXY_PING_SECONDS": "0.3",
        "PROXY_SILENCE_SECONDS": "4",
    },
    "raw": {},
    "hasty raw": {},
    "closed": {},
    "fallback": {"GEMINI_FALLBACK_MODELS": "gemini-3.8-flash"},
    "keys": {"GEMINI_API_KEY": "bad-new,good-old"},
    "revoked": {"GEMINI_API_KEY": "bad-new,bad-old"},
}
PROXIES["hasty raw"] = PROXIES["hasty"]
"""Name -> settings. `raw`, `hasty raw` and `closed` have servers of their own for upstream."""

MODEL, FALLBACK, GONE = "gemini-4-hydrogen", "gemini-3.8-flash", "gemini-2.5-flash-lite"
HALF, REST = "All is", " well."
TEXT = HALF + REST
LONG_TEXT = "0123456789abcdef" * 327_680
"""5 MB, in one event."""

HI: Json = {"model": "claude-opus-5", "max_tokens": 1000, "messages": [user("Hi")]}
THINKS: Json = {"thinking": {"type": "adaptive"}}
TOOLS: Json = {"tools": [{"name": "Read", "input_schema": {"type": "object", "properties": {}}}]}
FORGED: Json = {
    **TOOLS,
    **THINKS,
    "messages": [
        user("go"),
        assistant(thinking(wrap(CALL, MODEL, "AAAA")), use("a", "Read")),
        user(result("a")),
    ],
}

MEDIA: Json = {
    "messages": [
        user(
            "Look.",
            {"type": "document", "source": {**PNG, "media_type": "application/pdf"}},
            {"type": "image", "source": PNG},
        )
    ]
}

GOOD: Json = {"chunks": [{"text": HALF}, {"text": REST}], "repeat": True}
WHOLE: Json = chunk(text(TEXT), finish="STOP")


class Reset:
    """The connection is reset, not closed."""


@dataclass(frozen=True)
class Forever:
    """The same bytes every now and then, until the other side closes."""

    piece: bytes


class Early:
    """As the first step: the request's body is never read."""


Step = bytes | float | Reset | Forever | Early
Raw = tuple[Step, ...]
"""What a server of raw sockets does: writes, waits, resets; then it closes the connection."""

Play = Json | Raw
"""A reply of the emulator's, or one of a raw server."""


def head(status: str = "200 OK", kind: str = "text/event-stream", *more: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Connection: close", *more]
    return "\r\n".join([*lines, "", ""]).encode()


def event(body: Json) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\r\n\r\n"


def framed(body: bytes) -> bytes:
    """A body in one piece, with how long it is before it."""
    return b"%x\r\n%b\r\n" % (len(body), body)


CHUNKED, GZIP = "Transfer-Encoding: chunked", "Content-Encoding: gzip"
LAST = b"0\r\n\r\n"
ZIPPED = gzip.compress(event(WHOLE))
ZIPPED_HEAD = head("200 OK", "text/event-stream", CHUNKED, GZIP)
RAW_GOOD: Raw = (head(), event(WHOLE))


def dribbled(body: bytes) -> Raw:
    """Byte by byte."""
    steps: list[Step] = []
    for byte in body:
        steps += [bytes([byte]), 0.002]
    return tuple(steps)


def answer(tried: str = "", attempts: int | None = 1, **more: Any) -> Outcome:
    """The right answer."""
    more = {"text": TEXT, "stop": "end_turn", "model": MODEL, **more}
    return Outcome(tried=tried, attempts=attempts, **more)


def error(status: int, kind: str, message: str, attempts: int | None = 1, **more: Any) -> Outcome:
    """An error with a status of its own."""
    return Outcome(status, kind, message, attempts=attempts, **more)


def broken_off(kind: str, message: str, attempts: int = 1, **more: Any) -> Outcome:
    """A stream that has begun and ends with an event that says why."""
    return Outcome(
        error=kind, message=message, attempts=attempts, **{"text": HALF, "model": MODEL, **more}
    )


@dataclass(frozen=True)
class Fault:
    """One way to fail.

    bad: what upstream does at first. once, always: what a client gets when all is well after
    that, and when it is not. streamed_once, streamed_always: where a streamed answer differs, as
    it does when something was shown already. good: what upstream does afterwards. stays: what it
    does when the fault stays, where that is not `bad` again and again.
    """

    name: str
    bad: tuple[Play, ...]
    once: Outcome
    always: Outcome
    streamed_once: Outcome | None = None
    streamed_always: Outcome | None = None
    proxy: str = "patient"
    body: Json = field(default_factory=dict)
    good: tuple[Play, ...] = ()
    stays: tuple[Play, ...] = ()
    key: str = ""

    def plays(self, *, once: bool) -> list[Play]:
        """The last one is repeated."""
        if once:
            return [*self.bad, *(self.good or (RAW_GOOD if self.is_raw else GOOD,))]
        plays = [*(self.stays or self.bad)]
        return plays if self.is_raw else [*plays[:-1], {**_reply(plays[-1]), "repeat": True}]

    def expected(self, *, once: bool, stream: bool) -> Outcome:
        whole, streamed = (
            (self.once, self.streamed_once) if once else (self.always, self.streamed_always)
        )
        return streamed if stream and streamed else whole

    @property
    def is_raw(self) -> bool:
        return self.proxy in ("raw", "hasty raw", "closed")


def _reply(play: Play) -> Json:
    assert isinstance(play, dict)
    return play


def unseen(name: str, *bad: Play, expected: Outcome | None = None, **more: Any) -> Fault:
    """A fault that takes its time, or only looks like one: no other attempt is needed."""
    expected = expected or answer()
    return Fault(name, bad, expected, expected, good=bad, **more)


def google(code: int, status: str, message: str, *details: Json) -> Json:
    problem = {"code": code, "message": message, "status": status}
    return {"status": {**problem, "details": list(details)} if details else problem}


def retry_in(delay: str) -> Json:
    return {"@type": QUOTA + "RetryInfo", "retryDelay": delay}


QUOTA = "type.googleapis.com/google.rpc."
PER_DAY = {
    "@type": QUOTA + "QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}
EXHAUSTED = "You exceeded your current quota."
UNAVAILABLE: Json = {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}
SPENT = google(429, "RESOURCE_EXHAUSTED", EXHAUSTED, PER_DAY)
NO_SIGNATURE = "Corrupted thought signature."
NO_SCHEMA = (
    "* GenerateContentRequest.tools[0].function_declarations[0].parameters.items: missing field."
)
NO_LEVEL = "Thinking level HIGH is not supported for this model."
NO_FIELD = 'Invalid JSON payload received. Unknown name "store": Cannot find field.'
NO_MODEL = f"models/{GONE} is not found for API version v1beta."

ENDED = "ended before it was complete"
UNREACHED = "Gemini could not be reached"
OVERLOADED = error(529, "overloaded_error", "overloaded", 3)
INCOMPLETE = error(529, "overloaded_error", ENDED, 3)
NO_CONNECTION = error(502, "api_error", UNREACHED, 3)

TOKEN = base64.b64encode(b"checkpoint").decode()
CHECKPOINT: Json = {"text": HALF, "candidate": {"continuationToken": TOKEN}}
CUT: Json = {"cut": True}
ROUND: Json = {"text": HALF[:3], "candidate": {"finishReason": "STOP"}}
"""Of Google's own tools: it ends with a reason, and the answer goes on."""
SEARCH: Json = {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}
SOURCES: Json = {
    "groundingMetadata": {
        "webSearchQueries": ["how is all"],
        "groundingChunks": [{"web": {"uri": "https://x.test", "title": "x.test"}}],
    }
}
LONG_HALF = HALF * 2_000
REPLY_REST: Json = {"chunks": [{"text": REST}], "repeat": True}


def in_one_read(*events: Json) -> Raw:
    return (head(), b"".join(map(event, events)))


LATE_ERROR: Json = {"error": UNAVAILABLE}


def tried_again(
    name: str, cause: str, *bad: Play, always: Outcome = INCOMPLETE, attempts: int = 2, **more: Any
) -> Fault:
    """A fault that another attempt makes good; in the end the error tells of the others."""
    if always.status != 200:
        always = replace(always, tried=always.tried or f"{cause} x2")
    return Fault(name, bad, answer(cause, attempts), always, **more)


def shown(name: str, cause: str, problem: Outcome, *bad: Play, **more: Any) -> Fault:
    """A fault after half of the text: a whole answer is tried again, a stream says so."""
    streamed = broken_off(problem.error, problem.message)
    return tried_again(
        name,
        cause,
        *bad,
        always=problem,
        streamed_once=streamed,
        streamed_always=streamed,
        **more,
    )


def refused_once(name: str, cause: str, said: str, **more: Any) -> Fault:
    """A 400 with a remedy that is tried once."""
    reply = google(400, "INVALID_ARGUMENT", said)
    always = error(400, "invalid_request_error", said, 2, tried=cause)
    return tried_again(name, cause, reply, always=always, **more)


def settled(name: str, problem: Outcome, *bad: Play, **more: Any) -> Fault:
    """A fault the client hears of at once."""
    return Fault(name, bad, problem, problem, **more)


CONNECTIONS = (
    tried_again("refused", "connection x2", proxy="closed",
        always=replace(NO_CONNECTION, attempts=0, tried="connection x2",
            retry="x-should-retry: false"), attempts=1),
    tried_again("reset before the headers", "connection", (Reset(),), proxy="raw",
        always=NO_CONNECTION),
    tried_again("reset in the headers", "connection", (head()[:25], Reset()), proxy="raw",
        always=NO_CONNECTION),
    tried_again("closed without an answer", "connection", {"chunks": [CUT]}, always=NO_CONNECTION),
    tried_again("reset in an event", "broken", (head(), event(WHOLE)[:60], Reset()), proxy="raw"),
    tried_again("end in an event", "broken", (head(), event(WHOLE)[:60]), proxy="raw"),
    tried_again("cut after a thought", "broken", {"chunks": [{"thought": "Hm."}, CUT]}, body=THINKS,
        streamed_once=answer(attempts=2, thinking="Hm."),
        streamed_always=broken_off("overloaded_error", ENDED, 3, text="", thinking="Hm." * 3)),
    shown("cut after text", "broken", INCOMPLETE, {"chunks": [{"text": HALF}, CUT]}),
    shown("no finish reason", "broken", INCOMPLETE, {"chunks": [{"text": HALF}], "finish": None}),
    tried_again("nothing at all", "broken", {"chunks": [{"raw": ""}], "finish": None}),
    settled("refused in its upload", error(413, "request_too_large", "answered with status 413"),
        (Early(), b"HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n", 30.0), proxy="raw",
        body={"messages": [user("x" * 8_000_000)]}),
)  # fmt: skip

BYTES = (
    tried_again("truncated JSON", "broken", {"chunks": [{"raw": 'data: {"candi\r\n\r\n'}]}),
    tried_again("an event that is no object", "broken", {"chunks": [{"raw": "data: 7\r\n\r\n"}]}),
    tried_again("wrong content type", "internal",
        {"content_type": "text/html", "chunks": [{"raw": "<h1>Welcome to our hotel</h1>"}]},
        always=error(502, "api_error", "not a stream of events", 3)),
    tried_again("a gateway's page", "internal",
        (head("502 Bad Gateway", "text/html"), b"<h1>Bad Gateway</h1>"), proxy="raw",
        always=error(502, "api_error", "answered with status 502", 3)),
    tried_again("a redirect", "internal",
        (head("302 Found", "text/html", "Location: http://127.0.0.1:1/"),), proxy="raw",
        always=error(502, "api_error", "answered with status 302", 3)),
    tried_again("gzip", "broken", (ZIPPED_HEAD, framed(ZIPPED), LAST), proxy="raw"),
    tried_again("a gzip'ed error", "overloaded",
        (head("503 Busy", "application/json", GZIP), ZIPPED), proxy="raw",
        always=error(529, "overloaded_error", "answered with status 503", 3)),
    *(tried_again(f"status {status}", "internal", (b"HTTP/1.1 %d Odd\r\n\r\n" % status,),
        proxy="raw", always=error(502, "api_error", f"answered with status {status}", 3))
        for status in (101, 102, 204, 206, 599, 600)),
    *(settled(f"status {status}", error(502, "api_error", f"answered with status {status}",
        retry="x-should-retry: false"), (b"HTTP/1.1 %d Odd\r\n\r\n" % status,), proxy="raw")
        for status in (407, 418, 431)),
    unseen("a character in two chunks", (head(), event(chunk(text(f"{HALF}\ud83d"))),
        event(chunk(text(f"\ude00{REST}"), finish="STOP"))), proxy="raw",
        expected=answer(text=f"{HALF}\U0001f600{REST}")),
    unseen("byte by byte", dribbled(head() + event(WHOLE)), proxy="raw"),
    tried_again("an event of 33 MB", "broken", (head(), b"data: ", *[bytes(1_048_576)] * 33),
        proxy="raw"),
    tried_again("an event of very many lines", "broken", (head(), b"data:\n" * 700_000, b"\n"),
        proxy="raw"),
    unseen("a line of 5 MB",
        {"chunks": [{"text": LONG_TEXT}], "usage": {"candidatesTokenCount": 9}},
        expected=answer(text=LONG_TEXT)),
    unseen("a signature of 200 KB",
        {"chunks": [{"text": TEXT}, {"call": {"name": "Read"}, "sign": 200_000}]},
        expected=answer(stop="tool_use", signature=266_000), body={**TOOLS, **THINKS}),
)  # fmt: skip


def silent(name: str, pings: int, *chunks: Json, proxy: str = "hasty") -> Fault:
    """A wait that a stream fills with pings."""
    reply: Json = {"chunks": [*chunks], "repeat": True}
    return Fault(
        name,
        (reply,),
        answer(),
        answer(),
        streamed_once=answer(pings=pings),
        streamed_always=answer(pings=pings),
        proxy=proxy,
        good=(reply,),
    )


WAIT: Json = {"delay": 1.6}
LINE = event(WHOLE).decode()
TOO_LATE = error(504, "timeout_error", "did not answer in time")
FELL_SILENT = error(504, "timeout_error", "fell silent")
TWO_TEXTS = ({"text": HALF}, {"text": REST})
LATE_503: Json = {"chunks": [WAIT, {"error": UNAVAILABLE}]}

STALLED = error(529, "overloaded_error", "answered with status 503", 3)
STALLED_STREAM = broken_off("overloaded_error", STALLED.message, 3, text="", tried="overloaded")


def trickling(name: str, problem: Outcome, *steps: Step, text: str = "") -> Fault:
    """Too long a silence, in which something comes all the time."""
    streamed = broken_off(problem.error, problem.message, text=text, pings=3)
    return settled(name, problem, steps, proxy="hasty raw", streamed_once=streamed,
        streamed_always=streamed)  # fmt: skip


SILENCES = (
    trickling("a head that trickles", TOO_LATE, b"HTTP/1.1 200 OK\r\nX: ", Forever(b"a")),
    trickling("interim responses", TOO_LATE, Forever(b"HTTP/1.1 100 Continue\r\n\r\n")),
    trickling("comments", FELL_SILENT, head(), event(chunk(text(HALF))),
        Forever(b": still there\r\n\r\n"), text=HALF),
    trickling("an event that trickles", FELL_SILENT, head(), b"data: ", Forever(b"1")),
    *(unseen(f"{name} behind the end", (head(), event(WHOLE), Forever(piece)), proxy="raw")
        for name, piece in (("silence", b""), ("comments", b":\n\n"), ("chunks", event({})))),
    *(tried_again(f"an error's body that {name}", "overloaded",
        (head("503 Busy", "application/json"), Forever(piece)), proxy="raw", always=STALLED,
        streamed_always=STALLED_STREAM)
        for name, piece in (("stalls", b""), ("trickles", b" "))),
    silent("slow headers", 3, WAIT, *TWO_TEXTS),
    silent("silence after the headers", 3, {"raw": ""}, WAIT, *TWO_TEXTS),
    silent("silence in the text", 3, {"text": HALF}, WAIT, {"text": REST}),
    silent("silence in an event", 3, {"raw": LINE[:60]}, WAIT, {"raw": LINE[60:]}),
    silent("30 s of silence", 2, {"raw": ""}, {"delay": 30}, *TWO_TEXTS, proxy="patient"),
    settled("too long a silence before the headers", TOO_LATE,
        {"chunks": [{"delay": 30}, *TWO_TEXTS]}, proxy="hasty",
        streamed_once=broken_off("timeout_error", TOO_LATE.message, text="", pings=3),
        streamed_always=broken_off("timeout_error", TOO_LATE.message, text="", pings=3)),
    settled("too long a silence in the text", FELL_SILENT,
        {"chunks": [{"text": HALF}, {"delay": 30}, {"text": REST}]}, proxy="hasty",
        streamed_once=broken_off("timeout_error", FELL_SILENT.message, pings=3),
        streamed_always=broken_off("timeout_error", FELL_SILENT.message, pings=3)),
    tried_again("503 when the stream has begun", "overloaded", LATE_503, proxy="hasty",
        always=OVERLOADED, streamed_once=answer(attempts=2, pings=2),
        streamed_always=broken_off("overloaded_error", "overloaded", 3, text="", pings=2),
        stays=(LATE_503, {"status": UNAVAILABLE})),
)  # fmt: skip

UNREADABLE = error(
    502,
    "api_error",
    EXPLANATIONS[Cause.MALFORMED],
    3,
    tried="malformed x2",
    retry="x-should-retry: false",
)


def called(call: Json) -> str:
    """An answer with one function call, whatever that is."""
    return event(chunk({"functionCall": call}, finish="STOP")).decode()


FORM: Json = {"output_format": {"type": "json_schema", "schema": {"type": "object"}}}
DOCUMENT, HALF_DOCUMENT = '{"all": "is well"}', '{"all": '
REPLY_JSON: Json = {"chunks": [{"text": DOCUMENT}], "repeat": True}
NO_JSON = replace(UNREADABLE, message=EXPLANATIONS[Cause.NO_JSON], tried="no_json x2")


def no_json(name: str, said: str, streamed: Outcome | None = None) -> Fault:
    """An answer that is no JSON. streamed: what a stream gets that has shown some of it."""
    return Fault(
        name,
        ({"chunks": [{"text": said}]},),
        answer("no_json", 2, text=DOCUMENT),
        NO_JSON,
        streamed_once=streamed,
        streamed_always=streamed,
        body=FORM,
        good=(REPLY_JSON,),
    )


ANSWERS = (
    tried_again("an empty answer", "empty", {"chunks": []},
        always=error(502, "api_error", EXPLANATIONS[Cause.EMPTY], 3, tried="empty x2")),
    tried_again("thoughts only", "thoughts", {"chunks": [{"thought": "Hm."}]}, body=THINKS,
        always=error(502, "api_error", EXPLANATIONS[Cause.THOUGHTS], 3, tried="thoughts x2"),
        streamed_once=answer(attempts=2, thinking="Hm."),
        streamed_always=answer(attempts=3, text=EXPLANATIONS[Cause.THOUGHTS], thinking="Hm." * 3)),
    *(tried_again(name, "malformed", reply, body=TOOLS, always=UNREADABLE) for name, reply in (
        *((reason, {"chunks": [], "finish": reason}) for reason in (
            "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MALFORMED_RESPONSE")),
        *((f"a call with {name}", {"chunks": [{"raw": called(call)}], "finish": None})
            for name, call in (
                ("no name", {"args": {}}),
                ("an empty name", {"name": "", "args": {}}),
                ("a text for arguments", {"name": "Read", "args": "x"}),
                ("a list for arguments", {"name": "Read", "args": [1]}))))),
    unseen("arguments as JSON in a text", {"chunks": [{"raw": called(
        {"name": "Read", "args": "{}"})}], "finish": None}, body=TOOLS,
        expected=answer(text="", stop="tool_use")),
    unseen("JSON in a fence between sentences",
        {"chunks": [{"text": f"So:\n```json\n{HALF_DOCUMENT}"},
            {"text": f"{DOCUMENT.removeprefix(HALF_DOCUMENT)}\n```\nDone."}]},
        body=FORM, expected=answer(text=DOCUMENT)),
    no_json("no JSON where it was asked for", "I cannot do {that}."),
    no_json("JSON without an end", HALF_DOCUMENT,
        broken_off("api_error", NO_JSON.message, text=HALF_DOCUMENT)),
    *(tried_again(f"{name} of a wrong type", "broken", {"chunks": [{"raw": line}]})
        for name, line in (
            ("candidates", 'data: {"candidates": {}}\r\n\r\n'),
            ("a text", 'data: {"candidates": [{"content": {"parts": [{"text": 7}]}}]}\r\n\r\n'),
            ("a count", 'data: {"usageMetadata": {"totalTokenCount": "x"}}\r\n\r\n'))),
)  # fmt: skip

REFUSALS = (
    tried_again("503", "overloaded", {"status": UNAVAILABLE}, always=OVERLOADED),
    tried_again("500", "internal", google(500, "INTERNAL", "An internal error has occurred."),
        always=error(500, "api_error", "An internal error", 3)),
    settled("429, back in 7 s", error(429, "rate_limit_error", EXHAUSTED, retry="retry-after: 7"),
        google(429, "RESOURCE_EXHAUSTED", EXHAUSTED, retry_in("6.2s"))),
    settled("429 without a time", error(429, "rate_limit_error", EXHAUSTED),
        google(429, "RESOURCE_EXHAUSTED", EXHAUSTED)),
    settled("quota of the day",
        error(429, "rate_limit_error", "Today's quota", retry="x-should-retry: false"), SPENT),
    Fault("quota of the day, another model", ({**SPENT, "when": {"model": MODEL}},),
        answer("exhausted", 2, model=FALLBACK), error(429, "rate_limit_error", "Today's quota", 2,
            retry="x-should-retry: false", tried="exhausted"), proxy="fallback", stays=(SPENT,)),
    *(settled(f"refused media: {message}", error(400, "invalid_request_error",
        f"messages.0.content.{at}.{kind}: Could not process {name}: {message}"),
        google(400, "INVALID_ARGUMENT", message), body=MEDIA)
        for message, at, kind, name in (
            ("Unable to process input image.", 2, "image", "image"),
            ("Provided image is not valid.", 2, "image", "image"),
            ("The document has no pages.", 1, "document", "PDF"),
            ("Unsupported MIME type: a", 2, "image", "image"),
            ("Invalid value at 'contents[0].parts[1].inline_data.data'", 1, "document", "PDF"))),
    Fault("a corrupted signature", (), answer("signature", 2),
        error(400, "invalid_request_error", NO_SIGNATURE, 2, tried="signature"), body=FORGED,
        stays=(google(400, "INVALID_ARGUMENT", NO_SIGNATURE),)),
    refused_once("a schema refused", "schema", NO_SCHEMA, body=TOOLS),
    refused_once("a thinking level refused", "thinking", NO_LEVEL, body=THINKS),
    refused_once("an unknown parameter", "parameter", NO_FIELD),
    Fault("a model that is gone", (google(404, "NOT_FOUND", NO_MODEL),),
        answer("model", 2, model="gemini-3.5-flash-lite", warning=f"{GONE} is gone"),
        error(404, "not_found_error", NO_MODEL, 2, tried="model"), body={"model": GONE}),
    unseen("a revoked key before a good one", GOOD, expected=answer("key", None), proxy="keys",
        key="good-old"),
    settled("every key revoked", error(401, "authentication_error", "server's own key", 0,
        retry="x-should-retry: false", tried="key"), GOOD, proxy="revoked"),
)  # fmt: skip

SEVERAL: tuple[Play, ...] = (
    {"status": UNAVAILABLE},
    google(500, "INTERNAL", "An internal error has occurred."),
    {"chunks": []},
    {"chunks": [], "finish": "MALFORMED_FUNCTION_CALL"},
    {"chunks": [{"raw": ""}], "finish": None},
)
LIMITED = (
    Fault("one failure after another", SEVERAL,
        answer("overloaded, internal, empty, malformed, broken", 6),
        replace(UNREADABLE, attempts=9,
            tried="overloaded x2, internal x2, empty x2, malformed, broken"),
        body=TOOLS, stays=SEVERAL * 2),
    *(Fault(name, hops[:1], answer(tried, 2, text="a" + REST),
        error(529, "overloaded_error", ENDED, 32, tried=f"{tried} x31" if tried else ""),
        streamed_once=answer(attempts=2, text="a" + REST),
        streamed_always=broken_off("overloaded_error", ENDED, 32, text="a" * 32),
        proxy="raw", good=(in_one_read(chunk(text(REST), finish="STOP")),), stays=hops)
        for name, tried, more in (
            ("hops without end", "", {"finish": "CONTINUATION"}),
            ("cuts without end", "resumed", {}))
        for hops in [tuple(in_one_read(chunk(text("a"), continuationToken=f"{TOKEN}{at}", **more))
            for at in range(40))]),
)  # fmt: skip

IN_STREAM = (
    tried_again("an error as first event", "overloaded", {"chunks": [{"error": UNAVAILABLE}]},
        always=OVERLOADED),
    tried_again("a bare error as first event", "overloaded",
        {"chunks": [{"raw_error": UNAVAILABLE}]}, always=OVERLOADED),
    shown("an error in the text", "overloaded", OVERLOADED,
        {"chunks": [{"text": HALF}, {"error": UNAVAILABLE}]}),
    shown("a bare error in the text", "overloaded", OVERLOADED,
        {"chunks": [{"text": HALF}, {"raw_error": UNAVAILABLE}]}),
    unseen("an error in the same read as the end", in_one_read(WHOLE, LATE_ERROR), proxy="raw"),
    shown("an error in the same read as a text", "overloaded", OVERLOADED,
        in_one_read(chunk(text(HALF)), LATE_ERROR), proxy="raw"),
    Fault("an error in the same read as a checkpoint",
        (in_one_read(chunk(text(HALF), continuationToken=TOKEN), LATE_ERROR),),
        answer("resumed", 2), error(529, "overloaded_error", "overloaded", 4, tried="resumed x3"),
        streamed_once=answer(attempts=2),
        streamed_always=broken_off("overloaded_error", "overloaded", 4), proxy="raw",
        good=(in_one_read(chunk(text(REST), finish="STOP")),), stays=(
            in_one_read(chunk(text(HALF), continuationToken=TOKEN), LATE_ERROR),
            in_one_read(LATE_ERROR))),
    unseen("a pause between two rounds", {"chunks": [ROUND, {"delay": 1.6}, {"text": TEXT[3:]}]},
        body=SEARCH),
    shown("an error in the second round", "overloaded", OVERLOADED,
        {"chunks": [ROUND, {"text": HALF[3:]}, {"error": UNAVAILABLE}]}),
    Fault("cut right behind a checkpoint", ({"chunks": [CHECKPOINT, CUT]},), answer("resumed", 2),
        error(529, "overloaded_error", ENDED, 4, tried="resumed x3"),
        streamed_once=answer(attempts=2), streamed_always=broken_off("overloaded_error", ENDED, 4),
        good=(REPLY_REST,), stays=({"chunks": [CHECKPOINT, CUT]}, {"chunks": [{"raw": ""}, CUT]})),
    *(unseen(f"sources behind {name}",
        {"chunks": [{"text": half}, {"text": REST, "candidate": SOURCES}]},
        body={**SEARCH, "max_tokens": 10_000}, expected=answer(text=half + REST))
        for name, half in (("a text", HALF), ("a long text", LONG_HALF))),
    tried_again("cut after text that waits for its sources", "broken",
        {"chunks": [{"text": HALF}, CUT]}, body=SEARCH),
    shown("cut with text behind a checkpoint", "broken", INCOMPLETE,
        {"chunks": [{**CHECKPOINT, "text": HALF[:3]}, {"text": HALF[3:]}, CUT]}),
)  # fmt: skip

FAULTS = (*CONNECTIONS, *BYTES, *SILENCES, *ANSWERS, *REFUSALS, *LIMITED, *IN_STREAM)


# --- Upstreams --------------------------------------------------------------------------------


class Upstream(Protocol):
    """What fails: it plays for a key, and tells how often it was asked with it."""

    url: str

    def play(self, key: str, plays: Sequence[Play]) -> None: ...

    def attempts(self, key: str) -> int: ...


class Emulated:
    def __init__(self, emulator: servers.Emulator) -> None:
        self.url = emulator.url
        self._emulator = emulator

    def play(self, key: str, plays: Sequence[Play]) -> None:
        self._emulator.script(key, *plays)

    def attempts(self, key: str) -> int:
        return len(self._emulator.journal(key))


class RawServer:
    """Does what no framework for HTTP would. It listens, or only keeps a port from others."""

    def __init__(self, *, listens: bool) -> None:
        self._plays: dict[str, Sequence[Play]] = {}
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._port = 0
        self._bind()
        self.url = f"http://127.0.0.1:{self._port}"
        if listens:
            self.listen()

    def play(self, key: str, plays: Sequence[Play]) -> None:
        self._plays[key] = plays

    def attempts(self, key: str) -> int:
        return self._asked[key]

    def listen(self) -> None:
        self._socket.listen(128)
        threading.Thread(target=self._accept, args=(self._socket,), daemon=True).start()

    def refuse(self) -> None:
        """Listen no longer; the port stays ours."""
        self.close()
        self._bind()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _bind(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", self._port))
        self._port = self._socket.getsockname()[1]

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as file:
            key, length = _read_head(file)
            with self._lock:
                plays = self._plays[key]
                play = plays[min(self._asked[key], len(plays) - 1)]
                self._asked[key] += 1
            if not isinstance(play[0], Early):  # type: ignore[index]
                file.read(length)
            for step in play:
                _take(step, connection)  # type: ignore[arg-type]


def _read_head(file: BinaryIO) -> tuple[str, int]:
    """The key in a request's head, and how long its body is."""
    headers = {}
    while line := file.readline().strip():
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip().decode()
    return headers[b"x-goog-api-key"], int(headers[b"content-length"])


def _take(step: Step, connection: socket.socket) -> None:
    if isinstance(step, bytes):
        connection.sendall(step)
    elif isinstance(step, float):
        time.sleep(step)
    elif isinstance(step, Forever):
        while True:
            connection.sendall(step.piece)
            time.sleep(0.2)
    elif isinstance(step, Reset):
        servers.reset(connection)


# --- The runner -------------------------------------------------------------------------------

MOMENTS = (0.25, 0.25, 0.2, 0.2, 0.15, 0.15, 0.1, 0.1, 0.1, 0.1)
"""By how many seconds sooner or later the closed port opens, from one try to the next."""

MODES = {"stream": True, "whole": False}
TIMES = {"once": True, "always": False}


@dataclass(frozen=True)
class Case:
    fault: Fault
    mode: str
    times: str

    @property
    def name(self) -> str:
        return f"{self.fault.name}, {self.mode}, {self.times}"

    @property
    def expected(self) -> Outcome:
        return self.fault.expected(once=TIMES[self.times], stream=MODES[self.mode])

    @property
    def plays(self) -> list[Play]:
        return self.fault.plays(once=TIMES[self.times])


CASES = tuple(Case(fault, mode, times) for fault in FAULTS for mode in MODES for times in TIMES)


@dataclass(frozen=True)
class Row:
    case: Case
    got: Outcome
    seconds: float

    @property
    def wrong(self) -> list[str]:
        return differences(self.case.expected, self.got)


@contextlib.contextmanager
def staged(emulator: servers.Emulator) -> Iterator[Stage]:
    """Every upstream and every proxy that the cases need."""
    emulated, raw = Emulated(emulator), RawServer(listens=True)
    closed = RawServer(listens=False)
    upstreams: dict[str, Upstream] = dict.fromkeys(PROXIES, emulated)
    upstreams |= {"raw": raw, "hasty raw": raw, "closed": closed}
    stacks = {name: contextlib.ExitStack() for name in PROXIES}

    def start(name: str) -> str:
        environ = {**PROXIES[name], "GEMINI_ENDPOINT": upstreams[name].url}
        return stacks[name].enter_context(servers.serving(servers.PROXY, environ))

    with ThreadPoolExecutor(len(PROXIES)) as pool:
        try:
            urls = dict(zip(PROXIES, pool.map(start, PROXIES), strict=True))
            yield Stage(urls, upstreams, closed)
        finally:
            list(pool.map(contextlib.ExitStack.close, stacks.values()))
            raw.close()
            closed.close()


class Stage:
    """Plays cases. Those of the closed port by themselves: they open and close it."""

    def __init__(
        self, urls: Mapping[str, str], upstreams: Mapping[str, Upstream], closed: RawServer
    ) -> None:
        self._urls = urls
        self._upstreams = upstreams
        self._closed = closed

    def run(self, cases: Sequence[Case]) -> list[Row]:
        """All at once, but first, one after the other, those in which a moment is to be met."""
        closed = [case for case in cases if case.fault.proxy == "closed"]
        others = [case for case in cases if case.fault.proxy != "closed"]
        rows = [self._play_closed(case) for case in closed]
        with ThreadPoolExecutor(len(others)) as pool:
            return [*rows, *pool.map(self._play_other, others)]

    def _play_other(self, case: Case) -> Row:
        """Once more, where only the attempts are others: a kept connection that the emulator has
        closed just then costs an attempt too, as it should, but that is not this case's fault."""
        row = self._play(case)
        if row.wrong and all(each.startswith(("tried:", "attempts:")) for each in row.wrong):
            return self._play(case)
        return row

    def _play_closed(self, case: Case) -> Row:
        """Once: the port opens while the proxy waits, half a second, before its third attempt.

        On a busy machine that moment has to be looked for: where the port opened too early, not
        all of the fault was there, and where too late, it stayed.
        """
        if case.times == "always":
            return self._play(case)
        seconds = 0.25
        for step in MOMENTS:
            opening = threading.Timer(seconds, self._closed.listen)
            opening.start()
            row = self._play(case)
            opening.join()
            self._closed.refuse()
            if not row.wrong:
                break
            is_early = row.got.status == 200
            seconds = seconds + step if is_early else max(0.0, seconds - step)
        return row

    def _play(self, case: Case) -> Row:
        fault = case.fault
        key = fault.key or f"fault-{uuid.uuid4().hex}"
        upstream = self._upstreams[fault.proxy]
        upstream.play(key, case.plays)
        started = time.monotonic()
        url = f"{self._urls[fault.proxy]}/v1/messages"
        got = asked(url, key, {**HI, **fault.body, "stream": MODES[case.mode]})
        seconds = time.monotonic() - started
        return Row(case, replace(got, attempts=upstream.attempts(key)), seconds)


def asked(url: str, key: str, body: Json) -> Outcome:
    """What a client gets; a hang, or anything else that is no answer, is a disorder."""
    events: list[Json] = []
    deadline = time.monotonic() + HANG_SECONDS
    try:
        with servers.LOCAL.post(
            url, json=body, headers={"x-api-key": key}, stream=True, timeout=HANG_SECONDS
        ) as response:
            if response.ok and body["stream"]:
                for line in response.iter_lines(1_048_576):
                    if time.monotonic() > deadline:
                        return Outcome(disorder="it hangs")
                    if line.startswith(b"data: "):
                        events.append(json.loads(line[6:]))
                got = streamed(events)
            else:
                got = whole(response.json())
    except requests.RequestException as problem:
        return Outcome(disorder=f"{type(problem).__name__} after {len(events)} events")
    return replace(got, status=response.status_code, **_told(response.headers))


RETRY_HEADERS = ("retry-after", "x-should-retry")


def _told(headers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "retry": ", ".join(f"{name}: {headers[name]}" for name in RETRY_HEADERS if name in headers),
        "tried": headers.get("x-gemini-tried", ""),
        "model": headers.get("x-gemini-model", ""),
        "warning": headers.get("x-gemini-warning", ""),
    }


def whole(message: Json) -> Outcome:
    """A whole answer, or an error."""
    if message["type"] == "error":
        return _failed(message)
    grown: defaultdict[str, str] = defaultdict(str)
    for block in message["content"]:
        for name in ("text", "thinking", "signature"):
            grown[name] += block.get(name, "")
    return Outcome(
        text=grown["text"],
        thinking=grown["thinking"],
        signature=len(grown["signature"]),
        stop=message["stop_reason"],
        disorder=last_block(message["content"]),
    )


def last_block(blocks: Sequence[Json]) -> str:
    """What is wrong with the last block: no client takes a result for an answer."""
    kind = blocks[-1]["type"] if blocks else ""
    return f"it ends with a {kind}" if kind.endswith("_result") else ""


def _failed(body: Json) -> Outcome:
    return Outcome(error=body["error"]["type"], message=body["error"]["message"])


DELTAS = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}


def streamed(events: Sequence[Json]) -> Outcome:
    """What a stream adds up to, and whether its events come in the one right order."""
    grown: defaultdict[str, str] = defaultdict(str)
    stop = ""
    for each in events:
        if each["type"] == "content_block_delta":
            name = DELTAS.get(each["delta"]["type"], "")
            grown[name] += each["delta"].get(name, "")
        elif each["type"] == "message_delta":
            stop = each["delta"]["stop_reason"]
    failed = next((_failed(each) for each in events if each["type"] == "error"), Outcome())
    return replace(
        failed,
        text=grown["text"],
        thinking=grown["thinking"],
        signature=len(grown["signature"]),
        stop=stop,
        pings=sum(each["type"] == "ping" for each in events),
        disorder=disorder(events)
        or last_block([each["content_block"] for each in events if "content_block" in each]),
    )


def disorder(events: Sequence[Json]) -> str:
    """What is wrong with the order of a stream's events: one start, blocks, one end or error."""
    state, index = "nothing", -1
    for each in events:
        kind = each["type"]
        if kind == "ping" and state not in ("nothing", "over"):
            continue
        if kind == "error" and state not in ("nothing", "over"):
            state = "over"
            continue
        found = NEXT.get((state, kind))
        if found is None:
            return f"{kind} when there was {state}"
        state = found
        if kind == "content_block_start":
            index += 1
        if kind.startswith("content_block") and each["index"] != index:
            return f"{kind} of {each['index']} in {index}"
    return "" if state == "over" else f"it ends with {state}"


NEXT = {
    ("nothing", "message_start"): "a message",
    ("a message", "content_block_start"): "a block",
    ("a block", "content_block_delta"): "a block",
    ("a block", "content_block_stop"): "a message",
    ("a message", "message_delta"): "a reason",
    ("a reason", "message_stop"): "over",
}
"""State, event -> state."""


# --- The table --------------------------------------------------------------------------------


def table(rows: Sequence[Row]) -> str:
    """The matrix as text."""
    lines = [("fault", "answer", "times", "asked", "s", "", "what the client got")]
    for row in rows:
        case, got = row.case, row.got
        mark = "WRONG" if row.wrong else "ok"
        name = case.fault.name if case == _first(case) else ""
        seconds = f"{row.seconds:.1f}"
        asked_times = "-" if case.expected.attempts is None else str(got.attempts)
        lines.append((name, case.mode, case.times, asked_times, seconds, mark, described(got)))
        lines += [("", "", "", "", "", "", f"  {wrong}") for wrong in row.wrong]
    widths = [max(len(line[i]) for line in lines) for i in range(6)]
    return "\n".join(
        "  ".join([*(line[i].ljust(widths[i]) for i in range(6)), line[6]]).rstrip()
        for line in lines
    )


def _first(case: Case) -> Case:
    return Case(case.fault, next(iter(MODES)), next(iter(TIMES)))


def described(got: Outcome) -> str:
    """An outcome in one line."""
    parts = [str(got.status)]
    if got.stop:
        parts.append(f"{got.stop}:")
    if got.thinking:
        parts.append(f"({got.thinking})")
    if got.text or got.stop:
        size = len(got.text)
        parts.append(f"'{got.text}'" if size < 40 else f"'{got.text[:16]}...' ({size:,})")
    if got.signature:
        parts.append(f"signature ({got.signature:,})")
    if got.error:
        parts.append(f"{'then ' if got.status == 200 else ''}{got.error}: {got.message[:60]}")
    told = [got.retry, got.tried and f"tried: {got.tried}", got.warning]
    told += [f"{got.pings} pings" if got.pings else "", got.disorder]
    extra = "; ".join(each for each in told if each)
    return " ".join(parts) + (f"  [{extra}]" if extra else "")


def main() -> int:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        servers.output = Path(folder)
        with servers.serving(servers.EMULATOR) as url, staged(servers.Emulator(url)) as stage:
            rows = stage.run(CASES)
    print(table(rows))
    wrong = sum(bool(row.wrong) for row in rows)
    seconds = time.monotonic() - started
    print(f"\n{len(rows)} cases of {len(FAULTS)} faults in {seconds:.0f} s; {wrong} wrong")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())

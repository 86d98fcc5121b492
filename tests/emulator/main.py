"""A strict Gemini for tests and demos: one HTTP function, `gemini`, and its paths.

Serve it with `functions-framework --source tests/emulator/main.py --target gemini`; README.md
beside it tells how to script it. Knows paths, methods and the journal. It
shares no line with the product.
"""

from __future__ import annotations

import errno
import json
import os
import re
import selectors
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import flask

import emulator_models
import emulator_replies
import emulator_rules
import emulator_scripts
import emulator_signatures
import emulator_vertex
from emulator_errors import Json, Refusal, admit, no_such_model, refusal
from emulator_replies import Reply
from emulator_request import Asked
from emulator_sessions import Session, Sessions
from emulator_transcoder import transcode
from emulator_usage import Meter, cached_tokens, details, tokens

JSON = "application/json; charset=UTF-8"
SSE = "text/event-stream"
MOST_BYTES = 104_857_600
TOO_LARGE = f"Request payload size exceeds the limit: {MOST_BYTES} bytes."
NO_JSON = "Invalid JSON payload received. Unexpected token."
NO_OBJECT = 'Invalid JSON payload received. Unknown name "": Root element must be a message.'
MODEL_FORMAT = "* CountTokensRequest.generate_content_request.model: unexpected model name format\n"
TWO_PROMPTS = "contents is mutually exclusive with generate_content_request."
INNER = ("generateContentRequest", "generate_content_request")
KEY_HEADERS = ("x-goog-api-key", "authorization")
CONTROL = "/_emulator/"
PATH = re.compile(r"/v1beta/models(?:/(?P<model>[^/:]+)(?::(?P<method>\w+))?)?")

os.environ.setdefault("THREADS", "256")
"""The server reads it after this import. State lives in one process, hence threads."""

sessions = Sessions()


class ClientLeft(ConnectionResetError):
    """Nobody waits for the answer any more."""


def gemini(request: flask.Request) -> flask.Response:
    """Answer one request, of a client of Gemini or of the test that scripts it."""
    try:
        if request.path == "/":
            return answer({"status": "ok", "emulates": "Gemini"})
        if request.path.startswith(CONTROL):
            return control(request, request.path.removeprefix(CONTROL))
        return api(request)
    except Refusal as error:
        return refused(error, in_array=False)
    except ConnectionResetError as error:
        return flask.Response(map(fail, (error,)))


def control(request: flask.Request, key: str) -> flask.Response:
    """PUT registers a script for a key, GET tells the key's journal."""
    if request.method == "GET":
        return answer({"requests": list(sessions.of(key).journal)})
    try:
        sessions.register(key, json.loads(request.get_data()))
    except ValueError as error:
        raise refusal(str(error)) from None
    return answer({})


def api(request: flask.Request) -> flask.Response:
    """One request to Google's paths, with an entry in the journal of its key."""
    vertex = emulator_vertex.PATH.fullmatch(request.path)
    found = vertex or PATH.fullmatch(request.path)
    model, method = (found["model"] or "", found["method"] or "") if found else ("", "")
    key = request.headers.get("x-goog-api-key") or request.args.get("key", "")
    if vertex:
        key = vertex["project"]
    entry = new_entry(request, model, method)
    if key:
        sessions.of(key).journal.append(entry)
    handler = HANDLERS.get((request.method, method)) if found else None
    authorization = request.headers.get("Authorization", "")
    try:
        if vertex:
            emulator_vertex.admit(authorization)
        else:
            admit(key, authorization)
        if handler is None:
            raise refusal("Requested entity was not found.", "NOT_FOUND")
        return handler(request, model, sessions.of(key), entry)
    except Refusal as error:
        entry.update(status=error.http_status, error=str(error))
        return refused(error, in_array=entry["stream"] and not wants_sse(request))


def new_entry(request: flask.Request, model: str, method: str) -> Json:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return {
        "method": request.method,
        "path": request.path,
        "model": model or None,
        "stream": method == "streamGenerateContent",
        "headers": headers | {name: "present" for name in KEY_HEADERS if name in headers},
        "body": None,
        "status": 200,
        "error": None,
        "signatures": [],
        "issued": [],
        "reply": None,
        "closed": None,
    }


def generate(request: flask.Request, model: str, session: Session, entry: Json) -> flask.Response:
    """POST :generateContent and :streamGenerateContent."""
    asked = read(request, model, "GenerateContentRequest", entry)
    entry["signatures"] = emulator_signatures.received(asked)
    emulator_rules.check(asked)
    emulator_signatures.verify(asked)
    entry["reply"] = session.choose(asked)
    if entry["reply"] is None:
        text = emulator_scripts.describe_failure(session.replies, session.used)
        raise refusal(text, "INTERNAL")
    script = session.replies[entry["reply"]]
    if "status" in script:
        raise Refusal(script["status"], script.get("headers"))
    canonical = asked.canonical()
    cached = cached_tokens(session.shared(asked.model.name, canonical))
    reply = Reply(script, asked, Meter(tokens(canonical), cached, script.get("usage", {})))
    entry["issued"] = reply.speaker.issued
    return played(request, script, reply, entry)


def played(request: flask.Request, script: Json, reply: Reply, entry: Json) -> flask.Response:
    """The reply as a stream, or merged into one response."""
    wait = patience(request.environ.get("gunicorn.socket"))
    sse = wants_sse(request)
    data: Iterator[bytes]
    if entry["stream"]:
        data = emulator_replies.stream(reply.events(), script, wait, sse=sse)
    else:
        data = iter([dump(emulator_replies.merge(reply.events(), wait))])
    kind = script.get("content_type", SSE if sse and entry["stream"] else JSON)
    headers = script.get("headers", {})
    return flask.Response(watched(data, entry), headers=headers, content_type=kind)


def watched(data: Iterator[bytes], entry: Json) -> Iterator[bytes]:
    """Tells the journal who ended a stream: the script, or the client."""
    closed = "client"
    try:
        yield from data
        closed = "complete"
    except ConnectionResetError as error:
        closed = "client" if isinstance(error, ClientLeft) else "complete"
        raise
    finally:
        entry["closed"] = closed


def fail(error: ConnectionResetError) -> bytes:
    """The first byte of a body that has none: the server drops the connection."""
    raise error


def patience(connection: socket.socket | None) -> Callable[[float], None]:
    """A sleep that ends with ClientLeft as soon as the client hangs up."""

    def wait(seconds: float) -> None:
        deadline = time.monotonic() + seconds
        if connection is not None and has_left(connection, seconds):
            raise ClientLeft(errno.ECONNRESET, "the client hung up")
        time.sleep(max(0.0, deadline - time.monotonic()))

    return wait


def has_left(connection: socket.socket, seconds: float) -> bool:
    """Whether the client closes its side within that time."""
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        if not selector.select(seconds):
            return False
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


def count(request: flask.Request, model: str, session: Session, entry: Json) -> flask.Response:
    """POST :countTokens, of bare contents or of a whole request."""
    asked = read(request, model, "CountTokensRequest", entry)
    message = "CountTokensRequest"
    inner = asked.body.get("generateContentRequest")
    if inner is not None:
        if not inner.get("model", "").startswith("models/"):
            raise refusal(MODEL_FORMAT)
        if "contents" in asked.body:
            raise refusal(TWO_PROMPTS)
        (received,) = (asked.received[name] for name in INNER if name in asked.received)
        asked = replace(asked, body=inner, received=received)
        message += ".generate_content_request"
    emulator_rules.check_fields(asked, message)
    total = tokens(asked.canonical())
    return answer({"totalTokens": total, "promptTokensDetails": details(total)})


def show(request: flask.Request, model: str, session: Session, entry: Json) -> flask.Response:
    """GET /models, a page of them, and /models/{model}."""
    names = emulator_models.names()
    if model:
        if model not in names:
            raise no_such_model(model, "generateContent")
        return answer(emulator_models.listed(model))
    start = request.args.get("pageToken", 0, int)
    size = min(request.args.get("pageSize", 50, int), 1000)
    page: Json = {"models": [emulator_models.listed(name) for name in names[start : start + size]]}
    if start + size < len(names):
        page["nextPageToken"] = str(start + size)
    return answer(page)


Handler = Callable[[flask.Request, str, Session, Json], flask.Response]
HANDLERS: dict[tuple[str, str], Handler] = {
    ("POST", "streamGenerateContent"): generate,
    ("POST", "generateContent"): generate,
    ("POST", "countTokens"): count,
    ("GET", ""): show,
}
"""HTTP method and what follows the colon -> who answers."""


def read(request: flask.Request, name: str, message: str, entry: Json) -> Asked:
    """The request, transcoded. Raises Refusal for what is none, and for an unknown model."""
    if (request.content_length or 0) > MOST_BYTES:
        raise refusal(TOO_LARGE)
    received = parse(request.get_data(cache=False) or b"{}")
    entry["body"] = received
    if emulator_vertex.PATH.fullmatch(request.path):
        emulator_vertex.check(received, message)
        message = "GenerateContentRequest"
    body = transcode(message, received)
    model = emulator_models.find(name)
    if model is None:
        method = "countTokens" if entry["path"].endswith("countTokens") else "generateContent"
        print(f"emulator: {name} is in no table of {emulator_models.__file__}", file=sys.stderr)
        raise no_such_model(name, method)
    return Asked(body, model, name, received, unary=not entry["stream"])


def parse(data: bytes) -> Json:
    try:
        parsed = json.loads(data, parse_constant=not_json)
    except (ValueError, RecursionError):
        raise refusal(NO_JSON) from None
    if not isinstance(parsed, dict):
        raise refusal(NO_OBJECT)
    return parsed


def not_json(constant: str) -> Any:
    """Python's parser would take NaN and Infinity."""
    raise ValueError(constant)


def wants_sse(request: flask.Request) -> bool:
    return request.args.get("alt") == "sse"


def dump(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def answer(body: Any, status: int = 200) -> flask.Response:
    return flask.Response(dump(body), status, content_type=JSON)


def refused(error: Refusal, *, in_array: bool) -> flask.Response:
    """Google's envelope; a stream without alt=sse is an array, its errors too."""
    response = answer([error.body] if in_array else error.body, error.http_status)
    response.headers.extend(error.headers)
    return response

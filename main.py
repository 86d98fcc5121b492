"""The front door: one HTTP function, `messages`, and the life of a request on one screen.

Knows paths, methods and headers. It refuses to know the two APIs (translate/) and the way to
Google (proxy/). Serve it with `functions-framework --target=messages`.
"""

from __future__ import annotations

import contextlib
import gc
import random
import socket
from collections.abc import Callable
from typing import Any

import flask
import functions_framework
from werkzeug.exceptions import HTTPException

from proxy import (
    auth,
    concurrency,
    config,
    endpoints,
    json_codec,
    request_body,
    request_log,
    token_count,
    tool_cache,
)
from proxy.answer import Answer
from proxy.attempts import Recovery, told
from proxy.gemini import Gemini
from proxy.liveness import ClientLeft
from proxy.request_log import RequestLog
from translate import ApiError, RequestOverrides, StreamTranslator, Translation, models, translate

config.set_server_defaults()
# What is imported by now stays: no garbage collection need look at it again, nor copy its pages
# into a forked worker. Large bodies make many objects at once, none of them garbage.
gc.freeze()
gc.set_threshold(50_000, 20, 50)
settings = config.read()
request_log.configure_logging(settings.log_level)
gemini = Gemini(
    endpoints.from_settings(settings), settings.threads, (settings.connect, settings.silence)
)
gate = concurrency.ConcurrencyLimit(settings.concurrency)


@functions_framework.http
def messages(request: flask.Request) -> flask.Response:
    """Answer one request of a Messages API client; every failure is an Anthropic error."""
    line = new_record(request)
    try:
        response = route(request)(request, line)
    except HTTPException as error:
        response = refuse(as_refusal(error), line)
    except ClientLeft:
        line.client_left = True
        response = flask.Response(status=request_log.CLIENT_LEFT)
    except Exception as error:  # noqa: BLE001 - the one place where nothing may pass
        response = refuse(line.to_api_error(error), line)
    response = finished(response, line)
    if not line.body_was_read and has_large_body(request) and (client := client_socket(request)):
        response.call_on_close(lambda: request_body.drain_request_body(request.stream, client))
    return response


def create_message(request: flask.Request, line: RequestLog) -> flask.Response:
    """POST /v1/messages, streaming or not."""
    caller = admit(request, line)
    with contextlib.ExitStack() as held:
        held.enter_context(gate)
        body = read_json(request, line)
        answer = begin_answer(request, body, caller, line)
        held.callback(answer.close)
        if line.stream:
            response = flask.Response(answer, mimetype="text/event-stream")
            response.headers["Cache-Control"] = "no-cache"
            response.call_on_close(held.pop_all().close)
        else:
            response = json_response(answer.message())
    response.headers.extend(answer.headers())
    return response


def begin_answer(
    request: flask.Request, body: Any, caller: auth.Caller, line: RequestLog
) -> Answer:
    """Ask Gemini; returns when there is something to show, or nothing to wait for."""
    message_id = line.request_id.replace("req_", "msg_")
    is_claude_code = request.headers.get("User-Agent", "").startswith("claude-cli/")

    def plan(overrides: RequestOverrides) -> Translation:
        return translate(
            body,
            settings.model_settings,
            safety=settings.safety,
            is_subagent="x-claude-code-agent-id" in request.headers,
            declare=tool_cache.declare,
            overrides=overrides,
            platform=gemini.platform,
        )

    def begin(asked: Translation, previous: StreamTranslator | None) -> StreamTranslator:
        return StreamTranslator(
            asked,
            message_id=message_id,
            model=body["model"],
            carries_signatures=asked.shows_thinking or is_claude_code,
            previous=previous,
        )

    recovery = Recovery(gemini, plan, caller.keys, settings.fallbacks)
    line.model, line.stream = body["model"], bool(body.get("stream"))
    return Answer(
        recovery, begin, line, settings, whole=not line.stream, client=client_socket(request)
    )


def count_tokens(request: flask.Request, line: RequestLog) -> flask.Response:
    """POST /v1/messages/count_tokens."""
    caller = admit(request, line)
    body = read_json(request, line)
    asked = translate(
        body,
        settings.model_settings,
        counting=True,
        declare=tool_cache.declare,
        platform=gemini.platform,
    )
    line.model, line.gemini = body["model"], asked.model.name
    return json_response({"input_tokens": token_count.count(gemini, asked, caller.keys)})


def list_models(request: flask.Request, line: RequestLog) -> flask.Response:
    """GET /v1/models: one page holds all."""
    admit(request, line)
    data = [models.described(model) for model in models.TABLE.values()]
    return json_response(
        {
            "data": data,
            "has_more": False,
            "first_id": data[0]["id"],
            "last_id": data[-1]["id"],
        }
    )


def show_model(request: flask.Request, line: RequestLog) -> flask.Response:
    """GET /v1/models/{id}: also for an alias and for a Claude model's stand-in."""
    admit(request, line)
    model_id = request.path.partition(MODEL_PATH)[2].strip("/")
    return json_response(
        models.described(models.resolve(model_id, settings.model_settings), model_id)
    )


def show_health(request: flask.Request, line: RequestLog) -> flask.Response:
    """GET and HEAD /: no key needed."""
    return json_response({"status": "ok", "api": "/v1/messages"})


MODEL_PATH = "/v1/models/"
Handler = Callable[[flask.Request, RequestLog], flask.Response]

ROUTES: dict[str, dict[str, Handler]] = {
    "/": {"GET": show_health, "HEAD": show_health},
    "/v1/messages": {"POST": create_message},
    "/v1/messages/count_tokens": {"POST": count_tokens},
    "/v1/models": {"GET": list_models, "HEAD": list_models},
    MODEL_PATH: {"GET": show_model, "HEAD": show_model},
}
"""Path -> method -> handler."""


def route(request: flask.Request) -> Handler:
    path = "/" + request.path.strip("/")
    handlers = ROUTES.get(MODEL_PATH if path.startswith(MODEL_PATH) else path)
    if handlers is None:
        raise ApiError(404, f"Not found: {path}")
    if request.method not in handlers:
        allowed = " or ".join(handlers)
        message = f"Method {request.method} not allowed for {path}; use {allowed}."
        raise ApiError(405, message, allow=", ".join(handlers))
    return handlers[request.method]


@functions_framework.errorhandler(HTTPException)  # type: ignore[untyped-decorator]
def framework_error(error: HTTPException) -> flask.Response:
    """What the framework answers before the function is asked, in the API's shape too."""
    line = new_record(flask.request)
    return finished(refuse(as_refusal(error), line), line)


def new_record(request: flask.Request) -> RequestLog:
    session = request.headers.get("X-Claude-Code-Session-Id", "")
    return RequestLog(f"req_{random.getrandbits(128):032x}", request.method, request.path, session)


def finished(response: flask.Response, line: RequestLog) -> flask.Response:
    """The response, which writes its line when all of it is sent."""
    response.headers["request-id"] = line.request_id
    line.status = response.status_code
    response.call_on_close(line.write)
    return response


def admit(request: flask.Request, line: RequestLog) -> auth.Caller:
    caller = auth.authenticate(request.headers, request.remote_addr, settings)
    line.caller_id = caller.caller_id
    return caller


def read_json(request: flask.Request, line: RequestLog) -> Any:
    line.body_was_read = True
    return json_codec.loads_request(request_body.read_body(request.stream, client_socket(request)))


def client_socket(request: flask.Request) -> socket.socket | None:
    """Where the answer goes, as the local servers tell it; in the clouds nobody does."""
    names = ("gunicorn.socket", "werkzeug.socket")
    return next((request.environ[name] for name in names if name in request.environ), None)


def has_large_body(request: flask.Request) -> bool:
    """Whether there is a body that may not all have come by the time it is refused."""
    if request.content_length is None:
        return "Transfer-Encoding" in request.headers
    return request.content_length > request_body.SMALL_BYTES


def as_refusal(error: HTTPException) -> ApiError:
    return ApiError(error.code or 500, error.description or error.name)


def json_response(body: object, status: int = 200) -> flask.Response:
    """Streamed, in one piece: before any other answer the framework reads all of the request's
    body, however long that is and takes."""
    text = json_codec.dumps(body)
    response = flask.Response(iter([text]), status, mimetype="application/json")
    response.content_length = len(text)
    return response


def refuse(error: ApiError, line: RequestLog) -> flask.Response:
    line.error = error.cause or error.type
    response = json_response(error.body(line.request_id), error.status)
    response.headers.extend({**error.headers(), **told(line.failed_attempts)})
    return response

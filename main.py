"""The front door: one HTTP function, `messages`, and the life of a request on one screen.

Knows paths, methods and headers. It refuses to know the two APIs (translate/) and the way to
Google (proxy/). Serve it with `functions-framework --target=messages`.
"""

from __future__ import annotations

import gc
import uuid
from collections.abc import Callable

import flask
import functions_framework
from werkzeug.exceptions import HTTPException

from proxy import access, codec, config, tokens
from proxy.answer import Answer, as_api_error
from proxy.upstream import ChunkStream, Gemini
from translate import ApiError, StreamTranslator, catalog, models, translate

config.set_server_defaults()
# What is imported by now stays: no garbage collection need look at it again, nor copy its pages
# into a forked worker. Large bodies make many objects at once, none of them garbage.
gc.freeze()
gc.set_threshold(50_000, 20, 50)
settings = config.read()
gemini = Gemini(settings.endpoint, settings.threads)


@functions_framework.http
def messages(request: flask.Request) -> flask.Response:
    """Answer one request of a Messages API client; every failure is an Anthropic error."""
    request_id = new_request_id()
    try:
        response = route(request)(request, request_id)
    except HTTPException as error:
        response = refuse(as_refusal(error), request_id)
    except Exception as error:  # noqa: BLE001 - the one place where nothing may pass
        response = refuse(as_api_error(error, request_id), request_id)
    response.headers["request-id"] = request_id
    return response


def create_message(request: flask.Request, request_id: str) -> flask.Response:
    """POST /v1/messages, streaming or not."""
    key = access.gemini_key(request.headers, request.remote_addr, settings)
    body = codec.loads(request.get_data(cache=False))
    is_claude_code = request.headers.get("User-Agent", "").startswith("claude-cli/")
    asked = translate(
        body,
        settings.overrides,
        safety=settings.safety,
        is_subagent="x-claude-code-agent-id" in request.headers,
        declare=codec.declare,
    )
    translator = StreamTranslator(
        asked,
        message_id=f"msg_{uuid.uuid4().hex}",
        model=body["model"],
        carries=asked.thinks or is_claude_code,
    )

    def ask(token: str | None) -> ChunkStream:
        more = {} if token is None else {"continuationToken": token}
        return gemini.stream(asked.model.name, codec.dumps({**asked.request, **more}), key)

    answer = Answer(ask, translator, request_id)
    if not body.get("stream"):
        return json_response(answer.message())
    response = flask.Response(answer, mimetype="text/event-stream")
    response.call_on_close(answer.close)
    response.headers["Cache-Control"] = "no-cache"
    return response


def count_tokens(request: flask.Request, request_id: str) -> flask.Response:
    """POST /v1/messages/count_tokens."""
    key = access.gemini_key(request.headers, request.remote_addr, settings)
    body = codec.loads(request.get_data(cache=False))
    asked = translate(body, settings.overrides, counting=True, declare=codec.declare)
    return json_response({"input_tokens": tokens.count(gemini, asked, key)})


def list_models(request: flask.Request, request_id: str) -> flask.Response:
    """GET /v1/models: one page holds all."""
    access.gemini_key(request.headers, request.remote_addr, settings)
    data = [catalog.described(model) for model in models.TABLE.values()]
    return json_response(
        {
            "data": data,
            "has_more": False,
            "first_id": data[0]["id"],
            "last_id": data[-1]["id"],
        }
    )


def show_model(request: flask.Request, request_id: str) -> flask.Response:
    """GET /v1/models/{id}: also for an alias and for a Claude model's stand-in."""
    access.gemini_key(request.headers, request.remote_addr, settings)
    model_id = request.path.partition(MODEL_PATH)[2].strip("/")
    return json_response(catalog.described(models.resolve(model_id, settings.overrides), model_id))


def show_health(request: flask.Request, request_id: str) -> flask.Response:
    """GET and HEAD /: no key needed."""
    return json_response({"status": "ok", "api": "/v1/messages"})


MODEL_PATH = "/v1/models/"
Handler = Callable[[flask.Request, str], flask.Response]

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
        raise ApiError(404, f"There is no {path} here.")
    if request.method not in handlers:
        message = f"{path} takes {' and '.join(handlers)}, not {request.method}."
        raise ApiError(405, message, allow=", ".join(handlers))
    return handlers[request.method]


@functions_framework.errorhandler(HTTPException)  # type: ignore[untyped-decorator]
def framework_error(error: HTTPException) -> flask.Response:
    """What the framework answers before the function is asked, in the API's shape too."""
    request_id = new_request_id()
    response = refuse(as_refusal(error), request_id)
    response.headers["request-id"] = request_id
    return response


def new_request_id() -> str:
    return f"req_{uuid.uuid4().hex}"


def as_refusal(error: HTTPException) -> ApiError:
    return ApiError(error.code or 500, error.description or error.name)


def json_response(body: object, status: int = 200) -> flask.Response:
    return flask.Response(codec.dumps(body), status, mimetype="application/json")


def refuse(error: ApiError, request_id: str) -> flask.Response:
    response = json_response(error.body(request_id), error.status)
    response.headers.extend(error.headers())
    return response

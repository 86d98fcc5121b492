"""The front door: one HTTP function, `messages`, and the life of a request on one screen.

Serve it with `functions-framework --target=messages`.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - what is imported below has no sentence for it
    sys.exit("Python 3.11 or later is needed: https://www.python.org/downloads/")

import contextlib
import functools
import gc
import re
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import flask
import functions_framework
from werkzeug.exceptions import HTTPException

from proxy import (
    __version__,
    auth,
    auto_mode,
    clock,
    config,
    cors,
    endpoints,
    json_codec,
    liveness,
    outbound,
    request_body,
    request_log,
    routes,
    server,
    telemetry,
    token_count,
)
from proxy.answer import Answer
from proxy.attempts import Attempts, MessagesCall
from proxy.concurrency import ConcurrencyLimit, MemoryBudget, Reservation
from proxy.connections import Timeouts
from proxy.gemini import Gemini
from proxy.liveness import ClientDisconnected, Poller
from proxy.payers import AccessTokens
from proxy.request_log import RequestLog
from proxy.retry_policies import attempts_header
from proxy.tool_cache import RequestTools
from translate import ApiError, models, translate

if TYPE_CHECKING:
    from proxy.recording.recorder import Recorder
    from proxy.web.site import Site

server.refuse_debug()
server.return_large_blocks()
config.set_server_defaults()
# What is imported by now stays: no garbage collection need look at it again, nor copy its pages
# into a forked worker. Large bodies make many objects at once, none of them garbage.
gc.freeze()
gc.set_threshold(50_000, 20, 50)
settings = config.read()
server.use_worker(settings.stop)
endpoint = endpoints.from_settings(settings)
outbound.check(endpoint.base_url)
for warning in config.warnings():
    print(f"gemini-messages: {warning}", file=sys.stderr, flush=True)
server.print_start(settings)
request_log.configure_logging(settings.log_level, settings.log_format)
telemetry.start(settings)
recorder: Recorder | None = None
if settings.log_bodies:
    from proxy import banner  # a cold start pays for imports
    from proxy.recording.recorder import open_recorder

    recorder = open_recorder(settings, server.listen_host() or settings.host)
    banner.print_recording(settings)
access_tokens: AccessTokens = auth.SharedToken(settings.token)
if settings.team:
    from proxy.team.opening import open_team

    access_tokens = open_team(settings)
    print(f"gemini-messages: {access_tokens.counting.sentence}", file=sys.stderr, flush=True)
memory_budget = MemoryBudget(config.request_memory())
timeouts = Timeouts(settings.connect, settings.silence)
gemini = Gemini(endpoint, settings.threads, timeouts, memory_budget)
concurrency_limit = ConcurrencyLimit(settings.concurrency)
count_limit = ConcurrencyLimit(max(1, settings.concurrency // token_count.SHARE))

MISDIRECTED = (
    "Not found: the base URL has a path that this server does not know. Set ANTHROPIC_BASE_URL to "
    "the server's address alone, such as http://{}"
)
"""421, as Claude Code shows any 404 as a problem with the model (seen 2026-11-28)."""

PAGES_ONLY = "This server has pages only. Set ANTHROPIC_BASE_URL to {}"

ENCODED = "The request's body is compressed (Content-Encoding). Send it as it is."


@functions_framework.http
def messages(request: flask.Request) -> flask.Response:
    """Answer one request of a Messages API client; every failure is an Anthropic error."""
    log_entry = new_log_entry(request)
    try:
        response = find_handler(request)(request, log_entry)
    except HTTPException as error:
        response = error_response(to_api_error(error), log_entry)
    except ClientDisconnected:
        log_entry.client_left = True
        response = flask.Response(status=request_log.CLIENT_LEFT)
    except Exception as error:  # noqa: BLE001 - the one place where nothing may pass
        response = error_response(log_entry.to_api_error(error), log_entry)
    return finish(response, log_entry)


def create_message(request: flask.Request, log_entry: RequestLog) -> flask.Response:
    """POST /v1/messages, streaming or not."""
    caller = authenticate(request, log_entry)
    with contextlib.ExitStack() as stack:
        stack.enter_context(concurrency_limit)
        memory = stack.enter_context(memory_budget.reserve())
        body, size = read_json(request, memory)
        answer = start_answer(request, body, size, caller, log_entry)
        stack.callback(answer.close)
        answer.open(whole=not log_entry.stream)
        if log_entry.stream:
            response = flask.Response(answer, mimetype="text/event-stream")
            response.headers["Cache-Control"] = "no-cache"
        else:
            response = json_response(answer.message())
        response.headers.extend({**answer.headers(), **log_entry.budget_headers})
        if log_entry.stream:
            response.call_on_close(stack.pop_all().close)
    return response


def start_answer(
    request: flask.Request, body: Any, size: int, caller: auth.Caller, log_entry: RequestLog
) -> Answer:
    """The answer, translated and not yet asked for. Raises ApiError for a bad request."""
    payer = caller.payer
    call = MessagesCall(
        body,
        settings,
        gemini.platform,
        message_id=log_entry.request_id.replace("req_", "msg_"),
        fallbacks=[each for each in settings.fallbacks if payer.allows(each)],
        is_subagent="x-claude-code-agent-id" in request.headers,
        is_claude_code=request.headers.get("User-Agent", "").startswith("claude-cli/"),
        today=clock.today(),
    )
    recorded = {"is_subagent": call.is_subagent, "is_claude_code": call.is_claude_code}
    upstream = find_upstream(request, body, caller, log_entry, today=call.today, **recorded)
    poller = new_poller(request)
    is_whole = not (isinstance(body, dict) and body.get("stream"))
    attempts = Attempts(call, upstream, caller.keys, poller, is_whole=is_whole)
    log_entry.model, log_entry.stream = body["model"], not is_whole
    items = auto_mode.judged_events(call, attempts, upstream, poller, log_entry)
    items = payer.charged(items, attempts, log_entry, size)
    return Answer(attempts, poller, log_entry, settings, socket_of(request), items)


def count_tokens(request: flask.Request, log_entry: RequestLog) -> flask.Response:
    """POST /v1/messages/count_tokens."""
    caller = authenticate(request, log_entry)
    with concurrency_limit, memory_budget.reserve() as memory:
        (body, _), today = read_json(request, memory), clock.today()
        upstream = find_upstream(request, body, caller, log_entry, today=today)
        translation = translate(
            body,
            settings.model_settings,
            counting=True,
            declare=RequestTools().declare,
            platform=gemini.platform,
            today=today,
        )
        log_entry.model, log_entry.gemini = body["model"], translation.model.name
        caller.payer.check(body["model"], translation.model.name)
        poller = new_poller(request)
        count = token_count.count(upstream, translation, caller.keys, poller, count_limit)
        response = json_response({"input_tokens": liveness.run(count)})
        if translation.warnings:
            response.headers["x-gemini-warning"] = " ".join(translation.warnings)
        return response


def list_models(request: flask.Request, log_entry: RequestLog) -> flask.Response:
    """GET /v1/models: one page holds all."""
    payer = authenticate(request, log_entry).payer
    payer.check()
    catalog = models.catalog(
        settings.model_settings,
        has_classes=not DISCOVERY.fullmatch(request.headers.get("User-Agent", "")),
        platform=gemini.platform,
        today=clock.today(),
    )
    named = [(str(each["id"]), each) for each in catalog]
    data = [each for name, each in named if payer.allows(name, resolve(name).name)]
    ids = [each["id"] for each in data] or [None]
    page = {"data": data, "has_more": False, "first_id": ids[0], "last_id": ids[-1]}
    return json_response(page)


def resolve(model_id: str) -> models.Model:
    """What a client's name for a model stands for."""
    return models.resolve(
        model_id, settings.model_settings, platform=gemini.platform, today=clock.today()
    )


def show_model(request: flask.Request, log_entry: RequestLog) -> flask.Response:
    """GET /v1/models/{id}: also for an alias, and for a Claude model's name."""
    payer = authenticate(request, log_entry).payer
    model_id = routes.model_id(request.path)
    model = resolve(model_id)
    payer.check(model_id, model.name)
    return json_response(models.to_models_api(model, model_id, today=clock.today()))


def show_health(request: flask.Request, log_entry: RequestLog) -> flask.Response:
    """GET and HEAD / and /api/hello: no key needed. A browser gets a page."""
    if request.path == routes.HEALTH:
        accepted = request.accept_mimetypes.best_match(("application/json", "text/html"))
        if accepted == "text/html":
            return show_page(request, log_entry)
    api = f"{settings.api_url}{routes.MESSAGES}"
    health = {"status": "ok", "api": api, "version": __version__}
    more = {"budgets": access_tokens.counting, "instance": settings.instance}
    return json_response(health | {name: value for name, value in more.items() if value})


def show_page(request: flask.Request, log_entry: RequestLog) -> flask.Response:
    """A page for a person, or figures (web/site.py)."""
    from proxy.web import page  # a person comes rarely, and a cold start pays for imports

    route = routes.find(request.path) or routes.HEALTH
    poller = new_poller(request)
    answer = site().answer(page.read(request, route, log_entry, poller, socket_of(request)))
    response = flask.Response(
        iter([answer.body]), answer.status, headers=answer.headers, content_type=answer.content_type
    )
    response.content_length = len(answer.body)
    return response


@functools.cache
def site() -> Site:
    from proxy.web.health import EndpointHealth
    from proxy.web.site import Site

    health = EndpointHealth(gemini, urlsplit(endpoint.base_url).netloc)
    return Site(settings, access_tokens, gemini, health)


def answer_options(request: flask.Request, log_entry: RequestLog) -> flask.Response:
    """OPTIONS of any route: a browser's question before a page's request; it has no key."""
    methods = HANDLERS[routes.find(request.path) or routes.HEALTH]
    response = flask.Response(iter(()), 204)  # streamed, see json_response
    response.headers["Allow"] = ", ".join([*methods, "OPTIONS"])
    response.headers.extend(cors.preflight_headers(request.headers, methods))
    return response


DISCOVERY = re.compile(r"claude-code/[\d.]+")
"""The User-Agent with which Claude Code reads the models for its picker. It has the classes there
itself: 2.1.197 would show them twice (seen 2026-11-28)."""

Handler = Callable[[flask.Request, RequestLog], flask.Response]

HANDLERS: dict[str, dict[str, Handler]] = {
    routes.HEALTH: {"GET": show_health, "HEAD": show_health},
    routes.HELLO: {"GET": show_health, "HEAD": show_health},
    routes.MESSAGES: {"POST": create_message},
    routes.COUNT_TOKENS: {"POST": count_tokens},
    routes.MODELS: {"GET": list_models, "HEAD": list_models},
    routes.MODEL: {"GET": show_model, "HEAD": show_model},
    **{route: dict.fromkeys(methods, show_page) for route, methods in routes.PAGES.items()},
}
"""Route -> method -> handler."""


def find_handler(request: flask.Request) -> Handler:
    """Raises ApiError 404 or 405."""
    path, route = request.path, routes.find(request.path)
    if route is None:
        if routes.is_misdirected(path):
            raise ApiError(421, MISDIRECTED.format(request.host), retry=False)
        raise ApiError(404, f"Not found: {path}")
    if settings.api_url and route in routes.OF_CLIENTS:
        raise ApiError(421, PAGES_ONLY.format(settings.api_url), retry=False)
    if request.method == "OPTIONS":
        return answer_options
    handlers = HANDLERS[route]
    if request.method not in handlers:
        message = f"Method {request.method} not allowed for {path}; use {' or '.join(handlers)}."
        raise ApiError(405, message, allow=", ".join(handlers))
    return handlers[request.method]


def normalize_paths(app: flask.Flask) -> None:
    """Before the framework looks at them: it would answer `//v1/messages` by a redirect."""
    inner = app.wsgi_app

    def wsgi_app(environ: dict[str, Any], start_response: Any) -> Any:
        environ["PATH_INFO"] = routes.normalize(environ.get("PATH_INFO", ""))
        return inner(environ, start_response)

    app.wsgi_app = wsgi_app  # type: ignore[method-assign]


normalize_paths(flask.current_app)


@functions_framework.errorhandler(HTTPException)  # type: ignore[untyped-decorator]
def framework_error(error: HTTPException) -> flask.Response:
    """What the framework answers before the function is asked, in the API's shape too."""
    log_entry = new_log_entry(flask.request)
    return finish(error_response(to_api_error(error), log_entry), log_entry)


def new_log_entry(request: flask.Request) -> RequestLog:
    headers = request.headers
    return RequestLog(
        request_log.new_request_id(),
        request.method,
        request.path,
        session=headers.get("X-Claude-Code-Session-Id", ""),
        request_class=request_log.request_class(
            headers.get("X-Claude-Code-Request-Class", ""),
            is_subagent="X-Claude-Code-Agent-Id" in headers,
        ),
        agent=headers.get("X-Claude-Code-Agent-Type", ""),
    )


def finish(response: flask.Response, log_entry: RequestLog) -> flask.Response:
    """The response, which writes its log line when all of it is sent."""
    response.headers["request-id"] = log_entry.request_id
    response.headers["x-proxy-version"] = __version__
    origin, names = flask.request.headers.get("Origin"), response.headers.keys()
    response.headers.extend(cors.response_headers(origin, settings.allow_origins, names))
    log_entry.status = response.status_code
    response.call_on_close(log_entry.write)
    response.call_on_close(functools.partial(telemetry.record, log_entry))
    if recorder is not None:
        recorder.finish(response, log_entry)
    return response


def authenticate(request: flask.Request, log_entry: RequestLog) -> auth.Caller:
    caller = auth.authenticate(request.headers, request.remote_addr, settings, access_tokens)
    log_entry.set_caller(caller.caller_id, caller.payer.person, caller.payer.plan)
    return caller


def find_upstream(
    request: flask.Request,
    body: Any,
    caller: auth.Caller,
    log_entry: RequestLog,
    **conditions: Any,
) -> Gemini:
    """Gemini; with PROXY_LOG_BODIES one that is recorded, for a request from this machine."""
    if recorder is None or not auth.is_local(request.headers, request.remote_addr):
        return gemini
    return recorder.begin(log_entry, body, request.headers, caller, gemini, **conditions)


def read_json(request: flask.Request, memory: Reservation) -> tuple[Any, int]:
    """A request's body, decoded, and its size in bytes. Raises ApiError, for want of memory before
    a byte is read, as far as can be known: only what has come holds memory, as anybody can announce
    32 MB."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ApiError(415, ENCODED)
    length = request.content_length

    def reserve(size: int) -> None:
        memory.resize(json_codec.NARROW_COPIES * min(size, length or size))

    if length is not None:
        request_body.check_length(length)
        reserve(length)
        memory.resize(0)
    body = request_body.read_body(request.stream, socket_of(request), reserve)
    try:
        memory.resize(json_codec.memory_size(body))
    except ApiError:
        memory.resize(json_codec.memory_size(body, is_exact=True))
    decoded = json_codec.loads_request(body)
    memory.resize(memory.size - len(body))
    return decoded, len(body)


def new_poller(request: flask.Request) -> Poller:
    is_http_1_1 = request.environ.get("SERVER_PROTOCOL") == "HTTP/1.1"
    return Poller(socket_of(request), can_probe=is_http_1_1)


def socket_of(request: flask.Request) -> socket.socket | None:
    """Where the client listens, as the local servers tell it; in the clouds nobody does."""
    names = ("gunicorn.socket", "werkzeug.socket")
    return next((request.environ[name] for name in names if name in request.environ), None)


def to_api_error(error: HTTPException) -> ApiError:
    return ApiError(error.code or 500, error.description or error.name)


def json_response(body: object, status: int = 200) -> flask.Response:
    """Streamed, in one piece: before any other answer the framework reads all of the request's
    body, however long that is and takes."""
    text = json_codec.dumps(body)
    response = flask.Response(iter([text]), status, mimetype="application/json")
    response.content_length = len(text)
    return response


def error_response(error: ApiError, log_entry: RequestLog) -> flask.Response:
    log_entry.error = error.cause or error.type
    response = json_response(error.body(log_entry.request_id), error.status)
    response.headers.extend({**error.headers(), **attempts_header(log_entry.failed_attempts)})
    return response

"""Settings: the only reader of os.environ.

Every variable has its default and its form here; `VARIABLES` is what README's table shows.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from . import memory_limit, oidc_settings, spelling
from .oidc_settings import OidcSettings
from .setting_values import BadSetting as BadSetting
from .setting_values import is_loopback as is_loopback
from .setting_values import (
    read_address,
    read_base_url,
    read_choice,
    read_count,
    read_list,
    read_seconds,
    read_secret,
)

MODEL_VARIABLES = (
    "ANTHROPIC_MODEL",
    "ANTHROPIC_DEFAULT_OPUS_MODEL",
    "ANTHROPIC_DEFAULT_SONNET_MODEL",
    "ANTHROPIC_DEFAULT_HAIKU_MODEL",
    "CLAUDE_CODE_SUBAGENT_MODEL",
)

DEFAULTS = {
    "GEMINI_BACKEND": "developer",
    "GOOGLE_CLOUD_LOCATION": "global",
    "PROXY_FIRST_BYTE_SECONDS": "8",
    "PROXY_PING_SECONDS": "10",
    "PROXY_CONNECT_SECONDS": "10",
    "PROXY_SILENCE_SECONDS": "900",
    "PROXY_STOP_SECONDS": "8",
    "PROXY_LOG_LEVEL": "info",
    "PROXY_LOG_FORMAT": "auto",
    "PROXY_ALLOW_ORIGINS": "https://pivot.claude.ai",
    "PROXY_AUTO_MODE_MODEL": "off",
    "PROXY_STORE_DOWN": "serve",
    "PROXY_CLIENT_BUDGET": "off",
    "PROXY_OIDC_PLAN": "default",
    "PROXY_LISTEN_ADDR": "127.0.0.1:8080",
    "THREADS": "256",
}

DEVELOPER_ENDPOINT = "https://generativelanguage.googleapis.com"
BACKENDS = ("DEVELOPER", "VERTEX")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOG_FORMATS = ("AUTO", "JSON", "TEXT")
STORE_DOWN = ("SERVE", "REFUSE")
SWITCH = ("ON", "OFF")

TOKEN, KEY = "TOKEN", "KEY"
"""What a caller may present: an access token of this server, or a Gemini key of their own."""

MIN_SECRET = 32
"""Characters: what signs access tokens must not be guessed from one of them."""

THRESHOLDS = (
    "OFF",
    "BLOCK_NONE",
    "BLOCK_ONLY_HIGH",
    "BLOCK_MEDIUM_AND_ABOVE",
    "BLOCK_LOW_AND_ABOVE",
)
"""What Gemini's safety filters may be set to, least strict first."""

VARIABLES = (
    "GEMINI_API_KEY",
    "PROXY_TOKEN",
    "GEMINI_SECRET_ARN",
    *MODEL_VARIABLES,
    "GEMINI_FALLBACK_MODELS",
    "GEMINI_ENDPOINT",
    "GEMINI_BACKEND",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_CLOUD_LOCATION",
    "GEMINI_SAFETY",
    "PROXY_FIRST_BYTE_SECONDS",
    "PROXY_PING_SECONDS",
    "PROXY_CONNECT_SECONDS",
    "PROXY_SILENCE_SECONDS",
    "PROXY_STOP_SECONDS",
    "PROXY_CONCURRENCY",
    "PROXY_LOG_LEVEL",
    "PROXY_LOG_FORMAT",
    "PROXY_LOG_BODIES",
    "PROXY_ALLOW_ORIGINS",
    "PROXY_AUTO_MODE_MODEL",
    "PROXY_SECRET",
    "PROXY_PLANS",
    "PROXY_STORE",
    "PROXY_STORE_DOWN",
    "PROXY_CLIENT_BUDGET",
    "PROXY_REVOKED",
    *oidc_settings.NEEDED,
    oidc_settings.PLAN,
    "PROXY_AUTH",
    "PROXY_INSTANCE",
    "PROXY_API_URL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "PROXY_LISTEN_ADDR",
    "PROXY_WORKERS",
    "THREADS",
)
"""Every variable the server reads."""

SECRETS = ("GEMINI_API_KEY", "PROXY_TOKEN", "PROXY_SECRET", oidc_settings.CLIENT_SECRET)
"""What the secret of GEMINI_SECRET_ARN may hold, on AWS Lambda."""

MAX_DEFAULT_WORKERS = 4

THREADS_PER_SPARE = 64
"""One thread in so many is kept free for short requests, and to refuse what is over the limit."""

FRAMEWORK_VARIABLES = (
    *("DEBUG", "ENTRY_POINT", "FUNCTION_SIGNATURE_TYPE", "FUNCTION_USE_ASGI"),
    *("THREADED_TIMEOUT_ENABLED", "CLOUD_RUN_TIMEOUT_SECONDS"),
)
"""What Functions Framework takes from anybody's environment. DEBUG=1 has it serve a console for
Python; what is no boolean stops it."""

STARTED_BY = "MESSAGES_STARTED_BY"
"""What `python -m proxy` leaves for the server that it becomes."""

ENDS_WITH_STDIN = "MESSAGES_ENDS_WITH_STDIN"
"""Set by a program that starts a server with a pipe as its standard input, and keeps the other end
for itself: the server ends when that program does."""

CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

OFF = "off"
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s?#@]+")
"""As browsers write them: a scheme, a host, perhaps a port, and no path."""


@dataclass(frozen=True)
class TeamSettings:
    """Of those who share a server, as they stand in the environment; team/ reads the plans, opens
    the store, and knows what is wrong with them.

    secrets: any of them may have signed an access token; the first signs new ones. plans: the plan
    file, its path or its text. store: a URL, "" for none. serves_when_down: while the store cannot
    be asked. client_budget: whether Claude Code's own meter is fed. revoked: ids of tokens, and
    people whose older tokens are revoked. oidc: None where nobody signs in with a provider.
    """

    secrets: tuple[str, ...] = field(repr=False)
    plans: str
    store: str
    serves_when_down: bool
    client_budget: bool
    revoked: tuple[str, ...]
    oidc: OidcSettings | None = None


@dataclass(frozen=True)
class Settings:
    """The settings in the environment, validated.

    endpoint: base URL of Gemini, without a trailing slash; empty for Vertex AI's own. is_vertex:
    whether Vertex AI is asked instead, in this project (empty: the server's own) and location.
    api_keys: the server's own, the first that Google takes is used. model_settings: variable ->
    model name, as far as set. fallbacks: Gemini models to ask when another cannot be had. safety:
    the threshold of all safety filters, None for Google's own. first_byte, ping, connect, silence,
    stop: seconds (see README). concurrency: answers that one process works on at once. threads:
    requests that it holds at once. log_bodies: a folder for recordings (recording/), "" for
    none. allow_origins: of pages that may ask from elsewhere, in small letters; "*" for all.
    auto_mode_model: judges tool calls for Claude Code's auto mode; None where nothing does.
    accepts: of TOKEN and KEY, what a caller may present. team: None where nobody is counted.
    instance: what the health answer calls this server. api_url: where answers are served, if this
    server has pages only; else "". otlp_endpoint: of a collector, "" for none.
    """

    endpoint: str
    is_vertex: bool
    project: str
    location: str
    api_keys: tuple[str, ...] = field(repr=False)
    token: str = field(repr=False)
    model_settings: Mapping[str, str]
    fallbacks: tuple[str, ...]
    safety: str | None
    first_byte: float
    ping: float
    connect: float
    silence: float
    stop: float
    concurrency: int
    log_level: str
    log_format: str
    log_bodies: str
    allow_origins: tuple[str, ...]
    auto_mode_model: str | None
    accepts: frozenset[str]
    team: TeamSettings | None
    instance: str
    api_url: str
    otlp_endpoint: str
    host: str
    port: int
    workers: int
    threads: int

    @property
    def takes_tokens(self) -> bool:
        """Whether callers present access tokens of this server."""
        return TOKEN in self.accepts


def read(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process. Raises BadSetting, which ends the program."""
    host, port = read_address("PROXY_LISTEN_ADDR", _get(environ, "PROXY_LISTEN_ADDR"))
    workers = _get(environ, "PROXY_WORKERS") or str(min(MAX_DEFAULT_WORKERS, os.cpu_count() or 1))
    threads = read_count("THREADS", _get(environ, "THREADS"))
    concurrency = _get(environ, "PROXY_CONCURRENCY") or str(default_concurrency(threads))
    is_vertex = read_choice("GEMINI_BACKEND", _get(environ, "GEMINI_BACKEND"), BACKENDS) == "VERTEX"
    endpoint = _get(environ, "GEMINI_ENDPOINT") or ("" if is_vertex else DEVELOPER_ENDPOINT)
    return Settings(
        endpoint=read_base_url("GEMINI_ENDPOINT", endpoint, "/v1beta"),
        is_vertex=is_vertex,
        project=_get(environ, "GOOGLE_CLOUD_PROJECT"),
        location=_get(environ, "GOOGLE_CLOUD_LOCATION"),
        api_keys=_api_keys(_get(environ, "GEMINI_API_KEY")),
        token=read_secret("PROXY_TOKEN", spelling.unquote(_get(environ, "PROXY_TOKEN"))),
        model_settings=_model_settings(environ),
        fallbacks=_fallbacks(read_list(_get(environ, "GEMINI_FALLBACK_MODELS"))),
        safety=read_choice("GEMINI_SAFETY", _get(environ, "GEMINI_SAFETY"), THRESHOLDS),
        first_byte=read_seconds(*_variable(environ, "PROXY_FIRST_BYTE_SECONDS")),
        ping=read_seconds(*_variable(environ, "PROXY_PING_SECONDS")),
        connect=read_seconds(*_variable(environ, "PROXY_CONNECT_SECONDS")),
        silence=read_seconds(*_variable(environ, "PROXY_SILENCE_SECONDS")),
        stop=read_seconds(*_variable(environ, "PROXY_STOP_SECONDS")),
        concurrency=read_count("PROXY_CONCURRENCY", concurrency),
        log_level=read_choice(*_variable(environ, "PROXY_LOG_LEVEL"), LOG_LEVELS) or "",
        log_format=read_choice(*_variable(environ, "PROXY_LOG_FORMAT"), LOG_FORMATS) or "",
        log_bodies=_get(environ, "PROXY_LOG_BODIES"),
        allow_origins=_origins(environ),
        auto_mode_model=_auto_mode_model(_get(environ, "PROXY_AUTO_MODE_MODEL")),
        accepts=_accepts(environ, is_vertex=is_vertex),
        team=_team(environ),
        instance=_get(environ, "PROXY_INSTANCE"),
        api_url=read_base_url("PROXY_API_URL", _get(environ, "PROXY_API_URL"), "/v1"),
        otlp_endpoint=_get(environ, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        host=host,
        port=port,
        workers=read_count("PROXY_WORKERS", workers),
        threads=threads,
    )


def warnings(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Sentences about settings that are probably not what was meant, for who starts the server."""
    return list(spelling.find_slips(environ, VARIABLES, SECRETS))


def no_color(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a person wants no colors at a terminal (https://no-color.org)."""
    return bool(environ.get("NO_COLOR"))


def cloud_variable(environ: Mapping[str, str] = os.environ) -> str:
    """What Cloud Run or AWS Lambda has set, and nobody else; "" elsewhere."""
    names = ("K_SERVICE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_RUNTIME_API")
    return next((name for name in names if environ.get(name)), "")


def firestore_emulator(environ: Mapping[str, str] = os.environ) -> str:
    """Host and port of Firestore's emulator, by the variable of Google's own tools; "" for none."""
    return environ.get("FIRESTORE_EMULATOR_HOST", "").strip()


def default_concurrency(threads: int) -> int:
    """As many answers as there are threads, less a few that stay free to refuse more."""
    return max(1, threads - max(1, threads // THREADS_PER_SPARE))


def set_framework_variables(workers: int, environ: MutableMapping[str, str] = os.environ) -> None:
    """Give Functions Framework so many processes, and none of the settings that others may mean by
    variables of the same name."""
    for name in FRAMEWORK_VARIABLES:
        environ.pop(name, None)
    environ["WORKERS"] = str(workers)
    environ[STARTED_BY] = "python -m proxy"


def is_started_by_us(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether `python -m proxy` has become this server, and has printed how to use it."""
    return STARTED_BY in environ


def ends_with_stdin(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the program that started this server holds the other end of its standard input."""
    return ENDS_WITH_STDIN in environ


def request_memory(environ: Mapping[str, str] = os.environ) -> int:
    """Bytes of memory that the requests of one process may take together."""
    return memory_limit.for_requests(read_count("WORKERS", _get(environ, "WORKERS") or "1"))


def set_server_defaults(environ: MutableMapping[str, str] = os.environ) -> None:
    """Give the server enough threads, unless THREADS is set.

    Functions Framework reads THREADS after it has imported the function, and its own default
    of 4 a core would let only 4 answers stream at once on a small instance.
    """
    environ["THREADS"] = _get(environ, "THREADS")


def ca_file(environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """The variable that names a file of CA certificates, and the file; as requests reads them."""
    return next(((name, environ[name]) for name in CA_VARIABLES if environ.get(name)), ("", ""))


def http_proxy(url: str, environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """The variable that names the HTTP proxy for a URL, and its value; as requests reads them."""
    address = urlsplit(url)
    no_proxy = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if proxy_bypass_environment(address.netloc, {"no": no_proxy}):
        return "", ""
    names = (f"{address.scheme}_proxy", "all_proxy")
    spelt = [each for name in names for each in (name, name.upper())]
    return next(((name, environ[name]) for name in spelt if environ.get(name)), ("", ""))


def runtime_api(environ: Mapping[str, str] = os.environ) -> str:
    """Address of AWS Lambda's Runtime API. Raises BadSetting where there is none."""
    name = "AWS_LAMBDA_RUNTIME_API"
    if not (address := _get(environ, name)):
        raise BadSetting(name, "only AWS Lambda sets it, and only there proxy.aws can be started")
    return address


def secret_arn(environ: Mapping[str, str] = os.environ) -> str:
    """The ARN of the secret on AWS, "" where the secrets are in the environment."""
    return _get(environ, "GEMINI_SECRET_ARN")


def set_secrets(
    secrets: Mapping[str, object], environ: MutableMapping[str, str] = os.environ
) -> None:
    """Put what a secret holds into the environment, where it is not already."""
    if not any(secrets.get(name) for name in SECRETS):
        raise BadSetting("GEMINI_SECRET_ARN", f"the secret holds none of {', '.join(SECRETS)}")
    for name in SECRETS:
        if value := _get(environ, name) or str(secrets.get(name) or ""):
            environ[name] = value


def _get(environ: Mapping[str, str], name: str) -> str:
    """A variable's value, its default where it is unset or empty."""
    return environ.get(name, "").strip() or DEFAULTS.get(name, "")


def _variable(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    """Its name, for an error, and its value."""
    return name, _get(environ, name)


def _api_keys(value: str) -> tuple[str, ...]:
    """One or several, each of them or all in quotes that a shell has left."""
    keys = read_list(spelling.unquote(value))
    return tuple(read_secret("GEMINI_API_KEY", spelling.unquote(key)) for key in keys)


def _team(environ: Mapping[str, str]) -> TeamSettings | None:
    """None where none of its variables is set that have people counted."""
    secrets = read_list(
        read_secret("PROXY_SECRET", spelling.unquote(_get(environ, "PROXY_SECRET")))
    )
    plans, store = _get(environ, "PROXY_PLANS"), _get(environ, "PROXY_STORE")
    if any(len(secret) < MIN_SECRET for secret in secrets):
        command = "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        raise BadSetting("PROXY_SECRET", f"less than {MIN_SECRET} characters; make one: {command}")
    down = read_choice(*_variable(environ, "PROXY_STORE_DOWN"), STORE_DOWN)
    meter = read_choice(*_variable(environ, "PROXY_CLIENT_BUDGET"), SWITCH)
    revoked = read_list(_get(environ, "PROXY_REVOKED"))
    oidc = oidc_settings.read(functools.partial(_get, environ))
    if oidc and not secrets:
        raise BadSetting(
            "PROXY_SECRET", f"is needed with {oidc_settings.ISSUER}: it signs sessions"
        )
    if not (secrets or plans or store):
        return None
    return TeamSettings(secrets, plans, store, down == "SERVE", meter == "ON", revoked, oidc)


def _accepts(environ: Mapping[str, str], *, is_vertex: bool) -> frozenset[str]:
    """By default access tokens where there are any, and else keys."""
    name, value = _variable(environ, "PROXY_AUTH")
    has_tokens = bool(_get(environ, "PROXY_TOKEN") or _get(environ, "PROXY_SECRET"))
    accepted = frozenset(read_list(value.upper()))
    if accepted - {TOKEN, KEY}:
        raise BadSetting(name, f"expected token, or key, or token,key, got {value!r}")
    if TOKEN in accepted and not has_tokens:
        raise BadSetting(name, "there are no access tokens without PROXY_SECRET or PROXY_TOKEN")
    if KEY in accepted and is_vertex:
        raise BadSetting(name, "Vertex AI takes no keys")
    return accepted or frozenset({TOKEN if has_tokens else KEY})


def _origins(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Set to nothing, or to "off": none."""
    name = "PROXY_ALLOW_ORIGINS"
    value = environ.get(name, DEFAULTS[name]).strip().lower()
    origins = tuple(each.rstrip("/") for each in read_list("" if value == OFF else value))
    for origin in origins:
        if origin != "*" and not ORIGIN.fullmatch(origin):
            problem = f"expected origins like {DEFAULTS[name]}, or '*', or 'off', got {origin!r}"
            raise BadSetting(name, problem)
    return origins


def _model(name: str, value: str) -> str:
    if problem := spelling.problem_of_model(value):
        raise BadSetting(name, f"{problem} (To have it asked for as it is: models/{value})")
    return value


def _model_settings(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: _model(name, value) for name in MODEL_VARIABLES if (value := _get(environ, name))}


def _fallbacks(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(_model("GEMINI_FALLBACK_MODELS", value) for value in values)


def _auto_mode_model(value: str) -> str | None:
    return None if value.lower() == OFF else _model("PROXY_AUTO_MODE_MODEL", value)

"""Settings: the only reader of the environment.

Knows every variable, its default and its form; `VARIABLES` is what README's table shows.
It refuses to know what a setting is used for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

MODEL_VARIABLES = (
    "ANTHROPIC_MODEL",
    "ANTHROPIC_DEFAULT_OPUS_MODEL",
    "ANTHROPIC_DEFAULT_SONNET_MODEL",
    "ANTHROPIC_DEFAULT_HAIKU_MODEL",
    "CLAUDE_CODE_SUBAGENT_MODEL",
)

DEFAULTS = {
    "GEMINI_ENDPOINT": "generativelanguage.googleapis.com",
    "PROXY_LISTEN_ADDR": "127.0.0.1:8080",
    "THREADS": "256",
}

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
    *MODEL_VARIABLES,
    "GEMINI_ENDPOINT",
    "GEMINI_SAFETY",
    "PROXY_LISTEN_ADDR",
    "PROXY_WORKERS",
    "THREADS",
)
"""Every variable the server reads."""

SECRETS = ("GEMINI_API_KEY", "PROXY_TOKEN")
"""What the secret of GEMINI_SECRET_ARN may hold, on AWS Lambda."""

MOST_DEFAULT_WORKERS = 4


class BadSetting(SystemExit):
    """A variable has a value that cannot be used; ends the program with a sentence."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")


@dataclass(frozen=True)
class Settings:
    """What the environment says, checked.

    endpoint: base URL of Gemini, without a trailing slash. overrides: variable -> model name,
    as far as set. safety: the threshold of all safety filters, None for Google's own.
    threads: requests served at once by one process.
    """

    endpoint: str
    api_key: str = field(repr=False)
    token: str = field(repr=False)
    overrides: Mapping[str, str]
    safety: str | None
    host: str
    port: int
    workers: int
    threads: int


def read(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process. Raises BadSetting, which ends the program."""
    host, port = _address("PROXY_LISTEN_ADDR", _get(environ, "PROXY_LISTEN_ADDR"))
    workers = _get(environ, "PROXY_WORKERS") or str(min(MOST_DEFAULT_WORKERS, os.cpu_count() or 1))
    return Settings(
        endpoint=_endpoint(_get(environ, "GEMINI_ENDPOINT")),
        api_key=_get(environ, "GEMINI_API_KEY"),
        token=_get(environ, "PROXY_TOKEN"),
        overrides={name: value for name in MODEL_VARIABLES if (value := _get(environ, name))},
        safety=_choice("GEMINI_SAFETY", _get(environ, "GEMINI_SAFETY"), THRESHOLDS),
        host=host,
        port=port,
        workers=_count("PROXY_WORKERS", workers),
        threads=_count("THREADS", _get(environ, "THREADS")),
    )


def set_server_defaults(environ: MutableMapping[str, str] = os.environ) -> None:
    """Give the server enough threads, unless told otherwise.

    Functions Framework reads THREADS after it has imported the function, and its own default
    of 4 a core would let only 4 answers stream at once on a small instance.
    """
    environ["THREADS"] = _get(environ, "THREADS")


def runtime_api(environ: Mapping[str, str] = os.environ) -> str:
    """Address of AWS Lambda's Runtime API. Raises BadSetting where there is none."""
    name = "AWS_LAMBDA_RUNTIME_API"
    if not (address := _get(environ, name)):
        raise BadSetting(name, "only AWS Lambda sets it, and only there proxy.aws can be started")
    return address


def secret_arn(environ: Mapping[str, str] = os.environ) -> str:
    """Where on AWS the secrets are, "" where they are in the environment."""
    return _get(environ, "GEMINI_SECRET_ARN")


def set_secrets(
    secrets: Mapping[str, object], environ: MutableMapping[str, str] = os.environ
) -> None:
    """Put what a secret holds into the environment, where it is not already."""
    if not any(secrets.get(name) for name in SECRETS):
        raise BadSetting("GEMINI_SECRET_ARN", f"the secret holds none of {', '.join(SECRETS)}")
    for name in SECRETS:
        environ[name] = _get(environ, name) or str(secrets.get(name) or "")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _get(environ: Mapping[str, str], name: str) -> str:
    """A variable's value, its default where it is unset or empty."""
    return environ.get(name, "").strip() or DEFAULTS.get(name, "")


def _choice(name: str, value: str, choices: tuple[str, ...]) -> str | None:
    chosen = value.upper()
    if chosen and chosen not in choices:
        raise BadSetting(name, f"expected one of {', '.join(choices)}, got {value!r}")
    return chosen or None


def _count(name: str, value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise BadSetting(name, f"expected a whole number above 0, got {value!r}")
    return int(value)


def _address(name: str, value: str) -> tuple[str, int]:
    """`host:port` or `[v6]:port`."""
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise BadSetting(name, f"expected host:port, got {value!r}")
    return host, int(port)


def _endpoint(value: str) -> str:
    """A host or a base URL -> a base URL; a bare host is spoken to over https."""
    name = "GEMINI_ENDPOINT"
    if "://" not in value:
        scheme = "http" if is_loopback(urlsplit(f"//{value}").hostname or "") else "https"
        value = f"{scheme}://{value}"
    url = urlsplit(value)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.username:
        raise BadSetting(name, "expected a host or a base URL like https://host/path")
    return f"{url.scheme}://{url.netloc}{url.path}".rstrip("/").removesuffix("/v1beta")

"""The doctor's checks of this machine, of the way to Gemini, and of Gemini with a person's key.

Each finds one thing; which of them go on where another has failed is said at the end.
"""

from __future__ import annotations

import email.utils
import functools
import json
import re
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from translate import ApiError, Cause, StreamTranslator, models, translate
from translate.models import CLASS_SETTINGS, Model

from .. import (
    auth,
    clock,
    config,
    endpoints,
    json_codec,
    listening,
    liveness,
    outbound,
    telemetry,
)
from ..auth import Key
from ..concurrency import MemoryBudget
from ..config import BadSetting, Settings
from ..connections import Timeouts
from ..gemini import Gemini
from ..liveness import SILENCE, Poller
from . import credentials, fixes, http_client
from .findings import Finding, Status, bad, bounded, good, unknown

SECONDS = 5.0
MODEL_SECONDS = 20.0
"""For a model, which may think before its first word."""

MAX_CLOCK_SECONDS = 300
"""Beyond that Google refuses what Google Cloud's credentials sign, and certificates may fail."""

OLDEST_PYTHON = (3, 11)

PROMPT = {"role": "user", "content": "Hi"}
GEMINI_PROMPT = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}

ACCEPTED = frozenset({Cause.MODEL, Cause.QUOTA, Cause.EXHAUSTED, Cause.OVERLOADED})
"""Causes of errors that only a good key meets."""

FREE_TIER = ("free_tier", "FreeTier", "limit: 0")
PAID_TIER = ("paid_tier", "PaidTier")
"""In Google's texts about a quota: whose it is (quotaMetric of a QuotaFailure, and the limit of a
model that the free tier does not have; seen until 2026-11-28)."""

NOT_REACHED = "the endpoint is not reached"


def check_python(version: tuple[int, ...]) -> Finding:
    shown = ".".join(map(str, version))
    if version >= OLDEST_PYTHON:
        return good("python", shown)
    detail = f"{shown} is too old: 3.11 or later is needed, https://www.python.org/downloads/"
    return bad("python", detail, fixes.PYTHON.get(sys.platform, fixes.DEBIAN_PYTHON))


def check_slips(environ: Mapping[str, str]) -> Finding:
    """Of settings that can be used, but are probably not what was meant."""
    slips = config.warnings(environ)
    if not slips:
        return good("settings", "read")
    names = [SLIP_NAME.split(slip)[0] for slip in slips]
    secrets = [name for name in names if name in config.SECRETS]
    unknown_names = [name for name in names if name not in secrets]
    fix = fixes.unset(unknown_names) if unknown_names else fixes.ask(secrets[0])
    return bad("settings", ". ".join(slips), fix)


def check_telemetry() -> Finding:
    """Where a collector is named."""
    if telemetry.is_installed():
        return good("telemetry", f"is sent to the collector of {telemetry.VARIABLE}")
    return bad("telemetry", telemetry.MISSING.partition(": ")[0], telemetry.INSTALL)


def check_port(settings: Settings) -> Finding:
    """A server of ours may listen there already."""
    address = f"{settings.host}:{settings.port}"
    try:
        listening.check_free(settings)
    except BadSetting as error:
        version = _own_version(settings)
        if version:
            return good("port", f"{address}: gemini-messages {version} listens there")
        return bad("port", str(error), "export PROXY_LISTEN_ADDR=127.0.0.1:8081")
    return good("port", f"{address} is free")


def _own_version(settings: Settings) -> str:
    """ "" where something else listens."""
    try:
        with http_client.request("GET", f"http://{settings.host}:{settings.port}/", 2) as response:
            health = json.loads(b"".join(http_client.reads(response)))
        return str(health["version"]) if health["api"] == "/v1/messages" else ""
    except (ApiError, ValueError, KeyError, TypeError):
        return ""


def check_name(url: str) -> Finding:
    """The host of a URL, or that of the HTTP proxy on the way to it."""
    address = urlsplit(url)
    host, port = address.hostname or "", address.port or 443
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not a name"
        return bad("name look-up", f"{host}: {reason}", fixes.look_up(host))
    return good("name look-up", f"{host} is {found[0][4][0]}")


def check_http_proxy(url: str, environ: Mapping[str, str]) -> Finding:
    name, value = config.http_proxy(url, environ)
    if not value or config.is_loopback(urlsplit(url).hostname or ""):
        return good("HTTP proxy", "none")
    outbound.check_proxy(name, value)
    return good("HTTP proxy", f"{outbound.show(value)} ({name})")


def check_certificates(environ: Mapping[str, str]) -> Finding:
    name, path = config.ca_file(environ)
    outbound.check_certificates(name, path)
    return good("certificates", f"{path} ({name})" if path else "those of certifi")


class GeminiChecks:
    """The checks that ask the endpoint; each counts on the earlier ones."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._settings, self._environ = settings, environ
        self._endpoint = endpoints.from_settings(settings)
        self._gemini = Gemini(
            self._endpoint,
            4,
            Timeouts(SECONDS, MODEL_SECONDS),
            MemoryBudget(config.request_memory(environ)),
        )
        self._date: str | None = None
        """The endpoint's, in its answer."""
        self.keys: list[Key] = []

    def way_url(self) -> str:
        """The first host on the way."""
        base_url = self._endpoint.base_url
        _, http_proxy = config.http_proxy(base_url, self._environ)
        if not http_proxy or config.is_loopback(urlsplit(base_url).hostname or ""):
            return base_url
        return http_proxy if "://" in http_proxy else f"http://{http_proxy}"

    def reach(self) -> Finding:
        """Any answer will do; Google's own is a 404."""
        url, started = self._endpoint.base_url, time.monotonic()
        with http_client.request("GET", f"{url}/", SECONDS) as response:
            self._date = response.headers.get("date")
        milliseconds = 1000 * (time.monotonic() - started)
        return good("endpoint", f"{url} answers in {milliseconds:.0f} ms")

    def check_clock(self, now: float) -> Finding:
        """now: seconds since the epoch. Behind `reach`."""
        date = email.utils.parsedate_tz(self._date or "")
        if date is None:
            return unknown("clock", f"{NOT_REACHED}, so there is no time to compare")
        ahead = now - email.utils.mktime_tz(date)
        if abs(ahead) <= MAX_CLOCK_SECONDS:
            return good("clock", "agrees with the endpoint's")
        side = "ahead of" if ahead > 0 else "behind"
        detail = f"{abs(ahead) / 60:.0f} minutes {side} the endpoint's"
        return bad("clock", detail, fixes.CLOCK.get(sys.platform, fixes.NTP_CLOCK))

    def check_key(self) -> Finding:
        """One countTokens for each key."""
        self.keys = _find_keys(self._settings, self._environ)
        if not self.keys:
            detail = f"none found; a free one: {fixes.KEY_PAGE}"
            return bad("key", detail, fixes.ask("GEMINI_API_KEY"))
        model = self._resolve("opus").name
        for number, key in enumerate(self.keys, 1):
            try:
                request = self._gemini.count_tokens(model, GEMINI_PROMPT, key, Poller())
                liveness.run(request)
            except ApiError as error:
                if error.cause in ACCEPTED:
                    continue
                if len(self.keys) > 1:
                    error.message = f"key {number} of {len(self.keys)}: {error.message}"
                raise
        return good("key", "accepted" if len(self.keys) == 1 else "all accepted")

    def check_tier(self) -> Finding:
        """Ask one token of the cheapest model that the free tier does not have."""
        if self._settings.is_vertex:
            return good("tier", "paid: Vertex AI bills the project")
        name = paid_model(clock.today()).name
        body = {**GEMINI_PROMPT, "generationConfig": {"maxOutputTokens": 1}}
        stream = self._gemini.stream(name, json_codec.dumps(body), self.keys[0], Poller())
        try:
            next(iter(stream), None)
        except ApiError as error:
            if any(text in error.message for text in FREE_TIER):
                return good("tier", f"free: {name} is not part of it")
            if any(text in error.message for text in PAID_TIER):
                return good("tier", "paid (its quota is used up at the moment)")
            return unknown("tier", f"unknown: {name} was asked, and {error.message}")
        finally:
            stream.close()
        return good("tier", f"paid: {name} answers, too")

    def models(self) -> Mapping[str, str]:
        """Those that a session meets: name -> the setting that names another."""
        used: dict[str, str] = {}
        for model_class, setting in CLASS_SETTINGS.items():
            used.setdefault(self._resolve(model_class).name, setting)
        configured = {
            "CLAUDE_CODE_SUBAGENT_MODEL": self._settings.model_settings.get(
                "CLAUDE_CODE_SUBAGENT_MODEL", ""
            ),
            "PROXY_AUTO_MODE_MODEL": self._settings.auto_mode_model or "",
        }
        for setting, name in configured.items():
            if name:
                used.setdefault(self._resolve("sonnet", name).name, setting)
        for name in self._settings.fallbacks:
            used.setdefault(self._resolve("sonnet", name).name, "GEMINI_FALLBACK_MODELS")
        return used

    def check_model(self, name: str, setting: str) -> Finding:
        """One token, streamed. setting: names another model."""
        body = {"model": name, "max_tokens": 1, "stream": True, "messages": [PROMPT]}
        platform, today = self._gemini.platform, clock.today()
        # As Claude Code's own: without a word of thinking, it is for the least of it.
        translation = translate(body, {}, platform=platform, today=today, is_claude_code=True)
        translator = StreamTranslator(translation, message_id="msg_doctor", model=name)
        request, started = json_codec.dumps(translation.request), time.monotonic()
        stream = self._gemini.stream(name, request, self.keys[0], Poller())
        try:
            for chunks in stream:
                for chunk in chunks if chunks is not SILENCE else ():
                    translator.feed(chunk)
                if translator.is_cut:
                    break
        except ApiError as error:
            fix = f"export {setting}={other_model(name)}"
            is_models = error.cause in ACCEPTED | {Cause.BILLING}
            other = fixes.OF_CAUSES.get(error.cause, fixes.AGAIN)
            return bad(name, error.message, fix if is_models else other)
        finally:
            stream.close()
        if shortfall := translator.shortfall_error:
            return bad(name, shortfall.message, f"export {setting}={other_model(name)}")
        return good(name, f"answers in {time.monotonic() - started:.1f} s")

    def _resolve(self, model_class: str, requested: str = "") -> Model:
        return models.resolve(
            requested or f"claude-{model_class}",
            self._settings.model_settings,
            platform=self._gemini.platform,
            today=clock.today(),
        )


def check_gemini(settings: Settings, environ: Mapping[str, str], now: float) -> Iterator[Finding]:
    """All of the way to Gemini, and what is there. now: seconds since the epoch."""
    checks = GeminiChecks(settings, environ)
    url = endpoints.from_settings(settings).base_url
    yield bounded("name look-up", SECONDS, lambda: check_name(checks.way_url()))
    yield bounded("HTTP proxy", SECONDS, lambda: check_http_proxy(url, environ))
    yield bounded("certificates", SECONDS, lambda: check_certificates(environ))
    reached = bounded("endpoint", SECONDS, checks.reach, fixes.fetch(f"{url}/"))
    yield checks.check_clock(now)
    yield reached
    login = fixes.GOOGLE_LOGIN if settings.is_vertex else ""
    yield from _check_answers(checks, login, is_reached=reached.status is Status.GOOD)


def _check_answers(checks: GeminiChecks, key_fix: str, *, is_reached: bool) -> Iterator[Finding]:
    """Key, tier and models; each as far as it makes sense. key_fix: "" where the cause has one."""
    used = checks.models()
    reason = "" if is_reached else NOT_REACHED
    if not reason:
        key = bounded("key", SECONDS, checks.check_key, key_fix)
        reason = "" if key.status is Status.GOOD else "there is no key that Google takes"
        yield key
    else:
        yield unknown("key", reason)
    if reason:
        yield from (unknown(name, reason) for name in ("tier", *used))
        return
    yield bounded("tier", MODEL_SECONDS, checks.check_tier)
    for name, setting in used.items():
        yield bounded(name, MODEL_SECONDS, functools.partial(checks.check_model, name, setting))


SLIP_NAME = re.compile(r"\W")
"""What ends the variable with which a sentence about it begins."""


def _find_keys(settings: Settings, environ: Mapping[str, str]) -> list[Key]:
    """The server's, else the launcher's, else the one that Claude Code would bring.

    A token that does not look like Google's may be somebody else's: it is not sent to Google.
    """
    if settings.is_vertex:
        return [Key("", "")]
    bearer = environ.get("ANTHROPIC_AUTH_TOKEN", "").strip()
    others = [
        credentials.find_key(environ),
        bearer if bearer.startswith(auth.LIKELY_GOOGLE) else "",
    ]
    values = settings.api_keys or [each for each in others if each][:1]
    return [Key(value, "") for value in values]


def paid_model(today: str) -> Model:
    """The cheapest one that only who pays may use, and that stays."""
    paid = [each for each in models.TABLE.values() if not each.is_free and not each.retires]
    return min(paid, key=lambda model: models.cost(model, today, models.Tokens(1, 0, 1)))


def other_model(name: str) -> str:
    """A free one to use instead."""
    free = (each.name for each in models.TABLE.values() if each.is_free and not each.retires)
    return next(each for each in free if each != name)

"""The doctor's checks of a server of ours, wherever it is hosted, as its clients meet it.

It costs two short answers of the cheapest class.
"""

from __future__ import annotations

import contextlib
import functools
import json
import shlex
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from translate import ApiError
from translate.models import CLASS_NAMES

from .. import __version__
from . import fixes, http_client
from .checks import MODEL_SECONDS, SECONDS, check_name
from .findings import Finding, Status, bad, bounded, good, unknown

MODEL = CLASS_NAMES["haiku"]
LONG_PROMPT = "Count from 1 to 60 in words, separated by commas."
MAX_TOKENS = 200

MIN_DELTAS = 3
MIN_SPREAD_SECONDS = 0.02
"""So many pieces, which Gemini sends one after the other, do not come within less."""

NO_ANSWER = "the server does not answer"
IN_LOG = "; the server's log has a line for this request"
BUFFERED = "something in front of the server buffers (nginx: proxy_buffering off)"
UNAUTHORIZED = (401, 403)


class ServerChecks:
    """url: the base URL. token: what a client presents; "" for none."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        self._headers = {"anthropic-version": "2023-06-01", "content-type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self.ask_again = f"python -m proxy doctor --token-stdin --url {shlex.quote(self.url)}"
        """With another token, which is typed."""
        self.see_log = fixes.see_log(urlsplit(self.url).hostname or "", f"{self.url}/")
        self.version = ""
        self.latencies: dict[str, float] = {}
        """What was waited for -> seconds."""

    def check_encryption(self) -> Finding:
        if warning := http_client.warn_of_clear_text(self.url):
            return unknown("encryption", warning)
        return good("encryption", "https, or none is needed on this machine")

    def check_health(self) -> Finding:
        started = time.monotonic()
        health = self._ask("GET", "/")
        self.latencies["health takes"] = time.monotonic() - started
        if health.get("api") != "/v1/messages":
            return bad(
                "health", "something answers, but not this proxy", fixes.fetch(f"{self.url}/")
            )
        self.version = str(health.get("version"))
        return good("health", str(health.get("status")))

    def check_version(self) -> Finding:
        if self.version == __version__:
            return good("version", self.version)
        return unknown("version", f"{self.version}; this one is {__version__}: deploy it anew")

    def check_models(self) -> Finding:
        listed = self._ask("GET", "/v1/models").get("data")
        if not isinstance(listed, list) or not listed:
            return bad("models", "the list is empty", fixes.fetch(f"{self.url}/v1/models"))
        return good("models", f"{len(listed)} are listed")

    def check_message(self) -> Finding:
        """One token."""
        started = time.monotonic()
        message = self._ask("POST", "/v1/messages", _body("Hi", 1))
        self.latencies["a message takes"] = time.monotonic() - started
        if message.get("type") != "message":
            return bad("message", f"the answer is no message{IN_LOG}", self.see_log)
        return good("message", f"{message.get('model')} answers")

    def check_streaming(self) -> Finding:
        """Whether events arrive before the end."""
        body, started = _body(LONG_PROMPT, MAX_TOKENS, stream=True), time.monotonic()
        with self._request("POST", "/v1/messages", body) as response:
            times, received = [], b""
            for piece in http_client.reads(response):
                times.append(time.monotonic())
                received += piece
        if not times or b"event: message_stop" not in received:
            return bad("streaming", f"the stream has no end{IN_LOG}", self.see_log)
        self.latencies["a stream begins after"] = times[0] - started
        deltas, spread = received.count(b"event: content_block_delta"), times[-1] - times[0]
        if spread >= MIN_SPREAD_SECONDS:
            return good("streaming", f"{deltas} pieces within {spread:.2f} s, as they come")
        if deltas < MIN_DELTAS:
            return unknown("streaming", "the answer was too short to tell")
        detail = f"all {deltas} pieces come at once, at the end: {BUFFERED}"
        return bad("streaming", detail, fixes.fetch(f"{self.url}/"))

    def check_latency(self) -> Finding:
        shown = [f"{what} {1000 * each:.0f} ms" for what, each in self.latencies.items()]
        return good("latency", ", ".join(shown)) if shown else unknown("latency", NO_ANSWER)

    def run(self, name: str, check: Callable[[], Finding]) -> Finding:
        """A check that needs a token."""
        try:
            return check()
        except ApiError as error:
            if error.status in UNAUTHORIZED:
                return bad(name, error.message, self.ask_again)
            raise

    def _ask(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        """The JSON object of an answer. Raises ApiError with the sentence of one that is none."""
        with self._request(method, path, body) as response:
            return _decode(response)

    @contextlib.contextmanager
    def _request(
        self, method: str, path: str, body: bytes | None = None
    ) -> Iterator[http_client.Response]:
        """The response of a request that was accepted. Raises ApiError."""
        url = f"{self.url}{path}"
        with http_client.request(method, url, MODEL_SECONDS, self._headers, body) as response:
            if response.status_code != http_client.OK:
                raise ApiError(response.status_code, _refusal(response))
            yield response


def check_server(url: str, token: str) -> Iterator[Finding]:
    """All of a server; without a token no more than what anybody may see."""
    checks = ServerChecks(url, token)
    yield bounded("name look-up", SECONDS, lambda: check_name(checks.url))
    yield checks.check_encryption()
    health = bounded("health", SECONDS, checks.check_health, fixes.fetch(f"{checks.url}/"))
    yield health
    reason = "" if health.status is Status.GOOD else NO_ANSWER
    if not reason:
        yield checks.check_version()
        reason = "" if token else "there is no token"
    later = {
        "models": checks.check_models,
        "message": checks.check_message,
        "streaming": checks.check_streaming,
    }
    for name, check in later.items():
        if reason:
            yield unknown(name, reason, "" if token else checks.ask_again)
        else:
            authorized = functools.partial(checks.run, name, check)
            yield bounded(name, MODEL_SECONDS, authorized, checks.see_log)
    yield checks.check_latency()


def _body(prompt: str, max_tokens: int, *, stream: bool = False) -> bytes:
    messages = [{"role": "user", "content": prompt}]
    body = {"model": MODEL, "max_tokens": max_tokens, "stream": stream, "messages": messages}
    return json.dumps(body).encode()


def _decode(response: http_client.Response) -> dict[str, Any]:
    """An answer's JSON object; empty for anything else."""
    try:
        value = json.loads(b"".join(http_client.reads(response)))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _refusal(response: http_client.Response) -> str:
    """The status, and the sentence of an error of ours."""
    error = _decode(response).get("error")
    message = error.get("message", "") if isinstance(error, dict) else ""
    return f"{response.status_code} {message}".strip()

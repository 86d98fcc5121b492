"""proxy/cli/server_checks.py and http_client.py: a hosted server, and what may be in its place."""

from __future__ import annotations

import getpass
import io
import json
import ssl
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import requests
from urllib3.exceptions import MaxRetryError, ProxyError, ReadTimeoutError, SSLError

from proxy import __version__
from proxy.cli import doctor, http_client, main, server_checks
from proxy.cli.findings import Finding, Status
from tests import servers
from tests.crosses import crosses
from tests.servers import Emulator
from translate import ApiError

__all__ = ["crosses"]

SLOW = {
    "repeat": True,
    "chunks": [{"text": "one, "}, {"delay": 0.05}, {"text": "two, "}, {"text": "three"}],
}
QUICK = {"repeat": True, "chunks": [{"text": "one, "}, {"text": "two, "}, {"text": "three"}]}
SHORT = {"repeat": True, "chunks": [{"text": "one"}]}


def examine(url: str, token: str = "") -> dict[str, Finding]:
    return {each.name: each for each in server_checks.check_server(url, token)}


Serve = Callable[[bytes], str]


@pytest.fixture
def serve(request: pytest.FixtureRequest) -> Serve:
    """Start a server that answers everything with one body; returns its URL."""

    def start(body: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        request.addfinalizer(server.server_close)
        request.addfinalizer(server.shutdown)
        return f"http://127.0.0.1:{server.server_address[1]}"

    return start


def test_healthy_server_has_no_cross(proxy: str, emulator: Emulator, key: str) -> None:
    emulator.script(key, SLOW)
    found = examine(f"{proxy}/v1/", key)
    assert list(found) == [
        *("name look-up", "encryption", "health", "version"),
        *("models", "message", "streaming", "latency"),
    ]
    assert {each.status for each in found.values()} == {Status.GOOD}
    assert found["version"].detail == __version__
    assert found["streaming"].detail.endswith("as they come")
    assert found["latency"].detail.count(" ms") == 3


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("http://team-server:8080", Status.UNKNOWN),
        ("https://host", Status.GOOD),
        ("http://localhost:8080/v1", Status.GOOD),
    ],
)
def test_token_in_clear_text_is_noticed(url: str, status: Status) -> None:
    """No cross: a server in one's own network may have no certificate."""
    found = server_checks.ServerChecks(url, "gmp_secret").check_encryption()
    assert found.status is status
    assert "gmp_secret" not in found.detail


def test_command_checks_a_server(
    proxy: str, emulator: Emulator, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    emulator.script(key, SLOW)
    environ = {"ANTHROPIC_BASE_URL": f"{proxy}/", "ANTHROPIC_AUTH_TOKEN": key}
    assert main.main(["doctor", "--url", proxy, "--json"], environ, lambda: None) == 0
    text = capsys.readouterr().out
    assert json.loads(text)["ok"] is True
    assert key not in text


def test_token_is_not_shown_to_another_server(
    proxy: str, emulator: Emulator, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"ANTHROPIC_BASE_URL": "http://other.example", "ANTHROPIC_AUTH_TOKEN": key}
    assert main.main(["doctor", "--url", proxy], environ, lambda: None) == 0
    assert "– message                there is no token\n" in capsys.readouterr().out
    assert emulator.journal(key) == []


@pytest.mark.parametrize("is_typed", [True, False])
def test_token_is_typed_or_read(
    proxy: str,
    emulator: Emulator,
    key: str,
    is_typed: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Not an argument: `ps` would show it."""
    emulator.script(key, SLOW)
    lines = io.StringIO("" if is_typed else f"{key}\n")
    monkeypatch.setattr(lines, "isatty", lambda: is_typed)
    monkeypatch.setattr(sys, "stdin", lines)
    monkeypatch.setattr(getpass, "getpass", lambda prompt: f" {key}" if "Access" in prompt else "")
    more = [] if is_typed else ["--token-stdin"]
    assert main.main(["doctor", "--url", proxy, *more], {}, lambda: None) == 0
    assert "answers" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main.main(["doctor", "--url", proxy, "--token", "secret"], {}, lambda: None)


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://x", "http://", "", "http://me:s3cret@x", "http://[s3cret", "http://::1"),
        *("http://x:s3cret", "http://x:99999", "http://x:0", "http://x y", "http://%zz"),
        *("http://é..x", f"http://{'a' * 64}.example", "http://x?a=s3cret", "http://x#a"),
    ],
)
def test_bad_url_is_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main.main(["doctor", "--url", url], {}, lambda: None)
    error = capsys.readouterr().err
    assert "--url: expected a base URL" in error
    assert "s3cret" not in error


@pytest.mark.parametrize("url", ["http://[::1]:8080", "https://é.example/base", "host_1:8080"])
def test_url_is_read(url: str) -> None:
    assert doctor.read_url(url).removeprefix("https://") == url.removeprefix("https://")


def test_refused_token_is_a_cross(proxy: str) -> None:
    found = examine(proxy, "bad-s3cret")
    assert found["models"].status is Status.GOOD
    assert found["message"].detail.startswith("401 Google refused the API key")
    assert found["streaming"].status is Status.BAD
    assert found["message"].fix == f"python -m proxy doctor --token-stdin --url {proxy}"


def test_all_at_once_is_a_cross(
    proxy: str, emulator: Emulator, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_checks, "MIN_SPREAD_SECONDS", 60)
    found = stream(proxy, emulator, key, QUICK)
    assert (found.status, found.fix) == (Status.BAD, f"curl -v {proxy}/")


def test_short_answer_does_not_tell(
    proxy: str, emulator: Emulator, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_checks, "MIN_SPREAD_SECONDS", 60)
    assert stream(proxy, emulator, key, SHORT).status is Status.UNKNOWN


def stream(proxy: str, emulator: Emulator, key: str, reply: Any) -> Finding:
    emulator.script(key, reply)
    return server_checks.ServerChecks(proxy, key).check_streaming()


def test_server_that_is_none_is_a_cross() -> None:
    found = examine(f"http://127.0.0.1:{servers.free_port()}", "token")
    assert found["health"].detail.endswith("could not be reached: connection refused.")
    for name in ("models", "message", "streaming", "latency"):
        assert found[name].status is Status.UNKNOWN


def test_failure_of_the_server_stands_in_its_log(proxy: str, emulator: Emulator, key: str) -> None:
    odd = {"code": 400, "status": "INVALID_ARGUMENT", "message": "Odd."}
    emulator.script(key, {"status": odd, "repeat": True})
    found = examine(proxy, key)["message"]
    assert (found.status, found.fix) == (Status.BAD, f"curl -v {proxy}/")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}"])
def test_other_server_is_a_cross(body: bytes, serve: Serve) -> None:
    checked = server_checks.ServerChecks(serve(body), "token")
    assert checked.check_health().detail == "something answers, but not this proxy"
    assert checked.check_models().detail == "the list is empty"
    assert checked.check_message().detail == f"the answer is no message{server_checks.IN_LOG}"
    assert checked.check_streaming().detail == f"the stream has no end{server_checks.IN_LOG}"


def test_other_version_is_said(serve: Serve) -> None:
    checked = server_checks.ServerChecks(
        serve(b'{"status": "ok", "api": "/v1/messages", "version": "0.0.1"}'), ""
    )
    assert checked.check_health().status is Status.GOOD
    assert checked.check_version().detail == f"0.0.1; this one is {__version__}: deploy it anew"


def test_long_answer_is_not_read_to_its_end(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "MAX_BYTES", 10)
    body = b"x" * 2_000_000
    with http_client.request("GET", serve(body), 5) as response:
        assert sum(map(len, http_client.reads(response))) < len(body)


LATE = ReadTimeoutError(None, "/", "late")  # type: ignore[arg-type]
TUNNEL = OSError("Tunnel connection failed: 407 Proxy Authentication Required")
UNTRUSTED = ssl.SSLCertVerificationError(1, "certificate verify failed")
UNTRUSTED.verify_code, UNTRUSTED.verify_message = 18, "self-signed certificate"


def retried(reason: Exception) -> MaxRetryError:
    return MaxRetryError(None, "/", reason)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "http_proxy", "sentence"),
    [
        (requests.exceptions.SSLError(retried(SSLError(UNTRUSTED))), "",
            "h could not be reached: certificate verify failed (self-signed certificate)."),
        (requests.exceptions.ProxyError(retried(ProxyError("s3cret", TUNNEL))),
            "http://me:s3cret@p:1",
            "h through the proxy http://p:1 could not be reached: the HTTP proxy wants a user and "
            "a password (407)."),
        (requests.exceptions.ReadTimeout(LATE), "", "h could not be reached: no answer in time."),
        (requests.exceptions.InvalidURL("s3cret"), "", "h could not be reached: InvalidURL."),
    ],
)  # fmt: skip
def test_failed_connection_is_a_sentence(
    error: Exception, http_proxy: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the server's own reasons."""

    def fail(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setenv("https_proxy", http_proxy)
    monkeypatch.setattr(requests.Session, "request", fail)
    with (
        pytest.raises(ApiError) as caught,
        http_client.request("GET", "https://me:s3cret@h/", 5),
    ):
        pass
    assert caught.value.message == sentence

"""`python -m proxy`: the banner, and the server behind it."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from typing import Any

import pytest

from proxy import __main__ as cli
from proxy import __version__, config, reachability
from proxy.banner import banner, short_form
from proxy.config import read
from proxy.program import NO_PACKAGES, as_typed
from tests import servers
from tests.servers import Emulator

HYDROGENS = "(free tier, or $1.5 in, $7.5 out per million tokens)"


def test_the_banner_of_a_plain_start() -> None:
    assert banner(read({"PROXY_WORKERS": "2"})).splitlines() == [
        f"Messages API on Gemini, version {__version__}",
        "  listen    http://127.0.0.1:8080",
        "  workers   2 x 256 threads",
        "  endpoint  https://generativelanguage.googleapis.com",
        "  key       each caller's own (ANTHROPIC_AUTH_TOKEN)",
        f"  opus      -> gemini-4-hydrogen {HYDROGENS}",
        f"  sonnet    -> gemini-4-hydrogen {HYDROGENS}",
        "  haiku     -> gemini-3.5-flash-lite (free tier, or $0.3 in, $2.5 out per million tokens)",
        "  auto mode off; PROXY_AUTO_MODE_MODEL=gemini-3.8-flash has it judge tool calls "
        "(about $0.003 a turn, or your free tier)",
        "  log       a line of JSON for each request, on standard output",
        "",
        'In another terminal (PowerShell: $env:NAME = "value"), or by the page at that address:',
        "  export ANTHROPIC_BASE_URL=http://127.0.0.1:8080",
        "  export ANTHROPIC_AUTH_TOKEN=your-gemini-key",
        "  claude",
        as_typed("If it does not work: python -m proxy doctor"),
    ]


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({"PROXY_LOG_FORMAT": "text"}, "  log       a line of text for each request"),
        ({"PROXY_LOG_FORMAT": "json"}, "  log       a line of JSON for each request"),
        ({"PROXY_LISTEN_ADDR": "0.0.0.0:80"}, "ANTHROPIC_BASE_URL=http://127.0.0.1:80"),
        ({"GEMINI_BACKEND": "vertex"}, "  key       none: Vertex AI is asked with this server's"),
        ({"PROXY_TOKEN": "s3cret"}, "ANTHROPIC_AUTH_TOKEN=the-value-of-PROXY_TOKEN"),
        ({"PROXY_TOKEN": "s3cret"}, "  key       none: set GEMINI_API_KEY, or holders of tokens"),
        ({"GEMINI_API_KEY": "s3cret"}, "ANTHROPIC_AUTH_TOKEN=anything"),
        ({"ANTHROPIC_MODEL": "gemini-9.1-pro"}, "  opus      -> gemini-9.1-pro\n"),
        (
            {"PROXY_AUTO_MODE_MODEL": "gemini-4-neon"},
            "  auto mode gemini-4-neon judges tool calls (about $0.01 a turn); "
            "PROXY_AUTO_MODE_MODEL=off switches it off",
        ),
    ],
)
def test_banner_says_what_is_set_and_how_to_use_it(environ: dict[str, str], line: str) -> None:
    assert line in banner(read(environ))


def test_banner_keeps_claude_code_from_the_http_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert "NO_PROXY" not in banner(read({}))
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    assert "  export NO_PROXY=127.0.0.1\n" in banner(read({}))


def test_banner_of_an_installed_program_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/gemini-messages"])
    assert banner(read({})).endswith("\nIf it does not work: gemini-messages doctor")


def test_the_banner_shows_overrides_but_no_secrets() -> None:
    shown = banner(
        read(
            {
                "GEMINI_API_KEY": "s3cret",
                "PROXY_TOKEN": "s3cret",
                "ANTHROPIC_MODEL": "gemini-4-neon",
                "CLAUDE_CODE_SUBAGENT_MODEL": "gemini-3.8-flash",
                "GEMINI_FALLBACK_MODELS": "gemini-3.8-flash, gemini-3.6-flash",
            }
        )
    )
    assert "  key       GEMINI_API_KEY, for holders of PROXY_TOKEN\n" in shown
    assert [line.partition(" (")[0] for line in shown.splitlines()[7:10]] == [
        "  haiku     -> gemini-4-neon",
        "  else      -> gemini-3.8-flash, gemini-3.6-flash",
        "  subagents -> gemini-3.8-flash",
    ]
    assert "s3cret" not in shown
    assert "for this machine" in banner(read({"GEMINI_API_KEY": "s3cret"}))


def test_the_process_becomes_the_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[Any] = []
    port = servers.free_port()
    monkeypatch.setenv("PROXY_LISTEN_ADDR", f"127.0.0.1:{port}")
    monkeypatch.setenv("GEMINI_ENDPOINT", f"http://127.0.0.1:{servers.free_port()}")
    monkeypatch.setenv("PROXY_WORKERS", "3")
    monkeypatch.setenv(config.STARTED_BY, "")  # so that it is gone after the test
    monkeypatch.setenv("WORKERS", "1")
    monkeypatch.setattr(os, "execv", lambda *arguments: started.append(arguments))
    cli.main([])
    shown = capsys.readouterr().out
    assert shown.startswith(f"Messages API on Gemini, version {__version__}\n")
    assert "(NOT REACHED: connection refused. Correct GEMINI_ENDPOINT on the server.)\n" in shown
    assert os.environ[config.STARTED_BY] == "python -m proxy"
    ((_, command),) = started
    assert command[1:4] == ["-m", "functions_framework", "--target=messages"]
    assert command[5:] == ["--host=127.0.0.1", f"--port={port}"]
    assert os.environ["WORKERS"] == "3"


def test_windows_keeps_the_process_that_others_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXY_LISTEN_ADDR", f"127.0.0.1:{servers.free_port()}")
    monkeypatch.setenv("WORKERS", "1")
    monkeypatch.setenv(config.STARTED_BY, "")
    monkeypatch.setattr(cli, "IS_WINDOWS", True)
    monkeypatch.setattr(os, "execv", None)
    monkeypatch.setattr(subprocess, "call", lambda command: len(command))
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit) as caught:
            cli.serve(is_quiet=True)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert caught.value.code == 7


def test_quiet_start_prints_and_asks_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the launcher's: nobody reads it, and a session waits."""
    monkeypatch.setenv("PROXY_LISTEN_ADDR", f"127.0.0.1:{servers.free_port()}")
    monkeypatch.setenv("WORKERS", "1")
    monkeypatch.setenv(config.STARTED_BY, "")
    monkeypatch.setattr(os, "execv", lambda *_: None)
    monkeypatch.setattr(reachability, "look", None)
    with pytest.raises(SystemExit) as caught:
        cli.main(["serve", "--quiet"])
    assert (caught.value.code, capsys.readouterr().out) == (0, "")


def test_banner_says_whether_the_endpoint_answers() -> None:
    assert ".googleapis.com (reachable)\n" in banner(read({}), "reachable")


def test_banner_shows_the_form_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.banner.ASSIGNMENT", '  $env:{} = "{}"')
    assert '  $env:ANTHROPIC_BASE_URL = "http://127.0.0.1:8080"\n' in banner(read({}))


def test_banner_in_short_has_the_frameworks_address() -> None:
    shown = short_form(read({}), "0.0.0.0", 9000).splitlines()
    assert shown[0] == f"Messages API on Gemini, version {__version__}"
    assert "  export ANTHROPIC_BASE_URL=http://127.0.0.1:9000" in shown
    assert len(shown) <= 8


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_taken_address_is_said(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as taken:
        taken.bind((host.strip("[]"), 0))
        taken.listen()
        address = f"{host}:{taken.getsockname()[1]}"
        monkeypatch.setenv("PROXY_LISTEN_ADDR", address)
        with pytest.raises(SystemExit) as caught:
            cli.main([])
    assert str(caught.value).startswith(f"PROXY_LISTEN_ADDR: {address} cannot be used: ")


def test_banner_shows_the_http_proxy_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://user:s3cret@proxy.example:3128")
    assert "  through   http://proxy.example:3128\n" in banner(read({}))
    monkeypatch.setenv("NO_PROXY", ".googleapis.com")
    assert "  through" not in banner(read({}))


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (
            OSError(errno.EADDRINUSE, "x"),
            "another program has it. Stop that, or choose another port",
        ),
        (OSError(errno.EACCES, "x"), "Choose a port above 1023"),
        (OSError(errno.EADDRNOTAVAIL, "x"), "Choose 127.0.0.1, or 0.0.0.0 for all"),
        (socket.gaierror("Name or service not known"), "Name or service not known"),
    ],
)
def test_address_that_cannot_be_used_is_said_with_advice(
    error: OSError, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bind(*_: object) -> None:
        raise error

    monkeypatch.setattr(socket.socket, "bind", bind)
    monkeypatch.setenv("PROXY_LISTEN_ADDR", "192.0.2.1:80")
    with pytest.raises(SystemExit) as caught:
        cli.main([])
    message = str(caught.value)
    assert message.startswith("PROXY_LISTEN_ADDR: 192.0.2.1:80 cannot be used: ")
    assert message.endswith(advice)


def test_server_gets_nothing_that_others_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    """DEBUG=app:* stops the framework, and DEBUG=1 has it serve a console for Python."""
    port = servers.free_port()
    monkeypatch.setenv("PROXY_LISTEN_ADDR", f"127.0.0.1:{port}")
    for name in config.FRAMEWORK_VARIABLES:
        monkeypatch.setenv(name, "app:*")
    monkeypatch.setenv("WORKERS", "1")
    monkeypatch.setenv(config.STARTED_BY, "")  # both are gone after the test
    monkeypatch.setattr(os, "execv", lambda *_: None)
    monkeypatch.setattr(reachability, "look", lambda _: "")
    cli.main([])
    assert not set(config.FRAMEWORK_VARIABLES) & set(os.environ)


def test_it_serves(emulator: Emulator) -> None:
    port = servers.free_port()
    environ = {
        "GEMINI_ENDPOINT": emulator.url,
        "PROXY_LISTEN_ADDR": f"127.0.0.1:{port}",
        "DEBUG": "app:*",
    }
    url = f"http://127.0.0.1:{port}"
    command = [servers.FRAMEWORK[0], "-m", "proxy"]
    with servers.running(command, environ, url):
        assert servers.LOCAL.get(url, timeout=5).json()["status"] == "ok"


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert (caught.value.code, capsys.readouterr().out) == (0, f"gemini-messages {__version__}\n")


def test_start_without_the_packages_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "proxy.banner", None)
    with pytest.raises(SystemExit) as end:
        cli.main([])
    assert str(end.value).startswith("import of proxy.banner halted")
    assert str(end.value).endswith(NO_PACKAGES.removeprefix("{error}"))

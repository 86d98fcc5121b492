"""proxy/server.py, and the start: what gunicorn is told, and what ends the start."""

from __future__ import annotations

import ast
import os
import platform
import runpy
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import gunicorn
import pytest
from gunicorn.config import Config, GracefulTimeout, WhenReady, WorkerClass

from proxy import config, server
from tests import servers


@pytest.fixture(autouse=True)
def default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WorkerClass, "default", "sync")
    monkeypatch.setattr(GracefulTimeout, "default", 30)
    monkeypatch.setattr(WhenReady, "default", WhenReady.__dict__["default"])


def test_the_frameworks_command_gets_our_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, server.COMMAND, sys)
    server.use_worker(8)
    assert Config().worker_class.__module__ == "proxy.buffering_worker"
    assert Config().graceful_timeout == 10
    assert Config().when_ready is server.end_on_hangup


def test_another_gunicorn_is_used_as_far_as_it_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, server.COMMAND, sys)
    monkeypatch.setattr(gunicorn, "version_info", (28, 0, 0))
    server.use_worker(8.5)
    assert Config().worker_class.__module__ == "proxy.worker"
    assert Config().graceful_timeout == 11
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"gemini-messages: gunicorn {gunicorn.__version__} is not the one that ")


def test_master_survives_its_terminal_where_that_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, server.COMMAND, sys)
    monkeypatch.setattr(signal, "getsignal", lambda _: signal.SIG_IGN)
    server.use_worker(8)
    handlers: dict[int, Any] = {}
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    Config().when_ready(None)
    assert handlers == {signal.SIGHUP: signal.SIG_IGN}


def test_master_ends_with_its_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: dict[int, Any] = {}
    raised: list[int] = []
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    monkeypatch.setattr(signal, "raise_signal", raised.append)
    server.end_on_hangup(None)
    handlers[signal.SIGHUP](signal.SIGHUP, None)
    assert raised == [signal.SIGTERM]


def test_without_the_command_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """On AWS Lambda, to import gunicorn would only cost time."""
    monkeypatch.delitem(sys.modules, server.COMMAND, raising=False)
    server.use_worker(8)
    assert WorkerClass.default == "sync"


def test_without_gunicorn_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows. This process ends with the one that has started it."""
    starters: list[Any] = []
    monkeypatch.setattr(server, "end_with_starter", starters.append)
    monkeypatch.setattr(os, "_exit", starters.append)
    monkeypatch.setitem(sys.modules, server.COMMAND, sys)
    monkeypatch.setitem(sys.modules, "gunicorn.config", None)
    server.use_worker(8)
    assert WorkerClass.default == "sync"
    starters[0]()
    assert starters[1] == 0


def test_server_ends_with_its_starter(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    ours, starters = os.pipe()
    monkeypatch.setattr(server, "STDIN", ours)
    monkeypatch.setenv(config.ENDS_WITH_STDIN, "1")
    server.end_with_starter(ended.set)
    os.write(starters, b"x")
    assert not ended.is_set()
    os.close(starters)
    assert ended.wait(30)
    os.close(ours)


def test_server_without_a_starter_reads_no_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(config.ENDS_WITH_STDIN, raising=False)
    monkeypatch.setattr(threading, "Thread", None)
    server.end_with_starter(lambda: None)


# --- What ends the start ----------------------------------------------------------------------


def start(**environ: str) -> str:
    """The last line of the framework's command, which ends at once."""
    command = [*servers.FRAMEWORK, "--port", str(servers.free_port()), *servers.PROXY]
    ran = subprocess.run(
        command, env={**servers.clean_environ(), **environ}, capture_output=True, timeout=30
    )
    assert ran.returncode == 1
    return ran.stderr.decode().splitlines()[-1]


def test_debug_of_the_environment_ends_the_start() -> None:
    assert start(DEBUG="1") == server.DEBUG


@pytest.mark.parametrize("debug", ["", "0", "false"])
def test_no_debug_of_the_environment_is_served(debug: str) -> None:
    with servers.serving(servers.PROXY, {"DEBUG": debug}) as url:
        assert servers.LOCAL.get(url, timeout=10).status_code == 200


class Context:
    """click's, of a command with --debug."""

    def __init__(self, debug: bool, source: str) -> None:
        self.params: dict[str, Any] = {"debug": debug, "host": "127.0.0.1"}
        self.source = source

    def get_parameter_source(self, name: str) -> object:
        return type("Source", (), {"name": self.source})


@pytest.mark.parametrize(
    ("context", "ends"),
    [
        (Context(True, "ENVIRONMENT"), True),
        (Context(True, "COMMANDLINE"), False),
        (Context(False, "DEFAULT"), False),
        (None, False),
    ],
)
def test_debug_that_is_meant_is_left(
    context: Context | None, ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    click = type("click", (), {"get_current_context": staticmethod(lambda silent: context)})
    monkeypatch.setitem(sys.modules, server.COMMAND, type("command", (), {"click": click}))  # type: ignore[arg-type]
    assert server.listen_host() == (None if context is None else "127.0.0.1")
    if ends:
        with pytest.raises(SystemExit, match="DEBUG is set"):
            server.refuse_debug()
    else:
        server.refuse_debug()


@pytest.mark.parametrize(
    ("environ", "is_terminal", "is_shown"),
    [
        ({"PROXY_LOG_FORMAT": "text"}, False, True),
        ({}, True, True),
        ({}, False, False),
        ({config.STARTED_BY: "us"}, True, False),
    ],
)
def test_start_is_printed_for_a_person_only(
    environ: dict[str, str],
    is_terminal: bool,
    is_shown: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where logs are JSON, as on Cloud Run, nothing stands between their lines."""
    context = Context(False, "DEFAULT")
    context.params |= {"host": "0.0.0.0", "port": "9000"}
    click = type("click", (), {"get_current_context": staticmethod(lambda silent: context)})
    monkeypatch.setitem(sys.modules, server.COMMAND, type("command", (), {"click": click}))  # type: ignore[arg-type]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    monkeypatch.delenv(config.STARTED_BY, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    server.print_start(config.read(environ))
    written = capsys.readouterr()
    assert ("export ANTHROPIC_BASE_URL=http://127.0.0.1:9000\n" in written.err) is is_shown
    assert (written.out, bool(written.err)) == ("", is_shown)


def test_start_is_printed_once_for_all_workers(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(config.STARTED_BY, raising=False)
    environ = {"PROXY_LOG_FORMAT": "text", "WORKERS": "2"}
    with servers.serving(servers.PROXY, environ) as url:
        assert servers.LOCAL.get(url, timeout=10).status_code == 200
    assert capfd.readouterr().err.count("Messages API on Gemini") == 1


def test_debug_without_the_command_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, server.COMMAND, raising=False)
    server.refuse_debug()
    assert server.listen_host() is None


@pytest.mark.parametrize("file", ["main.py", "proxy/__main__.py"])
def test_old_python_gets_a_sentence(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (servers.ROOT / file).read_text()
    ast.parse(source, feature_version=(3, 8))
    monkeypatch.setattr(sys, "version_info", (3, 10, 13))
    with pytest.raises(SystemExit, match=r"^Python 3\.11 or later is needed"):
        runpy.run_path(str(servers.ROOT / file))


def test_bad_setting_is_the_last_line_of_the_start(tmp_path: Path) -> None:
    endpoint = {"GEMINI_ENDPOINT": "https://gemini.example"}
    assert start(ANTHROPIC_MODEL="gemini-4-hydrogn").startswith("ANTHROPIC_MODEL: ")
    assert start(HTTPS_PROXY="socks5://x:1", **endpoint).startswith("HTTPS_PROXY: expected")
    path = str(tmp_path / "none.pem")
    assert start(REQUESTS_CA_BUNDLE=path, **endpoint).startswith(f"REQUESTS_CA_BUNDLE: {path} ")


# --- Memory ---------------------------------------------------------------------------------------

LARGE = """
import ctypes, re, sys, threading
from pathlib import Path
from proxy import config, server

def resident():
    return int(re.search(r"VmRSS:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) / 1000

def work():
    for _ in range(3):
        blocks = [bytes(30_000_000) and bytearray(30_000_000) for _ in range(3)]
        keep.append(object())

keep = []
if sys.argv[1] == "return":
    server.return_large_blocks()
before = resident()
for _ in range(4):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's own")
def test_large_blocks_go_back_to_the_system() -> None:
    command = [sys.executable, "-c", LARGE, "return"]
    kept = subprocess.check_output(command, cwd=servers.ROOT, text=True)
    assert float(kept) < 20


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    server.return_large_blocks()

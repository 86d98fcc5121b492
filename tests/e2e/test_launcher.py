"""gemini-claude as a process: wherever it ends, none is left."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pty
import re
import signal
import socket
import stat
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from proxy import log_text
from tests import servers
from tests.e2e.claude_code import RUN_SECONDS, ClaudeCode, install
from tests.e2e.test_claude_code import call
from tests.servers import ROOT, Emulator
from tests.test_launcher import Session, session

__all__ = ["session"]

WAIT = """\
#!{python}
import os, signal, sys
signal.signal(signal.SIGINT, lambda *_: sys.exit(7))
with open(os.environ["SEEN"] + ".part", "w") as file:
    file.write(os.environ["ANTHROPIC_BASE_URL"])
os.rename(file.name, os.environ["SEEN"])
signal.pause()
"""


def processes_of(folder: Path) -> dict[int, str]:
    """Id -> command line, of all processes that have this session in their environment."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"SEEN={folder / 'seen'}".encode() in path.read_bytes():
                command = path.with_name("cmdline").read_text().replace("\0", " ")
                found[int(path.parent.name)] = command
        except OSError:
            continue
    return found


def end(folder: Path) -> None:
    """Kill what a test that has failed leaves."""
    for process in processes_of(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def waiting(session: Session) -> Iterator[Session]:
    """A Claude Code that runs until it is ended."""
    session.install(WAIT)
    yield session
    try:
        wait_for(lambda: not processes_of(session.folder))
    finally:
        end(session.folder)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc")
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 7), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131)],
)
def test_signal_leaves_no_process(waiting: Session, number: int, code: int) -> None:
    process = waiting.start()
    wait_for(waiting.seen.exists)
    assert len(processes_of(waiting.folder)) >= 3
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    assert process.wait(30) == code


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc")
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_ctrl_c_during_the_start_leaves_no_process(waiting: Session, processes: int) -> None:
    process = waiting.start()
    wait_for(lambda: len(processes_of(waiting.folder)) >= processes or waiting.seen.exists())
    os.killpg(process.pid, signal.SIGINT)
    process.wait(30)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc")
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_sigkill_during_the_start_leaves_no_server(waiting: Session, processes: int) -> None:
    process = waiting.start()
    wait_for(lambda: len(processes_of(waiting.folder)) >= processes or waiting.seen.exists())
    process.kill()
    process.wait(30)
    wait_for(lambda: len(processes_of(waiting.folder)) <= 1)
    with contextlib.suppress(ProcessLookupError):  # Claude Code, where it has begun
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc")
def test_sigkill_in_a_session_leaves_no_server(waiting: Session) -> None:
    """Claude Code itself goes on: its terminal is another's now, so it ends when it reads there."""
    process = waiting.start()
    wait_for(waiting.seen.exists)
    address = urlsplit(waiting.seen.read_text())
    process.kill()
    process.wait(30)
    wait_for(lambda: len(processes_of(waiting.folder)) == 1)
    with socket.socket() as client:
        assert client.connect_ex((address.hostname, address.port)) == errno.ECONNREFUSED
    os.killpg(process.pid, signal.SIGKILL)


def test_two_sessions_at_once(waiting: Session) -> None:
    first = waiting.start()
    wait_for(waiting.seen.exists)
    url = waiting.seen.read_text()
    waiting.seen.unlink()
    second = waiting.start()
    wait_for(waiting.seen.exists)
    assert waiting.seen.read_text() != url
    for process in (first, second):
        process.terminate()
        process.wait(30)


class Terminal:
    """A terminal of its own for the launcher, which has no key there yet."""

    def __init__(self, session: Session) -> None:
        self._controller, self._line = pty.openpty()
        environ = {**session.environ, "XDG_CONFIG_HOME": str(session.folder / "config")}
        del environ["GEMINI_API_KEY"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "proxy.cli.claude"],
            cwd=ROOT,
            env=environ,
            stdin=self._line,
            stdout=self._line,
            stderr=self._line,
            start_new_session=True,
        )
        self.shown = b""
        self._show_until(b"it is not shown): ")

    def type_in(self, text: str, until: bytes) -> None:
        os.write(self._controller, text.encode())
        self._show_until(until)

    def _show_until(self, text: bytes) -> None:
        while text not in self.shown:
            self.shown += os.read(self._controller, 65_536)

    @property
    def has_echo(self) -> bool:
        return bool(termios.tcgetattr(self._line)[3] & termios.ECHO)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        os.close(self._controller)
        os.close(self._line)


@pytest.fixture
def terminal(waiting: Session) -> Iterator[Terminal]:
    terminal = Terminal(waiting)
    yield terminal
    terminal.close()


def test_key_is_asked_for_unseen(waiting: Session, terminal: Terminal) -> None:
    assert not terminal.has_echo
    terminal.type_in("AIza-typed\n", until=b"auto mode: ")
    wait_for(waiting.seen.exists)
    assert terminal.has_echo
    assert b"AIza-typed" not in terminal.shown
    path = waiting.folder / "config/gemini-messages/key"
    assert path.read_text() == "AIza-typed\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_signal_at_the_question_restores_the_terminal(terminal: Terminal, number: int) -> None:
    terminal.process.send_signal(number)
    assert terminal.process.wait(30) == 128 + number
    assert terminal.has_echo
    assert b"Traceback" not in terminal.shown


DEAD = "http://127.0.0.1:9"
SETTINGS = {
    "env": {
        "ANTHROPIC_BASE_URL": DEAD,
        "ANTHROPIC_AUTH_TOKEN": "another",
        "ANTHROPIC_API_KEY": "sk-ant-stale",
        "CLAUDE_CODE_USE_BEDROCK": "1",
    },
    "apiKeyHelper": "echo another",
    "model": "opus",
}
ENVIRON = {
    **dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"), DEAD),
    "ANTHROPIC_API_KEY": "sk-ant-stale",
    "ANTHROPIC_BASE_URL": DEAD,
    "CLAUDE_CODE_USE_VERTEX": "1",
}
RUN = (
    "-p",
    "Make it.",
    "--output-format",
    "stream-json",
    "--verbose",
    "--dangerously-skip-permissions",
)


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("environ", "settings"),
    [({}, {}), (ENVIRON, {}), ({}, SETTINGS)],
    ids=["plain", "environment", "settings"],
)
def test_tool_session(
    claude: ClaudeCode, emulator: Emulator, key: str, environ: Any, settings: Any
) -> None:
    """From an empty home, whatever else is set there; and its last line is true."""
    make = call("Bash", command="echo x > made.txt", description="Make it")
    main = {"when": {"tool": "Bash"}}
    emulator.script(
        key,
        {**main, "chunks": [{**make, "sign": True}]},
        {**main, "chunks": [{"text": "All done."}, {"sign": True}]},
    )
    if settings:
        (claude.home / ".claude").mkdir()
        (claude.home / ".claude/settings.json").write_text(json.dumps(settings))
    kept = {name: value for name, value in servers.clean_environ().items() if "PROXY" not in name}
    run = subprocess.run(
        [sys.executable, "-m", "proxy", "claude", *RUN],
        cwd=claude.folder,
        env={
            **kept,
            "PATH": f"{install(claude.version).parent}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "HOME": str(claude.home),
            "IS_SANDBOX": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "GEMINI_ENDPOINT": emulator.url,
            "GEMINI_API_KEY": key,
            **environ,
        },
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert run.returncode == 0, run.stderr
    assert (claude.folder / "made.txt").exists()
    result = json.loads(run.stdout.splitlines()[-1])
    assert result["result"] == "All done."
    (usage,) = result["modelUsage"].values()
    read, cached = usage["inputTokens"], usage["cacheReadInputTokens"]
    line = run.stderr.splitlines()[-1]
    assert line.startswith(
        f"{len(emulator.journal(key))} requests, {log_text.count(read + cached)} tokens in "
        f"({100 * cached // (read + cached)}% cached), {usage['outputTokens']} out; $"
    )
    believed = float(result["total_cost_usd"])
    dollars = re.search(r"; \$([\d.]+) at Gemini's list price", line)
    assert dollars is not None
    assert float(dollars[1]) < believed

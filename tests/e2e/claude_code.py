"""The real Claude Code, two versions of it, or only the newest, as a test's client.

Knows how to get it from npm (into .cache/, kept between runs) and how to run it alone: clean
environment, own home, loopback only, under a timeout.
"""

from __future__ import annotations

import functools
import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyte

from tests import npm

NEWEST = "2.1.332"
"""npm's latest on 2026-11-28. `make raise-clients` asks npm again."""
OLDEST = "2.1.197"
VERSIONS = (NEWEST,) if os.environ.get("TEST_CLIENTS") == "newest" else (OLDEST, NEWEST)
RUN_SECONDS = 150
REST_SECONDS = 1.0
RETYPE_SECONDS = 30.0
COLUMNS, ROWS = 120, 60
NOT_KNOWN = re.compile(rb"\x1b\[[<>=][\d;]*u")
"""Questions about the keyboard, which pyte would draw."""


@dataclass(frozen=True)
class Run:
    """How a run ended: its decoded events, exit code and what it wrote beside them."""

    events: list[Any]
    exit_code: int
    stderr: str

    @property
    def result(self) -> Any:
        """The last event, `result`."""
        return self.events[-1]

    def of_type(self, kind: str) -> list[Any]:
        return [event for event in self.events if event["type"] == kind]


class ClaudeCode:
    """One version, in one home and one working folder, pointed at one proxy."""

    def __init__(self, version: str, base: Path, key: str) -> None:
        self.version = version
        self._program = install(version)
        self.reported_version = reported_version(self._program)
        self._key = key
        self.home = base / "home"
        self.folder = base / "project"
        self.home.mkdir()
        self.folder.mkdir()
        subprocess.run(["git", "init", "--quiet"], cwd=self.folder, check=True)

    def ask(self, proxy: str, prompt: str, *arguments: str, **environ: str) -> Run:
        """`claude -p prompt` in stream-json form."""
        return self._run(proxy, self._command(prompt, *arguments), "", **environ)

    def send(self, proxy: str, blocks: list[Any], *arguments: str) -> Run:
        """The same with a message of any blocks, as a program sends it."""
        message = {"type": "user", "message": {"role": "user", "content": blocks}}
        command = [*self._command(""), "--input-format", "stream-json", *arguments]
        return self._run(proxy, [each for each in command if each], f"{json.dumps(message)}\n")

    def _run(self, proxy: str, command: list[str], given: str, **environ: str) -> Run:
        finished = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environ(
                proxy, **{"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", **environ}
            ),
            input=given,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
        )
        lines = [line for line in finished.stdout.splitlines() if line.startswith("{")]
        return Run([json.loads(line) for line in lines], finished.returncode, finished.stderr)

    def edit_history(self, change: Callable[[list[Any]], None]) -> None:
        """Change the content of each of the model's messages in the one session there is."""
        (path,) = self.home.glob(".claude/projects/*/*.jsonl")
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        for line in lines:
            if line["type"] == "assistant":
                change(line["message"]["content"])
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")

    def watch(self, proxy: str, prompt: str, *arguments: str) -> Iterator[Any]:
        """As `ask`, but each event at the time it is printed."""
        command = ["timeout", str(RUN_SECONDS), *self._command(prompt, *arguments)]
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._environ(proxy, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stdout is not None
            yield from (json.loads(line) for line in process.stdout if line.startswith("{"))

    def set(self, **settings: Any) -> None:
        """In the person's settings.json."""
        path = self.home / ".claude/settings.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(settings))

    def type_in(
        self,
        proxy: str,
        prompt: str,
        until: Callable[[str], bool],
        mode: str = "default",
        **more: str,
    ) -> str:
        """Type a prompt into the terminal program and leave it running until something is so.
        until: takes what stands on the screen, its words parted by single spaces. Returns that.
        more: variables.

        Its titles are only asked for where nonessential traffic is allowed; what would leave this
        machine is sent to a port where nobody listens.
        """
        project = {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}
        settings = {"hasCompletedOnboarding": True, "theme": "dark"}
        settings["projects"] = {str(self.folder): project}  # type: ignore[assignment]
        (self.home / ".claude.json").write_text(json.dumps(settings))
        environ = self._environ(
            proxy,
            HTTPS_PROXY="http://127.0.0.1:9",
            NO_PROXY="127.0.0.1",
            TERM="xterm-256color",
            **more,
        )
        controller, terminal = pty.openpty()
        termios.tcsetwinsize(terminal, (ROWS, COLUMNS))
        process = subprocess.Popen(
            [str(self._program), "--permission-mode", mode],
            cwd=self.folder,
            env=environ,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        try:
            return _converse(controller, prompt, until)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            os.close(controller)
            os.close(terminal)

    def _command(self, prompt: str, *arguments: str) -> list[str]:
        """Whatever it wants to run is run, where no permission mode is among the arguments."""
        command = [str(self._program), "-p", prompt, "--output-format", "stream-json", "--verbose"]
        if "--permission-mode" not in arguments:
            command.append("--dangerously-skip-permissions")
        return [*command, *arguments]

    def _environ(self, proxy: str, **more: str) -> dict[str, str]:
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "IS_SANDBOX": "1",
            "ANTHROPIC_BASE_URL": proxy,
            "ANTHROPIC_AUTH_TOKEN": self._key,
            **more,
        }


def _converse(controller: int, prompt: str, until: Callable[[str], bool]) -> str:
    """Read the screen; when it has come to rest, type; if nothing comes of it, type again."""
    deadline = time.monotonic() + RUN_SECONDS
    type_at = 0.0
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    while not until(shown := " ".join(" ".join(screen.display).split())):
        now = time.monotonic()
        if now > deadline:
            raise TimeoutError(f"the terminal program did not do what was waited for: {shown}")
        readable, _, _ = select.select([controller], [], [], REST_SECONDS)
        if readable:
            stream.feed(NOT_KNOWN.sub(b"", os.read(controller, 65_536)))
        elif shown and now >= type_at:
            os.write(controller, prompt.encode())
            time.sleep(REST_SECONDS)
            os.write(controller, b"\r")
            type_at = now + RETYPE_SECONDS
    return shown


@functools.cache
def reported_version(program: Path) -> str:
    """What the program says of itself, as in `2.1.332`."""
    shown = subprocess.run(
        [program, "--version"],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=True,
    )
    return shown.stdout.split()[0]


def install(version: str) -> Path:
    """The program; skips the test where npm is missing."""
    return npm.install("@anthropic-ai/claude-code", version, "claude")

"""The real Claude Code, two versions of it, as a test's client.

Knows how to get it from npm (into .cache/, kept between runs) and how to run it alone: clean
environment, own home, loopback only, under a timeout. It refuses to know what is tested.
"""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers import ROOT

VERSIONS = ("2.1.197", "2.1.330")
INSTALL_SECONDS = 600
RUN_SECONDS = 150


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
        self._program = install(version)
        self._key = key
        self.home = base / "home"
        self.folder = base / "project"
        self.home.mkdir()
        self.folder.mkdir()
        subprocess.run(["git", "init", "--quiet"], cwd=self.folder, check=True)

    def ask(self, proxy: str, prompt: str, *arguments: str, **environ: str) -> Run:
        """`claude -p prompt` in stream-json form."""
        command = [str(self._program), "-p", prompt, "--output-format", "stream-json"]
        command += ["--verbose", "--dangerously-skip-permissions", *arguments]
        finished = subprocess.run(
            command,
            cwd=self.folder,
            env={
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "HOME": str(self.home),
                "IS_SANDBOX": "1",
                "ANTHROPIC_BASE_URL": proxy,
                "ANTHROPIC_AUTH_TOKEN": self._key,
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                **environ,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
        )
        lines = [line for line in finished.stdout.splitlines() if line.startswith("{")]
        return Run([json.loads(line) for line in lines], finished.returncode, finished.stderr)


@functools.cache
def install(version: str) -> Path:
    """The program, from npm at the first call; skips the test where npm is missing."""
    folder = ROOT / ".cache" / "claude-code" / version
    program = folder / "node_modules/.bin/claude"
    if program.exists():
        return program
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("NOT TESTED with the real Claude Code: npm is missing. Install Node.js 20.")
    folder.mkdir(parents=True, exist_ok=True)
    package = f"@anthropic-ai/claude-code@{version}"
    command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", package]
    installed = subprocess.run(command, timeout=INSTALL_SECONDS, capture_output=True, text=True)
    if installed.returncode:
        pytest.fail(f"npm could not install {package}:\n{installed.stderr[-2000:]}")
    return program

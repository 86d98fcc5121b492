"""The examples that run Claude Code: the agent, and the steps of the workflow for GitHub."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.team import tokens
from proxy.team.tokens import Token
from tests import servers
from tests.e2e import claude_code
from tests.e2e.test_client_libraries import PYTHON, RUN_SECONDS
from tests.servers import PROXY, ROOT, Emulator
from tests.team_stores import SECRET

pytestmark = pytest.mark.e2e

TOOL = "mcp__monitoring__read_latency"
WORKFLOW = yaml.safe_load((ROOT / "examples/review.yml").read_text())
STEPS = {each["name"]: each for each in WORKFLOW["jobs"]["review"]["steps"] if "name" in each}
PROGRAMS = {
    "pip": "",
    "npm": "",
    "gemini-messages": 'PYTHONPATH={root} exec {python} -m proxy "$@"',
    "claude": 'printf %s "$ANTHROPIC_AUTH_TOKEN" > "$RUNNER_TEMP/presented"; exec {claude} "$@"',
}
"""Beside the system's: what installs does nothing, what is installed is what is tested."""


def test_agent_uses_its_tool(proxy: str, emulator: Emulator, key: str, tmp_path: Path) -> None:
    if not PYTHON.exists():
        pytest.skip("NOT TESTED with claude-agent-sdk: `make .venv-clients/done` installs it.")
    call = {"call": {"name": TOOL, "args": {"service": "search"}}, "sign": True}
    emulator.script(
        key,
        {"when": {"results": False}, "chunks": [call]},
        {"when": {"results": 1}, "chunks": [{"text": "As measured: {last_result}."}]},
    )
    environ = {"HOME": str(tmp_path), "ANTHROPIC_BASE_URL": proxy, "ANTHROPIC_AUTH_TOKEN": key}
    ran = subprocess.run(
        [PYTHON, "-B", ROOT / "examples/agent.py", "How slow is search?"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1", **environ, **QUIET},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert (ran.returncode, "search: 840 ms" in ran.stdout) == (0, True), ran.stderr
    assert "[mcp__monitoring__read_latency {'service': 'search'}]" in ran.stderr


QUIET = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "IS_SANDBOX": "1"}


# --- The workflow ---------------------------------------------------------------------------------


class Runner:
    """GitHub's, for a job's shell steps. printed: all that they wrote, as a job's log has it.
    values: of the expressions."""

    def __init__(self, folder: Path, values: dict[str, str]) -> None:
        self.folder, self.temporary = folder, folder / "temporary"
        self.printed = ""
        self._values = values
        programs = folder / "programs"
        for each in (programs, self.temporary, folder / "home"):
            each.mkdir()
        claude = claude_code.install(claude_code.NEWEST)
        for name, line in PROGRAMS.items():
            script = line.format(root=ROOT, python=sys.executable, claude=claude)
            (programs / name).write_text(f"#!/bin/bash\n{script}\n")
            (programs / name).chmod(0o755)
        self.files = {name: self.temporary / name for name in ("GITHUB_ENV", "GITHUB_STEP_SUMMARY")}
        for path in self.files.values():
            path.touch()
        self._environ = {
            "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder / "home"),
            "RUNNER_TEMP": str(self.temporary),
            "NO_PROXY": "127.0.0.1",
            **QUIET,
            **{name: str(path) for name, path in self.files.items()},
        }

    def run(self, step: dict[str, Any], checkout: Path) -> None:
        environ = {
            name: self._values[value.removeprefix("${{ ").removesuffix(" }}")]
            for name, value in step.get("env", {}).items()
        }
        lines = self.files["GITHUB_ENV"].read_text().splitlines()
        ran = subprocess.run(
            ["bash", "--noprofile", "--norc", "-ec", step["run"]],
            cwd=checkout,
            env=self._environ | dict(line.split("=", 1) for line in lines) | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_SECONDS,
        )
        self.printed += f"{ran.stdout}\n"
        assert ran.returncode == 0, ran.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with a commit, `base`, and one that a pull request adds."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    git = ("git", "-c", "user.name=A", "-c", "user.email=a@example.test")
    for command in (("init", "-q"), ("commit", "-q", "--allow-empty", "-m", "1"), ("tag", "base")):
        subprocess.run([*git, *command], cwd=folder, check=True)
    (folder / "sums.py").write_text("total = 1 - 1  # a sum\n")
    for command in (("add", "."), ("commit", "-q", "-m", "2")):
        subprocess.run([*git, *command], cwd=folder, check=True)
    return folder


@pytest.fixture
def team_proxy(emulator: Emulator, key: str) -> Iterator[str]:
    environ = {"GEMINI_ENDPOINT": emulator.url, "GEMINI_API_KEY": key, "PROXY_SECRET": SECRET}
    environ["PROXY_PLANS"] = "[plans.standard]\nusd_per_day = 5\n"
    with servers.serving(PROXY, environ) as url:
        yield url


def test_workflow_reviews_with_a_token_of_its_own(
    team_proxy: str,
    emulator: Emulator,
    key: str,
    tmp_path: Path,
    checkout: Path,
    report_client: Callable[[str], None],
) -> None:
    review = {"chunks": [{"text": "sums.py:1: it subtracts."}], "finish": "STOP", "repeat": True}
    emulator.script(key, review)
    now = int(time.time())
    token = tokens.create(Token(("t1",), "ci", "standard", now - 60, now + 86_400), SECRET)
    runner = Runner(
        tmp_path,
        {
            "vars.GEMINI_MESSAGES_URL": team_proxy,
            "vars.GEMINI_MESSAGES_SOURCE": "git+https://example.test/gemini-messages",
            "secrets.GEMINI_MESSAGES_TOKEN": token,
            "github.event.pull_request.base.sha": "base",
        },
    )
    for step in STEPS.values():
        runner.run(step, checkout)
    report_client(f"Claude Code {claude_code.NEWEST}, in examples/review.yml")
    assert runner.files["GITHUB_STEP_SUMMARY"].read_text() == "sums.py:1: it subtracts.\n"
    assert "total = 1 - 1" in str([each["body"] for each in emulator.journal(key)])
    presented = (runner.temporary / "presented").read_text()
    derived = tokens.verify(presented, (SECRET,), now)
    assert (derived.person, derived.models) == ("ci", (("claude-haiku-*",),))
    assert derived.expires <= time.time() + 3_600
    assert f"::add-mask::{presented}\n" in runner.printed
    assert token not in runner.printed

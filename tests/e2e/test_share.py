"""README's "Share it with your team", followed: from nothing to a second person's session."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.e2e.claude_code import NEWEST, ClaudeCode
from tests.servers import ROOT, Emulator

SECTION = (
    (ROOT / "README.md").read_text().split("## Share it with your team\n")[1].split("**In a")[0]
)
ADDRESS = "http://127.0.0.1:8080"
HELLO = {"chunks": [{"text": "Hello."}], "repeat": True}


def commands(step: int) -> str:
    """The lines to type of one of the numbered steps."""
    text = re.split(r"\n\*\*\d\. ", SECTION)[step]
    lines = [line[4:] for line in text.splitlines() if line.startswith("    ") or not line.strip()]
    assert lines
    return "\n".join(lines)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the repository, with the Python that runs the tests."""
    copy = tmp_path / "repository"
    copy.mkdir()
    for name in ("proxy", "translate"):
        shutil.copytree(ROOT / name, copy / name)
    shutil.copy(ROOT / "main.py", copy)
    (copy / ".venv").symlink_to(sys.prefix)
    return copy


def run(lines: str, folder: Path, **environ: str) -> str:
    """In a shell, as a person types them; returns what is shown."""
    shell = ["bash", "-euo", "pipefail", "-c", lines]
    ended = subprocess.run(
        shell,
        cwd=folder,
        env={**servers.clean_environ(), **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def exported(lines: str, folder: Path, **environ: str) -> dict[str, str]:
    """The variables that they set."""
    found = run(f"{lines}\nenv -0", folder, **environ)
    pairs = dict(entry.split("=", 1) for entry in found.split("\0") if "=" in entry)
    names = re.findall(r"\b([A-Z_]+)=", lines)
    return {name: pairs[name] for name in names}


@contextlib.contextmanager
def serving(folder: Path, environ: dict[str, str]) -> Iterator[str]:
    """What `make run` starts."""
    port = servers.free_port()
    url = f"http://127.0.0.1:{port}"
    given = {**environ, "PROXY_LISTEN_ADDR": f"127.0.0.1:{port}"}
    command = [str(folder / ".venv/bin/python"), "-m", "proxy"]
    with servers.running(command, given, url, folder) as address:
        yield address


def test_team_shares_a_server_as_the_readme_says(
    emulator: Emulator, key: str, folder: Path, tmp_path: Path
) -> None:
    emulator.script(key, HELLO)
    run(commands(1), folder)
    *settings, start = commands(2).strip().splitlines()
    assert start == "make run"
    team = exported("\n".join(settings), folder)
    assert os.stat(folder / "team-secret").st_mode & 0o077 == 0
    gemini = {"GEMINI_API_KEY": key, "GEMINI_ENDPOINT": emulator.url}
    with serving(folder, {**team, **gemini}) as url:
        assert run(commands(3), folder, **team) == ""
        assert os.stat(folder / "alice.token").st_mode & 0o077 == 0
        *client, claude = commands(4).replace(ADDRESS, url).strip().splitlines()
        assert claude == "claude"
        variables = exported("\n".join(client), folder)
        session = ClaudeCode(NEWEST, tmp_path, variables["ANTHROPIC_AUTH_TOKEN"])
        asked = session.ask(variables["ANTHROPIC_BASE_URL"], "Say hello.")
        assert asked.result["result"] == "Hello."
        shown = run(commands(5), folder, **team, **variables)
    assert re.search(r"^alice +\d", shown, re.MULTILINE)
    assert shown.count("Use of ") == 2
    assert len(emulator.journal(key)) > 0

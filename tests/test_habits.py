"""The habits that hooks keep: .pre-commit-config.yaml and the messages of commits."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers import ROOT

CHECK = ROOT / ".ci/check-commit-message"
CONFIG: Any = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
HOOKS = {hook["id"]: hook for repo in CONFIG["repos"] for hook in repo["hooks"]}


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ("Read a body once\n\nIt was read twice.\n", ""),
        ("Read a body once\n# Please enter the message.\n", ""),
        ("x" * 72, ""),
        ("x" * 73, "73 characters, 72 at most"),
        ("Read a body once.\n", "without a full stop"),
        ("# Nothing was written.\n", "a line in the imperative"),
        ("Read a body once\nIt was read twice.\n", "a blank line"),
    ],
)
def test_commit_message(message: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "message").write_text(message)
    ran = subprocess.run([CHECK, tmp_path / "message"], capture_output=True, text=True)
    assert (ran.returncode, problem in ran.stderr) == (int(bool(problem)), True), ran.stderr


@pytest.mark.parametrize("hook", HOOKS)
def test_hooks_run_what_is_installed_here(hook: str) -> None:
    """No hook fetches anything: each is a program of .venv or of the repository."""
    program = HOOKS[hook]["entry"].split()[0]
    assert HOOKS[hook]["language"] == "system"
    assert (ROOT / program).exists() or program.startswith(".venv/bin/")
    names = (ROOT / "requirements-dev.txt").read_text()
    assert program.startswith(".ci/") or f"\n{Path(program).name}>=" in names


def test_contributing_names_files_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = set(
        re.findall(r"`((?:\.?[a-z_]+/)+(?:[a-z_]+\.(?:py|md))?|[A-Za-z_]+\.(?:py|md))`", text)
    )
    folders = ("", "translate/", "translate/request/", "proxy/", "tests/")
    assert len(named) > 20
    named.discard(".cache/check/")  # made by `make check`
    assert [path for path in named if not any((ROOT / f / path).exists() for f in folders)] == []

"""proxy/cli/client_checks.py: Claude Code's version, and each setting that disturbs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import client_checks, fixes
from proxy.cli.findings import Finding, Status
from tests.crosses import crosses

__all__ = ["crosses"]

URL = {"ANTHROPIC_BASE_URL": "http://127.0.0.1:8080"}


@pytest.fixture(autouse=True)
def managed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "managed.json"
    monkeypatch.setattr(client_checks, "MANAGED", {})
    monkeypatch.setattr(client_checks, "MANAGED_ELSEWHERE", str(path))
    return path


def version(folder: Path, command: str) -> Finding:
    program = folder / "claude"
    program.write_text(f"#!/bin/sh\n{command}\n")
    program.chmod(0o755)
    return client_checks.check_version({"PATH": str(folder)})


def settings(home: Path, **environ: str) -> list[Finding]:
    return list(client_checks.check_settings(URL | environ, home, home / "project"))


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))


def test_version_is_compared_with_the_oldest_tried(tmp_path: Path) -> None:
    assert version(tmp_path, "echo '2.1.332 (Claude Code)'").detail == "2.1.332"
    found = version(tmp_path, "echo 2.0.9")
    assert (found.status, found.fix) == (Status.UNKNOWN, "claude update")
    found = version(tmp_path, "exit 3")
    assert (found.status, "exit code 3" in found.detail) == (Status.BAD, True)


def test_missing_program_is_a_cross(tmp_path: Path) -> None:
    found = client_checks.check_version({"PATH": str(tmp_path)})
    assert (found.status, found.fix) == (Status.BAD, fixes.INSTALL_CLAUDE)


def test_nothing_disturbs(tmp_path: Path) -> None:
    write(tmp_path / ".claude/settings.json", {"env": {"CLAUDE_CODE_USE_VERTEX": "0"}, "x": 1})
    write(tmp_path / ".claude/settings.local.json", {"env": 3})
    (found,) = settings(tmp_path)
    assert (found.status, found.detail) == (Status.GOOD, "nothing disturbs (2 files read)")


@pytest.mark.parametrize(
    ("environ", "detail", "fix"),
    [
        (
            {"ANTHROPIC_API_KEY": "s3cret"},
            "ANTHROPIC_API_KEY is set: it is sent beside the token",
            "unset ANTHROPIC_API_KEY",
        ),
        (
            {"CLAUDE_CODE_USE_BEDROCK": "1"},
            "CLAUDE_CODE_USE_BEDROCK is set: Claude Code asks Amazon Bedrock",
            "unset CLAUDE_CODE_USE_BEDROCK",
        ),
        (
            {"ANTHROPIC_BASE_URL": "http://me:s3cret@127.0.0.1:8080/v1/"},
            "ANTHROPIC_BASE_URL in the environment ends with /v1",
            "export ANTHROPIC_BASE_URL=http://127.0.0.1:8080",
        ),
        (
            {"HTTP_PROXY": "http://proxy.example:3128"},
            "HTTP_PROXY is set, and would get what is for 127.0.0.1",
            "export NO_PROXY=127.0.0.1,localhost",
        ),
        (
            {"HTTP_PROXY": "http://proxy.example:3128", "NO_PROXY": "intranet"},
            "HTTP_PROXY is set, and would get what is for 127.0.0.1",
            'export NO_PROXY="$NO_PROXY,127.0.0.1,localhost"',
        ),
        (
            {"HTTP_PROXY": "http://proxy.example:3128", "no_proxy": "intranet", "NO_PROXY": "x"},
            "HTTP_PROXY is set, and would get what is for 127.0.0.1",
            'export no_proxy="$no_proxy,127.0.0.1,localhost"',
        ),
    ],
)
def test_variable_that_disturbs_is_a_cross(
    environ: dict[str, str], detail: str, fix: str, tmp_path: Path
) -> None:
    (found,) = settings(tmp_path, **environ)
    assert (found.status, found.fix) == (Status.BAD, fix)
    assert found.detail.startswith(detail)
    assert "s3cret" not in found.detail


@pytest.mark.parametrize("key", client_checks.KEYS)
def test_setting_that_disturbs_is_a_cross(key: str, tmp_path: Path, managed: Path) -> None:
    write(managed, {key: "s3cret"})
    (found,) = settings(tmp_path)
    assert (found.status, found.fix) == (Status.BAD, f"sudoedit {managed}")
    assert "s3cret" not in found.detail


def test_variable_in_a_file_is_found_there(tmp_path: Path) -> None:
    path = tmp_path / "project/.claude/settings.local.json"
    write(path, {"env": {"ANTHROPIC_API_KEY": "x", "ANTHROPIC_BASE_URL": "http://h/v1"}})
    first, second = settings(tmp_path)
    assert first.fix == fixes.edit(path)
    assert second.detail.startswith(f"ANTHROPIC_BASE_URL in {path} ends with /v1")
    assert second.fix == fixes.edit(path)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_file_that_is_no_json_is_a_cross(text: str, tmp_path: Path) -> None:
    path = tmp_path / ".claude/settings.json"
    write(path, text)
    (found,) = settings(tmp_path)
    assert (found.status, found.fix) == (Status.BAD, fixes.edit(path))


def test_login_is_found_where_the_person_keeps_it(tmp_path: Path) -> None:
    own = tmp_path / "own"
    write(own / ".claude.json", {"primaryApiKey": "s3cret"})
    (found,) = settings(tmp_path, CLAUDE_CONFIG_DIR=str(own))
    assert (found.status, found.fix) == (Status.BAD, "claude /logout")
    write(own / ".claude.json", {})
    (found,) = settings(tmp_path, CLAUDE_CONFIG_DIR=str(own))
    assert found.status is Status.GOOD


@pytest.mark.parametrize("url", ["http://[s3cret", "http://me:s3cret@[/v1"])
def test_base_url_that_is_none_is_a_cross(url: str, tmp_path: Path) -> None:
    (found,) = settings(tmp_path, ANTHROPIC_BASE_URL=url)
    assert (found.status, found.fix) == (Status.BAD, "unset ANTHROPIC_BASE_URL")
    assert found.detail == "ANTHROPIC_BASE_URL in the environment is no address like https://host"
    path = tmp_path / ".claude/settings.json"
    write(path, {"env": {"ANTHROPIC_BASE_URL": url}})
    (found,) = settings(tmp_path, ANTHROPIC_BASE_URL="")
    assert (found.status, found.fix) == (Status.BAD, fixes.edit(path))


def test_missing_base_url_is_not_checked(tmp_path: Path) -> None:
    (found,) = settings(tmp_path, ANTHROPIC_BASE_URL="")
    assert found.status is Status.UNKNOWN
    assert found.fix == "python -m proxy claude"

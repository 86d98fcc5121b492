"""proxy/web/blocks.py: what is copied reaches the program as it is, whatever is in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from proxy.web import blocks
from proxy.web.blocks import Block

URL, TOKEN = "https://proxy.example", "gmp_eyJpZCI6ImFiIn0.c2lnbmF0dXJl"
HOSTILE = "http://a$(touch pwned)`b`'\"\u201d\u2019;&|\\$HOME c"
"""What a browser could be made to send as a host, and more."""

SHOW = '#!/bin/sh\nprintf "%s\\n%s" "$ANTHROPIC_BASE_URL" "$ANTHROPIC_AUTH_TOKEN"\n'
"""Stands in for Claude Code."""


def block(title: str, url: str = URL, token: str = TOKEN) -> Block:
    made = [*blocks.blocks(url, token), *blocks.more_blocks(url, token)]
    (found,) = [each for each in made if each.title == title]
    return found


def run(command: list[str], folder: Path) -> str:
    """In a folder that is the home, with a `claude` that shows what it gets."""
    program = folder / "claude"
    program.write_text(SHOW)
    program.chmod(0o755)
    environ = {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder)}
    ran = subprocess.run(command, cwd=folder, env=environ, capture_output=True, check=True)
    return ran.stdout.decode()


@pytest.mark.parametrize("url", [URL, HOSTILE])
def test_bash_block_sets_what_it_shows(tmp_path: Path, url: str) -> None:
    text = block("bash, zsh", url, HOSTILE).text
    assert run(["bash", "-c", text], tmp_path) == f"{url}\n{HOSTILE}"
    assert {each.name for each in tmp_path.iterdir()} == {"claude"}


def test_file_of_the_token_is_the_persons_alone(tmp_path: Path) -> None:
    run(["bash", "-c", block("Token in a file", token=HOSTILE).text], tmp_path)
    path = tmp_path / blocks.TOKEN_FILE.removeprefix("~/")
    assert path.read_text() == HOSTILE
    assert path.stat().st_mode & 0o777 == 0o600
    helper = json.loads(block("apiKeyHelper").text)["apiKeyHelper"]
    assert run(["sh", "-c", helper], tmp_path) == HOSTILE


def power_shell_values(text: str) -> list[str]:
    """Of the assignments, as PowerShell reads a text in double quotes: a backtick takes its meaning
    from the next character, and nothing else there has one."""
    found = []
    for line in text.splitlines()[:2]:
        name, _, rest = line.partition(" = ")
        assert name.startswith("$env:ANTHROPIC_")
        assert rest[0] == rest[-1] == '"'
        value, characters = "", iter(rest[1:-1])
        for character in characters:
            assert character not in '$"\u201c\u201d\u201e', "it would have a meaning"
            value += next(characters) if character == "`" else character
        found.append(value)
    return found


@pytest.mark.parametrize("url", [URL, HOSTILE])
def test_power_shell_block_sets_what_it_shows(tmp_path: Path, url: str) -> None:
    text = block("PowerShell", url, HOSTILE).text
    assert power_shell_values(text) == [url, HOSTILE]
    assert text.splitlines()[2:] == ["claude"]
    if shutil.which("pwsh"):
        assert run(["pwsh", "-NoProfile", "-Command", text], tmp_path) == f"{url}\n{HOSTILE}"


def test_settings_are_json_for_their_readers() -> None:
    variables = {"ANTHROPIC_BASE_URL": HOSTILE, "ANTHROPIC_AUTH_TOKEN": TOKEN}
    assert json.loads(block("settings.json", HOSTILE).text) == {"env": variables}
    (code,) = json.loads(block("VS Code", HOSTILE).text).values()
    assert {each["name"]: each["value"] for each in code} == variables
    helped = json.loads(block("apiKeyHelper", HOSTILE).text)
    assert helped["env"] == {"ANTHROPIC_BASE_URL": HOSTILE}


def test_workflow_has_the_token_from_a_secret() -> None:
    found = block("GitHub Actions", HOSTILE)
    assert TOKEN not in found.text
    assert f"${{{{ secrets.{blocks.SECRET_NAME} }}}}" in found.text
    assert f"gh secret set {blocks.SECRET_NAME}" in found.note
    assert json.loads(found.text.partition("ANTHROPIC_BASE_URL: ")[2]) == HOSTILE


def test_meter_is_switched_on_before_claude() -> None:
    shell, power_shell = blocks.meter_blocks()
    assert shell.text == "export CLAUDE_CODE_USE_GATEWAY=1"
    assert power_shell.text == '$env:CLAUDE_CODE_USE_GATEWAY = "1"'

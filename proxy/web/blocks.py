"""What a person copies to point Claude Code at a server: a block of text for each place.

Each is quoted for what reads it. A server's address comes from the browser's request: where a shell
or PowerShell reads it, it is text and nothing else.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import NamedTuple

TOKEN_FILE = "~/.config/gemini-messages/token"
"""Where the block of `apiKeyHelper` has it."""

SECRET_NAME = "GEMINI_MESSAGES_TOKEN"
"""Of the repository's secret that a workflow of GitHub Actions reads."""

POWER_SHELL_SPECIAL = re.compile('[`$"\u201c\u201d\u201e]')
"""In double quotes; PowerShell takes typographic ones for the same
(about_Quoting_Rules, 2026-11-29)."""

SETTINGS_PLACE = "~/.claude/settings.json"


class Block(NamedTuple):
    """Something to copy. place: where it belongs. note: what else there is to say."""

    title: str
    place: str
    text: str
    note: str = ""


def blocks(url: str, token: str) -> list[Block]:
    """For a person at a machine, on each system."""
    variables = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_AUTH_TOKEN": token}
    shell = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    power_shell = [f"$env:{name} = {_power_shell(value)}" for name, value in variables.items()]
    code = [{"name": name, "value": value} for name, value in variables.items()]
    return [
        Block("bash, zsh", "Linux, macOS, WSL", "\n".join([*shell, "claude"])),
        Block("PowerShell", "Windows", "\n".join([*power_shell, "claude"])),
        Block("settings.json", SETTINGS_PLACE, _json({"env": variables})),
        Block("VS Code", "its settings.json", _json({"claudeCode.environmentVariables": code})),
    ]


def more_blocks(url: str, token: str) -> list[Block]:
    """For who would not have the token in a settings file, or not on a machine of their own."""
    return [
        Block(
            "Token in a file",
            "bash, once",
            f"(umask 077; mkdir -p {TOKEN_FILE.rpartition('/')[0]} &&\n"
            f"  printf %s {shlex.quote(token)} > {TOKEN_FILE})",
            "For the next block. What prints the token from a keychain will do, too.",
        ),
        Block(
            "apiKeyHelper",
            SETTINGS_PLACE,
            _json({"env": {"ANTHROPIC_BASE_URL": url}, "apiKeyHelper": f"cat {TOKEN_FILE}"}),
            "In place of ANTHROPIC_AUTH_TOKEN, which would go before it: the command is run again "
            "when a token is refused, so a new one needs no new session.",
        ),
        Block(
            "GitHub Actions",
            "a step of a workflow",
            "- uses: anthropics/claude-code-action@v1\n"
            "  with:\n"
            f"    anthropic_api_key: ${{{{ secrets.{SECRET_NAME} }}}}\n"
            "  env:\n"
            f"    ANTHROPIC_BASE_URL: {json.dumps(url)}",
            f"The token is the repository’s secret: gh secret set {SECRET_NAME} asks for it. "
            "Derive a narrower one for it: python -m proxy token derive.",
        ),
    ]


def meter_blocks() -> list[Block]:
    """What switches Claude Code's own meter on (team/client_budget.py)."""
    return [
        Block("Meter, bash, zsh", "before claude", "export CLAUDE_CODE_USE_GATEWAY=1"),
        Block("Meter, PowerShell", "before claude", '$env:CLAUDE_CODE_USE_GATEWAY = "1"'),
    ]


def _power_shell(value: str) -> str:
    return '"' + POWER_SHELL_SPECIAL.sub(r"`\g<0>", value) + '"'


def _json(value: object) -> str:
    return json.dumps(value, indent=2)

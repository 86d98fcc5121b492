"""The page at `/`: that the server works, and how to point Claude Code at it.

Who may see what of it is main.py's to know.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from translate import models
from translate.models import Platform

from .. import __version__, log_text
from ..config import Settings
from . import render

OWN_KEY = "your-gemini-key"
OWN_KEY_SENTENCE = "Each caller brings a Gemini key. A free one: https://aistudio.google.com/apikey"
TOKEN = "the-servers-access-token"
TOKEN_SENTENCE = "Callers bring this server's access token: ask whoever runs it."
LOCAL = "anything"
LOCAL_SENTENCE = (
    "This server has a key of its own, for programs on this machine: any token will do."
)
ROW_TIME = "%H:%M:%S"


class Block(NamedTuple):
    """Something to copy."""

    title: str
    text: str


class Endpoint(NamedTuple):
    """What was heard of Gemini's endpoint. answer: half a sentence."""

    host: str
    is_reached: bool
    answer: str


def home(
    settings: Settings,
    platform: Platform,
    url: str,
    *,
    today: str,
    endpoint: Endpoint | None = None,
    recent: Sequence[Mapping[str, Any]] | None = None,
) -> bytes:
    """The page.

    url: this server's, as the browser has it. endpoint, recent (entries of the log, the newest
    first): for a person at this machine; None for others.
    """
    token, sentence = _credential(settings)
    return render(
        "home.html",
        version=__version__,
        endpoint=endpoint,
        credential=sentence,
        blocks=blocks(url, token),
        classes=[
            _class_row(model_class, settings, platform, today) for model_class in models.DEFAULTS
        ],
        recent=None if recent is None else [_recent_row(entry) for entry in recent],
    )


def _credential(settings: Settings) -> tuple[str, str]:
    """What stands for the token, and where a person gets it."""
    if settings.token:
        return TOKEN, TOKEN_SENTENCE
    if settings.api_keys or settings.is_vertex:
        return LOCAL, LOCAL_SENTENCE
    return OWN_KEY, OWN_KEY_SENTENCE


def blocks(url: str, token: str) -> list[Block]:
    """How to point Claude Code at a URL, on each system."""
    variables = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_AUTH_TOKEN": token}
    shell = [f"export {name}={value}" for name, value in variables.items()]
    power_shell = [f'$env:{name} = "{value}"' for name, value in variables.items()]
    code = [{"name": name, "value": value} for name, value in variables.items()]
    return [
        Block("Linux, macOS, WSL", "\n".join([*shell, "claude"])),
        Block("Windows (PowerShell)", "\n".join([*power_shell, "claude"])),
        Block("To keep it: ~/.claude/settings.json", json.dumps({"env": variables}, indent=2)),
        Block(
            "VS Code: settings.json",
            json.dumps({"claudeCode.environmentVariables": code}, indent=2),
        ),
    ]


def _class_row(
    model_class: str, settings: Settings, platform: Platform, today: str
) -> Mapping[str, str]:
    model = models.resolve(
        f"claude-{model_class}", settings.model_settings, platform=platform, today=today
    )
    return {
        "name": model_class,
        "model": models.display_name(model),
        "price": models.summary(model, today).replace(" per million tokens", ""),
    }


def _recent_row(entry: Mapping[str, Any]) -> Mapping[str, str]:
    asked, gemini = entry.get("model", ""), entry.get("gemini", "")
    tokens = entry.get("tokens")
    return {
        "time": time.strftime(ROW_TIME, time.localtime(entry["created"])),
        "status": f"{entry['status']} {entry.get('error', '')}".strip(),
        "model": gemini or asked,
        "tokens": log_text.tokens(tokens) if tokens else "",
        "seconds": f"{entry['ms'] / 1000:.1f}",
        "usd": log_text.dollars(entry["usd"]) if entry.get("usd") else "",
    }

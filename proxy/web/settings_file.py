"""The managed settings of Claude Code for a team: the address, and what its models really cost.

Claude Code knows Anthropic's prices only, and takes others (`modelPricing`) from the file that an
administrator lays down and from nowhere else. 2.1.332 then counts to the cent; 2.1.197 has no such
field and takes the rest of the file (both tried on Linux, 2026-11-29).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from translate import models
from translate.models import TABLE, Model, Platform
from translate.models.cost import rates_on

PLACES = {
    "Linux, WSL": "/etc/claude-code/managed-settings.json",
    "macOS": "/Library/Application Support/ClaudeCode/managed-settings.json",
    "Windows": r"C:\Program Files\ClaudeCode\managed-settings.json",
}
"""Where the program looks for it (2.1.197 and 2.1.332)."""

CLAUDE_NAMES = (
    *("claude-opus-5-5", "claude-opus-5", "claude-opus-4-8", "claude-opus-4-7"),
    *("claude-opus-4-6", "claude-opus-4-5", "claude-opus-4-1"),
    *("claude-fable-5-2", "claude-fable-5-1", "claude-fable-5"),
    *("claude-sonnet-5-5", "claude-sonnet-5", "claude-sonnet-4-6", "claude-sonnet-4-5"),
    *("claude-haiku-5-5", "claude-haiku-4-5"),
)
"""The models that 2.1.332 knows, by the names that cover the dated ones, too."""


def managed_settings(
    url: str,
    model_settings: Mapping[str, str],
    platform: Platform,
    today: str,
    *,
    has_meter: bool = False,
) -> dict[str, Any]:
    """The file's content, without anybody's token. url: the server's. today: whose prices hold, an
    ISO date. has_meter: see team/client_budget.py.

    One price stands for each model: what costs more above models.LARGE_INPUT is shown too low.
    """
    environ = {"ANTHROPIC_BASE_URL": url}
    if has_meter:
        environ["CLAUDE_CODE_USE_GATEWAY"] = "1"
    served = {
        name: model
        for name in (*_gemini_names(), *CLAUDE_NAMES)
        for model in [models.resolve(name, model_settings, platform=platform, today=today)]
    }
    rows = {name: _rates(model, today) for name, model in served.items()}
    return {"env": environ, "modelPricing": {"overrides": rows}}


def _gemini_names() -> Iterator[str]:
    """Google's, and those under which `/v1/models` shows them to pickers."""
    for name in TABLE:
        yield name
        yield str(models.to_models_api(TABLE[name])["id"])


def _rates(model: Model, today: str) -> dict[str, float]:
    """US dollars per million tokens; Gemini's implicit cache is written for nothing more."""
    rates = rates_on(model, today, 0)
    return {
        "input": rates.input,
        "output": rates.output,
        "cacheRead": rates.cached,
        "cacheWrite": rates.input,
    }

"""What each Gemini model can do and refuses: one table of facts, as of 2026-11-23.

Knows model names, where retired names and aliases are routed to, and how a model is listed. A name
that is not here is not found, like a shut down model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emulator_errors import BARE

MINIMAL_TO_HIGH = ("MINIMAL", "LOW", "MEDIUM", "HIGH")
LOW_TO_HIGH = MINIMAL_TO_HIGH[1:]
LOW_TO_XHIGH = (*LOW_TO_HIGH, "XHIGH")
MINIMAL_OR_HIGH = ("MINIMAL", "HIGH")

NEVER_ZERO = "The model does not support setting thinking_budget to 0."
MAY_BE_ZERO = ""


@dataclass(frozen=True)
class Budget:
    """The thinking budgets a model takes; -1 (dynamic) is always one. zero: why 0 is not."""

    least: int
    most: int
    zero: str = MAY_BE_ZERO


@dataclass(frozen=True)
class Model:
    """One model. The defaults are those of the newest generation."""

    name: str
    levels: tuple[str, ...] = LOW_TO_HIGH
    budget: Budget | None = None
    """None: a thinking budget is refused."""
    context: int = 1_048_576
    output: int = 65_536
    unary_output: int = 65_536
    """The most that `generateContent` gives without a continuation token."""
    signs: bool = True
    """Refuses a call of the current turn that lost its thought signature."""
    call_ids: bool = True
    """Gives an id with each call."""
    combines: bool = True
    """Takes built-in tools beside functions, if told so."""
    multimodal_results: bool = True
    json_with_functions: bool = True
    prefill: bool = False
    """Takes a request that ends with a model turn.

    Refused from 3.5-flash-lite and 3.6-flash on, tried live by
    https://github.com/LibreChat-AI/agents/pull/323 (2026-07-21).
    """


THREE = Budget(1, 32_768, BARE)
"""Gemini 3 still takes a budget, but nothing switches its thinking off."""


def _three(name: str, levels: tuple[str, ...], *, prefill: bool = False) -> Model:
    return Model(name, levels, THREE, prefill=prefill)


def _older(
    name: str,
    budget: Budget | None,
    levels: tuple[str, ...] = (),
    context: int = 1_048_576,
    output: int = 65_536,
) -> Model:
    return Model(
        name,
        levels,
        budget,
        context=context,
        output=output,
        unary_output=output,
        signs=False,
        call_ids=False,
        combines=False,
        multimodal_results=False,
        json_with_functions=False,
        prefill=True,
    )


TABLE = {
    model.name: model
    for model in (
        Model("gemini-4-carbon", LOW_TO_HIGH, unary_output=32_768),
        Model("gemini-4-neon", LOW_TO_XHIGH),
        Model("gemini-4-hydrogen", LOW_TO_XHIGH),
        Model("gemini-4-argon", LOW_TO_HIGH, unary_output=32_768),
        _three("gemini-3.8-flash", LOW_TO_HIGH),
        _three("gemini-3.6-flash", MINIMAL_TO_HIGH),
        _three("gemini-3.5-flash-lite", MINIMAL_TO_HIGH),
        _three("gemini-3.1-flash-lite", MINIMAL_TO_HIGH, prefill=True),
        _three("gemini-3.1-pro-preview", LOW_TO_HIGH, prefill=True),
        _three("gemini-3.1-pro-preview-customtools", LOW_TO_HIGH, prefill=True),
        _three("gemini-3-flash-preview", MINIMAL_TO_HIGH, prefill=True),
        _older("gemini-2.5-pro", Budget(128, 32_768, NEVER_ZERO)),
        _older("gemini-2.5-flash", Budget(1, 24_576)),
        _older("gemini-2.5-flash-lite", Budget(512, 24_576)),
        _older("gemma-4-31b-it", None, MINIMAL_OR_HIGH, 262_144, 32_768),
        _older("gemma-4-26b-a4b-it", None, MINIMAL_OR_HIGH, 262_144, 32_768),
    )
}

ROUTED = {
    "gemini-3.7-flash": "gemini-3.8-flash",
    "gemini-3.5-flash": "gemini-3.6-flash",
    "gemini-pro-latest": "gemini-3.1-pro-preview",
    "gemini-flash-latest": "gemini-3.8-flash",
    "gemini-flash-lite-latest": "gemini-3.5-flash-lite",
}
"""Names that another model serves; `modelVersion` tells which."""

METHODS = ("generateContent", "countTokens", "createCachedContent", "batchGenerateContent")


def find(name: str) -> Model | None:
    """The model that serves a request for this name."""
    return TABLE.get(ROUTED.get(name, name))


def names() -> list[str]:
    return [*TABLE, *ROUTED]


def listed(name: str) -> dict[str, Any]:
    """A known name as ListModels shows it."""
    model = TABLE[ROUTED.get(name, name)]
    return {
        "name": f"models/{name}",
        "version": name.split("-")[1],
        "displayName": name.replace("-", " ").title(),
        "description": f"{name}, as the local emulator plays it",
        "inputTokenLimit": model.context,
        "outputTokenLimit": model.output,
        "supportedGenerationMethods": list(METHODS),
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2,
        "thinking": True,
    }

"""Claude names -> Gemini models, and what each Gemini can do: one editable table.

Facts seen 2026-11-23 in Google's model, deprecation and pricing pages. A name that is not in
the table gets its facts from the rules below it; an unknown `gemini-*` counts as the newest.
This file refuses to know where an override comes from, and what a request looks like.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

LEVELS = ("minimal", "low", "medium", "high", "xhigh")
"""Gemini's thinking levels, least first."""

LOW_TO_HIGH = LEVELS[1:4]
MINIMAL_TO_HIGH = LEVELS[:4]
LOW_TO_XHIGH = LEVELS[1:]

DYNAMIC = -1
"""A thinking budget that leaves the amount to the model."""


@dataclass(frozen=True)
class Budget:
    """Gemini 2.5 takes a number of thinking tokens instead of a level."""

    least: int
    most: int
    can_be_off: bool


@dataclass(frozen=True)
class Model:
    """One Gemini model. Token limits; `levels` is empty where levels are not understood."""

    name: str
    released: str = "2026-11-23"
    levels: tuple[str, ...] = LOW_TO_HIGH
    budget: Budget | None = None
    context: int = 1_048_576
    output: int = 65_536
    signs: bool = True
    """Gives thought signatures with calls and refuses calls that lost theirs (Gemini 3+)."""
    samples: bool = False
    """Honours temperature, topP and topK."""
    call_ids: bool = True
    """Matches calls and responses by id."""
    multimodal_results: bool = True
    """Takes images and PDFs inside a functionResponse."""
    json_with_tools: bool = True
    """Takes a schema for its answer and tools in one request; built-in tools and functions too."""
    prefill: bool = False
    """Continues a conversation that ends with the model's own turn."""

    @property
    def display_name(self) -> str:
        """`gemini-3.5-flash-lite` -> `Gemini 3.5 Flash Lite`."""
        return self.name.replace("-", " ").title()


def _older(name: str, released: str, budget: Budget | None) -> Model:
    return Model(
        name,
        released,
        levels=(),
        budget=budget,
        signs=False,
        samples=True,
        call_ids=False,
        multimodal_results=False,
        json_with_tools=False,
        prefill=True,
    )


TABLE = {
    model.name: model
    for model in (
        Model("gemini-4-hydrogen", "2026-11-12", LOW_TO_XHIGH),
        Model("gemini-4-neon", "2026-11-18", LOW_TO_XHIGH),
        Model("gemini-4-carbon", "2026-11-10"),
        Model("gemini-4-argon", "2026-10-13"),
        Model("gemini-3.8-flash", "2026-09-02"),
        Model("gemini-3.7-flash", "2026-08-13"),
        Model("gemini-3.6-flash", "2026-07-21", MINIMAL_TO_HIGH),
        Model("gemini-3.5-flash", "2026-05-19", MINIMAL_TO_HIGH),
        Model("gemini-3.5-flash-lite", "2026-07-21", MINIMAL_TO_HIGH),
        Model("gemini-3.1-flash-lite", "2026-05-07", MINIMAL_TO_HIGH, prefill=True),
        Model("gemini-3.1-pro-preview", "2026-02-19", prefill=True),
        Model("gemini-3.1-pro-preview-customtools", "2026-02-19", prefill=True),
        Model("gemini-3-flash-preview", "2025-12-17", MINIMAL_TO_HIGH, prefill=True),
        _older("gemini-2.5-pro", "2025-06-17", Budget(128, 32_768, can_be_off=False)),
        _older("gemini-2.5-flash", "2025-06-17", Budget(1, 24_576, can_be_off=True)),
        _older("gemini-2.5-flash-lite", "2025-07-22", Budget(512, 24_576, can_be_off=True)),
    )
}

FREE_DEFAULT = "gemini-4-hydrogen"
"""The best model that a free-tier key can use."""

DEFAULTS = {
    "opus": FREE_DEFAULT,
    "sonnet": FREE_DEFAULT,
    "haiku": "gemini-3.5-flash-lite",
}
"""Class of Claude model -> Gemini model; every default works with a free-tier key."""

CLASSES = {"haiku": "haiku", "sonnet": "sonnet", "opus": "opus", "fable": "opus"}
"""A word in a model's name -> its class; a name with none of them counts as sonnet."""

OVERRIDES = {
    "opus": "ANTHROPIC_DEFAULT_OPUS_MODEL",
    "sonnet": "ANTHROPIC_DEFAULT_SONNET_MODEL",
    "haiku": "ANTHROPIC_DEFAULT_HAIKU_MODEL",
}
"""Class -> the setting that names its model instead."""

GOOGLE = re.compile(r"(?:gemini|gemma|learnlm)-[A-Za-z0-9._-]+")
"""A name that Google's API takes as it is."""

WRAPPED = re.compile(r"^(?:models/|anthropic/|claude-(?=gem))|\[1m\]$", re.IGNORECASE)
"""What clients put around such a name: a picker's alias, a context-window suffix."""


def resolve(requested: str, overrides: Mapping[str, str], *, is_subagent: bool = False) -> Model:
    """The model that serves a request.

    requested: the request's `model`. overrides: setting name -> model name, as far as set.
    The most specific wins: a Gemini name in the request, then CLAUDE_CODE_SUBAGENT_MODEL for
    a subagent, then the class's own setting, then ANTHROPIC_MODEL, then the default.
    """
    name = google_name(requested)
    if name is not None:
        return find(name)
    settings = [OVERRIDES[class_of(requested)], "ANTHROPIC_MODEL"]
    if is_subagent:
        settings.insert(0, "CLAUDE_CODE_SUBAGENT_MODEL")
    for setting in settings:
        if overrides.get(setting):
            return find(_named(overrides[setting]))
    return find(DEFAULTS[class_of(requested)])


def google_name(name: str) -> str | None:
    """`claude-gemini-x`, `anthropic/gemini-x`, `gemini-x[1m]` -> `gemini-x`; None for others."""
    bare = WRAPPED.sub("", name)
    while bare != name:
        name, bare = bare, WRAPPED.sub("", bare)
    return bare.lower() if GOOGLE.fullmatch(bare.lower()) else None


def class_of(name: str) -> str:
    """`opus`, `sonnet` or `haiku`."""
    lowered = name.lower()
    return next((CLASSES[word] for word in CLASSES if word in lowered), "sonnet")


def _named(value: str) -> str:
    """An override may itself be a Claude name (the same shell serves the client)."""
    lowered = value.lower()
    is_claude = lowered.startswith("claude") or lowered in {*CLASSES, "opusplan", "default"}
    return google_name(value) or (DEFAULTS[class_of(value)] if is_claude else value)


def find(name: str) -> Model:
    """The facts about a Gemini model, from the table or by the rules for unknown names."""
    return TABLE.get(name) or _unlisted(name)


GENERATION = re.compile(r"gemini-(\d+)(?:\.(\d+))?")


def _unlisted(name: str) -> Model:
    if name.startswith("gemma-"):
        return replace(_older(name, Model.released, None), context=262_144, output=32_768)
    version = GENERATION.match(name)
    generation = (int(version[1]), int(version[2] or 0)) if version else (99, 0)
    if generation < (3, 0):
        return _older(name, Model.released, Budget(512, 24_576, can_be_off="flash" in name))
    light = "lite" in name or ("flash" in name and generation <= (3, 6))
    return Model(name, levels=MINIMAL_TO_HIGH if light else LOW_TO_HIGH)


def described(model: Model, model_id: str | None = None) -> dict[str, object]:
    """A model in the shape of the Models API; by default under the alias that pickers take.

    Claude Code's model picker keeps only ids that begin with `claude` or `anthropic`.
    """
    return {
        "type": "model",
        "id": model_id or f"claude-{model.name}",
        "display_name": model.display_name,
        "created_at": f"{model.released}T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": model.context,
        "max_tokens": model.output,
    }

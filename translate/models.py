"""Claude names -> Gemini models, and what each Gemini can do: one editable table.

Facts seen 2026-11-23 in Google's model, deprecation and pricing pages. A name that is not in
the table gets its facts from the rules below it; an unknown `gemini-*` counts as the newest.
Where a setting comes from and what a request looks like is not its business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

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

    minimum: int
    maximum: int
    can_be_off: bool


class Price(NamedTuple):
    """US dollars for a million tokens, at the standard tier."""

    input: float
    cached: float
    output: float


@dataclass(frozen=True)
class Model:
    """One Gemini model. Token limits; `levels` is empty where levels are not understood."""

    name: str
    released: str = "2026-11-23"
    price: Price | None = None
    """None where it is not known."""
    is_free: bool = False
    """Can be used with a free-tier key."""
    retires: str | None = None
    """The day on which Google withdraws it or answers with `successor` instead, once announced."""
    successor: str | None = None
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
    """Takes a schema for its answer and tools in one request."""
    mixes_tools: bool = True
    """Takes functions and built-in tools in one request."""
    prefill: bool = False
    """Continues a conversation that ends with the model's own turn."""


def _older_model(name: str, released: str, budget: Budget | None, **more: Any) -> Model:
    """Gemini 2.5 and what is like it."""
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
        mixes_tools=False,
        prefill=True,
        **more,
    )


TABLE = {
    model.name: model
    for model in (
        Model(
            "gemini-4-hydrogen",
            "2026-11-12",
            Price(1.50, 0.075, 7.50),
            is_free=True,
            levels=LOW_TO_XHIGH,
        ),
        Model("gemini-4-neon", "2026-11-18", Price(3.00, 0.15, 15.00), levels=LOW_TO_XHIGH),
        Model("gemini-4-carbon", "2026-11-10", Price(2.00, 0.10, 10.00)),
        Model("gemini-4-argon", "2026-10-13", Price(2.00, 0.10, 10.00)),
        Model("gemini-3.8-flash", "2026-09-02", Price(0.75, 0.075, 3.75), is_free=True),
        Model(
            "gemini-3.7-flash",
            "2026-08-13",
            Price(0.75, 0.075, 3.75),
            retires="2026-10-08",
            successor="gemini-3.8-flash",
        ),
        Model(
            "gemini-3.6-flash",
            "2026-07-21",
            Price(0.75, 0.075, 3.75),
            is_free=True,
            levels=MINIMAL_TO_HIGH,
        ),
        Model(
            "gemini-3.5-flash",
            "2026-05-19",
            Price(1.50, 0.15, 9.00),
            retires="2026-10-08",
            successor="gemini-3.6-flash",
            levels=MINIMAL_TO_HIGH,
        ),
        Model(
            "gemini-3.5-flash-lite",
            "2026-07-21",
            Price(0.30, 0.03, 2.50),
            is_free=True,
            levels=MINIMAL_TO_HIGH,
        ),
        Model(
            "gemini-3.1-flash-lite",
            "2026-05-07",
            Price(0.25, 0.025, 1.50),
            is_free=True,
            levels=MINIMAL_TO_HIGH,
            prefill=True,
        ),
        Model("gemini-3.1-pro-preview", "2026-02-19", Price(2.00, 0.20, 12.00), prefill=True),
        Model(
            "gemini-3.1-pro-preview-customtools",
            "2026-02-19",
            Price(2.00, 0.20, 12.00),
            prefill=True,
        ),
        Model(
            "gemini-3-flash-preview",
            "2025-12-17",
            Price(0.50, 0.05, 3.00),
            is_free=True,
            levels=MINIMAL_TO_HIGH,
            prefill=True,
        ),
        _older_model(
            "gemini-2.5-pro",
            "2025-06-17",
            Budget(128, 32_768, can_be_off=False),
            price=Price(1.25, 0.125, 10.00),
            retires="2026-12-01",
            successor="gemini-3.8-flash",
        ),
        _older_model(
            "gemini-2.5-flash",
            "2025-06-17",
            Budget(1, 24_576, can_be_off=True),
            price=Price(0.30, 0.03, 2.50),
            retires="2026-12-01",
            successor="gemini-3.5-flash-lite",
        ),
        _older_model(
            "gemini-2.5-flash-lite",
            "2025-07-22",
            Budget(512, 24_576, can_be_off=True),
            price=Price(0.10, 0.01, 0.40),
            is_free=True,
        ),
    )
}
"""Carbon's and Argon's prices are introductory; a rise on 2026-12-01 is announced. Gemini 2.5 and
3.1 Pro cost more above 200,000 tokens of input. Retired names are answered by their successor."""

SUCCESSORS = {
    "gemini-3-pro-preview": "gemini-3.1-pro-preview",
    "gemini-2.0-flash": "gemini-3.5-flash-lite",
    "gemini-2.0-flash-lite": "gemini-3.5-flash-lite",
    **{model.name: model.successor for model in TABLE.values() if model.successor},
}
"""A model that is gone or will be -> the one to ask instead."""

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

CLASS_SETTINGS = {
    "opus": "ANTHROPIC_DEFAULT_OPUS_MODEL",
    "sonnet": "ANTHROPIC_DEFAULT_SONNET_MODEL",
    "haiku": "ANTHROPIC_DEFAULT_HAIKU_MODEL",
}
"""Class -> the setting that names its model instead."""

GOOGLE = re.compile(r"(?:gemini|gemma|learnlm)-[A-Za-z0-9._-]+")
"""A name that Google's API takes as it is."""

WRAPPED = re.compile(r"^(?:models/|anthropic/|claude-(?=gem))|\[1m\]$", re.IGNORECASE)
"""What clients put around such a name: a picker's alias, a context-window suffix."""


def resolve(
    requested: str, model_settings: Mapping[str, str], *, is_subagent: bool = False
) -> Model:
    """The model that serves a request.

    requested: the request's `model`. model_settings: setting name -> model name, as far as set.
    The most specific wins: a Gemini name in the request, then CLAUDE_CODE_SUBAGENT_MODEL for
    a subagent, then the class's own setting, then ANTHROPIC_MODEL, then the default.
    """
    name = google_name(requested)
    if name is not None:
        return find(name)
    settings = [CLASS_SETTINGS[class_of(requested)], "ANTHROPIC_MODEL"]
    if is_subagent:
        settings.insert(0, "CLAUDE_CODE_SUBAGENT_MODEL")
    for setting in settings:
        if model_settings.get(setting):
            return find(_from_setting(model_settings[setting]))
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


def _from_setting(value: str) -> str:
    """A setting may itself hold a Claude name (the same shell serves the client)."""
    lowered = value.lower()
    is_claude = lowered.startswith("claude") or lowered in {*CLASSES, "opusplan", "default"}
    return google_name(value) or (DEFAULTS[class_of(value)] if is_claude else value)


def find(name: str) -> Model:
    """The facts about a Gemini model, from the table or by the rules for unknown names."""
    return TABLE.get(name) or _unlisted_model(name)


def successor(name: str) -> str | None:
    """Who has taken the place of a model that Google has shut down; None where nobody knows."""
    return SUCCESSORS.get(name)


GENERATION = re.compile(r"gemini-(\d+)(?:\.(\d+))?")


def _unlisted_model(name: str) -> Model:
    if name.startswith("gemma-"):
        return replace(_older_model(name, Model.released, None), context=262_144, output=32_768)
    version = GENERATION.match(name)
    generation = (int(version[1]), int(version[2] or 0)) if version else (99, 0)
    if generation < (3, 0):
        return _older_model(name, Model.released, Budget(512, 24_576, can_be_off="flash" in name))
    light = "lite" in name or ("flash" in name and generation <= (3, 6))
    return Model(name, levels=MINIMAL_TO_HIGH if light else LOW_TO_HIGH)


# --- Google's two APIs to the same models ------------------------------------------------------


class Platform(NamedTuple):
    """stores: has the field `store`. call_ids: takes the ids of calls and responses. mixes_tools:
    serves functions and built-in tools in one request."""

    stores: bool = True
    call_ids: bool = True
    mixes_tools: bool = True


DEVELOPER = Platform()
"""The Gemini API, with a key."""

VERTEX = Platform(stores=False, call_ids=False, mixes_tools=False)
"""Vertex AI, with an identity of Google Cloud."""


def for_platform(model: Model, platform: Platform) -> Model:
    """The same model, without what that API does not serve."""
    if platform == DEVELOPER:
        return model
    return replace(
        model,
        call_ids=model.call_ids and platform.call_ids,
        mixes_tools=model.mixes_tools and platform.mixes_tools,
    )


# --- The table in the shape of the Models API -----------------------------------------------------


def to_models_api(model: Model, model_id: str | None = None) -> dict[str, object]:
    """A model in the shape of the Models API; by default under the alias that pickers take.

    Claude Code's model picker keeps only ids that begin with `claude` or `anthropic`.
    """
    return {
        "type": "model",
        "id": model_id or f"claude-{model.name}",
        "display_name": display_name(model),
        "description": summary(model),
        "created_at": f"{model.released}T00:00:00Z",
        "lifecycle": "deprecated" if model.retires else "active",
        "retires_at": f"{model.retires}T00:00:00Z" if model.retires else None,
        "max_input_tokens": model.context,
        "max_tokens": model.output,
    }


def display_name(model: Model) -> str:
    """`gemini-3.5-flash-lite` -> `Gemini 3.5 Flash Lite`."""
    return model.name.replace("-", " ").title()


def summary(model: Model) -> str:
    """What it costs and how long it stays, in a line."""
    facts = ["price not known"]
    if model.price is not None:
        facts = [f"${model.price.input:.2f} in, ${model.price.output:.2f} out per million tokens"]
    if model.is_free:
        facts.append("free tier")
    if model.retires:
        facts.append(f"{model.successor} from {model.retires}")
    return "; ".join(facts)

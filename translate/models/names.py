"""Which Gemini model a name means: a client's, or one in a setting.

Where a setting comes from and what a request looks like is not its business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from .table import CHECKED, DEVELOPER, Model, Platform, serving

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


class Choice(NamedTuple):
    """The model that serves a request. warnings: sentences for the client's owner, where that is
    not what was asked for."""

    model: Model
    warnings: tuple[str, ...] = ()


def choose(
    requested: str,
    model_settings: Mapping[str, str],
    *,
    is_subagent: bool = False,
    fallback: str | None = None,
    platform: Platform = DEVELOPER,
    today: str = CHECKED,
) -> Choice:
    """The model that serves a request on a day.

    requested: the request's `model`. model_settings: setting name -> model name, as far as set.
    fallback: the model to ask instead of the one that was chosen first.
    """
    names = [_configured_name(requested, model_settings, is_subagent)]
    if fallback is not None:
        names.append(_from_setting(fallback))
    models = [serving(name, platform, today) for name in names]
    gone = [
        f"{name} is gone, ask for {model.name}."
        for name, model in zip(names, models, strict=True)
        if name != model.name
    ]
    return Choice(models[-1], tuple(dict.fromkeys(gone)))


def resolve(
    requested: str,
    model_settings: Mapping[str, str],
    *,
    is_subagent: bool = False,
    platform: Platform = DEVELOPER,
    today: str = CHECKED,
) -> Model:
    """The model that serves a request on a day, as `choose` finds it."""
    return choose(
        requested, model_settings, is_subagent=is_subagent, platform=platform, today=today
    ).model


def _configured_name(requested: str, model_settings: Mapping[str, str], is_subagent: bool) -> str:
    """The most specific wins: a Gemini name in the request, then CLAUDE_CODE_SUBAGENT_MODEL for
    a subagent, then the class's own setting, then ANTHROPIC_MODEL, then the default."""
    name = google_name(requested)
    if name is not None:
        return name
    settings = [CLASS_SETTINGS[class_of(requested)], "ANTHROPIC_MODEL"]
    if is_subagent:
        settings.insert(0, "CLAUDE_CODE_SUBAGENT_MODEL")
    for setting in settings:
        if model_settings.get(setting):
            return _from_setting(model_settings[setting])
    return DEFAULTS[class_of(requested)]


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

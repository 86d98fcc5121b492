"""Which Gemini model a name means: a client's, or one in a setting.

Where a setting comes from and what a request looks like is not its business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from ..errors import InvalidRequest
from . import typos
from .table import CHECKED, DEVELOPER, Model, Platform, is_known, serving

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

MAX_NAME_LENGTH = 256
"""Characters of a request's `model`: Google's longest, with project and location, has 150."""

MAX_SHOWN = 64
"""Of them in a warning, which is a header."""

GOOGLE = re.compile(r"(?:gemini|gemma|learnlm)-[a-z0-9._-]+")
"""A name that Google's API takes as it is."""

AROUND = re.compile(r"[\s:@#[\]()]+")
"""Between such a name and what clients and routers put before or behind it in the last step of a
path: `google_genai:...`, `...:free`, `...@001`, `...[1m]`, `...(high)`."""

PICKERS = re.compile(r"(?:claude-|anthropic-)*")
"""Before such a name, for pickers that take Anthropic's only."""

OTHER_MAKERS = re.compile(
    r"(?:gpt|chatgpt|codex|o|grok|llama|mistral|mixtral|deepseek|qwen|kimi|glm|minimax|phi)"
    r"-?\d[a-z0-9._-]*"
)
"""Names that are none of Google's, Anthropic's or of a model tuned by somebody."""

CLAUDE_CODES = frozenset({*CLASSES, "opusplan", "default", "best"})
"""What Claude Code takes for a model, and what a shell may hold for it."""

UNPRINTED = re.compile(r"[^A-Za-z0-9._:/@\[\]() -]")


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
    fallback: the model to ask instead of the one that was chosen first. Raises InvalidRequest for
    a name that is too long.
    """
    if len(requested) > MAX_NAME_LENGTH:
        problem = f"expected at most {MAX_NAME_LENGTH} characters, got {len(requested):,}"
        raise InvalidRequest("model", problem)
    google = google_name(requested)
    names = [google or _configured_name(requested, model_settings, is_subagent)]
    if fallback is not None:
        names.append(_from_setting(fallback))
    models = [serving(name, platform, today) for name in names]
    gone = [
        f"{name} is gone, ask for {model.name}."
        for name, model in zip(names, models, strict=True)
        if name != model.name
    ]
    return Choice(models[-1], tuple(dict.fromkeys([*_doubts(requested, google, models[0]), *gone])))


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


def setting_for(
    requested: str, model_settings: Mapping[str, str], *, is_subagent: bool = False
) -> str | None:
    """The setting whose model serves a request, or where none is set the one that could change it;
    None for a request that names a model of Google's itself."""
    if google_name(requested):
        return None
    setting = _deciding_setting(requested, model_settings, is_subagent)
    return setting or CLASS_SETTINGS[class_of(requested)]


def _configured_name(requested: str, model_settings: Mapping[str, str], is_subagent: bool) -> str:
    """Of a request that names no model of Google's."""
    setting = _deciding_setting(requested, model_settings, is_subagent)
    return _from_setting(model_settings[setting]) if setting else DEFAULTS[class_of(requested)]


def _deciding_setting(
    requested: str, model_settings: Mapping[str, str], is_subagent: bool
) -> str | None:
    """The most specific one that is set: CLAUDE_CODE_SUBAGENT_MODEL for a subagent, then the
    class's own, then ANTHROPIC_MODEL; None where the default holds."""
    settings = [CLASS_SETTINGS[class_of(requested)], "ANTHROPIC_MODEL"]
    if is_subagent:
        settings.insert(0, "CLAUDE_CODE_SUBAGENT_MODEL")
    return next((setting for setting in settings if model_settings.get(setting)), None)


def google_name(name: str) -> str | None:
    """The Gemini model in a client's or a router's form of its name, in any nesting, such as
    `anthropic/claude-gemini-x[1m]`, `vertex_ai/gemini-x`, `google/gemini-x:free`; None for others.
    """
    last_step = name.lower().rstrip("/").rpartition("/")[2]
    for word in AROUND.split(last_step):
        bare = PICKERS.sub("", word, count=1)
        if GOOGLE.fullmatch(bare):
            return bare
    return None


def class_of(name: str) -> str:
    """`opus`, `sonnet` or `haiku`."""
    lowered = name.lower()
    return next((CLASSES[word] for word in CLASSES if word in lowered), "sonnet")


def _from_setting(value: str) -> str:
    """A setting may itself hold a Claude name (the same shell serves the client)."""
    return google_name(value) or (DEFAULTS[class_of(value)] if is_claude(value) else value)


def is_claude(name: str) -> bool:
    """Whether a name is one that Claude Code takes for a model of Anthropic's."""
    lowered = name.lower()
    return "claude" in lowered or lowered.partition("[")[0] in CLAUDE_CODES


def _has_class(name: str) -> bool:
    """Whether its client may well mean a requested name: it is served by its class."""
    return is_claude(name) or any(word in name.lower() for word in CLASSES)


# --- Names that are not known ---------------------------------------------------------------------


def suggest(name: str) -> str | None:
    """The model that was probably meant by a name, a client's or one in a setting; None where the
    name may be right: known, Claude's, newer than the table, or somebody's own."""
    google = google_name(name)
    if _has_class(name) if google is None else is_known(google):
        return None
    last_step = name.lower().rstrip("/").rpartition("/")[2]
    bare = google or max(re.split(r"[:@\[\]()]", last_step), key=len)
    if OTHER_MAKERS.fullmatch(bare):
        return DEFAULTS[class_of(name)]
    return typos.nearest(bare)


def _doubts(requested: str, google: str | None, model: Model) -> list[str]:
    """A sentence on a requested name that means no known model; none for one that does. google: the
    Gemini model that it means."""
    if _has_class(requested) if google is None else is_known(google):
        return []
    meant = suggest(requested)
    hint = f", did you mean {meant}?" if meant and meant != model.name else "."
    if google is not None:
        return [f"{_printed(google)} is not in this server's table{hint}"]
    return [f"{_printed(requested)} is no Gemini or Claude model, {model.name} answers{hint}"]


def _printed(name: str) -> str:
    """A name in a header."""
    shown = UNPRINTED.sub("?", name[:MAX_SHOWN])
    return shown if len(name) <= MAX_SHOWN else f"{shown}..."

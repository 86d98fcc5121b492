"""Thinking and effort -> Gemini's thinkingConfig, and the room that thinking takes.

Gemini 3 and later take a level, Gemini 2.5 a number of tokens, Gemma neither. A client names an
amount as `thinking.budget_tokens`, as `output_config.effort`, or not at all.
"""

from __future__ import annotations

from .. import models
from ..models import Model
from ..wire import Json, MessagesRequest

HEADROOM = {"minimal": 1_024, "low": 4_096, "medium": 16_384, "high": 32_768, "xhigh": 65_536}
"""Tokens that a model may think at a level, on top of the answer: Gemini's limit counts both."""

EFFORTS = {"low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "xhigh"}
"""output_config.effort -> thinking level, before it is fitted to the model."""

DEFAULT_EFFORT = "high"
"""The Messages API's own, when thinking is adaptive and no effort is named, or an unknown one."""

DEFAULT_EFFORTS = {
    "claude-opus-5-5": "medium",
    "claude-sonnet-5-5": "high",
    "claude-haiku-5-5": "medium",
}
"""Claude models that think where `thinking` is absent -> their effort where none is named:
https://platform.claude.com/docs/en/models/sonnet-5-5/migration-guide (seen 2026-11-28)."""

DEFAULT_THINKING: Json = {"type": "adaptive", "display": "omitted"}
"""What these models do then."""

LOWEST = "between_tools"
"""A type: as little thinking as there is, and shown (claude-sonnet-5-5 has it for `disabled`)."""

BUDGET_LEVELS = ((4_096, "low"), (16_384, "medium"))
"""Thinking tokens up to which a level is meant; above them it is `high`."""

EFFORT_BUDGETS = {"low": 2_048, "medium": 8_192}
"""Effort -> thinking tokens, for models that take a number; above them the model decides."""


def with_default_thinking(request: MessagesRequest) -> MessagesRequest:
    """The request with `thinking`, where the model that it names thinks by default.

    Not where a call is forced: there the Messages API takes no thinking at all.
    """
    is_forced = request.get("tool_choice", {}).get("type") in {"any", "tool"}
    if "thinking" in request or is_forced or _default_effort(request) is None:
        return request
    return {**request, "thinking": DEFAULT_THINKING}


def wants_thinking(request: MessagesRequest) -> bool:
    """Whether the client asked for thinking, and is shown it: by any type but `disabled`.

    New types are new ways to think: `adaptive` came after `enabled`.
    """
    return "thinking" in request and request["thinking"]["type"] != "disabled"


def thinking_config(request: MessagesRequest, model: Model) -> Json:
    """thinking and effort -> thinkingConfig; without thinking, as little as the model allows."""
    wanted = wants_thinking(request)
    if model.budget is not None:
        config: Json = {"thinkingBudget": _budget(request, model.budget) if wanted else _off(model)}
    elif model.levels:
        config = {"thinkingLevel": _level(request, model.levels) if wanted else model.levels[0]}
    else:
        return {}
    if wanted and request["thinking"].get("display") != "omitted":
        config["includeThoughts"] = True
    return config


def headroom(thinking: Json, model: Model) -> int:
    """Tokens to allow on top of the answer. thinking: what `thinking_config` gave."""
    if model.budget is not None:
        budget = int(thinking["thinkingBudget"])
        return model.budget.maximum if budget == models.DYNAMIC else budget
    return HEADROOM.get(thinking.get("thinkingLevel", ""), 0)


def _default_effort(request: MessagesRequest) -> str | None:
    """That of the Claude model, which may stand among a router's prefixes or before a date."""
    name = request["model"].lower()
    return next((effort for model, effort in DEFAULT_EFFORTS.items() if model in name), None)


def _effort(request: MessagesRequest) -> str:
    default = _default_effort(request) or DEFAULT_EFFORT
    effort: str = request.get("output_config", {}).get("effort", default)
    return effort


def _level(request: MessagesRequest, levels: tuple[str, ...]) -> str:
    """The level that is asked for, or the nearest below it that the model has."""
    if request["thinking"]["type"] == LOWEST:
        return levels[0]
    budget = request["thinking"].get("budget_tokens")
    if budget is not None:
        wanted = next((level for limit, level in BUDGET_LEVELS if budget <= limit), "high")
    else:
        wanted = EFFORTS.get(_effort(request), DEFAULT_EFFORT)
    rank = models.LEVELS.index(wanted)
    return [level for level in levels if models.LEVELS.index(level) <= rank][-1]


def _budget(request: MessagesRequest, budget: models.Budget) -> int:
    if request["thinking"]["type"] == LOWEST:
        return budget.minimum
    tokens = request["thinking"].get("budget_tokens")
    if tokens is None:
        tokens = EFFORT_BUDGETS.get(_effort(request), models.DYNAMIC)
    return tokens if tokens == models.DYNAMIC else max(budget.minimum, min(tokens, budget.maximum))


def _off(model: Model) -> int:
    return 0 if model.budget is None or model.budget.can_be_off else model.budget.minimum

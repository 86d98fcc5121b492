"""translate/request/thinking.py: as much thinking as was asked for, in each model's own terms."""

from typing import Any

import pytest

from translate.request import translate

MINIMAL: dict[str, Any] = {
    "model": "claude-opus-5",
    "max_tokens": 1000,
    "messages": [{"role": "user", "content": "Hi"}],
}


def config(model: str, **fields: Any) -> Any:
    return translate({**MINIMAL, "model": model, **fields}, {}).request["generationConfig"]


DISABLED = {"type": "disabled"}
ADAPTIVE = {"type": "adaptive"}
OMITTED = {"type": "adaptive", "display": "omitted"}
UNKNOWN = {"type": "interleaved", "display": "blurred"}
BETWEEN_TOOLS = {"type": "between_tools"}


def budget(tokens: int) -> dict[str, Any]:
    return {"type": "enabled", "budget_tokens": tokens}


def level(name: str, shown: bool = True) -> dict[str, Any]:
    return {"thinkingLevel": name, **({"includeThoughts": True} if shown else {})}


def tokens(number: int, shown: bool = True) -> dict[str, Any]:
    return {"thinkingBudget": number, **({"includeThoughts": True} if shown else {})}


@pytest.mark.parametrize(
    ("model", "thinking", "effort", "expected"),
    [
        ("gemini-4-hydrogen", None, "high", level("low", shown=False)),
        ("gemini-4-hydrogen", DISABLED, "max", level("low", shown=False)),
        ("gemini-4-hydrogen", ADAPTIVE, None, level("high")),
        ("gemini-4-hydrogen", ADAPTIVE, "low", level("low")),
        ("gemini-4-hydrogen", ADAPTIVE, "medium", level("medium")),
        ("gemini-4-hydrogen", ADAPTIVE, "high", level("high")),
        ("gemini-4-hydrogen", ADAPTIVE, "xhigh", level("xhigh")),
        ("gemini-4-hydrogen", ADAPTIVE, "max", level("xhigh")),
        ("gemini-4-hydrogen", ADAPTIVE, "ludicrous", level("high")),
        ("gemini-4-hydrogen", OMITTED, "high", level("high", shown=False)),
        ("gemini-4-hydrogen", BETWEEN_TOOLS, "high", level("low")),
        ("gemini-3.6-flash", BETWEEN_TOOLS, None, level("minimal")),
        ("gemini-2.5-flash", BETWEEN_TOOLS, "high", tokens(1)),
        ("gemma-4-31b-it", BETWEEN_TOOLS, None, None),
        ("gemini-4-hydrogen", UNKNOWN, "low", level("low")),
        ("gemini-4-hydrogen", {**UNKNOWN, "budget_tokens": 5_000}, None, level("medium")),
        ("gemini-4-hydrogen", budget(0), None, level("low")),
        ("gemini-4-hydrogen", budget(1024), "max", level("low")),
        ("gemini-4-hydrogen", budget(10_000), None, level("medium")),
        ("gemini-4-hydrogen", budget(31_999), None, level("high")),
        ("gemini-4-carbon", ADAPTIVE, "max", level("high")),
        ("gemini-3.8-flash", None, None, level("low", shown=False)),
        ("gemini-3.6-flash", None, None, level("minimal", shown=False)),
        ("gemini-3.5-flash-lite", ADAPTIVE, "low", level("low")),
        ("gemini-9-unobtainium", ADAPTIVE, "xhigh", level("high")),
        ("gemini-2.5-flash", None, None, tokens(0, shown=False)),
        ("gemini-2.5-flash", ADAPTIVE, "high", tokens(-1)),
        ("gemini-2.5-flash", ADAPTIVE, "low", tokens(2048)),
        ("gemini-2.5-flash", budget(31_999), None, tokens(24_576)),
        ("gemini-2.5-flash", UNKNOWN, "ludicrous", tokens(-1)),
        ("gemini-2.5-pro", DISABLED, "high", tokens(128, shown=False)),
        ("gemini-2.5-flash-lite", budget(1), None, tokens(512)),
        ("gemma-4-31b-it", ADAPTIVE, "high", None),
    ],
)
def test_thinking(model: str, thinking: Any, effort: str | None, expected: Any) -> None:
    output = {"effort": effort} if effort else None
    assert config(model, thinking=thinking, output_config=output).get("thinkingConfig") == expected


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("claude-opus-5-5", None, level("medium", shown=False)),
        ("claude-sonnet-5-5", None, level("high", shown=False)),
        ("claude-haiku-5-5-20260922", None, level("medium", shown=False)),
        ("anthropic/Claude-Sonnet-5-5", "low", level("low", shown=False)),
        ("claude-opus-5", None, level("low", shown=False)),
        ("claude-haiku-4-5", "high", level("minimal", shown=False)),
        ("gemini-4-hydrogen", None, level("low", shown=False)),
    ],
)
def test_models_that_think_by_default(model: str, effort: str | None, expected: Any) -> None:
    body = {**MINIMAL, "model": model, "output_config": {"effort": effort}}
    translation = translate(body, {})
    thinks = "-5-5" in model.lower()
    assert translation.request["generationConfig"]["thinkingConfig"] == expected
    assert translation.shows_thinking is thinks
    of_claude_code = translate(body, {}, is_claude_code=True)
    least = translate({**body, "thinking": DISABLED}, {})
    assert of_claude_code.request == least.request
    assert (of_claude_code.shows_thinking, least.shows_thinking) == (False, False)


@pytest.mark.parametrize(
    ("kind", "thinks"), [("auto", True), ("none", True), ("any", False), ("tool", False)]
)
def test_forced_call_needs_no_thought(kind: str, thinks: bool) -> None:
    tool = {"name": "Bash", "input_schema": {}}
    choice = {"type": kind, "name": "Bash"}
    body = {**MINIMAL, "model": "claude-sonnet-5-5", "tools": [tool], "tool_choice": choice}
    assert translate(body, {}).shows_thinking is thinks


def test_effort_of_a_model_where_none_is_named() -> None:
    assert config("claude-opus-5-5", thinking=ADAPTIVE)["thinkingConfig"] == level("medium")
    assert config("claude-opus-5", thinking=ADAPTIVE)["thinkingConfig"] == level("high")


@pytest.mark.parametrize(
    ("thinking", "expected"),
    [
        (None, False),
        (DISABLED, False),
        (ADAPTIVE, True),
        (OMITTED, True),
        (BETWEEN_TOOLS, True),
        (UNKNOWN, True),
    ],
)
def test_thinking_is_shown_to_who_asked_for_it(thinking: Any, expected: bool) -> None:
    assert translate({**MINIMAL, "thinking": thinking}, {}).shows_thinking is expected


@pytest.mark.parametrize(
    ("model", "thinking", "max_tokens", "sent"),
    [
        ("gemini-4-hydrogen", None, 1, 1 + 4_096),
        ("gemini-4-hydrogen", {"type": "adaptive"}, 1000, 1000 + 32_768),
        ("gemini-3.5-flash-lite", None, 64, 64 + 1_024),
        ("gemini-4-hydrogen", {"type": "adaptive"}, 64_000, 65_536),
        ("gemini-4-hydrogen", None, 200_000, 65_536),
        ("gemini-2.5-flash", None, 100, 100),
        ("gemini-2.5-flash", {"type": "adaptive"}, 100, 100 + 24_576),
        ("gemini-2.5-pro", None, 100, 100 + 128),
        ("gemma-4-31b-it", None, 100_000, 32_768),
    ],
)
def test_the_limit_leaves_room_to_think(
    model: str, thinking: Any, max_tokens: int, sent: int
) -> None:
    body = {**MINIMAL, "model": model, "thinking": thinking, "max_tokens": max_tokens}
    assert translate(body, {}).request["generationConfig"]["maxOutputTokens"] == sent

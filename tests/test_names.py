"""translate/models/names.py: which Gemini model a name means."""

from __future__ import annotations

import pytest

from translate.models import DEFAULTS, TABLE, VERTEX, choose, google_name, resolve

ALL = {
    "ANTHROPIC_MODEL": "gemini-4-argon",
    "ANTHROPIC_DEFAULT_OPUS_MODEL": "gemini-4-carbon",
    "ANTHROPIC_DEFAULT_SONNET_MODEL": "gemini-4-neon",
    "ANTHROPIC_DEFAULT_HAIKU_MODEL": "gemini-3.8-flash",
    "CLAUDE_CODE_SUBAGENT_MODEL": "gemini-3.6-flash",
}


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        ("claude-opus-5-5", "gemini-4-hydrogen"),
        ("claude-opus-4-8", "gemini-4-hydrogen"),
        ("claude-fable-5-2", "gemini-4-hydrogen"),
        ("claude-sonnet-5-5", "gemini-4-hydrogen"),
        ("claude-haiku-4-5-20251001", "gemini-3.5-flash-lite"),
        ("some-model", "gemini-4-hydrogen"),
        ("gemini-3.8-flash", "gemini-3.8-flash"),
        ("claude-gemini-3.8-flash", "gemini-3.8-flash"),
        ("anthropic/gemini-3.8-flash", "gemini-3.8-flash"),
        ("anthropic/claude-gemini-3.8-flash[1m]", "gemini-3.8-flash"),
        ("models/gemini-3.8-flash", "gemini-3.8-flash"),
        ("Gemini-3.8-Flash[1M]", "gemini-3.8-flash"),
        ("gemini-9-unobtainium", "gemini-9-unobtainium"),
        ("gemma-4-31b-it", "gemma-4-31b-it"),
    ],
)
def test_a_name_without_settings(requested: str, expected: str) -> None:
    assert resolve(requested, {}).name == expected


@pytest.mark.parametrize(
    ("requested", "unset", "is_subagent", "expected"),
    [
        ("claude-opus-5", [], False, "gemini-4-carbon"),
        ("claude-sonnet-5", [], False, "gemini-4-neon"),
        ("claude-haiku-5", [], False, "gemini-3.8-flash"),
        ("claude-haiku-5", ["ANTHROPIC_DEFAULT_HAIKU_MODEL"], False, "gemini-4-argon"),
        ("claude-haiku-5", [], True, "gemini-3.6-flash"),
        ("claude-haiku-5", ["CLAUDE_CODE_SUBAGENT_MODEL"], True, "gemini-3.8-flash"),
        ("gemini-3.1-pro-preview", [], True, "gemini-3.1-pro-preview"),
    ],
)
def test_the_most_specific_setting_wins(
    requested: str, unset: list[str], is_subagent: bool, expected: str
) -> None:
    model_settings = {name: value for name, value in ALL.items() if name not in unset}
    assert resolve(requested, model_settings, is_subagent=is_subagent).name == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("anthropic/gemini-4-neon[1m]", "gemini-4-neon"),
        ("opus", DEFAULTS["opus"]),
        ("claude-haiku-4-5", DEFAULTS["haiku"]),
        ("tuned-by-me", "tuned-by-me"),
    ],
)
def test_a_setting_may_be_any_name_a_shell_holds(value: str, expected: str) -> None:
    assert resolve("claude-sonnet-5", {"ANTHROPIC_MODEL": value}).name == expected


def test_names_that_are_not_googles() -> None:
    assert [google_name(name) for name in ("claude-opus-5", "gpt-5", "gemini-", "gemini-a/b")] == [
        None,
        None,
        None,
        None,
    ]


# --- The day --------------------------------------------------------------------------------------

GONE = "gemini-2.5-pro is gone, ask for gemini-3.8-flash."
LITE_GONE = "gemini-2.5-flash is gone, ask for gemini-3.5-flash-lite."


@pytest.mark.parametrize(
    ("requested", "settings", "fallback", "expected", "warnings"),
    [
        ("gemini-2.5-pro", {}, None, "gemini-3.8-flash", [GONE]),
        ("claude-gemini-2.5-pro[1m]", {}, None, "gemini-3.8-flash", [GONE]),
        ("opus", {"ANTHROPIC_MODEL": "gemini-2.5-pro"}, None, "gemini-3.8-flash", [GONE]),
        ("opus", {}, "gemini-2.5-pro", "gemini-3.8-flash", [GONE]),
        ("opus", {}, "models/gemini-4-neon", "gemini-4-neon", []),
        ("gemini-2.5-pro", {}, "gemini-2.5-flash", "gemini-3.5-flash-lite", [GONE, LITE_GONE]),
        ("gemini-2.5-pro", {}, "gemini-2.5-pro", "gemini-3.8-flash", [GONE]),
        ("opus", {}, None, "gemini-4-hydrogen", []),
    ],
)
def test_a_retired_name_is_planned_as_its_successor(
    requested: str, settings: dict[str, str], fallback: str, expected: str, warnings: list[str]
) -> None:
    choice = choose(requested, settings, fallback=fallback, today="2026-12-01")
    assert (choice.model, choice.warnings) == (TABLE[expected], tuple(warnings))
    before = choose(requested, settings, fallback=fallback, today="2026-11-30")
    assert before.warnings == ()
    on_vertex = choose(requested, settings, fallback=fallback, platform=VERTEX)
    assert (on_vertex.model.name, on_vertex.warnings) == (expected, tuple(warnings))
    assert resolve("gemini-2.5-pro", {}, today="2026-12-01").name == "gemini-3.8-flash"

"""translate/models/names.py: which Gemini model a name means."""

from __future__ import annotations

import pytest

from translate.errors import InvalidRequest
from translate.models import (
    ALIASES,
    DEFAULTS,
    FORMER,
    TABLE,
    VERTEX,
    choose,
    google_name,
    resolve,
    setting_for,
    suggest,
)
from translate.models.names import MAX_NAME_LENGTH

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
    ("requested", "is_subagent", "settings", "expected"),
    [
        ("claude-opus-5", False, ALL, "ANTHROPIC_DEFAULT_OPUS_MODEL"),
        ("claude-opus-5", True, ALL, "CLAUDE_CODE_SUBAGENT_MODEL"),
        ("some-model", False, {"ANTHROPIC_MODEL": "gemini-9"}, "ANTHROPIC_MODEL"),
        ("claude-haiku-5", False, {}, "ANTHROPIC_DEFAULT_HAIKU_MODEL"),
        ("anthropic/claude-gemini-9[1m]", True, ALL, None),
    ],
)
def test_setting_for_a_request(
    requested: str, is_subagent: bool, settings: dict[str, str], expected: str | None
) -> None:
    assert setting_for(requested, settings, is_subagent=is_subagent) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("anthropic/gemini-4-neon[1m]", "gemini-4-neon"),
        ("opus", DEFAULTS["opus"]),
        ("claude-haiku-4-5", DEFAULTS["haiku"]),
        ("opus[1m]", DEFAULTS["opus"]),
        ("anthropic/claude-haiku-4-5", DEFAULTS["haiku"]),
        ("tuned-by-me", "tuned-by-me"),
        ("tuned-haiku-poet", "tuned-haiku-poet"),
    ],
)
def test_a_setting_may_be_any_name_a_shell_holds(value: str, expected: str) -> None:
    assert resolve("claude-sonnet-5", {"ANTHROPIC_MODEL": value}).name == expected


NOT_GOOGLES = [
    "claude-opus-5",
    "gpt-5",
    "gemini-",
    "gemini-a/b",
    "gemini/",
    "google/",
    "",
    "/",
    "'gemini-4-neon'",
    "gemini-4é",
]


@pytest.mark.parametrize("name", NOT_GOOGLES)
def test_names_that_are_not_googles(name: str) -> None:
    assert google_name(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "gemini-4-neon",
        " Gemini-4-Neon ",
        "google/gemini-4-neon",
        "gemini/gemini-4-neon",
        "vertex_ai/gemini-4-neon",
        "models/gemini-4-neon/",
        "~google/gemini-4-neon",
        "openrouter/google/gemini-4-neon:free",
        "publishers/google/models/gemini-4-neon@001",
        "projects/p/locations/global/publishers/google/models/gemini-4-neon",
        "google_genai:gemini-4-neon",
        "google-vertex:models/gemini-4-neon",
        "gemini-4-neon[1m]",
        "gemini-4-neon[1m]:free[1M]",
        "gemini-4-neon(high)",
        "anthropic/claude-gemini-4-neon[1m]",
        "claude-claude-gemini-4-neon",
        "models/models/anthropic/claude-anthropic-gemini-4-neon",
        "anthropic/gemini-4-neon:claude-opus-5",
    ],
)
def test_a_gemini_name_is_found_in_any_nesting(name: str) -> None:
    assert google_name(name) == "gemini-4-neon"
    assert resolve(name, {"ANTHROPIC_MODEL": "gemini-4-argon"}).name == "gemini-4-neon"
    assert resolve("claude-opus-5", {"ANTHROPIC_MODEL": name}).name == "gemini-4-neon"
    assert choose("claude-opus-5", {}, fallback=name).model.name == "gemini-4-neon"
    assert choose(name, {}).warnings == ()


@pytest.mark.parametrize("repeated", ["models/", "[1m]", "claude-", ":", "gemini-a:", "/", " "])
def test_a_name_is_read_in_linear_time(repeated: str) -> None:
    """A megabyte at once: what is quadratic would take hours."""
    many = repeated * (1_000_000 // len(repeated))
    assert google_name(f"{many}gemini-4-neon") in ("gemini-4-neon", "gemini-a")
    is_path = "/" in repeated
    assert google_name(f"gemini-4-neon:{many}!") == (None if is_path else "gemini-4-neon")


def test_a_name_has_a_length() -> None:
    longest = "x" * MAX_NAME_LENGTH
    assert resolve(longest, {}).name == DEFAULTS["sonnet"]
    with pytest.raises(InvalidRequest) as raised:
        resolve(f"{longest}x", {})
    assert raised.value.message == "model: expected at most 256 characters, got 257"


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


# --- Names that are not known ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("claude-opus-5-5", "claude-9-unheard-of", "us.anthropic.claude-v1:0", "claude"),
        *("opus", "Sonnet", "opusplan", "default", "best", "opus[1m]"),
        *(*TABLE, *FORMER, *ALIASES, "gemini-3.8-flash-001", "gemini-2.5-flash-preview-09-2025"),
        *("gemini-2.0-flash-exp", "gemini-2.5-pro-preview-05-06"),
    ],
)
def test_known_names_need_no_word(name: str) -> None:
    choice = choose(name, {})
    assert suggest(name) is None
    assert not any("did you mean" in each or "is no" in each for each in choice.warnings)
    assert not any("table" in each for each in choice.warnings)


NO_MODEL = "is no Gemini or Claude model, gemini-4-hydrogen answers"
NOT_LISTED = "is not in this server's table"


@pytest.mark.parametrize(
    ("name", "model", "warning"),
    [
        ("gpt-5", "gemini-4-hydrogen", f"gpt-5 {NO_MODEL}."),
        ("openai/gpt-5:free", "gemini-4-hydrogen", f"openai/gpt-5:free {NO_MODEL}."),
        ("some-model", "gemini-4-hydrogen", f"some-model {NO_MODEL}."),
        ("gemnii-4", "gemini-4-hydrogen", f"gemnii-4 {NO_MODEL}."),
        (
            "google/gemnii-4-neon",
            "gemini-4-hydrogen",
            f"google/gemnii-4-neon {NO_MODEL}, did you mean gemini-4-neon?",
        ),
        (
            "google:gemnii-4-neon",
            "gemini-4-hydrogen",
            f"google:gemnii-4-neon {NO_MODEL}, did you mean gemini-4-neon?",
        ),
        (
            "gemini-9-flsh",
            "gemini-9-flsh",
            f"gemini-9-flsh {NOT_LISTED}, did you mean gemini-3.8-flash?",
        ),
        (
            "google/gemini-9-unobtainium",
            "gemini-9-unobtainium",
            f"gemini-9-unobtainium {NOT_LISTED}.",
        ),
        ("a\r\nset-cookie: b\x00é", "gemini-4-hydrogen", f"a??set-cookie: b?? {NO_MODEL}."),
        ("x" * 65, "gemini-4-hydrogen", f"{'x' * 64}... {NO_MODEL}."),
    ],
)
def test_an_unknown_name_is_served_with_a_word(name: str, model: str, warning: str) -> None:
    choice = choose(name, {})
    assert (choice.model.name, choice.warnings) == (model, (warning,))
    fallback = choose(name, {}, fallback="gemini-4-argon")
    assert (fallback.model.name, fallback.warnings) == ("gemini-4-argon", (warning,))


@pytest.mark.parametrize("name", ["gpt-5", "openai/gpt-5.5-codex", "o3-mini", "deepseek-4", "glm4"])
def test_the_default_is_suggested_for_other_makers_models(name: str) -> None:
    assert suggest(name) == DEFAULTS["sonnet"]


@pytest.mark.parametrize("name", ["gemini-9-unobtainium", "tuned-by-me", "", "/", "[1m]"])
def test_nothing_is_suggested_for_what_may_be_right(name: str) -> None:
    assert suggest(name) is None

"""translate/models.py: which Gemini a name means, and the facts about names not in the table."""

from __future__ import annotations

from typing import Any

import pytest

from tests.messages import assistant, result, use, user
from translate import translate
from translate.errors import InvalidRequest
from translate.models import (
    DEFAULTS,
    DEVELOPER,
    LEVELS,
    LOW_TO_HIGH,
    MINIMAL_TO_HIGH,
    SUCCESSORS,
    TABLE,
    VERTEX,
    Budget,
    class_of,
    find,
    for_platform,
    google_name,
    resolve,
    successor,
    summary,
    to_models_api,
)

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


def test_every_default_is_in_the_table() -> None:
    assert set(DEFAULTS.values()) <= set(TABLE)
    assert {class_of(f"claude-{name}-1") for name in DEFAULTS} == set(DEFAULTS)


def test_every_default_is_free_and_stays() -> None:
    for name in DEFAULTS.values():
        assert (TABLE[name].is_free, TABLE[name].retires) == (True, None)
    for model in TABLE.values():
        assert (model.successor is None) == (model.retires is None)
        assert model.successor is None or TABLE[model.successor].retires is None


def test_every_model_of_the_table_has_facts_that_fit_together() -> None:
    for model in TABLE.values():
        assert bool(model.levels) is (model.budget is None), model.name
        assert list(model.levels) == [level for level in LEVELS if level in model.levels]


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("gemini-9-unobtainium", LOW_TO_HIGH),
        ("gemini-flash-latest", LOW_TO_HIGH),
        ("gemini-pro-latest", LOW_TO_HIGH),
        ("gemini-flash-lite-latest", MINIMAL_TO_HIGH),
        ("gemini-3.9-flash-lite", MINIMAL_TO_HIGH),
        ("gemini-3.4-flash", MINIMAL_TO_HIGH),
        ("gemini-3.9-flash", LOW_TO_HIGH),
    ],
)
def test_an_unknown_gemini_counts_as_the_newest(name: str, levels: tuple[str, ...]) -> None:
    model = find(name)
    assert (model.name, model.levels, model.signs, model.prefill) == (name, levels, True, False)


def test_an_unknown_old_gemini_takes_budgets() -> None:
    assert find("gemini-2.5-flash-preview-09-2025").budget == Budget(512, 24_576, True)
    assert find("gemini-2.5-pro-preview").budget == Budget(512, 24_576, False)


def test_gemma_has_no_thinking_to_set() -> None:
    gemma = find("gemma-4-31b-it")
    assert (gemma.levels, gemma.budget, gemma.signs, gemma.output) == ((), None, False, 32_768)


def test_a_model_that_is_gone_has_a_successor_that_stays() -> None:
    assert successor("gemini-3-pro-preview") == "gemini-3.1-pro-preview"
    assert successor("gemini-3.7-flash") == "gemini-3.8-flash"
    assert [successor(name) for name in ("gemini-4-hydrogen", "gemini-9-unobtainium")] == [None] * 2
    retired = {model.name for model in TABLE.values() if model.retires}
    assert retired <= set(SUCCESSORS)
    for gone, newer in SUCCESSORS.items():
        assert (newer in TABLE, newer in SUCCESSORS) == (True, False), gone


# --- The Gemini API and Vertex AI ----------------------------------------------------------------


TOOL = {"name": "Bash", "input_schema": {"type": "object"}}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def translated(platform: Any, **fields: Any) -> Any:
    messages = [user("go"), assistant(use("toolu_0a1b2c3d_x1")), user(result("toolu_0a1b2c3d_x1"))]
    body = {"model": "claude-opus-5", "max_tokens": 10, "messages": messages, "tools": [TOOL]}
    return translate({**body, **fields}, {}, platform=platform).request


def ids(request: Any) -> list[Any]:
    parts = [part for content in request["contents"] for part in content["parts"]]
    found = [part.get("functionCall") or part.get("functionResponse") for part in parts]
    return [each.get("id") for each in found if each]


def test_the_gemini_api_gets_everything() -> None:
    request = translated(DEVELOPER)
    assert (request["store"], ids(request)) == (False, ["x1", "x1"])
    translated(DEVELOPER, tools=[TOOL, SEARCH])


def test_vertex_ai_gets_neither_ids_nor_private_fields() -> None:
    request = translated(VERTEX)
    assert "store" not in request
    assert ids(request) == [None, None]


def test_server_tools_beside_others_are_refused_for_vertex_ai() -> None:
    with pytest.raises(InvalidRequest, match="cannot use server tools beside others"):
        translated(VERTEX, tools=[TOOL, SEARCH])
    assert translated(VERTEX, tools=[SEARCH])["tools"] == [{"googleSearch": {}}]


def test_an_older_model_does_not_learn_by_the_door_it_is_behind() -> None:
    older = find("gemini-2.5-pro")
    assert for_platform(older, DEVELOPER) == older
    assert not for_platform(find("gemini-4-neon"), VERTEX).mixes_tools


# --- The Models API ------------------------------------------------------------------------------


def test_a_model_in_the_shape_of_the_models_api() -> None:
    assert to_models_api(TABLE["gemini-3.5-flash-lite"]) == {
        "type": "model",
        "id": "claude-gemini-3.5-flash-lite",
        "display_name": "Gemini 3.5 Flash Lite",
        "description": "$0.30 in, $2.50 out per million tokens; free tier",
        "created_at": "2026-07-21T00:00:00Z",
        "lifecycle": "active",
        "retires_at": None,
        "max_input_tokens": 1_048_576,
        "max_tokens": 65_536,
    }
    assert to_models_api(TABLE["gemini-4-neon"], "opus")["id"] == "opus"
    retiring = to_models_api(TABLE["gemini-2.5-flash"])
    assert (retiring["lifecycle"], retiring["retires_at"], retiring["description"]) == (
        "deprecated",
        "2026-12-01T00:00:00Z",
        "$0.30 in, $2.50 out per million tokens; gemini-3.5-flash-lite from 2026-12-01",
    )
    assert summary(find("gemini-9-unobtainium")) == "price not known"

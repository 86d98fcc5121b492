"""translate/models/table.py: what is known of each model, and of one that is not in it."""

from __future__ import annotations

import pytest

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
    successor,
)


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


def test_an_older_model_does_not_learn_by_the_door_it_is_behind() -> None:
    older = find("gemini-2.5-pro")
    assert for_platform(older, DEVELOPER) == older
    assert not for_platform(find("gemini-4-neon"), VERTEX).mixes_tools

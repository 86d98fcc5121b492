"""translate/models/table.py: what is known of each model, and of one that is not in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from translate.models import (
    ALIASES,
    DEFAULTS,
    DEVELOPER,
    FORMER,
    LEVELS,
    LOW_TO_HIGH,
    MINIMAL_TO_HIGH,
    TABLE,
    VERTEX,
    Budget,
    Platform,
    class_of,
    find,
    for_platform,
    is_known,
    serving,
    successor,
)

VERSIONED = "gemini-3.8-flash-001"


def test_every_default_is_in_the_table() -> None:
    assert set(DEFAULTS.values()) <= set(TABLE)
    assert {class_of(f"claude-{name}-1") for name in DEFAULTS} == set(DEFAULTS)


def test_every_default_is_free_and_stays() -> None:
    for name in DEFAULTS.values():
        assert (TABLE[name].is_free, TABLE[name].retires) == (True, None)
    for model in TABLE.values():
        days = (model.retires, model.vertex_retires)
        assert (model.successor is None) == (days == (None, None))
        assert model.successor is None or TABLE[model.successor].successor is None


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
    gone = [*FORMER, *(model.name for model in TABLE.values() if model.retires)]
    for name in gone:
        newer = successor(name)
        assert newer in TABLE
        assert successor(newer) is None


def test_a_version_of_a_model_has_its_facts() -> None:
    assert find(VERSIONED) == replace(TABLE["gemini-3.8-flash"], name=VERSIONED)
    assert successor("gemini-2.0-flash-001") == "gemini-3.5-flash-lite"
    assert successor("gemini-2.0-flash-0012") is None


@pytest.mark.parametrize(
    ("name", "retires", "vertex_retires", "newer"),
    [
        ("gemini-2.5-pro-preview-05-06", "2026-12-01", "2026-10-20", "gemini-3.8-flash"),
        ("gemini-2.5-flash-preview-09-2025", "2026-12-01", "2026-10-20", "gemini-3.5-flash-lite"),
        ("gemini-2.0-flash-exp", "2026-06-01", "2026-06-01", "gemini-3.5-flash-lite"),
        ("gemini-3.8-flash-preview", None, None, None),
        ("gemini-2.5-flash-preview-tts", None, None, None),
    ],
)
def test_a_preview_is_gone_with_its_model(
    name: str, retires: str | None, vertex_retires: str | None, newer: str | None
) -> None:
    model = find(name)
    assert (model.name, model.prices) == (name, ())
    assert (model.retires, model.vertex_retires, model.successor) == (
        retires,
        vertex_retires,
        newer,
    )


def test_known_names_are_googles() -> None:
    known = [*TABLE, *FORMER, *ALIASES, VERSIONED, "gemini-2.5-pro-preview-05-06"]
    assert all(is_known(name) for name in known)
    assert not any(is_known(name) for name in ("gemini-9", "gemini-3.8-flash-preview", "gpt-5"))


# --- Prices ---------------------------------------------------------------------------------------

INTRODUCTORY, REGULAR = (2.00, 0.10, 10.00), (4.00, 0.20, 20.00)
FLASH, FLASH_2027 = (0.75, 0.075, 3.75), (1.50, 0.15, 7.50)


@pytest.mark.parametrize(
    ("name", "today", "price", "later"),
    [
        ("gemini-4-carbon", "2026-11-30", INTRODUCTORY, REGULAR),
        ("gemini-4-carbon", "2026-12-01", REGULAR, None),
        ("gemini-4-argon", "2026-11-30", INTRODUCTORY, REGULAR),
        ("gemini-4-argon", "2027-12-01", REGULAR, None),
        ("gemini-3.8-flash", "2026-12-31", FLASH, FLASH_2027),
        ("gemini-3.8-flash", "2027-01-01", FLASH_2027, None),
        ("gemini-3.7-flash", "2027-01-01", FLASH_2027, None),
        ("gemini-3.6-flash", "2027-01-01", FLASH_2027, None),
        ("gemini-4-neon", "2027-01-01", (3.00, 0.15, 15.00), None),
        ("gemini-9-unobtainium", "2027-01-01", None, None),
    ],
)
def test_prices_have_days(name: str, today: str, price: Any, later: Any) -> None:
    found = find(name).price_on(today), find(name).next_price(today)
    assert [each and each[:3] for each in found] == [price, later]


def test_prices_of_large_requests() -> None:
    large = {m.name: m.prices[0].large for m in TABLE.values() if m.prices[0].large}
    assert large == {
        "gemini-3.1-pro-preview": (4.00, 0.40, 18.00),
        "gemini-3.1-pro-preview-customtools": (4.00, 0.40, 18.00),
        "gemini-2.5-pro": (2.50, 0.25, 15.00),
    }


def test_prices_are_in_the_order_of_their_days() -> None:
    for model in TABLE.values():
        days = [price.since for price in model.prices]
        assert days == sorted(set(days))
        assert days[0] == "", model.name


# --- Google's two APIs, and the day ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "platform", "today", "expected"),
    [
        ("gemini-2.5-pro", DEVELOPER, "2026-11-30", "gemini-2.5-pro"),
        ("gemini-2.5-pro", DEVELOPER, "2026-12-01", "gemini-3.8-flash"),
        ("gemini-2.5-flash", DEVELOPER, "2026-11-30", "gemini-2.5-flash"),
        ("gemini-2.5-flash", DEVELOPER, "2027-06-01", "gemini-3.5-flash-lite"),
        ("gemini-2.5-flash-lite", DEVELOPER, "2027-06-01", "gemini-2.5-flash-lite"),
        ("gemini-2.5-pro", VERTEX, "2026-10-19", "gemini-2.5-pro"),
        ("gemini-2.5-pro", VERTEX, "2026-10-20", "gemini-3.8-flash"),
        ("gemini-2.5-flash", VERTEX, "2026-10-20", "gemini-3.5-flash-lite"),
        ("gemini-2.5-flash-lite", VERTEX, "2026-10-20", "gemini-3.5-flash-lite"),
        ("gemini-3.7-flash", DEVELOPER, "2026-10-08", "gemini-3.8-flash"),
        ("gemini-3.5-flash", DEVELOPER, "2026-10-08", "gemini-3.6-flash"),
        ("gemini-3.5-flash", VERTEX, "2026-12-01", "gemini-3.5-flash"),
        ("gemini-3-pro-preview", VERTEX, "2026-03-08", "gemini-3-pro-preview"),
        ("gemini-3-pro-preview", VERTEX, "2026-03-09", "gemini-3.1-pro-preview"),
        ("gemini-2.0-flash-001", DEVELOPER, "2026-06-01", "gemini-3.5-flash-lite"),
        ("gemini-9-unobtainium", DEVELOPER, "2099-01-01", "gemini-9-unobtainium"),
    ],
)
def test_a_retired_model_is_served_by_its_successor(
    name: str, platform: Platform, today: str, expected: str
) -> None:
    assert serving(name, platform, today) == for_platform(find(expected), platform)


@pytest.mark.parametrize("platform", [DEVELOPER, VERTEX])
def test_a_successor_is_never_retired(platform: Platform) -> None:
    for name in [*TABLE, *FORMER]:
        assert serving(name, platform, "9999-12-31").retires is None


def test_an_older_model_does_not_learn_by_the_door_it_is_behind() -> None:
    older = find("gemini-2.5-pro")
    assert for_platform(older, DEVELOPER) == older
    assert not for_platform(find("gemini-4-neon"), VERTEX).mixes_tools

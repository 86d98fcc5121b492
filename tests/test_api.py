"""translate/models/api.py: a model in the shape of the Models API."""

from __future__ import annotations

import re

import pytest

from translate.models import (
    CLASS_NAMES,
    DEVELOPER,
    TABLE,
    VERTEX,
    Platform,
    catalog,
    class_of,
    find,
    summary,
    to_models_api,
)


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


@pytest.mark.parametrize(
    ("name", "today", "expected"),
    [
        (
            "gemini-4-carbon",
            "2026-11-30",
            "$2.00 in, $10.00 out per million tokens; $4.00 in, $20.00 out from 2026-12-01",
        ),
        ("gemini-4-carbon", "2026-12-01", "$4.00 in, $20.00 out per million tokens"),
        (
            "gemini-3.8-flash",
            "2026-12-31",
            "$0.75 in, $3.75 out per million tokens;"
            " $1.50 in, $7.50 out from 2027-01-01; free tier",
        ),
        ("gemini-3.8-flash", "2027-01-01", "$1.50 in, $7.50 out per million tokens; free tier"),
        (
            "gemini-3.1-pro-preview",
            "2027-01-01",
            "$2.00 in, $12.00 out ($4.00 in, $18.00 out above 200,000 of input) per million tokens",
        ),
        ("gemini-9-unobtainium", "2027-01-01", "price not known"),
    ],
)
def test_summary_has_the_price_of_the_day_and_the_next(
    name: str, today: str, expected: str
) -> None:
    assert summary(find(name), today) == expected
    assert to_models_api(find(name), today=today)["description"] == expected


# --- The list -------------------------------------------------------------------------------------

RETIRED = {"gemini-3.7-flash", "gemini-3.5-flash"}
GEMINI_2_5 = {"gemini-2.5-pro", "gemini-2.5-flash"}
CLAUDE_DESKTOP = re.compile(r"claude-(sonnet|opus|haiku|fable)-[a-z0-9-]+")
"""Ids that it takes: https://github.com/pleaseai/shunt/issues/211."""


def ids(listed: list[dict[str, object]]) -> list[object]:
    return [model["id"] for model in listed]


def test_classes_are_listed_with_the_model_that_serves_them() -> None:
    settings = {"ANTHROPIC_DEFAULT_OPUS_MODEL": "google/gemini-2.5-pro"}
    listed = catalog(settings, today="2026-12-01")[:3]
    assert [(model["id"], model["display_name"]) for model in listed] == [
        ("claude-opus-5-5", "Gemini 3.8 Flash"),
        ("claude-sonnet-5-5", "Gemini 4 Hydrogen"),
        ("claude-haiku-5-5", "Gemini 3.5 Flash Lite"),
    ]
    price = "$1.50 in, $7.50 out per million tokens; free tier"
    assert listed[1]["description"] == f"sonnet class; {price}"
    assert all(CLAUDE_DESKTOP.fullmatch(str(name)) for name in ids(listed))
    assert {class_of(name): name for name in CLASS_NAMES.values()} == CLASS_NAMES


@pytest.mark.parametrize(
    ("platform", "today", "gone"),
    [
        (DEVELOPER, "2026-11-30", RETIRED),
        (DEVELOPER, "2026-12-01", RETIRED | GEMINI_2_5),
        (VERTEX, "2026-10-19", set()),
        (VERTEX, "2026-11-30", GEMINI_2_5 | {"gemini-2.5-flash-lite"}),
    ],
)
def test_models_are_listed_under_their_aliases_until_they_retire(
    platform: Platform, today: str, gone: set[str]
) -> None:
    listed = catalog({}, has_classes=False, platform=platform, today=today)
    assert ids(listed) == [f"claude-{name}" for name in TABLE if name not in gone]
    assert ids(catalog({}, platform=platform, today=today))[3:] == ids(listed)

"""proxy/web/budgets.py: a budget as a bar and in words."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from proxy.web import budgets
from proxy.web.budgets import MAX_ROWS, Row, budget_rows, duration
from tests.test_team import NOW

BERLIN = ZoneInfo("Europe/Berlin")
LINE = {
    "person": "alice",
    "budget": "usd_per_day",
    "used": 4.0,
    "held": 0.0,
    "limit": 20.0,
    "resets_at": "2026-11-28T23:00:00Z",
}


def row(**changes: Any) -> Row:
    (found,) = budget_rows([{**LINE, **changes}], NOW, BERLIN).rows
    return found


def test_budget_says_what_is_used_held_and_left() -> None:
    found = row(used=5.0, held=1.0)
    assert found.sentence == "$4.00 of $20.00 used, $1.00 held by answers under way, $15.00 left"
    assert (found.name, found.bar, found.spent, found.held) == ("US$ a day", True, 200, 50)
    assert row().sentence == "$4.00 of $20.00 used, $16.00 left"
    assert row(used=0.004).sentence.startswith("Under $0.01 of $20.00")


def test_budget_begins_anew_in_the_plans_zone() -> None:
    found = row()
    assert (found.resets, found.resets_in) == ("Sun 29 Nov, 00:00", "11 hours")
    assert found.resets_at == "2026-11-28T23:00:00+00:00"


@pytest.mark.parametrize(
    ("used", "held", "state", "warning"),
    [
        (14.99, 0, "", ""),
        (15, 0, "warned", "75% is used."),
        (18.99, 0, "warned", "94% is used."),
        (19, 0, "almost", "Almost used up: 95%."),
        (20, 0.5, "almost", "All of it is used or held: what is held may come back."),
        (20, 0, "spent", "Used up: requests are refused until it begins anew."),
        (31, 1, "spent", "Used up: requests are refused until it begins anew."),
    ],
)
def test_budget_warns_in_words(used: float, held: float, state: str, warning: str) -> None:
    found = row(used=used, held=held)
    assert (found.state, found.warning) == (state, warning)
    assert found.spent + found.held <= budgets.WIDTH
    assert found.held >= 0


def test_budget_of_nothing_is_used_up() -> None:
    found = row(used=0.0, limit=0.0)
    assert (found.state, found.spent, found.held) == ("spent", budgets.WIDTH, 0)


def test_budget_without_a_limit_has_no_bar() -> None:
    found = row(limit=None)
    assert (found.bar, found.sentence) == (False, "$4.00 used, no limit")
    unknown = {name: value for name, value in LINE.items() if name != "limit"}
    assert budget_rows([unknown], NOW, BERLIN).rows[0].sentence == "$4.00 used"


def test_rates_are_figures_only() -> None:
    streams = row(budget="open_streams", used=2, held=2, limit=10, resets_at=None)
    assert (streams.bar, streams.sentence, streams.resets) == (False, "2 of 10 used, 8 left", "")
    requests = row(budget="requests_per_minute", used=3, held=0, limit=60)
    assert (requests.bar, requests.sentence, requests.resets) == (
        False,
        "3 of 60 used, 57 left",
        "",
    )
    assert row(budget="tokens_per_day", used=2_100_000, limit=5_000_000).bar


def test_groups_have_their_name_and_only_limits() -> None:
    group = {"group": "core", **{name: LINE[name] for name in LINE if name != "person"}}
    lines = [{**LINE, "limit": None}, {**group, "limit": None}, group]
    found = budget_rows(lines, NOW, BERLIN)
    assert [each.name for each in found.rows] == ["core: US$ a day", "US$ a day"]
    assert not found.has_more


def test_rows_are_bounded() -> None:
    found = budget_rows([LINE] * (MAX_ROWS + 1), NOW, BERLIN)
    assert (len(found.rows), found.has_more) == (MAX_ROWS, True)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "less than a minute"),
        (59, "less than a minute"),
        (60, "1 minute"),
        (7_260, "2 hours 1 minute"),
        (90_061, "1 day 1 hour"),
        (86_460, "1 day 1 minute"),
    ],
)
def test_duration_in_words(seconds: int, words: str) -> None:
    assert duration(seconds) == words

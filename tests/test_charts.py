"""proxy/web/charts.py: bars, their scale, and how many there are."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest

from proxy.web import charts
from proxy.web.charts import MAX_BARS, MAX_SERIES, OTHERS, Chart, bar_chart

FIRST = date(2026, 11, 1)


def day(number: int) -> str:
    return (FIRST + timedelta(days=number)).isoformat()


def tops(chart: Chart, index: int) -> list[tuple[int, int, int]]:
    """Of each bar of a series: x, upper end, lower end."""
    found = re.findall(r"M(\d+) (\d+)h8V(\d+)h-8z", chart.series[index].path)
    return [(int(x), int(y), int(end)) for x, y, end in found]


def test_bars_are_stacked_the_largest_series_below() -> None:
    chart = bar_chart({(day(0), "a"): 1, (day(0), "b"): 4, (day(2), "b"): 2}, day(0), day(2))
    assert [(each.name, each.total) for each in chart.series] == [("b", 6), ("a", 1)]
    assert [bar.values for bar in chart.bars] == [(4, 1), (0, 0), (2, 0)]
    assert (chart.top, chart.width, chart.unit) == (5, 28, "day")
    assert tops(chart, 0) == [(0, 200, 1000), (20, 600, 1000)]
    assert tops(chart, 1) == [(0, 0, 200)]


def test_nothing_used_is_an_empty_chart() -> None:
    chart = bar_chart({}, day(0), day(6))
    assert (chart.series, chart.top, len(chart.bars)) == ([], 1, 7)
    assert bar_chart({(day(0), "a"): 0}, day(0), day(0)).series[0].path == ""


@pytest.mark.parametrize(
    ("highest", "top"),
    [(0.03, 0.05), (0.1, 0.1), (1.01, 2), (2.3, 2.5), (7, 10), (10, 10), (411.4, 500), (0, 1)],
)
def test_scale_ends_with_a_round_number(highest: float, top: float) -> None:
    assert bar_chart({(day(0), "a"): highest}, day(0), day(0)).top == pytest.approx(top)


def test_rest_of_the_models_is_one_series() -> None:
    values = {(day(0), f"m{i}"): 100.0 - i for i in range(MAX_SERIES + 3)}
    chart = bar_chart(values, day(0), day(0))
    assert [each.name for each in chart.series][-2:] == ["m4", OTHERS]
    assert chart.series[-1].total == 95 + 94 + 93
    assert len(bar_chart({(day(0), f"m{i}"): 1.0 for i in range(6)}, day(0), day(0)).series) == 6


def test_bars_are_days_and_then_weeks() -> None:
    assert len(bar_chart({}, day(0), day(MAX_BARS - 1)).bars) == MAX_BARS
    values = {(day(0), "a"): 1.0, (day(1), "a"): 2.0, (day(399), "a"): 4.0}
    chart = bar_chart(values, day(0), day(399))
    assert (chart.unit, len(chart.bars)) == ("week", 58)
    assert chart.bars[0][:2] == (date(2026, 10, 26), "from 2026-10-26"), "a Monday"
    assert [bar.values[0] for bar in (*chart.bars[:2], chart.bars[-1])] == [1, 2, 4]


@pytest.mark.parametrize(("count", "marks"), [(1, [0]), (2, [0, 1]), (7, [0, 3, 6])])
def test_marks_are_those_of_the_ends_and_the_middle(count: int, marks: list[int]) -> None:
    chart = bar_chart({}, day(0), day(count - 1))
    assert [each.isoformat() for each in chart.marks] == [day(i) for i in marks]


def test_path_stays_small() -> None:
    values = {(day(i), f"m{m}"): 1.0 + i + m for i in range(MAX_BARS) for m in range(9)}
    chart = bar_chart(values, day(0), day(MAX_BARS - 1))
    assert sum(len(each.path) for each in chart.series) < 25 * MAX_BARS * (MAX_SERIES + 1)
    assert charts.HEIGHT == 1_000

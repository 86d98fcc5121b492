"""A bar chart by day, as what a template needs to draw it in SVG: stacked bars, a scale, labels.

The drawing is stretched to the width of its box, so all text stands beside it, in HTML. A series
is one path: a page of a year stays small.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

MAX_BARS = 58
"""Weeks of the longest report; a phone has five pixels for each. By day where days are no more."""

MAX_SERIES = 5
"""As many colours as one can tell apart; the rest of the models are one more."""

OTHERS = "others"
HEIGHT, BAR, GAP = 1_000, 10, 2
"""Of the drawing, of a bar with the gap behind it, and of that, in the drawing's units."""

STEPS = (1, 2, 2.5, 5, 10)
"""What the upper end of a scale may be, times a power of ten."""


class Bar(NamedTuple):
    """first: of its days. values: of each series. label: for its row in the table."""

    first: date
    label: str
    values: tuple[float, ...]


class Series(NamedTuple):
    """path: of all its bars, "" where it is nowhere above zero."""

    name: str
    total: float
    path: str


class Chart(NamedTuple):
    """width: of the drawing. top: the upper end of the scale. unit: what one bar is, "day" or
    "week"."""

    series: Sequence[Series]
    bars: Sequence[Bar]
    width: int
    top: float
    unit: str

    @property
    def marks(self) -> list[date]:
        """The days to write under it: of the first bar, the middle one and the last."""
        last = len(self.bars) - 1
        return [self.bars[i].first for i in dict.fromkeys((0, last // 2, last))]


def bar_chart(values: Mapping[tuple[str, str], float], since: str, until: str) -> Chart:
    """values: of ISO days and names. since, until: the first and the last day, ISO; days without a
    value are bars, too."""
    totals: dict[str, float] = {}
    for (_, name), value in values.items():
        totals[name] = totals.get(name, 0) + value
    shown = sorted(totals, key=lambda name: (-totals[name], name))
    names = shown if len(shown) <= MAX_SERIES + 1 else [*shown[:MAX_SERIES], OTHERS]
    bars, unit = _bars(values, names, date.fromisoformat(since), date.fromisoformat(until))
    top = _top(max(sum(bar.values) for bar in bars))
    series = [
        Series(name, sum(bar.values[i] for bar in bars), "".join(_path(bars, i, top)))
        for i, name in enumerate(names)
    ]
    return Chart(series, bars, len(bars) * BAR - GAP, top, unit)


def _bars(
    values: Mapping[tuple[str, str], float], names: Sequence[str], first: date, last: date
) -> tuple[list[Bar], str]:
    """What has no name among these is the last one's."""
    count = (last - first).days + 1
    days = 1 if count <= MAX_BARS else 7
    begin = first if days == 1 else first - timedelta(days=first.weekday())
    sums = [[0.0] * len(names) for _ in range(((last - begin).days // days) + 1)]
    places = {name: i for i, name in enumerate(names)}
    for (day, name), value in values.items():
        sums[(date.fromisoformat(day) - begin).days // days][places.get(name, -1)] += value
    firsts = [begin + timedelta(days=days * i) for i in range(len(sums))]
    labels = [f"{each:%Y-%m-%d}" if days == 1 else f"from {each:%Y-%m-%d}" for each in firsts]
    bars = [Bar(*each) for each in zip(firsts, labels, map(tuple, sums), strict=True)]
    return bars, "day" if days == 1 else "week"


def _top(highest: float) -> float:
    """A round number that no bar is above."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(step * power for step in STEPS if step * power >= highest * (1 - 1e-9))


def _path(bars: Sequence[Bar], index: int, top: float) -> Iterator[str]:
    for number, bar in enumerate(bars):
        below, upper = sum(bar.values[:index]), sum(bar.values[: index + 1])
        y, end = (round(HEIGHT * (1 - each / top)) for each in (upper, below))
        if end > y:
            yield f"M{number * BAR} {y}h{BAR - GAP}V{end}h-{BAR - GAP}z"

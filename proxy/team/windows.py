"""Windows of time in which is counted: each has a name by its date, so that none is ever reset.

A day, a week (from Monday, as in ISO 8601) and a month begin at midnight of one time zone; a minute
is UTC's. Where a clock is changed at midnight, the window begins with the first instant of its
date.
"""

from __future__ import annotations

import functools
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import NamedTuple

MINUTE_SECONDS = 60


class Period(StrEnum):
    """How long a window is."""

    MINUTE = "minute"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Window(NamedTuple):
    """name: "2026-11-28T18:43", "2026-11-28", "2026-W48" or "2026-11". ends: the first of the Unix
    seconds that is not in it."""

    name: str
    ends: int


@functools.lru_cache(256)
def window_at(period: Period, now: int, zone: tzinfo) -> Window:
    """The one that `now`, in Unix seconds, is in."""
    if period is Period.MINUTE:
        name = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M")
        return Window(name, now - now % MINUTE_SECONDS + MINUTE_SECONDS)
    day = day_at(now, zone)
    if period is Period.DAY:
        return Window(day.isoformat(), day_begins(day + timedelta(days=1), now, zone))
    if period is Period.WEEK:
        year, week, weekday = day.isocalendar()
        monday = day + timedelta(days=8 - weekday)
        return Window(f"{year}-W{week:02d}", day_begins(monday, now, zone))
    first = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
    return Window(f"{day:%Y-%m}", day_begins(first, now, zone))


def day_at(now: int, zone: tzinfo) -> date:
    return datetime.fromtimestamp(now, zone).date()


def day_begins(day: date, now: int, zone: tzinfo) -> int:
    """The first second of a day, or of its second beginning where the clock was put back behind
    midnight and `now` lies between the two."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    first, second = (int(midnight.replace(fold=fold).timestamp()) for fold in (0, 1))
    if first <= second:
        return first if now < first else second
    # Midnight is in a gap, which begins between the two: https://peps.python.org/pep-0495/
    before, begun = second - 1, first
    while begun - before > 1:
        middle = (before + begun) // 2
        if day_at(middle, zone) < day:
            before = middle
        else:
            begun = middle
    return begun

"""Budgets (team/usage.py, budget_lines) as a page shows them: a bar, its figures in words, and
when it begins anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

from .. import log_text
from ..team.budget import WARNING_SHARE
from ..team.money import NANO, dollars
from ..team.usage import Table

ALMOST = 0.95
"""Of a budget: Claude Code's second notice."""

MAX_ROWS = 16
"""Of a page: a person has 12 with their group, and of groups the first are shown."""

WIDTH = 1_000
"""Of a bar, in the units of its drawing."""

NAMES = {
    "requests_per_minute": "Requests a minute",
    "open_streams": "Answers at once",
    "tokens_per_day": "Tokens a day",
    "usd_per_day": "US$ a day",
    "usd_per_week": "US$ a week",
    "usd_per_month": "US$ a month",
}
UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


class Row(NamedTuple):
    """spent, held: the lengths of a bar, of WIDTH; `bar` is False where there is no limit to draw.
    state: "", "warned", "almost" or "spent". warning: the same in words. resets: when it begins
    anew, in the plans' zone; resets_in: the same from now on; resets_at: ISO, UTC."""

    name: str
    sentence: str
    bar: bool = False
    spent: int = 0
    held: int = 0
    state: str = ""
    warning: str = ""
    resets: str = ""
    resets_at: str = ""
    resets_in: str = ""


class Rows(NamedTuple):
    """has_more: whether some are left out."""

    rows: Sequence[Row]
    has_more: bool


def budget_rows(lines: Sequence[Table], now: int, zone: tzinfo) -> Rows:
    """Those with a bar first: what a person looks for. What a group has used without a limit is
    nobody's budget."""
    shown = [each for each in lines if "person" in each or each["limit"] is not None]
    rows = sorted((_row(line, now, zone) for line in shown), key=lambda row: not row.bar)
    return Rows(rows[:MAX_ROWS], len(rows) > MAX_ROWS)


def _row(line: Table, now: int, zone: tzinfo) -> Row:
    budget, limit = line["budget"], line.get("limit")
    name = NAMES[budget]
    if "group" in line:
        name = f"{line['group']}: {name}"
    row = Row(name, _sentence(line))
    if line["resets_at"] and budget != "requests_per_minute":
        row = _with_reset(row, line["resets_at"], now, zone)
    if limit is None or budget in ("requests_per_minute", "open_streams"):
        return row
    return _with_bar(row, line["used"], line["held"], limit)


def _sentence(line: Table) -> str:
    show = _dollars if line["budget"].startswith("usd_") else log_text.count
    spent, held, limit = line["used"] - line["held"], line["held"], line.get("limit")
    if line["budget"] == "open_streams":
        spent, held = line["used"], 0
    text = f"{show(spent)} used" if limit is None else f"{show(spent)} of {show(limit)} used"
    text = text[0].upper() + text[1:]
    if held:
        text += f", {show(held)} held by answers under way"
    if limit is None:  # not known where the line has none
        return f"{text}, no limit" if "limit" in line else text
    return f"{text}, {show(max(0, limit - line['used']))} left"


def _with_bar(row: Row, used: float, held: float, limit: float) -> Row:
    share = used / limit if limit else 1.0
    end = round(WIDTH * min(1.0, share))
    spent = round(WIDTH * min(1.0, (used - held) / limit)) if limit else WIDTH
    state, warning = "", ""
    if share >= 1:
        state, warning = "spent", "Used up: requests are refused until it begins anew."
        if (used - held) < limit:
            state, warning = "almost", "All of it is used or held: what is held may come back."
    elif share >= ALMOST:
        state, warning = "almost", f"Almost used up: {int(100 * share)}%."
    elif share >= WARNING_SHARE:
        state, warning = "warned", f"{int(100 * share)}% is used."
    return row._replace(bar=True, spent=spent, held=end - spent, state=state, warning=warning)


def _with_reset(row: Row, moment: str, now: int, zone: tzinfo) -> Row:
    ends = datetime.fromisoformat(moment)
    local = ends.astimezone(zone)
    return row._replace(
        resets=f"{local:%a} {local.day} {local:%b}, {local:%H:%M}",
        resets_at=ends.astimezone(UTC).isoformat(),
        resets_in=duration(int(ends.timestamp()) - now),
    )


def duration(seconds: int) -> str:
    """In the two largest units: "11 hours 5 minutes"."""
    parts = []
    for length, name in UNITS:
        count, seconds = divmod(max(0, seconds), length)
        if count:
            parts.append(f"{count} {name}{'s' if count > 1 else ''}")
    return " ".join(parts[:2]) or "less than a minute"


def _dollars(usd: float) -> str:
    return dollars(round(usd * NANO))

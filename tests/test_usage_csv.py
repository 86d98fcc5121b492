"""proxy/team/usage_csv.py: a report as a spreadsheet reads it."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from proxy.team import usage, usage_csv
from proxy.team.stores.sqlite import IN_MEMORY, SqliteStore
from proxy.team.usage import Span
from tests.test_team import DAY, at_noon
from tests.test_team_usage import ROWS, count

__all__ = ["at_noon"]


def written(report: dict[str, Any], by: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(usage_csv.write(report, by))))


def test_csv_has_a_row_for_each_of_what_it_is_by() -> None:
    store = SqliteStore(IN_MEMORY)
    count(store, *ROWS)
    report = usage.read(store, Span("2026-11-01", DAY))
    head, *days = written(report, "day")
    assert head == ["day", *usage_csv.NAMES]
    assert [row[:2] for row in days] == [["2026-11-27", "3"], [DAY, "4"]]
    assert written(report, "class")[1][0] == ""


@pytest.mark.parametrize("name", ["=cmd|'/c calc'!A0", "+1", "-1", "@SUM(A1)"])
def test_name_is_no_formula(name: str) -> None:
    """A report may come from a server that is not ours."""
    row = {"person": name, **dict.fromkeys(usage_csv.NAMES, 0)}
    (_, found) = written({"by": {"person": [row]}}, "person")
    assert found[0] == f"'{name}"


def test_name_stays_on_its_line() -> None:
    row = {"person": "\t=1\r\nx", **dict.fromkeys(usage_csv.NAMES, 0)}
    (_, found) = written({"by": {"person": [row]}}, "person")
    assert found[0] == "?=1??x"


def test_figure_below_zero_stays_one() -> None:
    row = {"day": DAY, **dict.fromkeys(usage_csv.NAMES, -1), "usd": -1e-05}
    (_, found) = written({"by": {"day": [row]}}, "day")
    assert (found[1], found[6]) == ("-1", "-0.00001")

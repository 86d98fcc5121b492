"""proxy/team/windows.py: named by their date, in every time zone. Complaint 14: budgets are reset
hours late in other time zones."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.team.windows import Period, window_at

DAY, WEEK, MONTH = Period.DAY, Period.WEEK, Period.MONTH


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(
    ("zone", "now", "period", "name", "ends"),
    [
        ("UTC", "2026-11-28T18:43:12Z", Period.MINUTE, "2026-11-28T18:43", "2026-11-28T18:44Z"),
        ("UTC", "2026-11-28T18:43:00Z", Period.MINUTE, "2026-11-28T18:43", "2026-11-28T18:44Z"),
        ("UTC", "2026-11-28T18:43Z", DAY, "2026-11-28", "2026-11-29T00:00Z"),
        ("UTC", "2026-11-28T18:43Z", WEEK, "2026-W48", "2026-11-30T00:00Z"),
        ("UTC", "2026-11-28T18:43Z", MONTH, "2026-11", "2026-12-01T00:00Z"),
        ("UTC", "2026-12-31T23:59:59Z", MONTH, "2026-12", "2027-01-01T00:00Z"),
        ("UTC", "2027-01-01T00:00Z", WEEK, "2026-W53", "2027-01-04T00:00Z"),
        ("UTC", "2027-01-31T00:00Z", MONTH, "2027-01", "2027-02-01T00:00Z"),
        ("Europe/Berlin", "2026-11-28T22:59:59Z", DAY, "2026-11-28", "2026-11-28T23:00Z"),
        ("Europe/Berlin", "2026-11-28T23:00Z", DAY, "2026-11-29", "2026-11-29T23:00Z"),
        ("Asia/Kolkata", "2026-11-28T18:29:59Z", DAY, "2026-11-28", "2026-11-28T18:30Z"),
        ("America/Los_Angeles", "2026-12-01T07:59Z", MONTH, "2026-11", "2026-12-01T08:00Z"),
        # Days of 23 and 25 hours.
        ("Europe/Berlin", "2026-03-29T12:00Z", DAY, "2026-03-29", "2026-03-29T22:00Z"),
        ("Europe/Berlin", "2026-10-25T12:00Z", DAY, "2026-10-25", "2026-10-25T23:00Z"),
        # 00:00 does not exist: the day begins at 01:00.
        ("America/Santiago", "2026-09-06T03:59:59Z", DAY, "2026-09-05", "2026-09-06T04:00Z"),
        ("America/Santiago", "2026-09-06T04:00Z", DAY, "2026-09-06", "2026-09-07T03:00Z"),
        ("Africa/Cairo", "2026-04-23T21:59Z", DAY, "2026-04-23", "2026-04-23T22:00Z"),
        # 23:30 is followed by 00:30: midnight lies in the gap.
        ("America/Toronto", "1919-03-31T04:00Z", DAY, "1919-03-30", "1919-03-31T04:30Z"),
        ("America/Toronto", "1919-03-31T04:30Z", DAY, "1919-03-31", "1919-04-01T04:00Z"),
        # 24:00 is 23:00 again.
        ("America/Havana", "2026-11-01T04:30Z", DAY, "2026-11-01", "2026-11-02T05:00Z"),
        ("America/Asuncion", "2024-03-24T02:30Z", DAY, "2024-03-23", "2024-03-24T04:00Z"),
        # 00:01 is followed by 23:01 of the day before.
        ("America/St_Johns", "2010-11-07T02:29Z", DAY, "2010-11-06", "2010-11-07T02:30Z"),
        ("America/St_Johns", "2010-11-07T02:30:30Z", DAY, "2010-11-07", "2010-11-08T03:30Z"),
        ("America/St_Johns", "2010-11-07T02:31Z", DAY, "2010-11-06", "2010-11-07T03:30Z"),
        # A day that there was not.
        ("Pacific/Apia", "2011-12-30T09:59:59Z", DAY, "2011-12-29", "2011-12-30T10:00Z"),
        ("Pacific/Apia", "2011-12-30T10:00Z", DAY, "2011-12-31", "2011-12-31T10:00Z"),
    ],
)
def test_window_has_the_name_of_its_date(
    zone: str, now: str, period: Period, name: str, ends: str
) -> None:
    """Complaint 14."""
    window = window_at(period, at(now), ZoneInfo(zone))
    assert (window.name, datetime.fromtimestamp(window.ends, UTC)) == (
        name,
        datetime.fromisoformat(ends),
    )


@given(
    st.sampled_from(
        ["Europe/Berlin", "America/Santiago", "America/Havana", "Asia/Beirut", "America/St_Johns"]
    ),
    st.sampled_from([DAY, WEEK, MONTH]),
    st.integers(at("2000-01-01T00:00Z"), at("2037-01-01T00:00Z")),
)
def test_window_ends_where_the_next_begins(zone: str, period: Period, now: int) -> None:
    zone_info = ZoneInfo(zone)
    name, ends = window_at(period, now, zone_info)
    assert now < ends
    assert window_at(period, ends - 1, zone_info).name == name
    assert window_at(period, ends, zone_info).name > name

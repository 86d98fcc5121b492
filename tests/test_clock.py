"""proxy/clock.py: the day in UTC."""

from datetime import UTC, datetime

from proxy import clock


def test_today_is_the_day_in_utc() -> None:
    before = datetime.now(UTC).date().isoformat()
    assert before <= clock.today() <= datetime.now(UTC).date().isoformat()

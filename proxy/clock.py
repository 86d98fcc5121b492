"""What day it is: by it models are retired and prices change (translate/models/).

The only reader of the calendar, so that all else is given a day.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime


def today() -> str:
    """The ISO date in UTC, which begins before Google's own: a successor answers a day too early
    as well as on the day, but the rules of a retired model are refused by its successor."""
    return datetime.now(UTC).date().isoformat()


def now() -> int:
    """Unix seconds: by them tokens expire, and budgets begin and end."""
    return int(time.time())

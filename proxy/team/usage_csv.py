"""A report (usage.py) as CSV, for `python -m proxy usage --format csv` and for `GET /usage.csv`.

What is in it is text and figures only, whatever the report has.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from .usage import Table

NAMES = (
    *("requests", "errors", "input", "cached", "output"),
    *("usd", "saved_usd", "estimated_usd", "mean_ms"),
)
"""Of the figures."""

FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes for a formula's beginning:
https://owasp.org/www-community/attacks/CSV_Injection. A name has none of it (tokens.NAME), but a
report may be another server's."""


def write(report: Table, by: str) -> str:
    """by: of usage.FIELDS. Raises LookupError, TypeError for what is no report."""
    names = (by, *NAMES)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(list(_values(row, names)) for row in report["by"][by])
    return text.getvalue()


def _values(row: Table, names: Sequence[str]) -> Iterator[Any]:
    for name in names:
        value = row[name]
        if isinstance(value, float):
            yield _digits(value)
        else:
            yield _safe(value) if isinstance(value, str) else value


def _digits(usd: float) -> str:
    """To the last one, and not as 1e-05."""
    return f"{usd:.9f}".rstrip("0").rstrip(".")


def _safe(text: str) -> str:
    text = "".join(each if each.isprintable() else "?" for each in text)
    return f"'{text}" if text.startswith(FORMULA) else text

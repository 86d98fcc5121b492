"""The page at `/usage`: what is left of each budget, and who has used what, for a person and, of
everyone, for an operator. The same figures as CSV.

Who may see what is team/usage.py's to know. All lists are bounded, so that the page is small
whatever a team uses (a test has the worst case).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple
from urllib.parse import urlencode

from translate import ApiError

from .. import log_text
from ..sessions import Session
from ..team.money import NANO, dollars
from ..team.stores import Usage
from ..team.usage import EVERYONE, FIELDS, SINCE, Report, Table
from . import render
from .budgets import budget_rows
from .charts import Chart, bar_chart
from .session import Account

MAX_PEOPLE = 30
"""In the table, as many as the page has room for; the others are found by their names, and are in
the CSV."""

MAX_MODELS = 12
"""In the table, the dearest; there are six in use at a time."""

MAX_SESSIONS = 10
"""Of one person: those of a day or two."""

MAX_FIND = 64
"""Characters to find people by: a name has no more."""

FIND = re.compile(rf"[A-Za-z0-9._@+-]{{0,{MAX_FIND}}}")
BAD_SORT = "sort: expected one of {}"
BAD_BY = "by: expected one of {}"
BAD_FIND = f"find: expected a part of a name, of at most {MAX_FIND} letters, digits and . _ @ + -"

RANGES = {"7d": "7 days", "30d": "30 days", "90d": "90 days", "400d": "400 days"}

SORTS: Mapping[str, Any] = {
    "usd": lambda row: -row.nano_usd,
    "person": lambda row: row.person,
    "requests": lambda row: -row.requests,
    "errors": lambda row: -row.errors,
    "input": lambda row: -row.input,
    "output": lambda row: -row.output,
    "saved": lambda row: -row.saved,
    "seconds": lambda row: -row.ms / max(1, row.requests),
}
"""What people can be sorted by, the largest first."""

COLUMNS = {
    "usd": "US$",
    "requests": "Requests",
    "input": "Input",
    "": "Cached",
    "output": "Output",
    "saved": "Saved",
    "errors": "Failed",
    "seconds": "Seconds",
}
"""Of a table, in the order of `_cells` -> its heading. By "" nothing is sorted. On a phone one sees
the first."""


class Choice(NamedTuple):
    """What of a page's query is not about rights. since: as it was given."""

    since: str = SINCE
    sort: str = "usd"
    find: str = ""


class View(NamedTuple):
    """What a page shows. viewer: whose page it is; is_operator: whether they may see others'.
    budgets: see usage.budget_lines. sessions: None where they are not known. is_local: whether
    figures are of one instance only. now: Unix seconds; zone: of the plans. account: of who is
    signed in."""

    viewer: str
    is_operator: bool
    report: Report
    budgets: Sequence[Table]
    sessions: Sequence[Session] | None
    is_local: bool
    now: int
    zone: tzinfo
    choice: Choice = Choice()
    account: Account | None = None


def read_choice(query: Mapping[str, str]) -> Choice:
    """Raises ApiError 400."""
    sort, find = query.get("sort") or "usd", query.get("find", "").strip()
    if sort not in SORTS:
        raise ApiError(400, BAD_SORT.format(", ".join(SORTS)))
    if not FIND.fullmatch(find):
        raise ApiError(400, BAD_FIND)
    return Choice(query.get("since") or SINCE, sort, find)


def read_by(query: Mapping[str, str]) -> str:
    """What a row of the CSV is of. Raises ApiError 400."""
    by = query.get("by") or "day"
    if by not in FIELDS:
        raise ApiError(400, BAD_BY.format(", ".join(FIELDS)))
    return by


def unavailable(sentence: str) -> bytes:
    """The page in place of figures that cannot be read."""
    return render("unavailable.html", sentence=sentence)


def usage(view: View) -> bytes:
    """The page."""
    report, is_everyone = view.report, view.report.person == EVERYONE
    by_model, by_class = (sorted(report.by(each), key=SORTS["usd"]) for each in ("model", "class"))
    return render(
        "usage.html",
        account=view.account,
        viewer=view.viewer,
        person=report.person,
        is_everyone=is_everyone,
        is_own=report.person == view.viewer,
        is_operator=view.is_operator,
        is_local=view.is_local,
        span=report.span,
        zone=str(view.zone),
        links=_links(view),
        ranges=list(_ranges(view)),
        budgets=budget_rows(view.budgets, view.now, view.zone),
        totals=_totals(report.total) if report.total.requests else None,
        chart=chart(report),
        columns=COLUMNS,
        models=[(row.model or "not known", _cells(row)) for row in by_model[:MAX_MODELS]],
        more_models=len(by_model[MAX_MODELS:]),
        classes=[(row.request_class or "not named", _cells(row)) for row in by_class],
        people=_people(view) if is_everyone else None,
        sessions=None
        if view.sessions is None
        else [_session(each, view) for each in view.sessions],
    )


def chart(report: Report) -> Chart:
    """US$ by day, of each model."""
    values: dict[tuple[str, str], float] = {}
    for row in report.parts:
        key = row.day, row.model or "not known"
        values[key] = values.get(key, 0) + row.nano_usd / NANO
    return bar_chart(values, *report.span)


def _link(view: View, **changes: str) -> str:
    """This page with other parameters; what is usual is left out."""
    usual = {"person": view.viewer, **Choice()._asdict()}
    query = {"person": view.report.person, **view.choice._asdict(), **changes}
    return f"?{urlencode({name: value for name, value in query.items() if value != usual[name]})}"


def _links(view: View) -> dict[str, Any]:
    """csv: by what its rows are."""
    query = {"person": view.report.person, "since": view.choice.since}
    return {
        "own": _link(view, person=view.viewer, find=""),
        "everyone": _link(view, person=EVERYONE),
        "csv": {by: f"usage.csv?{urlencode({**query, 'by': by})}" for by in FIELDS},
        "sort": {sort: _link(view, sort=sort) for sort in SORTS},
        "json": f"usage.json?{urlencode(query)}",
    }


def _ranges(view: View) -> Iterator[dict[str, Any]]:
    month = f"{view.report.span.until[:7]}-01"
    for since, name in {**RANGES, month: "this month"}.items():
        is_shown = since == view.choice.since
        yield {"name": name, "link": _link(view, since=since), "is_shown": is_shown}


def _totals(total: Usage) -> list[tuple[str, str, str]]:
    """Name, figure, note."""
    estimated = f"{dollars(total.estimated)} of it estimated" if total.estimated else ""
    failed = f"{total.errors:,} failed ({_percent(total.errors, total.requests)})"
    return [
        ("Cost", dollars(total.nano_usd), estimated),
        ("Requests", f"{total.requests:,}", failed),
        ("Input", log_text.count(total.input), f"{_cached(total)} from the cache"),
        ("Output", log_text.count(total.output), "thoughts among it"),
        ("Cache saved", dollars(total.saved), ""),
        ("Mean time", f"{_seconds(total)} s", "of a request"),
    ]


def _cells(row: Usage) -> list[str]:
    """In the order of COLUMNS."""
    mark = " ≈" if row.estimated else ""
    return [
        f"{row.nano_usd / NANO:,.2f}{mark}",
        f"{row.requests:,}",
        log_text.count(row.input),
        _cached(row),
        log_text.count(row.output),
        f"{row.saved / NANO:,.2f}",
        _percent(row.errors, row.requests),
        _seconds(row),
    ]


def _people(view: View) -> dict[str, Any]:
    """total: how many were found; more: of them not shown."""
    wanted = view.choice.find.lower()
    found = [row for row in view.report.people if wanted in row.person.lower()]
    found.sort(key=lambda row: (SORTS[view.choice.sort](row), row.person))
    rows = [
        (row.person, _link(view, person=row.person, find="", sort="usd"), _cells(row))
        for row in found[:MAX_PEOPLE]
    ]
    return {
        "rows": rows,
        "total": len(found),
        "more": len(found) - len(rows),
        "sort": view.choice.sort,
        "find": view.choice.find,
        "max_find": MAX_FIND,
        "since": view.choice.since,
    }


def _session(session: Session, view: View) -> dict[str, Any]:
    last = datetime.fromtimestamp(int(session.last), view.zone)
    return {
        "id": session.id,
        "requests": f"{session.requests:,}",
        "usd": dollars(round(session.usd * NANO)),
        "last": last.strftime("%Y-%m-%d %H:%M"),
        "datetime": last.astimezone(UTC).isoformat(),
    }


def _percent(part: int, whole: int) -> str:
    """Never 0 % of what there is, nor 100 % of what is not all."""
    if not part:
        return "0%"
    share = 100 * part / max(1, whole)
    if share < 1:
        return "<1%"
    return f"{int(share)}%" if share < 100 else "100%"


def _cached(row: Usage) -> str:
    return _percent(row.cached, row.input)


def _seconds(row: Usage) -> str:
    return f"{row.ms / max(1, row.requests) / 1000:.1f}"

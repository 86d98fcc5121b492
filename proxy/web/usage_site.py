"""`GET /usage` and `GET /usage.csv`: who asks, what they may see, and the answer.

The page itself is usage_page.py's.
"""

from __future__ import annotations

from itertools import islice

from translate import ApiError

from .. import sessions
from ..payers import Counting, Payer
from ..team import usage, usage_csv
from ..team.stores import StoreError
from ..team.stores.sqlite import SqliteStore
from ..team.usage import DOWN, EVERYONE, Selection
from . import FORM_HEADERS, usage_page
from .budgets import MAX_ROWS
from .page import HTML, NO_STORE, Page, PageRequest
from .session import Account
from .usage_page import View

CSV = "text/csv; charset=utf-8"


def show_page(payer: Payer, request: PageRequest, now: int, account: Account | None = None) -> Page:
    """account: of who is signed in. Raises ApiError for what the payer may not see, or cannot
    mean."""
    choice = usage_page.read_choice(request.query)
    selection = usage.select(payer, request.query, now)
    try:
        view = _view(selection, now)._replace(choice=choice, account=account)
    except StoreError:
        return Page(usage_page.unavailable(DOWN), HTML, 503, FORM_HEADERS)
    return Page(usage_page.usage(view), HTML, headers=FORM_HEADERS)


def show_csv(payer: Payer, request: PageRequest, now: int) -> Page:
    """Raises ApiError."""
    by = usage_page.read_by(request.query)
    selection = usage.select(payer, request.query, now)
    try:
        figures = selection.payer.budgets.figures
        report = usage.read(figures, selection.span, selection.person)
    except StoreError:
        raise ApiError(503, DOWN) from None
    who = "everyone" if selection.person == EVERYONE else selection.person
    name = f"usage-{who}-by-{by}-{selection.span.since}-{selection.span.until}.csv"
    headers = {**NO_STORE, "Content-Disposition": f'attachment; filename="{name}"'}
    return Page(usage_csv.write(report, by).encode(), CSV, headers=headers)


def _view(selection: Selection, now: int) -> View:
    """Raises StoreError."""
    payer, person = selection.payer, selection.person
    budgets = payer.budgets
    known = None
    if person != EVERYONE and isinstance(budgets.figures, SqliteStore):
        known = sessions.recent.of(person, usage_page.MAX_SESSIONS)
    return View(
        payer.person,
        selection.is_operator,
        usage.load(budgets.figures, selection.span, person),
        list(islice(usage.budget_lines(selection, now), MAX_ROWS + 1)),
        known,
        budgets.counting is Counting.PER_INSTANCE,
        now,
        budgets.plans.zone,
    )

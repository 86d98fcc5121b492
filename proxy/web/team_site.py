"""`/team`: whether who asks is an operator, which page of it is meant, and what a form does.

A form leads to a page that states what will happen; its form is a POST, and after it the browser is
sent on, except that a new token is shown in the answer itself, this once. Nothing secret is ever in
a URL, and so not in a log either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from translate import ApiError

from ..payers import Payer
from ..team import roster
from ..team.payer import MemberPayer
from ..team.stores import StoreError
from ..team.token_registry import ActError, Registry
from ..team.usage import is_operator
from . import FORM_HEADERS, team_actions, team_page
from .page import HTML, Page, PageRequest, redirect
from .team_actions import Action
from .team_page import View

if TYPE_CHECKING:
    from .site import Site, Visitor

NOT_AN_OPERATOR = (
    "This page is for operators, whom the plan file names, and not for a derived token."
)
NEEDS_STORE = (
    "This server has no store in which that would be kept (PROXY_STORE): use `python -m proxy "
    "token`, and PROXY_REVOKED."
)
DOWN = (
    "The store cannot be reached now. Look at the list, when it is back, before you do it again: "
    "part of it may have been done."
)


def show(site: Site, visitor: Visitor, request: PageRequest, now: int) -> Page:
    """Raises ApiError for what the visitor may not see, cannot mean, or what cannot be done."""
    operator = _operator(visitor.payer)
    try:
        view = _view(site, visitor, operator, now)
        if request.method == "POST":
            return _perform(view, operator, site.form(request, visitor), site.api_url(request))
        return _page(_show(view, operator, request))
    except ActError as error:
        raise ApiError(409, str(error), retry=False) from None
    except StoreError:
        raise ApiError(503, DOWN) from None


def _operator(payer: Payer) -> MemberPayer:
    """The one place where rights are checked, of each request. Raises ApiError: the same 403 for
    all who are no operators."""
    if isinstance(payer, MemberPayer):
        payer.check()
        if is_operator(payer.member.token, payer.budgets):
            return payer
    raise ApiError(403, NOT_AN_OPERATOR, retry=False)


def _view(site: Site, visitor: Visitor, operator: MemberPayer, now: int) -> View:
    """Raises StoreError."""
    budgets, team = operator.budgets, site.settings.team
    assert team is not None  # or nobody would be an operator
    store = budgets.figures if budgets.figures.is_shared else None
    registry = Registry(team.secrets, budgets.plans, store, team.revoked)
    counting = budgets.counting.sentence
    return View(operator.person, site.account(visitor), registry, registry.acts(), counting, now)


def _show(view: View, operator: MemberPayer, request: PageRequest) -> bytes:
    """Raises ApiError, ActError, StoreError."""
    registry, query, now = view.registry, request.query, view.now
    figures = operator.budgets.figures
    if "act" in query:
        action = _read(view, query)
        return team_page.confirm(view, action, action.describe(registry, now))
    done = query.get("done", "")
    if name := query.get("person"):
        found = roster.find(registry, figures, team_actions.read_name(name), now)
        return team_page.person(view, found, roster.look(registry, figures, found, now), done)
    choice = team_page.read_choice(query)
    selected = team_page.select(roster.people(registry, figures, now), choice)
    states = [roster.look(registry, figures, each, now) for each in selected.people]
    return team_page.team(view, selected, states, done)


def _perform(view: View, operator: MemberPayer, form: Mapping[str, str], url: str) -> Page:
    """What a form that was confirmed asks for."""
    action = _read(view, form)
    by = f"{operator.person}:{operator.member.token.id}"
    done = action.perform(view.registry, by, view.now)
    if done.token:
        return _page(team_page.made(view, done, url))
    return redirect(team_page.link_to(action.person, done=action.name))


def _read(view: View, fields: Mapping[str, str]) -> Action:
    """Raises ApiError."""
    if not view.can_act:
        raise ApiError(409, NEEDS_STORE, retry=False)
    return team_actions.read(fields)


def _page(body: bytes) -> Page:
    return Page(body, HTML, headers=FORM_HEADERS)

"""`/team`: whether who asks is an operator, which page of it is meant, and what a form does.

A form leads to a page that states what will happen; its form is a POST, and after it the browser is
sent on, except that a new token is shown in the answer itself, this once. Nothing secret is ever in
a URL, and so not in a log either.
"""

from __future__ import annotations

from translate import ApiError

from .. import cors
from ..config import Settings
from ..payers import Payer
from ..team import roster
from ..team.payer import MemberPayer
from ..team.stores import StoreError
from ..team.token_registry import ActError, Registry
from ..team.usage import is_operator
from . import FORM_HEADERS, team_actions, team_page
from .page import HTML, Page, PageRequest
from .team_page import View

NOT_AN_OPERATOR = (
    "This page is for operators, whom the plan file names, and not for a derived token."
)
NEEDS_STORE = (
    "This server has no store in which that would be kept (PROXY_STORE): use `python -m proxy "
    "token`, and PROXY_REVOKED."
)
IS_FOREIGN = "A page of another site has sent this form: open this server's own page."
DOWN = (
    "The store cannot be reached now. Look at the list, when it is back, before you do it again: "
    "part of it may have been done."
)


def show(settings: Settings, payer: Payer, request: PageRequest, now: int) -> Page:
    """Raises ApiError 401."""
    try:
        return _answer(settings, _operator(payer), request, now)
    except ApiError as error:
        if error.status == 401:
            raise
        return _notice(error.status, "This cannot be shown", str(error))
    except ActError as error:
        return _notice(409, "This cannot be done", str(error))
    except StoreError:
        return _notice(503, "The store is down", DOWN)


def _operator(payer: Payer) -> MemberPayer:
    """The one place where rights are checked, of each request. Raises ApiError: the same 403 for
    all who are no operators."""
    if isinstance(payer, MemberPayer):
        payer.check()
        if is_operator(payer.member.token, payer.budgets):
            return payer
    raise ApiError(403, NOT_AN_OPERATOR, retry=False)


def _answer(settings: Settings, operator: MemberPayer, request: PageRequest, now: int) -> Page:
    budgets, team = operator.budgets, settings.team
    assert team is not None  # or nobody would be an operator
    store = budgets.figures if budgets.figures.is_shared else None
    registry = Registry(team.secrets, budgets.plans, store, team.revoked)
    view = View(
        operator.person,
        registry,
        registry.acts(),
        budgets.counting.sentence,
        store is not None,
        now,
        request.query.get("done", ""),
    )
    if request.method == "POST":
        return _perform(view, operator, request)
    if "act" in request.query:
        _require_store(view)
        action = team_actions.read(request.query)
        sentences = action.describe(registry, now)
        return _page(team_page.confirm(view, action, sentences, ""))
    choice = team_page.read_choice(request.query)
    if name := request.query.get("person"):
        found = roster.find(registry, budgets.figures, team_actions.read_name(name), now)
        return _page(
            team_page.person(view, found, roster.look(registry, budgets.figures, found, now))
        )
    selected = team_page.select(roster.people(registry, budgets.figures, now), choice)
    states = [roster.look(registry, budgets.figures, each, now) for each in selected.people]
    return _page(team_page.team(view, selected, states))


def _perform(view: View, operator: MemberPayer, request: PageRequest) -> Page:
    """What a form that was confirmed asks for."""
    if cors.is_foreign(request.headers):
        raise ApiError(403, IS_FOREIGN, retry=False)
    form = request.form()
    _require_store(view)
    action = team_actions.read(form)
    by = f"{operator.person}:{operator.member.token.id}"
    done = action.perform(view.registry, by, view.now)
    if done.token:
        return _page(team_page.made(view, done, request.url))
    after = team_page.link_to(action.person, done=action.name)
    body = team_page.notice("Done", action.done, after)
    return Page(body, HTML, 303, {**FORM_HEADERS, "Location": after})


def _require_store(view: View) -> None:
    if not view.can_act:
        raise ApiError(409, NEEDS_STORE)


def _page(body: bytes) -> Page:
    return Page(body, HTML, headers=FORM_HEADERS)


def _notice(status: int, title: str, sentence: str) -> Page:
    back = "usage" if status == 403 else "team"
    return Page(team_page.notice(title, sentence, back), HTML, status, FORM_HEADERS)

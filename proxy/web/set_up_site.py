"""`/` of a team, and what belongs to it: for a stranger the way in, for who is signed in how to
point Claude Code here, with a token of theirs if they want to see one, and the managed settings.

A token is shown in the answer to a form, and nowhere else: not in a URL, and so not in a log.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from translate import ApiError

from .. import clock
from ..team import own_token
from ..team.payer import MemberPayer
from ..team.people import People
from ..team.stores import StoreError
from ..team.token_registry import ActError, Registry
from ..team.tokens import Token
from ..team.usage import DOWN, is_operator
from . import FORM_HEADERS, set_up_page
from .page import HTML, JSON, NO_STORE, Page, PageRequest, redirect
from .session import Session
from .set_up_page import View
from .settings_file import managed_settings

if TYPE_CHECKING:
    from .site import Site, Visitor

NOT_SIGNED_IN = "Sign in first: a token is shown to who is signed in."
CANNOT = (
    "You have not signed in with a token of your own that was given to you: "
    "from a derived one, or a shared one, this page makes none."
)
FILE_NAME = "managed-settings.json"


def show(site: Site, request: PageRequest) -> Page:
    """GET /."""
    visitor = _find(site, request)
    if visitor is None:
        assert isinstance(site.tokens, People)
        contact = site.tokens.budgets.plans.contact
        return _page(set_up_page.stranger(contact, site.oidc.name if site.oidc else ""))
    return _page(set_up_page.set_up(_view(site, request, visitor)))


def _find(site: Site, request: PageRequest) -> Visitor | None:
    """None for a stranger, and for who was revoked since."""
    try:
        visitor = site.visitor(request)
    except ApiError as error:
        if error.status != 401:
            raise
        return None
    return visitor if isinstance(visitor.payer, MemberPayer) else None


def show_token(site: Site, request: PageRequest) -> Page:
    """POST /token: the same page with a token in its blocks. By GET, as when it is reloaded from
    the address bar, the page without."""
    if request.method != "POST":
        return redirect("/")
    if site.sessions is None:
        raise ApiError(404, NOT_SIGNED_IN, retry=False)
    visitor = site.visitor(request)
    site.form(request, visitor)
    if visitor.session is None or not isinstance(visitor.payer, MemberPayer):
        raise ApiError(403, NOT_SIGNED_IN, retry=False)
    if not own_token.can_derive(visitor.session.token):
        raise ApiError(403, CANNOT, retry=False)
    view = _view(site, request, visitor)
    text, token = _derive(site, visitor.payer, visitor.session)
    return _page(set_up_page.set_up(view._replace(text=text, token=token)))


def _derive(site: Site, payer: MemberPayer, found: Session) -> tuple[str, Token]:
    """Raises ApiError."""
    assert site.sessions is not None
    budgets, team = payer.budgets, site.settings.team
    assert team is not None
    store = budgets.figures if budgets.figures.is_shared else None
    registry = Registry(team.secrets, budgets.plans, store, team.revoked)
    parent = replace(found.token, expires=found.token_expires)
    try:
        return own_token.derive(registry, parent, site.sessions.secret(found), clock.now())
    except ActError as error:
        raise ApiError(409, str(error), retry=False) from None
    except StoreError:
        raise ApiError(503, DOWN) from None


def _view(site: Site, request: PageRequest, visitor: Visitor) -> View:
    payer, team = visitor.payer, site.settings.team
    assert isinstance(payer, MemberPayer)
    assert team is not None
    presented = payer.member.token
    return View(
        site.api_url(request),
        payer.person,
        payer.plan,
        site.account(visitor),
        is_operator(presented, payer.budgets),
        team.client_budget,
        payer.budgets.counting.sentence,
        payer.budgets.plans.zone,
        can_show=visitor.session is not None and own_token.can_derive(presented),
        has_token=_has_presented(site, presented),
    )


def _has_presented(site: Site, token: Token) -> bool:
    """Whether the person of a session has signed in with a token."""
    if site.oidc is None:
        return True
    from .oidc import TOKEN_ID  # it needs cryptography, which not every server has

    return token.id != TOKEN_ID


def show_managed_settings(site: Site, request: PageRequest) -> Page:
    """GET /managed-settings.json, for who may use this server."""
    site.visitor(request)
    team = site.settings.team
    content = managed_settings(
        site.api_url(request),
        site.settings.model_settings,
        site.gemini.platform,
        clock.today(),
        has_meter="meter" in request.query and team is not None and team.client_budget,
    )
    headers = {**NO_STORE, "Content-Disposition": f'attachment; filename="{FILE_NAME}"'}
    return Page(f"{json.dumps(content, indent=2)}\n".encode(), JSON, headers=headers)


def _page(body: bytes) -> Page:
    return Page(body, HTML, headers=FORM_HEADERS)

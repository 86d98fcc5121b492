"""`/sign-in/oidc` and its callback: to an OpenID provider and back, with a session.

What goes wrong is a sentence on the sign-in page, from where one can begin anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from translate import ApiError

from .. import clock, routes
from ..team.people import People
from ..team.tokens import BadToken
from . import oidc, sign_in
from .oidc import Oidc, SignInFailed
from .page import Page, PageRequest

if TYPE_CHECKING:
    from .site import Site

NO_ACCESS = "Your account has no access to this server. Ask whoever runs it."
NO_OIDC = "This server has no OpenID provider to sign in with (PROXY_OIDC_ISSUER)."


def begin(site: Site, request: PageRequest) -> Page:
    """GET /sign-in/oidc."""
    found, target = _oidc(site), sign_in.local_page(request.query.get("next", ""))
    try:
        return found.begin(request, target, clock.now())
    except SignInFailed as error:
        return _problem(site, request, target, str(error), 502)


def end(site: Site, request: PageRequest) -> Page:
    """GET /sign-in/oidc/callback, with a code of the provider's."""
    found, target, now = _oidc(site), routes.USAGE_PAGE, clock.now()
    assert isinstance(site.tokens, People)
    over = oidc.end_cookie(request)
    try:
        pending = found.pending(request, now)
        target = sign_in.local_page(pending.next)
        token = found.finish(request, pending, now)
        return sign_in.start(site, request, site.tokens.payer(token, now), target, over)
    except (SignInFailed, BadToken) as error:
        sentence = NO_ACCESS if isinstance(error, BadToken) else str(error)
        page = _problem(site, request, target, sentence, 403)
        return page._replace(headers={**page.headers, "Set-Cookie": over})


def _oidc(site: Site) -> Oidc:
    if site.oidc is None:
        raise ApiError(404, NO_OIDC, retry=False)
    return site.oidc


def _problem(site: Site, request: PageRequest, target: str, sentence: str, status: int) -> Page:
    request.log_entry.error = "oidc"
    return sign_in.sign_in_form(site, target, sentence, status)

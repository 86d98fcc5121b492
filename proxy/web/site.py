"""Everything beside the API: pages for people, and figures for them and for programs.

A page is a function of this server and a request. Its route stands in routes.py, with the methods
that it has.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from translate import ApiError

from .. import auth, clock, request_log, routes
from ..config import Settings
from ..gemini import Gemini
from ..payers import AccessTokens, Payer
from . import FOLDER, home
from .health import EndpointHealth
from .page import HSTS, NO_STORE, NOSNIFF, TEXT, Page, PageRequest, error_page, json_page

if TYPE_CHECKING:
    from .oidc import Oidc
    from .session import Account, Session, Sessions


class Visitor(NamedTuple):
    """Who asks for a page. session: None for who presents a token in a header."""

    payer: Payer
    session: Session | None = None


PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True)
class Site:
    """What pages are made from. tokens: those of a team know its people and its store
    (team/people.py)."""

    settings: Settings
    tokens: AccessTokens
    gemini: Gemini
    endpoint_health: EndpointHealth

    def answer(self, request: PageRequest) -> Page:
        """Raises ApiError, for programs: a browser gets it as a page, or, where a person is to sign
        in, the way to there. Who is signed in already would be sent back from there."""
        try:
            page = PAGES[request.route](self, request)
        except ApiError as error:
            if not request.is_browser:
                raise
            can_sign_in = error.status == 401 and self.sessions is not None
            if can_sign_in and not self.is_signed_in(request):
                from . import sign_in

                page = sign_in.sign_in_page(request)
            else:
                page = error_page(error, request.log_entry)
        more = {**NOSNIFF, **HSTS} if request.is_https else NOSNIFF
        return page._replace(headers={**page.headers, **more})

    @functools.cached_property
    def sessions(self) -> Sessions | None:
        """None where nobody can sign in."""
        team = self.settings.team
        if team is None or not team.secrets or not self.settings.takes_tokens:
            return None
        from .session import Sessions

        return Sessions(team.secrets, self.settings.token)

    @functools.cached_property
    def oidc(self) -> Oidc | None:
        """None where nobody signs in with an OpenID provider."""
        team = self.settings.team
        if self.sessions is None or team is None or team.oidc is None:
            return None
        from .oidc import Oidc

        return Oidc(team.oidc, team.secrets)

    def visitor(self, request: PageRequest) -> Visitor:
        """Who presents a credential in a header, or is signed in: for pages, which cost nothing.
        Raises ApiError 401."""
        if not auth.credentials(request.headers) and (found := self.signed_in(request)):
            return found
        return Visitor(self.authenticate(request))

    def signed_in(self, request: PageRequest) -> Visitor | None:
        """Raises ApiError 401 for who was revoked since."""
        if self.sessions is None:
            return None
        from ..team.people import People
        from .session import is_navigation

        now = clock.now()
        if not is_navigation(request.headers) or not (found := self.sessions.read(request, now)):
            return None
        assert isinstance(self.tokens, People)
        payer = self.tokens.payer(found.token, now)
        request.log_entry.set_caller(f"token-{found.token.id}", payer.person, payer.plan)
        return Visitor(payer, found)

    def is_signed_in(self, request: PageRequest) -> bool:
        try:
            return self.signed_in(request) is not None
        except ApiError:  # of a token that was revoked since
            return False

    def account(self, visitor: Visitor) -> Account | None:
        """For account.html; None for who is not signed in."""
        if self.sessions is None or visitor.session is None:
            return None
        from .session import Account

        return Account(visitor.payer.person, self.sessions.csrf_field(visitor.session))

    def form(self, request: PageRequest, visitor: Visitor) -> dict[str, str]:
        """The fields of a form that acts for a visitor. Raises ApiError, 403 for one that no page
        of this server has sent them."""
        form = request.form()
        if self.sessions is not None:
            self.sessions.check_csrf(request, visitor.session, form)
        return form

    def api_url(self, request: PageRequest) -> str:
        """Where answers are served: here, unless this server has pages only."""
        return self.settings.api_url or request.url

    def authenticate(self, request: PageRequest) -> Payer:
        """Who presents a credential in a header: for programs. Raises ApiError 401."""
        caller = auth.authenticate(
            request.headers, request.remote_address, self.settings, self.tokens, needs_key=False
        )
        request.log_entry.set_caller(caller.caller_id, caller.payer.person, caller.payer.plan)
        return caller.payer


def show_home(site: Site, request: PageRequest) -> Page:
    """How to use this server. For a team that signs in: for its people. Without, for a person at
    this machine also what it has done."""
    if site.sessions is not None:
        from . import set_up_site

        return set_up_site.show(site, request)
    body = home.home(
        site.settings,
        site.gemini.platform,
        site.api_url(request),
        today=clock.today(),
        counting=site.tokens.counting.sentence,
        endpoint=site.endpoint_health.look(request.poller) if request.is_local else None,
        recent=list(reversed(request_log.recent)) if request.is_local else None,
    )
    return Page(body)


def show_usage(site: Site, request: PageRequest) -> Page:
    """What the holder of an access token has used, and what is left, for programs."""
    from ..team import usage  # not where nobody is counted

    return json_page(usage.answer(site.visitor(request).payer, request.query, clock.now()))


def show_client_usage(site: Site, request: PageRequest) -> Page:
    """The same for Claude Code's own meter."""
    from ..team import usage

    return json_page(usage.client_answer(site.authenticate(request), clock.now()))


def show_status_line(site: Site, request: PageRequest) -> Page:
    """A script for the machines of a team, with nothing secret in it."""
    return Page((FOLDER.parent / "statusline.py").read_bytes(), TEXT)


def show_usage_page(site: Site, request: PageRequest) -> Page:
    """The same for people."""
    from . import usage_site

    visitor = site.visitor(request)
    return usage_site.show_page(visitor.payer, request, clock.now(), site.account(visitor))


def show_usage_csv(site: Site, request: PageRequest) -> Page:
    """The same for spreadsheets."""
    from . import usage_site

    return usage_site.show_csv(site.visitor(request).payer, request, clock.now())


def show_own_token(site: Site, request: PageRequest) -> Page:
    """How to use this server, with a token for who is signed in."""
    from . import set_up_site

    return set_up_site.show_token(site, request)


def show_managed_settings(site: Site, request: PageRequest) -> Page:
    """A file for who sets up a team's machines."""
    from . import set_up_site

    return set_up_site.show_managed_settings(site, request)


def show_sign_in(site: Site, request: PageRequest) -> Page:
    """Where a person gets a session."""
    from . import sign_in

    return sign_in.show_sign_in(site, request)


def sign_out(site: Site, request: PageRequest) -> Page:
    """And where they end it."""
    from . import sign_in

    return sign_in.sign_out(site, request)


def show_team(site: Site, request: PageRequest) -> Page:
    """Who of a team has what, and what an operator can do about it."""
    from . import team_site

    return team_site.show(site, site.visitor(request), request, clock.now())


def begin_oidc(site: Site, request: PageRequest) -> Page:
    """Signing in with an OpenID provider."""
    from . import oidc_pages

    return oidc_pages.begin(site, request)


def end_oidc(site: Site, request: PageRequest) -> Page:
    """And back from there."""
    from . import oidc_pages

    return oidc_pages.end(site, request)


def show_metrics(site: Site, request: PageRequest) -> Page:
    """What a team uses, for an operator's Prometheus."""
    from ..team import metrics  # not where nobody is counted

    text = metrics.answer(site.authenticate(request), clock.now())
    return Page(text.encode(), metrics.CONTENT_TYPE, headers=NO_STORE)


def discard_telemetry(site: Site, request: PageRequest) -> Page:
    """OTLP's answer to an export that was taken whole, as an empty message of its format.

    Nothing is read of the body, and so no key is needed: a stranger costs as much as with a health
    check, however much they send. The server bounds what follows (client_connection.py).
    """
    sent = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return Page(b"", PROTOBUF, headers=NO_STORE) if sent == PROTOBUF else json_page({})


PAGES: dict[str, Callable[[Site, PageRequest], Page]] = {
    routes.HEALTH: show_home,
    routes.USAGE: show_usage,
    routes.CLIENT_USAGE: show_client_usage,
    routes.STATUS_LINE: show_status_line,
    routes.USAGE_PAGE: show_usage_page,
    routes.USAGE_CSV: show_usage_csv,
    routes.OWN_TOKEN: show_own_token,
    routes.MANAGED_SETTINGS: show_managed_settings,
    routes.SIGN_IN: show_sign_in,
    routes.SIGN_OUT: sign_out,
    routes.TEAM_PAGE: show_team,
    routes.OIDC: begin_oidc,
    routes.OIDC_CALLBACK: end_oidc,
    routes.METRICS: show_metrics,
    **dict.fromkeys(routes.TELEMETRY, discard_telemetry),
}
"""Route -> page."""

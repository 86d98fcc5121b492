"""Everything beside the API: pages for people, and figures for them and for programs.

A page is a function of this server and a request. Its route stands in routes.py, with the methods
that it has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .. import auth, clock, request_log, routes
from ..config import Settings
from ..gemini import Gemini
from ..payers import AccessTokens, Payer
from . import FOLDER, home
from .health import EndpointHealth
from .page import TEXT, Page, PageRequest, json_page


@dataclass(frozen=True)
class Site:
    """What pages are made from. tokens: those of a team know its people and its store
    (team/people.py)."""

    settings: Settings
    tokens: AccessTokens
    gemini: Gemini
    endpoint_health: EndpointHealth

    def answer(self, request: PageRequest) -> Page:
        """Raises ApiError."""
        return PAGES[request.route](self, request)

    def authenticate(self, request: PageRequest) -> Payer:
        """Who presents a credential in a header. Raises ApiError 401."""
        caller = auth.authenticate(
            request.headers, request.remote_address, self.settings, self.tokens, needs_key=False
        )
        request.log_entry.set_caller(caller.caller_id, caller.payer.person, caller.payer.plan)
        return caller.payer


def show_home(site: Site, request: PageRequest) -> Page:
    """How to use this server; for a person at this machine also what it has done."""
    body = home.home(
        site.settings,
        site.gemini.platform,
        request.url,
        today=clock.today(),
        counting=site.tokens.counting.sentence,
        endpoint=site.endpoint_health.look(request.poller) if request.is_local else None,
        recent=list(reversed(request_log.recent)) if request.is_local else None,
    )
    return Page(body)


def show_usage(site: Site, request: PageRequest) -> Page:
    """What the holder of an access token has used, and what is left, for programs."""
    from ..team import usage  # not where nobody is counted

    return json_page(usage.answer(site.authenticate(request), request.query, clock.now()))


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

    return usage_site.show_page(site.authenticate(request), request, clock.now())


def show_usage_csv(site: Site, request: PageRequest) -> Page:
    """The same for spreadsheets."""
    from . import usage_site

    return usage_site.show_csv(site.authenticate(request), request, clock.now())


PAGES: dict[str, Callable[[Site, PageRequest], Page]] = {
    routes.HEALTH: show_home,
    routes.USAGE: show_usage,
    routes.CLIENT_USAGE: show_client_usage,
    routes.STATUS_LINE: show_status_line,
    routes.USAGE_PAGE: show_usage_page,
    routes.USAGE_CSV: show_usage_csv,
}
"""Route -> page."""

"""`/sign-in` and `/sign-out`: a person presents an access token once, and has a session.

Which of its faults a token has is not shown to who presents it here: it may be a stranger. Failures
are limited, by address and in all.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from translate import ApiError

from .. import clock, routes, spelling
from ..team import tokens
from ..team.payer import MemberPayer
from ..team.people import SHARED
from . import FORM_HEADERS, render, session
from .page import HTML, Page, PageRequest, redirect

if TYPE_CHECKING:
    from .site import Site

MAX_FAILURES = 10
"""From one address in a window: a person who pastes the wrong thing, several times."""

MAX_ALL_FAILURES = 300
"""From all together: a team of hundreds after its tokens have ended."""

WINDOW_SECONDS = 600

MAX_ADDRESSES = 10_000
"""Of which failures are remembered, the latest: 2 MB."""

BAD_TOKEN = (
    "This access token is not accepted. Copy it again, all of it; if it has expired or was "
    "revoked, get a new one from whoever runs this server."
)
TOO_MANY = "Too many attempts have failed. Try again in {} minutes."
NO_SIGN_IN = "This server has nobody to sign in: it has no PROXY_SECRET."

NETWORK = len("2001:0db8:0000:0000")
"""Characters of an IPv6 address that one client cannot choose: 64 bits (RFC 4291, 2.5.4)."""

NEXT = re.compile(
    r"(?:/|(?:/[A-Za-z0-9_@+][A-Za-z0-9._@+-]*)+)(?:\?[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)?"
)
"""A page of this server: no host, no backslash, nothing encoded in its path, no dots alone."""

MAX_NEXT = 2_000
"""Characters; a page's address has a hundred."""


class FailureLimit:
    """Counts failures in this process, for WINDOW_SECONDS each. Signed tokens are looked at all the
    same: nobody can guess one, and so nobody can keep others from signing in, who may come by the
    same proxy."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._all = (0, 0)

    def add(self, address: str, now: int) -> None:
        with self._lock:
            self._all = _counted(self._all, now)
            self._failures[address] = _counted(self._failures.get(address, (0, 0)), now)
            self._failures.move_to_end(address)
            if len(self._failures) > MAX_ADDRESSES:
                self._failures.popitem(last=False)

    def wait(self, address: str, now: int) -> int:
        """Seconds until a guess from there is looked at; 0 for none."""
        with self._lock:
            count, ends = self._failures.get(address, (0, 0))
            all_count, all_end = self._all
        own = ends - now if count >= MAX_FAILURES else 0
        return max(0, own, all_end - now if all_count >= MAX_ALL_FAILURES else 0)


def _counted(failures: tuple[int, int], now: int) -> tuple[int, int]:
    """One more: how many, and the second at which their window ends."""
    count, ends = failures
    return (count + 1, ends) if now < ends else (1, now + WINDOW_SECONDS)


failures = FailureLimit()


def client_address(request: PageRequest) -> str:
    """Who to count failures of. In the clouds a connection comes from a proxy of the platform with
    a private address, which has put the client's at the end of X-Forwarded-For; what stands before
    it there is the client's own word. Of IPv6 the network counts, as one client has all of it."""
    text = request.remote_address or ""
    forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    try:
        address = ip_address(text)
        if forwarded and not address.is_global:
            address = ip_address(forwarded)
    except ValueError:
        return text
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or address.exploded[:NETWORK])
    return str(address)


def local_page(text: str) -> str:
    """Where to go after signing in: a page of this server, whatever the text is."""
    is_local = len(text) <= MAX_NEXT and NEXT.fullmatch(text)
    return text if is_local else routes.USAGE_PAGE


def sign_in_page(request: PageRequest) -> Page:
    """To the form, for who has opened a page without being signed in."""
    query = f"?{urlencode(request.query)}" if request.query else ""
    return redirect(f"{routes.SIGN_IN}?{urlencode({'next': request.route + query})}")


def show_sign_in(site: Site, request: PageRequest) -> Page:
    """The form, and what it is sent to."""
    if site.sessions is None:
        raise ApiError(404, NO_SIGN_IN, retry=False)
    if request.method == "POST":
        return _sign_in(site, request)
    target = local_page(request.query.get("next", ""))
    return redirect(target) if site.is_signed_in(request) else sign_in_form(site, target)


def _sign_in(site: Site, request: PageRequest) -> Page:
    session.check_origin(request.headers)
    form, now, address = request.form(), clock.now(), client_address(request)
    target, text = local_page(form.get("next", "")), spelling.unquote(form.get("token", "").strip())
    seconds = failures.wait(address, now)
    payer = _payer(site, text) if not seconds or tokens.is_token(text) else None
    if payer and not (seconds and payer.member.token == SHARED):
        return start(site, request, payer, target, text=text)
    failures.add(address, now)
    if not seconds:
        return sign_in_form(site, target, BAD_TOKEN, 401)
    page = sign_in_form(site, target, TOO_MANY.format(-(-seconds // 60)), 429)
    return page._replace(headers={**page.headers, "Retry-After": str(seconds)})


def start(
    site: Site,
    request: PageRequest,
    payer: MemberPayer,
    target: str,
    *cookies: str,
    text: str = "",
) -> Page:
    """Sign in, and show the page that was wanted. cookies: more headers Set-Cookie. text: of the
    token that was presented, "" for none."""
    assert site.sessions is not None
    now, token = clock.now(), payer.member.token
    request.log_entry.set_caller(f"token-{token.id}", payer.person, payer.plan)
    cookie = site.sessions.cookie(site.sessions.start(token, now, text), request, now)
    return redirect(target, cookie, *cookies)


def _payer(site: Site, text: str) -> MemberPayer | None:
    """None for a token that is not good, for whatever reason."""
    try:
        holder = site.tokens.find([text])
        if holder is None:
            return None
        holder.payer.check()
    except ApiError:
        return None
    assert isinstance(holder.payer, MemberPayer)
    return holder.payer


def sign_in_form(site: Site, target: str, problem: str = "", status: int = 200) -> Page:
    """target: the page that was wanted. problem: a sentence, "" for none."""
    query = urlencode({"next": target})
    body = render(
        "sign_in.html",
        next=target,
        problem=problem,
        is_bad=problem == BAD_TOKEN,
        max_length=tokens.MAX_LENGTH,
        provider=site.oidc and site.oidc.name,
        provider_link=f"{routes.OIDC}?{query}",
    )
    return Page(body, HTML, status, FORM_HEADERS)


def sign_out(site: Site, request: PageRequest) -> Page:
    """POST /sign-out. Who is not signed in is signed out."""
    now = clock.now()
    if site.sessions and (found := site.sessions.read(request, now)):
        site.sessions.check_csrf(request, found, request.form())
    else:
        session.check_origin(request.headers)
    return redirect(routes.SIGN_IN, session.end_cookie(request))

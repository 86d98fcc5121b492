"""proxy/web/session.py: who is signed in, by a cookie, and which forms are taken."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from http.cookies import SimpleCookie
from typing import Any

import pytest
from werkzeug import Request
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from proxy.liveness import Poller
from proxy.request_log import RequestLog
from proxy.team.tokens import LATEST, Token
from proxy.web import page, session
from proxy.web.page import PageRequest
from proxy.web.session import HTTPS_PREFIX, MAX_COOKIE, MAX_SECONDS, NAME, Sessions
from translate import ApiError

NOW = 1_764_331_200
KEYS = ("n" * 32, "o" * 32)
TOKEN = Token(("a1",), "alice", "standard", NOW - 9, NOW + 10**7, "core")
SESSIONS = Sessions(KEYS, "")


def request(cookie: str = "", **headers: str) -> PageRequest:
    """cookie: a header Set-Cookie that was answered before."""
    if cookie:
        headers["Cookie"] = cookie.partition(";")[0]
    built = Request(EnvironBuilder("/usage", "http://gemini.test", headers=headers).get_environ())
    return page.read(built, "/usage", RequestLog("req_1", "GET", "/usage"), Poller(None), None)


def signed_in(sessions: Sessions = SESSIONS, token: Token = TOKEN, **headers: str) -> str:
    return sessions.cookie(sessions.start(token, NOW), request(**headers), NOW)


def test_session_is_that_of_the_token() -> None:
    found = SESSIONS.read(request(signed_in()), NOW)
    assert found
    assert found.token == replace(TOKEN, expires=NOW + MAX_SECONDS)
    assert (found.person, found.plan, found.started) == ("alice", "standard", NOW)


@pytest.mark.parametrize("forwarded", [{}, {"X-Forwarded-Proto": "https"}])
def test_cookie_is_for_this_server_and_no_script(forwarded: dict[str, str]) -> None:
    (cookie,) = SimpleCookie(signed_in(**forwarded)).values()
    assert (cookie.key, bool(cookie["secure"])) == (
        (HTTPS_PREFIX + NAME, True) if forwarded else (NAME, False)
    )
    assert cookie["httponly"]
    assert (cookie["samesite"], cookie["path"], cookie["domain"]) == ("Lax", "/", "")
    assert cookie["max-age"] == str(MAX_SECONDS)


def test_cookie_made_for_http_is_none_over_https() -> None:
    assert SESSIONS.read(request(signed_in(), **{"X-Forwarded-Proto": "https"}), NOW) is None


@pytest.mark.parametrize(("left", "lasts"), [(60, 60), (10**7, MAX_SECONDS)])
def test_session_ends_with_its_token(left: int, lasts: int) -> None:
    cookie = signed_in(token=replace(TOKEN, expires=NOW + left))
    assert f"Max-Age={lasts};" in cookie
    assert SESSIONS.read(request(cookie), NOW + lasts - 1)
    assert SESSIONS.read(request(cookie), NOW + lasts) is None


def test_longest_session_is_read() -> None:
    long = "x" * 64
    ids = tuple(f"{number}{'i' * 31}" for number in range(5))
    token = Token(ids, long, "y" * 64, LATEST, LATEST, "z" * 64)
    cookie = signed_in(token=token)
    assert len(cookie.partition(";")[0]) < MAX_COOKIE
    found = SESSIONS.read(request(cookie), NOW)
    assert found
    assert found.token.ids == ids


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-1],
        lambda text: text + "A",
        lambda text: text.replace(".", ""),
        lambda text: "x" + text[1:],
        lambda text: "." + text,
        lambda text: text + "." + "A" * MAX_COOKIE,
        lambda text: "",
        lambda text: "\xff\x00",
    ],
)
def test_damaged_cookie_signs_nobody_in(damage: Any) -> None:
    name, _, text = signed_in().partition(";")[0].partition("=")
    assert SESSIONS.read(request(f"{name}={damage(text)}"), NOW) is None


def test_older_keys_verify_and_the_newest_signs() -> None:
    older, newer = Sessions(KEYS[1:], ""), Sessions(KEYS[:1], "")
    assert SESSIONS.read(request(signed_in(older)), NOW)
    assert newer.read(request(signed_in()), NOW)
    assert older.read(request(signed_in()), NOW) is None


def test_replaced_shared_token_ends_its_sessions() -> None:
    before, after = Sessions(KEYS, "first"), Sessions(KEYS, "second")
    cookie = signed_in(before)
    assert before.read(request(cookie), NOW)
    assert after.read(request(cookie), NOW) is None


def test_cookie_of_sign_out_is_the_same_and_over() -> None:
    (cookie,) = SimpleCookie(session.end_cookie(request())).values()
    assert (cookie.key, cookie.value, cookie["max-age"], cookie["path"]) == (NAME, "", "0", "/")


def form(sessions: Sessions, of: session.Session) -> dict[str, str]:
    return {"csrf": str(sessions.csrf_field(of)).split('"')[-2]}


def test_form_belongs_to_its_session() -> None:
    own, other = SESSIONS.start(TOKEN, NOW), SESSIONS.start(TOKEN, NOW)
    SESSIONS.check_csrf(request(), own, form(SESSIONS, own))
    SESSIONS.check_csrf(request(), own, form(Sessions(KEYS[1:], ""), own))
    SESSIONS.check_csrf(request(), None, {})
    foreign = form(Sessions(("f" * 32,), ""), own)
    for fields in ({}, {"csrf": ""}, {"csrf": "ü\x00"}, form(SESSIONS, other), foreign):
        with pytest.raises(ApiError) as caught:
            SESSIONS.check_csrf(request(), own, fields)
        assert caught.value.status == 403


OWN, FOREIGN = "http://gemini.test", "https://evil.test"


@pytest.mark.parametrize(
    ("headers", "is_taken"),
    [
        ({}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": OWN}, True),
        ({"Origin": FOREIGN}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": OWN}, False),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://name.before.the.proxy"}, True),
    ],
)
def test_form_of_another_site_is_refused(headers: dict[str, str], is_taken: bool) -> None:
    own = SESSIONS.start(TOKEN, NOW)
    for found in (own, None):
        expected = (
            contextlib.nullcontext() if is_taken else pytest.raises(ApiError, match="another")
        )
        with expected:
            SESSIONS.check_csrf(request(**headers), found, form(SESSIONS, own))


@pytest.mark.parametrize(
    ("site", "mode", "has_cookie"),
    [
        ("same-origin", "no-cors", True),
        ("none", "navigate", True),
        ("cross-site", "navigate", True),
        ("same-site", "no-cors", False),
        ("cross-site", "cors", False),
    ],
)
def test_what_other_pages_load_has_no_cookie(site: str, mode: str, has_cookie: bool) -> None:
    headers = Headers({"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode})
    assert session.is_navigation(headers) is has_cookie
    assert session.is_navigation(Headers())

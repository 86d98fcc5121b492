"""Signing in with a real OpenID provider: oidc-provider, which runs here, and in a real browser."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests import devtools, openid, servers
from tests.devtools import Page
from tests.e2e import axe
from tests.e2e.test_page import DESK, PHONE
from tests.servers import Emulator
from tests.team_stores import closing, team_settings
from tests.test_web import BROWSER, Reader

pytestmark = [pytest.mark.browser]

PLANS = """
operators = ["bob@example.com"]
[plans.standard]
usd_per_day = 5
"""
CALLBACK = "http://localhost/sign-in/oidc/callback"


@pytest.fixture(autouse=True)
def stores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from closing(monkeypatch)


@pytest.fixture
def make(make_client: Callable[..., FlaskClient], tmp_path: Path) -> Callable[[str], FlaskClient]:
    def start(issuer: str) -> FlaskClient:
        settings = team_settings("free-key-oidc", tmp_path / "team.sqlite", PLANS)
        return make_client(**settings, **openid.settings(issuer))

    return start


def come_back(client: FlaskClient, person: str, path: str = "/sign-in/oidc") -> TestResponse:
    """From the provider, where a person has signed in."""
    begun = client.get(path, headers=BROWSER)
    assert begun.status_code == 303, begun.text
    back = urlsplit(openid.sign_in(begun.headers["Location"], person, CALLBACK))
    return client.get(f"{back.path}?{back.query}", headers=BROWSER)


@pytest.mark.parametrize(
    ("algorithm", "is_strict"), [("RS256", False), ("ES256", False), ("RS256", True)]
)
def test_person_signs_in_with_a_provider(
    make: Callable[[str], FlaskClient], algorithm: str, is_strict: bool
) -> None:
    with openid.provider(CALLBACK, algorithm, is_strict=is_strict) as issuer:
        client = make(issuer)
        answer = come_back(client, "Alice@example.com", "/sign-in/oidc?next=/usage?since=7d")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/usage?since=7d")
        shown = client.get("/usage", headers=BROWSER)
        assert "Signed in as alice@example.com" in " ".join(Reader(shown.text).text.split())
        assert "of $5.00 used" in shown.text
        assert client.get("/usage?person=*", headers=BROWSER).status_code == 403
        assert come_back(client, "bob@example.com").status_code == 303
        assert client.get("/usage?person=*", headers=BROWSER).status_code == 200


def test_provider_signs_nobody_in_who_may_not(make: Callable[[str], FlaskClient]) -> None:
    with openid.provider(CALLBACK) as issuer:
        client = make(issuer)
        for person, why in (
            ("alice@elsewhere.test", "people of other domains use this server"),
            ("unverified@example.com", "has not verified the address of mail"),
            ("alice", "has no address of mail"),
            (f"{'a' * 60}@example.com", "at most 64 letters"),
        ):
            answer = come_back(client, person)
            assert answer.status_code == 403, person
            assert why in answer.text
            assert "gemini_session" not in str(answer.headers)
        begun = client.get("/sign-in/oidc", headers=BROWSER)
        state = parse_qs(urlsplit(begun.headers["Location"]).query)["state"][0]
        bad = client.get(
            "/sign-in/oidc/callback",
            query_string={"code": "invented", "state": state, "iss": issuer},
            headers=BROWSER,
        )
        assert bad.status_code == 403
        assert "HTTP 400 (invalid_grant)" in bad.text


def test_code_is_good_once_and_in_its_browser_only(make: Callable[[str], FlaskClient]) -> None:
    with openid.provider(CALLBACK) as issuer:
        client = make(issuer)
        begun = client.get("/sign-in/oidc", headers=BROWSER)
        back = urlsplit(openid.sign_in(begun.headers["Location"], "alice@example.com", CALLBACK))
        callback = f"{back.path}?{back.query}"
        other = client.application.test_client()
        stolen = other.get(callback, headers=BROWSER)
        assert (stolen.status_code, "was not begun in this browser" in stolen.text) == (403, True)
        assert client.get(callback, headers=BROWSER).status_code == 303
        assert client.get(callback, headers=BROWSER).status_code == 403


@pytest.fixture
def page() -> Iterator[Page]:
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        browser = stack.enter_context(devtools.browsing(Path(folder)))
        yield stack.enter_context(contextlib.closing(browser.new_page()))


def press(page: Page, selector: str) -> None:
    page.messages.clear()
    page.evaluate(f"document.querySelector('{selector}').focus()")
    page.press("Enter")
    page.wait_for("Page.loadEventFired")


def test_browser_goes_to_the_provider_and_back(
    page: Page, emulator: Emulator, tmp_path: Path
) -> None:
    port = servers.free_port()
    url = f"http://127.0.0.1:{port}"
    with openid.provider(f"{url}/sign-in/oidc/callback") as issuer:
        environ = team_settings("free-key-oidc", tmp_path / "team.sqlite", PLANS)
        environ |= openid.settings(issuer)
        with servers.serving(servers.PROXY, environ, port):
            page.open(f"{url}/usage")
            for size in (PHONE, DESK):
                for theme in ("light", "dark"):
                    page.show(*size, theme=theme)
                    assert axe.violations(page) == []
            press(page, "a.main")
            for name, text in (("login", "alice@example.com"), ("password", "any")):
                page.evaluate(f"document.querySelector('[name={name}]').focus()")
                page.call("Input.insertText", text=text)
            press(page, "button[type=submit]")
            press(page, "button[type=submit]")
            assert page.evaluate("location.href") == f"{url}/usage"
            assert "Signed in as alice@example.com" in page.evaluate("document.body.innerText")
            assert page.evaluate("document.cookie") == ""

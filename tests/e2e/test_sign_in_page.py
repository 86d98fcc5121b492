"""`/sign-in` in a real browser: in and out by keyboard, what a screen reader hears, what axe-core
finds, and that neither a page of another site nor a script has the cookie.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.team import tokens
from proxy.team.tokens import Token
from tests import devtools
from tests.devtools import Page
from tests.e2e import axe
from tests.e2e.test_page import CONTRASTS, DESK, MIN_CONTRAST, MIN_TARGET, PHONE, TOO_WIDE
from tests.e2e.test_usage_page import serving_team
from tests.team_stores import SECRET

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving_team("free-key-sign-in") as url:
        yield url


@pytest.fixture
def page() -> Iterator[Page]:
    """In a browser of its own: without a cookie."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        browser = stack.enter_context(devtools.browsing(Path(folder)))
        yield stack.enter_context(contextlib.closing(browser.new_page()))


def access_token(person: str = "alice") -> str:
    now = int(time.time())
    token = Token((f"{person}-1",), person, "standard", now - 60, now + 600, "core")
    return tokens.create(token, SECRET)


def present(page: Page, token: str) -> None:
    """In the form that is open, by keyboard; returns when the next page is loaded."""
    page.evaluate("document.getElementById('token').focus()")
    page.call("Input.insertText", text=token)
    page.messages.clear()
    page.press("Enter")
    page.wait_for("Page.loadEventFired")


def path_of(page: Page) -> str:
    found = page.evaluate("location.pathname + location.search")
    assert isinstance(found, str)
    return found


def sign_out(page: Page) -> None:
    page.messages.clear()
    page.evaluate("document.querySelector('.account button').focus()")
    page.press("Enter")
    page.wait_for("Page.loadEventFired")


@pytest.mark.parametrize("script", [True, False])
def test_person_signs_in_and_out_by_keyboard(page: Page, url: str, script: bool) -> None:
    page.show(*DESK, script=script)
    page.open(f"{url}/usage?since=7d")
    assert path_of(page) == "/sign-in?next=%2Fusage%3Fsince%3D7d"
    present(page, "wrong")
    assert "not accepted" in page.evaluate("document.querySelector('[role=alert]').innerText")
    present(page, access_token())
    assert path_of(page) == "/usage?since=7d"
    assert page.of("Log.entryAdded") == []
    assert "Signed in as alice" in page.evaluate("document.body.innerText")
    assert page.evaluate("document.cookie") == ""
    sign_out(page)
    assert path_of(page) == "/sign-in"
    page.open(f"{url}/usage")
    assert path_of(page) == "/sign-in?next=%2Fusage"


def test_page_of_another_site_cannot_act(page: Page, url: str) -> None:
    """localhost is another site than 127.0.0.1."""
    page.open(f"{url}/sign-in")
    present(page, access_token())
    elsewhere = url.replace("127.0.0.1", "localhost")
    page.open(f"{elsewhere}/sign-in")
    page.call("Page.setBypassCSP", enabled=True)
    page.open(f"{elsewhere}/sign-in")
    for path in ("sign-out", "sign-in"):
        page.messages.clear()
        page.evaluate(
            "(() => { const form = document.createElement('form'); form.method = 'post';"
            f"form.action = '{url}/{path}'; document.body.append(form); form.submit(); }})()"
        )
        page.wait_for("Page.loadEventFired")
        assert "sent by a page of another site" in page.evaluate("document.body.innerText")
        page.open(f"{elsewhere}/sign-in")
    page.open(f"{url}/usage")
    assert path_of(page) == "/usage"


VIEWS = {"form": "/sign-in", "signed in": "/usage", "error": "/usage?since=x"}


def show(page: Page, url: str, view: str) -> None:
    page.open(f"{url}/sign-in")
    if view != "form":
        present(page, access_token())
    page.open(f"{url}{VIEWS[view]}")
    if view == "form":
        present(page, "wrong")


@pytest.mark.parametrize("view", VIEWS)
def test_pages_can_be_used_by_everybody(page: Page, url: str, view: str) -> None:
    show(page, url, view)
    for size in (PHONE, DESK, (320, 740)):
        for theme in ("light", "dark"):
            page.show(*size, theme=theme)
            assert axe.violations(page) == []
            found = page.evaluate(CONTRASTS)
            assert {text: each for text, each in found.items() if each < MIN_CONTRAST} == {}
        assert page.evaluate(TOO_WIDE.replace("pre,", "pre, .scroll *,")) == []
        assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    heights = page.evaluate(
        "[...document.querySelectorAll('button, input:not([type=hidden])')]"
        ".filter((each) => each.checkVisibility())"
        ".map((each) => each.getBoundingClientRect().height)"
    )
    assert min(heights, default=MIN_TARGET) >= MIN_TARGET


def test_screen_reader_hears_what_is_wrong(page: Page, url: str) -> None:
    show(page, url, "form")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    (field,) = [each for each in nodes if each["role"]["value"] == "textbox"]
    assert field["name"]["value"] == "Access token"
    assert field["description"]["value"].startswith("This access token is not accepted.")
    given = {each["name"]: each["value"].get("value") for each in field["properties"]}
    assert (given["invalid"], given["required"]) == ("true", True)
    assert [each for each in nodes if each["role"]["value"] == "alert"]

"""The page at `/team` in a real browser: an operator makes a token, revokes it and raises a budget
without script; no fault that axe-core finds, nothing too wide, legible in the dark.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from proxy.team.stores.sqlite import SqliteStore
from proxy.team.token_registry import Registry
from proxy.team.tokens import Token
from tests import devtools
from tests.devtools import Page
from tests.e2e import axe
from tests.e2e.test_page import CONTRASTS, DESK, MIN_CONTRAST, MIN_TARGET, PHONE, TOO_WIDE
from tests.e2e.test_sign_in_page import access_token, path_of, present
from tests.e2e.test_usage_page import PEOPLE, serving_team

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving_team("free-key-team", remember) as url:
        yield url


def remember(path: Path) -> None:
    """Tokens of enough people for two pages."""
    store, now = SqliteStore(str(path)), int(time.time())
    registry = Registry(store=store)
    for number, person in enumerate([*PEOPLE, *(f"person{each:02}" for each in range(40))]):
        token = Token((f"{number:08x}",), person, "standard", now - 60, now + 86_400, "core")
        registry.remember(token)
    registry.audit("create", "00000000", "alice", "bob:bob-1")
    store.close()


@pytest.fixture
def page(url: str) -> Iterator[Page]:
    """In a browser of its own, in which bob, an operator, is signed in."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        browser = stack.enter_context(devtools.browsing(Path(folder)))
        page = stack.enter_context(contextlib.closing(browser.new_page()))
        page.open(f"{url}/sign-in?next=/team")
        present(page, access_token("bob"))
        yield page


def press(page: Page, selector: str) -> None:
    """A link or a button, by keyboard; returns when the next page is loaded."""
    page.evaluate(f"document.querySelector({selector!r}).focus()")
    page.messages.clear()
    page.press("Enter")
    page.wait_for("Page.loadEventFired")


def type_in(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        page.evaluate(f"document.getElementById({name!r}).select()")
        page.call("Input.insertText", text=value)


def shown(page: Page) -> str:
    return " ".join(str(page.evaluate("document.body.innerText")).split())


def ask(url: str, token: str) -> int:
    """The status of a person's next request."""
    answer = requests.get(f"{url}/v1/models", headers={"x-api-key": token}, timeout=10)
    return answer.status_code


def test_operator_makes_a_token_and_revokes_it(page: Page, url: str) -> None:
    page.show(*DESK, script=False)
    page.open(f"{url}/team")
    type_in(page, person="erin", days="30")
    press(page, "[aria-labelledby=new] button")
    assert path_of(page).startswith("/team?act=create&person=erin&plan=standard")
    assert "erin can use this server by the plan standard" in shown(page)
    press(page, "main form button")
    token = page.evaluate("document.getElementById('the-token').innerText")
    assert path_of(page) in ("/team", "/team?")
    assert ask(url, token) == 200
    press(page, "main p a")
    assert page.evaluate("document.querySelector('td:nth-child(5)').innerText") == "good"
    press(page, "#tokens ~ .scroll td a:last-child")
    assert "Revoke the token" in shown(page)
    press(page, "main form button")
    assert path_of(page).startswith("/team?person=erin&done=revoke")
    assert "The token is revoked." in shown(page)
    assert ask(url, token) == 401
    assert page.of("Log.entryAdded") == []


def test_operator_raises_a_budget(page: Page, url: str) -> None:
    page.show(*DESK, script=False)
    page.open(f"{url}/team?person=alice")
    assert "20.00" in shown(page)
    page.evaluate("document.getElementById('limit').value = 'usd_per_day'")
    type_in(page, value="30")
    press(page, "[aria-labelledby=used] button")
    assert "alice: usd_per_day is 30 until" in shown(page)
    press(page, "main form button")
    assert "of 30.00" in shown(page)
    assert "usd_per_day=30" in shown(page)


VIEWS = {
    "people": "/team",
    "person": "/team?person=alice",
    "confirmation": "/team?act=create&person=erin&plan=standard",
    "nobody found": "/team?find=zz",
}


@pytest.mark.parametrize("view", [*VIEWS, "token"])
def test_pages_can_be_used_by_everybody(page: Page, url: str, view: str) -> None:
    page.open(f"{url}{VIEWS.get(view, VIEWS['confirmation'])}")
    if view == "token":
        press(page, "main form button")
    for size in (PHONE, DESK, (320, 740)):
        for theme in ("light", "dark"):
            page.show(*size, theme=theme)
            assert axe.violations(page) == []
            found = page.evaluate(CONTRASTS)
            assert {text: each for text, each in found.items() if each < MIN_CONTRAST} == {}
        assert page.evaluate(TOO_WIDE.replace("pre,", "pre, .scroll *,")) == []
        assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    assert too_small(page) == []


def too_small(page: Page) -> Any:
    targets = ".links a, .rows a, .fields a, button, select, input:not([type=hidden])"
    return page.evaluate(
        f"[...document.querySelectorAll('{targets}')].filter((each) => each.checkVisibility()"
        f" && each.getBoundingClientRect().height < {MIN_TARGET})"
        ".map((each) => each.outerHTML.slice(0, 80))"
    )


def test_page_asks_for_nothing_else(page: Page, url: str) -> None:
    page.show(*DESK, script=False)
    page.messages.clear()
    page.open(f"{url}/team?sort=person")
    requested = [sent["request"]["url"] for sent in page.of("Network.requestWillBeSent")]
    assert [each for each in requested if not each.startswith("data:")] == [
        f"{url}/team?sort=person"
    ]
    press(page, "a[rel=next]")
    assert "Page 2 of 2" in shown(page)

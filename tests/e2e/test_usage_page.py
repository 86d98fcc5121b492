"""The page at `/usage` in a real browser, of a person and of an operator: no script, no fault that
axe-core finds, nothing too wide, legible in the dark and on paper.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from proxy.team import tokens
from proxy.team.stores import Entry, Hold, Usage
from proxy.team.stores.sqlite import SqliteStore
from proxy.team.tokens import Token
from tests import devtools, servers
from tests.devtools import Page
from tests.e2e import axe
from tests.e2e.test_page import CONTRASTS, DESK, FOCUSED, MIN_CONTRAST, MIN_TARGET, PHONE, TOO_WIDE
from tests.team_stores import SECRET, team_settings

pytestmark = pytest.mark.browser

PLANS = """
zone = "Europe/Berlin"
operators = ["bob"]
[plans.standard]
requests_per_minute = 60
open_streams = 10
tokens_per_day = 5_000_000
usd_per_day = 20
usd_per_month = 200
[groups.core]
usd_per_month = 500
"""
NANO = 10**9
PEOPLE = ("alice", "bob", "carol.with-a-rather-long-name@mail.example.com")
VIEWS = {
    "a person": ("alice", "/usage"),
    "nothing used": ("dave", "/usage"),
    "everyone": ("bob", "/usage?person=*"),
    "another person by weeks": ("bob", "/usage?person=alice&since=400d"),
}


def fill(path: Path) -> None:
    """A month of three people, and budgets of alice: warned, used up, and partly held."""
    store, now, today = SqliteStore(str(path)), int(time.time()), datetime.now(UTC).date()
    rows = [
        Usage(
            f"{today - timedelta(days=back)}",
            person,
            f"gemini-4-{model}",
            request_class,
            *(30 + back, back % 3, 900_000, 700_000 - back * 9_000, 40_000),
            *((back % 7 + 1) * NANO // (number + 1), back % 2 * NANO, NANO, 90_000),
        )
        for back in range(30)
        for person in PEOPLE
        for number, model in enumerate(("hydrogen", "neon", "carbon"))
        for request_class in ("main", "subagent")
    ]
    month, day = f"{today:%Y-%m}", f"{today}"
    spent = [("usd_month", month, 190), ("usd_day", day, 20), ("tokens", day, 0)]
    entries = [Entry("person:alice", f"{k}:{w}", v * NANO, None, v * NANO) for k, w, v in spent]
    store.hold(Hold("spent", tuple(entries), now + 99, tuple(rows)), now)
    store.settle(Hold("spent", tuple(entries), now + 99, tuple(rows)), now)
    held = Entry("person:alice", f"usd_month:{month}", NANO)
    store.hold(Hold("open", (held,), now + 3_600), now)
    store.close()


@contextlib.contextmanager
def serving_team(key: str, *prepare: Callable[[Path], None]) -> Iterator[str]:
    """A server of a team with the figures of `fill`, and what else is put into its store."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "team.sqlite"
        for put in (fill, *prepare):
            put(path)
        with servers.serving(servers.PROXY, team_settings(key, path, PLANS)) as url:
            yield url


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving_team("free-key-usage") as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[devtools.Browser]:
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        yield stack.enter_context(devtools.browsing(Path(folder)))


@pytest.fixture
def page(browser: devtools.Browser) -> Iterator[Page]:
    with contextlib.closing(browser.new_page()) as page:
        yield page


@pytest.fixture(params=VIEWS.values(), ids=VIEWS)
def view(request: pytest.FixtureRequest) -> Any:
    """Who looks, and at what."""
    return request.param


def look(page: Page, url: str, view: tuple[str, str]) -> None:
    person, path = view
    now = int(time.time())
    token = Token((f"{person}-1",), person, "standard", now - 60, now + 600, "core")
    headers = {"x-api-key": tokens.create(token, SECRET)}
    page.call("Network.setExtraHTTPHeaders", headers=headers)
    page.open(f"{url}{path}")


def unfold(page: Page) -> None:
    page.evaluate(
        "[...document.querySelectorAll('details')].forEach((each) => { each.open = true; })"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK])
def test_axe_finds_nothing(
    page: Page, url: str, view: tuple[str, str], size: tuple[int, int], theme: str
) -> None:
    page.show(*size, theme=theme)
    look(page, url, view)
    unfold(page)
    assert axe.violations(page) == []


def test_axe_would_find_something(page: Page, url: str) -> None:
    look(page, url, VIEWS["a person"])
    page.evaluate("document.querySelector('svg[role=img]').removeAttribute('aria-labelledby')")
    page.evaluate("document.querySelector('svg[role=img] title').remove()")
    assert [each[0] for each in axe.violations(page)] == ["svg-img-alt"]


@pytest.mark.parametrize("width", [320, 360, 641, 1120])
def test_nothing_is_wider_than_the_window(
    page: Page, url: str, view: tuple[str, str], width: int
) -> None:
    page.show(width, 740)
    look(page, url, view)
    unfold(page)
    assert page.evaluate(TOO_WIDE.replace("pre,", "pre, .scroll *,")) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_suffices(page: Page, url: str, view: tuple[str, str], theme: str) -> None:
    page.show(*DESK, theme=theme)
    look(page, url, view)
    unfold(page)
    found = page.evaluate(CONTRASTS)
    assert len(found) > 20
    assert {text: each for text, each in found.items() if each < MIN_CONTRAST} == {}


def test_page_needs_no_script_and_asks_for_nothing_else(page: Page, url: str) -> None:
    page.show(*DESK, script=False)
    look(page, url, VIEWS["a person"])
    asked = [sent["request"]["url"] for sent in page.of("Network.requestWillBeSent")]
    assert [each for each in asked if not each.startswith("data:")] == [f"{url}/usage"]
    assert page.of("Log.entryAdded") == []
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    shown = [
        (node["role"]["value"], node.get("name", {}).get("value"))
        for node in nodes
        if not node["ignored"]
    ]
    assert ("image", "US$ by day and model") in shown
    assert ("table", "By model, ") in [(role, str(name)[:10]) for role, name in shown]
    assert ("navigation", "Days") in shown
    assert ("heading", "Budgets") in shown


def test_tab_reaches_all_that_can_be_used(page: Page, url: str) -> None:
    page.show(*DESK)
    look(page, url, VIEWS["everyone"])
    usable = page.evaluate(
        "[...document.querySelectorAll('a, input:not([type=hidden]), button, summary')]"
        ".filter((each) => each.checkVisibility()).length"
    )
    walked = []
    for _ in range(usable + 10):
        page.press("Tab")
        focused = page.evaluate(FOCUSED)
        if not focused["name"]:
            break
        assert focused["outline"] >= 2, focused
        walked.append(focused["name"])
    assert len([each for each in walked if not each.startswith("div")]) == usable
    assert "input find" in walked
    assert "div scroll" in walked, "a table that is wider than a phone is scrolled by keys"


def test_find_is_a_form_that_the_policy_allows(page: Page, url: str) -> None:
    page.show(*DESK)
    look(page, url, VIEWS["everyone"])
    page.evaluate("document.getElementById('find').value = 'carol'")
    page.evaluate("document.getElementById('find').focus()")
    page.messages.clear()
    page.press("Enter")
    page.wait_for("Page.loadEventFired")
    names = page.evaluate(
        "[...document.querySelectorAll('[aria-labelledby=person] tbody th')]"
        ".map((each) => each.textContent)"
    )
    assert names == ["carol.with-a-rather-long-name@mail.example.com"]
    assert page.of("Log.entryAdded") == []


def test_targets_are_large_enough_for_a_finger(page: Page, url: str) -> None:
    page.show(*PHONE)
    look(page, url, VIEWS["everyone"])
    heights = page.evaluate(
        "[...document.querySelectorAll('.links a, .heading a, .figures a, .find *, summary')]"
        ".filter((each) => each.checkVisibility() && each.localName !== 'label')"
        ".map((each) => [each.getBoundingClientRect().height, each.outerHTML.slice(0, 80)])"
    )
    assert len(heights) > 20
    assert [each for each in heights if each[0] < MIN_TARGET] == []


def test_paper_has_the_figures_and_no_controls(page: Page, url: str) -> None:
    page.show(*DESK)
    look(page, url, VIEWS["everyone"])
    page.call("Emulation.setEmulatedMedia", media="print")
    shown = page.evaluate("document.body.innerText")
    assert "By model" in shown
    assert "gemini-4-neon" in shown
    assert not {"Find", "CSV", "7 days"} & {*shown.split("\n")}
    page.call("Emulation.setEmulatedMedia", media="")

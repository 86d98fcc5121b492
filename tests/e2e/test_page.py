"""The page at `/` in a real browser: on a desk, on a phone, in the dark, by keyboard.

Chromium is led through the DevTools protocol (tests/devtools.py).
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import devtools, screenshots
from tests.devtools import Page

pytestmark = pytest.mark.browser

PHONE, DESK = (360, 740), (1120, 900)
MIN_CONTRAST = 4.5
"""WCAG 2.2, 1.4.3 (AA)."""

MIN_TARGET = 24
"""Pixels of whatever is pressed: WCAG 2.2, 2.5.8 (AA)."""

CONTRASTS = """
(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const pixel = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => [[r, 0.2126], [g, 0.7152], [b, 0.0722]].reduce(
    (sum, [value, share]) => {
      const part = value / 255;
      return sum + share * (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    }, 0);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = pixel(getComputedStyle(each).backgroundColor);
      if (color[3] === 255) return color;
    }
    return pixel("white");
  };
  const found = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.data.trim();
    if (!text || !element.checkVisibility()) continue;
    const [a, b] = [pixel(getComputedStyle(element).color), behind(element)].map(luminance);
    found[text] = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }
  return found;
})()
"""
"""Each visible text -> its contrast to what is behind it."""

TOO_WIDE = """
[...document.querySelectorAll("body *")].filter((each) =>
  each.checkVisibility() && !each.closest("pre, .unseen, thead") &&
  each.getBoundingClientRect().right > innerWidth).map((each) => each.outerHTML.slice(0, 80))
"""

FOCUSED = """
(() => {
  const element = document.activeElement;
  const style = getComputedStyle(element);
  return {
    name: element === document.body ? "" : `${element.localName} ${element.className
           || element.dataset.copy || element.id || element.textContent.trim()}`.trim(),
    outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
    top: element.getBoundingClientRect().top,
  };
})()
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    turns = [turn._replace(seconds=0) for turn in screenshots.TURNS]
    with screenshots.used_server(turns=turns) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[devtools.Browser]:
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        yield stack.enter_context(devtools.browsing(Path(folder)))


@pytest.fixture
def page(browser: devtools.Browser) -> Iterator[Page]:
    """A new tab."""
    with contextlib.closing(browser.new_page()) as page:
        yield page


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.parametrize("size", [PHONE, DESK])
def test_page_asks_for_nothing_else_and_reports_nothing(
    page: Page, url: str, size: tuple[int, int], theme: str
) -> None:
    page.show(*size, theme=theme)
    page.open(url)
    page.evaluate("new Promise(requestAnimationFrame)")
    asked = [sent["request"]["url"] for sent in page.of("Network.requestWillBeSent")]
    assert [each for each in asked if not each.startswith("data:")] == [f"{url}/"]
    reported = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    assert [page.of(method) for method in reported] == [[], [], []]


def test_policy_stops_what_is_not_the_pages(page: Page, url: str) -> None:
    """And a violation is reported: the test above would see one."""
    page.open(url)
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('img'), {src: '/v1/models'}))"
    )
    assert "Content Security Policy" in str(page.wait_for("Log.entryAdded"))


@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("width", [320, 360, 641, 1120])
def test_nothing_is_wider_than_the_window(page: Page, url: str, width: int, is_open: bool) -> None:
    page.show(width, 740)
    page.open(url)
    page.evaluate(f"document.querySelector('details').open = {str(is_open).lower()}")
    assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_contrast_suffices(page: Page, url: str, theme: str) -> None:
    page.show(*DESK, theme=theme)
    page.open(url)
    page.evaluate("document.querySelector('details').open = true")
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 50
    assert "401 key" in contrasts
    assert {text: each for text, each in contrasts.items() if each < MIN_CONTRAST} == {}


def test_theme_is_the_persons(page: Page, url: str) -> None:
    papers = []
    for theme in ("light", "dark"):
        page.show(*DESK, theme=theme)
        page.open(url)
        papers.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert papers == ["rgb(246, 247, 249)", "rgb(15, 18, 22)"]


def test_tab_reaches_all_that_can_be_used(page: Page, url: str) -> None:
    page.show(*DESK)
    page.open(url)
    walked = []
    for _ in range(30):
        page.press("Tab")
        focused = page.evaluate(FOCUSED)
        if not focused["name"]:
            break
        assert focused["outline"] >= 2, focused
        assert focused["top"] >= 0, focused
        walked.append(focused["name"])
    blocks = [f"{tag} block-{number}" for number in range(1, 5) for tag in ("button", "pre")]
    assert walked[:2] == ["a skip", "a Get a free one"]
    assert walked[2:-1] == blocks
    assert walked[-1].startswith("summary 12 more, by name")


def test_skip_link_goes_to_the_content(page: Page, url: str) -> None:
    page.open(url)
    page.press("Tab")
    page.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Get a free one"


def test_targets_are_large_enough_for_a_finger(page: Page, url: str) -> None:
    page.show(*PHONE)
    page.open(url)
    heights = page.evaluate(
        "[...document.querySelectorAll('button, summary')]"
        ".map((each) => each.getBoundingClientRect().height)"
    )
    assert len(heights) == 5
    assert min(heights) >= MIN_TARGET


def test_enter_copies_a_block_and_says_so(page: Page, url: str) -> None:
    page.call("Browser.grantPermissions", permissions=["clipboardReadWrite"], origin=url)
    page.open(url)
    page.evaluate("document.querySelector('[data-copy=block-1]').focus()")
    page.press("Enter")
    shown = page.evaluate(until("document.getElementById('copied').textContent"))
    assert shown == "Copied: bash, zsh"
    assert page.evaluate("document.activeElement.textContent") == "Copied"
    assert page.evaluate("navigator.clipboard.readText()") == (
        f"export ANTHROPIC_BASE_URL={url}\nexport ANTHROPIC_AUTH_TOKEN=your-gemini-key\nclaude"
    )


def test_without_a_clipboard_the_block_is_selected(page: Page, url: str) -> None:
    """As over http from another machine."""
    page.open(url)
    page.evaluate(
        "Object.defineProperty(navigator, 'clipboard', {value: undefined}), "
        "document.execCommand = () => false, "
        "document.querySelector('[data-copy=block-2]').click()"
    )
    shown = page.evaluate(until("document.getElementById('copied').textContent"))
    assert shown == "Selected: copy it with Ctrl+C"
    assert page.evaluate("getSelection().toString()").startswith("$env:ANTHROPIC_BASE_URL")


def until(expression: str) -> str:
    """A promise of the expression's first value that counts as true."""
    return (
        "new Promise((done) => { const look = () => { "
        f"const value = {expression}; value ? done(value) : setTimeout(look, 5); }}; look(); }})"
    )


def test_without_script_only_the_buttons_are_missing(page: Page, url: str) -> None:
    page.show(*DESK, script=False)
    page.open(url)
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    roles = [node["role"]["value"] for node in nodes if not node["ignored"]]
    assert "button" not in roles
    assert roles.count("table") == 2
    assert page.of("Log.entryAdded") == []


@pytest.mark.parametrize("size", [PHONE, DESK])
def test_screen_reader_meets_landmarks_headings_and_tables(
    page: Page, url: str, size: tuple[int, int]
) -> None:
    page.show(*size)
    page.open(url)
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    shown = [
        (node["role"]["value"], node.get("name", {}).get("value"))
        for node in nodes
        if not node["ignored"]
    ]
    roles = [role for role, _ in shown]
    assert [role for role in roles if role in ("banner", "main", "contentinfo")] == [
        "banner",
        "main",
        "contentinfo",
    ]
    headings = [name for role, name in shown if role == "heading"]
    assert headings[0] == "Gemini for Claude Code"
    assert ("region", "Last requests") in shown
    assert ("table", "Models of the classes") in shown
    assert ("table", "Last requests") in shown
    assert roles.count("row") == 1 + 2 + 1 + len(screenshots.TURNS) + 1
    assert roles.count("columnheader") == 4 + 6
    buttons = [name for role, name in shown if role == "button"]
    assert buttons == 4 * ["Copy"]


def test_last_requests_are_those_that_were_made(page: Page, url: str) -> None:
    page.open(url)
    shown = page.evaluate("document.querySelector('[aria-labelledby=recent]').innerText")
    assert "7 in all: 100k tokens in (67% cached), 2.02k out" in shown
    assert shown.index("401 key") < shown.index("26.9k in (89% cached) 75 out")

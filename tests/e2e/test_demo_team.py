"""The whole of it, as `make demo-team` starts it: a stranger becomes a person with a token, a
session of the real Claude Code costs something, their page shows it to the cent, an operator
revokes the token, and the next request is refused. On the way each page is looked at: axe-core
finds nothing, none is above 60 KB, and all are painted without script.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import demo_team, devtools
from tests.demo_team import LATER, Team
from tests.devtools import Page
from tests.e2e import axe
from tests.e2e.claude_code import NEWEST, ClaudeCode
from tests.e2e.test_page import DESK
from tests.e2e.test_set_up_page import run
from tests.e2e.test_sign_in_page import path_of, present
from tests.e2e.test_team_page import shown
from tests.servers import LOCAL, Emulator
from tests.test_web import MAX_PAGE_BYTES

pytestmark = [pytest.mark.browser, pytest.mark.e2e]

COST = (LATER.prompt * 1.5 + LATER.output * 7.5) / 10**6
"""US$ of a request, by Google's list of prices for Hydrogen."""

Window = Callable[[], Page]


@pytest.fixture
def team(emulator: Emulator) -> Iterator[Team]:
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        demo_team.serving(Path(folder), emulator.url) as team,
    ):
        yield team


@pytest.fixture
def window() -> Iterator[Window]:
    """Each call is another person's browser, without script."""
    with contextlib.ExitStack() as stack:

        def open_window() -> Page:
            folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
            browser = stack.enter_context(devtools.browsing(Path(stack.enter_context(folder))))
            page = stack.enter_context(contextlib.closing(browser.new_page()))
            page.show(*DESK, script=False)
            return page

        yield open_window


def look(page: Page) -> str:
    """The text of the page that is open, when all is well with it."""
    (document,) = [
        each["response"]
        for each in page.of("Network.responseReceived")
        if each["type"] == "Document" and each["response"]["status"] != 303
    ]
    assert 0 < int(document["headers"]["Content-Length"]) < MAX_PAGE_BYTES
    asked = [each["request"]["url"] for each in page.of("Network.requestWillBeSent")]
    assert {each for each in asked if not each.startswith("data:")} == {document["url"]} | {
        each["redirectResponse"]["url"]
        for each in page.of("Network.requestWillBeSent")
        if "redirectResponse" in each
    }
    page.picture(is_whole=False)
    assert page.evaluate("performance.getEntriesByName('first-contentful-paint').length") == 1
    page.show(*DESK)  # axe-core is a script
    assert axe.violations(page) == []
    page.show(*DESK, script=False)
    return shown(page)


def sign_in(page: Page, team: Team, person: str, path: str) -> str:
    page.open(f"{team.url}{path}")
    look(page)
    present(page, team.tokens[person])
    return look(page)


def visit(page: Page, team: Team, path: str) -> str:
    page.open(f"{team.url}{path}")
    return look(page)


def used(team: Team, person: str) -> float:
    """US$ of today, as programs get it."""
    headers = {"x-api-key": team.tokens[person]}
    answer: Any = LOCAL.get(f"{team.url}/usage.json?by=day", headers=headers, timeout=30).json()
    return float(answer["total"]["usd"])


def test_team_from_stranger_to_revoked_token(
    team: Team, emulator: Emulator, window: Window, tmp_path: Path
) -> None:
    page, before = window(), used(team, "alice")
    assert "You need an access token" in visit(page, team, "/")
    page.follow("a.main")
    present(page, team.tokens["alice"])
    assert "For alice, by the plan standard." in look(page)
    page.follow("form[action=token] button")
    assert "It stands in the blocks below, this once." in look(page)
    block = page.evaluate("document.getElementById('block-1').textContent")

    claude, asked = ClaudeCode(NEWEST, tmp_path, ""), len(emulator.journal(team.key))
    assert run(claude, block) == "Done."
    cost = (len(emulator.journal(team.key)) - asked) * COST
    assert cost > 0
    found = re.search(r"Cost \$(\d+\.\d\d) ", visit(page, team, "/usage"))
    assert found is not None
    assert found[1] == f"{before + cost:.2f}"

    operator = window()
    assert "People and plans" in sign_in(operator, team, "bob", "/team")
    assert "alice" in visit(operator, team, "/usage?person=*")
    assert "Tokens" in visit(operator, team, "/team?person=alice")
    operator.follow("[aria-label^='Revoke the token']")
    assert "refused from the next request on" in look(operator)
    operator.follow("main form button")
    assert "The token is revoked." in look(operator)

    assert "was revoked" in run(claude, block)
    visit(page, team, "/usage")
    assert path_of(page).startswith("/sign-in?")
    assert "You need an access token" in visit(page, team, "/")


def test_two_people_cannot_see_each_other(team: Team, window: Window) -> None:
    page = window()
    assert "Usage of carol" in sign_in(page, team, "carol", "/usage")
    assert "alice" not in shown(page)
    assert f"Cost ${used(team, 'carol'):.2f} " in shown(page)
    for path in ("/usage?person=alice", "/usage?person=*", "/team", "/team?person=alice"):
        refused = visit(page, team, path)
        assert "operator" in refused
        assert f"${used(team, 'alice'):.2f}" not in refused
    headers = {"x-api-key": team.tokens["carol"]}
    for path in ("usage.json", "usage.csv"):
        answer = LOCAL.get(f"{team.url}/{path}?person=alice", headers=headers, timeout=30)
        assert answer.status_code == 403

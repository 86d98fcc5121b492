"""The page at `/` of a team: its blocks with the real Claude Code, as a person copies them; and in
a real browser: by keyboard, without script, and by axe-core.
"""

from __future__ import annotations

import contextlib
import html
import json
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from proxy.web.blocks import TOKEN_FILE
from tests import demo_team, devtools
from tests.demo_team import Team
from tests.devtools import Page
from tests.e2e import axe
from tests.e2e.claude_code import NEWEST, RUN_SECONDS, VERSIONS, ClaudeCode
from tests.e2e.test_page import CONTRASTS, DESK, MIN_CONTRAST, MIN_TARGET, PHONE, TOO_WIDE
from tests.e2e.test_sign_in_page import path_of, present
from tests.servers import LOCAL, Emulator

HELLO = {"chunks": [{"text": "Hello."}], "repeat": True}


@pytest.fixture(scope="module")
def team(emulator: Emulator) -> Iterator[Team]:
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        demo_team.serving(Path(folder), emulator.url) as team,
    ):
        emulator.script(team.key, HELLO)
        yield team


@pytest.fixture(scope="module")
def blocks(team: Team) -> dict[str, str]:
    """Title and place -> text, of alice's page with a token."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers.update({"Accept": "text/html"})
        session.post(f"{team.url}/sign-in", data={"token": team.tokens["alice"]}, timeout=30)
        (csrf,) = set(re.findall(r'name="csrf" value="([^"]+)"', session.get(team.url).text))
        shown = session.post(f"{team.url}/token", data={"csrf": csrf}, timeout=30).text
    titles = re.findall(r'<h3 id="title-\d+">(.*?)</h3>', shown)
    texts = re.findall(r"<pre.*?><code>(.*?)</code></pre>", shown, re.S)
    named = zip(titles, texts, strict=True)
    return {re.sub("<.*?>", "", title): html.unescape(text) for title, text in named}


# --- With Claude Code --------------------------------------------------------------------------


def run(claude: ClaudeCode, script: str = "claude") -> Any:
    """A session's result, of a shell that knows nothing of a server but what the script says."""
    environ = claude._environ("", CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1")
    for name in ("ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN"):
        del environ[name]
    program = claude.home / "bin/claude"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\nexec {shlex.join(claude._command('Say hello.'))}\n")
    program.chmod(0o755)
    environ["PATH"] = f"{program.parent}:{environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-c", script],
        cwd=claude.folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=RUN_SECONDS,
    )
    return json.loads(ran.stdout.splitlines()[-1])["result"]


@pytest.mark.e2e
@pytest.mark.parametrize("version", VERSIONS)
def test_bash_block_starts_a_session(blocks: dict[str, str], tmp_path: Path, version: str) -> None:
    claude = ClaudeCode(version, tmp_path, "")
    assert run(claude, blocks["bash, zsh Linux, macOS, WSL"]) == "Hello."


@pytest.mark.e2e
@pytest.mark.parametrize("version", VERSIONS)
def test_settings_block_is_taken(blocks: dict[str, str], tmp_path: Path, version: str) -> None:
    claude = ClaudeCode(version, tmp_path, "")
    claude.set(**json.loads(blocks["settings.json ~/.claude/settings.json"]))
    assert run(claude) == "Hello."


@pytest.mark.e2e
@pytest.mark.parametrize("version", VERSIONS)
def test_helper_block_takes_the_token_from_its_file(
    blocks: dict[str, str], tmp_path: Path, version: str
) -> None:
    claude = ClaudeCode(version, tmp_path, "")
    claude.set(**json.loads(blocks["apiKeyHelper ~/.claude/settings.json"]))
    assert run(claude, f"{blocks['Token in a file bash, once']}\nclaude") == "Hello."
    assert (claude.home / TOKEN_FILE.removeprefix("~/")).stat().st_mode & 0o077 == 0


@pytest.mark.e2e
def test_status_line_is_fetched_and_shows_the_budget(
    blocks: dict[str, str], team: Team, tmp_path: Path
) -> None:
    claude = ClaudeCode(NEWEST, tmp_path, "")
    (claude.home / ".claude").mkdir()
    command = json.loads(blocks["Status line ~/.claude/settings.json"])["statusLine"]["command"]
    script = "\n".join([blocks["Its script bash, once"], f"echo '{{}}' | {command}"])
    environ = {**os.environ, **claude._environ(team.url)}
    environ["ANTHROPIC_AUTH_TOKEN"] = team.tokens["alice"]
    ran = subprocess.run(
        ["bash", "-ec", script], env=environ, capture_output=True, text=True, timeout=60
    )
    assert re.match(r"\$\d\.\d\d of \$2\.00 today", ran.stdout), ran


# --- In a browser ------------------------------------------------------------------------------

STATUS = """
new Promise((done) => {
  const status = document.getElementById("copied");
  if (status.textContent) done(status.textContent);
  new MutationObserver(() => done(status.textContent)).observe(status, {childList: true});
})
"""
"""What a screen reader hears, when there is something."""

VIEWS = ("a stranger", "signed in", "with a token")


@pytest.fixture
def page(team: Team) -> Iterator[Page]:
    """In a browser of its own: without a cookie."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        browser = stack.enter_context(devtools.browsing(Path(folder)))
        page = stack.enter_context(contextlib.closing(browser.new_page()))
        page.open(team.url)
        yield page


def look(page: Page, team: Team, view: str) -> None:
    """From a stranger's page on."""
    if view == VIEWS[0]:
        return
    page.follow("a.main")
    present(page, team.tokens["alice"])
    if view == VIEWS[2]:
        page.follow("form[action=token] button")


@pytest.mark.browser
@pytest.mark.parametrize("view", VIEWS)
def test_page_can_be_used_by_everybody(page: Page, team: Team, view: str) -> None:
    look(page, team, view)
    for size in (PHONE, DESK, (320, 740)):
        for theme in ("light", "dark"):
            page.show(*size, theme=theme)
            assert axe.violations(page) == []
            found = page.evaluate(CONTRASTS)
            assert {text: each for text, each in found.items() if each < MIN_CONTRAST} == {}
        assert page.evaluate(TOO_WIDE) == []
        assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    heights = page.evaluate(
        "[...document.querySelectorAll('button, a.main, nav a')]"
        ".filter((each) => each.checkVisibility())"
        ".map((each) => each.getBoundingClientRect().height)"
    )
    assert min(heights) >= MIN_TARGET


@pytest.mark.browser
@pytest.mark.parametrize("script", [True, False])
def test_token_is_shown_once_by_keyboard(page: Page, team: Team, script: bool) -> None:
    page.show(*DESK, script=script)
    look(page, team, "with a token")
    assert path_of(page) == "/token"
    shown = page.evaluate("document.getElementById('block-1').textContent")
    token = re.search(r"export ANTHROPIC_AUTH_TOKEN=(gmp_\S+)\n", shown)
    assert token is not None
    headers = {"x-api-key": token[1]}
    assert LOCAL.get(f"{team.url}/v1/models", headers=headers, timeout=30).ok
    reported = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    assert [page.of(method) for method in reported] == [[], [], []]
    page.open(f"{team.url}/token")
    assert path_of(page) == "/"
    assert token[1] not in page.evaluate("document.body.textContent")


@pytest.mark.browser
def test_block_is_copied_with_the_token(page: Page, team: Team) -> None:
    page.show(*DESK)
    look(page, team, "with a token")
    page.evaluate("document.querySelector('[data-copy=block-1]').focus()")
    page.press("Enter")
    assert page.evaluate(STATUS) in ("Copied: bash, zsh", "Selected: copy it with Ctrl+C")


@pytest.mark.browser
def test_block_is_selected_as_a_whole_without_script(page: Page, team: Team) -> None:
    page.show(*DESK, script=False)
    look(page, team, "with a token")
    styles = page.evaluate(
        "[...document.querySelectorAll('pre')].map((each) => getComputedStyle(each).userSelect)"
    )
    assert set(styles) == {"all"}
    assert not page.evaluate("document.querySelector('[data-copy]').checkVisibility()")

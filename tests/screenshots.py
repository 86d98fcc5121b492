"""`make screenshots`: the pictures in docs/, of a session in a terminal, of the page at `/`, and of
a team's pages.

The emulator plays Gemini, and what the pages list is what was really asked of it: conversations of
invented lengths, as Claude Code has them.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests import chromium, demo_team, devtools, servers
from tests.demo_team import Team
from tests.devtools import Page
from tests.servers import LOCAL, ROOT, Emulator
from tests.turns import Turn, reply

FOLDER = ROOT / "docs"
KEY = "free-key-screenshots"
PORT = 8080


TURNS = (
    Turn("claude-haiku-4-5", 412, 0, 14, 0.4),
    Turn("claude-opus-5-5", 18_204, 0, 231, 1.6),
    Turn("claude-opus-5-5", 19_087, 16_372, 94, 0.9),
    Turn("claude-opus-5-5", 24_516, 18_930, 1_208, 2.3),
    Turn("claude-sonnet-5-5", 11_340, 8_190, 402, 1.2),
    Turn("claude-opus-5-5", 26_934, 24_104, 75, 0.8),
)


class Picture(NamedTuple):
    """Of a window of this size. scale: device pixels for one. is_whole: all of the page."""

    width: int
    height: int
    scale: float
    theme: str
    is_whole: bool


PICTURES = {
    "page-desktop": Picture(1120, 900, 1.25, "light", True),
    "page-dark": Picture(1120, 900, 1.25, "dark", True),
    "page-phone": Picture(360, 740, 2, "light", False),
}
TEAM_PICTURES = {
    "desktop": Picture(1120, 1200, 1, "light", False),
    "dark": Picture(1120, 1200, 1, "dark", False),
    "phone": Picture(360, 740, 1.5, "light", False),
}
"""Of each page of a team."""


def main() -> None:
    if chromium.find() is None:
        sys.exit(chromium.HOW_TO_GET)
    from tests import terminal_picture  # what it stands on is needed for nothing else

    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "session.svg").write_text(terminal_picture.draw(), "utf-8")
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(used_server(PORT))
        profile = Path(stack.enter_context(temporary_folder()))
        page = stack.enter_context(devtools.browsing(profile)).new_page()
        for name, picture in PICTURES.items():
            page.open(url)
            take(page, name, picture)
    with contextlib.ExitStack() as stack:
        folder, profile = (Path(stack.enter_context(temporary_folder())) for _ in range(2))
        emulator = stack.enter_context(servers.serving(servers.EMULATOR))
        team = stack.enter_context(demo_team.serving(folder, emulator, PORT))
        page = stack.enter_context(devtools.browsing(profile)).new_page()
        for name in open_pages(page, team):
            for kind, picture in TEAM_PICTURES.items():
                take(page, f"{name}-{kind}", picture)


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(ignore_cleanup_errors=True)


def take(page: Page, name: str, picture: Picture) -> None:
    """Of the page that is open."""
    page.show(picture.width, picture.height, scale=picture.scale, theme=picture.theme)
    path = FOLDER / f"{name}.webp"
    path.write_bytes(page.picture(is_whole=picture.is_whole))
    print(f"{path.relative_to(ROOT)}  {path.stat().st_size // 1000} kB")


def open_pages(page: Page, team: Team) -> Iterator[str]:
    """The name of each, while it is open: of alice, and of an operator."""
    sign_in(page, team, "alice", "/")
    page.follow("form[action=token] button")
    yield "set-up"
    page.open(f"{team.url}/usage")
    yield "usage"
    page.call("Network.clearBrowserCookies")
    sign_in(page, team, "bob", "/team")
    yield "team"


def sign_in(page: Page, team: Team, person: str, path: str) -> None:
    page.open(f"{team.url}/sign-in?next={path}")
    page.evaluate("document.getElementById('token').focus()")
    page.call("Input.insertText", text=team.tokens[person])
    page.follow("form button")


@contextlib.contextmanager
def used_server(port: int | None = None, *, turns: Sequence[Turn] = TURNS) -> Iterator[str]:
    """A proxy that has answered these turns, and refused a key."""
    with servers.serving(servers.EMULATOR) as emulator:
        environ = {"GEMINI_ENDPOINT": emulator}
        with servers.serving(servers.PROXY, environ, port) as url:
            Emulator(emulator).script(KEY, *[reply(turn) for turn in turns])
            for turn in turns:
                ask(url, KEY, turn.model)
            ask(url, "bad-key", "claude-opus-5-5")
            yield url


def ask(url: str, key: str, model: str) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    body = {"model": model, "max_tokens": 4096, "stream": True, "messages": messages}
    answer = LOCAL.post(f"{url}/v1/messages", json=body, headers={"x-api-key": key}, timeout=30)
    answer.content  # noqa: B018 - to its end: only then is it in the list


if __name__ == "__main__":
    main()

"""A picture of a session in a terminal: ./gemini-claude with the real Claude Code, as SVG.

The emulator plays Gemini; all that is drawn is what the programs wrote, in their colours.
"""

from __future__ import annotations

import contextlib
import html
import itertools
import json
import os
import pty
import select
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyte

from tests import servers
from tests.e2e import claude_code
from tests.servers import ROOT

COLUMNS, ROWS = 112, 40
REST_SECONDS = 3.0
"""Without a word for so long, a program waits for the keyboard."""
MAX_SECONDS = 60.0
QUESTION = "Which files are here?"
FILES = ("README.md", "main.py", "pyproject.toml")

CELL, LINE, MARGIN, BAR = 8, 18, 16, 34
PAPER, INK = "#14171c", "#d8dde4"
COLORS = {
    "default": INK,
    "black": "#5b6470",
    "red": "#ff8f85",
    "green": "#6dd492",
    "brown": "#e5c07b",
    "blue": "#93a8ff",
    "magenta": "#d59cf0",
    "cyan": "#74cfe0",
    "white": INK,
}
"""pyte's names of a terminal's colours."""


def draw() -> str:
    """Run the session and return its picture."""
    with servers.serving(servers.EMULATOR) as emulator, _folder() as folder:
        screen = _play(folder, emulator)
    return svg(screen, "./gemini-claude")


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A home with a project that Claude Code may look at, and the program beside it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        home, project = Path(name), Path(name, "project")
        (home / "bin").mkdir()
        (home / "bin/claude").symlink_to(claude_code.install(claude_code.NEWEST))
        project.mkdir()
        for file in FILES:
            (project / file).touch()
        trusted = {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}
        settings: dict[str, Any] = {"hasCompletedOnboarding": True, "theme": "dark"}
        settings["projects"] = {str(project): trusted}
        (home / ".claude.json").write_text(json.dumps(settings))
        yield home


def _play(home: Path, emulator: str) -> pyte.Screen:
    """Ask the one question and leave."""
    environ = {
        "PATH": f"{home / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "HOME": str(home),
        "GEMINI_ENDPOINT": emulator,
        "GEMINI_API_KEY": "free-key-picture",
        "HTTPS_PROXY": "http://127.0.0.1:9",  # whatever would leave this machine
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LANG": "C.UTF-8",
        "IS_SANDBOX": "1",
    }
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (ROWS, COLUMNS))
    command = [sys.executable, "-m", "proxy.cli.claude"]
    process = subprocess.Popen(
        command,
        cwd=home / "project",
        env=environ,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    try:
        for typed in (b"", QUESTION.encode(), b"\r", b"\x03", b"\x03"):
            os.write(controller, typed)
            _read(controller, stream, rest=0.3 if typed == b"\x03" else REST_SECONDS)
        _read(controller, stream)
    finally:
        process.terminate()
        process.wait(MAX_SECONDS)
        os.close(controller)
        os.close(terminal)
    return screen


def _read(controller: int, stream: pyte.ByteStream, rest: float = REST_SECONDS) -> None:
    """Draw what the programs write, until they rest."""
    deadline = time.monotonic() + MAX_SECONDS
    while time.monotonic() < deadline and select.select([controller], [], [], rest)[0]:
        stream.feed(claude_code.NOT_KNOWN.sub(b"", os.read(controller, 65_536)))


def svg(screen: pyte.Screen, title: str) -> str:
    """The screen's lines down to the last one that holds something, in a window with a title."""
    lines = [[screen.buffer[row][column] for column in range(COLUMNS)] for row in range(ROWS)]
    while not "".join(cell.data for cell in lines[-1]).strip():
        lines.pop()
    width, height = COLUMNS * CELL + 2 * MARGIN, len(lines) * LINE + BAR + 2 * MARGIN
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="13">',
        f'<rect width="{width}" height="{height}" rx="10" fill="{PAPER}"/>',
        *(f'<circle cx="{20 + 18 * dot}" cy="18" r="5" fill="#3a424d"/>' for dot in range(3)),
        f'<text x="{width / 2}" y="22" fill="#8b95a1" text-anchor="middle">{title}</text>',
    ]
    for row, line in enumerate(lines):
        y = BAR + MARGIN + row * LINE + 13
        drawn += _runs(line, y)
    return "\n".join([*drawn, "</svg>\n"])


def _runs(line: list[Any], y: int) -> Iterator[str]:
    """Pieces of one look, each as wide as its cells whatever font there is."""
    column = 0
    for (color, weight), cells in itertools.groupby(line, _look):
        text = "".join(cell.data for cell in cells)
        left = column + len(text) - len(text.lstrip())
        column += len(text)
        if shown := text.strip():
            yield (
                f'<text x="{MARGIN + left * CELL}" y="{y}" fill="{color}"{weight} '
                f'textLength="{len(shown) * CELL}" lengthAdjust="spacingAndGlyphs" '
                f'xml:space="preserve">{html.escape(shown)}</text>'
            )


def _look(cell: Any) -> tuple[str, str]:
    name = cell.fg
    return COLORS.get(name, f"#{name}"), ' font-weight="bold"' if cell.bold else ""

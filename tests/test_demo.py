"""tests/demo.py: what a person sees of the demo, where it goes, and how it ends."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests import demo, servers
from tests.servers import ROOT, Emulator

TEST_TIMEOUT = 60
NUMBER = re.compile(r"\d+")

WITHOUT_SERVERS = """
import sys, threading
from tests import demo
def stand_in():
    print("ready", flush=True)
    if "over" in sys.argv:
        demo.is_over.set()
    if "fail" in sys.argv:
        demo.servers.output.write_text("a\\nb\\n")
        raise RuntimeError("it did not start")
    threading.Event().wait()
demo._serve_and_play = stand_in
demo.main()
"""


class Pieces(io.StringIO):
    """What is written, write by write."""

    def __init__(self, *, is_terminal: bool = False) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._is_terminal = is_terminal

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return super().write(text)

    def isatty(self) -> bool:
        return self._is_terminal


def environ(**more: str) -> Mapping[str, str]:
    address = f"127.0.0.1:{servers.free_port()}"
    return {**servers.clean_environ(), "COLUMNS": "80", "PROXY_LISTEN_ADDR": address, **more}


def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "tests/demo.py", *arguments]
    return subprocess.run(
        command,
        env=environ(**more),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TEST_TIMEOUT,
        check=False,
    )


# --- The screen -----------------------------------------------------------------------------------


def test_demo_is_the_picture_in_the_readme() -> None:
    """All but the numbers, which depend on the files in the folder."""
    shown = run("--once")
    assert (shown.returncode, shown.stderr) == (0, "")
    block = (ROOT / "README.md").read_text("utf-8").split("    $ make demo DEMO_ONCE=1\n")[1]
    lines = [line.removeprefix("    ") for line in block.splitlines()]
    picture = lines[: lines.index(demo.NEXT) + 1]
    assert NUMBER.sub("0", shown.stdout).splitlines() == [NUMBER.sub("0", line) for line in picture]
    assert (ROOT / ".cache/demo.log").is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
@pytest.mark.parametrize(
    ("more", "has_color"), [({"TERM": "xterm"}, True), ({"NO_COLOR": "1"}, False)]
)
def test_terminal_shows_who_speaks(more: dict[str, str], has_color: bool) -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "tests/demo.py", "--once"]
    with subprocess.Popen(command, env=environ(**more), cwd=ROOT, stdout=theirs) as process:
        os.close(theirs)
        shown = read_terminal(ours)
    assert process.returncode == 0
    assert ("\x1b[1;32mgemini     \x1b[0mThis " in shown) is has_color
    assert ("gemini     This is" in shown) is not has_color
    assert ("\x1b" in shown) is has_color
    assert '{"time"' not in shown


def read_terminal(fd: int) -> str:
    pieces = []
    with open(fd, "rb", buffering=0) as file:
        try:
            while piece := file.read(65_536):
                pieces.append(piece)
        except OSError:  # Linux's end of a terminal
            pass
    return b"".join(pieces).decode()


def test_answer_is_shown_as_it_comes(emulator: Emulator, proxy: str) -> None:
    emulator.script(demo.KEY, *demo.SCRIPT)
    output = Pieces()
    demo.play(proxy, demo.Screen(output, has_color=False, width=80))
    words = demo.SECOND_TEXT.split()
    pieces = [" ".join(piece.split()) for piece in output.pieces]
    start = pieces.index(words[0])
    assert [piece for piece in pieces[start:] if piece][: len(words)] == words


def test_screen_is_plain_where_it_has_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    def written(*, is_terminal: bool = True) -> str:
        output = Pieces(is_terminal=is_terminal)
        demo.make_screen(output).say("you", "Hi")
        return output.getvalue()

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert written() == "\n\x1b[1;36myou        \x1b[0mHi\n"
    plain = "\nyou        Hi\n"
    assert written(is_terminal=False) == plain
    monkeypatch.setenv("TERM", "dumb")
    assert written() == plain
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert written() == plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a  b  c", "a  b  c"), ("aaa  bbb  ccc  ddd", "aaa  bbb ..."), ("a" * 20, f"{'a' * 9} ...")],
)
def test_long_result_is_shortened(text: str, shown: str) -> None:
    assert demo.shorten(text, 13) == shown


def test_command_that_is_not_known_is_an_error() -> None:
    output = Pieces()
    call: Any = {"id": "1", "input": {"command": "rm"}}
    result = demo.run(call, demo.Screen(output, has_color=False, width=80))
    assert (result["is_error"], result["content"]) == (True, "unknown command")


# --- Its end --------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
@pytest.mark.parametrize(
    ("number", "moment", "code"),
    [
        (signal.SIGINT, "within", 130),
        (signal.SIGTERM, "within", 143),
        (signal.SIGINT, "over", 0),
    ],
)
def test_exit_code_says_whether_it_was_over(number: int, moment: str, code: int) -> None:
    command = [sys.executable, "-c", WITHOUT_SERVERS, moment]
    with subprocess.Popen(command, env=environ(), cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.wait(TEST_TIMEOUT) == code


def test_failure_is_a_sentence_below_the_log() -> None:
    command = [sys.executable, "-c", WITHOUT_SERVERS, "fail"]
    ended = subprocess.run(
        command, env=environ(), cwd=ROOT, capture_output=True, text=True, timeout=TEST_TIMEOUT
    )
    expected = "    a\n    b\nThe demo has failed: it did not start\n"
    assert (ended.returncode, ended.stderr) == (1, expected)


def test_port_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        ended = run("--once", PROXY_LISTEN_ADDR=f"127.0.0.1:{port}")
    assert ended.returncode == 1
    assert f"PROXY_LISTEN_ADDR: 127.0.0.1:{port} cannot be used: another program" in ended.stderr


def test_log_goes_elsewhere_from_a_folder_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".cache").touch()
    monkeypatch.setattr(demo, "ROOT", tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    log = demo.open_log()
    assert (log.parent, log.suffix) == (tmp_path, ".log")
    (tmp_path / ".cache").unlink()
    monkeypatch.chdir(tmp_path)
    assert demo.open_log() == Path(".cache/demo.log")

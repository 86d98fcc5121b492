"""gemini-claude as a process: wherever it ends, none is left."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.test_launcher import Session, session

__all__ = ["session"]

WAIT = """\
#!{python}
import os, signal, sys
signal.signal(signal.SIGINT, lambda *_: sys.exit(7))
with open(os.environ["SEEN"] + ".part", "w") as file:
    file.write(os.environ["ANTHROPIC_BASE_URL"])
os.rename(file.name, os.environ["SEEN"])
signal.pause()
"""


def processes_of(folder: Path) -> list[str]:
    """Command lines of all processes that have this session in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"SEEN={folder / 'seen'}".encode() in path.read_bytes():
                found.append(path.with_name("cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def waiting(session: Session) -> Iterator[Session]:
    """A Claude Code that runs until it is ended."""
    session.install(WAIT)
    yield session
    wait_for(lambda: not processes_of(session.folder))


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 7), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_signal_leaves_no_process(waiting: Session, number: int, code: int) -> None:
    process = waiting.start()
    wait_for(waiting.seen.exists)
    assert len(processes_of(waiting.folder)) >= 3
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    assert process.wait(30) == code


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc")
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_ctrl_c_during_the_start_leaves_no_process(waiting: Session, processes: int) -> None:
    process = waiting.start()
    wait_for(lambda: len(processes_of(waiting.folder)) >= processes or waiting.seen.exists())
    os.killpg(process.pid, signal.SIGINT)
    process.wait(30)


def test_two_sessions_at_once(waiting: Session) -> None:
    first = waiting.start()
    wait_for(waiting.seen.exists)
    url = waiting.seen.read_text()
    waiting.seen.unlink()
    second = waiting.start()
    wait_for(waiting.seen.exists)
    assert waiting.seen.read_text() != url
    for process in (first, second):
        process.terminate()
        process.wait(30)

"""Ctrl-C on `make demo` at random moments of its start: what is left of it, try by try.

python -m tests.interrupts 50
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from tests import servers

MIN_SECONDS = 0.1
"""Before, the demo may be a copy of this process still, in which a signal is only noted."""

MAX_SECONDS = 3.0
"""Of a moment after the start: the demo serves by then, and only waits."""

END_SECONDS = 10
"""In which nothing may be left."""


def start(environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """The demo, as the foreground of a terminal of its own."""
    port = servers.free_port()
    return subprocess.Popen(
        [sys.executable, "-u", str(servers.ROOT / "tests/demo.py")],
        env={**servers.clean_environ(), "PROXY_LISTEN_ADDR": f"127.0.0.1:{port}", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def processes_with(mark: str) -> list[int]:
    """The processes with this in their environment."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark.encode() in environ.read_bytes():
                found.append(int(environ.parent.name))
    return found


def left_after(demo: subprocess.Popen[bytes], mark: str, number: int) -> list[int]:
    """The processes that are left some time after a signal to the demo; they are ended then."""
    os.killpg(demo.pid, number)
    end = time.monotonic() + END_SECONDS
    while (left := processes_with(mark)) and time.monotonic() < end:
        demo.poll()
        time.sleep(0.02)
    for process in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    demo.wait()
    if demo.stdout is not None:
        demo.stdout.close()
    return left


def interrupt(seconds: float) -> list[int]:
    """The processes that are left after Ctrl-C so many seconds after the start."""
    mark = uuid.uuid4().hex
    demo = start({"MARK": mark})
    time.sleep(seconds)
    return left_after(demo, mark, signal.SIGINT)


def main() -> None:
    tries = int(sys.argv[1])
    failures = 0
    for _ in range(tries):
        seconds = random.uniform(MIN_SECONDS, MAX_SECONDS)
        if left := interrupt(seconds):
            failures += 1
            print(f"after {seconds:.2f} s: {len(left)} processes left", flush=True)
    print(f"{failures} of {tries} tries left something")


if __name__ == "__main__":
    main()

"""The emulator and the proxy as real processes on free ports, for tests and for the demo.

Knows how to start and stop functions-framework.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import requests

ROOT = Path(__file__).parent.parent
START_SECONDS = 30
STOP_SECONDS = 0.5
"""A server with a connection that nobody has closed would wait for half a minute."""

LOCAL = requests.Session()
LOCAL.trust_env = False
LOCAL.headers["Connection"] = "close"
"""For requests to this machine: never through somebody's HTTP_PROXY, and never on a connection
that the server may be about to close."""


def reset(sock: socket.socket) -> None:
    """Leave in a way that cannot be mistaken: what was sent was not read."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


FRAMEWORK = (sys.executable, "-m", "functions_framework", "--host", "127.0.0.1")
EMULATOR = ("--source", str(ROOT / "tests/emulator/main.py"), "--target", "gemini")
PROXY = ("--source", str(ROOT / "main.py"), "--target", "messages")


started: list[subprocess.Popen[bytes]] = []
"""The servers that run by now."""

starting = threading.Lock()
"""Whoever holds it for good keeps any more from being started."""

output: Path | None = None
"""A folder for what the servers write, each to a file, or one file for all; None: to where this
process writes."""

PROXY_SETTINGS = re.compile(r"(GEMINI|PROXY|ANTHROPIC|CLAUDE_CODE)_\w+|THREADS|WORKERS")


def clean_environ() -> dict[str, str]:
    """This process's environment without what would change a server started from it."""
    kept = {name: value for name, value in os.environ.items() if not PROXY_SETTINGS.fullmatch(name)}
    return {**kept, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(
    target: Sequence[str], environ: Mapping[str, str] | None = None, port: int | None = None
) -> Iterator[str]:
    """A function behind functions-framework; yields its base URL once it answers."""
    port = port or free_port()
    command = [*FRAMEWORK, "--port", str(port), *target]
    with running(command, environ, f"http://127.0.0.1:{port}") as url:
        yield url


@contextlib.contextmanager
def running(
    command: Sequence[str], environ: Mapping[str, str] | None, url: str, folder: Path = ROOT
) -> Iterator[str]:
    """A server process, from its first answer on; it is stopped at the end."""
    with _written() as file, starting:
        process = subprocess.Popen(
            command,
            env={**clean_environ(), **(environ or {})},
            cwd=folder,
            stdout=file,
            stderr=file,
            # Of its own, so that all of its processes can be ended, and only by who started them.
            start_new_session=True,
        )
        started.append(process)
    try:
        wait_for(process, url)
        yield url
    finally:
        stop(process)
        started.remove(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server, with its workers."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """As `stop`, without a chance to do anything."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def stop_all() -> None:
    """End all servers, and start no more; also in the middle of a start."""
    starting.acquire()
    for process in started:
        stop(process)


@contextlib.contextmanager
def _written() -> Iterator[IO[bytes] | None]:
    if output is None:
        yield None
    else:
        path = output / f"{uuid.uuid4().hex}.log" if output.is_dir() else output
        with path.open("ab") as file:
            yield file


def wait_for(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(requests.RequestException):
            LOCAL.get(url, timeout=START_SECONDS)
            return
        time.sleep(0.02)
    raise RuntimeError(f"{' '.join(process.args)} did not start")  # type: ignore[arg-type]


class Emulator:
    """The emulator's control side: a script for a key, and the journal of that key."""

    def __init__(self, url: str) -> None:
        self.url = url

    def script(self, key: str, *replies: Any) -> None:
        answer = LOCAL.put(f"{self.url}/_emulator/{key}", json={"replies": replies}, timeout=10)
        assert answer.ok, answer.text

    def journal(self, key: str) -> list[Any]:
        """Every request made with the key, oldest first."""
        answer = LOCAL.get(f"{self.url}/_emulator/{key}", timeout=10)
        requested: list[Any] = answer.json()["requests"]
        return requested

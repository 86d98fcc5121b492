"""What is measured: the upstream itself, this server, and others that are installed; each as it
comes, in one process, on one core where there are two.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.servers import PROXY, ROOT, clean_environ, free_port

from .client import Question, ask_in_turn

START_SECONDS = 90
KEY = "sk-bench-0f4c9a7be2d14860a5b3c2d1"
OURS = "gemini-messages"
TEXT = "Hi. "
SMALL, LARGE = 2_000, 80_000
"""Bytes of a request: a question, and what Claude Code sends with its first one."""

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
CLIENT_CORE, SERVER_CORE = 0, 1
"""Of those: the client and the upstream share one, so that every server has the other alone."""


class Target(NamedTuple):
    """A server. command: that starts it on a port; None for the upstream. version: its command
    that prints it."""

    name: str
    command: Callable[[int], Sequence[str]] | None = None
    environ: Mapping[str, str] = {}
    model: str = "claude-sonnet-4-5"
    version: Sequence[str] = ()


def direct() -> Target:
    """No server: the client asks the upstream, in Gemini's words."""
    return Target("direct")


def ours(upstream: str) -> Target:
    command = (sys.executable, "-m", "functions_framework", *PROXY, "--host", "127.0.0.1")
    environ = {"GEMINI_ENDPOINT": upstream, "PROXY_LOG_FORMAT": "json"}
    return Target(
        OURS,
        lambda port: (*command, "--port", str(port)),
        environ,
        version=(sys.executable, "-m", "proxy", "--version"),
    )


def litellm(upstream: str, folder: Path) -> Target | None:
    """LiteLLM's proxy, where it is on the PATH; it takes YAML, of which JSON is a part."""
    if (program := shutil.which("litellm")) is None:
        return None
    config = folder / "litellm.yaml"
    gemini = {"model": "gemini/*", "api_base": f"{upstream}/v1beta", "api_key": KEY}
    settings = {"drop_params": True, "telemetry": False}
    models = [{"model_name": "*", "litellm_params": gemini}]
    config.write_text(json.dumps({"model_list": models, "litellm_settings": settings}))
    environ = {"LITELLM_MASTER_KEY": KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    return Target(
        "LiteLLM",
        lambda port: (program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port)),
        {**environ, "LITELLM_LOG": "ERROR", "HOME": str(folder)},
        "bench",
        (program, "--version"),
    )


def router(upstream: str, folder: Path) -> Target | None:
    """claude-code-router, where it is on the PATH."""
    if (program := shutil.which("ccr")) is None:
        return None

    def command(port: int) -> Sequence[str]:
        gemini = {"name": "gemini", "api_base_url": f"{upstream}/v1beta/models/", "api_key": KEY}
        provider = {**gemini, "models": ["bench"], "transformer": {"use": ["gemini"]}}
        config = {"LOG": False, "HOST": "127.0.0.1", "PORT": port, "NON_INTERACTIVE_MODE": True}
        config |= {"Providers": [provider], "Router": {"default": "gemini,bench"}}
        path = folder / ".claude-code-router/config.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(config))
        return program, "start"

    environ = {"HOME": str(folder)}
    return Target("claude-code-router", command, environ, version=(program, "version"))


def question(target: Target, url: str, size: int) -> Question:
    """size: bytes of the text in it, about."""
    text = TEXT * (size // len(TEXT))
    if target.command is None:
        body: object = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
        path = "/v1beta/models/bench:streamGenerateContent?alt=sse"
        return Question(url + path, json.dumps(body).encode(), {}, b'"finishReason"')
    messages = [{"role": "user", "content": text}]
    body = {"model": target.model, "max_tokens": 4_000, "stream": True, "messages": messages}
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    return Question(f"{url}/v1/messages", json.dumps(body).encode(), headers, b"message_stop")


class Running:
    """A server's process, with all that it started. seconds: from its start to the first whole
    answer."""

    def __init__(self, target: Target, url: str, process: subprocess.Popen[bytes] | None) -> None:
        self.target, self.url, self._process = target, url, process
        self.seconds = 0.0

    def question(self, size: int) -> Question:
        return question(self.target, self.url, size)

    def cpu(self) -> float | None:
        """Seconds so far; None where that cannot be known (another system than Linux)."""
        used = [sum(map(int, fields[11:13])) for fields in self._stats()]
        return sum(used) / os.sysconf("SC_CLK_TCK") if used else None

    def memory(self) -> float | None:
        """MB, shared pages counted once."""
        found = 0
        for path in self._folders():
            with contextlib.suppress(OSError):
                lines = (path / "smaps_rollup").read_text().splitlines()
                found += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return found / 1_000 or None

    def _folders(self) -> list[Path]:
        """/proc's, of the processes in the session that was begun for this server."""
        if self._process is None:
            return []
        return [path for path in _processes() if _session(path) == self._process.pid]

    def _stats(self) -> Iterator[list[str]]:
        for path in self._folders():
            with contextlib.suppress(OSError):
                yield _fields(path)


def _processes() -> Iterator[Path]:
    return Path("/proc").glob("[0-9]*")


def _fields(path: Path) -> list[str]:
    """Of /proc/PID/stat, from the state on (proc(5))."""
    return (path / "stat").read_text().rpartition(")")[2].split()


def _session(path: Path) -> int:
    try:
        return int(_fields(path)[3])
    except OSError:  # has ended
        return 0


@contextlib.contextmanager
def running(target: Target, upstream: str, log: Path) -> Iterator[Running]:
    """Start a target, and end it. Raises RuntimeError where it does not answer."""
    if target.command is None:
        yield Running(target, upstream, None)
        return
    port = free_port()
    started = time.perf_counter()
    with spawned(target.command(port), target.environ, log, SERVER_CORE) as process:
        server = Running(target, f"http://127.0.0.1:{port}", process)
        while not _answers(server):
            if process.poll() is not None or time.perf_counter() - started > START_SECONDS:
                raise RuntimeError(f"{target.name} does not answer:\n{log.read_text()[-2_000:]}")
            time.sleep(0.01)
        server.seconds = time.perf_counter() - started
        yield server


def _answers(server: Running) -> bool:
    try:
        (answer,) = asyncio.run(ask_in_turn(server.question(SMALL), 1))
    except OSError:
        return False
    return answer.is_whole


@contextlib.contextmanager
def spawned(
    command: Sequence[str], environ: Mapping[str, str], log: Path, core: int
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own, which is ended as a whole."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**clean_environ(), **environ},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        pin(core, process.pid)  # before it has started any of its own
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def pin(core: int, process: int = 0) -> None:
    """A process, or this one, to one core, where the system can do that and has two."""
    if len(CORES) > 1:
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(process, {CORES[core]})

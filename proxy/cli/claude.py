"""`python -m proxy claude`: a proxy of its own, and Claude Code at it, for one session.

The proxy listens on a free port of this machine and takes a token that only this session has. It
ends with the session, however that ends.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from translate import models

from .. import banner, clock, config, endpoints, log_text
from . import credentials

ROOT = Path(__file__).parent.parent.parent
START_SECONDS = 30
STOP_SECONDS = 3
MAX_HEALTH_BYTES = 10_000
START_ATTEMPTS = 3
"""A free port may be taken by another program before the server has it."""

NOT_FOUND = 127
"""The shell's exit code for a program that is not there."""

NO_CLAUDE = """\
Claude Code is not installed (no `claude` on the PATH). One of these installs it:
    npm install -g @anthropic-ai/claude-code
    curl -fsSL https://claude.ai/install.sh | bash
"""

DISTURBING = ("ANTHROPIC_API_KEY", "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX")
"""What in the environment would send Claude Code elsewhere, or make it ask."""

LARGE_CONTEXT = "[1m]"
"""Behind a model's name it tells Claude Code that a million tokens fit."""


class Totals(NamedTuple):
    """Of a session's requests, as the proxy logged them."""

    requests: int = 0
    read: int = 0
    cached: int = 0
    written: int = 0
    usd: float = 0.0


def main(arguments: Sequence[str]) -> int:
    """Run Claude Code with these arguments, and return its exit code."""
    if list(arguments) == ["--forget"]:
        print("Forgotten." if credentials.forget_key() else "No key was kept.")
        return 0
    program = shutil.which("claude")
    if program is None:
        print(NO_CLAUDE, file=sys.stderr, end="")
        return NOT_FOUND
    environ = dict(os.environ)
    if environ.get("GEMINI_BACKEND", "").lower() != "vertex":
        environ["GEMINI_API_KEY"] = credentials.find_key() or credentials.ask_for_key()
    environ.setdefault("PROXY_AUTO_MODE_MODEL", banner.AUTO_MODE_MODEL)
    environ["PROXY_TOKEN"] = secrets.token_urlsafe(24)
    environ["PROXY_INSTANCE"] = secrets.token_urlsafe(12)
    started = time.time()
    server = Server()
    with _ending_on_signals(), tempfile.TemporaryDirectory(prefix="gemini-claude-") as folder:
        log = Path(folder) / "log"
        try:
            url = server.start(environ, log)
            _print_start(environ)
            code = _run([program, *arguments], client_environ(environ, url))
        finally:
            server.stop()
        _print_totals(add_up(log), believed_cost(Path.home(), Path.cwd(), started))
    return code


# --- The proxy ------------------------------------------------------------------------------------


class Server:
    """The proxy's process. `stop` it in any case: then none is left, wherever `start` ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, environ: Mapping[str, str], log: Path) -> str:
        """Returns its base URL once it answers. Raises SystemExit with what it wrote, where it does
        not start."""
        for _ in range(START_ATTEMPTS):
            port = _free_port()
            with _deferring_signals():
                self._process = _spawn(environ, port, log)
            if _answers(self._process, port, environ["PROXY_INSTANCE"]):
                return f"http://127.0.0.1:{port}"
            self.stop()
            written = log.read_text(errors="replace")
            if "PROXY_LISTEN_ADDR" not in written:
                break
        raise SystemExit(f"The proxy did not start:\n{written.strip()[-2_000:]}")

    def stop(self) -> None:
        if self._process is None:
            return
        with _deferring_signals():
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _spawn(environ: Mapping[str, str], port: int, log: Path) -> subprocess.Popen[bytes]:
    """In a session of its own: a Ctrl-C at the terminal is Claude Code's."""
    own = {**environ, "PROXY_LOG_FORMAT": "json", "PROXY_WORKERS": "1"}
    own["PROXY_LISTEN_ADDR"] = f"127.0.0.1:{port}"
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "proxy"],
            cwd=ROOT,
            env=own,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(process: subprocess.Popen[bytes], port: int, instance: str) -> bool:
    """Wait for the health answer of this very server: another program may have been quicker to take
    the port. False where the process has ended, or time is up."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
            if _health(port).get("instance") == instance:
                return True
        time.sleep(0.02)
    return False


def _health(port: int) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    with contextlib.closing(connection):
        connection.request("GET", "/")
        return json.loads(connection.getresponse().read(MAX_HEALTH_BYTES))


# --- Claude Code ----------------------------------------------------------------------------------


def client_environ(environ: Mapping[str, str], url: str) -> dict[str, str]:
    """What Claude Code needs for its best session at the proxy, and nothing that disturbs it.

    environ: the proxy's. Models that are set there stay.
    """
    settings = config.read(environ)
    shown = {name: value for name, value in environ.items() if name not in DISTURBING}
    for name in ("GEMINI_API_KEY", "PROXY_TOKEN", "PROXY_INSTANCE"):
        shown.pop(name, None)
    shown["ANTHROPIC_BASE_URL"] = url
    shown["ANTHROPIC_AUTH_TOKEN"] = settings.token
    for model_class, variable in models.CLASS_SETTINGS.items():
        _name_model(shown, settings, model_class, variable)
    _name_model(shown, settings, "opus", "ANTHROPIC_DEFAULT_FABLE_MODEL")
    shown.setdefault("CLAUDE_CODE_AUTO_COMPACT_WINDOW", "1000000")
    hosts = [shown.get("NO_PROXY") or shown.get("no_proxy") or "", "127.0.0.1", "localhost"]
    shown["NO_PROXY"] = shown["no_proxy"] = ",".join(filter(None, hosts))
    return shown


def _name_model(
    environ: dict[str, str], settings: config.Settings, model_class: str, variable: str
) -> None:
    """Have Claude Code ask for the Gemini model by its own name, so that its header, its picker and
    its context meter tell the truth."""
    platform = endpoints.from_settings(settings).platform
    model = models.resolve(
        f"claude-{model_class}",
        settings.model_settings,
        platform=platform,
        today=clock.today(),
    )
    has_large_context = model.context >= 1_000_000
    environ[variable] = f"{model.name}{LARGE_CONTEXT if has_large_context else ''}"
    environ.setdefault(f"{variable}_NAME", models.display_name(model))
    environ.setdefault(f"{variable}_DESCRIPTION", models.summary(model, clock.today()))


def _run(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Until the program ends; it has the terminal, and a Ctrl-C there is its own."""
    process = None
    before = signal.getsignal(signal.SIGINT)
    try:
        with _deferring_signals():
            process = subprocess.Popen(command, env=environ)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        code = process.wait()
    finally:
        if process is not None and process.poll() is None:
            process.terminate()
            process.wait()
        signal.signal(signal.SIGINT, before)
    return 128 - code if code < 0 else code


ENDING = [number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None))]


@contextlib.contextmanager
def _ending_on_signals() -> Iterator[None]:
    """A closed terminal, or a polite kill, ends everything in order."""

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = {
        number: signal.signal(number, end)
        for number in ENDING
        if signal.getsignal(number) is not signal.SIG_IGN  # nohup
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _deferring_signals() -> Iterator[None]:
    """A signal that comes meanwhile is handled afterwards: no process is made or ended by half."""
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, frame: came.append(number))
        for number in (signal.SIGINT, *ENDING)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)


# --- What is said ---------------------------------------------------------------------------------


def _print_start(environ: Mapping[str, str]) -> None:
    settings = config.read(environ)
    print(f"auto mode: {banner.auto_mode(settings)}", file=sys.stderr)
    if settings.log_bodies:
        banner.print_recording(settings)


def add_up(log: Path) -> Totals:
    """The totals of a log of JSON lines."""
    totals = Totals()
    with log.open(errors="replace") as lines:
        for line in lines:
            if '"/v1/messages"' not in line:
                continue
            with contextlib.suppress(ValueError):
                totals = _add(totals, json.loads(line))
    return totals


def _add(totals: Totals, entry: Mapping[str, Any]) -> Totals:
    counted = [entry.get("tokens", {}), entry.get("judge", {})]
    return Totals(
        totals.requests + 1,
        totals.read + sum(each.get("in", 0) + each.get("cached", 0) for each in counted),
        totals.cached + sum(each.get("cached", 0) for each in counted),
        totals.written + sum(each.get("out", 0) for each in counted),
        totals.usd + entry.get("usd", 0.0),
    )


def believed_cost(home: Path, folder: Path, since: float) -> float | None:
    """What Claude Code holds its last session in a folder to have cost, in US dollars: it does not
    know Gemini's prices. None where it has noted nothing since then (it does so on a terminal)."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        path = home / ".claude.json"
        if path.stat().st_mtime >= since:
            return float(json.loads(path.read_text())["projects"][str(folder)]["lastCost"])
    return None


def _print_totals(totals: Totals, believed: float | None) -> None:
    share = 100 * totals.cached // totals.read if totals.read else 0
    cost = "no cost"
    if totals.usd:
        cost = f"{log_text.dollars(totals.usd)} at Gemini's list price, nothing on the free tier"
    if believed:
        cost += f" (Claude Code believes {log_text.dollars(believed)})"
    print(
        f"{totals.requests} requests, {log_text.count(totals.read)} tokens in ({share}% cached), "
        f"{log_text.count(totals.written)} out; {cost}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

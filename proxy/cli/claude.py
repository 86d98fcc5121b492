"""`python -m proxy claude`: a proxy of its own, and Claude Code at it, for one session.

The proxy listens on a free port of this machine and takes a token that only this session has. It
ends with the session, however that ends: its standard input is a pipe from here, which the system
closes when this process is gone, and the server watches (proxy/server.py).
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

UNAUTHORIZED = 401
NOT_FOUND = 127
"""The shell's exit code for a program that is not there."""

NO_CLAUDE = """\
Claude Code is not installed (no `claude` on the PATH). One of these installs it:
    npm install -g @anthropic-ai/claude-code
    curl -fsSL https://claude.ai/install.sh | bash
"""

INTERRUPTED = 130
"""The shell's exit code for a program that a Ctrl-C has ended."""

HELP = """\
gemini-claude [what `claude` takes]: Claude Code on Gemini, with a proxy of its own for the session.
It asks for a Gemini key once; `gemini-claude --forget` removes it. Claude Code's own help:
"""
WITHOUT_MODEL = ("-h", "--help", "-v", "--version")
"""What Claude Code answers by itself: neither a key nor a proxy is needed."""

REFUSED_KEY = "Gemini refused the key. "
FORGET = "`gemini-claude --forget` removes it, and the next start asks for another."
CORRECT = "It is the one in GEMINI_API_KEY."

DISTURBING = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_UNIX_SOCKET",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_ANTHROPIC_AWS",
    "CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_GATEWAY",
    "CLAUDE_CODE_USE_MANTLE",
    "CLAUDE_CODE_USE_VERTEX",
)
"""What in the environment would send Claude Code elsewhere, or make it ask."""

OVER_SETTINGS = "CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST"
"""Has the environment win over a person's settings.json, whose `env` and `apiKeyHelper` would send
Claude Code elsewhere (tried with 2.1.197 and 2.1.332 on 2026-11-28)."""

LARGE_CONTEXT = "[1m]"
"""Behind a model's name it tells Claude Code that a million tokens fit."""


class Totals(NamedTuple):
    """Of a session's requests, as the proxy logged them."""

    requests: int = 0
    read: int = 0
    cached: int = 0
    written: int = 0
    usd: float = 0.0
    refused: int = 0
    """Requests that were refused for their key."""


class Session(NamedTuple):
    """What Claude Code has noted of its last session in a folder. cost: in US dollars."""

    id: str
    cost: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run Claude Code with these arguments, or those of this program, and return its exit code."""
    with _ending_on_signals():
        try:
            return _main(sys.argv[1:] if arguments is None else list(arguments))
        except KeyboardInterrupt:
            return INTERRUPTED


def _main(arguments: list[str]) -> int:
    if arguments == ["--forget"]:
        print("Forgotten." if credentials.forget_key() else "No key was kept.")
        return 0
    asks_no_model = len(arguments) == 1 and arguments[0] in WITHOUT_MODEL
    if asks_no_model and "h" in arguments[0]:
        print(HELP, file=sys.stderr, flush=True)
    program = shutil.which("claude")
    if program is None:
        print(NO_CLAUDE, file=sys.stderr, end="")
        return NOT_FOUND
    if asks_no_model:
        return _run([program, *arguments], os.environ)
    environ = dict(os.environ)
    if environ.get("GEMINI_BACKEND", "").lower() != "vertex":
        environ["GEMINI_API_KEY"] = credentials.find_key() or credentials.ask_for_key()
    environ.setdefault("PROXY_AUTO_MODE_MODEL", banner.AUTO_MODE_MODEL)
    environ["PROXY_TOKEN"] = secrets.token_urlsafe(24)
    environ["PROXY_INSTANCE"] = secrets.token_urlsafe(12)
    return _run_session([program, *arguments], environ)


def _run_session(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """A proxy, and Claude Code at it. environ: the proxy's."""
    server, url = Server(), ""
    before = noted_session(os.environ, Path.cwd())
    with tempfile.TemporaryDirectory(prefix="gemini-claude-") as folder:
        log = Path(folder) / "log"
        try:
            url = server.start(environ, log)
            _print_start(environ)
            return _run(command, client_environ(environ, url))
        finally:
            server.stop()
            if url:
                after = noted_session(os.environ, Path.cwd())
                _print_totals(add_up(log), after.cost if after and after != before else None)


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
        if self._process is not None:
            _end(self._process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Politely, and after a while not; with its children where it leads a group."""
    with _deferring_signals():
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError, AttributeError):  # Windows has no groups
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _spawn(environ: Mapping[str, str], port: int, log: Path) -> subprocess.Popen[bytes]:
    """In a session of its own: a Ctrl-C at the terminal is Claude Code's."""
    own = {**environ, "PROXY_LOG_FORMAT": "json", "PROXY_WORKERS": "1"}
    own["PROXY_LISTEN_ADDR"] = f"127.0.0.1:{port}"
    own[config.ENDS_WITH_STDIN] = "1"
    if sys.flags.ignore_environment:  # so does the server's Python
        own = {name: value for name, value in own.items() if not name.startswith("PYTHON")}
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "proxy", "serve", "--quiet"],
            cwd=ROOT,
            env=own,
            stdin=subprocess.PIPE,  # this end is not inherited: not by `claude`, nor another server
            stdout=output,
            stderr=output,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # Windows'
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
    shown[OVER_SETTINGS] = "1"
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
    environ.setdefault(
        f"{variable}_DESCRIPTION",
        f"{variable.split('_')[2].capitalize()}: {models.summary(model, clock.today())}",
    )


def _run(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Until the program ends; it has the terminal, and a Ctrl-C there is its own."""
    process: subprocess.Popen[bytes] | None = None
    before = signal.getsignal(signal.SIGINT)
    try:
        with _deferring_signals():
            process = subprocess.Popen(command, env=environ)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        code = process.wait()
    finally:
        if process is not None and process.poll() is None:
            _end(process)
        signal.signal(signal.SIGINT, before)
    return 128 - code if code < 0 else code


ENDING = [
    number for name in ("SIGTERM", "SIGHUP", "SIGQUIT") if (number := getattr(signal, name, None))
]


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
        if signal.getsignal(number) is not signal.SIG_IGN  # what is started ignores it, too
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
    """The totals of a log of JSON lines. An auto mode's judge is a request of its own."""
    totals = Totals()
    with log.open(errors="replace") as lines:
        for line in lines:
            if '"/v1/messages"' not in line:
                continue
            with contextlib.suppress(ValueError):
                totals = _add(totals, json.loads(line))
    return totals


def _add(totals: Totals, entry: Mapping[str, Any]) -> Totals:
    counted = [entry.get("tokens", {}), *([entry["judge"]] if "judge" in entry else [])]
    return Totals(
        totals.requests + len(counted),
        totals.read + sum(each.get("in", 0) + each.get("cached", 0) for each in counted),
        totals.cached + sum(each.get("cached", 0) for each in counted),
        totals.written + sum(each.get("out", 0) for each in counted),
        totals.usd + entry.get("usd", 0.0),
        totals.refused + (entry.get("status") == UNAUTHORIZED),
    )


def noted_session(environ: Mapping[str, str], folder: Path) -> Session | None:
    """What Claude Code has noted, under a folder or the project that this is in, of its last
    session: it does so at the end of one on a terminal. It does not know Gemini's prices."""
    home = environ.get("CLAUDE_CONFIG_DIR") or Path.home()
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        projects = json.loads((Path(home) / ".claude.json").read_text("utf-8"))["projects"]
        for each in (folder, *folder.parents):
            if "lastCost" in (noted := projects.get(each.as_posix(), {})):
                return Session(str(noted["lastSessionId"]), float(noted["lastCost"]))
    return None


def _print_totals(totals: Totals, believed: float | None) -> None:
    if totals.refused:
        print(
            REFUSED_KEY + (CORRECT if os.environ.get("GEMINI_API_KEY") else FORGET), file=sys.stderr
        )
    share = 100 * totals.cached // totals.read if totals.read else 0
    cost = "no cost"
    if totals.usd:
        cost = f"{log_text.dollars(totals.usd)} at Gemini's list price, nothing on the free tier"
    if believed:
        cost += f" (Claude Code believes {log_text.dollars(believed)})"
    requests = f"{totals.requests} request{'' if totals.requests == 1 else 's'}"
    print(
        f"{requests}, {log_text.count(totals.read)} tokens in ({share}% cached), "
        f"{log_text.count(totals.written)} out; {cost}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

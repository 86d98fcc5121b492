"""People make mistakes: the real client prints the next step, soon, for each of a table."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from proxy import config
from tests import servers
from tests.e2e.claude_code import VERSIONS, ClaudeCode
from tests.e2e.mistakes import AT_THE_START, MISTAKES, RECOVERS, WARNING, Mistake
from tests.messages import PNG
from tests.servers import ROOT, Emulator
from tests.sockets import make_certificate, server_context

PROMPT = "Say hello."
CLIENTS = 3
"""At once: two processors, and a client waits now and then."""

LOGIN = {"type": "authorized_user", "client_id": "x", "client_secret": "x", "refresh_token": "x"}
NO_NAMES = """\
import socket
found = socket.getaddrinfo
def look_up(host, *more, **options):
    if str(host).endswith(".test"):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return found(host, *more, **options)
socket.getaddrinfo = look_up
"""
"""A network without names; the machine that tests run on may have one."""

NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n"
WANTS_LOGIN = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"


class Shown(NamedTuple):
    """text: the client's last word. session: its id, by which the log knows its requests."""

    text: str
    session: str
    exit_code: int


def fits(shown: str, text: str) -> bool:
    """Whether a text begins with a message, in which `…` is anything."""
    return re.match(".+?".join(map(re.escape, shown.split("…"))), text, re.DOTALL) is not None


@contextlib.contextmanager
def answering(answer: bytes, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server that answers all the same; yields its address."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                with sock, contextlib.suppress(OSError):
                    peer = context.wrap_socket(sock, server_side=True) if context else sock
                    peer.recv(65_536)
                    peer.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


class Stage:
    """What the rows need; `play` runs the client on one."""

    def __init__(self, folder: Path, emulator: Emulator, stack: contextlib.ExitStack) -> None:
        self._folder, self._emulator = folder, emulator
        (folder / "login.json").write_text(json.dumps(LOGIN))
        (folder / "sitecustomize.py").write_text(NO_NAMES)
        context = server_context(make_certificate(folder))
        self._values = {
            "closed": str(servers.free_port()),
            "folder": str(folder),
            "no_api": f"http://{stack.enter_context(answering(NOT_FOUND))}/v1beta/models",
            "http_proxy": f"http://me:secret@{stack.enter_context(answering(WANTS_LOGIN))}",
            "untrusted": f"https://{stack.enter_context(answering(b'', context))}",
        }
        environ = {"GEMINI_ENDPOINT": emulator.url}
        self._proxy = stack.enter_context(servers.serving(servers.PROXY, environ))

    def play(self, name: str, versions: Sequence[str]) -> dict[tuple[str, str], Shown]:
        """(mistake, version) -> what that version shows. All of them meet the same server."""
        mistake, key = MISTAKES[name], re.sub("[^a-z]+", "-", f"test {name}".lower())
        played = {}
        with contextlib.ExitStack() as stack:
            url = self._proxy
            if mistake.server is not None:
                settings = {"GEMINI_ENDPOINT": self._emulator.url, **mistake.server}
                if "GEMINI_BACKEND" in settings:
                    del settings["GEMINI_ENDPOINT"]
                url = stack.enter_context(
                    servers.serving(servers.PROXY, self._filled(settings, key))
                )
            if mistake.path == "{closed}":
                url = f"http://127.0.0.1:{self._values['closed']}"
            elif mistake.path:
                url += mistake.path
            for version in versions:
                self._emulator.script(key, *mistake.replies)
                played[name, version] = self._ask(mistake, version, url, key)
        return played

    def _ask(self, mistake: Mistake, version: str, url: str, key: str) -> Shown:
        base = self._folder / f"{key}-{version}"
        base.mkdir()
        claude = ClaudeCode(version, base, key)
        environ = self._filled(mistake.client, key)
        if mistake.image:
            image = {"type": "image", "source": PNG}
            run = claude.send(url, [{"type": "text", "text": PROMPT}, image])
        else:
            run = claude.ask(url, PROMPT, **environ)
        return Shown(run.result["result"], run.result["session_id"], run.exit_code)

    def _filled(self, variables: Mapping[str, str], key: str) -> dict[str, str]:
        filled = {}
        for name, value in variables.items():
            for word, instead in {**self._values, "key": key}.items():
                value = value.replace(f"{{{word}}}", instead)
            filled[name] = value
        return filled


@pytest.fixture(scope="module")
def shown(
    emulator: Emulator, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> dict[tuple[str, str], Shown]:
    """Mistake and version -> what was shown, of those that are tested in this run. All servers have
    ended, so that their logs are complete."""
    wanted: dict[str, list[str]] = {}
    for item in request.session.items:
        if isinstance(item, pytest.Function) and item.originalname == MISTAKE_TEST:
            row = item.callspec.params
            wanted.setdefault(row["name"], []).append(row["version"])
    with contextlib.ExitStack() as stack:
        stage = Stage(tmp_path_factory.mktemp("mistakes"), emulator, stack)
        with ThreadPoolExecutor(CLIENTS) as pool:
            return dict(ChainMap(*pool.map(stage.play, wanted, wanted.values())))


def requests_of(session: str) -> int:
    """How many requests for a message the servers' logs have of a session."""
    assert servers.output is not None
    lines = [line for file in servers.output.iterdir() for line in file.read_text().splitlines()]
    return sum(session in line and "/messages" in line for line in lines)


MISTAKE_TEST = "test_mistake_is_shown_with_the_next_step"


@pytest.mark.e2e
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_shown_with_the_next_step(
    name: str, version: str, shown: dict[tuple[str, str], Shown]
) -> None:
    got = shown[name, version]
    message, requests = MISTAKES[name].outcome(version)
    assert fits(message, got.text), got.text
    assert got.exit_code == (0 if message == RECOVERS else 1)
    if "421" not in message:  # a path that may hold a key is not logged
        assert requests_of(got.session) == requests
    assert "secret" not in got.text


@pytest.mark.parametrize("name", AT_THE_START)
def test_mistake_in_a_setting_ends_the_start(name: str) -> None:
    message, settings = AT_THE_START[name]
    with socket.create_server(("127.0.0.1", 0)) as used:
        address = f"127.0.0.1:{used.getsockname()[1]}"
        environ = {key: value.replace("{used}", address) for key, value in settings.items()}
        ended = subprocess.run(
            [sys.executable, "-m", "proxy"],
            cwd=ROOT,
            env={**servers.clean_environ(), "PROXY_LISTEN_ADDR": address, **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert fits(message, ended.stderr), ended.stderr


def test_unknown_setting_is_said() -> None:
    message, settings = WARNING
    (warning,) = config.warnings(settings)
    assert fits(message, warning)


def test_readme_has_every_message() -> None:
    """By the words that a person sees; a mistake that is made good needs no row."""
    section = (ROOT / "README.md").read_text("utf-8").split("## When something goes wrong\n")[1]
    rows: Any = section.split("\n## ")[0].split("| You see |")[1].split("\n\n")[0]
    listed = {row.split(" | ")[0].removeprefix("| ") for row in rows.splitlines()[2:]}
    messages = {each.shown for each in MISTAKES.values()} - {RECOVERS}
    messages |= {message for message, _ in AT_THE_START.values()} | {WARNING[0]}
    assert listed == {f"`` {each} ``" if "`" in each else f"`{each}`" for each in messages}

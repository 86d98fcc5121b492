"""gemini-claude and proxy/cli/claude.py: one session, with a stand-in for Claude Code."""

from __future__ import annotations

import fcntl
import importlib.machinery
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import types
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import claude
from proxy.config import BadSetting
from tests import servers
from tests.servers import ROOT, Emulator

ASK = """\
#!{python}
import json, os, sys, urllib.request
body = {{"model": "opus", "max_tokens": 9, "messages": [{{"role": "user", "content": "Hi"}}]}}
headers = {{"x-api-key": os.environ["ANTHROPIC_AUTH_TOKEN"], "content-type": "application/json"}}
url = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages"
request = urllib.request.Request(url, json.dumps(body).encode(), headers)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
answer = json.load(opener.open(request)) if "--quiet" not in sys.argv else None
with open(os.environ["SEEN"], "w") as file:
    json.dump({{"argv": sys.argv[1:], "environ": dict(os.environ), "answer": answer}}, file)
sys.exit(int(os.environ.get("EXIT", "0")))
"""


class Session:
    """A home, a folder of programs with a stand-in `claude`, and what that has seen."""

    def __init__(self, folder: Path, emulator: Emulator, key: str) -> None:
        self.folder = folder
        self.seen = folder / "seen"
        self._bin = folder / "bin"
        self._bin.mkdir()
        self.environ = {
            "PATH": f"{self._bin}:/usr/bin:/bin",
            "HOME": str(folder),
            "SEEN": str(self.seen),
            "GEMINI_ENDPOINT": emulator.url,
            "GEMINI_API_KEY": key,
            "ANTHROPIC_API_KEY": "sk-ant-stale",
            "HTTPS_PROXY": "http://127.0.0.1:9",
        }

    def install(self, program: str) -> None:
        path = self._bin / "claude"
        path.write_text(program.replace("{python}", sys.executable))
        path.chmod(0o755)

    def install_asking(self) -> None:
        self.install(ASK.format(python=sys.executable))

    def report(self) -> Any:
        return json.loads(self.seen.read_text())

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "proxy.cli.claude", *arguments],
            cwd=ROOT,
            env=self.environ,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )


@pytest.fixture
def session(tmp_path: Path, emulator: Emulator, key: str) -> Session:
    emulator.script(key, {"chunks": [{"text": "Hi."}], "repeat": True})
    return Session(tmp_path, emulator, key)


@pytest.fixture
def here(session: Session, monkeypatch: pytest.MonkeyPatch) -> Session:
    """The session's environment in this process."""
    for name in [*os.environ]:
        if name not in ("PATH", "HOME") and servers.PROXY_SETTINGS.fullmatch(name):
            monkeypatch.delenv(name)
    for name, value in session.environ.items():
        monkeypatch.setenv(name, value)
    return session


def test_session_from_start_to_totals(here: Session, capsys: pytest.CaptureFixture[str]) -> None:
    here.install_asking()
    assert claude.main(["-p", "Hi there"]) == 0
    seen = here.report()
    assert seen["argv"] == ["-p", "Hi there"]
    assert seen["answer"]["content"] == [{"type": "text", "text": "Hi."}]
    environ = seen["environ"]
    assert environ["ANTHROPIC_BASE_URL"].startswith("http://127.0.0.1:")
    assert environ["ANTHROPIC_DEFAULT_OPUS_MODEL"] == "gemini-4-hydrogen[1m]"
    assert environ["ANTHROPIC_DEFAULT_FABLE_MODEL"] == "gemini-4-hydrogen[1m]"
    assert environ["ANTHROPIC_DEFAULT_HAIKU_MODEL_NAME"] == "Gemini 3.5 Flash Lite"
    assert environ["NO_PROXY"].endswith("127.0.0.1,localhost")
    assert not {"ANTHROPIC_API_KEY", "GEMINI_API_KEY", "PROXY_TOKEN"} & environ.keys()
    assert environ["ANTHROPIC_AUTH_TOKEN"] != here.environ["GEMINI_API_KEY"]
    shown = capsys.readouterr().err
    assert "auto mode: gemini-3.8-flash judges tool calls" in shown
    assert "\n1 request, " in shown
    assert "at Gemini's list price" in shown


def test_exit_code_is_claude_codes(here: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    here.install_asking()
    monkeypatch.setenv("EXIT", "3")
    monkeypatch.setenv("PROXY_AUTO_MODE_MODEL", "off")
    assert claude.main(["--quiet"]) == 3


def test_signal_that_ends_it_is_an_exit_code(here: Session) -> None:
    here.install("#!/bin/sh\nkill -9 $$\n")
    assert claude.main([]) == 128 + signal.SIGKILL


def test_without_claude_code_it_says_how_to_get_it(
    here: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in ([], ["--help"]):
        assert claude.main(arguments) == 127
        shown = capsys.readouterr().err
        assert "npm install -g @anthropic-ai/claude-code" in shown
        assert ("gemini-claude --forget" in shown) is bool(arguments)


def test_setting_that_is_wrong_is_told_by_the_server(here: Session) -> None:
    here.install_asking()
    os.environ["PROXY_PING_SECONDS"] = "soon"
    try:
        with pytest.raises(SystemExit, match="PROXY_PING_SECONDS"):
            claude.main([])
    finally:
        del os.environ["PROXY_PING_SECONDS"]


def test_port_that_is_taken_is_not_the_end(
    here: Session, monkeypatch: pytest.MonkeyPatch, emulator: Emulator
) -> None:
    here.install_asking()
    taken = int(emulator.url.rpartition(":")[2])
    ports = iter([taken, servers.free_port()])
    monkeypatch.setattr(claude, "_free_port", lambda: next(ports))
    assert claude.main([]) == 0


def test_server_that_never_answers_is_given_up(
    here: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.install_asking()
    monkeypatch.setattr(claude, "START_SECONDS", 0)
    with pytest.raises(SystemExit, match="The proxy did not start"):
        claude.main([])


def test_vertex_needs_no_key(here: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    here.install_asking()
    monkeypatch.delenv("GEMINI_API_KEY")
    monkeypatch.setenv("GEMINI_BACKEND", "vertex")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    assert claude.main(["--quiet"]) == 0


def test_key_is_forgotten(here: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert claude.main(["--forget"]) == 0
    assert capsys.readouterr().out == "No key was kept.\n"


NOTED = {"lastCost": 0.5, "lastSessionId": "a"}


@pytest.mark.parametrize(
    ("noted", "session"),
    [
        ({"projects": {"/p/q": NOTED}}, ("a", 0.5)),
        ({"projects": {"/p": NOTED, "/p/q": {}}}, ("a", 0.5)),
        ({"projects": {"/other": NOTED}}, None),
        ({"projects": {"/p": {"lastCost": 0.5}}}, None),
        ({"projects": []}, None),
        ("{", None),
        (None, None),
    ],
)
def test_session_that_claude_code_noted(noted: Any, session: Any, tmp_path: Path) -> None:
    if noted is not None:
        text = noted if isinstance(noted, str) else json.dumps(noted)
        (tmp_path / ".claude.json").write_text(text)
    environ = {"CLAUDE_CONFIG_DIR": str(tmp_path)}
    assert claude.noted_session(environ, Path("/p/q")) == session


NOTING = """\
#!{python}
import json, os
with open(os.environ["HOME"] + "/.claude.json", "w") as file:
    noted = {"lastCost": 0.07, "lastSessionId": os.environ["SESSION"]}
    json.dump({"projects": {os.getcwd(): noted}}, file)
"""


def test_cost_is_of_this_session(
    here: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here.install(NOTING)
    monkeypatch.setenv("SESSION", "a")
    assert claude.main([]) == 0
    assert "(Claude Code believes $0.07)" in capsys.readouterr().err
    assert claude.main(["-p", "Notes nothing: what is there is of the session before"]) == 0
    assert "believes" not in capsys.readouterr().err


@pytest.mark.parametrize(("argument", "has_help"), [("--help", True), ("-v", False)])
def test_what_needs_no_model_asks_for_no_key(
    here: Session,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    argument: str,
    has_help: bool,
) -> None:
    here.install_asking()
    monkeypatch.delenv("GEMINI_API_KEY")
    monkeypatch.setattr(claude.Server, "start", None)
    here.install("#!/bin/sh\nexit 5\n")
    assert claude.main([argument]) == 5
    assert ("--forget" in capsys.readouterr().err) is has_help


@pytest.mark.parametrize(("is_kept", "hint"), [(False, "GEMINI_API_KEY"), (True, "--forget")])
def test_key_that_is_refused_is_named_at_the_end(
    here: Session,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    is_kept: bool,
    hint: str,
) -> None:
    here.install_asking()
    emulator, key = Emulator(here.environ["GEMINI_ENDPOINT"]), here.environ["GEMINI_API_KEY"]
    invalid = {"code": 400, "status": "INVALID_ARGUMENT", "message": "API key not valid."}
    emulator.script(key, {"status": invalid, "repeat": True})
    if is_kept:
        monkeypatch.delenv("GEMINI_API_KEY")
        monkeypatch.setattr(claude.credentials, "find_key", lambda: key)
    assert claude.main([]) == 1
    shown = capsys.readouterr().err
    assert (
        f"Gemini refused the key. {'`gemini-claude ' if is_kept else 'It is the one in '}" in shown
    )
    assert hint in shown
    assert key not in shown


def test_start_that_fails_has_no_totals(
    here: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    here.install_asking()
    monkeypatch.setattr(claude, "_spawn", interrupt)
    assert claude.main([]) == 130
    assert capsys.readouterr().err == ""


def test_environment_wins_over_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    disturbing = dict.fromkeys(claude.DISTURBING, "1")
    environ = {**disturbing, "PROXY_TOKEN": "t", "ANTHROPIC_BASE_URL": "http://127.0.0.1:7"}
    shown = claude.client_environ(environ, "http://127.0.0.1:1")
    assert shown["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:1"
    assert shown["CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST"] == "1"
    assert not disturbing.keys() & shown.keys()


def test_picker_tells_the_classes_apart() -> None:
    shown = claude.client_environ({"PROXY_TOKEN": "t"}, "http://127.0.0.1:1")
    descriptions = {
        name: shown[f"ANTHROPIC_DEFAULT_{name.upper()}_MODEL_DESCRIPTION"]
        for name in ("Opus", "Sonnet", "Haiku", "Fable")
    }
    assert all(text.startswith(f"{name}: $") for name, text in descriptions.items())


def test_totals_say_what_was_believed(capsys: pytest.CaptureFixture[str]) -> None:
    claude._print_totals(claude.Totals(2, 2_000, 500, 30, 0.02), 0.07)
    assert capsys.readouterr().err == (
        "2 requests, 2k tokens in (25% cached), 30 out; $0.02 at Gemini's list price, nothing on "
        "the free tier (Claude Code believes $0.07)\n"
    )
    claude._print_totals(claude.Totals(), None)
    assert capsys.readouterr().err == "0 requests, 0 tokens in (0% cached), 0 out; no cost\n"


def test_totals_are_of_messages_only(tmp_path: Path) -> None:
    log = tmp_path / "log"
    tokens = {"in": 10, "cached": 5, "out": 3}
    lines = [
        json.dumps({"path": "/v1/messages", "tokens": tokens, "judge": tokens, "usd": 0.5}),
        json.dumps({"path": "/v1/messages", "status": 429}),
        json.dumps({"path": "/v1/models"}),
        'a line of "/v1/messages" that is none',
    ]
    log.write_text("\n".join(lines))
    assert claude.add_up(log) == claude.Totals(3, 30, 10, 6, 0.5)


def test_bad_setting_is_one_of_the_proxys() -> None:
    with pytest.raises(BadSetting):
        claude.client_environ({"PROXY_WORKERS": "0"}, "http://127.0.0.1:1")


def test_ports_that_are_all_taken_end_the_start(
    here: Session, monkeypatch: pytest.MonkeyPatch, emulator: Emulator
) -> None:
    here.install_asking()
    taken = int(emulator.url.rpartition(":")[2])
    monkeypatch.setattr(claude, "_free_port", lambda: taken)
    with pytest.raises(SystemExit, match="PROXY_LISTEN_ADDR"):
        claude.main([])


def test_server_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claude, "STOP_SECONDS", 0.05)
    server = claude.Server()
    server.stop()
    script = "import signal; signal.signal(15, signal.SIG_IGN); print('on', flush=True); input()"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        server._process = process
        server.stop()
        assert process.returncode == -signal.SIGKILL


def test_signals_end_it_in_order() -> None:
    with pytest.raises(SystemExit) as end, claude._ending_on_signals():
        signal.raise_signal(signal.SIGTERM)
    assert end.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_signal_waits_for_what_may_not_be_done_by_half() -> None:
    done = []

    def work() -> None:
        with claude._deferring_signals():
            signal.raise_signal(signal.SIGTERM)
            done.append("all")

    with pytest.raises(SystemExit), claude._ending_on_signals():
        work()
    assert done == ["all"]


def test_signal_that_is_ignored_stays_so_for_claude_code(tmp_path: Path) -> None:
    """As under nohup: the shell ends itself with the signal, where that is possible."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert claude._run(["sh", "-c", "kill -HUP $$; exit 5"], os.environ) == 5
    finally:
        signal.signal(signal.SIGHUP, before)


def test_claude_code_that_does_not_end_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It has ignored the signal before the launcher is ended, as the file it makes tells."""
    monkeypatch.setattr(claude, "STOP_SECONDS", 0.05)
    script = tmp_path / "claude"
    script.write_text(f"trap '' TERM; kill -TERM {os.getpid()}; while :; do sleep 0.1; done")
    with pytest.raises(SystemExit), claude._ending_on_signals():
        claude._run(["sh", str(script)], os.environ)


def test_servers_python_ignores_what_the_launchers_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spawned: list[Any] = []
    monkeypatch.setattr(subprocess, "Popen", lambda *_, env, **__: spawned.append(env))
    for is_ignored in (0, 1):
        monkeypatch.setattr("sys.flags", types.SimpleNamespace(ignore_environment=is_ignored))
        claude._spawn({"PYTHONPATH": "/x", "HOME": "/h"}, 1, tmp_path / "log")
    assert [("PYTHONPATH" in env, env["HOME"]) for env in spawned] == [(True, "/h"), (False, "/h")]


def test_claude_code_ends_with_the_launcher() -> None:
    before = signal.getsignal(signal.SIGINT)
    threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
    with pytest.raises(SystemExit), claude._ending_on_signals():
        claude._run(["sleep", "60"], os.environ)
    assert signal.getsignal(signal.SIGINT) is before


class Clone:
    """A copy of what the launcher needs, in a folder whose name needs quotes. Its Python says that
    nothing is installed until a stand-in for pip has run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a clöne"
        self.folder.mkdir()
        for name in ("gemini-claude", "requirements.txt"):
            shutil.copy(ROOT / name, self.folder / name)
        for name in ("proxy", "translate", "main.py"):
            (self.folder / name).symlink_to(ROOT / name)
        self.script = self.folder / "gemini-claude"

    def install(self) -> None:
        """An environment that is ready."""
        self.make_python(f'exec {sys.executable} "$@"')
        (self.folder / ".venv/run").touch()

    def make_python(self, script: str) -> None:
        python = self.folder / ".venv/bin/python"
        python.parent.mkdir(parents=True, exist_ok=True)
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)

    def run(
        self, session: Session, *arguments: str, cwd: str = "/", program: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(program or self.script), *arguments],
            cwd=cwd,
            env=session.environ,
            capture_output=True,
            text=True,
        )


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_script_runs_from_anywhere(session: Session, clone: Clone, tmp_path: Path) -> None:
    clone.install()
    link = tmp_path / "anywhere"
    link.symlink_to(clone.script)
    run = clone.run(session, "--forget", program=link)
    assert (run.returncode, run.stdout) == (0, "No key was kept.\n")


def test_script_is_alone_with_its_packages(session: Session, clone: Clone, tmp_path: Path) -> None:
    """Neither the folder it is started in nor a PYTHONPATH comes first, and Claude Code gets no
    PYTHONPATH but the person's own."""
    clone.install()
    session.install_asking()
    (tmp_path / "proxy").mkdir()
    (tmp_path / "proxy/__init__.py").write_text("1 / 0")
    session.environ["PYTHONPATH"] = str(tmp_path)
    session.environ["PYTHONSAFEPATH"] = "1"
    arguments = ["-p", "a b", "--", 'two\nlines "x"', "", "é"]
    run = clone.run(session, *arguments, cwd=str(tmp_path))
    assert run.returncode == 0, run.stderr
    seen = session.report()
    assert seen["argv"] == arguments
    assert seen["environ"]["PYTHONPATH"] == str(tmp_path)


PIP = """\
case "$*" in
    *find_spec*) test -e {installed} && exec {python} "$@"; exit 1 ;;
    *"-m pip"*) echo "$@" >> {calls}; touch {installed}; exit {code} ;;
    *pip._internal*) exit 0 ;;
esac
exec {python} "$@"
"""


@pytest.mark.parametrize("has_mark", [False, True])
def test_script_installs_once(
    session: Session, clone: Clone, tmp_path: Path, has_mark: bool
) -> None:
    """Also where all was installed for a Python that is gone: the mark is there, nothing else."""
    installed, calls = tmp_path / "installed", tmp_path / "calls"
    clone.make_python(PIP.format(installed=installed, calls=calls, python=sys.executable, code="0"))
    if has_mark:
        (clone.folder / ".venv/run").touch()
    for shown in ("Setting up (once, some 20 seconds) ...\n", ""):
        run = clone.run(session, "--forget")
        assert (run.returncode, run.stderr) == (0, shown)
    assert len(calls.read_text().splitlines()) == 1


def test_script_says_why_nothing_was_installed(
    session: Session, clone: Clone, tmp_path: Path
) -> None:
    paths = {"installed": tmp_path / "installed", "calls": tmp_path / "calls"}
    clone.make_python(PIP.format(**paths, python=sys.executable, code="1"))
    run = clone.run(session, "--forget")
    assert run.returncode == 1
    assert "is there a\nnetwork, and does the proxy in HTTPS_PROXY answer" in run.stderr
    assert not (clone.folder / ".venv/run").exists()


def test_script_says_that_its_folder_cannot_be_written(session: Session, clone: Clone) -> None:
    (clone.folder / ".venv").write_text("a file is in the way")
    run = clone.run(session, "--forget")
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert ".venv" in run.stderr


def test_script_makes_a_half_made_environment_anew(session: Session, clone: Clone) -> None:
    """One that a Ctrl-C left without pip. Without a network it gets no further than that."""
    clone.make_python("exit 1")
    session.environ |= {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    run = clone.run(session, "--forget")
    assert "requirements.txt could not be installed" in run.stderr
    assert (clone.folder / ".venv/bin/pip").exists()


def test_second_script_waits_for_the_first(session: Session, clone: Clone) -> None:
    clone.install()
    with open(clone.folder / "requirements.txt") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        second = subprocess.Popen(
            [sys.executable, clone.script, "--forget"],
            env=session.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert second.stderr is not None
        assert "waiting for it" in second.stderr.readline()
        fcntl.flock(file, fcntl.LOCK_UN)
    assert second.communicate()[0] == "No key was kept.\n"
    assert second.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_signal_during_set_up_ends_pip(
    session: Session, clone: Clone, tmp_path: Path, number: int
) -> None:
    started = tmp_path / "pip"
    os.mkfifo(started)
    slow = f'case "$*" in *"-m pip"*) exec {sys.executable} -c "{SLOW_PIP}" {started} ;; '
    clone.make_python(f"{slow} *find_spec*) exit 1 ;; esac")
    process = subprocess.Popen(
        [sys.executable, clone.script],
        env=session.environ,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with started.open() as pip:
        pid = int(pip.readline())
        process.send_signal(number)
        shown = process.communicate()[1]
        assert pip.read() == ""  # its end of the pipe is closed
    assert process.returncode == 128 + number
    assert "Traceback" not in shown
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


SLOW_PIP = (
    "import os, sys, time; f = open(sys.argv[1], 'w'); print(os.getpid(), file=f, flush=True)"
)
SLOW_PIP += "; time.sleep(60)"


def test_older_python_looks_for_a_newer_one(
    clone: Clone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One that a version manager has a name for, and that does not run, is passed over."""
    loader = importlib.machinery.SourceFileLoader("gemini_claude", str(clone.script))
    script: Any = types.ModuleType("gemini_claude")
    script.__file__ = str(clone.script)
    loader.exec_module(script)
    for name, code in (("python3.13", "exit 127"), ("python3.12", "exit 0")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{code}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert script._newer_python() == str(tmp_path / "python3.12")
    (tmp_path / "python3.12").unlink()
    assert script._newer_python() is None

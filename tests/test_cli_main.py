"""proxy/cli/main.py: the commands, their help, and how each of them may end."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from proxy import __main__ as door
from proxy import __version__
from proxy.cli import claude, main, models, token
from proxy.program import as_typed
from tests.servers import ROOT, clean_environ, free_port
from translate import ApiError

SERVING = """
import os, sys
os.execv = lambda *_: None
from proxy import __main__ as door
door.main(["serve"])
import functions_framework
functions_framework.create_app("messages", "main.py")
print([name for name in sys.modules if name.startswith("proxy.cli")])
"""


WITHOUT_EXAMPLE = ("demo", "version")
"""Commands whose usage is an example."""


def run(*arguments: str) -> int:
    return main.main(arguments, {}, lambda is_quiet: print("quiet" if is_quiet else "serving"))


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_: Any) -> int:
        raise error

    monkeypatch.setattr(models, "run", fail)


def test_serving_loads_no_command() -> None:
    command = [sys.executable, "-c", SERVING]
    environ = {**clean_environ(), "PROXY_LISTEN_ADDR": f"127.0.0.1:{free_port()}"}
    output = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, check=True)
    assert output.stdout.decode().splitlines()[-1] == "[]"


HELPING = """
import sys
from proxy import __main__ as door
try:
    door.main(sys.argv[1:])
except SystemExit:
    print([name for name in sys.modules if name.split(".")[0] in ("translate", "flask", "requests")
        or name == "proxy.config"])
"""


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["version"]])
def test_help_and_version_load_no_server(arguments: list[str]) -> None:
    """All of it takes four times as long as the help alone."""
    command = [sys.executable, "-c", HELPING, *arguments]
    output = subprocess.run(command, cwd=ROOT, env=clean_environ(), capture_output=True, check=True)
    assert output.stdout.decode().splitlines()[-1] == "[]"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run("--help")
    text = capsys.readouterr().out
    assert caught.value.code == 0
    for name, summary in main.COMMANDS.items():
        assert f"  {name:<16} {summary}\n" in text


def test_output_need_not_be_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert run("version") == 0


@pytest.mark.parametrize("name", main.COMMANDS)
def test_each_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: Any = run(name, "--help")
    except SystemExit as end:
        code = end.code
    text = capsys.readouterr().out
    assert code == 0
    assert text.startswith(as_typed(f"usage: python -m proxy {name}"))
    assert len(text.splitlines()) > 2
    assert "messages api" not in text
    assert as_typed(f"    python -m proxy {name}") in text or name in WITHOUT_EXAMPLE


@pytest.mark.parametrize("name", ["", *main.COMMANDS])
def test_help_of_an_installed_program_names_it(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/gemini-messages", name, "--help"])
    with contextlib.suppress(SystemExit):
        run(*filter(None, (name, "--help")))
    text = capsys.readouterr().out
    assert text.startswith(f"usage: gemini-messages {name}".rstrip())
    assert "python -m" not in text


def test_mistake_at_an_installed_program_names_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["gemini-messages.exe", "token", "shew"])
    with pytest.raises(SystemExit):
        run("token", "shew")
    text = capsys.readouterr().err
    assert "gemini-messages token: error: " in text
    assert "python -m" not in text


def options(name: str, monkeypatch: pytest.MonkeyPatch) -> list[argparse.Action]:
    """All that take a value and may be left out, those of a command's own actions, too."""
    parsers: list[argparse.ArgumentParser] = []

    def parse(parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        parsers.append(parser)
        raise SystemExit

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    with pytest.raises(SystemExit):
        run(name)
    for action in parsers[0]._actions:
        if isinstance(action, argparse._SubParsersAction):
            parsers += action.choices.values()
    actions = [action for parser in parsers for action in parser._actions]
    return [
        each for each in actions if each.option_strings and each.nargs != 0 and not each.required
    ]


UNITS = ("days", "hours", "seconds")


@pytest.mark.parametrize("name", sorted({*main.COMMANDS} - {*main.PASSING_ON}))
def test_each_option_states_its_default(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a number its unit."""
    for option in options(name, monkeypatch):
        text = option.help or ""
        assert "(default: " in text, option.option_strings
        if option.default:
            assert "(default: %(default)s" in text or option.type is token._duration
        if isinstance(option.default, int):
            assert any(unit in text for unit in UNITS), option.option_strings


def test_each_command_is_in_the_readme() -> None:
    section = (ROOT / "README.md").read_text().split("## Commands\n")[1].split("\n## ")[0]
    rows = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
    assert rows == list(main.COMMANDS)


def test_unknown_command_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run("docter")
    assert caught.value.code == 2
    assert "invalid choice: 'docter'" in capsys.readouterr().err


def test_serve_may_be_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("serve", "--quiet") == 0
    assert capsys.readouterr().out == "quiet\n"


@pytest.mark.parametrize("arguments", [[], ["serve"]])
def test_serve_is_what_is_done_without_a_command(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 0
    assert capsys.readouterr().out == "serving\n"


def test_door_gives_a_commands_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        door.main(["version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"gemini-messages {__version__}\n"


@pytest.mark.parametrize("before", [[], ["--"]])
def test_claude_gets_all_that_stands_behind_it(
    before: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[Any] = []
    monkeypatch.setattr(claude, "main", lambda arguments: passed.append(arguments) or 7)
    assert run("claude", *before, "-p", "--", "Hi") == 7
    assert passed == [["-p", "--", "Hi"]]


def test_demo_runs_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    demo = tmp_path / "demo.py"
    monkeypatch.setattr(main, "DEMO", demo)
    assert run("demo", "--once") == 1
    assert capsys.readouterr().err == f"{main.NO_DEMO}\n"
    demo.write_text("import sys; sys.exit(len(sys.argv))")
    assert run("demo", "--once") == 2


def test_demo_is_waited_for_after_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends its servers; killed, it would leave them."""
    demo = tmp_path / "demo.py"
    demo.write_text("import sys; sys.exit(7)")
    monkeypatch.setattr(main, "DEMO", demo)
    interrupts = [KeyboardInterrupt(), KeyboardInterrupt()]
    wait = subprocess.Popen.wait

    def interrupted(process: Any, timeout: float | None = None) -> int:
        if interrupts:
            raise interrupts.pop()
        return wait(process, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    assert run("demo") == 7


def test_error_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(monkeypatch, ApiError(400, "model: missing"))
    assert run("models") == 1
    assert capsys.readouterr().err == "model: missing\n"


def test_unforeseen_error_is_one_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(monkeypatch, KeyError("s3cret"))
    assert run("models") == 1
    error = capsys.readouterr().err
    assert error.startswith("Internal error: KeyError at test_cli_main.py:")
    assert "s3cret" not in error
    assert main._describe(KeyError()) == "KeyError"


def test_python_without_the_packages_is_told_where_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(monkeypatch, ModuleNotFoundError("No module named 'werkzeug'"))
    assert run("models") == 1
    error = capsys.readouterr().err
    assert error.startswith("No module named 'werkzeug': this Python lacks the packages")
    assert "bin/python -m proxy" in error or r"Scripts\python -m proxy" in error


def test_interrupt_has_the_shells_code(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, KeyboardInterrupt())
    assert run("models") == 130


def test_broken_pipe_has_the_shells_code(monkeypatch: pytest.MonkeyPatch) -> None:
    replaced: list[Any] = []
    fail_with(monkeypatch, BrokenPipeError())
    monkeypatch.setattr(os, "dup2", lambda *each: replaced.append(each))
    monkeypatch.setattr(sys.stdout, "fileno", lambda: 1)
    assert run("models") == 141
    assert replaced[0][1] == 1


def test_broken_pipe_is_silent() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "proxy", "models"]
    with os.fdopen(write, "wb") as pipe:
        done = subprocess.run(
            command, cwd=ROOT, env=clean_environ(), stdout=pipe, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (141, b"")

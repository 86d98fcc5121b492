"""`python -m proxy COMMAND`: the commands, and what all of them have in common.

Each is a file, which is loaded when it is called. Errors are sentences on standard error.
"""

from __future__ import annotations

# argparse, not typer: Python has it, and the help of two commands takes 20 ms with it, 175 with
# typer and rich (above Python's own start; medians of 10 beside other work, 2026-11-28).
import argparse
import contextlib
import importlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..program import AS_MODULE, NO_PACKAGES, as_typed

COMMANDS = {
    "serve": "serve the Messages API on this machine; the same without a command",
    "claude": "run Claude Code on Gemini, with a server of its own for the session",
    "demo": "show a whole conversation, without a key or an account",
    "doctor": "find out why it does not work: one line for each thing that has to be right",
    "models": "list the Gemini models, with prices, contexts and dates",
    "translate": "show what a Messages request becomes at Gemini, or a recorded answer here",
    "count": "count the tokens of a Messages request",
    "token": "make, show, replace and revoke the access tokens of a team",
    "raise-limit": "lift a budget of a person or a group until its day, week or month ends",
    "usage": "show who has used what: requests, tokens, US$",
    "managed-settings": "print the settings of a team's Claude Code, with the prices of Gemini",
    "version": "print the version",
}
"""Command -> what it does, in a line."""

DESCRIPTION = "Claude Code, and every client of the Messages API, on Gemini models."
EPILOG = """\
`python -m proxy COMMAND --help` tells more of each. Settings are environment variables: README.md
has a table of them."""

SERVE_HELP = """\
Serve the Messages API on this machine, at 127.0.0.1:8080 unless PROXY_LISTEN_ADDR is another
address, until Ctrl-C. First it prints how to use it, and whether Gemini is reached.

    python -m proxy serve
    PROXY_LISTEN_ADDR=127.0.0.1:9000 python -m proxy serve --quiet
"""
CLAUDE_HELP = """\
usage: python -m proxy claude [--] [what `claude` takes]

Starts a server for this session alone, points Claude Code at it and runs it; the server ends with
the session. Asks once for a Gemini key (free: https://aistudio.google.com/apikey) and keeps it;
`python -m proxy claude --forget` removes it.

    python -m proxy claude                    a session in this folder
    python -m proxy claude -- -p "Hello"      one question
    python -m proxy claude -- --help          Claude Code's own help
"""
DEMO_HELP = """\
usage: python -m proxy demo [--once]

Plays a conversation with a tool call between a client, this server and a stand-in for Gemini, then
keeps serving for a Claude Code of your own. --once: ends after the conversation.
"""
NO_DEMO = "The demo comes with the source: get the whole repository, then `make demo`."
DEMO = Path(__file__).parent.parent.parent / "tests/demo.py"

FAILED, INTERRUPTED, BROKEN_PIPE = 1, 130, 141
"""Exit codes, the last two as a shell has them for SIGINT and SIGPIPE."""


def main(arguments: Sequence[str], environ: Mapping[str, str], serve: Callable[..., None]) -> int:
    """Run a command, and return its exit code. serve: serves, in place of this process.

    Raises SystemExit as argparse does, and for a bad setting.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal's encoding may lack a character
    try:
        code = _run(list(arguments), environ, serve)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads, such as `head`, has enough. Python flushes once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - no traceback for a person at a terminal
        from translate import ApiError  # a help text takes twice the time with it

        if isinstance(error, ApiError):
            message = error.message
        elif isinstance(error, ModuleNotFoundError):
            message = NO_PACKAGES.format(error=error)
        else:
            message = f"Internal error: {_describe(error)}. Please report it."
        print(message, file=sys.stderr)
        return FAILED
    return code


def _run(arguments: list[str], environ: Mapping[str, str], serve: Callable[..., None]) -> int:
    if not arguments or arguments[0] not in COMMANDS:
        _parser().parse_args(arguments)
        arguments = ["serve"]
    name, *rest = arguments
    if name in PASSING_ON:
        return PASSING_ON[name](rest)
    parser = _Parser(
        as_typed(f"{AS_MODULE} {name}"),
        description=f"{COMMANDS[name][0].upper()}{COMMANDS[name][1:]}.",
        allow_abbrev=False,
    )
    if name == "version":
        parser.parse_args(rest)
        print(f"gemini-messages {__version__}")
        return 0
    if name == "serve":
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.description = SERVE_HELP
        parser.add_argument("--quiet", action="store_true", help="print no more than the log")
        serve(is_quiet=parser.parse_args(rest).quiet)
        return 0
    command: Any = importlib.import_module(f"..{name.replace('-', '_')}", __name__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = command.DESCRIPTION
    command.add_arguments(parser)
    return int(command.run(parser.parse_args(rest), environ))


class _Parser(argparse.ArgumentParser):
    """Its texts, and those of a command's own actions, name the program as it was typed."""

    def format_help(self) -> str:
        return as_typed(super().format_help())

    def format_usage(self) -> str:
        return as_typed(super().format_usage())


def _parser() -> argparse.ArgumentParser:
    """For what is no command: help, the version, and mistakes."""
    lines = (f"  {name:<16} {summary}" for name, summary in COMMANDS.items())
    parser = _Parser(
        as_typed(AS_MODULE),
        usage=f"{AS_MODULE} [-h] [--version] [command] ...",
        description="\n".join([DESCRIPTION, "", "commands:", *lines]),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"gemini-messages {__version__}")
    parser.add_argument("command", nargs="?", choices=COMMANDS, help=argparse.SUPPRESS)
    return parser


def _claude(arguments: list[str]) -> int:
    if arguments[:1] in (["--help"], ["-h"]):
        print(as_typed(CLAUDE_HELP), end="")
        return 0
    from . import claude

    return claude.main(arguments[1:] if arguments[:1] == ["--"] else arguments)


def _demo(arguments: list[str]) -> int:
    if arguments[:1] in (["--help"], ["-h"]):
        print(as_typed(DEMO_HELP), end="")
        return 0
    if not DEMO.is_file():
        print(NO_DEMO, file=sys.stderr)
        return FAILED
    with subprocess.Popen([sys.executable, str(DEMO), *arguments]) as process:
        while True:
            # Ctrl-C is for the demo, which has servers to end; it takes longer than Popen waits.
            with contextlib.suppress(KeyboardInterrupt):
                return process.wait()


PASSING_ON = {"claude": _claude, "demo": _demo}
"""Commands that do not look at what stands behind them."""


def _describe(error: BaseException) -> str:
    """An exception's kind and place, without its text: that may hold a key or a prompt."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f" at {Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}" if place else ""
    return f"{type(error).__name__}{where}"

"""`python -m proxy doctor`: one line for each thing that has to be right, and what helps.

What is checked is checks.py's, client_checks.py's and server_checks.py's; here is the order, and
how it is shown. No line holds a key.
"""

from __future__ import annotations

import argparse
import getpass
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from .. import config
from ..config import BadSetting
from ..program import as_typed
from . import checks, client_checks, fixes, server_checks
from .findings import Finding, Status, bad, bounded, clean, unknown

DESCRIPTION = """\
Find out why it does not work: one line for each thing that has to be right, with the command
that helps where something is wrong. Asks Gemini for one token of each model; for a key
that pays this costs a fraction of a cent. The exit code is 1 where a check has failed.

    python -m proxy doctor
    python -m proxy doctor --url https://the-address

The second checks a hosted server as its clients meet it. It presents ANTHROPIC_AUTH_TOKEN, unless
ANTHROPIC_BASE_URL is another address; else it asks for the access token, which is not shown, or
reads it from standard input. It takes none as an argument: all who can list processes see those.
"""

MARKS = {Status.GOOD: "✓", Status.BAD: "✗", Status.UNKNOWN: "–"}
PLAIN_MARKS = {Status.GOOD: "ok", Status.BAD: "NO", Status.UNKNOWN: "--"}
"""For a terminal that lacks the others."""

COLORS = {Status.GOOD: "\x1b[32m", Status.BAD: "\x1b[31m", Status.UNKNOWN: "\x1b[33m"}
RESET = "\x1b[0m"
NAME_WIDTH = 22

TOKEN_PROMPT = "Access token (or Gemini key) for that server; it is not shown: "
MAX_TOKEN = 8_192
"""Characters: no server takes a longer head."""

HOST = re.compile(r"[\w.:-]+")

SECRETS = ("GEMINI_API_KEY", "PROXY_TOKEN", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
MIN_SECRET = 4
"""Characters: `x`, which some set as a token, is none, and stands in many a word."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", help="print JSON, for programs (default: lines)"
    )
    parser.add_argument(
        "--url", type=read_url, help="check a server at this base URL (default: this machine)"
    )
    parser.add_argument(
        "--token-stdin",
        action="store_true",
        help="with --url: read what a client presents there from standard input",
    )


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    token = _find_token(arguments, environ)
    secrets = _secrets(token, environ)
    found: list[Finding] = []
    findings = check_here(environ)
    if arguments.url:
        findings = server_checks.check_server(arguments.url, token)
    for finding in findings:
        found.append(clean(finding, secrets))
        if not arguments.json:
            print(_line(found[-1]), flush=True)
    failed = sum(each.status is Status.BAD for each in found)
    if arguments.json:
        listed = [each._asdict() for each in found]
        print(json.dumps({"ok": not failed, "checks": listed}, indent=2))
    else:
        print(f"\n{failed} of {len(found)} checks failed." if failed else "\nNothing is wrong.")
    return 1 if failed else 0


def check_here(environ: Mapping[str, str]) -> Iterator[Finding]:
    """All that a session on this machine needs."""
    yield checks.check_python(sys.version_info[:3])
    try:
        settings = config.read(environ)
    except BadSetting as error:
        yield bad("settings", str(error), fixes.unset([error.name]))
        yield unknown("gemini", "the settings cannot be used")
    else:
        yield checks.check_slips(environ)
        if settings.otlp_endpoint:
            yield checks.check_telemetry()
        yield bounded("port", checks.SECONDS, lambda: checks.check_port(settings))
        yield from checks.check_gemini(settings, environ, time.time())
    yield bounded(
        "claude code",
        client_checks.SECONDS,
        lambda: client_checks.check_version(environ),
        "claude --version",
    )
    yield from client_checks.check_settings(environ, Path.home(), Path.cwd())


def _line(finding: Finding) -> str:
    is_plain = not (sys.stdout.encoding or "").lower().startswith("utf")
    mark = (PLAIN_MARKS if is_plain else MARKS)[finding.status]
    if sys.stdout.isatty() and not config.no_color():
        mark = f"{COLORS[finding.status]}{mark}{RESET}"
    line = f"{mark} {finding.name:<{NAME_WIDTH}} {finding.detail}"
    if finding.fix:
        line += f"\n  {'':<{NAME_WIDTH}} -> {as_typed(finding.fix)}"
    return line


def read_url(value: str) -> str:
    """For argparse: a base URL with a scheme and a host."""
    with suppress(ValueError):  # of brackets, a port, or a name that DNS cannot have
        address = urlsplit(value if "://" in value else f"https://{value}")
        host = address.hostname or ""
        is_host = HOST.fullmatch(host) and host.encode("idna")
        is_base = not (address.username or address.query or address.fragment)
        if address.scheme in ("http", "https") and is_host and is_base and address.port != 0:
            return address.geturl()
    raise argparse.ArgumentTypeError("expected a base URL like https://host")


def _find_token(arguments: argparse.Namespace, environ: Mapping[str, str]) -> str:
    """What is presented to a hosted server; "" for none."""
    if arguments.token_stdin:
        return sys.stdin.readline(MAX_TOKEN).strip()
    token = _own_token(arguments.url, environ)
    if arguments.url and not token and sys.stdin.isatty():
        token = getpass.getpass(TOKEN_PROMPT).strip()
    return token


def _own_token(url: str | None, environ: Mapping[str, str]) -> str:
    """Claude Code's, which is not shown to another server than Claude Code's."""
    base_url = environ.get("ANTHROPIC_BASE_URL", "").strip().rstrip("/")
    if base_url and base_url.removesuffix("/v1") != (url or "").rstrip("/").removesuffix("/v1"):
        return ""
    return environ.get("ANTHROPIC_AUTH_TOKEN", "").strip()


def _secrets(token: str, environ: Mapping[str, str]) -> list[str]:
    """What no line may hold; the longest first, as one may be a part of another."""
    values = [token, *(environ.get(name, "") for name in SECRETS)]
    parts = {part.strip() for value in values for part in (value, *value.split(","))}
    return sorted((each for each in parts if len(each) >= MIN_SECRET), key=len, reverse=True)

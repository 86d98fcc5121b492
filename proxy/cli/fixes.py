"""The commands that help where a check of the doctor's has failed; each can be pasted as it is.

They are written for bash and zsh; `for_shell` makes PowerShell's of them. What a person has to know
beside a command stands in the finding's detail: zsh takes no comment behind a command.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from translate import Cause

KEY_PAGE = "https://aistudio.google.com/apikey"
AGAIN = "sleep 60 && python -m proxy doctor"
"""For what passes by itself, and where nothing better is known."""

INSTALL_CLAUDE = "npm install -g @anthropic-ai/claude-code"
GOOGLE_LOG = "gcloud logging read resource.type=cloud_run_revision --freshness=10m --limit=20"
GOOGLE_LOGIN = "gcloud auth application-default login"
AWS_LOG = "aws logs describe-log-groups --log-group-name-prefix=/aws/lambda/"

CLOCK = {
    "darwin": "sudo sntp -sS time.apple.com",
    "linux": "sudo timedatectl set-ntp true",
    "win32": "w32tm /resync",
}
"""sys.platform -> what sets the clock; elsewhere NTP_CLOCK does."""

NTP_CLOCK = "sudo ntpdate pool.ntp.org"

PYTHON = {"darwin": "brew install python@3.13", "win32": "winget install Python.Python.3.13"}
DEBIAN_PYTHON = "sudo apt install python3 python3-venv"


def ask(name: str) -> str:
    """Sets a variable to a secret, which is typed and not kept in the shell's history."""
    return f"read -rs {name} && export {name}"


def browse(url: str) -> str:
    return f"python -m webbrowser {shlex.quote(url)}"


def look_up(host: str) -> str:
    return f"nslookup {shlex.quote(host)}"


def fetch(url: str) -> str:
    return f"curl -v {shlex.quote(url)}"


def edit(path: Path, *, is_managed: bool = False) -> str:
    """is_managed: the administrator's."""
    return f"{'sudoedit' if is_managed else EDITOR} {shlex.quote(str(path))}"


def unset(names: Sequence[str]) -> str:
    return f"unset {' '.join(names)}"


def extend(name: str, values: str, environ: Mapping[str, str]) -> str:
    """Sets a variable that is a list with commas, and keeps what is in it."""
    return f'export {name}="${name},{values}"' if environ.get(name) else f"export {name}={values}"


def see_log(host: str, url: str) -> str:
    """The log of a server, where its host says whose it is; else what it answers."""
    if host.endswith(".run.app"):
        return GOOGLE_LOG
    return AWS_LOG if host.endswith(".on.aws") else fetch(url)


EDITOR = "${EDITOR:-vi}"
OF_CAUSES: dict[Cause | None, str] = {
    Cause.KEY: ask("GEMINI_API_KEY"),
    Cause.REGION: "export GEMINI_BACKEND=vertex",
    Cause.BILLING: browse(KEY_PAGE),
    Cause.DISABLED: "gcloud services enable generativelanguage.googleapis.com",
    Cause.RESTRICTED: browse("https://console.cloud.google.com/apis/credentials"),
    Cause.FORBIDDEN: ask("GEMINI_API_KEY"),
    Cause.OFFLINE: look_up("generativelanguage.googleapis.com"),
    Cause.CONNECTION: fetch("https://generativelanguage.googleapis.com/"),
}
"""Cause -> the command that helps most. Others pass: AGAIN."""

POWERSHELL = (
    (re.compile(r"^read -rs (\w+) && .*"), r'$env:\1 = Read-Host "\1"'),
    (re.compile(r'^export (\w+)="\$\1,(\S+)"$'), r'$env:\1 = "$env:\1,\2"'),
    (re.compile(r"^export (\w+)=(\S+)$"), r'$env:\1 = "\2"'),
    (re.compile(r"^sleep (\d+) && "), r"Start-Sleep \1; "),
    (re.compile(r"^(?:\$\{EDITOR:-vi\}|sudoedit) "), "notepad "),
    (re.compile(r"^curl "), "curl.exe "),  # its own `curl` is another program
)
UNSET = re.compile(r"unset ((?:\w+ ?)+)")


def for_shell(fix: str, system: str = os.name) -> str:
    """A fix as this system's shell takes it: bash's form, or on Windows PowerShell's."""
    if system != "nt":
        return fix
    if removed := UNSET.fullmatch(fix):
        return f"Remove-Item {', '.join(f'Env:{name}' for name in removed[1].split())}"
    for pattern, form in POWERSHELL:
        fix = pattern.sub(form, fix)
    return fix

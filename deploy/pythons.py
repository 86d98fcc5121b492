"""Finds an interpreter of the minor version that Lambda runs: on PATH, by pyenv, by uv.

A candidate is run before it is trusted: a shim may have no interpreter behind it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

VERSION = "3.13"
"""The managed runtime `python3.13`: the byte code in the zip is for it."""

HOW_TO_GET = (
    f"Python {VERSION}, the one that Lambda runs, is not on this machine. Get it with "
    f"`uv python install {VERSION}`, `pyenv install {VERSION}` or from "
    "https://www.python.org/downloads/, then try again."
)
ANSWER_SECONDS = 30


def find() -> str | None:
    """The path of an interpreter that runs, None where there is none."""
    return next((python for python in _candidates() if _is_right(python)), None)


def need() -> str:
    """As `find`; ends the program with a sentence where there is none."""
    python = find()
    if python is None:
        raise SystemExit(HOW_TO_GET)
    return python


def _candidates() -> Iterator[str]:
    yield sys.executable
    if on_path := shutil.which(f"python{VERSION}"):
        yield on_path
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(str, sorted(pyenv.glob(f"versions/{VERSION}*/bin/python{VERSION}")))
    if uv := shutil.which("uv"):
        yield _output(uv, "python", "find", VERSION)


def _is_right(python: str) -> bool:
    return _output(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])") == VERSION


def _output(*command: str) -> str:
    """What a program prints; nothing if it fails: a shim of pyenv may have no version behind it."""
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout.strip() if ran.returncode == 0 else ""

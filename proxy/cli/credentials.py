"""The Gemini key of a person at this machine: asked for once, kept, forgotten when told to.

It is kept in the system's key ring where the package `keyring` finds one, else in a file that
nobody else can read.
"""

from __future__ import annotations

import contextlib
import getpass
import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SERVICE = "gemini-messages"
ACCOUNT = "gemini-api-key"
FILE_MODE, FOLDER_MODE = 0o600, 0o700
WHERE = "https://aistudio.google.com/apikey"

PROMPT = f"Gemini API key (free: {WHERE}; it is not shown): "
NO_KEY = f"That is no key. Get one: {WHERE}"
ANTHROPICS_KEY = f"That is a key of Anthropic's; Gemini's is needed. Get one: {WHERE}"
MAX_ATTEMPTS = 3
"""How often a person is asked; whoever has no key by then has to get one first."""

NO_TERMINAL = (
    "No Gemini API key, and no terminal to ask for one. Set GEMINI_API_KEY, or run this once in a "
    f"terminal. A key is free: {WHERE}"
)


def key_file(environ: Mapping[str, str] = os.environ) -> Path:
    """In the person's configuration folder, by the custom of the system."""
    if sys.platform == "win32":
        base = Path(environ.get("APPDATA") or Path.home() / "AppData/Roaming")
    else:
        base = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / SERVICE / "key"


def find_key(environ: Mapping[str, str] = os.environ) -> str:
    """The key in the environment, or the one that was kept; "" where there is none."""
    if key := environ.get("GEMINI_API_KEY", "").strip():
        return key
    if ring := _key_ring():
        with contextlib.suppress(Exception):
            if key := ring.get_password(SERVICE, ACCOUNT):
                return str(key)
    with contextlib.suppress(OSError, ValueError):
        return key_file(environ).read_text().strip()
    return ""


def ask_for_key(environ: Mapping[str, str] = os.environ) -> str:
    """Ask at the terminal, without showing what is typed, and keep the answer.

    Raises SystemExit where there is no terminal, or no key was typed.
    """
    if not sys.stdin.isatty():
        raise SystemExit(NO_TERMINAL)
    problem = NO_KEY
    for _ in range(MAX_ATTEMPTS):
        try:
            key = getpass.getpass(PROMPT).strip().strip("\"'").strip()
        except EOFError:
            break
        problem = _problem(key)
        if not problem:
            break
        print(problem, file=sys.stderr)
    else:
        raise SystemExit(1)
    if problem:
        raise SystemExit(f"\n{problem}")
    try:
        print(f"Kept in {keep_key(key, environ)}; `--forget` removes it.", file=sys.stderr)
    except OSError as error:
        print(f"The key is used for this session, but not kept: {error}", file=sys.stderr)
    return key


def _problem(key: str) -> str:
    """What is wrong with the form of a key; "" where nothing is."""
    if key.startswith("sk-ant-"):
        return ANTHROPICS_KEY
    is_word = key.isascii() and key.isprintable() and not any(map(str.isspace, key))
    return "" if key and is_word else NO_KEY


def keep_key(key: str, environ: Mapping[str, str] = os.environ) -> str:
    """Keep a key, and return where."""
    if ring := _key_ring():
        with contextlib.suppress(Exception):
            ring.set_password(SERVICE, ACCOUNT, key)
            if ring.get_password(SERVICE, ACCOUNT) == key:  # one that is switched off keeps nothing
                return "the system's key ring"
    path = key_file(environ)
    path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    written = path.with_name(f"{path.name}.{os.getpid()}")
    written.unlink(missing_ok=True)
    file = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(file, "w") as stream:
        stream.write(f"{key}\n")
    written.replace(path)
    return str(path)


def forget_key(environ: Mapping[str, str] = os.environ) -> bool:
    """Remove what was kept, and return whether there was anything."""
    was_kept = False
    if ring := _key_ring():
        with contextlib.suppress(Exception):
            ring.delete_password(SERVICE, ACCOUNT)
            was_kept = True
    with contextlib.suppress(FileNotFoundError):
        key_file(environ).unlink()
        was_kept = True
    return was_kept


def _key_ring() -> Any:
    """The module `keyring`, where it is installed and has somewhere to keep things."""
    try:
        keyring = importlib.import_module("keyring")
        fail = importlib.import_module("keyring.backends.fail")
        return None if isinstance(keyring.get_keyring(), fail.Keyring) else keyring
    except Exception:  # noqa: BLE001 - one that is badly configured fails in any way
        return None

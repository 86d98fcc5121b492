"""What the doctor finds: one line for each check, and the frame in which a check runs.

However a check fails, and however long it hangs, a finding comes of it.
"""

from __future__ import annotations

import os
import queue
import re
import threading
from collections.abc import Callable, Collection, Iterable
from enum import StrEnum
from typing import NamedTuple

from translate import ApiError, Cause

MAX_DETAIL = 500
"""Characters: Google's longest known errors have 400, and a stranger's server may send anything."""

KEY_PAGE = "https://aistudio.google.com/apikey"

FIXES: dict[Cause | None, str] = {
    Cause.KEY: f"export GEMINI_API_KEY=...  (a free one: {KEY_PAGE})",
    Cause.REGION: "run the server in another region, or with GEMINI_BACKEND=vertex",
    Cause.BILLING: f"set up billing for the key's project: {KEY_PAGE}",
    Cause.DISABLED: "gcloud services enable generativelanguage.googleapis.com",
    Cause.RESTRICTED: "https://console.cloud.google.com/apis/credentials: the key's restrictions",
    Cause.FORBIDDEN: f"export GEMINI_API_KEY=...  (of a project of yours: {KEY_PAGE})",
    Cause.QUOTA: "wait a minute, then: python -m proxy doctor",
    Cause.OVERLOADED: "wait a minute, then: python -m proxy doctor",
    Cause.OFFLINE: "nslookup generativelanguage.googleapis.com",
    Cause.CONNECTION: "curl -v https://generativelanguage.googleapis.com  (see also HTTPS_PROXY)",
}
"""Cause -> the command or the setting that helps most."""


EXPORT = re.compile(r"\bexport (\w+)=(\S+)")
UNSET = re.compile(r"unset ((?:\w+ ?)+)")
CURL = re.compile(r"^curl ")
"""PowerShell's own `curl` is another program."""


class Status(StrEnum):
    GOOD = "ok"
    BAD = "failed"
    UNKNOWN = "not checked"


class Finding(NamedTuple):
    """name: of the check. fix: the command or the setting that helps; "" where there is none."""

    name: str
    status: Status
    detail: str
    fix: str = ""


def good(name: str, detail: str) -> Finding:
    return Finding(name, Status.GOOD, detail)


def bad(name: str, detail: str, fix: str = "") -> Finding:
    return Finding(name, Status.BAD, detail, fix)


def unknown(name: str, detail: str, fix: str = "") -> Finding:
    return Finding(name, Status.UNKNOWN, detail, fix)


def bounded(name: str, seconds: float, check: Callable[[], Finding], fix: str = "") -> Finding:
    """What a check finds within its time.

    In a thread of its own, which is left alone when time is up: a look-up of a name, or a program,
    cannot be stopped. fix: for a check that fails without saying what helps.
    """
    found: queue.SimpleQueue[Finding] = queue.SimpleQueue()
    threading.Thread(target=lambda: found.put(_guarded(name, check, fix)), daemon=True).start()
    try:
        return found.get(timeout=seconds)
    except queue.Empty:
        return bad(name, f"nothing came of it within {seconds:g} s", fix)


def _guarded(name: str, check: Callable[[], Finding], fix: str) -> Finding:
    try:
        return check()
    except ApiError as error:
        return bad(name, error.message, fix or FIXES.get(error.cause, ""))
    except SystemExit as error:  # a bad setting
        return bad(name, str(error), fix)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other checks go on
        return bad(name, type(error).__name__, fix)


def clean(finding: Finding, secrets: Collection[str]) -> Finding:
    """The same without secrets, on one line, of bounded length.

    secrets: keys and tokens, none of them empty.
    """
    return finding._replace(
        detail=_clean(finding.detail, secrets), fix=for_shell(_clean(finding.fix, secrets))
    )


def for_shell(fix: str, system: str = os.name) -> str:
    """A fix as this system's shell takes it: bash's form, or on Windows PowerShell's."""
    if system != "nt":
        return fix
    fix = EXPORT.sub(r'$env:\1 = "\2"', fix)
    if unset := UNSET.fullmatch(fix):
        return f"Remove-Item {', '.join(f'Env:{name}' for name in unset[1].split())}"
    return CURL.sub("curl.exe ", fix)


def _clean(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "[key]")
    printed = "".join(each if each.isprintable() else " " for each in text[: 10 * MAX_DETAIL])
    line = " ".join(printed.split())
    return line if len(line) <= MAX_DETAIL else f"{line[:MAX_DETAIL]}..."

"""What the doctor finds: one line for each check, and the frame in which a check runs.

However a check fails, and however long it hangs, a finding comes of it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Iterable
from enum import StrEnum
from typing import NamedTuple

from translate import ApiError

from ..config import BadSetting
from . import fixes

MAX_DETAIL = 500
"""Characters: Google's longest known errors have 400, and a stranger's server may send anything."""


class Status(StrEnum):
    GOOD = "ok"
    BAD = "failed"
    UNKNOWN = "not checked"


class Finding(NamedTuple):
    """name: of the check. fix: the command that helps; each cross has one (fixes.py)."""

    name: str
    status: Status
    detail: str
    fix: str = ""


def good(name: str, detail: str) -> Finding:
    return Finding(name, Status.GOOD, detail)


def bad(name: str, detail: str, fix: str) -> Finding:
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
        return bad(name, f"nothing came of it within {seconds:g} s", fix or fixes.AGAIN)


def _guarded(name: str, check: Callable[[], Finding], fix: str) -> Finding:
    try:
        return check()
    except ApiError as error:
        return bad(name, error.message, fix or fixes.OF_CAUSES.get(error.cause, fixes.AGAIN))
    except BadSetting as error:
        return bad(name, str(error), fixes.unset([error.name]))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the other checks go on
        return bad(name, type(error).__name__, fix or fixes.AGAIN)


def clean(finding: Finding, secrets: Collection[str]) -> Finding:
    """The same without secrets, on one line, of bounded length.

    secrets: keys and tokens, none of them empty.
    """
    return finding._replace(
        detail=_clean(finding.detail, secrets), fix=fixes.for_shell(_clean(finding.fix, secrets))
    )


def _clean(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "[key]")
    printed = "".join(each if each.isprintable() else " " for each in text[: 10 * MAX_DETAIL])
    line = " ".join(printed.split())
    return line if len(line) <= MAX_DETAIL else f"{line[:MAX_DETAIL]}..."

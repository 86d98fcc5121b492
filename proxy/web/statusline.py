#!/usr/bin/env python3
"""A status line for Claude Code: what you have used of your budget, such as

    $4.11 of $5.00 today (82 %)

It asks the server at ANTHROPIC_BASE_URL, as the holder of ANTHROPIC_AUTH_TOKEN, once a minute at
most, waits a second for it, and prints nothing where it has no answer. It stands alone: Python 3.8
or later, nothing to install. Get it from the server and name it in ~/.claude/settings.json:

    curl -fsS -o ~/.claude/statusline.py "$ANTHROPIC_BASE_URL/statusline.py"

    {"statusLine": {"type": "command", "command": "python3 ~/.claude/statusline.py"}}
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ASK_SECONDS = 60
"""Between two questions, of all sessions on this machine together."""

WAIT_SECONDS = 1.0
"""For an answer: Claude Code draws no new line before."""

KEPT_SECONDS = 600
"""How old a line may be that is shown while the server does not answer."""

MAX_BYTES = 1_000_000
"""Of an answer. A person's day has a few thousand."""

MAX_NAME = 64
"""Characters of a group's name."""

PERIODS = {"usd_per_day": "today", "usd_per_week": "this week", "usd_per_month": "this month"}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token goes to the server that was named, and to no other."""

    def redirect_request(self, *given: Any, **named: Any) -> None:
        return None


def status_line(environ: Mapping[str, str], now: float) -> str:
    """The line; "" where nothing is known."""
    url = environ.get("ANTHROPIC_BASE_URL", "").strip().rstrip("/")
    token = environ.get("ANTHROPIC_AUTH_TOKEN") or environ.get("ANTHROPIC_API_KEY") or ""
    if not url or not token:
        return ""
    if url.endswith("/v1"):
        url = url[: -len("/v1")]
    path = _cache_file(environ, url, token)
    kept = _read(path)
    if not 0 <= now - kept["asked"] < ASK_SECONDS:
        kept["asked"] = now
        _write(path, kept)  # before the answer: other sessions need not ask meanwhile
        line = _ask(url, token)
        if line is not None:
            kept.update(line=line, since=now)
            _write(path, kept)
    return str(kept["line"]) if 0 <= now - kept["since"] < KEPT_SECONDS else ""


def render(report: Any) -> str:
    """Of the fullest budget in US$, of yours and your group's; without one, of this day."""
    caps = [each for each in report["budgets"] if each["budget"] in PERIODS and each.get("limit")]
    if not caps:
        return f"${float(report['total']['usd']):,.2f} today"
    cap = max(caps, key=lambda each: float(each["used"]) / float(each["limit"]))
    used, limit = float(cap["used"]), float(cap["limit"])
    share = f"{int(100 * used / limit)} %"
    if "group" in cap:
        name = "".join(each for each in str(cap["group"]) if each.isprintable())
        share = f"{share}, group {name[:MAX_NAME]}"
    return f"${used:,.2f} of ${limit:,.2f} {PERIODS[cap['budget']]} ({share})"


def _ask(url: str, token: str) -> str | None:
    """None where there is no answer in time. A thread, as the look-up of a name knows no limit."""
    found: list[str] = []

    def fetch() -> None:
        with contextlib.suppress(Exception):  # whatever it is, it is nothing for the screen
            headers = {"Authorization": f"Bearer {token}"}
            request = urllib.request.Request(f"{url}/usage.json?since=1d", headers=headers)
            opener = urllib.request.build_opener(_NoRedirect)
            with opener.open(request, timeout=WAIT_SECONDS) as answer:
                found.append(render(json.loads(answer.read(MAX_BYTES))))

    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    thread.join(WAIT_SECONDS)
    return found[0] if found else None


def _cache_file(environ: Mapping[str, str], url: str, token: str) -> Path:
    """One for each server and token, which it does not contain."""
    folder = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    name = hashlib.sha256(f"{url} {token}".encode()).hexdigest()[:32]
    return Path(folder) / f"claude-budget-{name}.json"


def _read(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(path.read_text("utf-8"))
        times = {name: float(kept[name]) for name in ("asked", "since")}
        return {"line": str(kept["line"]), **times}
    return {"line": "", "asked": 0.0, "since": 0.0}


def _write(path: Path, kept: Mapping[str, Any]) -> None:
    """In one piece, readable by its owner alone. A disk that is full is no reason to fail."""
    part = path.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(dict(kept), file)
        os.replace(part, path)


def main() -> None:
    with contextlib.suppress(Exception):
        line = status_line(os.environ, time.time())
        if line:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()

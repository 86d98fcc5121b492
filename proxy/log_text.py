"""A log entry as a line for a person: what a terminal shows in place of JSON.

08:17:48 200 opus → gemini-4-hydrogen  18.5k in (92% cached) 75 out  1.2s  $0.004
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from translate import models

RED, GREEN, YELLOW, DIM = "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[2m"
RESET = "\x1b[0m"

THOUSAND = 1_000
UNITS = ((THOUSAND**3, "B"), (THOUSAND**2, "M"), (THOUSAND, "k"))
ALMOST = 0.9995
"""Of a unit: in three digits this is one."""


def render(fields: Mapping[str, Any], created: float, *, has_color: bool) -> str:
    """One line, or several with a traceback.

    fields: of a request's entry (see request_log.py), or of what else is logged. created: seconds
    since the epoch; shown as local time.
    """
    clock = time.strftime("%H:%M:%S", time.localtime(created))
    if "status" in fields:
        color, text = _status_color(fields["status"]), "  ".join(_request(fields))
    else:
        color, text = YELLOW, " ".join(str(value) for value in fields.values() if value)
    if not has_color:
        return f"{clock} {text}"
    head, _, rest = text.partition(" ")
    return f"{DIM}{clock}{RESET} {color}{head}{RESET} {rest}"


def _status_color(status: int) -> str:
    if status >= 500:
        return RED
    return YELLOW if status >= 400 else GREEN


def _request(fields: Mapping[str, Any]) -> Iterator[str]:
    """The pieces of a request's line."""
    yield f"{fields['status']} {_route(fields)}"
    if counts := fields.get("tokens"):
        yield tokens(counts)
    if error := fields.get("error"):
        yield str(error)
    if tried := fields.get("tried"):
        yield f"after {', '.join(tried)}"
    if judge := fields.get("judge"):
        yield _judge(judge)
    yield f"{fields['ms'] / THOUSAND:.1f}s"
    if fields.get("usd"):
        yield dollars(fields["usd"])


def _route(fields: Mapping[str, Any]) -> str:
    """`opus → gemini-4-hydrogen`, or the method and path of a request that names no model."""
    model = str(fields.get("model", ""))
    if not model:
        return f"{fields['method']} {fields['path']}"
    asked = models.class_of(model) if models.is_claude(model) else model
    gemini = fields.get("gemini", "")
    return asked if gemini in ("", asked) else f"{asked} → {gemini}"


def tokens(counts: Mapping[str, int]) -> str:
    """`18.5k in (92% cached) 75 out`. counts: as in a request's log entry."""
    cached = counts.get("cached", 0)
    total = counts.get("in", 0) + cached
    share = f" ({100 * cached // total}% cached)" if cached and total else ""
    return f"{count(total)} in{share} {count(counts.get('out', 0))} out"


def _judge(judge: Mapping[str, Any]) -> str:
    """What auto mode's judge has said."""
    if reason := judge.get("unavailable"):
        return f"no verdict: {reason}"
    flagged = judge.get("flagged", 0)
    return f"{flagged} of {flagged + judge.get('not_flagged', 0)} calls flagged"


def count(tokens: int) -> str:
    """Three digits, as 75, 18.5k, 1.05M or 2.31B."""
    for size, letter in UNITS:
        if tokens >= size * ALMOST:
            amount = tokens / size
            return (
                f"{amount:.3g}{letter}" if amount < THOUSAND * ALMOST else f"{amount:,.0f}{letter}"
            )
    return str(tokens)


def dollars(usd: float) -> str:
    """Cents from one cent on, below that one digit that is not zero."""
    return f"${usd:.2f}" if usd >= 0.01 else f"${usd:.1g}"

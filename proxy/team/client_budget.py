"""What Claude Code's own meter shows of a budget: headers of answers, of refusals, and the report
behind `/usage` in its terminal. Opt-in: PROXY_CLIENT_BUDGET=on.

The contract is that of Anthropic's gateway, which is part of the program (2.1.332, read 2026-11-29;
the headers are described by `GET /protocol` there). The client reads both only in gateway mode
(CLAUDE_CODE_USE_GATEWAY=1). A cap is a budget in US$ of a person or a group; the client is shown
the fullest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from . import counters
from .money import NANO
from .stores import Refusal
from .windows import Period

Json = dict[str, Any]

UNIFIED = "anthropic-ratelimit-unified"
PERIODS = {Period.DAY: "daily", Period.WEEK: "weekly", Period.MONTH: "monthly"}
THRESHOLDS = {0.95: "critical", 0.75: "warning"}
"""Share of a cap above which the client prints a notice -> how grave the report calls it."""

MAX_UTILIZATION = 0.99
"""Of a cap that still serves: at 1 the client takes it for spent."""

CENT = NANO // 100


class Cap(NamedTuple):
    """used, limit: nano-US$. ends: Unix seconds, when it is reset. is_group: all people of a group
    share it."""

    period: Period
    used: int
    limit: int
    ends: int
    is_group: bool = False

    @property
    def share(self) -> float:
        return self.used / self.limit if self.limit else 1.0

    @property
    def is_spent(self) -> bool:
        return self.used >= self.limit

    @property
    def utilization(self) -> float:
        """The share as the client is given it."""
        return 1.0 if self.is_spent else min(round(self.share, 2), MAX_UTILIZATION)


def to_cap(budget: Refusal, ends: int) -> Cap:
    """A budget as the client is shown it: without what open answers of its own request hold."""
    entry = budget.entry
    return Cap(
        counters.kind(entry).period or Period.DAY,
        budget.value - budget.held,
        entry.limit or 0,
        ends,
        is_group=entry.account.startswith(counters.GROUP),
    )


def binding(caps: Sequence[Cap]) -> Cap | None:
    """The spent one that is reset last, else the fullest; None for none."""
    spent = [cap for cap in caps if cap.is_spent]
    if spent:
        return max(spent, key=lambda cap: cap.ends)
    return max(caps, key=lambda cap: cap.share, default=None)


def answer_headers(caps: Sequence[Cap]) -> dict[str, str]:
    """Of an answer; none for a person without a cap. A cap that this very request has filled still
    served it."""
    if not caps:
        return {}
    cap = max(caps, key=lambda cap: cap.share)
    threshold = surpassed(cap)
    status = "allowed_warning" if threshold else "allowed"
    headers = {
        "status": status,
        "representative-claim": "overage",
        "overage-status": status,
        "overage-utilization": f"{min(cap.utilization, MAX_UTILIZATION):g}",
        "reset": str(cap.ends),
        "overage-reset": str(cap.ends),
    }
    if threshold:
        headers["overage-surpassed-threshold"] = f"{threshold:g}"
    return unified(headers)


def spent_headers(cap: Cap) -> dict[str, str]:
    """Of a refusal. Without representative-claim and overage-status: with those the client drops
    the message."""
    headers = {
        "status": "rejected",
        "reset": str(cap.ends),
        "overage-reset": str(cap.ends),
        "overage-utilization": "1",
        "overage-surpassed-threshold": "1",
        "overage-period": PERIODS[cap.period],
        "overage-disabled-reason": "org_spend_cap_reached",
    }
    if cap.is_group:
        headers["overage-scope"] = "group_pool"
    return unified(headers)


def unreadable_headers() -> dict[str, str]:
    """Of a refusal for want of a store that can be read."""
    return unified({"overage-disabled-reason": "fetch_error"})


def unified(headers: Mapping[str, str]) -> dict[str, str]:
    return {f"{UNIFIED}-{name}": value for name, value in headers.items()}


def surpassed(cap: Cap) -> float | None:
    return next((share for share in THRESHOLDS if cap.share > share), None)


def report(caps: Sequence[Cap], used: Mapping[Period, int]) -> Json:
    """The answer to `GET /api/oauth/usage`. used: the person's nano-US$ of the day, the week and
    the month, which are shown where there is no cap."""
    if (cap := binding(caps)) is None:
        day, week = (
            {"limit": None, "used_credits": used[each] // CENT, "utilization": None}
            for each in (Period.DAY, Period.WEEK)
        )
        more = {"daily": day, "weekly": week}
        return {"extra_usage": _extra(None, used[Period.MONTH], None) | more, "limits": []}
    return {
        "extra_usage": _extra(cap.limit // CENT, cap.used, _percent(cap)),
        "limits": [_limit(each, is_active=each is cap) for each in caps],
    }


def _extra(limit: int | None, used: int, utilization: int | None) -> Json:
    """limit: in cents. used: in nano-US$."""
    return {
        "is_enabled": True,
        "monthly_limit": limit,
        "used_credits": used // CENT,
        "utilization": utilization,
        "currency": "USD",
    }


def _limit(cap: Cap, *, is_active: bool) -> Json:
    """resets_at has to be the same second as the header: else the client does not show dollars."""
    threshold = surpassed(cap)
    moment = datetime.fromtimestamp(cap.ends, UTC)
    return {
        "kind": "spend",
        "group": PERIODS[cap.period],
        "percent": _percent(cap),
        "resets_at": moment.isoformat().replace("+00:00", "Z"),
        "severity": THRESHOLDS[threshold] if threshold else "normal",
        "is_active": is_active,
    }


def _percent(cap: Cap) -> int:
    return round(100 * cap.utilization)

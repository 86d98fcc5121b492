"""proxy/team/client_budget.py and `GET /api/oauth/usage`: what feeds Claude Code's own meter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from proxy.team import client_budget, refusals
from proxy.team.client_budget import CENT, Cap, answer_headers, report, spent_headers
from proxy.team.stores import StoreError
from proxy.team.stores.sqlite import SqliteStore
from proxy.team.windows import Period
from tests.servers import Emulator
from tests.test_team import HELLO, Team, access_token, at_noon, error

__all__ = ["at_noon"]

MIDNIGHT = int(datetime(2026, 11, 29, tzinfo=UTC).timestamp())
MONDAY = int(datetime(2026, 11, 30, tzinfo=UTC).timestamp())
DECEMBER = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp())
PLANS = """
[plans.standard]
usd_per_day = 1
usd_per_month = 20
[plans.tokens]
tokens_per_day = 10_000
[groups.core]
usd_per_week = 2
"""
USED = {Period.DAY: 12 * CENT, Period.WEEK: 34 * CENT, Period.MONTH: 56 * CENT + 9}


def cap(cents: float, limit: int = 100, period: Period = Period.DAY, ends: int = MIDNIGHT) -> Cap:
    return Cap(period, int(cents * CENT), limit * CENT, ends)


def short(headers: Any) -> dict[str, str]:
    """Only those of the meter."""
    before = f"{client_budget.UNIFIED}-"
    return {
        name.removeprefix(before): value
        for name, value in dict(headers).items()
        if name.startswith(before)
    }


# --- Headers of answers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cents", "status", "utilization", "surpassed"),
    [
        (0, "allowed", "0", None),
        (41.1, "allowed", "0.41", None),
        (75, "allowed", "0.75", None),
        (75.1, "allowed_warning", "0.75", "0.75"),
        (95, "allowed_warning", "0.95", "0.75"),
        (95.1, "allowed_warning", "0.95", "0.95"),
        (99.9, "allowed_warning", "0.99", "0.95"),
        (101, "allowed_warning", "0.99", "0.95"),
    ],
)
def test_share_of_a_cap_is_in_the_headers(
    cents: float, status: str, utilization: str, surpassed: str | None
) -> None:
    """Below 1 while it serves; the thresholds are those of the client's notices."""
    found = short(answer_headers([cap(cents)]))
    assert found.pop("overage-surpassed-threshold", None) == surpassed
    assert found == {
        "status": status,
        "representative-claim": "overage",
        "overage-status": status,
        "overage-utilization": utilization,
        "reset": str(MIDNIGHT),
        "overage-reset": str(MIDNIGHT),
    }


def test_fullest_of_several_caps_is_in_the_headers() -> None:
    caps = [cap(50), cap(90, period=Period.MONTH, ends=DECEMBER), cap(80)]
    assert answer_headers(caps)["anthropic-ratelimit-unified-overage-utilization"] == "0.9"
    assert answer_headers(caps)["anthropic-ratelimit-unified-reset"] == str(DECEMBER)


def test_nobody_without_a_cap_has_the_headers() -> None:
    assert answer_headers([]) == {}


def test_refusal_says_period_and_scope() -> None:
    own = short(spent_headers(cap(100)))
    assert own == {
        "status": "rejected",
        "reset": str(MIDNIGHT),
        "overage-reset": str(MIDNIGHT),
        "overage-utilization": "1",
        "overage-surpassed-threshold": "1",
        "overage-period": "daily",
        "overage-disabled-reason": "org_spend_cap_reached",
    }
    shared = cap(100, period=Period.MONTH)._replace(is_group=True)
    more = {"overage-period": "monthly", "overage-scope": "group_pool"}
    assert short(spent_headers(shared)) == own | more


def test_each_window_has_its_word() -> None:
    assert client_budget.PERIODS.keys() == refusals.WORDS.keys()


# --- The report -----------------------------------------------------------------------------------


def test_report_has_dollars_of_the_fullest_cap() -> None:
    month = cap(41_140.9, 50_000, Period.MONTH, DECEMBER)
    assert report([cap(30), month], USED) == {
        "extra_usage": {
            "is_enabled": True,
            "monthly_limit": 50_000,
            "used_credits": 41_140,
            "utilization": 82,
            "currency": "USD",
        },
        "limits": [
            {
                "kind": "spend",
                "group": "daily",
                "percent": 30,
                "resets_at": "2026-11-29T00:00:00Z",
                "severity": "normal",
                "is_active": False,
            },
            {
                "kind": "spend",
                "group": "monthly",
                "percent": 82,
                "resets_at": "2026-12-01T00:00:00Z",
                "severity": "warning",
                "is_active": True,
            },
        ],
    }


@pytest.mark.parametrize(
    ("cents", "percent", "severity"),
    [(75, 75, "normal"), (76, 76, "warning"), (96, 96, "critical"), (99.9, 99, "critical")],
)
def test_report_says_how_grave_it_is(cents: float, percent: int, severity: str) -> None:
    found = report([cap(cents)], USED)
    assert found["extra_usage"]["utilization"] == percent
    (limit,) = found["limits"]
    assert (limit["percent"], limit["severity"]) == (percent, severity)


def test_spent_cap_that_is_reset_last_is_active() -> None:
    spent = cap(200, 200, Period.WEEK, MONDAY)
    found = report([cap(150), spent, cap(99)], USED)
    assert [each["is_active"] for each in found["limits"]] == [False, True, False]
    assert [each["percent"] for each in found["limits"]] == [100, 100, 99]
    extra = found["extra_usage"]
    assert (extra["monthly_limit"], extra["utilization"]) == (200, 100)
    assert report([cap(0, 0)], USED)["limits"][0]["severity"] == "critical"


def test_report_without_a_cap_has_amounts() -> None:
    assert report([], USED) == {
        "extra_usage": {
            "is_enabled": True,
            "monthly_limit": None,
            "used_credits": 56,
            "utilization": None,
            "currency": "USD",
            "daily": {"limit": None, "used_credits": 12, "utilization": None},
            "weekly": {"limit": None, "used_credits": 34, "utilization": None},
        },
        "limits": [],
    }


# --- At the front door ----------------------------------------------------------------------------


@pytest.fixture
def team(
    make_client: Callable[..., FlaskClient], emulator: Emulator, key: str, tmp_path: Path
) -> Team:
    found = Team(make_client, emulator, key, tmp_path / "team.sqlite")
    found.start(PROXY_PLANS=PLANS, PROXY_CLIENT_BUDGET="on")
    return found


def use(team: Team, counter: str, cents: int, account: str = "person:alice") -> None:
    team.store.mark(account, counter, cents * CENT)


def ask(team: Team, token: str = "") -> TestResponse:
    headers = {"Authorization": f"Bearer {token or access_token()}"}
    return team.client.get("/api/oauth/usage", headers=headers)


@pytest.mark.parametrize("stream", [True, False])
def test_answer_carries_the_share_of_its_budget(team: Team, stream: bool) -> None:
    use(team, "usd_day:2026-11-28", 80)
    use(team, "usd_month:2026-11", 190)
    team.script(HELLO)
    answer = team.post(stream=stream)
    found = short(answer.headers)
    assert (found["status"], found["overage-utilization"]) == ("allowed_warning", "0.8")
    assert found["reset"] == str(MIDNIGHT)
    assert answer.headers["x-budget-warning"].startswith("80%: $0.80 of $1.00")
    answer.close()


def test_own_hold_is_not_in_the_share(team: Team) -> None:
    """As the next answer will say it: what this one may cost is not used yet."""
    team.script(HELLO)
    assert short(team.post().headers)["overage-utilization"] == "0"


def test_answer_of_a_group_carries_what_all_have_used(team: Team) -> None:
    use(team, "usd_week:2026-W48", 192, "group:core")
    team.script(HELLO)
    found = short(team.post(access_token(group="core")).headers)
    assert (found["overage-utilization"], found["reset"]) == ("0.96", str(MONDAY))
    assert found["overage-surpassed-threshold"] == "0.95"


def test_answer_without_a_budget_in_dollars_has_none(team: Team) -> None:
    """Tokens a day are none: the client shows money."""
    team.script(HELLO)
    assert short(team.post(access_token(plan="tokens")).headers) == {}


def test_meter_is_off_unless_switched_on(team: Team) -> None:
    team.start(PROXY_PLANS=PLANS)
    use(team, "usd_day:2026-11-28", 80)
    team.script(HELLO)
    answer = team.post()
    assert answer.headers["x-budget-warning"]
    assert short(answer.headers) == {}
    status, _, text = error(ask(team))
    assert (status, "PROXY_CLIENT_BUDGET is off" in text) == (404, True)


def test_report_is_read_from_the_store(team: Team) -> None:
    use(team, "usd_day:2026-11-28", 76)
    use(team, "usd_week:2026-W48", 100, "group:core")
    answer = ask(team, access_token(group="core"))
    assert answer.headers["Cache-Control"] == "no-store"
    found = answer.get_json()
    assert found["extra_usage"]["used_credits"] == 76
    assert [(each["group"], each["percent"]) for each in found["limits"]] == [
        ("daily", 76),
        ("monthly", 0),
        ("weekly", 50),
    ]


def test_raised_limit_is_that_of_the_meter(team: Team) -> None:
    use(team, "usd_day:2026-11-28", 80)
    use(team, "raise.usd_day.2026-11-28", 400)
    team.script(HELLO)
    assert short(team.post().headers)["overage-utilization"] == "0.2"
    assert ask(team).get_json()["limits"][0]["percent"] == 20


def test_header_and_report_name_the_same_second(team: Team) -> None:
    """Else the client's status line has no dollars."""
    team.script(HELLO)
    reset = int(short(team.post().headers)["overage-reset"])
    (limit,) = [each for each in ask(team).get_json()["limits"] if each["is_active"]]
    assert datetime.fromisoformat(limit["resets_at"]).timestamp() == reset


def test_report_without_a_budget_in_dollars(team: Team) -> None:
    use(team, "usd_day:2026-11-28", 76)
    found = ask(team, access_token(plan="tokens")).get_json()
    assert found["extra_usage"]["daily"]["used_credits"] == 76
    assert (found["extra_usage"]["monthly_limit"], found["limits"]) == (None, [])


def test_report_is_for_token_holders_only(team: Team, key: str) -> None:
    assert ask(team, "wrong").status_code == 401
    team.start(PROXY_PLANS=PLANS, PROXY_CLIENT_BUDGET="on", PROXY_AUTH="token,key")
    status, _, text = error(ask(team, key))
    assert (status, "Nothing is counted for this caller" in text) == (404, True)
    use(team, "revoked.alice-1", 1)
    assert ask(team).status_code == 401


def test_report_says_that_the_store_is_down(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(store: SqliteStore, account: str) -> dict[str, int]:
        raise StoreError("read failed")

    monkeypatch.setattr(SqliteStore, "read", fail)
    assert error(ask(team))[0] == 503

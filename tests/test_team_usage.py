"""proxy/team/usage.py and `GET /usage.json`: who has used what, and who may see it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from proxy import clock
from proxy.team import tokens, usage
from proxy.team.stores import Entry, Hold, Usage
from proxy.team.stores.sqlite import IN_MEMORY, SqliteStore
from proxy.team.token_registry import Registry
from proxy.team.tokens import Token
from proxy.team.usage import BadSince, Span, read_span
from tests.servers import Emulator
from tests.test_team import COST, DAY, HELLO, NOW, Team, access_token, at_noon

__all__ = ["at_noon"]

TODAY = date(2026, 11, 28)
PLANS = """
zone = "Europe/Berlin"
operators = ["bob"]
[plans.standard]
requests_per_minute = 30
open_streams = 2
tokens_per_day = 5_000
usd_per_day = 1
[plans.none]
usd_per_day = 0
[groups.core]
usd_per_month = 500
"""
ROWS = (
    Usage("2026-11-27", "alice", "hydrogen", "main", 3, 1, 900, 300, 90, 5 * 10**9, 7, 10**9, 300),
    Usage("2026-11-28", "alice", "hydrogen", "", 1, 0, 100, 0, 10, 10**9, 0, 0, 101),
    Usage("2026-11-28", "alice", "neon", "main", 1, 0, 100, 0, 10, 10**9, 0, 0, 101),
    Usage("2026-11-28", "bob", "neon", "subagent", 2, 0, 1, 0, 1, 5, 0, 0, 4),
)


@pytest.fixture
def team(
    make_client: Callable[..., FlaskClient], emulator: Emulator, key: str, tmp_path: Path
) -> Team:
    found = Team(make_client, emulator, key, tmp_path / "team.sqlite")
    found.start(PROXY_PLANS=PLANS)
    return found


def count(store: SqliteStore, *rows: Usage) -> None:
    for number, row in enumerate(rows):
        account = f"person:{row.person}"
        counter = f"usd_day:{row.day}"
        hold = Hold(
            f"h{number}", (Entry(account, counter, 0, None, row.nano_usd),), NOW + 9, (row,)
        )
        store.hold(hold, NOW)
        store.settle(hold, NOW)


def get(team: Team, token: str = "", **query: str) -> TestResponse:
    headers = {"x-api-key": token or access_token()}
    return team.client.get("/usage.json", query_string=query, headers=headers)


def message(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["error"]["message"]


def budgets(report: Any) -> dict[str, tuple[Any, ...]]:
    return {
        each["budget"]: (each["used"], each.get("limit", "unknown"), each["resets_at"])
        for each in report["budgets"]
    }


def test_report_is_by_day_model_class_and_person() -> None:
    store = SqliteStore(IN_MEMORY)
    count(store, *ROWS)
    found = usage.read(store, Span("2026-11-01", DAY))
    assert found["total"]["requests"] == 7
    assert {name: len(groups) for name, groups in found["by"].items()} == {
        "person": 2,
        "model": 2,
        "day": 2,
        "class": 3,
    }
    assert found["by"]["person"][0] == {
        "person": "alice",
        "requests": 5,
        "errors": 1,
        "input": 1_100,
        "cached": 300,
        "output": 110,
        "usd": 7.0,
        "saved_usd": 1.0,
        "estimated_usd": 7e-09,
        "mean_ms": 100,
    }
    only = usage.read(store, Span(DAY, DAY), "bob")
    assert (only["total"]["requests"], only["by"]["model"][0]["model"]) == (2, "neon")


def test_nothing_used_is_a_report_too() -> None:
    found = usage.read(SqliteStore(IN_MEMORY), Span(DAY, DAY))
    assert (found["total"]["usd"], found["total"]["mean_ms"], found["by"]["day"]) == (0, 0, [])


@pytest.mark.parametrize(
    ("since", "first"),
    [
        ("1d", DAY),
        ("30d", "2026-10-30"),
        ("400d", "2025-10-25"),
        ("2026-11-01", "2026-11-01"),
        (DAY, DAY),
    ],
)
def test_span_ends_today(since: str, first: str) -> None:
    assert read_span(since, TODAY) == Span(first, DAY)


@pytest.mark.parametrize(
    "since", ["", "0d", "401d", "99999d", "30", "-1d", "2025-10-24", "2026-11-29", "2026-02-30"]
)
def test_span_is_bounded(since: str) -> None:
    with pytest.raises(BadSince, match="since: expected days like 30d"):
        read_span(since, TODAY)


# --- /usage.json -------------------------------------------------------------------------------


def test_person_sees_own_figures_and_budgets(team: Team) -> None:
    """Complaint 24."""
    team.script(HELLO)
    token = access_token(group="core")
    assert team.post(token).status_code == 200
    count(team.store, ROWS[3])
    answer = get(team, token)
    report = answer.get_json()
    assert answer.headers["Cache-Control"] == "no-store"
    assert (report["scope"], report["person"]) == ("shared", "alice")
    assert (report["since"], report["until"]) == ("2026-10-30", DAY)
    assert report["total"]["usd"] == COST / 10**9
    assert [each["model"] for each in report["by"]["model"]] == ["gemini-4-hydrogen"]
    persons = [each for each in report["budgets"] if "person" in each]
    assert budgets({"budgets": persons}) == {
        "requests_per_minute": (1, 30, "2026-11-28T12:01:00Z"),
        "open_streams": (0, 2, None),
        "tokens_per_day": (1_100, 5_000, "2026-11-28T23:00:00Z"),
        "usd_per_day": (COST / 10**9, 1.0, "2026-11-28T23:00:00Z"),
        "usd_per_week": (COST / 10**9, None, "2026-11-29T23:00:00Z"),
        "usd_per_month": (COST / 10**9, None, "2026-11-30T23:00:00Z"),
    }
    groups = [each for each in report["budgets"] if "group" in each]
    assert {each["group"] for each in groups} == {"core"}
    assert budgets({"budgets": groups})["usd_per_month"][:2] == (COST / 10**9, 500.0)


def test_raised_limit_stands_beside_what_is_used(team: Team) -> None:
    count(team.store, *ROWS)
    team.store.mark("person:alice", f"raise.usd_day.{DAY}", 3 * 10**9)
    used, limit, _ = budgets(get(team).get_json())["usd_per_day"]
    assert (used, limit) == (2.0, 3.0)


def test_held_money_stands_beside_what_is_used(team: Team) -> None:
    """Complaint 2: a person sees what is spent, and what comes back."""
    entries = (
        Entry("person:alice", f"usd_day:{DAY}", 3 * 10**9, None, 10**9),
        Entry("person:alice", "streams", 1),
    )
    team.store.hold(Hold("open", entries, NOW + 99), NOW)
    found = {each["budget"]: each for each in get(team).get_json()["budgets"]}
    assert (found["usd_per_day"]["used"], found["usd_per_day"]["held"]) == (3.0, 2.0)
    assert (found["usd_per_week"]["held"], found["open_streams"]["held"]) == (0.0, 1)


def test_spent_budget_does_not_hide_the_figures(team: Team) -> None:
    token = access_token(plan="none")
    assert team.post(token).status_code == 429
    assert get(team, token).status_code == 200


def test_revoked_token_sees_nothing(team: Team) -> None:
    team.store.mark("person:alice", "revoked.alice-1", 1)
    status, text = message(get(team))
    assert (status, "was revoked" in text) == (401, True)


@pytest.mark.parametrize("person", ["bob", "nobody", "*", "a b", "gmp_x"])
def test_others_are_hidden_whether_they_exist_or_not(team: Team, person: str) -> None:
    count(team.store, *ROWS)
    assert message(get(team, person=person)) == (403, usage.NOT_AN_OPERATOR)
    assert get(team, person="alice").get_json()["total"]["requests"] == 5


def test_operator_sees_everyone(team: Team) -> None:
    count(team.store, *ROWS)
    token = access_token("bob")
    report = get(team, token, person="*").get_json()
    assert [each["person"] for each in report["by"]["person"]] == ["alice", "bob"]
    assert {each["group"] for each in report["budgets"]} == {"core"}
    one = get(team, token, person="alice", since="1d").get_json()
    assert (one["total"]["requests"], one["since"]) == (2, DAY)
    assert budgets(one)["usd_per_day"] == (2.0, "unknown", "2026-11-28T23:00:00Z")
    assert message(get(team, token, person="a b")) == (400, usage.BAD_PERSON)


@pytest.mark.parametrize("plan", ["standard", "gone"])
def test_operator_sees_the_limits_of_a_person(team: Team, plan: str) -> None:
    """Those of the plan and the group in the token that was issued last; raised ones, too."""
    count(team.store, *ROWS)
    registry = Registry(store=team.store)
    for person, each, group, issued in (
        ("alice", "none", "", NOW - 20),
        ("alice", plan, "core", NOW - 10),
        ("bob", "none", "", NOW),
    ):
        registry.remember(Token((f"t{issued}",), person, each, issued, NOW + 9, group))
    team.store.mark("person:alice", f"raise.usd_day.{DAY}", 4 * 10**9)
    report = get(team, access_token("bob"), person="alice").get_json()
    lines = {(each.get("group", ""), each["budget"]): each for each in report["budgets"]}
    assert lines["", "usd_per_day"]["used"] == 2.0
    if plan == "gone":
        assert {"limit" in each for each in lines.values()} == {False}
    else:
        assert lines["", "usd_per_day"]["limit"] == 4.0
        assert lines["", "tokens_per_day"]["limit"] == 5_000
        assert lines["", "usd_per_week"]["limit"] is None
        assert lines["core", "usd_per_month"]["limit"] == 500.0


def test_tokens_are_not_read_for_ones_own_figures(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts, read = [], SqliteStore.read

    def record(store: SqliteStore, account: str) -> Mapping[str, int]:
        accounts.append(account)
        return read(store, account)

    monkeypatch.setattr(SqliteStore, "read", record)
    bob = access_token("bob")
    for person in ("bob", "*"):
        get(team, bob, person=person)
    assert "tokens" not in accounts
    get(team, bob, person="alice")
    assert accounts.count("tokens") == 1


def test_token_derived_from_an_operators_is_none(team: Team) -> None:
    derived = tokens.derive(access_token("bob"), "ci")
    assert message(get(team, derived, person="*"))[0] == 403
    assert get(team, derived).get_json()["person"] == "bob"


def test_bad_span_is_a_400(team: Team) -> None:
    status, text = message(get(team, since="yesterday"))
    assert (status, text[:6]) == (400, "since:")


def test_without_a_store_an_instance_shows_its_own(team: Team) -> None:
    team.start(PROXY_STORE="", PROXY_PLANS="")
    team.script(HELLO)
    team.post()
    report = get(team).get_json()
    assert (report["scope"], report["total"]["requests"]) == ("instance", 1)
    assert budgets(report)["usd_per_day"][:2] == (COST / 10**9, None)


def test_store_that_is_down_is_a_503(team: Team, tmp_path: Path) -> None:
    (tmp_path / "team.sqlite").write_bytes(b"no database" * 100)
    assert message(get(team)) == (503, usage.DOWN)


def test_own_key_has_no_figures(team: Team, key: str) -> None:
    team.start(PROXY_AUTH="token,key", GEMINI_API_KEY="")
    assert message(get(team, key)) == (404, usage.NOT_COUNTED)
    assert team.client.get("/usage.json").status_code == 401
    team.start(PROXY_SECRET="", PROXY_PLANS="", PROXY_STORE="", PROXY_TOKEN="shared")
    assert message(get(team, "shared")) == (404, usage.NOT_COUNTED)


def test_figures_need_no_key_beside_the_token(team: Team, key: str) -> None:
    """Where the server has none, a request for an answer brings both."""
    team.start(GEMINI_API_KEY="", PROXY_PLANS=PLANS)
    team.script(HELLO)
    token = access_token()
    both = {"Authorization": f"Bearer {token}"}
    assert team.post(key, headers=both).status_code == 200
    assert team.post(token).status_code == 401
    assert get(team, token).get_json()["total"]["requests"] == 1


def test_report_holds_neither_prompts_nor_tokens(team: Team) -> None:
    team.script(HELLO)
    token = access_token()
    team.post(token, messages=[{"role": "user", "content": "a-prompt"}])
    text = json.dumps(get(team, token).get_json())
    for hidden in (token, "alice-1", "a-prompt", "Hello", team.key):
        assert hidden not in text


def test_head_has_no_body(team: Team) -> None:
    answer = team.client.head("/usage.json", headers={"x-api-key": access_token()})
    assert (answer.status_code, answer.get_data()) == (200, b"")


def test_windows_are_those_of_the_zone(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day that has begun in Berlin, and not in London."""
    late = int(datetime(2026, 11, 28, 23, 30, tzinfo=UTC).timestamp())
    monkeypatch.setattr(clock, "now", lambda: late)
    assert get(team, access_token(expires=late + 60)).get_json()["until"] == "2026-11-29"

"""A team at the front door: tokens, plans and budgets in main.py, against the emulator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from proxy import clock
from proxy.team import tokens
from proxy.team.stores import Usage
from proxy.team.stores.sqlite import SqliteStore
from proxy.team.tokens import Token
from tests.servers import Emulator
from tests.team_stores import SECRET, closing, team_settings

NOW = int(datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp())
DAY = "2026-11-28"
PLANS = """
contact = "Ask Bob."
[plans.standard]
models = ["gemini-4-*"]
usd_per_day = 1
[plans.slow]
requests_per_minute = 1
[plans.none]
usd_per_day = 0
"""
USAGE = {"promptTokenCount": 1_000, "candidatesTokenCount": 100}
COST = 1_000 * 1_500 + 100 * 7_500
"""Nano-US$ of it, on Hydrogen."""

HELLO = {"chunks": [{"text": "Hel"}, {"text": "lo."}], "finish": "STOP", "usage": USAGE}


PER_DAY = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}
EXHAUSTED = {
    "status": {
        "code": 429,
        "status": "RESOURCE_EXHAUSTED",
        "message": "You exceeded your current quota.",
        "details": [PER_DAY],
    }
}


class Team:
    """The function with a store in a file, and the emulator behind it."""

    def __init__(
        self, make: Callable[..., FlaskClient], emulator: Emulator, key: str, path: Path
    ) -> None:
        self._make = make
        self._emulator = emulator
        self.key = key
        self.path = path
        self.store = SqliteStore(str(path))
        self.start()

    def start(self, **environ: str) -> None:
        self.client = self._make(**{**team_settings(self.key, self.path, PLANS), **environ})

    def script(self, *replies: Any) -> None:
        self._emulator.script(self.key, *replies)

    def journal(self) -> list[Any]:
        return self._emulator.journal(self.key)

    def post(
        self, token: str = "", path: str = "/v1/messages", *, headers: Any = (), **fields: Any
    ) -> TestResponse:
        body = {
            "model": "claude-opus-5",
            "max_tokens": 1_000,
            "messages": [{"role": "user", "content": "Hi."}],
            **fields,
        }
        sent = {"x-api-key": token or access_token(), **dict(headers)}
        return self.client.post(path, json=body, headers=sent)

    def usage(self) -> list[Usage]:
        return list(self.store.usage(DAY, DAY))

    def counters(self, person: str = "alice") -> dict[str, int]:
        values = self.store.read(f"person:{person}").items()
        return {name: value for name, value in values if value}


def access_token(person: str = "alice", plan: str = "standard", **more: Any) -> str:
    fields = {"issued": NOW - 60, "expires": NOW + 3_600, **more}
    return tokens.create(Token((f"{person}-1",), person, plan, **fields), SECRET)


@pytest.fixture(autouse=True)
def at_noon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    yield from closing(monkeypatch)


@pytest.fixture
def team(
    make_client: Callable[..., FlaskClient], emulator: Emulator, key: str, tmp_path: Path
) -> Team:
    return Team(make_client, emulator, key, tmp_path / "team.sqlite")


def error(answer: TestResponse) -> tuple[int, str, str]:
    found = answer.get_json()["error"]
    return answer.status_code, found["type"], found["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_request_is_held_and_settled(team: Team, stream: bool) -> None:
    team.script(HELLO)
    answer = team.post(stream=stream)
    assert "lo." in answer.get_data(as_text=True)
    assert team.counters() == {
        "usd_day:2026-11-28": COST,
        "usd_week:2026-W48": COST,
        "usd_month:2026-11": COST,
    }
    (row,) = team.usage()
    expected = Usage(DAY, "alice", "gemini-4-hydrogen", "", 1, 0, 1_000, 0, 100, COST)
    assert row._replace(ms=0) == expected


def test_budget_is_settled_before_the_last_event(team: Team) -> None:
    """Complaint 5: what a client reads as the end has been counted."""
    team.script(HELLO)
    pieces = team.post(stream=True).iter_encoded()
    shown = b""
    while b"message_stop" not in shown:
        shown += next(pieces)
    assert team.counters()["usd_day:2026-11-28"] == COST


def test_usage_is_real_from_the_first_event_on(team: Team) -> None:
    """Complaint 23: what a client shows of its cost before the end."""
    team.script(HELLO)
    first = team.post(stream=True).get_data(as_text=True).partition("\n\n")[0]
    message = json.loads(first.partition("data: ")[2])["message"]
    assert message["usage"]["input_tokens"] == USAGE["promptTokenCount"]


def test_client_that_leaves_pays_what_was_reported(team: Team) -> None:
    """Complaint 5."""
    usage = {"promptTokenCount": 1_000, "candidatesTokenCount": 2}
    team.script({**HELLO, "usage": usage, "chunks": [{"text": "a"}, {"delay": 30}]})
    answer = team.post(stream=True)
    pieces = answer.iter_encoded()
    next(pieces)
    answer.close()
    (row,) = team.usage()
    assert row.input == 1_000
    assert row.nano_usd == team.counters()["usd_day:2026-11-28"] > 0
    assert "streams" not in team.counters()


def test_spent_budget_is_refused_before_gemini_is_asked(team: Team) -> None:
    answer = team.post(access_token(plan="none"))
    assert answer.headers["x-should-retry"] == "false"
    status, kind, message = error(answer)
    assert (status, kind) == (429, "billing_error")
    assert message.startswith("spend limit reached · resets Nov 29 · $0.00 of $0.00 are used of")
    assert message.endswith("Ask Bob.")
    assert team.journal() == []


def test_requests_a_minute_can_be_waited_for(team: Team) -> None:
    team.script(HELLO)
    token = access_token(plan="slow")
    assert team.post(token).status_code == 200
    answer = team.post(token)
    assert (answer.status_code, "x-should-retry" in answer.headers) == (429, False)
    assert 0 < int(answer.headers["retry-after"]) <= 60


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_model_outside_the_plan_is_not_found(team: Team, path: str) -> None:
    status, _, message = error(team.post(path=path, model="gemini-3.8-flash"))
    assert (status, message) == (
        404,
        "model: gemini-3.8-flash is not in the plan 'standard'. Ask Bob.",
    )
    assert team.journal() == []


def test_fallback_outside_the_plan_is_not_asked(team: Team) -> None:
    """Complaint 17."""
    team.start(GEMINI_FALLBACK_MODELS="gemini-3.8-flash,gemini-4-neon")
    team.script(EXHAUSTED, HELLO)
    answer = team.post()
    assert answer.headers["x-gemini-model"] == "gemini-4-neon"


def test_models_are_those_of_the_plan(team: Team) -> None:
    headers = {"x-api-key": access_token()}
    listed = team.client.get("/v1/models", headers=headers).get_json()
    names = {each["id"] for each in listed["data"]}
    assert "claude-gemini-4-hydrogen" in names
    assert not any(name.startswith("claude-gemini-3") for name in names)
    shown = team.client.get("/v1/models/gemini-3.8-flash", headers=headers)
    assert (shown.status_code, "model:" in error(shown)[2]) == (404, True)
    nothing = access_token(plan="slow", person="carol")
    restricted = tokens.derive(nothing, "ci", models=["none-of-these"])
    page = team.client.get("/v1/models", headers={"x-api-key": restricted}).get_json()
    assert (page["data"], page["first_id"], page["last_id"]) == ([], None, None)


def test_revoked_token_is_refused_at_once_everywhere(team: Team) -> None:
    """Complaint 12."""
    team.store.mark("person:alice", "revoked.alice-1", 1)
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        answer = team.post(path=path)
        assert (answer.status_code, answer.headers["x-should-retry"]) == (401, "false")
        assert "alice-1 was revoked" in error(answer)[2]
    assert team.client.get("/v1/models", headers={"x-api-key": access_token()}).status_code == 401
    assert team.journal() == []


@pytest.mark.parametrize(
    ("counter", "value", "status"),
    [("revoked.alice-1", 1, 401), (f"usd_day:{DAY}", 10**9, 429)],
)
def test_refusal_that_comes_late_has_its_status(
    team: Team, monkeypatch: pytest.MonkeyPatch, counter: str, value: int, status: int
) -> None:
    """Hold and request at once: what was sent in vain is not shown, and is paid."""
    monkeypatch.setattr(SqliteStore, "is_remote", True)
    team.script(HELLO, HELLO)
    assert "lo." in team.post(stream=True).get_data(as_text=True)
    team.store.mark("person:alice", counter, value)
    answer = team.post(stream=True)
    assert (answer.status_code, answer.headers["x-should-retry"]) == (status, "false")
    assert "lo." not in answer.get_data(as_text=True)
    assert len(team.journal()) == 2
    (row,) = team.usage()
    assert (row.requests, row.errors, row.input) == (2, 1, 2_000)
    assert team.counters()["usd_week:2026-W48"] == row.nano_usd == 2 * COST


@pytest.mark.parametrize(
    "change", [lambda text: text[:-1], lambda text: f"{text}x", lambda text: text.swapcase()]
)
def test_damaged_token_is_not_sent_to_google(team: Team, change: Callable[[str], str]) -> None:
    team.start(PROXY_AUTH="token,key")
    damaged = change(access_token())
    answer = team.post(damaged)
    assert answer.status_code == 401 or not damaged.startswith(tokens.PREFIX)
    assert team.journal() == []


def test_own_key_is_not_counted(team: Team, key: str) -> None:
    team.start(PROXY_AUTH="token,key", GEMINI_API_KEY="")
    team.script(HELLO)
    assert team.post(key).status_code == 200
    assert team.usage() == []


def test_failed_attempts_are_paid_too(team: Team) -> None:
    """Complaint 17: what Google billed is counted."""
    team.script(
        {"chunks": [{"thought": "Hm."}, {"text": ""}, {"cut": True}], "usage": USAGE}, HELLO
    )
    assert team.post().status_code == 200
    (row,) = team.usage()
    assert (row.requests, row.input) == (1, 2_000)
    assert team.counters()["usd_day:2026-11-28"] == row.nano_usd > COST


def test_error_is_counted_as_one(team: Team) -> None:
    team.script({"status": {"code": 400, "message": "Invalid."}})
    assert team.post().status_code == 400
    (row,) = team.usage()
    assert (row.requests, row.errors, row.nano_usd) == (1, 1, 0)
    assert team.counters() == {}


def test_names_that_no_model_has_are_one_row(team: Team) -> None:
    """Whoever makes up names adds no row of the store for each."""
    team.script({"status": {"code": 404, "message": "Not found."}})
    for number in range(3):
        assert team.post(model=f"gemini-4-made-up-{number}").status_code == 404
    assert [(row.model, row.requests, row.errors) for row in team.usage()] == [("", 3, 3)]


def test_line_tells_who_and_what_for(team: Team, capsys: pytest.CaptureFixture[str]) -> None:
    """Complaints 11, 21, 22."""
    team.script(HELLO)
    token = access_token()
    hints = {
        "x-claude-code-request-class": "compaction",
        "x-claude-code-agent-type": "Explore",
    }
    answer = team.post(token, headers=hints)
    answer.close()
    out = capsys.readouterr().out
    (line,) = [json.loads(each) for each in out.splitlines()]
    found = {name: line[name] for name in ("person", "plan", "class", "agent", "caller_id", "usd")}
    assert found == {
        "person": "alice",
        "plan": "standard",
        "class": "compaction",
        "agent": "Explore",
        "caller_id": "token-alice-1",
        "usd": pytest.approx(COST / 10**9),
    }
    assert token not in out
    assert token.rpartition(".")[2] not in out
    assert [row.request_class for row in team.usage()] == ["compaction"]


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"x-claude-code-agent-id": "a1"}, "subagent"),
        ({"x-claude-code-request-class": "Ignore all previous instructions"}, "other"),
    ],
)
def test_class_is_one_of_few_words(team: Team, headers: Any, found: str) -> None:
    team.script(HELLO)
    team.post(headers=headers)
    assert [row.request_class for row in team.usage()] == [found]


def test_token_is_never_sent_to_google(team: Team) -> None:
    """Complaint 11."""
    team.script(HELLO)
    token = access_token()
    team.post(token)
    assert token not in json.dumps(team.journal())


# --- Health ------------------------------------------------------------------------------------


def test_health_says_for_whom_budgets_hold(
    team: Team, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Complaints 4, 13, 26."""
    assert team.client.get("/").get_json()["budgets"] == "shared"
    team.start(PROXY_STORE="")
    assert "counted by each instance for itself" in capsys.readouterr().err
    assert team.client.get("/").get_json()["budgets"] == "per instance"
    headers = {"Accept": "text/html", "x-api-key": access_token()}
    page = team.client.get("/", headers=headers).get_data(as_text=True)
    assert "counted by each instance for itself" in page


@pytest.mark.parametrize(
    ("down", "status", "health"),
    [("serve", 200, "store down, per instance"), ("refuse", 429, "store down, refusing")],
)
def test_store_that_is_down_is_no_401(team: Team, down: str, status: int, health: str) -> None:
    """Complaint 13: and it recovers by itself."""
    team.store.check()
    path = team.path
    team.store.close()
    path.unlink()
    path.mkdir()
    team.start(PROXY_STORE_DOWN=down)
    team.script(HELLO, HELLO)
    assert team.post().status_code == status
    assert team.client.get("/").get_json()["budgets"] == health


def test_judge_of_auto_mode_is_paid(team: Team) -> None:
    """Complaint 17."""
    team.start(PROXY_AUTO_MODE_MODEL="gemini-3.8-flash")
    verdict = {"number": 1, "outcome": "not_flagged", "explanation": "Why."}
    judge = {
        "chunks": [{"text": json.dumps({"verdicts": [verdict]})}],
        "finish": "STOP",
        "usage": {"promptTokenCount": 900, "candidatesTokenCount": 30},
    }
    team.script({"chunks": [{"call": {"name": "Bash", "args": {}}}], "usage": USAGE}, judge)
    check = {"type": "dangerous_tool_use", "classifier_context": {"v": 1}}
    tools = [{"name": "Bash", "input_schema": {"type": "object"}}]
    team.post(tools=tools, safeguards=[check])
    rows = {row.request_class: row for row in team.usage()}
    assert (rows["auto_mode"].requests, rows["auto_mode"].input) == (0, 900)
    assert rows["auto_mode"].model == "gemini-3.8-flash"
    total = sum(row.nano_usd for row in rows.values())
    assert team.counters()["usd_day:2026-11-28"] == total > COST


# --- Soft marks --------------------------------------------------------------------------------


@pytest.mark.parametrize(("used", "share"), [(740, None), (760, 0.76), (960, 0.96)])
def test_much_of_a_budget_is_warned_of(
    team: Team, capsys: pytest.CaptureFixture[str], used: int, share: float | None
) -> None:
    team.store.mark("person:alice", "usd_day:2026-11-28", used * 10**6)
    team.script(HELLO)
    answer = team.post(stream=True)
    answer.close()
    (line,) = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert line.get("budget") == share
    warning = answer.headers.get("x-budget-warning")
    assert warning == (
        share
        and f"{used // 10}%: $0.{used // 10} of $1.00 are used of alice's budget for this day"
        " (2026-11-28). It is reset on Sun 29 Nov at 00:00 UTC, in 12 h 0 min."
    )


def test_plan_without_a_budget_is_not_warned_of(team: Team) -> None:
    team.script(HELLO)
    assert "x-budget-warning" not in team.post(access_token(plan="slow")).headers

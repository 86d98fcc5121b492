"""The real client near the end of its person's budget: what it does, and what it prints."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from proxy.team import tokens
from proxy.team.stores.sqlite import SqliteStore
from proxy.team.tokens import Token
from tests import servers
from tests.e2e.claude_code import NEWEST, OLDEST, VERSIONS, ClaudeCode
from tests.servers import Emulator
from tests.team_stores import SECRET, team_settings

PLANS = """
contact = "Ask Bob."
[plans.standard]
usd_per_day = 1
[plans.one_stream]
open_streams = 1
[plans.one_model]
models = ["gemini-3.8-flash"]
"""
DAY_SECONDS = 86_400
COST = 0.08
TURN = {
    "promptTokenCount": 8_000,
    "cachedContentTokenCount": 0,
    "candidatesTokenCount": 9_066,
}
"""Of Hydrogen: COST, to the cent."""

CALL = {"chunks": [{"call": {"name": "Bash", "args": {"command": "echo zebra"}}}], "usage": TURN}
HELLO = {"chunks": [{"text": "Hello."}], "usage": TURN}


class Near(NamedTuple):
    """A server whose person has used some of a day's dollar."""

    url: str
    token: str
    store: SqliteStore
    key: str

    @property
    def used(self) -> float:
        """US$ of today."""
        return self.store.read("person:alice")[f"usd_day:{datetime.now(UTC):%Y-%m-%d}"] / 10**9


Start = Callable[..., contextlib.AbstractContextManager[Near]]


@pytest.fixture
def start(emulator: Emulator, key: str, tmp_path: Path) -> Start:
    @contextlib.contextmanager
    def begin(used: float, *replies: Any, plan: str = "standard", **more: str) -> Iterator[Near]:
        emulator.script(key, *replies)
        path = tmp_path / "team.sqlite"
        now = int(time.time())
        store = SqliteStore(str(path), 60)
        with contextlib.closing(store):
            for day in (0, DAY_SECONDS):  # it may be midnight meanwhile
                name = f"usd_day:{datetime.fromtimestamp(now + day, UTC):%Y-%m-%d}"
                store.mark("person:alice", name, int(used * 10**9))
            settings = {"GEMINI_ENDPOINT": emulator.url, **team_settings(key, path, PLANS), **more}
            token = Token(("t1",), "alice", plan, now - 9, now + DAY_SECONDS)
            with servers.serving(servers.PROXY, settings) as url:
                yield Near(url, tokens.create(token, SECRET), store, key)

    return begin


def reset_words(version: str) -> str:
    """As the newest says it, for a reader whose zone is UTC."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    return f"{tomorrow:%b} {tomorrow.day}" if version == OLDEST else "12am (UTC)"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("used", [0.74, 0.76])
def test_session_goes_on_near_the_end(
    start: Start, tmp_path: Path, version: str, used: float
) -> None:
    with start(used, CALL, HELLO) as near:
        run = ClaudeCode(version, tmp_path, near.token).ask(near.url, "Say hello.")
        assert (run.exit_code, run.result["result"]) == (0, "Hello.")
        assert near.used == pytest.approx(used + 2 * COST, abs=0.001)


@pytest.mark.parametrize("version", VERSIONS)
def test_budget_that_ends_within_a_session_is_said(
    emulator: Emulator, start: Start, tmp_path: Path, version: str
) -> None:
    """Complaints 15, 16: whose, how much, until when, whom to ask; at once."""
    with start(0.93, CALL, HELLO) as near:
        run = ClaudeCode(version, tmp_path, near.token).ask(near.url, "Say hello.")
        assert run.exit_code == 1
        shown = run.result["result"]
        head = "API Error: Request rejected (429) · spend limit reached · resets "
        words = f"{head}{reset_words(version)} · $1.01 of $1.00 are used of alice's budget for this"
        assert shown.startswith(f"{words} day (")
        assert shown.endswith(" min. · Ask Bob.")
        assert len(emulator.journal(near.key)) == 1, "the second turn was not sent to Google"
        assert near.used == pytest.approx(0.93 + COST, abs=0.001)


@pytest.mark.parametrize("version", VERSIONS)
def test_spent_budget_is_said_at_once(
    emulator: Emulator, start: Start, tmp_path: Path, version: str
) -> None:
    with start(1.01, HELLO) as near:
        run = ClaudeCode(version, tmp_path, near.token).ask(near.url, "Say hello.")
        assert "$1.01 of $1.00 are used of alice's budget" in run.result["result"]
        assert emulator.journal(near.key) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_answer_that_is_cut_for_want_of_money_is_explained(
    start: Start, tmp_path: Path, version: str
) -> None:
    """Complaint 7: the client asks once more, and prints why."""
    chunks = [{"text": "Hel"}, {"delay": 0.1}, {"text": "lo."}, {"delay": 0.1}, {"text": "lo."}]
    large = {"promptTokenCount": 8_000, "candidatesTokenCount": 60_000}
    with start(0.70, {"chunks": chunks, "usage": large, "repeat": True}) as near:
        run = ClaudeCode(version, tmp_path, near.token).ask(near.url, "Say hello.")
        assert "$1.16 of $1.00 are used of alice's budget" in run.result["result"]


def test_open_streams_are_waited_for(start: Start, tmp_path: Path) -> None:
    """The client tries again as `retry-after` asks, without a word to the person."""
    slow = {
        "chunks": [{"text": "Hel"}, {"delay": 3}, {"text": "lo."}],
        "when": {"user_text": "Hi."},
    }
    with start(0, slow, {**HELLO, "repeat": True}, plan="one_stream") as near:
        body = {"model": "claude-opus-5", "max_tokens": 99, "stream": True}
        body["messages"] = [{"role": "user", "content": "Hi."}]
        sent = {"json": body, "headers": {"x-api-key": near.token}, "stream": True}
        with servers.LOCAL.post(f"{near.url}/v1/messages", timeout=60, **sent) as answer:
            assert answer.status_code == 200
            with ThreadPoolExecutor(1) as pool:
                claude = ClaudeCode(NEWEST, tmp_path, near.token)
                run = pool.submit(claude.ask, near.url, "Say hello.")
                assert b"message_stop" in answer.content
                events = run.result().events
        assert events[-1]["result"] == "Hello."
        assert "api_retry" in [event.get("subtype") for event in events]


def test_model_outside_the_plan_is_said(start: Start, tmp_path: Path) -> None:
    with start(0, HELLO, plan="one_model") as near:
        claude = ClaudeCode(NEWEST, tmp_path, near.token)
        run = claude.ask(near.url, "Say hello.")
        assert "issue with the selected model" in run.result["result"]
        run = claude.ask(near.url, "Say hello.", "--fallback-model", "gemini-3.8-flash")
        assert run.result["result"] == "Hello."

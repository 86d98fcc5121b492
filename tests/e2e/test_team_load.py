"""Twenty people through four processes that share a store: nothing is lost, and nothing is over.

Each person sends as fast as eight subagents do, on a small budget; some leave in the middle of an
answer; one process is killed with answers open.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from proxy.team import money, tokens
from proxy.team.holds import HELD_OUTPUT, HOLD_SECONDS, STEP
from proxy.team.stores import Entry, Hold, Usage
from proxy.team.stores.sqlite import SqliteStore
from proxy.team.tokens import Token
from tests import servers
from tests.servers import Emulator
from tests.team_stores import SECRET, team_settings
from translate.models import CHECKED, Tokens, find

PROCESSES, PEOPLE, STREAMS, REQUESTS = 4, 20, 8, 16
PER_MINUTE = 12
USD, GROUP_USD = 0.10, 1.40
PLANS = f"""
[plans.standard]
usd_per_month = {USD}
[plans.brisk]
requests_per_minute = {PER_MINUTE}
[plans.long]
[groups.core]
usd_per_month = {GROUP_USD}
"""
HYDROGEN = find("gemini-4-hydrogen")
USED = Tokens(1_000, 0, 900)
"""By each answer, from its first chunk on."""

USAGE = {
    "promptTokenCount": USED.input,
    "cachedContentTokenCount": 0,
    "candidatesTokenCount": USED.output,
}
COST = money.cost(HYDROGEN, CHECKED, USED)
ANSWER = {
    "chunks": [{"text": "Hel"}, {"delay": 0.02}, {"text": "lo"}, {"delay": 0.02}, {"text": "."}],
    "usage": USAGE,
    "repeat": True,
}
BUSY = "Answers that are under way hold the rest of"
FINAL = re.compile(r"and (?:under )?\$([\d.]+) are left\. \$([\d.]+) of \$([\d.]+) are used")
"""No answer fits into what is left, if all that is held were given back."""


class Answered(NamedTuple):
    """status: of a request. text: of its error. is_finished: whether its last event was read."""

    person: str
    status: int
    text: str
    is_finished: bool


class Team:
    """Four servers, one store, and an emulator that keeps what it was asked."""

    def __init__(
        self, emulator: Emulator, key: str, path: Path, stack: contextlib.ExitStack
    ) -> None:
        self.emulator, self.key = emulator, key
        self.store = SqliteStore(str(path), 60)
        stack.callback(self.store.close)
        settings = {
            **team_settings(key, path, PLANS),
            "GEMINI_ENDPOINT": emulator.url,
            "PROXY_STOP_SECONDS": "1",
        }
        self.urls = [
            stack.enter_context(servers.serving(servers.PROXY, settings)) for _ in range(PROCESSES)
        ]

    def send(self, person: str, number: int, plan: str, *, leaves: bool = False) -> Answered:
        """And again while the holds of others fill the budget, sooner than a client would."""
        while True:
            answered = self._send(person, number, plan, leaves=leaves)
            if BUSY not in answered.text:
                return answered
            time.sleep(0.05)

    def _send(self, person: str, number: int, plan: str, *, leaves: bool) -> Answered:
        now = int(time.time())
        token = Token(
            (f"{person}-1",), person, plan, now - 9, now + 3_600, "core" * (plan == "standard")
        )
        body = {"model": "claude-opus-5", "max_tokens": 9_999, "stream": True}
        body["messages"] = [{"role": "user", "content": "Hi."}]
        headers = {"x-api-key": tokens.create(token, SECRET), "Connection": "close"}
        url = f"{self.urls[number % len(self.urls)]}/v1/messages"
        with servers.LOCAL.post(url, json=body, headers=headers, stream=True, timeout=60) as answer:
            if answer.status_code != 200:
                return Answered(person, answer.status_code, answer.text, is_finished=False)
            if leaves:
                next(answer.iter_content(None))
                return Answered(person, 200, "", is_finished=False)
            return Answered(person, 200, answer.text, "message_stop" in answer.text)

    def send_all(self, plan: str, leaver: int) -> list[Answered]:
        """Each person's requests, so many at once. leaver: every so many-th answer is left."""
        jobs = [
            (f"{plan}{person}", number) for number in range(REQUESTS) for person in range(PEOPLE)
        ]
        with ThreadPoolExecutor(PEOPLE * STREAMS) as pool:
            sent = [
                pool.submit(self.send, person, at, plan, leaves=at % leaver == 0)
                for at, (person, _) in enumerate(jobs)
            ]
            return [each.result() for each in sent]

    def billed(self) -> int:
        """How many requests Google has answered, so far as the emulator's journal goes."""
        return sum(entry["status"] == 200 for entry in self.emulator.journal(self.key))

    def usage(self) -> list[Usage]:
        return list(self.store.usage("", "9"))

    def month(self, account: str) -> int:
        name = f"usd_month:{datetime.now(UTC):%Y-%m}"
        return self.store.read(account).get(name, 0)


@pytest.fixture
def team(emulator: Emulator, key: str, tmp_path: Path) -> Iterator[Team]:
    with contextlib.ExitStack() as stack:
        emulator.script(key, ANSWER)
        yield Team(emulator, key, tmp_path / "team.sqlite", stack)


def until(is_so: Any) -> None:
    deadline = time.monotonic() + 30
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert is_so()


def test_money_is_exact_and_within_its_bound(team: Team) -> None:
    """Complaints 1, 3, 5: sums are those of Google's journal, whoever leaves; nobody is refused as
    spent who is not; no budget is over by more than its streams' steps."""
    answered = team.send_all("standard", leaver=7)
    people = [f"standard{number}" for number in range(PEOPLE)]
    admitted = sum(each.status == 200 for each in answered)
    until(lambda: sum(row.requests for row in team.usage()) >= admitted)
    rows = team.usage()
    assert sum(row.requests for row in rows) == admitted
    assert sum(row.input for row in rows) == USED.input * team.billed()
    assert sum(row.output for row in rows) == USED.output * team.billed()
    assert sum(row.nano_usd for row in rows) == COST * team.billed() == team.month("group:core")
    step = money.cost(HYDROGEN, CHECKED, Tokens(0, 0, STEP))
    for person in people:
        assert team.month(f"person:{person}") <= USD * money.NANO + STREAMS * step
    assert team.month("group:core") <= GROUP_USD * money.NANO + PEOPLE * STREAMS * step
    refused = [FINAL.search(each.text) for each in answered if each.status != 200]
    assert len(refused) > PEOPLE
    for found in refused:
        assert found, "busy is tried again, and no other refusal is right"
        left, used, limit = (float(amount) for amount in found.groups())
        assert used + left == pytest.approx(limit, abs=0.011)
        assert left < money.cost(HYDROGEN, CHECKED, Tokens(0, 0, STEP)) / money.NANO + 0.001
    finished = Counter(each.person for each in answered if each.is_finished)
    counted = {row.person: row.requests for row in rows}
    assert all(finished[person] <= counted[person] for person in finished)


def test_requests_a_minute_are_exact(team: Team) -> None:
    """Complaint 4: over all processes."""
    answered = team.send_all("brisk", leaver=10**6)
    admitted = Counter(each.person for each in answered if each.status == 200)
    for person in (f"brisk{number}" for number in range(PEOPLE)):
        counters = team.store.read(f"person:{person}")
        windows = [counters[name] for name in counters if name.startswith("requests:")]
        assert sum(windows) == admitted[person]
        assert max(windows) <= PER_MINUTE
        assert len(windows) > 1 or windows == [PER_MINUTE]
    assert {each.status for each in answered} == {200, 429}


def test_process_that_is_killed_is_charged_what_was_known(team: Team) -> None:
    """And it is marked as estimated: who was served by it is neither lost nor blocked."""
    slow = {**ANSWER, "chunks": [{"text": "Hel"}, {"delay": 60}, {"text": "lo."}]}
    team.emulator.script(team.key, slow)
    people = [f"long{number}" for number in range(PEOPLE)]
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(PEOPLE))
        victim = servers.started[-1]
        killed = threading.Event()
        sent = [pool.submit(cut_off, team, person, killed) for person in people]
        until(lambda: [team.month(f"person:{each}") for each in people].count(0) == 0)
        until(lambda: all(is_corrected(team.month(f"person:{each}")) for each in people))
        servers.kill(victim)
        killed.set()
        assert [each.result() for each in sent] == [True] * PEOPLE
    later = int(time.time()) + HOLD_SECONDS + 1
    team.store.hold(Hold("later", (Entry("person:later", "streams", 1),), later + 9), later)
    rows = {row.person: row for row in team.usage()}
    for person in people:
        assert rows[person].nano_usd == rows[person].estimated == COST
        assert team.month(f"person:{person}") == COST
        assert not team.store.read(f"person:{person}").get("streams")


def is_corrected(nano_usd: int) -> bool:
    """Whether a hold is that of the first chunk: the input as Gemini counts it, and the output."""
    return bool(nano_usd == money.cost(HYDROGEN, CHECKED, Tokens(USED.input, 0, HELD_OUTPUT)))


def cut_off(team: Team, person: str, killed: threading.Event) -> bool:
    """Whether the answer of the process that dies breaks off."""
    try:
        answered = team.send(person, PROCESSES - 1, "long")
    except requests.RequestException:
        return killed.wait(30)
    raise AssertionError(json.dumps(answered))

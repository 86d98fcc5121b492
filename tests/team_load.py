"""A team of twenty that sends more than its budgets hold, and what has to be true afterwards.

Whoever serves it brings a store, addresses, and how many streams it can have open at once.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import pytest
import requests

from proxy.team import money, tokens
from proxy.team.holds import HELD_OUTPUT, HOLD_SECONDS, STEP
from proxy.team.stores import Entry, Hold, Store, Usage
from proxy.team.tokens import Token
from tests import servers
from tests.servers import Emulator
from tests.team_stores import SECRET
from translate.models import CHECKED, Tokens, find

PEOPLE = 20
HYDROGEN = find("gemini-4-hydrogen")
USED = Tokens(1_000, 0, 900)
"""By each answer, from its first chunk on."""

USAGE = {
    "promptTokenCount": USED.input,
    "cachedContentTokenCount": 0,
    "candidatesTokenCount": USED.output,
}
COST = money.cost(HYDROGEN, CHECKED, USED)
STEP_COST = money.cost(HYDROGEN, CHECKED, Tokens(0, 0, STEP))
ANSWER = {
    "chunks": [{"text": "Hel"}, {"delay": 0.02}, {"text": "lo"}, {"delay": 0.02}, {"text": "."}],
    "usage": USAGE,
    "repeat": True,
}
SLOW = {**ANSWER, "chunks": [{"text": "Hel"}, {"delay": 60}, {"text": "lo."}], "repeat": False}
BUSY = "Answers that are under way hold the rest of"
THROTTLED = "ReservedFunctionConcurrentInvocationLimitExceeded"
"""By AWS, where all environments of a function are busy."""

FINAL = re.compile(r"and (?:under )?\$([\d.]+) are left\. \$([\d.]+) of \$([\d.]+) are used")
"""No answer fits into what is left, if all that is held were given back."""


class Limits(NamedTuple):
    """usd: a month, for each person of `standard`. group_usd: for all of them. per_minute: requests
    of each person of `brisk`."""

    usd: float
    group_usd: float
    per_minute: int

    @property
    def plans(self) -> str:
        return f"""
[plans.standard]
usd_per_month = {self.usd}
[plans.brisk]
requests_per_minute = {self.per_minute}
[plans.long]
[groups.core]
usd_per_month = {self.group_usd}
"""


class Answered(NamedTuple):
    """status: of a request. text: of its error. is_finished: whether its last event was read."""

    person: str
    status: int
    text: str
    is_finished: bool


@dataclass(frozen=True)
class Team:
    """urls: of servers that share the store and ask the emulator with the key. requests: of each
    person. at_once: of all clients. streams, group_streams: open at once at most."""

    emulator: Emulator
    key: str
    store: Store
    urls: Sequence[str]
    limits: Limits
    requests: int
    at_once: int
    streams: int
    group_streams: int

    def send(self, person: str, number: int, plan: str, *, leaves: bool = False) -> Answered:
        """And again while the holds of others fill the budget, or all servers are busy, sooner than
        a client would."""
        while True:
            answered = self._send(person, number, plan, leaves=leaves)
            if BUSY not in answered.text and THROTTLED not in answered.text:
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
            (f"{plan}{person}", number)
            for number in range(self.requests)
            for person in range(PEOPLE)
        ]
        with ThreadPoolExecutor(self.at_once) as pool:
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


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def check_money(team: Team, answered: Sequence[Answered]) -> None:
    """Of `standard`: sums are those of Google's journal, whoever has left; nobody is refused as
    spent who is not; no budget is over by more than its streams' steps."""
    admitted = sum(each.status == 200 for each in answered)
    until(lambda: sum(row.requests for row in team.usage()) >= admitted)
    rows = team.usage()
    assert sum(row.requests for row in rows) == admitted
    check_sums(team, rows)
    assert team.month("group:core") == COST * team.billed()
    for person in range(PEOPLE):
        spent = team.month(f"person:standard{person}")
        assert spent <= team.limits.usd * money.NANO + team.streams * STEP_COST
    bound = team.limits.group_usd * money.NANO + team.group_streams * STEP_COST
    assert team.month("group:core") <= bound
    check_refusals(answered)
    finished = Counter(each.person for each in answered if each.is_finished)
    counted = {row.person: row.requests for row in rows}
    assert all(finished[person] <= counted[person] for person in finished)


def check_sums(team: Team, rows: Sequence[Usage]) -> None:
    """They are the journal's, to the token."""
    assert sum(row.input for row in rows) == USED.input * team.billed()
    assert sum(row.output for row in rows) == USED.output * team.billed()
    assert sum(row.nano_usd for row in rows) == COST * team.billed()


def check_refusals(answered: Sequence[Answered]) -> None:
    """Each says that a budget is spent, and so it is."""
    refused = [FINAL.search(each.text) for each in answered if each.status != 200]
    assert len(refused) > PEOPLE
    for found in refused:
        assert found, "busy is tried again, and no other refusal is right"
        left, used, limit = (float(amount) for amount in found.groups())
        assert used + left == pytest.approx(limit, abs=0.011)
        assert left < STEP_COST / money.NANO + 0.001


def check_requests_a_minute(team: Team, answered: Sequence[Answered]) -> None:
    """Of `brisk`: exact over all processes."""
    admitted = Counter(each.person for each in answered if each.status == 200)
    for person in (f"brisk{number}" for number in range(PEOPLE)):
        counters = team.store.read(f"person:{person}")
        windows = [counters[name] for name in counters if name.startswith("requests:")]
        assert sum(windows) == admitted[person]
        assert max(windows) <= team.limits.per_minute
        assert len(windows) > 1 or windows == [team.limits.per_minute]
    assert {each.status for each in answered} == {200, 429}


def sweep(team: Team) -> None:
    """As the first request does that comes when the holds of a dead process are over."""
    later = int(time.time()) + HOLD_SECONDS + 1
    team.store.hold(Hold("later", (Entry("person:later", "streams", 1),), later + 9), later)


def check_estimated(team: Team, people: Sequence[str]) -> None:
    """Who was served by a process that is dead is charged what was known, and not blocked."""
    rows = {row.person: row for row in team.usage()}
    for person in people:
        assert rows[person].nano_usd == rows[person].estimated == COST
        assert team.month(f"person:{person}") == COST
        assert not team.store.read(f"person:{person}").get("streams")


def is_corrected(nano_usd: int) -> bool:
    """Whether a hold is that of the first chunk: the input as Gemini counts it, and the output."""
    return bool(nano_usd == money.cost(HYDROGEN, CHECKED, Tokens(USED.input, 0, HELD_OUTPUT)))


def breaks_off(team: Team, person: str, number: int, plan: str) -> bool:
    """Whether an answer of the process that is killed has no end."""
    try:
        team.send(person, number, plan)
    except requests.RequestException:
        return True
    return False

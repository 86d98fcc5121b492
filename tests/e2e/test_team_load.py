"""Twenty people through four processes that share a store: nothing is lost, and nothing is over.

Each person sends as fast as eight subagents do, on a small budget; some leave in the middle of an
answer; one process is killed with answers open.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proxy.team.stores.sqlite import SqliteStore
from tests import servers, team_load
from tests.servers import Emulator
from tests.team_load import ANSWER, PEOPLE, SLOW, Limits, Team, is_corrected, until
from tests.team_stores import team_settings

PROCESSES, STREAMS, REQUESTS = 4, 8, 16
LIMITS = Limits(usd=0.10, group_usd=1.40, per_minute=12)


@pytest.fixture
def team(emulator: Emulator, key: str, tmp_path: Path) -> Iterator[Team]:
    """Four servers, one store, and an emulator that keeps what it was asked."""
    path = tmp_path / "team.sqlite"
    settings = {
        **team_settings(key, path, LIMITS.plans),
        "GEMINI_ENDPOINT": emulator.url,
        "PROXY_STOP_SECONDS": "1",
    }
    emulator.script(key, ANSWER)
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(contextlib.closing(SqliteStore(str(path), 60)))
        urls = [
            stack.enter_context(servers.serving(servers.PROXY, settings)) for _ in range(PROCESSES)
        ]
        yield Team(
            emulator,
            key,
            store,
            urls,
            LIMITS,
            requests=REQUESTS,
            at_once=PEOPLE * STREAMS,
            streams=STREAMS,
            group_streams=PEOPLE * STREAMS,
        )


def test_money_is_exact_and_within_its_bound(team: Team) -> None:
    """Complaints 1, 3, 5: sums are those of Google's journal, whoever leaves; nobody is refused as
    spent who is not; no budget is over by more than its streams' steps."""
    team_load.check_money(team, team.send_all("standard", leaver=7))


def test_requests_a_minute_are_exact(team: Team) -> None:
    """Complaint 4: over all processes."""
    team_load.check_requests_a_minute(team, team.send_all("brisk", leaver=10**6))


def test_process_that_is_killed_is_charged_what_was_known(team: Team) -> None:
    """And it is marked as estimated: who was served by it is neither lost nor blocked."""
    team.emulator.script(team.key, {**SLOW, "repeat": True})
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
    team_load.sweep(team)
    team_load.check_estimated(team, people)


def cut_off(team: Team, person: str, killed: threading.Event) -> bool:
    """Whether the answer of the process that dies breaks off, and not before."""
    return team_load.breaks_off(team, person, PROCESSES - 1, "long") and killed.wait(30)

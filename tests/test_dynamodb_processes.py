"""proxy/team/stores/dynamodb.py in several processes, one of which is killed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.team.stores import Entry, Hold
from tests.servers import ROOT
from tests.team_dynamodb import REGION, Dynamo

NOW, END = 1_795_900_000, 1_795_903_600
PEOPLE, REQUESTS, LIMIT = 20, 2, 5
DAY, MINUTE, GROUP = "usd_day:2026-11-28", "requests:2026-11-28T18:43", "group:core"

WORK = f"""
import sys
from proxy.team.stores import Entry, Hold, Usage
from proxy.team.stores.dynamodb import DynamoStore

name, requests = sys.argv[1], int(sys.argv[2])
store = DynamoStore("team", seconds=60)
for number in range({PEOPLE} * requests):
    person = f"p{{number % {PEOPLE}}}"
    entries = tuple(
        Entry(account, counter, amount, limit, final)
        for account in (f"person:{{person}}", {GROUP!r})
        for counter, amount, limit, final in (
            ({DAY!r}, 10, None, 7),
            ({MINUTE!r}, 1, {LIMIT} if account != {GROUP!r} else None, 1),
            ("streams", 1, None, 0),
        )
    )
    usage = (Usage("2026-11-28", person, "m", requests=1, nano_usd=7),)
    hold = Hold(f"{{name}}-{{number}}", entries, {END}, usage)
    if not store.hold(hold, {NOW}).refusals:
        print(person, flush=True)
        if name != "killed":
            if number % 3 == 0:
                store.change(hold, {NOW})
            store.settle(hold, {NOW} + 1)
print(flush=True)
if name == "killed":
    sys.stdin.read()
"""


def start(url: str, *arguments: str) -> subprocess.Popen[str]:
    environ = {
        **os.environ,
        "AWS_ENDPOINT_URL": url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "NO_PROXY": "127.0.0.1",
    }
    return subprocess.Popen(
        [sys.executable, "-c", WORK, *arguments],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Dynamo]:
    backend = Dynamo(tmp_path)
    yield backend
    backend.close()


def test_sums_of_many_processes_are_exact(backend: Dynamo) -> None:
    """Complaint 3: counters drift apart elsewhere. Requests a minute are exact, what has ended is
    never lost, and what a killed process held is charged as far as known."""
    with backend.serve() as url, contextlib.ExitStack() as stack:
        killed = stack.enter_context(start(url, "killed", "1"))
        others = [stack.enter_context(start(url, f"o{n}", str(REQUESTS))) for n in range(3)]
        assert killed.stdout
        held = [line.strip() for line in iter(killed.stdout.readline, "\n")]
        killed.kill()
        outputs = [process.communicate(timeout=300)[0] for process in others]
        assert [process.returncode for process in others] == [0] * 3
    done = [line for output in outputs for line in output.split()]
    store = backend.open()
    admitted = Counter(held + done)
    assert admitted == {f"p{number}": LIMIT for number in range(PEOPLE)}
    for person in admitted:
        counters = store.read(f"person:{person}")
        assert counters[MINUTE] == LIMIT
        assert counters[DAY] == 10 * held.count(person) + 7 * done.count(person)
        assert counters["streams"] == held.count(person)
    assert store.read(GROUP) == {
        DAY: 10 * len(held) + 7 * len(done),
        MINUTE: PEOPLE * LIMIT,
        "streams": len(held),
    }
    for number in range(-(-len(held) // 10)):  # ten holds with each verb
        sweeps = Hold(f"s{number}", (Entry("person:s", "x", 0),), END + 9_999, ())
        store.hold(sweeps, END + 60 * number)
    assert store.read(GROUP) == {
        DAY: 7 * PEOPLE * LIMIT,
        MINUTE: PEOPLE * LIMIT,
        "streams": 0,
    }
    rows = store.usage("", "9")
    assert [(row.requests, row.nano_usd) for row in rows] == [(LIMIT, 7 * LIMIT)] * PEOPLE
    assert sum(row.estimated for row in rows) == 7 * len(held)

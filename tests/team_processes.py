"""Several processes that count in one store in a cloud, one of which is killed with holds open."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from proxy.team.stores import Entry, Hold, Store
from tests.servers import ROOT

NOW, END = 1_795_900_000, 1_795_903_600
PEOPLE, REQUESTS, LIMIT = 20, 2, 5
DAY, MINUTE, GROUP = "usd_day:2026-11-28", "requests:2026-11-28T18:43", "group:core"

OPEN = "# the store is opened here"
WORK = f"""
import sys
from proxy.team.stores import Entry, Hold, Usage
{OPEN}

name, requests = sys.argv[1], int(sys.argv[2])
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


class Admitted(NamedTuple):
    """The person of each request: of the process that was killed, and of the others."""

    held: list[str]
    done: list[str]


def run(opening: str, environ: Mapping[str, str]) -> Admitted:
    """opening: lines of Python that make `store`."""
    program = WORK.replace(OPEN, opening)

    def start(name: str, requests: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", program, name, str(requests)],
            cwd=ROOT,
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    with contextlib.ExitStack() as stack:
        killed = stack.enter_context(start("killed", 1))
        others = [stack.enter_context(start(f"o{n}", REQUESTS)) for n in range(3)]
        assert killed.stdout
        held = [line.strip() for line in iter(killed.stdout.readline, "\n")]
        killed.kill()
        outputs = [process.communicate(timeout=300)[0] for process in others]
        assert [process.returncode for process in others] == [0] * 3
    return Admitted(held, [line for output in outputs for line in output.split()])


def check(store: Store, held: list[str], done: list[str]) -> None:
    """Requests a minute are exact, what has ended is never lost, and what a killed process held is
    charged as far as known."""
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

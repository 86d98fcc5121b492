"""proxy/team/stores/firestore.py in several processes, one of which is killed."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from proxy.team.stores import Entry, Hold
from tests.servers import ROOT
from tests.team_firestore import Firestore

pytestmark = pytest.mark.firestore

NOW, END = 1_795_900_000, 1_795_903_600
PEOPLE, REQUESTS, LIMIT = 20, 2, 5
DAY, MINUTE, GROUP = "usd_day:2026-11-28", "requests:2026-11-28T18:43", "group:core"

WORK = f"""
import sys
from proxy.team.stores import Entry, Hold, Usage
from proxy.team.stores.firestore import FirestoreStore

emulator, collection, name, requests = sys.argv[1:]
store = FirestoreStore("demo-team", collection, lambda _: {{}}, seconds=60, emulator=emulator)
for number in range({PEOPLE} * int(requests)):
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


def start(backend: Firestore, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORK, backend.emulator, backend.collection, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_sums_of_many_processes_are_exact(tmp_path: Path) -> None:
    """Complaint 3: counters drift apart elsewhere. Requests a minute are exact, what has ended is
    never lost, and what a killed process held is charged as far as known."""
    backend = Firestore(tmp_path)
    with contextlib.ExitStack() as stack:
        killed = stack.enter_context(start(backend, "killed", "1"))
        others = [stack.enter_context(start(backend, f"o{n}", str(REQUESTS))) for n in range(3)]
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
    expected = {MINUTE: PEOPLE * LIMIT, "streams": len(held)}
    assert store.read(GROUP) == {DAY: 10 * len(held) + 7 * len(done), **expected}
    for number in range(-(-len(held) // 10)):  # ten holds with each verb
        sweeps = Hold(f"s{number}", (Entry("person:s", "x", 0),), END + 9_999, ())
        store.hold(sweeps, END + 60 * number)
    expected = {MINUTE: PEOPLE * LIMIT, "streams": 0}
    assert store.read(GROUP) == {DAY: 7 * PEOPLE * LIMIT, **expected}
    rows = store.usage("", "9")
    assert [(row.requests, row.nano_usd) for row in rows] == [(LIMIT, 7 * LIMIT)] * PEOPLE
    assert sum(row.estimated for row in rows) == 7 * len(held)
    store.close()


SERVE = """
import sys
from tests.team_firestore import serve

print(serve(), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("is_killed", [True, False])
def test_emulator_ends_with_the_tests(is_killed: bool) -> None:
    """Also where they are killed."""
    command = [sys.executable, "-c", SERVE]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        host, _, port = process.stdout.readline().strip().partition(":")
        with socket.create_connection((host, int(port))) as connection:
            if is_killed:
                process.kill()
            else:
                process.communicate(timeout=60)
            connection.settimeout(60)
            with contextlib.suppress(ConnectionError):
                assert connection.recv(1) == b""

"""proxy/team/stores/firestore.py in several processes, one of which is killed."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests import team_processes
from tests.servers import ROOT
from tests.team_firestore import Firestore

pytestmark = pytest.mark.firestore

OPENING = """
from proxy.team.stores.firestore import FirestoreStore

names = "demo-team", {collection!r}
store = FirestoreStore(*names, lambda _: {{}}, seconds=60, emulator={emulator!r})
"""


def test_sums_of_many_processes_are_exact(tmp_path: Path) -> None:
    """Complaint 3: counters drift apart elsewhere."""
    backend = Firestore(tmp_path)
    opening = OPENING.format(collection=backend.collection, emulator=backend.emulator)
    admitted = team_processes.run(opening, os.environ)
    store = backend.open()
    team_processes.check(store, *admitted)
    store.close()


COUNT = """
import json
import sys
from collections import Counter

from proxy.team.stores import Entry, Hold
from proxy.team.stores.firestore_client import Client

written, commit = Counter(), Client.commit


def count(client, writes):
    results = commit(client, writes)
    written.update(each["update"]["name"].rpartition("/")[2] for each in writes if "update" in each)
    return results


Client.commit = count
{opening}
for number in range(int(sys.argv[1]), 100, 2):
    person = f"person:p{{number % 40}}"
    entries = tuple(Entry(each, "usd_day:2026-11-28", 9, 999, 7) for each in (person, "group:core"))
    hold = Hold(f"h{{number}}", entries, 1_795_903_600)
    for verb in (store.hold, store.change, store.settle):
        verb(hold, 1_795_900_000)
print(json.dumps(written))
"""


def test_no_document_is_written_by_a_whole_group(tmp_path: Path) -> None:
    """100 requests of 40 people through two processes. In one document they were 300 writes, at
    about one a second: five minutes."""
    backend = Firestore(tmp_path)
    opening = OPENING.format(collection=backend.collection, emulator=backend.emulator)
    command = [sys.executable, "-c", COUNT.format(opening=opening)]
    processes = [
        subprocess.Popen([*command, number], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for number in "01"
    ]
    written: Counter[str] = Counter()
    for process in processes:
        written.update(json.loads(process.communicate(timeout=300)[0]))
    groups = {name: count for name, count in written.items() if "group" in name}
    assert sum(groups.values()) == 300
    assert max(groups.values()) <= 18
    store = backend.open()
    assert store.read("group:core") == {"usd_day:2026-11-28": 700}
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

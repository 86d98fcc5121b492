"""proxy/team/stores/firestore.py in several processes, one of which is killed."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
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

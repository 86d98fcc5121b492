"""proxy/team/stores/dynamodb.py in several processes, one of which is killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import team_processes
from tests.team_dynamodb import Dynamo, environ

OPENING = """
from proxy.team.stores.dynamodb import DynamoStore

store = DynamoStore("team", seconds=60)
"""


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Dynamo]:
    backend = Dynamo(tmp_path)
    yield backend
    backend.close()


def test_sums_of_many_processes_are_exact(backend: Dynamo) -> None:
    """Complaint 3: counters drift apart elsewhere."""
    with backend.serve() as url:
        admitted = team_processes.run(OPENING, {**os.environ, **environ(url)})
    team_processes.check(backend.open(), *admitted)

"""Twenty people through two environments on AWS Lambda that share a table of DynamoDB.

As test_team_load.py, with what is different there: an environment serves one request at a time and
stands still between two; who comes while both are busy is refused by AWS, and comes again; a client
that leaves is not reported, and the function runs on.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from proxy.team.stores.dynamodb import DynamoStore
from tests import team_dynamodb, team_load
from tests.lambda_function import Deployed, deployed
from tests.servers import Emulator
from tests.team_load import ANSWER, PEOPLE, SLOW, Limits, Team, is_corrected, until
from tests.team_stores import SECRET

pytestmark = pytest.mark.e2e

ENVIRONMENTS, CLIENTS, REQUESTS = 2, 8, 5
LIMITS = Limits(usd=0.05, group_usd=0.45, per_minute=3)
OF_RUNTIME = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six")
"""What AWS's managed runtime brings, and build/lambda.zip leaves out."""

PATIENT = """
import os, sys
sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
from proxy.team import stores
stores.STORE_SECONDS = 60.0
"""
"""moto on a machine that has other work is slower than DynamoDB. What becomes of a store that does
not answer in time is test_stores.py's."""


class Case(NamedTuple):
    team: Team
    function: Deployed


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables by which an environment finds what its runtime brings."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in OF_RUNTIME:
        file = Path(str(importlib.import_module(name).__file__))
        found = file.parent if file.name == "__init__.py" else file
        (folder / found.name).symlink_to(found)
    (folder / "sitecustomize.py").write_text(PATIENT)
    compiled = tmp_path_factory.mktemp("compiled")
    return {"PYTHONPATH": str(folder), "PYTHONPYCACHEPREFIX": str(compiled)}


@pytest.fixture
def case(
    emulator: Emulator, key: str, runtime: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Case]:
    emulator.script(key, ANSWER)
    with contextlib.ExitStack() as stack:
        found = team_dynamodb.environ(stack.enter_context(team_dynamodb.serving()))
        for name, value in found.items():
            monkeypatch.setenv(name, value)
        settings = {
            **runtime,
            **found,
            "AWS_REGION": team_dynamodb.REGION,
            "GEMINI_API_KEY": key,
            "GEMINI_ENDPOINT": emulator.url,
            "PROXY_SECRET": SECRET,
            "PROXY_PLANS": LIMITS.plans,
            "PROXY_STORE": f"dynamodb://{team_dynamodb.TABLE}",
        }
        function = stack.enter_context(deployed(settings, concurrency=ENVIRONMENTS, freezes=True))
        store = stack.enter_context(contextlib.closing(DynamoStore(team_dynamodb.TABLE, 60)))
        team = Team(
            emulator,
            key,
            store,
            [function.url],
            LIMITS,
            requests=REQUESTS,
            at_once=CLIENTS,
            streams=ENVIRONMENTS,
            group_streams=ENVIRONMENTS,
        )
        yield Case(team, function)


def test_money_is_exact_on_lambda(case: Case) -> None:
    """And within its bound: limit + one step for each of the two environments."""
    team_load.check_money(case.team, case.team.send_all("standard", leaver=7))
    assert len(case.function.processes()) == ENVIRONMENTS


def test_requests_a_minute_are_exact_on_lambda(case: Case) -> None:
    """Each person's, over both environments."""
    answered = case.team.send_all("brisk", leaver=10**6)
    team_load.check_requests_a_minute(case.team, answered)
    assert len(case.function.processes()) == ENVIRONMENTS


def test_environment_that_is_killed_loses_nothing(case: Case) -> None:
    """It has a hold open; the others are served meanwhile, and then by the one that replaces it."""
    team, function = case.team, case.function.function
    team.emulator.script(team.key, SLOW, ANSWER)
    others = [f"long{number}" for number in range(1, PEOPLE)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        broken = pool.submit(team_load.breaks_off, team, "long0", 0, "long")
        until(lambda: is_corrected(team.month("person:long0")))
        (victim,) = function.environments
        before = [pool.submit(team.send, each, 0, "long") for each in others]
        assert all(each.result().is_finished for each in before)
        assert victim.has_answered() is False
        victim.close()
        assert broken.result()
        after = [pool.submit(team.send, each, 0, "long") for each in others]
        assert all(each.result().is_finished for each in after)
    until(lambda: len(case.function.processes()) == ENVIRONMENTS)
    team_load.sweep(team)
    team_load.check_estimated(team, ["long0"])
    rows = team.usage()
    team_load.check_sums(team, rows)
    assert {row.person: row.requests for row in rows} == {"long0": 1} | dict.fromkeys(others, 2)

"""`python -m proxy raise-limit`: whose limit, how much, until when; and what it does not do."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from proxy import clock
from proxy.cli import main
from proxy.cli import token as token_command
from proxy.team import acts
from proxy.team.stores.sqlite import SqliteStore
from tests.team_stores import SECRET, closing

NOW = int(datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp())
NANO = 10**9
PLANS = """
zone = "Europe/Berlin"
[plans.standard]
usd_per_day = 1
tokens_per_day = 1_000
[groups.core]
usd_per_month = 500
"""
Run = Callable[..., tuple[int | str | None, str]]


@pytest.fixture(autouse=True)
def at_noon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setattr(getpass, "getuser", lambda: "bob")
    yield from closing(monkeypatch)


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(str(tmp_path / "team.sqlite"))


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit code, or the sentence that ends the command, and standard error."""

    def run(*arguments: str, **environ: str) -> tuple[int | str | None, str]:
        usual = {
            "PROXY_SECRET": SECRET,
            "PROXY_PLANS": PLANS,
            "PROXY_STORE": f"sqlite://{tmp_path}/team.sqlite",
        }
        code: int | str | None
        try:
            code = main.main(["raise-limit", *arguments], {**usual, **environ}, lambda: None)
        except SystemExit as end:
            code = end.code
        output, error = capsys.readouterr()
        assert output == ""
        return code, error

    return run


def test_limit_of_a_person_is_raised_for_its_window(run: Run, store: SqliteStore) -> None:
    code, error = run("--person", "alice", "--usd-per-day", "2.50")
    line, sentence = error.splitlines()
    assert code == 0
    assert sentence == "alice: usd_per_day is 2.5 until 2026-11-29 00:00 CET."
    assert json.loads(line) == {
        "audit": "token raise",
        "id": "usd_per_day=2.5",
        "person": "alice",
        "by": "bob",
    }
    assert store.read("person:alice") == {"raise.usd_day.2026-11-28": 2_500_000_000}


def test_limit_of_a_group_is_raised(run: Run, store: SqliteStore) -> None:
    _, error = run("--group", "core", "--usd-per-month", "800")
    assert error.endswith("group core: usd_per_month is 800 until 2026-12-01 00:00 CET.\n")
    assert store.read("group:core") == {"raise.usd_month.2026-11": 800 * NANO}


def test_raise_is_taken_back(run: Run, store: SqliteStore) -> None:
    run("--person", "alice", "--usd-per-day", "2")
    run("--person", "alice", "--tokens-per-day", "2000")
    code, error = run("--person", "alice", "--usd-per-day", "0")
    assert code == 0
    assert error.endswith("alice: usd_per_day is that of the plan again.\n")
    assert store.read("person:alice") == {"raise.tokens.2026-11-28": 2_000}


def test_raises_of_windows_that_are_over_are_dropped(run: Run, store: SqliteStore) -> None:
    store.mark("person:alice", "raise.usd_day.2026-11-27", 9)
    store.mark("person:alice", "usd_day:2026-11-27", 9)
    run("--person", "alice", "--usd-per-day", "2")
    assert store.read("person:alice").keys() == {"raise.usd_day.2026-11-28", "usd_day:2026-11-27"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--group", "cor", "--usd-per-month", "9"), "The plan file has no group 'cor'"),
        (("--group", "core", "--usd-per-day", "9"), "The group core has no limit usd_per_day"),
        (("--group", "core", "--usd-per-month", "500"), "The group core may use as much already"),
        (("--person", "bob", "--usd-per-week", "9"), "bob has no limit usd_per_week"),
        (("--person", "bob", "--usd-per-day", "1"), "bob may use as much already"),
        (("--person", "bob", "--usd-per-day", "$9"), "--usd-per-day: expected US dollars"),
        (("--person", "bob", "--tokens-per-day", "1.5"), "--tokens-per-day: expected a whole"),
    ],
)
def test_what_would_change_nothing_is_refused(
    run: Run, store: SqliteStore, arguments: tuple[str, ...], sentence: str
) -> None:
    store.mark("tokens", f"t1.{NOW}.bob/standard/", NOW + 9)
    code, error = run(*arguments)
    assert str(code).startswith(sentence)
    assert error == ""
    assert store.read("person:bob") == store.read("group:core") == store.read("audit") == {}


def test_raise_needs_whose_and_what(run: Run) -> None:
    for arguments in ((), ("--person", "alice"), ("--usd-per-day", "2")):
        assert run(*arguments)[0] == 2
    assert run("--person", "a b", "--usd-per-day", "2")[0] == 2


def test_raise_needs_a_store(run: Run, tmp_path: Path) -> None:
    given = ("--person", "alice", "--usd-per-day", "2")
    assert run(*given, PROXY_STORE="") == (acts.NO_STORE, "")
    assert run(*given, PROXY_STORE="", PROXY_SECRET="", PROXY_PLANS="")[0] == token_command.NO_TEAM
    (tmp_path / "team.sqlite").write_bytes(b"no database" * 100)
    assert str(run(*given)[0]).startswith("The store cannot be asked")

"""proxy/team/people.py and opening.py: who presents a token, and what a team's settings may be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from proxy import clock, config
from proxy.config import BadSetting
from proxy.payers import UNCOUNTED, Counting
from proxy.team import opening, people, tokens
from proxy.team.people import BadRevocation, People, read_revocations
from proxy.team.stores.sqlite import SqliteStore
from proxy.team.tokens import BadToken, Token
from tests.team_stores import closing

SECRET, OLD = "s" * 32, "o" * 32
NOW = int(datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp())
ALICE = Token(("t1",), "alice", "standard", NOW - 60, NOW + 999)
PLANS = "[plans.standard]\nusd_per_day = 1\n[plans.default]\nusd_per_day = 2\n"


@pytest.fixture(autouse=True)
def at_noon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    yield from closing(monkeypatch)


def team(**environ: str) -> People:
    given = {"PROXY_SECRET": f"{SECRET},{OLD}", "PROXY_PLANS": PLANS, **environ}
    return opening.open_team(config.read(given))


def test_uncounted_may_have_everything() -> None:
    UNCOUNTED.check("any")
    assert (UNCOUNTED.allows("any"), UNCOUNTED.person, UNCOUNTED.plan) == (True, "", "")


@pytest.mark.parametrize("secret", [SECRET, OLD])
def test_person_is_found_by_a_token(secret: str) -> None:
    """While one secret replaces another, both are good."""
    token = tokens.create(ALICE, secret)
    holder = team().find(["AIza-key", token])
    assert holder is not None
    assert (holder.caller_id, holder.others) == ("token-t1", ["AIza-key"])
    assert (holder.payer.person, holder.payer.plan) == ("alice", "standard")


@pytest.mark.parametrize("presented", [[], ["AIza-key"], ["shared"]])
def test_nobody_is_found_without_a_token(presented: list[str]) -> None:
    assert team().find(presented) is None


def test_shared_token_is_one_person_of_the_default_plan() -> None:
    holder = team(PROXY_TOKEN="shared").find(["shared"])
    assert holder is not None
    assert (holder.caller_id, holder.payer.person, holder.payer.plan) == (
        "token-shared",
        "token",
        "default",
    )


def test_shared_token_needs_a_default_plan() -> None:
    found = team(PROXY_TOKEN="shared", PROXY_PLANS="[plans.standard]\nusd_per_day = 1")
    with pytest.raises(BadToken, match="no plan 'default'"):
        found.find(["shared"])


def test_token_of_another_server_is_refused() -> None:
    with pytest.raises(BadToken, match="damaged or not of this server"):
        team().find([tokens.create(ALICE, "x" * 32)])


@pytest.mark.parametrize(
    "revoked", ["t1", "other, t1", "alice<2026-11-29", "alice<2026-11-28T12:00:00Z"]
)
def test_revoked_in_the_settings(revoked: str) -> None:
    """Complaint 12: also for tokens that are derived from it."""
    token = tokens.create(ALICE, SECRET)
    found = team(PROXY_REVOKED=revoked)
    for text in (token, tokens.derive(token, "ci")):
        with pytest.raises(BadToken, match=r"was revoked\. Get a new one"):
            found.find([text])


@pytest.mark.parametrize("revoked", ["t2", "bob<2030-01-01", "alice<2026-11-28"])
def test_others_are_not_revoked(revoked: str) -> None:
    assert team(PROXY_REVOKED=revoked).find([tokens.create(ALICE, SECRET)])


def test_day_of_a_revocation_begins_in_the_zone_of_the_plans() -> None:
    found = read_revocations(["alice<2026-11-28"], ZoneInfo("Asia/Tokyo"))
    assert found.before == {
        "alice": int(datetime(2026, 11, 27, 15, tzinfo=UTC).timestamp()),
    }


@pytest.mark.parametrize("item", ["alice<soon", "alice<", "<2026-11-28", "a b", "alice<2026-13-01"])
def test_revocation_that_cannot_be_read(item: str) -> None:
    with pytest.raises(BadRevocation):
        read_revocations([item], UTC)
    with pytest.raises(BadSetting, match="PROXY_REVOKED: "):
        team(PROXY_REVOKED=item)


# --- Settings ----------------------------------------------------------------------------------


def test_plans_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "plans.toml"
    file.write_text('[plans.standard]\ncolour = "red"\n')
    with pytest.raises(BadSetting, match=r"PROXY_PLANS: .*plans\.toml, line 2: plans\.standard"):
        team(PROXY_PLANS=str(file))
    file.write_text("[plans.a]\n")
    assert list(team(PROXY_PLANS=str(file)).budgets.plans.plans) == ["a"]


def test_plans_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="cannot be read: No such file or directory"):
        team(PROXY_PLANS=str(tmp_path / "none.toml"))
    (tmp_path / "odd").write_bytes(b"\xff\xfe")
    with pytest.raises(BadSetting, match="cannot be read: it is no text in UTF-8"):
        team(PROXY_PLANS=str(tmp_path / "odd"))


def test_text_of_the_plans_is_not_quoted_as_a_path() -> None:
    with pytest.raises(BadSetting, match=r"^PROXY_PLANS: PROXY_PLANS, line 1: plan"):
        team(PROXY_PLANS="plan = 1\n")


def test_store_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "team.sqlite"
    store = opening.open_store(f"sqlite://{path}")
    assert isinstance(store, SqliteStore)
    store.mark("a", "b", 1)
    assert path.exists()


@pytest.mark.parametrize("url", ["postgres://x", "sqlite:///", "sqlite://host/x", "team.sqlite"])
def test_store_that_there_is_not(url: str) -> None:
    with pytest.raises(BadSetting, match="PROXY_STORE: expected sqlite:///path, dynamodb://"):
        team(PROXY_STORE=url)


@pytest.mark.parametrize("variable", ["K_SERVICE", "AWS_LAMBDA_FUNCTION_NAME"])
def test_store_on_the_disk_of_an_instance_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "messages")
    with pytest.raises(BadSetting, match=f"belongs to one instance here .{variable} is set.*use"):
        team(PROXY_STORE="sqlite:///tmp/team.sqlite")


def test_no_store_is_none() -> None:
    assert opening.open_store("") is None
    assert team().counting is Counting.PER_INSTANCE
    assert people.SHARED.person == "token"

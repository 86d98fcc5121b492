"""proxy/team/plans.py: what an operator writes is read to the last field, or refused."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from proxy.team import plans
from proxy.team.money import NANO
from proxy.team.plans import BadPlan, Limits, Plan, Plans

FILE = """
zone = "Europe/Berlin"
contact = "Ask Bob."
operators = ["bob", "carol@example.com"]

[plans.standard]
models = ["gemini-*-flash", "claude-haiku-*"]
requests_per_minute = 30
open_streams = 8
tokens_per_day = 50_000_000
usd_per_day = 5.10
usd_per_week = 20
usd_per_month = 60.000000001

[plans.open]

[groups.core]
usd_per_month = 500

[[raises]]
person = "alice"
until = 2026-12-24
usd_per_day = 20
open_streams = 2

[[raises]]
group = "core"
until = 2026-12-24T12:00:00
usd_per_month = 600

[[raises]]
person = "bob"
until = 2026-12-24T12:00:00Z
usd_per_day = 30
tokens_per_day = 1
"""

READ = plans.parse(FILE, "plans.toml")
LIMITS = Limits(30, 8, 50_000_000, 5_100_000_000, 20 * NANO, 60 * NANO + 1)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


NOW = at("2026-11-28T18:43Z")
LATER = at("2027-01-01T00:00Z")


def problem(text: str) -> str:
    with pytest.raises(BadPlan) as caught:
        plans.parse(text, "plans.toml")
    return str(caught.value)


def test_plan_file_is_read_to_the_nano_dollar() -> None:
    """Complaint 18: a budget is accepted and not saved."""
    assert (READ.zone, READ.contact) == (ZoneInfo("Europe/Berlin"), "Ask Bob.")
    assert READ.operators == {"bob", "carol@example.com"}
    assert READ.plans["standard"] == Plan(("gemini-*-flash", "claude-haiku-*"), LIMITS)
    assert READ.plans["open"] == Plan(("*",), Limits())
    assert READ.groups == {"core": Limits(usd_per_month=500 * NANO)}


def test_plan_of_a_person_and_a_group() -> None:
    assert READ.of_person("carol", "standard", NOW) == READ.plans["standard"]
    assert READ.of_person("alice", "missing", NOW) is None
    assert READ.of_group("core", LATER) == READ.groups["core"]
    assert READ.of_group("missing", NOW) is None


def test_models_of_a_plan() -> None:
    plan = READ.plans["standard"]
    assert plan.allows("gemini-3.8-flash")
    assert plan.allows("claude-haiku-4-5", "gemini-3.5-flash-lite")
    assert not plan.allows("claude-opus-5", "gemini-4-neon")


@pytest.mark.parametrize(
    ("who", "now", "limit"),
    [
        ("alice", "2026-12-24T22:59:59Z", 20 * NANO),
        ("alice", "2026-12-24T23:00Z", 5_100_000_000),
        ("bob", "2026-12-24T11:59:59Z", 30 * NANO),
        ("bob", "2026-12-24T12:00Z", 5_100_000_000),
        ("carol", "2026-12-24T11:00Z", 5_100_000_000),
    ],
)
def test_raise_has_an_end(who: str, now: str, limit: int) -> None:
    """Complaint 25: a temporary raise is paid elsewhere."""
    plan = READ.of_person(who, "standard", at(now))
    assert plan is not None
    assert plan.limits.usd_per_day == limit


def test_raise_is_no_limit_and_lowers_none() -> None:
    alice, bob = (READ.of_person(who, "standard", NOW) for who in ("alice", "bob"))
    assert alice is not None
    assert bob is not None
    assert (alice.limits.open_streams, bob.limits.tokens_per_day) == (8, 50_000_000)
    free = READ.of_person("alice", "open", NOW)
    assert free == Plan()


def test_raise_of_a_group() -> None:
    before, after = at("2026-12-24T10:59:59Z"), at("2026-12-24T11:00Z")
    assert READ.of_group("core", before) == Limits(usd_per_month=600 * NANO)
    assert READ.of_group("core", after) == Limits(usd_per_month=500 * NANO)


def test_empty_file_has_no_plans() -> None:
    assert plans.parse("", "x") == Plans()
    assert plans.parse('zone = "UTC"', "x").zone is UTC


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("[plans.a]\nusd_per_dya = 5", "line 2: plans.a.usd_per_dya", "did you mean usd_per_day?"),
        ("[plans.a]\n# Free.\nfoo = 5", "line 3: plans.a.foo", "is not a setting"),
        ("zones = 5", "line 1: zones", "is not a setting; did you mean zone?"),
        ("[groups.a]\nmodels = []", "line 2: groups.a.models", "is not a setting"),
        ("[plans.a]\nusd_per_day = -1", "line 2: plans.a.usd_per_day", "expected US dollars, 0 to"),
        ("[plans.a]\nusd_per_day = nan", "line 2: plans.a.usd_per_day", "expected US dollars"),
        ("[plans.a]\nusd_per_day = inf", "line 2: plans.a.usd_per_day", "expected US dollars"),
        ('[plans.a]\nusd_per_day = "5"', "line 2: plans.a.usd_per_day", "without quotes"),
        ("[plans.a]\nusd_per_day = true", "line 2: plans.a.usd_per_day", "expected US dollars"),
        (
            "[plans.a]\nopen_streams = 1.5",
            "line 2: plans.a.open_streams",
            "expected a whole number",
        ),
        ("[plans.a]\nopen_streams = true", "line 2: plans.a.open_streams", "a whole number"),
        ("[plans.a]\nopen_streams = -1", "line 2: plans.a.open_streams", "expected a whole number"),
        ("[plans.a]\nmodels = 'x'", "line 2: plans.a.models", "expected a list of names"),
        ("[plans.a]\nmodels = []", "line 2: plans.a.models", "expected a list of names"),
        ("[plans.a]\nmodels = ['a b']", "line 2: plans.a.models", "'a b' is no name"),
        ("[plans.a]\nmodels = [5]", "line 2: plans.a.models", "5 is no name"),
        ('[plans."a b"]', "plans.a b", "a name has letters"),
        ("[plans]\na = 5", "line 2: plans.a", "expected a table"),
        ("plans = 5", "line 1: plans", "expected [plans.NAME]"),
        ("[plans]", "line 1: plans", "expected at least one plan"),
        ("groups = []", "line 1: groups", "expected [groups.NAME]"),
        ("raises = 5", "line 1: raises", "expected [[raises]]"),
        ("raises = [5]", "line 1: raises[0]", "expected a table"),
        ('operators = "bob"', "line 1: operators", "expected a list of people"),
        ('operators = ["a b"]', "line 1: operators", "a name has letters"),
        ("operators = [1]", "line 1: operators", "a name has letters"),
        ("contact = 5", "line 1: contact", "expected one line"),
        ('contact = "a\\nb"', "line 1: contact", "expected one line"),
        ('zone = "Europe/Berln"', "line 1: zone", "no time zone 'Europe/Berln'"),
        ("zone = 5", "line 1: zone", "no time zone 5"),
        ('zone = "../x"', "line 1: zone", "no time zone"),
        ("[[raises]]\n[[raises]]", "line 1: raises[0]", "expected either person or group"),
        (
            "[[raises]]\nperson = 'a'\ngroup = 'b'",
            "line 1: raises[0]",
            "expected either person or group",
        ),
        ("[[raises]]\nperson = 5", "line 1: raises[0]", "expected the name of"),
        ("[[raises]]\nperson = 'a b'", "line 1: raises[0]", "expected the name of"),
        (
            "[groups.core]\n[[raises]]\ngroup = 'cora'",
            "line 3: raises[0].group",
            "no such group; did you mean core?",
        ),
        ("[[raises]]\nperson = 'a'", "line 1: raises[0]", "raises no limit"),
        (
            "[[raises]]\nperson = 'a'\nuntil = 2026-12-24\nusd_per_day = 1\n"
            "[[raises]]\nperson = 'b'\nuntil = '2026-12-24'\nusd_per_day = 1",
            "line 7: raises[1].until",
            "expected a day like 2026-12-24",
        ),
        ("[[raises]]\nperson = 'a'\nusd_per_day = 1", "line 1: raises[0].until", "expected a day"),
        ("[[raises]]\nperson = 'a'\nusd_per_yar = 1", "line 3: raises[0].usd_per_yar", "did you"),
        ("x = = 5", "plans.toml: Invalid value (at line 1, column 5)", ""),
        ("zone = 'a'\nzone = 'b'", "plans.toml: Cannot overwrite a value", ""),
        ("plans = {a = {usd_per_dya = 5}}", "plans.a.usd_per_dya", "did you mean"),
        ("x = " + "[" * 5_000, "plans.toml", ""),
        ("#" * (plans.MAX_TEXT + 1), "plans.toml: more than 1000000 characters", ""),
    ],
)
def test_slip_in_a_plan_file_is_refused_by_its_place(text: str, where: str, what: str) -> None:
    """Complaints 18, 26: a slip ends the start, not a budget."""
    message = problem(text)
    assert message.startswith("plans.toml")
    assert where in message
    assert what in message


def test_zones_are_known_where_the_system_has_none() -> None:
    """AWS Lambda, and slim images."""
    zoneinfo.reset_tzpath(())
    ZoneInfo.clear_cache()
    try:
        assert str(plans.parse('zone = "Europe/Berlin"\n', "p").zone) == "Europe/Berlin"
    finally:
        zoneinfo.reset_tzpath()
        ZoneInfo.clear_cache()


@pytest.mark.parametrize(
    ("name", "text", "limit"),
    [
        ("usd_per_day", "2.5", 2_500_000_000),
        ("usd_per_month", "0", 0),
        ("usd_per_day", "0.000000001", 1),
        ("usd_per_week", "1000000", 10**15),
        ("tokens_per_day", "1000000000000", 10**12),
    ],
)
def test_limit_is_read_as_it_is_typed(name: str, text: str, limit: int) -> None:
    assert plans.read_limit(name, text) == limit


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("usd_per_day", each) for each in ("", "-1", "1e3", "NaN", "1,5", "$5", "²", "1000001")),
        *(("tokens_per_day", each) for each in ("", "1.5", "1_000", "-1", "٣", "9" * 5_000)),
    ],
)
def test_limit_that_is_none_is_refused(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected (US dollars|a whole number), 0 to"):
        plans.read_limit(name, text)

"""proxy/web/team_*.py, team/roster.py: what an operator sees at `/team`, and does there."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from proxy.team import token_registry, tokens
from proxy.team.counters import RAISED
from proxy.team.plans import Plan, Plans
from proxy.team.roster import PERIODS, Person, State
from proxy.team.stores import StoreError, Usage
from proxy.team.stores.sqlite import IN_MEMORY, SqliteStore
from proxy.team.token_registry import Act, Registry
from proxy.team.tokens import Token
from proxy.web import team_page, team_site
from proxy.web.team_page import MAX_ACTS, MAX_PEOPLE, MAX_PLANS, MAX_TOKENS, Choice, View
from tests.servers import Emulator
from tests.team_stores import SECRET
from tests.test_team import DAY, HELLO, NOW, Team, access_token, at_noon
from tests.test_team_usage import ROWS, count
from tests.test_web import BROWSER, MAX_PAGE_BYTES, Reader, allowed, rows

__all__ = ["at_noon"]

PLANS = """
zone = "Europe/Berlin"
contact = "Ask Bob."
operators = ["bob", "bo.b@mail.example"]
[plans.standard]
usd_per_day = 1
usd_per_month = 10
[plans.large]
models = ["gemini-*"]
[groups.core]
usd_per_month = 500
[[raises]]
person = "carol"
until = 2026-12-24
usd_per_day = 20
"""


@pytest.fixture
def team(
    make_client: Callable[..., FlaskClient], emulator: Emulator, key: str, tmp_path: Path
) -> Team:
    found = Team(make_client, emulator, key, tmp_path / "team.sqlite")
    found.start(PROXY_PLANS=PLANS)
    count(found.store, *ROWS)
    remember(found.store, "alice-1", "alice")
    return found


def remember(store: SqliteStore, identity: str, person: str, **more: Any) -> Token:
    fields = {"plan": "standard", "issued": NOW - 60, "expires": NOW + 3_600, **more}
    token = Token((identity,), person, **fields)
    Registry(store=store).remember(token)
    return token


def get(team: Team, query: str = "", viewer: str = "bob", **headers: str) -> TestResponse:
    sent = {**BROWSER, "x-api-key": access_token(viewer), **headers}
    return team.client.get(f"/team{query}", headers=sent)


def send(team: Team, form: dict[str, str], viewer: str = "bob", **headers: str) -> TestResponse:
    sent = {**BROWSER, "x-api-key": access_token(viewer), **headers}
    return team.client.post("/team", data=form, headers=sent)


def confirm(team: Team, query: str, viewer: str = "bob") -> TestResponse:
    """What a browser does with a page that asks."""
    return send(team, hidden(get(team, query, viewer)), viewer)


def hidden(answer: TestResponse) -> dict[str, str]:
    """The fields of the one form that changes something."""
    assert answer.status_code == 200, answer.text
    (form,) = re.findall(r'<form method="post" action="\?".*?</form>', answer.text, re.S)
    return {str(each["name"]): str(each["value"]) for each in Reader(form).all("input")}


def text(answer: TestResponse, status: int = 200) -> str:
    assert (answer.status_code, answer.mimetype) == (status, "text/html"), answer.text
    return " ".join(Reader(answer.text.replace("><", "> <")).text.split())


def table(answer: TestResponse, section: str) -> list[str]:
    found = re.search(rf'<section aria-labelledby="{section}">.*?</section>', answer.text, re.S)
    assert found, section
    return rows(found[0].replace("</th><", "</th> <").replace("</td><", "</td> <"))


def names(answer: TestResponse) -> list[str]:
    return [row.split()[0] for row in table(answer, "people")[1:]]


def new_token(answer: TestResponse) -> str:
    (found,) = re.findall(r'<pre id="the-token".*?<code>(.*?)</code>', answer.text)
    return str(found)


def acts(team: Team) -> list[tuple[str, str, str]]:
    return [(act.name, act.person, act.by) for act in Registry(store=team.store).acts()]


# --- Who may see it ----------------------------------------------------------------------------


def test_page_is_for_operators_only(team: Team) -> None:
    """The same 403 for all others, whoever and whatever is meant, and whether it is there."""
    form = {"act": "revoke", "person": "alice", "id": "alice-1"}
    refused = {
        text(get(team, "", "alice"), 403),
        text(get(team, "?person=alice", "alice"), 403),
        text(get(team, "?person=nobody&act=revoke&id=x", "alice"), 403),
        text(get(team, "?sort=nothing", "alice"), 403),
        text(send(team, form, "alice"), 403),
        text(send(team, {}, "alice"), 403),
    }
    (sentence,) = {each.partition("Status 403, request")[0] for each in refused}
    assert team_site.NOT_AN_OPERATOR in sentence
    assert acts(team) == []
    derived = {"x-api-key": tokens.derive(access_token("bob"), "ci")}
    assert team.client.get("/team", headers=derived).status_code == 403
    assert team.client.post("/team", data=form, headers=derived).status_code == 403


def test_stranger_gets_401(team: Team) -> None:
    for answer in (team.client.get("/team"), team.client.post("/team", data={"act": "create"})):
        assert (answer.status_code, answer.is_json) == (401, True)
    shown = team.client.get("/team?person=alice", headers=BROWSER)
    expected = (303, "/sign-in?next=%2Fteam%3Fperson%3Dalice")
    assert (shown.status_code, shown.headers["Location"]) == expected


def test_operator_who_is_revoked_does_nothing(team: Team) -> None:
    team.store.mark("person:bob", "revoked.bob-1", 1)
    assert get(team, Accept="application/json").status_code == 401
    form = {"act": "revoke", "person": "alice", "id": "alice-1"}
    assert send(team, form, Accept="application/json").status_code == 401
    assert send(team, form).headers["Location"].startswith("/sign-in")
    assert team.counters() == {"usd_day:2026-11-27": 5 * 10**9, f"usd_day:{DAY}": 2 * 10**9}


def test_own_key_is_no_operator(team: Team, key: str) -> None:
    team.start(PROXY_PLANS=PLANS, PROXY_AUTH="token,key")
    answer = team.client.get("/team", headers={**BROWSER, "x-api-key": "a-key"})
    assert team_site.NOT_AN_OPERATOR in text(answer, 403)


# --- What it shows -----------------------------------------------------------------------------


def test_people_stand_with_plan_money_tokens_and_day(team: Team) -> None:
    remember(team.store, "dave-1", "dave", plan="large", group="core")
    remember(team.store, "dave-2", "dave", plan="large", group="core", expires=NOW)
    remember(team.store, "dave-3", "dave", plan="large", group="core")
    team.store.mark("person:dave", "revoked.dave-3", 1)
    shown = get(team)
    assert table(shown, "people")[1:] == [
        "alice standard 2.00 of 1.00 used up 7.00 7.00 of 10.00 1 2026-11-28",
        "bob operator not known 0.00 0.00 0.00 0 2026-11-28",
        "dave large core 0.00 0.00 0.00 1 –",
    ]
    assert shown.headers["Cache-Control"] == "no-store"
    assert "A day begins at midnight, Europe/Berlin." in text(shown)


def test_almost_spent_budget_is_marked(team: Team) -> None:
    count(team.store, Usage("2026-11-02", "erin", "neon", "", 1, 0, 1, 1, 1, 96 * 10**8, 0, 0, 1))
    remember(team.store, "erin-1", "erin")
    (row,) = (each for each in table(get(team), "people") if each.startswith("erin"))
    assert row == "erin standard 0.00 of 1.00 0.00 9.60 of 10.00 almost used up 1 2026-11-02"


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("month", ["alice", "carol", "bob", "dave"]),
        ("day", ["alice", "bob", "carol", "dave"]),
        ("week", ["alice", "bob", "carol", "dave"]),
        ("person", ["alice", "bob", "carol", "dave"]),
        ("plan", ["bob", "dave", "alice", "carol"]),
        ("seen", ["alice", "bob", "carol", "dave"]),
    ],
)
def test_people_are_sorted(team: Team, sort: str, expected: list[str]) -> None:
    count(team.store, Usage("2026-11-02", "carol", "neon", "", 1, 0, 1, 1, 1, 10**9, 0, 0, 1))
    remember(team.store, "carol-1", "carol")
    remember(team.store, "dave-1", "dave", plan="large")
    shown = get(team, f"?sort={sort}")
    assert names(shown) == expected
    assert shown.text.count("aria-sort") == 1


def test_people_are_filtered(team: Team) -> None:
    remember(team.store, "malik-1", "malik", plan="large")
    assert names(get(team, "?find=LI")) == ["alice", "malik"]
    assert names(get(team, "?find=li&plan=large")) == ["malik"]
    assert "Nobody is found by that." in text(get(team, "?find=zz"))


def test_people_come_by_pages(team: Team) -> None:
    for number in range(2 * MAX_PEOPLE):
        remember(team.store, f"p{number}", f"p{number:03}")
    first = get(team, "?sort=person&find=p")
    assert names(first) == [f"p{number:03}" for number in range(MAX_PEOPLE)]
    assert "Page 1 of 2, 60 people" in text(first)
    assert 'href="?sort=person&amp;find=p&amp;page=2"' in first.text
    last = get(team, "?sort=person&find=p&page=9")
    assert names(last)[-1] == "p059"
    assert 'href="?sort=person&amp;find=p"' in last.text


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?sort=password", "sort"),
        ("?find=%3Cscript%3E", "find"),
        (f"?find={'x' * 65}", "find"),
        ("?plan=a+b", "plan"),
        ("?page=0", "page"),
        ("?page=-1", "page"),
        ("?page=%C2%B2", "page"),
        (f"?page={'9' * 5_000}", "page"),
        (f"?page=000000001{'0' * 5_000}", "page"),
        ("?person=a+b", "person"),
        ("?act=destroy", "act"),
        ("?act=create&person=<b>&plan=standard", "person"),
        ("?act=create&person=alice&plan=", "plan"),
        ("?act=create&person=alice&plan=standard&days=0", "days"),
        ("?act=create&person=alice&plan=standard&days=3661", "days"),
        ("?act=create&person=alice&plan=standard&new_id=a.b", "new_id"),
        ("?act=rotate&person=alice&id=alice-1&grace=31", "grace"),
        ("?act=revoke&person=alice&id=", "id"),
        ("?act=raise&person=alice&limit=open_streams&value=1", "limit"),
        ("?act=raise&person=alice&limit=usd_per_day&value=1e3", "value"),
        ("?act=raise&person=alice&limit=usd_per_day&value=-1", "value"),
        ("?act=raise&person=alice&limit=usd_per_day&value=%C2%B2", "value"),
        ("?act=raise&person=alice&limit=usd_per_day&value=1000001", "value"),
        ("?act=raise&person=alice&limit=tokens_per_day&value=1.5", "value"),
    ],
)
def test_query_is_validated(team: Team, query: str, field: str) -> None:
    assert f"{field}: expected" in text(get(team, query), 400).replace(": a ", ": expected a ")


def test_plans_of_the_file_are_shown(team: Team) -> None:
    assert table(get(team), "plans")[1:] == [
        "standard $1.00 a day, $10.00 a month *",
        "large none gemini-*",
        "group core $500.00 a month",
        "carol, until 2026-12-25 00:00 CET $20.00 a day",
    ]
    assert "Operators: bo.b@mail.example, bob." in text(get(team))


def test_person_has_tokens_with_their_state(team: Team) -> None:
    remember(team.store, "late", "alice", issued=NOW - 1)
    remember(team.store, "over", "alice", issued=NOW - 90, expires=NOW)
    remember(team.store, "gone", "alice", issued=NOW - 80)
    team.store.mark("person:alice", "revoked.gone", 1)
    team.store.mark("person:alice", "revoked_from.late", tokens.LATEST - NOW - 60)
    shown = get(team, "?person=alice")
    assert table(shown, "tokens")[1:] == [
        "late standard 2026-11-28 12:59 CET 2026-11-28 14:00 CET"
        " revoked from 2026-11-28 13:01 CET on Revoke",
        "alice-1 standard 2026-11-28 12:59 CET 2026-11-28 14:00 CET good Replace Revoke",
        "gone standard 2026-11-28 12:58 CET 2026-11-28 14:00 CET revoked",
        "over standard 2026-11-28 12:58 CET 2026-11-28 13:00 CET expired",
    ]
    assert "Today 2.00 of 1.00 used up This week 7.00 This month 7.00 of 10.00" in text(shown)


def test_person_who_is_not_known_has_nothing(team: Team) -> None:
    shown = text(get(team, "?person=nobody"))
    assert "No token is listed. Last seen: not within 30 days." in shown


def test_raise_of_the_file_counts(team: Team) -> None:
    remember(team.store, "carol-1", "carol")
    assert "0.00 of 20.00" in text(get(team, "?person=carol"))


@pytest.mark.parametrize(
    ("person", "plan", "fields"),
    [
        ("alice", "standard", ["usd_per_month", "usd_per_day"]),
        ("dave", "large", []),
        ("nobody", "", ["usd_per_week", "usd_per_month", "usd_per_day", "tokens_per_day"]),
    ],
)
def test_limits_that_there_are_can_be_raised(
    team: Team, person: str, plan: str, fields: list[str]
) -> None:
    if plan:
        remember(team.store, f"{person}-9", person, plan=plan)
    options = Reader(get(team, f"?person={person}").text).all("option")
    assert [each["value"] for each in options if str(each.get("value")) in RAISED] == fields


# --- Acts --------------------------------------------------------------------------------------


def test_token_is_made_and_shown_once(team: Team, capsys: pytest.CaptureFixture[str]) -> None:
    query = "?act=create&person=erin&plan=standard&group=core&days=30"
    question = get(team, query)
    assert "A new token for erin?" in text(question)
    assert "by the plan standard, and in the budget of the group core, until 2026-12-28" in text(
        question
    )
    assert acts(team) == []
    form = hidden(question)
    made = send(team, form)
    token = tokens.verify(new_token(made), [SECRET], NOW)
    assert (token.person, token.plan, token.group) == ("erin", "standard", "core")
    assert (token.issued, token.expires) == (NOW, NOW + 30 * 86_400)
    assert made.headers["Cache-Control"] == "no-store"
    assert acts(team) == [("create", "erin", "bob:bob-1")]
    assert new_token(made) not in get(team, "?person=erin").text
    output = "".join(capsys.readouterr())
    assert '"audit": "token create"' in output
    assert new_token(made) not in output
    team.script(HELLO)
    assert team.post(new_token(made)).status_code == 200
    again = send(team, form)
    assert f"The token {token.id} was made already" in text(again, 409)
    assert len(Registry(store=team.store).issued()) == 2


def test_token_is_replaced(team: Team) -> None:
    remember(team.store, "dave-1", "dave")
    team.script(HELLO)
    assert team.post(access_token("dave")).status_code == 200
    question = get(team, "?act=rotate&person=dave&id=dave-1&grace=0")
    assert "are refused at once." in text(question)
    made = send(team, hidden(question))
    assert "The old one, dave-1, is refused now." in text(made)
    new = tokens.verify(new_token(made), [SECRET], NOW)
    assert (new.person, new.plan, new.expires - new.issued) == ("dave", "standard", 3_660)
    assert team.post(access_token("dave")).status_code == 401
    team.script(HELLO)
    assert team.post(new_token(made)).status_code == 200
    later = get(team, f"?act=rotate&person=dave&id={new.id}")
    assert "are refused from 2026-12-05 13:00 CET on." in text(later)
    kept = send(team, hidden(later))
    assert "is refused from 2026-12-05 13:00 CET on." in text(kept)
    assert team.post(new_token(made)).status_code != 401
    assert "is revoked already" in text(get(team, f"?act=rotate&person=dave&id={new.id}"), 409)


def test_revoked_token_is_refused_next(team: Team) -> None:
    remember(team.store, "dave-1", "dave")
    team.script(HELLO)
    assert team.post(access_token("dave")).status_code == 200
    question = get(team, "?act=revoke&person=dave&id=dave-1")
    assert "refused from the next request on" in text(question)
    team.script(HELLO)
    assert team.post(access_token("dave")).status_code == 200
    after = send(team, hidden(question))
    assert (after.status_code, after.headers["Location"]) == (303, "?person=dave&done=revoke")
    assert team.post(access_token("dave")).status_code == 401
    shown = get(team, after.headers["Location"])
    assert "The token is revoked." in text(shown)
    assert table(shown, "tokens")[1].endswith("revoked")
    assert table(shown, "acts")[1:] == ["2026-11-28 13:00 CET revoke dave-1 bob with bob-1"]


def test_all_tokens_of_a_person_are_revoked(team: Team) -> None:
    """Also one that is not listed, and one that was made this very second."""
    now = access_token(issued=NOW)
    after = confirm(team, "?act=revoke-all&person=alice")
    assert after.headers["Location"] == "?person=alice&done=revoke-all"
    assert [team.post(each).status_code for each in (access_token(), now)] == [401, 401]
    assert "All tokens that there were are revoked." in text(get(team, after.headers["Location"]))
    assert [row.split()[3:] for row in table(get(team), "acts")[1:]] == [
        ["revoke", "all", "alice", "bob", "with", "bob-1"]
    ]


def test_raised_budget_admits_the_next_request(team: Team) -> None:
    assert team.post().status_code == 429
    question = get(team, "?act=raise&person=alice&limit=usd_per_day&value=2.5")
    assert "alice: usd_per_day is 2.5 until 2026-11-29 00:00 CET" in text(question)
    after = send(team, hidden(question))
    assert after.headers["Location"] == "?person=alice&done=raise"
    team.script(HELLO)
    assert team.post().status_code == 200
    shown = get(team, after.headers["Location"])
    assert "The limit is set." in text(shown)
    assert "Today 2.00 of 2.50" in text(shown)
    expected = ["2026-11-28 13:00 CET raise usd_per_day=2.5 bob with bob-1"]
    assert table(shown, "acts")[1:] == expected
    confirm(team, "?act=raise&person=alice&limit=usd_per_day&value=0")
    assert team.post().status_code == 429
    assert "Today 2.00 of 1.00" in text(get(team, "?person=alice"))


def test_raised_budget_of_a_group_stands_in_its_account(team: Team) -> None:
    after = confirm(team, "?act=raise&group=core&limit=usd_per_month&value=800")
    assert after.headers["Location"] == "?done=raise"
    assert team.store.read("group:core") == {"raise.usd_month.2026-11": 800 * 10**9}
    assert "The limit is set." in text(get(team, after.headers["Location"]))
    assert acts(team) == [("raise", "group:core", "bob:bob-1")]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?act=create&person=erin&plan=standrad", "no plan 'standrad'; did you mean standard?"),
        ("?act=create&person=erin&plan=large&group=x", "no group 'x'"),
        ("?act=revoke&person=erin&id=alice-1", "does not list the token alice-1 of erin"),
        ("?act=rotate&person=alice&id=x", "does not list the token x of alice"),
        ("?act=raise&person=alice&limit=usd_per_week&value=2", "alice has no limit usd_per_week"),
        ("?act=raise&person=alice&limit=usd_per_day&value=1", "the limit usd_per_day is 1."),
        ("?act=raise&group=cor&limit=usd_per_day&value=1", "no group 'cor'; did you mean core?"),
        ("?act=raise&group=core&limit=usd_per_day&value=1", "The group core has no limit"),
    ],
)
def test_act_that_cannot_be_done_is_not_offered(team: Team, query: str, sentence: str) -> None:
    assert sentence in text(get(team, query), 409)
    form = {"new_id": "n1", **dict(parse_qsl(query[1:]))}
    assert sentence in text(send(team, form), 409)
    assert acts(team) == []


def test_operator_with_a_dotted_name_is_written_down(team: Team) -> None:
    remember(team.store, "x", "al.ice@a.b")
    own = Token(("ops-1",), "bo.b@mail.example", "standard", NOW - 60, NOW + 60)
    form = {"act": "revoke", "person": "al.ice@a.b", "id": "x"}
    headers = {"x-api-key": tokens.create(own, SECRET)}
    assert team.client.post("/team", data=form, headers=headers).status_code == 303
    assert acts(team) == [("revoke", "al.ice@a.b", "bo.b@mail.example:ops-1")]


def test_token_of_an_operator_says_so(team: Team) -> None:
    question = text(get(team, "?act=create&person=bob&plan=large"))
    assert "bob is an operator: the token opens this page, too." in question


def test_url_of_an_act_changes_nothing(team: Team) -> None:
    """Who follows a link, or reloads, has done nothing: a page asks."""
    for query in ("?act=revoke&person=alice&id=alice-1", "?act=revoke-all&person=alice"):
        for _ in range(2):
            assert "What will happen" in text(get(team, query))
        headers = {"x-api-key": access_token("bob")}
        assert team.client.head(f"/team{query}", headers=headers).data == b""
    assert acts(team) == []
    assert not [name for name in team.counters() if name.startswith("revoked")]


def test_form_of_another_site_is_refused(team: Team) -> None:
    form = {"act": "revoke", "person": "alice", "id": "alice-1"}
    refused = send(team, form, Origin="https://evil.example")
    assert refused.status_code == 403
    assert acts(team) == []
    own = send(team, form, Origin="http://localhost", Host="localhost")
    assert own.status_code == 303


def test_act_has_to_be_a_form(team: Team) -> None:
    headers = {**BROWSER, "x-api-key": access_token("bob")}
    answer = team.client.post("/team", json={"act": "revoke"}, headers=headers)
    assert "Expected a form" in text(answer, 415)
    fields = {f"f{number}": "" for number in range(99)}
    assert "The form cannot be read." in text(send(team, fields), 400)
    assert send(team, {"act": "x" * 20_000}).status_code == 413


# --- Signed in -----------------------------------------------------------------------------------


def sign_in(team: Team, person: str) -> None:
    form = {"token": access_token(person), "next": "/team"}
    answer = team.client.post("/sign-in", data=form, headers=BROWSER)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/team")


def test_operator_acts_in_a_session_by_its_own_forms(team: Team) -> None:
    sign_in(team, "bob")
    shown = team.client.get("/team?act=revoke&person=alice&id=alice-1", headers=BROWSER)
    assert "Signed in as bob" in text(shown)
    form = hidden(shown)
    for wrong in ({"csrf": ""}, {"csrf": "x"}, {"csrf": form["csrf"][:-1]}):
        refused = team.client.post("/team", data={**form, **wrong}, headers=BROWSER)
        assert refused.status_code == 403
    other_site = {**BROWSER, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert team.client.post("/team", data=form, headers=other_site).status_code == 403
    assert acts(team) == []
    assert team.client.post("/team", data=form, headers=BROWSER).status_code == 303
    assert acts(team) == [("revoke", "alice", "bob:bob-1")]


def test_form_of_an_ended_session_is_refused(team: Team) -> None:
    sign_in(team, "bob")
    form = hidden(team.client.get("/team?act=revoke-all&person=alice", headers=BROWSER))
    sign_in(team, "bob")
    assert team.client.post("/team", data=form, headers=BROWSER).status_code == 403
    assert acts(team) == []


def test_person_who_is_signed_in_is_no_operator(team: Team) -> None:
    answer = team.client.post("/sign-in", data={"token": access_token("carol")}, headers=BROWSER)
    assert answer.status_code == 303
    assert team.client.get("/team", headers=BROWSER).status_code == 403
    form = {"act": "revoke-all", "person": "alice"}
    assert team.client.post("/team", data=form, headers=BROWSER).status_code == 403
    assert acts(team) == []


def test_operator_may_end_the_own_session(team: Team) -> None:
    sign_in(team, "bob")
    form = hidden(team.client.get("/team?act=revoke-all&person=bob", headers=BROWSER))
    answer = team.client.post("/team", data=form, headers=BROWSER)
    assert answer.status_code == 303
    after = team.client.get("/team", headers=BROWSER)
    assert after.headers["Location"].startswith("/sign-in")


# --- Without a store, and with one that is down --------------------------------------------------


def test_without_a_store_nothing_can_be_done(team: Team) -> None:
    team.start(PROXY_PLANS=PLANS, PROXY_STORE="")
    team.script(HELLO)
    assert team.post(access_token("dave")).status_code == 200
    shown = get(team)
    assert names(shown) == ["dave"]
    assert "Without a store" in text(shown)
    assert "act=" not in shown.text + get(team, "?person=dave").text
    assert team_site.NEEDS_STORE in text(get(team, "?act=revoke-all&person=dave"), 409)
    assert team_site.NEEDS_STORE in text(send(team, {"act": "revoke-all", "person": "dave"}), 409)


def test_team_without_a_plan_file(team: Team) -> None:
    """Nobody is an operator."""
    team.start(PROXY_PLANS="")
    assert get(team).status_code == 403
    team.start(PROXY_PLANS='operators = ["bob"]')
    shown = get(team)
    assert "This server has no plan file: nothing is limited." in text(shown)
    assert Reader(shown.text).all("input")[-2]["value"] == "standard"
    assert "alice standard 2.00 7.00 7.00 1 2026-11-28" in table(shown, "people")


def test_store_that_is_down_is_a_page(team: Team, tmp_path: Path) -> None:
    (tmp_path / "damaged").write_bytes(b"no database" * 100)
    team.start(PROXY_PLANS=PLANS, PROXY_STORE=f"sqlite://{tmp_path}/damaged")
    assert team_site.DOWN in text(get(team), 503)
    assert team_site.DOWN in text(send(team, {"act": "revoke-all", "person": "alice"}), 503)


def test_act_is_logged_though_the_store_fails(
    team: Team, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = SqliteStore.mark

    def fail(store: SqliteStore, account: str, counter: str, value: int) -> None:
        if account == token_registry.AUDIT:
            raise StoreError("down")
        mark(store, account, counter, value)

    monkeypatch.setattr(SqliteStore, "mark", fail)
    assert send(team, {"act": "revoke-all", "person": "alice"}).status_code == 503
    line = json.loads(capsys.readouterr().err.splitlines()[-1])
    expected = {"audit": "token revoke", "id": "-", "person": "alice", "by": "bob:bob-1"}
    assert line == expected


# --- The pages themselves ------------------------------------------------------------------------

PAGES = ("", "?person=alice", "?act=create&person=erin&plan=standard", "?person=<b>", "?sort=x")


@pytest.mark.parametrize("query", PAGES)
def test_page_loads_nothing_and_has_a_policy(team: Team, query: str) -> None:
    shown = get(team, query)
    policy = shown.headers["Content-Security-Policy"]
    assert ("form-action 'self'" in policy) == (shown.status_code == 200)
    assert f"style-src {allowed('style', shown.text)};" in policy
    attributes = [name for _, given in Reader(shown.text).tags for name in given]
    assert not [name for name in attributes if name in ("style", "src") or name.startswith("on")]
    assert shown.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("query", PAGES)
def test_page_can_be_read_by_everybody(team: Team, query: str) -> None:
    reader = Reader(get(team, query).text)
    levels = [int(tag[1]) for tag, _ in reader.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all("scope" in cell for cell in reader.all("th"))
    assert len(reader.all("caption")) == len(reader.all("table"))
    ids = [given["id"] for _, given in reader.tags if given.get("id")]
    assert len(ids) == len({*ids})
    labelled = {str(each["for"]) for each in reader.all("label")}
    fields = [*reader.all("select"), *reader.all("input")]
    assert {str(each["id"]) for each in fields if each.get("type") != "hidden"} == labelled
    assert labelled <= {*ids}


def test_what_a_page_is_given_is_escaped(team: Team) -> None:
    """Names come from outside: of people, and what stands in a query."""
    markup = "<script>alert(1)</script>"
    for query in ({"person": markup}, {"act": markup}, {"done": markup}, {"find": markup}):
        shown = get(team, f"?{urlencode(query)}")
        assert "alert(1)" not in shown.text
    shown = get(team, f"?{urlencode({'act': 'create', 'person': 'erin', 'plan': 'x+y@z'})}")
    assert "no plan &#39;x+y@z&#39;" in shown.text
    remember(team.store, "odd", "o+d@d.e")
    assert 'href="?person=o%2Bd%40d.e"' in get(team).text
    assert (
        'href="?act=revoke&amp;person=o%2Bd%40d.e&amp;id=odd"'
        in get(team, "?person=o%2Bd%40d.e").text
    )


def test_links_of_the_page_lead_to_answers(team: Team) -> None:
    for query in ("", "?person=alice"):
        found = [str(each["href"]) for each in Reader(get(team, query).text).all("a")]
        assert len(found) > 4
        for link in found:
            if link.startswith("?"):
                assert get(team, link).status_code == 200, link


def test_page_stays_small_whatever_a_team_has() -> None:
    """Complaint 20: 300 people with the longest names that there are."""
    name, large = "n" * 60, 10**15
    plan_names = [f"{number:04}{name}" for number in range(99)]
    limits = dict.fromkeys(("usd_per_day", "usd_per_week", "usd_per_month"), large)
    plan = Plan(("gemini-" + "m" * 90,) * 99, team_page.Limits(30, 8, large, **limits))
    plans = Plans(
        operators=frozenset(plan_names),
        plans=dict.fromkeys(plan_names, plan),
        groups=dict.fromkeys(plan_names, plan.limits),
    )
    spent = dict.fromkeys(PERIODS, large)
    tokens_of = [Token((str(n) * 32,), "p", name, NOW, NOW, name) for n in range(9)] * 9
    people = [Person(each, name, name, tokens_of, spent, DAY) for each in plan_names * 3]
    done = [Act(NOW, "create", "i" * 32, f"{name}:{'i' * 32}", plan_names[0])] * 99
    registry = Registry(plans=plans, store=SqliteStore(IN_MEMORY))
    view = View("bob", None, registry, done, "Counted.", NOW)
    selected = team_page.select(people, Choice())
    state = State([None] * len(tokens_of), plan.limits)
    shown = team_page.team(view, selected, [state] * len(selected.people))
    one = team_page.person(view, people[0], state)
    assert (len(selected.people), selected.total) == (MAX_PEOPLE, 297)
    assert one.count(b"expired") == MAX_TOKENS < len(tokens_of)
    assert f"{2 * (99 - MAX_PLANS)} more stand in the plan file".encode() in shown
    for each in (shown, one):  # names are typed where they are many
        assert 0 < len(Reader(each.decode()).all("option")) <= len(RAISED)
    assert one.count(b"create") == MAX_ACTS + 1 < len(done)
    assert max(len(shown), len(one)) < MAX_PAGE_BYTES

"""proxy/web/usage_page.py, usage_site.py: who sees which figures at `/usage`, and how."""

from __future__ import annotations

import csv
import io
import itertools
import re
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from proxy import sessions
from proxy.sessions import Session, Sessions
from proxy.team import tokens, usage
from proxy.team.stores import FIGURES, Entry, Hold, Usage
from proxy.team.stores.sqlite import ADD_TO_TOTALS, IN_MEMORY, SqliteStore
from proxy.team.usage import EVERYONE, Report, Span
from proxy.web import usage_page
from proxy.web.budgets import MAX_ROWS
from proxy.web.charts import MAX_BARS
from proxy.web.usage_page import MAX_MODELS, MAX_PEOPLE, MAX_SESSIONS, Choice, View
from tests.servers import Emulator
from tests.test_budgets_page import LINE
from tests.test_team import DAY, HELLO, NOW, Team, access_token, at_noon
from tests.test_team_usage import PLANS, ROWS, count
from tests.test_web import MAX_PAGE_BYTES, Reader, allowed, rows

__all__ = ["at_noon"]


@pytest.fixture
def team(
    make_client: Callable[..., FlaskClient],
    emulator: Emulator,
    key: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Team:
    monkeypatch.setattr(sessions, "recent", Sessions())
    found = Team(make_client, emulator, key, tmp_path / "team.sqlite")
    found.start(PROXY_PLANS=PLANS)
    count(found.store, *ROWS)
    return found


def get(team: Team, viewer: str = "alice", path: str = "/usage", **query: str) -> TestResponse:
    headers = {"x-api-key": access_token(viewer)}
    return team.client.get(path, query_string=query, headers=headers)


def text(answer: TestResponse) -> str:
    assert answer.status_code == 200, answer.text
    return " ".join(Reader(answer.text.replace("><", "> <")).text.split())


def table(answer: TestResponse, section: str) -> list[str]:
    found = re.search(rf'<section aria-labelledby="{section}">.*?</section>', answer.text, re.S)
    assert found, section
    return rows(found[0].replace("</th><", "</th> <").replace("</td><", "</td> <"))


def links(answer: TestResponse) -> list[str]:
    return [str(each["href"]) for each in Reader(answer.text).all("a")]


# --- Of a person -------------------------------------------------------------------------------


def test_person_sees_figures_by_day_model_and_class(team: Team) -> None:
    """Complaints 21, 22, 24."""
    shown = get(team)
    assert "Usage of alice" in text(shown)
    assert "Cost $7.00 under $0.01 of it estimated Requests 5 1 failed (20%)" in text(shown)
    assert "Cache saved $1.00" in text(shown)
    assert table(shown, "model")[1:] == [
        "hydrogen 6.00 ≈ 4 1.00 25% 0.1".replace("1.00 25% 0.1", "1k 30% 100 1.00 25% 0.1"),
        "neon 1.00 1 100 0% 10 0.00 0% 0.1",
    ]
    assert [row.split()[0] for row in table(shown, "class")[1:]] == ["main", "not"]
    assert table(shown, "day")[-2:] == ["2026-11-27 5.00 0.00 5.00", "2026-11-28 1.00 1.00 2.00"]
    assert "bob" not in shown.text


def test_page_shows_budgets_with_what_is_held(team: Team) -> None:
    entries = (
        Entry("person:alice", f"usd_day:{DAY}", 10**9, None, 0),
        Entry("person:alice", "streams", 1),
    )
    team.store.hold(Hold("open", entries, NOW + 99), NOW)
    shown = text(get(team))
    assert "All of it" not in shown
    assert "Used up: requests are refused until it begins anew. $2.00 of $1.00 used" in shown
    assert "$1.00 held by answers under way, $0.00 left" in shown
    assert "Begins anew Sun 29 Nov, 00:00, in 11 hours." in shown
    assert "Times are those of Europe/Berlin." in shown
    assert 'datetime="2026-11-28T23:00:00+00:00"' in get(team).text


def test_page_without_figures_says_so(team: Team) -> None:
    shown = text(get(team, "carol"))
    assert "Nothing was used in these days." in shown
    assert "By model" not in shown


def test_days_are_chosen_by_links(team: Team) -> None:
    shown = get(team)
    assert {"?since=7d", "?since=90d", "?since=400d", "?since=2026-11-01", "?"} <= {*links(shown)}
    one = get(team, since="1d")
    assert "Cost $2.00" in text(one)
    assert "2026-11-28 to 2026-11-28" in text(one)
    assert 'href="?since=7d" aria-current="true"' in get(team, since="7d").text


def test_session_has_its_cost(team: Team) -> None:
    """Complaint 22."""
    team.start(PROXY_PLANS="")
    team.script(HELLO, HELLO, HELLO)
    for session in ("session-1", "session-2", "session-1"):
        headers = {"x-claude-code-session-id": session}
        with team.post(headers=headers) as answer:
            assert answer.status_code == 200
    found = [row.split() for row in table(get(team), "sessions")[1:]]
    assert [(row[0], row[3]) for row in found] == [("session-1", "2"), ("session-2", "1")]
    assert "session-1" not in get(team, "carol").text


def test_page_loads_nothing_and_has_a_policy(team: Team) -> None:
    shown = get(team)
    policy = shown.headers["Content-Security-Policy"]
    assert "form-action 'self'" in policy
    assert f"style-src {allowed('style', shown.text)};" in policy
    attributes = [name for _, given in Reader(shown.text).tags for name in given]
    assert not [name for name in attributes if name in ("style", "src") or name.startswith("on")]
    assert shown.headers["Cache-Control"] == "no-store"


def test_page_can_be_read_by_everybody(team: Team) -> None:
    reader = Reader(get(team, "bob", person=EVERYONE).text)
    levels = [int(tag[1]) for tag, _ in reader.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all("scope" in cell for cell in reader.all("th"))
    assert len(reader.all("caption")) == len(reader.all("table"))
    known = {given.get("id") for _, given in reader.tags}
    named = [each["aria-labelledby"] for _, each in reader.tags if "aria-labelledby" in each]
    assert all({*str(each).split()} <= known for each in named)
    assert len([each for each in known if each]) == len(
        [each for _, each in reader.tags if each.get("id")]
    )


# --- Of everyone -------------------------------------------------------------------------------


def test_operator_sees_everyone_and_each(team: Team) -> None:
    shown = get(team, "bob", person=EVERYONE)
    assert [row.split()[0] for row in table(shown, "person")[1:]] == ["alice", "bob"]
    assert "core: US$ a month" in text(shown)
    assert "?person=alice" in links(shown)
    one = get(team, "bob", person="alice")
    assert "Usage of alice" in text(one)
    assert "$2.00 used." in text(one)
    assert "stands in their token’s plan" in text(one)
    assert "?person=%2A" in links(one)


def test_person_sees_no_other(team: Team) -> None:
    for path in ("/usage", "/usage.csv"):
        for person in ("bob", EVERYONE, "nobody"):
            assert get(team, path=path, person=person).status_code == 403
    assert "?person=%2A" not in links(get(team))
    derived = tokens.derive(access_token("bob"), "ci")
    headers = {"x-api-key": derived}
    assert team.client.get("/usage?person=*", headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("sort", "first"),
    [("usd", "alice"), ("output", "alice"), ("person", "alice"), ("seconds", "alice")],
)
def test_people_are_sorted(team: Team, sort: str, first: str) -> None:
    count(team.store, Usage(DAY, "carol", "neon", "", 9, 0, 1, 1, 1, 1, 0, 0, 1))
    shown = get(team, "bob", person=EVERYONE, sort=sort)
    assert table(shown, "person")[1].split()[0] == first
    assert shown.text.count("aria-sort") == 1
    by_requests = table(get(team, "bob", person=EVERYONE, sort="requests"), "person")
    assert by_requests[1].split()[0] == "carol"


def test_people_are_found_by_a_part_of_their_name(team: Team) -> None:
    shown = get(team, "bob", person=EVERYONE, find="LIC")
    assert [row.split()[0] for row in table(shown, "person")[1:]] == ["alice"]
    assert "?find=LIC" not in links(shown)
    assert "?person=%2A&since=7d&find=LIC" in links(shown)
    assert "Nobody whose name has “zz”" in text(get(team, "bob", person=EVERYONE, find="zz"))


@pytest.mark.parametrize(
    "query",
    [
        {"sort": "password"},
        {"find": "x" * 65},
        {"find": "<script>"},
        {"since": "401d"},
        {"person": "a b"},
    ],
)
def test_query_is_validated(team: Team, query: dict[str, str]) -> None:
    assert get(team, "bob", **query).status_code == 400


# --- CSV ---------------------------------------------------------------------------------------


def test_csv_has_the_figures_of_the_page(team: Team) -> None:
    answer = get(team, path="/usage.csv")
    head, *days = csv.reader(io.StringIO(answer.text))
    assert answer.mimetype == "text/csv"
    assert answer.headers["Cache-Control"] == "no-store"
    expected = 'attachment; filename="usage-alice-by-day-2026-10-30-2026-11-28.csv"'
    assert answer.headers["Content-Disposition"] == expected
    assert [row[0] for row in days] == ["2026-11-27", DAY]
    assert (head[0], head[6], days[0][6]) == ("day", "usd", "5")
    everyone = get(team, "bob", "/usage.csv", person=EVERYONE, by="person")
    assert [row[0] for row in csv.reader(io.StringIO(everyone.text))] == ["person", "alice", "bob"]
    assert "usage-everyone-by-person" in everyone.headers["Content-Disposition"]
    assert get(team, path="/usage.csv", by="prompt").status_code == 400


def test_links_of_the_page_lead_to_answers(team: Team) -> None:
    shown = get(team, "bob", person=EVERYONE)
    found = [each for each in links(shown) if not each.startswith("#")]
    assert len(found) > 20
    for link in found:
        headers = {"x-api-key": access_token("bob")}
        found_at = team.client.get(urljoin("/usage", link), headers=headers)
        assert found_at.status_code == 200, link


# --- What fails --------------------------------------------------------------------------------


def test_store_that_is_down_is_a_page(team: Team, tmp_path: Path) -> None:
    (tmp_path / "damaged").write_bytes(b"no database" * 100)
    team.start(PROXY_STORE=f"sqlite://{tmp_path}/damaged")
    shown = get(team)
    assert (shown.status_code, shown.mimetype) == (503, "text/html")
    assert usage.DOWN in Reader(shown.text).text
    csv_answer = get(team, path="/usage.csv")
    assert (csv_answer.status_code, csv_answer.is_json) == (503, True)


def test_caller_who_is_not_counted_has_no_page(team: Team) -> None:
    assert team.client.get("/usage").status_code == 401
    team.start(PROXY_SECRET="", PROXY_PLANS="", PROXY_STORE="", PROXY_TOKEN="shared")
    assert team.client.get("/usage", headers={"x-api-key": "shared"}).status_code == 404


def test_page_says_that_an_instance_counts_for_itself(team: Team) -> None:
    team.start(PROXY_STORE="", PROXY_PLANS="")
    assert "Counted by one instance of this server" in text(get(team))


def test_plans_without_limits_and_groups(team: Team) -> None:
    team.start(PROXY_PLANS='operators = ["bob"]\n[plans.standard]\n')
    assert "US$ a day $2.00 used, no limit." in text(get(team))
    assert "The plan file has no groups." in text(get(team, "bob", person=EVERYONE))


# --- Bounds ------------------------------------------------------------------------------------


def test_page_stays_small_whatever_a_team_uses() -> None:
    """Complaint 20."""
    name, large = "n" * 60, 10**13
    figures = [large] * len(FIGURES)
    days = [(date(2026, 11, 28) - timedelta(days=i)).isoformat() for i in range(MAX_BARS)]
    parts = [
        Usage(day, "", f"gemini-{name}-{i}", c, *figures)
        for day in days
        for i in range(MAX_MODELS + 3)
        for c in ("main", "subagent", "workflow", "compaction", "auxiliary", "other", "")
    ]
    people = [Usage("", f"{name}{i:04}", "", "", *figures) for i in range(MAX_PEOPLE * 9)]
    report = Report(EVERYONE, Span(days[-1], days[0]), parts, people)
    lines = [{**LINE, "group": name, "used": 19.9, "held": 0.5}] * MAX_ROWS
    view = View("bob", True, report, lines, None, False, NOW, ZoneInfo("Europe/Berlin"))
    everyone = usage_page.usage(view)
    assert b"30 of 270: 240 more" in everyone
    known = [Session(f"{name}{i}", name, 0.0, 0.0, large, 1e9) for i in range(MAX_SESSIONS)]
    one = usage_page.usage(
        view._replace(report=report._replace(person="alice", people=people[:1]), sessions=known)
    )
    assert max(len(everyone), len(one)) < MAX_PAGE_BYTES


def test_page_costs_no_more_than_reading_its_rows() -> None:
    """Complaint 20: 100,000 rows. It takes 0.7 of that where the store adds them up (0.18 s), and
    3.3 of it where they are read and added up here."""
    store = SqliteStore(IN_MEMORY)
    first, figures = date(2026, 8, 21), range(1, len(FIGURES) + 1)
    made = (
        (f"{first + timedelta(days=day)}", f"person{person:02}", f"gemini-{model}", c, *figures)
        for day in range(100)
        for person in range(50)
        for model in range(4)
        for c in ("", "auxiliary", "compaction", "main", "subagent")
    )
    with store._transaction() as db:
        db.executemany(ADD_TO_TOTALS, made)
    span = Span("2026-08-21", DAY)
    reading, page = [], []
    for _ in range(3):
        reading.append(cpu(lambda: store.usage(*span)))
        page.append(cpu(lambda: show(store, span)))
    store.close()
    assert min(page) < 1.15 * min(reading), (page, reading)


def show(store: SqliteStore, span: Span) -> bytes:
    report = usage.load(store, span)
    view = View("bob", True, report, [], None, False, NOW, ZoneInfo("UTC"), Choice("100d"))
    return usage_page.usage(view)


def cpu(work: Callable[[], Any]) -> float:
    """Seconds of this process."""
    began = time.process_time()
    work()
    return time.process_time() - began

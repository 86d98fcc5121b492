"""proxy/web/set_up_page.py, set_up_site.py, team/own_token.py: who sees what at `/` of a team,
whose token it shows, and the managed settings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug import Request
from werkzeug.test import EnvironBuilder, TestResponse

from proxy import clock
from proxy.liveness import Poller
from proxy.request_log import RequestLog
from proxy.team import counters, own_token, tokens
from proxy.team.stores import StoreError
from proxy.team.stores.sqlite import SqliteStore
from proxy.team.tokens import Token
from proxy.web import oidc, page, sign_in
from proxy.web.session import Sessions
from proxy.web.set_up_page import PLACEHOLDER
from proxy.web.sign_in import FailureLimit
from tests.servers import Emulator
from tests.team_stores import SECRET
from tests.test_team import HELLO, NOW, Team, access_token, at_noon
from tests.test_web import BROWSER, MAX_PAGE_BYTES, Reader, allowed

__all__ = ["at_noon"]

PLANS = """
contact = "Ask Bob (bob@example.com)."
operators = ["bob"]
[plans.standard]
usd_per_day = 1
"""
OLD_SECRET = "o" * 32


@pytest.fixture
def team(
    make_client: Callable[..., FlaskClient],
    emulator: Emulator,
    key: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Team:
    monkeypatch.setattr(sign_in, "failures", FailureLimit())
    found = Team(make_client, emulator, key, tmp_path / "team.sqlite")
    found.start(PROXY_PLANS=PLANS)
    return found


def sign_in_as(team: Team, token: str = "") -> None:
    form = {"token": token or access_token()}
    assert team.client.post("/sign-in", data=form, headers=BROWSER).status_code == 303


def visit(team: Team, path: str = "/", **headers: str) -> TestResponse:
    return team.client.get(path, headers={**BROWSER, **headers})


def show_token(team: Team, **fields: str) -> TestResponse:
    form = {name: str(value) for name, value in fields.items()} or csrf(visit(team))
    return team.client.post("/token", data=form, headers=BROWSER)


def csrf(shown: TestResponse) -> dict[str, str]:
    inputs = Reader(shown.text).all("input")
    return {str(each["name"]): str(each["value"]) for each in inputs if each["name"] == "csrf"}


def test_pages_only_name_the_servers_address(team: Team) -> None:
    """In the blocks, the managed settings, and beside a new token; a session is of these pages."""
    team.start(PROXY_PLANS=PLANS, PROXY_API_URL="https://api.example", GEMINI_API_KEY="")
    sign_in_as(team, access_token("bob"))
    assert visit(team, "/usage").status_code == 200
    form = csrf(visit(team)) | {"act": "create", "person": "erin", "plan": "standard", "days": "9"}
    created = team.client.post("/team", data=form, headers=BROWSER)
    for answer in (visit(team), show_token(team), visit(team, "/managed-settings.json"), created):
        assert answer.status_code == 200
        assert "https://api.example" in answer.text
        assert "http://localhost" not in answer.text


def shown_token(answer: TestResponse) -> str:
    """The one in the blocks of a page."""
    assert answer.status_code == 200, answer.text
    (found,) = set(re.findall(rf"{tokens.PREFIX}[A-Za-z0-9_.-]+", answer.text))
    return str(found)


def text(answer: TestResponse) -> str:
    return " ".join(Reader(answer.text.replace("><", "> <")).text.split())


# --- A stranger --------------------------------------------------------------------------------


def test_stranger_sees_how_to_get_a_token_and_no_more(team: Team) -> None:
    team.script({**HELLO, "repeat": True})
    assert team.post().status_code == 200
    shown = visit(team, Host="localhost:8080")  # from this machine, too
    assert "Each person has one of their own." in text(shown)
    assert "Ask Bob (bob@example.com)." in text(shown)
    (link,) = [each["href"] for each in Reader(shown.text).all("a") if each.get("class") != "skip"]
    assert link == "sign-in?next=/"
    for word in ("gemini-4", "alice", "Last requests", "export", "US$", "standard"):
        assert word not in shown.text, word


def test_contact_of_the_plans_is_escaped(team: Team) -> None:
    team.start(PROXY_PLANS='contact = "<b>Bob</b>"\n[plans.standard]\nusd_per_day = 1\n')
    assert "&lt;b&gt;Bob" in visit(team).text
    team.start(PROXY_PLANS="[plans.standard]\nusd_per_day = 1\n")
    assert "Get yours from whoever runs this server." in text(visit(team))


@pytest.mark.parametrize("credential", ["AIza-a-key", "gmp_e30.bad"])
def test_who_presents_no_good_token_is_a_stranger(team: Team, credential: str) -> None:
    team.start(PROXY_PLANS=PLANS, PROXY_AUTH="token,key")
    shown = visit(team, **{"x-api-key": credential})
    assert "You need an access token" in text(shown)


def test_page_of_another_site_gets_no_page_for_its_token(team: Team) -> None:
    headers = {"x-api-key": access_token(), "Origin": "https://evil.example"}
    assert visit(team, **headers).status_code == 403


def test_server_without_a_secret_has_the_page_for_all(team: Team) -> None:
    team.start(PROXY_SECRET="", PROXY_PLANS="", PROXY_STORE="", PROXY_TOKEN="shared")
    assert "Point Claude Code at it" in text(visit(team))
    assert team.client.post("/token", data={"csrf": "x"}).status_code == 404


def test_programs_still_get_the_health_answer(team: Team) -> None:
    assert team.client.get("/").get_json()["status"] == "ok"


# --- Who is signed in --------------------------------------------------------------------------


def test_signed_in_person_sees_the_blocks_without_a_token(team: Team) -> None:
    sign_in_as(team)
    shown = visit(team)
    assert shown.headers["Cache-Control"] == "no-store"
    assert int(shown.headers["Content-Length"]) == len(shown.data) < MAX_PAGE_BYTES
    assert "For alice, by the plan standard." in text(shown)
    assert "export ANTHROPIC_BASE_URL=http://localhost\n" in shown.text
    assert shown.text.count(PLACEHOLDER) >= 6
    assert tokens.PREFIX not in shown.text
    titles = re.findall(r'<h3 id="title-\d+">(.*?) <span', shown.text)
    assert titles[:4] == ["bash, zsh", "PowerShell", "settings.json", "VS Code"]
    assert titles[4:7] == ["Token in a file", "apiKeyHelper", "GitHub Actions"]
    identities = [given["id"] for _, given in Reader(shown.text).tags if "id" in given]
    assert len(identities) == len(set(identities))


def test_blocks_can_be_copied_with_and_without_script(team: Team) -> None:
    sign_in_as(team)
    shown = visit(team)
    reader = Reader(shown.text)
    copies = [each for each in reader.all("button") if "data-copy" in each]
    assert [each["data-copy"] for each in copies] == [each["id"] for each in reader.all("pre")]
    assert all("hidden" in each for each in copies)
    policy = shown.headers["Content-Security-Policy"]
    assert f"script-src {allowed('script', shown.text)}; " in policy
    assert "form-action 'self'" in policy


def links(shown: TestResponse) -> set[str]:
    return {str(each["href"]) for each in Reader(shown.text).all("a")}


def test_operator_finds_the_way_to_people_and_plans(team: Team) -> None:
    sign_in_as(team)
    assert {"usage", "managed-settings.json"} <= links(visit(team))
    assert not {"team", "usage?person=*"} & links(visit(team))
    sign_in_as(team, access_token("bob"))
    assert {"team", "usage?person=*"} <= links(visit(team))


def test_token_in_a_header_opens_the_page_without_the_form(team: Team) -> None:
    shown = visit(team, **{"x-api-key": access_token()})
    assert "For alice" in text(shown)
    assert "Show me a token" not in shown.text
    refused = team.client.post("/token", data={"csrf": "x"}, headers={"x-api-key": access_token()})
    assert refused.status_code == 403


def test_meter_is_shown_where_the_server_feeds_it(team: Team) -> None:
    sign_in_as(team)
    assert "CLAUDE_CODE_USE_GATEWAY" not in visit(team).text
    team.start(PROXY_PLANS=PLANS, PROXY_CLIENT_BUDGET="on")
    sign_in_as(team)
    assert "export CLAUDE_CODE_USE_GATEWAY=1" in visit(team).text


# --- A token -----------------------------------------------------------------------------------


def test_token_that_is_shown_works_and_is_charged_to_its_person(team: Team) -> None:
    sign_in_as(team)
    answer = show_token(team)
    token = shown_token(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.text.count(token) == 5
    assert "until 2026-11-28" in text(answer)
    verified = tokens.verify(token, [SECRET], NOW)
    assert (verified.ids[0], verified.person, verified.plan) == ("alice-1", "alice", "standard")
    assert (verified.issued, verified.expires) == (NOW - 60, NOW + 3_600)
    team.script({**HELLO, "repeat": True})
    assert team.post(token).status_code == 200
    assert [each.person for each in team.usage()] == ["alice"]


def test_token_is_shown_once_and_in_no_log(team: Team, capsys: pytest.CaptureFixture[str]) -> None:
    sign_in_as(team)
    token = shown_token(show_token(team))
    assert tokens.PREFIX not in visit(team).text
    again = visit(team, "/token")
    assert (again.status_code, again.headers["Location"]) == (303, "/")
    written = capsys.readouterr()
    assert token not in written.out + written.err
    (line,) = [json.loads(each) for each in written.err.splitlines() if "audit" in each]
    identity = tokens.inspect(token).id
    assert line == {"audit": "token show", "id": identity, "person": "alice", "by": "alice:alice-1"}


def test_token_is_the_same_for_a_day(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whoever presses the button often would fill the log of acts."""
    sign_in_as(team, access_token(expires=NOW + 90 * 86_400))
    first = shown_token(show_token(team))
    assert shown_token(show_token(team)) == first
    sign_in_as(team, access_token(expires=NOW + 90 * 86_400))
    assert shown_token(show_token(team)) == first
    assert [name.split(".")[0] for name in team.store.read("audit")] == ["show"]
    monkeypatch.setattr(clock, "now", lambda: NOW + 86_400)
    sign_in_as(team, access_token(expires=NOW + 90 * 86_400))
    assert tokens.inspect(shown_token(show_token(team))).id != tokens.inspect(first).id


def test_token_ends_with_that_of_the_session(team: Team) -> None:
    sign_in_as(team)
    token = shown_token(show_token(team))
    team.start(PROXY_PLANS=PLANS, PROXY_REVOKED="alice-1")
    assert team.post(token).status_code == 401
    assert "You need an access token" in text(visit(team))


def test_token_that_is_revoked_is_not_shown_again(team: Team) -> None:
    sign_in_as(team)
    identity = tokens.inspect(shown_token(show_token(team))).id
    team.start(PROXY_PLANS=PLANS, PROXY_REVOKED=identity)
    sign_in_as(team)
    answer = show_token(team)
    assert answer.status_code == 409
    assert f"The token {identity} that was shown today is revoked. Ask Bob" in text(answer)


def test_token_is_signed_by_the_secret_of_its_parent(team: Team) -> None:
    """Or it would outlive that secret, which may be known to others: so does no session."""
    both = f"{SECRET},{OLD_SECRET}"
    team.start(PROXY_PLANS=PLANS, PROXY_SECRET=both)
    fields = Token(("old-1",), "alice", "standard", NOW - 60, NOW + 3_600)
    sign_in_as(team, tokens.create(fields, OLD_SECRET))
    tokens.verify(shown_token(show_token(team)), [OLD_SECRET], NOW)
    cookie = team.client.get_cookie("gemini_session")
    assert cookie is not None
    for secrets, words in ((both, "For alice"), (SECRET, "You need an access token")):
        team.start(PROXY_PLANS=PLANS, PROXY_SECRET=secrets)
        team.client.set_cookie("gemini_session", cookie.value)
        assert words in text(visit(team))


@pytest.mark.parametrize("kind", ["derived", "shared"])
def test_no_token_is_made_from_what_is_not_ones_own(team: Team, kind: str) -> None:
    """A derived one was made to be narrower."""
    token = {"derived": tokens.derive(access_token(), "d1"), "shared": "shared-token"}[kind]
    team.start(PROXY_PLANS="[plans.standard]\n[plans.default]\n", PROXY_TOKEN="shared-token")
    sign_in_as(team, token)
    shown = visit(team)
    assert "Show me a token" not in shown.text
    assert f"Put your token where the blocks say {PLACEHOLDER}." in text(shown)
    fields = csrf(shown)
    answer = show_token(team, **fields)
    assert answer.status_code == 403
    assert "this page makes none" in text(answer)


@pytest.mark.parametrize(
    ("fields", "headers"),
    [({"csrf": "x"}, {}), ({"other": "x"}, {}), (None, {"Sec-Fetch-Site": "cross-site"})],
)
def test_form_of_another_site_shows_nothing(
    team: Team, fields: dict[str, str] | None, headers: dict[str, str]
) -> None:
    sign_in_as(team)
    form = csrf(visit(team)) if fields is None else fields
    answer = team.client.post("/token", data=form, headers={**BROWSER, **headers})
    assert answer.status_code in (303, 403)
    assert tokens.PREFIX not in answer.text.replace("begins with", "")
    assert team.store.read("audit") == {}


def test_stranger_who_sends_the_form_is_to_sign_in(team: Team) -> None:
    answer = team.client.post("/token", data={"csrf": "x"}, headers=BROWSER)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in?next=%2Ftoken")
    assert team.client.post("/token", data={}).status_code == 401


def test_token_that_cannot_be_written_down_is_not_shown(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in_as(team)
    fields = csrf(visit(team))
    mark = SqliteStore.mark

    def fail(store: SqliteStore, account: str, *given: Any) -> None:
        if account == "audit":
            raise StoreError("down")
        mark(store, account, *given)

    monkeypatch.setattr(SqliteStore, "mark", fail)
    answer = show_token(team, **fields)
    assert answer.status_code == 503
    assert tokens.PREFIX not in answer.text


def test_id_of_a_token_is_one() -> None:
    token = Token(("x" * 32,), "alice", "standard", 0, 1)
    assert tokens.ID.fullmatch(own_token.own_id(token, NOW, UTC))


# --- Who has signed in with an OpenID provider -------------------------------------------------


@pytest.fixture
def with_provider(team: Team) -> Team:
    issuer = "https://accounts.example"
    client = {"PROXY_OIDC_CLIENT_ID": "proxy", "PROXY_OIDC_CLIENT_SECRET": "x"}
    more = {"PROXY_OIDC_DOMAINS": "example.com", "PROXY_OIDC_PLAN": "standard"}
    team.start(PROXY_PLANS=PLANS, PROXY_OIDC_ISSUER=issuer, **client, **more)
    return team


def come_back(team: Team, person: str) -> None:
    """With the session that oidc.py begins."""
    token = Token((oidc.TOKEN_ID,), person, "standard", NOW, tokens.LATEST)
    sessions = Sessions([SECRET], "")
    builder = EnvironBuilder("/", "http://localhost")
    request = page.read(
        Request(builder.get_environ()), "/", RequestLog("req_1", "GET", "/"), Poller(None), None
    )
    cookie = sessions.cookie(sessions.start(token, NOW), request, NOW).partition(";")[0]
    team.client.set_cookie(*cookie.split("=", 1))


def test_person_of_a_provider_gets_a_token_that_ends(with_provider: Team) -> None:
    """And is revoked with what stands for them, in the session too."""
    assert "Sign in with your account at accounts.example" in text(visit(with_provider))
    shown = {}
    for person in ("alice@example.com", "bob@example.com"):
        come_back(with_provider, person)
        assert "This page makes you one" in text(visit(with_provider))
        answer = show_token(with_provider)
        assert "signed in with." not in text(answer)
        shown[person] = tokens.verify(shown_token(answer), [SECRET], NOW)
        assert shown[person].ids[0] == oidc.TOKEN_ID
        assert shown[person].person == person
        days = (shown[person].expires - NOW) / 86_400
        assert own_token.MAX_DAYS - 1 < days <= own_token.MAX_DAYS
    assert len({each.id for each in shown.values()}) == 2
    with_provider.store.mark("person:bob@example.com", f"{counters.REVOKED}{oidc.TOKEN_ID}", 1)
    assert "You need an access token" in text(visit(with_provider))


def test_person_with_a_token_may_have_a_provider_too(with_provider: Team) -> None:
    sign_in_as(with_provider)
    assert "Put the token that you have signed in with" in text(visit(with_provider))


# --- Managed settings --------------------------------------------------------------------------


def test_managed_settings_have_this_address_and_the_prices(team: Team) -> None:
    assert team.client.get("/managed-settings.json").status_code == 401
    assert visit(team, "/managed-settings.json").headers["Location"].startswith("/sign-in?")
    sign_in_as(team)
    answer = visit(team, "/managed-settings.json")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="managed-settings.json"'
    assert answer.headers["Cache-Control"] == "no-store"
    content = answer.get_json()
    assert content["env"] == {"ANTHROPIC_BASE_URL": "http://localhost"}
    assert content["modelPricing"]["overrides"]["gemini-4-neon"]["input"] == 3
    assert tokens.PREFIX not in answer.text
    with_meter = visit(team, "/managed-settings.json?meter").get_json()["env"]
    assert "CLAUDE_CODE_USE_GATEWAY" not in with_meter
    team.start(PROXY_PLANS=PLANS, PROXY_CLIENT_BUDGET="on")
    sign_in_as(team)
    with_meter = visit(team, "/managed-settings.json?meter").get_json()["env"]
    assert with_meter["CLAUDE_CODE_USE_GATEWAY"] == "1"

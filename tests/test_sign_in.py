"""proxy/web/sign_in.py, site.py: a person signs in with a token, and out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from proxy import clock
from proxy.team import counters, tokens
from proxy.team.tokens import Token
from proxy.web import sign_in
from proxy.web.page import Page, PageRequest, json_page
from proxy.web.session import HTTPS_PREFIX, MAX_SECONDS, NAME, Sessions
from proxy.web.sign_in import (
    BAD_TOKEN,
    MAX_ADDRESSES,
    MAX_ALL_FAILURES,
    MAX_FAILURES,
    WINDOW_SECONDS,
    FailureLimit,
)
from proxy.web.site import PAGES, Site
from tests.servers import Emulator
from tests.team_stores import SECRET
from tests.test_session import request
from tests.test_team import NOW, Team, access_token, at_noon
from tests.test_team_usage import PLANS, ROWS, count
from tests.test_web import BROWSER, MAX_PAGE_BYTES, Reader

__all__ = ["at_noon"]

TLS = {"X-Forwarded-Proto": "https"}


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
    count(found.store, *ROWS)
    return found


def sign(team: Team, token: str = "", headers: Any = (), **fields: str) -> TestResponse:
    form = {"token": token or access_token(), **fields}
    return team.client.post("/sign-in", data=form, headers={**BROWSER, **dict(headers)})


def see(team: Team, path: str = "/usage", **headers: str) -> TestResponse:
    return team.client.get(path, headers={**BROWSER, **headers})


def is_sent_to_sign_in(answer: TestResponse) -> bool:
    return answer.status_code == 303 and urlsplit(answer.headers["Location"]).path == "/sign-in"


# --- In, and out -------------------------------------------------------------------------------


def test_person_signs_in_sees_a_page_and_signs_out(team: Team) -> None:
    assert is_sent_to_sign_in(see(team))
    answer = sign(team)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/usage")
    shown = see(team)
    assert "Signed in as alice" in " ".join(Reader(shown.text).text.split())
    assert shown.headers["Cache-Control"] == "no-store"
    out = team.client.post("/sign-out", data=csrf(shown), headers=BROWSER)
    assert is_sent_to_sign_in(out)
    assert is_sent_to_sign_in(see(team))


def csrf(shown: TestResponse) -> dict[str, str]:
    (value,) = re.findall('name="csrf" value="([^"]+)"', shown.text)
    return {"csrf": value}


def test_sign_out_needs_the_form_of_the_session(team: Team) -> None:
    sign(team)
    for fields in ({"a": ""}, {"csrf": "x"}):
        refused = team.client.post("/sign-out", data=fields, headers=BROWSER)
        assert (refused.status_code, refused.mimetype) == (403, "text/html")
    foreign = {**BROWSER, "Sec-Fetch-Site": "cross-site"}
    assert team.client.post("/sign-out", data=csrf(see(team)), headers=foreign).status_code == 403
    assert see(team).status_code == 200
    assert team.client.get("/sign-out").status_code == 405
    team.client.delete_cookie(NAME)
    assert is_sent_to_sign_in(team.client.post("/sign-out", headers=BROWSER))
    assert team.client.post("/sign-out", headers=foreign).status_code == 403


def test_cookie_holds_no_token_and_the_log_neither(
    team: Team, capsys: pytest.CaptureFixture[str]
) -> None:
    token = access_token()
    answer = sign(team, token)
    cookie = answer.headers["Set-Cookie"]
    for part in token.removeprefix(tokens.PREFIX).split("."):
        assert part not in cookie
    assert token not in str(answer.headers)
    assert token not in sign(team, token + "x").text
    assert token[10:30] not in "".join(capsys.readouterr())


def test_signed_in_person_is_sent_on_from_the_form(team: Team) -> None:
    assert see(team, "/sign-in").status_code == 200
    sign(team)
    shown = see(team, "/sign-in?next=/usage.csv?by=day")
    assert (shown.status_code, shown.headers["Location"]) == (303, "/usage.csv?by=day")


def test_token_is_taken_as_people_paste_it(team: Team) -> None:
    assert sign(team, f'  "{access_token()}"\n').status_code == 303


def test_shared_token_signs_in(team: Team) -> None:
    team.start(PROXY_PLANS="", PROXY_TOKEN="shared-token")
    assert sign(team, "shared-token").status_code == 303
    assert "Usage of token" in see(team).text


# --- Who is not ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "token",
    [
        "a-stranger",
        "gmp_" + "x" * 9_000,
        "ü",
        " ",
        "AIza-a-key",
        access_token()[:-1] + "!",
        access_token(expires=NOW - 1),
        access_token(plan="gone"),
        access_token("mallory"),
        access_token("trudy"),
        access_token("oscar"),
    ],
)
def test_bad_tokens_are_not_told_apart(team: Team, token: str) -> None:
    team.start(PROXY_PLANS=PLANS, PROXY_REVOKED="mallory-1,trudy<2026-11-29")
    team.store.mark("person:oscar", f"{counters.REVOKED}oscar-1", 1)
    answer = sign(team, token)
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (401, False)
    (problem,) = [each for each in Reader(answer.text).all("p") if each.get("role") == "alert"]
    assert BAD_TOKEN in answer.text
    (field,) = [each for each in Reader(answer.text).all("input") if each["name"] == "token"]
    assert field["aria-invalid"] == "true"
    assert str(problem["id"]) in str(field["aria-describedby"])
    assert token == " " or token not in answer.text


@pytest.mark.parametrize("how", ["store", "settings", "issued before", "plan", "token's end"])
def test_revoked_token_ends_its_session(
    team: Team, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign(team)
    assert see(team).status_code == 200
    if how == "store":
        team.store.mark("person:alice", f"{counters.REVOKED}alice-1", 1)
    elif how == "settings":
        team.start(PROXY_PLANS=PLANS, PROXY_REVOKED="alice-1")
    elif how == "issued before":
        team.start(PROXY_PLANS=PLANS, PROXY_REVOKED="alice<2026-11-29")
    elif how == "plan":
        team.start(PROXY_PLANS="[plans.other]\nusd_per_day = 1\n")
    else:
        monkeypatch.setattr(clock, "now", lambda: NOW + 3_600)
    if how != "store":
        come_back(team, "alice")
    for path in ("/usage", "/usage.csv", "/usage.json"):
        assert is_sent_to_sign_in(see(team, path))
    assert see(team, "/sign-in").status_code == 200


def come_back(team: Team, person: str) -> None:
    """With a cookie from before."""
    made = Sessions((SECRET,), "")
    token = Token((f"{person}-1",), person, "standard", NOW - 60, NOW + 3_600)
    cookie = made.cookie(made.start(token, NOW), request(), NOW).partition(";")[0]
    team.client.set_cookie(NAME, cookie.partition("=")[2])


def test_session_is_good_at_any_instance(team: Team) -> None:
    team.start(PROXY_PLANS=PLANS, PROXY_SECRET=f"{'n' * 32},{SECRET}")
    come_back(team, "alice")
    assert "Usage of alice" in see(team).text


def test_derived_token_stays_derived(team: Team) -> None:
    sign(team, tokens.derive(access_token("bob"), "ci"))
    assert see(team).status_code == 200
    refused = see(team, "/usage?person=*")
    assert (refused.status_code, refused.mimetype) == (403, "text/html")
    assert "only operators" in refused.text
    sign(team, access_token("bob"))
    assert see(team, "/usage?person=*").status_code == 200


def test_api_never_takes_a_cookie(team: Team) -> None:
    sign(team)
    assert see(team).status_code == 200
    for path in ("/v1/models", "/v1/models/claude-opus-5", "/api/oauth/usage"):
        assert team.client.get(path).status_code == 401, path
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        assert team.client.post(path, json={}).status_code == 401, path
    assert team.journal() == []


def test_program_gets_json_and_a_browser_a_page(team: Team) -> None:
    for path in ("/usage", "/usage.csv", "/usage.json"):
        answer = team.client.get(path)
        assert (answer.status_code, answer.is_json) == (401, True)
        assert is_sent_to_sign_in(see(team, path))
    bad = see(team, "/usage?since=1000d", **{"x-api-key": access_token()})
    assert (bad.status_code, bad.mimetype) == (400, "text/html")
    assert "since: expected days" in Reader(bad.text).text
    assert re.search("Status 400, request req_[0-9a-f]+", Reader(bad.text).text)
    assert "access-control-allow-origin" not in bad.headers


def test_what_takes_no_session_sends_nobody_to_sign_in(team: Team) -> None:
    """The way from there leads back, for who is signed in: a browser would go round and round."""
    sign(team)
    assert see(team, "/api/oauth/usage").status_code == 401


def test_header_goes_before_the_cookie(team: Team) -> None:
    sign(team)
    assert "Usage of bob" in see(team, **{"x-api-key": access_token("bob")}).text
    assert "Signed in" not in see(team, **{"x-api-key": access_token("bob")}).text


def test_what_another_site_loads_has_no_session(team: Team) -> None:
    sign(team)
    loaded = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}
    assert is_sent_to_sign_in(see(team, **loaded))
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert see(team, **followed).status_code == 200


def test_server_without_a_secret_has_no_sign_in(team: Team) -> None:
    for environ in (
        {"PROXY_SECRET": "", "PROXY_TOKEN": "shared"},
        {"PROXY_SECRET": "", "PROXY_PLANS": "", "PROXY_STORE": ""},
        {"PROXY_AUTH": "key"},
    ):
        team.start(**environ)
        shown = see(team, "/sign-in")
        assert (shown.status_code, shown.mimetype) == (404, "text/html"), environ
        assert "PROXY_SECRET" in shown.text
        assert see(team).status_code in (401, 404)
        assert is_sent_to_sign_in(team.client.post("/sign-out", headers=BROWSER))


def test_page_that_acts_takes_forms_of_its_own(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an operator's pages do, with Site.visitor and Site.form."""

    def act(site: Site, request: PageRequest) -> Page:
        visitor = site.visitor(request)
        account = site.account(visitor)
        if request.method == "GET":
            return Page(str(account and account.csrf_field).encode())
        return json_page([visitor.payer.person, site.form(request, visitor)["act"]])

    monkeypatch.setitem(PAGES, "/sign-in", act)
    sent = {"act": "revoke"}
    come_back(team, "bob")
    (value,) = re.findall('value="([^"]+)"', see(team, "/sign-in").text)
    done = team.client.post("/sign-in", data={**sent, "csrf": value}, headers=BROWSER)
    assert done.get_json() == ["bob", "revoke"]
    assert team.client.post("/sign-in", data=sent, headers=BROWSER).status_code == 403
    token = {"x-api-key": access_token("bob")}
    assert see(team, "/sign-in", **token).text == "None"
    assert team.client.post("/sign-in", data=sent, headers=token).get_json() == ["bob", "revoke"]
    foreign = {**token, "Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"}
    assert team.client.post("/sign-in", data=sent, headers=foreign).status_code == 403
    team.client.delete_cookie(NAME)
    assert is_sent_to_sign_in(team.client.post("/sign-in", data=sent, headers=BROWSER))
    team.start(PROXY_SECRET="", PROXY_PLANS="", PROXY_TOKEN="shared")
    token = {"x-api-key": "shared"}
    assert team.client.post("/sign-in", data=sent, headers=token).get_json() == ["token", "revoke"]


# --- Where to ------------------------------------------------------------------------------------


def test_page_that_was_wanted_is_shown_after_signing_in(team: Team) -> None:
    location = see(team, "/usage?since=7d&person=alice%2Bx").headers["Location"]
    (wanted,) = parse_qs(urlsplit(location).query)["next"]
    assert wanted == "/usage?since=7d&person=alice%2Bx"
    form = Reader(see(team, location).text)
    (hidden,) = [each for each in form.all("input") if each["name"] == "next"]
    assert sign(team, next=str(hidden["value"])).headers["Location"] == wanted


@pytest.mark.parametrize("page", ["/", "/usage", "/usage?a=%5C&b=//x", "/team/alice.b@c", "/a/b?"])
def test_next_page_may_be_any_of_this_server(page: str) -> None:
    assert sign_in.local_page(page) == page


@pytest.mark.parametrize(
    "page",
    [
        *("//evil.test", "/\\evil.test", "\\\\evil.test", "https://evil.test", "evil.test", ""),
        *(
            "/%2F/evil.test",
            "/%5Cevil.test",
            "/\t/evil.test",
            "/usage\r\nSet-Cookie: a=b",
            " /usage",
        ),
        *("///evil.test", "/usage//evil.test", "/.//evil.test", "/..//evil.test", "javascript:a"),
        *("/usage\n", "/usage#x", "/usäge", "/usage?" + "x" * 2_000, "/\u2215/evil.test"),
    ],
)
def test_next_page_is_never_another_sites(team: Team, page: str) -> None:
    assert sign_in.local_page(page) == "/usage"
    assert sign(team, next=page).headers["Location"] == "/usage"


# --- Forms of others, and guesses ----------------------------------------------------------------


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.test"}]
)
def test_another_site_cannot_sign_anybody_in(team: Team, headers: dict[str, str]) -> None:
    answer = sign(team, headers=headers)
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (403, False)


def test_failures_are_limited_by_address(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    team.start(PROXY_PLANS="", PROXY_TOKEN="shared")
    for _ in range(MAX_FAILURES):
        assert sign(team, "x").status_code == 401
    for token in ("x", "shared", access_token() + "x"):
        refused = sign(team, token)
        assert refused.status_code == 429
        assert refused.headers["Retry-After"] == str(WINDOW_SECONDS)
        assert "in 10 minutes" in refused.text
        assert 'role="alert"' in refused.text
    assert sign(team).status_code == 303, "nobody can keep others out"
    elsewhere = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7"}
    assert sign(team, "shared", headers=elsewhere).status_code == 303
    monkeypatch.setattr(clock, "now", lambda: NOW + WINDOW_SECONDS)
    assert sign(team, "shared").status_code == 303


def test_shared_token_is_guessed_whatever_it_looks_like(team: Team) -> None:
    team.start(PROXY_PLANS="", PROXY_TOKEN="gmp_shared")
    assert sign(team, "gmp_shared").status_code == 303
    for _ in range(MAX_FAILURES):
        sign(team, "gmp_guess")
    assert sign(team, "gmp_shared").status_code == 429


def test_failures_are_limited_in_all(team: Team) -> None:
    for number in range(MAX_ALL_FAILURES):
        sign_in.failures.add(f"{number}", NOW)
    assert sign(team, "guess").status_code == 429
    assert sign(team).status_code == 303, "nobody can keep others out"


def test_failures_of_many_addresses_are_bounded() -> None:
    limit = FailureLimit()
    for _ in range(MAX_FAILURES):
        limit.add("first", NOW)
    assert limit.wait("first", NOW) == WINDOW_SECONDS
    assert limit.wait("new", NOW) == 0
    for number in range(MAX_ADDRESSES):
        limit.add(str(number), NOW + 9)
    assert limit.wait("first", NOW) == WINDOW_SECONDS, "that of all"
    assert len(limit._failures) == MAX_ADDRESSES
    assert "first" not in limit._failures
    assert limit.wait("new", NOW + WINDOW_SECONDS) == 0


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("8.8.8.8", "1.1.1.1", "8.8.8.8"),
        ("169.254.1.1", "9.9.9.9, 1.1.1.1", "1.1.1.1"),
        ("127.0.0.1", "1.1.1.1", "1.1.1.1"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("2001:4860:4860:1:2:3:4:5", "", "2001:4860:4860:0001"),
        ("::ffff:8.8.8.8", "", "8.8.8.8"),
        ("::ffff:10.0.0.1", "1.1.1.1", "1.1.1.1"),
        ("", "1.1.1.1", ""),
    ],
)
def test_address_of_a_client(remote: str, forwarded: str, address: str) -> None:
    made = replace(request(**{"X-Forwarded-For": forwarded}), remote_address=remote or None)
    assert sign_in.client_address(made) == address


# --- The page ------------------------------------------------------------------------------------


def test_form_is_a_page_with_a_policy(team: Team) -> None:
    shown = see(team, "/sign-in")
    assert "form-action 'self'" in shown.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in shown.headers["Content-Security-Policy"]
    assert shown.headers["Referrer-Policy"] == "same-origin"
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert shown.headers["Cache-Control"] == "no-store"
    assert len(shown.data) < MAX_PAGE_BYTES
    reader = Reader(shown.text)
    (field,) = [each for each in reader.all("input") if each["type"] == "password"]
    assert field["id"] in {each["for"] for each in reader.all("label")}
    assert field["autocomplete"] == "current-password"
    assert "aria-invalid" not in field
    assert 'role="alert"' not in shown.text


@pytest.mark.parametrize("path", ["/usage", "/usage.csv", "/usage.json", "/statusline.py", "/"])
def test_answer_is_what_its_type_says(team: Team, path: str) -> None:
    sign(team)
    answer = see(team, path)
    assert (answer.status_code, answer.headers["X-Content-Type-Options"]) == (200, "nosniff")


def test_https_is_kept_to(team: Team) -> None:
    for path in ("/", "/sign-in", "/usage"):
        assert "Strict-Transport-Security" not in see(team, path).headers
        assert see(team, path, **TLS).headers["Strict-Transport-Security"] == "max-age=31536000"
    cookie = sign(team, headers=TLS).headers["Set-Cookie"]
    assert cookie.startswith(f"{HTTPS_PREFIX}{NAME}=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= {*cookie.split("; ")}
    assert f"Max-Age={min(MAX_SECONDS, 3_600)}" in cookie

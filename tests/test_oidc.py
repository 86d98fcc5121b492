"""proxy/web/oidc.py, oidc_pages.py, oidc_provider.py: signing in with a provider, whatever it
answers. A real one is in e2e/test_oidc_page.py.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from flask.testing import FlaskClient
from requests import Response
from urllib3.exceptions import ReadTimeoutError
from werkzeug.test import TestResponse

from proxy import clock
from proxy.oidc_settings import OidcSettings
from proxy.team import counters
from proxy.web import oidc, oidc_provider
from proxy.web.oidc import COOKIE_SECONDS, LOST, MAX_CALLS
from proxy.web.oidc_provider import (
    KEPT_SECONDS,
    MAX_BYTES,
    MAX_KEYS,
    PAUSE_SECONDS,
    Provider,
    ProviderError,
)
from tests.servers import Emulator
from tests.test_id_token import CLAIMS, rsa_key
from tests.test_id_token import token as id_token
from tests.test_team import NOW, Team, at_noon
from tests.test_team_usage import PLANS
from tests.test_web import BROWSER, Reader

__all__ = ["at_noon"]

Answer = tuple[int, bytes] | Callable[[], tuple[int, bytes]]
CALLBACK = "/sign-in/oidc/callback"
DISCOVERY = "/.well-known/openid-configuration"
HTML = b"<!DOCTYPE html><title>Sign in to the Wi-Fi</title>"


class FakeProvider:
    """Answers as the test wants it. answers: path -> status and body. requests: what was sent, its
    path first."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.requests: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.configuration: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
        }
        self.answers: dict[str, Answer] = {}
        self.set("/keys", {"keys": [rsa_key()]})
        self.set(DISCOVERY, self.configuration)
        self.nonce = ""
        self.token()

    def set(self, path: str, value: Any, status: int = 200) -> None:
        self.answers[path] = status, json.dumps(value).encode()

    def token(self, header: Any = None, **claims: Any) -> None:
        """The ID token that is to be given for the next code."""

        def answer() -> tuple[int, bytes]:
            given = {"iss": self.issuer, "iat": NOW, "exp": NOW + 60, "nonce": self.nonce, **claims}
            value = {"id_token": id_token(header, **given), "access_token": "access"}
            return 200, json.dumps(value).encode()

        self.answers["/token"] = answer

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.requests]


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            form = dict(parse_qsl(self.rfile.read(length).decode()))
            fake.requests.append((self.path, dict(self.headers), form))
            answer = fake.answers[self.path]
            status, body = answer() if callable(answer) else answer
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake = FakeProvider(server.server_port)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield fake
        server.shutdown()
        thread.join()


@pytest.fixture
def team(
    make_client: Callable[..., FlaskClient],
    emulator: Emulator,
    key: str,
    tmp_path: Path,
    provider: FakeProvider,
) -> Team:
    found = Team(make_client, emulator, key, tmp_path / "team.sqlite")
    start(found, provider)
    return found


def start(team: Team, provider: FakeProvider, **environ: str) -> None:
    settings = {
        "PROXY_PLANS": PLANS,
        "PROXY_OIDC_ISSUER": provider.issuer,
        "PROXY_OIDC_CLIENT_ID": "proxy",
        "PROXY_OIDC_CLIENT_SECRET": "s: &",
        "PROXY_OIDC_DOMAINS": "Example.com",
        "PROXY_OIDC_PLAN": "standard",
    }
    team.start(**{**settings, **environ})


def begin(team: Team, next_page: str = "", **headers: str) -> dict[str, str]:
    """The query with which a person is sent to the provider."""
    query = {"next": next_page} if next_page else {}
    answer = team.client.get("/sign-in/oidc", query_string=query, headers={**BROWSER, **headers})
    assert answer.status_code == 303, answer.text
    return {
        name: value for name, (value,) in parse_qs(urlsplit(answer.location or "").query).items()
    }


def come_back(team: Team, provider: FakeProvider, **query: str) -> TestResponse:
    begun = begin(team)
    provider.nonce = begun["nonce"]
    sent = {"code": "a code", "state": begun["state"], **query}
    return team.client.get(CALLBACK, query_string=sent, headers=BROWSER)


def problem(answer: TestResponse, status: int = 403) -> str:
    """What the sign-in page says is wrong."""
    assert (answer.status_code, answer.mimetype) == (status, "text/html"), answer.text
    assert "gemini_session" not in str(answer.headers)
    found = Reader(answer.text.split('role="alert">')[1].split("</p>")[0]).text
    assert found
    return found


def is_signed_in(team: Team) -> bool:
    return team.client.get("/usage", headers=BROWSER).status_code == 200


# --- The flow ----------------------------------------------------------------------------------


def test_person_is_sent_to_the_provider_with_a_challenge(
    team: Team, provider: FakeProvider
) -> None:
    page = team.client.get("/sign-in?next=/usage?since=7d", headers=BROWSER)
    (link,) = [each for each in Reader(page.text).all("a") if each.get("class") == "main"]
    assert link["href"] == "/sign-in/oidc?next=%2Fusage%3Fsince%3D7d"
    answer = team.client.get(str(link["href"]), headers=BROWSER)
    assert str(answer.location).startswith(f"{provider.issuer}/authorize?tenant=1&response_type=")
    sent = dict(parse_qsl(urlsplit(str(answer.location)).query))
    assert sent["redirect_uri"] == f"http://localhost{CALLBACK}"
    assert (sent["code_challenge_method"], sent["scope"]) == ("S256", "openid email")
    assert sent["client_id"] == "proxy"
    assert {"HttpOnly", "SameSite=Lax", f"Max-Age={COOKIE_SECONDS}"} <= {
        *answer.headers["Set-Cookie"].split("; ")
    }
    assert begin(team)["state"] != begin(team)["state"]


def test_person_who_comes_back_is_signed_in(team: Team, provider: FakeProvider) -> None:
    begun = begin(team, "/usage?since=7d")
    provider.nonce = begun["nonce"]
    query = {"code": "a code", "state": begun["state"]}
    answer = team.client.get(CALLBACK, query_string=query, headers=BROWSER)
    assert (answer.status_code, answer.location) == (303, "/usage?since=7d")
    session, over = answer.headers.getlist("Set-Cookie")
    assert session.startswith("gemini_session=")
    assert over.startswith("gemini_oidc=;")
    assert "Max-Age=0" in over
    assert "Usage of alice@example.com" in team.client.get("/usage", headers=BROWSER).text
    (_, headers, form) = next(each for each in provider.requests if each[0] == "/token")
    expected = base64.b64encode(b"proxy:s%3A%20%26").decode()
    assert headers["Authorization"] == f"Basic {expected}"
    assert form["redirect_uri"] == begun["redirect_uri"]
    assert (form["grant_type"], form["code"]) == ("authorization_code", "a code")
    digest = hashlib.sha256(form["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == begun["code_challenge"]
    assert team.client.get(CALLBACK, query_string=query, headers=BROWSER).status_code == 403


def test_client_names_itself_as_the_provider_wants(team: Team, provider: FakeProvider) -> None:
    methods = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    provider.set(DISCOVERY, {**provider.configuration, **methods})
    assert come_back(team, provider).status_code == 303
    (_, headers, form) = next(each for each in provider.requests if each[0] == "/token")
    assert "Authorization" not in headers
    assert (form["client_id"], form["client_secret"]) == ("proxy", "s: &")


def test_https_server_has_https_addresses_and_cookies(team: Team) -> None:
    headers = {**BROWSER, "X-Forwarded-Proto": "https", "Host": "x.run.app"}
    answer = team.client.get("/sign-in/oidc", headers=headers)
    assert "redirect_uri=https%3A%2F%2Fx.run.app%2Fsign-in%2Foidc%2Fcallback" in str(
        answer.location
    )
    assert answer.headers["Set-Cookie"].startswith("__Host-gemini_oidc=")


def test_configuration_and_keys_are_kept(team: Team, provider: FakeProvider) -> None:
    for _ in range(3):
        assert come_back(team, provider).status_code == 303
    assert provider.paths() == [DISCOVERY, "/token", "/keys", "/token", "/token"]


def test_address_may_be_in_the_user_info(team: Team, provider: FakeProvider) -> None:
    provider.token(email=None, email_verified=None)
    info = {"sub": CLAIMS["sub"], "email": "carol@example.com", "email_verified": True}
    provider.set("/userinfo", info)
    assert come_back(team, provider).status_code == 303
    assert "carol@example.com" in team.client.get("/usage", headers=BROWSER).text
    (_, headers, _) = provider.requests[-1]
    assert headers["Authorization"] == "Bearer access"
    provider.set("/userinfo", {**info, "sub": "2"})
    assert "about somebody else" in problem(come_back(team, provider))
    for name in ("", None, "ü", "a\r\nb"):
        value = {"id_token": "", "access_token": name}
        provider.answers["/token"] = with_token(provider, value)
        assert "no access token" in problem(come_back(team, provider))
    del provider.configuration["userinfo_endpoint"]
    provider.set(DISCOVERY, provider.configuration)
    start(team, provider)
    assert "has no address of mail" in problem(come_back(team, provider))


def with_token(provider: FakeProvider, value: dict[str, Any]) -> Callable[[], tuple[int, bytes]]:
    """An answer with a good ID token, without an address."""

    def answer() -> tuple[int, bytes]:
        claims = {"iss": provider.issuer, "nonce": provider.nonce, "iat": NOW, "exp": NOW + 9}
        text = id_token(None, email=None, **claims)
        return 200, json.dumps({**value, "id_token": text}).encode()

    return answer


# --- Who is not signed in ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "claims", "words"),
    [
        ({"alg": "none"}, {}, "RS256, ES256"),
        (None, {"nonce": "of another"}, "another sign-in (nonce)"),
        (None, {"aud": "another"}, "another client (aud)"),
        (None, {"iss": "https://evil.test"}, "another issuer (iss)"),
        (None, {"exp": NOW - 61}, "has expired"),
        (None, {"email": "alice@evil.test"}, "other domains"),
        (None, {"email": f"{'a' * 60}@example.com"}, "at most 64"),
        (None, {"email": "o'hara@example.com"}, "letters, digits"),
        (None, {"email_verified": False}, "not verified"),
    ],
)
def test_bad_id_token_signs_nobody_in(
    team: Team, provider: FakeProvider, header: Any, claims: Any, words: str
) -> None:
    provider.token(header, **claims)
    shown = problem(come_back(team, provider))
    assert words in shown
    assert "alice" not in shown
    assert not is_signed_in(team)


@pytest.mark.parametrize(
    ("path", "answer", "words"),
    [
        ("/token", (200, HTML), "HTTP 200 and no JSON"),
        ("/token", (200, b"[]"), "HTTP 200 and no JSON"),
        ("/token", (200, b"[" * 200_000), "HTTP 200 and no JSON"),
        ("/token", (200, b"{}"), "no ID token"),
        ("/token", (200, b'{"id_token": 1}'), "no ID token"),
        ("/token", (302, b""), "HTTP 302 and no JSON"),
        ("/token", (500, b"oops"), "HTTP 500 and no JSON"),
        ("/token", (400, b'{"error": "invalid_grant"}'), "HTTP 400 (invalid_grant)"),
        ("/token", (400, b'{"error": "<b>x</b>"}'), "HTTP 400 (no reason given)"),
        ("/token", (200, b"x" * (MAX_BYTES + 1)), "more than 256 KB"),
        ("/keys", (200, b"x" * 10_000_000), "more than 256 KB"),
        ("/keys", (200, b"{}"), "keys as expected"),
        ("/keys", (200, b'{"keys": []}'), "keys as expected"),
        ("/keys", (200, b'{"keys": {"a": 1}}'), "keys as expected"),
        ("/keys", (200, json.dumps({"keys": [{}] * (MAX_KEYS + 1)}).encode()), "keys as expected"),
        ("/keys", (200, json.dumps({"keys": [{}] * MAX_KEYS}).encode()), "no such key"),
    ],
)
def test_hostile_answers_are_a_sentence(
    team: Team, provider: FakeProvider, path: str, answer: Any, words: str
) -> None:
    provider.answers[path] = answer
    assert words in problem(come_back(team, provider))
    assert not is_signed_in(team)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"issuer": "https://evil.test"}, "PROXY_OIDC_ISSUER"),
        ({"issuer": None}, "PROXY_OIDC_ISSUER"),
        ({"authorization_endpoint": None}, "no authorization_endpoint"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "no authorization_endpoint"),
        ({"token_endpoint": "file:///etc/passwd"}, "no token_endpoint"),
        ({"jwks_uri": "http://[::1"}, "no jwks_uri"),
        ({"userinfo_endpoint": ["https://x.test"]}, "no userinfo_endpoint"),
    ],
)
def test_bad_configuration_is_a_sentence(
    team: Team, provider: FakeProvider, change: Any, words: str
) -> None:
    provider.set(DISCOVERY, {**provider.configuration, **change})
    answer = team.client.get("/sign-in/oidc", headers=BROWSER)
    assert words in problem(answer, 502)


def test_provider_of_the_net_has_no_http_endpoints() -> None:
    settings = OidcSettings("https://accounts.test", "id", "secret", ("example.com",), "default")
    found = {
        "issuer": settings.issuer,
        "authorization_endpoint": "https://accounts.test/a",
        "token_endpoint": "http://accounts.test/t",
    }
    with pytest.raises(ProviderError, match="no token_endpoint"):
        Provider(settings)._read(found)


def test_provider_that_is_away_is_not_asked_again_at_once(
    team: Team, provider: FakeProvider
) -> None:
    provider.answers[DISCOVERY] = (503, b"")
    for _ in range(3):
        answer = team.client.get("/sign-in/oidc", headers=BROWSER)
        assert "HTTP 503" in problem(answer, 502)
    assert provider.paths() == [DISCOVERY]


def test_failure_that_is_kept_holds_nothing_else(provider: FakeProvider) -> None:
    """Neither the requests that met it, as the traceback of one that is raised again does."""
    provider.answers[DISCOVERY] = (503, b"")
    found = Provider(OidcSettings(provider.issuer, "id", "secret", ("example.com",), "standard"))
    errors = []
    for _ in range(2):
        with pytest.raises(ProviderError, match="HTTP 503") as caught:
            found.configuration()
        errors.append(caught.value)
    assert errors[0] is not errors[1]


def test_provider_cannot_be_reached(team: Team, provider: FakeProvider) -> None:
    provider.issuer = "http://127.0.0.1:9"
    start(team, provider)
    answer = team.client.get("/sign-in/oidc", headers=BROWSER)
    assert "127.0.0.1:9 cannot be reached (ConnectionError)" in problem(answer, 502)


def test_slow_provider_is_not_waited_for(
    team: Team, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def wait() -> tuple[int, bytes]:
        over.wait()
        return 200, b"{}"

    monkeypatch.setattr(oidc_provider, "CALL_SECONDS", 0.1)
    provider.answers[DISCOVERY] = wait
    try:
        assert "in time" in problem(team.client.get("/sign-in/oidc", headers=BROWSER), 502)
    finally:
        over.set()


def test_whole_sign_in_has_an_end(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head that comes byte by byte passes all other bounds."""
    over, ended = threading.Event(), threading.Event()

    def wait(provider: Provider) -> None:
        over.wait()
        ended.set()

    monkeypatch.setattr(oidc, "ALL_SECONDS", 0.05)
    monkeypatch.setattr(Provider, "configuration", wait)
    try:
        assert "in time" in problem(team.client.get("/sign-in/oidc", headers=BROWSER), 502)
    finally:
        over.set()
        ended.wait()


def test_slow_provider_takes_few_threads(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever it is that has them wait; the API needs the others."""
    over, ended = threading.Event(), threading.Semaphore(0)

    def wait(provider: Provider) -> Any:
        over.wait()
        ended.release()
        raise ProviderError("It is over.")

    monkeypatch.setattr(oidc, "ALL_SECONDS", 0.01)
    monkeypatch.setattr(Provider, "configuration", wait)
    try:
        for sentence in ["in time"] * MAX_CALLS + ["Too many people"]:
            answer = team.client.get("/sign-in/oidc", headers=BROWSER)
            assert sentence in problem(answer, 502)
    finally:
        over.set()
        for _ in range(MAX_CALLS):
            ended.acquire()


def test_call_that_has_ended_makes_room(team: Team, provider: FakeProvider) -> None:
    provider.answers[DISCOVERY] = (503, b"")
    for _ in range(MAX_CALLS + 1):
        assert "HTTP 503" in problem(team.client.get("/sign-in/oidc", headers=BROWSER), 502)


class Dripping:
    """A body that comes byte by byte, or breaks."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def read1(self, size: int, **options: bool) -> bytes:
        if self.error:
            raise self.error
        return b"x"

    def close(self) -> None:
        pass


def test_body_that_drips_is_not_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = OidcSettings("https://accounts.test", "id", "secret", ("example.com",), "default")
    seconds = iter(range(100))
    response = Response()
    response.status_code = 200
    monkeypatch.setattr(oidc_provider.requests, "request", lambda *_, **__: response)
    monkeypatch.setattr(oidc_provider.time, "monotonic", lambda: next(seconds))
    for raw in (Dripping(), Dripping(ReadTimeoutError(None, "", ""))):  # type: ignore[arg-type]
        response.raw = raw
        with pytest.raises(ProviderError, match="in time"):
            Provider(settings).configuration()
    assert next(seconds) < 20


# --- Keys that change ----------------------------------------------------------------------------


def test_new_keys_are_asked_for() -> None:
    """At most every PAUSE_SECONDS."""
    now = 1_000.0
    settings = OidcSettings("https://accounts.example.com", "proxy", "s", ("example.com",), "p")
    provider = Provider(settings, lambda: now)
    published: list[Any] = [rsa_key(kid="old")]
    asked = []

    def fetch(method: str, url: str, *_: Any, **__: Any) -> Any:
        if url.endswith("configuration"):
            at = f"{settings.issuer}/x"
            names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            return {"issuer": settings.issuer, **dict.fromkeys(names, at)}
        if method == "POST":
            return {"id_token": id_token({"alg": "RS256", "kid": kid}, nonce="n" * 22)}
        asked.append(now)
        return {"keys": list(published)}

    provider._fetch = fetch  # type: ignore[assignment]

    def identify() -> str:
        return provider.identify("code", "verifier", "uri", "n" * 22, CLAIMS_NOW)

    kid = "old"
    assert identify() == identify() == "alice@example.com"
    assert asked == [1_000]
    kid = "new"
    with pytest.raises(oidc.BadIdToken):
        identify()
    published.append(rsa_key(kid="new"))
    now += PAUSE_SECONDS
    assert identify() == "alice@example.com"
    assert asked == [1_000, 1_000 + PAUSE_SECONDS]
    now += KEPT_SECONDS
    identify()
    assert len(asked) == 3


CLAIMS_NOW = CLAIMS["iat"]


# --- What comes back -----------------------------------------------------------------------------


def test_state_is_that_of_the_browser(team: Team, provider: FakeProvider) -> None:
    for query in ({"state": "of another"}, {"state": ""}, {"state": "ü"}):
        assert problem(come_back(team, provider, **query)) == LOST
    team.client.delete_cookie("gemini_oidc")
    answer = team.client.get(CALLBACK, query_string={"code": "c", "state": ""}, headers=BROWSER)
    assert problem(answer) == LOST
    for cookie in ("x", "x" * 4_010, "ü.ü"):
        team.client.set_cookie("gemini_oidc", cookie)
        answer = team.client.get(CALLBACK, query_string={"code": "c"}, headers=BROWSER)
        assert problem(answer) == LOST
    assert "/token" not in provider.paths()


def test_sign_in_has_ten_minutes(
    team: Team, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = begin(team)
    monkeypatch.setattr(clock, "now", lambda: NOW + COOKIE_SECONDS)
    query = {"code": "c", "state": begun["state"]}
    assert problem(team.client.get(CALLBACK, query_string=query, headers=BROWSER)) == LOST


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"error": "access_denied", "error_description": "<b>no</b>"}, "(access_denied)"),
        ({"error": "<script>alert(1)</script>"}, "(no reason given)"),
        ({"error": "x" * 41}, "(no reason given)"),
        ({"error": "äöü"}, "(no reason given)"),
        ({"code": ""}, "(no reason given)"),
        ({"code": "c" * 5_000}, "(no reason given)"),
        ({"iss": "https://evil.test"}, "another issuer"),
    ],
)
def test_refusal_of_the_provider_is_a_sentence(
    team: Team, provider: FakeProvider, query: dict[str, str], words: str
) -> None:
    shown = problem(come_back(team, provider, **query))
    assert words in shown
    assert "<" not in shown
    assert "/token" not in provider.paths()


def test_issuer_stands_in_the_answer_where_the_provider_says_so(
    team: Team, provider: FakeProvider
) -> None:
    named = {"authorization_response_iss_parameter_supported": True}
    provider.set(DISCOVERY, {**provider.configuration, **named})
    assert "another issuer" in problem(come_back(team, provider))
    assert come_back(team, provider, iss=provider.issuer).status_code == 303


# --- Rights --------------------------------------------------------------------------------------


def test_revoked_person_has_no_session(
    team: Team, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert come_back(team, provider).status_code == 303
    assert is_signed_in(team)
    team.store.mark("person:alice@example.com", counters.REVOKED_BEFORE, NOW + 1)
    assert not is_signed_in(team)
    assert "no access" in problem(come_back(team, provider))
    monkeypatch.setattr(clock, "now", lambda: NOW + 1)
    assert come_back(team, provider).status_code == 303
    team.store.mark("person:alice@example.com", f"{counters.REVOKED}{oidc.TOKEN_ID}", 1)
    assert not is_signed_in(team)
    assert "no access" in problem(come_back(team, provider))


def test_operator_signs_in_with_their_address(team: Team, provider: FakeProvider) -> None:
    start(team, provider, PROXY_PLANS=PLANS.replace('"bob"', '"alice@example.com"'))
    assert come_back(team, provider).status_code == 303
    shown = team.client.get("/usage?person=*", headers=BROWSER)
    assert (shown.status_code, "Usage of everyone" in shown.text) == (200, True)


def test_server_without_a_provider_has_no_such_pages(team: Team) -> None:
    team.start()
    for path in ("/sign-in/oidc", CALLBACK):
        answer = team.client.get(path, headers=BROWSER)
        assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "Sign in with" not in team.client.get("/sign-in", headers=BROWSER).text
    team.start(PROXY_SECRET="", PROXY_TOKEN="shared")
    assert team.client.get(CALLBACK, headers=BROWSER).status_code == 404


def test_google_is_called_by_its_name() -> None:
    settings = OidcSettings("https://accounts.google.com", "id", "secret", ("example.com",), "p")
    assert oidc.Oidc(settings, ["s" * 32]).name == "Google"


def test_log_has_no_code_and_no_secret(
    team: Team, provider: FakeProvider, capfd: pytest.CaptureFixture[str]
) -> None:
    provider.set("/token", {"error": "invalid_grant"}, 400)
    assert come_back(team, provider, code="secret-code").status_code == 403
    provider.token()
    assert come_back(team, provider, code="secret-code").status_code == 303
    logged = "".join(capfd.readouterr())
    assert not {"secret-code", "s: &", provider.nonce} & {
        each for each in ("secret-code", "s: &", provider.nonce) if each in logged
    }

"""CORS: what a page of another site may ask, and what it may read of the answer (proxy/cors.py)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from proxy import cors
from tests.servers import Emulator
from tests.test_main import MESSAGE

PIVOT = "https://pivot.claude.ai"
ROUTES = {
    "/": "GET, HEAD",
    "/api/hello": "GET, HEAD",
    "/v1/messages": "POST",
    "/v1/messages/count_tokens": "POST",
    "/v1/models": "GET, HEAD",
    "/v1/models/claude-opus-5": "GET, HEAD",
    "/usage.json": "GET, HEAD",
    "/metrics": "GET, HEAD",
    "/v1/metrics": "POST",
}
REQUESTED = "anthropic-version,content-type,x-api-key,x-made-up"
EXPOSED = {"request-id", "retry-after", "x-should-retry", "x-proxy-version", "x-budget-warning"}


def exposed(answer: TestResponse) -> set[str]:
    return set(answer.headers["Access-Control-Expose-Headers"].split(", "))


def cors_headers(answer: TestResponse) -> list[str]:
    return [name for name in answer.headers.keys() if name.startswith("Access-Control-")]  # noqa: SIM118


# --- Preflights -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("environ", [{}, {"PROXY_TOKEN": "token"}])
def test_preflight_needs_no_key(
    make_client: Callable[..., FlaskClient], path: str, environ: dict[str, str]
) -> None:
    headers = {
        "Origin": PIVOT,
        "Access-Control-Request-Method": ROUTES[path].split(", ")[0],
        "Access-Control-Request-Headers": REQUESTED,
    }
    answer = make_client(**environ).options(path, headers=headers)
    assert (answer.status_code, answer.get_data()) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == PIVOT
    assert answer.headers["Access-Control-Allow-Methods"] == ROUTES[path]
    assert answer.headers["Access-Control-Allow-Headers"] == REQUESTED
    assert answer.headers["Access-Control-Max-Age"] == "7200"
    assert answer.headers["Allow"] == f"{ROUTES[path]}, OPTIONS"
    assert "Access-Control-Allow-Private-Network" not in answer.headers
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_preflight_of_a_page_for_this_machine(client: FlaskClient) -> None:
    headers = {"Origin": PIVOT, cors.PRIVATE_NETWORK: "true"}
    answer = client.options("/v1/messages", headers=headers)
    assert answer.headers["Access-Control-Allow-Private-Network"] == "true"
    assert "Access-Control-Allow-Headers" not in answer.headers


def test_options_of_a_program_says_what_there_is(client: FlaskClient) -> None:
    answer = client.options("/v1/messages")
    assert (answer.status_code, answer.headers["Allow"]) == (204, "POST, OPTIONS")


def test_options_reads_no_body(client: FlaskClient) -> None:
    class Unread:
        def read(self, size: int = -1) -> bytes:
            raise AssertionError("it is read")

    server = {"wsgi.input": Unread(), "wsgi.input_terminated": True, "CONTENT_LENGTH": "9"}
    assert client.options("/v1/messages", environ_overrides=server).status_code == 204


# --- Answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
def test_answer_can_be_read_by_an_allowed_page(
    client: FlaskClient, emulator: Emulator, key: str, stream: bool
) -> None:
    emulator.script(key, {"chunks": [{"text": "Hello."}]})
    body = {**MESSAGE, "stream": stream}
    answer = client.post("/v1/messages", json=body, headers={"Origin": PIVOT, "x-api-key": key})
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == PIVOT
    assert answer.headers["Vary"] == "Origin"
    assert exposed(answer) == {*EXPOSED, "x-gemini-model"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        pytest.param("POST", "/v1/messages", {}, 401, id="no key"),
        pytest.param("POST", "/v1/messages", {"x-api-key": "k"}, 400, id="no body"),
        pytest.param("POST", "/v1/messages/count_tokens", {"x-api-key": "k"}, 400, id="a count"),
        pytest.param("POST", "/", {}, 405, id="another method"),
        pytest.param("GET", "/else", {}, 404, id="another path"),
        pytest.param("OPTIONS", "/else", {}, 404, id="another path's preflight"),
        pytest.param("GET", "/robots.txt", {}, 404, id="the framework's 404"),
        pytest.param("PROPFIND", "/v1/messages", {}, 405, id="the framework's 405"),
        pytest.param("GET", "/", {}, 200, id="health"),
        pytest.param("GET", "/v1/models", {"x-api-key": "k"}, 200, id="models"),
    ],
)
def test_every_answer_can_be_read(
    client: FlaskClient, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = client.open(path, method=method, headers={**headers, "Origin": PIVOT})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, PIVOT)
    assert exposed(answer) >= EXPOSED


def test_what_was_tried_can_be_read(client: FlaskClient, emulator: Emulator, key: str) -> None:
    overloaded = {"status": {"code": 503, "status": "UNAVAILABLE", "message": "Overloaded."}}
    emulator.script(key, {**overloaded, "repeat": True})
    headers = {"Origin": PIVOT, "x-api-key": key}
    answer = client.post("/v1/messages", json=MESSAGE, headers=headers)
    assert answer.status_code == 529
    assert exposed(answer) == {*EXPOSED, "x-gemini-tried"}


@pytest.mark.parametrize("origin", ["https://evil.example", "http://pivot.claude.ai", "null", ""])
def test_answer_cannot_be_read_by_other_pages(client: FlaskClient, origin: str) -> None:
    assert cors_headers(client.get("/", headers={"Origin": origin})) == []


def test_answer_to_a_program_is_as_before(client: FlaskClient) -> None:
    answer = client.get("/")
    assert (cors_headers(answer), answer.headers.get("Vary")) == ([], None)


@pytest.mark.parametrize(
    ("setting", "origin", "expected"),
    [
        ("*", "https://any.example", "*"),
        ("*", "null", "*"),
        ("https://a.example,https://b.example:8443", "https://b.example:8443", None),
        ("https://a.example", "HTTPS://A.example", None),
        ("https://a.example", PIVOT, ""),
        ("off", PIVOT, ""),
        ("", PIVOT, ""),
    ],
)
def test_origins_are_a_setting(
    make_client: Callable[..., FlaskClient], setting: str, origin: str, expected: str | None
) -> None:
    answer = make_client(PROXY_ALLOW_ORIGINS=setting).get("/", headers={"Origin": origin})
    allowed = answer.headers.get("Access-Control-Allow-Origin", "")
    assert allowed == (origin if expected is None else expected)


def test_servers_key_is_not_used_for_a_page(
    make_client: Callable[..., FlaskClient], emulator: Emulator, key: str
) -> None:
    """Not even for an allowed one, where nothing but its place on this machine speaks for it."""
    client = make_client(GEMINI_API_KEY=key)
    answer = client.post("/v1/messages", json=MESSAGE, headers={"Origin": PIVOT})
    assert (answer.status_code, emulator.journal(key)) == (401, [])
    assert json.loads(answer.get_data())["error"]["message"].startswith("No API key")


def test_allowed_page_with_the_token_is_served(
    make_client: Callable[..., FlaskClient], emulator: Emulator, key: str
) -> None:
    client = make_client(GEMINI_API_KEY=key, PROXY_TOKEN="token")
    emulator.script(key, {"chunks": [{"text": "Hello."}]})
    headers: dict[str, Any] = {"Origin": PIVOT, "x-api-key": "token"}
    assert client.post("/v1/messages", json=MESSAGE, headers=headers).status_code == 200
    headers["Origin"] = "https://evil.example"
    assert client.post("/v1/messages", json=MESSAGE, headers=headers).status_code == 403

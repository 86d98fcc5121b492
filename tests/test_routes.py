"""main.py: which path and method leads where, and what never leads to Gemini."""

from __future__ import annotations

import gzip
import io
import json
import time
from collections.abc import Callable

import pytest
import requests
from flask.testing import FlaskClient

from proxy import routes
from tests.servers import Emulator
from tests.test_main import MESSAGE, error

PATHS = (
    *("/", "/v1/messages", "/v1/messages/count_tokens", "/v1/models"),
    *("/v1/models/claude-opus-5", "/api/hello", "/v1/", "/v1/messages/", "/else"),
    *("/usage.json", "/metrics", "/v1/metrics", "/v1/logs", "/v1/traces"),
)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", PATHS)
def test_a_get_never_reaches_gemini(
    make_client: Callable[..., FlaskClient], emulator: Emulator, key: str, method: str, path: str
) -> None:
    """A page can have a browser get anything from this machine, with parameters and even a body."""
    client = make_client(GEMINI_API_KEY=key)
    client.open(path, method=method, query_string={"stream": "true"}, json=MESSAGE).close()
    assert emulator.journal(key) == []
    assert client.post("/v1/messages/count_tokens", json=MESSAGE).status_code == 200
    assert len(emulator.journal(key)) == 1


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", "/"),
        ("//", "/"),
        ("", "/"),
        ("/api/hello", "/api/hello"),
        ("/v1/api/hello", "/api/hello"),
        ("/v1/messages", "/v1/messages"),
        ("/v1/messages/", "/v1/messages"),
        ("//v1/messages", "/v1/messages"),
        ("/v1//messages", "/v1/messages"),
        ("/v1/v1/messages", "/v1/messages"),
        ("/v1/v1/v1//messages//count_tokens", "/v1/messages/count_tokens"),
        ("/v1/v1/models/claude-opus-5", "/v1/models/{id}"),
        ("/v1/models/v1/x", "/v1/models/{id}"),
        ("/v1", None),
        ("/v1/v1", None),
        ("/v1/hello", None),
        ("/v1/v1/else", None),
        ("/v2/v1/messages", None),
        ("/v1x/v1/messages", None),
        ("/api/hello/x", None),
        ("/metrics", "/metrics"),
        ("/v1/metrics", "/v1/metrics"),
        ("/v1/v1/logs", "/v1/logs"),
        ("/usage.json", "/usage.json"),
        ("//usage.json/", "/usage.json"),
        ("/usages", None),
    ],
)
def test_route_of_a_path(path: str, route: str | None) -> None:
    assert routes.find(path) == route


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("path", sorted(routes.OF_CLIENTS))
def test_pages_only_send_clients_elsewhere(
    make_client: Callable[..., FlaskClient], key: str, method: str, path: str
) -> None:
    """421: Claude Code shows a 404 as a problem with the model."""
    client = make_client(GEMINI_API_KEY=key, PROXY_API_URL="https://api.example/v1/")
    answer = client.open(path.replace("{id}", "x"), method=method, json=MESSAGE)
    status, _, message = error(answer)
    assert (status, answer.headers["x-should-retry"]) == (421, "false")
    assert message == "This server has pages only. Set ANTHROPIC_BASE_URL to https://api.example"


def test_pages_only_are_as_they_were(make_client: Callable[..., FlaskClient], key: str) -> None:
    client = make_client(GEMINI_API_KEY=key, PROXY_API_URL="https://api.example")
    assert client.get("/").get_json()["api"] == "https://api.example/v1/messages"
    page = client.get("/", headers={"Accept": "text/html"})
    assert "https://api.example" in page.text
    assert "http://localhost" not in page.text
    assert client.get("/statusline.py").status_code == 200
    assert client.get("/else").status_code == 404
    assert make_client(GEMINI_API_KEY=key).get("/").get_json()["api"] == "/v1/messages"


def test_model_id_of_a_path() -> None:
    assert routes.model_id("/v1/v1/models//anthropic/gemini-4-neon/") == "anthropic/gemini-4-neon"


@pytest.mark.parametrize("unit", ["/", "/v1", "/v1/", "/v1/v", "/x"])
def test_route_is_found_in_linear_time(unit: str) -> None:
    start = time.process_time()
    routes.find(unit * 100_000 + "/messages")
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize("path", ["//v1/messages", "/v1/v1/messages", "/v1/v1/messages/"])
def test_base_url_that_ends_with_v1_is_served(
    client: FlaskClient, emulator: Emulator, key: str, path: str
) -> None:
    emulator.script(key, {"chunks": [{"text": "Hello."}]})
    sent = {"PATH_INFO": path}  # a client that is given the first takes v1 for a host
    headers = {"x-api-key": key}
    answer = client.post("/", json=MESSAGE, headers=headers, environ_overrides=sent)
    assert answer.get_json()["content"] == [{"type": "text", "text": "Hello."}]


@pytest.mark.parametrize("path", ["/api/hello", "/v1/api/hello", "/api//hello/"])
def test_hello_is_answered_like_health(client: FlaskClient, path: str) -> None:
    assert client.get(path).get_json() == client.get("/").get_json()
    assert (client.head(path).status_code, client.post(path).status_code) == (200, 405)


def test_unknown_path_is_told_as_it_was_understood(client: FlaskClient) -> None:
    answer = client.get("/", environ_overrides={"PATH_INFO": "//v1//else/"})
    assert error(answer)[2] == "Not found: /v1/else"


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP", "identity, gzip"])
def test_compressed_body_is_refused_with_a_sentence(
    client: FlaskClient, key: str, path: str, encoding: str
) -> None:
    body = gzip.compress(json.dumps(MESSAGE).encode())
    headers = {"x-api-key": key, "Content-Encoding": encoding}
    assert error(client.post(path, data=body, headers=headers)) == (
        415,
        "invalid_request_error",
        "The request's body is compressed (Content-Encoding). Send it as it is.",
    )


def test_body_that_says_it_is_not_compressed_is_read(
    client: FlaskClient, emulator: Emulator, key: str
) -> None:
    emulator.script(key, {"chunks": [{"text": "Hello."}]})
    headers = {"x-api-key": key, "Content-Encoding": "Identity"}
    assert client.post("/v1/messages", json=MESSAGE, headers=headers).status_code == 200


# --- The telemetry of clients -------------------------------------------------------------------


class Unreadable(io.RawIOBase):
    """A body from which nobody may read."""

    def read(self, size: int = -1) -> bytes:
        raise AssertionError("read")


@pytest.mark.parametrize("path", routes.TELEMETRY)
@pytest.mark.parametrize(
    ("content_type", "answered"),
    [
        ("application/x-protobuf", (b"", "application/x-protobuf")),
        ("application/json", (b"{}", "application/json")),
        ("Application/JSON; charset=utf-8", (b"{}", "application/json")),
        ("", (b"{}", "application/json")),
    ],
)
def test_telemetry_is_taken_and_not_read(
    client: FlaskClient, path: str, content_type: str, answered: tuple[bytes, str]
) -> None:
    """Without a key: a stranger's costs no more than a health check."""
    answer = client.post(
        path,
        content_type=content_type,
        headers={"Content-Encoding": "gzip"},
        environ_overrides={"wsgi.input": Unreadable(), "CONTENT_LENGTH": "999999999"},
    )
    assert answer.status_code == 200
    assert (answer.get_data(), answer.content_type) == answered


def test_telemetry_is_only_sent(client: FlaskClient) -> None:
    answer = client.get("/v1/metrics")
    assert error(answer)[:2] == (405, "invalid_request_error")


def test_unread_telemetry_does_not_confuse_the_server(proxy: str) -> None:
    """Whether it ends the connection or goes on with it, no body is taken for a request."""
    with requests.Session() as session:
        session.trust_env = False
        for size in (10, 10_000, 5_000_000):
            body = b"GET /else HTTP/1.1\r\n\r\n" * (size // 22)
            answer = session.post(f"{proxy}/v1/logs", data=body, timeout=30)
            assert (answer.status_code, answer.json()) == (200, {})

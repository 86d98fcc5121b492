"""proxy/endpoints.py and google_auth.py: Vertex AI, without a key, in the server's own name."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask.testing import FlaskClient
from google.auth import _helpers

from proxy import config, endpoints, google_auth
from proxy.auth import Key
from proxy.banner import banner
from proxy.concurrency import MemoryBudget
from proxy.connections import Timeouts
from proxy.gemini import Gemini
from proxy.liveness import SILENCE, ClientDisconnected, Poller
from tests import metadata, servers
from tests.metadata import Metadata
from tests.servers import Emulator
from tests.sockets import connected, join_threads
from tests.test_main import HELLO, MESSAGE, error, events
from translate import ApiError

PROJECT = "test-project"


@pytest.fixture
def cloud(key: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Metadata]:
    """This machine as one of Google Cloud, in a project of this test's own."""
    with metadata.serving(key) as served:
        for name, value in served.environ.items():
            monkeypatch.setenv(name, value)
        # google-auth reads this variable when it is imported; here it may be imported already.
        host = served.url.removeprefix("http://")
        monkeypatch.setattr("google.auth.compute_engine._metadata._GCE_METADATA_HOST", host)
        # Between its own tries google-auth waits for up to 15 s.
        hasty = SimpleNamespace(sleep=lambda seconds: None)
        monkeypatch.setattr("google.auth._exponential_backoff.time", hasty)
        yield served


def vertex(**environ: str) -> endpoints.VertexEndpoint:
    endpoint = endpoints.from_settings(config.read({"GEMINI_BACKEND": "vertex", **environ}))
    assert isinstance(endpoint, endpoints.VertexEndpoint)
    return endpoint


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("", "aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("us", "aiplatform.us.rep.googleapis.com"),
        ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
    ],
)
def test_each_location_has_its_host(location: str, host: str) -> None:
    endpoint = vertex(GOOGLE_CLOUD_LOCATION=location, GOOGLE_CLOUD_PROJECT="p")
    assert endpoint.base_url == f"https://{host}"
    assert endpoint.path("gemini-4-neon", "countTokens") == (
        f"/v1beta1/projects/p/locations/{location or 'global'}"
        "/publishers/google/models/gemini-4-neon:countTokens"
    )


def test_no_name_leaves_its_place_in_the_path() -> None:
    endpoint = vertex(GOOGLE_CLOUD_PROJECT="a/b")
    assert "/projects/a%2Fb/" in endpoint.path("x", "m")
    assert "/models/..%2Fevil%3Fx:m" in endpoint.path("../evil?x", "m")


def test_the_banner_shows_vertex_ai() -> None:
    shown = banner(config.read({"GEMINI_BACKEND": "vertex"}))
    assert "  endpoint  https://aiplatform.googleapis.com\n" in shown
    assert (
        "  key       none: Vertex AI is asked with this server's Google Cloud credentials" in shown
    )


def test_a_configured_base_url_takes_precedence() -> None:
    assert vertex(GEMINI_ENDPOINT="http://127.0.0.1:1").base_url == "http://127.0.0.1:1"


# --- In Google Cloud --------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_without_any_key(
    make_client: Callable[..., FlaskClient],
    emulator: Emulator,
    cloud: Metadata,
    key: str,
    stream: bool,
) -> None:
    emulator.script(key, HELLO)
    client = make_client(GEMINI_BACKEND="vertex")
    answer = client.post("/v1/messages", json={**MESSAGE, "stream": stream})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    if stream:
        assert events(answer)[-1]["type"] == "message_stop"
    (request,) = emulator.journal(key)
    assert request["path"].startswith(f"/v1beta1/projects/{key}/locations/global/publishers/")
    assert (request["status"], request["headers"]["authorization"]) == (200, "present")
    assert "x-goog-api-key" not in request["headers"]


def test_a_conversation_with_tools(
    make_client: Callable[..., FlaskClient], emulator: Emulator, cloud: Metadata, key: str
) -> None:
    """The emulator refuses the ids and fields that Vertex AI does not know."""
    call = {"call": {"name": "Bash", "args": {}, "id": None}, "sign": True}
    emulator.script(key, {"chunks": [call]}, HELLO)
    client = make_client(GEMINI_BACKEND="vertex", GOOGLE_CLOUD_PROJECT=key)
    tools = [{"name": "Bash", "input_schema": {"type": "object", "properties": {}}}]
    first = client.post("/v1/messages", json={**MESSAGE, "tools": tools})
    content = first.get_json()["content"]
    result = {"type": "tool_result", "tool_use_id": content[-1]["id"], "content": "ok"}
    messages = [
        *MESSAGE["messages"],
        {"role": "assistant", "content": content},
        {"role": "user", "content": [result]},
    ]
    body = {**MESSAGE, "tools": tools, "messages": messages}
    second = client.post("/v1/messages", json=body)
    assert second.status_code == 200, second.get_data(as_text=True)
    journal = emulator.journal(key)
    issued = [sign["signature"] for sign in journal[0]["issued"]]
    assert [sign["signature"] for sign in journal[1]["signatures"]] == issued != []


def test_counting(
    make_client: Callable[..., FlaskClient], emulator: Emulator, cloud: Metadata, key: str
) -> None:
    client = make_client(GEMINI_BACKEND="vertex")
    body = {**MESSAGE, "system": "word " * 400}
    answer = client.post("/v1/messages/count_tokens", json=body)
    assert answer.get_json()["input_tokens"] > 400
    (request,) = emulator.journal(key)
    assert sorted(request["body"]) == ["contents", "systemInstruction"]
    assert request["status"] == 200


def test_a_refusal_has_googles_words(
    make_client: Callable[..., FlaskClient], emulator: Emulator, cloud: Metadata, key: str
) -> None:
    denied = {
        "code": 403,
        "status": "PERMISSION_DENIED",
        "message": "Permission 'aiplatform.endpoints.predict' denied on resource",
    }
    emulator.script(key, {"status": denied})
    answer = make_client(GEMINI_BACKEND="vertex").post("/v1/messages", json=MESSAGE)
    message = f"Google refused the request: {denied['message']}"
    assert error(answer) == (403, "permission_error", message)


def test_a_token_is_used_until_shortly_before_its_end(cloud: Metadata) -> None:
    endpoint = vertex()
    headers = [endpoint.headers(Key("")) for _ in range(3)]
    assert headers == [{"authorization": "Bearer ya29.token-1"}] * 3
    assert cloud.tokens == 1


def test_a_token_is_renewed_ahead_of_its_end(cloud: Metadata) -> None:
    """google-auth counts a token as stale 3:45 minutes before it expires."""
    cloud.seconds = 120
    endpoint = vertex()
    assert [endpoint.headers(Key("")) for _ in range(2)] == [
        {"authorization": "Bearer ya29.token-1"},
        {"authorization": "Bearer ya29.token-2"},
    ]


OUTAGE = [503] * 1000


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(
        google_auth.time, "monotonic", lambda since=time.monotonic: since() + seconds
    )


@pytest.fixture
def stale(cloud: Metadata) -> google_auth.DefaultCredentials:
    """With a token that is still good, and could not be renewed."""
    cloud.seconds = 120
    credentials = google_auth.DefaultCredentials()
    first = credentials.headers()
    cloud.statuses = [*OUTAGE]
    assert credentials.headers() == first
    return credentials


def test_a_token_that_cannot_be_renewed_is_used_to_its_end(
    cloud: Metadata, stale: google_auth.DefaultCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    requested = len(OUTAGE) - len(cloud.statuses)
    first = {"authorization": "Bearer ya29.token-1"}
    assert [stale.headers() for _ in range(9)] == [first] * 9
    assert requested == len(OUTAGE) - len(cloud.statuses) > 0, "not every request waits for that"
    cloud.statuses = []
    later(monkeypatch, 61)
    assert stale.headers() == {"authorization": "Bearer ya29.token-2"}


def test_a_token_that_has_ended_is_renewed_without_a_pause(
    cloud: Metadata, stale: google_auth.DefaultCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = _helpers.utcnow() + timedelta(seconds=120)
    monkeypatch.setattr(_helpers, "utcnow", lambda: ended)
    with pytest.raises(ApiError, match="just now"):
        stale.headers()
    left = len(cloud.statuses)
    with pytest.raises(ApiError, match="just now"):
        stale.headers()
    assert len(cloud.statuses) == left, "not every request waits for that"
    cloud.statuses = []
    later(monkeypatch, 6)
    assert stale.headers() == {"authorization": "Bearer ya29.token-2"}


def test_a_token_is_waited_for_with_pings(cloud: Metadata, key: str) -> None:
    """And a client that leaves is noticed."""
    memory = MemoryBudget(0)
    client = Gemini(vertex(GOOGLE_CLOUD_PROJECT=key), 1, Timeouts(5, 30), memory)
    cloud.is_open.clear()
    threads = set(threading.enumerate())
    ours, theirs = connected()
    with ours:
        poller = Poller(ours)
        poller.due = 0
        with contextlib.closing(client.stream("m", b"{}", Key(""), poller)) as stream:
            chunks = iter(stream)
            assert [next(chunks) for _ in range(3)] == [SILENCE] * 3
            servers.reset(theirs)
            poller.due = math.inf
            with pytest.raises(ClientDisconnected):
                next(chunks)
    cloud.is_open.set()
    join_threads(threads)


def test_a_token_is_asked_for_once_for_all(cloud: Metadata) -> None:
    cloud.is_open.clear()
    credentials = google_auth.DefaultCredentials()
    with ThreadPoolExecutor(8) as pool:
        projects = [pool.submit(credentials.project) for _ in range(4)]
        found = [pool.submit(credentials.headers) for _ in range(4)]
        cloud.is_open.set()
        assert {each.result() for each in projects} == {cloud.project}
        assert [each.result()["authorization"] for each in found] == ["Bearer ya29.token-1"] * 4
    assert cloud.tokens == 1


def test_a_token_is_used_while_it_is_renewed(cloud: Metadata) -> None:
    cloud.seconds = 120
    credentials = google_auth.DefaultCredentials()
    credentials.headers()
    assert not credentials.is_ready(needs_project=False)
    cloud.is_open.clear()
    with ThreadPoolExecutor(1) as pool:
        renewed = pool.submit(credentials.headers)
        while not credentials.is_ready(needs_project=False):
            assert not renewed.done()
        assert credentials.headers() == {"authorization": "Bearer ya29.token-1"}
        cloud.is_open.set()
        assert renewed.result() == {"authorization": "Bearer ya29.token-2"}


@pytest.mark.parametrize("is_found", [True, False])
def test_a_server_of_tokens_that_hangs_is_an_outage(
    cloud: Metadata, is_found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.seconds = 0
    credentials = google_auth.DefaultCredentials()
    if is_found:
        credentials.headers()
    cloud.is_open.clear()
    threads = set(threading.enumerate())
    monkeypatch.setattr(google_auth, "GOOGLE_AUTH_SECONDS", 0.05)
    tries: list[Any] = []
    run = google_auth._run
    monkeypatch.setattr(google_auth, "_run", lambda each: run(tries.append(each) or each))
    for _ in range(3):
        with pytest.raises(ApiError) as caught:
            credentials.headers()
        assert (caught.value.status, caught.value.retry) == (502, None)
        assert caught.value.message == google_auth.NOT_NOW.format("TimeoutError")
    assert len(tries) == 1, "not every request waits for that"
    cloud.is_open.set()
    join_threads(threads)


def test_an_outage_is_the_clients_to_wait_for(
    make_client: Callable[..., FlaskClient],
    emulator: Emulator,
    cloud: Metadata,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    emulator.script(key, HELLO, HELLO)
    cloud.seconds = 0
    client = make_client(GEMINI_BACKEND="vertex")
    assert client.post("/v1/messages", json=MESSAGE).status_code == 200
    cloud.statuses = [*OUTAGE]
    answer = client.post("/v1/messages", json=MESSAGE)
    status, kind, message = error(answer)
    assert (status, kind, message) == (502, "api_error", google_auth.NOT_NOW.format("RefreshError"))
    assert "x-should-retry" not in answer.headers
    cloud.statuses = []
    later(monkeypatch, 6)
    assert client.post("/v1/messages", json=MESSAGE).status_code == 200


def test_an_unknown_project_is_looked_up_again(cloud: Metadata, key: str) -> None:
    credentials = google_auth.DefaultCredentials()
    cloud.statuses = [200, 404]
    with pytest.raises(ApiError, match="set GOOGLE_CLOUD_PROJECT") as caught:
        credentials.project()
    assert (caught.value.status, caught.value.retry) == (500, False)
    assert [credentials.project() for _ in range(2)] == [key] * 2


def test_the_project_is_the_servers_own_by_default(cloud: Metadata, key: str) -> None:
    assert f"/projects/{key}/" in vertex().path("m", "x")
    assert "/projects/other/" in vertex(GOOGLE_CLOUD_PROJECT="other").path("m", "x")


@pytest.mark.parametrize(
    ("environ", "headers", "message"),
    [
        ({}, {"X-Forwarded-For": "203.0.113.7"}, "This server asks Gemini in its own name"),
        ({"PROXY_TOKEN": "ours"}, {}, "This server asks for its access token"),
    ],
)
def test_strangers_do_not_ask_in_the_servers_name(
    make_client: Callable[..., FlaskClient],
    cloud: Metadata,
    environ: dict[str, str],
    headers: dict[str, str],
    message: str,
) -> None:
    client = make_client(GEMINI_BACKEND="vertex", **environ)
    headers = {"x-api-key": "theirs", **headers}
    status, kind, shown = error(client.post("/v1/messages", json=MESSAGE, headers=headers))
    assert (status, kind, shown.startswith(message)) == (401, "authentication_error", True)
    assert cloud.tokens == 0


def test_holders_of_the_token_do(
    make_client: Callable[..., FlaskClient], emulator: Emulator, cloud: Metadata, key: str
) -> None:
    emulator.script(key, HELLO)
    client = make_client(GEMINI_BACKEND="vertex", PROXY_TOKEN="ours")
    headers = {"Authorization": "Bearer ours", "X-Forwarded-For": "203.0.113.7"}
    assert client.post("/v1/messages", json=MESSAGE, headers=headers).status_code == 200


# --- A person's login -------------------------------------------------------------------------


@pytest.fixture
def login(cloud: Metadata, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Metadata:
    """What `gcloud auth application-default login` leaves. Its token_uri is read by nobody."""
    file = tmp_path / "application_default_credentials.json"
    names = dict.fromkeys(("client_id", "client_secret", "refresh_token"), "x")
    file.write_text(json.dumps({"type": "authorized_user", "quota_project_id": "payer", **names}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    exchange_at(f"{cloud.url}{metadata.LOGIN}", monkeypatch)
    return cloud


def exchange_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", url)


def test_a_person_says_which_project_pays(
    make_client: Callable[..., FlaskClient], emulator: Emulator, login: Metadata, key: str
) -> None:
    """Else it would be gcloud's own, for which Vertex AI is not switched on."""
    emulator.script(key, HELLO)
    client = make_client(GEMINI_BACKEND="vertex", GOOGLE_CLOUD_PROJECT=key)
    assert client.post("/v1/messages", json=MESSAGE).status_code == 200
    assert client.post("/v1/messages/count_tokens", json=MESSAGE).status_code == 200
    payers = [each["headers"]["x-goog-user-project"] for each in emulator.journal(key)]
    assert (payers, login.tokens) == (["payer"] * 2, 1)


def test_a_server_has_no_other_payer_than_its_project(cloud: Metadata) -> None:
    assert google_auth.DefaultCredentials().headers().keys() == {"authorization"}


def test_a_login_that_has_ended_is_not_tried_again(login: Metadata) -> None:
    login.statuses = [400]
    with pytest.raises(ApiError, match="RefreshError") as caught:
        google_auth.DefaultCredentials().headers()
    assert (caught.value.status, caught.value.retry, caught.value.cause) == (500, False, None)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("is_there", [True, False])
def test_a_login_that_cannot_be_exchanged_now_is(
    login: Metadata, is_there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    login.statuses = [*OUTAGE]
    if not is_there:
        exchange_at(f"http://127.0.0.1:{servers.free_port()}", monkeypatch)
    with pytest.raises(ApiError, match="just now") as caught:
        google_auth.DefaultCredentials().headers()
    assert (caught.value.status, caught.value.retry) == (502, None)


# --- Elsewhere --------------------------------------------------------------------------------


def test_a_machine_without_credentials_says_so(
    cloud: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent")
    with pytest.raises(ApiError) as caught:
        google_auth.DefaultCredentials().headers()
    assert (caught.value.status, caught.value.retry) == (500, False)
    found = "No Google Cloud credentials found (Application Default Credentials): "
    assert caught.value.message.startswith(found)


def test_where_the_library_is_left_out_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(ApiError, match="google-auth is not in the zip"):
        google_auth.DefaultCredentials().headers()

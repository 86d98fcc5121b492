"""main.py: the front door, against the emulator."""

from __future__ import annotations

import io
import json
import socket
import sys
from collections.abc import Callable
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from proxy import __version__, clock
from proxy.gemini import Gemini
from proxy.liveness import SILENCE, ClientDisconnected, Waiting
from tests.messages import MARKER
from tests.servers import Emulator
from translate import ApiError, Cause, models

MESSAGE: dict[str, Any] = {
    "model": "claude-opus-5",
    "max_tokens": 1000,
    "messages": [{"role": "user", "content": f"Hi, {MARKER}"}],
}
HELLO = {"chunks": [{"text": "Hel"}, {"text": "lo."}, {"sign": True}], "finish": "STOP"}
BEGINNING = ["message_start", "content_block_start", "content_block_delta"]
COUNT = "/v1/messages/count_tokens"
NOWHERE = "http://127.0.0.1:9"


def post(client: FlaskClient, key: str, path: str = "/v1/messages", **fields: Any) -> TestResponse:
    body = {**MESSAGE, **fields}
    answer = client.post(path, json=body, headers={"Authorization": f"Bearer {key}"})
    assert answer.headers["x-proxy-version"] == __version__
    return answer


def events(answer: TestResponse) -> list[Any]:
    """The decoded events of a stream; each must be named like its own type."""
    decoded = []
    for frame in answer.get_data(as_text=True).strip().split("\n\n"):
        name, data = frame.split("\n")
        decoded.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {decoded[-1]['type']}"
    return decoded


def error(answer: TestResponse) -> tuple[int, str, str]:
    body = answer.get_json()
    assert body["type"] == "error"
    assert body["request_id"] == answer.headers["request-id"]
    assert answer.headers["x-proxy-version"] == __version__
    return answer.status_code, body["error"]["type"], body["error"]["message"]


class Front:
    """The function, and the emulator behind it. key: an API key of this test's own."""

    def __init__(self, make: Callable[..., FlaskClient], emulator: Emulator, key: str) -> None:
        self._make = make
        self._emulator = emulator
        self.key = key
        self.client = make()

    def set(self, **environ: str) -> None:
        """Load the function anew, with these settings."""
        self.client = self._make(**environ)

    def post(self, path: str = "/v1/messages", key: str = "", **fields: Any) -> TestResponse:
        return post(self.client, key or self.key, path, **fields)

    def script(self, *replies: Any) -> None:
        self._emulator.script(self.key, *replies)

    def journal(self) -> list[Any]:
        return self._emulator.journal(self.key)


@pytest.fixture
def front(make_client: Callable[..., FlaskClient], emulator: Emulator, key: str) -> Front:
    return Front(make_client, emulator, key)


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[Any]]:
    """The lines written by now."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


Log = Callable[[], list[Any]]


# --- Answers ----------------------------------------------------------------------------------


def test_streamed_answer(front: Front) -> None:
    front.script(HELLO)
    answer = front.post("/v1/messages?beta=true", stream=True)
    assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
    assert answer.headers["request-id"].startswith("req_")
    shown = events(answer)
    tail = ["content_block_delta", "content_block_stop", "message_delta", "message_stop"]
    assert [event["type"] for event in shown] == [*BEGINNING, *tail]
    assert shown[0]["message"]["model"] == "claude-opus-5"
    assert shown[5]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}


def test_whole_answer(front: Front) -> None:
    front.script({**HELLO, "usage": {"promptTokenCount": 9, "candidatesTokenCount": 3}})
    message = front.post().get_json()
    assert message.pop("id").startswith("msg_")
    assert message.pop("usage")["input_tokens"] == 9
    assert message == {
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5",
        "content": [{"type": "text", "text": "Hello."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
    }


def test_key_goes_to_gemini_in_its_header_only(front: Front) -> None:
    front.script(HELLO)
    front.post()
    (request,) = front.journal()
    assert request["headers"]["x-goog-api-key"] == "present"
    assert request["headers"]["accept-encoding"] == "identity"
    assert front.key not in json.dumps(request)
    assert not {"authorization", "x-api-key", "cookie"} & set(request["headers"])


def test_servers_key_serves_holders_of_its_token(front: Front) -> None:
    front.set(GEMINI_API_KEY=front.key, PROXY_TOKEN="secret")
    front.script(HELLO)
    assert front.post(key="secret").status_code == 200
    assert error(front.post(key="guess"))[:2] == (401, "authentication_error")


@pytest.mark.parametrize(
    ("headers", "model"),
    [
        ({"User-Agent": "claude-cli/2.1.330 (external, cli)"}, "gemini-4-neon"),
        ({"x-claude-code-agent-id": "a1"}, "gemini-3.8-flash"),
    ],
)
def test_models_by_environment(front: Front, headers: dict[str, str], model: str) -> None:
    front.set(
        ANTHROPIC_DEFAULT_OPUS_MODEL="gemini-4-neon", CLAUDE_CODE_SUBAGENT_MODEL="gemini-3.8-flash"
    )
    front.script(HELLO)
    headers = {**headers, "x-api-key": front.key}
    answer = front.client.post("/v1/messages", json=MESSAGE, headers=headers)
    assert answer.get_json()["model"] == "claude-opus-5"
    assert front.journal()[0]["model"] == model


def test_signatures_of_a_conversation_return_once(front: Front) -> None:
    signed = {"parts": [{"call": {"name": "Bash", "args": {"command": "ls"}}, "sign": True}]}
    chunks = [{"thought": "Look."}, signed, {"call": {"name": "Read", "args": {}}}]
    front.script(
        {"chunks": chunks, "finish": "STOP", "finish_alone": True},
        {"chunks": [{"call": {"name": "Bash"}}, {"sign": True}], "finish": "STOP"},
        HELLO,
    )
    tools = [{"name": name, "input_schema": {"type": "object"}} for name in ("Bash", "Read")]
    turns: list[Any] = [{"role": "user", "content": "Hi"}]
    fields = {"tools": tools, "thinking": {"type": "adaptive"}, "messages": turns}
    for _ in range(2):
        content = front.post(**fields).get_json()["content"]
        results = [
            {"type": "tool_result", "tool_use_id": block["id"], "content": "ok"}
            for block in reversed(content)
            if block["type"] == "tool_use"
        ]
        turns += [{"role": "assistant", "content": content}, {"role": "user", "content": results}]
    assert front.post(**fields).get_json()["stop_reason"] == "end_turn"
    journal = front.journal()
    assert [request["status"] for request in journal] == [200, 200, 200]
    issued = [sign for request in journal[:2] for sign in request["issued"]]
    assert [sign["name"] for sign in issued] == ["Bash", "Bash"]
    returned = journal[2]["signatures"]
    assert [sign["signature"] for sign in returned] == [sign["signature"] for sign in issued]
    assert [sign["call_id"] for sign in returned] == [sign["call_id"] for sign in issued]


def test_long_answer_is_joined_from_its_requests(front: Front) -> None:
    token = {"candidate": {"continuationToken": "VE9LRU4="}}
    front.script(
        {"chunks": [{"text": "Hel", **token}], "finish": "CONTINUATION", "finish_alone": True},
        {"chunks": [{"text": "lo."}]},
    )
    assert front.post().get_json()["content"] == [{"type": "text", "text": "Hello."}]
    first, second = (request["body"] for request in front.journal())
    assert second == {**first, "continuationToken": "VE9LRU4="}


@pytest.mark.parametrize(
    "after",
    [
        pytest.param({"cut": True}, id="a broken connection"),
        pytest.param({"raw": "data: [DONE]\r\n\r\n"}, id="an event of another protocol"),
        pytest.param({"delay": 30}, id="a connection that stays open"),
    ],
)
def test_complete_answer_stands_whatever_follows(
    front: Front, after: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.attempts.END_OF_BODY_SECONDS", 0.1)
    end = {"text": "lo.", "candidate": {"finishReason": "STOP"}}
    front.script({"chunks": [{"text": "Hel"}, end, {"delay": 0.05}, after], "finish": None})
    message = front.post().get_json()
    assert message["content"] == [{"type": "text", "text": "Hello."}]
    assert message["stop_reason"] == "end_turn"


def test_repaired_call_is_logged_without_its_content(front: Front, log: Log) -> None:
    slip = {"name": "Bash", "args": {"parameters": {"command": "secret"}}}
    front.script({"chunks": [{"call": slip, "sign": True}]})
    schema = {"properties": {"command": {"type": "string"}}, "required": ["command"]}
    answer = front.post(tools=[{"name": "Bash", "input_schema": schema}])
    assert answer.get_json()["content"][-1]["input"] == {"command": "secret"}
    answer.close()
    (line,) = log()
    assert line["request_id"] == answer.headers["request-id"]
    assert line["repairs"] == {"unwrapped": 1}
    assert "secret" not in json.dumps(line)


def test_stop_sequence_cuts_the_answer(front: Front) -> None:
    chunks = [{"text": "<severity>5</sev"}, {"text": "erity> and more"}, {"delay": 30}]
    front.script({"chunks": chunks, "finish": None})
    message = front.post(stop_sequences=["</severity>"]).get_json()
    assert message["content"] == [{"type": "text", "text": "<severity>5"}]
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "</severity>")


# --- Errors -----------------------------------------------------------------------------------

LIMITED = {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Please retry in 16.2s."}
OVERLOADED = {"code": 503, "status": "UNAVAILABLE", "message": "The model is overloaded."}
INTERNAL = {"code": 500, "status": "INTERNAL", "message": "Internal error encountered."}
BROKEN = "Gemini's answer ended before it was complete."
INVALID = "invalid_request_error"


def test_missing_key_is_a_401(client: FlaskClient) -> None:
    answer = client.post("/v1/messages", json=MESSAGE)
    assert error(answer)[:2] == (401, "authentication_error")
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("stream", [True, False])
def test_bad_key_is_a_401(client: FlaskClient, stream: bool) -> None:
    answer = post(client, "bad-key", stream=stream)
    status, kind, message = error(answer)
    assert (status, kind) == (401, "authentication_error")
    assert message.startswith("Google refused the API key: API key not valid.")
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ({"status": LIMITED}, (429, "rate_limit_error", LIMITED["message"])),
        ({"status": OVERLOADED}, (529, "overloaded_error", OVERLOADED["message"])),
        ({"status": INTERNAL}, (500, "api_error", INTERNAL["message"])),
        (
            {"chunks": [{"error": OVERLOADED}], "finish": None},
            (529, "overloaded_error", OVERLOADED["message"]),
        ),
    ],
)
def test_error_before_the_first_byte_is_a_status(
    front: Front, reply: Any, expected: Any, stream: bool
) -> None:
    front.script({**reply, "repeat": True})
    assert error(front.post(stream=stream)) == expected


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        ({"error": OVERLOADED}, OVERLOADED["message"]),
        ({"raw_error": OVERLOADED}, OVERLOADED["message"]),
        ({"cut": True}, BROKEN),
        ({"end": True}, BROKEN),
        ({"raw": "data: {broken\r\n\r\n"}, BROKEN),
        ({"raw": "data: 5\r\n\r\n"}, BROKEN),
    ],
)
def test_error_after_the_first_byte_is_an_event(front: Front, chunk: Any, message: str) -> None:
    chunks = [{"text": "Hel"}, {"delay": 0.05}, chunk]
    front.script({"chunks": chunks, "finish": None, "repeat": True})
    shown = events(front.post(stream=True))
    assert [event["type"] for event in shown] == [*BEGINNING, "error"]
    assert shown[-1]["error"] == {"type": "overloaded_error", "message": message}
    assert error(front.post()) == (529, "overloaded_error", message)


def test_unreachable_gemini_is_a_502(front: Front) -> None:
    front.set(GEMINI_ENDPOINT=NOWHERE)
    status, kind, message = error(front.post())
    assert (status, kind) == (502, "api_error")
    assert message.startswith("Gemini could not be reached at 127.0.0.1:9: ")


@pytest.mark.parametrize("path", ["/api/v2/v1/messages", "/x/v1/messages/count_tokens"])
def test_base_url_with_a_path_is_said(client: FlaskClient, path: str) -> None:
    """Not by a 404, which Claude Code takes for a problem with the model."""
    answer = client.post(path, json={})
    assert (answer.status_code, answer.headers["x-should-retry"]) == (421, "false")
    assert (
        "Set ANTHROPIC_BASE_URL to the server's address alone, such as http://localhost"
        in (answer.get_json()["error"]["message"])
    )


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/nothing", (404, "not_found_error", "Not found: /nothing")),
        ("GET", "/robots.txt", (404, "not_found_error", "Not Found")),
        ("POST", "/", (405, INVALID, "Method POST not allowed for /; use GET or HEAD.")),
        ("DELETE", COUNT, (405, INVALID, f"Method DELETE not allowed for {COUNT}; use POST.")),
        ("PROPFIND", "/", (405, INVALID, "Method PROPFIND not allowed for /; use GET or HEAD.")),
    ],
)
def test_unknown_path_or_method_is_refused(
    client: FlaskClient, method: str, path: str, expected: Any
) -> None:
    """Some are refused by the framework: in the API's shape too."""
    assert error(client.open(path, method=method)) == expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "The request body is not valid JSON."),
        (b"[]", "body: expected an object"),
        (b'{"model":"m","max_tokens":1}', "messages: field required"),
    ],
)
def test_bad_body_is_a_400(client: FlaskClient, body: bytes, message: str) -> None:
    answer = client.post("/v1/messages", data=body, headers={"x-api-key": "k"})
    assert error(answer) == (400, INVALID, message)


def test_body_that_breaks_off_is_a_400(client: FlaskClient) -> None:
    """Asked directly: the framework itself reads the broken body once more, and fails."""
    length, headers = {"CONTENT_LENGTH": "100"}, {"x-api-key": "k"}
    with client.application.test_request_context(
        "/v1/messages", method="POST", data=b"{", headers=headers, environ_overrides=length
    ):
        answer = sys.modules["main"].messages(flask.request)
    assert (answer.status_code, answer.get_json()["error"]["type"]) == (400, INVALID)


def test_exception_is_logged_without_its_text(
    front: Front, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = " ".join(["a", "prompt"])

    def fail(*_: Any) -> Any:
        raise KeyError(text)

    monkeypatch.setattr(Gemini, "stream", fail)
    answer = front.post()
    request_id = answer.headers["request-id"]
    message = f"Internal proxy error (request {request_id}). See the proxy's log."
    assert error(answer) == (500, "api_error", message)
    lines = log()
    (line,) = [each for each in lines if "exception" in each]
    assert (line["request_id"], line["exception"]) == (request_id, "KeyError")
    assert text not in json.dumps(lines)


def test_client_that_left_is_logged_as_499(
    front: Front, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(*_: Any, **__: Any) -> Any:
        raise ClientDisconnected

    front.set(PROXY_CONCURRENCY="1")
    monkeypatch.setattr(sys.modules["main"].Answer, "open", leave)
    answer = front.post()
    answer.close()
    (line,) = log()
    assert (answer.status_code, line["status"], line["gemini"]) == (499, 499, "gemini-4-hydrogen")
    assert front.post().status_code == 499, "its place was given back"


@pytest.mark.parametrize("stream", [True, False])
def test_answer_that_cannot_be_sent_gives_its_place_back(
    front: Front, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    front.set(PROXY_CONCURRENCY="1")
    front.script({**HELLO, "repeat": True})
    monkeypatch.setattr(sys.modules["main"].Answer, "headers", lambda _: {"x-gemini-model": "a\nb"})
    assert [front.post(stream=stream).status_code for _ in range(2)] == [500, 500]


# --- Token counts -----------------------------------------------------------------------------


def test_count_tokens_grows_with_the_request(front: Front) -> None:
    front.script()
    few = front.post(f"{COUNT}?beta=true").get_json()["input_tokens"]
    tools = [{"name": "Bash", "description": "word " * 400, "input_schema": {"type": "object"}}]
    many = front.post(f"{COUNT}?beta=true", tools=tools, system="word " * 400).get_json()
    assert 0 < few < many["input_tokens"] - 800
    assert [sorted(each["body"]) for each in front.journal()] == [["generateContentRequest"]] * 2


def test_count_tokens_warns_as_messages_do(front: Front) -> None:
    for name in ("gpt-5", "claude-opus-5"):
        front.script(HELLO)
        counted, answered = front.post(COUNT, model=name), front.post(model=name)
        warning = answered.headers.get("x-gemini-warning")
        assert counted.headers.get("x-gemini-warning") == warning
        assert (warning is None) is (name == "claude-opus-5")


def test_count_tokens_without_gemini_is_an_estimate(front: Front) -> None:
    front.set(GEMINI_ENDPOINT=NOWHERE)
    assert front.post(COUNT).get_json()["input_tokens"] > 5


def test_count_tokens_does_not_wait_in_silence(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.gemini.COUNT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        front.set(GEMINI_ENDPOINT=f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert front.post(COUNT).get_json()["input_tokens"] > 5


def test_count_tokens_with_a_bad_key_is_a_401(client: FlaskClient) -> None:
    assert error(post(client, "bad-key", COUNT))[0] == 401


def test_withdrawn_key_is_followed_by_the_next(front: Front) -> None:
    front.set(GEMINI_API_KEY=f"bad-key,{front.key}")
    front.script(HELLO)
    answer = front.client.post("/v1/messages", json=MESSAGE)
    assert (answer.status_code, answer.headers["x-gemini-tried"]) == (200, "key")
    assert front.client.post(COUNT, json=MESSAGE).get_json()["input_tokens"] > 0
    assert [request["status"] for request in front.journal()] == [200, 200]


FINAL = {Cause.KEY, Cause.REGION, Cause.DISABLED, Cause.RESTRICTED, Cause.BILLING, Cause.FORBIDDEN}


@pytest.mark.parametrize("cause", Cause)
def test_count_tokens_raises_only_final_errors(
    front: Front, cause: Cause, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an answer would be refused for; where it would be retried, a count is estimated."""

    def refuse(*_: object) -> Waiting[int]:
        yield SILENCE
        raise ApiError(400, "No.", cause=cause)

    monkeypatch.setattr("proxy.gemini.Gemini.count_tokens", refuse)
    assert front.post(COUNT).status_code == (400 if cause in FINAL else 200)


# --- The other paths --------------------------------------------------------------------------


def test_health_shows_the_version_and_needs_no_key(client: FlaskClient) -> None:
    shown = {"status": "ok", "api": "/v1/messages", "version": __version__}
    assert client.get("/").get_json() == shown
    head = client.head("/")
    assert (head.status_code, head.get_data()) == (200, b"")
    assert head.headers["x-proxy-version"] == __version__


@pytest.mark.parametrize("path", ["/", "/v1/models", "/v1/models/claude-gemini-4-neon", "/x"])
def test_body_that_nobody_needs_is_not_read(client: FlaskClient, key: str, path: str) -> None:
    """It could be without end."""

    class Unread(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise AssertionError("it is read")

    server = {"wsgi.input": Unread(), "wsgi.input_terminated": True, "CONTENT_LENGTH": "9"}
    answer = client.get(path, headers={"x-api-key": key}, environ_overrides=server)
    assert answer.status_code == (404 if path == "/x" else 200)
    assert answer.content_length == len(answer.get_data())


CLASSES = list(models.CLASS_NAMES.values())


@pytest.mark.parametrize(
    ("user_agent", "classes"),
    [
        ("", CLASSES),
        ("Claude/1.30096.5 Electron/40.1", CLASSES),
        ("claude-cli/2.1.332 (external, claude-desktop-3p)", CLASSES),
        ("claude-code/2.1.197", []),
        ("claude-code/2.1.332", []),
    ],
)
def test_models_are_listed(
    client: FlaskClient, key: str, user_agent: str, classes: list[str]
) -> None:
    headers = {"x-api-key": key, "User-Agent": user_agent}
    listed = client.get("/v1/models?limit=1000", headers=headers).get_json()
    ids = [model["id"] for model in listed["data"]]
    stay = [f"claude-{name}" for name, m in models.TABLE.items() if m.retires != "2026-10-08"]
    assert ids == [*classes, *stay]
    ends = listed["has_more"], listed["first_id"], listed["last_id"]
    assert ends == (False, ids[0], ids[-1])


def test_models_are_not_listed_without_a_key(client: FlaskClient) -> None:
    assert error(client.get("/v1/models"))[0] == 401


def test_each_listed_model_answers(front: Front) -> None:
    """By the id of the list, as the model that its name says."""
    front.script({**HELLO, "repeat": True})
    listed = front.client.get("/v1/models", headers={"x-api-key": front.key}).get_json()["data"]
    for model in listed:
        answer = front.post(model=model["id"])
        name = answer.headers["x-gemini-model"].replace("-", " ").title()
        assert (answer.status_code, name) == (200, model["display_name"])
        assert "x-gemini-warning" not in answer.headers


def test_models_are_listed_at_the_price_of_the_day(
    client: FlaskClient, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "today", lambda: "2026-12-01")
    for path in ("/v1/models", "/v1/models/claude-gemini-4-carbon"):
        shown = client.get(path, headers={"x-api-key": key}).get_json()
        listed = {model["id"]: model for model in shown.get("data", [shown])}
        description = listed["claude-gemini-4-carbon"]["description"]
        assert description == "$4.00 in, $20.00 out per million tokens"


@pytest.mark.parametrize(
    ("model_id", "name"),
    [
        ("claude-gemini-4-neon", "Gemini 4 Neon"),
        ("anthropic%2Fgemini-4-neon", "Gemini 4 Neon"),
        ("claude-haiku-5-5", "Gemini 3.5 Flash Lite"),
    ],
)
def test_model_is_shown_by_each_of_its_names(
    client: FlaskClient, key: str, model_id: str, name: str
) -> None:
    shown = client.get(f"/v1/models/{model_id}", headers={"x-api-key": key}).get_json()
    assert (shown["id"], shown["display_name"]) == (model_id.replace("%2F", "/"), name)


@pytest.mark.parametrize("stream", [True, False])
def test_unknown_model_is_served_with_a_warning(front: Front, stream: bool) -> None:
    front.script({**HELLO, "repeat": True})
    for name, warning in {
        "gemnii-4-neon\r\n": "gemnii-4-neon?? is no Gemini or Claude model,"
        " gemini-4-hydrogen answers, did you mean gemini-4-neon?",
        "claude-opus-5": None,
    }.items():
        answer = front.post(model=name, stream=stream)
        assert answer.status_code == 200
        assert answer.headers.get("x-gemini-warning") == warning


def test_long_model_name_is_refused(front: Front) -> None:
    problem = (400, "invalid_request_error", "model: expected at most 256 characters, got 257")
    assert error(front.post(model="x" * 257)) == problem
    assert error(front.post(COUNT, model="x" * 257)) == problem
    shown = front.client.get(f"/v1/models/{'x' * 257}", headers={"x-api-key": front.key})
    assert error(shown) == problem


def test_retired_model_is_asked_as_its_successor(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "today", lambda: "2026-12-01")
    front.script(HELLO)
    answer = front.post(model="gemini-2.5-pro")
    assert answer.headers["x-gemini-model"] == "gemini-3.8-flash"
    sentence = "gemini-2.5-pro is gone, ask for gemini-3.8-flash."
    assert answer.headers["x-gemini-warning"] == sentence
    assert "x-gemini-tried" not in answer.headers
    assert answer.get_json()["model"] == "gemini-2.5-pro"
    front.post(COUNT, model="gemini-2.5-pro")
    assert [request["model"] for request in front.journal()] == ["gemini-3.8-flash"] * 2
    shown = front.client.get("/v1/models/gemini-2.5-pro", headers={"x-api-key": front.key})
    assert shown.get_json()["display_name"] == "Gemini 3.8 Flash"

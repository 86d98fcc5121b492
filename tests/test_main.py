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

from proxy.gemini import Gemini
from proxy.liveness import ClientLeft
from tests.messages import MARKER
from tests.servers import Emulator
from translate import ApiError, models

MESSAGE: dict[str, Any] = {
    "model": "claude-opus-5",
    "max_tokens": 1000,
    "messages": [{"role": "user", "content": f"Hi, {MARKER}"}],
}
HELLO = {"chunks": [{"text": "Hel"}, {"text": "lo."}, {"sign": True}], "finish": "STOP"}


def post(client: FlaskClient, key: str, path: str = "/v1/messages", **fields: Any) -> TestResponse:
    body = {**MESSAGE, **fields}
    return client.post(path, json=body, headers={"Authorization": f"Bearer {key}"})


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
    return answer.status_code, body["error"]["type"], body["error"]["message"]


# --- Answers ----------------------------------------------------------------------------------


def test_a_streamed_answer(client: FlaskClient, emulator: Emulator, key: str) -> None:
    emulator.script(key, HELLO)
    answer = post(client, key, "/v1/messages?beta=true", stream=True)
    assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
    assert answer.headers["request-id"].startswith("req_")
    told = events(answer)
    assert [event["type"] for event in told] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert told[0]["message"]["model"] == "claude-opus-5"
    assert told[5]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}


def test_a_whole_answer(client: FlaskClient, emulator: Emulator, key: str) -> None:
    emulator.script(key, {**HELLO, "usage": {"promptTokenCount": 9, "candidatesTokenCount": 3}})
    message = post(client, key).get_json()
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


def test_the_key_goes_to_gemini_in_its_header_only(
    client: FlaskClient, emulator: Emulator, key: str
) -> None:
    emulator.script(key, HELLO)
    post(client, key)
    (request,) = emulator.journal(key)
    assert request["headers"]["x-goog-api-key"] == "present"
    assert request["headers"]["accept-encoding"] == "identity"
    assert key not in json.dumps(request)
    assert not {"authorization", "x-api-key", "cookie"} & set(request["headers"])


def test_the_servers_key_for_holders_of_its_token(
    make_client: Callable[..., FlaskClient], emulator: Emulator, key: str
) -> None:
    client = make_client(GEMINI_API_KEY=key, PROXY_TOKEN="secret")
    emulator.script(key, HELLO)
    assert post(client, "secret").status_code == 200
    assert error(post(client, "guess"))[:2] == (401, "authentication_error")


@pytest.mark.parametrize(
    ("headers", "model"),
    [
        ({"User-Agent": "claude-cli/2.1.330 (external, cli)"}, "gemini-4-neon"),
        ({"x-claude-code-agent-id": "a1"}, "gemini-3.8-flash"),
    ],
)
def test_models_by_environment(
    make_client: Callable[..., FlaskClient],
    emulator: Emulator,
    key: str,
    headers: dict[str, str],
    model: str,
) -> None:
    client = make_client(
        ANTHROPIC_DEFAULT_OPUS_MODEL="gemini-4-neon", CLAUDE_CODE_SUBAGENT_MODEL="gemini-3.8-flash"
    )
    emulator.script(key, HELLO)
    answer = client.post("/v1/messages", json=MESSAGE, headers={**headers, "x-api-key": key})
    assert answer.get_json()["model"] == "claude-opus-5"
    assert emulator.journal(key)[0]["model"] == model


def test_a_conversation_with_tools_returns_each_signature_once(
    client: FlaskClient, emulator: Emulator, key: str
) -> None:
    emulator.script(
        key,
        {
            "chunks": [
                {"thought": "Look."},
                {"parts": [{"call": {"name": "Bash", "args": {"command": "ls"}}, "sign": True}]},
                {"call": {"name": "Read", "args": {}}},
            ],
            "finish": "STOP",
            "finish_alone": True,
        },
        {"chunks": [{"call": {"name": "Bash"}}, {"sign": True}], "finish": "STOP"},
        HELLO,
    )
    tools = [{"name": name, "input_schema": {"type": "object"}} for name in ("Bash", "Read")]
    turns: list[Any] = [{"role": "user", "content": "Hi"}]
    for _ in range(2):
        fields = {"tools": tools, "thinking": {"type": "adaptive"}, "messages": turns}
        content = post(client, key, **fields).get_json()["content"]
        calls = [block for block in content if block["type"] == "tool_use"]
        results = [
            {"type": "tool_result", "tool_use_id": call["id"], "content": "ok"}
            for call in reversed(calls)
        ]
        turns += [
            {"role": "assistant", "content": content},
            {"role": "user", "content": results},
        ]
    assert post(client, key, **fields).get_json()["stop_reason"] == "end_turn"
    journal = emulator.journal(key)
    assert [request["status"] for request in journal] == [200, 200, 200]
    issued = [sign for request in journal[:2] for sign in request["issued"]]
    assert [sign["name"] for sign in issued] == ["Bash", "Bash"]
    returned = journal[2]["signatures"]
    assert [sign["signature"] for sign in returned] == [sign["signature"] for sign in issued]
    assert [sign["call_id"] for sign in returned] == [sign["call_id"] for sign in issued]


def test_a_long_answer_is_joined_from_its_hops(
    client: FlaskClient, emulator: Emulator, key: str
) -> None:
    token = {"candidate": {"continuationToken": "VE9LRU4="}}
    emulator.script(
        key,
        {"chunks": [{"text": "Hel", **token}], "finish": "CONTINUATION", "finish_alone": True},
        {"chunks": [{"text": "lo."}]},
    )
    assert post(client, key).get_json()["content"] == [{"type": "text", "text": "Hello."}]
    first, second = (request["body"] for request in emulator.journal(key))
    assert second == {**first, "continuationToken": "VE9LRU4="}


@pytest.mark.parametrize(
    "after",
    [
        pytest.param({"cut": True}, id="a broken connection"),
        pytest.param({"raw": "data: [DONE]\r\n\r\n"}, id="an event of another protocol"),
        pytest.param({"delay": 30}, id="a connection that stays open"),
    ],
)
def test_a_complete_answer_is_complete_whatever_follows(
    client: FlaskClient, emulator: Emulator, key: str, after: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.answer.LINGER_SECONDS", 0.1)
    end = {"text": "lo.", "candidate": {"finishReason": "STOP"}}
    emulator.script(key, {"chunks": [{"text": "Hel"}, end, {"delay": 0.05}, after], "finish": None})
    message = post(client, key).get_json()
    assert message["content"] == [{"type": "text", "text": "Hello."}]
    assert message["stop_reason"] == "end_turn"


def test_a_mended_call_is_logged_without_its_content(
    client: FlaskClient, emulator: Emulator, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    slip = {"name": "Bash", "args": {"parameters": {"command": "secret"}}}
    emulator.script(key, {"chunks": [{"call": slip, "sign": True}]})
    schema = {"properties": {"command": {"type": "string"}}, "required": ["command"]}
    answer = post(client, key, tools=[{"name": "Bash", "input_schema": schema}])
    assert answer.get_json()["content"][0]["input"] == {"command": "secret"}
    answer.close()
    written = capsys.readouterr().out
    (line,) = map(json.loads, written.splitlines())
    assert line["request_id"] == answer.headers["request-id"]
    assert line["repairs"] == {"unwrapped": 1}
    assert "secret" not in written


def test_an_answer_is_cut_where_the_client_asked(
    client: FlaskClient, emulator: Emulator, key: str
) -> None:
    chunks = [{"text": "<severity>5</sev"}, {"text": "erity> and more"}, {"delay": 30}]
    emulator.script(key, {"chunks": chunks, "finish": None})
    message = post(client, key, stop_sequences=["</severity>"]).get_json()
    assert message["content"] == [{"type": "text", "text": "<severity>5"}]
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "</severity>")


# --- Errors -----------------------------------------------------------------------------------


def test_no_key(client: FlaskClient) -> None:
    answer = client.post("/v1/messages", json=MESSAGE)
    assert error(answer)[:2] == (401, "authentication_error")
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("stream", [True, False])
def test_a_bad_key(client: FlaskClient, stream: bool) -> None:
    answer = post(client, "bad-key", stream=stream)
    status, kind, message = error(answer)
    assert (status, kind) == (401, "authentication_error")
    assert message.startswith("Google refused the API key: API key not valid.")
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (
            {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Please retry in 16.2s."},
            (429, "rate_limit_error", "Please retry in 16.2s."),
        ),
        (
            {"code": 503, "status": "UNAVAILABLE", "message": "The model is overloaded."},
            (529, "overloaded_error", "The model is overloaded."),
        ),
        (
            {"code": 500, "status": "INTERNAL", "message": "Internal error encountered."},
            (500, "api_error", "Internal error encountered."),
        ),
    ],
)
def test_googles_errors_before_the_first_byte(
    client: FlaskClient, emulator: Emulator, key: str, reply: Any, expected: Any
) -> None:
    emulator.script(key, {"status": reply, "repeat": True})
    for stream in (True, False):
        assert error(post(client, key, stream=stream)) == expected


def test_an_error_in_the_first_chunk_is_still_a_status(
    client: FlaskClient, emulator: Emulator, key: str
) -> None:
    overloaded = {"code": 503, "status": "UNAVAILABLE", "message": "The model is overloaded."}
    emulator.script(key, {"chunks": [{"error": overloaded}], "finish": None, "repeat": True})
    assert error(post(client, key, stream=True))[:2] == (529, "overloaded_error")


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        (
            {"error": {"code": 503, "status": "UNAVAILABLE", "message": "Overloaded."}},
            "Overloaded.",
        ),
        (
            {"raw_error": {"code": 503, "status": "UNAVAILABLE", "message": "Overloaded."}},
            "Overloaded.",
        ),
        ({"cut": True}, "Gemini's answer ended before it was complete."),
        ({"end": True}, "Gemini's answer ended before it was complete."),
        ({"raw": "data: {broken\r\n\r\n"}, "Gemini's answer ended before it was complete."),
        ({"raw": "data: 5\r\n\r\n"}, "Gemini's answer ended before it was complete."),
    ],
)
def test_an_error_after_the_first_byte_is_an_event(
    client: FlaskClient, emulator: Emulator, key: str, chunk: Any, message: str
) -> None:
    chunks = [{"text": "Hel"}, {"delay": 0.05}, chunk]
    emulator.script(key, {"chunks": chunks, "finish": None, "repeat": True})
    told = events(post(client, key, stream=True))
    assert [event["type"] for event in told] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "error",
    ]
    assert told[-1]["error"] == {"type": "overloaded_error", "message": message}
    assert error(post(client, key)) == (529, "overloaded_error", message)


def test_an_unreachable_gemini(make_client: Callable[..., FlaskClient]) -> None:
    client = make_client(GEMINI_ENDPOINT="http://127.0.0.1:9")
    status, kind, message = error(post(client, "key"))
    assert (status, kind) == (502, "api_error")
    assert message.startswith("Gemini could not be reached at 127.0.0.1:9: ")


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/nothing", (404, "not_found_error", "Not found: /nothing")),
        ("GET", "/robots.txt", (404, "not_found_error", "Not Found")),
        (
            "DELETE",
            "/v1/messages",
            (405, "invalid_request_error", "Method DELETE not allowed for /v1/messages; use POST."),
        ),
        (
            "POST",
            "/",
            (405, "invalid_request_error", "Method POST not allowed for /; use GET or HEAD."),
        ),
    ],
)
def test_what_is_not_here(client: FlaskClient, method: str, path: str, expected: Any) -> None:
    assert error(client.open(path, method=method)) == expected


def test_what_the_framework_refuses_is_in_the_same_shape(client: FlaskClient) -> None:
    assert error(client.open("/v1/messages", method="PROPFIND"))[:2] == (
        405,
        "invalid_request_error",
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "The request body is not valid JSON."),
        (b"[]", "body: expected an object"),
        (b'{"model":"m","max_tokens":1}', "messages: field required"),
    ],
)
def test_a_bad_body(client: FlaskClient, body: bytes, message: str) -> None:
    answer = client.post("/v1/messages", data=body, headers={"x-api-key": "k"})
    assert error(answer) == (400, "invalid_request_error", message)


def test_a_body_that_breaks_off(client: FlaskClient) -> None:
    """Asked directly: the framework itself reads the broken body once more, and fails."""
    broken = client.application.test_request_context(
        "/v1/messages",
        method="POST",
        data=b"{",
        headers={"x-api-key": "k"},
        environ_overrides={"CONTENT_LENGTH": "100"},
    )
    with broken:
        answer = sys.modules["main"].messages(flask.request)
    assert answer.status_code == 400
    assert answer.get_json()["error"]["type"] == "invalid_request_error"


def test_the_unforeseen_is_told_without_what_was_said(
    client: FlaskClient,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = " ".join(["a", "prompt"])

    def fail(*_: Any) -> Any:
        raise KeyError(said)

    monkeypatch.setattr(Gemini, "stream", fail)
    answer = post(client, key)
    request_id = answer.headers["request-id"]
    assert error(answer) == (
        500,
        "api_error",
        f"Internal proxy error (request {request_id}). See the proxy's log.",
    )
    written = capsys.readouterr().out
    (line,) = [told for told in map(json.loads, written.splitlines()) if "exception" in told]
    assert (line["request_id"], line["exception"]) == (request_id, "KeyError")
    assert said not in written


def test_a_client_that_has_left_is_noted(
    client: FlaskClient,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def leave(*_: Any, **__: Any) -> Any:
        raise ClientLeft

    monkeypatch.setattr(sys.modules["main"], "Answer", leave)
    answer = post(client, key)
    answer.close()
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (answer.status_code, line["status"]) == (499, 499)
    assert post(client, key).status_code == 499, "its place was given back"


# --- The other paths --------------------------------------------------------------------------


def test_health_needs_no_key(client: FlaskClient) -> None:
    assert client.get("/").get_json() == {"status": "ok", "api": "/v1/messages"}
    head = client.head("/")
    assert (head.status_code, head.get_data()) == (200, b"")


def test_counting_tokens(client: FlaskClient, emulator: Emulator, key: str) -> None:
    emulator.script(key)
    path = "/v1/messages/count_tokens?beta=true"
    few = post(client, key, path).get_json()
    tools = [{"name": "Bash", "description": "word " * 400, "input_schema": {"type": "object"}}]
    many = post(client, key, path, tools=tools, system="word " * 400).get_json()
    assert few["input_tokens"] > 0
    assert many["input_tokens"] > few["input_tokens"] + 800
    assert [sorted(r["body"]) for r in emulator.journal(key)] == [["generateContentRequest"]] * 2


def test_counting_without_gemini_is_an_estimate(make_client: Callable[..., FlaskClient]) -> None:
    client = make_client(GEMINI_ENDPOINT="http://127.0.0.1:9")
    answer = post(client, "key", "/v1/messages/count_tokens")
    assert answer.get_json()["input_tokens"] > 5


def test_a_withdrawn_key_is_followed_by_the_next(
    make_client: Callable[..., FlaskClient], emulator: Emulator, key: str
) -> None:
    client = make_client(GEMINI_API_KEY=f"bad-key,{key}")
    emulator.script(key, HELLO)
    answer = client.post("/v1/messages", json=MESSAGE)
    assert (answer.status_code, answer.headers["x-gemini-tried"]) == (200, "key")
    assert client.post("/v1/messages/count_tokens", json=MESSAGE).get_json()["input_tokens"] > 0
    assert [request["status"] for request in emulator.journal(key)] == [200, 200]


@pytest.mark.parametrize(
    ("cause", "is_told"),
    [
        *((cause, True) for cause in ("key", "region", "billing", "disabled", "forbidden")),
        *((cause, False) for cause in ("schema", "parameter", "model", "quota", "silence")),
    ],
)
def test_only_what_an_answer_would_be_refused_for_is_told(
    client: FlaskClient, key: str, cause: str, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an answer is mended, a count is estimated."""

    def refuse(*_: object) -> int:
        raise ApiError(400, "No.", cause=cause)

    monkeypatch.setattr("proxy.gemini.Gemini.count_tokens", refuse)
    answer = post(client, key, "/v1/messages/count_tokens")
    assert answer.status_code == (400 if is_told else 200)


def test_counting_does_not_wait_for_a_silent_gemini(
    make_client: Callable[..., FlaskClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.gemini.COUNT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = make_client(GEMINI_ENDPOINT=f"http://127.0.0.1:{silent.getsockname()[1]}")
        answer = post(client, "key", "/v1/messages/count_tokens")
    assert answer.get_json()["input_tokens"] > 5


@pytest.mark.parametrize("path", ["/", "/v1/models", "/v1/models/claude-gemini-4-neon", "/x"])
def test_a_body_that_nobody_needs_is_not_read(client: FlaskClient, key: str, path: str) -> None:
    """It could be without end."""

    class Unread(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise AssertionError("it is read")

    server = {"wsgi.input": Unread(), "wsgi.input_terminated": True, "CONTENT_LENGTH": "9"}
    answer = client.get(path, headers={"x-api-key": key}, environ_overrides=server)
    assert (answer.status_code, answer.content_length) == (
        404 if path == "/x" else 200,
        len(answer.get_data()),
    )


def test_counting_with_a_bad_key_is_refused(client: FlaskClient) -> None:
    assert error(post(client, "bad-key", "/v1/messages/count_tokens"))[0] == 401


def test_the_models(client: FlaskClient, key: str) -> None:
    listed = client.get("/v1/models?limit=1000", headers={"x-api-key": key}).get_json()
    assert [model["id"] for model in listed["data"]] == [f"claude-{m}" for m in models.TABLE]
    assert (listed["has_more"], listed["first_id"], listed["last_id"]) == (
        False,
        listed["data"][0]["id"],
        listed["data"][-1]["id"],
    )
    assert error(client.get("/v1/models"))[0] == 401


@pytest.mark.parametrize(
    ("model_id", "name"),
    [
        ("claude-gemini-4-neon", "Gemini 4 Neon"),
        ("anthropic%2Fgemini-4-neon", "Gemini 4 Neon"),
        ("claude-haiku-5-5", "Gemini 3.5 Flash Lite"),
    ],
)
def test_one_model(client: FlaskClient, key: str, model_id: str, name: str) -> None:
    shown = client.get(f"/v1/models/{model_id}", headers={"x-api-key": key}).get_json()
    assert (shown["id"], shown["display_name"]) == (model_id.replace("%2F", "/"), name)

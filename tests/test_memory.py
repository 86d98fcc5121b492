"""The memory of requests, from their first byte to the end of their answers (main.py)."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from proxy import config, json_codec, request_body
from tests.servers import Emulator

MESSAGES = "/v1/messages"
PATHS = (MESSAGES, "/v1/messages/count_tokens")
BUDGET = 2_000_000
"""Bytes, for all requests."""

BODY: dict[str, Any] = {
    "model": "claude-opus-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "x" * 100_000}],
}
SLOW = {"chunks": [{"text": "Hel"}, {"delay": 20}, {"text": "lo."}], "repeat": True}


@pytest.fixture
def client(make_client: Callable[..., FlaskClient], monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setattr(config, "request_memory", lambda: BUDGET)
    return make_client()


class Unread(io.BytesIO):
    """A body that nobody may read."""

    def read(self, size: int | None = -1) -> bytes:
        raise AssertionError("it is read")


def taken() -> int:
    """Bytes that requests hold by now."""
    return int(sys.modules["main"].memory_budget.taken)


@pytest.fixture
def streams(client: FlaskClient, emulator: Emulator, key: str) -> Iterator[Callable[[], Any]]:
    """Begins an answer that goes on; all are closed at the end."""
    emulator.script(key, SLOW)
    begun = []

    def begin() -> Any:
        body = {**BODY, "stream": True}
        answer = client.post(MESSAGES, json=body, headers={"x-api-key": key}, buffered=False)
        begun.append(answer)
        return answer

    yield begin
    for answer in begun:
        answer.close()


def test_memory_is_held_until_the_answer_ends(
    client: FlaskClient, streams: Callable[[], Any]
) -> None:
    answers = []
    while (answer := streams()).status_code == 200:
        answers.append(answer)
        assert len(answers) < 20
    assert (answer.status_code, answer.headers["retry-after"]) == (529, "5")
    assert answer.get_json()["error"]["message"] == "Too many large requests at once. Retry later."
    held = taken()
    assert len(answers) * 100_000 < held <= BUDGET
    assert client.get("/").status_code == 200
    for each in answers:
        each.close()
    assert taken() == 0
    assert streams().status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_memory_is_reserved_before_a_byte_is_read(
    client: FlaskClient, streams: Callable[[], Any], path: str
) -> None:
    assert streams().status_code == 200
    server = {"wsgi.input": Unread(), "wsgi.input_terminated": True, "CONTENT_LENGTH": "640000"}
    answer = client.post(path, headers={"x-api-key": "key"}, environ_overrides=server)
    assert answer.status_code == 529


class Announced(io.BytesIO):
    """A body of which nothing comes, once somebody waits for it."""

    held = -1

    def read(self, size: int | None = -1) -> bytes:
        Announced.held = taken()
        return b""


@pytest.mark.parametrize("path", PATHS)
def test_memory_is_not_held_for_what_is_only_announced(
    client: FlaskClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dozen connections would keep everybody else out, with no more than a head each."""
    monkeypatch.setattr(request_body, "READ_BYTES", 10_000)
    server = {"wsgi.input": Announced(), "wsgi.input_terminated": True, "CONTENT_LENGTH": "300000"}
    client.post(path, headers={"x-api-key": "key"}, environ_overrides=server)
    assert Announced.held == 10_000 * json_codec.NARROW_COPIES


@pytest.mark.parametrize("path", PATHS)
def test_a_body_of_any_length_takes_memory_as_it_grows(
    client: FlaskClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_body, "READ_BYTES", 10_000)
    stream = io.BytesIO(b" " * 2_000_000)
    server = {
        "wsgi.input": stream,
        "wsgi.input_terminated": True,
        "HTTP_TRANSFER_ENCODING": "chunked",
    }
    read: list[int] = []
    monkeypatch.setattr(request_body, "_discard", lambda _, size: read.append(size))
    answer = client.post(path, headers={"x-api-key": "key"}, environ_overrides=server)
    assert answer.status_code == 413, "more than there ever is"
    (size,) = read
    assert size * json_codec.NARROW_COPIES <= BUDGET
    assert taken() == 0


@pytest.mark.parametrize("path", PATHS)
def test_too_large_a_body_is_not_read(client: FlaskClient, path: str) -> None:
    server = {"wsgi.input": Unread(), "wsgi.input_terminated": True, "CONTENT_LENGTH": "32000001"}
    answer = client.post(path, headers={"x-api-key": "key"}, environ_overrides=server)
    assert (answer.status_code, answer.get_json()["error"]["message"]) == (
        413,
        "The request is larger than 32 MB.",
    )


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("raw", "status"),
    [
        pytest.param(b"x" * 100_000, 400, id="no JSON"),
        pytest.param(json.dumps({**BODY, "x": "a,b " * 80_000}).encode(), 200, id="full of marks"),
        pytest.param(b'{"a":[%b]}' % (b"{}," * 10_000), 413, id="full of values"),
        pytest.param(
            json.dumps({"x": "\N{GRINNING FACE}" + "x" * 400_000}).encode(), 413, id="wide"
        ),
    ],
)
def test_memory_is_given_back_whatever_a_body_holds(
    client: FlaskClient, emulator: Emulator, key: str, path: str, raw: bytes, status: int
) -> None:
    emulator.script(key, {"chunks": [{"text": "Hello."}], "repeat": True})
    answer = client.post(path, data=raw, headers={"x-api-key": key})
    assert (answer.status_code, taken()) == (status, 0)


def test_memory_is_given_back_when_the_client_leaves(
    client: FlaskClient, streams: Callable[[], Any]
) -> None:
    answer = streams()
    next(answer.iter_encoded())
    assert taken() > 0
    answer.close()
    assert taken() == 0

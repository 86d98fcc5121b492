"""proxy/aws/event.py: a Function URL's event as WSGI has it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from werkzeug.wrappers import Request

from proxy.auth import SharedToken, authenticate
from proxy.aws.event import Head, environ
from proxy.config import read
from tests.lambda_emulator.events import CALLER, DOMAIN, event
from translate import ApiError


def request(received: bytes | dict[str, Any]) -> Request:
    return Request(environ(received if isinstance(received, dict) else json.loads(received)))


def test_a_post() -> None:
    headers = [("Content-Type", "application/json"), ("X-Api-Key", "key"), ("X-Api-Key", "two")]
    headers += [("Content-Length", "999"), ("Cookie", "a=1; b=2"), ("Connection", "close")]
    received = request(event("POST", "/v1/messages?beta=true", headers, '{"é": 1}'.encode()))
    assert (received.method, received.path, received.query_string) == (
        "POST",
        "/v1/messages",
        b"beta=true",
    )
    assert received.get_json() == {"é": 1}
    assert (received.mimetype, received.content_length) == ("application/json", 9)
    assert received.headers["X-Api-Key"] == "key,two"
    assert dict(received.cookies) == {"a": "1", "b": "2"}
    assert "Connection" not in received.headers
    assert (received.remote_addr, received.host, received.scheme) == (CALLER, DOMAIN, "https")


@pytest.mark.parametrize("body", [b"\xff\x00raw", b""])
def test_a_body_of_bytes(body: bytes) -> None:
    received = event("POST", "/", [("Content-Type", "application/octet-stream")], body)
    assert json.loads(received)["isBase64Encoded"] is True
    assert request(received).get_data() == body


def test_bad_base64_is_no_event() -> None:
    received = json.loads(event("POST", "/", [], b"x")) | {"body": "*", "isBase64Encoded": True}
    with pytest.raises(ValueError, match="base64"):
        request(received)


def test_the_least_event() -> None:
    """What the fields that AWS may leave out stand for; half a character is survived."""
    http = {"method": "GET", "sourceIp": "203.0.113.9"}
    received = request(
        {"rawPath": "/v1/m%C3%A9", "requestContext": {"http": http}, "body": "\ud800"}
    )
    assert (received.path, received.query_string, received.get_data()) == ("/v1/mé", b"", b"?")
    assert received.headers["X-Forwarded-For"] == "203.0.113.9"


def test_nobody_looks_like_a_program_on_the_same_machine() -> None:
    settings = read({"GEMINI_API_KEY": "server-key"})
    http = {"method": "GET", "sourceIp": "127.0.0.1"}
    received = request({"rawPath": "/", "headers": {}, "requestContext": {"http": http}})
    with pytest.raises(ApiError, match="No API key"):
        authenticate(received.headers, received.remote_addr, settings, SharedToken(""))
    local = Request({**received.environ, "HTTP_HOST": "localhost"})
    del local.environ["HTTP_X_FORWARDED_FOR"]
    (key,) = authenticate(local.headers, local.remote_addr, settings, SharedToken("")).keys
    assert key.value == "server-key"


def test_a_header_is_found_whatever_its_case() -> None:
    head = Head(200, [("X-A", "1"), ("Content-Type", "text/plain")])
    assert (head.get("content-type"), head.get("x-b")) == ("text/plain", "")


def test_the_emulator_passes_text_as_text() -> None:
    plain = json.loads(event("POST", "/", [("content-type", "text/plain")], "é".encode()))
    assert (plain["body"], plain["isBase64Encoded"]) == ("é", False)
    broken = json.loads(event("POST", "/", [("content-type", "text/plain")], b"\xff"))
    assert base64.b64decode(broken["body"]) == b"\xff"

"""Thousands of bad requests, and not one failure of ours: a client learns what is wrong.

The requests are made by Hypothesis from a real one of Claude Code's and from small ones, always
the same ones. Whatever comes of them, the answer has the API's shape and gives nothing away.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from tests.messages import MARKER, assistant, result, thinking, use, user
from tests.servers import Emulator

HELLO = {"chunks": [{"text": '"{} []"'}], "repeat": True}
"""In it is a JSON document of any type, whatever schema asks for one."""
FIXTURES = Path(__file__).parent / "fixtures"
JSON_TYPE = {"Content-Type": "application/json"}

generated = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
"""The same requests on every run. Without coverage: it would double their time, and each line they
reach has a test of its own."""


# --- What every answer must be ----------------------------------------------------------------


def check(answer: TestResponse, key: str) -> int:
    """The status, of an answer that is right whatever the request."""
    status, text = answer.status_code, answer.get_data(as_text=True)
    answer.close()
    assert status < 500, text
    assert "event: error" not in text
    assert key not in text
    assert "Traceback" not in text
    assert MARKER not in text
    if status == 308:  # Flask's, for a doubled slash in the path
        assert answer.headers["Location"].startswith("http://")
        return status
    assert answer.headers["request-id"].startswith("req_")
    if status >= 400:
        assert answer.content_type == "application/json"
    if status >= 400 and answer.request.method != "HEAD":
        shown = json.loads(text)
        assert set(shown) == {"type", "error", "request_id"}
        assert set(shown["error"]) == {"type", "message"}
        assert (shown["type"], shown["request_id"]) == ("error", answer.headers["request-id"])
        assert shown["error"]["message"].strip()
    return status


def headers(key: str, **more: str) -> dict[str, str]:
    return {**JSON_TYPE, "x-api-key": key, **more}


# --- Bodies to be mutated ----------------------------------------------------------------------

MINIMAL: dict[str, Any] = {
    "model": "claude-opus-5",
    "max_tokens": 100,
    "messages": [user(f"Hi, {MARKER}")],
}


def claude_codes() -> dict[str, Any]:
    """A real request with three of its tools, and with words of ours."""
    body: dict[str, Any] = json.loads((FIXTURES / "claude_code_request.json").read_text("utf-8"))
    block = {"type": "text", "text": MARKER}
    tools = [{**tool, "description": MARKER} for tool in body["tools"][:3]]
    messages = [user(MARKER, block), {"role": "system", "content": MARKER}]
    return {**body, "system": [block], "tools": tools, "messages": messages}


PROPERTIES = {
    "command": {"type": "string", "description": MARKER, "minLength": 1},
    "mode": {"anyOf": [{"const": "a"}, {"$ref": "#/$defs/mode"}, {"type": "null"}]},
    "many": {"type": ["array", "null"], "items": {"type": "integer", "exclusiveMinimum": 0}},
}
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": PROPERTIES,
    "required": ["command"],
    "additionalProperties": False,
    "$defs": {"mode": {"enum": ["b", "c"], "allOf": [{"type": "string"}]}},
}
IMAGE = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
SEEDS: list[dict[str, Any]] = [
    MINIMAL,
    claude_codes(),
    {
        **MINIMAL,
        "system": MARKER,
        "tools": [{"name": "Bash", "description": MARKER, "input_schema": SCHEMA}],
        "tool_choice": {"type": "tool", "name": "Bash", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "messages": [
            user("Do it."),
            assistant(thinking("c2ln"), use("toolu_1", given={"command": MARKER}), use("toolu_2")),
            user(
                result("toolu_2", [{"type": "text", "text": MARKER}], is_error=True),
                result("toolu_1", [{"type": "image", "source": IMAGE}]),
            ),
        ],
    },
    {
        **MINIMAL,
        "stream": True,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "stop_sequences": ["END"],
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
        "messages": [
            user(
                {"type": "image", "source": IMAGE},
                {
                    "type": "document",
                    "title": MARKER,
                    "source": {"type": "content", "content": [{"type": "text", "text": MARKER}]},
                },
                {
                    "type": "search_result",
                    "source": "https://a.test",
                    "title": MARKER,
                    "content": [{"type": "text", "text": MARKER}],
                },
            )
        ],
    },
    {
        **MINIMAL,
        "tools": [
            {
                "type": "web_search_20250305",
                "name": "web_search",
                "max_uses": 8,
                "allowed_domains": ["a.test"],
                "user_location": {"type": "approximate", "city": "Oslo"},
            }
        ],
        "messages": [
            user("Search."),
            assistant(
                {
                    "type": "server_tool_use",
                    "id": "srvtoolu_1",
                    "name": "web_search",
                    "input": {"query": MARKER},
                },
                {
                    "type": "web_search_tool_result",
                    "tool_use_id": "srvtoolu_1",
                    "content": [
                        {
                            "type": "web_search_result",
                            "url": "https://a.test",
                            "title": MARKER,
                            "encrypted_content": "x",
                        }
                    ],
                },
            ),
            user("And?"),
        ],
    },
]


# --- How they are mutated ----------------------------------------------------------------------

JUNK: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 2**63, -(2**64), 10**400, 1e308),
    *(float("nan"), float("-inf"), "", " ", "x", "\ud800", "a\u0000b", "\U0001f600" * 1000),
    *([], {}, [None], [[]], {"type": None}, {"type": []}, {"type": "text"}, {"type": "hologram"}),
    *({"type": "text", "text": 5}, {"type": "tool_result"}, {"type": "image", "source": {}}),
    *({"type": "document", "source": {"type": "content", "content": 5}}, {"": {"": ""}}),
    *({"$ref": "#"}, {"$ref": 5, "anyOf": 5}, {"type": 5, "properties": [], "required": "x"}),
    *({"anyOf": [5, {}], "oneOf": {}, "enum": {}, "items": [[]], "const": {}}, "tool", "custom"),
]
DEPTHS = (20, 120, 260, 900, 1_100, 9_000, 60_000)
NESTS = (
    ("[", "]"),
    ('{"a":', "}"),
    ('{"type":"object","properties":{"a":', "}}"),
    ('{"anyOf":[', "]}"),
    ('[{"type":"tool_result","tool_use_id":"t","content":', "}]"),
    ('[{"type":"document","source":{"type":"content","content":', "}}]"),
)


class Raw(NamedTuple):
    """A value whose JSON is written by hand: no encoder would."""

    text: str


@st.composite
def raw(draw: st.DrawFn) -> Raw:
    """Nested deeply, a long list, or one object with a name twice."""
    match draw(st.integers(0, 2)):
        case 0:
            opening, closing = draw(st.sampled_from(NESTS))
            depth = draw(st.sampled_from(DEPTHS))
            return Raw(opening * depth + '"x"' + closing * depth)
        case 1:
            item = draw(st.sampled_from(JUNK))
            if len(str(item)) > 100:
                item = {}
            return Raw(f"[{','.join([json.dumps(item)] * draw(st.sampled_from([9, 4_000])))}]")
        case _:
            return Raw('{"type":"text","type":5,"text":"x","text":null,"a":1,"a":{}}')


Spot = tuple[Any, Any]
"""A container, and the name or place of something in it."""


def spots(value: Any) -> Iterator[Spot]:
    """Every field and element, at any depth."""
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    for name, item in pairs:
        yield value, name
        yield from spots(item)


MODELS = ("claude-opus-5", "gemini-3.8-flash", "gemini-2.5-flash-lite", "gemini-9-unknown")


@st.composite
def bodies(draw: st.DrawFn) -> str:
    """The text of a mutated body."""
    body = copy.deepcopy(draw(st.sampled_from(SEEDS)))
    body["model"] = draw(st.sampled_from(MODELS))
    written: list[str] = []

    def junk() -> Any:
        value = draw(st.one_of(st.sampled_from(JUNK), raw()))
        if not isinstance(value, Raw):
            return copy.deepcopy(value)
        written.append(value.text)
        return f"@{len(written) - 1}@"

    for _ in range(draw(st.integers(1, 3))):
        found = list(spots(body))
        if found:
            mutate(draw, *draw(st.sampled_from(found)), junk)
    text = json.dumps(body)
    for i, by_hand in enumerate(written):
        text = text.replace(f'"@{i}@"', by_hand)
    return text


def mutate(draw: st.DrawFn, holder: Any, name: Any, junk: Callable[[], Any]) -> None:
    """Change one spot: lose it, replace it, wrap it, or say it again."""
    match draw(st.integers(0, 5)):
        case 0:
            del holder[name]
        case 1:
            holder[name] = [holder[name]]
        case 2 if isinstance(holder, dict):
            holder[draw(st.sampled_from(["type", "content", "input", "x", "source", "tools"]))] = (
                junk()
            )
        case 2:
            holder.insert(name, copy.deepcopy(holder[name]))
        case _:
            holder[name] = junk()


PATHS = ("/v1/messages", "/v1/messages/count_tokens", "/v1/messages?beta=true")


@pytest.mark.parametrize("seed", SEEDS)
def test_bodies_are_good_before_they_are_mutated(
    client: FlaskClient, emulator: Emulator, key: str, seed: Any
) -> None:
    emulator.script(key, HELLO)
    for path in PATHS:
        assert check(client.post(path, json=seed, headers=headers(key)), key) == 200


@pytest.mark.no_cover
@given(body=bodies(), path=st.sampled_from(PATHS), agent=st.sampled_from(["x", "claude-cli/2"]))
@settings(generated, max_examples=1_500)
def test_mutated_bodies_never_cause_500(
    client: FlaskClient, emulator: Emulator, key: str, body: str, path: str, agent: str
) -> None:
    emulator.script(key, HELLO)
    sent = {**headers(key), "User-Agent": agent}
    event(str(check(client.post(path, data=body.encode(), headers=sent), key)))


# --- The error a client gets --------------------------------------------------------------------


def with_tool(**fields: Any) -> dict[str, Any]:
    return {**MINIMAL, "tools": [{"name": "Bash", **fields}]}


def with_blocks(*blocks: Any) -> dict[str, Any]:
    return {**MINIMAL, "messages": [user("Hi"), user(*blocks)]}


@pytest.mark.parametrize(("body", "message"), [
    ({**MINIMAL, "model": None}, "model: expected a string"),
    ({**MINIMAL, "max_tokens": "9"}, "max_tokens: expected an integer"),
    ({**MINIMAL, "max_tokens": -1}, "max_tokens: must be at least 1"),
    ({**MINIMAL, "stream": "yes"}, "stream: expected true or false"),
    ({**MINIMAL, "thinking": True}, "thinking: expected an object"),
    ({**MINIMAL, "thinking": {}}, "thinking.type: field required"),
    ({**MINIMAL, "messages": "Hi"}, "messages: expected a list"),
    ({**MINIMAL, "messages": [{"role": "robot", "content": "Hi"}]},
        "messages.0.role: expected one of user, assistant, system"),
    ({**MINIMAL, "system": [{"type": "text"}]}, "system.0.text: field required"),
    (with_tool(name=5), "tools.0.name: expected a string"),
    (with_tool(input_schema="{}"), "tools.0.input_schema: expected an object"),
    (with_tool(type="rocket"), "tools.0.type: 'rocket' is not supported here"),
    ({**with_tool(), "tool_choice": {"type": "tool", "name": "Read"}},
        "tool_choice.name: expected the name of one of the tools"),
    (with_blocks(5), "messages.1.content.0: expected an object"),
    (with_blocks({"type": []}), "messages.1.content.0.type: expected a string"),
    (with_blocks("Hi", {"type": "text", "text": ["Hi"]}),
        "messages.1.content.1.text: expected a string"),
    (with_blocks({"type": "hologram"}),
        "messages.1.content.0: a 'hologram' block is not supported here"),
    (with_blocks({"type": "image", "source": {**IMAGE, "data": 5}}),
        "messages.1.content.0.source.data: expected a string"),
    (with_blocks({"type": "document", "source": {"type": "content", "content": [{}]}}),
        "messages.1.content.0.source.content.0.type: field required"),
    (with_blocks({"type": "tool_result", "tool_use_id": "t", "is_error": 5}),
        "messages.1.content.0.is_error: expected true or false"),
    (with_blocks(result("toolu_1", [{"type": "text", "text": {}}])),
        "messages.1.content.0.content.0.text: expected a string"),
])  # fmt: skip
def test_the_path_of_a_field_of_a_wrong_type(
    client: FlaskClient, key: str, body: Any, message: str
) -> None:
    for path in PATHS[:2]:
        answer = client.post(path, json=body, headers=headers(key))
        assert answer.get_json()["error"] == {"type": "invalid_request_error", "message": message}
        assert check(answer, key) == 400


def nested(value: str, depth: int, opening: str = "[", closing: str = "]") -> str:
    return opening * depth + value + closing * depth


TOO_DEEP = "The request is nested too deeply."
TEMPLATE = json.dumps({**with_tool(input_schema={"x": "@"}), "messages": [assistant(use("t"))]})


@pytest.mark.parametrize(
    ("spot", "depth"),
    [(spot, depth) for spot in ("{}", '"@"') for depth in (2_000, 50_000)],
)
def test_a_body_that_is_nested_too_deeply(
    client: FlaskClient, emulator: Emulator, key: str, spot: str, depth: int
) -> None:
    text = TEMPLATE.replace(spot, nested("1", depth)).replace('"@"', "1")
    answer = client.post("/v1/messages", data=text.encode(), headers=headers(key))
    assert answer.get_json()["error"]["message"] == TOO_DEEP
    assert check(answer, key) == 400
    assert emulator.journal(key) == []


PAST_BLOCKS = [
    use("t", given="@"),
    {"type": "server_tool_use", "id": "t", "name": "web_search", "input": "@"},
    {"type": "web_search_tool_result", "tool_use_id": "t", "content": "@"},
]


@pytest.mark.parametrize("depth", [50, 100, 200, 255, 300, 900])
@pytest.mark.parametrize("block", PAST_BLOCKS)
def test_a_history_that_is_nested_too_deeply_goes_on(
    client: FlaskClient, emulator: Emulator, key: str, block: Any, depth: int
) -> None:
    """The client keeps it, and sends it with every request."""
    emulator.script(key, HELLO)
    turns = {**MINIMAL, "messages": [*MINIMAL["messages"], assistant(block)]}
    text = json.dumps(turns).replace('"@"', nested("1", depth))
    answer = client.post("/v1/messages", data=text.encode(), headers=headers(key))
    assert "Nested too deeply" in answer.headers["x-gemini-warning"]
    assert check(answer, key) == 200


@pytest.mark.parametrize("depth", [300, 900])
def test_a_schema_that_is_nested_too_deeply_is_reduced(
    client: FlaskClient, emulator: Emulator, key: str, depth: int
) -> None:
    """Nobody can mend the schema of an MCP server in the middle of a session."""
    emulator.script(key, HELLO)
    text = TEMPLATE.replace('"@"', nested("1", depth))
    answer = client.post("/v1/messages", data=text.encode(), headers=headers(key))
    assert "Too large or too deep" in answer.headers["x-gemini-warning"]
    assert check(answer, key) == 200


def test_lists_that_are_too_long(client: FlaskClient, key: str) -> None:
    for body, message in (
        (
            {**MINIMAL, "messages": [5] * 100_001},
            "messages: expected at most 100,000 elements, got 100,001",
        ),
        (
            {**MINIMAL, "tools": [{"name": f"tool_{i}"} for i in range(513)]},
            "tools: Gemini takes at most 512 tools, got 513",
        ),
    ):
        answer = client.post("/v1/messages", json=body, headers=headers(key))
        assert answer.get_json()["error"]["message"] == message
        assert check(answer, key) == 400


# --- Bodies that are none, and odd ways to send them ------------------------------------------

GOOD = json.dumps(MINIMAL).encode()
NO_BODIES = [
    *(
        b"",
        b" ",
        b"null",
        b"5",
        b'"x"',
        b"[]",
        b"{}",
        b"true",
        b"NaN",
        b"{",
        b"}",
        b"\x00",
        b"\xff",
    ),
    *(b"\xef\xbb\xbf" + GOOD, GOOD.decode().encode("utf-16"), GOOD.decode().encode("utf-32")),
    *(GOOD[:-1], GOOD + b"}", GOOD + GOOD, GOOD.replace(b"Hi", b"\xc3\x28"), b"a=b&c=d"),
    *(GOOD.replace(b"Hi", b"\\ud83d"), GOOD.replace(b"Hi", b"\xed\xa0\x80"), b"\x1f\x8b\x08"),
    *(GOOD.replace(b"Hi", b"\n"), GOOD.replace(b"100", b"1e999"), GOOD.replace(b"100", b"-0")),
    *(GOOD.replace(b"100", b"9" * 5_000), GOOD.replace(b"100", b"Infinity"), b"[" * 100_000),
    *(GOOD.replace(b'"model"', b'"model": 5, "model"'), b'{"a":' * 100_000, b"--x\r\n\r\n--x--"),
]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "TRACE", "ODD")
ODD_PATHS = (
    *("/", "//", "/v1", "/v1/", "/v1/messages/", "//v1/messages", "/v1//messages", "/v1/models"),
    *("/v1/messages/batches", "/v1/messages/count_tokens/", "/v1/complete", "/v1/models/"),
    *(
        "/v1/models/x/y",
        "/v1/models/%00",
        "/v1/models/%2e%2e%2f",
        "/v1/models/%ff%fe",
        "/%ED%A0%80",
    ),
    *(
        f"/v1/models/{'x' * 9_000}",
        f"/{'a/' * 2_000}",
        "/v1/models/gemini-%F0%9F%98%80",
        "/robots.txt",
    ),
    *(
        "/v1/models/claude-%0d%0aX-Odd:%201",
        "/favicon.ico",
        "/v1/messages?beta=%ff",
        "/v1/models/?",
    ),
)
ODD_HEADERS: dict[str, tuple[str, ...]] = {
    "Content-Type": (
        *("", "text/plain", "application/json; charset=utf-16", "multipart/form-data", "x"),
        *("multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "é/ü"),
    ),
    "Authorization": ("", "Bearer", "Bearer ", "Basic eDp4", "Bearer  ", "é", "x" * 60_000),
    "x-api-key": ("", " ", "sk-ant-x", "ü", "x" * 60_000, "a\tb"),
    "User-Agent": ("", "claude-cli/", "claude-cli/é", "x" * 60_000),
    "X-Claude-Code-Session-Id": ("", "é", "x" * 60_000, "a b", '{"a":1}'),
    "x-claude-code-agent-id": ("", "é"),
    "anthropic-version": ("", "x", "1999-01-01"),
    "anthropic-beta": ("", ",,,", "x" * 60_000),
    "Content-Encoding": ("gzip", "x"),
    "Transfer-Encoding": ("chunked", "x"),
    "Content-Length": ("0", "5", "-1", "x", "99999999999999999999"),
    "Accept": ("", "text/event-stream", "x"),
    "Accept-Encoding": ("gzip", "x;q=9"),
    "Host": ("", "[", "[::1", "a:b", "é", "x" * 9_000),
    "X-Forwarded-For": ("", "x", "127.0.0.1"),
    "Expect": ("100-continue", "x"),
    "Range": ("bytes=0-1", "x"),
}
one_header = st.sampled_from(
    [(name, value) for name, values in ODD_HEADERS.items() for value in values]
)


@pytest.mark.no_cover
@given(
    method=st.sampled_from((*METHODS, *["POST"] * 10)),
    path=st.sampled_from((*ODD_PATHS, *PATHS * 8)),
    body=st.one_of(st.sampled_from(NO_BODIES), st.binary(max_size=40), st.just(GOOD)),
    odd=st.lists(one_header, max_size=3),
)
@settings(generated, max_examples=600)
def test_an_odd_request(
    client: FlaskClient,
    emulator: Emulator,
    key: str,
    method: str,
    path: str,
    body: bytes,
    odd: list[tuple[str, str]],
) -> None:
    emulator.script(key, HELLO)
    sent = {**headers(key), **dict(odd)}
    event(str(check(client.open(path, method=method, data=body, headers=sent), key)))

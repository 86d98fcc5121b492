"""What users of such proxies run into: each known problem, by name, against a strict Gemini.

The numbers are those of the list of user-reported problems that this project started from.
Each test sends what made other proxies fail; the emulator refuses it as Google would.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.messages import assistant, result, thinking, use, user
from tests.servers import LOCAL, ROOT, Emulator
from tests.test_main import error, post
from translate.request import openapi

OK: Any = {"chunks": [{"text": "ok"}], "repeat": True}
ADAPTIVE = {"type": "adaptive"}


def tool(name: str = "Bash", schema: Any = None) -> dict[str, Any]:
    return {"name": name, "description": "A tool.", "input_schema": schema or {"type": "object"}}


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


class Exchange:
    """One request through the proxy, the answer, and what Gemini got."""

    def __init__(self, client: FlaskClient, emulator: Emulator, key: str) -> None:
        self.client, self.emulator, self.key = client, emulator, key
        self.script(OK)

    def script(self, *replies: Any) -> None:
        self.emulator.script(self.key, *replies)

    def post(self, *messages: Any, **fields: Any) -> Any:
        turns = list(messages) or [user(text("Hi"))]
        answer = post(self.client, self.key, messages=turns, **fields)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.get_json()

    @property
    def body(self) -> Any:
        """The last request that Gemini got."""
        return self.emulator.journal(self.key)[-1]["body"]


@pytest.fixture
def exchange(client: FlaskClient, emulator: Emulator, key: str) -> Exchange:
    return Exchange(client, emulator, key)


def test_01_a_call_without_its_signature(exchange: Exchange) -> None:
    exchange.post(user(text("go")), assistant(use("a")), user(result("a")), tools=[tool()])


def test_02_signatures_are_real_and_temperature_stays_unset(exchange: Exchange) -> None:
    exchange.script({"chunks": [{"call": {"name": "Bash"}, "sign": True}]}, OK)
    first = exchange.post(tools=[tool()], thinking=ADAPTIVE, temperature=0.1)
    identity = first["content"][-1]["id"]
    history = [user(text("Hi")), assistant(*first["content"]), user(result(identity))]
    exchange.post(*history, tools=[tool()], thinking=ADAPTIVE, temperature=0.1)
    (signature,) = exchange.emulator.journal(exchange.key)[-1]["signatures"]
    assert signature["sentinel"] is False
    assert "temperature" not in exchange.body["generationConfig"]


@pytest.mark.parametrize("signature", ["EqMDCqADARFNMg9Z", "gs1.c.gemini-4-neon:QUJD", ""])
def test_03_a_signature_of_another_origin(exchange: Exchange, signature: str) -> None:
    turns = [user(text("go")), assistant(thinking(signature), use("a")), user(result("a"))]
    exchange.post(*turns, tools=[tool()])


SCHEMAS: dict[str, Any] = {
    "04_unknown_keywords": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "a": {"type": "integer", "exclusiveMinimum": 0, "multipleOf": 2},
            "b": {"type": "array", "uniqueItems": True, "contains": {"type": "string"}},
            "c": {"type": "object", "propertyNames": {"pattern": "^x"}},
        },
        "additionalProperties": False,
        "unevaluatedProperties": False,
    },
    "05_references": {
        "type": "object",
        "properties": {
            "a": {"$ref": "#/$defs/A", "title": "beside a reference"},
            "b": {"anyOf": [{"$ref": "#/definitions/B"}, {"type": "null"}], "default": None},
        },
        "$defs": {"A": {"type": "string"}},
        "definitions": {"B": {"type": "object", "properties": {"x": {"$ref": "#/$defs/A"}}}},
    },
    "06_nothing_inside": {
        "type": "object",
        "properties": {"a": {"type": "array"}, "b": {"type": "object"}, "c": {}, "d": {"enum": []}},
    },
    "07_without_end": {
        "type": "object",
        "properties": {"tree": {"$ref": "#/$defs/Tree"}},
        "$defs": {
            "Tree": {
                "type": "object",
                "properties": {
                    "children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
                },
                "required": ["children"],
            }
        },
    },
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_04_to_07_schemas(exchange: Exchange, schema: Any) -> None:
    exchange.post(tools=[tool("Before"), tool("mcp__x__y", schema), tool("After")])


@pytest.mark.parametrize("model", ["gemini-4-hydrogen", "gemini-2.5-flash"])
def test_04_to_07_the_tools_of_well_known_servers(exchange: Exchange, model: str) -> None:
    tools = json.loads((ROOT / "tests/fixtures/mcp_tools.json").read_text("utf-8"))
    exchange.post(tools=tools, model=model)
    declared = exchange.body["tools"][0]["functionDeclarations"]
    assert len(declared) == len(tools)
    issue = next(f for f in declared if f["name"] == "mcp__linear__update_issue")
    assert set(issue["parametersJsonSchema"]["properties"]) == {"id", "priority", "estimate"}
    older = [
        {**f, "parameters": openapi.parameters(t["input_schema"])[0]}
        for f, t in zip(declared, tools, strict=True)
    ]
    for function in older:
        del function["parametersJsonSchema"]
    functions = [{k: v for k, v in f.items() if v is not None} for f in older]
    body = {**exchange.body, "tools": [{"functionDeclarations": functions}]}
    url = f"{exchange.emulator.url}/v1beta/models/{model}:streamGenerateContent?alt=sse"
    answer = LOCAL.post(url, json=body, headers={"x-goog-api-key": exchange.key}, timeout=10)
    assert answer.status_code == 200, answer.text


def test_08_a_result_that_looks_like_a_schema(exchange: Exchange) -> None:
    looks = json.dumps({"$ref": "#/x", "type": "object"})
    exchange.post(user(text("go")), assistant(use("a")), user(result("a", looks)), tools=[tool()])
    (part,) = exchange.body["contents"][-1]["parts"]
    assert part["functionResponse"]["response"] == {"output": looks}


def test_09_names_that_gemini_refuses(exchange: Exchange) -> None:
    long, odd = "mcp__" + "long_" * 20 + "tool", "1st-tool!"
    tools = [tool(long), tool(odd), tool("fine")]
    exchange.post(tools=tools)
    mapped = [f["name"] for f in exchange.body["tools"][0]["functionDeclarations"]]
    exchange.script({"chunks": [{"call": {"name": name}} for name in mapped]})
    content = exchange.post(tools=tools)["content"]
    assert [block["name"] for block in content] == [long, odd, "fine"]


def test_10_parallel_calls_are_all_there(exchange: Exchange) -> None:
    calls = [{"call": {"name": "Bash", "args": {"command": "ls"}}} for _ in range(3)]
    exchange.script({"chunks": [{"parts": calls[:2]}, calls[2]]})
    content = exchange.post(tools=[tool()])["content"]
    assert len({block["id"] for block in content}) == 3
    assert [block["input"] for block in content] == [{"command": "ls"}] * 3


@pytest.mark.parametrize(
    "results",
    [
        pytest.param([result("b"), result("a")], id="in another order"),
        pytest.param([result("b")], id="one missing"),
        pytest.param([text("Stop.")], id="all missing"),
        pytest.param([result("a"), result("b"), result("z"), result("a")], id="some too many"),
    ],
)
def test_11_results_that_do_not_match_their_calls(exchange: Exchange, results: Any) -> None:
    turns = [user(text("go")), assistant(use("a"), use("b")), user(*results)]
    exchange.post(*turns, tools=[tool()])


def test_12_a_system_message_between_others(exchange: Exchange) -> None:
    exchange.post(user(text("Hi")), {"role": "system", "content": "Be brief."})
    assert "Be brief." in exchange.body["contents"][0]["parts"][1]["text"]


SEARCH = {"type": "web_search_20250305", "name": "web_search"}
FOUND = {
    "webSearchQueries": ["q"],
    "groundingChunks": [{"web": {"uri": "https://x.test", "title": "x.test"}}],
}


def test_13_web_search_reports_its_searches(exchange: Exchange) -> None:
    exchange.script({"chunks": [{"text": "So.", "candidate": {"groundingMetadata": FOUND}}]})
    content = exchange.post(tools=[SEARCH])["content"]
    kinds = [block["type"] for block in content]
    assert kinds == ["server_tool_use", "web_search_tool_result", "text"]


@pytest.mark.parametrize("others", [[], [tool()]])
def test_14_a_server_tool_that_is_forced(exchange: Exchange, others: Any) -> None:
    exchange.post(tools=[SEARCH, *others], tool_choice={"type": "tool", "name": "web_search"})


@pytest.mark.parametrize("model", ["gemini-4-hydrogen", "gemini-2.5-flash"])
def test_15_screenshots_in_results(exchange: Exchange, model: str) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    image = {"type": "image", "source": source}
    turns = [user(text("go")), assistant(use("a")), user(result("a", [text("seen"), image]))]
    exchange.post(*turns, model=model, tools=[tool()])
    assert "iVBORw0KGgo=" in json.dumps(exchange.body["contents"][-1])
    assert "iVBORw0KGgo=" not in json.dumps(
        exchange.body["contents"][-1]["parts"][0].get("text", "")
    )


def test_16_cached_tokens_are_counted_once(exchange: Exchange) -> None:
    counts = {"promptTokenCount": 100, "cachedContentTokenCount": 60, "candidatesTokenCount": 5}
    exchange.script({**OK, "usage": {**counts, "thoughtsTokenCount": 7}})
    assert exchange.post()["usage"] == {
        "input_tokens": 40,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 60,
        "output_tokens": 12,
        "output_tokens_details": {"thinking_tokens": 7},
    }


def test_17_the_prompt_cache_is_hit(exchange: Exchange) -> None:
    def system(nonce: str) -> list[Any]:
        return [text(f"x-anthropic-billing-header: cc_version={nonce};"), text("word " * 3000)]

    first = exchange.post(system=system("1.aaa"), tools=[tool()])
    turns = [user(text("Hi")), assistant(*first["content"]), user(text("More"))]
    second = exchange.post(*turns, system=system("2.bbb"), tools=[tool()])
    assert first["usage"]["cache_read_input_tokens"] == 0
    assert second["usage"]["cache_read_input_tokens"] > 3000


def test_18_cache_marks_make_no_explicit_cache(exchange: Exchange) -> None:
    marked = {**text("Hi"), "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    exchange.post(user(marked), system=[marked], tools=[{**tool(), "cache_control": {}}])
    assert len(exchange.emulator.journal(exchange.key)) == 1
    assert "cachedContent" not in exchange.body


@pytest.mark.parametrize(
    ("reply", "message", "retry"),
    [
        ({"chunks": [], "finish": "MALFORMED_FUNCTION_CALL"}, "cannot be read", "false"),
        ({"chunks": [{"text": ""}], "finish": "STOP"}, "answer was empty", None),
    ],
)
def test_19_an_answer_without_content_is_an_error(
    exchange: Exchange, reply: Any, message: str, retry: str | None
) -> None:
    exchange.script({**reply, "repeat": True})
    answer = post(exchange.client, exchange.key)
    assert (answer.status_code, answer.headers.get("x-should-retry")) == (502, retry)
    assert message in answer.get_json()["error"]["message"]
    assert len(exchange.emulator.journal(exchange.key)) == 3


def failing(exchange: Exchange, code: int, message: str, **more: Any) -> Any:
    status = {"code": code, "status": "X", "message": message, **more}
    exchange.script({"status": status, "repeat": True})
    return post(exchange.client, exchange.key, stream=True)


def test_20_a_quota_says_when_to_come_back(exchange: Exchange) -> None:
    info = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "16.2s"}]
    answer = failing(exchange, 429, "Slow down.", details=info)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "17")
    day = [{"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}]
    assert failing(exchange, 429, "Spent.", details=day).headers["x-should-retry"] == "false"


def test_21_an_overload_is_one_the_client_waits_for(exchange: Exchange) -> None:
    answer = failing(exchange, 503, "The model is overloaded.")
    assert error(answer)[:2] == (529, "overloaded_error")


def test_22_a_full_context_makes_the_client_compact(exchange: Exchange) -> None:
    message = (
        "The input token count (1200345) exceeds the maximum number of tokens allowed (1048576)."
    )
    expected = "prompt is too long: 1200345 tokens > 1048576 maximum"
    assert error(failing(exchange, 400, message))[2] == expected


def test_23_the_context_is_told(client: FlaskClient) -> None:
    listed = client.get("/v1/models", headers={"x-api-key": "k"}).get_json()["data"]
    assert {model["max_input_tokens"] for model in listed} == {1_048_576}


def test_24_tokens_of_tools_and_system_are_counted(exchange: Exchange) -> None:
    def count(**fields: Any) -> int:
        path = "/v1/messages/count_tokens"
        return int(post(exchange.client, exchange.key, path, **fields).get_json()["input_tokens"])

    assert count(system="word " * 400) > count() + 400
    assert count(tools=[tool(schema={"type": "object", "title": "x" * 4000})]) > count() + 400


def test_25_a_long_history_of_another_model(exchange: Exchange) -> None:
    turns: list[Any] = []
    for i in range(60):
        turns += [user(text(f"Step {i}.")), assistant(thinking("EqMD"), text("So."), use(f"c{i}"))]
        turns += [user(result(f"c{i}", is_error=i % 3 == 0)), assistant(text("Done."))]
    exchange.post(*turns, user(text("Summarise.")), tools=[tool()])


@pytest.mark.parametrize("model", ["gemini-2.5-pro", "gemini-3.6-flash", "gemini-4-carbon"])
def test_26_thinking_a_model_does_not_have(exchange: Exchange, model: str) -> None:
    for effort in ("low", "max"):
        for wanted in (ADAPTIVE, {"type": "disabled"}, {"type": "enabled", "budget_tokens": 10**6}):
            exchange.post(model=model, thinking=wanted, output_config={"effort": effort})


@pytest.mark.parametrize("limit", [1, 512, 64_000, 10**7])
def test_27_limits_too_small_and_too_large(exchange: Exchange, limit: int) -> None:
    exchange.post(max_tokens=limit)
    assert 1_024 < exchange.body["generationConfig"]["maxOutputTokens"] <= 65_536


def test_28_a_silent_model_is_waited_for(exchange: Exchange) -> None:
    exchange.script({"chunks": [{"delay": 0.3}, {"text": "At last."}]})
    assert exchange.post()["content"] == [text("At last.")]


def test_29_arguments_of_a_wrong_shape(exchange: Exchange) -> None:
    schema = {
        "type": "object",
        "properties": {"file_path": {"type": "string"}},
        "required": ["file_path"],
    }
    exchange.script({"chunks": [{"call": {"name": "Read", "args": {"path": "/a"}}}]})
    (block,) = exchange.post(tools=[tool("Read", schema)])["content"]
    assert block["input"] == {"file_path": "/a"}


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-opus-5-5", "opusplan", "gpt-5"])
def test_30_every_model_name_is_served_and_echoed(exchange: Exchange, model: str) -> None:
    assert exchange.post(model=model)["model"] == model


def test_31_the_model_picker_has_something_to_pick(client: FlaskClient) -> None:
    listed = client.get("/v1/models?limit=1000", headers={"x-api-key": "k"}).get_json()["data"]
    assert all(model["id"].startswith("claude") for model in listed)


def test_32_keys_and_prompts_stay_out_of_the_log(
    exchange: Exchange, capsys: pytest.CaptureFixture[str]
) -> None:
    exchange.script(OK)
    turns = [user(text("marker-of-a-prompt"))]
    post(exchange.client, exchange.key, messages=turns, system="marker-of-a-system-prompt").close()
    written = capsys.readouterr().out
    assert '"status":200' in written
    assert exchange.key not in written
    assert "marker-of-a" not in written


@pytest.mark.parametrize("model", ["gemini-4-hydrogen", "gemini-3.5-flash-lite", "gemini-2.5-pro"])
def test_33_a_history_that_ends_with_the_assistant(exchange: Exchange, model: str) -> None:
    exchange.post(user(text("Say a b c.")), assistant(text("a b")), model=model)


def test_34_a_shared_endpoint_without_a_database(
    make_client: Callable[..., FlaskClient], emulator: Emulator, key: str
) -> None:
    client = make_client(GEMINI_API_KEY=key, PROXY_TOKEN="ours")
    emulator.script(key, OK)
    assert post(client, "ours").status_code == 200
    assert post(client, "theirs").status_code == 401

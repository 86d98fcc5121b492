"""tests/emulator: every rule in Google's words, every directive of a script, the journal."""

from __future__ import annotations

import base64
import importlib
import importlib.util
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import flask
import pytest
import requests
from werkzeug.test import TestResponse

from tests import servers

FOLDER = Path(__file__).parent / "emulator"


def load_main() -> ModuleType:
    """As functions-framework loads it, but under a name that is not taken."""
    sys.path.append(str(FOLDER))
    spec = importlib.util.spec_from_file_location("emulator_main", FOLDER / "main.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with mock.patch.dict(os.environ):
        spec.loader.exec_module(module)
    return module


main = load_main()
signatures = importlib.import_module("emulator_signatures")
transcoder = importlib.import_module("emulator_transcoder")

app = flask.Flask("emulator")
METHODS = ["GET", "POST", "PUT", "DELETE"]
app.add_url_rule("/", "root", lambda: main.gemini(flask.request), methods=METHODS)
app.add_url_rule("/<path:path>", "all", lambda path: main.gemini(flask.request), methods=METHODS)
client = app.test_client()

MODEL = "gemini-3.8-flash"
OLD = "gemini-2.5-flash"
STREAM = "streamGenerateContent?alt=sse"
UNARY = "generateContent"
HELLO: dict[str, Any] = {"chunks": [{"text": "Hello"}]}
BARE = "Request contains an invalid argument."


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": [{"text": p} if isinstance(p, str) else p for p in parts]}


def model(*parts: Any) -> dict[str, Any]:
    return {**user(*parts), "role": "model"}


def call(name: str = "Bash", **fields: Any) -> dict[str, Any]:
    signature = {"thoughtSignature": fields.pop("sign")} if "sign" in fields else {}
    return {"functionCall": {"name": name, **fields}, **signature}


def result(name: str = "Bash", **fields: Any) -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": {"output": "ok"}, **fields}}


def body(*contents: Any, **fields: Any) -> dict[str, Any]:
    return {"contents": list(contents or (user("Hi"),)), **fields}


def config(**fields: Any) -> dict[str, Any]:
    return body(generationConfig=fields)


def declare(*declarations: Any, **fields: Any) -> dict[str, Any]:
    return body(tools=[{"functionDeclarations": list(declarations)}], **fields)


def parameters(schema: Any) -> dict[str, Any]:
    return declare({"name": "f", "parameters": schema})


def json_schema(schema: Any) -> dict[str, Any]:
    return declare({"name": "f", "parametersJsonSchema": schema})


def script(key: str, *replies: Any) -> None:
    answer = client.put(f"/_emulator/{key}", data=json.dumps({"replies": replies}))
    assert answer.status_code == 200, answer.get_data(as_text=True)


def journal(key: str) -> list[Any]:
    kept: list[Any] = client.get(f"/_emulator/{key}").get_json()["requests"]
    return kept


def post(key: str, asked: Any, name: str = MODEL, method: str = STREAM) -> TestResponse:
    return send(f"/v1beta/models/{name}:{method}", asked, {"x-goog-api-key": key})


def send(path: str, asked: Any, headers: Any, **environ: Any) -> TestResponse:
    """Without Flask's own JSON, which sorts."""
    data = json.dumps(asked)
    return client.post(path, data=data, headers=headers, environ_overrides=environ)


def refused(answer: TestResponse) -> tuple[int, dict[str, Any]]:
    assert answer.content_type == "application/json; charset=UTF-8"
    return answer.status_code, answer.get_json()["error"]


def invalid(message: str, **more: Any) -> tuple[int, dict[str, Any]]:
    return 400, {"code": 400, "message": message, "status": "INVALID_ARGUMENT", **more}


def frames(answer: TestResponse) -> list[Any]:
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert answer.content_type == "text/event-stream"
    return decoded(answer.get_data())


def decoded(data: bytes) -> list[Any]:
    assert data.endswith(b"\r\n\r\n")
    split = data.removesuffix(b"\r\n\r\n").split(b"\r\n\r\n")
    return [json.loads(frame.removeprefix(b"data: ")) for frame in split]


def writes(answer: TestResponse) -> Iterator[Any]:
    """The body in the pieces in which it was written."""
    return iter(answer.response)


def play(key: str, reply: Any, asked: Any = None, name: str = MODEL) -> list[Any]:
    script(key, reply)
    return frames(post(key, asked or body(), name))


def candidates(told: list[Any]) -> list[Any]:
    return [frame["candidates"][0] for frame in told]


def parts(told: list[Any]) -> list[Any]:
    return [part for one in candidates(told) for part in one.get("content", {}).get("parts", [])]


# --- Access -----------------------------------------------------------------------------------

GOOD = {"x-goog-api-key": "any"}


GOOGLE = {"domain": "googleapis.com", "metadata": {"service": "generativelanguage.googleapis.com"}}


def info(reason: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, **GOOGLE}


NO_KEY = (
    "Method doesn't allow unregistered callers (callers without established identity). Please use"
    " API Key or other form of API consumer identity to call this API."
)
NOT_OAUTH = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie"
    " or other valid authentication credential."
    " See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
BAD_KEY = "API key not valid. Please pass a valid API key."
LOCALIZED = {
    "@type": "type.googleapis.com/google.rpc.LocalizedMessage",
    "locale": "en-US",
    "message": BAD_KEY,
}
BAD_KEY_DETAILS = [info("API_KEY_INVALID"), LOCALIZED]
TOKEN_DETAILS = [info("ACCESS_TOKEN_TYPE_UNSUPPORTED")]


@pytest.mark.parametrize(
    ("headers", "code", "status", "message", "more"),
    [
        ({}, 403, "PERMISSION_DENIED", NO_KEY, []),
        ({"Authorization": "Bearer AIza"}, 401, "UNAUTHENTICATED", NOT_OAUTH, TOKEN_DETAILS),
        ({"x-goog-api-key": "bad-1"}, 400, "INVALID_ARGUMENT", BAD_KEY, BAD_KEY_DETAILS),
    ],
    ids=["no key", "bearer", "bad key"],
)
def test_strangers_are_refused(
    headers: Any, code: int, status: str, message: str, more: Any
) -> None:
    answer = client.post(f"/v1beta/models/{MODEL}:{UNARY}", json=body(), headers=headers)
    error = {"code": code, "message": message, "status": status}
    assert refused(answer) == (code, {**error, **({"details": more} if more else {})})


def test_key_may_stand_in_the_query() -> None:
    answer = client.post(f"/v1beta/models/{MODEL}:{UNARY}?key=any", json=body())
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "name", ["gemini-9", "gemini-3-pro-preview", "gemini-2.0-flash", "claude-opus-5"]
)
def test_models_that_are_not_there(key: str, name: str) -> None:
    for method in ("generateContent", "countTokens"):
        message = (
            f"models/{name} is not found for API version v1beta, or is not supported for {method}."
            " Call ListModels to see the list of available models and their supported methods."
        )
        expected = 404, {"code": 404, "message": message, "status": "NOT_FOUND"}
        assert refused(post(key, body(), name, method)) == expected
    assert refused(client.get(f"/v1beta/models/{name}", headers=GOOD))[0] == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1beta/nothing"),
        ("GET", f"/v1beta/models/{MODEL}:generateContent"),
        ("POST", f"/v1beta/models/{MODEL}:embedContent"),
    ],
)
def test_paths_that_are_not_there(method: str, path: str) -> None:
    answer = client.open(path, method=method, headers=GOOD)
    assert refused(answer)[1]["message"] == "Requested entity was not found."


def test_health() -> None:
    assert client.get("/").get_json() == {"status": "ok", "emulates": "Gemini"}


def test_models_in_pages() -> None:
    first = client.get("/v1beta/models?pageSize=20", headers=GOOD).get_json()
    rest = client.get(f"/v1beta/models?pageToken={first['nextPageToken']}", headers=GOOD).get_json()
    assert sorted(rest) == ["models"]
    names = [listed["name"] for listed in first["models"] + rest["models"]]
    assert len(first["models"]) == 20
    assert len(set(names)) == len(names)
    assert {"models/gemini-4-hydrogen", "models/gemini-flash-latest"} <= set(names)


def test_one_model() -> None:
    assert client.get("/v1beta/models/gemini-3.7-flash", headers=GOOD).get_json() == {
        "name": "models/gemini-3.7-flash",
        "version": "3.7",
        "displayName": "Gemini 3.7 Flash",
        "description": "gemini-3.7-flash, as the local emulator plays it",
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": [
            "generateContent",
            "countTokens",
            "createCachedContent",
            "batchGenerateContent",
        ],
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2,
        "thinking": True,
    }


# --- The transcoder ---------------------------------------------------------------------------

PROPERTY = "tools[0].function_declarations[0].parameters.properties[0].value"
V1BETA = "type.googleapis.com/google.ai.generativelanguage.v1beta"


def unknown(name: str, path: str, why: str = "Cannot find field.") -> tuple[str, str]:
    at = f" at '{path}'" if path else ""
    return path, f'Invalid JSON payload received. Unknown name "{name}"{at}: {why}'


def bad_value(path: str, kind: str, shown: str) -> tuple[str, str]:
    return path, f"Invalid value at '{path}' ({kind}), {shown}"


def with_type(name: str) -> dict[str, Any]:
    return {"type": "OBJECT", "properties": {name: {"type": "STRING"}}}


def with_property(schema: Any) -> dict[str, Any]:
    return parameters({"type": "OBJECT", "properties": {"x": schema}})


UNREADABLE: dict[str, Any] = {
    "root": ({**body(), "max_tokens": 5}, [unknown("max_tokens", "")]),
    "vertex only": ({**body(), "labels": {}}, [unknown("labels", "")]),
    "in a part": (body(user({"text": "a", "cache_control": {}})),
        [unknown("cache_control", "contents[0].parts[0]")]),
    "vertex only, inside": (
        body(toolConfig={"functionCallingConfig": {"streamFunctionCallArguments": True}}),
        [unknown("streamFunctionCallArguments", "tool_config.function_calling_config")]),
    "two in a schema": (with_property({"type": "STRING", "exclusiveMinimum": 1, "const": 2}),
        [unknown("exclusiveMinimum", PROPERTY), unknown("const", PROPERTY)]),
    "deep in a schema": (with_property({"anyOf": [{"type": "STRING", "$ref": "x"}]}),
        [unknown("$ref", f"{PROPERTY}.any_of[0]")]),
    "a list": (with_property({"type": ["string", "null"]}),
        [unknown("type", PROPERTY, "Proto field is not repeating, cannot start list.")]),
    "a list for a map": (parameters({"type": "OBJECT", "properties": []}), [unknown("properties",
        "tools[0].function_declarations[0].parameters",
        "Cannot bind a list to map for field 'properties'.")]),
    "no map": (parameters({"properties": "x"}),
        [bad_value("tools[0].function_declarations[0].parameters.properties", "Map", '"x"')]),
    "wrong strings": (with_property({"type": "STRING", "enum": ["a", 7, True, None]}),
        [
            bad_value(f"{PROPERTY}.enum[1]", "TYPE_STRING", "7"),
            bad_value(f"{PROPERTY}.enum[2]", "TYPE_STRING", "true"),
            bad_value(f"{PROPERTY}.enum[3]", "TYPE_STRING", "null")]),
    "wrong numbers": (config(maxOutputTokens="many", temperature=True, seed=1.5, topK=2**31),
        [
            bad_value("generation_config.max_output_tokens", "TYPE_INT32", '"many"'),
            bad_value("generation_config.temperature", "TYPE_FLOAT", "true"),
            bad_value("generation_config.seed", "TYPE_INT32", "1.5"),
            bad_value("generation_config.top_k", "TYPE_INT32", "2147483648")]),
    "no bool": ({**body(), "store": "yes"}, [bad_value("store", "TYPE_BOOL", '"yes"')]),
    "an object": (body(user({"text": {"a": 1}})), [bad_value("contents[0].parts[0].text",
        "TYPE_STRING", "Starting an object on a scalar field")]),
    "no such enum value": (body(toolConfig={"functionCallingConfig": {"mode": "REQUIRED"}}),
        [bad_value("tool_config.function_calling_config.mode",
            f"{V1BETA}.FunctionCallingConfig.Mode", '"REQUIRED"')]),
    "an enum's number": (body(safetySettings=[{"category": 8}]),
        [bad_value("safety_settings[0].category", f"{V1BETA}.HarmCategory", "8")]),
    "no base64": (body(user({"inlineData": {"mimeType": "image/png", "data": "a*b"}})),
        [bad_value("contents[0].parts[0].inline_data.data", "TYPE_BYTES",
            'Base64 decoding failed for "a*b"')]),
    "base64 of no length, and a number": (
        body(user({"inlineData": {"data": "abcde"}}), user({"inlineData": {"data": 5}})),
        [
            bad_value("contents[0].parts[0].inline_data.data", "TYPE_BYTES",
                'Base64 decoding failed for "abcde"'),
            bad_value("contents[1].parts[0].inline_data.data", "TYPE_BYTES", "5")]),
    "two members of a oneof": (body(user({"text": "a", "inlineData": {}})), [bad_value(
        "contents[0].parts[0]", "oneof",
        "oneof field 'data' is already set. Cannot set 'inlineData'")]),
    "strings for messages": ({"contents": "Hi", "systemInstruction": "You"}, [
        bad_value("contents", f"{V1BETA}.Content", '"Hi"'),
        bad_value("system_instruction", f"{V1BETA}.Content", '"You"')]),
    "no objects for structs": (body(user("a"), model(call(args="x")), user(result(response=["y"]))),
        [
            bad_value("contents[1].parts[0].function_call.args",
                "type.googleapis.com/google.protobuf.Struct", '"x"'), unknown("response",
                    "contents[2].parts[0].function_response",
                    "Proto field is not repeating, cannot start list.")]),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "violations"), UNREADABLE.values(), ids=UNREADABLE)
def test_violations_of_the_transcoder(
    key: str, asked: Any, violations: list[tuple[str, str]]
) -> None:
    listed = [
        {"field": path, "description": text} if path else {"description": text}
        for path, text in violations
    ]
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": listed}
    message = "\n".join(text for _, text in violations)
    assert refused(post(key, asked)) == invalid(message, details=[detail])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "Invalid JSON payload received. Unexpected token."),
        (b'{"a": NaN}', "Invalid JSON payload received. Unexpected token."),
        (b'{"a":' * 5_000, "Invalid JSON payload received. Unexpected token."),
        (b"[]", 'Invalid JSON payload received. Unknown name "": Root element must be a message.'),
        (b"", "* GenerateContentRequest.contents: contents is not specified\n"),
    ],
)
def test_body_that_is_no_request(data: bytes, message: str) -> None:
    answer = client.post(f"/v1beta/models/{MODEL}:{UNARY}", data=data, headers=GOOD)
    assert refused(answer) == invalid(message)


def test_body_too_large(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "MOST_BYTES", 10)
    message = "Request payload size exceeds the limit: 104857600 bytes."
    assert refused(post(key, body())) == invalid(message)


@pytest.mark.parametrize(
    "asked",
    [
        {"contents": {"parts": {"text": "no lists where one is enough"}}},
        body(system_instruction={"parts": [{"text": "snake"}]}, generation_config={"top_k": "4"}),
        config(maxOutputTokens="12", temperature="0.5", seed=3.0, stopSequences=["a"] * 5),
        config(thinkingConfig={"thinkingLevel": "low", "includeThoughts": "true"}),
        config(thinkingConfig={"includeThoughts": "false"}, responseMimeType="text/x.enum"),
        body(user({"inlineData": {"mimeType": "a/b", "data": "-_8"}}, {"text": "c"})),
        body(user({"inlineData": {"mimeType": "a/b", "data": "+/8="}})),
        body(systemInstruction=None, tools=None, serviceTier="flex", store=False),
        body(tools=[{"googleSearch": {"searchTypes": {"webSearch": {}}}}, {"urlContext": {}}]),
        json_schema({"type": "object", "$schema": "s", "properties": {"a": {"type": ["string"]}}}),
        with_property({"type": "string", "minLength": "1", "default": None, "nullable": True}),
        parameters({**with_type("a"), "required": ["a"]}),
        body({"parts": [{"text": "a content without a role is the user's"}]}),
    ],
)
def test_spellings_that_are_accepted(key: str, asked: Any) -> None:
    script(key, HELLO)
    assert post(key, asked).status_code == 200


def test_transcoding() -> None:
    read = transcoder.transcode(
        "GenerateContentRequest",
        {
            "contents": {"role": "user", "parts": {"text": "a"}},
            "generation_config": {"max_output_tokens": "7", "seed": 2.0, "topP": "0.5"},
            "tool_config": {"function_calling_config": {"mode": "any"}},
            "tools": [{"function_declarations": [{"parameters_json_schema": {"x_y": None}}]}],
        },
    )
    assert read == {
        "contents": [{"role": "user", "parts": [{"text": "a"}]}],
        "generationConfig": {"maxOutputTokens": 7, "seed": 2, "topP": 0.5},
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "tools": [{"functionDeclarations": [{"parametersJsonSchema": {"x_y": None}}]}],
    }


# --- The rules --------------------------------------------------------------------------------

DECLARATION = "tools[0].function_declarations[0]"
NAME_TEXT = (
    "Invalid function name. Must start with a letter or an underscore. Must be alphameric (a-z,"
    " A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of"
    " 64."
)
COUNT_TEXT = (
    "Please ensure that the number of function response parts is equal to the number of function"
    " call parts of the function call turn."
)
CALL_TEXT = (
    "Please ensure that function call turn comes immediately after a user turn or after a"
    " function response turn."
)
RESPONSE_TEXT = (
    "Please ensure that function response turn comes immediately after a function call turn."
)
ROOT_TEXT = "`f` functionDeclaration `parameters` schema should be of type OBJECT."
COMBINE_TEXT = (
    "Please enable tool_config.include_server_side_tool_invocations to use Built-in tools with"
    " Function calling."
)
SENTINEL = "skip_thought_signature_validator"
BASH = {"name": "Bash"}
SEARCH: dict[str, Any] = {"googleSearch": {}}
SIGNED = call(sign=SENTINEL)


def fields(*texts: str) -> str:
    return "".join(f"* GenerateContentRequest.{text}\n" for text in texts)


def both_tools(**tool_config: Any) -> dict[str, Any]:
    tools = [{"functionDeclarations": [BASH]}, SEARCH]
    return body(tools=tools, toolConfig=tool_config)


def forced(mode: str, *names: str, declared: Any = (BASH,)) -> dict[str, Any]:
    calling = {"mode": mode, "allowedFunctionNames": list(names)}
    return declare(*declared, toolConfig={"functionCallingConfig": calling})


def required(*names: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(names)}


def referring(properties: Any, **definitions: Any) -> dict[str, Any]:
    return json_schema({**required(**properties), "$defs": definitions})


REF = {"$ref": "#/$defs/N"}
REF_TEXT = (
    "$ref 'N' was set alongside unsupported fields. If a schema node has $ref set, then only"
    " description and default can be set alongside it."
)
ENDLESS_TEXT = "cyclic reference to f outside of non-required properties"

REFUSALS: dict[str, Any] = {
    # contents
    "no contents": ({}, fields("contents: contents is not specified")),
    "no parts": (body(user("a"), model(), user()), fields(
        "contents[1].parts: contents.parts must not be empty.",
        "contents[2].parts: contents.parts must not be empty.")),
    "no data": (body(user({"thought": True}, {"text": ""}), systemInstruction=user({})),
        fields(
            "contents[0].parts[0].data: required oneof field 'data' must have one initialized"
            " field",
            "contents[0].parts[1].data: required oneof field 'data' must have one initialized"
            " field",
            "system_instruction.parts[0].data: required oneof field 'data' must have one"
            " initialized field")),
    "no names": (body(user("a"), model(call("")), user(result(""))), fields(
        "contents[1].parts[0].function_call.name: Name cannot be empty.",
        "contents[2].parts[0].function_response.name: Name cannot be empty.")),
    "an image in the system instruction": (
        body(systemInstruction=user({"fileData": {"fileUri": "x"}})), BARE),
    # turns
    "a role": (body({"role": "assistant", "parts": [{"text": "a"}]}),
        "Please use a valid role: user, model."),
    "a lone model turn": (body(model("a")),
        "Please ensure that single turn requests end with a user role or the role field is empty.",
        OLD),
    "a call of the user": (body(user(call())), BARE),
    "a response of the model": (body(user("a"), model(result()), user("b")), BARE),
    "begins with the model": (body(model("a"), user("b")),
        "Please ensure that multiturn requests alternate between user and model."),
    "begins with a call": (body(model(SIGNED), user(result())), CALL_TEXT),
    "a call after the model": (body(user("a"), model("b"), model(SIGNED), user(result())),
        CALL_TEXT),
    "a response to nothing": (body(user("a"), model("b"), user(result())), RESPONSE_TEXT),
    "a response at first": (body(user(result())), RESPONSE_TEXT),
    "another name": (body(user("a"), model(SIGNED), user(result("Read"))), BARE),
    "another id": (body(user("a"), model(call(id="1", sign=SENTINEL)), user(result(id="2"))), BARE),
    "no id": (body(user("a"), model(call(id="1", sign=SENTINEL)), user(result())), BARE),
    "a multimodal result": (body(user("a"), model(call()),
        user(result(parts=[{"inlineData": {"mimeType": "image/png", "data": "aaaa"}}]))),
        "Multimodal function response is not supported for this model.", OLD),
    # tools
    "names of functions": (
        declare({"name": "1st"}, {"name": "a" * 65}, {}, {"name": "a b"}, {"name": "a.b:c-d_1"}),
        fields(*(f"tools[0].function_declarations[{i}].name: {NAME_TEXT}" for i in range(4)))),
    "both schemas": (declare({
        "name": "f", "parameters": {"type": "STRING"}, "parametersJsonSchema": {"type": "object"}}),
        fields(
            f"{DECLARATION}.parameters_json_schema: parameters_json_schema is mutually exclusive"
            " with parameters.")),
    "a name twice": (
        body(tools=[{"functionDeclarations": [BASH]}, {"functionDeclarations": [BASH]}]),
        "Duplicate function declaration found: Bash"),
    "513 functions": (declare(*({"name": f"f{i}"} for i in range(513))),
        "Maximum 512 function declarations can be provided."),
    "search beside functions": (both_tools(), COMBINE_TEXT),
    "search beside functions on 2.5": (both_tools(includeServerSideToolInvocations=True),
        "Tool use with function calling is unsupported", OLD),
    "search beside functions in mode AUTO": (
        both_tools(includeServerSideToolInvocations=True, functionCallingConfig={"mode": "AUTO"}),
        BARE),
    "a mode without functions": (
        body(tools=[SEARCH], toolConfig={"functionCallingConfig": {"mode": "NONE"}}),
        "Function calling config is set without function_declarations."),
    "allowed names in mode AUTO": (forced("AUTO", "Bash"),
        "Allowed function names should only be set when function calling mode is ANY."),
    "an allowed name that is not declared": (forced("ANY", "Read"),
        "Allowed function name Read is not in function_declarations."),
    # parameters
    "an empty object": (parameters({"type": "OBJECT"}),
        fields(f"{DECLARATION}.parameters.properties: should be non-empty for OBJECT type")),
    "in a schema": (
        with_property({"anyOf": [{"type": "ARRAY"}, {"type": "STRING", "format": "uri"}]}),
        fields(f"{DECLARATION}.parameters.properties[x].any_of[0].items: missing field.",
            f"{DECLARATION}.parameters.properties[x].any_of[1].format: only 'enum' and"
            " 'date-time' are supported for STRING type")),
    "types and enums": (with_property(
        {"type": "ARRAY", "items": {"description": "a"}, "enum": ["a"], "required": ["b"]}),
        fields(f"{DECLARATION}.parameters.properties[x].enum: only allowed for STRING type",
            f"{DECLARATION}.parameters.properties[x].required[0]: property is not defined",
            f"{DECLARATION}.parameters.properties[x].items.type: must be specified when not using"
            " one_of, any_of or all_of fields")),
    "an empty enum value": (with_property({"type": "STRING", "enum": ["a", ""]}),
        fields(f"{DECLARATION}.parameters.properties[x].enum[1]: cannot be empty")),
    # parametersJsonSchema
    "no object at the root": (json_schema({"type": "string"}), ROOT_TEXT),
    "anyOf at the root": (json_schema({"anyOf": [{"type": "object"}]}), ROOT_TEXT),
    "no schema at all": (json_schema(True), ROOT_TEXT),
    "a $ref with siblings": (referring({"x": {**REF, "type": "object"}}, N={"type": "object"}),
        REF_TEXT),
    "a $ref to nothing": (referring({"x": {"type": "array", "items": REF}}),
        "reference to undefined schema at properties.x.items"),
    "a $ref elsewhere": (json_schema(
        {**required(x={"$ref": "#/definitions/N"}), "definitions": {"N": {"type": "string"}}}),
        "reference to undefined schema at properties.x"),
    "a $ref that is none": (referring({"x": {"anyOf": [{"$ref": 5}]}}),
        "reference to undefined schema at properties.x.anyOf[0]"),
    "an endless schema": (
        json_schema({**required("x", x=REF), "$defs": {"N": required("next", next=REF)}}),
        ENDLESS_TEXT),
    "an endless list": (json_schema({
        **required("x", x=REF),
        "$defs": {"N": required("all", all={"type": "array", "items": REF})}}), ENDLESS_TEXT),
    # generationConfig
    "six stop sequences": (config(stopSequences=["a"] * 6),
        fields("generation_config.stop_sequences: the number of stop_sequences must not exceed 5")),
    "values out of range": (
        config(maxOutputTokens=0, temperature=2.1, topP=-1, responseMimeType="text/html"),
        fields("generation_config.max_output_tokens: max_output_tokens must be positive.",
            "generation_config.temperature: temperature must be in the range [0.0, 2.0].",
            "generation_config.top_p: top_p must be in the range [0.0, 1.0].",
            "generation_config.response_mime_type: allowed mimetypes are `text/plain`,"
            " `application/json`, `application/xml`, `application/yaml` and `text/x.enum`.")),
    "response schemas": (config(responseSchema={"type": "OBJECT"}, responseJsonSchema={}),
        fields(
            "generation_config.response_schema: response schema requires response_mime_type to"
            " be application/json.",
            "generation_config.response_json_schema: response_json_schema is mutually exclusive"
            " with response_schema.",
            "generation_config.response_schema.properties: should be non-empty for OBJECT type")),
    "a bad response schema": (config(responseMimeType="application/json", responseJsonSchema=REF),
        "reference to undefined schema at "),
    "a safety setting twice": (
        body(safetySettings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}] * 2),
        fields(
            "safety_settings[1]: Duplicate safety setting for category HARM_CATEGORY_HARASSMENT.")),
    "too much output": (config(maxOutputTokens=65_537),
        "Unable to submit request because it has a maxOutputTokens value of 65537 but the"
        " supported range is from 1 (inclusive) to 65537 (exclusive). Update the value and try"
        " again."),
    "two candidates": (config(candidateCount=2), "Only one candidate can be specified"),
    "a presence penalty": (config(presencePenalty=1), "Penalty is not enabled for this model"),
    "a frequency penalty": (config(frequencyPenalty=-1), "Penalty is not enabled for this model",
        OLD),
    "functions and JSON on 2.5": (
        declare(BASH, generationConfig={"responseMimeType": "application/json"}),
        "Function calling with a response mime type: 'application/json' is unsupported", OLD),
    "too long a prompt": (body(user("a" * 1_100_000)),
        "The input token count (275011) exceeds the maximum number of tokens allowed (262144).",
        "gemma-4-31b-it"),
    "a cache and tools": (declare(BASH, cachedContent="cachedContents/a"),
        "CachedContent can not be used with GenerateContent request setting system_instruction,"
        " tools or tool_config."),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_rules_refuse_in_googles_words(key: str, case: str) -> None:
    asked, message, *model = REFUSALS[case]
    assert refused(post(key, asked, *model)) == invalid(message)
    assert (journal(key)[0]["status"], journal(key)[0]["error"]) == (400, message)


@pytest.mark.parametrize(
    "contents",
    [
        (user("a"), model(SIGNED, call("Read")), user(result())),
        (user("a"), model(SIGNED), user("b")),
        (user("a"), model(SIGNED), user(result(), result()), user("b")),
    ],
)
def test_calls_without_their_responses(key: str, contents: Any) -> None:
    errors = [{"message": COUNT_TEXT, "domain": "global", "reason": "badRequest"}]
    assert refused(post(key, body(*contents))) == invalid(COUNT_TEXT, errors=errors)


def test_cached_content_is_never_found(key: str) -> None:
    assert refused(post(key, body(cachedContent="cachedContents/a"))) == (
        403,
        {
            "code": 403,
            "message": "CachedContent not found (or permission denied)",
            "status": "PERMISSION_DENIED",
        },
    )


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("gemini-4-hydrogen", False),
        ("gemini-3.8-flash", False),
        ("gemini-3.7-flash", False),
        ("gemini-3.6-flash", False),
        ("gemini-3.5-flash-lite", False),
        ("gemini-3.1-pro-preview", True),
        ("gemini-2.5-pro", True),
    ],
)
def test_request_that_ends_with_the_model(key: str, name: str, accepted: bool) -> None:
    script(key, HELLO)
    answer = post(key, body(user("a"), model("b")), name)
    if accepted:
        assert answer.status_code == 200
    else:
        assert refused(answer) == invalid("Requests ending with a model turn are not supported.")


def test_unanswered_call_at_the_end(key: str) -> None:
    answer = post(key, body(user("a"), model(call())), OLD)
    assert refused(answer)[1]["message"] == COUNT_TEXT


@pytest.mark.parametrize("asked", [
    body(user("a"), model("b"), user("c"), user("d"), model("e"), model("f"), user("g")),
    body(user("a"), model("b", call(id="1", sign=SENTINEL), call("Read", id="2")),
        user(result("Read", id="2"), result(id="1"), "and more")),
    body(user("a"), model({"text": "", "thoughtSignature": signatures.issue(MODEL, "text")}),
        user("b")),
    both_tools(includeServerSideToolInvocations=True),
    both_tools(includeServerSideToolInvocations=True, functionCallingConfig={"mode": "VALIDATED"}),
    forced("ANY", "Bash"),
    forced("VALIDATED", "Bash"),
    forced("NONE"),
    referring({"x": {**REF, "description": "a", "default": {}}, "y": {"anyOf": 5, "items": True}},
        N={"type": "object", "properties": {"next": REF}, "required": 5}),
    json_schema(
        {**required("x", x={"$ref": "#/$defs/a~1b"}), "$defs": {"a/b": {"type": "string"}}}),
    parameters(
        {"type": "OBJECT", "properties": {"a": {"type": "ARRAY", "items": {"type": "STRING"}}}}),
    declare(BASH, generationConfig={"responseMimeType": "application/json"}),
    config(candidateCount=1, presencePenalty=0, maxOutputTokens=65_536),
    config(responseMimeType="application/json", responseSchema={"type": "STRING"}),
])  # fmt: skip
def test_rules_accept(key: str, asked: Any) -> None:
    script(key, HELLO)
    answer = post(key, asked)
    assert answer.status_code == 200, answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("name", "most"), [("gemini-4-argon", 32_768), ("gemini-4-hydrogen", 65_536)]
)
def test_output_of_a_unary_request(key: str, name: str, most: int) -> None:
    script(key, {**HELLO, "repeat": True})
    message = (
        f"Unable to submit request because it has a maxOutputTokens value of {most + 1} but the"
        f" supported range is from 1 (inclusive) to {most + 1} (exclusive). Update the value and"
        " try again."
    )
    assert post(key, config(maxOutputTokens=most), name, UNARY).status_code == 200
    asked = config(maxOutputTokens=most + 1)
    assert refused(post(key, asked, name, UNARY)) == invalid(message)
    asked = {**config(maxOutputTokens=65_536), "continuationToken": "aaaa"}
    assert post(key, asked, name, UNARY).status_code == 200


LEVEL = "Thinking level {} is not supported for this model. Please retry with other thinking level."
NO_LEVEL = "Thinking level is not supported for this model."
NO_BUDGET = "Thinking budget is not supported for this model."
BUDGET = "The thinking budget ({}) is invalid."
NOT_ZERO = "The model does not support setting thinking_budget to 0."


@pytest.mark.parametrize(
    ("name", "asked", "message"),
    [
        (MODEL, {"thinkingLevel": "LOW", "thinkingBudget": 5}, "You can only set only one of"
         " thinking budget and thinking level."),
        (MODEL, {"thinkingLevel": "MINIMAL"}, LEVEL.format("MINIMAL")),
        (MODEL, {"thinkingLevel": "XHIGH"}, LEVEL.format("XHIGH")),
        ("gemini-4-carbon", {"thinkingLevel": "XHIGH"}, LEVEL.format("XHIGH")),
        ("gemini-4-neon", {"thinkingLevel": "XHIGH"}, None),
        ("gemini-4-neon", {"thinkingLevel": "MINIMAL"}, LEVEL.format("MINIMAL")),
        ("gemini-3.6-flash", {"thinkingLevel": "MINIMAL"}, None),
        ("gemini-3.1-pro-preview", {"thinkingLevel": "MINIMAL"}, LEVEL.format("MINIMAL")),
        ("gemma-4-31b-it", {"thinkingLevel": "LOW"}, LEVEL.format("LOW")),
        (OLD, {"thinkingLevel": "LOW"}, NO_LEVEL),
        (OLD, {"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED", "thinkingBudget": 1}, None),
        ("gemini-2.5-pro", {"thinkingBudget": 0}, NOT_ZERO),
        ("gemini-2.5-pro", {"thinkingBudget": 127}, BUDGET.format(127)),
        ("gemini-2.5-pro", {"thinkingBudget": 128}, None),
        ("gemini-2.5-pro", {"thinkingBudget": 52_428}, BUDGET.format(52_428)),
        (OLD, {"thinkingBudget": 0}, None),
        (OLD, {"thinkingBudget": -1}, None),
        (OLD, {"thinkingBudget": -2}, BUDGET.format(-2)),
        (OLD, {"thinkingBudget": 24_577}, BUDGET.format(24_577)),
        ("gemini-2.5-flash-lite", {"thinkingBudget": 511}, BUDGET.format(511)),
        (MODEL, {"thinkingBudget": 4_096}, None),
        (MODEL, {"thinkingBudget": 0}, BARE),
        ("gemini-4-hydrogen", {"thinkingBudget": 4_096}, NO_BUDGET),
        ("gemma-4-31b-it", {"thinkingBudget": -1}, NO_BUDGET),
    ],
)  # fmt: skip
def test_thinking(key: str, name: str, asked: Any, message: str | None) -> None:
    script(key, HELLO)
    answer = post(key, config(thinkingConfig=asked), name)
    if message is None:
        assert answer.status_code == 200
    else:
        assert refused(answer) == invalid(message)


# --- Thought signatures -----------------------------------------------------------------------

CORRUPTED = "Corrupted thought signature."
INVALID = "Invalid thought signature."


def missing(name: str, position: int) -> str:
    return (
        "Function call is missing a thought_signature in functionCall parts. This is required for"
        " tools to work correctly, and missing thought_signature may lead to degraded model"
        f" performance. Additional data, function call `default_api:{name}` , position {position}."
        " Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures for more"
        " details."
    )


def conversation(part: Any) -> dict[str, Any]:
    """A step of one call, answered."""
    function_id = {"id": part["functionCall"]["id"]} if "id" in part["functionCall"] else {}
    return body(user("a"), model(part), user(result(**function_id)))


def issued_call(name: str = MODEL, function_id: str = "abc", **fields: Any) -> dict[str, Any]:
    return call(id=function_id, sign=signatures.issue(name, "call:abc"), **fields)


def test_signature_looks_real() -> None:
    short, typical, long = (signatures.issue(MODEL, "text", size) for size in (5, 360, 150_000))
    assert base64.b64decode(typical)[0] == 0x12
    assert typical[0] == "E"
    assert 350 <= len(base64.b64decode(typical)) <= 370
    assert len(base64.b64decode(long)) > 149_990
    for signature in (short, typical, long):
        assert signatures.problem(signature, MODEL, "text") is None


RETURNED: dict[str, Any] = {
    "its own call": (conversation(issued_call()), None),
    "another model": (conversation(issued_call("gemini-3.1-pro-preview")), INVALID),
    "another call": (conversation(issued_call(function_id="abd")), CORRUPTED),
    "lost id": (conversation(call(sign=signatures.issue(MODEL, "call:abc"))), CORRUPTED),
    "by name": (conversation(call(sign=signatures.issue(MODEL, "call:Bash"))), None),
    "of a text": (conversation(call(sign=signatures.issue(MODEL, "text"))), CORRUPTED),
    "forged, short": (conversation(call(sign="aaaa")), CORRUPTED),
    "forged": (conversation(call(sign="EaBc" * 30)), CORRUPTED),
    "missing": (conversation(call()), missing("Bash", 2)),
    "empty": (conversation(call(sign="")), missing("Bash", 2)),
    "sentinel": (conversation(SIGNED), None),
    "other one": (conversation(call(sign="context_engineering_is_the_way_to_go")), None),
    "encoded sentinel": (conversation(call(sign="c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=")),
        None),
    "sentinel on text": (
        body(user("a"), model({"text": "b", "thoughtSignature": SENTINEL}), user("c")), CORRUPTED),
    "sentinel on a response": (
        body(user("a"), model("b", {**SIGNED}), user({**result(), "thoughtSignature": SENTINEL})),
        CORRUPTED),
    "of a text, on the user's": (
        body(user({"text": "a", "thoughtSignature": signatures.issue(MODEL, "text")})), CORRUPTED),
    "of a call, on a text": (body(user("a"),
        model({"text": "b", "thoughtSignature": signatures.issue(MODEL, "call:abc")}), user("c")),
        CORRUPTED),
    "of a text, on code": (body(user("a"), model({
        "executableCode": {"language": "PYTHON", "code": "1"},
        "thoughtSignature": signatures.issue(MODEL, "text")}), user("c")), CORRUPTED),
    "the first of two": (
        body(user("a"), model(SIGNED, call("Read")), user(result(), result("Read"))), None),
    "the second of two": (
        body(user("a"), model(call(), call("Read", sign=SENTINEL)), user(result(), result("Read"))),
        missing("Bash", 2)),
    "the second step": (body(user("a"), model(SIGNED), user(result(), "a reminder"),
        model("b", call("Read")), user(result("Read"))), missing("Read", 4)),
    "text beside responses begins no turn": (
        body(user("a"), model(call()), user(result(), "a reminder"), model(SIGNED), user(result())),
        missing("Bash", 2)),
    "an earlier turn": (body(user("a"), model(call()), user(result()), model("b"), user("c")),
        None),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "message"), RETURNED.values(), ids=RETURNED)
def test_signatures(key: str, asked: Any, message: str | None) -> None:
    script(key, HELLO)
    answer = post(key, asked)
    if message is None:
        assert answer.status_code == 200, answer.get_data(as_text=True)
    else:
        assert refused(answer) == invalid(message)


def test_older_models_demand_no_signature_but_check_it(key: str) -> None:
    script(key, HELLO)
    assert post(key, conversation(call()), OLD).status_code == 200
    answer = post(key, conversation(call(sign=signatures.issue(MODEL, "call:Bash"))), OLD)
    assert refused(answer) == invalid(INVALID)


def test_signatures_are_shared_by_routed_names(key: str) -> None:
    told = play(key, {"chunks": [{"call": BASH, "sign": True}]}, name="gemini-3.7-flash")
    assert told[0]["modelVersion"] == MODEL
    (part,) = parts(told)
    asked = body(user("a"), model(part), user(result(id=part["functionCall"]["id"])))
    assert play(key, HELLO, asked, "gemini-flash-latest")


def test_signature_after_unsigned_calls_belongs_to_the_first(key: str) -> None:
    reply = {"chunks": [{"call": BASH}, {"call": {"name": "Read"}}, {"sign": True}]}
    first, second, trailing = parts(play(key, reply))
    (issued,) = journal(key)[0]["issued"]
    assert issued == {
        "signature": trailing["thoughtSignature"],
        "call_id": first["functionCall"]["id"],
        "name": "Bash",
    }
    first["thoughtSignature"] = trailing["thoughtSignature"]
    responses = [
        result(part["functionCall"]["name"], id=part["functionCall"]["id"])
        for part in (first, second)
    ]
    assert play(key, HELLO, body(user("a"), model(first, second), user(*responses)))


def test_signature_after_a_signed_call_belongs_to_the_text(key: str) -> None:
    told = play(key, {"chunks": [{"call": BASH, "sign": 900}, {"sign": True}]})
    signed, trailing = parts(told)
    assert 880 < len(base64.b64decode(signed["thoughtSignature"])) < 920
    assert [issued["name"] for issued in journal(key)[0]["issued"]] == ["Bash", None]
    asked = body(user("a"), model(signed, trailing), user(result(id=signed["functionCall"]["id"])))
    assert play(key, HELLO, asked)
    assert [signature["part"] for signature in journal(key)[0]["signatures"]] == [
        "functionCall",
        "text",
    ]


# --- Choosing a reply -------------------------------------------------------------------------


def text_reply(text: str, **fields: Any) -> dict[str, Any]:
    return {"chunks": [{"text": text}], **fields}


def said(answer: TestResponse) -> str:
    return "".join(part.get("text", "") for part in parts(frames(answer)))


def test_replies_are_used_in_order_and_once(key: str) -> None:
    script(key, text_reply("one"), text_reply("two", repeat=True), text_reply("three"))
    assert [said(post(key, body())) for _ in range(3)] == ["one", "two", "two"]
    assert [entry["reply"] for entry in journal(key)] == [0, 1, 1]


@pytest.mark.parametrize(
    ("when", "asked", "fits"),
    [
        ({"user_text": "first"}, body(user("the first"), model("b"), user("c")), True),
        ({"user_text": "b"}, body(user("a"), model("b"), user("c")), False),
        ({"last_text": "c"}, body(user("a"), model("b"), user("c")), True),
        ({"last_text": "a"}, body(user("a"), model("b"), user("c")), False),
        ({"system": "brief"}, body(systemInstruction=user("Be brief.")), True),
        ({"system": "brief"}, body(), False),
        ({"model": MODEL}, body(), True),
        ({"model": "gemini"}, body(), False),
        ({"results": 1}, conversation(SIGNED), True),
        ({"results": 2}, conversation(SIGNED), False),
        ({"results": True}, conversation(SIGNED), True),
        ({"results": False}, conversation(SIGNED), False),
        ({"results": 0}, body(), True),
        ({"tool": "Bash"}, declare(BASH), True),
        ({"tool": "Bash"}, body(), False),
        ({"json": True}, config(responseMimeType="application/json"), True),
        ({"json": False}, body(), True),
        ({"json": True}, body(), False),
        ({"tool": "Bash", "last_text": "Hi"}, declare(BASH), True),
        ({"tool": "Bash", "last_text": "Ho"}, declare(BASH), False),
    ],
)
def test_reply_conditions(key: str, when: Any, asked: Any, fits: bool) -> None:
    script(key, text_reply("yes", when=when), text_reply("no"))
    assert said(post(key, asked)) == ("yes" if fits else "no")


@pytest.mark.parametrize(
    ("replies", "told"),
    [
        ([], "of 0, none is left"),
        ([text_reply("a", when={"model": "x"})], 'of 1, left are those for {"model": "x"}'),
    ],
)
def test_no_reply_fits(key: str, replies: Any, told: str) -> None:
    script(key, *replies)
    message = f"emulator: no scripted reply fits this request; {told}"
    expected = 500, {"code": 500, "message": message, "status": "INTERNAL"}
    assert refused(post(key, body())) == expected
    assert journal(key)[0]["reply"] is None


@pytest.mark.parametrize(("bad", "message"), [
    ([], "the script is not an object"),
    ({"reply": []}, "unknown directive 'reply' in the script; known: replies"),
    ({"replies": {}}, "the script.replies cannot be {}"),
    ({"replies": [5]}, "replies[0] is not an object"),
    ({"replies": [{"split": "2"}]}, 'replies[0].split cannot be "2"'),
    ({"replies": [{"when": {"results": "1"}}]}, 'replies[0].when.results cannot be "1"'),
    ({"replies": [{"chunks": [{}]}]}, "replies[0].chunks[0] is empty"),
    ({"replies": [{"chunks": [{"parts": [{}]}]}]}, "replies[0].chunks[0].parts[0] is empty"),
    ({"replies": [{}, {"chunks": [{"delay": 1, "cut": True}]}]},
        "replies[1].chunks[0]: delay, cut cannot stand together"),
    ({"replies": [{"chunks": [{"text": "a", "thought": "b"}]}]},
        "replies[0].chunks[0]: text, thought cannot stand together"),
    ({"replies": [{"chunks": [{"code": "a", "sign": True}]}]},
        "replies[0].chunks[0]: sign goes with thought, text, call, or alone"),
    ({"replies": [{"chunks": [{"call": {}}]}]}, "replies[0].chunks[0].call has no name"),
    ({"replies": [{"chunks": [{"call": {"name": "a", "arguments": {}}}]}]},
        "unknown directive 'arguments' in replies[0].chunks[0].call; known: name, args, id"),
    ({"replies": [{"chunks": [{"parts": [], "text": "a"}]}]},
        "unknown directive 'text' in replies[0].chunks[0]; known: candidate, parts"),
    ({"replies": [{"chunks": [{"txt": "a"}]}]},
        "unknown directive 'txt' in replies[0].chunks[0]; known: delay, cut, end, error,"
        " raw_error, raw, thought, text, call, inline, code, code_result, part, sign,"
        " candidate, parts"),
])  # fmt: skip
def test_bad_scripts(key: str, bad: Any, message: str) -> None:
    assert refused(client.put(f"/_emulator/{key}", data=json.dumps(bad))) == invalid(message)


def test_script_that_is_no_json(key: str) -> None:
    assert refused(client.put(f"/_emulator/{key}", data=b"{"))[0] == 400


# --- Frames -----------------------------------------------------------------------------------


def test_stream_on_the_wire(key: str) -> None:
    script(key, {"chunks": [{"text": "Hé"}, {"text": "llo"}]})
    answer = post(key, body())
    first, second = frames(answer)
    text = answer.get_data(as_text=True)
    assert text.startswith('data: {"candidates": [{"content": {"parts": [{"text": "Hé"}], "role"')
    assert "\n" not in text.replace("\r\n\r\n", "")
    assert first == {
        "candidates": [{"content": {"parts": [{"text": "Hé"}], "role": "model"}, "index": 0}],
        "usageMetadata": {
            "promptTokenCount": 11,
            "candidatesTokenCount": 1,
            "totalTokenCount": 12,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 11}],
            "serviceTier": "standard",
        },
        "modelVersion": MODEL,
        "responseId": first["responseId"],
    }
    assert second["responseId"] == first["responseId"]
    assert second["usageMetadata"]["candidatesTokenCount"] == 2
    assert second["candidates"][0]["finishReason"] == "STOP"


FINISHES: dict[str, Any] = {
    "on the last": ({"finish": "MAX_TOKENS", "finish_message": "m"},
        [{"text": "a", "finishReason": "MAX_TOKENS", "finishMessage": "m"}]),
    "alone": ({"finish_alone": True}, [{"text": "a"}, {"text": "", "finishReason": "STOP"}]),
    "never": ({"finish": None}, [{"text": "a"}]),
    "never alone": ({"finish": None, "finish_alone": True}, [{"text": "a"}]),
    "before a pause": ({"chunks": [{"text": "a"}, {"delay": 0}]},
        [{"text": "a", "finishReason": "STOP"}]),
    "of nothing": ({"chunks": []}, [{"finishReason": "STOP", "no content": True}]),
    "of no parts": ({"chunks": [{"parts": []}], "finish": "SAFETY"}, [{"finishReason": "SAFETY"}]),
    "ended": ({"chunks": [{"text": "a"}, {"end": True}, {"text": "b"}]}, [{"text": "a"}]),
    "on a thought that is not told": ({"chunks": [{"thought": "t"}]}, [{"finishReason": "STOP"}]),
}  # fmt: skip


@pytest.mark.parametrize(("reply", "expected"), FINISHES.values(), ids=FINISHES)
def test_finish_reason_position(key: str, reply: Any, expected: Any) -> None:
    told = []
    for one in candidates(play(key, {"chunks": [{"text": "a"}], **reply})):
        shown = {name: one[name] for name in ("finishReason", "finishMessage") if name in one}
        if "content" in one:
            assert one["content"]["role"] == "model"
            shown |= dict(*one["content"].get("parts", []))
        else:
            shown["no content"] = True
        told.append(shown)
    assert told == expected


THINKS = {"thinkingConfig": {"includeThoughts": True}}
BLOB = {"mimeType": "image/png", "data": "aaaa"}
PARTS = [
    ({"text": "a"}, {"text": "a"}),
    ({"thought": "b"}, {"text": "b", "thought": True}),
    ({"inline": BLOB}, {"inlineData": BLOB}),
    ({"code": "1"}, {"executableCode": {"language": "PYTHON", "code": "1"}}),
    ({"code_result": "1"}, {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}),
    ({"part": {"toolCall": {"id": "1"}}}, {"toolCall": {"id": "1"}}),
    ({"call": {"name": "f", "id": "1"}}, call("f", id="1")),
    ({"call": {"name": "f", "id": None, "args": {"a": [1]}}}, call("f", args={"a": [1]})),
    ({"call": {"name": "f", "args": {}, "id": "2"}}, call("f", args={}, id="2")),
]


def test_parts_of_every_kind(key: str) -> None:
    reply = {"chunks": [{"parts": [part for part, _ in PARTS]}, PARTS[0][0]]}
    told = play(key, reply, config(**THINKS))
    assert len(told) == 2
    assert parts(told) == [*(expected for _, expected in PARTS), {"text": "a"}]


def test_ids_of_calls(key: str) -> None:
    reply = {"chunks": [{"call": BASH}, {"call": BASH}], "repeat": True}
    ids = [part["functionCall"]["id"] for part in parts(play(key, reply))]
    assert len(set(ids)) == 2
    assert all(len(i) == 8 and i.isalnum() and i == i.lower() for i in ids)
    assert parts(frames(post(key, body(), OLD))) == [call(), call()]


def test_thoughts_are_told_only_on_request(key: str) -> None:
    reply = {"chunks": [{"thought": "t" * 40}, {"text": "a"}], "repeat": True}
    hidden = play(key, reply)
    assert [(p["text"], p.get("thought")) for p in parts(hidden)] == [("a", None)]
    assert hidden[0]["usageMetadata"]["thoughtsTokenCount"] == 11
    shown = frames(post(key, config(**THINKS)))
    assert [(p["text"], p.get("thought")) for p in parts(shown)] == [("t" * 40, True), ("a", None)]


@pytest.mark.parametrize(
    ("response", "quoted"),
    [
        ({"output": "some files"}, "some files"),
        ({"error": "no such file"}, "no such file"),
        ({"output": ["a", 1]}, '["a",1]'),
        ({"a": 1}, '{"a":1}'),
    ],
)
def test_templates_in_parts(key: str, response: Any, quoted: str) -> None:
    asked = body(user("Do {it}"), model(SIGNED), user(result(response=response)))
    quoting = {"command": "{last_result}", "n": [1, "{last_text}{x}"]}
    told = play(
        key,
        {"chunks": [{"text": "[{last_result}]"}, {"call": {"name": "f", "args": quoting}}]},
        asked,
    )
    text, made = parts(told)
    assert text == {"text": f"[{quoted}]"}
    assert made["functionCall"]["args"] == {"command": quoted, "n": [1, "Do {it}{x}"]}


def test_templates_without_anything_to_quote(key: str) -> None:
    asked = body(user({"inlineData": BLOB}))
    assert parts(play(key, text_reply("<{last_result}{last_text}>"), asked)) == [{"text": "<>"}]


def test_fields_of_the_candidate(key: str) -> None:
    grounding = {"groundingMetadata": {"webSearchQueries": ["q"]}}
    reply = {"chunks": [{"text": "a", "candidate": grounding}, {"candidate": {"index": 1}}]}
    first, second = candidates(play(key, reply))
    assert first == {
        "content": {"parts": [{"text": "a"}], "role": "model"},
        "index": 0,
        **grounding,
    }
    assert second == {"finishReason": "STOP", "index": 1}


def test_blocked_prompt(key: str) -> None:
    script(key, {"block_reason": "SAFETY", "repeat": True})
    (streamed,) = frames(post(key, body()))
    whole = post(key, body(), method=UNARY).get_json()
    for told in (streamed, whole):
        del told["responseId"]
        assert told == {
            "promptFeedback": {"blockReason": "SAFETY"},
            "usageMetadata": {
                "promptTokenCount": 11,
                "totalTokenCount": 11,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 11}],
                "serviceTier": "standard",
            },
            "modelVersion": MODEL,
        }


def test_error_instead_of_a_stream(key: str) -> None:
    status = {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "m", "details": [{"a": 1}]}
    script(key, {"status": status, "headers": {"Retry-After": "7"}, "repeat": True})
    for method in (STREAM, UNARY):
        answer = post(key, body(), method=method)
        assert refused(answer) == (429, status)
        assert answer.headers["Retry-After"] == "7"
    answer = post(key, body(), method="streamGenerateContent")
    assert (answer.status_code, answer.get_json()) == (429, [{"error": status}])
    assert [entry["status"] for entry in journal(key)] == [429] * 3
    assert [entry["closed"] for entry in journal(key)] == [None] * 3


@pytest.mark.parametrize(
    ("status", "code"), [({"status": "NOT_FOUND"}, 404), ({"status": "X"}, 500), ({}, 500)]
)
def test_code_of_an_error_follows_its_status(key: str, status: Any, code: int) -> None:
    script(key, {"status": status})
    assert post(key, body()).status_code == code


def test_usage_can_be_overridden(key: str) -> None:
    usage = {
        "promptTokenCount": 100,
        "candidatesTokenCount": 50,
        "cachedContentTokenCount": 20,
        "toolUsePromptTokenCount": 7,
        "thoughtsTokenCount": None,
    }
    chunks = [{"thought": "t"}, {"parts": []}, {"text": "a"}]
    early, late, last = (
        frame["usageMetadata"]
        for frame in play(key, {"chunks": chunks, "usage": usage}, config(**THINKS))
    )
    assert early == late
    assert late == {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 20,
        "toolUsePromptTokenCount": 7,
        "totalTokenCount": 107,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}],
        "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 20}],
        "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 7}],
        "serviceTier": "standard",
    }
    assert (last["candidatesTokenCount"], last["totalTokenCount"]) == (50, 157)


def test_output_tokens_that_were_only_thoughts(key: str) -> None:
    usage = {"thoughtsTokenCount": 61, "totalTokenCount": 1}
    (frame,) = play(key, {"chunks": [{"text": ""}], "finish": "MAX_TOKENS", "usage": usage})
    assert "candidatesTokenCount" not in frame["usageMetadata"]
    assert frame["usageMetadata"]["thoughtsTokenCount"] == 61
    assert frame["usageMetadata"]["totalTokenCount"] == 1


def test_repeated_prefix_is_cached(key: str) -> None:
    script(key, {**HELLO, "repeat": True})
    system: Any = {"systemInstruction": user("word " * 1_000)}
    turns: list[Any] = [user("a" * 400)]

    def cached(name: str = MODEL, **fields: Any) -> int:
        asked = body(*turns, **fields)
        (frame,) = frames(post(key, asked, name))
        usage = frame["usageMetadata"]
        count: int = usage.get("cachedContentTokenCount", 0)
        details = [{"modality": "TEXT", "tokenCount": count}] if count else None
        assert usage.get("cacheTokensDetails") == details
        return count

    assert cached(**system) == 0
    first = cached(**system)
    assert 1_300 < first < 1_400
    turns += [model("b"), user("c")]
    assert cached(**system) == first
    assert cached("gemini-4-neon", **system) == 0
    assert cached() == 0
    assert cached() == 0, "less than 1,024 tokens"
    assert cached(systemInstruction=user("other " * 1_000)) == 0


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_split_writes(key: str, size: int) -> None:
    script(key, {"chunks": [{"text": "Hé"}, {"delay": 0}, {"text": "llo"}], "split": size})
    pieces = list(writes(post(key, body())))
    assert max(map(len, pieces)) <= size
    assert len(pieces) >= max(2, len(b"".join(pieces)) // size)
    assert "".join(part["text"] for part in parts(decoded(b"".join(pieces)))) == "Héllo"


def test_newline_type_and_header_can_be_set(key: str) -> None:
    script(key, {**HELLO, "newline": "\n", "content_type": "text/x", "headers": {"X-A": "1"}})
    answer = post(key, body())
    assert answer.get_data().endswith(b"}\n\n")
    assert b"\r" not in answer.get_data()
    assert (answer.content_type, answer.headers["X-A"]) == ("text/x", "1")


ERROR = {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}


@pytest.mark.parametrize(
    ("chunk", "written"),
    [
        ({"error": ERROR}, f"data: {json.dumps({'error': ERROR})}\r\n\r\n"),
        ({"raw_error": ERROR}, json.dumps({"error": ERROR}, indent=2) + "\n"),
        ({"raw": ": hi\n\n"}, ": hi\n\n"),
    ],
)
def test_errors_and_raw_text_in_a_stream(key: str, chunk: Any, written: str) -> None:
    script(key, {"chunks": [{"text": "a"}, chunk], "finish": None})
    data = post(key, body()).get_data(as_text=True)
    assert data.split("\r\n\r\n", 1)[1] == written
    assert "finishReason" not in data


def test_stream_without_sse_is_an_array(key: str) -> None:
    chunks = [{"text": "a"}, {"delay": 0}, {"error": ERROR}, {"raw": " "}]
    script(key, {"chunks": chunks}, {"chunks": [{"end": True}]})
    answer = post(key, body(), method="streamGenerateContent")
    assert answer.content_type == "application/json; charset=UTF-8"
    first, second = answer.get_json()
    assert (first["candidates"][0]["content"]["parts"], second) == (
        [{"text": "a"}],
        {"error": ERROR},
    )
    assert "}\r\n,{" in answer.get_data(as_text=True)
    assert post(key, body(), method="streamGenerateContent").get_json() == []


def test_unary_answer(key: str) -> None:
    script(
        key,
        {
            "chunks": [
                {"thought": "t1 "},
                {"thought": "t2"},
                {"delay": 0},
                {"raw": "not here"},
                {"text": "Hel"},
                {"text": "lo", "candidate": {"avgLogprobs": -1}},
                {"sign": True},
                {"text": "!"},
                {"call": {"name": "f", "id": "1"}},
            ],
            "finish_alone": True,
        },
    )
    told = post(key, config(**THINKS), method=UNARY).get_json()
    (one,) = told["candidates"]
    signature = journal(key)[0]["issued"][0]["signature"]
    assert one == {
        "content": {
            "parts": [
                {"text": "t1 t2", "thought": True},
                {"text": "Hello", "thoughtSignature": signature},
                {"text": "!"},
                call("f", id="1"),
            ],
            "role": "model",
        },
        "index": 0,
        "avgLogprobs": -1,
        "finishReason": "STOP",
    }
    assert told["usageMetadata"]["totalTokenCount"] > told["usageMetadata"]["promptTokenCount"]
    assert journal(key)[0]["closed"] == "complete"


@pytest.mark.parametrize(
    ("chunks", "candidate"),
    [
        ([], {"finishReason": "STOP", "index": 0}),
        ([{"text": ""}], {"content": {"parts": [{"text": ""}], "role": "model"}}),
        ([{"text": ""}, {"parts": []}], {"content": {"role": "model"}}),
        ([{"candidate": {}}, {"candidate": {}}], {"finishReason": "STOP", "index": 0}),
        ([{"text": "a"}, {"end": True}], {"content": {"parts": [{"text": "a"}], "role": "model"}}),
    ],
)
def test_unary_answers_that_are_nearly_empty(key: str, chunks: Any, candidate: Any) -> None:
    script(key, {"chunks": chunks})
    (one,) = post(key, body(), method=UNARY).get_json()["candidates"]
    assert {**one, **candidate} == one


@pytest.mark.parametrize("directive", ["error", "raw_error"])
def test_unary_error_is_the_status(key: str, directive: str) -> None:
    script(key, {"chunks": [{"text": "a"}, {directive: ERROR}]})
    assert refused(post(key, body(), method=UNARY)) == (503, ERROR)


def test_connection_cut(key: str) -> None:
    script(key, {"chunks": [{"text": "a"}, {"cut": True}], "split": 1_000, "repeat": True})
    pieces: list[bytes] = []
    with pytest.raises(ConnectionResetError):
        pieces.extend(writes(post(key, body())))
    assert b'"text": "a"' in b"".join(pieces)
    with pytest.raises(ConnectionResetError):
        post(key, body(), method=UNARY)
    assert [entry["closed"] for entry in journal(key)] == ["complete", None]


# --- The journal ------------------------------------------------------------------------------


def test_entry_of_the_journal(key: str) -> None:
    script(key, {"chunks": [{"call": {"name": "Bash", "id": "1"}, "sign": True}]})
    asked = body(
        user("a"),
        model(call(id="x", sign=SENTINEL)),
        user(result(id="x")),
        model({"text": "b", "thoughtSignature": signatures.issue(MODEL, "text")}),
        user("c"),
    )
    headers = {"x-goog-api-key": key, "Authorization": "Bearer x", "X-Other": "1"}
    answer = send(f"/v1beta/models/{MODEL}:{STREAM}", asked, headers)
    (part,) = parts(frames(answer))
    (entry,) = journal(key)
    assert entry["headers"]["x-other"] == "1"
    assert (entry["headers"]["x-goog-api-key"], entry["headers"]["authorization"]) == (
        "present",
        "present",
    )
    assert key not in json.dumps(entry)
    del entry["headers"]
    assert entry == {
        "method": "POST",
        "path": f"/v1beta/models/{MODEL}:streamGenerateContent",
        "model": MODEL,
        "stream": True,
        "body": asked,
        "status": 200,
        "error": None,
        "signatures": [
            {
                "path": "contents[1].parts[0]",
                "part": "functionCall",
                "call_id": "x",
                "signature": SENTINEL,
                "sentinel": True,
            },
            {
                "path": "contents[3].parts[0]",
                "part": "text",
                "call_id": None,
                "signature": asked["contents"][3]["parts"][0]["thoughtSignature"],
                "sentinel": False,
            },
        ],
        "issued": [{"signature": part["thoughtSignature"], "call_id": "1", "name": "Bash"}],
        "reply": 0,
        "closed": "complete",
    }


def test_script_begins_a_new_journal(key: str) -> None:
    client.get("/v1beta/models", headers={"x-goog-api-key": key})
    (entry,) = journal(key)
    assert (entry["method"], entry["model"], entry["body"], entry["stream"]) == (
        "GET",
        None,
        None,
        False,
    )
    script(key, HELLO)
    assert journal(key) == []


def test_client_that_leaves_is_in_the_journal(key: str) -> None:
    script(key, {"chunks": [{"text": "a"}, {"text": "b"}]})
    answer = post(key, body())
    next(writes(answer))
    answer.close()
    assert journal(key)[0]["closed"] == "client"


@pytest.mark.parametrize(("method", "closed"), [(STREAM, "client"), (UNARY, None)])
def test_pause_notices_a_client_that_hangs_up(key: str, method: str, closed: Any) -> None:
    script(key, {"chunks": [{"text": "a"}, {"delay": 30}]})
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.close()
        path = f"/v1beta/models/{MODEL}:{method}"
        with pytest.raises(ConnectionResetError, match="hung up"):
            list(writes(send(path, body(), {"x-goog-api-key": key}, **{"gunicorn.socket": ours})))
    assert journal(key)[0]["closed"] == closed


def test_pause_with_a_client_that_stays(key: str) -> None:
    script(key, {"chunks": [{"text": "a"}, {"delay": 0.02}], "repeat": True})
    path = f"/v1beta/models/{MODEL}:{STREAM}"
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for pipelined in (b"", b"GET"):
            theirs.sendall(pipelined)
            began = time.monotonic()
            answer = send(path, body(), {"x-goog-api-key": key}, **{"gunicorn.socket": ours})
            assert said(answer) == "a"
            assert time.monotonic() - began >= 0.02


def test_reset_socket_is_a_client_that_left() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, socket.create_connection(listener.getsockname()) as theirs:
        ours, _ = listener.accept()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        theirs.close()
        with ours:
            assert main.has_left(ours, 1.0)


# --- countTokens ------------------------------------------------------------------------------


def counted(answer: TestResponse) -> int:
    assert answer.status_code == 200, answer.get_data(as_text=True)
    told = answer.get_json()
    total: int = told["totalTokens"]
    assert told["promptTokensDetails"] == [{"modality": "TEXT", "tokenCount": total}]
    return total


@pytest.mark.parametrize("spelling", ["generateContentRequest", "generate_content_request"])
def test_count_tokens(key: str, spelling: str) -> None:
    inner = {"model": f"models/{MODEL}", **declare(BASH), "systemInstruction": user("word " * 400)}
    bare = counted(post(key, body(), method="countTokens"))
    whole = counted(post(key, {spelling: inner}, method="countTokens"))
    del inner["model"]
    (frame,) = play(key, HELLO, inner)
    assert bare == 11
    assert frame["usageMetadata"]["promptTokenCount"] == whole
    assert whole > 500


@pytest.mark.parametrize(("asked", "message"), [
    ({}, "* CountTokensRequest.contents: contents is not specified\n"),
    ({"generateContentRequest": body()},
        "* CountTokensRequest.generate_content_request.model: unexpected model name format\n"),
    ({"generateContentRequest": {"model": "models/x"}},
        "* CountTokensRequest.generate_content_request.contents: contents is not specified\n"),
    ({**body(), "generateContentRequest": {"model": "models/x", **body()}},
        "contents is mutually exclusive with generate_content_request."),
])  # fmt: skip
def test_count_tokens_refuses(key: str, asked: Any, message: str) -> None:
    assert refused(post(key, asked, method="countTokens")) == invalid(message)


def test_count_tokens_refuses_a_bare_system_instruction(key: str) -> None:
    _, error = refused(post(key, body(systemInstruction=user("a")), method="countTokens"))
    assert error["message"] == (
        'Invalid JSON payload received. Unknown name "systemInstruction": Cannot find field.'
    )


# --- The default script -----------------------------------------------------------------------


def test_conversation_with_a_key_without_a_script(key: str) -> None:
    asked = {**declare(BASH), "generationConfig": THINKS}
    thought, text, made = parts(frames(post(key, asked)))
    assert thought["thought"] is True
    assert text == {"text": "I will list the files first."}
    assert made["functionCall"]["name"] == "Bash"
    assert made["functionCall"]["args"] == {"command": "ls", "description": "List the files here"}
    answered = result(id=made["functionCall"]["id"], response={"output": "a.py\nb.py"})
    asked["contents"] += [model(made), user(answered)]
    told = frames(post(key, asked))
    assert parts(told)[0]["thought"] is True
    assert "a.py\nb.py" in "".join(part["text"] for part in parts(told))
    assert parts(told)[-1]["text"] == ""
    assert parts(told)[-1]["thoughtSignature"]
    assert [entry["status"] for entry in journal(key)] == [200, 200]


def test_title_and_a_greeting_without_a_script(key: str) -> None:
    title = post(key, config(responseMimeType="application/json"), method=UNARY).get_json()
    (part,) = title["candidates"][0]["content"]["parts"]
    assert json.loads(part["text"]) == {"title": "Demo session"}
    greeting = parts(frames(post(key, body(), OLD)))
    assert greeting[0] == {"text": "Hello! "}
    assert sorted(greeting[-1]) == ["text", "thoughtSignature"]


# --- On a real port ---------------------------------------------------------------------------


def ask(url: str, key: str) -> requests.Response:
    return requests.post(
        f"{url}/v1beta/models/{MODEL}:{STREAM}",
        json=body(),
        headers={"x-goog-api-key": key},
        stream=True,
        timeout=10,
    )


def test_stream_arrives_as_it_is_written(emulator: servers.Emulator, key: str) -> None:
    emulator.script(key, {"chunks": [{"text": "a"}, {"delay": 0.2}, {"text": "b"}]})
    with ask(emulator.url, key) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.raw.read1(65_536).endswith(b"}\r\n\r\n")
        arrived = time.monotonic()
        assert b'"finishReason": "STOP"' in answer.raw.read()
        assert time.monotonic() - arrived > 0.1


def test_connections_that_break(emulator: servers.Emulator, key: str) -> None:
    cut = {"cut": True}
    emulator.script(
        key, {"chunks": [{"text": "a"}, cut]}, {"chunks": [{"raw": ""}, cut]}, {"chunks": [cut]}
    )
    for _ in range(2):
        answer = ask(emulator.url, key)
        assert answer.status_code == 200
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            answer.content  # noqa: B018 - reading it is the test
    with pytest.raises(requests.exceptions.ConnectionError):
        ask(emulator.url, key)


def test_streams_at_once_and_one_that_is_left(emulator: servers.Emulator, key: str) -> None:
    emulator.script(key, {"chunks": [{"text": "a"}, {"delay": 0.2}, {"text": "b"}], "repeat": True})
    threads = [threading.Thread(target=lambda: ask(emulator.url, key).content) for _ in range(20)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    left = ask(emulator.url, key)
    left.raw.read1(65_536)
    left.close()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < 20 * 0.2
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and None in closed(emulator, key):
        time.sleep(0.01)
    assert sorted(closed(emulator, key)) == ["client"] + ["complete"] * 20


def closed(emulator: servers.Emulator, key: str) -> list[Any]:
    return [entry["closed"] for entry in emulator.journal(key)]

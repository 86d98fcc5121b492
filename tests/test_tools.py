"""translate/request/tools.py: declarations, names and ids that Gemini takes, and the way back."""

import json
import tracemalloc
from typing import Any

import pytest

from translate.errors import InvalidRequest
from translate.models import find
from translate.request import openapi, tools
from translate.request.tools import (
    LEGAL_NAME,
    PLACEHOLDER,
    ToolSet,
    classify_tools,
    declaration,
    function_name,
    openapi_declaration,
    tool_config,
    tool_declarations,
)

HYDROGEN, OLDER = find("gemini-4-hydrogen"), find("gemini-2.5-flash")
LONG = "mcp__a_server_with_a_long_name__and_a_tool_whose_name_is_longer_still_than_that"


def test_a_declaration() -> None:
    schema = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
    assert declaration(
        {"name": "Ask", "description": "Ask it.", "input_schema": schema}
    ).function == {
        "name": "Ask",
        "description": "Ask it.",
        "parametersJsonSchema": schema,
    }
    assert declaration({"name": "Ping"}).function == {
        "name": "Ping",
        "description": "",
        "parametersJsonSchema": {"type": "object", "properties": {}},
    }


def test_a_declaration_in_its_second_form() -> None:
    schema = {
        "type": "object",
        "properties": {"q": {"type": ["string", "null"], "const": "x"}},
        "required": ["q"],
        "additionalProperties": False,
    }
    tool: Any = {"name": "1st", "description": "Ask it.", "input_schema": schema}
    assert openapi_declaration(tool).function == {
        "name": function_name("1st"),
        "description": "Ask it.",
        "parameters": openapi.parameters(schema)[0],
    }
    nothing: Any = {"name": "Ping", "input_schema": {"type": "object", "properties": {}}}
    assert openapi_declaration(nothing) == openapi_declaration({"name": "Ping"})
    assert openapi_declaration({"name": "Ping"}).function == {"name": "Ping", "description": ""}


@pytest.mark.parametrize("name", ["Bash", "mcp__server__tool", "_x", "a.b:c-d", "a" * 64])
def test_a_legal_name_stays(name: str) -> None:
    assert function_name(name) == name


def test_no_name_is_kept() -> None:
    """What a refused request holds goes with it."""
    function_name("warm")
    tracemalloc.start()
    try:
        for i in range(1_000):
            function_name(f"{i}é{'x' * 200}")
        assert tracemalloc.get_traced_memory()[0] < 20_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "name", [LONG, "1password", "-dash", "naïve", "a b", "a" * 65, "a" * 1_000]
)
def test_an_illegal_name_becomes_a_legal_one_of_its_own(name: str) -> None:
    mapped = function_name(name)
    assert LEGAL_NAME.fullmatch(mapped)
    assert mapped != function_name(name + "x")
    tool_set = classify_tools([{"name": "Bash"}, {"name": name}], None, HYDROGEN)
    assert tool_set.function_names == ["Bash", mapped]
    assert tool_set.tool_names == {mapped: name}


SEARCH: Any = {"name": "web_search", "type": "web_search_20250305", "max_uses": 8}
FETCH: Any = {"name": "web_fetch", "type": "web_fetch_20250910"}
CODE: Any = {"name": "code_execution", "type": "code_execution_20250522"}


def classify(*tools: Any) -> ToolSet:
    return classify_tools(tools, None, HYDROGEN)


def test_the_placeholder_is_not_declared() -> None:
    tool_set = classify(
        {"name": "Bash"},
        {"name": "DeferredToolPlaceholder", "defer_loading": True},
        {"name": "Ask", "type": "custom", "defer_loading": True},
    )
    assert [tool["name"] for tool in tool_set.functions] == ["Bash", "Ask"]
    assert (tool_set.built_in, tool_set.search) == ({}, {})


def test_functions_and_built_in_tools_have_entries_of_their_own() -> None:
    tool_set = classify(SEARCH, {"name": "Bash"}, FETCH, CODE)
    assert tool_set.search == SEARCH
    assert tool_declarations(tool_set, declaration).entries == [
        {"functionDeclarations": [declaration({"name": "Bash"}).function]},
        {"googleSearch": {}},
        {"urlContext": {}},
        {"codeExecution": {}},
    ]
    assert tool_declarations(classify(SEARCH), declaration).entries == [{"googleSearch": {}}]


def test_only_the_tools_that_were_refused_take_the_second_form() -> None:
    schema = {"type": "object", "properties": {"q": {"type": "string"}}}
    bash: Any = {"name": "Bash", "input_schema": schema}
    long: Any = {"name": LONG, "input_schema": schema}
    refused = {function_name(LONG), "other"}
    declared = tool_declarations(classify(bash, long, SEARCH), declaration, refused)
    assert declared.entries == [
        {"functionDeclarations": [declaration(bash).function, openapi_declaration(long).function]},
        {"googleSearch": {}},
    ]


@pytest.mark.parametrize(
    ("tools", "model", "message"),
    [
        (
            [{"name": "Bash"}, {"name": "computer", "type": "computer_20250124"}],
            HYDROGEN,
            "tools.1.type: 'computer_20250124' is not supported here",
        ),
        (
            [{"name": f"tool_{i}"} for i in range(513)],
            HYDROGEN,
            "tools: Gemini takes at most 512 tools, got 513",
        ),
        (
            [{"name": "Bash"}, {"name": "Ask"}, {"name": "Bash"}],
            HYDROGEN,
            "tools: Tool names must be unique.",
        ),
        (
            [{"name": "S"}, {"name": "S", "type": "web_search_20250305"}],
            HYDROGEN,
            "tools: Tool names must be unique.",
        ),
    ],
)
def test_tools_without_counterpart_are_refused(tools: Any, model: Any, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        classify_tools(tools, None, model)
    assert caught.value.message == message


def test_as_many_tools_as_gemini_takes() -> None:
    tools: list[Any] = [{"name": f"tool_{i}"} for i in range(512)]
    assert len(classify(*tools, {"name": PLACEHOLDER}, SEARCH).functions) == 512


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        ({"type": "auto"}, None),
        ({"type": "any"}, {"mode": "ANY"}),
        ({"type": "none"}, {"mode": "NONE"}),
        ({"type": "tool", "name": "Bash"}, {"mode": "ANY", "allowedFunctionNames": ["Bash"]}),
        (
            {"type": "tool", "name": LONG},
            {"mode": "ANY", "allowedFunctionNames": [function_name(LONG)]},
        ),
    ],
)
def test_tool_choice(choice: Any, expected: Any) -> None:
    tool_set = classify({"name": "Bash"}, {"name": LONG})
    assert tool_config(tool_set, choice) == (expected and {"functionCallingConfig": expected})
    assert tool_config(classify(), choice) is None
    assert tool_config(classify(SEARCH), choice) is None
    assert tool_config(classify({"name": "Bash"}, {"name": LONG}, SEARCH), choice) == {
        "functionCallingConfig": expected or {"mode": "VALIDATED"},
        "includeServerSideToolInvocations": True,
    }


def test_a_server_tool_that_is_chosen_needs_no_mode() -> None:
    choice = {"type": "tool", "name": "web_search"}
    assert tool_config(classify(SEARCH), choice) is None
    assert tool_config(classify({"name": "Bash"}, SEARCH), choice) == {
        "functionCallingConfig": {"mode": "NONE"},
        "includeServerSideToolInvocations": True,
    }


def fan(levels: int) -> Any:
    """A schema that is twice as large for each level."""
    definitions = {
        f"D{i}": {"properties": {side: {"$ref": f"#/$defs/D{i + 1}"} for side in "lr"}}
        for i in range(levels)
    }
    return {"properties": {"x": {"$ref": "#/$defs/D0"}}, "$defs": definitions}


def test_schemas_of_a_request_have_a_size_together(monkeypatch: pytest.MonkeyPatch) -> None:
    one: Any = declaration({"name": "T", "input_schema": fan(4)})
    monkeypatch.setattr(tools, "MAX_INLINED", 3 * one.inlined + 1)
    sent = [{"name": f"T{i}", "input_schema": fan(4)} for i in range(5)]
    declared = tool_declarations(classify(*sent, {"name": "Last"}), declaration)
    functions = declared.entries[0]["functionDeclarations"]
    schemas = [function["parametersJsonSchema"] for function in functions]
    whole = one.function["parametersJsonSchema"]
    assert [schema == whole for schema in schemas[:5]] == [True, True, True, False, False]
    assert "shortened reference #/$defs/D1" in json.dumps(schemas[3])
    assert declared.reduced == ["T3", "T4"]


def test_no_tool_means_no_search_either() -> None:
    tool_set = classify_tools([SEARCH, {"name": "Bash"}], {"type": "none"}, HYDROGEN)
    assert tool_declarations(tool_set, declaration).entries == [
        {"functionDeclarations": [declaration({"name": "Bash"}).function]}
    ]
    assert tool_config(tool_set, {"type": "none"}) == {"functionCallingConfig": {"mode": "NONE"}}


def test_a_strict_tool_is_called_by_its_schema() -> None:
    tool_set = classify({"name": "Bash", "strict": True}, {"name": "Read"})
    assert tool_config(tool_set, None) == {"functionCallingConfig": {"mode": "VALIDATED"}}


@pytest.mark.parametrize(
    ("choice", "mode"),
    [
        (None, {"mode": "VALIDATED"}),
        ({"type": "auto"}, {"mode": "VALIDATED"}),
        ({"type": "any"}, {"mode": "ANY"}),
        ({"type": "none"}, {"mode": "NONE"}),
        ({"type": "tool", "name": "Bash"}, {"mode": "ANY", "allowedFunctionNames": ["Bash"]}),
    ],
)
def test_calls_are_held_to_their_schemas_after_a_malformed_one(choice: Any, mode: Any) -> None:
    tool_set = classify({"name": "Bash"})
    assert tool_config(tool_set, choice, validated=True) == {"functionCallingConfig": mode}
    assert tool_config(classify({"name": "Bash"}, SEARCH), choice, validated=True) == {
        "functionCallingConfig": mode,
        "includeServerSideToolInvocations": True,
    }
    assert tool_config(classify(SEARCH), None, validated=True) is None


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"type": "some"}, "tool_choice.type: expected one of auto, any, tool, none"),
        ({"type": "tool"}, "tool_choice.name: expected the name of one of the tools"),
        (
            {"type": "tool", "name": ["x"]},
            "tool_choice.name: expected the name of one of the tools",
        ),
    ],
)
def test_a_wrong_tool_choice(choice: Any, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        tool_config(classify({"name": "Bash"}), choice)
    assert caught.value.message == message


def test_server_tools_that_a_model_cannot_have_beside_others() -> None:
    tool_set = classify_tools([{"name": "Bash"}, SEARCH], None, OLDER)
    assert (tool_set.function_names, tool_set.built_in) == (["Bash"], {})
    assert tool_set.unavailable == ("web_search",)
    forced = {"type": "tool", "name": "web_search"}
    assert tool_config(tool_set, forced) == {"functionCallingConfig": {"mode": "NONE"}}
    assert classify_tools([SEARCH], None, OLDER).unavailable == ()

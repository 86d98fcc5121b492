"""translate/tools.py: declarations, names and ids that Gemini takes, and the way back."""

from typing import Any

import pytest

from translate.errors import InvalidRequest
from translate.models import find
from translate.request import openapi
from translate.request.tools import (
    LEGAL_NAME,
    PLACEHOLDER,
    Offered,
    config,
    declaration,
    declared,
    function_name,
    in_openapi_form,
    names,
    sorted_out,
)

LONG = "mcp__a_server_with_a_long_name__and_a_tool_whose_name_is_longer_still_than_that"


def test_a_declaration() -> None:
    schema = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
    assert declaration({"name": "Ask", "description": "Ask it.", "input_schema": schema}) == {
        "name": "Ask",
        "description": "Ask it.",
        "parametersJsonSchema": schema,
    }
    assert declaration({"name": "Ping"}) == {
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
    assert in_openapi_form(tool) == {
        "name": function_name("1st"),
        "description": "Ask it.",
        "parameters": openapi.parameters(schema),
    }
    nothing: Any = {"name": "Ping", "input_schema": {"type": "object", "properties": {}}}
    assert in_openapi_form(nothing) == in_openapi_form({"name": "Ping"})
    assert in_openapi_form({"name": "Ping"}) == {"name": "Ping", "description": ""}


@pytest.mark.parametrize("name", ["Bash", "mcp__server__tool", "_x", "a.b:c-d", "a" * 64])
def test_a_legal_name_stays(name: str) -> None:
    assert function_name(name) == name


@pytest.mark.parametrize("name", [LONG, "1password", "-dash", "naïve", "a b", "a" * 65])
def test_an_illegal_name_becomes_a_legal_one_of_its_own(name: str) -> None:
    mapped = function_name(name)
    assert LEGAL_NAME.fullmatch(mapped)
    assert mapped != function_name(name + "x")
    assert names([{"name": "Bash"}, {"name": name}]) == {mapped: name}


HYDROGEN, OLDER = find("gemini-4-hydrogen"), find("gemini-2.5-flash")
SEARCH: Any = {"name": "web_search", "type": "web_search_20250305", "max_uses": 8}
FETCH: Any = {"name": "web_fetch", "type": "web_fetch_20250910"}
CODE: Any = {"name": "code_execution", "type": "code_execution_20250522"}


def sort_out(*tools: Any) -> Offered:
    return sorted_out(tools, None, HYDROGEN)


def test_the_placeholder_is_not_declared() -> None:
    offered = sort_out(
        {"name": "Bash"},
        {"name": "DeferredToolPlaceholder", "defer_loading": True},
        {"name": "Ask", "type": "custom", "defer_loading": True},
    )
    assert [tool["name"] for tool in offered.functions] == ["Bash", "Ask"]
    assert (offered.built_in, offered.search) == ({}, {})


def test_functions_and_built_in_tools_have_entries_of_their_own() -> None:
    offered = sort_out(SEARCH, {"name": "Bash"}, FETCH, CODE)
    assert offered.search == SEARCH
    assert declared(offered, declaration) == [
        {"functionDeclarations": [declaration({"name": "Bash"})]},
        {"googleSearch": {}},
        {"urlContext": {}},
        {"codeExecution": {}},
    ]
    assert declared(sort_out(SEARCH), declaration) == [{"googleSearch": {}}]


def test_only_the_tools_that_were_refused_take_the_second_form() -> None:
    schema = {"type": "object", "properties": {"q": {"type": "string"}}}
    bash: Any = {"name": "Bash", "input_schema": schema}
    long: Any = {"name": LONG, "input_schema": schema}
    refused = {function_name(LONG), "other"}
    assert declared(sort_out(bash, long, SEARCH), declaration, refused) == [
        {"functionDeclarations": [declaration(bash), in_openapi_form(long)]},
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
            [{"name": "Bash"}, SEARCH],
            OLDER,
            "tools: gemini-2.5-flash cannot use server tools beside others",
        ),
        (
            [{"name": f"tool_{i}"} for i in range(513)],
            HYDROGEN,
            "tools: Gemini takes at most 512 tools, got 513",
        ),
    ],
)
def test_tools_without_counterpart_are_refused(tools: Any, model: Any, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        sorted_out(tools, None, model)
    assert caught.value.message == message


def test_as_many_tools_as_gemini_takes() -> None:
    tools: list[Any] = [{"name": f"tool_{i}"} for i in range(512)]
    assert len(sort_out(*tools, {"name": PLACEHOLDER}, SEARCH).functions) == 512


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
    offered = sort_out({"name": "Bash"}, {"name": LONG})
    assert config(offered, choice) == (expected and {"functionCallingConfig": expected})
    assert config(sort_out(), choice) is None
    assert config(sort_out(SEARCH), choice) is None
    assert config(sort_out({"name": "Bash"}, {"name": LONG}, SEARCH), choice) == {
        "functionCallingConfig": expected or {"mode": "VALIDATED"},
        "includeServerSideToolInvocations": True,
    }


def test_a_server_tool_that_is_chosen_needs_no_mode() -> None:
    choice = {"type": "tool", "name": "web_search"}
    assert config(sort_out(SEARCH), choice) is None
    assert config(sort_out({"name": "Bash"}, SEARCH), choice) == {
        "functionCallingConfig": {"mode": "NONE"},
        "includeServerSideToolInvocations": True,
    }


def test_no_tool_means_no_search_either() -> None:
    offered = sorted_out([SEARCH, {"name": "Bash"}], {"type": "none"}, HYDROGEN)
    assert declared(offered, declaration) == [
        {"functionDeclarations": [declaration({"name": "Bash"})]}
    ]
    assert config(offered, {"type": "none"}) == {"functionCallingConfig": {"mode": "NONE"}}


def test_a_strict_tool_is_called_by_its_schema() -> None:
    offered = sort_out({"name": "Bash", "strict": True}, {"name": "Read"})
    assert config(offered, None) == {"functionCallingConfig": {"mode": "VALIDATED"}}


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
    offered = sort_out({"name": "Bash"})
    assert config(offered, choice, validated=True) == {"functionCallingConfig": mode}
    assert config(sort_out({"name": "Bash"}, SEARCH), choice, validated=True) == {
        "functionCallingConfig": mode,
        "includeServerSideToolInvocations": True,
    }
    assert config(sort_out(SEARCH), None, validated=True) is None


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
        config(sort_out({"name": "Bash"}), choice)
    assert caught.value.message == message

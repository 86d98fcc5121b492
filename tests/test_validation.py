"""translate/request/validation.py: one shape for what is right, a path for what is not."""

import copy
from typing import Any

import pytest

from translate.errors import InvalidRequest
from translate.request.validation import normalise

MINIMAL: dict[str, Any] = {
    "model": "claude-opus-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hi"}],
}


PATH = "messages.0.content.0"


def with_block(block: Any) -> dict[str, Any]:
    return {**MINIMAL, "messages": [{"role": "user", "content": [block]}]}


def with_source(source: Any) -> dict[str, Any]:
    return with_block({"type": "document", "source": source})


def with_tool(**fields: Any) -> dict[str, Any]:
    return {**MINIMAL, "tools": [{"name": "a", **fields}]}


def with_thinking(**fields: Any) -> dict[str, Any]:
    return {**MINIMAL, "thinking": {"type": "enabled", **fields}}


def test_strings_become_blocks_and_the_body_is_left_alone() -> None:
    body = {
        **MINIMAL,
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "Hi"},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "B", "input": 1}],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}],
            },
        ],
    }
    before = copy.deepcopy(body)
    assert normalise(body) == {
        "model": "claude-opus-5",
        "max_tokens": 100,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "B", "input": 1}],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "t",
                        "content": [{"type": "text", "text": "ok"}],
                    }
                ],
            },
        ],
    }
    assert body == before


def test_what_is_new_or_null_does_no_harm() -> None:
    body = {**MINIMAL, "safeguards": [{"x": 1}], "temperature": None, "thinking": None}
    body["messages"] = [{"role": "user", "content": [{"type": "hologram", "data": 1}]}]
    assert normalise(body) == {
        "model": "claude-opus-5",
        "max_tokens": 100,
        "safeguards": [{"x": 1}],
        "messages": [{"role": "user", "content": [{"type": "hologram", "data": 1}]}],
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"thinking": {"type": "interleaved", "display": "blurred", "budget_tokens": 0}},
        {"output_config": {"effort": "ludicrous"}},
        {"tool_choice": {"type": "at_will"}},
        {"tools": [{"type": "crystal_ball_20270101", "name": "ask"}]},
        {"messages": [{"role": "user", "content": [{"type": "hologram", "id": 1}]}]},
        {"messages": with_source({"type": "file", "file_id": "f"})["messages"]},
    ],
)
def test_an_unknown_value_of_a_known_type_passes(fields: Any) -> None:
    body = {**MINIMAL, **fields}
    assert normalise(body) == {**normalise(MINIMAL), **fields}


@pytest.mark.parametrize(("given", "normal"), [
    ({"thinking": {"type": "enabled", "budget_tokens": None}}, {"thinking": {"type": "enabled"}}),
    ({"tool_choice": {"type": "any", "name": None}}, {"tool_choice": {"type": "any"}}),
    ({"tools": [{"name": "a", "strict": None, "allowed_domains": None}]},
        {"tools": [{"name": "a"}]}),
    ({"output_config": {"effort": None, "format": None}}, {"output_config": {}}),
    (with_source({"type": "content", "content": "x"}),
        with_source({"type": "content", "content": [{"type": "text", "text": "x"}]})),
])  # fmt: skip
def test_an_optional_field_may_be_null(given: Any, normal: Any) -> None:
    before = copy.deepcopy(given)
    assert normalise({**MINIMAL, **given}) == {**normalise(MINIMAL), **normal}
    assert given == before


def test_a_schema_of_the_answer_is_not_looked_into() -> None:
    answer = {"type": "json_schema", "schema": {"type": 1}}
    body = {**MINIMAL, "output_format": answer, "output_config": {"format": answer}}
    assert normalise(body) == {**body, "messages": normalise(MINIMAL)["messages"]}


def test_a_count_needs_no_max_tokens() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "foo"}]}
    assert normalise(body, counting=True)["model"] == "m"


@pytest.mark.parametrize(("body", "message"), [
    ([], "body: expected an object"),
    ("x", "body: expected an object"),
    ({}, "model: field required"),
    ({**MINIMAL, "model": ""}, "model: must not be empty"),
    ({**MINIMAL, "model": 5}, "model: expected a string"),
    ({"model": "m", "messages": []}, "max_tokens: field required"),
    ({**MINIMAL, "max_tokens": 0}, "max_tokens: must be at least 1"),
    ({**MINIMAL, "max_tokens": True}, "max_tokens: expected an integer"),
    ({**MINIMAL, "max_tokens": 1.5}, "max_tokens: expected an integer"),
    ({**MINIMAL, "messages": []}, "messages: at least one message is required"),
    ({**MINIMAL, "messages": {}}, "messages: expected a list"),
    ({**MINIMAL, "messages": ["x"]}, "messages.0: expected an object"),
    ({**MINIMAL, "messages": [{"role": "user"}]}, "messages.0.content: field required"),
    ({**MINIMAL, "messages": [{"role": "tool", "content": "x"}]},
        "messages.0.role: expected one of user, assistant, system"),
    ({**MINIMAL, "messages": [{"role": [], "content": "x"}]},
        "messages.0.role: expected one of user, assistant, system"),
    ({**MINIMAL, "messages": [{"role": "user", "content": 5}]},
        "messages.0.content: expected a string or a list of content blocks"),
    (with_block("x"), "messages.0.content.0: expected an object"),
    (with_block({}), "messages.0.content.0.type: field required"),
    (with_block({"type": "text"}), "messages.0.content.0.text: field required"),
    (with_block({"type": "text", "text": None}), "messages.0.content.0.text: expected a string"),
    (with_block({"type": "image", "source": 1}), "messages.0.content.0.source: expected an object"),
    (with_block({"type": "tool_result", "tool_use_id": "t", "is_error": "yes"}),
        "messages.0.content.0.is_error: expected true or false"),
    (with_block({"type": "tool_result", "tool_use_id": "t", "content": [{"type": 1}]}),
        "messages.0.content.0.content.0.type: expected a string"),
    (with_block({"type": "server_tool_use", "id": "s"}), f"{PATH}.input: field required"),
    (with_block({"type": "mcp_tool_use", "id": "s"}), f"{PATH}.input: field required"),
    (with_block({"type": "server_tool_use", "id": 1, "input": {}}),
        f"{PATH}.id: expected a string"),
    (with_block({"type": "thinking", "thinking": "x", "signature": 1}),
        f"{PATH}.signature: expected a string"),
    (with_block({"type": "tool_addition", "tool": {"definition": {"name": 1}}}),
        f"{PATH}.tool.definition.name: expected a string"),
    (with_block({"type": "document", "source": {}}), f"{PATH}.source.type: field required"),
    (with_source({"type": "base64", "media_type": "image/png"}),
        f"{PATH}.source.data: expected a string"),
    (with_source({"type": "base64", "media_type": 1, "data": ""}),
        f"{PATH}.source.media_type: expected a string"),
    (with_source({"type": "url", "url": None}), f"{PATH}.source.url: expected a string"),
    (with_source({"type": "text"}), f"{PATH}.source.data: expected a string"),
    (with_source({"type": "content"}),
        f"{PATH}.source.content: expected a string or a list of content blocks"),
    (with_source({"type": "content", "content": [{"type": "text"}]}),
        f"{PATH}.source.content.0.text: field required"),
    (with_block({
        "type": "tool_result", "tool_use_id": "t",
        "content": [{"type": "image", "source": {"type": "url"}}]}),
        f"{PATH}.content.0.source.url: expected a string"),
    ({**MINIMAL, "system": 1}, "system: expected a string or a list of content blocks"),
    ({**MINIMAL, "system": [{"type": "image"}]}, "system.0.type: expected 'text'"),
    ({**MINIMAL, "system": [{"type": "text"}]}, "system.0.text: field required"),
    ({**MINIMAL, "system": [{}]}, "system.0.type: field required"),
    ({**MINIMAL, "tools": [{}]}, "tools.0.name: field required"),
    ({**MINIMAL, "tools": [{"name": "a", "input_schema": []}]},
        "tools.0.input_schema: expected an object"),
    (with_tool(strict="yes"), "tools.0.strict: expected true or false"),
    (with_tool(defer_loading=1), "tools.0.defer_loading: expected true or false"),
    (with_tool(allowed_domains="a.com"), "tools.0.allowed_domains: expected a list"),
    (with_tool(blocked_domains=["a.com", 1]), "tools.0.blocked_domains.1: expected a string"),
    (with_tool(allowed_domains=["a.com"] * 1_001),
        "tools.0.allowed_domains: expected at most 1,000 elements, got 1,001"),
    (with_tool(blocked_domains=["a.com"] * 1_001),
        "tools.0.blocked_domains: expected at most 1,000 elements, got 1,001"),
    ({**MINIMAL, "tool_choice": "auto"}, "tool_choice: expected an object"),
    ({**MINIMAL, "tool_choice": {}}, "tool_choice.type: field required"),
    ({**MINIMAL, "tool_choice": {"type": 1}}, "tool_choice.type: expected a string"),
    ({**MINIMAL, "tool_choice": {"type": "tool", "name": ["x"]}},
        "tool_choice.name: expected the name of one of the tools"),
    ({**MINIMAL, "tool_choice": {"type": "any", "disable_parallel_tool_use": "yes"}},
        "tool_choice.disable_parallel_tool_use: expected true or false"),
    ({**MINIMAL, "thinking": "on"}, "thinking: expected an object"),
    ({**MINIMAL, "thinking": {"type": True}}, "thinking.type: expected a string"),
    (with_thinking(budget_tokens="5000"), "thinking.budget_tokens: expected an integer"),
    (with_thinking(budget_tokens=True), "thinking.budget_tokens: expected an integer"),
    (with_thinking(budget_tokens=-1), "thinking.budget_tokens: must be at least 0"),
    (with_thinking(display=1), "thinking.display: expected a string"),
    ({**MINIMAL, "stop_sequences": [1]}, "stop_sequences.0: expected a string"),
    ({**MINIMAL, "output_config": {"effort": 1}}, "output_config.effort: expected a string"),
    ({**MINIMAL, "output_config": []}, "output_config: expected an object"),
    ({**MINIMAL, "output_config": {"format": {"type": 1}}},
        "output_config.format.type: expected a string"),
    ({**MINIMAL, "output_config": {"format": {"type": "json_schema", "schema": []}}},
        "output_config.format: expected type 'json_schema' and a schema"),
    ({**MINIMAL, "output_config": {"format": {"type": "xml", "schema": {}}}},
        "output_config.format: expected type 'json_schema' and a schema"),
    ({**MINIMAL, "output_format": {"type": "json_schema"}},
        "output_format: expected type 'json_schema' and a schema"),
    ({**MINIMAL, "temperature": "hot"}, "temperature: expected a number"),
    ({**MINIMAL, "messages": [None] * 100_001},
        "messages: expected at most 100,000 elements, got 100,001"),
    ({**MINIMAL, "messages": [{"role": "user", "content": [None] * 100_001}]},
        "messages.0.content: expected at most 100,000 elements, got 100,001"),
    ({**MINIMAL, "stop_sequences": ["x"] * 1_001},
        "stop_sequences: expected at most 1,000 elements, got 1,001"),
    ({**MINIMAL, "stop_sequences": ["x", "y" * 1_257]},
        "stop_sequences.1: expected at most 256 characters, got 1,257"),
])  # fmt: skip
def test_what_is_wrong_is_named(body: Any, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        normalise(body)
    assert caught.value.message == message


def test_a_list_may_be_as_long_as_the_api_has_it() -> None:
    stops = [f"stop {i}".ljust(256) for i in range(1_000)]
    body = {**MINIMAL, "messages": MINIMAL["messages"] * 100_000, "stop_sequences": stops}
    request = normalise(body)
    assert (len(request["messages"]), len(request["stop_sequences"])) == (100_000, 1_000)


# --- The model's own turns ------------------------------------------------------------------------


def past(*content: Any) -> Any:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [*content]}]
    body = {"model": "m", "max_tokens": 9, "messages": turns}
    checked = normalise(body)["messages"]
    assert body["messages"] == turns
    return checked[1]["content"]


MISSING = {"id": "toolu_missing", "name": "tool_name_missing"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ("text", {"type": "text", "text": "text"}),
        (None, {"type": "unknown", "content": None}),
        (7, {"type": "unknown", "content": 7}),
        ({}, {"type": "unknown"}),
        ({"type": 1, "text": "a"}, {"type": "unknown", "text": "a"}),
        ({"type": "text"}, {"type": "text", "text": ""}),
        ({"type": "text", "text": None}, {"type": "text", "text": ""}),
        ({"type": "thinking"}, {"type": "thinking", "thinking": "", "signature": ""}),
        (
            {"type": "thinking", "thinking": "a", "signature": 1},
            {"type": "thinking", "thinking": "a", "signature": ""},
        ),
        ({"type": "hologram", "x": 1}, {"type": "hologram", "x": 1}),
        ({"type": "image", "source": 1}, {"type": "unknown", "source": 1}),
        ({"type": "compaction", "content": 1}, {"type": "unknown", "content": 1}),
        *(
            ({name: value for name, value in {**CALL, **wrong}.items() if value != "-"}, right)
            for wrong, right in (
                ({"name": "-"}, {**CALL, "name": MISSING["name"]}),
                ({"name": ""}, {**CALL, "name": MISSING["name"]}),
                ({"name": None, "id": []}, {**CALL, **MISSING}),
                ({"id": 1}, {**CALL, "id": "1"}),
                ({"id": 2**65}, {**CALL, "id": MISSING["id"]}),
                ({"id": "-"}, {**CALL, "id": MISSING["id"]}),
                ({"input": "-"}, CALL),
                ({"input": "rm"}, {**CALL, "input": "rm"}),
            )
        ),
    ],
)
def test_past_block_is_mended_never_refused(given: Any, becomes: Any) -> None:
    shown = {name: value for name, value in past(given)[0].items() if name in {**becomes}}
    assert shown == becomes


def test_past_block_may_nest_without_end() -> None:
    content: Any = "So."
    for _ in range(2_000):
        content = [{"type": "document", "source": {"type": "content", "content": content}}]
    assert [block["type"] for block in past(*content)] == ["unknown"]


@pytest.mark.parametrize("content", [None, "-", []])
def test_turn_of_the_model_may_hold_nothing(content: Any) -> None:
    turn = {"role": "assistant", "content": content}
    if content == "-":
        del turn["content"]
    turns = [{"role": "user", "content": "Hi"}, turn]
    body = {"model": "m", "max_tokens": 9, "messages": turns}
    assert normalise(body)["messages"][1]["content"] == []


@pytest.mark.parametrize(
    ("content", "block"),
    [
        ("Yo", {"type": "text", "text": "Yo"}),
        ({"type": "text", "text": "Yo"}, {"type": "text", "text": "Yo"}),
        ({}, {"type": "unknown"}),
        (7, {"type": "unknown", "content": 7}),
    ],
)
def test_content_of_the_model_may_be_one_block(content: Any, block: Any) -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": content}]
    body = {"model": "m", "max_tokens": 9, "messages": turns}
    assert [*map(shown, normalise(body)["messages"][1]["content"])] == [block]


def shown(block: Any) -> Any:
    """Without the default of a field that the type does not have."""
    return {name: value for name, value in block.items() if (name, value) != ("input", {})}


def test_result_finds_a_call_whose_id_is_a_number() -> None:
    (found,) = normalise(with_block({"type": "tool_result", "tool_use_id": 1}))["messages"][0][
        "content"
    ]
    assert found["tool_use_id"] == past({**CALL, "id": 1})[0]["id"] == "1"


@pytest.mark.parametrize("identity", ["", None, "-", [], 2**65])
def test_result_without_an_id_is_one_of_a_call_without(identity: Any) -> None:
    block = {"type": "tool_result", "tool_use_id": identity, "content": "ok"}
    if identity == "-":
        del block["tool_use_id"]
    body = with_block(block)
    (found,) = normalise(body)["messages"][0]["content"]
    assert found["tool_use_id"] == MISSING["id"]

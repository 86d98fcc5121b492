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


def test_a_count_needs_no_max_tokens() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "foo"}]}
    assert normalise(body, counting=True)["model"] == "m"


def with_block(block: Any) -> dict[str, Any]:
    return {**MINIMAL, "messages": [{"role": "user", "content": [block]}]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
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
        (
            {**MINIMAL, "messages": [{"role": "tool", "content": "x"}]},
            "messages.0.role: expected one of user, assistant, system",
        ),
        (
            {**MINIMAL, "messages": [{"role": [], "content": "x"}]},
            "messages.0.role: expected one of user, assistant, system",
        ),
        (
            {**MINIMAL, "messages": [{"role": "user", "content": 5}]},
            "messages.0.content: expected a string or a list of content blocks",
        ),
        (with_block("x"), "messages.0.content.0: expected an object"),
        (with_block({}), "messages.0.content.0.type: field required"),
        (with_block({"type": "text"}), "messages.0.content.0.text: field required"),
        (
            with_block({"type": "text", "text": None}),
            "messages.0.content.0.text: expected a string",
        ),
        (
            with_block({"type": "image", "source": 1}),
            "messages.0.content.0.source: expected an object",
        ),
        (
            with_block({"type": "tool_result", "tool_use_id": ""}),
            "messages.0.content.0.tool_use_id: must not be empty",
        ),
        (
            with_block({"type": "tool_result", "tool_use_id": "t", "is_error": "yes"}),
            "messages.0.content.0.is_error: expected true or false",
        ),
        (
            with_block({"type": "tool_result", "tool_use_id": "t", "content": [{"type": 1}]}),
            "messages.0.content.0.content.0.type: expected a string",
        ),
        ({**MINIMAL, "system": 1}, "system: expected a string or a list of content blocks"),
        ({**MINIMAL, "tools": [{}]}, "tools.0.name: field required"),
        (
            {**MINIMAL, "tools": [{"name": "a", "input_schema": []}]},
            "tools.0.input_schema: expected an object",
        ),
        ({**MINIMAL, "tool_choice": "auto"}, "tool_choice: expected an object"),
        ({**MINIMAL, "stop_sequences": [1]}, "stop_sequences.0: expected a string"),
        ({**MINIMAL, "output_config": {"effort": 1}}, "output_config.effort: expected a string"),
        ({**MINIMAL, "temperature": "hot"}, "temperature: expected a number"),
        (
            {**MINIMAL, "messages": [None] * 100_001},
            "messages: expected at most 100,000 elements, got 100,001",
        ),
        (
            {**MINIMAL, "messages": [{"role": "user", "content": [None] * 100_001}]},
            "messages.0.content: expected at most 100,000 elements, got 100,001",
        ),
        (
            {**MINIMAL, "stop_sequences": ["x"] * 1_001},
            "stop_sequences: expected at most 1,000 elements, got 1,001",
        ),
    ],
)
def test_what_is_wrong_is_named(body: Any, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        normalise(body)
    assert caught.value.message == message


def test_a_list_may_be_as_long_as_the_api_has_it() -> None:
    stops = [f"stop {i}" for i in range(1_000)]
    body = {**MINIMAL, "messages": MINIMAL["messages"] * 100_000, "stop_sequences": stops}
    request = normalise(body)
    assert (len(request["messages"]), len(request["stop_sequences"])) == (100_000, 1_000)

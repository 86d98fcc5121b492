"""The second client to keep happy: the official `anthropic` package."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.faults import google, retry_in
from tests.messages import MARKER
from tests.servers import Emulator

MODEL = "claude-sonnet-5-5"
TOOL: Any = {
    "name": "get_weather",
    "description": "The weather of a place.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
ASK: Any = [{"role": "user", "content": f"How is the weather in Oslo? {MARKER}"}]


@pytest.fixture
def sdk(proxy: str, key: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=proxy, api_key=key, max_retries=0) as client:
        yield client


def test_create_with_a_tool(sdk: anthropic.Anthropic, emulator: Emulator, key: str) -> None:
    weather = {"name": "get_weather", "args": {"city": "Oslo"}}
    emulator.script(
        key,
        {"chunks": [{"text": "I look."}, {"call": weather, "sign": True}], "finish": "STOP"},
        {"chunks": [{"text": "It {last_result}."}, {"sign": True}], "finish": "STOP"},
    )
    first = sdk.messages.create(model=MODEL, max_tokens=1000, tools=[TOOL], messages=ASK)
    assert first.stop_reason == "tool_use"
    text, carrier, use = first.content
    assert isinstance(use, anthropic.types.ToolUseBlock)
    assert (text.type, use.name, use.input) == ("text", "get_weather", {"city": "Oslo"})
    assert carrier.to_dict()["thinking"] == ""
    result: Any = {"type": "tool_result", "tool_use_id": use.id, "content": "snows"}
    history = [
        *ASK,
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [result]},
    ]
    second = sdk.messages.create(model=MODEL, max_tokens=1000, tools=[TOOL], messages=history)
    assert (second.content[0].to_dict(), second.model) == (
        {"type": "text", "text": "It snows."},
        MODEL,
    )
    journal = emulator.journal(key)
    issued = [sign["signature"] for sign in journal[0]["issued"]]
    assert [sign["signature"] for sign in journal[1]["signatures"]] == issued != []


def test_stream_with_thinking(sdk: anthropic.Anthropic, emulator: Emulator, key: str) -> None:
    weather = {"name": "get_weather", "args": {"city": "Oslo"}}
    emulator.script(
        key,
        {
            "chunks": [
                {"thought": "Where"},
                {"thought": " is Oslo?"},
                {"text": "I look."},
                {"call": weather, "sign": True},
            ],
            "finish": "STOP",
            "finish_alone": True,
        },
    )
    with sdk.messages.stream(
        model=MODEL,
        max_tokens=1000,
        thinking={"type": "enabled", "budget_tokens": 2000},
        tools=[TOOL],
        messages=ASK,
    ) as stream:
        assert "".join(stream.text_stream) == "I look."
        message = stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text", "thinking", "tool_use"]
    thinking, _, carrier, use = (block.to_dict() for block in message.content)
    assert thinking["thinking"] == "Where is Oslo?"
    assert (carrier["thinking"], bool(carrier["signature"])) == ("", True)
    assert use["input"] == {"city": "Oslo"}
    assert message.usage.output_tokens > 0


def test_counting_tokens(sdk: anthropic.Anthropic) -> None:
    assert sdk.messages.count_tokens(model=MODEL, messages=ASK).input_tokens > 5


def test_listing_models(sdk: anthropic.Anthropic) -> None:
    listed = list(sdk.models.list())
    assert "claude-gemini-4-hydrogen" in [model.id for model in listed]
    assert sdk.models.retrieve(listed[0].id).display_name == listed[0].display_name


def test_bad_key(proxy: str) -> None:
    with (
        anthropic.Anthropic(base_url=proxy, api_key="bad-key") as sdk,
        pytest.raises(anthropic.AuthenticationError) as caught,
    ):
        sdk.messages.create(model=MODEL, max_tokens=10, messages=ASK)
    assert caught.value.type == "authentication_error"
    assert str(caught.value.request_id).startswith("req_")


@pytest.mark.parametrize("stream", [True, False])
def test_quota_is_waited_for(proxy: str, emulator: Emulator, key: str, stream: bool) -> None:
    refused = google(429, "RESOURCE_EXHAUSTED", "Slow down.", retry_in("1s"))
    emulator.script(key, refused, {"chunks": [{"text": "Snow."}]})
    with anthropic.Anthropic(base_url=proxy, api_key=key) as sdk:
        began = time.monotonic()
        if stream:
            with sdk.messages.stream(model=MODEL, max_tokens=10, messages=ASK) as answer:
                text = "".join(answer.text_stream)
        else:
            (block,) = sdk.messages.create(model=MODEL, max_tokens=10, messages=ASK).content
            text = str(block.to_dict()["text"])
    assert 1 <= time.monotonic() - began < 10
    assert text == "Snow."
    assert [request["status"] for request in emulator.journal(key)] == [429, 200]


ERRORS: dict[str, Any] = {
    "402": (google(400, "FAILED_PRECONDITION", "Please enable billing on your project."),
        anthropic.PaymentRequiredError, "billing_error", 1),
    "403": (google(400, "FAILED_PRECONDITION", "User location is not supported."),
        anthropic.PermissionDeniedError, "permission_error", 1),
    "424, of the server's model": (google(404, "NOT_FOUND", "models/gemini-9 is not found."),
        anthropic.APIStatusError, "invalid_request_error", 1),
    "413": (google(400, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 9 bytes."),
        anthropic.RequestTooLargeError, "request_too_large", 1),
    "529": (google(503, "UNAVAILABLE", "The model is overloaded."), anthropic.OverloadedError,
        "overloaded_error", 3),
}  # fmt: skip


def test_model_of_the_request_is_not_found(
    sdk: anthropic.Anthropic, emulator: Emulator, key: str
) -> None:
    emulator.script(key, google(404, "NOT_FOUND", "models/gemini-9 is not found."))
    with pytest.raises(anthropic.NotFoundError) as caught:
        sdk.messages.create(model="gemini-9", max_tokens=10, messages=ASK)
    assert caught.value.type == "not_found_error"


@pytest.mark.parametrize(("reply", "kind", "named", "attempts"), ERRORS.values(), ids=ERRORS)
def test_errors_have_their_classes(
    sdk: anthropic.Anthropic,
    emulator: Emulator,
    key: str,
    reply: Any,
    kind: type[anthropic.APIStatusError],
    named: str,
    attempts: int,
) -> None:
    """attempts: the proxy's own, of each request."""
    emulator.script(key, {**reply, "repeat": True})
    for stream in (True, False):
        with pytest.raises(anthropic.APIStatusError) as caught:
            sdk.messages.create(model=MODEL, max_tokens=10, messages=ASK, stream=stream)
        assert (type(caught.value), caught.value.type) == (kind, named)
        assert str(caught.value.request_id).startswith("req_")
    assert len(emulator.journal(key)) == 2 * attempts

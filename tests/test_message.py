"""translate/response/message.py: stop reasons, and the two exits of the stream machine."""

from typing import Any

import pytest

from translate.response.message import (
    STOP_REASONS,
    collect,
    render_as_text,
    sse,
    stop_reason,
)

GOOGLES_FINISH_REASONS = {
    *("FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "CONTINUATION", "SAFETY", "RECITATION"),
    *("LANGUAGE", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL"),
    *("UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE", "ESCALATION"),
    *("MALFORMED_RESPONSE", "PUP_LIMITED_DISABLED", "MODEL_ARMOR", "IMAGE_SAFETY", "NO_IMAGE"),
    *("IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER"),
}
ENDS_THE_TURN = {
    *("FINISH_REASON_UNSPECIFIED", "STOP", "OTHER", "TOO_MANY_TOOL_CALLS"),
    *("IMAGE_OTHER", "NO_IMAGE"),
}


def test_every_finish_reason_has_a_stop_reason() -> None:
    unlisted = GOOGLES_FINISH_REASONS - set(STOP_REASONS)
    assert unlisted | {"STOP"} == ENDS_THE_TURN
    assert set(STOP_REASONS.values()) == {"end_turn", "max_tokens", "tool_use", "refusal"}


@pytest.mark.parametrize(
    ("finish_reason", "has_calls", "expected"),
    [
        ("STOP", False, "end_turn"),
        ("STOP", True, "tool_use"),
        ("OTHER", True, "tool_use"),
        ("MAX_TOKENS", True, "max_tokens"),
        ("SAFETY", True, "refusal"),
        ("MALFORMED_FUNCTION_CALL", False, "tool_use"),
        ("A_NEW_REASON", False, "end_turn"),
    ],
)
def test_calls_turn_an_end_into_tool_use(
    finish_reason: str, has_calls: bool, expected: str
) -> None:
    assert stop_reason(finish_reason, has_calls=has_calls) == expected


def test_a_call_that_was_broken_off_is_not_in_a_whole_message() -> None:
    block = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}
    delta = {"type": "input_json_delta", "partial_json": '{"command":"rm -r'}
    events = [
        {"type": "message_start", "message": {}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
    ]
    assert collect(events)["content"] == []


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"executableCode": {"language": "PYTHON", "code": "1+1"}}, "\n```python\n1+1\n```\n"),
        ({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}}, "\n```\n2\n```\n"),
        (
            {"codeExecutionResult": {"outcome": "OUTCOME_FAILED", "output": "no"}},
            "\n```\nOUTCOME_FAILED\nno\n```\n",
        ),
        (
            {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
            "\n[Gemini sent image/png data, which this API cannot show.]\n",
        ),
    ],
)
def test_parts_without_a_block_are_text(part: Any, expected: str) -> None:
    assert render_as_text(part) == expected


def test_an_event_on_the_wire() -> None:
    events = [{"type": "ping"}, {"type": "content_block_stop", "index": 0, "é": "\n"}]
    assert sse(events) == (
        b'event: ping\ndata: {"type":"ping"}\n\n'
        b"event: content_block_stop\n"
        b'data: {"type":"content_block_stop","index":0,"\xc3\xa9":"\\n"}\n\n'
    )


def test_an_encoder_from_outside() -> None:
    assert sse([{"type": "ping"}], lambda event: b"!") == b"event: ping\ndata: !\n\n"


def test_a_whole_message_is_the_collected_stream() -> None:
    def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"type": "content_block_start", "index": index, "content_block": start},
            *({"type": "content_block_delta", "index": index, "delta": d} for d in deltas),
            {"type": "content_block_stop", "index": index},
        ]

    start = {"id": "msg_1", "type": "message", "content": [], "usage": {"output_tokens": 0}}
    thinking = {"type": "thinking", "thinking": "", "signature": ""}
    events = [
        {"type": "message_start", "message": start},
        {"type": "ping"},
        *block(
            0,
            thinking,
            {"type": "thinking_delta", "thinking": "I "},
            {"type": "thinking_delta", "thinking": "think"},
            {"type": "signature_delta", "signature": "s"},
        ),
        *block(
            1,
            {"type": "text", "text": ""},
            {"type": "text_delta", "text": "Hel"},
            {"type": "text_delta", "text": "lo"},
            {"type": "citations_delta", "citation": {"url": "a"}},
            {"type": "citations_delta", "citation": {"url": "b"}},
        ),
        *block(
            2,
            {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}},
            {"type": "input_json_delta", "partial_json": '{"command"'},
            {"type": "input_json_delta", "partial_json": ': "ls"}'},
        ),
        *block(3, {"type": "tool_use", "id": "toolu_2", "name": "Bash", "input": {}}),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {"output_tokens": 7},
        },
        {"type": "message_stop"},
    ]
    assert collect(events) == {
        "id": "msg_1",
        "type": "message",
        "content": [
            {"type": "thinking", "thinking": "I think", "signature": "s"},
            {"type": "text", "text": "Hello", "citations": [{"url": "a"}, {"url": "b"}]},
            {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}},
            {"type": "tool_use", "id": "toolu_2", "name": "Bash", "input": {}},
        ],
        "usage": {"output_tokens": 7},
        "stop_reason": "tool_use",
        "stop_sequence": None,
    }
    assert thinking == {"type": "thinking", "thinking": "", "signature": ""}

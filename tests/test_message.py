"""translate/response/message.py: the two exits of the stream machine."""

from typing import Any

from translate.response.message import (
    collect,
    sse,
)


def test_message_leaves_out_a_call_that_was_broken_off() -> None:
    block = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}
    delta = {"type": "input_json_delta", "partial_json": '{"command":"rm -r'}
    events = [
        {"type": "message_start", "message": {}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
    ]
    assert collect(events)["content"] == []


def test_message_may_break_off_within_a_text() -> None:
    events = [
        {"type": "message_start", "message": {}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": text},
            }
            for text in ("Hel", "lo")
        ),
    ]
    assert collect(events)["content"] == [{"type": "text", "text": "Hello"}]


EVENT_TYPES = {
    *("message_start", "message_delta", "message_stop", "ping", "error"),
    *("content_block_start", "content_block_delta", "content_block_stop"),
}


def test_sse_names_every_type_of_event() -> None:
    for kind in EVENT_TYPES:
        assert sse([{"type": kind}]) == f'event: {kind}\ndata: {{"type":"{kind}"}}\n\n'.encode()


def test_sse_writes_compact_utf_8() -> None:
    events = [{"type": "ping"}, {"type": "content_block_stop", "index": 0, "é": "\n"}]
    assert sse(events) == (
        b'event: ping\ndata: {"type":"ping"}\n\n'
        b"event: content_block_stop\n"
        b'data: {"type":"content_block_stop","index":0,"\xc3\xa9":"\\n"}\n\n'
    )


def test_sse_takes_another_encoder() -> None:
    assert sse([{"type": "ping"}], lambda event: b"!") == b"event: ping\ndata: !\n\n"
    assert sse([]) == b""


def test_message_is_the_collected_stream() -> None:
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

"""translate/response/tool_calls.py: where signatures ride; calls whole, repaired, in pieces."""

from typing import Any

import pytest

from tests.answers import (
    TAG,
    TEXT,
    THINKING,
    call,
    carried,
    chunk,
    short,
    short_events,
    signed,
    text,
    thought,
    tool,
    translator,
)
from translate.response.message import collect
from translate.signatures import pack


def test_signature_rides_on_the_thinking_before_its_call() -> None:
    assert short_events(
        chunk(thought("Look.")),
        chunk(call("f1", args={"command": "ls"}, thoughtSignature="AAAA"), call("f2", "Read", {})),
        chunk(text(""), finish="STOP"),
    ) == [
        "message_start",
        (0, THINKING),
        (0, "thinking_delta", "Look."),
        (0, "signature_delta", carried("AAAA")),
        (0, "stop"),
        (1, tool("_f1")),
        (1, "input_json_delta", '{"command":"ls"}'),
        (1, "stop"),
        (2, tool("_f2", "Read")),
        (2, "input_json_delta", "{}"),
        (2, "stop"),
        "tool_use",
        "message_stop",
    ]


def test_signature_after_text_rides_on_an_empty_thinking_block() -> None:
    assert short_events(
        chunk(thought("Look."), text("I look.")),
        chunk(call("f1", thoughtSignature="AAAA"), finish="STOP"),
    ) == [
        "message_start",
        (0, THINKING),
        (0, "thinking_delta", "Look."),
        (0, "stop"),
        (1, TEXT),
        (1, "text_delta", "I look."),
        (1, "stop"),
        (2, THINKING),
        (2, "signature_delta", carried("AAAA")),
        (2, "stop"),
        (3, tool("_f1")),
        (3, "input_json_delta", "{}"),
        (3, "stop"),
        "tool_use",
        "message_stop",
    ]


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(
            [chunk(call("f1"), call("f2")), chunk(signed("AAAA"), finish="STOP")], id="behind all"
        ),
        pytest.param(
            [
                chunk(call("f1")),
                chunk(call("f2")),
                chunk({"thoughtSignature": "AAAA"}, finish="STOP"),
            ],
            id="on a part of its own",
        ),
        pytest.param(
            [chunk(signed("AAAA")), chunk(call("f1"), call("f2"), finish="STOP")], id="before"
        ),
        pytest.param(
            [chunk(call("f1", thoughtSignature="AAAA"), call("f2"), signed("BBBB"), finish="STOP")],
            id="with another one that is let go",
        ),
    ],
)
def test_signature_reaches_the_first_call_wherever_it_comes(chunks: Any) -> None:
    assert short_events(*chunks) == [
        "message_start",
        (0, THINKING),
        (0, "signature_delta", carried("AAAA")),
        (0, "stop"),
        (1, tool("_f1")),
        (1, "input_json_delta", "{}"),
        (1, "stop"),
        (2, tool("_f2")),
        (2, "input_json_delta", "{}"),
        (2, "stop"),
        "tool_use",
        "message_stop",
    ]


def test_signature_of_a_thought_is_its_next_calls() -> None:
    assert short_events(
        chunk(thought("Hm.", thoughtSignature="AAAA")), chunk(call("f1"), finish="STOP")
    ) == [
        "message_start",
        (0, THINKING),
        (0, "thinking_delta", "Hm."),
        (0, "signature_delta", carried("AAAA")),
        (0, "stop"),
        (1, tool("_f1")),
        (1, "input_json_delta", "{}"),
        (1, "stop"),
        "tool_use",
        "message_stop",
    ]


def test_signature_that_a_call_does_not_need_keeps_its_place() -> None:
    assert short_events(
        chunk(text("I look."), signed("TTTT")),
        chunk(call("f1", thoughtSignature="AAAA"), finish="STOP"),
    )[4:10] == [
        (1, THINKING),
        (1, "signature_delta", carried("TTTT", "t")),
        (1, "stop"),
        (2, THINKING),
        (2, "signature_delta", carried("AAAA")),
        (2, "stop"),
    ]


def test_signatures_of_calls_in_sequence() -> None:
    signatures = [
        event[2]
        for event in short_events(
            chunk(call("f1", thoughtSignature="AAAA")),
            chunk(call("f2", thoughtSignature="BBBB"), finish="STOP"),
        )
        if event[1] == "signature_delta"
    ]
    assert signatures == [carried("AAAA"), carried("BBBB")]


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([chunk(call("f1")), chunk(text("Now."), finish="STOP")], id="text follows"),
        pytest.param(
            [chunk(call("f1"), finish="STOP"), chunk(text("Now."), finish="STOP")],
            id="finish precedes",
        ),
    ],
)
def test_unsigned_calls_have_no_thinking_block(chunks: Any) -> None:
    assert short_events(*chunks) == [
        "message_start",
        (0, tool("_f1")),
        (0, "input_json_delta", "{}"),
        (0, "stop"),
        (1, TEXT),
        (1, "text_delta", "Now."),
        (1, "stop"),
        "tool_use",
        "message_stop",
    ]


def test_unsigned_calls_are_kept_back_until_the_end_at_most() -> None:
    machine = translator()
    assert [short(event) for event in machine.feed(chunk(call("f1")))] == ["message_start"]
    assert machine.feed(chunk(call("f2"), finish="STOP")) == []
    assert [short(event) for event in machine.finish()] == [
        (0, tool("_f1")),
        (0, "input_json_delta", "{}"),
        (0, "stop"),
        (1, tool("_f2")),
        (1, "input_json_delta", "{}"),
        (1, "stop"),
        "tool_use",
        "message_stop",
    ]


def test_unsigned_call_goes_before_a_signed_one() -> None:
    kinds = [
        event[1].get("type")
        for event in short_events(
            chunk(call("f1"), call("f2", thoughtSignature="BBBB"), finish="STOP")
        )
        if isinstance(event[1], dict)
    ]
    assert kinds == ["tool_use", "thinking", "tool_use"]


def test_signatures_are_dropped_for_other_clients() -> None:
    assert short_events(
        chunk(call("f1")),
        chunk(signed("SSSS"), call("f2", thoughtSignature="AAAA")),
        chunk(call(None), finish="STOP"),
        carries_signatures=False,
    ) == [
        "message_start",
        (0, tool("_f1")),
        (0, "input_json_delta", "{}"),
        (0, "stop"),
        (1, tool("_f2")),
        (1, "input_json_delta", "{}"),
        (1, "stop"),
        (2, tool("02")),
        (2, "input_json_delta", "{}"),
        (2, "stop"),
        "tool_use",
        "message_stop",
    ]


def test_tool_name_is_the_clients_own() -> None:
    events = short_events(
        chunk(call("f1", "_1st_00", {"é": 1}, thoughtSignature="A"), finish="STOP"),
        tool_names={"_1st_00": "1st"},
    )
    assert events[4:6] == [(1, tool("_f1", "1st")), (1, "input_json_delta", '{"é":1}')]


def test_call_with_a_slip_is_repaired_and_counted() -> None:
    machine = translator(
        input_schemas={"Bash": {"properties": {"command": {}}, "required": ["command"]}}
    )
    slip = call("f1", "bash", {"parameters": {"command": "ls"}}, thoughtSignature="A")
    events = machine.feed(chunk(slip, finish="STOP"))
    assert [short(event) for event in events[4:6]] == [
        (1, tool("_f1")),
        (1, "input_json_delta", '{"command":"ls"}'),
    ]
    assert machine.repairs == {"name": 1, "unwrapped": 1}


def test_parallel_calls_are_dropped_where_one_is_wanted() -> None:
    signed_call = call("f1", thoughtSignature="A")
    for chunks in ([chunk(signed_call, call("f2"))], [chunk(call("f1"), call("f2"), signed("A"))]):
        machine = translator(max_calls=1)
        events = [event for given in chunks for event in machine.feed(given)]
        content = collect(events + machine.feed(chunk(finish="STOP")) + machine.finish())["content"]
        assert [block["type"] for block in content] == ["thinking", "tool_use"]
        assert content[1]["id"] == f"toolu_{TAG}_f1"


def test_traces_of_geminis_own_tools_ride_on_thinking_blocks() -> None:
    trace = {"toolCall": {"id": "s1", "toolType": "GOOGLE_SEARCH_WEB", "args": {}}}
    events = short_events(chunk(trace, text("So."), finish="STOP"))
    assert events[1:4] == [
        (0, THINKING),
        (0, "signature_delta", carried(pack(trace), "p")),
        (0, "stop"),
    ]
    assert short_events(chunk(trace, text("So."), finish="STOP"), carries_signatures=False)[1] == (
        0,
        TEXT,
    )


# --- Calls in pieces (Vertex AI) --------------------------------------------------------------


def piece(*partial: Any, more: bool = True, **function: Any) -> dict[str, Any]:
    if partial:
        function["partialArgs"] = list(partial)
    if more:
        function["willContinue"] = True
    return {"functionCall": function}


def city(value: str, more: bool = False) -> dict[str, Any]:
    return {"jsonPath": "$.city", "stringValue": value, **({"willContinue": True} if more else {})}


def test_call_in_pieces_is_streamed() -> None:
    start = {**piece(name="weather", id="f1"), "thoughtSignature": "A"}
    assert short_events(
        chunk(start),
        chunk(piece(city("Bos", more=True))),
        chunk(piece(city("ton"))),
        chunk(piece(more=False)),
        chunk(call("f2"), finish="STOP"),
    )[3:] == [
        (0, "stop"),
        (1, tool("_f1", "weather")),
        (1, "input_json_delta", '{"city":"Bos'),
        (1, "input_json_delta", 'ton"'),
        (1, "input_json_delta", "}"),
        (1, "stop"),
        (2, tool("_f2")),
        (2, "input_json_delta", "{}"),
        (2, "stop"),
        "tool_use",
        "message_stop",
    ]


def test_call_in_pieces_takes_the_signature_before_it() -> None:
    events = short_events(
        chunk(signed("A"), piece(city("x"), more=False, name="weather"), finish="STOP")
    )
    assert events[1:5] == [
        (0, THINKING),
        (0, "signature_delta", carried("A")),
        (0, "stop"),
        (1, tool("00", "weather")),
    ]


@pytest.mark.parametrize(
    ("finish", "stop_reason"),
    [("MAX_TOKENS", "max_tokens"), ("MALFORMED_FUNCTION_CALL", "tool_use"), ("SAFETY", "refusal")],
)
def test_call_that_is_broken_off_cannot_be_run(finish: str, stop_reason: str) -> None:
    """Claude Code runs a tool as soon as its block ends, if its input can be read."""
    machine = translator()
    events = machine.feed(chunk(piece(city("Bos", more=True), name="weather"), finish=finish))
    events += machine.finish()
    parts = [event["delta"].get("partial_json", "") for event in events if "delta" in event]
    assert "".join(parts) == '{"city":"Bos'
    message = collect(events)
    assert [block for block in message["content"] if block["type"] == "tool_use"] == []
    assert message["stop_reason"] == stop_reason


def test_call_without_any_argument_cannot_be_run() -> None:
    machine = translator()
    events = machine.feed(chunk(piece(more=True, name="weather"), finish="MAX_TOKENS"))
    events += machine.finish()
    (delta,) = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert delta == {"type": "input_json_delta", "partial_json": "{"}
    assert collect(events)["content"] == []


def test_call_without_a_last_piece_is_whole() -> None:
    machine = translator()
    events = machine.feed(chunk(piece(city("Bos", more=True), name="weather"), finish="STOP"))
    message = collect(events + machine.finish())
    assert message["content"][0]["input"] == {"city": "Bos"}
    assert message["stop_reason"] == "tool_use"


def test_call_in_pieces_is_dropped_where_one_is_wanted() -> None:
    first = call("f1", thoughtSignature="A")
    events = short_events(
        chunk(first, piece(city("x"), name="weather"), piece(more=False), finish="STOP"),
        max_calls=1,
    )
    assert [event[1]["type"] for event in events if isinstance(event[1], dict)] == [
        "thinking",
        "tool_use",
    ]


def test_signature_of_a_text_travels_with_the_next_call() -> None:
    said = text("I look.", thoughtSignature="TTTT")
    assert short_events(chunk(said, call("f1", thoughtSignature="AAAA"), finish="STOP"))[4:8] == [
        (1, THINKING),
        (1, "signature_delta", carried("TTTT", "t")),
        (1, "stop"),
        (2, THINKING),
    ]
    unsigned = short_events(chunk(said, call("f1"), finish="STOP"))
    assert unsigned[5] == (1, "signature_delta", carried("TTTT", "t"))
    assert short_events(chunk(said, finish="STOP"))[-2:] == ["end_turn", "message_stop"]


def test_call_ids_are_unique() -> None:
    both = chunk(call("f1", thoughtSignature="A"), call("f1"), finish="STOP")
    ids = [
        event[1]["id"]
        for event in short_events(both)
        if isinstance(event[1], dict) and "id" in event[1]
    ]
    assert ids == [f"toolu_{TAG}_f1", f"toolu_{TAG}01"]


def test_call_counts_from_the_moment_it_comes() -> None:
    def has_any(*parts: Any, **changes: Any) -> bool:
        machine = translator(**changes)
        machine.feed(chunk(*parts))
        return machine._calls.has_any

    assert has_any(thought("Hm."), text("a")) is False
    assert has_any(call("f1")) is True
    assert has_any(call("f1", thoughtSignature="A")) is True
    assert has_any(call("f1"), carries_signatures=False) is True
    assert has_any({"functionCall": {"name": "Bash", "willContinue": True}}) is True
    assert has_any(call("f1"), max_calls=0) is False

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
from translate.errors import Cause
from translate.response.finish import EXPLANATIONS
from translate.response.message import collect
from translate.response.tool_calls import MAX_CALLS
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


def test_signatures_are_dropped_where_a_call_is_forced() -> None:
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


BEGUN = piece(city("Bos", more=True), name="weather", id="f1")


def blocks(*chunks: Any, **changes: Any) -> list[Any]:
    """The blocks of the message; those of calls as name and input."""
    machine = translator(**changes)
    events = [event for given in chunks for event in machine.feed(given)] + machine.finish()
    return [
        (block["name"], block["input"]) if "input" in block else block.get("text", block["type"])
        for block in collect(events)["content"]
    ]


@pytest.mark.parametrize(
    "between",
    [
        pytest.param([text("Now.")], id="text"),
        pytest.param([text("Now.", thoughtSignature="T")], id="a signed text"),
        pytest.param([text("Now."), text("")], id="an empty text"),
        pytest.param([{"functionCall": None}, text("Now.")], id="a null"),
    ],
)
def test_part_between_pieces_follows_the_call(between: Any) -> None:
    rest = piece(city("ton"), more=False)
    expected = [("weather", {"city": "Boston"}), "Now."]
    assert blocks(chunk(BEGUN, *between, rest, finish="STOP")) == expected
    assert blocks(chunk(BEGUN), *map(chunk, between), chunk(rest), chunk(finish="STOP")) == expected


def test_whole_call_between_pieces_follows_the_call() -> None:
    rest = piece(city("ton"), more=False)
    for other in (call("f2", "Read", {"a": 1}), call("f2", "Read")):
        args = other["functionCall"].get("args", {})
        expected = [("weather", {"city": "Boston"}), ("Read", args)]
        assert blocks(chunk(BEGUN, other, rest, finish="STOP")) == expected
    same = call("f2", "weather", {"city": "Oslo"})
    assert blocks(chunk(BEGUN, same, rest, finish="STOP"))[1] == ("weather", {"city": "Oslo"})


def test_piece_may_name_its_call_again() -> None:
    again = [piece(city("t", more=True), name="weather"), piece(city("on"), id="f1", more=False)]
    expected = [("weather", {"city": "Boston"})]
    assert blocks(chunk(BEGUN, *again, finish="STOP")) == expected
    assert blocks(chunk(BEGUN, *again, {"functionCall": {}}, finish="STOP")) == expected


@pytest.mark.parametrize("other", [{"name": "Read"}, {"name": "weather", "id": "f2"}])
def test_call_in_pieces_ends_where_the_next_begins(other: Any) -> None:
    whole, half = piece(city("Bos"), name="weather", id="f1"), BEGUN
    following = [piece(**other), piece(city("Oslo")), piece(more=False)]
    second = (other["name"], {"city": "Oslo"})
    expected = [("weather", {"city": "Bos"}), second]
    assert blocks(chunk(whole, *following, finish="STOP")) == expected
    one = blocks(chunk(whole, *following, finish="STOP"), max_calls=1)
    assert one == expected[:1]
    assert blocks(chunk(half, *following, finish="STOP")) == [EXPLANATIONS[Cause.MALFORMED]]


def test_parts_wait_for_a_call_that_does_not_end() -> None:
    other = call("f2", "Read")
    assert blocks(chunk(BEGUN, text("Now."), other, finish="STOP")) == [
        *(("weather", {"city": "Bos"}), "Now.", ("Read", {}))
    ]
    assert blocks(chunk(BEGUN, text("Now."), other, finish="MAX_TOKENS")) == ["Now.", ("Read", {})]
    cut = blocks(chunk(BEGUN, text("No.w"), other, finish="STOP"), stop_sequences=["."])
    assert cut == [("weather", {"city": "Bos"}), "No"]


# --- Calls that cannot be read ----------------------------------------------------------------

UNREADABLE = [
    *({"functionCall": value} for value in ([], "Bash", 7, {}, {"args": {"a": 1}})),
    *(call("f2", name) for name in ("", " ", "default_api:", 7, None, ["Bash"])),
    *(call("f2", args=args) for args in ("ls", 7, [1], [{"a": 1}, {"a": 2}], True)),
    *(piece({"jsonPath": 7}, name="Bash"), piece(name=""), piece(city("x")), piece(more=True)),
    {"functionCall": {"name": "Bash", "partialArgs": "x"}},
    {"functionCall": {"name": "Bash", "willContinue": "yes"}},
]


@pytest.mark.parametrize("part", UNREADABLE)
def test_unreadable_call_is_a_malformed_one(part: Any) -> None:
    """Never a tool_use without a name, or with an input that is no object."""
    for finish in ("STOP", "MAX_TOKENS"):
        machine = translator()
        events = machine.feed(chunk(thought("Hm."), part, call("f3"), finish=finish))
        assert (machine.shortfall, machine.has_emitted_answer) == (Cause.MALFORMED, False)
        events += machine.finish()
        kinds = [block["type"] for block in collect(events)["content"]]
        assert kinds == ["thinking", "text"]


@pytest.mark.parametrize("in_pieces", [False, True])
def test_more_calls_than_a_client_runs_are_malformed(in_pieces: bool) -> None:
    """A model that repeats itself without end; the answer is asked for again."""
    one = call(None, args={"a": 1}) if not in_pieces else piece(city("x"), name="Bash", more=False)
    for count, shortfall in ((MAX_CALLS, None), (MAX_CALLS + 1, Cause.MALFORMED)):
        machine = translator()
        events = machine.feed(chunk(*[one] * count, finish="STOP"))
        assert machine.shortfall is shortfall
        kinds = [block["type"] for block in collect(events + machine.finish())["content"]]
        assert kinds.count("tool_use") == (0 if shortfall else MAX_CALLS)


PIECES = [{"functionCall": {}}, call("f2", None), *(piece(city("x")), piece(), piece(name=""))]
"""What would be the next piece of a call."""


@pytest.mark.parametrize(
    "part", [piece({"jsonPath": 7}), *(part for part in UNREADABLE if part not in PIECES)]
)
def test_unreadable_call_beside_pieces_leaves_them_open(part: Any) -> None:
    machine = translator()
    events = machine.feed(chunk(BEGUN, part, piece(more=False), finish="STOP"))
    assert machine.shortfall is Cause.MALFORMED
    events += machine.finish()
    assert [block["type"] for block in collect(events)["content"]] == ["text"]


def test_null_call_is_an_empty_part() -> None:
    null = {"functionCall": None}
    assert blocks(chunk(null, text("a"), null, finish="STOP")) == ["a"]


def test_unreadable_call_is_ignored_where_one_is_wanted() -> None:
    first = call("f1", thoughtSignature="A")
    for part in UNREADABLE:
        content = blocks(chunk(first, part, finish="STOP"), max_calls=1)
        assert content == ["thinking", ("Bash", {})]


def test_args_as_text_are_parsed_and_counted() -> None:
    machine = translator()
    events = machine.feed(chunk(call("f1", args='{"command": "ls"}'), finish="STOP"))
    assert collect(events + machine.finish())["content"][0]["input"] == {"command": "ls"}
    assert machine.repairs == {"parsed": 1}


def test_name_of_a_call_in_pieces_is_repaired() -> None:
    machine = translator(input_schemas={"Weather": {}})
    events = machine.feed(chunk(piece(name="default_api:weather"), piece(more=False)))
    events += machine.feed(chunk(finish="STOP")) + machine.finish()
    assert collect(events)["content"][0]["name"] == "Weather"
    assert machine.repairs == {"name": 1}


END = {"finish": "STOP"}


# --- Calls beside one that cannot be read ------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        pytest.param([chunk(call("f1"), finish="MALFORMED_FUNCTION_CALL")], id="in one chunk"),
        pytest.param([chunk(call("f1")), chunk(finish="MALFORMED_FUNCTION_CALL")], id="later"),
        pytest.param(
            [chunk(call("f1", thoughtSignature="A")), chunk(finish="MISSING_THOUGHT_SIGNATURE")],
            id="signed",
        ),
        pytest.param(
            [chunk(call("f1", thoughtSignature="A"), text("a")), chunk(call("f2", ""), **END)],
            id="before a text",
        ),
    ],
)
def test_call_beside_a_malformed_one_is_not_run(given: Any) -> None:
    """Claude Code runs a tool as soon as its block ends: so none ends before the answer does."""
    machine = translator()
    shown = [event["type"] for each in given for event in machine.feed(each)]
    assert (shown, machine.has_emitted_answer) == (["message_start"], False)
    assert machine.shortfall in (Cause.MALFORMED, Cause.SIGNATURE)
    opened = [event["content_block"] for event in machine.finish() if "content_block" in event]
    assert [block["type"] for block in opened] == ["text"]


def test_call_that_was_kept_back_is_forgotten_by_the_next() -> None:
    first = translator()
    events = first.feed(chunk(thought("Hm."), call("f1", thoughtSignature="A"), call("f2", "")))
    second = translator(previous=first)
    events += second.feed(chunk(call("f3"), finish="STOP")) + second.finish()
    assert [block["type"] for block in collect(events)["content"]] == ["thinking", "tool_use"]
    assert collect(events)["content"][0]["signature"] == ""


def test_call_is_shown_with_the_end_of_the_answer() -> None:
    machine = translator()
    assert len(machine.feed(chunk(call("f1", thoughtSignature="A")))) == 1
    assert machine.release() != []
    machine = translator()
    assert len(machine.feed(chunk(call("f1", thoughtSignature="A"), finish="STOP"))) > 1
    assert machine.has_emitted_answer is True


@pytest.mark.parametrize("more", [True, False])
def test_call_in_pieces_beside_a_malformed_one_is_not_run(more: bool) -> None:
    machine = translator()
    pieces = [piece(name="weather"), piece(city("Bos"), more=more), piece(more=False)]
    events = [event for part in pieces for event in machine.feed(chunk(part))]
    events += machine.feed(chunk(finish="MALFORMED_FUNCTION_CALL")) + machine.finish()
    parts = [event["delta"].get("partial_json", "") for event in events if "delta" in event]
    assert "".join(parts) == ('{"city":"Bos"' if more else "{")
    assert [block["type"] for block in collect(events)["content"]] == ["text"]


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

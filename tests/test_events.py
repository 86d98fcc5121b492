"""translate/response/events.py: blocks one at a time, in order."""

from typing import Any

import pytest

from translate.response.events import GROWING, Events, compact
from translate.response.output_limit import OutputLimit

TOOL_USE = {"type": "tool_use", "id": "t"}


def start(index: int, block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, **fields: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": fields}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def deltas(events: Events) -> list[Any]:
    return [(each["index"], each["delta"]) for each in events.drain() if "delta" in each]


def test_message_begins_once() -> None:
    events = Events(OutputLimit())
    assert events.has_begun is False
    events.begin({"id": "msg_1"})
    assert (events.has_begun, events.has_block, events.has_emitted_answer) == (True, False, False)
    assert events.drain() == [{"type": "message_start", "message": {"id": "msg_1"}}]


def test_blocks_open_one_at_a_time() -> None:
    events = Events(OutputLimit())
    assert (events.has_block, events.open_block) == (False, None)
    events.add_text("a", 0)
    events.add_text("b", 0)
    assert (events.has_block, events.open_block) == (True, "text")
    events.open("tool_use", TOOL_USE)
    events.close()
    events.close()
    assert (events.has_block, events.open_block) == (True, None)
    assert events.drain() == [
        start(0, GROWING["text"]),
        delta(0, type="text_delta", text="a"),
        delta(0, type="text_delta", text="b"),
        stop(0),
        start(1, TOOL_USE),
        stop(1),
    ]
    assert events.drain() == []


def test_events_are_held_until_they_are_released() -> None:
    events = Events(OutputLimit(["</end>"]))
    events.begin({})
    events.add_thinking("t")
    events.add_text("a</", 0)
    events.hold()
    events.open("tool_use", TOOL_USE)
    events.hold()
    events.close()
    assert (events.has_answer, events.has_emitted_answer, events.has_block) == (True, True, True)
    assert [event["type"] for event in events.drain()] == [
        *("message_start", "content_block_start", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_delta"),
    ]
    assert events.drain() == []
    events.release()
    assert events.drain() == [stop(1), start(2, TOOL_USE), stop(2)]


def test_events_that_are_held_have_not_been_shown() -> None:
    events = Events(OutputLimit())
    events.hold()
    events.open("tool_use", TOOL_USE)
    assert (events.has_answer, events.has_emitted_answer, events.has_block) == (True, False, False)


@pytest.mark.parametrize("is_drained", [True, False])
def test_events_that_are_discarded_leave_no_trace(is_drained: bool) -> None:
    events = Events(OutputLimit())
    events.add_thinking("a")
    shown = events.drain() if is_drained else []
    events.hold()
    events.open("tool_use", TOOL_USE)
    events.discard()
    events.discard()
    assert (events.has_answer, events.open_block) == (False, "thinking")
    events.add_thinking("b")
    assert shown + events.drain() == [
        start(0, GROWING["thinking"]),
        delta(0, type="thinking_delta", thinking="a"),
        delta(0, type="thinking_delta", thinking="b"),
    ]
    events.open("tool_use", TOOL_USE)
    assert events.drain() == [stop(0), start(1, TOOL_USE)]


def with_place(limit: float = 9) -> Events:
    events = Events(OutputLimit())
    events.place_limit = limit
    return events


SOURCE = {"type": "server_tool_use", "id": "s"}


def test_place_is_in_front_of_the_first_text() -> None:
    events = with_place()
    events.begin({})
    events.add_thinking("t")
    assert len(events.drain()) == 3
    events.add_text("a", 0)
    assert [each["type"] for each in events.drain()] == ["content_block_stop"]
    assert (events.has_place, events.has_block, events.has_emitted_answer) == (True, True, False)
    events.add_thinking("u")
    events.add_text("b", 0)
    with events.before_text():
        events.open("server_tool_use", SOURCE)
        events.close()
        events.open("server_tool_use", SOURCE)
        events.close()
    assert (events.has_place, events.open_block, events.last_block) == (False, "text", "text")
    events.close()
    events.add_text("c", 0)
    assert events.drain() == [
        start(1, SOURCE),
        stop(1),
        start(2, SOURCE),
        stop(2),
        start(3, GROWING["text"]),
        delta(3, type="text_delta", text="a"),
        stop(3),
        start(4, GROWING["thinking"]),
        delta(4, type="thinking_delta", thinking="u"),
        stop(4),
        start(5, GROWING["text"]),
        delta(5, type="text_delta", text="b"),
        stop(5),
        start(6, GROWING["text"]),
        delta(6, type="text_delta", text="c"),
    ]


def test_place_has_a_limit() -> None:
    events = with_place(limit=3)
    for size, expected in ((2, 0), (1, 0), (1, 4), (1, 1)):
        events.add_text("x" * size, 0)
        assert len(events.drain()) == expected
    assert events.has_place is False


@pytest.mark.parametrize("name", ["end_place", "keep_alive"])
def test_place_ends(name: str) -> None:
    """An empty delta that has to be sent cannot wait."""
    events = with_place()
    events.add_text("a", 0)
    assert events.drain() == []
    getattr(events, name)(*["text"] if name == "keep_alive" else [])
    assert len(events.drain()) == {"end_place": 2, "keep_alive": 3}[name]
    events.close()
    events.add_text("b", 0)
    assert len(events.drain()) == 3


def test_place_behind_a_call_that_is_held() -> None:
    events = with_place()
    events.hold()
    events.open("tool_use", TOOL_USE)
    events.add_text("a", 0)
    assert (events.drain(), events.has_block, events.has_emitted_answer) == ([], False, False)
    events.discard()
    assert (events.has_place, events.drain()) == (False, [])
    events.hold()
    events.open("tool_use", TOOL_USE)
    events.add_text("a", 0)
    events.release()
    assert events.drain() == [start(0, TOOL_USE), stop(0)]
    events.rewind()
    events.add_text("b", 0)
    events.end_place()
    assert events.drain() == [start(1, GROWING["text"]), delta(1, type="text_delta", text="b")]


def test_place_stays_where_a_later_call_is_discarded() -> None:
    events = with_place()
    events.add_text("a", 0)
    events.hold()
    events.open("tool_use", TOOL_USE)
    events.discard()
    assert (events.has_place, events.has_answer, events.open_block) == (True, True, "text")
    events.end_place()
    assert events.drain() == [start(0, GROWING["text"]), delta(0, type="text_delta", text="a")]


def test_rewind_forgets_all_that_was_not_shown() -> None:
    events = with_place()
    events.add_thinking("a")
    events.drain()
    events.add_text("b", 0)
    events.hold()
    events.open("tool_use", TOOL_USE)
    events.rewind()
    assert (events.has_answer, events.open_block, events.has_place) == (False, None, False)
    events.add_thinking("c")
    assert events.drain() == [
        stop(0),
        start(1, GROWING["thinking"]),
        delta(1, type="thinking_delta", thinking="c"),
    ]


def test_thinking_goes_on_in_its_block() -> None:
    events = Events(OutputLimit())
    events.add_thinking("a")
    events.add_thinking("b")
    events.add_delta("signature_delta", signature="S")
    assert events.drain() == [
        start(0, GROWING["thinking"]),
        delta(0, type="thinking_delta", thinking="a"),
        delta(0, type="thinking_delta", thinking="b"),
        delta(0, type="signature_delta", signature="S"),
    ]


def test_halves_of_a_character_meet_in_their_block() -> None:
    events = Events(OutputLimit())
    for half in ("a\ud83d", "\ude00b", "\ud83d"):
        events.add_text(half, 0)
    for half in ("a\ud83d", "\ude00b", "\ud83d"):
        events.add_thinking(half)
    events.open("tool_use", TOOL_USE)
    for half in ('"\ud83d', '\ude00"', "\ud83d"):
        events.add_input(half)
    events.add_delta("signature_delta", signature="S")
    assert [[*delta.values()][1] for _, delta in deltas(events)] == [
        *("a", "\U0001f600b", "\ufffd"),
        *("a", "\U0001f600b", "\ufffd"),
        *('"', '\U0001f600"', "\ufffd", "S"),
    ]


def test_half_of_a_character_is_forgotten_with_its_attempt() -> None:
    events = Events(OutputLimit())
    events.add_text("\ud83d", 0)
    events.add_thinking("a\ud83d")
    events.drain()
    events.rewind()
    events.add_thinking("\ude00")
    events.limit = OutputLimit(["a"])
    events.add_text("\ud83d", 0)
    events.add_text("a\ud83d", 0)
    events.flush()
    assert deltas(events) == [
        (1, {"type": "thinking_delta", "thinking": "\ufffd"}),
        (2, {"type": "text_delta", "text": "\ufffd"}),
    ]


def test_input_is_compact_json() -> None:
    assert compact({"é": [1, "\n"]}) == '{"é":[1,"\\n"]}'


def test_text_that_was_kept_back_comes_before_other_blocks() -> None:
    events = Events(OutputLimit(["</end>"]))
    events.add_text("</", 0)
    assert events.drain() == []
    events.open("tool_use", TOOL_USE)
    assert deltas(events) == [(0, {"type": "text_delta", "text": "</"})]
    events.add_text("a</end>b", 0)
    assert deltas(events) == [(2, {"type": "text_delta", "text": "a"})]


def test_notice_has_its_own_block_and_no_limits() -> None:
    events = Events(OutputLimit(["</end>"]))
    events.add_text("a</end>", 0)
    events.add_notice("</end>")
    assert [index for index, _ in deltas(events)] == [0, 1]


def test_keep_alive_is_an_empty_delta_of_the_open_block() -> None:
    events = Events(OutputLimit())
    events.keep_alive("thinking")
    assert events.has_block is True
    events.keep_alive("text")
    assert events.drain() == [
        start(0, GROWING["thinking"]),
        delta(0, type="thinking_delta", thinking=""),
        delta(0, type="thinking_delta", thinking=""),
    ]
    events.close()
    events.keep_alive("text")
    assert events.drain()[1:] == [start(1, GROWING["text"]), delta(1, type="text_delta", text="")]
    assert events.has_emitted_answer is False
    events.open("tool_use", TOOL_USE)
    events.drain()
    events.keep_alive("text")
    assert events.drain() == [delta(2, type="input_json_delta", partial_json="")]


def test_answer_is_more_than_thinking() -> None:
    def is_answer(*steps: Any) -> bool:
        events = Events(OutputLimit())
        for method, *arguments in steps:
            getattr(events, method)(*arguments)
        expected = events.has_emitted_answer
        events.open("thinking")
        assert events.has_emitted_answer is expected
        return expected

    thinking = "add_thinking", "Hm."
    assert is_answer(thinking) is False
    assert is_answer(thinking, ("add_delta", "signature_delta"), thinking) is True
    assert is_answer(("open", "text")) is False
    assert is_answer(("add_text", "a", 0)) is True
    assert is_answer(("open", "tool_use", TOOL_USE)) is True


def test_limits_are_those_of_the_attempt_under_way() -> None:
    events = Events(OutputLimit(["a"]))
    events.limit = OutputLimit(["b"])
    events.add_text("ab", 0)
    assert deltas(events) == [(0, {"type": "text_delta", "text": "a"})]


@pytest.mark.parametrize(
    ("block", "expected"),
    [(None, []), ("text", [stop(0)]), ("thinking", [stop(0), start(1, GROWING["text"]), stop(1)])],
)
def test_end_is_never_behind_thinking(block: str | None, expected: list[Any]) -> None:
    events = Events(OutputLimit())
    if block is not None:
        events.open(block)
        events.drain()
    events.end("end_turn", {"output_tokens": 1})
    assert events.drain() == [
        *expected,
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 1},
        },
        {"type": "message_stop"},
    ]


def test_end_names_the_stop_sequence() -> None:
    events = Events(OutputLimit(["b"]))
    events.add_text("ab", 0)
    events.end("stop_sequence", {})
    assert events.drain()[-2]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "b"}


def test_thinking_block_that_was_closed_is_still_the_last() -> None:
    events = Events(OutputLimit())
    events.open("thinking")
    events.close()
    events.drain()
    events.end("end_turn", {})
    assert events.drain()[:2] == [start(1, GROWING["text"]), stop(1)]

"""translate/events.py: blocks one at a time, in order."""

from translate.response.events import GROWING, Events, compact
from translate.response.output_limit import OutputLimit


def test_blocks_open_one_at_a_time() -> None:
    events = Events(OutputLimit())
    assert (events.has_block, events.open_block, events.last_block) == (False, None, None)
    events.open("text")
    events.delta("text_delta", text="a")
    events.open("text")
    events.open("tool_use", {"type": "tool_use", "id": "t"})
    events.close()
    events.close()
    assert (events.has_block, events.open_block, events.last_block) == (True, None, "tool_use")
    events.emit("ping")
    assert events.drain() == [
        {"type": "content_block_start", "index": 0, "content_block": GROWING["text"]},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "a"},
        },
        {"type": "content_block_stop", "index": 0},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "tool_use", "id": "t"},
        },
        {"type": "content_block_stop", "index": 1},
        {"type": "ping"},
    ]
    assert events.drain() == []


def test_the_json_of_an_input() -> None:
    assert compact({"é": [1, "\n"]}) == '{"é":[1,"\\n"]}'


def test_text_is_shown_as_far_as_wanted_and_before_what_follows() -> None:
    events = Events(OutputLimit(["</end>"]))
    events.text("</", 0)
    assert events.drain() == []
    events.open("tool_use", {"type": "tool_use"})
    events.say("</end>")
    events.text("a</end>b", 0)
    said = events.drain()
    shown = [(event["index"], event["delta"]["text"]) for event in said if "delta" in event]
    assert shown == [(0, "</"), (2, "</end>"), (2, "a")]


def test_a_message_begins_once() -> None:
    events = Events(OutputLimit())
    assert events.has_begun is False
    events.begin({"id": "msg_1"})
    assert (events.has_begun, events.has_block, events.has_emitted_answer) == (True, False, False)
    assert events.drain() == [{"type": "message_start", "message": {"id": "msg_1"}}]


def delta(index: int, **fields: str) -> dict[str, object]:
    return {"type": "content_block_delta", "index": index, "delta": fields}


def test_a_sign_of_life_is_a_delta_of_the_open_block() -> None:
    events = Events(OutputLimit())
    events.keep_alive("thinking")
    assert events.has_block is True
    events.keep_alive("text")
    assert events.drain() == [
        {"type": "content_block_start", "index": 0, "content_block": GROWING["thinking"]},
        delta(0, type="thinking_delta", thinking=""),
        delta(0, type="thinking_delta", thinking=""),
    ]
    events.close()
    events.keep_alive("text")
    assert events.drain()[1:] == [
        {"type": "content_block_start", "index": 1, "content_block": GROWING["text"]},
        delta(1, type="text_delta", text=""),
    ]
    assert events.has_emitted_answer is False
    events.open("tool_use", {"type": "tool_use"})
    events.drain()
    events.keep_alive("text")
    assert events.drain() == [delta(2, type="input_json_delta", partial_json="")]


def test_more_than_thinking_is_an_answer() -> None:
    def is_answer(kind: str, *deltas: str) -> bool:
        events = Events(OutputLimit())
        events.open(kind, None if kind in GROWING else {"type": kind})
        for name in deltas:
            events.delta(name)
        expected = events.has_emitted_answer
        events.open("thinking")
        assert events.has_emitted_answer is expected
        return expected

    assert is_answer("thinking", "thinking_delta") is False
    assert is_answer("thinking", "thinking_delta", "signature_delta", "thinking_delta") is True
    assert is_answer("text") is False
    assert is_answer("text", "text_delta") is True
    assert is_answer("tool_use") is True


def test_the_limits_of_the_attempt_under_way_count() -> None:
    events = Events(OutputLimit(["a"]))
    events.limit = OutputLimit(["b"])
    events.text("ab", 0)
    assert [event["delta"]["text"] for event in events.drain() if "delta" in event] == ["a"]

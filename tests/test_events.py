"""translate/events.py: blocks one at a time, in order."""

from translate.cut import Cut
from translate.events import GROWING, Events, compact


def test_blocks_open_one_at_a_time() -> None:
    events = Events(Cut())
    assert (events.has_block, events.open_block, events.last_block) == (False, None, None)
    events.open("text")
    events.delta("text_delta", text="a")
    events.open("text")
    events.open("tool_use", {"type": "tool_use", "id": "t"})
    events.close()
    events.close()
    assert (events.has_block, events.open_block, events.last_block) == (True, None, "tool_use")
    events.emit("ping")
    assert events.taken() == [
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
    assert events.taken() == []


def test_the_json_of_an_input() -> None:
    assert compact({"é": [1, "\n"]}) == '{"é":[1,"\\n"]}'


def test_text_is_shown_as_far_as_wanted_and_before_what_follows() -> None:
    events = Events(Cut(["</end>"]))
    events.text("</", 0)
    assert events.taken() == []
    events.open("tool_use", {"type": "tool_use"})
    events.say("</end>")
    events.text("a</end>b", 0)
    shown = [event["delta"]["text"] for event in events.taken() if "delta" in event]
    assert shown == ["</", "</end>", "a"]

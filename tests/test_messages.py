"""translate/request/messages.py: every block, and every history a client can come back with."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.messages import EXAMPLES, assistant, result, thinking, use, user
from translate import translate
from translate.errors import InvalidRequest
from translate.models import find
from translate.request.messages import (
    BLOCKS,
    CONTINUE,
    INTERRUPTED,
    RESUMED,
    UNKNOWN,
    contents,
    is_traced,
)
from translate.request.nesting import MAX_DEPTH
from translate.request.validation import normalise
from translate.signatures import CALL, PART, SENTINEL, TEXT, pack, wrap

HYDROGEN = "gemini-4-hydrogen"
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
TRACE: Any = {"toolCall": {"id": "s1", "toolType": "URL_CONTEXT"}, "thoughtSignature": "PPPP"}
INLINE = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}


def translated(
    *messages: Any, model: str = HYDROGEN, signed: bool = True, instruction: str = ""
) -> Any:
    body = {"model": model, "messages": list(messages)}
    before = copy.deepcopy(body)
    normal = normalise(body, counting=True)["messages"]
    result = contents(normal, find(model), signed=signed, instruction=instruction)
    assert body == before
    return result


def call(identity: str, name: str = "Bash", args: Any = None, **more: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": args or {}, "id": identity}, **more}


def response(identity: str, answer: Any, name: str = "Bash", **more: Any) -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": answer, "id": identity, **more}}


@pytest.mark.parametrize(
    ("model", "signed", "expected"),
    [
        (HYDROGEN, True, SENTINEL),
        (HYDROGEN, False, SENTINEL),
        ("gemini-2.5-pro", True, None),
        ("gemini-2.5-pro", False, SENTINEL),
    ],
)
def test_signature_that_is_missing_is_the_sentinel(
    model: str, signed: bool, expected: str | None
) -> None:
    """Asked for one, a model gets it whatever the table says: some names are other models now."""
    turns = user("go"), assistant(use("a"), use("b")), user(result("a"), result("b"))
    first, second = translated(*turns, model=model, signed=signed)[1]["parts"]
    assert (first.get("thoughtSignature"), second.get("thoughtSignature")) == (expected, None)


@pytest.mark.parametrize(
    ("messages", "model"),
    [
        ([user("go")], HYDROGEN),
        ([user("go"), assistant(use("a")), user(result("a"))], HYDROGEN),
        ([user("go"), assistant(use("a"))], HYDROGEN),
        ([user("go"), assistant("I go")], "gemini-2.5-flash"),
    ],
    ids=["a text", "a result", "a call without a result", "a model's turn to go on with"],
)
def test_instruction_stands_behind_all_else(messages: list[Any], model: str) -> None:
    """In the user's turn, so that all before it is what Gemini has cached."""
    last = {"text": "<system-reminder>\nMind.\n</system-reminder>"}
    before = translated(*messages, model=model)
    told = translated(*messages, model=model, instruction="Mind.")
    assert (told[-1]["role"], told[-1]["parts"].pop()) == ("user", last)
    assert [turn for turn in told if turn["parts"]] == before


def test_turns_alternate_whoever_spoke_twice() -> None:
    assert translated(
        user("one"),
        {"role": "system", "content": "Mind the gap."},
        {"role": "user", "content": "two"},
        assistant("three"),
        assistant("four"),
        {"role": "system", "content": [{"type": "text", "text": "<system-reminder>\nx"}]},
    ) == [
        {
            "role": "user",
            "parts": [
                {"text": "one"},
                {"text": "<system-reminder>\nMind the gap.\n</system-reminder>"},
                {"text": "two"},
            ],
        },
        {"role": "model", "parts": [{"text": "three"}, {"text": "four"}]},
        {"role": "user", "parts": [{"text": "<system-reminder>\nx"}]},
    ]


def test_empty_turns_vanish_and_their_neighbours_become_one() -> None:
    assert translated(user("one"), assistant("", thinking("foreign")), user("two")) == [
        {"role": "user", "parts": [{"text": "one"}, {"text": "two"}]}
    ]


def test_nothing_at_all_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        translated(user(""))
    assert caught.value.message == "messages: nothing to answer: every message is empty"


def test_a_history_without_its_beginning() -> None:
    assert translated(assistant("and so"), user("go on")) == [
        {"role": "user", "parts": [{"text": RESUMED}]},
        {"role": "model", "parts": [{"text": "and so"}]},
        {"role": "user", "parts": [{"text": "go on"}]},
    ]


def test_a_history_begins_with_its_last_compaction() -> None:
    summary = {"type": "compaction", "content": "They greeted."}
    history = [user("Hi."), assistant(use("a"), summary, "So."), user(result("a"), "go on")]
    first, *turns = translated(*history)
    assert first == {"role": "user", "parts": [{"text": RESUMED}]}
    assert turns[0] == {"role": "model", "parts": [{"text": "They greeted."}, {"text": "So."}]}
    assert [part.keys() for part in turns[1]["parts"]] == [{"text"}] * len(turns[1]["parts"])
    assert turns[1]["parts"][-1] == {"text": "go on"}


def test_a_prefilled_answer_is_left_to_models_that_continue_it() -> None:
    history = [user("Say a, b, c."), assistant("a, b")]
    prefilled = [
        {"role": "user", "parts": [{"text": "Say a, b, c."}]},
        {"role": "model", "parts": [{"text": "a, b"}]},
    ]
    assert translated(*history, model="gemini-2.5-flash") == prefilled
    assert translated(*history) == [*prefilled, {"role": "user", "parts": [{"text": CONTINUE}]}]


# --- Calls and results ------------------------------------------------------------------------


def test_a_call_and_its_result() -> None:
    assert translated(
        user("ls"),
        assistant("Let me look.", use("toolu_0a1b2c3d_8qww9c6v", given={"command": "ls"})),
        user(result("toolu_0a1b2c3d_8qww9c6v", "a.txt")),
    ) == [
        {"role": "user", "parts": [{"text": "ls"}]},
        {
            "role": "model",
            "parts": [
                {"text": "Let me look."},
                call("8qww9c6v", args={"command": "ls"}, thoughtSignature=SENTINEL),
            ],
        },
        {"role": "user", "parts": [response("8qww9c6v", {"output": "a.txt"})]},
    ]


def test_results_come_first_and_in_the_order_of_their_calls() -> None:
    history = translated(
        user("go"),
        assistant(use("a", "Read"), use("b"), use("c")),
        user(
            "Also:",
            result("c", [{"type": "text", "text": "1"}, {"type": "text", "text": "2"}]),
            result("a", "no such file", is_error=True),
        ),
        {"role": "system", "content": "Careful."},
    )
    assert history[2]["parts"] == [
        response("a", {"error": "no such file"}, "Read"),
        response("b", {"error": INTERRUPTED}),
        response("c", {"output": "1\n2"}),
        {"text": "Also:"},
        {"text": "<system-reminder>\nCareful.\n</system-reminder>"},
    ]


def test_calls_without_any_answer_are_answered() -> None:
    history = translated(user("go"), assistant(use("a"), use("b")))
    assert history[2] == {
        "role": "user",
        "parts": [response("a", {"error": INTERRUPTED}), response("b", {"error": INTERRUPTED})],
    }


def test_a_result_without_a_call_becomes_text() -> None:
    orphan = {"text": "[Result of a tool call that is not in this history]\nlost"}
    assert translated(user(result("gone", "lost"), "Hi")) == [
        {"role": "user", "parts": [orphan, {"text": "Hi"}]}
    ]


def test_a_second_result_for_one_call_becomes_text() -> None:
    history = translated(user("go"), assistant(use("a")), user(result("a"), result("a", [IMAGE])))
    assert history[2]["parts"] == [
        response("a", {"output": "ok"}),
        {"text": "[Result of a tool call that is not in this history]\n"},
        INLINE,
    ]


def test_calls_that_share_an_id_each_get_a_result() -> None:
    history = translated(
        user("go"), assistant(use("a"), use("a")), user(result("a", "1"), result("a", "2"))
    )
    second = history[1]["parts"][1]["functionCall"]["id"]
    assert second != "a"
    assert history[2]["parts"] == [
        response("a", {"output": "1"}),
        response(second, {"output": "2"}),
    ]
    assert (
        translated(
            user("go"), assistant(use("a"), use("a")), user(result("a", "1"), result("a", "2"))
        )
        == history
    )


def test_an_input_that_is_no_object_is_wrapped() -> None:
    history = translated(user("go"), assistant(use("a", given=[1])), user(result("a", "")))
    assert history[1]["parts"][0]["functionCall"]["args"] == {"input": [1]}
    assert history[2]["parts"] == [response("a", {"output": ""})]


def test_a_result_without_content() -> None:
    bare = {"type": "tool_result", "tool_use_id": "a"}
    history = translated(user("go"), assistant(use("a")), user(bare))
    assert history[2]["parts"] == [response("a", {"output": ""})]


def test_media_in_a_result() -> None:
    blocks = [{"type": "text", "text": "Seen:"}, IMAGE]
    turns = [user("go"), assistant(use("a")), user(result("a", blocks), "And?")]
    assert translated(*turns)[2]["parts"] == [
        response("a", {"output": "Seen:"}, parts=[INLINE]),
        {"text": "And?"},
    ]
    assert translated(*turns, model="gemini-2.5-pro")[2]["parts"] == [
        {"functionResponse": {"name": "Bash", "response": {"output": "Seen:"}}},
        INLINE,
        {"text": "And?"},
    ]


def test_what_tool_search_found() -> None:
    found = [{"type": "tool_reference", "tool_name": "WebFetch"}]
    history = translated(user("go"), assistant(use("a")), user(result("a", found)))
    assert history[2]["parts"] == [response("a", {"output": "The tool WebFetch is now available."})]


# --- Signatures -------------------------------------------------------------------------------


def test_each_signature_returns_to_its_own_part_once() -> None:
    history = translated(
        user("go"),
        assistant(
            "One.",
            thinking(wrap(TEXT, HYDROGEN, "TTTT")),
            thinking(wrap(PART, HYDROGEN, pack(TRACE))),
            thinking(wrap(PART, HYDROGEN, "broken")),
            thinking(wrap(CALL, HYDROGEN, "AAAA")),
            use("a"),
            use("b"),
            thinking(wrap(CALL, HYDROGEN, "CCCC")),
            use("c"),
        ),
        user(result("a"), result("b"), result("c")),
    )
    assert history[1]["parts"] == [
        {"text": "One."},
        {"text": "", "thoughtSignature": "TTTT"},
        TRACE,
        call("a", thoughtSignature="AAAA"),
        call("b"),
        call("c", thoughtSignature="CCCC"),
    ]


def test_a_signature_waits_for_its_call_behind_moved_text() -> None:
    carrier = thinking(wrap(CALL, HYDROGEN, "AAAA"))
    history = translated(user("go"), assistant(carrier, "moved", use("a")), user(result("a")))
    assert history[1]["parts"] == [{"text": "moved"}, call("a", thoughtSignature="AAAA")]


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(wrap(CALL, "gemini-4-neon", "AAAA"), id="another model's"),
        pytest.param("EqMDCqADARFNMg9Z", id="foreign"),
        pytest.param("", id="none"),
    ],
)
def test_a_call_without_its_own_signature_gets_the_sentinel(signature: str) -> None:
    history = translated(
        user("go"),
        assistant(thinking(signature), use("a"), use("b")),
        user(result("a"), result("b")),
    )
    assert history[1]["parts"] == [call("a", thoughtSignature=SENTINEL), call("b")]


def test_after_a_corrupted_signature_none_is_trusted() -> None:
    turns = [
        user("go"),
        assistant(
            "One.",
            thinking(wrap(TEXT, HYDROGEN, "TTTT")),
            thinking(wrap(PART, HYDROGEN, pack(TRACE))),
            thinking(wrap(CALL, HYDROGEN, "AAAA")),
            use("a"),
            thinking(wrap(CALL, HYDROGEN, "BBBB")),
            use("b"),
        ),
        user(result("a"), result("b")),
    ]
    history = translated(*turns, signed=False)
    assert history[1]["parts"] == [
        {"text": "One."},
        call("a", thoughtSignature=SENTINEL),
        call("b"),
    ]
    assert [history[0], history[2]] == [translated(*turns)[0], translated(*turns)[2]]


def test_an_older_model_needs_neither_sentinel_nor_ids() -> None:
    redacted = {"type": "redacted_thinking", "data": "x"}
    history = translated(
        user("go"), assistant(redacted, use("a")), user(result("a")), model="gemini-2.5-flash"
    )
    assert history[1]["parts"] == [{"functionCall": {"name": "Bash", "args": {}}}]


# --- What has no counterpart ------------------------------------------------------------------


def test_an_unknown_block_is_named() -> None:
    with pytest.raises(InvalidRequest) as caught:
        translated(user("Hi", result("a", [{"type": "hologram"}])))
    assert (
        caught.value.message
        == "messages.0.content.1.content.0: a 'hologram' block is not supported here"
    )


def test_a_system_message_holds_text_only() -> None:
    with pytest.raises(InvalidRequest) as caught:
        translated(user("Hi"), {"role": "system", "content": [{"type": "hologram"}]})
    assert caught.value.message == "messages.1.content.0: a 'hologram' block is not supported here"


# --- The same prefix on every turn ------------------------------------------------------------


def test_a_longer_history_begins_with_the_shorter_one() -> None:
    turns = [
        user("go"),
        {"role": "system", "content": "Mind the gap."},
        assistant("Looking.", thinking(wrap(CALL, HYDROGEN, "AAAA")), use("a"), use("b")),
        user(result("b"), result("a")),
        {"role": "system", "content": "Deferred tools are available."},
        assistant("Done."),
        user("More."),
        assistant(use("c")),
        user(result("c", [IMAGE])),
    ]
    for end in (2, 5, 7, 9):
        shorter = translated(*turns[:end])
        assert translated(*turns)[: len(shorter)] == shorter


def test_trace_is_no_deeper_than_google_takes_it() -> None:
    deep: Any = {}
    for _ in range(300):
        deep = {"a": deep}
    carrier = thinking(wrap(PART, HYDROGEN, pack({"toolCall": {"args": deep}})))
    part = translated(user("go"), assistant(carrier), user("more"))[1]["parts"][0]
    assert json.loads(json.dumps(part))["toolCall"]["args"].keys() == {"a"}
    assert str(part).count("{'") == MAX_DEPTH


def test_what_a_trace_replays_is_not_told_again() -> None:
    shown = {
        "type": "server_tool_use",
        "id": "srvtoolu_0a1b2c3ds00",
        "name": "web_search",
        "input": {"query": "q"},
    }
    carrier = thinking(wrap(PART, HYDROGEN, pack(TRACE)))
    with_trace = translated(user("go"), assistant(carrier, "So.", shown), user("more"))
    assert with_trace[1]["parts"] == [TRACE, {"text": "So."}]
    without = translated(user("go"), assistant("So.", shown), user("more"))
    assert len(without[1]["parts"]) == 2


# --- One block -----------------------------------------------------------------------------------


BECOMES: dict[str, list[Any]] = {
    "text": [{"text": "Hi"}],
    "image": [INLINE],
    "document": [{"text": "plain"}],
    "search_result": [{"text": "[Found](https://x.test)"}, {"text": "this"}],
    "thinking": [{"text": "", "thoughtSignature": "QUJD"}],
    "redacted_thinking": [],
    "tool_use": [call("x1", thoughtSignature=SENTINEL)],
    "tool_result": [{"text": "[Result of a tool call that is not in this history]\nok"}],
    "tool_reference": [{"text": "The tool WebFetch is now available."}],
    "tool_addition": [{"text": "The tool A is now available."}],
    "tool_removal": [{"text": "The tool A is no longer available."}],
    "server_tool_use": [{"text": '(The server was asked to use web_search with {"query": "q"}.)'}],
    "mcp_tool_use": [{"text": '(The server was asked to use echo with {"a": 1}.)'}],
    "web_search_tool_result": [{"text": '(The server\'s web_search found ["found"].)'}],
    "web_fetch_tool_result": [{"text": '(The server\'s web_fetch found ["found"].)'}],
    "code_execution_tool_result": [{"text": '(The server\'s code_execution found ["found"].)'}],
    "bash_code_execution_tool_result": [
        {"text": '(The server\'s bash_code_execution found ["found"].)'}
    ],
    "text_editor_code_execution_tool_result": [
        {"text": '(The server\'s text_editor_code_execution found ["found"].)'}
    ],
    "mcp_tool_result": [{"text": '(The server\'s mcp found ["found"].)'}],
    "compaction": [{"text": "They greeted."}],
    "fallback": [],
    "mcp_tool_listing": [],
    "browser_state": [
        {"text": '{"tabs": [{"title": "A", "active": true}], "state_changes": null}'}
    ],
}
"""What the example of each type becomes where nothing else has to do with it."""


def in_model_turn(block: Any) -> Any:
    return translated(user("go"), assistant(block, "So."))[1]["parts"][:-1]


def in_user_turn(block: Any) -> Any:
    return translated(user("go", block))[0]["parts"][1:]


def in_a_result(block: Any) -> Any:
    """Media stands beside a response's text: text in it is one."""
    return translated(user("go"), assistant(use("a")), user(result("a", [block])))[2]["parts"]


def is_refused(place: Any, kind: str) -> bool:
    with pytest.raises(InvalidRequest) as caught:
        place(EXAMPLES[kind])
    return caught.value.message.endswith(f": a {kind!r} block is not supported here")


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_block_becomes_what_the_table_says(kind: str) -> None:
    example, block_type = EXAMPLES[kind], BLOCKS[kind]
    is_anywhere = block_type.anywhere is not UNKNOWN.anywhere
    if is_anywhere or block_type.in_model_turn:
        assert in_model_turn(example) == BECOMES[kind]
    else:
        assert in_model_turn(example) == [{"text": "ok"}]  # a result's: nothing there is refused
    if kind == "thinking":
        assert in_user_turn(example) == []  # nobody else thinks: there is nothing to go on with
    elif is_anywhere or block_type.in_user_turn:
        assert in_user_turn(example) == BECOMES[kind]
    else:
        assert is_refused(in_user_turn, kind)
    if is_anywhere:
        texts = [part["text"] for part in BECOMES[kind] if "text" in part]
        (part,) = in_a_result(example)
        assert part["functionResponse"]["response"] == {"output": "\n".join(texts)}
    else:
        assert is_refused(in_a_result, kind)


PATH = "messages.0.content.1"
INLINE = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}


def source(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, **fields}


PNG = source("base64", media_type="image/png", data="AAAA")


CONVERTED: dict[str, Any] = {
    "text": ({"type": "text", "text": "Hi"}, [{"text": "Hi"}]),
    "empty text": ({"type": "text", "text": ""}, []),
    "empty document": ({"type": "document", "source": source("text", data="")}, []),
    "empty one": ({"type": "document", "source": source("content", content="")}, []),
    "an image": ({"type": "image", "source": PNG}, [INLINE]),
    "an image by URL": ({"type": "image", "source": source("url", url="https://x.test/a.png")},
        [{"fileData": {"fileUri": "https://x.test/a.png"}}]),
    "a PDF": ({
        "type": "document", "title": "Terms", "context": "Read closely.",
        "source": source("base64", media_type="application/pdf", data="AAAA")}, [
            {"text": "Terms"}, {"text": "Read closely."},
            {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}}]),
    "plain text": (
        {"type": "document", "source": source("text", media_type="text/plain", data="plain")},
        [{"text": "plain"}]),
    "a document of a string": (
        {"type": "document", "source": source("content", content="one string")},
        [{"text": "one string"}]),
    "a document of blocks": ({
        "type": "document", "source": source("content",
            content=[{"type": "text", "text": "see"}, {"type": "image", "source": PNG}])},
        [{"text": "see"}, INLINE]),
    "a search result": ({
        "type": "search_result", "source": "https://x.test", "title": "Found",
        "content": [{"type": "text", "text": "this"}], "citations": {"enabled": True}},
        [{"text": "[Found](https://x.test)"}, {"text": "this"}]),
    "what tool search found": ({"type": "tool_reference", "tool_name": "WebFetch"},
        [{"text": "The tool WebFetch is now available."}]),
    "a tool that was added": (
        {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "A"}},
        [{"text": "The tool A is now available."}]),
    "a tool that was defined": (
        {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": {"name": "B"}}},
        [{"text": "The tool B is now available."}]),
    "a tool that was removed": (
        {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "A"}},
        [{"text": "The tool A is no longer available."}]),
    "a server's tool use": (
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "é"}},
        [{"text": '(The server was asked to use web_search with {"query": "é"}.)'}]),
    "what a server's search found": ({
        "type": "web_search_tool_result", "tool_use_id": "s", "content": [{
            "type": "web_search_result", "url": "https://x.test",
            "encrypted_content": "EqgfCioIARgB", "page_age": None}]}, [{
                "text": "(The server's web_search found "
                '[{"type": "web_search_result", "url": "https://x.test"}].)'}]),
    "what a server's code printed": ({
        "type": "code_execution_tool_result", "tool_use_id": "s",
        "content": {"type": "code_execution_result", "stdout": "4", "return_code": 0}},
        [{
            "text": "(The server's code_execution found "
            '{"type": "code_execution_result", "stdout": "4", "return_code": 0}.)'}]),
}  # fmt: skip


@pytest.mark.parametrize(("given", "parts"), CONVERTED.values(), ids=CONVERTED)
def test_a_block(given: Any, parts: Any) -> None:
    (turn,) = translated(user("Hi", given))
    assert turn["parts"] == [{"text": "Hi"}, *parts]


@pytest.mark.parametrize(("given", "message"), [
    ({"type": "hologram"}, f"{PATH}: a 'hologram' block is not supported here"),
    ({"type": "container_upload", "file_id": "f"},
        f"{PATH}: a 'container_upload' block is not supported here"),
    ({"type": "image", "source": source("file", file_id="f")},
        f"{PATH}.image: Could not process image: a source of type 'file' is not supported here; "
        "send it as base64"),
    ({"type": "image", "source": source("base64", data="AAAA")},
        f"{PATH}.image: Could not process image: Gemini cannot read ''; send PNG, JPEG, WebP or a "
        "PDF"),
    ({"type": "image", "source": source("base64", data="AAAA", media_type=7)},
        f"{PATH}.source.media_type: expected a string"),
    ({"type": "document", "source": source("content", content=[{"type": "hologram"}])},
        f"{PATH}.source.content.0: a 'hologram' block is not supported here"),
    ({"type": "document", "source": source("content", content=[{"type": "text"}])},
        f"{PATH}.source.content.0.text: field required"),
    ({"type": "document", "source": source("content")},
        f"{PATH}.source.content: expected a string or a list of content blocks"),
])  # fmt: skip
def test_what_has_no_counterpart_is_named(given: Any, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        translated(user("Hi", given))
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "server_tool_use", "id": "srvtoolu_0a1b2c3ds00"}, True),
        ({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_0a1b2c3df01"}, True),
        ({"type": "server_tool_use", "id": "srvtoolu_01XyZ"}, False),
        ({"type": "text", "text": "x"}, False),
    ],
)
def test_what_a_trace_already_tells(given: Any, expected: bool) -> None:
    assert is_traced(given) is expected


# --- What stands in a history ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("block", "texts"),
    [
        ({"type": "compaction", "content": None}, []),
        ({"type": "hologram", "data": "x"}, []),
        ({"type": "hologram", "content": [{"type": "text", "text": "Hm."}]}, ["Hm."]),
        ({"type": "container_upload", "file_id": "f"}, []),
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, []),
        ({"type": "image", "source": source("base64", media_type="image/bmp", data="A")}, []),
        ({"type": "advisor_tool_result", "content": "a"}, ['(The server\'s advisor found "a".)']),
        (
            {"type": "browser_click_tool_use", "name": "click"},
            ["(The server was asked to use click with null.)"],
        ),
        ({"type": "mcp_tool_listing", "tools": []}, []),
        (
            {
                "type": "search_result",
                "source": "s",
                "title": "t",
                "content": [{"type": "text", "text": "a"}, {"type": "hologram", "text": "b"}],
            },
            ["t\ns\na\nb"],
        ),
        (
            {
                "type": "document",
                "title": "t",
                "source": source("content", content=["a", {"type": "hologram", "text": "b"}]),
            },
            ["t\na\nb"],
        ),
        (
            {
                "type": "document",
                "title": "t",
                "source": source(
                    "content",
                    content=[{"type": "text", "text": "a"}, {"type": "hologram", "text": "b"}],
                ),
            },
            ["t\na\nb"],
        ),
    ],
)
def test_block_of_the_models_turn_is_text_or_nothing(block: Any, texts: list[str]) -> None:
    assert [part["text"] for part in in_model_turn(block)] == texts


def test_result_of_a_servers_tool_is_text_wherever_it_stands() -> None:
    for kind in ("advisor", "web_search"):
        block = {"type": f"{kind}_tool_result", "tool_use_id": 7, "content": "a"}
        assert in_user_turn(block) == [{"text": f'(The server\'s {kind} found "a".)'}]


def test_nameless_call_is_answered_by_its_result() -> None:
    body = {
        "model": "gemini-4-hydrogen",
        "max_tokens": 9,
        "messages": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "input": {}}]},
            {"role": "user", "content": [result("a", "No such tool")]},
        ],
    }
    _, called, answered = translate(body, {}).request["contents"]
    names = [
        called["parts"][0]["functionCall"]["name"],
        answered["parts"][0]["functionResponse"]["name"],
    ]
    assert names == ["tool_name_missing"] * 2


BMP = {"type": "image", "source": source("base64", media_type="image/bmp", data="AAAA")}
PROBLEM = "Could not process image: Gemini cannot read 'image/bmp'; send PNG, JPEG, WebP or a PDF"


@pytest.mark.parametrize(
    ("messages", "path"),
    [
        ([user("go", BMP)], "messages.0.content.1.image"),
        (
            [user("go"), assistant(use("a")), user(result("a", ["So.", BMP]))],
            "messages.2.content.0.tool_result.content.1.image",
        ),
        (
            [user({"type": "document", "source": source("content", content=[BMP])})],
            "messages.0.content.0.document",
        ),
    ],
)
def test_medium_that_gemini_cannot_read_is_named_by_its_path(messages: Any, path: str) -> None:
    for message in messages:
        for block in message["content"]:
            if isinstance(block.get("content"), list):
                block["content"] = [
                    {"type": "text", "text": each} if isinstance(each, str) else each
                    for each in block["content"]
                ]
    with pytest.raises(InvalidRequest) as caught:
        translated(*messages)
    assert caught.value.message == f"{path}: {PROBLEM}"


def test_address_may_hold_the_data() -> None:
    block = {"type": "image", "source": source("url", url="data:image/png;base64,AAAA")}
    assert in_user_turn(block) == [INLINE]


KINDS = st.sampled_from([*EXAMPLES, "hologram", "x_tool_use", "x_tool_result"])
NAMES = st.sampled_from(
    [
        *("type", "text", "id", "name", "input", "content", "source", "tool_use_id", "thinking"),
        *("signature", "tool", "tool_name", "title", "context", "data", "media_type", "url"),
    ]
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300)
@given(
    JSON_VALUES
    | st.lists(JSON_VALUES | st.dictionaries(NAMES, JSON_VALUES | KINDS, max_size=5), max_size=4)
)
def test_no_turn_of_the_models_is_refused(content: Any) -> None:
    """Nobody can take it back."""
    messages = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": content},
        {"role": "user", "content": "on"},
    ]
    for model in ("gemini-4-hydrogen", "gemini-2.5-flash"):
        body = {"model": model, "max_tokens": 9, "messages": messages}
        contents = translate(body, {}).request["contents"]
        for part in (part for content in contents for part in content["parts"]):
            called = part.get("functionCall")
            assert called is None or (called["name"] and isinstance(called["args"], dict))

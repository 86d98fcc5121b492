"""translate/response/stream.py: the events of every kind of answer, in whole sequences."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.answers import (
    TAG,
    TEXT,
    THINKING,
    call,
    chunk,
    short,
    short_events,
    signed,
    text,
    thought,
    translator,
)
from translate.errors import ApiError, Cause
from translate.response.finish import EXPLANATIONS
from translate.response.message import collect
from translate.response.stream import BROKEN, MAX_KEPT_TEXT, render_as_text

CODE = {"executableCode": {"language": "PYTHON", "code": "1"}}


def test_text_events_are_exactly_these() -> None:
    machine = translator()
    assert machine.has_block is False
    usage = {"promptTokenCount": 9, "thoughtsTokenCount": 81}
    assert machine.feed({**chunk(text("Hel")), "usageMetadata": usage}) == [
        {
            "type": "message_start",
            "message": {
                "id": "msg_0a1b2c3d4e5f",
                "type": "message",
                "role": "assistant",
                "model": "claude-opus-5",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {
                    "input_tokens": 9,
                    "cache_creation_input_tokens": 0,
                    "cache_read_input_tokens": 0,
                    "output_tokens": 81,
                    "output_tokens_details": {"thinking_tokens": 81},
                },
            },
        },
        {"type": "content_block_start", "index": 0, "content_block": TEXT},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "Hel"},
        },
    ]
    assert machine.has_block is True
    later = {"promptTokenCount": 9, "candidatesTokenCount": 4, "cachedContentTokenCount": 5}
    assert machine.feed(
        {**chunk(text("lo"), signed("S"), finish="STOP"), "usageMetadata": later}
    ) == [
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "lo"},
        },
    ]
    assert machine.finish() == [
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {
                "input_tokens": 4,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 5,
                "output_tokens": 85,
                "output_tokens_details": {"thinking_tokens": 81},
            },
        },
        {"type": "message_stop"},
    ]


def test_thinking_comes_before_text() -> None:
    chunks = [chunk(thought("Hm.")), chunk(thought(" So.")), chunk(text("Yes."), finish="STOP")]
    assert short_events(*chunks) == [
        "message_start",
        (0, THINKING),
        (0, "thinking_delta", "Hm."),
        (0, "thinking_delta", " So."),
        (0, "stop"),
        (1, TEXT),
        (1, "text_delta", "Yes."),
        (1, "stop"),
        "end_turn",
        "message_stop",
    ]


def test_thinking_that_was_not_requested_is_hidden() -> None:
    assert short_events(
        chunk(thought("Hm."), text("Yes."), finish="STOP"), shows_thinking=False
    ) == [
        "message_start",
        (0, TEXT),
        (0, "text_delta", "Yes."),
        (0, "stop"),
        "end_turn",
        "message_stop",
    ]


# --- Long answers -----------------------------------------------------------------------------


def test_continuation_joins_the_hops_of_a_long_answer() -> None:
    machine = translator()
    checkpoint = {**chunk(text("Hel"), continuationToken="T1")}
    events = machine.feed(
        {**checkpoint, "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2}}
    )
    assert machine.continuation() is None
    assert machine.feed(chunk(finish="CONTINUATION")) == []
    assert (machine.continuation(), machine.continuation()) == ("T1", None)
    with pytest.raises(ApiError):
        machine.finish()
    used = {"promptTokenCount": 99, "candidatesTokenCount": 1, "thoughtsTokenCount": 4}
    events += machine.feed({**chunk(text("lo"), finish="STOP"), "usageMetadata": used})
    message = collect(events + machine.finish())
    assert message["content"] == [{"type": "text", "text": "Hello"}]
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (9, 7)


def test_continuation_without_a_token_is_an_end() -> None:
    assert short_events(chunk(text("Hi"), finish="CONTINUATION"))[-2] == "max_tokens"


@pytest.mark.parametrize("token", [{}, {"continuationToken": "T1"}])
def test_continuation_without_progress_is_an_end(token: Any) -> None:
    machine = translator()
    events = machine.feed(chunk(text("a"), finish="CONTINUATION", continuationToken="T1"))
    assert machine.continuation() == "T1"
    events += machine.feed(chunk(text("b"), finish="CONTINUATION", **token))
    assert machine.continuation() is None
    assert collect(events + machine.finish())["stop_reason"] == "max_tokens"


def test_continuation_ends_where_the_answer_is_cut() -> None:
    machine = translator(stop_sequences=["b"])
    machine.feed(chunk(text("ab"), finish="CONTINUATION", continuationToken="T1"))
    assert machine.continuation() is None


# --- Streams that break off -------------------------------------------------------------------


def test_resumption_follows_a_checkpoint() -> None:
    machine = translator()
    used = {"promptTokenCount": 9, "candidatesTokenCount": 2}
    events = machine.feed({**chunk(text("Hel"), continuationToken="T1"), "usageMetadata": used})
    machine.feed({"usageMetadata": {**used, "candidatesTokenCount": 3}})
    machine.feed(chunk())
    assert machine.resumption() == "T1"
    assert machine.resumption() == "T1"
    rest = {"promptTokenCount": 12, "candidatesTokenCount": 4}
    events += machine.feed({**chunk(text("lo"), finish="STOP"), "usageMetadata": rest})
    message = collect(events + machine.finish())
    assert message["content"] == [{"type": "text", "text": "Hello"}]
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (9, 7)


def test_resumption_never_repeats_what_was_shown() -> None:
    machine = translator()
    assert machine.resumption() is None
    machine.feed(chunk(text("Hel")))
    assert machine.resumption() is None
    machine.feed(chunk(text("lo"), continuationToken="T1"))
    machine.feed(chunk(text(", you")))
    assert machine.resumption() is None
    machine.feed(chunk(text("!"), continuationToken="T2"))
    assert machine.resumption() == "T2"


def test_resumption_repeats_a_hop_without_parts() -> None:
    machine = translator()
    machine.feed(chunk(text("a"), finish="CONTINUATION", continuationToken="T1"))
    assert machine.has_ended is True
    assert (machine.continuation(), machine.has_ended) == ("T1", False)
    assert machine.resumption() == "T1"
    machine.feed(chunk(text("b")))
    assert machine.resumption() is None


def test_resumption_without_progress_is_an_end() -> None:
    machine = translator()
    machine.feed(chunk(text("a"), continuationToken="T1"))
    assert machine.resumption() == "T1"
    machine.feed(chunk(text("b"), finish="CONTINUATION", continuationToken="T1"))
    assert (machine.continuation(), machine.is_finished) == (None, True)


# --- Other parts ------------------------------------------------------------------------------


def test_parts_of_code_and_media_are_text() -> None:
    events = short_events(
        chunk({"executableCode": {"language": "PYTHON", "code": "1+1"}}),
        chunk({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}}),
        chunk({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
        chunk({"somethingNew": {}}, finish="STOP"),
    )
    assert [event[2] for event in events if event[1] == "text_delta"] == [
        "\n```python\n1+1\n```\n",
        "\n```\n2\n```\n",
        "\n[Gemini sent image/png data, which this API cannot show.]\n",
    ]


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


def test_parts_with_calls_and_traces_become_blocks() -> None:
    machine = translator()
    trace = {"toolCall": {"id": "s1", "toolType": "URL_CONTEXT"}}
    events = machine.feed(chunk(trace, call("f1", "bash", thoughtSignature="A"), finish="STOP"))
    content = collect(events + machine.finish())["content"]
    assert [block["type"] for block in content] == ["thinking", "thinking", "tool_use"]
    assert machine.repairs == {}


SEARCHES: Any = {"request": {"tools": [{"googleSearch": {}}]}}
FOUND = {
    "webSearchQueries": ["euro 2024"],
    "groundingChunks": [{"web": {"uri": "https://x.test/r", "title": "uefa.com"}}],
    "groundingSupports": [{"segment": {"text": "Spain won."}, "groundingChunkIndices": [0]}],
}


def kinds_of(events: list[Any]) -> list[str]:
    return [each["content_block"]["type"] for each in events if "content_block" in each]


def test_sources_go_in_front_of_the_text() -> None:
    machine = translator(**SEARCHES)
    events = machine.feed(chunk(thought("Hm."), text("Spain")))
    assert kinds_of(events) == ["thinking"]
    assert (machine.has_emitted_answer, machine.has_answer) == (False, True)
    assert machine.feed(chunk(text(" won."))) == []
    assert machine.feed(chunk(finish="STOP", groundingMetadata=FOUND)) == []
    events += machine.finish()
    check_grammar(events)
    message = collect(events)
    source = {"title": "uefa.com", "url": "https://x.test/r"}
    identity = f"srvtoolu_{TAG}s00"
    assert message["content"][1:] == [
        {
            "type": "server_tool_use",
            "id": identity,
            "name": "web_search",
            "input": {"query": "euro 2024"},
        },
        {
            "type": "web_search_tool_result",
            "tool_use_id": identity,
            "content": [
                {
                    "type": "web_search_result",
                    **source,
                    "encrypted_content": "",
                    "page_age": None,
                }
            ],
        },
        {
            "type": "text",
            "text": "Spain won.",
            "citations": [
                {
                    "type": "web_search_result_location",
                    **source,
                    "encrypted_index": "",
                    "cited_text": "Spain won.",
                }
            ],
        },
    ]
    assert message["usage"]["server_tool_use"] == {
        "web_search_requests": 1,
        "web_fetch_requests": 0,
    }


@pytest.mark.parametrize("is_streamed", [True, False])
def test_sources_of_a_long_text_are_citations(is_streamed: bool) -> None:
    """In a stream: it has gone out by the time they come."""
    machine = translator(**SEARCHES, is_streamed=is_streamed)
    events = machine.feed(chunk(text("x" * (MAX_KEPT_TEXT + 1))))
    assert machine.has_emitted_answer is is_streamed
    events += machine.feed(chunk(text("y"), finish="STOP", groundingMetadata=FOUND))
    message = collect(events + machine.finish())
    kinds = [block["type"] for block in message["content"]]
    assert kinds == ["server_tool_use", "web_search_tool_result", "text"][2 * is_streamed :]
    assert len(message["content"][-1]["citations"]) == 1
    assert message["usage"]["server_tool_use"]["web_search_requests"] == 1


READ = {"toolUsePromptTokenCount": 94}


@pytest.mark.parametrize("counted", [{}, READ])
def test_text_beside_functions_waits_after_a_search_only(counted: Any) -> None:
    machine = translator(**SEARCHES, functions=("bash",))
    events = machine.feed({**chunk(text("Spain")), "usageMetadata": counted})
    assert kinds_of(events) == ["text"][bool(counted) :]
    events += machine.feed({**chunk(text(" won.")), "usageMetadata": READ})
    events += machine.feed(chunk(finish="STOP", groundingMetadata=FOUND)) + machine.finish()
    check_grammar(events)
    message = collect(events)
    assert kinds_of(events)[-1] == "text"
    assert len(kinds_of(events)) == (3 if counted else 1)
    assert message["content"][-1]["text"] == "Spain won."
    assert len(message["content"][-1]["citations"]) == 1


def test_text_that_has_no_sources_is_shown_in_the_end() -> None:
    machine = translator(**SEARCHES)
    events = machine.feed(chunk(text("Hi."), finish="SAFETY")) + machine.finish()
    check_grammar(events)
    texts = [block["text"] for block in collect(events)["content"]]
    assert texts == ["Hi.", "Gemini stopped this answer: SAFETY."]


def test_text_that_waits_for_sources_is_shown_or_forgotten() -> None:
    first = translator(**SEARCHES)
    begun = first.feed(chunk(text("Spa")))
    assert kinds_of(first.release()) == ["text"]
    first = translator(**SEARCHES)
    begun = first.feed(chunk(text("Spa")))
    second = translator(previous=first, **SEARCHES)
    events = begun + second.feed(chunk(text("Hi."), finish="STOP")) + second.finish()
    check_grammar(events)
    assert collect(events)["content"] == [{"type": "text", "text": "Hi."}]


def test_text_does_not_wait_where_the_next_model_has_no_search() -> None:
    """A fallback model may have no search."""
    first = translator(**SEARCHES)
    first.feed(chunk(text("Spa")))
    assert kinds_of(translator(previous=first).feed(chunk(text("Hi.")))) == ["text"]


def test_sources_of_calls_follow_them() -> None:
    given = chunk(call("f1"), finish="STOP", groundingMetadata=FOUND)
    machine = translator(**SEARCHES)
    events = machine.feed(given) + machine.finish()
    assert kinds_of(events) == ["tool_use", "server_tool_use", "web_search_tool_result"]


# --- Answers that have to be JSON ---------------------------------------------------------------

JSON: Any = {"response_schema": {"type": "object"}}


def test_json_is_all_of_the_text() -> None:
    chunks = [chunk(thought("Hm.")), chunk(text("Sure:\n```json\n")), chunk(text('{"a":'))]
    chunks += [chunk(text(" 1}\n```"), CODE), chunk(text("Done."), signed("S"), finish="STOP")]
    assert short_events(*chunks, **JSON) == [
        "message_start",
        (0, THINKING),
        (0, "thinking_delta", "Hm."),
        (0, "stop"),
        (1, TEXT),
        (1, "text_delta", '{"a":'),
        (1, "text_delta", " 1}"),
        (1, "stop"),
        "end_turn",
        "message_stop",
    ]


def test_json_may_end_with_the_answer() -> None:
    number = {"response_schema": {"type": "integer"}}
    events = short_events(chunk(text("4")), chunk(text("2"), finish="STOP"), **number)
    assert events[1:3] == [(0, TEXT), (0, "text_delta", "42")]


@pytest.mark.parametrize("call_text", ["I look.", '{"a":', ""])
def test_json_is_not_needed_beside_calls(call_text: str) -> None:
    """The model goes on after the result, and only the last turn is the answer."""
    machine = translator(**JSON)
    events = machine.feed(chunk(text(call_text), call("f1"), finish="STOP"))
    assert machine.shortfall is None
    content = collect(events + machine.finish())["content"]
    assert content[-1]["type"] == "tool_use"
    assert "I look." not in str(content)


@pytest.mark.parametrize("finish", ["MAX_TOKENS", "SAFETY"])
@pytest.mark.parametrize("given", ['{"a": "b', '{"a'])
def test_json_that_was_cut_is_shown_as_far_as_it_came(finish: str, given: str) -> None:
    machine = translator(**JSON)
    events = machine.feed(chunk(text(f"So: {given}"), finish=finish))
    assert machine.shortfall is None
    message = collect(events + machine.finish())
    assert message["content"][0] == {"type": "text", "text": given}
    assert message["stop_reason"] == {"SAFETY": "refusal"}.get(finish, "max_tokens")


def test_json_ends_where_the_client_wants() -> None:
    machine = translator(**JSON, stop_sequences=["b"])
    events = machine.feed(chunk(text('So: {"a": "b"}')))
    message = collect(events + machine.finish())
    assert message["content"] == [{"type": "text", "text": '{"a": "'}]
    assert message["stop_reason"] == "stop_sequence"


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        (chunk(text("I cannot."), finish="STOP"), Cause.NO_JSON),
        (chunk(CODE, text("\n"), finish="STOP"), Cause.EMPTY),
        (chunk(text('{"a": 1'), finish="STOP"), Cause.NO_JSON),
        (chunk(text('{"a": x}'), finish="OTHER"), Cause.NO_JSON),
        (chunk(finish="STOP"), Cause.EMPTY),
        (chunk(text("{}"), finish="MALFORMED_FUNCTION_CALL"), Cause.MALFORMED),
    ],
)
def test_json_that_is_none_ends_with_an_error(given: Any, cause: Cause) -> None:
    """A sentence at the end of the text would be none either."""
    machine = translator(**JSON)
    machine.feed(given)
    assert machine.shortfall is cause
    with pytest.raises(ApiError) as caught:
        machine.finish()
    assert (caught.value.cause, caught.value.message) == (cause, EXPLANATIONS[cause])


NEEDS_A: Any = {"response_schema": {"type": "object", "required": ["a"]}}
ENFORCED: Any = {**NEEDS_A, "request": {"generationConfig": {"responseJsonSchema": {}}}}


@pytest.mark.parametrize(("fields", "cause"), [(NEEDS_A, Cause.NO_JSON), (ENFORCED, None)])
def test_json_without_a_required_member_is_none(fields: Any, cause: Cause | None) -> None:
    """Unless Gemini itself holds the answer to the schema."""
    machine = translator(**fields)
    machine.feed(chunk(text('{"b": 1}'), finish="STOP"))
    assert (machine.shortfall, machine.has_emitted_answer) == (cause, cause is None)


# --- Ends -------------------------------------------------------------------------------------


def test_end_is_never_behind_thinking() -> None:
    assert short_events(chunk(thought("Hm."), finish="MAX_TOKENS"))[2:] == [
        (0, "thinking_delta", "Hm."),
        (0, "stop"),
        (1, TEXT),
        (1, "stop"),
        "max_tokens",
        "message_stop",
    ]


def test_end_of_an_empty_answer() -> None:
    assert short_events({"candidates": [{"finishReason": "STOP", "index": 0}]}) == [
        "message_start",
        (0, TEXT),
        (0, "text_delta", EXPLANATIONS[Cause.EMPTY]),
        (0, "stop"),
        "end_turn",
        "message_stop",
    ]


@pytest.mark.parametrize(
    ("given", "cause", "stop_reason"),
    [
        (chunk(thought("Hm."), finish="STOP"), Cause.THOUGHTS, "end_turn"),
        (chunk(finish="MALFORMED_FUNCTION_CALL", content={}), Cause.MALFORMED, "tool_use"),
        (chunk(text("I."), finish="MALFORMED_FUNCTION_CALL"), Cause.MALFORMED, "tool_use"),
        (chunk(call("f1", ""), finish="STOP"), Cause.MALFORMED, "tool_use"),
        (chunk(finish="MISSING_THOUGHT_SIGNATURE"), Cause.SIGNATURE, "tool_use"),
    ],
)
def test_end_without_an_answer_says_so(given: Any, cause: Cause, stop_reason: str) -> None:
    """In a block of its own. A tool_use without a block: Claude Code asks again by itself."""
    machine = translator()
    message = collect(machine.feed(given) + machine.finish())
    assert message["content"][-1] == {"type": "text", "text": EXPLANATIONS[cause]}
    assert message["stop_reason"] == stop_reason


def test_refusal_of_a_blocked_prompt_says_so() -> None:
    assert short_events({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}) == [
        "message_start",
        (0, TEXT),
        (0, "text_delta", "Gemini blocked this request: PROHIBITED_CONTENT."),
        (0, "stop"),
        "refusal",
        "message_stop",
    ]


def test_blocked_prompt_may_be_an_error() -> None:
    machine = translator()
    assert machine.blocked_error is None
    machine.feed({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})
    assert machine.blocked_error is not None


def test_refusal_needs_a_block_reason() -> None:
    feedback = {"promptFeedback": {"blockReason": "BLOCK_REASON_UNSPECIFIED"}}
    assert short_events({**feedback, **chunk(text("Hi"), finish="STOP")})[-2] == "end_turn"


def test_refusal_names_what_stopped_the_answer() -> None:
    ratings = [
        {"category": "HARM_CATEGORY_HARASSMENT", "probability": "NEGLIGIBLE"},
        {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True},
    ]
    stopped = {"finishReason": "SAFETY", "index": 0, "safetyRatings": ratings}
    assert short_events(chunk(text("Sure")), {"candidates": [stopped]})[2:] == [
        (0, "text_delta", "Sure"),
        (0, "stop"),
        (1, TEXT),
        (
            1,
            "text_delta",
            "Gemini stopped this answer: SAFETY (HARM_CATEGORY_DANGEROUS_CONTENT).",
        ),
        (1, "stop"),
        "refusal",
        "message_stop",
    ]
    assert short_events(chunk(finish="RECITATION"))[2] == (
        0,
        "text_delta",
        "Gemini stopped this answer: RECITATION.",
    )


@pytest.mark.parametrize("bad", [None, [], "text", {"candidates": {}}, chunk({"text": 7})])
def test_chunk_of_wrong_types_is_broken(bad: Any) -> None:
    machine = translator()
    with pytest.raises(ApiError) as caught:
        machine.feed(bad)
    assert (caught.value.status, caught.value.message) == (529, BROKEN)
    assert caught.value.cause is Cause.BROKEN
    assert len(machine.feed(chunk(text("a")))) == 3


@pytest.mark.parametrize(
    ("more", "finish", "is_whole"),
    [(False, "MAX_TOKENS", True), (True, "STOP", True), (True, "MAX_TOKENS", False)],
)
def test_parts_between_pieces_follow_the_call(more: bool, finish: str, is_whole: bool) -> None:
    begun = {"functionCall": {"name": "Bash", "willContinue": True}}
    last = {"partialArgs": [{"jsonPath": "$.a", "stringValue": "x"}], "willContinue": more}
    between = [thought("Hm."), text("a"), call("f2", "Read", {})]
    machine = translator()
    events = machine.feed(chunk(begun, *between, {"functionCall": last}, finish=finish))
    events += machine.finish()
    check_grammar(events)
    kinds = [block["type"] for block in collect(events)["content"]]
    assert kinds == ["tool_use"] * is_whole + ["thinking", "text", "tool_use"]


def test_nothing_follows_a_text_that_ends_the_answer() -> None:
    begun = {"functionCall": {"name": "Bash", "willContinue": True}}
    parts = [begun, text("a."), call("f2", "Read"), {"functionCall": {}}]
    machine = translator(stop_sequences=["."])
    message = collect(machine.feed(chunk(*parts, finish="STOP")) + machine.finish())
    assert [block["type"] for block in message["content"]] == ["tool_use", "text"]


def test_call_is_shown_when_the_client_hears_no_more() -> None:
    machine = translator()
    machine.feed(chunk(call("f1", thoughtSignature="A")))
    opened = [event["content_block"] for event in machine.release() if "content_block" in event]
    assert [block["type"] for block in opened] == ["thinking", "tool_use"]
    assert machine.release() == []


@pytest.mark.parametrize("chunks", [[], [chunk(text("Once upon"))]])
def test_end_that_is_missing_is_an_error(chunks: Any) -> None:
    with pytest.raises(ApiError) as caught:
        short_events(*chunks)
    assert (caught.value.status, caught.value.message) == (529, BROKEN)


# --- Limits of the client ----------------------------------------------------------------------


def test_stop_sequence_ends_the_answer() -> None:
    machine = translator(stop_sequences=["</severity>"])
    machine.feed(chunk(text("<severity>5</sev")))
    assert machine.is_cut is False
    events = machine.feed(chunk(text("erity> and more"), call("f1"), finish="STOP"))
    assert (events, machine.is_cut) == ([], True)
    assert [event["type"] for event in machine.finish()] == [
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_stop_reason_of_a_cut_answer() -> None:
    def ends(limits: Any, *parts: Any) -> Any:
        machine = translator(**limits)
        counted = {"usageMetadata": {"candidatesTokenCount": 4}}
        events = machine.feed({**chunk(*parts), **counted}) + machine.finish()
        return collect(events)["content"], events[-2]["delta"]

    assert ends({"stop_sequences": ["b"]}, text("abc")) == (
        [{"type": "text", "text": "a"}],
        {"stop_reason": "stop_sequence", "stop_sequence": "b"},
    )
    assert ends({"max_tokens": 1}, text("12345678")) == (
        [{"type": "text", "text": "12"}],
        {"stop_reason": "max_tokens", "stop_sequence": None},
    )
    assert ends({"stop_sequences": ["x"]}, text("x"), thought("t")) == (
        [],
        {"stop_reason": "stop_sequence", "stop_sequence": "x"},
    )


def test_text_that_was_kept_back_comes_before_other_blocks() -> None:
    kept = ["</end>"]
    events = short_events(
        chunk(text("a<"), thought("t"), text("</"), call("f1"), finish="STOP"), stop_sequences=kept
    )
    shown = [event[2] for event in events if event[1] == "text_delta"]
    assert shown == ["a", "<", "</"]
    kinds = [event[1]["type"] for event in events if isinstance(event[1], dict)]
    assert kinds == ["text", "thinking", "text", "tool_use"]
    assert short_events(chunk(text("</"), finish="STOP"), stop_sequences=["</end>"])[2] == (
        0,
        "text_delta",
        "</",
    )


# --- More than one attempt --------------------------------------------------------------------


def test_attempt_goes_on_behind_what_was_shown() -> None:
    first = translator(stop_sequences=["never"])
    used = {"promptTokenCount": 9, "thoughtsTokenCount": 50}
    events = first.feed({**chunk(thought("Hm."), finish="STOP"), "usageMetadata": used})
    assert (first.has_block, first.has_answer, first.shortfall) == (True, False, Cause.THOUGHTS)
    second = translator(previous=first, stop_sequences=["b"])
    assert (second.has_block, second.has_answer, second.is_finished) == (True, False, False)
    assert second.begin() == []
    events += second.feed(chunk(thought(" So."), text("abc"), finish="STOP"))
    assert (second.is_cut, second.tokens["thoughts"]) == (True, 0)
    assert [short(event) for event in events + second.finish()] == [
        "message_start",
        (0, THINKING),
        (0, "thinking_delta", "Hm."),
        (0, "thinking_delta", " So."),
        (0, "stop"),
        (1, TEXT),
        (1, "text_delta", "a"),
        (1, "stop"),
        "stop_sequence",
        "message_stop",
    ]


def test_attempt_without_a_block_leaves_no_trace() -> None:
    first = translator()
    events = first.begin()
    second = translator(previous=first)
    events += second.feed(chunk(text("Yes."), finish="STOP")) + second.finish()
    assert [short(event) for event in events] == short_events(chunk(text("Yes."), finish="STOP"))


@pytest.mark.parametrize(
    ("part", "limits", "expected"),
    [
        (thought("Hm."), {}, False),
        (thought("Hm.", thoughtSignature="A"), {}, False),
        (text(""), {}, False),
        (signed("A"), {}, False),
        (text("a"), {}, True),
        (text("</"), {"stop_sequences": ["</end>"]}, True),
        (call("f1"), {}, True),
        (call("f1", thoughtSignature="A"), {}, True),
        ({"functionCall": {"name": "Bash", "willContinue": True}}, {}, True),
        ({"toolCall": {"id": "s1"}}, {}, True),
        ({"toolCall": {"id": "s1"}}, {"carries_signatures": False}, False),
    ],
)
def test_answer_is_more_than_thinking(part: Any, limits: Any, expected: bool) -> None:
    machine = translator(**limits)
    machine.feed(chunk(part))
    assert machine.has_answer is expected
    assert machine.has_emitted_answer <= machine.has_answer


THOUGHT = {"usageMetadata": {"thoughtsTokenCount": 5}}


def test_finish_reason_of_a_tool_round_is_no_end() -> None:
    machine = translator()
    machine.feed(chunk(CODE, finish="STOP"))
    assert machine.has_ended
    machine.feed(chunk(text("It is ")))
    assert not machine.has_ended
    with pytest.raises(ApiError, match="ended before it was complete"):
        machine.finish()
    machine.feed(chunk(text("1."), finish="STOP"))
    assert machine.has_ended


def test_refusal_of_a_round_is_forgotten_when_it_goes_on() -> None:
    blocked = [{"category": "X", "blocked": True}]
    first = chunk(text("a"), finish="SAFETY", safetyRatings=blocked)
    assert short_events(first, chunk(text("b"), finish="STOP"))[-2] == "end_turn"


def test_refusal_may_come_with_content() -> None:
    machine = translator()
    machine.feed({**chunk(text("a")), "promptFeedback": {"blockReason": "OTHER"}})
    assert machine.finish()[-2]["delta"]["stop_reason"] == "refusal"


@pytest.mark.parametrize(
    "after", [chunk(text("\n ")), chunk(text("")), chunk(signed("S")), chunk()]
)
def test_finish_reason_stands_when_nothing_follows(after: Any) -> None:
    machine = translator()
    machine.feed(chunk(text("a"), finish="STOP"))
    machine.feed(after)
    assert machine.has_ended


@pytest.mark.parametrize(
    ("given", "changes", "expected"),
    [
        (chunk(finish="STOP"), {}, Cause.EMPTY),
        ({**chunk(finish="STOP"), **THOUGHT}, {}, Cause.THOUGHTS),
        (chunk(thought("Hm."), finish="STOP"), {}, Cause.THOUGHTS),
        (chunk(thought("Hm."), finish="STOP"), {"shows_thinking": False}, Cause.EMPTY),
        (chunk(finish="MALFORMED_FUNCTION_CALL"), {}, Cause.MALFORMED),
        (chunk(thought("Hm."), finish="MALFORMED_FUNCTION_CALL"), {}, Cause.MALFORMED),
        (chunk(finish="UNEXPECTED_TOOL_CALL"), {}, Cause.MALFORMED),
        (chunk(finish="MALFORMED_RESPONSE"), {}, Cause.MALFORMED),
        (chunk(finish="MISSING_THOUGHT_SIGNATURE"), {}, Cause.SIGNATURE),
        (chunk(finish="OTHER"), {}, Cause.EMPTY),
        ({**chunk(finish="TOO_MANY_TOOL_CALLS"), **THOUGHT}, {}, Cause.THOUGHTS),
        (chunk(finish="SAFETY"), {}, None),
        ({**chunk(finish="MAX_TOKENS"), **THOUGHT}, {}, None),
        ({"promptFeedback": {"blockReason": "OTHER"}}, {}, None),
        (chunk(text("a"), finish="STOP"), {}, None),
        (chunk(text("a"), finish="MALFORMED_FUNCTION_CALL"), {}, Cause.MALFORMED),
        (chunk(call("f1"), finish="MALFORMED_FUNCTION_CALL"), {}, Cause.MALFORMED),
        (chunk(call("f1"), call("f2", ""), finish="STOP"), {}, Cause.MALFORMED),
        (chunk(call("f2", ""), finish="MAX_TOKENS"), {}, Cause.MALFORMED),
        (chunk(call("f2", ""), finish="SAFETY"), {}, None),
        (chunk(call("f2", ""), text("b"), finish="STOP"), {"stop_sequences": ["b"]}, None),
        (chunk(call("f1"), finish="STOP"), {}, None),
        (chunk(text("b"), finish="STOP"), {"stop_sequences": ["b"]}, None),
        (chunk(thought("Hm.")), {}, None),
    ],
)
def test_shortfall_is_why_an_attempt_is_no_answer(given: Any, changes: Any, expected: str) -> None:
    machine = translator(**changes)
    machine.feed(given)
    assert machine.shortfall is expected
    error = machine.shortfall_error
    assert (error and error.cause) is expected


@pytest.mark.parametrize(
    ("given", "changes", "expected"),
    [
        (chunk(text("a")), {}, False),
        (chunk(text("a"), continuationToken="T1"), {}, False),
        (chunk(finish="STOP"), {}, True),
        (chunk(text("ab")), {"stop_sequences": ["b"]}, True),
        (chunk(finish="CONTINUATION", continuationToken="T1"), {}, True),
        ({"promptFeedback": {"blockReason": "OTHER"}}, {}, True),
    ],
)
def test_has_ended_covers_answer_and_hop(given: Any, changes: Any, expected: bool) -> None:
    machine = translator(**changes)
    assert machine.has_ended is False
    machine.feed(given)
    assert machine.has_ended is expected


def test_tokens_are_known_at_any_time() -> None:
    machine = translator()
    assert machine.tokens == {"in": 0, "cached": 0, "out": 0, "thoughts": 0}
    used = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 60,
        "toolUsePromptTokenCount": 7,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 20,
    }
    machine.feed({**chunk(text("a")), "usageMetadata": used})
    assert machine.tokens == {"in": 47, "cached": 60, "out": 25, "thoughts": 20}
    machine.feed(chunk(finish="STOP", groundingMetadata={"webSearchQueries": ["q"]}))
    assert machine.tokens == {"in": 40, "cached": 60, "out": 25, "thoughts": 20}


def test_bill_has_each_request_and_its_model() -> None:
    machine = translator()
    machine.feed({**chunk(text("a")), "usageMetadata": {"promptTokenCount": 7}})
    (billed,) = machine.billed
    assert (billed.model.name, billed.tokens.input) == ("gemini-4-hydrogen", 7)


def test_tokens_that_are_null_count_nothing() -> None:
    machine = translator()
    machine.feed({"usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": None}})
    machine.feed({"usageMetadata": {"promptTokenCount": None, "candidatesTokenCount": 2}})
    assert (machine.tokens["in"], machine.tokens["out"]) == (7, 2)


# --- Silence ----------------------------------------------------------------------------------


def test_message_start_may_precede_content() -> None:
    machine = translator()
    (event,) = machine.begin()
    assert event == translator().feed(chunk())[0]
    assert (machine.begin(), machine.has_block) == ([], False)
    assert [short(later) for later in machine.feed(chunk(text("a")))] == [
        (0, TEXT),
        (0, "text_delta", "a"),
    ]


@pytest.mark.parametrize(
    ("parts", "changes", "expected"),
    [
        ([], {}, [(0, THINKING), (0, "thinking_delta", "")]),
        ([], {"shows_thinking": False}, [(0, TEXT), (0, "text_delta", "")]),
        ([thought("Hm.")], {}, [(0, "thinking_delta", "")]),
        ([text("a")], {}, [(0, "text_delta", "")]),
        ([text("</")], {"stop_sequences": ["</end>"]}, [(0, TEXT), (0, "text_delta", "")]),
        (
            [{"functionCall": {"name": "Bash", "id": "f1", "willContinue": True}}],
            {},
            [(0, "input_json_delta", "")],
        ),
    ],
)
def test_keep_alive_is_an_empty_delta(parts: Any, changes: Any, expected: Any) -> None:
    machine = translator(**changes)
    machine.feed(chunk(*parts))
    had_answer = machine.has_answer
    assert [short(event) for event in machine.keep_alive()] == expected
    assert machine.has_answer is had_answer
    assert [short(event) for event in machine.keep_alive()] == expected[-1:]


def test_keep_alive_shows_a_call_that_was_kept_back() -> None:
    machine = translator()
    assert machine.feed(chunk(call("f1", thoughtSignature="A")))[1:] == []
    kept = [event[1]["type"] for event in map(short, machine.keep_alive()) if "type" in event[1]]
    assert kept == ["thinking", "tool_use", "thinking"]
    assert machine.has_emitted_answer is True


def test_keep_alive_leaves_the_answer_as_it_is() -> None:
    machine = translator(stop_sequences=["</end>"])
    events = machine.begin() + machine.keep_alive()
    events += machine.feed(chunk(text("a</"))) + machine.keep_alive()
    events += machine.feed(chunk(text("end> b"), finish="STOP")) + machine.finish()
    check_grammar(events)
    message = collect(events)
    assert message["content"][-1] == {"type": "text", "text": "a"}
    assert message["stop_reason"] == "stop_sequence"


# --- Whatever comes ---------------------------------------------------------------------------

PARTS = st.one_of(
    st.builds(text, st.sampled_from(["", "a", "b\n"])),
    st.builds(thought, st.sampled_from(["", "t"])),
    st.builds(signed, st.sampled_from(["AAAA", "BBBB"])),
    st.builds(call, st.sampled_from(["f1", "f2", None]), args=st.just({"x": 1})),
    st.builds(call, st.just("f3"), thoughtSignature=st.just("CCCC")),
    st.just({"executableCode": {"code": "1"}}),
)


@given(st.lists(PARTS, max_size=12), st.booleans(), st.booleans(), st.booleans(), st.data())
def test_events_are_in_order_however_they_are_chunked(
    parts: list[Any], shows: bool, carries: bool, searches: bool, data: Any
) -> None:
    changes = {"shows_thinking": shows, "carries_signatures": carries}
    changes |= SEARCHES if searches else {}
    last = chunk(finish="STOP", **({"groundingMetadata": FOUND} if searches else {}))
    whole = events_of([chunk(*parts), last], changes)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(parts)), max_size=4)))
    pieces = [
        chunk(*parts[start:end]) for start, end in zip([0, *cuts], [*cuts, len(parts)], strict=True)
    ]
    assert events_of([*pieces, last], changes) == whole
    check_grammar(whole)
    message = collect(whole)
    kinds = [block["type"] for block in message["content"]]
    assert kinds[-1] == "text" or "tool_use" in kinds
    assert kinds[-1] != "thinking"
    assert kinds.count("tool_use") == sum("functionCall" in part for part in parts)
    assert "thinking" not in kinds or shows or carries


def events_of(chunks: list[Any], changes: dict[str, Any]) -> list[Any]:
    machine = translator(**changes)
    return [event for given in chunks for event in machine.feed(given)] + machine.finish()


def check_grammar(events: list[Any]) -> None:
    """message_start (start delta* stop)* message_delta message_stop, indices counting up."""
    assert [events[0]["type"], events[-2]["type"], events[-1]["type"]] == [
        "message_start",
        "message_delta",
        "message_stop",
    ]
    open_index, following, signatures = None, 0, 0
    for event in events[1:-2]:
        if event["type"] == "content_block_start":
            assert (open_index, event["index"]) == (None, following)
            open_index, following, signatures = following, following + 1, 0
        else:
            assert event["index"] == open_index
            if event["type"] == "content_block_stop":
                open_index = None
            else:
                signatures += event["delta"]["type"] == "signature_delta"
                assert signatures <= 1
    assert open_index is None

"""translate/request: the envelope around a conversation."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.messages import assistant, result, thinking, use, user
from translate import StreamTranslator, collect
from translate.errors import ApiError, InvalidRequest
from translate.request import tools, translate
from translate.request.json_schema import MAX_NESTING
from translate.request.overrides import NO_OVERRIDES, RequestOverrides
from translate.response.output_limit import OutputLimit
from translate.signatures import CALL, SENTINEL, wrap

MINIMAL: dict[str, Any] = {
    "model": "claude-opus-5",
    "max_tokens": 1000,
    "messages": [{"role": "user", "content": "Hi"}],
}
CONTENTS = [{"role": "user", "parts": [{"text": "Hi"}]}]


def config(model: str, **fields: Any) -> dict[str, Any]:
    """The generationConfig without its maxOutputTokens."""
    request = translate({**MINIMAL, "model": model, **fields}, {}).request
    return {
        key: value for key, value in request["generationConfig"].items() if key != "maxOutputTokens"
    }


def test_a_minimal_request() -> None:
    translation = translate(MINIMAL, {})
    assert (translation.model.name, translation.tool_names, translation.shows_thinking) == (
        "gemini-4-hydrogen",
        {},
        False,
    )
    assert translation.request == {
        "contents": CONTENTS,
        "generationConfig": {
            "maxOutputTokens": 1000 + 4096,
            "thinkingConfig": {"thinkingLevel": "low"},
        },
        "store": False,
    }


def test_a_full_request() -> None:
    body = {
        **MINIMAL,
        "max_tokens": 200_000,
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.197.123;"},
            {"type": "text", "text": "You are helpful.", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": ""},
            {"type": "text", "text": "Be brief."},
        ],
        "tools": [{"name": "1st", "description": "One.", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "any"},
        "stop_sequences": ["a", "b"],
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "max"},
        "temperature": 1,
    }
    before = copy.deepcopy(body)
    translation = translate(body, {"ANTHROPIC_MODEL": "gemini-4-carbon"})
    assert body == before
    (function,) = translation.tool_names
    assert (translation.model.name, translation.tool_names, translation.shows_thinking) == (
        "gemini-4-carbon",
        {function: "1st"},
        True,
    )
    assert translation.request == {
        "systemInstruction": {"parts": [{"text": "You are helpful."}, {"text": "Be brief."}]},
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": function,
                        "description": "One.",
                        "parametersJsonSchema": {"type": "object", "properties": {}},
                    }
                ]
            }
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "contents": CONTENTS,
        "generationConfig": {
            "maxOutputTokens": 65_536,
            "thinkingConfig": {"thinkingLevel": "high", "includeThoughts": True},
        },
        "store": False,
    }


def test_a_count_has_no_generation_config() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    assert translate(body, {}, counting=True).request == {"contents": CONTENTS}


def test_a_tool_choice_without_tools_is_let_go() -> None:
    placeholder = {"name": "DeferredToolPlaceholder", "defer_loading": True}
    body = {**MINIMAL, "tools": [placeholder], "tool_choice": {"type": "any"}}
    assert not {"tools", "toolConfig"} & set(translate(body, {}).request)


def test_a_system_prompt_holds_text_only() -> None:
    with pytest.raises(InvalidRequest) as caught:
        translate({**MINIMAL, "system": [{"type": "image", "source": {"type": "x"}}]}, {})
    assert caught.value.message == "system.0.type: expected 'text'"


def test_the_clients_own_limits_are_kept_for_the_way_back() -> None:
    translation = translate({**MINIMAL, "max_tokens": 2, "stop_sequences": list("abcdefg")}, {})
    limit = OutputLimit(translation.stop_sequences, translation.max_tokens)
    assert (limit.apply("hij", 1), limit.apply("kg", 2), limit.stop_sequence) == ("hij", "k", "g")
    translation = translate({**MINIMAL, "max_tokens": 2}, {})
    limit = OutputLimit(translation.stop_sequences, translation.max_tokens)
    assert (limit.apply("1234", 4), limit.stop_reason) == ("12", "max_tokens")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gemini-2.5-flash", {"temperature": 0.2, "topP": 0.9, "topK": 40}),
        ("gemma-4-31b-it", {"temperature": 0.2, "topP": 0.9, "topK": 40}),
        ("gemini-3.8-flash", {}),
        ("gemini-9-unobtainium", {}),
    ],
)
def test_sampling_goes_only_to_models_that_take_it(model: str, expected: Any) -> None:
    sampling = config(model, temperature=0.2, top_p=0.9, top_k=40)
    assert {key: value for key, value in sampling.items() if key != "thinkingConfig"} == expected


def test_a_subagent_has_a_model_of_its_own() -> None:
    model_settings = {"CLAUDE_CODE_SUBAGENT_MODEL": "gemini-3.8-flash"}
    assert translate(MINIMAL, model_settings, is_subagent=True).model.name == "gemini-3.8-flash"
    assert translate(MINIMAL, model_settings).model.name == "gemini-4-hydrogen"


def test_a_declaration_may_come_from_a_memory() -> None:
    body = {**MINIMAL, "tools": [{"name": "Bash"}]}
    remembered: Any = {"name": "remembered"}
    declared = tools.Declared(remembered, inlined=0, is_reduced=False)
    request = translate(body, {}, declare=lambda tool, max_inlined: declared).request
    assert request["tools"] == [{"functionDeclarations": [remembered]}]


def test_schemas_that_are_not_whole_are_named() -> None:
    deep: Any = {}
    for _ in range(MAX_NESTING):
        deep = {"items": deep}
    body = {
        **MINIMAL,
        "tools": [{"name": f"T{i}", "input_schema": deep} for i in range(6)],
        "output_config": {"format": {"type": "json_schema", "schema": deep}},
    }
    start = "Too large or too deep, with their references, to be sent whole: "
    assert translate(body, {}).warnings == (f"{start}T0, T1, T2, T3, T4 and 2 more.",)
    assert translate({**body, "tools": []}, {}).warnings == (f"{start}the schema of the answer.",)


def test_the_first_request_of_claude_code() -> None:
    body = json.loads((Path(__file__).parent / "fixtures/claude_code_request.json").read_text())
    translation = translate(body, {})
    request = translation.request
    assert len(request["systemInstruction"]["parts"]) == 2
    assert len(request["tools"][0]["functionDeclarations"]) == 24
    (first,) = request["contents"]
    assert [sorted(part) for part in first["parts"]] == [["text"]] * 3
    assert first["parts"][2]["text"].startswith("<system-reminder>\n")
    assert request["generationConfig"] == {
        "maxOutputTokens": 65_536,
        "thinkingConfig": {"thinkingLevel": "high", "includeThoughts": True},
    }
    assert (translation.shows_thinking, translation.tool_names) == (True, {})


# --- An answer of a given form ----------------------------------------------------------------

FORM = {"type": "json_schema", "schema": {"type": "object", "properties": {"t": {"const": "x"}}}}
CLEANED = {"type": "object", "properties": {"t": {"enum": ["x"], "type": "string"}}}


@pytest.mark.parametrize("fields", [{"output_config": {"format": FORM}}, {"output_format": FORM}])
def test_a_schema_for_the_answer(fields: Any) -> None:
    sent = config("gemini-4-hydrogen", **fields)
    assert (sent["responseMimeType"], sent["responseJsonSchema"]) == ("application/json", CLEANED)
    assert "systemInstruction" not in translate({**MINIMAL, **fields}, {}).request


def test_a_schema_beside_tools_is_said_where_it_cannot_be_set() -> None:
    body = {**MINIMAL, "output_format": FORM, "tools": [{"name": "Bash"}]}
    assert "responseJsonSchema" in translate(body, {}).request["generationConfig"]
    older = translate({**body, "model": "gemini-2.5-pro"}, {}).request
    assert "responseJsonSchema" not in older["generationConfig"]
    instruction = f"Answer with JSON only, valid against this schema: {json.dumps(CLEANED)}"
    assert older["systemInstruction"] == {"parts": [{"text": instruction}]}
    alone = translate({**MINIMAL, "output_format": FORM, "model": "gemini-2.5-pro"}, {}).request
    assert "responseJsonSchema" in alone["generationConfig"]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format"),
        ({"output_format": {"type": "json_schema"}}, "output_format"),
    ],
)
def test_a_form_that_is_not_known(fields: Any, path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        translate({**MINIMAL, **fields}, {})
    assert caught.value.message == f"{path}: expected type 'json_schema' and a schema"


def test_whether_googles_own_tools_may_work_on_an_answer() -> None:
    own = {"name": "Bash", "input_schema": {"type": "object"}}
    search = {"type": "web_search_20250305", "name": "web_search"}
    code = {"type": "code_execution_20250825", "name": "code_execution"}
    offered = ([], [own], [search], [code], [own, search])
    found = [translate({**MINIMAL, "tools": tools}, {}).has_built_in for tools in offered]
    assert found == [False, False, True, True, True]


def test_a_web_search_with_a_filter() -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["a.com"]}
    forced = {"type": "tool", "name": "web_search"}
    translation = translate({**MINIMAL, "tools": [search], "tool_choice": forced}, {})
    assert translation.domains.allowed == ("a.com",)
    assert translation.request["tools"] == [{"googleSearch": {}}]
    assert "toolConfig" not in translation.request
    instruction = "When you search the web, use only these sites: a.com."
    assert translation.request["systemInstruction"] == {"parts": [{"text": instruction}]}


def test_one_call_at_a_time() -> None:
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    translation = translate({**MINIMAL, "tools": [{"name": "Bash"}], "tool_choice": choice}, {})
    assert translation.max_calls == 1
    instruction = "Call at most one tool in each of your turns."
    assert translation.request["systemInstruction"] == {"parts": [{"text": instruction}]}
    assert translate(MINIMAL, {}).max_calls is None


def test_safety_by_configuration() -> None:
    assert "safetySettings" not in translate(MINIMAL, {}).request
    assert translate(MINIMAL, {}, safety="OFF").request["safetySettings"] == [
        {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"},
        {"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "OFF"},
        {"category": "HARM_CATEGORY_SEXUALLY_EXPLICIT", "threshold": "OFF"},
        {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "threshold": "OFF"},
    ]


def test_a_web_fetch_with_a_filter() -> None:
    fetch = {"type": "web_fetch_20250910", "name": "web_fetch", "blocked_domains": ["a.com"]}
    instruction = "When you fetch pages, never use these sites: a.com."
    request = translate({**MINIMAL, "tools": [fetch]}, {}).request
    assert request["systemInstruction"] == {"parts": [{"text": instruction}]}


@pytest.mark.parametrize(("stream", "expected"), [({}, False), ({"stream": True}, True)])
def test_stream_is_known_on_the_way_back(stream: Any, expected: bool) -> None:
    assert translate({**MINIMAL, **stream}, {}).is_streamed is expected


@pytest.mark.parametrize("model", ["gemini-4-hydrogen", "gemini-2.5-flash"])
@pytest.mark.parametrize("given", [None, {"type": "object", "$schema": "x"}, {}])
def test_response_schema_is_known_on_the_way_back(given: Any, model: str) -> None:
    """However the model is told."""
    bash = {"name": "Bash", "input_schema": {"type": "object"}}
    form = {} if given is None else {"output_format": {"type": "json_schema", "schema": given}}
    translation = translate({**MINIMAL, "model": model, "tools": [bash], **form}, {})
    cleaned = None if given is None else {"type": "object"} if given else {}
    assert translation.response_schema == cleaned


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"thinking": {"type": "disabled"}}, True),
        ({"tool_choice": {"type": "any"}}, True),
        ({"tool_choice": {"type": "tool", "name": "Bash"}}, False),
        ({"tool_choice": {"type": "tool", "name": "Bash"}, "thinking": {"type": "adaptive"}}, True),
    ],
)
def test_signatures_are_carried_unless_one_call_is_all(fields: Any, expected: bool) -> None:
    bash = {"name": "Bash", "input_schema": {"type": "object"}}
    translation = translate({**MINIMAL, "tools": [bash], **fields}, {})
    assert translation.carries_signatures is expected


def test_a_translation_serves_more_than_one_answer() -> None:
    translation = translate({**MINIMAL, "stop_sequences": ["b"]}, {})
    chunk: Any = {"candidates": [{"content": {"parts": [{"text": "ab"}]}, "finishReason": "STOP"}]}
    for message_id in ("msg_00000001", "msg_00000002"):
        answer = StreamTranslator(translation, message_id=message_id, model="m")
        message = collect(answer.feed(chunk) + answer.finish())
        assert message["content"] == [{"type": "text", "text": "a"}]


# --- After a refusal --------------------------------------------------------------------------

BASH = {
    "name": "Bash",
    "input_schema": {"type": "object", "properties": {"q": {"type": "string"}}},
}
SIGNED = [
    user("go"),
    assistant(thinking(wrap(CALL, "gemini-4-hydrogen", "AAAA")), use("a")),
    user(result("a")),
]


def overridden(body: Any, **changes: Any) -> Any:
    """The request after a refusal; it has changed."""
    first, second = translate(body, {}), translate(body, {}, overrides=RequestOverrides(**changes))
    assert first.request != second.request
    assert translate(body, {}, overrides=NO_OVERRIDES) == first
    return second.request


def test_functions_are_listed_in_the_order_of_their_declarations() -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}
    placeholder = {"name": "DeferredToolPlaceholder", "defer_loading": True}
    declared = [{"name": "Zed"}, search, placeholder, {"name": "1st"}, {"name": "Ask"}]
    translation = translate({**MINIMAL, "tools": declared}, {})
    assert translation.functions == ["Zed", tools.function_name("1st"), "Ask"]
    (functions, _) = translation.request["tools"]
    names = [function["name"] for function in functions["functionDeclarations"]]
    assert names == translation.functions


def test_another_model_is_asked_in_its_own_way() -> None:
    body = {**MINIMAL, "model": "gemini-4-hydrogen", "thinking": {"type": "adaptive"}}
    body["messages"] = SIGNED
    model_settings = {"ANTHROPIC_MODEL": "gemini-4-carbon"}
    other = translate(body, model_settings, overrides=RequestOverrides(model="gemini-2.5-flash"))
    assert other.model.name == "gemini-2.5-flash"
    thinking = other.request["generationConfig"]["thinkingConfig"]
    assert thinking == {"thinkingBudget": -1, "includeThoughts": True}
    neon = translate(body, {}, overrides=RequestOverrides(model="gemini-4-neon"))
    (call,) = neon.request["contents"][1]["parts"]
    assert call["thoughtSignature"] == SENTINEL


def test_search_that_a_model_cannot_have_is_left_out() -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}
    body = {**MINIMAL, "tools": [BASH, search]}
    whole = translate(body, {})
    assert (len(whole.request["tools"]), whole.warnings) == (2, ())
    without = translate(body, {}, overrides=RequestOverrides(model="gemini-2.5-flash"))
    assert [list(tool) for tool in without.request["tools"]] == [["functionDeclarations"]]
    instruction = without.request["systemInstruction"]["parts"][-1]["text"]
    assert instruction == "Not available in this conversation: web_search."
    assert without.warnings == (
        "gemini-2.5-flash cannot use web_search beside other tools: not offered.",
    )
    alone = translate({**body, "tools": [search], "model": "gemini-2.5-flash"}, {})
    assert (alone.request["tools"], alone.warnings) == ([{"googleSearch": {}}], ())


def test_blocks_that_nobody_knows_are_warned_of() -> None:
    kinds = ["hologram", "b\né", *(f"x{i}" for i in range(9)), "y" * 500]
    content = [*({"type": kind, "data": 1} for kind in kinds), {"type": "text", "text": "So."}]
    turns = [*MINIMAL["messages"], {"role": "assistant", "content": content}]
    (warning,) = translate({**MINIMAL, "messages": turns}, {}).warnings
    assert warning == (
        "Shown to the model as text, or not at all: b??, hologram, x0, x1, x2 and 7 more."
    )


def test_blocks_of_other_servers_are_warned_of() -> None:
    content = [{"type": "compaction", "content": "They greeted."}, {"type": "fallback"}]
    turns = [*MINIMAL["messages"], {"role": "assistant", "content": content}]
    assert translate({**MINIMAL, "messages": turns}, {}).warnings == (
        "Shown to the model as text, or not at all: compaction, fallback.",
    )


def test_blocks_that_are_nested_too_deeply_are_warned_of() -> None:
    deep: Any = {}
    for _ in range(300):
        deep = {"a": [deep]}
    turns = [*MINIMAL["messages"], assistant(use("t", "Bash", deep))]
    translation = translate({**MINIMAL, "messages": turns}, {})
    assert translation.warnings == ("Nested too deeply, so shown to the model as text: Bash.",)
    assert isinstance(deep["a"][0]["a"], list)
    sent = translation.request["contents"][1]["parts"][0]["functionCall"]["args"]
    assert sent == translation.messages[1]["content"][0]["input"]
    assert json.loads(json.dumps(sent))["a"][0].keys() == {"a"}


def test_known_blocks_that_lose_something_are_warned_of() -> None:
    found = [{"type": "web_search_result", "url": "u", "title": "t", "encrypted_content": "x"}]
    content = [
        {"type": "redacted_thinking", "data": "x"},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": found},
        {"type": "text", "text": "So."},
    ]
    turns = [*MINIMAL["messages"], {"role": "assistant", "content": content}]
    assert translate({**MINIMAL, "messages": turns}, {}).warnings == (
        "Shown to the model as text, or not at all: redacted_thinking, web_search_tool_result.",
    )


def test_no_signature_is_sent_again_after_one_was_refused() -> None:
    body = {**MINIMAL, "messages": SIGNED}
    (before,) = translate(body, {}).request["contents"][1]["parts"]
    (after,) = overridden(body, unsigned=True)["contents"][1]["parts"]
    assert (before["thoughtSignature"], after["thoughtSignature"]) == ("AAAA", SENTINEL)


def test_only_a_schema_that_was_refused_takes_the_other_form() -> None:
    other = {**BASH, "name": "Ask"}
    request = overridden({**MINIMAL, "tools": [BASH, other]}, openapi=frozenset({"Ask"}))
    (declared,) = request["tools"]
    assert [sorted(function) for function in declared["functionDeclarations"]] == [
        ["description", "name", "parametersJsonSchema"],
        ["description", "name", "parameters"],
    ]


def test_calls_are_held_to_their_schemas_after_a_malformed_one() -> None:
    request = overridden({**MINIMAL, "tools": [BASH]}, validated=True)
    assert request["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}


def test_fields_that_were_refused_are_left_out_wherever_they_are() -> None:
    body = {**MINIMAL, "model": "gemini-2.5-flash", "top_k": 40, "temperature": 0}
    request = overridden(body, without=frozenset({"store", "topK", "thinkingConfig", "unheard_of"}))
    first = translate(body, {}).request
    assert request == {
        "contents": CONTENTS,
        "generationConfig": {"maxOutputTokens": 1000, "temperature": 0},
    }
    assert set(first["generationConfig"]) - set(request["generationConfig"]) == {
        "topK",
        "thinkingConfig",
    }


def test_a_refused_form_of_the_answer_is_asked_for_in_words() -> None:
    body = {**MINIMAL, "output_format": FORM}
    refused = frozenset({"responseMimeType", "responseJsonSchema"})
    request = overridden(body, without=refused)
    assert set(request["generationConfig"]) == {"maxOutputTokens", "thinkingConfig"}
    instruction = f"Answer with JSON only, valid against this schema: {json.dumps(CLEANED)}"
    assert request["systemInstruction"] == {"parts": [{"text": instruction}]}
    plain = translate(MINIMAL, {}, overrides=RequestOverrides(without=refused)).request
    assert plain == translate(MINIMAL, {}).request


@pytest.mark.parametrize(
    "thread", [{"type": "create"}, {"type": "continue", "previous_message_id": "msg_1"}, "other"]
)
@pytest.mark.parametrize("counting", [False, True])
def test_thread_is_refused_in_the_sdks_words(thread: Any, counting: bool) -> None:
    with pytest.raises(ApiError) as caught:
        translate({**MINIMAL, "thread": thread}, {}, counting=counting)
    error = caught.value.body("req_1")["error"]
    assert error["type"] == "invalid_request_error"
    assert error["details"] == {"error_code": "thread_unsupported_request"}


def test_no_thread_is_no_fault() -> None:
    assert translate({**MINIMAL, "thread": None}, {}).request == translate(MINIMAL, {}).request


@pytest.mark.parametrize(
    ("fields", "ignored"),
    [
        ({"compaction": {"type": "summarize"}}, ["compaction"]),
        ({"compaction": None, "context_management": None}, []),
        ({"context_management": {"edits": [{"type": "clear_thinking_20251015"}]}}, []),
        ({"context_management": {"edits": [{"type": "compact_20260112"}]}}, ["context_management"]),
        ({"context_management": {"edits": [{"type": 5}, 7]}}, ["context_management"]),
        ({"context_management": {"edits": 7}}, []),
        ({"context_management": "auto"}, []),
    ],
)
def test_conversation_is_kept_whole_and_a_warning_says_so(fields: Any, ignored: Any) -> None:
    translation = translate({**MINIMAL, **fields}, {})
    assert translation.request == translate(MINIMAL, {}).request
    assert [warning.split()[-3] for warning in translation.warnings] == ignored

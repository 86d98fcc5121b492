"""README's support table, row by row: each claim is tried on the code."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.answers import call, chunk, short_events, text, thought, translator
from tests.fake_gemini import Stream, make_case
from tests.messages import EXAMPLES, user
from tests.servers import ROOT
from tests.test_messages import BECOMES
from tests.test_tools import fan
from translate import ApiError, collect, translate
from translate.request import json_schema, messages, nesting, tools, validation
from translate.translation import Domains

README = (ROOT / "README.md").read_text("utf-8")
PNG = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
BASH: Any = {"name": "Bash", "input_schema": {"type": "object"}}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["a.com"]}


def sent(*blocks: Any, model: str = "claude-opus-5", **fields: Any) -> Any:
    """What Gemini is asked when the user sends these blocks."""
    content = list(blocks) or [{"type": "text", "text": "Hi"}]
    body = {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": content}]}
    return translate({**body, **fields}, {}).request


def parts(*blocks: Any, **fields: Any) -> Any:
    return sent(*blocks, **fields)["contents"][-1]["parts"]


def config(**fields: Any) -> Any:
    return sent(**fields)["generationConfig"]


def after_a_call(content: Any, model: str = "claude-opus-5", **more: Any) -> Any:
    """The last content when a call's result comes back."""
    use = {"type": "tool_use", "id": "t", "name": "Bash", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": content, **more}
    turns = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
    ]
    return sent(model=model, messages=turns, tools=[BASH])["contents"][-1]["parts"]


def is_refused(path: str, **fields: Any) -> bool:
    with pytest.raises(ApiError) as caught:
        sent(*fields.pop("blocks", []), **fields)
    return caught.value.message.startswith(path)


SAMPLING: Any = {"temperature": 1, "top_p": 1, "top_k": 1}
"""The fields of a row that names three."""


def is_ignored(**fields: Any) -> bool:
    return bool(sent(**fields) == sent())


def nested_history() -> bool:
    """A call whose arguments nest deeper than Google takes them."""
    deep: Any = {}
    for _ in range(nesting.MAX_DEPTH):
        deep = {"a": deep}
    use = {"type": "tool_use", "id": "t", "name": "Bash", "input": deep}
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": [use]}]
    body = {"model": "claude-opus-5", "max_tokens": 9, "messages": turns}
    translation = translate(body, {})
    (part,) = translation.request["contents"][1]["parts"]
    is_text = str(part).count("'{\"a\": {}}'") == 1
    return is_text and "Nested too deeply" in translation.warnings[0] and nesting.MAX_DEPTH == 32


def history() -> bool:
    """Blocks in a turn of the model's that another server made."""
    blocks = [
        {"type": "compaction", "content": "They greeted."},
        {"type": "hologram", "text": "Hm."},
        {"type": "tool_use", "input": {}},
    ]
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": blocks}]
    _, answer, _ = sent(messages=turns)["contents"]
    first, second, called = answer["parts"]
    texts = [first["text"], second["text"]]
    name = called["functionCall"]["name"]
    return (texts, name) == (["They greeted.", "Hm."], "tool_name_missing")


def text_and_system() -> bool:
    turns = [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]
    request = sent(messages=turns, system="c")
    return request["systemInstruction"] == {"parts": [{"text": "c"}]} and request["contents"] == [
        {
            "role": "user",
            "parts": [{"text": "a"}, {"text": "<system-reminder>\nb\n</system-reminder>"}],
        }
    ]


def media() -> bool:
    by_url = {"type": "image", "source": {"type": "url", "url": "https://x.test"}}
    of_text = {"type": "document", "source": {"type": "text", "data": "t"}}
    of_blocks = {"type": "document", "source": {"type": "content", "content": "u"}}
    return bool(
        parts({"type": "image", "source": PNG}, by_url, of_text, of_blocks)
        == [
            {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
            {"fileData": {"fileUri": "https://x.test"}},
            {"text": "t"},
            {"text": "u"},
        ]
    )


def media_in_results() -> bool:
    image = [{"type": "image", "source": PNG}]
    (newer,) = after_a_call(image)
    older = after_a_call(image, model="gemini-2.5-flash")
    return "parts" in newer["functionResponse"] and "inlineData" in older[1]


def answer(*given: Any, **changes: Any) -> Any:
    machine = translator(**changes)
    events = [event for each in given for event in machine.feed(each)]
    return collect(events + machine.finish())


def long_answer() -> bool:
    machine = translator()
    events = machine.feed(chunk(text("a"), finish="CONTINUATION", continuationToken="T"))
    token = machine.continuation()
    events += machine.feed(chunk(text("b"), finish="STOP"))
    message = collect(events + machine.finish())
    return (token, message["content"]) == ("T", [{"type": "text", "text": "ab"}])


def pieces() -> bool:
    partial = {
        "functionCall": {"name": "x", "partialArgs": [{"jsonPath": "$.a", "numberValue": 1}]}
    }
    return bool(answer(chunk(partial, finish="STOP"))["content"][0]["input"] == {"a": 1})


def schemas_within_bounds() -> bool:
    tool = {"name": "T", "input_schema": fan(20)}
    body = {"model": "claude-opus-5", "max_tokens": 1, "messages": [user("Hi.")], "tools": [tool]}
    (warning,) = translate(body, {}).warnings
    figures = (json_schema.MAX_INLINED, tools.MAX_INLINED, json_schema.MAX_DEPTH)
    assert figures == (200_000, 2_000_000, 24)
    return warning.endswith("to be sent whole: T.")


def found() -> bool:
    metadata = {"webSearchQueries": ["q"]}
    given = chunk(text("a"), finish="STOP", groundingMetadata=metadata)
    request = {"tools": [{"googleSearch": {}}]}
    kinds = [block["type"] for block in answer(given, request=request)["content"]]
    return kinds == ["server_tool_use", "web_search_tool_result", "text"]


def filtered() -> bool:
    fetch = {"type": "web_fetch_20250910", "name": "web_fetch", "blocked_domains": ["b.com"]}
    prompt = str(sent(tools=[SEARCH, fetch])["systemInstruction"])
    pages = [{"web": {"uri": "https://x.test", "title": site}} for site in ("a.com", "c.com")]
    metadata = {"webSearchQueries": ["q"], "groundingChunks": pages}
    given = chunk(text("a"), finish="STOP", groundingMetadata=metadata)
    shown = answer(given, domains=Domains(allowed=("a.com",)))["content"][-1]["citations"]
    return (
        "a.com" in prompt and "b.com" in prompt and [page["title"] for page in shown] == ["a.com"]
    )


def history_of_server_tools() -> bool:
    use = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
    passage = {"type": "search_result", "source": "s", "title": "t", "content": []}
    return all("text" in part for part in parts(use, passage))


def repaired() -> bool:
    slip = call("f", "bash", {"parameters": {"a": 1}}, thoughtSignature="A")
    schemas = {"Bash": {"properties": {"a": {}}, "required": ["a"]}}
    use = answer(chunk(slip, finish="STOP"), input_schemas=schemas)["content"][-1]
    return (use["name"], use["input"]) == ("Bash", {"a": 1})


def one_call() -> bool:
    both = chunk(call("a", thoughtSignature="A"), call("b"), finish="STOP")
    kinds = [block["type"] for block in answer(both, max_calls=1)["content"]]
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    return kinds == ["thinking", "tool_use"] and "at most one" in str(sent(tool_choice=choice))


HOLOGRAM = {"type": "document", "source": {"type": "hologram"}}
FORM = {"type": "json_schema", "schema": {"type": "object"}}
OLDER = "gemini-2.5-flash"

YES: dict[str, Callable[[], bool]] = {
    "text, system prompt": text_and_system,
    "images (base64, URL)": media,
    "blocks of a history": history,
    "tools, `tool_choice`": lambda: (
        sent(tools=[BASH], tool_choice={"type": "any"})["toolConfig"]
        == {"functionCallingConfig": {"mode": "ANY"}}
        and after_a_call("no", is_error=True)[0]["functionResponse"]["response"] == {"error": "no"}
    ),
    "images and PDFs in a tool result": media_in_results,
    "thinking, effort": lambda: (
        config(thinking={"type": "adaptive"}, output_config={"effort": "medium"})["thinkingConfig"]
        == {"thinkingLevel": "medium", "includeThoughts": True}
        and answer(chunk(thought("t"), text("x"), finish="STOP"))["content"][0]["type"]
        == "thinking"
    ),
    "thought signatures": lambda: (
        short_events(chunk(call("f", thoughtSignature="A"), finish="STOP"))[2][1]
        == "signature_delta"
    ),
    "`max_tokens`": lambda: (
        config()["maxOutputTokens"] > 100
        and answer(
            {**chunk(text("abcd"), finish="STOP"), "usageMetadata": {"candidatesTokenCount": 2}},
            max_tokens=1,
        )["stop_reason"]
        == "max_tokens"
    ),
    "`stop_sequences`": lambda: (
        answer(chunk(text("abc"), finish="STOP"), stop_sequences="zyxwvub")["stop_sequence"] == "b"
    ),
    "`count_tokens`": lambda: (
        set(
            translate(
                {"model": "m", "messages": [{"role": "user", "content": "x"}]}, {}, counting=True
            ).request
        )
        == {"contents"}
    ),
    "`web_search`": found,
    "`web_fetch`": lambda: (
        sent(
            tools=[
                {"type": "web_fetch_20250910", "name": "web_fetch"},
                {"type": "code_execution_20250522", "name": "code_execution"},
            ]
        )["tools"]
        == [{"urlContext": {}}, {"codeExecution": {}}]
    ),
    "structured output": lambda: (
        "responseJsonSchema" in config(output_format=FORM)
        and "Answer with JSON only" in str(sent(model=OLDER, output_format=FORM, tools=[BASH]))
        and answer(chunk(text("So: ```{}```"), finish="STOP"), response_schema={})["content"]
        == [{"type": "text", "text": "{}"}]
    ),
    "server tools, search results": history_of_server_tools,
    "tools that come and go": lambda: all(
        "available" in parts(EXAMPLES[kind])[0]["text"]
        for kind in ("tool_reference", "tool_addition", "tool_removal")
    ),
    "calls that the model got nearly right": repaired,
    "answers longer": long_answer,
    "arguments streamed in pieces": pieces,
    "`disable_parallel_tool_use`": one_call,
    "models that think by default": lambda: (
        config(model="claude-sonnet-5-5")["thinkingConfig"] == {"thinkingLevel": "high"}
    ),
}
PARTLY: dict[str, Callable[[], bool]] = {
    "domain filters": filtered,
    "unknown values": lambda: (
        config(
            thinking={"type": "interleaved", "display": "blurred"},
            output_config={"effort": "ludicrous"},
        )["thinkingConfig"]
        == {"thinkingLevel": "high", "includeThoughts": True}
    ),
    "`temperature`": lambda: (
        {"temperature", "topP", "topK"} <= config(model=OLDER, **SAMPLING).keys()
        and is_ignored(**SAMPLING)
    ),
    "server tools beside other tools": lambda: (
        sent(tools=[SEARCH, BASH])["toolConfig"]["includeServerSideToolInvocations"]
        and list(sent(model=OLDER, tools=[SEARCH, BASH])["tools"][0]) == ["functionDeclarations"]
    ),
    "schemas of tools and answers": schemas_within_bounds,
    "calls and results in history that nest": nested_history,
    "`strict` tools": lambda: (
        sent(tools=[{**BASH, "strict": True}])["toolConfig"]
        == {"functionCallingConfig": {"mode": "VALIDATED"}}
    ),
    "`safeguards`": lambda: (
        is_ignored(safeguards=[{"type": "dangerous_tool_use"}])
        and all(has_verdict(model) is bool(model) for model in ("", "gemini-3.8-flash"))
    ),
}
NO: dict[str, Callable[[], bool]] = {
    "other typed tools": lambda: all(
        is_refused("tools.0.type:", tools=[{"type": f"{kind}_20250124", "name": kind}])
        for kind in ("computer", "bash", "text_editor", "memory")
    ),
    "`max_uses`": lambda: (
        sent(tools=[{**SEARCH, "max_uses": 1, "user_location": {}}]) == sent(tools=[SEARCH])
    ),
    "images that Gemini makes": lambda: (
        "cannot show"
        in answer(chunk({"inlineData": {"mimeType": "image/png"}}, finish="STOP"))["content"][0][
            "text"
        ]
    ),
    "the Files API": lambda: all(
        is_refused("messages.0.content.0", blocks=[block])
        for block in (
            {"type": "image", "source": {"type": "file", "file_id": "f"}},
            {"type": "container_upload", "file_id": "f"},
        )
    ),
    "`metadata`": lambda: is_ignored(
        metadata={"user_id": "u"},
        service_tier="auto",
        cache_control={"type": "ephemeral"},
    ),
    "shortening the conversation": lambda: is_ignored(
        compaction={"type": "summarize"},
        context_management={"edits": [{"type": "compact_20260112"}]},
    ),
    "conversations that the server keeps": lambda: (
        is_refused("thread:", thread={"type": "create"}) and is_ignored(thread=None)
    ),
    "fields nobody knows yet": lambda: (
        is_ignored(tomorrow={"a": 1})
        and is_refused("messages.0.content.0:", blocks=[{"type": "hologram"}])
        and is_refused("messages.0.content.0.document:", blocks=[HOLOGRAM])
        and is_refused("tool_choice.type:", tools=[BASH], tool_choice={"type": "at_will"})
    ),
}
CLAIMS = {"yes": YES, "partly": PARTLY, "no": NO}


def has_verdict(model: str) -> bool:
    """Whether a call is judged. model: of PROXY_AUTO_MODE_MODEL."""
    call = {"functionCall": {"name": "Bash", "args": {}, "id": "a"}}
    verdict = chunk({"text": '{"verdicts": []}'}, finish="STOP")
    case = make_case(
        Stream(chunk(call, finish="STOP")),
        Stream(verdict),
        whole=True,
        settings={"PROXY_AUTO_MODE_MODEL": model},
        safeguards=[{"type": "dangerous_tool_use"}],
    )
    case.answer.open(whole=True)
    return "safeguard_results" in case.answer.message()


def rows() -> list[list[str]]:
    table = README.split("## What is translated")[1].split("\n## ")[0]
    lines = [line for line in table.splitlines() if re.match(r"\| (?!---|Messages)", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_row_says_what_the_code_does(row: list[str]) -> None:
    subject, support, _ = row
    probes = [probe for start, probe in CLAIMS[support].items() if subject.startswith(start)]
    assert len(probes) == 1, f"no probe, or several, for: {subject}"
    assert probes[0]()


@pytest.mark.parametrize("support", CLAIMS)
def test_every_claim_has_its_row(support: str) -> None:
    subjects = [row[0] for row in rows() if row[1] == support]
    for start in CLAIMS[support]:
        there = [subject for subject in subjects if subject.startswith(start)]
        assert len(there) == 1, f"no row, or several, under {support!r} in README for: {start}"
    assert len(subjects) == len(CLAIMS[support])


# --- Blocks ------------------------------------------------------------------------------------

BLOCK_ROWS = {
    "text": "text, system prompt",
    "image": "images (base64, URL)",
    "document": "images (base64, URL)",
    "search_result": "server tools, search results",
    "thinking": "thinking, effort",
    "redacted_thinking": "thinking, effort",
    "tool_use": "tools, `tool_choice`",
    "tool_result": "tools, `tool_choice`",
    "tool_reference": "tools that come and go",
    "tool_addition": "tools that come and go",
    "tool_removal": "tools that come and go",
    "compaction": "blocks of a history",
    "fallback": "blocks of a history",
    "mcp_tool_listing": "blocks of a history",
    "browser_state": "server tools, search results",
    "server_tool_use": "server tools, search results",
    "web_search_tool_result": "server tools, search results",
    "web_fetch_tool_result": "server tools, search results",
    "code_execution_tool_result": "server tools, search results",
    "bash_code_execution_tool_result": "server tools, search results",
    "text_editor_code_execution_tool_result": "server tools, search results",
    "mcp_tool_use": "server tools, search results",
    "mcp_tool_result": "server tools, search results",
}
"""Type of a block -> how its row in README.md begins."""


def missing_for(kind: str) -> list[str]:
    """What a type of block in the table still needs, and where."""
    row = BLOCK_ROWS.get(kind)
    needed = {
        "what it becomes: translate/request/messages.py, BLOCKS": kind in messages.BLOCKS,
        "its fields: translate/request/validation.py, BLOCKS": kind in validation.BLOCKS,
        "an example: tests/messages.py, EXAMPLES": EXAMPLES.get(kind, {}).get("type") == kind,
        "a test of the example: tests/test_messages.py, BECOMES": kind in BECOMES,
        "the name of its row: tests/test_support.py, BLOCK_ROWS": row is not None,
        f"its row: README.md, 'What is translated', one that begins with {row!r}": any(
            row is None or subject.startswith(row) for subject, *_ in rows()
        ),
    }
    return [what for what, is_there in needed.items() if not is_there]


BLOCKS = sorted({*messages.BLOCKS, *validation.BLOCKS, *EXAMPLES, *BECOMES, *BLOCK_ROWS})


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_block_has_its_fields_example_test_and_row(kind: str) -> None:
    missing = missing_for(kind)
    assert not missing, f"a {kind!r} block lacks " + "; ".join(missing)


def test_what_a_new_block_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(messages.BLOCKS, "hologram", messages.BLOCKS["text"])
    fields, example, test, row = missing_for("hologram")
    assert [what.split(":")[0] for what in (fields, example, test, row)] == [
        "its fields",
        "an example",
        "a test of the example",
        "the name of its row",
    ]
    monkeypatch.setitem(BLOCK_ROWS, "text", "holograms")
    assert [what.split(":")[0] for what in missing_for("text")] == ["its row"]


def test_a_source_has_its_fields() -> None:
    """What a source becomes stands in messages.SOURCES, its fields in validation.SOURCES."""
    assert set(messages.SOURCES) == set(validation.SOURCES)

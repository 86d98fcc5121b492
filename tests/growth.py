"""Requests, schemas and answers that grow in one field each, for test_growth.py.

A row is what grows -> how it is made of a size. Whoever adds a field to a table of translate/ adds
a row here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.answers import call, chunk, text, thought
from tests.messages import assistant, result, thinking, use, user
from translate.translation import Domains

Make = Callable[[int], Any]
HI = [user("Hi.")]
PNG = {"type": "base64", "media_type": "image/png", "data": "AAAA"}


def body(messages: Any = HI, **fields: Any) -> dict[str, Any]:
    return {"model": "claude-opus-5", "max_tokens": 100, "messages": messages, **fields}


def turns(make: Callable[[int], list[Any]]) -> Make:
    return lambda n: body([turn for i in range(n) for turn in make(i)])


def blocks(make: Callable[[int], Any]) -> Make:
    return lambda n: body([user("Hi.", *(make(i) for i in range(n)))])


def models_blocks(make: Callable[[int], Any]) -> Make:
    return lambda n: body([user("Hi."), assistant(*(make(i) for i in range(n))), user("Go on.")])


def nested_documents(n: int) -> Any:
    inner: Any = [{"type": "text", "text": "x"}]
    for _ in range(5):
        inner = [{"type": "document", "source": {"type": "content", "content": inner}}]
    return body([user(*inner * n)])


def server_use(given: Any) -> dict[str, Any]:
    return {"type": "server_tool_use", "id": "srv", "name": "web_search", "input": given}


def one_tool(schema: Any) -> dict[str, Any]:
    return body(tools=[{"name": "Ask", "input_schema": schema}])


CALLS: dict[str, Make] = {
    "calls and their results": turns(lambda i: [assistant(use(f"t{i}")), user(result(f"t{i}"))]),
    "parallel calls": lambda n: body(
        [
            user("Go."),
            assistant(*(use(f"t{i}") for i in range(n))),
            user(*(result(f"t{i}") for i in reversed(range(n)))),
        ]
    ),
    "calls of one id": lambda n: body(
        [user("Go."), assistant(*[use("t")] * n), user(*[result("t")] * n)]
    ),
    "calls without results": models_blocks(lambda i: use(f"t{i}")),
    "results without calls": blocks(lambda i: result(f"t{i}")),
    "blocks in a result": lambda n: body(
        [
            user("Go."),
            assistant(use("t")),
            user(
                result("t", [{"type": "text", "text": "x"}, {"type": "image", "source": PNG}] * n)
            ),
        ]
    ),
    "an id": lambda n: body([user("Go."), assistant(use("t" * n)), user(result("t" * n))]),
    "a name": lambda n: body([user("Go."), assistant(use("t", "N!" * n)), user(result("t"))]),
    "an input": models_blocks(lambda i: use("t", given={f"a{j}": j for j in range(i % 7)})),
}

REQUESTS: dict[str, Make] = {
    "messages": turns(lambda i: [user("a"), assistant("b")]),
    "messages of one side": turns(lambda i: [user("a")]),
    "empty messages": turns(lambda i: [assistant(), user("a")]),
    "system messages": turns(lambda i: [{"role": "system", "content": "a"}]),
    "text": lambda n: body([user("x " * n)]),
    "halves of surrogate pairs": lambda n: body([user("\ud800" * n)]),
    "text blocks": blocks(lambda i: {"type": "text", "text": "x"}),
    "images": blocks(lambda i: {"type": "image", "source": PNG}),
    "data": lambda n: body([user({"type": "image", "source": {**PNG, "data": "AAAA" * n}})]),
    "documents": blocks(
        lambda i: {"type": "document", "title": "T", "source": {"type": "text", "data": "x"}}
    ),
    "documents of blocks": nested_documents,
    "search results": blocks(
        lambda i: {
            "type": "search_result",
            "source": "s",
            "title": "t",
            "content": [{"type": "text", "text": "x"}],
        }
    ),
    "thinking": models_blocks(lambda i: thinking(f"gs1.c.gemini-4-hydrogen:{'AAAA' * 8}")),
    "traces": models_blocks(lambda i: thinking("gs1.p.gemini-4-hydrogen:eyJ0b29sQ2FsbCI6e319")),
    "a signature": lambda n: body(
        [user("Hi."), assistant(thinking("gs1.t.gemini-4-hydrogen:" + "A" * n)), user("Go on.")]
    ),
    "a foreign signature": lambda n: body(
        [user("Hi."), assistant(thinking("gs1.t." + "a" * n)), user("Go on.")]
    ),
    "redacted thinking": models_blocks(lambda i: {"type": "redacted_thinking", "data": "x"}),
    "compactions": models_blocks(lambda i: {"type": "compaction", "content": "x"}),
    "compacted turns": turns(lambda i: [user("a"), assistant({"type": "compaction"})]),
    "server tools": models_blocks(lambda i: server_use({"query": "q"})),
    "a server tool's input": models_blocks(lambda i: server_use([{"a": [i]}])),
    "a server tool's results": models_blocks(
        lambda i: {"type": "web_search_tool_result", "tool_use_id": "srv", "content": [{"a": 1}]}
    ),
    "tool references": blocks(lambda i: {"type": "tool_reference", "tool_name": "T"}),
    "tools that come": blocks(lambda i: {"type": "tool_addition", "tool": {"name": f"T{i}"}}),
    "fields that nobody knows": lambda n: body(**{f"x{i}": i for i in range(n)}),
    "system blocks": lambda n: body(system=[{"type": "text", "text": "x"}] * n),
    "a system prompt": lambda n: body(system="x" * n),
    "tools": lambda n: body(
        tools=[{"name": f"T{i}", "input_schema": {"properties": {"a": {}}}} for i in range(n)]
    ),
    "tools of one name": lambda n: body(tools=[{"name": "T", "input_schema": {}}] * n),
    "a tool's name": lambda n: body(tools=[{"name": "T!" * n}]),
    "a tool's description": lambda n: body(tools=[{"name": "T", "description": "x" * n}]),
    "typed tools": lambda n: body(tools=[{"name": "S", "type": "web_search_2025"}] * n),
    "domains": lambda n: body(
        tools=[
            {
                "name": "S",
                "type": "web_search_2025",
                "allowed_domains": [f"a{i}.test" for i in range(n)],
            }
        ]
    ),
    "stop sequences": lambda n: body(stop_sequences=[f"END{i}" for i in range(n)]),
    "a stop sequence": lambda n: body(stop_sequences=["x" * min(n, 256)]),
    "a path of models": lambda n: body(model="models/" * n + "gemini-4-neon"),
    "a model's sizes": lambda n: body(model="gemini-4-neon" + "[1m]" * n),
    "a model's pickers": lambda n: body(model="claude-" * n),
    "a model's words": lambda n: body(model="gemini-" + "neno-" * n),
    "a model's letters": lambda n: body(model="x" * n),
    **CALLS,
}

STRING = {"type": "string"}


def definitions(n: int, make: Callable[[int], Any], **root: Any) -> dict[str, Any]:
    return {"type": "object", "$defs": {f"D{i}": make(i) for i in range(n)}, **root}


def ref(i: object) -> dict[str, str]:
    return {"$ref": f"#/$defs/D{i}"}


def nested(n: int, wrap: Callable[[Any], Any], inner: Any = STRING) -> Any:
    for _ in range(n):
        inner = wrap(inner)
    return {"properties": {"x": inner}}


SCHEMAS: dict[str, Make] = {
    "properties": lambda n: {"properties": {f"p{i}": STRING for i in range(n)}},
    "required": lambda n: {"required": [f"p{i}" for i in range(n)]},
    "an enum": lambda n: {
        "properties": {"x": {"type": "string", "enum": [f"{i}" for i in range(n)]}}
    },
    "an enum of one word": lambda n: {"properties": {"x": {"type": "string", "enum": ["a"] * n}}},
    "types": lambda n: {"properties": {"x": {"type": [f"t{i}" for i in range(n)], "title": "t"}}},
    "a type again and again": lambda n: {
        "properties": {"x": {"type": ["object"] * n, "properties": {f"p{i}": {} for i in range(n)}}}
    },
    "keywords": lambda n: {"properties": {"x": {f"k{i}": i for i in range(n)}}},
    "a description": lambda n: {"properties": {"x": {"description": "x" * n, "not": {}}}},
    "nested items": lambda n: nested(n, lambda inner: {"type": "array", "items": inner}),
    "nested properties": lambda n: nested(n, lambda inner: {"properties": {"x": inner}}),
    "nested patterns": lambda n: nested(
        n, lambda inner: {"patternProperties": {"": inner}, "additionalProperties": False}
    ),
    "nested allOf": lambda n: nested(n, lambda inner: {"allOf": [inner], "title": "t"}),
    "nested anyOf": lambda n: nested(n, lambda inner: {"anyOf": [inner, {}], "description": "d"}),
    "prefixItems": lambda n: {"properties": {"x": {"type": "array", "prefixItems": [STRING] * n}}},
    "allOf of properties": lambda n: {
        "allOf": [{"properties": {f"p{i}": STRING}, "required": [f"p{i}"]} for i in range(n)]
    },
    "allOf of one property": lambda n: {
        "allOf": [{"properties": {"p": {"properties": {f"q{i}": {}}}}} for i in range(n)]
    },
    "allOf of contradictions": lambda n: {"allOf": [{"minimum": i} for i in range(n)]},
    "allOf of enums": lambda n: {
        "properties": {"x": {"allOf": [{"enum": ["a"] * n + [f"{i}"]} for i in range(5)]}}
    },
    "anyOf": lambda n: {"properties": {"x": {"anyOf": [STRING] * n, "description": "d"}}},
    "anyOf at the root": lambda n: {
        "anyOf": [{"properties": {"p": {"minimum": i}}, "required": ["p"]} for i in range(n)]
    },
    "oneOf with a kind": lambda n: {
        "oneOf": [
            {"properties": {"kind": {"enum": [f"{i}"], "type": "string"}, f"p{i}": {}}}
            for i in range(n)
        ]
    },
    "definitions": lambda n: definitions(n, lambda i: STRING),
    "a definition used again": lambda n: definitions(
        1, lambda i: STRING, properties={f"p{i}": ref(0) for i in range(n)}
    ),
    "a large definition used again": lambda n: definitions(
        1,
        lambda i: {"properties": {f"q{j}": {} for j in range(n)}},
        properties={f"p{i}": ref(0) for i in range(n)},
    ),
    "a chain of references": lambda n: definitions(
        n, lambda i: ref(i + 1), properties={"x": ref(0)}
    ),
    "a chain of allOf": lambda n: definitions(
        n, lambda i: {"allOf": [ref(i + 1)], "title": "t"}, allOf=[ref(0)]
    ),
    "a fan of references": lambda n: definitions(
        n,
        lambda i: {"properties": {"l": ref(i + 1), "r": ref(i + 1)}},
        properties={"x": ref(0)},
    ),
    "a fan of allOf": lambda n: definitions(
        n, lambda i: {"allOf": [ref(i + 1), ref(i + 1)]}, allOf=[ref(0)]
    ),
    "a fan of anyOf": lambda n: definitions(
        n, lambda i: {"anyOf": [ref(i + 1), ref(i + 1)]}, properties={"x": ref(0)}
    ),
    "references to each other": lambda n: definitions(
        n,
        lambda i: {"properties": {f"p{j}": ref((i + j) % n) for j in range(1, 5)}},
        properties={"x": ref(0)},
    ),
    "a reference": lambda n: {"properties": {"x": {"$ref": "#" + "/a" * n}}},
    "a reference to the root": lambda n: {
        "properties": {f"p{i}": {"$ref": "#"} for i in range(n)},
    },
}
"""input_schema, and output_config.format.schema."""


@dataclass
class Growing:
    """An answer. changes: fields of the Translation that it is read by."""

    chunks: list[Any]
    changes: dict[str, Any] = field(default_factory=dict)


def answer(*parts: Any, **changes: Any) -> Growing:
    """Each part in a chunk of its own."""
    return Growing([chunk(part) for part in parts] + [chunk(finish="STOP")], changes)


def pieces(*values: Any) -> Growing:
    calls = [call(None, partialArgs=[value], willContinue=True) for value in values]
    return answer(*calls, call(None, ""))


def grounded(n: int) -> Growing:
    metadata = {
        "webSearchQueries": ["q"] * n,
        "groundingChunks": [{"web": {"uri": f"https://a{i}.test", "title": "t"}} for i in range(n)],
        "groundingSupports": [
            {"segment": {"text": "s"}, "groundingChunkIndices": [i]} for i in range(n)
        ],
    }
    return Growing([chunk(text("x"), groundingMetadata=metadata, finish="STOP")])


def one_call(args: Any, schema: Any) -> Growing:
    """With arguments, by the schema of its tool."""
    tools = {"Bash": {"type": "object", **schema}}
    return answer(call("c", args=args), input_schemas=tools)


def elements(n: int, items: Any) -> Growing:
    """A call with a list of whole floats, by the schema of an element."""
    return one_call({"a": [1.0] * n}, {"properties": {"a": {"items": items}}})


ANSWERS: dict[str, Callable[[int], Growing]] = {
    "chunks of text": lambda n: answer(*[text("x")] * n),
    "a text": lambda n: answer(text("x" * n)),
    "text that may stop": lambda n: answer(*[text("ab")] * n, stop_sequences=["ab" * 100 + "c"]),
    "stop sequences": lambda n: answer(
        text("ab" * 200), stop_sequences=[f"{'ab' * (i % 50)}{i}" for i in range(n)]
    ),
    "halves of surrogate pairs": lambda n: answer(*[text("\ud83d")] * n),
    "text and tokens": lambda n: Growing(
        [{**chunk(text("x")), "usageMetadata": {"candidatesTokenCount": i}} for i in range(n)]
        + [chunk(finish="STOP")],
        {"max_tokens": 10**6},
    ),
    "thoughts": lambda n: answer(*[thought("x")] * n),
    "signatures of thoughts": lambda n: answer(*[thought("x", thoughtSignature="AAAA")] * n),
    "empty parts": lambda n: answer(*[text("", thoughtSignature="AAAA")] * n),
    "parts of a chunk": lambda n: Growing([chunk(*[text("x")] * n, finish="STOP")]),
    "traces": lambda n: answer(*[{"toolCall": {"a": 1}}] * n),
    "a trace": lambda n: answer({"toolCall": {f"a{i}": [i] for i in range(n)}}),
    "code": lambda n: answer(*[{"executableCode": {"language": "PYTHON", "code": "x"}}] * n),
    "calls": lambda n: answer(*(call(f"c{i}", args={"a": 1}) for i in range(n))),
    "calls of one id": lambda n: answer(*[call("c", args={})] * n),
    "calls without ids": lambda n: answer(*[call(None, args={})] * n),
    "arguments": lambda n: one_call({f"a{i}": 1.0 for i in range(n)}, {}),
    "arguments as a text": lambda n: answer(call("c", args='{"a": [' + "1," * n + "1]}")),
    "arguments as a list": lambda n: answer(call("c", args=[{f"a{i}": i} for i in range(n)])),
    "arguments with integers": lambda n: elements(n, {"type": "integer"}),
    "arguments of a tuple": lambda n: elements(n, [{"type": "integer"}] * n),
    "arguments of a union": lambda n: elements(n, {"anyOf": [{"minimum": i} for i in range(n)]}),
    "arguments by a reference": lambda n: elements(n, {"$ref": "#" + "/a" * n}),
    "arguments of types": lambda n: elements(n, {"type": ["string"] * n}),
    "arguments that are required": lambda n: one_call(
        {"path": "x"}, {"required": [f"p{i}" for i in range(n)]}
    ),
    "arguments written as strings": lambda n: one_call(
        {f"a{i}": "[1]" for i in range(n)},
        {"properties": {f"a{i}": {"type": "array"} for i in range(n)}},
    ),
    "a name that is nearly right": lambda n: answer(
        *[call(None, "bash", {})] * 3, input_schemas={f"Bash{i}": {} for i in range(n)}
    ),
    "names that are nearly right": lambda n: answer(
        *(call(None, f"bash{i}", {}) for i in range(n)),
        input_schemas={f"Bash{i}": {} for i in range(n)},
    ),
    "a call's name": lambda n: answer(call(None, "default_api:" * n, {})),
    "a string in pieces": lambda n: pieces(
        *[{"jsonPath": "$.a", "stringValue": "x", "willContinue": True}] * n
    ),
    "members in pieces": lambda n: pieces(
        *({"jsonPath": f"$.a{i}", "numberValue": 1} for i in range(n))
    ),
    "a list in pieces": lambda n: pieces(
        *({"jsonPath": f"$.a[{i}].b", "numberValue": 1} for i in range(n))
    ),
    "a deep place in pieces": lambda n: pieces(
        *({"jsonPath": f"${'.a' * 20}.b{i}", "numberValue": 1} for i in range(n))
    ),
    "pieces of a chunk": lambda n: answer(
        call(None, partialArgs=[{"jsonPath": f"$.a{i}", "boolValue": True} for i in range(n)])
    ),
    "text between pieces": lambda n: answer(
        call(None, partialArgs=[{"jsonPath": "$.a", "numberValue": 1}], willContinue=True),
        *[text("x")] * n,
        call(None, ""),
    ),
    "what was found": grounded,
    "a source for each passage": lambda n: Growing(
        [
            chunk(
                text("x"),
                finish="STOP",
                groundingMetadata={
                    "groundingChunks": [{"web": {"uri": "https://a.test", "title": "t"}}],
                    "groundingSupports": [{"groundingChunkIndices": [0]}] * n,
                },
            )
        ]
    ),
    "sources and filters": lambda n: Growing(
        grounded(n).chunks,
        {"domains": Domains(tuple(f"a{i}.b.test" for i in range(n)), ("b.test",) * n)},
    ),
    "a source's levels": lambda n: Growing(
        [
            chunk(
                text("x"),
                groundingMetadata={"groundingChunks": [{"web": {"uri": "u", "title": "a." * n}}]},
                finish="STOP",
            )
        ],
        {"domains": Domains(("a.test",))},
    ),
    "passages of many sources": lambda n: Growing(
        [
            chunk(
                text("x"),
                groundingMetadata={
                    "groundingChunks": [{"web": {"uri": "u", "title": "t" * n}}],
                    "groundingSupports": [{"groundingChunkIndices": [0] * n}],
                },
                finish="STOP",
            )
        ],
    ),
    "what was found, again": lambda n: Growing(
        [chunk(text("x"), groundingMetadata={"webSearchQueries": ["q"]})] * n
        + [chunk(finish="STOP")]
    ),
    "pages that were fetched": lambda n: Growing(
        [
            chunk(
                text("x"),
                finish="STOP",
                urlContextMetadata={"urlMetadata": [{"retrievedUrl": "https://a.test"}] * n},
            )
        ]
    ),
    "filters that were hit": lambda n: Growing(
        [chunk(finish="SAFETY", safetyRatings=[{"category": "C", "blocked": True}] * n)]
    ),
}

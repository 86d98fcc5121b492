"""proxy/tool_cache.py: the same tool is translated once, and what is kept is bounded."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from proxy import json_codec, tool_cache
from proxy.tool_cache import LARGEST_SHARE, RequestTools, ToolCache
from tests.test_json_codec import nested
from tests.test_tools import fan
from translate.request import json_schema, tools
from translate.wire import Tool


def make_tool(name: str, **schema: object) -> Tool:
    return {"name": name, "input_schema": {"type": "object", **schema}}


def declare(cache: ToolCache, tool: Tool) -> tools.Declared:
    """As by a request of its own that Gemini accepts."""
    request = RequestTools(cache)
    declared = request.declare(tool)
    request.keep()
    return declared


def is_cached(cache: ToolCache, tool: Tool) -> bool:
    """Whether two look-ups give one object. The tool is cached from then on."""
    return declare(cache, tool) is declare(cache, {**tool})


def test_a_tool_is_translated_once() -> None:
    tool = make_tool("Ask", **{"$schema": "s"})
    first = declare(tool_cache.shared, tool)
    assert first == tools.declaration(tool)
    assert RequestTools().declare(make_tool("Ask", **{"$schema": "s"})) is first


def test_a_request_translates_a_tool_once() -> None:
    """Also before it is accepted: it may take several attempts."""
    request = RequestTools(ToolCache())
    assert request.declare(make_tool("Ask")) is request.declare(make_tool("Ask"))


def test_nothing_is_kept_of_a_request_that_was_refused() -> None:
    cache = ToolCache()
    first = RequestTools(cache).declare(make_tool("Ask"))
    assert RequestTools(cache).declare(make_tool("Ask")) is not first


@pytest.mark.parametrize(
    ("one", "other"),
    [({"default": 1}, {"default": True}), ({"default": 1}, {"default": 1.0})],
)
def test_tools_that_python_calls_equal_are_not_one(one: object, other: object) -> None:
    cache = ToolCache()
    for field in (one, other):
        tool = make_tool("Ask", properties={"x": field})
        made = json_codec.dumps(declare(cache, tool).function)
        assert made == json_codec.dumps(tools.declaration(tool).function)


def test_a_full_cache_drops_what_was_not_used_for_longest() -> None:
    cache = ToolCache(max_tools=2)
    first, second = (declare(cache, make_tool(name)) for name in "AB")
    assert declare(cache, make_tool("A")) is first
    declare(cache, make_tool("C"))
    assert declare(cache, make_tool("A")) is first
    assert declare(cache, make_tool("B")) is not second


def test_cached_tools_have_a_size_together() -> None:
    size = len(json_codec.dumps(make_tool("A")))
    cache = ToolCache(max_bytes=LARGEST_SHARE * size)
    letters = "ABCDEFGHIJKLMNOP"
    assert len(letters) == LARGEST_SHARE
    kept = [declare(cache, make_tool(name)) for name in letters]
    again = [declare(cache, make_tool(name)) for name in letters]
    assert all(one is other for one, other in zip(kept, again, strict=True))
    declare(cache, make_tool("Q"))
    assert declare(cache, make_tool("A")) is not kept[0]
    assert declare(cache, make_tool("C")) is kept[2]


def test_a_large_tool_is_not_kept() -> None:
    """Nor one that references make large: it would drive out all others."""
    cache = ToolCache(max_bytes=100_000)
    kept = declare(cache, make_tool("A"))
    assert not is_cached(cache, make_tool("A", description="x" * 7_000))
    assert not is_cached(cache, {"name": "A", "input_schema": fan(9)})
    assert is_cached(cache, {"name": "A", "input_schema": fan(2)})
    assert declare(cache, make_tool("A")) is kept


def test_a_tool_added_by_two_threads_counts_once() -> None:
    """Both look it up before either has added it."""
    tool = make_tool("A")
    cache = ToolCache(max_tools=2)
    both = threading.Barrier(2, timeout=20)

    def together() -> None:
        request = RequestTools(cache)
        request.declare(tool)
        both.wait()
        request.keep()

    threads = [threading.Thread(target=together) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = declare(cache, tool)
    declare(cache, make_tool("B"))
    assert declare(cache, tool) is kept


def test_a_schema_is_the_same_from_the_cache() -> None:
    """What earlier tools have left of a request's budget decides, not what was cached."""
    tool: Any = {"name": "A", "input_schema": fan(6)}
    whole = tools.declaration(tool)
    cache = ToolCache()
    for max_inlined in (whole.inlined - 1, json_schema.MAX_INLINED, whole.inlined - 1, 10**6):
        request = RequestTools(cache)
        expected = tools.declaration(tool, max_inlined)
        assert request.declare(tool, max_inlined) == expected
        assert expected.is_reduced == (max_inlined < whole.inlined)
        request.keep()


def test_a_tool_that_is_nested_too_deeply_is_named() -> None:
    tool: Any = {"name": "A", "input_schema": {"x": nested(300)}}
    declared = RequestTools(ToolCache()).declare(tool)
    schema = declared.function["parametersJsonSchema"]
    assert schema["description"] == "(nested too deeply to be shown)"
    assert declared.is_reduced

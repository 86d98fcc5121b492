"""proxy/tool_cache.py: the same tool is translated once, and what is kept is bounded."""

from __future__ import annotations

import threading

import pytest

from proxy import json_codec, tool_cache
from proxy.tool_cache import ToolCache
from tests.test_json_codec import nested
from translate import ApiError
from translate.request import tools
from translate.wire import Tool


def make_tool(name: str, **schema: object) -> Tool:
    return {"name": name, "input_schema": {"type": "object", **schema}}


def is_cached(cache: ToolCache, tool: Tool) -> bool:
    """Whether two look-ups give one object. The tool is cached from then on."""
    return cache.declare(tool) is cache.declare({**tool})


def test_a_tool_is_translated_once() -> None:
    tool = make_tool("Ask", **{"$schema": "s"})
    first = tool_cache.declare(tool)
    assert first == tools.declaration(tool)
    assert tool_cache.declare(make_tool("Ask", **{"$schema": "s"})) is first


@pytest.mark.parametrize(
    ("one", "other"),
    [({"default": 1}, {"default": True}), ({"default": 1}, {"default": 1.0})],
)
def test_tools_that_python_calls_equal_are_not_one(one: object, other: object) -> None:
    cache = ToolCache()
    for field in (one, other):
        tool = make_tool("Ask", properties={"x": field})
        made = json_codec.dumps(cache.declare(tool))
        assert made == json_codec.dumps(tools.declaration(tool))


def test_a_full_cache_drops_what_was_not_used_for_longest() -> None:
    cache = ToolCache(max_tools=2)
    first, second = (cache.declare(make_tool(name)) for name in "AB")
    assert cache.declare(make_tool("A")) is first
    cache.declare(make_tool("C"))
    assert cache.declare(make_tool("A")) is first
    assert cache.declare(make_tool("B")) is not second


def test_cached_tools_have_a_size_together() -> None:
    size = len(json_codec.dumps(make_tool("A")))
    cache = ToolCache(max_bytes=2 * size)
    first, second = (cache.declare(make_tool(name)) for name in "AB")
    assert cache.declare(make_tool("A")) is first
    assert cache.declare(make_tool("B")) is second
    assert not is_cached(cache, make_tool("A", description="x" * 2 * size))
    assert cache.declare(make_tool("B")) is not second
    assert all(is_cached(cache, make_tool(name)) for name in "ABA")


def test_a_tool_added_by_two_threads_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both look it up before either has added it."""
    tool = make_tool("A")
    size = len(json_codec.dumps(tool))
    cache = ToolCache(max_bytes=2 * size)
    both = threading.Barrier(2, timeout=20)
    declaration = tools.declaration

    def together(tool: Tool) -> object:
        both.wait()
        return declaration(tool)

    monkeypatch.setattr(tools, "declaration", together)
    threads = [threading.Thread(target=cache.declare, args=(tool,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    monkeypatch.undo()
    kept = cache.declare(tool)
    cache.declare(make_tool("B"))
    assert cache.declare(tool) is kept


def test_a_tool_that_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(ApiError) as caught:
        tool_cache.declare({"name": "A", "input_schema": {"x": nested(300)}})
    assert (caught.value.status, caught.value.message) == (400, "The request is nested too deeply.")

"""proxy/tool_cache.py: the same tool is translated once."""

from __future__ import annotations

import pytest

from proxy import tool_cache
from tests.test_json_codec import nested
from translate import ApiError
from translate.request import tools
from translate.wire import Tool


def test_a_tool_is_translated_once() -> None:
    tool: Tool = {"name": "Ask", "input_schema": {"type": "object", "$schema": "s"}}
    first = tool_cache.declare(tool)
    assert first == tools.declaration(tool)
    assert tool_cache.declare({**tool}) is first


def test_a_tool_that_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(ApiError) as caught:
        tool_cache.declare({"name": "A", "input_schema": {"x": nested(300)}})
    assert (caught.value.status, caught.value.message) == (400, "The request is nested too deeply.")

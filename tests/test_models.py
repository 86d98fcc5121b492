"""translate/models: a model on either of Google's APIs, seen through translate()."""

from __future__ import annotations

from typing import Any

import pytest

from tests.messages import assistant, result, use, user
from translate import translate
from translate.errors import InvalidRequest
from translate.models import DEVELOPER, VERTEX

TOOL = {"name": "Bash", "input_schema": {"type": "object"}}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def translated(platform: Any, **fields: Any) -> Any:
    messages = [user("go"), assistant(use("toolu_0a1b2c3d_x1")), user(result("toolu_0a1b2c3d_x1"))]
    body = {"model": "claude-opus-5", "max_tokens": 10, "messages": messages, "tools": [TOOL]}
    return translate({**body, **fields}, {}, platform=platform).request


def ids(request: Any) -> list[Any]:
    parts = [part for content in request["contents"] for part in content["parts"]]
    found = [part.get("functionCall") or part.get("functionResponse") for part in parts]
    return [each.get("id") for each in found if each]


def test_the_gemini_api_gets_everything() -> None:
    request = translated(DEVELOPER)
    assert (request["store"], ids(request)) == (False, ["x1", "x1"])
    translated(DEVELOPER, tools=[TOOL, SEARCH])


def test_vertex_ai_gets_neither_ids_nor_private_fields() -> None:
    request = translated(VERTEX)
    assert "store" not in request
    assert ids(request) == [None, None]


def test_server_tools_beside_others_are_refused_for_vertex_ai() -> None:
    with pytest.raises(InvalidRequest, match="cannot use server tools beside others"):
        translated(VERTEX, tools=[TOOL, SEARCH])
    assert translated(VERTEX, tools=[SEARCH])["tools"] == [{"googleSearch": {}}]

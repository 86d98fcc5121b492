"""translate/models: a model on either of Google's APIs, and on a day, seen through translate()."""

from __future__ import annotations

from typing import Any

from tests.messages import assistant, result, use, user
from translate import translate
from translate.models import CHECKED, DEVELOPER, VERTEX
from translate.request.overrides import use_model
from translate.signatures import SENTINEL

TOOL = {"name": "Bash", "input_schema": {"type": "object"}}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def translated(platform: Any, today: str = CHECKED, **fields: Any) -> Any:
    messages = [user("go"), assistant(use("toolu_0a1b2c3d_x1")), user(result("toolu_0a1b2c3d_x1"))]
    body = {"model": "claude-opus-5", "max_tokens": 10, "messages": messages, "tools": [TOOL]}
    return translate({**body, **fields}, {}, platform=platform, today=today).request


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


def test_server_tools_beside_others_are_left_out_for_vertex_ai() -> None:
    (declared,) = translated(VERTEX, tools=[TOOL, SEARCH])["tools"]
    assert list(declared) == ["functionDeclarations"]
    assert translated(VERTEX, tools=[SEARCH])["tools"] == [{"googleSearch": {}}]


def test_a_retired_model_is_asked_by_its_successors_rules() -> None:
    """Budgets, prefilled answers, unsigned calls without ids: 400 from Gemini 3 on."""
    fields = {"model": "gemini-2.5-pro", "thinking": {"type": "enabled", "budget_tokens": 1024}}
    before = translated(DEVELOPER, "2026-11-30", **fields)
    after = translated(DEVELOPER, "2026-12-01", **fields)
    assert after == translated(DEVELOPER, **{**fields, "model": "gemini-3.8-flash"})
    thinking = [each["generationConfig"]["thinkingConfig"] for each in (before, after)]
    assert [sorted(each) for each in thinking] == [
        ["includeThoughts", "thinkingBudget"],
        ["includeThoughts", "thinkingLevel"],
    ]
    call = after["contents"][1]["parts"][0]
    assert (call["thoughtSignature"], ids(before), ids(after)) == (SENTINEL, [None] * 2, ["x1"] * 2)


def test_a_retired_model_is_named_in_a_warning() -> None:
    body = {"model": "gemini-2.5-pro", "max_tokens": 10, "messages": [user("go")]}
    sentence = "gemini-2.5-pro is gone, ask for gemini-3.8-flash."
    assert translate(body, {}, today="2026-11-30").warnings == ()
    assert translate(body, {}, today="2026-12-01").warnings == (sentence,)
    fallback = translate(body, {}, overrides=use_model("gemini-4-neon"), today="2026-12-01")
    assert (fallback.model.name, fallback.warnings) == ("gemini-4-neon", (sentence,))

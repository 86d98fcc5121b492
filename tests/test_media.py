"""translate/request/media.py: which of the client's blocks is which part of Gemini's request."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.messages import PNG, assistant, result, thinking, use, user
from translate import translate
from translate.request.media import media_places
from translate.request.overrides import NO_OVERRIDES, drop_signatures
from translate.signatures import PART, pack, wrap
from translate.translation import MediaPlace

MODEL, OLDER = "gemini-4-hydrogen", "gemini-2.5-flash"
IMAGE = {"type": "image", "source": PNG}
LINKED = {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}}
PDF_SOURCE = {"type": "base64", "media_type": "application/pdf", "data": "BBBB"}
PDF = {"type": "document", "source": PDF_SOURCE, "title": "A", "context": "B"}
PLAIN = {"type": "document", "source": {"type": "text", "data": "plain"}}
BLOCKS = {"type": "document", "source": {"type": "content", "content": [{"type": "text",
    "text": "a"}, IMAGE, IMAGE]}}  # fmt: skip
FOUND = {"type": "search_result", "source": "s", "title": "t", "content": [IMAGE]}


def placed(*messages: Any, model: str = MODEL, **more: Any) -> list[MediaPlace]:
    """Where media are; each position is held to what stands there."""
    body = {"model": model, "max_tokens": 9, "messages": [*messages], **more}
    translation = translate(body, {})
    contents: Any = translation.request["contents"]
    places = media_places(translation)
    for place in places:
        i, j, *nested = place.position
        part = contents[i]["parts"][j]
        for k in nested:
            part = part["functionResponse"]["parts"][k]
        assert part.keys() & {"inlineData", "fileData"}
    return places


def short(*messages: Any, **more: Any) -> list[Any]:
    return [(place.path, place.position) for place in placed(*messages, **more)]


def test_media_of_a_user() -> None:
    assert short(user("a", IMAGE, PDF, PLAIN, LINKED)) == [
        ("messages.0.content.1.image", (0, 1)),
        ("messages.0.content.2.document", (0, 4)),
        ("messages.0.content.4.image", (0, 6)),
    ]


def test_media_within_a_result() -> None:
    turns = (
        user("go"),
        assistant(use("a")),
        user("b", result("a", [{"type": "text", "text": "c"}, IMAGE, PDF])),
    )
    paths = [
        "messages.2.content.1.tool_result.content.1.image",
        "messages.2.content.1.tool_result.content.2.document",
    ]
    assert short(*turns) == [(paths[0], (2, 0, 0)), (paths[1], (2, 0, 1))]
    assert short(*turns, model=OLDER) == [(paths[0], (2, 2)), (paths[1], (2, 3))]


def test_media_of_results_in_another_order() -> None:
    """The client's order is kept; Gemini's is that of the calls."""
    turns = (
        user("go"),
        assistant(use("a"), use("b")),
        user(result("b", [IMAGE]), result("a", [IMAGE])),
    )
    first, second = (f"messages.2.content.{i}.tool_result.content.0.image" for i in (0, 1))
    assert short(*turns) == [(first, (2, 1, 0)), (second, (2, 0, 0))]
    assert short(*turns[1:], user(IMAGE))[2] == ("messages.2.content.0.image", (2, 2))


def test_document_of_blocks_owns_what_is_in_it() -> None:
    assert short(user(BLOCKS)) == [("messages.0.content.0.document", (0, at)) for at in (1, 2)]


def test_medium_that_no_path_leads_to_is_none() -> None:
    assert short(user("a", FOUND, PLAIN), assistant("b"), user("c")) == []


def test_result_without_content_has_none() -> None:
    turns = user("go"), assistant(use("a")), user({"type": "tool_result", "tool_use_id": "a"})
    assert short(*turns, user(IMAGE)) == [("messages.3.content.0.image", (2, 1))]


def test_medium_is_new_behind_the_last_answer() -> None:
    places = placed(user(IMAGE), assistant("a"), user(IMAGE), {"role": "user", "content": [PDF]})
    assert [place.is_new for place in places] == [False, True, True]
    assert [place.kind for place in places] == ["image", "image", "document"]
    assert placed(user(IMAGE))[0].is_new is True


@pytest.mark.parametrize("override", [None, drop_signatures])
def test_positions_are_those_of_the_request_that_was_made(override: Any) -> None:
    """A trace of Gemini's own tools is a part of it, unless signatures are not trusted."""
    trace = thinking(wrap(PART, MODEL, pack({"toolCall": {"id": "s"}})))  # type: ignore[typeddict-item]
    turns = [user("a"), assistant(trace), user("b", IMAGE)]
    changed = override(NO_OVERRIDES, (), "") if override else NO_OVERRIDES
    translation = translate(
        {"model": MODEL, "max_tokens": 9, "messages": turns}, {}, overrides=changed
    )
    (place,) = media_places(translation)
    contents: Any = translation.request["contents"]
    assert "inlineData" in contents[place.position[0]]["parts"][place.position[1]]
    assert place.position == ((0, 2) if override else (2, 1))


CLIENTS_PATTERN = re.compile(
    r"messages[.[](\d+)[\].]+content[.[](\d+)[\].]+"
    r"(?:tool_result[.[]content[.[](\d+)[\].]+)?(image|document|pdf)"
)
"""What Claude Code 2.1.330 looks for in a 400."""


def test_paths_are_found_by_the_client() -> None:
    turns = (
        user("go", PDF),
        assistant(use("a")),
        user(result("a", [{"type": "text", "text": "x"}, IMAGE])),
    )
    found = [CLIENTS_PATTERN.fullmatch(place.path) for place in placed(*turns)]
    assert [match and match.groups() for match in found] == [
        ("0", "1", None, "document"),
        ("2", "0", "1", "image"),
    ]

"""Where the client put each medium of a request, and where it stands in Gemini's.

Only asked when Google has refused one: the messages are translated once more then, with a mark in
the place of each medium's data. So nothing is noted for all the requests that are not refused.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..translation import MediaPlace, Translation
from ..wire import Block, Content, Message, Part
from . import messages

KINDS = frozenset({"image", "document"})
"""Types of blocks that may hold a medium."""


class Owner(NamedTuple):
    """The client's block that a medium is in: its path and type, and the number of its message."""

    path: str
    kind: str
    message: int


Marks = dict[str, Owner]
"""Mark -> whose data it stands for, in the client's order."""


def media_places(translation: Translation) -> list[MediaPlace]:
    """All media of a translated request, in the client's order."""
    marks: Marks = {}
    turns = translation.messages
    marked = [_mark_message(turn, i, marks) for i, turn in enumerate(turns)]
    contents = messages.contents(marked, translation.model, signed=translation.trusts_signatures)
    positions = dict(_positions(contents))
    answers = [i for i, turn in enumerate(turns) if turn["role"] == "assistant"]
    last_answer = answers[-1] if answers else -1
    return [
        MediaPlace(owner.path, owner.kind, owner.message > last_answer, positions[mark])
        for mark, owner in marks.items()
        if mark in positions
    ]


# --- Marks, there and back ----------------------------------------------------------------------


def _mark_message(message: Message, number: int, marks: Marks) -> Message:
    path = f"messages.{number}.content"
    blocks = []
    for j, block in enumerate(message["content"]):
        if block["type"] == "tool_result":
            within = f"{path}.{j}.tool_result.content"
            content = [
                _mark(each, Owner(f"{within}.{k}.{each['type']}", each["type"], number), marks)
                for k, each in enumerate(block.get("content", ()))
            ]
            blocks.append(_with(block, content=content))
        else:
            owner = Owner(f"{path}.{j}.{block['type']}", block["type"], number)
            blocks.append(_mark(block, owner, marks))
    return {"role": message["role"], "content": blocks}


def _mark(block: Block, owner: Owner, marks: Marks) -> Block:
    """A block with a mark for its data; a document of blocks owns whatever is in it."""
    if block["type"] not in KINDS:
        return block
    source = block["source"]
    if source["type"] == "content":
        content = [_mark(each, owner, marks) for each in source["content"]]
        return _with(block, source={**source, "content": content})
    if source["type"] not in MARKS:
        return block
    field, start = MARKS[source["type"]]
    mark = start + base64.b64encode(b"medium %09d" % len(marks)).decode()
    marks[mark] = owner
    return _with(block, source={**source, field: mark})


MARKS = {"base64": ("data", ""), "url": ("url", "https://medium.invalid/")}
"""Type of a source -> the field that is marked, and how a mark begins there."""


def _with(block: Block, **fields: Any) -> Block:
    return {**block, **fields}  # type: ignore[typeddict-item]


def _positions(contents: list[Content]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """What each medium of Gemini's request holds, and where it stands."""
    for i, content in enumerate(contents):
        for j, part in enumerate(content["parts"]):
            yield _held(part), (i, j)
            for k, nested in enumerate(part.get("functionResponse", {}).get("parts", ())):
                yield _held(nested), (i, j, k)


def _held(part: Part) -> str:
    """The data of a medium, or its address; "" of what is none."""
    held = part.get("inlineData", {}).get("data") or part.get("fileData", {}).get("fileUri")
    return str(held or "")

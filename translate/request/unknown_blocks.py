"""Blocks in a model's turn that nobody knows here: what they hold, and that they are there.

A session may have begun at Anthropic, or go on with a newer client: what stands in its history
comes again with every request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from ..wire import Block, Message

MAX_VALUES = 1_000
"""In a block, among which its text is looked for."""

TEXT_FIELDS = ("title", "context", "source", "text", "content", "summary")
"""What a reader sees of a block. The data of a source is none of them."""


ENCRYPTED, RESULT = "encrypted_", "_tool_result"
"""How the names of such fields begin, and how the types of results of servers' tools end."""


def held_text(block: Any) -> str:
    """The text in a block, wherever it stands."""
    found: list[str] = []
    left: list[Any] = [block]
    for _ in range(MAX_VALUES):
        if not left:
            break
        value = left.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, list):
            left += reversed(value[:MAX_VALUES])
        elif isinstance(value, dict):
            left += [value[name] for name in reversed(TEXT_FIELDS) if name in value]
    return "\n".join(filter(None, found))


def without_encrypted(value: Any) -> Any:
    """Without the fields that only the server they came from can read."""
    if isinstance(value, list):
        return [without_encrypted(item) for item in value]
    if isinstance(value, dict):
        return {
            name: without_encrypted(item)
            for name, item in value.items()
            if not name.startswith(ENCRYPTED) and item is not None
        }
    return value


def lossy_types(messages: Iterable[Message], replayed: Collection[str]) -> list[str]:
    """The types of blocks in the model's turns of which something is lost.

    replayed: the types of which nothing is, but for what is encrypted in a server's result.
    """
    kinds = {
        block["type"]
        for message in messages
        if message["role"] == "assistant"
        for block in message["content"]
        if block["type"] not in replayed
        or (block["type"].endswith(RESULT) and has_encrypted(block))
    }
    return sorted(kinds)


def has_encrypted(result: Block) -> bool:
    """Whether a result of a server's tool holds what only that server can read, such as the text of
    a page that was found."""
    content = result.get("content")
    items = content if isinstance(content, list) else [content]
    return any(
        name.startswith(ENCRYPTED) and item[name]
        for item in items
        if isinstance(item, dict)
        for name in item
    )


def without_compacted(messages: Sequence[Message]) -> Sequence[Message]:
    """A history without what its last compaction stands for; all else keeps its place.

    "The API automatically drops all message blocks prior to the compaction block": Anthropic's
    guide to compaction. One without content stands for nothing.
    """
    for i in range(len(messages) - 1, -1, -1):
        message = messages[i]
        if message["role"] != "assistant":
            continue
        for j in range(len(message["content"]) - 1, -1, -1):
            block = message["content"][j]
            if block["type"] == "compaction" and block.get("content"):
                dropped: list[Message] = [{**each, "content": []} for each in messages[:i]]
                content = [NOTHING] * j + message["content"][j:]
                return [*dropped, {**message, "content": content}, *messages[i + 1 :]]
    return messages


NOTHING: Block = {"type": "text", "text": ""}
"""A block that becomes nothing."""

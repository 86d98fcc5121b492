"""A client's messages in short: turns and blocks, for the tests of the way there."""

from __future__ import annotations

from typing import Any

MARKER = "zebra-marmalade"
"""Planted in prompts: test_logs.py looks for it in everything that was logged."""


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": [as_block(block) for block in blocks]}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": [as_block(block) for block in blocks]}


def as_block(block: Any) -> Any:
    return {"type": "text", "text": block} if isinstance(block, str) else block


def use(identity: str, name: str = "Bash", given: Any = None) -> dict[str, Any]:
    return {
        "type": "tool_use",
        "id": identity,
        "name": name,
        "input": {} if given is None else given,
    }


def result(identity: str, content: Any = "ok", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": identity, "content": content, **more}


def thinking(signature: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": "Hm.", "signature": signature}

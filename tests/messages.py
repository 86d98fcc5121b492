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


PNG = {"type": "base64", "media_type": "image/png", "data": "AAAA"}

EXAMPLES: dict[str, dict[str, Any]] = {
    "text": {"type": "text", "text": "Hi"},
    "image": {"type": "image", "source": PNG},
    "document": {"type": "document", "source": {"type": "text", "data": "plain"}},
    "search_result": {
        "type": "search_result",
        "source": "https://x.test",
        "title": "Found",
        "content": [{"type": "text", "text": "this"}],
    },
    "thinking": thinking("gs1.t.gemini-4-hydrogen:QUJD"),
    "redacted_thinking": {"type": "redacted_thinking", "data": "EmwKAhgB"},
    "tool_use": use("toolu_0a1b2c3d_x1"),
    "tool_result": result("toolu_0a1b2c3d_x1"),
    "tool_reference": {"type": "tool_reference", "tool_name": "WebFetch"},
    "tool_addition": {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "A"}},
    "tool_removal": {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "A"}},
    "compaction": {"type": "compaction", "content": "They greeted."},
    "mcp_tool_listing": {"type": "mcp_tool_listing", "mcp_server_name": "s", "tools": []},
    "browser_state": {"type": "browser_state", "tabs": [{"title": "A", "active": True}]},
    "fallback": {"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}},
    "server_tool_use": {
        "type": "server_tool_use",
        "id": "srvtoolu_01",
        "name": "web_search",
        "input": {"query": "q"},
    },
    "mcp_tool_use": {
        "type": "mcp_tool_use",
        "id": "mcptoolu_01",
        "name": "echo",
        "server_name": "s",
        "input": {"a": 1},
    },
    **{
        kind: {"type": kind, "tool_use_id": "srvtoolu_01", "content": ["found"]}
        for kind in (
            "web_search_tool_result",
            "web_fetch_tool_result",
            "code_execution_tool_result",
            "bash_code_execution_tool_result",
            "text_editor_code_execution_tool_result",
            "mcp_tool_result",
        )
    },
}
"""One block of each type that is translated."""

"""An agent with the Claude Agent SDK: Claude Code, with a tool of this program's own.

pip install claude-agent-sdk    (it brings Claude Code's program)
export ANTHROPIC_BASE_URL=http://127.0.0.1:8080 ANTHROPIC_AUTH_TOKEN=your-gemini-api-key
python examples/agent.py "Which of our services is slowest, and why?"
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ResultMessage,
    TextBlock,
    ToolUseBlock,
    create_sdk_mcp_server,
    query,
    tool,
)

LATENCIES = {"search": 840, "login": 90, "billing": 210}
"""Milliseconds; a real agent would ask your monitoring."""


@tool("read_latency", "The median latency of a service in milliseconds.", {"service": str})
async def read_latency(arguments: dict[str, Any]) -> dict[str, Any]:
    service = arguments["service"]
    if service not in LATENCIES:
        text = f"There is no service {service!r}: {', '.join(LATENCIES)}"
        return {"content": [{"type": "text", "text": text}], "is_error": True}
    return {"content": [{"type": "text", "text": f"{service}: {LATENCIES[service]} ms"}]}


OPTIONS = ClaudeAgentOptions(
    system_prompt="You watch over three services: search, login and billing. Be brief.",
    model="claude-sonnet-5-5",
    tools=[],  # none of Claude Code's own: this agent reads no files and runs no commands
    mcp_servers={"monitoring": create_sdk_mcp_server("monitoring", tools=[read_latency])},
    allowed_tools=["mcp__monitoring__read_latency"],
    max_turns=10,
    setting_sources=[],  # nor does it take a person's settings
)


async def main() -> int:
    question = " ".join(sys.argv[1:]) or "Which of our services is slowest?"
    async for message in query(prompt=question, options=OPTIONS):
        if isinstance(message, AssistantMessage):
            for block in message.content:
                if isinstance(block, ToolUseBlock):
                    print(f"[{block.name} {block.input}]", file=sys.stderr)
                elif isinstance(block, TextBlock):
                    print(block.text)
        elif isinstance(message, ResultMessage) and message.is_error:
            print(message.result, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

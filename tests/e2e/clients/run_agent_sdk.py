"""claude-agent-sdk: the Claude Code that comes with it, with a tool of this process."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import claude_agent_sdk
import scenes
from claude_agent_sdk import ClaudeAgentOptions, ResultMessage, UserMessage
from claude_agent_sdk._cli_version import __cli_version__
from scenes import AGAIN, MAX_TURNS, PROMPT, SEARCH

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}


@claude_agent_sdk.tool("get_weather", "The weather of a city.", {"city": str})
async def get_weather(args: dict[str, Any]) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": scenes.weather(args["city"])}]}


async def ask(base_url: str, key: str, prompt: str, **more: Any) -> list[Any]:
    """The session's messages, of which the last is its result. A home of its own for each."""
    home = more.pop("home", None) or tempfile.mkdtemp(dir=os.environ["HOME"])
    environ = {
        "HOME": home,
        "ANTHROPIC_BASE_URL": base_url,
        "ANTHROPIC_API_KEY": key,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "IS_SANDBOX": "1",
    }
    options = ClaudeAgentOptions(
        model=scenes.MODEL,
        cwd=home,
        env=environ,
        permission_mode="bypassPermissions",
        max_turns=MAX_TURNS,
        setting_sources=[],
        **more,
    )
    messages = [message async for message in claude_agent_sdk.query(prompt=prompt, options=options)]
    result = messages[-1]
    if not isinstance(result, ResultMessage) or result.is_error:
        raise RuntimeError(f"the session failed: {result}")
    return messages


async def loop(base_url: str, key: str, stream: bool, thinking: Any = None) -> str:
    """stream: whether the pieces are handed on; the client streams in any case."""
    server = claude_agent_sdk.create_sdk_mcp_server("places", tools=[get_weather])
    messages = await ask(
        base_url,
        key,
        PROMPT,
        tools=[],
        mcp_servers={"places": server},
        include_partial_messages=stream,
        thinking=thinking,
    )
    return str(messages[-1].result)


async def structured(base_url: str, key: str, stream: bool) -> Any:
    messages = await ask(
        base_url,
        key,
        PROMPT,
        tools=[],
        include_partial_messages=stream,
        output_format={"type": "json_schema", "schema": SCHEMA},
    )
    return messages[-1].structured_output


async def search(base_url: str, key: str) -> Any:
    home = tempfile.mkdtemp(dir=os.environ["HOME"])
    first = await ask(base_url, key, SEARCH, tools=["WebSearch"], home=home)
    second = await ask(
        base_url, key, AGAIN, tools=["WebSearch"], home=home, continue_conversation=True
    )
    found = [
        result
        for message in first
        if isinstance(message, UserMessage) and message.tool_use_result
        for result in message.tool_use_result["results"]
        if isinstance(result, dict)
    ]
    return {
        "urls": [hit["url"] for result in found for hit in result["content"]],
        "texts": [first[-1].result, second[-1].result],
    }


scenes.main(
    f"{claude_agent_sdk.__version__} with Claude Code {__cli_version__}",
    loop=loop,
    structured=structured,
    search=search,
)

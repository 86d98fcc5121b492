"""pydantic-ai: an agent with a tool, with an output type, and with its web search."""

from __future__ import annotations

from collections.abc import AsyncIterable
from importlib.metadata import version
from typing import Any

import scenes
from anthropic import AsyncAnthropic
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.capabilities import WebSearch
from pydantic_ai.messages import NativeToolReturnPart
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from scenes import AGAIN, PROMPT, SEARCH


class Forecast(BaseModel):
    city: str
    degrees: int


def get_weather(city: str) -> str:
    """The weather of a city."""
    return scenes.weather(city)


def agent(base_url: str, key: str, settings: Any = None, **more: Any) -> Agent[None, Any]:
    sdk = AsyncAnthropic(base_url=base_url, api_key=key, max_retries=0)
    model = AnthropicModel(scenes.MODEL, provider=AnthropicProvider(anthropic_client=sdk))
    asked = {"max_tokens": scenes.MAX_TOKENS, **(settings or {})}
    return Agent(model, model_settings=asked, **more)


async def drain(_: Any, events: AsyncIterable[Any]) -> None:
    async for _event in events:
        pass


async def ask(agent: Agent[None, Any], stream: bool) -> Any:
    """`run_stream` takes the first text for the answer, also where calls follow; this does not."""
    return (await agent.run(PROMPT, event_stream_handler=drain if stream else None)).output


async def loop(base_url: str, key: str, stream: bool, thinking: Any = None) -> str:
    settings = {"anthropic_thinking": thinking} if thinking else {}
    return str(await ask(agent(base_url, key, settings, tools=[get_weather]), stream))


async def structured(base_url: str, key: str, stream: bool) -> Any:
    typed = agent(base_url, key, output_type=NativeOutput(Forecast))
    return (await ask(typed, stream)).model_dump()


async def structured_by_tool(base_url: str, key: str, stream: bool) -> Any:
    """The method that pydantic-ai takes unless told otherwise: a tool that must be called."""
    return (await ask(agent(base_url, key, output_type=Forecast), stream)).model_dump()


async def search(base_url: str, key: str) -> Any:
    with_search = agent(base_url, key, capabilities=[WebSearch()])
    first = await with_search.run(SEARCH)
    second = await with_search.run(AGAIN, message_history=first.all_messages())
    parts = [part for message in first.all_messages() for part in message.parts]
    found = [part.content for part in parts if isinstance(part, NativeToolReturnPart)]
    return {
        "urls": [result["url"] for results in found for result in results],
        "texts": [first.output, second.output],
    }


scenes.main(
    version("pydantic-ai-slim"),
    loop=loop,
    structured=structured,
    structured_by_tool=structured_by_tool,
    search=search,
)

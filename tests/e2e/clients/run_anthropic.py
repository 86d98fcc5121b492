"""The `anthropic` package for Python: its tool runner, `parse` and `stream`."""

from __future__ import annotations

from typing import Any

import anthropic
import scenes
from pydantic import BaseModel
from scenes import AGAIN, MAX_TURNS, PROMPT, SEARCH

ASK: Any = {"model": scenes.MODEL, "max_tokens": scenes.MAX_TOKENS}
WEB_SEARCH: Any = {"type": "web_search_20260318", "name": "web_search", "max_uses": 3}


class Forecast(BaseModel):
    city: str
    degrees: int


@anthropic.beta_tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return scenes.weather(city)


def client(base_url: str, key: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=base_url, api_key=key, max_retries=0)


def user(text: str) -> Any:
    return {"role": "user", "content": text}


def text_of(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def loop(base_url: str, key: str, stream: bool, thinking: Any = None) -> str:
    return _run(base_url, key, stream, thinking, thread=False)


def threaded_loop(base_url: str, key: str, stream: bool, thinking: Any = None) -> str:
    """As the package does it unless told otherwise: the server is to keep the conversation."""
    return _run(base_url, key, stream, thinking)


def _run(base_url: str, key: str, stream: bool, thinking: Any, **more: Any) -> str:
    if thinking:
        more["thinking"] = thinking
    runner = client(base_url, key).beta.messages.tool_runner(
        **ASK,
        messages=[user(PROMPT)],
        tools=[get_weather],
        stream=stream,
        max_iterations=MAX_TURNS,
        **more,
    )
    return text_of(runner.until_done())


def structured(base_url: str, key: str, stream: bool) -> Any:
    messages = client(base_url, key).messages
    ask = {**ASK, "messages": [user(PROMPT)], "output_format": Forecast}
    if stream:
        with messages.stream(**ask) as answer:
            return answer.get_final_message().parsed_output.model_dump()
    return messages.parse(**ask).parsed_output.model_dump()


def search(base_url: str, key: str) -> Any:
    messages = client(base_url, key).messages
    first = messages.create(**ASK, messages=[user(SEARCH)], tools=[WEB_SEARCH])
    history = [user(SEARCH), {"role": "assistant", "content": first.content}, user(AGAIN)]
    second = messages.create(**ASK, messages=history, tools=[WEB_SEARCH])
    found = [block for block in first.content if block.type == "web_search_tool_result"]
    return {
        "urls": [result.url for block in found for result in block.content],
        "texts": [text_of(first), text_of(second)],
    }


scenes.main(
    anthropic.__version__,
    loop=loop,
    threaded_loop=threaded_loop,
    structured=structured,
    search=search,
)

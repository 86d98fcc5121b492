"""langchain-anthropic: a loop over `bind_tools`, `with_structured_output`, and its web search."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import scenes
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from pydantic import BaseModel
from scenes import AGAIN, MAX_TURNS, PROMPT, SEARCH

WEB_SEARCH: Any = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}


class Forecast(BaseModel):
    """The weather to come."""

    city: str
    degrees: int


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return scenes.weather(city)


def model(base_url: str, key: str, **more: Any) -> ChatAnthropic:
    return ChatAnthropic(
        model=scenes.MODEL,
        max_tokens=scenes.MAX_TOKENS,
        base_url=base_url,
        api_key=key,
        max_retries=0,
        **more,
    )


def ask(runnable: Any, messages: list[Any], stream: bool) -> Any:
    """An AIMessage, or the sum of its chunks."""
    if not stream:
        return runnable.invoke(messages)
    answer, *chunks = runnable.stream(messages)
    for chunk in chunks:
        answer += chunk
    return answer


def loop(base_url: str, key: str, stream: bool, thinking: Any = None) -> str:
    more = {"thinking": thinking} if thinking else {}
    with_tools = model(base_url, key, **more).bind_tools([get_weather])
    messages: list[Any] = [HumanMessage(PROMPT)]
    for _ in range(MAX_TURNS):
        answer = ask(with_tools, messages, stream)
        if not answer.tool_calls:
            break
        messages += [answer, *map(get_weather.invoke, answer.tool_calls)]
    return str(answer.text)


def structured(base_url: str, key: str, stream: bool) -> Any:
    typed = model(base_url, key).with_structured_output(Forecast, method="json_schema")
    if stream:
        *_, last = typed.stream(PROMPT)
        return last.model_dump()
    return typed.invoke(PROMPT).model_dump()


def structured_by_tool(base_url: str, key: str, stream: bool) -> Any:
    """The method that LangChain takes unless told otherwise: a tool that must be called."""
    typed = model(base_url, key).with_structured_output(Forecast)
    if stream:
        *_, last = typed.stream(PROMPT)
        return last.model_dump()
    return typed.invoke(PROMPT).model_dump()


def search(base_url: str, key: str) -> Any:
    with_search = model(base_url, key).bind_tools([WEB_SEARCH])
    first = with_search.invoke([HumanMessage(SEARCH)])
    second = with_search.invoke([HumanMessage(SEARCH), first, HumanMessage(AGAIN)])
    found = [block for block in first.content if block["type"] == "web_search_tool_result"]
    return {
        "urls": [result["url"] for block in found for result in block["content"]],
        "texts": [str(first.text), str(second.text)],
    }


scenes.main(
    version("langchain-anthropic"),
    loop=loop,
    structured=structured,
    structured_by_tool=structured_by_tool,
    search=search,
)

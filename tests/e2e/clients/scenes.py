"""What each Python client plays: the prompts, the tool, the form, and in which ways.

Runs in `.venv-clients`, so it imports nothing of this project. scenes.mjs is the same for Node.js.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import Callable
from typing import Any

MODEL = "claude-sonnet-5-5"
MAX_TOKENS = 2_000
PROMPT = "How is the weather in Oslo and in Bergen? zebra-marmalade"
SEARCH = "Who won the Euro in 2024? zebra-marmalade"
AGAIN = "And who lost?"
MAX_TURNS = 4
"""Two are needed: a client that cannot end its loop shall not go on for ever."""

Scene = Callable[..., Any]


def weather(city: str) -> str:
    """What the tool `get_weather` answers."""
    return f"{city}: snow"


def main(version: str, **scenes: Scene) -> None:
    """Play what the command line asks for, and print the results as one JSON object.

    Its one argument is a list of [name, scene, arguments of the scene]. An error is a result,
    too, so that one does not hide the others.
    """
    asked = json.loads(sys.argv[1])
    print(json.dumps({"version": version} | asyncio.run(_play(scenes, asked))))


async def _play(scenes: dict[str, Scene], asked: list[Any]) -> dict[str, Any]:
    played: dict[str, Any] = {}
    for name, scene, arguments in asked:
        try:
            result = scenes[scene](**arguments)
            played[name] = await result if inspect.isawaitable(result) else result
        except Exception as error:  # noqa: BLE001 - the test shows it
            played[name] = f"{type(error).__name__}: {error}"
    return played

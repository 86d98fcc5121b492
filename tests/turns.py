"""Answers of invented lengths, as a script of the emulator has them: the use that a picture or a
demo shows.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Turn(NamedTuple):
    """model: as Claude Code asks for it. prompt, cached, output: tokens that Gemini reports.
    seconds: how long it takes."""

    model: str
    prompt: int
    cached: int
    output: int
    seconds: float


def reply(turn: Turn) -> Any:
    usage = {
        "promptTokenCount": turn.prompt,
        "cachedContentTokenCount": turn.cached,
        "candidatesTokenCount": turn.output,
        "totalTokenCount": turn.prompt + turn.output,
    }
    return {"chunks": [{"delay": turn.seconds}, {"text": "Done."}], "usage": usage}

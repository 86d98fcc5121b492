"""Token counts: a deterministic estimate, the running total of a stream, the prefix cache.

Knows that four characters are a token and what usageMetadata looks like at each moment. A script
may override any number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from emulator_errors import Json

CHARACTERS_PER_TOKEN = 4
LEAST_CACHED = 1_024

SUMMED = (
    *("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount"),
    "toolUsePromptTokenCount",
)
DETAILED = {
    "promptTokenCount": "promptTokensDetails",
    "cachedContentTokenCount": "cacheTokensDetails",
    "toolUsePromptTokenCount": "toolUsePromptTokensDetails",
}
"""Count -> the same, told by modality."""


def tokens(text: str) -> int:
    return len(text) // CHARACTERS_PER_TOKEN + 1


def shared_prefix(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def cached_tokens(characters: int) -> int:
    """Below the least cacheable size nothing is."""
    cached = characters // CHARACTERS_PER_TOKEN
    return cached if cached >= LEAST_CACHED else 0


class Meter:
    """usageMetadata, cumulative; every frame of a stream carries it."""

    def __init__(self, prompt: int, cached: int, overrides: Mapping[str, Any]) -> None:
        self._prompt = prompt
        self._cached = min(prompt, cached)
        self._overrides = overrides
        self._thoughts = 0
        self._output = 0

    def add(self, part: Json) -> None:
        """Count one part of the answer."""
        data = {name: value for name, value in part.items() if name != "thoughtSignature"}
        size = len(data["text"]) if "text" in data else len(json.dumps(data))
        if part.get("thought"):
            self._thoughts += size
        else:
            self._output += size

    def metadata(self, *, last: bool = False) -> Json:
        """The counts so far. candidatesTokenCount is absent until there is output."""
        counts: Json = {"promptTokenCount": self._prompt}
        if self._cached:
            counts["cachedContentTokenCount"] = self._cached
        if self._output:
            counts["candidatesTokenCount"] = self._output // CHARACTERS_PER_TOKEN + 1
        if self._thoughts:
            counts["thoughtsTokenCount"] = self._thoughts // CHARACTERS_PER_TOKEN + 1
        for name, value in self._overrides.items():
            if name != "candidatesTokenCount" or self._output or last:
                counts[name] = value
        counts = {name: value for name, value in counts.items() if value is not None}
        return {**counts, **_derived(counts), "serviceTier": "standard"}


def details(count: int) -> list[Json]:
    return [{"modality": "TEXT", "tokenCount": count}]


def _derived(counts: Json) -> Json:
    """What follows from the counts; a script's own value goes before it."""
    derived: Json = {"totalTokenCount": sum(counts.get(name, 0) for name in SUMMED)}
    derived |= {DETAILED[name]: details(counts[name]) for name in DETAILED if name in counts}
    return {name: value for name, value in derived.items() if name not in counts}

"""Gemini's token counts -> Anthropic's usage, over all requests that one answer takes.

Gemini counts in running totals: in a request, the last value of each field counts; a long answer
goes on in another request, which counts anew.
"""

from __future__ import annotations

from typing import NamedTuple

from ..models import Model, Tokens
from ..wire import Usage, UsageMetadata


class Billed(NamedTuple):
    """What one request to Gemini has cost."""

    model: Model
    tokens: Tokens


class UsageTotals:
    """The token counts of one answer, request ("hop") by request."""

    def __init__(self) -> None:
        self._hop: UsageMetadata = {}
        """Of the hop under way."""
        self._earlier: list[UsageMetadata] = []
        """Of the hops before it."""
        self._earlier_visible = 0
        self._earlier_thoughts = 0

    def update(self, metadata: UsageMetadata) -> None:
        """Take over what a chunk counts."""
        self._hop.update(metadata)

    def next_hop(self) -> None:
        """The answer goes on in another request."""
        self._earlier_visible, self._earlier_thoughts = self.visible, self.thoughts
        self._earlier.append(self._hop)
        self._hop = {}

    @property
    def visible(self) -> int:
        """Tokens of the answer so far, without thoughts: older previews counted those in.

        Then prompt, candidates and tool use already make up the total (seen in other proxies'
        notes).
        """
        return self._earlier_visible + _visible(self._hop)

    @property
    def has_tool_use(self) -> bool:
        """Whether Google's own tools have read anything for this answer."""
        return self._hop.get("toolUsePromptTokenCount", 0) > 0

    @property
    def thoughts(self) -> int:
        """Tokens thought so far."""
        return self._earlier_thoughts + self._hop.get("thoughtsTokenCount", 0)

    def usage(self, *, searched: bool = False) -> Usage:
        """Anthropic's counts: input without cached, output with thoughts.

        searched: whether Google searched the web; what it read there is not billed. Later hops
        read again what the earlier ones wrote: the context is as large as the first one's.
        """
        first = self._earlier[0] if self._earlier else self._hop
        cached, prompt = first.get("cachedContentTokenCount", 0), _prompt(first, searched=searched)
        usage: Usage = {
            "input_tokens": max(0, prompt - cached),
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": cached,
            "output_tokens": self.visible + self.thoughts,
        }
        if self.thoughts:
            # Claude Code 2.1.330 counts them in its `modelUsage`.
            usage["output_tokens_details"] = {"thinking_tokens": self.thoughts}
        return usage

    def billed(self, *, searched: bool = False) -> list[Tokens]:
        """What Google bills, for each request: later ones read all of it again."""
        return [
            Tokens(
                prompt := _prompt(hop, searched=searched),
                min(prompt, hop.get("cachedContentTokenCount", 0)),
                _visible(hop) + hop.get("thoughtsTokenCount", 0),
            )
            for hop in (*self._earlier, self._hop)
        ]


def _visible(hop: UsageMetadata) -> int:
    candidates, thoughts = hop.get("candidatesTokenCount", 0), hop.get("thoughtsTokenCount", 0)
    if 0 < thoughts <= candidates and _prompt(hop) + candidates == hop.get("totalTokenCount"):
        return candidates - thoughts
    return candidates


def _prompt(hop: UsageMetadata, *, searched: bool = False) -> int:
    read = 0 if searched else hop.get("toolUsePromptTokenCount", 0)
    return hop.get("promptTokenCount", 0) + read

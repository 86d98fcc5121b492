"""Gemini's token counts -> Anthropic's usage, over all requests that one answer takes.

Gemini counts in running totals: in a request, the last value of each field counts; a long answer
goes on in another request, which counts anew.
"""

from __future__ import annotations

from ..wire import Usage, UsageMetadata


class UsageTotals:
    """The token counts of one answer, request ("hop") by request."""

    def __init__(self) -> None:
        self._hop: UsageMetadata = {}
        """Of the hop under way."""
        self._first: UsageMetadata | None = None
        """Of the first hop, once another has followed it."""
        self._earlier_visible = 0
        self._earlier_thoughts = 0

    def update(self, metadata: UsageMetadata) -> None:
        """Take over what a chunk counts."""
        self._hop.update(metadata)

    def next_hop(self) -> None:
        """The answer goes on in another request."""
        self._earlier_visible, self._earlier_thoughts = self.visible, self.thoughts
        self._first = self._hop if self._first is None else self._first
        self._hop = {}

    @property
    def visible(self) -> int:
        """Tokens of the answer so far, without thoughts: older previews counted those in.

        Then prompt, candidates and tool use already make up the total (seen in other proxies'
        notes).
        """
        hop = self._hop
        candidates, thoughts = hop.get("candidatesTokenCount", 0), hop.get("thoughtsTokenCount", 0)
        if 0 < thoughts <= candidates:
            read = hop.get("promptTokenCount", 0) + hop.get("toolUsePromptTokenCount", 0)
            if read + candidates == hop.get("totalTokenCount"):
                candidates -= thoughts
        return self._earlier_visible + candidates

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
        first = self._hop if self._first is None else self._first
        cached = first.get("cachedContentTokenCount", 0)
        read = 0 if searched else first.get("toolUsePromptTokenCount", 0)
        prompt = first.get("promptTokenCount", 0) + read
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

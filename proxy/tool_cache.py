"""Function declarations of tools, kept from one request to the next.

Claude Code sends the same two dozen tools with every turn, and to translate a schema costs far
more than to look it up. Keyed by content: what a tool is called decides nothing.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping

from translate import ApiError
from translate.request import json_schema, tools
from translate.request.tools import Declared
from translate.wire import Tool

from . import json_codec

MAX_TOOLS = 1_024
"""Claude Code repeats two dozen tools on every turn; some teams add hundreds by MCP."""

MAX_BYTES = 4_000_000
"""Of all cached tools, as JSON, with what references add. Claude Code's are 63 kB, the largest of
them 21 kB. A declaration takes up to 13 times as much memory as the JSON (measured 2026-11-28,
Python 3.11)."""

LARGEST_SHARE = 16
"""A tool that takes more than one part in so many is not kept: it would drive out the others."""


class ToolCache:
    """Tool as JSON -> its declaration. When full, it drops what was not used for longest."""

    def __init__(self, max_tools: int = MAX_TOOLS, max_bytes: int = MAX_BYTES) -> None:
        self._max_tools = max_tools
        self._max_bytes = max_bytes
        self._bytes = 0
        self._declared: OrderedDict[bytes, Declared] = OrderedDict()
        self._adding = threading.Lock()
        """A look-up needs no lock: each of its two steps is atomic."""

    def find(self, key: bytes) -> Declared | None:
        try:
            self._declared.move_to_end(key)
            return self._declared[key]
        except KeyError:
            return None

    def add(self, declared: Mapping[bytes, Declared]) -> None:
        with self._adding:
            for key, each in declared.items():
                if _size(key, each) <= self._max_bytes // LARGEST_SHARE:
                    self._add(key, each)

    def _add(self, key: bytes, declared: Declared) -> None:
        if key in self._declared:
            return
        self._bytes += _size(key, declared)
        self._declared[key] = declared
        while self._bytes > self._max_bytes or len(self._declared) > self._max_tools:
            self._bytes -= _size(*self._declared.popitem(last=False))


def _size(key: bytes, declared: Declared) -> int:
    return len(key) + declared.inlined


shared = ToolCache()
"""The cache of this process."""


class RequestTools:
    """The declarations of one request's tools. What the cache does not have is added to it when
    Gemini has accepted the request: so nobody can fill it without a key."""

    def __init__(self, cache: ToolCache = shared) -> None:
        self._cache = cache
        self._new: dict[bytes, Declared] = {}

    def declare(self, tool: Tool, max_inlined: int = json_schema.MAX_INLINED) -> Declared:
        """`tools.declaration`, cached."""
        try:
            key = json_codec.dumps(tool)
        except ApiError:  # nested too deeply: its declaration goes without what is
            return tools.declaration(tool, max_inlined)
        found = self._cache.find(key) or self._new.get(key)
        if found is None or found.inlined > max_inlined:
            found = tools.declaration(json_codec.loads(key), max_inlined)
            if found.inlined < max_inlined or max_inlined == json_schema.MAX_INLINED:
                self._new[key] = found
        return found

    def keep(self) -> None:
        """Gemini has accepted the request."""
        if self._new:
            self._cache.add(self._new)
            self._new = {}

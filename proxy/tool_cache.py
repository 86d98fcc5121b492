"""Function declarations of tools, kept from one request to the next.

Claude Code sends the same two dozen tools with every turn, and to translate a schema costs far
more than to look it up. Keyed by content: what a tool is called decides nothing.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from translate.request import tools
from translate.wire import FunctionDeclaration, Tool

from . import json_codec

MAX_TOOLS = 1_024
"""Claude Code repeats two dozen tools on every turn; some teams add hundreds by MCP."""

MAX_BYTES = 4_000_000
"""Of all cached tools, as JSON. Claude Code's are 63 kB, the largest of them 21 kB. A declaration
takes up to 13 times as much memory as the JSON (measured 2026-11-28, Python 3.11)."""


class ToolCache:
    """Tool as JSON -> its declaration. When full, it drops what was not used for longest."""

    def __init__(self, max_tools: int = MAX_TOOLS, max_bytes: int = MAX_BYTES) -> None:
        self._max_tools = max_tools
        self._max_bytes = max_bytes
        self._bytes = 0
        self._declarations: OrderedDict[bytes, FunctionDeclaration] = OrderedDict()
        self._adding = threading.Lock()
        """A look-up needs no lock: each of its two steps is atomic."""

    def declare(self, tool: Tool) -> FunctionDeclaration:
        """`tools.declaration`, cached. Raises ApiError 400 for a tool that is nested too deeply."""
        key = json_codec.dumps(tool)
        try:
            self._declarations.move_to_end(key)
            return self._declarations[key]
        except KeyError:
            declaration = tools.declaration(json_codec.loads(key))
        with self._adding:
            self._add(key, declaration)
        return declaration

    def _add(self, key: bytes, declaration: FunctionDeclaration) -> None:
        if key not in self._declarations:
            self._bytes += len(key)
        self._declarations[key] = declaration
        while self._bytes > self._max_bytes or len(self._declarations) > self._max_tools:
            oldest, _ = self._declarations.popitem(last=False)
            self._bytes -= len(oldest)


declare = ToolCache().declare
"""The cache of this process."""

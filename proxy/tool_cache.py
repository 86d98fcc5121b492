"""Function declarations of tools, kept from one request to the next.

Claude Code sends the same two dozen tools with every turn, and to translate a schema costs far
more than to look it up. Keyed by content: what a tool is called decides nothing.
"""

from __future__ import annotations

import functools

from translate.request import tools
from translate.wire import FunctionDeclaration, Tool

from . import json_codec

MAX_TOOLS = 1_024
"""Claude Code repeats two dozen tools on every turn; some teams add hundreds by MCP."""


def declare(tool: Tool) -> FunctionDeclaration:
    """`tools.declaration`, cached. Raises ApiError 400 for a tool that is nested too deeply."""
    return _declaration(json_codec.dumps(tool))


@functools.lru_cache(maxsize=MAX_TOOLS)
def _declaration(tool: bytes) -> FunctionDeclaration:
    return tools.declaration(json_codec.loads(tool))

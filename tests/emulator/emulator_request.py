"""A request as everything behind the transcoder sees it: read, and with its model's facts.

Knows how to find things in it: contents, calls, results, texts. It refuses to judge them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from emulator_errors import Json
from emulator_models import Model


@dataclass(frozen=True)
class Asked:
    """body: what the transcoder read; received: the same as it came, for sizes and caching."""

    body: Json
    model: Model
    name: str
    received: Json = field(default_factory=dict)
    unary: bool = False

    @property
    def contents(self) -> list[Json]:
        return list(self.body.get("contents", ()))

    @property
    def config(self) -> Json:
        return dict(self.body.get("generationConfig", {}))

    @property
    def thinking(self) -> Json:
        return dict(self.config.get("thinkingConfig", {}))

    @property
    def declarations(self) -> list[tuple[str, Json]]:
        """(path, function declaration) of every tool."""
        return [
            (f"tools[{i}].function_declarations[{j}]", declaration)
            for i, tool in enumerate(self.body.get("tools", ()))
            for j, declaration in enumerate(tool.get("functionDeclarations", ()))
        ]

    @property
    def declared(self) -> list[str]:
        return [declaration.get("name", "") for _, declaration in self.declarations]

    def canonical(self) -> str:
        """What a prefix cache compares: the request's pieces in Google's order, as received."""
        pieces = [_piece(self.received, *names) for names in PREFIX]
        return "\n".join([*pieces, *map(_dump, self.received.get("contents", ()))])


PREFIX = (
    ("systemInstruction", "system_instruction"),
    ("tools",),
    ("toolConfig", "tool_config"),
)


def parts(content: Json) -> list[Json]:
    return list(content.get("parts", ()))


def role(content: Json) -> str:
    """A content without a role is the user's."""
    return str(content.get("role") or "user")


def members(content: Json, name: str) -> list[Json]:
    """The values of one kind of part, such as every functionCall."""
    return [part[name] for part in parts(content) if name in part]


def texts(content: Json) -> Iterator[str]:
    return (part["text"] for part in parts(content) if "text" in part)


def last_text(asked: Asked) -> str:
    """The last text the user said."""
    said = [
        text for content in asked.contents if role(content) == "user" for text in texts(content)
    ]
    return said[-1] if said else ""


def last_result(asked: Asked) -> str:
    """What the last function response says, under its documented keys or as a whole."""
    results = [r for content in asked.contents for r in members(content, "functionResponse")]
    response = results[-1].get("response", {}) if results else ""
    if isinstance(response, dict):
        response = response.get("output", response.get("error", response))
    return response if isinstance(response, str) else _dump(response)


def _piece(received: Json, *names: str) -> str:
    return next((_dump(received[name]) for name in names if name in received), "")


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

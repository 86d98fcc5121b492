"""Translation: a translated request, and what its answer has to be read by.

`request` goes upstream; all other fields are for the way back. Domains, the filters of a web
search, are in both: an instruction to the model, and a test of the sources that it found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from .models import Model
from .wire import GenerateContentRequest, Json, Message, Tool

MAX_HOST = 253
"""Characters of a host's name (RFC 1035): a longer one is the name of none."""


@dataclass(frozen=True)
class Domains:
    """The domains a web search may use; an empty `allowed` means all."""

    allowed: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()

    def allows(self, host: str) -> bool:
        """Whether a host, or a domain above it, is allowed and not blocked; unknown ones are."""
        if not host:
            return True
        levels = _levels(host)
        if not self._blocked_sites.isdisjoint(levels):
            return False
        return not self.allowed or not self._allowed_sites.isdisjoint(levels)

    def instruction(self, action: str) -> str | None:
        """The same in words, as Google's tools take no such filter. action: "search the web"."""
        if self.allowed:
            return f"When you {action}, use only these sites: {', '.join(self.allowed)}."
        if self.blocked:
            return f"When you {action}, never use these sites: {', '.join(self.blocked)}."
        return None

    @cached_property
    def _allowed_sites(self) -> frozenset[str]:
        return frozenset(map(_site, self.allowed))

    @cached_property
    def _blocked_sites(self) -> frozenset[str]:
        return frozenset(map(_site, self.blocked))


def _site(domain: str) -> str:
    """`www.A.com/path` -> `a.com`."""
    return domain.lower().removeprefix("www.").split("/", 1)[0]


def _levels(host: str) -> list[str]:
    """`news.a.com` -> itself, `a.com` and `com`."""
    if len(host) > MAX_HOST:
        return []
    labels = host.lower().removeprefix("www.").split(".")
    return [".".join(labels[i:]) for i in range(len(labels))]


def domains(tool: Tool) -> Domains:
    """The filters of a `web_search` or `web_fetch` tool."""
    return Domains(tuple(tool.get("allowed_domains", ())), tuple(tool.get("blocked_domains", ())))


class MediaPlace(NamedTuple):
    """A medium of a request.

    path: of the client's block, with its type at the end: `messages.3.content.0.image`. kind:
    `image` or `document`. is_new: whether it stands behind the last answer. position: the index of
    its content in Gemini's request, that of its part, and where it is within a functionResponse,
    that of its part there.
    """

    path: str
    kind: str
    is_new: bool
    position: tuple[int, ...]


SOURCES = frozenset({"googleSearch", "urlContext"})
"""Those of Gemini's tools that tell of pages."""


class Translation(NamedTuple):
    """What goes upstream, and what the way back needs to know of it.

    model: the Gemini model. messages: the client's. trusts_signatures: whether the thought
    signatures in them go back to Gemini. request: the body. functions: the names of those declared,
    in their order. tool_names: function name -> tool name, where they differ. shows_thinking:
    whether the client asked for thinking. stop_sequences, max_tokens: where the text of the answer
    ends (see output_limit.py). domains: where it may search. input_schemas: tool name -> its input
    schema. max_calls: how many calls one answer may have, None for any number. carries_signatures:
    whether thought signatures may ride on thinking blocks (see signatures.py). response_schema: of
    the JSON that the answer has to be, None where it may be any text. is_streamed: whether the
    client gets it piece by piece. warnings: sentences for the client's owner: what is not done as
    it was asked for.
    """

    model: Model
    messages: Sequence[Message]
    trusts_signatures: bool
    request: GenerateContentRequest
    functions: Sequence[str]
    tool_names: Mapping[str, str]
    shows_thinking: bool
    stop_sequences: Sequence[str]
    max_tokens: int | None
    domains: Domains
    input_schemas: Mapping[str, Json]
    max_calls: int | None
    carries_signatures: bool
    response_schema: Json | None
    is_streamed: bool
    warnings: tuple[str, ...] = ()

    @property
    def is_schema_enforced(self) -> bool:
        """Whether Gemini holds the answer to its schema itself; else only the prompt has it."""
        return "responseJsonSchema" in self.request.get("generationConfig", {})

    @property
    def has_built_in(self) -> bool:
        """Whether Google's own tools may work on the answer, in rounds."""
        return any(name != "functionDeclarations" for name in self._tools)

    @property
    def has_sources(self) -> bool:
        """Whether the answer may be made of pages, found or fetched."""
        return not SOURCES.isdisjoint(self._tools)

    @property
    def _tools(self) -> Sequence[str]:
        return [name for tool in self.request.get("tools", ()) for name in tool]

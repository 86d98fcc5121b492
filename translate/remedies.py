"""What can be changed in a request that Gemini refused or answered badly, and by which sign.

Knows Google's texts as far as they name the culprit, and how a request is made without it
(request.py reads a Remedies). It refuses to know how often anything is tried, and waiting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

BY_INDEX = re.compile(r"function_declarations\[(\d+)\]")
BY_NAME = re.compile(r"`([^`]+)` functionDeclaration")
UNKNOWN_NAME = re.compile(r'Unknown name "(\w+)"')
IN_FORM = re.compile("GenerationConfig|generation_config|response_json_schema|response_schema")
FORM = frozenset({"responseMimeType", "responseJsonSchema"})
"""The fields that set the form of an answer; without them it is asked for in words."""
THINKING = frozenset({"thinkingConfig"})
FEW = 2
"""Refused schemas, after which the others need not be refused one by one."""


@dataclass(frozen=True)
class Remedies:
    """How a request differs from the one that would be made first.

    model: the Gemini model to ask instead. unsigned: no thought signature is trusted.
    openapi: functions whose schemas go in the OpenAPI subset. validated: calls are held to their
    schemas. without: fields left out, of the request or of its generationConfig.
    """

    model: str | None = None
    unsigned: bool = False
    openapi: frozenset[str] = frozenset()
    validated: bool = False
    without: frozenset[str] = frozenset()


NONE = Remedies()

Remedy = Callable[[Remedies, Sequence[str], str], Remedies]
"""What was changed so far, the functions declared, what Google said -> what to change now."""


def unsigned(sofar: Remedies, functions: Sequence[str], said: str) -> Remedies:
    return replace(sofar, unsigned=True)


def validated(sofar: Remedies, functions: Sequence[str], said: str) -> Remedies:
    return replace(sofar, validated=True)


def unthinking(sofar: Remedies, functions: Sequence[str], said: str) -> Remedies:
    return replace(sofar, without=sofar.without | THINKING)


def reshaped(sofar: Remedies, functions: Sequence[str], said: str) -> Remedies:
    """The schema that was refused in the other form; all of them where Google does not tell,
    or where a few were refused already.

    A form of the answer that was refused is asked for in words.
    """
    named = [functions[int(i)] for i in BY_INDEX.findall(said) if int(i) < len(functions)]
    named += [name for name in BY_NAME.findall(said) if name in functions]
    if not named and (IN_FORM.search(said) or not functions):
        return replace(sofar, without=sofar.without | FORM)
    if not named or len(sofar.openapi) >= FEW:
        named = [*functions]
    return replace(sofar, openapi=sofar.openapi | frozenset(named))


def reduced(sofar: Remedies, functions: Sequence[str], said: str) -> Remedies:
    """Without the fields that Gemini does not know; where it names none, without thinking."""
    unknown = frozenset(UNKNOWN_NAME.findall(said)) or THINKING
    return replace(sofar, without=sofar.without | unknown)


def asking(model: str) -> Remedies:
    """Another model: what was wrong with the first need not be wrong with it."""
    return replace(NONE, model=model)

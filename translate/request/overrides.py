"""What can be changed in a request that Gemini refused or answered badly, and by which sign.

Google's texts name the culprit; request/__init__.py makes the request without it. When and how
often anything is tried again is proxy/retry_policies.py's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

BY_INDEX = re.compile(r"function_declarations\[(\d{1,6})\]")
BY_NAME = re.compile(r"`([^`]+)` functionDeclaration")
UNKNOWN_NAME = re.compile(r'Unknown name "(\w+)"')
IN_RESPONSE_FORMAT = re.compile(
    "GenerationConfig|generation_config|response_json_schema|response_schema"
)
RESPONSE_FORMAT_FIELDS = frozenset({"responseMimeType", "responseJsonSchema"})
"""The fields that set the form of an answer; without them its schema goes into the prompt."""
THINKING_FIELDS = frozenset({"thinkingConfig"})
CALL_IN_PIECES = (
    "Your last tool call was not valid JSON, so it was not run: make it again, and write a long "
    "argument in several smaller calls."
)
"""Arguments of the size of a whole file fail again in the same way (seen in other projects' issues,
2026-11-28)."""
JSON_ONLY = (
    "Your last response was not JSON: answer with one JSON document, valid against the schema, and "
    "nothing else."
)
ANSWER_NOW = "Your last response was empty: answer now, or call a tool."
"""What gemini-cli says then, too (0.61)."""
MAX_SINGLE_SCHEMAS = 2
"""Refused schemas, after which the others need not be refused one by one."""


@dataclass(frozen=True)
class RequestOverrides:
    """How a request differs from the one that would be made first.

    model: the Gemini model to ask instead. unsigned: no thought signature is trusted.
    openapi: functions whose schemas go in the OpenAPI subset. validated: calls are held to their
    schemas. without: fields left out, of the request or of its generationConfig. instruction: what
    the model is told at the end of the conversation.
    """

    model: str | None = None
    unsigned: bool = False
    openapi: frozenset[str] = frozenset()
    validated: bool = False
    without: frozenset[str] = frozenset()
    instruction: str = ""


NO_OVERRIDES = RequestOverrides()

Override = Callable[[RequestOverrides, Sequence[str], str], RequestOverrides]
"""What was changed so far, the functions declared, Google's message -> what to change now."""


def drop_signatures(
    current: RequestOverrides, functions: Sequence[str], message: str
) -> RequestOverrides:
    return replace(current, unsigned=True)


def validate_calls(
    current: RequestOverrides, functions: Sequence[str], message: str
) -> RequestOverrides:
    return replace(current, validated=True)


def ask_for_pieces(
    current: RequestOverrides, functions: Sequence[str], message: str
) -> RequestOverrides:
    return replace(current, instruction=CALL_IN_PIECES)


def ask_for_answer(
    current: RequestOverrides, functions: Sequence[str], message: str
) -> RequestOverrides:
    return replace(current, instruction=ANSWER_NOW)


def ask_for_json(
    current: RequestOverrides, functions: Sequence[str], message: str
) -> RequestOverrides:
    return replace(current, instruction=JSON_ONLY)


def drop_thinking(
    current: RequestOverrides, functions: Sequence[str], message: str
) -> RequestOverrides:
    return replace(current, without=current.without | THINKING_FIELDS)


def use_openapi_schema(
    current: RequestOverrides, functions: Sequence[str], message: str
) -> RequestOverrides:
    """The schema that was refused in the other form; all of them where Google does not name it,
    or where a few were refused already.

    A schema of the answer that was refused goes into the prompt.
    """
    named = [functions[int(i)] for i in BY_INDEX.findall(message) if int(i) < len(functions)]
    named += {*BY_NAME.findall(message)} & {*functions}
    if not named and (IN_RESPONSE_FORMAT.search(message) or not functions):
        return replace(current, without=current.without | RESPONSE_FORMAT_FIELDS)
    if not named or len(current.openapi) >= MAX_SINGLE_SCHEMAS:
        named = [*functions]
    return replace(current, openapi=current.openapi | frozenset(named))


def drop_unknown_fields(
    current: RequestOverrides, functions: Sequence[str], message: str
) -> RequestOverrides:
    """Without the fields that Gemini does not know; where it names none, without thinking."""
    unknown = frozenset(UNKNOWN_NAME.findall(message)) or THINKING_FIELDS
    return replace(current, without=current.without | unknown)


def use_model(model: str) -> RequestOverrides:
    """Another model: what was wrong with the first need not be wrong with it."""
    return replace(NO_OVERRIDES, model=model)

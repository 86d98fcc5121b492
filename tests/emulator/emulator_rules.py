"""What a readable request must hold for this model, before anything is generated.

Knows in which order Google looks and how it joins what it finds: everything wrong with single
fields at once, then the first thing wrong with the whole. Each part of a request has its own
file of rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import emulator_config
import emulator_tools
import emulator_turns
from emulator_errors import refusal
from emulator_request import Asked

FIELD_RULES: tuple[Callable[[Asked], Iterator[tuple[str, str]]], ...] = (
    emulator_turns.fields,
    emulator_tools.fields,
    emulator_config.fields,
)
"""Each yields (path below the request, what is wrong with that field)."""

RULES: tuple[Callable[[Asked], Iterator[str]], ...] = (
    emulator_tools.declarations,
    emulator_tools.combinations,
    emulator_tools.calling_mode,
    emulator_config.limits,
    emulator_config.thinking,
    emulator_config.cached_content,
    emulator_turns.order,
)
"""Each yields what is wrong with the request; the first text is the answer."""


def check(asked: Asked) -> None:
    """Raise Refusal for a request that this model would not serve."""
    check_fields(asked)
    for rule in RULES:
        for text in rule(asked):
            raise refusal(text, legacy=text == emulator_turns.RESPONSE_COUNT)


def check_fields(asked: Asked, message: str = "GenerateContentRequest") -> None:
    """The part of `check` that counting tokens shares. message: how paths begin."""
    wrong = _texts(message, (item for rule in FIELD_RULES for item in rule(asked)))
    if wrong:
        raise refusal(wrong)


def _texts(message: str, items: Iterable[tuple[str, str]]) -> str:
    return "".join(f"* {message}.{path}: {text}\n" for path, text in items)

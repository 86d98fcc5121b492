"""Work is linear: whatever grows in a request, a schema or an answer, four times as much of it
costs four times the steps at most.

Steps are lines of translate/ that run, so no clock is needed. A line is one step whatever it does
in C: `in` on a list, a slice, a copy (`{**a}`, `[*a]`), strings that are added, `==`, a regular
expression. Of these only what compares or hashes a string of a schema is seen, as those strings
count that. What else runs in C is a reviewer's to see; so is what the JSON library does.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import translate
from tests import growth
from tests.answers import translator
from translate import ApiError, collect
from translate.request import tools

FOLDER = str(Path(translate.__file__).parent)
SIZE = 12
MAX_INLINED = 500
"""Small beside the schemas, so that the work behind this bound is seen."""
FACTOR, CONSTANT = 4.6, 250
"""Four times, and what a step more here and there makes of it; steps that do not grow."""


class Steps:
    """Counts while it is entered."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Steps:
        self._before = sys.gettrace()
        sys.settrace(self._enter)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(self._before)

    def _enter(self, frame: FrameType, event: str, value: Any) -> Any:
        return self._step if frame.f_code.co_filename.startswith(FOLDER) else None

    def _step(self, frame: FrameType, event: str, value: Any) -> Any:
        if event == "line":
            self.count += 1
        return self._step


class Name(str):
    """A string that counts how often it is compared and hashed."""

    steps: Steps

    def __eq__(self, other: object) -> bool:
        self.steps.count += 1
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        self.steps.count += 1
        return str.__hash__(self)


def with_names(value: Any, steps: Steps) -> Any:
    """The same with names in place of its strings, each an object of its own."""
    if isinstance(value, dict):
        return {with_names(key, steps): with_names(item, steps) for key, item in value.items()}
    if isinstance(value, list):
        return [with_names(item, steps) for item in value]
    if not isinstance(value, str):
        return value
    name = Name(value)
    name.steps = steps
    return name


def translate_request(body: Any) -> None:
    translate.translate(body, {})


def declare(schema: Any) -> None:
    tools.declaration({"name": "Ask", "input_schema": schema}, MAX_INLINED)


def declare_in_openapi(schema: Any) -> None:
    tools.openapi_declaration({"name": "Ask", "input_schema": schema}, MAX_INLINED)


def read_answer(answer: growth.Growing) -> None:
    machine = translator(**answer.changes)
    events = [event for chunk in answer.chunks for event in machine.feed(chunk)]
    collect(events + machine.finish())


def steps_of(work: Callable[[Any], None], given: Any, *, named: bool = False) -> int:
    steps = Steps()
    given = with_names(given, steps) if named else given
    steps.count = 0
    with steps, contextlib.suppress(ApiError):  # a bound: that is an end of the work, too
        work(given)
    return steps.count


def assert_linear(work: Callable[[Any], None], make: growth.Make, *, named: bool = False) -> None:
    n, twice, four = (steps_of(work, make(SIZE * times), named=named) for times in (1, 2, 4))
    assert four <= FACTOR * n + CONSTANT, (n, twice, four)


@pytest.mark.parametrize("make", growth.REQUESTS.values(), ids=growth.REQUESTS)
def test_requests_cost_what_they_have(make: growth.Make) -> None:
    assert_linear(translate_request, make)


@pytest.mark.parametrize("make", growth.SCHEMAS.values(), ids=growth.SCHEMAS)
def test_schemas_cost_what_they_have(make: growth.Make) -> None:
    assert_linear(declare, make, named=True)


@pytest.mark.parametrize("make", growth.SCHEMAS.values(), ids=growth.SCHEMAS)
def test_openapi_schemas_cost_what_they_have(make: growth.Make) -> None:
    assert_linear(declare_in_openapi, make, named=True)


@pytest.mark.parametrize("make", growth.ANSWERS.values(), ids=growth.ANSWERS)
def test_answers_cost_what_they_have(make: growth.Make) -> None:
    assert_linear(read_answer, make)


def test_quadratic_work_is_seen() -> None:
    def work(names: list[Any]) -> None:
        for name in names:
            assert name not in [each for each in names if each is not name]

    def make(n: int) -> list[str]:
        return [f"p{i}" for i in range(n)]

    with pytest.raises(AssertionError, match=r"\("):
        assert_linear(work, make, named=True)

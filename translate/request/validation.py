"""The door: a decoded JSON body in, a MessagesRequest with one shape out, or a 400 with a path.

Here stands which fields the Messages API has and of what type they are; after this file nobody
checks a type again. Unknown fields are let through: new ones come every month.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, cast

from ..errors import InvalidRequest
from ..wire import Block, Json, MessagesRequest

Check = Callable[[Any], Any]
"""Takes a value, returns it in its one shape, raises InvalidValue."""


class InvalidValue(Exception):
    """A value of a wrong type. Its path is built on the way out: what is right costs nothing."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path: list[str] = []

    def below(self, step: str) -> InvalidValue:
        self.path.insert(0, step)
        return self


def of_type(kind: type | tuple[type, ...], article: str) -> Check:
    """A check that a value is of a type (a bool is never a number)."""

    def check(value: Any) -> Any:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise InvalidValue(f"expected {article}")
        return value

    return check


MAX_ELEMENTS = 100_000
"""Elements of a list: so many messages the API takes (Messages API reference, 2026-11-25)."""

MAX_STOP_SEQUENCES = 1_000
"""Each of them is looked for in every piece of an answer."""


def list_of(item: Check, article: str = "a list", max_length: int = MAX_ELEMENTS) -> Check:
    """A check of every element; the list is copied only where one of them has to change."""

    def check(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise InvalidValue(f"expected {article}")
        if len(value) > max_length:
            raise InvalidValue(f"expected at most {max_length:,} elements, got {len(value):,}")
        checked: list[Any] = []
        try:
            for element in value:
                checked.append(item(element))
        except InvalidValue as problem:
            raise problem.below(str(len(checked))) from None
        return value if all(map(operator.is_, checked, value)) else checked

    return check


def fields(required: Mapping[str, Check], optional: Mapping[str, Check]) -> Check:
    """A check of an object's known fields; an optional field that is null counts as absent.

    The object is copied only where one of its fields has to change.
    """
    checks = (*required.items(), *optional.items())

    def check(value: Any) -> Json:
        if not isinstance(value, dict):
            raise InvalidValue("expected an object")
        changed: Json = {}
        for name, field in checks:
            given = value.get(name)
            if given is None and (name in optional or name not in value):
                if name in required:
                    raise InvalidValue("field required").below(name)
                if name in value:
                    changed[name] = None
                continue
            try:
                checked = field(given)
            except InvalidValue as problem:
                raise problem.below(name) from None
            if checked is not given:
                changed[name] = checked
        return _with(value, changed) if changed else value

    return check


def _with(value: Json, changed: Json) -> Json:
    """A copy with its changed fields; a field that became None is left out."""
    dropped = {name for name, item in changed.items() if item is None}
    return {name: item for name, item in {**value, **changed}.items() if name not in dropped}


string = of_type(str, "a string")
boolean = of_type(bool, "true or false")
number = of_type((int, float), "a number")
integer = of_type(int, "an integer")
json_object = of_type(dict, "an object")
typed = fields({"type": string}, {})


def anything(value: Any) -> Any:
    """A tool_use may carry any JSON value as its input: clients return what a model produced."""
    return value


def non_empty_string(value: Any) -> str:
    if not string(value):
        raise InvalidValue("must not be empty")
    return str(value)


def positive_int(value: Any) -> int:
    if integer(value) < 1:
        raise InvalidValue("must be at least 1")
    return int(value)


def blocks(value: Any) -> list[Block]:
    """A message's or a tool result's content: a string stands for one text block."""
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    return cast(list[Block], block_list(value))


def block(value: Any) -> Block:
    """One content block; an unknown type is let through here and refused where it is used."""
    kind = value.get("type") if isinstance(value, dict) else None
    check = BLOCKS.get(kind, typed) if isinstance(kind, str) else typed
    return cast(Block, check(value))


change = fields({}, {"name": string, "definition": fields({"name": non_empty_string}, {})})
block_list = list_of(block, "a string or a list of content blocks")

BLOCKS: dict[str, Check] = {
    "text": fields({"text": string}, {}),
    "image": fields({"source": typed}, {}),
    "document": fields({"source": typed}, {"title": string, "context": string}),
    "thinking": fields({"thinking": string}, {"signature": string}),
    "tool_use": fields({"id": non_empty_string, "name": non_empty_string, "input": anything}, {}),
    "tool_result": fields(
        {"tool_use_id": non_empty_string}, {"content": blocks, "is_error": boolean}
    ),
    "tool_reference": fields({"tool_name": non_empty_string}, {}),
    "tool_addition": fields({"tool": change}, {}),
    "tool_removal": fields({"tool": change}, {}),
    "search_result": fields({"source": string, "title": string, "content": block_list}, {}),
}

ROLES = ("user", "assistant", "system")


def role(value: Any) -> str:
    if value not in ROLES:
        raise InvalidValue(f"expected one of {', '.join(ROLES)}")
    return str(value)


message = fields({"role": role, "content": blocks}, {})
tool = fields(
    {"name": non_empty_string}, {"type": string, "description": string, "input_schema": json_object}
)

SHARED: dict[str, Check] = {
    "system": blocks,
    "tools": list_of(tool),
    "tool_choice": typed,
    "thinking": typed,
    "output_config": fields({}, {"effort": string, "format": typed}),
    "output_format": typed,
    "stop_sequences": list_of(non_empty_string, max_length=MAX_STOP_SEQUENCES),
    "temperature": number,
    "top_p": number,
    "top_k": integer,
    "stream": boolean,
}
REQUIRED: dict[str, Check] = {"model": non_empty_string, "messages": list_of(message)}
create = fields({**REQUIRED, "max_tokens": positive_int}, SHARED)
count = fields(REQUIRED, {**SHARED, "max_tokens": positive_int})


def normalise(body: Any, *, counting: bool = False) -> MessagesRequest:
    """Check a decoded body and bring it into one shape. The body itself is left as it was.

    counting: the body of `count_tokens`, which has no `max_tokens`.
    Raises InvalidRequest naming the first field that is missing or of a wrong type.
    """
    try:
        checked = (count if counting else create)(body)
    except InvalidValue as problem:
        raise InvalidRequest(".".join(problem.path) or "body", problem.problem) from None
    if not checked["messages"]:
        raise InvalidRequest("messages", "at least one message is required")
    return cast(MessagesRequest, checked)

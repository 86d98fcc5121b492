"""The door: a decoded JSON body in, a MessagesRequest with one shape out, or a 400 with a path.

Knows which fields the Messages API has and of what type they are; after this file nobody asks
again. Unknown fields are let through: new ones come every month. It refuses to know Gemini.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from .errors import InvalidRequest
from .wire import Block, Json, MessagesRequest

Check = Callable[[Any, str], Any]


def of_type(kind: type | tuple[type, ...], article: str) -> Check:
    """A check that a value is of a type (a bool is never a number)."""

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise InvalidRequest(path, f"expected {article}")
        return value

    return check


def list_of(item: Check) -> Check:
    def check(value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise InvalidRequest(path, "expected a list")
        return [item(element, f"{path}.{i}") for i, element in enumerate(value)]

    return check


def fields(required: Mapping[str, Check], optional: Mapping[str, Check]) -> Check:
    """A check of an object's known fields; an optional field that is null counts as absent."""

    def check(value: Any, path: str) -> Json:
        if not isinstance(value, dict):
            raise InvalidRequest(path, "expected an object")
        checked = dict(value)
        for name, field in required.items():
            if name not in value:
                raise InvalidRequest(_join(path, name), "field required")
            checked[name] = field(value[name], _join(path, name))
        for name, field in optional.items():
            if value.get(name) is None:
                checked.pop(name, None)
            else:
                checked[name] = field(value[name], _join(path, name))
        return checked

    return check


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


text = of_type(str, "a string")
flag = of_type(bool, "true or false")
number = of_type((int, float), "a number")
integer = of_type(int, "an integer")
an_object = of_type(dict, "an object")
typed = fields({"type": text}, {})


def anything(value: Any, path: str) -> Any:
    """A tool_use may carry any JSON value as its input: clients return what a model produced."""
    return value


def filled(value: Any, path: str) -> str:
    if not text(value, path):
        raise InvalidRequest(path, "must not be empty")
    return str(value)


def positive(value: Any, path: str) -> int:
    if integer(value, path) < 1:
        raise InvalidRequest(path, "must be at least 1")
    return int(value)


def blocks(value: Any, path: str) -> list[Block]:
    """A message's or a tool result's content: a string stands for one text block."""
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    if not isinstance(value, list):
        raise InvalidRequest(path, "expected a string or a list of content blocks")
    return [block(item, f"{path}.{i}") for i, item in enumerate(value)]


def block(value: Any, path: str) -> Block:
    """One content block; an unknown type is let through here and refused where it is used."""
    kind = typed(value, path)["type"]
    return cast(Block, BLOCKS[kind](value, path) if kind in BLOCKS else value)


BLOCKS: dict[str, Check] = {
    "text": fields({"text": text}, {}),
    "image": fields({"source": typed}, {}),
    "document": fields({"source": typed}, {"title": text, "context": text}),
    "thinking": fields({"thinking": text}, {"signature": text}),
    "tool_use": fields({"id": filled, "name": filled, "input": anything}, {}),
    "tool_result": fields({"tool_use_id": filled}, {"content": blocks, "is_error": flag}),
    "tool_reference": fields({"tool_name": filled}, {}),
}

ROLES = ("user", "assistant", "system")


def role(value: Any, path: str) -> str:
    if value not in ROLES:
        raise InvalidRequest(path, f"expected one of {', '.join(ROLES)}")
    return str(value)


message = fields({"role": role, "content": blocks}, {})
tool = fields({"name": filled}, {"type": text, "description": text, "input_schema": an_object})

SHARED: dict[str, Check] = {
    "system": blocks,
    "tools": list_of(tool),
    "tool_choice": typed,
    "thinking": typed,
    "output_config": fields({}, {"effort": text}),
    "stop_sequences": list_of(filled),
    "temperature": number,
    "top_p": number,
    "top_k": integer,
    "stream": flag,
}
REQUIRED: dict[str, Check] = {"model": filled, "messages": list_of(message)}
create = fields({**REQUIRED, "max_tokens": positive}, SHARED)
count = fields(REQUIRED, {**SHARED, "max_tokens": positive})


def normalise(body: Any, *, counting: bool = False) -> MessagesRequest:
    """Check a decoded body and bring it into one shape. The body itself is left as it was.

    counting: the body of `count_tokens`, which has no `max_tokens`.
    Raises InvalidRequest naming the first field that is missing or of a wrong type.
    """
    if not isinstance(body, dict):
        raise InvalidRequest("body", "expected a JSON object")
    checked = (count if counting else create)(body, "")
    if not checked["messages"]:
        raise InvalidRequest("messages", "at least one message is required")
    return cast(MessagesRequest, checked)

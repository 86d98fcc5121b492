"""The door: a decoded JSON body in, a MessagesRequest with one shape out, or a 400 with a path.

Here stands which fields the Messages API has and of what type they are; after this file nobody
checks a type again. Unknown fields, and unknown values of a known type, are let through: new ones
come every month, and what has no counterpart is refused where it would be translated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from ..errors import InvalidRequest
from ..wire import Json, MessagesRequest

Check = Callable[[Any], Any]
"""Takes a value, returns it in its one shape, raises InvalidValue."""


class InvalidValue(Exception):
    """A value that cannot be taken. The path is built on the way out: for what is right, never."""

    def __init__(self, problem: str, *path: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path = [*path]

    def below(self, *steps: str) -> InvalidValue:
        """The same, seen from further out."""
        self.path[:0] = steps
        return self

    def at(self, *steps: str) -> InvalidRequest:
        """The error for the client. steps: where the value stands in the body."""
        return InvalidRequest(".".join([*steps, *self.path]) or "body", self.problem)


EXACT_TYPES: dict[Check, type] = {}
"""Check -> a type whose values pass it unchanged, so that it need not be called for them."""


def of_type(kind: type | tuple[type, ...], article: str) -> Check:
    """A check that a value is of a type (a bool is never a number)."""

    def check(value: Any) -> Any:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise InvalidValue(f"expected {article}")
        return value

    if isinstance(kind, type):
        EXACT_TYPES[check] = kind
    return check


MAX_ELEMENTS = 100_000
"""Elements of a list: so many messages the API takes (Messages API reference, 2026-11-25)."""

MAX_STOP_SEQUENCES = 1_000
MAX_STOP_LENGTH = 256
"""Characters. Each may become a node, of 350 bytes, of what looks for them (stop_finder.py)."""

MAX_DOMAINS = 1_000
"""In a filter, each of which goes into the prompt. The Messages API names no limit, Managed Agents
have one of 64 (platform.claude.com, "Restrict web search and web fetch domains", 2026-11-28)."""


def list_of(item: Check, article: str = "a list", max_length: int = MAX_ELEMENTS) -> Check:
    """A check of every element; the list is copied only where one of them has to change."""

    def check(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise InvalidValue(f"expected {article}")
        if len(value) > max_length:
            raise InvalidValue(f"expected at most {max_length:,} elements, got {len(value):,}")
        checked = value
        i = 0
        try:
            for i, element in enumerate(value):
                right = item(element)
                if right is not element:
                    checked = value.copy() if checked is value else checked
                    checked[i] = right
        except InvalidValue as problem:
            raise problem.below(str(i)) from None
        return checked

    return check


def fields(required: Mapping[str, Check], optional: Mapping[str, Check]) -> Check:
    """A check of an object's known fields; an optional field that is null counts as absent.

    The object is copied only where one of its fields has to change.
    """
    checks = [
        (name, EXACT_TYPES.get(field), field, name in required)
        for name, field in {**required, **optional}.items()
    ]

    def check(value: Any) -> Json:
        if not isinstance(value, dict):
            raise InvalidValue("expected an object")
        checked = value
        name = ""
        try:
            for name, exact_type, field, is_required in checks:
                if name not in value:
                    if is_required:
                        raise InvalidValue("field required")
                    continue
                given = value[name]
                if type(given) is exact_type:
                    continue
                if given is None and not is_required:
                    checked = {key: item for key, item in checked.items() if key != name}
                elif (right := field(given)) is not given:
                    checked = value.copy() if checked is value else checked
                    checked[name] = right
        except InvalidValue as problem:
            raise problem.below(name) from None
        return checked

    return check


string = of_type(str, "a string")
boolean = of_type(bool, "true or false")
number = of_type((int, float), "a number")
integer = of_type(int, "an integer")
json_object = of_type(dict, "an object")
typed = fields({"type": string}, {})
domain_names = list_of(string, max_length=MAX_DOMAINS)


def anything(value: Any) -> Any:
    """A tool_use may carry any JSON value as its input: clients return what a model produced."""
    return value


EXACT_TYPES[anything] = dict


def non_empty_string(value: Any) -> Any:
    if type(value) is not str:
        string(value)
    if not value:
        raise InvalidValue("must not be empty")
    return value


def stop_sequence(value: Any) -> Any:
    if len(non_empty_string(value)) > MAX_STOP_LENGTH:
        raise InvalidValue(f"expected at most {MAX_STOP_LENGTH} characters, got {len(value):,}")
    return value


def at_least(minimum: int) -> Check:
    """A check that a value is an integer of a minimum."""

    def check(value: Any) -> Any:
        if integer(value) < minimum:
            raise InvalidValue(f"must be at least {minimum}")
        return value

    return check


positive_int = at_least(1)


def blocks(value: Any) -> Any:
    """A message's or a tool result's content: a string stands for one text block."""
    return [{"type": "text", "text": value}] if isinstance(value, str) else block_list(value)


def block(value: Any) -> Any:
    """One content block; an unknown type is let through here and refused where it is used."""
    try:
        check = BLOCKS[value["type"]]
    except (KeyError, TypeError):
        check = typed
    return check(value)


def string_or_nothing(value: Any) -> str:
    """What may be absent; then it is empty."""
    return "" if value is None else str(string(value))


def source(value: Any) -> Any:
    """Where an image or a document is; an unknown type is refused where it is used."""
    checked = typed(value)
    for name, check in SOURCES.get(value["type"], {}).items():
        given = value.get(name)
        try:
            right = check(given)
        except InvalidValue as problem:
            raise problem.below(name) from None
        checked = checked if right is given else {**checked, name: right}
    return checked


block_list = list_of(block, "a string or a list of content blocks")


def past_block(value: Any) -> Any:
    """A block of the model's own turn: the client has it in its history and sends it with every
    request, so that it is repaired, never refused. Blocks may nest too deeply to be looked at."""
    try:
        return block(value)
    except (InvalidValue, RecursionError):
        return _mend(value)


def _mend(value: Any) -> Json:
    """The block that was meant, or one of an unknown type with what it holds."""
    if isinstance(value, str):
        return {"type": "text", "text": value}
    if not isinstance(value, dict):
        return {"type": UNKNOWN_TYPE, "content": value}
    kind = value.get("type")
    defaults = PAST_DEFAULTS.get(kind) if isinstance(kind, str) else None
    if defaults is None:
        return {**value, "type": UNKNOWN_TYPE}
    wrong = {
        name: default
        for name, default in defaults.items()
        if not isinstance(value.get(name), str) or not value[name]
    }
    if "id" in defaults:
        wrong["id"] = _identity(value.get("id"))
    return {"input": {}, **value, **wrong}


def _identity(value: Any) -> str:
    """An id of a call, in the call and in its result: a number is one, too."""
    if isinstance(value, int) and value.bit_length() <= MAX_ID_BITS:
        return str(value)
    return value if isinstance(value, str) and value else MISSING_ID


def past_blocks(value: Any) -> Any:
    """The content of a model's turn; null is nothing, and what is no list is one block."""
    if isinstance(value, list):
        return past_block_list(value)
    return [] if value is None else [past_block(value)]


def tool_result_block(value: Any) -> Any:
    """With or without an id: a call that has none needs a result, too."""
    given = value.get("tool_use_id")
    if not given or type(given) is not str:
        value = {**value, "tool_use_id": _identity(given)}
    return tool_result_fields(value)


past_block_list = list_of(past_block, "a string or a list of content blocks")

SOURCES: dict[str, dict[str, Check]] = {
    "base64": {"media_type": string_or_nothing, "data": string},
    "url": {"url": string},
    "text": {"data": string},
    "content": {"content": blocks},
}
"""Type of a source -> the fields it must have. What they become stands in messages.SOURCES."""

tool_change = fields({}, {"name": string, "definition": fields({"name": non_empty_string}, {})})
server_tool_use = fields({"input": anything}, {"id": string, "name": string})
server_tool_result = typed
"""Whatever is in it: it was found by a server, and is read as it stands."""
tool_result_fields = fields({"tool_use_id": string}, {"content": blocks, "is_error": boolean})

BLOCKS: dict[str, Check] = {
    "text": fields({"text": string}, {}),
    "image": fields({"source": source}, {}),
    "document": fields({"source": source}, {"title": string, "context": string}),
    "search_result": fields({"source": string, "title": string, "content": block_list}, {}),
    "thinking": fields({"thinking": string}, {"signature": string}),
    "redacted_thinking": typed,
    "tool_use": fields({"id": non_empty_string, "name": non_empty_string, "input": anything}, {}),
    "tool_result": tool_result_block,
    "tool_reference": fields({"tool_name": non_empty_string}, {}),
    "tool_addition": fields({"tool": tool_change}, {}),
    "tool_removal": fields({"tool": tool_change}, {}),
    "server_tool_use": server_tool_use,
    "web_search_tool_result": server_tool_result,
    "web_fetch_tool_result": server_tool_result,
    "code_execution_tool_result": server_tool_result,
    "bash_code_execution_tool_result": server_tool_result,
    "text_editor_code_execution_tool_result": server_tool_result,
    "mcp_tool_use": server_tool_use,
    "mcp_tool_result": server_tool_result,
    "compaction": fields({}, {"content": string}),
    "fallback": typed,
    "mcp_tool_listing": typed,
    "browser_state": typed,
}
"""Type of a block -> its fields. What it becomes stands in messages.BLOCKS, type by type."""

UNKNOWN_TYPE = "unknown"
"""Of a block whose type does not say what it is."""

MAX_ID_BITS = 64
"""Of a number as an id: Python does not write those of thousands of digits."""

MISSING_ID = "toolu_missing"
MISSING_NAME = "tool_name_missing"
"""What Claude Code 2.1.332 writes there by itself; 2.1.330 sends the block without a name."""

PAST_DEFAULTS: dict[str, Json] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"id": MISSING_ID, "name": MISSING_NAME},
    "server_tool_use": {"id": MISSING_ID, "name": MISSING_NAME},
    "mcp_tool_use": {"id": MISSING_ID, "name": MISSING_NAME},
}
"""Type of a block of the model's turn -> what its texts are where they are none."""

ROLES = ("user", "assistant", "system")


def role(value: Any) -> Any:
    if value not in ROLES:
        raise InvalidValue(f"expected one of {', '.join(ROLES)}")
    return value


def system_block(value: Any) -> Any:
    if typed(value)["type"] != "text":
        raise InvalidValue("expected 'text'", "type")
    return block(value)


system_blocks = list_of(system_block, "a string or a list of content blocks")


def system(value: Any) -> Any:
    """The system prompt: a string, or blocks of text alone."""
    return blocks(value) if isinstance(value, str) else system_blocks(value)


def output_format(value: Any) -> Any:
    if typed(value)["type"] != "json_schema" or not isinstance(value.get("schema"), dict):
        raise InvalidValue("expected type 'json_schema' and a schema")
    return value


sent_message = fields({"role": role, "content": blocks}, {})
past_message = fields({"role": role, "content": past_blocks}, {})


def message(value: Any) -> Any:
    if not isinstance(value, dict) or value.get("role") != "assistant":
        return sent_message(value)
    return past_message(value if "content" in value else {**value, "content": None})


tool = fields(
    {"name": non_empty_string},
    {
        "type": string,
        "description": string,
        "input_schema": json_object,
        "strict": boolean,
        "defer_loading": boolean,
        "allowed_domains": domain_names,
        "blocked_domains": domain_names,
    },
)
tool_choice = fields(
    {"type": string},
    {
        "name": of_type(str, "the name of one of the tools"),
        "disable_parallel_tool_use": boolean,
    },
)

SHARED: dict[str, Check] = {
    "system": system,
    "tools": list_of(tool),
    "tool_choice": tool_choice,
    "thinking": fields({"type": string}, {"budget_tokens": at_least(0), "display": string}),
    "output_config": fields({}, {"effort": string, "format": output_format}),
    "output_format": output_format,
    "safeguards": list_of(fields({}, {"type": string, "classifier_context": json_object})),
    "stop_sequences": list_of(stop_sequence, max_length=MAX_STOP_SEQUENCES),
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
        raise problem.at() from None
    if not checked["messages"]:
        raise InvalidRequest("messages", "at least one message is required")
    return cast(MessagesRequest, checked)

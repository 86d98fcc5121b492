"""The rules of a conversation: roles, parts, and the order of calls and their responses.

Knows contents, and which models take a request that ends with the model's own turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from emulator_errors import BARE, Json
from emulator_request import Asked, members, parts, role
from emulator_schema import ONEOFS
from emulator_transcoder import snake

NO_CONTENTS = "contents is not specified"
NO_PARTS = "contents.parts must not be empty."
NO_DATA = "required oneof field 'data' must have one initialized field"
NO_NAME = "Name cannot be empty."

ROLES = "Please use a valid role: user, model."
SINGLE_TURN = (
    "Please ensure that single turn requests end with a user role or the role field is empty."
)
CALL_ORDER = (
    "Please ensure that function call turn comes immediately after a user turn or after a"
    " function response turn."
)
RESPONSE_ORDER = (
    "Please ensure that function response turn comes immediately after a function call turn."
)
RESPONSE_COUNT = (
    "Please ensure that the number of function response parts is equal to the number of function"
    " call parts of the function call turn."
)
FIRST_TURN = "Please ensure that multiturn requests alternate between user and model."
LAST_TURN = "Requests ending with a model turn are not supported."
MULTIMODAL = "Multimodal function response is not supported for this model."

DATA = ONEOFS["Part"]["data"]
NAMED = ("functionCall", "functionResponse")


def fields(asked: Asked) -> Iterator[tuple[str, str]]:
    """Contents that are not there, parts without data, calls without a name."""
    if not asked.contents:
        yield "contents", NO_CONTENTS
    for i, content in enumerate(asked.contents):
        yield from _content_fields(f"contents[{i}]", content)
    if "systemInstruction" in asked.body:
        yield from _content_fields("system_instruction", asked.body["systemInstruction"])


def _content_fields(path: str, content: Json) -> Iterator[tuple[str, str]]:
    if not parts(content):
        yield f"{path}.parts", NO_PARTS
    for i, part in enumerate(parts(content)):
        if not _has_data(part):
            yield f"{path}.parts[{i}].data", NO_DATA
        for member in NAMED:
            if member in part and not part[member].get("name"):
                yield f"{path}.parts[{i}].{snake(member)}.name", NO_NAME


def _has_data(part: Json) -> bool:
    """An empty text counts as no data, unless it carries a signature.

    https://github.com/router-for-me/CLIProxyAPI/issues/3485 (2026-05-19)
    """
    if part.get("text") == "" and not part.get("thoughtSignature"):
        return False
    return any(member in part for member in DATA)


def order(asked: Asked) -> Iterator[str]:
    """Who speaks after whom, and which response answers which call."""
    contents = asked.contents
    yield from _speakers(contents)
    if not asked.model.prefill and role(contents[-1]) == "model":
        yield LAST_TURN
    before: Json = {}
    for content in contents:
        yield from _calls_and_responses(before, content)
        before = content
    for call_turn, response_turn in pairwise([*contents, {}]):
        yield from _answers(call_turn, response_turn)
    if role(contents[0]) == "model":
        yield FIRST_TURN
    if not asked.model.multimodal_results and _has_multimodal_result(contents):
        yield MULTIMODAL


def _speakers(contents: Sequence[Json]) -> Iterator[str]:
    for content in contents:
        if role(content) not in ("user", "model"):
            yield ROLES
        wrong_side = "functionCall" if role(content) == "user" else "functionResponse"
        if members(content, wrong_side):
            yield BARE
    if len(contents) == 1 and role(contents[0]) == "model":
        yield SINGLE_TURN


def _calls_and_responses(before: Json, content: Json) -> Iterator[str]:
    follows_user = bool(before) and role(before) == "user"
    if members(content, "functionCall") and not follows_user:
        yield CALL_ORDER
    if members(content, "functionResponse") and not members(before, "functionCall"):
        yield RESPONSE_ORDER


def _answers(call_turn: Json, response_turn: Json) -> Iterator[str]:
    """One response for each call, of the same name and id, in any order.

    A wrong name gets the bare text: https://github.com/archestra-ai/archestra/pull/7583
    """
    calls = members(call_turn, "functionCall")
    responses = members(response_turn, "functionResponse")
    if calls and len(calls) != len(responses):
        yield RESPONSE_COUNT
    if calls and _keys(calls) != _keys(responses):
        yield BARE


def _keys(items: Iterable[Json]) -> Counter[tuple[str, str]]:
    return Counter((item.get("id", ""), item["name"]) for item in items)


def _has_multimodal_result(contents: Sequence[Json]) -> bool:
    return any(
        result.get("parts")
        for content in contents
        for result in members(content, "functionResponse")
    )

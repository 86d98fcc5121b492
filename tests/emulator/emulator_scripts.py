"""Scripts: what may stand in one, and which reply the next request gets.

Knows the grammar (README.md beside this file) and the conditions under `when`. It refuses to
know what a reply does; emulator_replies plays it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from emulator_errors import Json
from emulator_request import Asked, members, role, texts

Kinds = tuple[type, ...]
NULL = type(None)

SCRIPT: dict[str, Kinds] = {"replies": (list,)}
REPLY: dict[str, Kinds] = {
    "when": (dict,),
    "repeat": (bool,),
    "chunks": (list,),
    "finish": (str, NULL),
    "finish_message": (str,),
    "finish_alone": (bool,),
    "usage": (dict,),
    "split": (int,),
    "newline": (str,),
    "block_reason": (str,),
    "status": (dict,),
    "content_type": (str,),
    "headers": (dict,),
}
DIRECTIVES: dict[str, Kinds] = {
    "delay": (int, float),
    "cut": (bool,),
    "end": (bool,),
    "error": (dict,),
    "raw_error": (dict,),
    "raw": (str,),
}
PART: dict[str, Kinds] = {
    "thought": (str,),
    "text": (str,),
    "call": (dict,),
    "inline": (dict,),
    "code": (str,),
    "code_result": (str,),
    "part": (dict,),
}
SIGN: dict[str, Kinds] = {"sign": (bool, int)}
SIGNABLE = ("thought", "text", "call")
CALL: dict[str, Kinds] = {"name": (str,), "args": (dict,), "id": (str, NULL)}
CANDIDATE: dict[str, Kinds] = {"candidate": (dict,)}
WHEN: dict[str, Kinds] = {
    "user_text": (str,),
    "last_text": (str,),
    "system": (str,),
    "model": (str,),
    "results": (int, bool),
    "tool": (str,),
    "json": (bool,),
}


class BadScript(ValueError):
    """Says what is wrong, and where."""


def check(script: Any) -> None:
    """Raise BadScript for what no reply could mean."""
    _keys(script, SCRIPT, "the script")
    for i, reply in enumerate(script.get("replies", ())):
        at = f"replies[{i}]"
        _keys(reply, REPLY, at)
        _keys(reply.get("when", {}), WHEN, f"{at}.when")
        for j, chunk in enumerate(reply.get("chunks", ())):
            _chunk(chunk, f"{at}.chunks[{j}]")


def _chunk(chunk: Any, at: str) -> None:
    """A directive alone, a list of parts, or one part; a frame may also carry a candidate."""
    _keys(chunk, {**DIRECTIVES, **PART, **SIGN, **CANDIDATE, "parts": (list,)}, at)
    if not chunk:
        raise BadScript(f"{at} is empty")
    if any(name in DIRECTIVES for name in chunk):
        _alone(chunk, at)
    elif "parts" in chunk:
        _keys(chunk, {**CANDIDATE, "parts": (list,)}, at)
        for i, part in enumerate(chunk["parts"]):
            _part(part, f"{at}.parts[{i}]")
    elif set(chunk) != {"candidate"}:
        _part({name: chunk[name] for name in chunk if name != "candidate"}, at)


def _part(part: Any, at: str) -> None:
    _keys(part, {**PART, **SIGN}, at)
    if not part:
        raise BadScript(f"{at} is empty")
    kinds = [name for name in part if name != "sign"]
    _alone(kinds, at)
    if "sign" in part and not set(kinds) <= set(SIGNABLE):
        raise BadScript(f"{at}: sign goes with {', '.join(SIGNABLE)}, or alone")
    if "call" in part:
        _keys(part["call"], CALL, f"{at}.call")
        if "name" not in part["call"]:
            raise BadScript(f"{at}.call has no name")


def _alone(names: Collection[str], at: str) -> None:
    if len(names) > 1:
        raise BadScript(f"{at}: {', '.join(names)} cannot stand together")


def _keys(item: Any, allowed: Mapping[str, Kinds], at: str) -> None:
    if not isinstance(item, dict):
        raise BadScript(f"{at} is not an object")
    for name, value in item.items():
        if name not in allowed:
            raise BadScript(f"unknown directive '{name}' in {at}; known: {', '.join(allowed)}")
        if not _is(value, allowed[name]):
            raise BadScript(f"{at}.{name} cannot be {json.dumps(value)}")


def _is(value: Any, kinds: Kinds) -> bool:
    return type(value) in kinds


def choose(replies: list[Json], used: set[int], asked: Asked) -> int | None:
    """The index of the first reply that is left and fits; it is then used, unless it repeats."""
    for i in _left(replies, used):
        conditions = replies[i].get("when", {})
        if all(MATCHERS[name](asked, value) for name, value in conditions.items()):
            if not replies[i].get("repeat"):
                used.add(i)
            return i
    return None


def _left(replies: list[Json], used: set[int]) -> Iterator[int]:
    return (i for i in range(len(replies)) if i not in used)


def describe_failure(replies: list[Json], used: set[int]) -> str:
    """What is said when no reply fits."""
    left = [json.dumps(replies[i].get("when", {})) for i in _left(replies, used)]
    waiting = f"left are those for {', '.join(left)}" if left else "none is left"
    return f"emulator: no scripted reply fits this request; of {len(replies)}, {waiting}"


def _user_text(asked: Asked, wanted: str) -> bool:
    return any(
        wanted in text
        for content in asked.contents
        if role(content) == "user"
        for text in texts(content)
    )


def _last_text(asked: Asked, wanted: str) -> bool:
    return any(wanted in text for text in texts(asked.contents[-1]))


def _system(asked: Asked, wanted: str) -> bool:
    return any(wanted in text for text in texts(asked.body.get("systemInstruction", {})))


def _model(asked: Asked, wanted: str) -> bool:
    return asked.name == wanted


def _results(asked: Asked, wanted: int) -> bool:
    """wanted: how many, or true for any number and false for none."""
    found = len(members(asked.contents[-1], "functionResponse"))
    return bool(found) is wanted if isinstance(wanted, bool) else found == wanted


def _tool(asked: Asked, wanted: str) -> bool:
    return wanted in asked.declared


def _json(asked: Asked, wanted: bool) -> bool:
    return (asked.config.get("responseMimeType") == "application/json") is wanted


MATCHERS: dict[str, Callable[[Asked, Any], bool]] = {
    "user_text": _user_text,
    "last_text": _last_text,
    "system": _system,
    "model": _model,
    "results": _results,
    "tool": _tool,
    "json": _json,
}
"""Condition -> whether a request fulfils it."""

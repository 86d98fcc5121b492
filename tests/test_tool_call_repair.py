"""translate/response/tool_call_repair.py: slips with one reading are repaired, others are not."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from translate.response.chunks import MAX_DEPTH
from translate.response.tool_call_repair import (
    MAX_REQUIRED,
    CallRepair,
    RepairedCall,
    has_name,
    read_call,
)

READ = {
    "type": "object",
    "properties": {"file_path": {"type": "string"}, "limit": {"type": "integer"}},
    "required": ["file_path"],
    "additionalProperties": False,
}
TODO = {
    "properties": {"todos": {"type": "array"}, "meta": {"type": "object"}, "note": {}},
    "required": ["todos"],
}
TOOLS = {
    "Read": READ,
    "TodoWrite": TODO,
    "todowrite": {},
    "Bash": {"properties": 1},
    "Any": {"required": ["y"]},
    "Odd": {"properties": {"y": {}}, "required": [["y"], {}, 1]},
    "Open": {"properties": {"name": {}}},
    "Union": {
        "properties": {"name": {}},
        "required": ["id"],
        "anyOf": [{"properties": {"name": {"type": "integer"}}}],
    },
}


SLIPS: dict[str, Any] = {
    "case": ("read", {"file_path": "a"}, ("Read", {"file_path": "a"}, ["name"])),
    "space": (" Read", {"file_path": "a"}, ("Read", {"file_path": "a"}, ["name"])),
    "prefix": ("default_api:Read", {"file_path": "a"}, ("Read", {"file_path": "a"}, ["name"])),
    "wrapped": ("Read", {"parameters": {"file_path": "a"}},
        ("Read", {"file_path": "a"}, ["unwrapped"])),
    "one wrong key": ("Read", {"limit": 5, "path": "a"},
        ("Read", {"limit": 5, "file_path": "a"}, ["renamed"])),
    "alike": ("Read", {"filename": "a"}, ("Read", {"file_path": "a"}, ["renamed"])),
    "written as strings": ("TodoWrite", {"todos": '[{"a": 1}]', "meta": "{}", "note": "[1]"},
        ("TodoWrite", {"todos": [{"a": 1}], "meta": {}, "note": "[1]"}, ["parsed"])),
    "whole floats": ("Read", {"file_path": "a", "limit": 5.0},
        ("Read", {"file_path": "a", "limit": 5}, ["integers"])),
    "whole floats beside a wrong key": ("Read", {"path": "a", "limit": 5.0},
        ("Read", {"file_path": "a", "limit": 5}, ["renamed", "integers"])),
    "whole floats of a union": ("Union", {"name": 5.0}, ("Union", {"name": 5}, ["integers"])),
    "wrapped and wrong is two slips": ("default_api.read", {"args": {"path": "a"}},
        ("Read", {"args": {"path": "a"}}, ["name"])),
}  # fmt: skip


def repair(name: str, args: Any, tools: Any) -> RepairedCall:
    return CallRepair(tools).repair(name, args)


@pytest.mark.parametrize(("name", "args", "expected"), SLIPS.values(), ids=SLIPS)
def test_slips_with_one_reading_are_repaired(name: str, args: Any, expected: Any) -> None:
    before = copy.deepcopy(args)
    assert repair(name, args, TOOLS) == RepairedCall(*expected)
    assert args == before


@pytest.mark.parametrize(
    ("name", "args"),
    [
        pytest.param("Read", {"file_path": "a"}, id="right"),
        pytest.param("Write", {"file_path": "a"}, id="an unknown tool"),
        pytest.param("TODOWRITE", {"todos": []}, id="two tools it could be"),
        pytest.param("Read", {"path": "a", "name": "b"}, id="two unknown keys"),
        pytest.param("Read", {"file_path": "a", "path": "b"}, id="nothing missing"),
        pytest.param("Read", {"path": 5}, id="another type"),
        pytest.param("Read", {"parameters": {"x": 1}}, id="a wrapper around something else"),
        pytest.param("Read", {"parameters": "a", "limit": 1, "x": 2}, id="more than a wrapper"),
        pytest.param("TodoWrite", {"todos": "not a list"}, id="a string that is none"),
        pytest.param("TodoWrite", {"todos": '{"a": 1}'}, id="an object for a list"),
        pytest.param("Bash", {"cmd": "ls"}, id="a schema without properties"),
        pytest.param("Any", {"x": 1}, id="a type that is not told"),
        pytest.param("Odd", {"x": 1}, id="required that are not names"),
        pytest.param("Read", {"parameters": {}}, id="an empty wrapper"),
        pytest.param("Open", {"input": {"name": "n"}}, id="a wrapper the schema allows"),
        pytest.param("Union", {"parameters": {"name": "n"}}, id="properties elsewhere too"),
        pytest.param("Read", {"reason": "because"}, id="a key that sounds like nothing"),
        pytest.param("TodoWrite", {"todos": "[NaN]"}, id="a list that is not JSON"),
        pytest.param("TodoWrite", {"todos": "[" * 100_000}, id="a list without end"),
    ],
)
def test_calls_without_a_single_reading_go_through(name: str, args: Any) -> None:
    repaired = repair(name, args, TOOLS)
    assert repaired == RepairedCall(name, args, [])
    assert repaired.args is args


class CountedTools(dict[str, Any]):
    """Counts the names that are looked through."""

    looked_at = 0

    def __iter__(self) -> Iterator[str]:
        for name in super().__iter__():
            self.looked_at += 1
            yield name


def test_tools_are_looked_through_once_for_all_calls() -> None:
    tools = CountedTools({f"Tool{i}": {} for i in range(500)})
    calls = CallRepair(tools)
    assert calls.repair("Tool0", {}).name == "Tool0"
    assert tools.looked_at == 0
    for i in range(1_000):
        assert calls.repair(f"tool{i}", {}).name == (f"Tool{i}" if i < 500 else f"tool{i}")
    assert tools.looked_at == 500


def test_name_is_as_long_as_the_tools() -> None:
    assert repair("i\u0307", {}, {"\u0130": {}}).repairs == []


def test_more_required_names_than_a_tool_has_are_none() -> None:
    schema = {"properties": {"path": {"type": "string"}}, "required": ["path"]}
    many = {**schema, "required": ["path"] * (MAX_REQUIRED + 1)}
    repairs = [repair("T", {"file_path": "a"}, {"T": each}).repairs for each in (schema, many)]
    assert repairs == [["renamed"], []]


# --- Reading a functionCall ------------------------------------------------------------------


def nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth):
        value = {"a": value}
    return value


def nested_text(depth: int) -> str:
    return '{"a":' * depth + "{}" + "}" * depth


ARGS: dict[str, tuple[Any, Any, list[str]]] = {
    "an object": ({"a": 1}, {"a": 1}, []),
    "JSON of an object": ('{"a": 1}', {"a": 1}, ["parsed"]),
    "an empty text": (" ", {}, ["parsed"]),
    "one object in a list": ([{"a": 1}], {"a": 1}, ["joined"]),
    "objects with other names": ([{"a": 1}, {"b": [2]}], {"a": 1, "b": [2]}, ["joined"]),
    "an empty list": ([], {}, ["joined"]),
    "as deep as may be": (nested(MAX_DEPTH - 1), nested(MAX_DEPTH - 1), []),
}  # fmt: skip


@pytest.mark.parametrize(("args", "expected", "repairs"), ARGS.values(), ids=ARGS)
def test_args_with_one_reading_are_an_object(args: Any, expected: Any, repairs: Any) -> None:
    read = read_call({"name": "Read", "args": args})
    assert read == ({"name": "Read", "args": expected}, repairs)


@pytest.mark.parametrize(
    "call",
    [
        *[
            pytest.param({"name": "Read", "args": args}, id=f"args: {str(args)[:30]}")
            for args in (
                *(7, 1.5, True, "ls -l", "[1]", '"a"', "7", "null", "[NaN]", [1], ["{}"], [[]]),
                *([{"a": 1}, {"a": 2}], [{"a": 1}, 7], nested(MAX_DEPTH), nested_text(MAX_DEPTH)),
                *("[" * 100_000, [nested(MAX_DEPTH)]),
            )
        ],
        *[
            pytest.param(call, id=f"call: {str(call)[:30]}")
            for call in (
                *(None, [], [{"name": "Read"}], "Read", 7, True, {"name": 7}, {"name": ["Read"]}),
                *({"name": "Read", "willContinue": 1}, {"name": "Read", "willContinue": "true"}),
                *({"partialArgs": {}}, {"partialArgs": "a"}, {"partialArgs": [7]}),
                {"name": "Read", "args": {"a": 1}, "partialArgs": []},
            )
        ],
    ],
)
def test_call_without_a_reading_is_none(call: Any) -> None:
    assert read_call(call) is None


@pytest.mark.parametrize("field", ["id", "name", "args", "partialArgs", "willContinue"])
def test_null_is_an_absent_field(field: str) -> None:
    assert read_call({"name": "Read", field: None}) == ({} if field == "name" else NAMED, [])


NAMED = {"name": "Read"}


@pytest.mark.parametrize("identity", [7, 1.5, True, [], {}])
def test_id_of_a_wrong_type_is_dropped(identity: Any) -> None:
    assert read_call({**NAMED, "id": identity}) == (NAMED, [])
    assert read_call({**NAMED, "id": "f1", "new": 1}) == ({**NAMED, "id": "f1"}, [])


def test_pieces_of_a_call_are_kept() -> None:
    piece = {"partialArgs": [{"jsonPath": "$.a"}], "willContinue": True}
    assert read_call(piece) == (piece, [])


def test_name_holds_no_half_of_a_character() -> None:
    assert read_call({"name": "a\ud83d"}) == ({"name": "a\ufffd"}, [])


@pytest.mark.parametrize(
    ("call", "expected"),
    [({}, False), ({"name": " "}, False), ({"name": "default_api:"}, False), (NAMED, True)],
)
def test_name_is_more_than_a_prefix(call: Any, expected: bool) -> None:
    assert has_name(call) is expected


def test_keys_of_open_objects_are_kept() -> None:
    open_schema = {**READ, "additionalProperties": True}
    assert repair("Read", {"path": "a"}, {"Read": open_schema}).repairs == []


@pytest.mark.parametrize(("kind", "fits"), [("boolean", True), ("integer", False)])
def test_boolean_is_no_number(kind: str, fits: bool) -> None:
    schema = {"properties": {"is_on": {"type": kind}}, "required": ["is_on"]}
    assert repair("T", {"on": True}, {"T": schema}).repairs == (["renamed"] if fits else [])

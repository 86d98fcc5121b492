"""translate/response/tool_call_repair.py: slips with one reading are repaired, others are not."""

import copy
from typing import Any

import pytest

from translate.response.tool_call_repair import RepairedCall, repair

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
    "Union": {"properties": {"name": {}}, "required": ["id"], "anyOf": []},
}


SLIPS: dict[str, Any] = {
    "case": ("read", {"file_path": "a"}, ("Read", {"file_path": "a"}, ["name"])),
    "prefix": ("default_api:Read", {"file_path": "a"}, ("Read", {"file_path": "a"}, ["name"])),
    "wrapped": ("Read", {"parameters": {"file_path": "a"}},
        ("Read", {"file_path": "a"}, ["unwrapped"])),
    "one wrong key": ("Read", {"limit": 5, "path": "a"},
        ("Read", {"limit": 5, "file_path": "a"}, ["renamed"])),
    "alike": ("Read", {"filename": "a"}, ("Read", {"file_path": "a"}, ["renamed"])),
    "written as strings": ("TodoWrite", {"todos": '[{"a": 1}]', "meta": "{}", "note": "[1]"},
        ("TodoWrite", {"todos": [{"a": 1}], "meta": {}, "note": "[1]"}, ["parsed"])),
    "wrapped and wrong is two slips": ("default_api.read", {"args": {"path": "a"}},
        ("Read", {"args": {"path": "a"}}, ["name"])),
}  # fmt: skip


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


def test_keys_of_open_objects_are_kept() -> None:
    open_schema = {**READ, "additionalProperties": True}
    assert repair("Read", {"path": "a"}, {"Read": open_schema}).repairs == []


@pytest.mark.parametrize(("kind", "fits"), [("boolean", True), ("integer", False)])
def test_boolean_is_no_number(kind: str, fits: bool) -> None:
    schema = {"properties": {"is_on": {"type": kind}}, "required": ["is_on"]}
    assert repair("T", {"on": True}, {"T": schema}).repairs == (["renamed"] if fits else [])

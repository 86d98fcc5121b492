"""translate/response/integers.py: 1.0 is 1 where the schema says integer, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from translate.response import integers
from translate.response.integers import SchemaPath, fit_integers

INTEGER, NUMBER = {"type": "integer"}, {"type": "number"}


def of(schema: Any, **more: Any) -> Any:
    """A tool's schema with one property, `a`."""
    return {"type": "object", "properties": {"a": schema}, **more}


LONG = "x" * integers.MAX_REFERENCE
LOOP: dict[str, Any] = of({"$ref": "#/$defs/loop"}, **{"$defs": {}})
LOOP["$defs"]["loop"] = {"anyOf": [{"$ref": "#/$defs/loop"}, INTEGER]}

FITTED: dict[str, tuple[Any, Any, Any]] = {
    "an integer": (of(INTEGER), 1.0, 1),
    "a negative one": (of(INTEGER), -7.0, -7),
    "zero": (of(INTEGER), -0.0, 0),
    "one that may be null": (of({"type": ["integer", "null"]}), 3.0, 3),
    "one of a union": (of({"anyOf": [{"type": "string"}, INTEGER]}), 3.0, 3),
    "one in a list": (of({"type": "array", "items": INTEGER}), [1.0, 2, "x", 2.5],
        [1, 2, "x", 2.5]),
    "one in a tuple": (of({"prefixItems": [NUMBER, INTEGER]}), [1.0, 2.0, 3.0], [1.0, 2, 3.0]),
    "one in an older tuple": (of({"items": [NUMBER, INTEGER]}), [1.0, 2.0, 3.0], [1.0, 2, 3.0]),
    "one of the rest of a tuple": (of({"prefixItems": [NUMBER], "items": INTEGER}), [1.0, 2.0],
        [1.0, 2]),
    "one in an object": (of(of(INTEGER)), {"a": 1.0, "b": 1.0}, {"a": 1, "b": 1.0}),
    "one of a map": (of({"additionalProperties": INTEGER}), {"x": 1.0}, {"x": 1}),
    "one by reference": (of({"$ref": "#/$defs/n"}, **{"$defs": {"n": INTEGER}}), 1.0, 1),
    "one behind a loop": (LOOP, 1.0, 1),
    "one by a reference that is too long": (
        of({"$ref": f"#/{LONG}"}, **{LONG: INTEGER}),
        1.0, 1.0),
    "of an allOf": (of({"allOf": [{"minimum": 0}, INTEGER]}), 1.0, 1),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "given", "expected"), FITTED.values(), ids=FITTED)
def test_whole_floats_become_integers(schema: Any, given: Any, expected: Any) -> None:
    fitted = fit_integers({"a": given, "b": "x"}, schema)
    assert repr(fitted) == repr({"a": expected, "b": "x"})


KEPT: dict[str, tuple[Any, Any]] = {
    "a number": (of(NUMBER), 1.0),
    "a number or an integer": (of({"type": ["integer", "number"]}), 1.0),
    "a number of a union": (of({"anyOf": [NUMBER, INTEGER]}), 1.0),
    "a fraction": (of(INTEGER), 1.5),
    "more than there are integers for": (of(INTEGER), 1e300),
    "an integer": (of(INTEGER), 1),
    "a boolean": (of(INTEGER), True),
    "no schema": ({}, 1.0),
    "a schema that is none": (of([7]), 1.0),
    "properties that are none": ({"properties": 7, "additionalProperties": True}, 1.0),
    "types that are none": (of({"type": [7, None]}), 1.0),
    "types without end": (of({"type": ["string"] * integers.MAX_ALTERNATIVES + ["integer"]}), 1.0),
    "a union that is none": (of({"anyOf": "x", "type": 7}), 1.0),
    "a reference to nothing": (of({"$ref": "#/$defs/n/m"}), 1.0),
    "a reference to a list": (of({"$ref": "#/type/x"}), 1.0),
    "a reference elsewhere": (of({"$ref": "https://x.test/n"}), 1.0),
    "a reference that is none": (of({"$ref": 7}), 1.0),
    "a list of anything": (of({"type": "array"}), [1.0]),
}


@pytest.mark.parametrize(("schema", "given"), KEPT.values(), ids=KEPT)
def test_other_numbers_stay_as_they_are(schema: Any, given: Any) -> None:
    args = {"a": given}
    assert fit_integers(args, schema) is args


def test_unions_are_looked_at_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integers, "MAX_ALTERNATIVES", 3)
    schema = of({"anyOf": [INTEGER, *[{"type": "string"} for _ in range(3)]]})
    assert repr(fit_integers({"a": 1.0}, schema)) == "{'a': 1.0}"


def test_place_in_a_document_has_its_schema() -> None:
    path = SchemaPath(of({"type": "array", "items": INTEGER}, additionalProperties=INTEGER))
    assert path.fit_scalar("1.0") == "1.0"
    path.open()
    path.start_member("b")
    assert path.fit_scalar("1.0") == "1"
    path.next_element()
    path.start_member("a")
    path.open()
    assert [path.fit_scalar(text) for text in ("1.0", "true", "-2", "1.5")] == [
        *("1", "true", "-2", "1.5")
    ]
    path.next_element()
    assert path.fit_scalar("-1e1") == "-10"
    path.open()
    assert path.fit_scalar("1.0") == "1.0"
    path.close()
    assert path.fit_scalar("1.0") == "1"
    path.reset()
    assert path.fit_scalar("1.0") == "1.0"

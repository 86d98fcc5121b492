"""translate/response/partial_args.py: pieces of arguments become JSON that is never taken back."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translate.response.partial_args import InvalidPiece, PartialArgs


def written(*pieces: Any) -> list[str]:
    partial = PartialArgs()
    return [*(partial.add([piece]) for piece in pieces), partial.end()]


def text(path: str, value: str, more: bool = False) -> dict[str, Any]:
    return {"jsonPath": path, "stringValue": value, **({"willContinue": True} if more else {})}


def test_string_in_pieces() -> None:
    assert written(text("$.city", "Bos", more=True), text("$.city", 'ton "é"\n')) == [
        '{"city":"Bos',
        'ton \\"é\\"\\n"',
        "}",
    ]


def test_string_that_is_not_ended_is_ended() -> None:
    assert written(text("$.a", "x", more=True), text("$.b", "y", more=True)) == [
        '{"a":"x',
        '","b":"y',
        '"}',
    ]


def test_arguments_without_pieces() -> None:
    assert written() == ["{}"]


def test_string_that_goes_on_is_known() -> None:
    partial = PartialArgs()
    assert not partial.is_within_string
    partial.add([text("$.a", "x", more=True)])
    assert partial.is_within_string
    partial.add([text("$.a", "y")])
    assert not partial.is_within_string


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        ({"jsonPath": "$.n", "numberValue": 5.0}, {"n": 5}),
        ({"jsonPath": "$.n", "numberValue": 1.5}, {"n": 1.5}),
        ({"jsonPath": "$.n", "boolValue": False}, {"n": False}),
        ({"jsonPath": "$.n", "nullValue": "NULL_VALUE"}, {"n": None}),
        ({"jsonPath": "$.n", "nullValue": None}, {"n": None}),
        ({"jsonPath": "$.n", "stringValue": None, "numberValue": 7}, {"n": 7}),
        ({"jsonPath": "$.n", "stringValue": "x", "willContinue": False}, {"n": "x"}),
        ({"jsonPath": "$.tags[]"}, {"tags": []}),
        ({"jsonPath": "$"}, {}),
        ({}, {}),
        ({"jsonPath": "$.map"}, {"map": {}}),
        ({"jsonPath": r"$['a key']['it\'s']", "numberValue": 1}, {"a key": {"it's": 1}}),
    ],
)
def test_values_of_every_kind(piece: Any, expected: Any) -> None:
    assert json.loads("".join(written(piece))) == expected


def test_lists_and_objects_within_each_other() -> None:
    pieces = [
        text("$.todos[0].text", "one"),
        {"jsonPath": "$.todos[0].done", "boolValue": True},
        text("$.todos[1].text", "two"),
        {"jsonPath": "$.count", "numberValue": 2},
    ]
    assert "".join(written(*pieces)) == (
        '{"todos":[{"text":"one","done":true},{"text":"two"}],"count":2}'
    )


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([{"jsonPath": 7}], id="a path of a wrong type"),
        pytest.param([{"jsonPath": "city"}], id="a path that begins nowhere"),
        pytest.param([{"jsonPath": "$.a[b]"}], id="a path with a name for an index"),
        pytest.param([{"jsonPath": "$" + ".a" * 201}], id="a path too deep"),
        pytest.param([{"jsonPath": "$", "numberValue": 1}], id="a value for the whole"),
        pytest.param([{"jsonPath": "$.a", "stringValue": 7}], id="a number for a string"),
        pytest.param([{"jsonPath": "$.a", "numberValue": "7"}], id="a string for a number"),
        pytest.param([{"jsonPath": "$.a", "numberValue": True}], id="a boolean for a number"),
        pytest.param([{"jsonPath": "$.a", "boolValue": 1}], id="a number for a boolean"),
        pytest.param([{"jsonPath": "$.a", "nullValue": []}], id="a list for a null"),
        pytest.param([{**text("$.a", "x"), "boolValue": True}], id="two values"),
        pytest.param([{**text("$.a", "x"), "willContinue": 1}], id="no boolean"),
        pytest.param([text("$.a", "x"), text("$.a", "y")], id="a member twice"),
        pytest.param([text("$.a[0]", "x"), text("$.b", "y"), text("$.a[1]", "z")], id="a way back"),
        pytest.param([text("$.a[1]", "x")], id="a gap in a list"),
        pytest.param([text("$.a[0]", "x"), text("$.a.b", "y")], id="a name in a list"),
        pytest.param([text("$.a.b", "x"), text("$.a[0]", "y")], id="an index in an object"),
    ],
)
def test_pieces_without_a_reading_are_refused(pieces: Any) -> None:
    with pytest.raises(InvalidPiece):
        PartialArgs().add(pieces)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text('ab"\n\u00e9', max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=12,
)


def pieces_of(value: Any, path: str = "$") -> Any:
    """The pieces in which a model writes a value, strings letter by letter."""
    if isinstance(value, dict) and (value or path != "$"):
        yield from [{"jsonPath": path}] if not value else []
        for name, item in value.items():
            yield from pieces_of(item, f"{path}.{name}")
    elif isinstance(value, list):
        yield from [{"jsonPath": f"{path}[]"}] if not value else []
        for i, item in enumerate(value):
            yield from pieces_of(item, f"{path}[{i}]")
    elif isinstance(value, str):
        yield from (text(path, letter, more=True) for letter in value)
        yield text(path, "")
    elif isinstance(value, bool):
        yield {"jsonPath": path, "boolValue": value}
    elif isinstance(value, int):
        yield {"jsonPath": path, "numberValue": float(value)}
    elif value is None:
        yield {"jsonPath": path, "nullValue": "NULL_VALUE"}


@given(st.dictionaries(st.text("abc", min_size=1, max_size=2), VALUES, max_size=4))
def test_pieces_of_any_object_are_that_object(value: Any) -> None:
    assert json.loads("".join(written(*pieces_of(value)))) == value

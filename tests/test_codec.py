"""proxy/codec.py: JSON at the edges."""

from collections.abc import Callable
from typing import Any

import pytest

from proxy import codec
from translate import ApiError, tools


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"a":[1,2.5,null,"\xc3\xa9"]}', {"a": [1, 2.5, None, "é"]}),
        (rb'{"a":"\ud83d\ude00"}', {"a": "😀"}),
        (rb'{"a":"cut \ud83d"}', {"a": "cut ?"}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
    ],
)
def test_what_can_be_read(raw: bytes, expected: object) -> None:
    assert codec.loads(raw) == expected


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"{'a':1}", b'{"a":NaN}', b'{"a":1e999}', b"\xff\xfe\xff"]
)
def test_what_cannot(raw: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        codec.loads(raw)
    assert (caught.value.status, caught.value.message) == (
        400,
        "The request body is not valid JSON.",
    )


def nested(levels: int) -> Any:
    deep: list[Any] = []
    for _ in range(levels):
        deep = [deep]
    return deep


@pytest.mark.parametrize(
    "refuse",
    [
        pytest.param(lambda: codec.loads(b"[" * 100_000), id="to read"),
        pytest.param(lambda: codec.loads(b"[" * 2_000 + b"]" * 2_000), id="to read to its end"),
        pytest.param(lambda: codec.dumps(nested(1000)), id="to write"),
        pytest.param(
            lambda: codec.declare({"name": "A", "input_schema": {"x": nested(300)}}), id="a tool"
        ),
    ],
)
def test_what_is_nested_too_deeply(refuse: Callable[[], Any]) -> None:
    with pytest.raises(ApiError) as caught:
        refuse()
    assert (caught.value.status, caught.value.message) == (400, "The request is nested too deeply.")


def test_a_tool_is_translated_once() -> None:
    tool = {"name": "Ask", "input_schema": {"type": "object", "$schema": "s"}}
    first = codec.declare(tool)
    assert first == tools.declaration(tool)
    assert codec.declare({**tool}) is first

"""proxy/json_codec.py: JSON at the edges."""

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest

from proxy import json_codec
from tests.memory_peaks import BODIES
from tests.servers import ROOT
from translate import ApiError


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"a":[1,2.5,null,"\xc3\xa9"]}', {"a": [1, 2.5, None, "é"]}),
        (rb'{"a":"\ud83d\ude00"}', {"a": "😀"}),
        (rb'{"a":"cut \ud83d"}', {"a": "cut ?"}),
        (rb'["\ud83d","\uDE00","\ud83d\ud83d\ude00","\ude00\ud83d"]', ["?", "?", "?😀", "??"]),
        (rb'["\ud83d\n","\\\ud83d","\ud83dx\ude00"]', ["?\n", "\\?", "?x?"]),
        (
            rb'["\ud83d","\\ud83d","\\ud83d\ude00","\\\\ud83d"]',
            ["?", r"\ud83d", r"\ud83d?", r"\\ud83d"],
        ),
        (
            b'["\xed\xa0\xbd","\xed\xa0\xbd\xed\xb8\x80","\xed\x9f\xbf"]',
            ["\ufffd", "\ufffd\ufffd", "\ud7ff"],
        ),
        ('{"a":"\ud83d"}', {"a": "\ufffd"}),
        (b'\xef\xbb\xbf{"a":"\\ud83d"}', {"a": "?"}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
    ],
)
def test_what_can_be_read(raw: bytes | str, expected: object) -> None:
    assert json_codec.loads(raw) == expected
    assert isinstance(raw, str) or json_codec.loads(bytearray(raw)) == expected


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(rb"\ud83d" * 100_001, id="halves"),
        pytest.param(rb"\\ud83d" * 100_000 + rb"\ud83d", id="escaped halves"),
    ],
)
def test_halves_without_end_are_refused(raw: bytes) -> None:
    with pytest.raises(ApiError, match="not valid JSON"):
        json_codec.loads(b'"%b"' % raw)


@pytest.mark.parametrize("count", [0, 1, 16_383, 16_384, 16_385, 50_000])
def test_a_half_behind_many_backslashes(count: int) -> None:
    expected = "\\" * (count // 2) + ("\\ud83d?" if count % 2 else "??")
    assert json_codec.loads(b'"%b%b"' % (b"\\" * count, rb"\ud83d\ud83d")) == expected


@pytest.mark.parametrize("raw", [b"", b"{", b"{'a':1}", b"\xff\xfe\xff"])
def test_what_cannot(raw: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        json_codec.loads(raw)
    assert (caught.value.status, caught.value.message) == (
        400,
        "The request body is not valid JSON.",
    )


def refusal(raw: bytes) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        json_codec.loads_request(raw)
    return caught.value.status, caught.value.message


@pytest.mark.parametrize("value", [b"[]", b"{}", b'""', b"1"])
def test_of_the_smallest_values_there_may_be_half_a_million(value: bytes) -> None:
    most, more = (b"[%b]" % b",".join([value] * count) for count in (240_000, 500_001))
    assert len(json_codec.loads_request(most)) == 240_000
    assert refusal(more) == (413, "The request has more than 500,000 values.")


@pytest.mark.parametrize("value", [b'""', b'"", ""', b'{"":1}', rb'"\\"', b"[]"])
def test_that_there_are_too_many_is_found_out_without_a_copy(
    value: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As 32 MB could be sent by anybody, at any time."""
    monkeypatch.setattr(json_codec, "MAX_VALUES", 10_000)
    raw = b"[%b]" % b",".join([value] * (85_000 // (len(value) + 1)))
    tracemalloc.start()
    try:
        assert refusal(raw)[0] == 413
        assert tracemalloc.get_traced_memory()[1] < len(raw) / 2
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("text", [b"a", rb"\"", rb"\\", rb"\\\""])
def test_what_is_in_a_text_is_no_value(text: bytes) -> None:
    raw = b'["%b","%b",""]' % (text, b",[" * 1_100_000)
    assert len(json_codec.loads_request(raw)) == 3


def test_a_large_text_with_few_marks_is_read() -> None:
    (text,) = json_codec.loads_request(b'["%b"]' % (b"word, " * 400_000))
    assert len(text) == 2_400_000


def test_values_are_at_least_two_bytes_each() -> None:
    """The smallest body that is refused: shorter ones are not even counted."""
    refused, taken = (b"[%b]" % b",".join([b"1"] * count) for count in (500_001, 500_000))
    assert refusal(refused)[0] == 413
    assert len(json_codec.loads_request(taken)) == 500_000


@pytest.mark.parametrize("text", [b",", rb"\","])
def test_a_text_without_an_end_is_soon_refused(text: bytes) -> None:
    assert refusal(b'["' + text * 1_100_000) == (400, "The request body is not valid JSON.")


def nested(levels: int) -> Any:
    deep: list[Any] = []
    for _ in range(levels):
        deep = [deep]
    return deep


@pytest.mark.parametrize(
    "refuse",
    [
        pytest.param(lambda: json_codec.loads(b"[" * 100_000), id="to read"),
        pytest.param(
            lambda: json_codec.loads(b"[" * 2_000 + b"]" * 2_000), id="to read to its end"
        ),
        pytest.param(lambda: json_codec.dumps(nested(1000)), id="to write"),
    ],
)
def test_what_is_nested_too_deeply(refuse: Callable[[], Any]) -> None:
    with pytest.raises(ApiError) as caught:
        refuse()
    assert (caught.value.status, caught.value.message) == (400, "The request is nested too deeply.")


# --- Memory -----------------------------------------------------------------------------------


NOISE_BYTES = 524_288
"""Linux counts the pages of a process in batches, one for each of its threads and processors; and a
child maps those of the interpreter anew, with Debian 12's Python 0.4 MB more than with others,
however large the request is (2026-11-29)."""


@pytest.mark.skipif(sys.platform != "linux", reason="how memory is measured differs")
def test_memory_of_a_request_is_known_before() -> None:
    command = [sys.executable, "-m", "tests.memory_peaks"]
    peaks = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    assert peaks.keys() == BODIES.keys()
    sizes = {kind: json_codec.memory_size(BODIES[kind]) for kind in BODIES}
    over = {kind: peak - sizes[kind] for kind, peak in peaks.items()}
    assert {kind: size for kind, size in over.items() if size > NOISE_BYTES} == {}
    # Half an emoji costs no copy of the body: orjson's own error has the only one, for a moment.
    assert peaks["half an emoji"] < 1.2 * peaks["ascii"]


def test_memory_of_a_text_full_of_marks_can_be_told_closer() -> None:
    raw = b'{"text":"%b"}' % (b"a,b;" * 100_000)
    assert json_codec.memory_size(raw) > 30_000_000
    size = json_codec.memory_size(raw, is_exact=True)
    assert size == json_codec.NARROW_COPIES * len(raw) + json_codec.VALUE_BYTES


def test_memory_is_not_needed_for_what_is_not_decoded() -> None:
    raw = b"[%b]" % (b"[]," * 2_000_000)
    size = json_codec.NARROW_COPIES * len(raw) + json_codec.VALUE_BYTES * json_codec.MAX_VALUES
    assert json_codec.memory_size(raw) == size


def test_chunk_keeps_halves_for_the_next_one() -> None:
    """A lone half is no text that could be encoded, but half of a character."""
    assert json_codec.loads_chunk(b'{"text": "a"}') == {"text": "a"}
    assert json_codec.loads_chunk(rb'{"text": "\ud83d"}') == {"text": "\ud83d"}
    for raw in (rb'{"text": "\ud83d"', rb"\ud83d", rb"\\\ud83d"):
        with pytest.raises(ApiError, match="not valid JSON"):
            json_codec.loads_chunk(raw)


@pytest.mark.parametrize("depth", [1_000, 2_000])
def test_chunk_nested_too_deeply(depth: int) -> None:
    raw = b"[" * depth + rb'"\ud83d"' + b"]" * depth
    reads_all = depth < 1_024 and sys.version_info >= (3, 12)  # as deep as orjson
    with nullcontext() if reads_all else pytest.raises(ApiError, match="nested too deeply"):
        json_codec.loads_chunk(raw)


def test_chunk_too_deep_for_this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """As 3.11 finds it from 990 levels on; 3.12 reads as deep as orjson."""

    def loads(raw: bytes) -> Any:
        raise RecursionError

    monkeypatch.setattr(json, "loads", loads)
    with pytest.raises(ApiError, match="nested too deeply"):
        json_codec.loads_chunk(rb'"\ud83d"')


@pytest.mark.parametrize("read", [json_codec.loads, json_codec.loads_chunk])
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1e999, -1E+400, 1.5e308]", ["1e999", "-1E+400", 1.5e308]),
        ("1" * 4_400, "1" * 4_400),
        ("[NaN, Infinity, -Infinity]", ["NaN", "Infinity", "-Infinity"]),
        (r'{"a": "\"NaN 1e999", "NaN": 1e999}', {"a": '"NaN 1e999', "NaN": "1e999"}),
        ("[0.5, 1, -1e999, 1e-999]", [0.5, 1, "-1e999", 0.0]),
    ],
)
def test_numbers_that_are_too_large_become_strings(read: Any, text: str, value: Any) -> None:
    """They may stand in a history: an error would come again with each request."""
    assert read(text.encode()) == value


@pytest.mark.parametrize(
    "text", [b"[NaNa]", b"[1e999x]", b"[01e999]", b"[nan]", b"[-]", b"[+1e999]"]
)
def test_what_only_looks_like_a_number_is_no_json(text: bytes) -> None:
    assert refusal(text) == (400, "The request body is not valid JSON.")


def test_numbers_and_halves_in_one_text() -> None:
    assert json_codec.loads(rb'["\ud83d", NaN]') == ["?", "NaN"]
    assert json_codec.loads_chunk(rb'["\ud83d", NaN]') == ["\ud83d", "NaN"]

"""translate/response/chunks.py: fields of the right types get through, all others do not."""

from typing import Any

import pytest

from translate.response.chunks import MAX_DEPTH, InvalidChunk, is_deeper, read_chunk


def candidate(**fields: Any) -> Any:
    return {"candidates": [fields]}


def part(**fields: Any) -> Any:
    return candidate(content={"role": "model", "parts": [fields]})


def nested(depth: int, leaf: Any = 0) -> Any:
    for i in range(depth):
        leaf = [leaf] if i % 2 else {"a": leaf}
    return leaf


WHOLE = {
    **candidate(
        content={
            "role": "model",
            "parts": [
                {"text": "a", "thought": True, "thoughtSignature": "AAAA"},
                {"functionCall": "whatever comes"},
                {"executableCode": {"language": "PYTHON", "code": "1"}},
                {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
                {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
                {"toolCall": {"id": "s1"}},
                {"toolResponse": {"id": "s1", "response": nested(MAX_DEPTH - 3)}},
                {"videoMetadata": 7},
            ],
        },
        finishReason="STOP",
        safetyRatings=[{"category": "HARM_A", "blocked": True, "probability": 3}],
        continuationToken="T1",
        groundingMetadata={
            "webSearchQueries": ["q"],
            "groundingChunks": [{"web": {"uri": "https://x.test", "title": "x"}}, {"maps": 1}],
            "groundingSupports": [{"segment": {"text": "a"}, "groundingChunkIndices": [0]}],
        },
        urlContextMetadata={
            "urlMetadata": [{"retrievedUrl": "https://x.test", "urlRetrievalStatus": "S"}]
        },
        index="0",
    ),
    "promptFeedback": {"blockReason": "OTHER"},
    "usageMetadata": {"promptTokenCount": 9, "serviceTier": "standard"},
    "modelVersion": ["unknown fields may be anything"],
}


def test_chunk_of_the_right_types_is_not_copied() -> None:
    assert read_chunk(WHOLE) is WHOLE
    assert read_chunk({}) == {}


KINDS: dict[type, Any] = {
    str: "text",
    bool: True,
    int: 7,
    float: 1.5,
    list: [],
    dict: {},
}
STRING, BOOLEAN, INTEGER, LIST, OBJECT = (str,), (bool,), (int,), (list,), (dict,)

FIELDS: dict[str, tuple[Any, tuple[type, ...]]] = {
    "chunk": (lambda value: value, OBJECT),
    "candidates": (lambda value: {"candidates": value}, LIST),
    "candidate": (lambda value: {"candidates": [value]}, OBJECT),
    "content": (lambda value: candidate(content=value), OBJECT),
    "parts": (lambda value: candidate(content={"parts": value}), LIST),
    "part": (lambda value: candidate(content={"parts": [value]}), OBJECT),
    "text": (lambda value: part(text=value), STRING),
    "thought": (lambda value: part(thought=value), BOOLEAN),
    "thoughtSignature": (lambda value: part(thoughtSignature=value), STRING),
    "executableCode": (lambda value: part(executableCode=value), OBJECT),
    "language": (lambda value: part(executableCode={"language": value}), STRING),
    "code": (lambda value: part(executableCode={"code": value}), STRING),
    "outcome": (lambda value: part(codeExecutionResult={"outcome": value}), STRING),
    "output": (lambda value: part(codeExecutionResult={"output": value}), STRING),
    "mimeType": (lambda value: part(inlineData={"mimeType": value}), STRING),
    "toolCall": (lambda value: part(toolCall=value), OBJECT),
    "toolResponse": (lambda value: part(toolResponse=value), OBJECT),
    "finishReason": (lambda value: candidate(finishReason=value), STRING),
    "safetyRatings": (lambda value: candidate(safetyRatings=value), LIST),
    "category": (lambda value: candidate(safetyRatings=[{"category": value}]), STRING),
    "blocked": (lambda value: candidate(safetyRatings=[{"blocked": value}]), BOOLEAN),
    "continuationToken": (lambda value: candidate(continuationToken=value), STRING),
    "groundingMetadata": (lambda value: candidate(groundingMetadata=value), OBJECT),
    "query": (lambda value: candidate(groundingMetadata={"webSearchQueries": [value]}), STRING),
    "web": (lambda value: candidate(groundingMetadata={"groundingChunks": [{"web": value}]}),
        OBJECT),
    "index": (lambda value: candidate(
        groundingMetadata={"groundingSupports": [{"groundingChunkIndices": [value]}]}), INTEGER),
    "urlMetadata": (lambda value: candidate(urlContextMetadata={"urlMetadata": value}), LIST),
    "promptFeedback": (lambda value: {"promptFeedback": value}, OBJECT),
    "blockReason": (lambda value: {"promptFeedback": {"blockReason": value}}, STRING),
    "usageMetadata": (lambda value: {"usageMetadata": value}, OBJECT),
    "totalTokenCount": (lambda value: {"usageMetadata": {"totalTokenCount": value}}, INTEGER),
}  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_field_has_one_type(field: str) -> None:
    wrap, kinds = FIELDS[field]
    for kind, value in KINDS.items():
        if kind in kinds:
            assert read_chunk(wrap(value)) == wrap(value)
        else:
            with pytest.raises(InvalidChunk):
                read_chunk(wrap(value))


def test_null_is_an_absent_field() -> None:
    parts = [{"text": None, "functionCall": None, "thoughtSignature": "AAAA", "new": None}]
    given = {**candidate(content={"parts": parts}, finishReason=None), "usageMetadata": None}
    kept = [{"thoughtSignature": "AAAA", "new": None}]
    assert read_chunk(given) == candidate(content={"parts": kept})
    assert given["usageMetadata"] is None
    counts = {"promptTokenCount": 7, "candidatesTokenCount": None}
    assert read_chunk({"usageMetadata": counts}) == {"usageMetadata": {"promptTokenCount": 7}}


def test_whole_floats_are_integers() -> None:
    read: Any = read_chunk({"usageMetadata": {"totalTokenCount": 7.0}})
    assert repr(read) == "{'usageMetadata': {'totalTokenCount': 7}}"


def test_halves_of_characters_stay_in_texts_only() -> None:
    half = "\ud83d"
    assert read_chunk(part(text=half)) == part(text=half)
    assert read_chunk(candidate(finishReason=half)) == candidate(finishReason="\ufffd")
    trace = {"args": {half: ["é", half]}}
    assert read_chunk(part(toolCall=trace)) == part(toolCall={"args": {"\ufffd": ["é", "\ufffd"]}})


def test_traces_have_an_end() -> None:
    """They come back within every later request."""
    for depth, is_valid in ((MAX_DEPTH - 1, True), (MAX_DEPTH, False), (100_000, False)):
        given = part(toolCall={"args": nested(depth)})
        if is_valid:
            assert read_chunk(given) is given
        else:
            with pytest.raises(InvalidChunk):
                read_chunk(given)


@pytest.mark.parametrize(
    ("value", "levels"), [(7, 0), ({}, 1), ([], 1), ([{}, [[]]], 3), ({"a": {"b": [1]}}, 3)]
)
def test_depth_is_counted_in_levels(value: Any, levels: int) -> None:
    assert is_deeper(value, levels) is False
    assert levels == 0 or is_deeper(value, levels - 1) is True

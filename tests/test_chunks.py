"""translate/response/chunks.py: fields of the right types get through, all others do not."""

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

import pytest

from tests import golden
from tests.mutations import changed, places
from translate import ApiError, Cause, StreamTranslator, Translation, collect, sse
from translate.response.chunks import MAX_COUNT, MAX_DEPTH, InvalidChunk, is_deeper, read_chunk
from translate.response.stream import BROKEN


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


TEXT = {
    **candidate(content={"role": "model", "parts": [{"text": "a"}]}, index=0),
    "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 10},
    "responseId": "r",
}
OTHERS = [*KINDS.values(), None, 7.0, {"text": "b"}, {"text": None}, [{"text": "b"}]]


def test_texts_are_read_as_all_other_chunks() -> None:
    """The quick look at them finds what the checks of all fields find."""
    for place in places(TEXT):
        for other in OTHERS:
            chunk = changed(TEXT, place, other)
            assert read(chunk) == read(with_other_fields(chunk))
    for place in ((), ("candidates", 0), ("candidates", 0, "content", "parts", 0)):
        for field in ("finishReason", "thought", "thoughtSignature", "promptFeedback"):
            for other in OTHERS:
                chunk = changed(TEXT, (*place, field), other)
                assert read(chunk) == read(with_other_fields(chunk))


def read(chunk: Any) -> Any:
    """Without what `with_other_fields` adds; "invalid" for what is."""
    try:
        checked: Any = read_chunk(chunk)
    except InvalidChunk:
        return "invalid"
    return {**checked, "promptFeedback": checked.get("promptFeedback", {})}


def with_other_fields(chunk: Any) -> Any:
    """The same chunk, which no longer looks like a text."""
    return {"promptFeedback": {}, **chunk} if isinstance(chunk, dict) else chunk


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


@pytest.mark.parametrize(
    ("given", "count"),
    [(-5, 0), (-5.0, 0), (0, 0), (MAX_COUNT, MAX_COUNT), (10**30, MAX_COUNT), (1e300, MAX_COUNT)],
)
def test_counts_are_within_what_google_documents(given: Any, count: int) -> None:
    """A refund is none, and no sum of them is too large for a store."""
    read: Any = read_chunk({"usageMetadata": {"promptTokenCount": given}})
    assert read == {"usageMetadata": {"promptTokenCount": count}}


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


# --- Chunks of real exchanges, with a field of a wrong type -------------------------------------

MUTATIONS = 20_000
SEED = 20261128
WRONG = [
    *(None, True, False, 0, -1, 1.5, 10**30, "", "x", "\ud83d", [], {}, [None], [[]], [{}], ["x"]),
    *({"a": None}, {"text": 7}, {"functionCall": []}, nested(300), "[" * 300),
]
IN_PIECES = [
    part(functionCall={"name": "Bash", "id": "f1", "willContinue": True}, thoughtSignature="AAAA"),
    part(functionCall={"partialArgs": [{"jsonPath": "$.a[0].b", "stringValue": "x",
        "willContinue": True}], "willContinue": True}),
    part(text="between"),
    part(functionCall={"partialArgs": [{"jsonPath": "$.a[0].b", "stringValue": "y"},
        {"jsonPath": "$.n", "numberValue": 7}, {"jsonPath": "$.d", "boolValue": True}]}),
    candidate(finishReason="STOP"),
]  # fmt: skip


class Exchange(NamedTuple):
    """chunks: of an answer. places: of every value in them, the chunk's index first."""

    translation: Translation
    chunks: list[Any]
    places: list[tuple[Any, ...]]


def exchanges() -> Iterator[Exchange]:
    for folder in golden.folders():
        _, translation = golden.translated(folder)
        chunks = list(golden.chunks([golden.stream(folder)]))
        yield Exchange(translation, chunks, list(places(chunks))[1:])
    yield Exchange(translation, IN_PIECES, list(places(IN_PIECES))[1:])


def test_mutated_chunks_are_broken_or_a_message() -> None:
    """Never an error of ours, whatever comes: only what can be sent, and be acted upon."""
    random = Random(SEED)
    cases, outcomes = list(exchanges()), Counter[str]()
    for _ in range(MUTATIONS):
        case = random.choice(cases)
        place, wrong = random.choice(case.places), random.choice(WRONG)
        outcomes[outcome(case, changed(case.chunks, place, wrong))] += 1
    assert set(outcomes) == {"broken", "malformed", "message"}
    assert min(outcomes.values()) > 100


def outcome(case: Exchange, chunks: list[Any]) -> str:
    translator = StreamTranslator(case.translation, message_id=golden.MESSAGE_ID, model="m")
    try:
        events = [event for chunk in chunks for event in translator.feed(chunk)]
        shortfall = translator.shortfall
        events += translator.finish()
    except ApiError as error:
        if error.cause in (Cause.MALFORMED, Cause.NO_JSON):
            return "malformed"
        return "broken" if (error.status, error.message) == (529, BROKEN) else str(error)
    assert sse(events)
    message = collect(events)
    for block in message["content"]:
        if block["type"] == "tool_use":
            assert block["name"]
            assert isinstance(block["input"], dict)
    assert all(type(count) is int for count in message["usage"].values() if type(count) is not dict)
    return "malformed" if shortfall is Cause.MALFORMED else "message"

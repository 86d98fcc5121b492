"""translate/response/json_answer.py: one JSON document, whatever stands around it."""

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translate.response.chunks import MAX_DEPTH
from translate.response.json_answer import MAX_SCALAR, MAX_UNCERTAIN, JsonAnswer

OBJECT = {"type": "object"}
DOCUMENT = '{"a": [1, "x\\n\\u00e9 {}", {"b": null}], "c": -1.5e+3, "d": {}, "e": []}'


def read(text: str, schema: Any = OBJECT, size: int = 0, is_cut: bool = False) -> str:
    """What is shown of a text that comes in pieces of that size, or at once."""
    answer = JsonAnswer(schema)
    size = size or max(1, len(text))
    shown = [answer.add(text[at : at + size]) for at in range(0, len(text), size)]
    return "".join([*shown, answer.flush(is_cut=is_cut)])


def in_all_sizes(text: str, schema: Any = OBJECT, **more: Any) -> str:
    """The same in whatever pieces it comes."""
    (shown,) = {read(text, schema, size, **more) for size in (0, 1, 2, 3, 7)}
    return shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"a": [1, 2,], "b": {"c": null,},}', '{"a": [1, 2], "b": {"c": null}}'),
        ('{"a": [\n  1,\n ]\n,\n}', '{"a": [\n  1\n ]\n\n}'),
        ('{"a": [[],{},"x",]}', '{"a": [[],{},"x"]}'),
    ],
)
def test_a_comma_before_the_end_is_left_out(text: str, shown: str) -> None:
    assert in_all_sizes(text) == shown
    json.loads(shown)


@pytest.mark.parametrize("text", ['{"a": 1,, "b": 2}', '{"a": [,]}', "{,}", '{"a":,}'])
def test_commas_without_a_member_are_no_json(text: str) -> None:
    answer = JsonAnswer(OBJECT)
    answer.add(text)
    assert not answer.is_whole


AROUND = {
    "nothing": DOCUMENT,
    "blanks and a byte order mark": f"\ufeff\n {DOCUMENT}\n\n",
    "a fence": f"```json\n{DOCUMENT}\n```",
    "a fence and sentences": f"Here it is:\n\n```\n{DOCUMENT}\n```\nI hope it [helps] {{you}}.",
    "a sentence with braces": f'For {{name}}, as in [1], {{"x"}}: {DOCUMENT} Done.',
    "another document behind it": f'{DOCUMENT}\n{{"a": 2}}',
    "a list around it": f"[{DOCUMENT}]",
    "an unfinished one before it": f'{{"a" {DOCUMENT}',
    "a brace before it": f"{{{DOCUMENT}}}",
    "what is too deep": f'{{"a"{"[" * 9}{DOCUMENT}',
}


@pytest.mark.parametrize("text", AROUND.values(), ids=AROUND)
def test_document_is_all_that_is_shown(text: str) -> None:
    assert in_all_sizes(text) == DOCUMENT


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        ({"type": "array"}, "See {this}: [1, 2].", "[1, 2]"),
        ({"properties": {"a": {}}}, '[1] {"a": 1}', '{"a": 1}'),
        ({"anyOf": []}, "So: [1]", "[1]"),
        ({"anyOf": [OBJECT, {"type": "null"}]}, 'As in [1]: {"a": 1}', '{"a": 1}'),
        ({"oneOf": [OBJECT, {"type": "null"}]}, 'true to it: {"a": 1}', '{"a": 1}'),
        ({"anyOf": [OBJECT, {"anyOf": [{"type": "null"}]}]}, "null", "null"),
        ({"anyOf": [OBJECT, {}]}, "[1]", "[1]"),
        ({"type": "integer"}, '"a": 1', ""),
        ({"type": 7}, "So: {}", "{}"),
        ({"type": "OBJECT"}, "So: {}", "{}"),
        ({"type": ["string", {}]}, "So: {}", "{}"),
        ({"type": ["object", "null"]}, "null", "null"),
        ({"type": ["object", "null"]}, "It is null, or {}", "{}"),
        ({"type": "string"}, '"a"', '"a"'),
        ({"type": "string"}, '\ufeff```json\n"a"\n```', '"a"'),
        ({"type": "string"}, 'It is "a"', '"a"'),
        ({"type": "integer"}, "It is: 12.0", "12"),
        ({"type": "string"}, f'{"x" * 5_000} "a"', ""),
        ({"type": "string"}, "no", ""),
        ({"type": "number"}, "-12.50", "-12.50"),
        ({"type": "number"}, "12 apples", "12"),
        ({"type": "number"}, "1.2.3", ""),
        ({"type": "number"}, "01", ""),
        ({"type": "number"}, f"```{'x' * 16}\n\n1", "1"),
        ({"type": "number"}, f"```{'x' * 17}\n1", ""),
        ({"type": "boolean"}, " true\n", "true"),
        ({"type": "boolean"}, "truest", ""),
        ({"type": "boolean"}, "```", ""),
    ],
)
def test_document_begins_as_its_schema_says(schema: Any, text: str, expected: str) -> None:
    """A scalar counts at the very beginning, or at the end of a sentence."""
    assert in_all_sizes(text, schema) == expected


@pytest.mark.parametrize("character", ["\n", "\t", "\x00"])
def test_control_characters_are_escaped(character: str) -> None:
    shown = in_all_sizes(f'{{"a": "x{character}y"}}')
    assert json.loads(shown) == {"a": f"x{character}y"}


def test_pythons_words_become_those_of_json() -> None:
    """A model that is only told the form writes a dict now and then."""
    text = '{"a": [True, False,None], "b": None , "True": "None"}'
    expected = '{"a": [true, false,null], "b": null , "True": "None"}'
    assert in_all_sizes(text) == expected
    assert in_all_sizes("[Truest, True]", {"type": "array"}) == ""
    assert in_all_sizes("True", {"type": "boolean"}) == ""


COUNTED: Any = {
    "type": "object",
    "properties": {
        "n": {"type": "integer"},
        "é\n": {"type": ["integer", "null"]},
        "x": {"type": "number"},
        "list": {"type": "array", "items": {"properties": {"n": {"type": "integer"}}}},
        "pair": {"type": "array", "prefixItems": [{"type": "number"}, {"type": "integer"}]},
        "any": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    },
}


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        (COUNTED, '{"n": 1.0, "x": 1.0}', '{"n": 1, "x": 1.0}'),
        (COUNTED, '{"n": 1e3,"x": 2E0,"any":-3.00}', '{"n": 1000,"x": 2E0,"any":-3}'),
        (COUNTED, '{"n": 1.5, "any": "1.0", "m": 1.0}', '{"n": 1.5, "any": "1.0", "m": 1.0}'),
        (COUNTED, '{"n": 1e400, "any": 1e300}', '{"n": 1e400, "any": 1e300}'),
        (COUNTED, '{"list": [{"n": 2.0}, {"x": 1.0, "n": 3.0},]}',
            '{"list": [{"n": 2}, {"x": 1.0, "n": 3}]}'),
        (COUNTED, '{"pair": [1.0, 2.0, 3.0], "n": 4.0}', '{"pair": [1.0, 2, 3.0], "n": 4}'),
        (COUNTED, '{"\\u00e9\n": 1.0, "é\\n": True}', '{"\\u00e9\\u000a": 1, "é\\n": true}'),
        (COUNTED, '{"list" {"n": 1.0}', '{"n": 1}'),
        ({"type": "array", "items": {"type": "integer"}}, "So: [1.0, [2.0], -0.0]",
            "[1, [2.0], 0]"),
        ({"type": "integer"}, "12.0", "12"),
        ({"type": "integer"}, "1e2 apples", "100"),
        ({"type": "number"}, "12.0", "12.0"),
    ],
)  # fmt: skip
def test_integers_come_as_integers(schema: Any, text: str, expected: str) -> None:
    assert in_all_sizes(text, schema) == expected


def test_number_that_was_cut_is_shown_as_it_came() -> None:
    assert in_all_sizes('{"n": 1.0', COUNTED, is_cut=True) == '{"n": 1.0'


@pytest.mark.parametrize(
    "around", ["@", "So:\n```json\n@\n```", "$\\frac{\\nu}{\\u12}$: @", "@ @", '{"a" @']
)
@pytest.mark.parametrize("document", [DOCUMENT, json.dumps(json.loads(DOCUMENT), indent=1)])
def test_document_within_a_string_is_taken_out(around: str, document: str) -> None:
    assert in_all_sizes(around.replace("@", json.dumps(document))) == document
    assert in_all_sizes(json.dumps('["a"]'), {"type": "array"}) == '["a"]'
    assert in_all_sizes(json.dumps(document)[:-9], is_cut=True)


def test_document_within_a_string_is_shown_as_it_comes() -> None:
    answer = JsonAnswer(OBJECT)
    shown = [answer.add(piece) for piece in ('"{\\', '"a\\"', ": ", '\\"b', "\\", '"}"', '"')]
    assert shown == ["", "", '{"a": ', '"b', "", '"}', ""]
    assert answer.is_whole


def test_scalar_behind_a_sentence_is_shown_at_the_end() -> None:
    answer = JsonAnswer({"type": "string"})
    assert (answer.add('It is "a'), answer.is_whole, answer.add('".'), answer.is_whole) == (
        *("", False),
        *("", True),
    )
    assert (answer.flush(is_cut=True), answer.flush(is_cut=False)) == ("", '"a"')


NEEDS_A: Any = {"type": "object", "properties": {"a": {}}, "required": ["a"]}
LIST_OF_OBJECTS: Any = {"type": "array", "items": {"type": "object"}}


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        (NEEDS_A, 'Not {}, but {"a": 1}', '{"a": 1}'),
        (NEEDS_A, '{"b": {"c": 1}, "\\u0061": 1}', '{"b": {"c": 1}, "\\u0061": 1}'),
        (NEEDS_A, "So: {}", ""),
        (LIST_OF_OBJECTS, 'As in [1] and [ "2"]: [ {"a": 1}]', '[ {"a": 1}]'),
        (LIST_OF_OBJECTS, "None: []", "[]"),
        (LIST_OF_OBJECTS, "[[1]]", ""),
        ({"type": "array", "items": {"type": "boolean"}}, "[1] [ True]", "[ true]"),
    ],
)
def test_wrong_document_is_none_if_nothing_of_it_was_shown(
    schema: Any, text: str, expected: str
) -> None:
    assert in_all_sizes(text, schema) == expected


@pytest.mark.parametrize("text", ['{"b": 1}', '{"b": {"a": 1}}', '{"b": 1} {"a": 1}'])
def test_document_without_a_required_member_is_not_whole(text: str) -> None:
    answer = JsonAnswer(NEEDS_A)
    shown = "".join(map(answer.add, text))
    assert text.startswith(shown)
    assert (answer.is_whole, answer.flush(is_cut=False)) == (False, "")


@pytest.mark.parametrize(("schema", "text"), [(NEEDS_A, '{"b": 1}'), (LIST_OF_OBJECTS, "[1]")])
def test_document_is_taken_where_gemini_has_the_schema(schema: Any, text: str) -> None:
    answer = JsonAnswer(schema, is_enforced=True)
    assert (answer.add(text), answer.is_whole) == (text, True)


NOT_JSON = [
    "",
    "I cannot do that.",
    "{",
    "[",
    "{]",
    "{'a': 1}",
    "{a: 1}",
    "{1: 2}",
    '{"a" 1}',
    r'{"\x": 1}',
    r'{"\u12x4": 1}',
    "[1 2]",
    "[nil]",
    "[NaN]",
    "[-]",
    f"[{'1' * (MAX_SCALAR + 1)}",
    "[" * (MAX_DEPTH + 1),
]


@pytest.mark.parametrize("text", NOT_JSON)
def test_what_is_no_document_is_not_shown(text: str) -> None:
    answer = JsonAnswer({"type": ["object", "array"]})
    assert (answer.add(text), answer.flush(is_cut=False), answer.is_whole) == ("", "", False)
    assert answer.has_text is bool(text)
    assert in_all_sizes(text, {"type": ["object", "array"]}) == ""


@pytest.mark.parametrize(
    "text",
    ['{"a": 1,,}', '{"a": 1 "b": 2}', '{"a": 1, b: 2}', '{"a": "\\d"}', '{"a": x}', "[1,,]"],
)
def test_document_that_breaks_ends_what_is_shown(text: str) -> None:
    """It is not whole, and no other follows what was shown of it."""
    answer = JsonAnswer({"type": ["object", "array"]})
    shown = [answer.add(character) for character in [*text, *' {"a": 2}']]
    assert text.startswith("".join(shown))
    assert shown[0] == ""
    assert answer.is_whole is False
    assert answer.flush(is_cut=False) == ""


@pytest.mark.parametrize("size", range(1, len(DOCUMENT)))
def test_document_that_was_cut_is_shown_as_far_as_it_came(size: int) -> None:
    assert in_all_sizes(DOCUMENT[:size], is_cut=True) == DOCUMENT[:size]
    answer = JsonAnswer(OBJECT)
    answer.add(DOCUMENT[:size])
    assert (answer.is_whole, answer.has_text) == (False, True)


def test_document_is_shown_as_soon_as_it_is_certain() -> None:
    answer = JsonAnswer(OBJECT)
    shown = [answer.add(piece) for piece in ("So: ", '{"a', '"', ": ", '"b', "c", '"', "}", "\n}")]
    assert shown == ["", "", "", '{"a": ', '"b', "c", '"', "}", ""]
    assert answer.is_whole


def test_document_is_certain_after_a_while() -> None:
    answer = JsonAnswer({"type": "array"})
    assert answer.add('["' + "x" * (MAX_UNCERTAIN - 2)) == ""
    assert len(answer.add("x")) == MAX_UNCERTAIN + 1


def test_blanks_are_no_text() -> None:
    answer = JsonAnswer(OBJECT)
    answer.add(" \n")
    assert answer.has_text is False


NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(VALUES, st.integers(1, 9), st.sampled_from([None, 1]), st.booleans(), st.booleans())
def test_every_document_passes_unchanged(
    value: Any, size: int, indent: int | None, ascii_only: bool, is_fenced: bool
) -> None:
    document = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    text = f"```json\n{document}\n```" if is_fenced else document
    assert read(text, {}, size) == document


@given(st.text(alphabet='{}[]":,\\ua1 \n', max_size=40), st.integers(1, 5))
def test_what_is_whole_is_json_and_nothing_else_is(text: str, size: int) -> None:
    answer = JsonAnswer(OBJECT)
    shown = "".join(answer.add(text[at : at + size]) for at in range(0, len(text), size))
    shown += answer.flush(is_cut=False)
    if answer.is_whole:
        assert isinstance(json.loads(shown), dict)
    else:
        assert not shown or not _is_json(shown)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


HOSTILE = [
    "{}",
    "[1",
    '{"a":1}',
    "[",
    "{",
    '{"',
    '{"a":',
    '["x" ',
    "[1 ",
    "```",
    '"',
    "\\",
    "1",
    '{"a"[',
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_work_is_linear(unit: str) -> None:
    """Steps, not seconds: how often a state's function is called."""
    few, many = (steps_of(unit * count) for count in (1_000, 4_000))
    assert many <= 4 * few + 20


def steps_of(text: str) -> int:
    calls = 0

    def count(frame: Any, event: str, _: Any) -> None:
        nonlocal calls
        calls += event == "call"

    answer = JsonAnswer({})
    sys.setprofile(count)
    try:
        answer.add(text)
    finally:
        sys.setprofile(None)
    return calls

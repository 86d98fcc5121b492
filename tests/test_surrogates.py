"""translate/response/surrogates.py: pairs become characters, halves become U+FFFD."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translate.response.surrogates import SurrogateJoiner, replace_halves

FIRST, SECOND = "\ud83d", "\ude00"
FACE = "\U0001f600"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("abc", "abc"),
        (f"é{FACE}", f"é{FACE}"),
        (f"a{FIRST}{SECOND}b", f"a{FACE}b"),
        (f"a{FIRST}b{SECOND}c", "a\ufffdb\ufffdc"),
        (f"{SECOND}{FIRST}", "\ufffd\ufffd"),
    ],
)
def test_halves_are_replaced(text: str, expected: str) -> None:
    assert replace_halves(text) == expected


@pytest.mark.parametrize(
    ("pieces", "expected", "rest"),
    [
        (["a", "é"], ["a", "é"], ""),
        ([f"a{FIRST}", f"{SECOND}b"], ["a", f"{FACE}b"], ""),
        ([FIRST, "", SECOND], ["", "", FACE], ""),
        ([FIRST, "a"], ["", "\ufffda"], ""),
        ([FIRST, FIRST, SECOND], ["", "\ufffd", FACE], ""),
        ([SECOND, "a", FIRST], ["\ufffd", "a", ""], "\ufffd"),
    ],
)
def test_halves_in_two_pieces_meet(pieces: list[str], expected: list[str], rest: str) -> None:
    joiner = SurrogateJoiner()
    assert [joiner.add(piece) for piece in pieces] == expected
    assert (joiner.flush(), joiner.flush()) == (rest, "")


@given(st.lists(st.text(f"aé{FIRST}{SECOND}{FACE}", max_size=4)))
def test_text_does_not_depend_on_the_pieces(pieces: list[str]) -> None:
    joiner = SurrogateJoiner()
    shown = "".join([joiner.add(piece) for piece in pieces]) + joiner.flush()
    assert shown == replace_halves("".join(pieces))
    assert isinstance(shown.encode(), bytes)

"""translate/response/output_limit.py: where the client's own limits end an answer."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translate.response.output_limit import OutputLimit


def fed(limit: OutputLimit, *pieces: str) -> list[str]:
    return [limit.apply(piece, 0) for piece in pieces]


def test_text_without_limits_is_not_kept_back() -> None:
    limit = OutputLimit()
    assert (fed(limit, "a", "b"), limit.flush(), limit.stop_reason) == (["a", "b"], "", None)


def test_stop_sequence_within_a_piece() -> None:
    limit = OutputLimit(["END", "STOP"])
    assert fed(limit, "one STOP two END", "three") == ["one ", ""]
    assert (limit.stop_reason, limit.stop_sequence, limit.flush()) == ("stop_sequence", "STOP", "")


def test_stop_sequence_over_several_pieces() -> None:
    limit = OutputLimit(["</block>"])
    assert fed(limit, "yes<", "/blo", "ck> more") == ["yes", "", ""]
    assert limit.stop_sequence == "</block>"


def test_stop_sequence_that_is_none_after_all() -> None:
    limit = OutputLimit(["</block>"])
    assert limit.has_pending is False
    assert fed(limit, "a </b", "r> <") == ["a ", "</br> "]
    assert limit.has_pending is True
    assert (limit.flush(), limit.flush(), limit.stop_reason) == ("<", "", None)
    assert limit.has_pending is False


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        pytest.param([("abcdef", 3)], ["abcd"], id="a share of the first piece"),
        pytest.param([("ab", 1), ("cd", 2), ("ef", 3)], ["ab", "cd", ""], id="at a boundary"),
        pytest.param([("ab", 3), ("cd", 4)], ["a", ""], id="nothing after the end"),
        pytest.param([("ab", 0), ("cdefgh", 6)], ["ab", "cd"], id="a count that comes late"),
    ],
)
def test_token_limit(pieces: list[tuple[str, int]], shown: list[str]) -> None:
    limit = OutputLimit(max_tokens=2)
    assert ([limit.apply(*piece) for piece in pieces], limit.stop_reason) == (shown, "max_tokens")


def test_stop_sequence_goes_before_the_token_limit() -> None:
    limit = OutputLimit(["c"], max_tokens=2)
    assert (limit.apply("abcd", 2), limit.stop_reason) == ("ab", "stop_sequence")


@given(st.text("abx", max_size=30), st.sets(st.integers(0, 30), max_size=6))
def test_stop_sequence_does_not_depend_on_the_pieces(text: str, cuts: set[int]) -> None:
    stops = ["abxab", "bx", "bb"]
    ends = [(text.find(stop) + len(stop), text.find(stop)) for stop in stops if stop in text]
    first = min(ends, default=(0, None))[1]
    edges = [0, *sorted(cut for cut in cuts if cut <= len(text)), len(text)]
    limit = OutputLimit(stops)
    shown = "".join(fed(limit, *(text[a:b] for a, b in itertools.pairwise(edges))))
    assert shown + limit.flush() == text[:first]


def test_stop_sequence_does_not_go_over_what_follows_a_text() -> None:
    limit = OutputLimit(["ab"])
    assert (limit.apply("xa", 0), limit.flush()) == ("x", "a")
    assert (limit.apply("b", 0), limit.stop_reason) == ("b", None)

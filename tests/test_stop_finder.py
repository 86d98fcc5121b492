"""translate/response/stop_finder.py: the first sequence, whatever the pieces; linear work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translate.response.stop_finder import Node, StopFinder

SEQUENCES = st.lists(st.text("ab[^", min_size=1, max_size=5), min_size=1, max_size=6)


def by_hand(sequences: Sequence[str], text: str) -> tuple[int, str] | None:
    """The end of the first sequence in a text; the longest of several that end there."""
    for end in range(1, len(text) + 1):
        ending = [each for each in sequences if text[:end].endswith(each)]
        if ending:
            return end, max(ending, key=len)
    return None


@given(SEQUENCES, st.lists(st.text("ab[^c", max_size=6), max_size=6))
def test_first_sequence_is_found_whatever_the_pieces(sequences: Any, pieces: list[str]) -> None:
    finder = StopFinder(sequences)
    before = ""
    for piece in pieces:
        found = finder.find(piece)
        expected = by_hand(sequences, before + piece)
        if expected is not None:
            assert found == (expected[0] - len(before), expected[1])
            return
        assert found is None
        before += piece
        starts = [
            size for each in sequences for size in range(len(each)) if before.endswith(each[:size])
        ]
        assert finder.possible == max(starts)


def test_text_begins_anew_after_a_reset() -> None:
    finder = StopFinder(["abc"])
    assert (finder.find("xab"), finder.possible) == (None, 2)
    finder.reset()
    assert (finder.find("c"), finder.possible) == (None, 0)


class CountingFinder(StopFinder):
    """Counts the looks at a beginning's children: all its work is done in proportion to them."""

    steps = nodes = 0

    def _child(self, node: Node, character: str) -> Node | None:
        self.steps += 1
        self.nodes += character not in node.children
        return super()._child(node, character)


def steps(sequences: Sequence[str], pieces: Sequence[str]) -> int:
    finder = CountingFinder(sequences)
    for piece in pieces:
        assert finder.find(piece) is None
    return finder.steps


HARD = {
    "sequences that begin alike": lambda n: [f"{'a' * n}{chr(i)}" for i in range(200, 1_200)],
    "sequences that end alike": lambda n: [f"{'a' * i}b" for i in range(1, n + 1)],
    "sequences within each other": lambda n: [f"{'a' * i}{chr(200 + i)}" for i in range(n + 1)],
}


@pytest.mark.parametrize("make", HARD.values(), ids=HARD)
def test_work_grows_with_the_text_only(make: Any) -> None:
    """Whatever the number of sequences, and their length: counted, not timed."""
    counted = {
        (size, length): steps(make(size), ["a" * length, "ac" * length])
        for size in (64, 128, 256)
        for length in (2_000, 4_000)
    }
    created = 256 * 256  # of every beginning, each on its own way to the root
    for (_, length), count in counted.items():
        assert count <= 2 * 3 * length + created
    for size in (64, 128, 256):
        assert counted[size, 4_000] - counted[size, 2_000] <= 2 * 3 * 2_000


def test_texts_without_a_beginning_cost_nothing() -> None:
    assert steps([f"stop {i}" for i in range(1_000)], ["a long text " * 1_000] * 10) == 0

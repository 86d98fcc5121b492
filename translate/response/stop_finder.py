"""Aho and Corasick's automaton: finds many stop sequences in a text that grows, looking at each
character once.

Its nodes are the beginnings of sequences. They are made when the text first comes to them: most
texts come to few, however many sequences there are.
Source: Aho and Corasick, "Efficient string matching", CACM 18 (1975).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence


class Node:
    """A beginning of sequences: those of the sorted ones from `first` to before `last`.

    depth: its length. children: character -> the beginning that is one longer; None: there is none.
    fallback: the longest other beginning that ends in the same way; None until it is known. found:
    the longest sequence that ends here.
    """

    __slots__ = ("children", "depth", "fallback", "first", "found", "last")

    def __init__(self, first: int, last: int, depth: int) -> None:
        self.first, self.last, self.depth = first, last, depth
        self.children: dict[str, Node | None] = {}
        self.fallback: Node | None = None
        self.found: str | None = None


class StopFinder:
    """Where the first of some sequences ends in a text. sequences: none of them empty."""

    def __init__(self, sequences: Sequence[str]) -> None:
        self._sequences = sorted(sequences)
        self._root = self._node = Node(0, len(sequences), 0)
        starts = {sequence[0] for sequence in sequences}
        self._start = re.compile(f"[{re.escape(''.join(sorted(starts)))}]")

    @property
    def possible(self) -> int:
        """How many characters at the end of the text may be the beginning of a sequence."""
        return self._node.depth

    def reset(self) -> None:
        """Another text begins."""
        self._node = self._root

    def find(self, piece: str) -> tuple[int, str] | None:
        """The first sequence that ends in the next piece of the text, and how many characters of
        the piece its end is behind; the longest, where several end at once."""
        at = 0
        while at < len(piece):
            if self._node is self._root:
                start = self._start.search(piece, at)
                if start is None:
                    return None
                at = start.start()
            self._node = self._next(self._node, piece[at])
            at += 1
            if self._node.found is not None:
                return at, self._node.found
        return None

    def _next(self, node: Node, character: str) -> Node:
        """The longest beginning that the text ends with. Those that are met for the first time get
        their fallbacks: each the next one on the way to the root."""
        new: list[Node] = []
        longest = None
        while True:
            child = self._child(node, character)
            if child is not None:
                longest = longest or child
                if new:
                    new[-1].fallback = child
                if child.fallback is not None:
                    break
                new.append(child)
            if node.fallback is None:
                if new:
                    new[-1].fallback = self._root
                break
            node = node.fallback
        for each in reversed(new):
            sequence = self._sequences[each.first]
            assert each.fallback is not None
            each.found = sequence if len(sequence) == each.depth else each.fallback.found
        return longest or self._root

    def _child(self, node: Node, character: str) -> Node | None:
        if character in node.children:
            return node.children[character]
        bounds = node.first, node.last
        depth = node.depth

        def following(sequence: str) -> str:
            return sequence[depth : depth + 1]

        first = bisect_left(self._sequences, character, *bounds, key=following)
        last = bisect_right(self._sequences, character, *bounds, key=following)
        child = Node(first, last, depth + 1) if first < last else None
        node.children[character] = child
        return child

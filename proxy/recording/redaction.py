"""Known keys and tokens, taken out of what is to be read by others.

Each is replaced wherever it stands as such, in JSON or in a URL. What a model has written in pieces
cannot be replaced without another answer: it is found.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from translate import ApiError

from .. import json_codec

WORD = b"[key]"
"""In place of each, as in error texts (gemini.py)."""

MIN_LENGTH = 12
"""Of characters. Google's keys have 39 or more; what is shorter is a word that stands in for one,
such as "anything", and may stand anywhere in a conversation."""

EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
LINE_END = re.compile(rb"\r\n|\n|\r")
DATA = b"data:"


class Secrets:
    """The keys and tokens of one exchange. values: those that are too short are none."""

    def __init__(self, values: Iterable[str]) -> None:
        forms = {form for value in values if len(value) >= MIN_LENGTH for form in _forms(value)}
        # The longest first: one may be the beginning of another.
        self._forms = sorted(forms, key=lambda form: (-len(form), form))

    def redact(self, data: bytes) -> bytes:
        """The same without any of them."""
        for form in self._forms:
            data = data.replace(form.encode(), WORD)
        return data

    def are_in_pieces_of(self, stream: bytes) -> bool:
        """Whether one is there once the strings of a stream's events are put together, field by
        field, or read; stream: server-sent events, or one JSON document."""
        strings: dict[str, list[str]] = defaultdict(list)
        for document in _documents(stream):
            for name, string in _strings(document):
                strings[name].append(string)
        texts = ["".join(pieces) for pieces in strings.values()]
        return any(form in text for form in self._forms for text in texts)


def _forms(value: str) -> Iterator[str]:
    """As it is; in JSON, and in JSON that stands in JSON, as a tool's input does; in a URL."""
    in_json = json_codec.dumps(value).decode()[1:-1]
    yield from (value, in_json, json_codec.dumps(in_json).decode()[1:-1], quote(value, safe=""))


def _documents(stream: bytes) -> Iterator[Any]:
    texts = [stream]
    for event in EVENT_END.split(stream):
        lines = [line for line in LINE_END.split(event) if line.startswith(DATA)]
        texts.append(b"".join(line.removeprefix(DATA) for line in lines))
    for text in texts:
        try:
            yield json_codec.loads(text)
        except ApiError:
            continue


def _strings(document: Any) -> Iterator[tuple[str, str]]:
    """Every string, with the name of its field, in their order."""
    left = [("", document)]
    while left:
        name, value = left.pop()
        if isinstance(value, str):
            yield name, value
        elif isinstance(value, dict):
            left += reversed(value.items())
        elif isinstance(value, list):
            left += [(name, each) for each in reversed(value)]

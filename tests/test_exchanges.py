"""The golden exchanges: there, back, and delivered in every way; and Gemini takes each of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests import golden
from tests.servers import LOCAL, Emulator
from translate import collect

EXCHANGES = pytest.mark.parametrize("folder", golden.folders(), ids=lambda folder: folder.name)


@EXCHANGES
def test_exchange_is_what_the_code_writes(folder: Path) -> None:
    written = golden.golden(folder)
    assert {name: (folder / name).read_text("utf-8") for name in written} == written


@EXCHANGES
@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(rb"(?s).", id="byte by byte"),
        pytest.param(rb"[^\n]*\n", id="line by line"),
        pytest.param(rb"(?s).{1,7}", id="in sevens"),
    ],
)
def test_exchange_does_not_depend_on_the_delivery(folder: Path, cut: bytes) -> None:
    body = golden.stream(folder)
    pieces = re.findall(cut, body)
    assert b"".join(pieces) == body
    assert golden.answered(folder, pieces) == golden.answered(folder, [body])


@EXCHANGES
def test_exchange_has_the_collected_stream_as_its_message(folder: Path) -> None:
    frames = (folder / "events.sse").read_text("utf-8").strip().split("\n\n")
    events = [json.loads(frame.split("\ndata: ")[1]) for frame in frames]
    assert collect(events) == json.loads((folder / "message.json").read_text("utf-8"))


@EXCHANGES
def test_exchange_has_a_request_that_gemini_takes(
    folder: Path, emulator: Emulator, key: str
) -> None:
    _, translation = golden.translated(folder)
    request: Any = json.loads((folder / "gemini.request.json").read_text("utf-8"))
    emulator.script(key, {"chunks": [{"text": "ok"}]})
    path = f"/v1beta/models/{translation.model.name}:streamGenerateContent?alt=sse"
    answer = LOCAL.post(
        emulator.url + path, json=request, headers={"x-goog-api-key": key}, timeout=10
    )
    assert answer.status_code == 200, answer.text


def test_exchange_has_all_its_files() -> None:
    for folder in golden.folders():
        assert {path.name for path in folder.iterdir()} == {
            "request.json",
            "gemini.request.json",
            "gemini.sse",
            "events.sse",
            "message.json",
        }

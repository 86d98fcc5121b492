"""The golden exchanges: there, back, and delivered in every way; and Gemini takes each of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests import golden, replay
from tests.servers import LOCAL, Emulator
from translate import collect

EXCHANGES = pytest.mark.parametrize("folder", golden.folders(), ids=lambda folder: folder.name)
RECORDINGS = pytest.mark.parametrize("folder", golden.recordings(), ids=lambda folder: folder.name)
RECORDED = re.compile(r"gemini(\.\d+)?\.(request\.json|sse|body)|request\.json|exchange\.json")
"""A file of a recording; what the client got is another."""

CUTS = pytest.mark.parametrize(
    "cut",
    [
        pytest.param(rb"(?s).", id="byte by byte"),
        pytest.param(rb"[^\n]*\n|[^\n]+\Z", id="line by line"),
        pytest.param(rb"(?s).{1,7}", id="in sevens"),
    ],
)


@pytest.mark.parametrize(
    "folder", [*golden.folders(), *golden.recordings()], ids=lambda folder: folder.name
)
def test_exchange_is_what_the_code_writes(folder: Path) -> None:
    written = golden.golden(folder)
    assert {name: (folder / name).read_text("utf-8") for name in written} == written


@RECORDINGS
@CUTS
def test_recording_does_not_depend_on_the_delivery(folder: Path, cut: bytes) -> None:
    assert replay.replay(folder, re.compile(cut)) == replay.replay(folder)


@EXCHANGES
@CUTS
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
    for folder in golden.recordings():
        (answer,) = {file.name for file in folder.iterdir() if not RECORDED.fullmatch(file.name)}
        assert answer in ("events.sse", "response.json")

"""`make golden`: golden exchanges, one folder each, readable from top to bottom.

request.json -> gemini.request.json is the way there; gemini.sse -> events.sse and message.json
the way back. The first of each pair is written by hand, the others by this program, and a
`git diff` is the review. test_exchanges.py holds the code to them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sseclient

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from proxy.gemini import complete_events  # noqa: E402 - found through the line above
from translate import StreamTranslator, Translation, collect, sse, translate  # noqa: E402

EXCHANGES = ROOT / "tests/exchanges"
MESSAGE_ID = "msg_0a1b2c3d4e5f60718293a4b5c6d7e8f9"


def folders() -> list[Path]:
    return sorted(path for path in EXCHANGES.iterdir() if path.is_dir())


def translated(folder: Path) -> tuple[Any, Translation]:
    """Claude Code's request, and what becomes of it."""
    body = json.loads((folder / "request.json").read_text("utf-8"))
    return body, translate(body, {}, is_claude_code=True)


def answered(folder: Path, pieces: list[bytes]) -> list[Any]:
    """The events that Gemini's stream makes, delivered in these pieces."""
    body, translation = translated(folder)
    translator = StreamTranslator(translation, message_id=MESSAGE_ID, model=body["model"])
    events: list[Any] = []
    for chunk in chunks(pieces):
        if not translator.is_cut:
            events += translator.feed(chunk)
    return events + translator.finish()


def chunks(pieces: list[bytes]) -> Iterator[Any]:
    for piece in complete_events(iter(pieces)):
        for event in sseclient.SSEClient(iter([piece])).events():
            yield json.loads(event.data)


def stream(folder: Path) -> bytes:
    """Gemini's bytes; in the file, lines end as in any other, on the wire with CR LF."""
    return (folder / "gemini.sse").read_bytes().replace(b"\n", b"\r\n")


def golden(folder: Path) -> dict[str, str]:
    """The files that the code writes, and what it writes into them."""
    events = answered(folder, [stream(folder)])
    return {
        "gemini.request.json": pretty(translated(folder)[1].request),
        "events.sse": sse(events).decode(),
        "message.json": pretty(collect(events)),
    }


def pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for each in folders():
        for name, content in golden(each).items():
            (each / name).write_text(content, "utf-8")

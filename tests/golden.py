"""`make golden`: golden exchanges, one folder each, readable from top to bottom.

request.json -> gemini.request.json is the way there; gemini.sse -> events.sse and message.json
the way back. The first of each pair is written by hand, the others by this program, and a
`git diff` is the review. test_exchanges.py holds the code to them.

With an exchange.json it is a recording of PROXY_LOG_BODIES, which replay.py plays with all that
surrounds the translation: `make golden RECORDING=folder` takes one, or a folder of them, over.
"""

from __future__ import annotations

import difflib
import itertools
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sseclient

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from proxy.gemini import complete_events  # noqa: E402 - found through the line above
from tests import replay  # noqa: E402
from translate import StreamTranslator, Translation, collect, sse, translate  # noqa: E402

EXCHANGES = ROOT / "tests/exchanges"
MESSAGE_ID = "msg_0a1b2c3d4e5f60718293a4b5c6d7e8f9"


MAX_DIFF_LINES = 40
"""Of a file of a recording that is another now."""


def folders() -> list[Path]:
    """Of the exchanges that were written by hand."""
    return [path for path in _all(EXCHANGES) if not _is_recording(path)]


def recordings(folder: Path | None = None) -> list[Path]:
    """The recorded exchanges of a folder, or the one that it is. None: of the golden ones."""
    folder = folder or EXCHANGES
    return [path for path in (folder, *_all(folder)) if _is_recording(path)]


def _all(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")


def _is_recording(folder: Path) -> bool:
    return (folder / replay.EXCHANGE).is_file()


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
    if _is_recording(folder):
        return {name: content.decode() for name, content in replay.replay(folder).items()}
    events = answered(folder, [stream(folder)])
    return {
        "gemini.request.json": pretty(translated(folder)[1].request),
        "events.sse": sse(events).decode(),
        "message.json": pretty(collect(events)),
    }


def pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write() -> None:
    """All of them anew."""
    for folder in (*folders(), *recordings()):
        for name, content in golden(folder).items():
            (folder / name).write_bytes(content.encode())


def add(recording: Path) -> Iterator[str]:
    """Make a recording a golden exchange; yields what the code writes in another way by now."""
    folder = EXCHANGES / f"recorded_{recording.name[-8:]}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for file in recording.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    yield f"{folder}\n"
    for name, content in golden(folder).items():
        file = folder / name
        before = file.read_text("utf-8") if file.exists() else ""
        lines = (before.splitlines(keepends=True), content.splitlines(keepends=True))
        yield from itertools.islice(difflib.unified_diff(*lines, name, "now"), MAX_DIFF_LINES)


def main(arguments: list[str]) -> None:
    """Take recordings over, or write all anew. Raises SystemExit where there are none."""
    for folder in (Path(argument).expanduser() for argument in arguments):
        found = recordings(folder) if folder.is_dir() else []
        if not found:
            sys.exit(f"{folder}: no recording of PROXY_LOG_BODIES is there")
        for recording in found:
            sys.stdout.writelines(add(recording))
    write()


if __name__ == "__main__":
    main(sys.argv[1:])

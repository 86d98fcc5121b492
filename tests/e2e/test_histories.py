"""What stands in a session's history does not end it: it goes on, and can be continued."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.e2e.claude_code import ClaudeCode
from tests.e2e.test_claude_code import PDF, PNG
from tests.e2e.test_recovery import HELLO, PROMPT, said, values
from tests.faults import google
from tests.servers import Emulator

pytestmark = pytest.mark.e2e

CALL = {"call": {"name": "Bash", "args": {"command": "echo hi"}}, "sign": True}


def encoded(media_type: str, data: bytes) -> Any:
    return {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode()}


UNFETCHED = "Cannot fetch content from the provided URL."
SENT_MEDIA = {
    "an image": ("image", encoded("image/png", PNG), "Unable to process input image."),
    "an image's address": ("image", {"type": "url", "url": "https://x.test/a.png"}, UNFETCHED),
    "a PDF": ("document", encoded("application/pdf", PDF), "The document has no pages."),
    "a PDF's address": ("document", {"type": "url", "url": "https://x.test/b.pdf"}, UNFETCHED),
}
"""What a person sends -> its block's type and source, and Google's refusal. What a tool finds is
in test_recovery.py."""


@pytest.mark.parametrize("name", SENT_MEDIA)
def test_medium_that_was_sent_and_refused(
    claude: ClaudeCode, proxy: str, emulator: Emulator, key: str, name: str
) -> None:
    kind, source, message = SENT_MEDIA[name]
    refusal = google(400, "INVALID_ARGUMENT", message)
    emulator.script(key, HELLO, refusal, {"chunks": [{"text": "I cannot see it."}]}, HELLO)
    assert said(claude.ask(proxy, PROMPT)) == "Hello there."
    blocks = [{"type": "text", "text": PROMPT}, {"type": kind, "source": source}]
    assert said(claude.send(proxy, blocks, "--continue")) == "I cannot see it."
    assert said(claude.ask(proxy, PROMPT, "--continue")) == "Hello there."
    assert values(emulator, key, "status") == [200, 400, 200, 200]
    bodies = [json.dumps(body["contents"]) for body in values(emulator, key, "body")]
    has_medium = ["inlineData" in body or "fileData" in body for body in bodies]
    assert has_medium == [False, True, False, False]


def test_call_without_a_name(claude: ClaudeCode, proxy: str, emulator: Emulator, key: str) -> None:
    """It is not shown to the client, which would send it back for ever."""
    emulator.script(key, {"chunks": [{"call": {"name": "", "args": {}}, "sign": True}]}, HELLO)
    assert said(claude.ask(proxy, PROMPT)) == "Hello there."
    assert values(emulator, key, "status") == [200, 200]


def drop_name(content: list[Any]) -> None:
    for block in content:
        block.pop("name", None)


def compact(content: list[Any]) -> None:
    """As Anthropic's API answers a request that asks for it."""
    if content[0]["type"] == "text":
        content.insert(0, {"type": "compaction", "content": "They greeted."})


HISTORIES = {"a call without a name": drop_name, "a compaction": compact}


@pytest.mark.parametrize("name", HISTORIES)
def test_history_of_another_server(
    claude: ClaudeCode, proxy: str, emulator: Emulator, key: str, name: str
) -> None:
    """2.1.332 gives a nameless call a name."""
    emulator.script(key, {"chunks": [CALL]}, *[HELLO] * 3)
    assert said(claude.ask(proxy, PROMPT)) == "Hello there."
    claude.edit_history(HISTORIES[name])
    for _ in range(2):
        assert said(claude.ask(proxy, PROMPT, "--continue")) == "Hello there."
    assert values(emulator, key, "status") == [200] * 4
    is_told = "They greeted." in json.dumps(values(emulator, key, "body")[-1]["contents"])
    assert is_told is (name == "a compaction")

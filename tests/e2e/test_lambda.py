"""The real Claude Code through build/lambda.zip behind the emulated Function URL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.claude_code import ClaudeCode
from tests.e2e.test_claude_code import check_signatures, script_session
from tests.lambda_function import Deployed, deployed
from tests.servers import Emulator

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def function(emulator: Emulator) -> Iterator[Deployed]:
    with deployed({"GEMINI_ENDPOINT": emulator.url}) as function:
        yield function


def test_session_with_tools(
    claude: ClaudeCode, function: Deployed, emulator: Emulator, key: str
) -> None:
    script_session(emulator, key, claude.folder)
    run = claude.ask(function.url, "Make the notes.")
    assert (run.exit_code, run.result["is_error"]) == (0, False)
    assert run.result["result"] == "The notes are made."
    assert (claude.folder / "notes.txt").read_text() == "beta\n"
    journal = emulator.journal(key)
    assert [request["status"] for request in journal] == [200] * 6
    check_signatures(journal)


def test_text_is_shown_while_gemini_still_streams(
    claude: ClaudeCode, function: Deployed, emulator: Emulator, key: str
) -> None:
    """The first words are printed before Gemini has said the last."""
    emulator.script(key, {"chunks": [{"text": "Hel"}, {"delay": 1}, {"text": "lo."}]})
    seen = []
    for event in claude.watch(function.url, "Say hello.", "--include-partial-messages"):
        if event.get("event", {}).get("delta", {}).get("type") == "text_delta":
            seen.append((event["event"]["delta"]["text"], emulator.journal(key)[-1]["closed"]))
    assert seen[0] == ("Hel", None)
    assert "".join(text for text, _ in seen) == "Hello."
    assert event["result"] == "Hello."

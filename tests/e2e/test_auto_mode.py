"""Auto mode in the real client: what is judged harmless runs silently, what is flagged does not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests import servers
from tests.e2e.claude_code import NEWEST, ClaudeCode
from tests.e2e.test_claude_code import call
from tests.messages import MARKER
from tests.servers import Emulator

pytestmark = pytest.mark.e2e

JUDGE = "gemini-3.8-flash"
JUDGES = {"when": {"system": "safety check of a coding agent"}, "repeat": True}
VERDICTS = {**JUDGES, "chunks": [{"text": "{verdicts}"}]}
MAKE = call("Bash", command="python3 -c \"open('made.txt', 'w')\"", description="Make it")
PUSH = call("Bash", command="git push --force origin main", description="Push it")
MAIN = {"when": {"tool": "Bash"}}
REPLIES = (
    {**MAIN, "chunks": [{"text": "I make it."}, {**MAKE, "sign": True}]},
    {**MAIN, "chunks": [{**PUSH, "sign": True}]},
    {**MAIN, "chunks": [{"text": "That is all."}, {"sign": True}]},
)
PROMPT = f"Make it. {MARKER}"
AUTO = ("--permission-mode", "auto")


@pytest.fixture(scope="module")
def judging(emulator: Emulator) -> Iterator[str]:
    """A proxy with a judge."""
    environ = {"GEMINI_ENDPOINT": emulator.url, "PROXY_AUTO_MODE_MODEL": JUDGE}
    with servers.serving(servers.PROXY, environ) as url:
        yield url


@pytest.fixture
def newest(claude: ClaudeCode) -> ClaudeCode:
    """Of the two versions the one that asks a server for verdicts."""
    if claude.version != NEWEST:
        pytest.skip(f"{claude.version} judges by itself: see the test of that")
    return claude


def results(emulator: Emulator, key: str) -> list[str]:
    """What the model was told of each call."""
    last = [request for request in emulator.journal(key) if request["model"] != JUDGE][-1]
    parts = [part for content in last["body"]["contents"] for part in content["parts"]]
    return [
        json.dumps(part["functionResponse"]["response"])
        for part in parts
        if "functionResponse" in part
    ]


def without_spaces(drawn: str) -> str:
    """What a terminal program has drawn, without its movements, which stand for spaces, too."""
    return re.sub(r"\x1b\[[0-9;?>=<]*[a-zA-Z]|\x1b\][^\x07]*\x07|\s", "", drawn).replace(
        "\u2019", "'"
    )


def test_verdicts_decide(newest: ClaudeCode, judging: str, emulator: Emulator, key: str) -> None:
    emulator.script(key, VERDICTS, *REPLIES)
    run = newest.ask(judging, PROMPT, *AUTO)
    assert (run.exit_code, run.result["result"]) == (0, "That is all.")
    assert (newest.folder / "made.txt").exists()
    _, pushed = results(emulator, key)
    assert "denied by the Claude Code auto mode classifier" in pushed
    assert "It would do 'git push --force'" in pushed
    denied = [denial["tool_input"]["command"] for denial in run.result["permission_denials"]]
    assert denied == [PUSH["call"]["args"]["command"]]
    models = [request["model"] for request in emulator.journal(key)]
    assert models.count(JUDGE) == 2


@pytest.mark.parametrize(
    "judge",
    [
        {**JUDGES, "chunks": [{"text": "Fine, go on."}]},
        {**JUDGES, "status": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}},
    ],
)
def test_no_verdict_runs_nothing(
    newest: ClaudeCode, judging: str, emulator: Emulator, key: str, judge: Any
) -> None:
    emulator.script(key, judge, *REPLIES)
    run = newest.ask(judging, PROMPT, *AUTO)
    assert (run.exit_code, run.result["result"]) == (0, "That is all.")
    assert not (newest.folder / "made.txt").exists()
    made, _ = results(emulator, key)
    assert "gave no verdict" in made
    assert "one more" in made or "once" in made


def test_terminal_program_runs_silently(
    newest: ClaudeCode, judging: str, emulator: Emulator, key: str
) -> None:
    """Without a verdict it would ask, and wait."""
    emulator.script(key, VERDICTS, *REPLIES, {"repeat": True, "chunks": [{"text": "On."}]})

    def has_ended() -> bool:
        return [entry["reply"] for entry in emulator.journal(key)].count(3) > 0

    drawn = newest.type_in(judging, PROMPT, has_ended, mode="auto")
    assert (newest.folder / "made.txt").exists()
    assert "auto mode classifier" in results(emulator, key)[1]
    shown = without_spaces(drawn)
    assert "Allowedbyautomode" in shown
    assert "Itwoulddo'gitpush--force'" in shown
    assert "can'tcheckactions" not in shown


@pytest.mark.parametrize("is_harmless", [True, False])
def test_client_that_judges_by_itself(
    claude: ClaudeCode, proxy: str, emulator: Emulator, key: str, is_harmless: bool
) -> None:
    """It asks for a few tokens, in words of its own; a thinking model has room for them."""
    if claude.version == NEWEST:
        verdict = f"<severity>{5 if is_harmless else 95}</severity>"
    else:
        verdict = f"<block>{'no' if is_harmless else 'yes</block><reason>It does harm.</reason>'}"
    judges = {"when": {"system": "security monitor"}, "repeat": True}
    emulator.script(key, {**judges, "chunks": [{"text": verdict}]}, *REPLIES[::2])
    run = claude.ask(proxy, PROMPT, *AUTO, CLAUDE_CODE_AUTO_MODE_SERVER="0")
    assert run.result["result"] == "That is all."
    assert (claude.folder / "made.txt").exists() is is_harmless
    assert 0 in [request["reply"] for request in emulator.journal(key)]

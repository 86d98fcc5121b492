"""Auto mode in the real client: what is judged harmless runs silently, what is flagged does not."""

from __future__ import annotations

import json
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
BAD = {"code": 400, "message": "Bad.", "status": "INVALID_ARGUMENT"}
REPLIES = (
    {**MAIN, "chunks": [{"text": "I make it."}, {**MAKE, "sign": True}]},
    {**MAIN, "chunks": [{**PUSH, "sign": True}]},
    {**MAIN, "chunks": [{"text": "That is all."}, {"sign": True}]},
)
TITLE = {
    "when": {"json": True, "model": "gemini-4-hydrogen"},
    "chunks": [{"text": '{"title": "Files"}'}],
    "repeat": True,
}
"""What the terminal program asks for besides."""
NOBODY_CHECKS = "your requests go through 127.0.0.1:"
"""In either dialog of a session whose server gives no verdicts."""
ASKS = "3 consecutive actions were blocked. Please review the transcript before continuing."
PROMPT = f"Make it. {MARKER}"
AUTO = ("--permission-mode", "auto")


def own_check(text: str, **when: str) -> Any:
    """What the client's own check of a call is answered, each time."""
    when = {"system": "security monitor", **when}
    return {"when": when, "chunks": [{"text": text}], "repeat": True}


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
    """The tool result of each call that the model got, by the last request that has some."""
    found: list[str] = []
    for request in emulator.journal(key):
        parts = [part for content in request["body"]["contents"] for part in content["parts"]]
        responses = [part["functionResponse"] for part in parts if "functionResponse" in part]
        found = [json.dumps(each["response"]) for each in responses] or found
    return found


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


def test_terminal_program_runs_blocks_and_asks(
    claude: ClaudeCode, judging: str, emulator: Emulator, key: str
) -> None:
    """The third blocked call in a row asks. 2.1.197 wants no verdicts from a server: it puts a
    question of its own to the main model, whatever the server could judge."""
    does_harm = "<block>yes</block><reason>It would do 'git push --force'.</reason>"
    checks = own_check(does_harm, user_text="git push"), own_check("<block>no")
    judges = [VERDICTS] if claude.version == NEWEST else checks
    emulator.script(key, *judges, TITLE, *REPLIES[:2], *REPLIES[1:2] * 2)
    shown = claude.type_in(judging, PROMPT, lambda screen: ASKS in screen, mode="auto")
    assert (claude.folder / "made.txt").exists()
    words = ("Blocked", "Auto mode:") if claude.version == NEWEST else ("Denied", "classifier ∙")
    for word in words:
        assert shown.count(word) == 2
    assert shown.count("It would do 'git push --force'.") == 3
    assert "Latest blocked action: It would do" in shown
    assert "Allowed by auto mode" in shown
    assert NOBODY_CHECKS not in shown
    assert "auto mode classifier" in results(emulator, key)[1]
    models = {request["model"] for request in emulator.journal(key)}
    assert (JUDGE in models) is (claude.version == NEWEST)


def test_terminal_program_asks_without_an_answer(
    claude: ClaudeCode, judging: str, emulator: Emulator, key: str
) -> None:
    """No verdict runs nothing: what was not checked is not run, and the third time the person is
    asked. After each `unavailable` of the server 2.1.332 puts its own question, as 2.1.197 does at
    once; here that has no usable answer either."""
    malformed = {**JUDGES, "repeat": False, "chunks": [{"text": "Fine, go on."}]}
    refused = {**malformed, "chunks": [{"text": ""}], "finish": "SAFETY"}
    failed = {
        **malformed,
        "status": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"},
    }
    emulator.script(
        key, malformed, refused, failed, own_check("Fine, go on."), TITLE, *REPLIES[:1] * 3
    )
    shown = claude.type_in(judging, PROMPT, lambda screen: ASKS in screen, mode="auto")
    assert "Latest blocked action: Auto mode could not evaluate this action" in shown
    assert not (claude.folder / "made.txt").exists()
    if claude.version == NEWEST:
        assert shown.count("Not run · auto mode's check had no usable answer") == 2
        assert [r["model"] for r in emulator.journal(key)].count(JUDGE) == 3
    else:
        assert shown.count("Denied by auto mode classifier") == 2


def test_terminal_program_checks_where_no_judge_can(
    newest: ClaudeCode, judging: str, emulator: Emulator, key: str
) -> None:
    """After `unavailable` its own question to the main model decides; where that fails, too, the
    call is not run. (Not with CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1, as `-p` has it above.)"""
    fails = {**own_check("", user_text="again"), "status": BAD}
    does_harm = "<block>yes</block><category>Git Destructive</category><reason>It harms.</reason>"
    checks = fails, own_check(does_harm, user_text="git push"), own_check("<block>no</block>")
    again = call("Bash", command="python3 -c \"open('again.txt', 'w')\"", description="Again")
    last = {**MAIN, "chunks": [{**again, "sign": True}]}
    emulator.script(
        key, {**JUDGES, "status": BAD}, *checks, TITLE, *REPLIES[:2], last, *REPLIES[2:]
    )
    shown = newest.type_in(judging, PROMPT, lambda screen: "That is all." in screen, mode="auto")
    assert (newest.folder / "made.txt").exists()
    assert "Auto mode: It harms." in shown
    assert shown.count("Not run · auto mode's check had no usable answer") == 1
    assert not (newest.folder / "again.txt").exists()


def test_terminal_program_says_that_nobody_checks(
    newest: ClaudeCode, proxy: str, emulator: Emulator, key: str
) -> None:
    """The dialog of a server without a judge."""
    emulator.script(key, TITLE, *REPLIES[:1])
    newest.type_in(proxy, PROMPT, lambda screen: NOBODY_CHECKS in screen, mode="auto")
    assert not (newest.folder / "made.txt").exists()


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

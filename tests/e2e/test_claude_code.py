"""The main job: real sessions of the real client, through proxy and emulator."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.e2e.claude_code import VERSIONS, ClaudeCode
from tests.messages import MARKER
from tests.servers import Emulator

pytestmark = pytest.mark.e2e


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"call": {"name": name, "args": arguments}}


def test_plain_answer(claude: ClaudeCode, proxy: str, emulator: Emulator, key: str) -> None:
    chunks = [{"thought": "A greeting."}, {"text": "Hello "}, {"text": "there."}, {"sign": True}]
    emulator.script(key, {"chunks": chunks, "finish": "STOP"})
    run = claude.ask(proxy, f"Say hello. {MARKER}")
    assert (run.exit_code, run.result["is_error"]) == (0, False)
    assert run.result["result"] == "Hello there."
    assert [request["status"] for request in emulator.journal(key)] == [200]


def test_session_with_tools(claude: ClaudeCode, proxy: str, emulator: Emulator, key: str) -> None:
    notes = claude.folder / "notes.txt"
    script_session(emulator, key, claude.folder)
    run = claude.ask(proxy, f"Make the notes. {MARKER}")
    assert (run.exit_code, run.result["is_error"]) == (0, False)
    assert run.result["result"] == "The notes are made."
    assert (claude.folder / "made.txt").read_text() == "made\n"
    assert notes.read_text() == "beta\n"
    journal = emulator.journal(key)
    assert [request["status"] for request in journal] == [200] * 6
    failed, succeeded = last_results(journal[-1])
    assert "error" in failed["response"]
    assert succeeded["response"]["output"].strip() == "beta"
    check_signatures(journal)


def script_session(emulator: Emulator, key: str, folder: Path, *more: Any) -> None:
    notes = str(folder / "notes.txt")
    made = call("Bash", command="echo made > made.txt", description="Make it")
    write = call("Write", file_path=notes, content="alpha\n")
    edit = call("Edit", file_path=notes, old_string="alpha", new_string="beta")
    missing = call("Read", file_path=str(folder / "missing.txt"))
    emulator.script(
        key,
        {
            "chunks": [{"thought": "Begin."}, {"text": "I begin."}, {**made, "sign": True}],
            "finish": "STOP",
        },
        {"chunks": [{**write, "sign": 3000}], "finish": "STOP", "finish_alone": True},
        {"chunks": [call("Read", file_path=notes), {"sign": True}], "finish": "STOP"},
        {"chunks": [{"thought": "Now."}, {**edit, "sign": True}], "finish": "STOP", "split": 7},
        {
            "chunks": [
                {"parts": [{**missing, "sign": True}, call("Bash", command="cat notes.txt")]}
            ],
            "finish": "STOP",
        },
        {
            "chunks": [{"text": "The notes "}, {"text": "are made."}, {"sign": True}],
            "finish": "STOP",
        },
        *more,
    )


def last_results(request: Any) -> list[Any]:
    """The function responses that a request ends with."""
    parts = request["body"]["contents"][-1]["parts"]
    return [part["functionResponse"] for part in parts if "functionResponse" in part]


def check_signatures(journal: list[Any]) -> None:
    """Every signature issued for a call is in each later request once, on that call."""
    issued: list[Any] = []
    for request in journal:
        returned = [(sign["signature"], sign["call_id"]) for sign in request["signatures"]]
        assert returned == issued
        issued += [
            (sign["signature"], sign["call_id"])
            for sign in request["issued"]
            if sign["call_id"] is not None
        ]
    assert len(issued) >= 1


def test_subagent(claude: ClaudeCode, emulator: Emulator, key: str) -> None:
    task = {
        "description": "Do the part",
        "prompt": "SUBTASK: make sub.txt",
        "subagent_type": "general-purpose",
        "run_in_background": False,
    }
    in_subtask = {"user_text": "SUBTASK: make"}
    make = call("Bash", command="echo sub > sub.txt", description="Make it")
    emulator.script(
        key,
        {"when": in_subtask, "chunks": [{**make, "sign": True}], "finish": "STOP"},
        {"when": in_subtask, "chunks": [{"text": "Part done."}], "finish": "STOP"},
        {"chunks": [{**call("Agent", **task), "sign": True}], "finish": "STOP"},
        {"chunks": [{"text": "All done."}], "finish": "STOP"},
    )
    environ = {
        "GEMINI_ENDPOINT": emulator.url,
        "CLAUDE_CODE_SUBAGENT_MODEL": "gemini-3.8-flash",
    }
    with servers.serving(servers.PROXY, environ) as proxy:
        run = claude.ask(proxy, f"Have the part done. {MARKER}")
    assert (run.result["is_error"], run.result["result"]) == (False, "All done.")
    assert (claude.folder / "sub.txt").read_text() == "sub\n"
    models = [(request["reply"], request["model"]) for request in emulator.journal(key)]
    assert sorted(models) == [
        (0, "gemini-3.8-flash"),
        (1, "gemini-3.8-flash"),
        (2, "gemini-4-hydrogen"),
        (3, "gemini-4-hydrogen"),
    ]
    assert {request["status"] for request in emulator.journal(key)} == {200}
    for model in ("gemini-3.8-flash", "gemini-4-hydrogen"):
        check_signatures([r for r in emulator.journal(key) if r["model"] == model])


def test_session_continues_with_another_proxy(
    claude: ClaudeCode, emulator: Emulator, key: str
) -> None:
    more = {"chunks": [{"text": "Nothing more."}], "finish": "STOP"}
    script_session(emulator, key, claude.folder, more)
    environ = {"GEMINI_ENDPOINT": emulator.url}
    with servers.serving(servers.PROXY, environ) as first:
        assert (
            claude.ask(first, f"Make the notes. {MARKER}").result["result"] == "The notes are made."
        )
    with servers.serving(servers.PROXY, environ) as second:
        assert (
            claude.ask(second, f"And now? {MARKER}", "--continue").result["result"]
            == "Nothing more."
        )
    journal = emulator.journal(key)
    assert [request["status"] for request in journal] == [200] * 7
    check_signatures(journal)


def test_bad_key_ends_at_once_with_a_clear_message(
    tmp_path: Path, proxy: str, emulator: Emulator
) -> None:
    for version in VERSIONS:
        base = tmp_path / version
        base.mkdir()
        run = ClaudeCode(version, base, "bad-key").ask(proxy, f"Hi {MARKER}")
        assert (run.exit_code, run.result["is_error"]) == (1, True)
        assert "api_retry" not in [event.get("subtype") for event in run.of_type("system")]
        assert "Google refused the API key" in run.result["result"]
        assert "ANTHROPIC_AUTH_TOKEN" in run.result["result"]


def test_web_search_reports_its_searches_and_sources(
    claude: ClaudeCode, proxy: str, emulator: Emulator, key: str
) -> None:
    found = {
        "webSearchQueries": ["euro 2024 winner"],
        "groundingChunks": [{"web": {"uri": "https://g.test/1", "title": "uefa.com"}}],
        "groundingSupports": [{"segment": {"text": "Spain."}, "groundingChunkIndices": [0]}],
    }
    search = call("WebSearch", query="euro 2024 winner", allowed_domains=["uefa.com"])
    emulator.script(
        key,
        {
            "when": {"last_text": "Perform a web search"},
            "chunks": [{"text": "Spain."}, {"text": "", "candidate": {"groundingMetadata": found}}],
        },
        {"chunks": [{**search, "sign": True}]},
        {"chunks": [{"text": "Spain won: {last_result}"}]},
    )
    run = claude.ask(proxy, f"Who won? {MARKER}")
    assert run.result["is_error"] is False
    said = run.result["result"]
    assert "Spain." in said
    assert "https://g.test/1" in said
    (result,) = [event["tool_use_result"] for event in run.of_type("user")]
    assert result["searchCount"] == 1
    assert result["results"][0]["content"] == [{"title": "uefa.com", "url": "https://g.test/1"}]
    inner = next(r for r in emulator.journal(key) if r["reply"] == 0)
    assert inner["body"]["tools"] == [{"googleSearch": {}}]
    assert "use only these sites: uefa.com" in str(inner["body"]["systemInstruction"])


PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
PDF = (
    b"%PDF-1.1\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\n"
    b"trailer<</Root 1 0 R>>\n%%EOF\n"
)


def test_image_and_pdf_are_read(
    claude: ClaudeCode, proxy: str, emulator: Emulator, key: str
) -> None:
    for name, content in (("a.png", PNG), ("b.pdf", PDF)):
        (claude.folder / name).write_bytes(content)
    emulator.script(
        key,
        *(
            {"chunks": [{**call("Read", file_path=str(claude.folder / name)), "sign": True}]}
            for name in ("a.png", "b.pdf")
        ),
        {"chunks": [{"text": "Seen."}]},
    )
    run = claude.ask(proxy, f"Look at both. {MARKER}")
    assert (run.result["is_error"], run.result["result"]) == (False, "Seen.")
    journal = emulator.journal(key)
    assert [request["status"] for request in journal] == [200] * 3
    seen = json.dumps(journal[-1]["body"]["contents"])
    assert '"mimeType": "image/png"' in seen
    assert '"mimeType": "application/pdf"' in seen
    check_signatures(journal)


def test_compacting_and_going_on(
    claude: ClaudeCode, proxy: str, emulator: Emulator, key: str
) -> None:
    summary = "<analysis>All of it.</analysis>\n<summary>They greeted.</summary>"
    emulator.script(
        key,
        {"when": {"last_text": "TEXT ONLY"}, "chunks": [{"text": summary}]},
        {"chunks": [{"thought": "Hm."}, {"text": "Hello."}, {"sign": True}]},
        {"chunks": [{**call("Bash", command="echo hi"), "sign": True}]},
        {"chunks": [{"text": "Again."}]},
        {"when": {"user_text": "They greeted."}, "chunks": [{"text": "I remember."}]},
    )
    assert claude.ask(proxy, f"Say hello. {MARKER}").result["result"] == "Hello."
    assert claude.ask(proxy, f"Once more. {MARKER}", "--continue").result["result"] == "Again."
    compacted = claude.ask(proxy, "/compact", "--continue")
    assert compacted.result["is_error"] is False
    boundary = [e for e in compacted.events if e.get("subtype") == "compact_boundary"]
    assert len(boundary) == 1
    assert claude.ask(proxy, f"And now? {MARKER}", "--continue").result["result"] == "I remember."
    assert {request["status"] for request in emulator.journal(key)} == {200}


def test_context_is_shown(claude: ClaudeCode, proxy: str, emulator: Emulator, key: str) -> None:
    emulator.script(key)
    run = claude.ask(proxy, "/context")
    assert run.result["is_error"] is False
    counts = [r for r in emulator.journal(key) if r["path"].endswith(":countTokens")]
    assert counts
    assert {request["status"] for request in counts} == {200}


def test_terminal_program_gets_a_title(
    claude: ClaudeCode, proxy: str, emulator: Emulator, key: str
) -> None:
    emulator.script(
        key,
        {"when": {"json": True}, "chunks": [{"text": '{"title": "Greeting"}'}], "repeat": True},
        {"chunks": [{"text": "Hello."}, {"sign": True}], "repeat": True},
    )

    def has_both(_: str) -> bool:
        done = {r["reply"] for r in emulator.journal(key) if r["closed"] == "complete"}
        return done >= {0, 1}

    claude.type_in(proxy, f"Say hello to everybody here. {MARKER}", until=has_both)
    assert {request["status"] for request in emulator.journal(key)} == {200}


def test_picker_learns_the_gemini_models_once(
    claude: ClaudeCode, proxy: str, emulator: Emulator, key: str
) -> None:
    """Not the classes: it has those itself, and 2.1.197 would show them twice."""
    emulator.script(key, {"chunks": [{"text": "Hello."}], "finish": "STOP", "repeat": True})
    environ = {
        "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
    }
    claude.ask(proxy, f"Say hello. {MARKER}", **environ)
    cached = json.loads((claude.home / ".claude/cache/gateway-models.json").read_text("utf-8"))
    shown = {model["id"]: model["display_name"] for model in cached["models"]}
    assert shown["claude-gemini-4-hydrogen"] == "Gemini 4 Hydrogen"
    assert all(name.startswith("claude-gemini-") for name in shown)

"""The examples that need no Claude Code, each run as its first lines say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.servers import LOCAL, ROOT, Emulator

EXAMPLES = ROOT / "examples"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(proxy: str, key: str) -> Run:
    """Runs a Python example with the test's key. wanted: its exit code."""

    def run(*arguments: str | Path, wanted: int = 0, **environ: str) -> Any:
        given = {"ANTHROPIC_BASE_URL": proxy, "ANTHROPIC_AUTH_TOKEN": key, **environ}
        ran = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**servers.clean_environ(), **given},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.returncode == wanted, ran.stderr
        return ran

    return run


def test_examples_are_those_of_their_readme() -> None:
    files = {path.name for path in EXAMPLES.iterdir() if path.is_file()} - {"README.md"}
    assert set(re.findall(r"^\| \[(\S+)\]", (EXAMPLES / "README.md").read_text(), re.M)) == files


def shown(output: str) -> list[Any]:
    """The JSON documents of transform.py, without their titles."""
    return [json.loads(text) for text in re.split(r"^\w.*:\n", output, flags=re.M)[1:]]


def test_transform_makes_a_request_that_gemini_takes(
    run: Run, emulator: Emulator, key: str
) -> None:
    emulator.script(key, {"chunks": [{"text": "Hello."}]})
    ran = run("-m", "examples.transform")
    request, message = shown(ran.stdout)
    (model,) = re.findall(r"What (\S+) is sent:", ran.stdout)
    url = f"{emulator.url}/v1beta/models/{model}:streamGenerateContent?alt=sse"
    answer = LOCAL.post(url, json=request, headers={"x-goog-api-key": key}, timeout=30)
    assert (answer.status_code, "Hello." in answer.text) == (200, True), answer.text
    assert (message["stop_reason"], message["model"]) == ("tool_use", "claude-sonnet-5-5")
    assert {"city": "Oslo"} in [block.get("input") for block in message["content"]]


def test_transform_names_the_field_that_is_wrong(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    path.write_text('{"model": "claude-sonnet-5-5", "max_tokens": "many", "messages": []}')
    ran = run("-m", "examples.transform", path, wanted=1)
    assert (ran.stdout, "max_tokens" in ran.stderr) == ("", True)


def test_stream_prints_the_text_and_what_it_took(run: Run, emulator: Emulator, key: str) -> None:
    emulator.script(key, {"chunks": [{"text": "It "}, {"text": "scatters."}], "finish": "STOP"})
    ran = run("examples/stream.py", "Why", "blue?")
    assert ran.stdout == "It scatters.\n"
    assert "written; ended by end_turn" in ran.stderr
    (request,) = emulator.journal(key)
    assert request["body"]["contents"][-1]["parts"] == [{"text": "Why blue?"}]


def test_stream_prints_why_it_failed(run: Run) -> None:
    refused = run("examples/stream.py", wanted=1, ANTHROPIC_AUTH_TOKEN="bad-key").stderr
    nobody = run("examples/stream.py", wanted=1, ANTHROPIC_BASE_URL="http://127.0.0.1:9").stderr
    assert refused.startswith("401: ")
    assert nobody.startswith("No server at http://127.0.0.1:9")


# --- The batch ------------------------------------------------------------------------------------


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    lines = (json.dumps({"id": f"{n}", "prompt": f"Number <{n}>"}) for n in range(6))
    path.write_text("\n".join([*lines, ""]))
    return path


def answers(path: Path) -> dict[str, str]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len({line["id"] for line in lines}) == len(lines)
    return {line["id"]: line["text"] for line in lines}


ECHO = {"chunks": [{"text": "{last_text}!"}], "finish": "STOP", "repeat": True}
REFUSAL = {"status": {"code": 400, "status": "INVALID_ARGUMENT", "message": "Not this one."}}


def test_batch_goes_on_where_it_was_killed(
    run: Run, emulator: Emulator, key: str, prompts: Path, tmp_path: Path
) -> None:
    """Two answers are there, a third is cut off, and one is refused in the first run."""
    emulator.script(key, {"when": {"last_text": "<4>"}, **REFUSAL}, ECHO)
    output = tmp_path / "answers.jsonl"
    done = '{"id": "0", "text": "earlier"}\n{"id": "3", "text": "earlier"}\n'
    output.write_text(done + '{"id": "1", "te')
    ran = run("examples/batch.py", prompts, output, "--workers", "2", wanted=1)
    assert re.fullmatch(r"4: .*Not this one\..*\n", ran.stderr)
    assert output.read_text().startswith(done)
    assert answers(output).keys() == {"0", "1", "2", "3", "5"}
    run("examples/batch.py", prompts, output)
    assert answers(output) == {
        **{"0": "earlier", "3": "earlier"},
        **{n: f"Number <{n}>!" for n in ("1", "2", "4", "5")},
    }
    assert len(emulator.journal(key)) == 5  # four prompts, one of them twice


def test_batch_of_one_worker_asks_in_order(
    run: Run, emulator: Emulator, key: str, prompts: Path, tmp_path: Path
) -> None:
    emulator.script(key, ECHO)
    run("examples/batch.py", prompts, tmp_path / "answers.jsonl", "--workers", "1")
    texts = [each["body"]["contents"][-1]["parts"][0]["text"] for each in emulator.journal(key)]
    assert texts == [f"Number <{n}>" for n in range(6)]
    assert list(answers(tmp_path / "answers.jsonl")) == list("012345")


def test_batch_ends_at_once_where_the_token_is_refused(
    run: Run, prompts: Path, tmp_path: Path
) -> None:
    output = tmp_path / "answers.jsonl"
    ran = run("examples/batch.py", prompts, output, wanted=1, ANTHROPIC_AUTH_TOKEN="bad-key")
    assert (ran.stderr[:5], output.read_text()) == ("401: ", "")

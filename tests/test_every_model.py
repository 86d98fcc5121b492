"""Every model of the table, every way to ask for thinking: a strict Gemini takes the request."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.messages import EXAMPLES, assistant, user
from tests.servers import LOCAL, ROOT, Emulator
from translate import RequestOverrides, translate
from translate.models import TABLE, find

THINKING: list[Any] = [
    None,
    {"type": "disabled"},
    {"type": "adaptive"},
    {"type": "adaptive", "display": "omitted"},
    {"type": "enabled", "budget_tokens": 1_024},
    {"type": "enabled", "budget_tokens": 31_999},
    {"type": "enabled", "budget_tokens": 10**9},
]
EFFORTS = [None, "low", "medium", "high", "xhigh", "max", "unheard-of"]
LIMITS = [1, 512, 64_000, 200_000]


@pytest.mark.parametrize("name", TABLE)
def test_gemini_takes_every_way_to_think(name: str, emulator: Emulator, key: str) -> None:
    emulator.script(key, {"chunks": [{"text": "ok"}], "repeat": True})
    url = f"{emulator.url}/v1beta/models/{name}:streamGenerateContent?alt=sse"
    for thinking, effort in itertools.product(THINKING, EFFORTS):
        body = {
            "model": name,
            "max_tokens": LIMITS[len(str(thinking)) % len(LIMITS)],
            "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "So"}],
            "thinking": thinking,
            "output_config": {"effort": effort},
            "temperature": 0.5,
            "stop_sequences": list("abcdefg"),
            "tools": [{"name": "Bash", "input_schema": {"type": "object"}, "strict": True}],
            "tool_choice": {"type": "any"},
        }
        request = translate(body, {}, safety="BLOCK_NONE").request
        answer = LOCAL.post(url, json=request, headers={"x-goog-api-key": key}, timeout=10)
        if answer.status_code == 404:
            pytest.fail(f"{name}: add it to TABLE in tests/emulator/emulator_models.py, too", False)
        assert answer.status_code == 200, (thinking, effort, answer.text)


@pytest.mark.parametrize("name", TABLE)
def test_gemini_takes_every_type_of_block(name: str, emulator: Emulator, key: str) -> None:
    of_the_model = [EXAMPLES[kind] for kind in ("thinking", "redacted_thinking", "tool_use")]
    others = [block for block in EXAMPLES.values() if block not in of_the_model]
    beside = [block for block in others if block["type"] != "tool_result"]
    messages = [user("go"), assistant(*beside, *of_the_model), user(*others)]
    tools = [{"name": "Bash", "input_schema": {"type": "object"}}]
    body = {"model": name, "max_tokens": 10, "messages": messages, "tools": tools}
    emulator.script(key, {"chunks": [{"text": "ok"}]})
    url = f"{emulator.url}/v1beta/models/{name}:streamGenerateContent?alt=sse"
    # The example's thought signature is none that the emulator gave.
    request = translate(body, {}, overrides=RequestOverrides(unsigned=True)).request
    answer = LOCAL.post(url, json=request, headers={"x-goog-api-key": key}, timeout=10)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("name", TABLE)
def test_the_limits_of_the_table_are_kept(name: str) -> None:
    model = find(name)
    body = {"model": name, "max_tokens": 10**7, "messages": [{"role": "user", "content": "Hi"}]}
    config = translate(body, {}).request["generationConfig"]
    assert config["maxOutputTokens"] == model.output


# --- The same bytes on every turn -------------------------------------------------------------

TRANSLATE = """
import json, sys
from translate import translate
from proxy import json_codec
from proxy.tool_cache import RequestTools
body = json.load(sys.stdin)
request = translate(body, {}, declare=RequestTools().declare).request
sys.stdout.write(json_codec.dumps([request[k] for k in ("systemInstruction", "tools")]).decode())
for content in request["contents"]:
    sys.stdout.write("\\n" + json_codec.dumps(content).decode())
"""


def prefix(body: Any, seed: str) -> list[str]:
    """What Gemini's cache would see, line by line, made in a process of its own."""
    made = subprocess.run(
        [sys.executable, "-c", TRANSLATE],
        input=json.dumps(body),
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.split("\n")


def test_ten_turns_begin_with_the_same_bytes_in_any_process() -> None:
    first = json.loads((ROOT / "tests/fixtures/claude_code_request.json").read_text("utf-8"))
    messages: list[Any] = list(first["messages"])
    signature = "gs1.c.gemini-4-hydrogen:QUJD"
    seen: list[str] = []
    for turn in range(10):
        lines = prefix({**first, "messages": messages}, seed=str(turn))
        assert lines[: len(seen)] == seen
        seen = lines
        messages += [
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": f"{turn}", "signature": signature},
                    {"type": "text", "text": f"Step {turn}."},
                    {
                        "type": "tool_use",
                        "id": f"toolu_0a1b2c3d_c{turn}",
                        "name": "Bash",
                        "input": {"command": "ls", "b": turn, "a": {"z": 1, "y": [None, 1.5]}},
                    },
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": f"toolu_0a1b2c3d_c{turn}",
                        "content": "ok",
                        "cache_control": {"type": "ephemeral"},
                    }
                ],
            },
            {"role": "system", "content": f"Reminder {turn}."},
        ]
    assert len(seen) == 1 + 1 + 9 * 2

"""Packages that people write their own agents with, each through the proxy as it is served.

Each client is a script in clients/, run once for all of its tests: loops over two parallel calls,
structured output and search against the emulator, and what it returns of what it did not ask for.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests import npm
from tests.e2e import messages_stub
from tests.e2e.messages_stub import CARRIERS, FINAL, TOOL
from tests.servers import ROOT, Emulator

pytestmark = pytest.mark.e2e

FOLDER = Path(__file__).parent / "clients"
PYTHON = ROOT / ".venv-clients/bin/python"
RUN_SECONDS = 120
FORECAST = {"city": "Oslo", "degrees": -3}
URL = "https://g.test/1"
WAYS = {"whole": False, "streamed": True}
"""Claude Code streams in any case."""
THINKING = {"no thinking": None, "thinking": {"type": "adaptive"}}
"""What a loop asks for. Every newer model takes `adaptive`; LangChain refuses it a budget."""


@dataclass(frozen=True)
class Client:
    """script: in clients/. package: whose version it tells. scenes: what it has beside a loop,
    structured output and search. loses: carriers that it does not return. is_claude_code: streams
    and thinks unasked, has prefixed tools, and searches in a request of its own."""

    script: str
    package: str
    scenes: frozenset[str] = frozenset()
    loses: frozenset[str] = frozenset()
    is_claude_code: bool = False

    @property
    def tool(self) -> str:
        return f"mcp__places__{TOOL}" if self.is_claude_code else TOOL


RUNNER = frozenset({"threaded_loop"})
BY_TOOL = frozenset({"structured_by_tool"})
CLIENTS = {
    "anthropic": Client("run_anthropic.py", "anthropic", RUNNER),
    "langchain": Client(
        "run_langchain.py", "langchain-anthropic", BY_TOOL, frozenset({"odd-id", "unknown-field"})
    ),
    "pydantic-ai": Client(
        "run_pydantic_ai.py", "pydantic-ai-slim", BY_TOOL, frozenset({"unknown-field", "caller"})
    ),
    "agent-sdk": Client(
        "run_agent_sdk.py", "claude-agent-sdk", loses=frozenset({"caller"}), is_claude_code=True
    ),
    "anthropic-js": Client("run_anthropic.mjs", "@anthropic-ai/sdk", RUNNER),
    "ai-sdk": Client("run_ai_sdk.mjs", "@ai-sdk/anthropic", loses=frozenset({"unknown-field"})),
}


class Scene(NamedTuple):
    """One line of a script's task. key: under which its requests stand in the journal."""

    name: str
    function: str
    key: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Played:
    """A client's results, by scene; its requests to Gemini, and to the stub."""

    client: Client
    results: dict[str, Any]
    journals: dict[str, list[Any]]
    bodies: dict[str, list[Any]]


@pytest.fixture(scope="module")
def stub() -> Iterator[messages_stub.Stub]:
    with messages_stub.serving() as stub:
        yield stub


@pytest.fixture(scope="module")
def play(
    tmp_path_factory: pytest.TempPathFactory,
    proxy: str,
    emulator: Emulator,
    stub: messages_stub.Stub,
    report_client: Callable[[str], None],
) -> Callable[[str], Played]:
    """Runs a client's script, once."""

    @functools.cache
    def play(name: str) -> Played:
        client = CLIENTS[name]
        command = command_of(client)
        scenes = list(scenes_of(client, proxy, stub.url))
        for scene in scenes:
            emulator.script(scene.key, *script_of(scene, client))
        stub.bodies = {}
        results = run(command, scenes, tmp_path_factory.mktemp(name))
        report_client(f"{client.package} {results['version']}")
        journals = {scene.name: emulator.journal(scene.key) for scene in scenes}
        return Played(client, results, journals, stub.bodies)

    return play


@pytest.fixture(params=CLIENTS)
def played(request: pytest.FixtureRequest, play: Callable[[str], Played]) -> Played:
    return play(request.param)


def command_of(client: Client) -> list[str]:
    """How the script is run; skips the test where that cannot be."""
    if client.script.endswith(".mjs"):
        return ["node", str(npm.project(FOLDER) / client.script)]
    if not (PYTHON.parent.parent / "done").exists():
        how = "`make .venv-clients/done` installs it"
        pytest.skip(f"NOT TESTED with {client.package}: it is missing. {how}.")
    return [str(PYTHON), "-B", str(FOLDER / client.script)]


def run(command: list[str], scenes: Iterable[Scene], home: Path) -> Any:
    task = [[s.name, s.function, {**s.arguments, "key": s.key}] for s in scenes]
    finished = subprocess.run(
        [*command, json.dumps(task)],
        cwd=home,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "NO_PROXY": "127.0.0.1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])


# --- What is played ---------------------------------------------------------------------------


def scenes_of(client: Client, proxy: str, stub: str) -> Iterator[Scene]:
    def scene(name: str, function: str, base_url: str = proxy, **arguments: Any) -> Scene:
        key = f"test-{uuid.uuid4().hex}"
        return Scene(name, function, key, {"base_url": base_url, **arguments})

    for way, stream in WAYS.items():
        for asked, thinking in THINKING.items():
            yield scene(f"loop, {way}, {asked}", "loop", stream=stream, thinking=thinking)
        yield scene(f"structured, {way}", "structured", stream=stream)
        for function in client.scenes:
            yield scene(f"{function}, {way}", function, stream=stream)
        for carrier in CARRIERS:
            path = f"{carrier}-{way}"
            yield scene(path, "loop", f"{stub}/{path}", stream=stream)
    yield scene("search", "search")


def script_of(scene: Scene, client: Client) -> list[Any]:
    if scene.function == "search":
        return search_by_tool() if client.is_claude_code else search()
    return structured() if scene.function in {"structured", *BY_TOOL} else loop(client.tool)


def loop(tool: str) -> list[Any]:
    oslo, bergen = ({"call": {"name": tool, "args": {"city": c}}} for c in ("Oslo", "Bergen"))
    calls = {"parts": [{**oslo, "sign": True}, bergen]}
    return [
        {"when": {"results": False}, "chunks": [{"thought": "Two."}, {"text": "I look."}, calls]},
        {"when": {"results": 2}, "chunks": [{"text": FINAL}]},
    ]


def structured() -> list[Any]:
    """JSON where it is asked for, else a call of the function that stands for it."""
    text = json.dumps(FORECAST)
    return [
        {"when": {"json": True}, "chunks": [{"text": text[:9]}, {"text": text[9:]}]},
        {"when": {"results": True}, "chunks": [{"text": "Done."}]},
        *(
            {"when": {"tool": name}, "chunks": [{"call": {"name": name, "args": FORECAST}}]}
            for name in ("Forecast", "StructuredOutput")
        ),
    ]


def search() -> list[Any]:
    return [grounded(), {"chunks": [{"text": "England."}]}]


def search_by_tool() -> list[Any]:
    search = {"call": {"name": "WebSearch", "args": {"query": "euro 2024 winner"}}, "sign": True}
    return [
        {"when": {"last_text": "Perform a web search"}, **grounded()},
        {"chunks": [search]},
        {"when": {"results": 1}, "chunks": [{"text": "Spain."}]},
        {"when": {"results": False}, "chunks": [{"text": "England."}]},
    ]


def grounded() -> dict[str, Any]:
    found = {
        "webSearchQueries": ["euro 2024 winner"],
        "groundingChunks": [{"web": {"uri": URL, "title": "uefa.com"}}],
        "groundingSupports": [{"segment": {"text": "Spain."}, "groundingChunkIndices": [0]}],
    }
    return {"chunks": [{"text": "Spain."}, {"text": "", "candidate": {"groundingMetadata": found}}]}


# --- What comes of it -------------------------------------------------------------------------


def test_version_is_the_pinned_one(played: Played) -> None:
    lines = (FOLDER / "requirements.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines)
    pins |= json.loads((FOLDER / "package.json").read_text())["dependencies"]
    assert played.results["version"].split()[0] == pins[played.client.package]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("asked", THINKING)
def test_tool_loop_of_two_parallel_calls(played: Played, way: str, asked: str) -> None:
    first, second = check_loop(played, f"loop, {way}, {asked}")
    assert signed(second["signatures"]) == signed(first["issued"])


def check_loop(played: Played, scene: str) -> list[Any]:
    """Returns the two requests that Gemini got."""
    assert played.results[scene] == FINAL
    first, second = served(played, scene)
    results = [
        part["functionResponse"]["response"]["output"]
        for part in second["body"]["contents"][-1]["parts"]
        if "functionResponse" in part
    ]
    assert results == ["Oslo: snow", "Bergen: snow"]
    return [first, second]


def served(played: Played, scene: str) -> list[Any]:
    """The requests that Gemini got; it refused none."""
    journal = played.journals[scene]
    assert {request["status"] for request in journal} == {200}
    return journal


def signed(entries: list[Any]) -> list[Any]:
    """Signatures and the calls that they belong to."""
    return [(e["signature"], e["call_id"]) for e in entries if e["call_id"] is not None]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [name for name in CLIENTS if CLIENTS[name].scenes == RUNNER])
def test_tool_runner_that_asks_for_a_thread(
    play: Callable[[str], Played], name: str, way: str
) -> None:
    """The SDKs want the server to keep the conversation. Told that this one does not, they send
    all of it themselves."""
    check_loop(play(name), f"threaded_loop, {way}")


@pytest.mark.parametrize("way", WAYS)
def test_structured_output(played: Played, way: str) -> None:
    for function in ("structured", *played.client.scenes & BY_TOOL):
        assert played.results[f"{function}, {way}"] == FORECAST
        served(played, f"{function}, {way}")


def test_search_and_the_turn_after_it(played: Played) -> None:
    assert played.results["search"] == {"urls": [URL], "texts": ["Spain.", "England."]}
    journal = served(played, "search")
    assert [{"googleSearch": {}}] in [request["body"].get("tools") for request in journal]
    history = json.dumps(journal[-1]["body"]["contents"])
    assert "Spain." in history
    assert URL in history


@pytest.mark.parametrize("way", WAYS)
def test_carriers_that_a_client_returns(played: Played, way: str) -> None:
    """What was in an answer without being asked for comes back, and where it stood."""
    returned = set()
    for carrier, blocks in CARRIERS.items():
        assert played.results[f"{carrier}-{way}"] == FINAL
        first, second = played.bodies[f"{carrier}-{way}"]
        assert ("thinking" in first) is played.client.is_claude_code
        (content,) = [m["content"] for m in second["messages"] if m["role"] == "assistant"]
        name = {"name": played.client.tool}
        expected = [{**block, **name} if "name" in block else block for block in blocks]
        if content[: len(blocks)] == expected:
            returned.add(carrier)
    assert returned == CARRIERS.keys() - played.client.loses

"""`make demo-team`: a team's server to click through, without a key or an account.

Starts the emulator and the proxy with a plan file and a store in a temporary folder, has an
operator and two people, and some requests of theirs answered, prints where to look and as whom, and
serves until Ctrl-C.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests import demo, servers  # noqa: E402 - found through the line above
from tests.turns import Turn, reply  # noqa: E402

PLANS = """\
contact = "Ask Bob (bob@example.com)."
operators = ["bob"]

[plans.standard]
usd_per_day = 2
usd_per_month = 20
requests_per_minute = 60
open_streams = 5

[groups.core]
usd_per_month = 50
"""
PEOPLE = ("alice", "carol", "bob")
OPERATOR = "bob"

LARGE = Turn("claude-opus-5-5", 122_408, 97_860, 6_416, 0.1)
SMALL = Turn("claude-haiku-4-5", 2_412, 0, 114, 0.1)
SIDE = Turn("claude-sonnet-5-5", 31_340, 18_190, 1_402, 0.1)
USED: Mapping[str, tuple[tuple[str, Turn], ...]] = {
    "alice": (
        ("auxiliary", SMALL),
        *(("main", LARGE),) * 14,
        *(("subagent", SIDE),) * 6,
        ("compaction", LARGE._replace(model="gemini-4-neon")),
    ),
    "carol": (("auxiliary", SMALL), ("main", LARGE), ("subagent", SIDE)),
    "bob": (("main", SIDE),),
}
"""Person -> class of request and turn, each of them one request."""

LATER = Turn("claude-opus-5-5", 8_000, 0, 1_067, 0)
"""What any further request takes: $0.02 on Hydrogen."""

GUIDE = """\
A server of a team: {url}

    alice           {alice}
    carol           {carol}
    bob, operator   {bob}

1. Open {url}: so much a stranger sees. Sign in with alice's token.
2. "Show me a token", copy the block for your shell into another terminal, and ask Claude Code
   something: a stand-in for Gemini answers, and nothing is to be paid.
3. {url}/usage shows what it cost: $0.02 for each request, at list prices.
4. In a private window sign in as bob, and open {url}/team:
   all people, their tokens, raise, replace, revoke. Claude Code's next request with a token that
   is revoked is refused.
5. carol sees her own figures alone: {url}/usage?person=alice is refused to her.

Ctrl-C ends it, and nothing of it is kept. Its log: {log}
"""


class Team(NamedTuple):
    """A server that runs. key: what it asks the emulator with. tokens: of each person."""

    url: str
    key: str
    tokens: Mapping[str, str]


@contextlib.contextmanager
def serving(folder: Path, emulator: str, port: int | None = None) -> Iterator[Team]:
    """folder: for the plan file and the store. emulator: its URL."""
    key, plans = f"demo-team-{uuid.uuid4().hex}", folder / "plans.toml"
    plans.write_text(PLANS)
    environ = {
        "GEMINI_ENDPOINT": emulator,
        "GEMINI_API_KEY": key,
        "PROXY_SECRET": uuid.uuid4().hex,
        "PROXY_PLANS": str(plans),
        "PROXY_STORE": f"sqlite://{folder / 'team.sqlite'}",
        "PROXY_LISTEN_ADDR": f"127.0.0.1:{port or servers.free_port()}",
        "PROXY_WORKERS": "1",  # all sessions are on one page
        "PROXY_LOG_FORMAT": "text",
    }
    url = f"http://{environ['PROXY_LISTEN_ADDR']}"
    with servers.running([sys.executable, "-m", "proxy"], environ, url):
        team = Team(url, key, {person: create_token(person, environ) for person in PEOPLE})
        use(team, servers.Emulator(emulator))
        yield team


def create_token(person: str, environ: Mapping[str, str]) -> str:
    """As an operator does."""
    command = [sys.executable, "-m", "proxy", "token", "create", "--person", person]
    command += ["--plan", "standard", "--group", "core", "--days", "90"]
    environ = {**servers.clean_environ(), **environ}
    made = subprocess.run(
        command, env=environ, cwd=ROOT, capture_output=True, text=True, check=True
    )
    return made.stdout.strip()


def use(team: Team, emulator: servers.Emulator) -> None:
    """The requests that the pages show; further ones are answered, too."""
    asked = [(person, *each) for person, turns in USED.items() for each in turns]
    later = {**reply(LATER), "repeat": True}
    emulator.script(team.key, *[reply(turn) for _, _, turn in asked], later)
    sessions = {person: str(uuid.uuid4()) for person in USED}
    for person, kind, turn in asked:
        ask(team, person, turn.model, sessions[person], kind)


def ask(team: Team, person: str, model: str, session: str, kind: str) -> None:
    body = {"model": model, "max_tokens": 4_096, "stream": True}
    headers = {
        "Authorization": f"Bearer {team.tokens[person]}",
        "X-Claude-Code-Session-Id": session,
        "X-Claude-Code-Request-Class": kind,
    }
    messages = {"messages": [{"role": "user", "content": "Hi"}]}
    answer = servers.LOCAL.post(
        f"{team.url}/v1/messages", json=body | messages, headers=headers, timeout=60
    )
    assert answer.ok, answer.text


def serve(folder: Path) -> None:
    print("Starting a team's server, and a stand-in for Gemini ...", flush=True)
    with (
        servers.serving(servers.EMULATOR) as emulator,
        serving(folder, emulator, demo.choose_port()) as team,
    ):
        print(GUIDE.format(url=team.url, log=servers.output, **team.tokens), flush=True)
        demo.is_over.set()
        if "--once" not in sys.argv[1:]:
            threading.Event().wait()


def main() -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        code = demo.run_until_signalled(lambda: serve(Path(name)))
    os._exit(code)  # without waiting for the thread


if __name__ == "__main__":
    main()

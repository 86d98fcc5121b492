"""`make demo`: one streamed conversation with a tool call, without a key or an account.

Starts the emulator and the proxy, plays the client, shows what is said, and then keeps serving for
a Claude Code of your own.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import sseclient

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests import servers  # noqa: E402 - found through the line above

PREFERRED_PORT = 8080
MODEL = "claude-opus-5-5"
KEY = "demo-conversation"
"""For the script below; with any other the emulator plays its own."""

QUESTION = "Which files are here, and where do I begin?"
TOOLS = [
    {
        "name": "Bash",
        "description": "Run a shell command.",
        "input_schema": {
            "type": "object",
            "properties": {"command": {"type": "string"}},
            "required": ["command"],
        },
    }
]

FIRST_THOUGHT = "To answer, I should first see which files there are."
FIRST_TEXT = "I will list them."
SECOND_THOUGHT = "A README, one function, and folders named after what they do."
SECOND_TEXT = """\
This is a proxy between Claude Code and Gemini. main.py is the function
that is served, translate/ turns messages into Gemini's and back, proxy/
does all that touches the world, and tests/ has the Gemini that I am.
Begin with README.md, or with ./gemini-claude."""
"""What the stand-in for Gemini says."""

WORD_SECONDS = 0.015
"""Between two words, so that it can be seen that they are streamed."""

NEXT = "Next: ./gemini-claude runs Claude Code on Gemini. It asks for a key once; a free one works."

MAX_TEXT_WIDTH = 100
MAX_LOG_LINES = 20
"""Of the servers' log, where they did not start."""


def words(text: str) -> list[Any]:
    """A chunk of text for each word, with pauses."""
    pieces = re.findall(r"\S+\s*", text)
    return [chunk for piece in pieces for chunk in ({"text": piece}, {"delay": WORD_SECONDS})]


SCRIPT = [
    {
        "when": {"results": False},
        "chunks": [
            {"thought": FIRST_THOUGHT},
            *words(FIRST_TEXT),
            {"call": {"name": "Bash", "args": {"command": "ls"}}, "sign": True},
        ],
    },
    {
        "when": {"results": True},
        "chunks": [{"thought": SECOND_THOUGHT}, *words(SECOND_TEXT), {"sign": True}],
    },
]


# --- The screen -----------------------------------------------------------------------------------

COLORS = {"you": "1;36", "gemini": "1;32", "thinking": "2", "signature": "2", "call": "33"}
COLORS["result"] = COLORS["call"]
FAINT = ("thinking", "signature")
"""Who speaks -> how its name is shown (SGR); of the faint ones, also what it says."""

INDENT = " " * 11


class Screen:
    """Writes a conversation as it comes. has_color: whether names have one."""

    def __init__(self, output: TextIO, *, has_color: bool, width: int) -> None:
        self._output = output
        self._has_color = has_color
        self._width = width - len(INDENT)
        self._speaker = ""
        self._is_within = False

    def begin(self, speaker: str) -> None:
        """From now on this one speaks, on a line of its own."""
        self.end()
        if speaker in ("you", "thinking") and speaker != self._speaker:
            self.write("\n")
        self._speaker, self._is_within = speaker, True
        self.write(self._colored(f"{speaker:<{len(INDENT)}}"))

    def add(self, text: str) -> None:
        """More of what is said."""
        text = text.replace("\n", f"\n{INDENT}")
        self.write(self._colored(text) if self._speaker in FAINT else text)

    def end(self) -> None:
        """Nothing more of it."""
        if self._is_within:
            self.write("\n")
        self._is_within = False

    def say(self, speaker: str, text: str) -> None:
        """All at once, and in one line."""
        self.begin(speaker)
        self.add(shorten(text, self._width))
        self.end()

    def write(self, text: str) -> None:
        self._output.write(text)
        self._output.flush()

    def _colored(self, text: str) -> str:
        return f"\x1b[{COLORS[self._speaker]}m{text}\x1b[0m" if self._has_color else text


def shorten(text: str, width: int) -> str:
    """What fits, of words with two spaces between them the whole ones."""
    if len(text) <= width:
        return text
    whole, _, _ = text[: width - 2].rpartition("  ")
    return f"{whole or text[: width - 4]} ..."


def make_screen(output: TextIO) -> Screen:
    """As the terminal is, if it is one."""
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    width = min(shutil.get_terminal_size().columns, MAX_TEXT_WIDTH)
    return Screen(output, has_color=output.isatty() and not is_plain, width=width)


# --- The conversation -----------------------------------------------------------------------------


def play(proxy: str, screen: Screen) -> None:
    """Question, tool call, result, answer; and what it took."""
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    used: Counter[str] = Counter()
    screen.say("you", QUESTION)
    while True:
        content, stop_reason, usage = stream(proxy, messages, screen)
        used += Counter({"requests": 1, "in": usage["input_tokens"], "out": usage["output_tokens"]})
        messages.append({"role": "assistant", "content": content})
        calls = [block for block in content if block["type"] == "tool_use"]
        if stop_reason != "tool_use":
            break
        messages.append({"role": "user", "content": [run(call, screen) for call in calls]})
    took = f"{used['requests']} requests, {used['in']} tokens in, {used['out']} out"
    screen.write(f"\n{took}; no model was asked, and nothing is to be paid.\n{NEXT}\n")


def run(call: Any, screen: Screen) -> Any:
    """Stand in for the shell: this demo knows `ls` and nothing else."""
    names = sorted(path.name for path in ROOT.iterdir() if path.name[0] != ".")
    known = call["input"].get("command") == "ls"
    screen.say("result", f"{len(names)} names: {'  '.join(names)}" if known else "unknown command")
    return {
        "type": "tool_result",
        "tool_use_id": call["id"],
        "content": "\n".join(names) if known else "unknown command",
        "is_error": not known,
    }


def stream(proxy: str, messages: list[Any], screen: Screen) -> tuple[list[Any], str, Any]:
    """One streamed answer, shown as it comes; returns its content, stop reason and usage."""
    body = {
        "model": MODEL,
        "max_tokens": 4096,
        "stream": True,
        "thinking": {"type": "adaptive"},
        "tools": TOOLS,
        "messages": messages,
    }
    headers = {"Authorization": f"Bearer {KEY}"}
    answer = servers.LOCAL.post(
        f"{proxy}/v1/messages", json=body, headers=headers, stream=True, timeout=60
    )
    answer.raise_for_status()
    content: list[Any] = []
    last: Any = {}
    for event in sseclient.SSEClient(iter(lambda: answer.raw.read1(65_536), b"")).events():
        data = json.loads(event.data)
        if event.event == "content_block_start":
            content.append(data["content_block"])
            begin(content[-1], screen)
        elif event.event == "content_block_delta":
            grow(content[-1], data["delta"], screen)
        elif event.event == "content_block_stop":
            finish(content[-1], screen)
        elif event.event == "message_delta":
            last = data
    return content, last["delta"]["stop_reason"], last["usage"]


def begin(block: Any, screen: Screen) -> None:
    if block["type"] == "tool_use":
        block["input"] = ""
    elif block["type"] == "text":
        screen.begin("gemini")


def grow(block: Any, delta: Any, screen: Screen) -> None:
    """Text as it comes; a thought begins with its first words, as it may have none."""
    if "text" in delta:
        block["text"] += delta["text"]
        screen.add(delta["text"])
    elif "thinking" in delta:
        if not block["thinking"]:
            screen.begin("thinking")
        block["thinking"] += delta["thinking"]
        screen.add(delta["thinking"])
    elif "partial_json" in delta:
        block["input"] += delta["partial_json"]
    elif "signature" in delta:
        block["signature"] = delta["signature"]
        screen.say("signature", f"{delta['signature'][:24]}... goes back to Gemini with the result")


def finish(block: Any, screen: Screen) -> None:
    screen.end()
    if block["type"] == "tool_use":
        block["input"] = json.loads(block["input"] or "{}")
        screen.say("call", f"{block['name']} {json.dumps(block['input'])}")


# --- The servers ----------------------------------------------------------------------------------

END_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
"""Ctrl-C, kill, and a closed terminal; Windows has no third."""

POLL_SECONDS = 0.1
FAILED, SIGNALLED = 1, 128
"""Exit codes; the second with the signal's number added, as a shell has it."""

is_over = threading.Event()
"""Whether the conversation has come to its end: from then on Ctrl-C is how the demo ends."""


def main() -> None:
    os._exit(run_until_signalled(lambda: _serve_and_play()))  # without waiting for the thread


def run_until_signalled(work: Callable[[], None]) -> int:
    """Let a thread do it: a signal may come at any moment, even between the start of a process and
    the line that notes it. Here it only sets a flag. Returns the exit code, when all servers are
    stopped; the thread may still be there."""
    signals: list[int] = []
    for number in END_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, lambda number, _: signals.append(number))
    servers.output = open_log()
    failures: list[BaseException] = []
    thread = threading.Thread(target=attempt, args=(work, failures), daemon=True)
    thread.start()
    while thread.is_alive() and not signals:
        thread.join(POLL_SECONDS)
    servers.stop_all()
    code = 0
    with contextlib.suppress(OSError):  # of a terminal that is closed
        if signals:
            code = 0 if is_over.is_set() else SIGNALLED + signals[0]
            print()
        elif failures:
            code = FAILED
            report(failures[0], servers.output)
        sys.stdout.flush()
    return code


def attempt(work: Callable[[], None], failures: list[BaseException]) -> None:
    """All of the demo. failures: gets the exception that ended it."""
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - reported by main
        failures.append(error)


def _serve_and_play() -> None:
    screen = make_screen(sys.stdout)
    screen.write(f"Starting the proxy, and a stand-in for Gemini. Their log: {servers.output}\n")
    port = choose_port()
    with servers.serving(servers.EMULATOR) as emulator:
        servers.Emulator(emulator).script(KEY, *SCRIPT)
        environ = {
            "GEMINI_ENDPOINT": emulator,
            "PROXY_LISTEN_ADDR": f"127.0.0.1:{port}",
            "PROXY_LOG_FORMAT": "text",
        }
        command = [sys.executable, "-m", "proxy"]
        with servers.running(command, environ, f"http://127.0.0.1:{port}") as proxy:
            play(proxy, screen)
            is_over.set()
            if "--once" not in sys.argv[1:]:
                keep_serving(proxy, screen)


def keep_serving(proxy: str, screen: Screen) -> None:
    screen.write(
        "\nStill serving. In another terminal, for a Claude Code of your own:\n\n"
        f"    export ANTHROPIC_BASE_URL={proxy}\n"
        "    export ANTHROPIC_AUTH_TOKEN=demo\n"
        "    claude\n\n"
        "Ctrl-C ends it.\n"
    )
    threading.Event().wait()


def open_log() -> Path:
    """An empty file for what the servers write."""
    log = ROOT / ".cache/demo.log"
    try:
        log.parent.mkdir(exist_ok=True)
        log.write_bytes(b"")
    except OSError:  # somebody else's folder
        file, name = tempfile.mkstemp("-demo.log", "gemini-messages-")
        os.close(file)
        log = Path(name)
    return log.relative_to(Path.cwd()) if log.is_relative_to(Path.cwd()) else log


def report(error: BaseException, log: Path) -> None:
    """Why it did not come to its end, and the last lines of the log."""
    lines = log.read_text("utf-8", "replace").splitlines()[-MAX_LOG_LINES:]
    sys.stderr.writelines(f"    {line}\n" for line in lines)
    print(f"The demo has failed: {error or type(error).__name__}", file=sys.stderr)


def choose_port() -> int:
    if "PROXY_LISTEN_ADDR" in os.environ:
        return int(os.environ["PROXY_LISTEN_ADDR"].rpartition(":")[2])
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PREFERRED_PORT))
        except OSError:
            return servers.free_port()
    return PREFERRED_PORT


if __name__ == "__main__":
    main()

"""`make demo`: one streamed conversation with a tool call, without a key or an account.

Starts the emulator and the proxy, plays the client, prints what happens, and then keeps
serving for a Claude Code of your own. It refuses to know Gemini: it is a Messages API client.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import sseclient

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests import servers  # noqa: E402 - found through the line above

PREFERRED_PORT = 8080
MODEL = "claude-opus-5-5"
QUESTION = "Which files are here?"
TOOLS = [
    {
        "name": "Bash",
        "description": "Run a shell command.",
        "input_schema": {
            "type": "object",
            "properties": {"command": {"type": "string"}, "description": {"type": "string"}},
            "required": ["command"],
        },
    }
]


END_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
"""Ctrl-C, kill, and a closed terminal; Windows has no third."""

POLL_SECONDS = 0.1


def main() -> None:
    """Let a thread do it: a signal may come at any moment, even between the start of a process and
    the line that notes it. Here it only sets a flag."""
    signals: list[int] = []
    for number in END_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, lambda number, _: signals.append(number))
    failures: list[BaseException] = []
    thread = threading.Thread(target=serve_and_play, args=(failures,), daemon=True)
    thread.start()
    while thread.is_alive() and not signals:
        thread.join(POLL_SECONDS)
    servers.stop_all()
    if failures and not signals:
        raise failures[0]
    sys.stdout.flush()
    os._exit(0)  # without waiting for the thread


def serve_and_play(failures: list[BaseException]) -> None:
    """All of the demo. failures: gets the exception that ended it."""
    try:
        _serve_and_play()
    except BaseException as error:  # noqa: BLE001 - raised by main
        failures.append(error)


def _serve_and_play() -> None:
    port = _port()
    with servers.serving(servers.EMULATOR) as emulator:
        environ = {"GEMINI_ENDPOINT": emulator, "PROXY_LISTEN_ADDR": f"127.0.0.1:{port}"}
        command = [sys.executable, "-m", "proxy"]
        with servers.running(command, environ, f"http://127.0.0.1:{port}") as proxy:
            play(proxy)
            if "--once" not in sys.argv[1:]:
                keep_serving(proxy)


def play(proxy: str) -> None:
    """The conversation: question, tool call, result, answer."""
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    print()
    say("you", QUESTION)
    while True:
        content, stop_reason = stream(proxy, messages)
        messages.append({"role": "assistant", "content": content})
        calls = [block for block in content if block["type"] == "tool_use"]
        if stop_reason != "tool_use":
            break
        messages.append({"role": "user", "content": [run(call) for call in calls]})
    print()


def run(call: Any) -> Any:
    """Stand in for the shell: this demo knows `ls` and nothing else."""
    listing = "\n".join(sorted(path.name for path in ROOT.iterdir() if path.name[0] != "."))
    known = call["input"].get("command") == "ls"
    say("result", listing.replace("\n", "  ") if known else "unknown command")
    return {
        "type": "tool_result",
        "tool_use_id": call["id"],
        "content": listing if known else "unknown command",
        "is_error": not known,
    }


def stream(proxy: str, messages: list[Any]) -> tuple[list[Any], str]:
    """One streamed answer, printed as it comes; returns its content and stop reason."""
    body = {
        "model": MODEL,
        "max_tokens": 4096,
        "stream": True,
        "thinking": {"type": "adaptive"},
        "tools": TOOLS,
        "messages": messages,
    }
    headers = {"Authorization": "Bearer demo"}
    answer = servers.LOCAL.post(
        f"{proxy}/v1/messages", json=body, headers=headers, stream=True, timeout=60
    )
    answer.raise_for_status()
    content: list[Any] = []
    stop_reason = ""
    for event in sseclient.SSEClient(iter(lambda: answer.raw.read1(65_536), b"")).events():
        data = json.loads(event.data)
        if event.event == "content_block_start":
            content.append(data["content_block"])
            begin(data["content_block"])
        elif event.event == "content_block_delta":
            grow(content[-1], data["delta"])
        elif event.event == "content_block_stop":
            finish(content[-1])
        elif event.event == "message_delta":
            stop_reason = data["delta"]["stop_reason"]
    return content, stop_reason


def begin(block: Any) -> None:
    if block["type"] == "tool_use":
        block["input"] = ""
    elif block["type"] == "text":
        label("gemini")


def grow(block: Any, delta: Any) -> None:
    """Text as it comes; a thought with its own heading in one line."""
    if "text" in delta:
        block["text"] += delta["text"]
        print(delta["text"], end="", flush=True)
    elif "thinking" in delta:
        block["thinking"] += delta["thinking"]
        say("thought", " ".join(delta["thinking"].split()))
    elif "partial_json" in delta:
        block["input"] += delta["partial_json"]
    elif "signature" in delta:
        block["signature"] = delta["signature"]
        say("signed", f"{delta['signature'][:40]}... (goes back to Gemini with the next call)")


def finish(block: Any) -> None:
    if block["type"] == "tool_use":
        block["input"] = json.loads(block["input"] or "{}")
        say("call", f"{block['name']} {json.dumps(block['input'])}")


def label(who: str) -> None:
    print(f"\n{who:>9}  ", end="", flush=True)


def say(who: str, what: str) -> None:
    label(who)
    print(what, end="", flush=True)


def keep_serving(proxy: str) -> None:
    print(
        "\nStill serving. In another terminal, point Claude Code at it:\n\n"
        f"    export ANTHROPIC_BASE_URL={proxy}\n"
        "    export ANTHROPIC_AUTH_TOKEN=demo\n"
        "    claude\n\n"
        "Ctrl-C ends it. With a Gemini key instead of the emulator: make run",
        flush=True,
    )
    threading.Event().wait()


def _port() -> int:
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

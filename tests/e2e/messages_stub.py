"""A Messages API that shows what a client does with what it did not ask for.

Each path begins with a carrier's name and a way, as in `long-id-whole`. A carrier is a place in an
answer where a thought signature could travel. A request without results gets two tool calls with
that carrier, any other a text. Every body is kept, so that a test sees what came back.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Block = dict[str, Any]

VALUE = "gs1.c.gemini-4-hydrogen:" + "QUJD" * 750
"""A signature in its envelope, of the usual length."""
TOOL = "get_weather"
FINAL = "It snows in both."


def tool_use(city: str, identity: str = "toolu_0a1b2c3d_x1", **more: Any) -> Block:
    return {"type": "tool_use", "id": identity, "name": TOOL, "input": {"city": city}, **more}


THINKING = {"type": "thinking", "thinking": "", "signature": VALUE}
TEXT = {"type": "text", "text": "I look."}
CITATION = {
    "type": "web_search_result_location",
    "url": "https://x.test/",
    "title": "X",
    "cited_text": "x",
    "encrypted_index": VALUE,
}
CARRIERS: dict[str, list[Block]] = {
    "long-id": [tool_use("Oslo", "toolu_" + "QUJ_" * 750)],
    "odd-id": [tool_use("Oslo", "toolu_0a1b2c3d+/=.:x1")],
    "thinking": [THINKING, tool_use("Oslo")],
    "thinking-behind-text": [TEXT, THINKING, tool_use("Oslo")],
    "redacted": [{"type": "redacted_thinking", "data": VALUE}, tool_use("Oslo")],
    "unknown-field": [tool_use("Oslo", thought_signature=VALUE)],
    "caller": [tool_use("Oslo", caller={"type": "code_execution_20260120", "tool_id": VALUE})],
    "citation": [{**TEXT, "citations": [CITATION]}, tool_use("Oslo")],
}
"""A carrier's name -> the blocks before the second call of an answer."""

DELTAS = {
    "text": {"text": "text_delta"},
    "thinking": {"thinking": "thinking_delta", "signature": "signature_delta"},
    "tool_use": {"input": "input_json_delta"},
}
"""Type of a block -> its fields that come in deltas, and the deltas' types."""


class Stub(ThreadingHTTPServer):
    """bodies: what was posted, by the first segment of the path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.bodies: dict[str, list[Any]] = {}


class Handler(BaseHTTPRequestHandler):
    """POST of a message; any other request is answered without an error."""

    server: Stub
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        name = self.path.split("/")[1]
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.setdefault(name, []).append(body)
        message = answer(body, CARRIERS[name.rpartition("-")[0]])
        if body.get("stream"):
            frames = (f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events(message))
            self._send("".join(frames), "text/event-stream")
        else:
            self._send(json.dumps(message), "application/json")

    def do_GET(self) -> None:
        self._send("{}", "application/json")

    def do_HEAD(self) -> None:
        self._send("", "application/json")

    def _send(self, text: str, kind: str) -> None:
        data = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Nothing: the bodies tell."""


def answer(body: Any, carrier: list[Block]) -> Any:
    """The message; the tool's name is the client's own, which may have a prefix."""
    names = [tool["name"] for tool in body.get("tools", ()) if tool["name"].endswith(TOOL)]
    is_answered = '"tool_result"' in json.dumps(body["messages"])
    content: list[Block] = [{"type": "text", "text": FINAL}]
    if names and not is_answered:
        calls = [*carrier, tool_use("Bergen", "toolu_0a1b2c3d_x2")]
        content = [{**block, "name": names[0]} if "name" in block else block for block in calls]
    return {
        "id": "msg_0a1b2c3d",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": "tool_use" if len(content) > 1 else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 9},
    }


def events(message: Any) -> Iterator[Any]:
    """The message as a stream."""
    yield {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}}
    for index, block in enumerate(message["content"]):
        deltas = list(block_deltas(block))
        empty = {name: {} if name == "input" else "" for name in DELTAS.get(block["type"], ())}
        start = {**block, **empty, **({"citations": []} if "citations" in block else {})}
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    end = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": end, "usage": message["usage"]}
    yield {"type": "message_stop"}


def block_deltas(block: Block) -> Iterator[Any]:
    for citation in block.get("citations", ()):
        yield {"type": "citations_delta", "citation": citation}
    for name, kind in DELTAS.get(block["type"], {}).items():
        if name == "input":
            yield {"type": kind, "partial_json": json.dumps(block[name])}
        elif block[name]:
            yield {"type": kind, name: block[name]}


@contextlib.contextmanager
def serving() -> Iterator[Stub]:
    with Stub() as stub:
        thread = threading.Thread(target=stub.serve_forever, daemon=True)
        thread.start()
        try:
            yield stub
        finally:
            stub.shutdown()
            thread.join()

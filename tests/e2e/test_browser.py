"""A page in a real browser: what it may ask of another site's server, and what it may not.

The pages are served here, on origins of their own; headless Chromium opens them, and each reports
what it saw.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests import chromium, servers
from tests.servers import Emulator

BROWSER_SECONDS = 60

pytestmark = pytest.mark.browser

SCRIPT = """
const report = async () => {
  const seen = {};
  const body = {model: "claude-opus-5", max_tokens: 100, stream: true,
                messages: [{role: "user", content: "Hi"}]};
  const headers = {"content-type": "application/json", "anthropic-version": "2023-06-01",
                   "anthropic-dangerous-direct-browser-access": "true"};
  const ask = async (name, path, init) => {
    try {
      const answer = await fetch(PROXY + path, init);
      const pieces = [];
      for (const reader = answer.body.getReader();;) {
        const {value, done} = await reader.read();
        if (done) break;
        pieces.push(new TextDecoder().decode(value));
      }
      seen[name] = {status: answer.status, text: pieces.join(""), pieces: pieces.length,
                    headers: Object.fromEntries(answer.headers)};
    } catch (error) {
      seen[name] = {error: error.name};
    }
  };
  const simple = {method: "POST", body: JSON.stringify(body)};
  const post = (more) => ({...simple, headers: {...headers, ...more}});
  await ask("stream", "/v1/messages", post({"x-api-key": KEY}));
  const whole = JSON.stringify({...body, stream: false});
  await ask("whole", "/v1/messages", {...post({"x-api-key": KEY}), body: whole});
  await ask("limited", "/v1/messages", post({"x-api-key": KEY}));
  await ask("refused", "/v1/messages", post({"x-api-key": "bad-key"}));
  await ask("keyless", "/v1/messages", post({}));
  await ask("models", "/v1/models", {headers: {...headers, "x-api-key": KEY}});
  await ask("nowhere", "/else", {});
  await fetch(PROXY + "/v1/messages", {...simple, mode: "no-cors"});
  await new Promise((done) => {
    const image = new Image();
    image.onload = image.onerror = done;
    image.src = PROXY + "/v1/messages/count_tokens?" + new URLSearchParams(body);
  });
  await fetch("/seen", {method: "POST", body: JSON.stringify(seen)});
};
report();
"""


class Page:
    """A site with one page, and the reports of those who open it. page: its HTML."""

    def __init__(self) -> None:
        self.html = ""
        self.seen: queue.Queue[Any] = queue.Queue()
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(page.html.encode())

            def do_POST(self) -> None:
                page.seen.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.answer(b"")

            def answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.origin = f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def open(self, folder: Path, proxy: str, key: str) -> Any:
        """What the page has seen, opened in a browser."""
        script = f"const PROXY = {json.dumps(proxy)}, KEY = {json.dumps(key)};\n{SCRIPT}"
        self.html = f"<!doctype html><title>A page</title><script>{script}</script>"
        command = [chromium.need(), *chromium.FLAGS, f"--user-data-dir={folder}", self.origin]
        with (folder / "browser.log").open("wb") as log:
            browser = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            return self.seen.get(timeout=BROWSER_SECONDS)
        except queue.Empty:
            pytest.fail((folder / "browser.log").read_text("utf-8", "replace"))
        finally:
            browser.terminate()
            browser.wait(BROWSER_SECONDS)


@pytest.fixture
def page() -> Iterator[Page]:
    with contextlib.closing(Page()) as page:
        yield page


DELAY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "16.2s"}
LIMITED = {
    "code": 429,
    "status": "RESOURCE_EXHAUSTED",
    "message": "Slow down.",
    "details": [DELAY],
}
"""Google's answer when a minute's quota is used up: the wait is the client's."""

Open = Callable[[str, dict[str, str]], Any]


@pytest.fixture
def look(page: Page, emulator: Emulator, key: str, tmp_path: Path) -> Open:
    """Opens the page before a server with these settings."""

    def look(key_of_page: str, environ: dict[str, str]) -> Any:
        words = {"chunks": [{"text": "Hel"}, {"delay": 0.3}, {"text": "lo."}]}
        emulator.script(key, words, words, {"status": LIMITED})
        settings = {"GEMINI_ENDPOINT": emulator.url, **environ}
        with servers.serving(servers.PROXY, settings) as proxy:
            return page.open(tmp_path, proxy, key_of_page)

    return look


def test_allowed_page_reads_streams_and_errors(
    page: Page, look: Open, emulator: Emulator, key: str
) -> None:
    seen = look(key, {"PROXY_ALLOW_ORIGINS": f"https://else.example,{page.origin}"})
    stream = seen["stream"]
    assert stream["status"] == 200
    assert "event: message_stop" in stream["text"]
    assert stream["pieces"] > 1, "as they come"
    assert stream["headers"].keys() >= {"request-id", "x-gemini-model", "x-proxy-version"}
    whole = seen["whole"]
    assert json.loads(whole["text"])["content"] == [{"type": "text", "text": "Hello."}]
    assert whole["headers"].keys() >= {"request-id", "x-gemini-model"}
    limited = seen["limited"]
    assert limited["status"] == 429
    assert json.loads(limited["text"])["error"]["type"] == "rate_limit_error"
    assert "request-id" in limited["headers"]
    assert limited["headers"]["retry-after"] == "17"
    refused = seen["refused"]
    assert (refused["status"], refused["headers"]["x-should-retry"]) == (401, "false")
    assert "Google refused the API key" in refused["text"]
    assert seen["keyless"]["status"] == 401
    assert "claude-gemini-4-hydrogen" in seen["models"]["text"]
    assert seen["nowhere"]["status"] == 404
    assert len(emulator.journal(key)) == 3


def test_other_page_reads_nothing(look: Open, emulator: Emulator, key: str) -> None:
    seen = look(key, {})
    assert seen == {name: {"error": "TypeError"} for name in seen}
    assert len(seen) == 7
    assert emulator.journal(key) == []


def test_no_page_makes_a_local_server_work(look: Open, emulator: Emulator, key: str) -> None:
    """With a key of its own it serves programs on this machine: a page is none."""
    look("", {"GEMINI_API_KEY": key, "PROXY_ALLOW_ORIGINS": "*"})
    assert emulator.journal(key) == []

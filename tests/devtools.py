"""A page in headless Chromium, led through the DevTools protocol over two pipes.

https://chromedevtools.github.io/devtools-protocol/, seen 2026-11-28: each message is JSON and ends
with a zero byte; the browser reads from file descriptor 3 and writes to 4.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests import chromium

ANSWER_SECONDS = 60
READ_BYTES = 65_536

START = """\
import fcntl, os, sys
ends = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3]]
for end, number in zip(ends, (3, 4)):
    os.dup2(end, number)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Becomes the browser, with its two pipes where it looks for them."""

KEYS = {"Tab": 9, "Enter": 13}


class Page:
    """One tab. messages: what its console, its policy and its network had to report."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser = browser
        self._target = target
        self._session = session
        self.messages: list[Any] = []
        browser.pages[session] = self
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        self._browser.call("Target.closeTarget", {"targetId": self._target})

    def call(self, method: str, **params: Any) -> Any:
        return self._browser.call(method, params, self._session)

    def show(
        self,
        width: int,
        height: int,
        *,
        scale: float = 1,
        theme: str = "light",
        script: bool = True,
    ) -> None:
        """How large the window is, and what its person prefers. scale: device pixels for one."""
        is_phone = width < 500
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=is_phone,
        )
        self.call("Emulation.setTouchEmulationEnabled", enabled=is_phone)
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": theme}],
        )
        self.call("Emulation.setScrollbarsHidden", hidden=True)
        self.call("Emulation.setScriptExecutionDisabled", value=not script)

    def open(self, url: str) -> None:
        """Returns when all of it is loaded."""
        self.messages.clear()
        self.call("Page.navigate", url=url)
        self.wait_for("Page.loadEventFired")

    def wait_for(self, method: str) -> Any:
        while True:
            for message in self.messages:
                if message["method"] == method:
                    return message["params"]
            self._browser.read()

    def of(self, method: str) -> list[Any]:
        """The parameters of all events of a kind since the page was opened."""
        return [message["params"] for message in self.messages if message["method"] == method]

    def evaluate(self, expression: str) -> Any:
        """A JavaScript expression's value, as JSON; of a promise, what it comes to."""
        ran = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in ran:
            raise AssertionError(ran["exceptionDetails"])
        return ran["result"].get("value")

    def press(self, key: str) -> None:
        event = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **event, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def follow(self, selector: str) -> None:
        """Press a link or a button, by keyboard; returns when the next page is loaded."""
        self.evaluate(f"document.querySelector({selector!r}).focus()")
        self.messages.clear()
        self.press("Enter")
        self.wait_for("Page.loadEventFired")

    def picture(self, *, is_whole: bool) -> bytes:
        """As WebP, of the window or of the whole page."""
        shot = self.call(
            "Page.captureScreenshot", format="webp", quality=78, captureBeyondViewport=is_whole
        )
        return base64.b64decode(shot["data"])


class Browser:
    """The process and its two pipes. pages: by their session's id."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to_browser = to_browser
        self._from_browser = from_browser
        self._rest = b""
        self._id = 0
        self._results: dict[int, Any] = {}
        self.pages: dict[str, Page] = {}

    def new_page(self) -> Page:
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})
        return Page(self, target, attached["sessionId"])

    def call(self, method: str, params: Any, session: str | None = None) -> Any:
        """A command's result. Raises AssertionError for an error."""
        self._id += 1
        message = {"id": self._id, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._to_browser, json.dumps(message).encode() + b"\0")
        while self._id not in self._results:
            self.read()
        result = self._results.pop(self._id)
        assert "error" not in result, (method, result)
        return result["result"]

    def read(self) -> None:
        """Wait for something from the browser, and give it to whom it concerns."""
        ready, _, _ = select.select([self._from_browser], [], [], ANSWER_SECONDS)
        read = os.read(self._from_browser, READ_BYTES) if ready else b""
        if not read:
            raise AssertionError("The browser does not answer.")
        *messages, self._rest = (self._rest + read).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._results[message["id"]] = message
            elif page := self.pages.get(message.get("sessionId", "")):
                page.messages.append(message)


@contextlib.contextmanager
def browsing(folder: Path) -> Iterator[Browser]:
    """A browser with a profile of its own in this folder; ended afterwards."""
    read_by_browser, to_browser = os.pipe()
    from_browser, written_by_browser = os.pipe()
    command = [sys.executable, "-c", START, str(read_by_browser), str(written_by_browser)]
    command += [chromium.need(), *chromium.FLAGS, "--remote-debugging-pipe"]
    command += [f"--user-data-dir={folder}", "about:blank"]
    with (folder / "browser.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            pass_fds=(read_by_browser, written_by_browser),
        )
    os.close(read_by_browser)
    os.close(written_by_browser)
    try:
        yield Browser(to_browser, from_browser)
    finally:
        os.close(to_browser)
        process.terminate()
        process.wait(ANSWER_SECONDS)
        os.close(from_browser)

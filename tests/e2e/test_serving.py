"""The function as it is served: many at once, and nothing left open."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests import servers
from tests.messages import MARKER
from tests.servers import Emulator

STREAMS = 100
PATIENCE_SECONDS = 20
BODY = {
    "model": "claude-opus-5",
    "max_tokens": 1000,
    "stream": True,
    "messages": [{"role": "user", "content": f"Hi, {MARKER}"}],
}


def test_a_hundred_streams_at_once_without_a_setting(
    emulator: Emulator, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("THREADS", raising=False)
    slow = {"chunks": [{"text": "Hel"}, {"delay": 10}, {"text": "lo."}], "repeat": True}
    emulator.script(key, slow)
    with servers.serving(servers.PROXY, {"GEMINI_ENDPOINT": emulator.url}) as proxy:

        def begin(_: int) -> requests.Response:
            answer = servers.LOCAL.post(
                f"{proxy}/v1/messages",
                json=BODY,
                headers={"x-api-key": key},
                stream=True,
                timeout=PATIENCE_SECONDS,
            )
            assert b"message_start" in next(answer.iter_content(65_536))
            return answer

        assert "THREADS" not in os.environ
        with ThreadPoolExecutor(STREAMS) as pool:
            answers = list(pool.map(begin, range(STREAMS)))
        assert [request["closed"] for request in emulator.journal(key)] == [None] * STREAMS
        for answer in answers:
            answer.close()


def test_a_client_that_leaves_frees_its_upstream(emulator: Emulator, key: str) -> None:
    words = [{"text": "word "}, {"delay": 0.05}] * 400
    emulator.script(key, {"chunks": words})
    with servers.serving(servers.PROXY, {"GEMINI_ENDPOINT": emulator.url}) as proxy:
        url, headers = f"{proxy}/v1/messages", {"x-api-key": key}
        with servers.LOCAL.post(url, json=BODY, headers=headers, stream=True, timeout=10) as answer:
            next(answer.iter_content(100))
        deadline = time.monotonic() + PATIENCE_SECONDS / 2
        while emulator.journal(key)[0]["closed"] is None and time.monotonic() < deadline:
            time.sleep(0.05)
    assert emulator.journal(key)[0]["closed"] == "client"

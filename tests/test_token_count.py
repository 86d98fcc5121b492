"""proxy/token_count.py: Gemini's count, an estimate instead, and how many wait at once."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from proxy import token_count

COUNT = "/v1/messages/count_tokens"
TEST_TIMEOUT = 20
BODY: dict[str, Any] = {
    "model": "claude-opus-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "word " * 100}],
}
KEY = {"x-api-key": "key"}

Post = Callable[[str], int]


class SlowGemini:
    """Accepts connections and answers none, until it is closed."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(TEST_TIMEOUT)
        self.address = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        self._accepted: list[socket.socket] = []

    def wait_for(self, requests: int) -> None:
        """Until so many requests are waiting here."""
        while len(self._accepted) < requests:
            self._accepted.append(self.server.accept()[0])

    def waiting_now(self) -> int:
        """How many connections there are by now."""
        self.server.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._accepted.append(self.server.accept()[0])
        return len(self._accepted)

    def close(self) -> None:
        for each in (*self._accepted, self.server):
            each.close()


@pytest.fixture
def slow_gemini() -> Iterator[SlowGemini]:
    with contextlib.closing(SlowGemini()) as gemini:
        yield gemini


@contextlib.contextmanager
def counting(client: FlaskClient, gemini: SlowGemini, counts: int) -> Iterator[list[int]]:
    """So many counts that wait for Gemini; their statuses are there at the end."""
    statuses: list[int] = []

    def count() -> None:
        answer = client.application.test_client().post(COUNT, json=BODY, headers=KEY)
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=count) for _ in range(counts)]
    for thread in threads:
        thread.start()
    gemini.wait_for(counts)
    try:
        yield statuses
    finally:
        gemini.close()
        for thread in threads:
            thread.join(TEST_TIMEOUT)


def test_slow_counts_take_places(
    make_client: Callable[..., FlaskClient], slow_gemini: SlowGemini
) -> None:
    client = make_client(GEMINI_ENDPOINT=slow_gemini.address, PROXY_CONCURRENCY="1")
    with counting(client, slow_gemini, 1) as statuses:
        for path in (COUNT, "/v1/messages"):
            refused = client.post(path, json=BODY, headers=KEY)
            assert (refused.status_code, refused.headers["retry-after"]) == (529, "5")
        assert client.get("/").status_code == 200
    assert statuses == [200]
    assert client.post(COUNT, json=BODY, headers=KEY).status_code == 200, "its place is free"


def test_slow_counts_leave_places_for_messages(
    make_client: Callable[..., FlaskClient], slow_gemini: SlowGemini
) -> None:
    """More than their share of the places are estimated, and do not wait."""
    places = 2 * token_count.SHARE
    client = make_client(GEMINI_ENDPOINT=slow_gemini.address, PROXY_CONCURRENCY=str(places))
    with counting(client, slow_gemini, 2):
        estimated = client.post(COUNT, json=BODY, headers=KEY)
        assert estimated.get_json()["input_tokens"] > 100
        assert slow_gemini.waiting_now() == 2


def test_a_refused_count_gives_its_place_back(make_client: Callable[..., FlaskClient]) -> None:
    client = make_client(PROXY_CONCURRENCY="1")
    for _ in range(3):
        assert client.post(COUNT, json={}, headers=KEY).status_code == 400
        assert client.post(COUNT, json=BODY, headers={"x-api-key": "bad-key"}).status_code == 401

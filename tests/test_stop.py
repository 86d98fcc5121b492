"""The end of a server: SIGTERM, SIGHUP and SIGINT, seen from outside (proxy/worker.py)."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests import interrupts, servers
from tests.servers import Emulator
from tests.test_main import MESSAGE

STOP_SECONDS = 1.0
EXIT_SECONDS = 8
"""In which a process ends that has to wait for nobody; the rest is a slow machine's."""

TEST_TIMEOUT = 30


class Server:
    """A served function, whose processes a test ends."""

    def __init__(self, folder: Path, emulator: Emulator, *, survives_hangup: bool = False) -> None:
        port = servers.free_port()
        self.address = ("127.0.0.1", port)
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "server.log"
        settings = {"GEMINI_ENDPOINT": emulator.url, "PROXY_STOP_SECONDS": str(STOP_SECONDS)}
        command = [*servers.FRAMEWORK, "--port", str(port), *servers.PROXY]
        if survives_hangup:
            command = ["nohup", *command]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                env={**servers.clean_environ(), **settings, "PROXY_FIRST_BYTE_SECONDS": "0.2"},
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=servers.ROOT,
            )
        servers.wait_for(self.process, self.url)

    def post(self, key: str, *, stream: bool = True) -> requests.Response:
        body = {**MESSAGE, "stream": stream}
        headers = {"x-api-key": key, "Connection": "close"}
        url, given = f"{self.url}/v1/messages", {"stream": stream, "timeout": TEST_TIMEOUT}
        return servers.LOCAL.post(url, json=body, headers=headers, **given)

    def stop(self, number: int = signal.SIGTERM) -> float:
        self.process.send_signal(number)
        return time.monotonic()

    def wait_until_refused(self) -> None:
        end = time.monotonic() + TEST_TIMEOUT
        with contextlib.suppress(ConnectionRefusedError):
            while time.monotonic() < end:
                socket.create_connection(self.address, TEST_TIMEOUT).close()
                time.sleep(0.01)
        assert time.monotonic() < end

    def lines(self) -> list[Any]:
        """Of requests for messages."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line[:1] == "{"]
        return [line for line in lines if line.get("path") == "/v1/messages"]


@pytest.fixture
def server(tmp_path: Path, emulator: Emulator) -> Iterator[Server]:
    server = Server(tmp_path, emulator)
    yield server
    server.process.kill()
    server.process.wait()


def begun(answer: requests.Response) -> Iterator[bytes]:
    """The lines of an answer, after its first."""
    lines: Iterator[bytes] = answer.iter_lines(chunk_size=1)
    assert next(lines) == b"event: message_start"
    return lines


def events(lines: Iterator[bytes]) -> list[Any]:
    return [json.loads(line[6:]) for line in lines if line.startswith(b"data: ")]


def test_stream_goes_on_and_ends_with_a_retryable_error(
    server: Server, emulator: Emulator, key: str
) -> None:
    words = [{"text": "word "}, {"delay": 0.05}] * 400
    emulator.script(key, {"chunks": words})
    lines = begun(server.post(key))
    stopped = server.stop()
    server.wait_until_refused()
    assert time.monotonic() - stopped < STOP_SECONDS, "at once"
    *_, before, last = events(lines)
    assert STOP_SECONDS * 0.9 < time.monotonic() - stopped < STOP_SECONDS + EXIT_SECONDS
    assert before["type"] == "content_block_delta", "until then it went on"
    assert last["error"] == {
        "type": "overloaded_error",
        "message": "This server is being stopped. Retry.",
    }
    assert server.process.wait(TEST_TIMEOUT) == 0
    (line,) = server.lines()
    assert (line["status"], line["error"], line["model"]) == (200, "busy", MESSAGE["model"])


def test_answer_that_ends_in_time_is_whole(server: Server, emulator: Emulator, key: str) -> None:
    chunks = [{"text": "Hel"}, {"delay": STOP_SECONDS / 2}, {"text": "lo."}]
    emulator.script(key, {"chunks": chunks})
    lines = begun(server.post(key))
    server.stop()
    assert events(lines)[-1]["type"] == "message_stop"
    assert server.process.wait(EXIT_SECONDS) == 0
    assert [line["status"] for line in server.lines()] == [200]


def test_answer_before_its_first_byte_is_an_overload(
    server: Server, emulator: Emulator, key: str
) -> None:
    emulator.script(key, {"chunks": [{"delay": 60}], "repeat": True})
    answers: list[requests.Response] = []
    asking = threading.Thread(target=lambda: answers.append(server.post(key, stream=False)))
    asking.start()
    end = time.monotonic() + TEST_TIMEOUT
    while not emulator.journal(key) and time.monotonic() < end:
        time.sleep(0.01)
    server.stop()
    asking.join(TEST_TIMEOUT)
    (answer,) = answers
    assert (answer.status_code, answer.headers["retry-after"]) == (529, "1")
    assert server.process.wait(EXIT_SECONDS) == 0
    assert [line["status"] for line in server.lines()] == [529]


def test_client_that_takes_nothing_keeps_no_server(
    server: Server, emulator: Emulator, key: str
) -> None:
    emulator.script(key, {"chunks": [{"text": "word " * 200_000}] * 100})
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.connect(server.address)
    body = json.dumps({**MESSAGE, "max_tokens": 10**6, "stream": True}).encode()
    head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: {key}\r\n"
    with client:
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert client.recv(10).startswith(b"HTTP/1.1 2")
        stopped = server.stop()
        assert server.process.wait(TEST_TIMEOUT) == 0
        assert time.monotonic() - stopped < STOP_SECONDS + EXIT_SECONDS
    assert len(server.lines()) == 1


def test_clients_that_only_wait_keep_no_server(server: Server) -> None:
    with contextlib.ExitStack() as clients:
        for sent in (b"", b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"):
            client = clients.enter_context(socket.create_connection(server.address))
            client.sendall(sent)
        time.sleep(0.1)
        server.stop()
        assert server.process.wait(EXIT_SECONDS / 2) == 0


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_closed_terminal_and_ctrl_c_end_the_server(
    server: Server, emulator: Emulator, key: str, number: int
) -> None:
    """Each reaches all processes of a terminal, and the master passes it on besides."""
    emulator.script(key, {"chunks": [{"text": "word "}, {"delay": 0.05}] * 400})
    lines = begun(server.post(key))
    os.killpg(server.process.pid, number)
    assert server.process.wait(STOP_SECONDS + EXIT_SECONDS) == 0
    if number == signal.SIGHUP:
        assert events(lines)[-1]["type"] == "error"
        assert len(server.lines()) == 1


def test_server_survives_its_terminal_with_nohup(tmp_path: Path, emulator: Emulator) -> None:
    server = Server(tmp_path, emulator, survives_hangup=True)
    try:
        os.killpg(server.process.pid, signal.SIGHUP)
        time.sleep(0.5)
        for _ in range(5):
            assert servers.LOCAL.get(server.url, timeout=TEST_TIMEOUT).status_code == 200
    finally:
        server.stop()
        server.process.wait(TEST_TIMEOUT)


# --- The demo ---------------------------------------------------------------------------------


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="processes are found in /proc"
)


@needs_proc
@pytest.mark.parametrize(
    ("number", "words"),
    [
        pytest.param(signal.SIGHUP, b"you", id="a closed terminal"),
        pytest.param(signal.SIGINT, b"Ctrl-C ends it", id="Ctrl-C"),
    ],
)
def test_nothing_of_the_demo_is_left_behind(number: int, words: bytes) -> None:
    """In the middle of it, or once it only serves."""
    mark = uuid.uuid4().hex
    demo = interrupts.start({"MARK": mark})
    assert demo.stdout is not None
    while words not in (line := demo.stdout.readline()):
        assert line, "it has ended"
    assert len(interrupts.processes_with(mark)) > 2
    assert interrupts.left_after(demo, mark, number) == []


@needs_proc
@pytest.mark.e2e
def test_ctrl_c_leaves_nothing_of_the_demo() -> None:
    """At ten moments of its start; they are printed with `-rP`."""
    between = interrupts.MIN_SECONDS, interrupts.MAX_SECONDS
    moments = [random.uniform(*between) for _ in range(10)]
    print(moments)
    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(interrupts.interrupt, moments)) == [[]] * len(moments)

"""proxy/log_queue.py: lines that nobody reads stop nobody."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy import log_queue
from proxy.log_queue import LogQueue
from tests import servers

LINE = b"0123456789\n"
TEST_TIMEOUT = 20
PIPE_BYTES = 65_536


class Reader:
    """What reads the lines: not before it is told to."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.may_read = threading.Event()

    def write(self, line: bytes) -> None:
        assert self.may_read.wait(TEST_TIMEOUT)
        self.written.append(line)


def report(count: int) -> bytes:
    return b"dropped %d\n" % count


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.may_read.set()


def test_lines_are_written_in_order(reader: Reader) -> None:
    queue = LogQueue(reader.write, report)
    lines = [b"%d\n" % number for number in range(1_000)]
    reader.may_read.set()
    for line in lines:
        queue.put(line)
    assert queue.flush(TEST_TIMEOUT)
    assert reader.written == lines


def test_lines_beyond_the_bound_are_dropped_and_counted(reader: Reader) -> None:
    queue = LogQueue(reader.write, report, max_bytes=10 * len(LINE))
    for _ in range(17):
        queue.put(LINE)
    assert not queue.flush(0.01)
    reader.may_read.set()
    assert queue.flush(TEST_TIMEOUT)
    assert reader.written == [LINE, report(7), *[LINE] * 9]
    queue.put(LINE)
    assert queue.flush(TEST_TIMEOUT)
    assert reader.written[-1] == LINE, "what was dropped is reported once"


@pytest.mark.parametrize("error", [BrokenPipeError(), ValueError("closed")])
def test_a_line_that_cannot_be_written_does_not_end_the_log(error: Exception) -> None:
    written: list[bytes] = []

    def write(line: bytes) -> None:
        if len(written) < 2:
            written.append(line)
            raise error
        written.append(line)

    queue = LogQueue(write, report, max_bytes=3 * len(LINE))
    for _ in range(4):
        queue.put(LINE)
    assert queue.flush(TEST_TIMEOUT)
    assert written.count(LINE) >= 3


def test_a_line_is_written_whole_however_little_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[bytes] = []

    def write(fd: int, data: bytes) -> int:
        taken.append(data[:3])
        return len(taken[-1])

    monkeypatch.setattr(log_queue.os, "write", write)
    log_queue.write_all(1, LINE)
    assert b"".join(taken) == LINE


# --- In a server ------------------------------------------------------------------------------


@contextlib.contextmanager
def server_that_writes_to(fd: int) -> Iterator[str]:
    port = servers.free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [*servers.FRAMEWORK, "--port", str(port), *servers.PROXY],
        env={**servers.clean_environ(), "GEMINI_API_KEY": "key"},
        stdout=fd,
        cwd=servers.ROOT,
    )
    try:
        servers.wait_for(process, url)
        yield url
        process.terminate()
        assert process.wait(TEST_TIMEOUT) == 0
    finally:
        process.kill()
        process.wait()


def requests_logged(text: bytes) -> list[dict[str, object]]:
    return [line for line in map(json.loads, text.splitlines()) if "method" in line]


@pytest.mark.skipif(sys.platform != "linux", reason="a pipe is made small")
def test_a_server_answers_while_nobody_reads_its_log() -> None:
    """A pipe of one page takes the lines of a dozen answers."""
    ours, theirs = os.pipe()
    fcntl.fcntl(theirs, getattr(fcntl, "F_SETPIPE_SZ", 1031), 4096)
    os.set_blocking(ours, False)
    with server_that_writes_to(theirs) as url:
        os.close(theirs)
        for _ in range(300):
            answer = servers.LOCAL.get(f"{url}/v1/models", timeout=TEST_TIMEOUT)
            assert answer.status_code == 200
    os.close(ours)


def test_the_last_line_is_written_before_a_server_ends(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with file.open("wb") as log, server_that_writes_to(log.fileno()) as url:
        for _ in range(20):
            servers.LOCAL.get(f"{url}/v1/models", timeout=TEST_TIMEOUT)
    assert len(requests_logged(file.read_bytes())) == 20

"""Log lines on their way to standard output: a bounded queue, and a thread that writes them.

A pipe that nobody reads takes 64 kB; whoever writes more to it waits. So the threads that serve
requests only leave their lines here. What does not fit is dropped, counted, and reported once there
is room again.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable

MAX_BYTES = 4_000_000
"""Of lines that wait: 8,000 of the usual 500 bytes, the answers of a busy minute."""

FLUSH_SECONDS = 1.0
"""For which an ending process waits until its lines are written."""

POLL_SECONDS = 0.005


class LogQueue:
    """Takes lines at once, from any thread, and hands them to `write` one by one.

    write: may block. report: the line, also for `write`, that tells how many were dropped.
    """

    def __init__(
        self,
        write: Callable[[bytes], object],
        report: Callable[[int], bytes],
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._write = write
        self._report = report
        self._max_bytes = max_bytes
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._lock = threading.Lock()
        """For the two counts; never held while anything blocks."""
        self._bytes = 0
        self._dropped = 0
        # A daemon, as it may be blocked for ever when the process ends.
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def put(self, line: bytes) -> None:
        """Leave a line, or count it as dropped."""
        with self._lock:
            if self._bytes + len(line) > self._max_bytes:
                self._dropped += 1
                return
            self._bytes += len(line)
        self._lines.put(line)

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until all lines are written, for so long at most; whether they are."""
        deadline = time.monotonic() + seconds
        while self._bytes and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return not self._bytes

    def _run(self) -> None:
        while True:
            line = self._lines.get()
            with contextlib.suppress(OSError, ValueError):  # never let logging end the thread
                self._write(line)
            with self._lock:
                dropped, self._dropped = self._dropped, 0
            if dropped:
                with contextlib.suppress(OSError, ValueError):
                    self._write(self._report(dropped))
            with self._lock:
                self._bytes -= len(line)


def write_all(fd: int, line: bytes) -> None:
    """To a descriptor, in one piece where it fits (PIPE_BUF): another process may write there too.

    Not through sys.stdout, whose lock a blocked thread would hold while the interpreter ends.
    """
    while line:
        line = line[os.write(fd, line) :]

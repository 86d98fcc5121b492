"""gunicorn's threaded worker, with what this product needs of a process: its log, and its end.

Here is what any version of gunicorn allows; buffering_worker.py has the rest. functions-framework
starts gunicorn, and takes no setting that chooses a worker: see server.py.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from typing import Any

from gunicorn import util
from gunicorn.workers.gthread import ThreadWorker

from . import config, http_errors, liveness, request_body, request_log, server, telemetry

LAST_SECONDS = 1
"""In which clients take the end of their answers, when a process is stopped."""

SLOW_BODY_SHARE = 4
"""One thread in so many may wait for a body that is long in coming."""


class Worker(ThreadWorker):  # type: ignore[misc]
    """One process that serves requests, forked from gunicorn's master."""

    def init_process(self) -> None:
        """In the new process: threads do not survive a fork."""
        request_log.write_in_background()
        request_body.watch(max(1, self.cfg.threads // SLOW_BODY_SHARE))
        self._stop_waits = liveness.prepare_stop()
        server.end_with_starter(lambda: os.kill(self.ppid, signal.SIGTERM))
        super().init_process()

    def run(self) -> None:
        """Serve until the process is told to end."""
        try:
            super().run()
        finally:
            request_log.flush()
            telemetry.flush()

    def init_signals(self) -> None:
        super().init_signals()
        # A closed terminal tells all processes; the master then tells this one what to do.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGTERM: answers go on for a while, and then end with an error that says so."""
        if self.alive:
            telemetry.flush(0)
            seconds = config.read().stop
            for after, end in ((0, self._stop_waits), (LAST_SECONDS, self.hang_up_all)):
                timer = threading.Timer(seconds + after, end)
                timer.daemon = True
                timer.start()
        super().handle_exit(sig, frame)

    def handle_quit(self, sig: int, frame: Any) -> None:
        """SIGINT, SIGQUIT: the end, at once. Ctrl-C and the master's signal come together: a
        handler that waits for a lock which the other one holds would never end."""
        request_log.flush()
        os._exit(0)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer what is no request in the API's shape. gunicorn quotes it, in its log too."""
        with contextlib.suppress(OSError):
            util.write_nonblock(client, http_errors.from_gunicorn(exc))

    def hang_up_all(self) -> None:
        """Let go of clients that do not take the end of their answers."""

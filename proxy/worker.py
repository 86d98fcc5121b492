"""gunicorn's threaded worker, with what this product needs of a process.

Here is what any version of gunicorn allows; buffering_worker.py has the rest. functions-framework
starts gunicorn, and takes no setting that chooses a worker: see server.py.
"""

from __future__ import annotations

from gunicorn.workers.gthread import ThreadWorker

from . import request_body, request_log

SLOW_BODY_SHARE = 4
"""One thread in so many may wait for a body that is long in coming."""


class Worker(ThreadWorker):  # type: ignore[misc]
    """One process that serves requests, forked from gunicorn's master."""

    def init_process(self) -> None:
        """In the new process: threads do not survive a fork."""
        request_log.write_in_background()
        request_body.watch(max(1, self.cfg.threads // SLOW_BODY_SHARE))
        super().init_process()

    def run(self) -> None:
        """Serve until the process is told to end."""
        try:
            super().run()
        finally:
            request_log.flush()

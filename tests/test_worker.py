"""proxy/worker.py: log lines have a thread of their own in each process that serves."""

import pytest
from gunicorn.workers.gthread import ThreadWorker

from proxy import request_log
from proxy.worker import Worker


def test_worker_writes_its_log_in_a_thread_and_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def stop(_: Worker) -> None:
        done.append("run")
        raise SystemExit

    monkeypatch.setattr(request_log, "write_in_background", lambda: done.append("thread"))
    monkeypatch.setattr(request_log, "flush", lambda: done.append("flushed"))
    monkeypatch.setattr(ThreadWorker, "init_process", lambda _: done.append("process"))
    monkeypatch.setattr(ThreadWorker, "run", stop)
    worker = object.__new__(Worker)
    worker.init_process()
    with pytest.raises(SystemExit):
        worker.run()
    assert done == ["thread", "process", "run", "flushed"]

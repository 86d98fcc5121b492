"""proxy/worker.py: what a process does at its start and at its end."""

from __future__ import annotations

from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import ThreadWorker

from proxy import request_body, request_log
from proxy.worker import Worker


def test_process_is_prepared_and_writes_its_log_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []

    def stop(_: Worker) -> None:
        done.append("run")
        raise SystemExit

    monkeypatch.setattr(request_log, "write_in_background", lambda: done.append("log"))
    monkeypatch.setattr(request_log, "flush", lambda: done.append("flushed"))
    monkeypatch.setattr(request_body, "watch", done.append)
    monkeypatch.setattr(ThreadWorker, "init_process", lambda _: done.append("process"))
    monkeypatch.setattr(ThreadWorker, "run", stop)
    serving = object.__new__(Worker)
    serving.cfg = Config()
    serving.cfg.set("threads", 256)
    serving.init_process()
    with pytest.raises(SystemExit):
        serving.run()
    assert done == ["log", 64, "process", "run", "flushed"]

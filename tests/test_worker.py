"""proxy/worker.py: what a process does at its start and at its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import InvalidResponseHeader, LimitRequestLine
from gunicorn.workers.gthread import ThreadWorker

from proxy import liveness, request_body, request_log, telemetry, worker
from proxy.worker import Worker
from tests.sockets import LONG


def test_process_is_prepared_and_writes_its_log_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []

    def stop(_: Worker) -> None:
        done.append("run")
        raise SystemExit

    monkeypatch.setattr(request_log, "write_in_background", lambda: done.append("log"))
    monkeypatch.setattr(request_log, "flush", lambda: done.append("flushed"))
    monkeypatch.setattr(telemetry, "flush", lambda: done.append("sent"))
    monkeypatch.setattr(request_body, "watch", done.append)
    monkeypatch.setattr(liveness, "prepare_stop", lambda: done.append("stop"))
    monkeypatch.setattr(ThreadWorker, "init_process", lambda _: done.append("process"))
    monkeypatch.setattr(ThreadWorker, "run", stop)
    serving = object.__new__(Worker)
    serving.cfg = Config()
    serving.cfg.set("threads", 256)
    serving.init_process()
    with pytest.raises(SystemExit):
        serving.run()
    assert done == ["log", 64, "stop", "process", "run", "flushed", "sent"]


def test_worker_ends_its_master_with_the_starter(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[Any] = []
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(worker.server, "end_with_starter", ends.append)
    monkeypatch.setattr(os, "kill", lambda *arguments: killed.append(arguments))
    for module, name in ((request_log, "write_in_background"), (liveness, "prepare_stop")):
        monkeypatch.setattr(module, name, lambda: None)
    monkeypatch.setattr(request_body, "watch", lambda _: None)
    monkeypatch.setattr(ThreadWorker, "init_process", lambda _: None)
    serving = object.__new__(Worker)
    serving.cfg, serving.ppid = Config(), 77
    serving.init_process()
    ends[0]()
    assert killed == [(77, signal.SIGTERM)]


def test_stop_gives_answers_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """And then their clients a while more; a second signal changes nothing."""
    done: list[str] = []
    monkeypatch.setattr(ThreadWorker, "handle_exit", lambda *_: done.append("refuse"))
    sent: list[float] = []
    monkeypatch.setattr(telemetry, "flush", sent.append)
    monkeypatch.setattr(worker, "LAST_SECONDS", 0.05)
    monkeypatch.setenv("PROXY_STOP_SECONDS", "0.05")
    serving = object.__new__(Worker)
    serving.alive = True
    serving._stop_waits = lambda: done.append("end")
    monkeypatch.setattr(Worker, "hang_up_all", lambda _: done.append("hang up"))
    serving.handle_exit(signal.SIGTERM, None)
    serving.alive = False
    serving.handle_exit(signal.SIGTERM, None)
    end = time.monotonic() + LONG
    while len(done) < 4 and time.monotonic() < end:
        time.sleep(0.01)
    assert done == ["refuse", "refuse", "end", "hang up"]
    assert sent == [0], "without a wait: this is a signal handler"


def test_any_worker_can_be_stopped() -> None:
    """Without buffering_worker.py, nobody knows the clients."""
    object.__new__(Worker).hang_up_all()


@pytest.mark.parametrize("kind", [ValueError, InvalidResponseHeader])
def test_failure_that_is_no_clients_is_logged_by_its_place(
    kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        object.__new__(Worker).handle_error(None, ours, None, kind("sk-secret"))
        head, _, body = theirs.recv(10_000).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\n")
    assert json.loads(body)["error"]["type"] == "api_error"
    assert b"sk-secret" not in body
    assert kind.__name__ in caplog.text
    assert "sk-secret" not in caplog.text


def test_client_that_has_left_needs_no_answer() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours:
        object.__new__(Worker).handle_error(None, ours, None, LimitRequestLine(1, 1))


def test_quit_is_the_end_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []
    monkeypatch.setattr(request_log, "flush", lambda: done.append("flushed"))
    monkeypatch.setattr(os, "_exit", done.append)
    object.__new__(Worker).handle_quit(signal.SIGINT, None)
    assert done == ["flushed", 0]


def test_worker_leaves_a_closed_terminal_to_the_master(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: dict[int, Any] = {}
    monkeypatch.setattr(ThreadWorker, "init_signals", lambda _: None)
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    object.__new__(Worker).init_signals()
    assert handlers == {signal.SIGHUP: signal.SIG_IGN}

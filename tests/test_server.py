"""proxy/server.py: what gunicorn is told, and when."""

from __future__ import annotations

import sys

import pytest
from gunicorn.config import Config, WorkerClass

from proxy import server


@pytest.fixture(autouse=True)
def default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WorkerClass, "default", "sync")


def test_the_frameworks_command_gets_our_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, server.COMMAND, sys)
    server.use_worker()
    assert Config().worker_class.__module__ == "proxy.worker"


def test_without_the_command_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """On AWS Lambda, to import gunicorn would only cost time."""
    monkeypatch.delitem(sys.modules, server.COMMAND, raising=False)
    server.use_worker()
    assert WorkerClass.default == "sync"


def test_without_gunicorn_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows."""
    monkeypatch.setitem(sys.modules, server.COMMAND, sys)
    monkeypatch.setitem(sys.modules, "gunicorn.config", None)
    server.use_worker()
    assert WorkerClass.default == "sync"

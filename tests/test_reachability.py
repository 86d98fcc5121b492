"""proxy/reachability.py: what a start says of the endpoint, and that it never waits for long."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from proxy import config, endpoints, reachability
from tests import servers
from tests.servers import Emulator


def test_endpoint_that_answers_is_reachable(emulator: Emulator) -> None:
    assert reachability.look(config.read({"GEMINI_ENDPOINT": emulator.url})) == "reachable"


def test_endpoint_that_refuses_is_not_reached() -> None:
    settings = config.read({"GEMINI_ENDPOINT": f"http://127.0.0.1:{servers.free_port()}"})
    assert reachability.look(settings) == (
        "NOT REACHED: connection refused. Correct GEMINI_ENDPOINT on the server."
    )


def test_failure_of_any_kind_lets_the_start_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(endpoints, "from_settings", fail)
    assert reachability.look(config.read({})) == "NOT REACHED: ZeroDivisionError"


def test_silent_endpoint_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def wait(_: Any) -> str:
        ended.wait()
        return ""

    monkeypatch.setattr(reachability, "_ask", wait)
    monkeypatch.setattr(reachability, "MAX_SECONDS", 0.01)
    try:
        assert reachability.look(config.read({})) == reachability.LATE
    finally:
        ended.set()

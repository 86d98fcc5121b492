"""proxy/telemetry.py: what is measured of an answer, and that nothing waits for a collector."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from proxy import config, telemetry
from proxy.request_log import RequestLog
from proxy.telemetry import COST, DURATION, FIRST_CHUNK, TOKEN_USAGE, Measurement, Pusher
from tests.servers import Emulator
from tests.sockets import LONG

MODEL = "gemini-4-hydrogen"
BASE = {
    "gen_ai.operation.name": "generate_content",
    "gen_ai.provider.name": "gcp.gemini",
    "gen_ai.request.model": MODEL,
}


def make_entry(**fields: Any) -> RequestLog:
    fields = {"path": "/v1/messages", "gemini": MODEL, **fields}
    return RequestLog("req_1", "POST", **fields)


def measured(**fields: Any) -> dict[Any, tuple[float, dict[str, str]]]:
    """(instrument, type of tokens) -> value and attributes."""
    found = telemetry.measurements(make_entry(**fields), "gcp.gemini")
    return {
        (each.instrument, each.attributes.get("gen_ai.token.type")): (
            each.value,
            dict(each.attributes),
        )
        for each in found
    }


# --- What is measured -------------------------------------------------------------------------


def test_answer_is_measured_in_base_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RequestLog, "elapsed", lambda self: 1_250)
    found = measured(
        stream=True,
        first_byte_ms=250,
        tokens={"in": 100, "cached": 900, "out": 50},
        usd=0.25,
        person="alice",
    )
    assert found == {
        (DURATION, None): (1.25, BASE),
        (FIRST_CHUNK, None): (0.25, BASE),
        (TOKEN_USAGE, "input"): (1_000, BASE | {"gen_ai.token.type": "input"}),
        (TOKEN_USAGE, "output"): (50, BASE | {"gen_ai.token.type": "output"}),
        (COST, None): (0.25, BASE | {"user.name": "alice"}),
    }


def test_failure_is_measured_with_its_type() -> None:
    found = measured(error="exhausted")
    assert found.keys() == {(DURATION, None)}
    assert found[DURATION, None][1] == BASE | {"error.type": "exhausted"}


def test_client_that_left_is_a_failure() -> None:
    assert measured(client_left=True)[DURATION, None][1]["error.type"] == telemetry.LEFT


def test_cost_of_nobody_has_no_person() -> None:
    assert measured(usd=1.0)[COST, None] == (1.0, BASE)


def test_model_that_a_client_makes_up_is_one_of_others() -> None:
    found = measured(gemini="gemini-made-up-1")
    assert found[DURATION, None][1]["gen_ai.request.model"] == telemetry.OTHER


@pytest.mark.parametrize(
    "fields",
    [{"path": "/v1/messages/count_tokens"}, {"path": "/"}, {"path": "/x"}, {"gemini": ""}],
)
def test_what_gemini_was_not_asked_for_is_not_measured(fields: dict[str, str]) -> None:
    assert measured(**fields) == {}


def test_attributes_are_those_of_the_table() -> None:
    found = measured(usd=1, person="a", error="x", tokens={"in": 1}, stream=True, first_byte_ms=1)
    used = {name for _, attributes in found.values() for name in attributes}
    assert used == telemetry.ATTRIBUTES.keys()


# --- A thread that sends ----------------------------------------------------------------------


class FakeSink:
    """reasons: of the exports, in turn. release: an export waits for it."""

    def __init__(self, *reasons: str | Exception) -> None:
        self.recorded: list[Measurement] = []
        self.exports = 0
        self.reasons = list(reasons)
        self.release = threading.Event()
        self.release.set()
        self.exported = threading.Event()

    def record(self, measurement: Measurement) -> None:
        self.recorded.append(measurement)

    def export(self) -> str:
        self.exported.set()
        assert self.release.wait(LONG)
        self.exports += 1
        reason = self.reasons.pop(0) if self.reasons else ""
        if isinstance(reason, Exception):
            raise reason
        return reason


def make_pusher(sink: FakeSink, export_seconds: float = LONG) -> Pusher:
    return Pusher(lambda: sink, "gcp.gemini", export_seconds)


def test_flush_sends_what_is_new_once() -> None:
    sink = FakeSink()
    pusher = make_pusher(sink)
    pusher.record(make_entry())
    assert pusher.flush(LONG)
    assert pusher.flush(LONG)
    assert (len(sink.recorded), sink.exports) == (1, 1)


@pytest.mark.parametrize(
    ("seconds", "bound"), [(60, telemetry.INVOCATION_SECONDS), (1.5, 1.5), (-1.0, -1.0)]
)
def test_flush_behind_an_invocation_is_short(
    monkeypatch: pytest.MonkeyPatch, seconds: float, bound: float
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(telemetry, "flush", waits.append)
    telemetry.flush_invocation(seconds)
    assert waits == [bound]


def test_figures_are_sent_after_a_while() -> None:
    sink = FakeSink()
    make_pusher(sink, 0.01).record(make_entry())
    assert sink.exported.wait(LONG)


def test_nothing_is_loaded_before_the_first_answer() -> None:
    def fail() -> FakeSink:
        raise AssertionError

    assert Pusher(fail, "gcp.gemini").flush(LONG)


def test_collector_that_hangs_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "MAX_WAITING", 3)
    sink = FakeSink()
    sink.release.clear()
    pusher = make_pusher(sink)
    pusher.record(make_entry())
    assert not pusher.flush(0)
    assert sink.exported.wait(LONG)
    for _ in range(10):
        pusher.record(make_entry())
    sink.release.set()
    assert pusher.flush(LONG)
    assert len(sink.recorded) == 1 + 3


def test_failures_in_a_row_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(telemetry.log, "warning", lambda text, *words: lines.append(text % words))
    pusher = make_pusher(FakeSink("status 401", "status 401", "", "Timeout", ValueError("url")))
    for _ in range(5):
        pusher.record(make_entry())
        assert pusher.flush(LONG)
    assert lines == [telemetry.FAILED % "status 401", telemetry.FAILED % "Timeout"]


def test_sdk_that_fails_ends_no_thread() -> None:
    sinks: list[Callable[[], FakeSink]] = []
    sink = FakeSink(ValueError("url"))

    def open_sink() -> FakeSink:
        if not sinks:
            sinks.append(open_sink)
            raise ImportError
        return sink

    pusher = Pusher(open_sink, "gcp.gemini", LONG)
    for _ in range(3):
        pusher.record(make_entry())
        assert pusher.flush(LONG)
    assert sink.exports == 2


# --- Where it is wired ------------------------------------------------------------------------


@pytest.fixture
def unset() -> Iterator[None]:
    yield
    telemetry.start(config.read({}))


@pytest.mark.usefixtures("unset")
@pytest.mark.parametrize("sdk", ["opentelemetry.no_such_module", "no_such_package.module"])
def test_missing_sdk_is_one_line_at_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sdk: str
) -> None:
    monkeypatch.setattr(telemetry, "SDK", sdk)
    telemetry.start(config.read({telemetry.VARIABLE: "http://127.0.0.1:9"}))
    assert capsys.readouterr().err == f"gemini-messages: {telemetry.MISSING}\n"
    telemetry.record(make_entry())
    telemetry.flush()


@pytest.mark.usefixtures("unset")
@pytest.mark.parametrize("stream", [False, True])
def test_answer_is_recorded_when_it_is_over(
    make_client: Callable[..., FlaskClient],
    emulator: Emulator,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
    stream: bool,
) -> None:
    monkeypatch.setattr(telemetry, "is_installed", lambda: True)
    sink = FakeSink()
    monkeypatch.setattr(telemetry, "_open_otlp", lambda: sink)
    client = make_client(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    emulator.script(key, {"chunks": [{"text": "Hello."}]})
    message = {"role": "user", "content": "Hi"}
    body = {"model": "claude-opus-5", "max_tokens": 9, "messages": [message], "stream": stream}
    answer = client.post("/v1/messages", json=body, headers={"x-api-key": key})
    assert answer.get_data()
    answer.close()
    telemetry.flush(LONG)
    instruments = [each.instrument for each in sink.recorded]
    assert instruments.count(DURATION) == 1
    assert instruments.count(FIRST_CHUNK) == stream
    assert TOKEN_USAGE in instruments
    assert "Hi" not in str(sink.recorded)
    assert key not in str(sink.recorded)

"""proxy/otlp.py: what a collector on loopback gets, and how a process ends with it."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator
from typing import Any

import pytest

from proxy import __version__, telemetry
from proxy.telemetry import COST, DURATION, INSTRUMENTS, TOKEN_USAGE, Measurement
from tests.otlp_receiver import Receiver, attributes, points
from tests.servers import LOCAL, Emulator, serving
from tests.sockets import LONG

pytest.importorskip(telemetry.SDK, reason=telemetry.INSTALL)

BASE = {"gen_ai.request.model": "gemini-4-hydrogen"}


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    receiver = Receiver()
    monkeypatch.setenv(telemetry.VARIABLE, receiver.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    yield receiver
    receiver.close()


def send(*measurements: Measurement) -> tuple[str, Any]:
    """How the export went, and what was sent with."""
    sink = telemetry._open_otlp()
    for measurement in measurements:
        sink.record(measurement)
    return sink.export(), sink


def test_collector_gets_figures_with_names_and_units(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=collector-key")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    counts = [Measurement(TOKEN_USAGE, count, BASE) for count in (100, 50_000)]
    times = [Measurement(DURATION, 1.25, BASE)]
    assert send(*counts, *times, Measurement(COST, 0.25, BASE))[0] == ""
    headers, request = receiver.exports.get(timeout=LONG)
    assert headers["path"] == "/v1/metrics"
    assert headers["api-key"] == "collector-key"
    found = points(request)
    ((named, tokens),) = found[TOKEN_USAGE.name]
    assert named == BASE
    assert (tokens.count, tokens.sum) == (2, 50_100)
    assert tuple(tokens.explicit_bounds) == TOKEN_USAGE.buckets
    ((_, duration),) = found[DURATION.name]
    assert duration.bucket_counts[DURATION.buckets.index(1.28)] == 1
    ((_, cost),) = found[COST.name]
    assert cost.as_double == 0.25
    metrics = request.resource_metrics[0].scope_metrics[0].metrics
    units = {each.name: each.unit for each in INSTRUMENTS}
    assert {each.name: each.unit for each in metrics}.items() <= units.items()


def test_names_and_units_are_those_of_the_conventions() -> None:
    conventions = pytest.importorskip("opentelemetry.semconv._incubating.metrics.gen_ai_metrics")
    meter = Units()
    for name in dir(conventions):
        if name.startswith("create_"):
            getattr(conventions, name)(meter)
    own = {each.name: each.unit for each in INSTRUMENTS if each is not COST}
    assert own.items() <= meter.units.items()


class Units:
    """A meter that notes units."""

    def __init__(self) -> None:
        self.units: dict[str, str] = {}

    def create_histogram(self, name: str, description: str, unit: str) -> None:
        self.units[name] = unit


def test_attributes_are_those_of_the_conventions() -> None:
    conventions = pytest.importorskip(
        "opentelemetry.semconv._incubating.attributes.gen_ai_attributes"
    )
    known = {value for value in vars(conventions).values() if isinstance(value, str)}
    assert {name for name in telemetry.ATTRIBUTES if name.startswith("gen_ai.")} <= known
    operations = {each.value for each in conventions.GenAiOperationNameValues}
    providers = {each.value for each in conventions.GenAiProviderNameValues}
    assert "generate_content" in operations
    assert {"gcp.gemini", "gcp.vertex_ai"} <= providers


def test_process_has_an_id_of_its_own(receiver: Receiver) -> None:
    """Else what two of them have added up would be taken for one."""
    ids = set()
    for _ in range(2):
        send(Measurement(COST, 1.0, BASE))
        _, request = receiver.exports.get(timeout=LONG)
        named = attributes(request.resource_metrics[0].resource)
        assert named["service.name"] == "gemini-messages"
        assert named["service.version"] == __version__
        assert named["telemetry.sdk.name"] == "opentelemetry"
        ids.add(named["service.instance.id"])
    assert len(ids) == 2


def test_names_of_the_environment_take_precedence(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "ours")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    send(Measurement(COST, 1.0, BASE))
    _, request = receiver.exports.get(timeout=LONG)
    named = attributes(request.resource_metrics[0].resource)
    assert named["service.name"] == "ours"
    assert named["deployment.environment.name"] == "test"


def test_refused_figures_come_with_the_next(receiver: Receiver) -> None:
    receiver.status = 401
    reason, sink = send(Measurement(COST, 1.0, BASE))
    assert reason == "status 401"
    receiver.status = 200
    sink.record(Measurement(COST, 2.0, BASE))
    assert sink.export() == ""
    receiver.exports.get(timeout=LONG)
    _, request = receiver.exports.get(timeout=LONG)
    ((_, cost),) = points(request)[COST.name]
    assert cost.as_double == 3


def test_failure_is_said_without_the_url(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Some collectors have their key in it."""
    monkeypatch.setenv(telemetry.VARIABLE, "http://127.0.0.1:9/secret")
    reason, _ = send(Measurement(COST, 1.0, BASE))
    assert reason == "ConnectionError"
    assert "secret" not in "".join(capfd.readouterr())
    assert not logging.getLogger("opentelemetry").propagate


def test_nothing_new_is_not_sent_again_by_itself(receiver: Receiver) -> None:
    """The SDK's own thread is not started."""
    from proxy.otlp import OtlpSink

    sink = OtlpSink()
    assert sink._reader._export_interval_millis == math.inf
    assert sink._reader._daemon_thread is None
    assert sink.export() == ""
    assert receiver.exports.empty()


def test_stopped_server_sends_what_is_left(
    receiver: Receiver, emulator: Emulator, key: str
) -> None:
    """As on Cloud Run, which sends SIGTERM: nobody waits a minute for the next export."""
    environ = {
        telemetry.VARIABLE: receiver.url,
        "GEMINI_ENDPOINT": emulator.url,
        "OTEL_METRIC_EXPORT_INTERVAL": "3600000",
    }
    emulator.script(key, {"chunks": [{"text": "Hello."}]})
    message = {"role": "user", "content": "somebody's prompt"}
    body = {"model": "claude-opus-5", "max_tokens": 9, "messages": [message]}
    with serving(["--target", "messages"], environ) as url:
        answer = LOCAL.post(f"{url}/v1/messages", json=body, headers={"x-api-key": key}, timeout=30)
        assert answer.status_code == 200
        assert receiver.exports.empty()
    _, request = receiver.exports.get(timeout=LONG)
    found = points(request)
    assert {DURATION.name, TOKEN_USAGE.name} <= found.keys()
    sent = request.SerializeToString()
    assert key.encode() not in sent
    assert b"prompt" not in sent

"""What the tests share: one emulator for the session, a fresh proxy and key for each test."""

from __future__ import annotations

import importlib
import logging
import os
import pkgutil
import shutil
import signal
import sys
import tempfile
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import coverage
import functions_framework
import hypothesis
import pytest
from flask.testing import FlaskClient

import translate
from proxy import clock, config, liveness, request_log
from tests import servers
from translate import models

os.environ.update(NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")

# As in a terminal: below `nohup`, or behind a script's `&`, children would inherit that these are
# ignored, and servers go on where a test ends them.
signal.signal(signal.SIGINT, signal.default_int_handler)
for name in ("SIGHUP", "SIGQUIT"):
    if hasattr(signal, name):
        signal.signal(getattr(signal, name), signal.SIG_DFL)

IN_PROCESS = "in_process.log"
"""The file, beside those of the servers, with what the function writes in this process."""

OUTPUT = os.environ.get("TEST_OUTPUT")
"""A folder for what this run and others write, to be read afterwards; see check.py."""

LAST = "test_logs.py"

hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")
"""No property is about time, and this machine may have other work."""

Sizes = dict[Path, int]
before = pytest.StashKey[Sizes]()


# --- What is written is kept: test_logs.py reads all of it in the end -------------------------


def pytest_configure(config: pytest.Config) -> None:
    """A filter sees every line of the log; its handlers are other ones for each app."""
    folder = servers.output = Path(tempfile.mkdtemp(prefix="gemini-messages-", dir=OUTPUT))
    if OUTPUT is None:
        config.add_cleanup(lambda: shutil.rmtree(folder))
    file = (folder / IN_PROCESS).open("a", buffering=1, encoding="utf-8")
    config.add_cleanup(file.close)
    form = request_log.LogHandler()

    def keep(entry: logging.LogRecord) -> bool:
        file.write(f"{form.format(entry)}\n")
        return True

    request_log.log.addFilter(keep)
    config.add_cleanup(lambda: request_log.log.removeFilter(keep))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name == LAST)


# --- What is covered is known by test file: module_coverage.py reads it -----------------------

for module in pkgutil.walk_packages(translate.__path__, "translate."):
    importlib.import_module(module.name)
"""Before any test file, so that none alone covers what runs at import."""


def pytest_collectstart(collector: pytest.Collector) -> None:
    if isinstance(collector, pytest.Module):
        measure_for(collector.path)


def measure_for(path: Path) -> None:
    """Let coverage write down that what runs from now on is run by this test file."""
    name = path.relative_to(servers.ROOT).as_posix()
    measured = coverage.Coverage.current()
    if measured and measuring_for[-1] != name:
        measured.switch_context(name)
        measuring_for.append(name)


measuring_for = [""]


# --- What the servers write is shown with a test that fails -----------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    measure_for(item.path)
    item.stash[before] = written()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What the servers wrote while a test failed is shown with it."""
    report = yield
    if report.failed:
        for path in written():
            text = path.read_bytes()[item.stash[before].get(path, 0) :].decode(errors="replace")
            if text and path.name != IN_PROCESS:
                report.sections.append(("Written by a server", text))
    return report


def written() -> Sizes:
    """How much there is by now, file by file."""
    files = servers.output.iterdir() if servers.output else ()
    return {path: path.stat().st_size for path in files}


@pytest.fixture(autouse=True)
def own_output(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that reads what is written to the terminal finds the servers' words there."""
    if "capfd" in request.fixturenames:
        monkeypatch.setattr(servers, "output", None)


# --- Servers and clients ----------------------------------------------------------------------


@pytest.fixture(scope="session")
def emulator() -> Iterator[servers.Emulator]:
    """A strict Gemini on a real port."""
    with servers.serving(servers.EMULATOR) as url:
        yield servers.Emulator(url)


@pytest.fixture(scope="session")
def proxy(emulator: servers.Emulator) -> Iterator[str]:
    """The function as it is served, with no setting but where the emulator is."""
    with servers.serving(servers.PROXY, {"GEMINI_ENDPOINT": emulator.url}) as url:
        yield url


@pytest.fixture
def key() -> str:
    """An API key of this test's own: the emulator keeps scripts and journals by key."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
def make_client(
    emulator: servers.Emulator, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., FlaskClient]]:
    """The function in this process, as the framework would load it with these settings.

    Without pauses before an attempt: how long they are is test_attempts.py's. On one and the same
    day, since models are retired.
    """

    def make(**environ: str) -> FlaskClient:
        monkeypatch.setattr(liveness.Poller, "pause", lambda poller, seconds: iter(()))
        monkeypatch.setattr(clock, "today", lambda: models.CHECKED)
        for name in config.VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in {"GEMINI_ENDPOINT": emulator.url, **environ}.items():
            monkeypatch.setenv(name, value)
        app = functions_framework.create_app("messages", str(servers.ROOT / "main.py"))
        loaded.append(sys.modules["main"])
        return app.test_client()

    loaded: list[Any] = []
    yield make
    for module in loaded:
        module.gemini.close()  # else the emulator, a plain gunicorn, waits for each connection


@pytest.fixture
def client(make_client: Callable[..., FlaskClient]) -> FlaskClient:
    """The function with no setting but where the emulator is."""
    return make_client()

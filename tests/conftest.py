"""What the tests share: one emulator for the session, a fresh proxy and key for each test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator

import functions_framework
import pytest
from flask.testing import FlaskClient

from proxy import config, waiting
from tests import servers

os.environ.update(NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")


@pytest.fixture(scope="session")
def emulator() -> Iterator[servers.Emulator]:
    """A strict Gemini on a real port."""
    with servers.serving(servers.EMULATOR) as url:
        yield servers.Emulator(url)


@pytest.fixture(scope="module")
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
) -> Callable[..., FlaskClient]:
    """The function in this process, as the framework would load it with these settings.

    Without pauses before an attempt: how long they are is test_recovery.py's.
    """

    def make(**environ: str) -> FlaskClient:
        monkeypatch.setattr(waiting, "pause", lambda seconds: None)
        for name in config.VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in {"GEMINI_ENDPOINT": emulator.url, **environ}.items():
            monkeypatch.setenv(name, value)
        return functions_framework.create_app(
            "messages", str(servers.ROOT / "main.py")
        ).test_client()

    return make


@pytest.fixture
def client(make_client: Callable[..., FlaskClient]) -> FlaskClient:
    """The function with no setting but where the emulator is."""
    return make_client()

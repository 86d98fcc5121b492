"""proxy/connections.py: the connections on which one waits are those that requests uses."""

from __future__ import annotations

import io
import socket
from collections.abc import Generator
from typing import Any

import pytest

from proxy.connections import Patient, PatientAdapter, PatientPool, PatientSecurePool
from proxy.waiting import Sign, Work

PROXY = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("url", "pool"), [("http://gemini.test/", PatientPool), ("https://g.test/", PatientSecurePool)]
)
@pytest.mark.parametrize("through_a_proxy", [False, True])
def test_each_way_to_google_is_patient(url: str, pool: type, through_a_proxy: bool) -> None:
    adapter = PatientAdapter()
    manager = adapter.proxy_manager_for(PROXY) if through_a_proxy else adapter.poolmanager
    made = manager.connection_from_url(url)
    assert type(made) is pool
    assert made.ConnectionCls.response_class.__name__ == "PatientResponse"


def test_closing_closes_what_is_under_it() -> None:
    with socket.socket() as sock:
        raw = sock.makefile("rb", buffering=0)
        reader = Patient(sock, raw)  # type: ignore[arg-type]
        assert reader.readable()
        reader.close()
        assert raw.closed


def reading(sock: socket.socket, times: int) -> Generator[bytes, None, None]:
    """Reads of a byte, as urllib3 does them."""
    raw: Any = sock.makefile("rb", buffering=0)
    with io.BufferedReader(Patient(sock, raw)) as file:
        for _ in range(times):
            yield file.read1(1)


def test_a_connection_is_left_as_it_was_found() -> None:
    """While it is read from it does not block; the next request is sent as usual."""
    ours, theirs = socket.socketpair()

    with ours, theirs:
        ours.settimeout(30)
        work = Work(reading(ours, times=1))
        assert work.take(0) is Sign.SILENCE
        assert ours.gettimeout() == 0
        theirs.sendall(b"a")
        assert [work.take(30), work.take(30)] == [b"a", Sign.END]
        assert ours.gettimeout() == 30


def test_a_timeout_that_is_set_meanwhile_counts() -> None:
    ours, theirs = socket.socketpair()

    with ours, theirs:
        ours.settimeout(30)
        work = Work(reading(ours, times=2))
        theirs.sendall(b"a")
        assert work.take(30) == b"a"
        ours.settimeout(0.02)
        with pytest.raises(TimeoutError, match="nothing to read"):
            work.take(30)

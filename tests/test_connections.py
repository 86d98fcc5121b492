"""proxy/connections.py: the connections on which one waits are those that requests uses."""

from __future__ import annotations

import io

import pytest

from proxy.connections import Patient, PatientAdapter, PatientPool, PatientSecurePool

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
    raw = io.FileIO("/dev/null")
    reader = Patient(None, raw)  # type: ignore[arg-type]
    assert reader.readable()
    reader.close()
    assert raw.closed

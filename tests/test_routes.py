"""main.py: which path and method leads where, and what never leads to Gemini."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from tests.servers import Emulator
from tests.test_main import MESSAGE

PATHS = (
    *("/", "/v1/messages", "/v1/messages/count_tokens", "/v1/models"),
    *("/v1/models/claude-opus-5", "/api/hello", "/v1/", "/v1/messages/", "/else"),
)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", PATHS)
def test_a_get_never_reaches_gemini(
    make_client: Callable[..., FlaskClient], emulator: Emulator, key: str, method: str, path: str
) -> None:
    """A page can have a browser get anything from this machine, with parameters and even a body."""
    client = make_client(GEMINI_API_KEY=key)
    client.open(path, method=method, query_string={"stream": "true"}, json=MESSAGE).close()
    assert emulator.journal(key) == []
    assert client.post("/v1/messages/count_tokens", json=MESSAGE).status_code == 200
    assert len(emulator.journal(key)) == 1

"""What the whole run has logged: no key and no prompt, and each request in one whole line.

It reads what all servers, and the functions in the tests' processes, have written by then: in one
run with the other tests, as its last (conftest.py sees to it), or after the runs of check.py.
Alone, it reads what its own requests have written.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests import servers
from tests.messages import MARKER
from tests.servers import Emulator

SECRETS = re.compile(rf"test-[0-9a-f]{{32}}|bad-key|{MARKER}")
FIELDS = {"time", "severity", "request_id", "method", "path", "status", "ms"}
MAX_SHOWN = 20

OWN = 60
MANY = ("test_mutated_bodies_never_cause_500", 1_500)
"""A test that alone makes so many requests, when it is part of the run."""

BODY: dict[str, Any] = {
    "model": "claude-opus-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": MARKER}],
}


def secrets(text: str) -> list[str]:
    """The lines that hold a secret."""
    return [line for line in text.splitlines() if SECRETS.search(line)][:MAX_SHOWN]


def request_lines(text: str) -> list[dict[str, Any]]:
    """Each whole and complete. Lines that are not about a request have no method."""
    lines = [json.loads(line) for line in text.splitlines() if line.startswith('{"time"')]
    requests = [line for line in lines if "method" in line]
    assert [line for line in requests if not line.keys() >= FIELDS] == []
    return requests


@pytest.fixture
def written(client: FlaskClient, proxy: str, emulator: Emulator, key: str) -> str:
    """Everything, some requests of every kind among it."""
    emulator.script(key, {"chunks": [{"text": MARKER}], "repeat": True})
    paths = ("/v1/messages", "/v1/messages/count_tokens", f"/{MARKER}", f"/{key}/v1/messages")
    for used in (key, "bad-key", f"bad-{key}"):
        for path in paths:
            sent = {"x-api-key": used, "X-Claude-Code-Session-Id": f"{MARKER} {used}"}
            for body in (BODY, {**BODY, "stream": True}, {**BODY, "system": {MARKER: used}}):
                client.post(path, json=body, headers=sent).close()
                servers.LOCAL.post(f"{proxy}{path}", json=body, headers=sent, timeout=10).close()
    assert servers.output is not None
    folder = Path(os.environ.get("TEST_OUTPUT", servers.output))
    return "".join(path.read_text("utf-8", "replace") for path in folder.rglob("*.log"))


def test_logs_of_the_whole_run_hold_no_secret(
    written: str, key: str, request: pytest.FixtureRequest
) -> None:
    lines = request_lines(written)
    files = {item.path.name for item in request.session.items}
    has_many = "TEST_OUTPUT" in os.environ or MANY[0] in files
    assert len(lines) >= (MANY[1] if has_many else OWN)
    assert secrets(written) == []
    # That it would be found is part of the proof.
    for secret in (key, "bad-key", f"bad-{key}", MARKER):
        assert len(secrets(written + json.dumps({"path": f"/{secret}"}))) == 1
    with pytest.raises(AssertionError):
        request_lines(written + json.dumps({"time": "", "method": "POST"}))

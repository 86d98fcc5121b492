"""AWS's own Runtime Interface Emulator takes every kind of answer that the bridge gives.

It judges the protocol and nothing else: it holds an answer back until it is whole, and does not
read the prelude.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from deploy import pythons
from tests import servers
from tests.lambda_emulator.__main__ import unpack
from tests.lambda_emulator.events import SEPARATOR, event
from tests.lambda_function import built
from tests.servers import LOCAL, ROOT, Emulator

PROGRAMS = {"x86_64": "aws-lambda-rie-x86_64", "aarch64": "aws-lambda-rie-arm64"}
RUN_SECONDS = 120
TIMEOUT_SECONDS = 3


def program() -> str:
    """AWS's emulator out of aws-sam-cli; skips where it is not installed."""
    name = PROGRAMS.get(platform.machine(), "none for this machine")
    found = list((ROOT / ".venv-sam").glob(f"lib/python3*/site-packages/samcli/local/rapid/{name}"))
    if not found:
        pytest.skip("NOT TESTED with AWS's own emulator: get it with `make .venv-sam/done`")
    return str(found[0])


class Rie:
    """The running emulator. log: what it says about each invocation."""

    def __init__(self, port: int, log: Path) -> None:
        self._url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
        self.log = log

    def invoke(self, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> bytes:
        sent = [("content-type", "application/json"), *headers.items()]
        asked = event(method, path, sent, body)
        return LOCAL.post(self._url, data=asked, timeout=RUN_SECONDS).content


@contextlib.contextmanager
def running(folder: Path, *command: str, **environ: str) -> Iterator[Rie]:
    """It never ends by itself, and says nothing when it is ready."""
    port, log = servers.free_port(), folder / "rie.log"
    addresses = ["--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
    addresses += ["--runtime-api-address", f"127.0.0.1:{servers.free_port()}"]
    limit = {"AWS_LAMBDA_FUNCTION_TIMEOUT": str(TIMEOUT_SECONDS)}
    with log.open("w") as output:
        process = subprocess.Popen(
            ["timeout", "--signal=KILL", str(RUN_SECONDS), program(), *addresses, *command],
            env={**servers.clean_environ(), **limit, **environ},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            _wait_for(port)
            yield Rie(port, log)
        finally:
            _end(process)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + servers.START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.ConnectionError):
            LOCAL.get(f"http://127.0.0.1:{port}/", timeout=5)
            return
        time.sleep(0.05)
    raise RuntimeError("AWS's emulator did not start")


def _end(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def parts(answer: bytes) -> tuple[Any, bytes]:
    """AWS's emulator passes prelude and body on as they are."""
    prelude, separator, body = answer.partition(SEPARATOR)
    assert separator == SEPARATOR, answer
    return json.loads(prelude), body


def check_accepted(rie: Rie, invocations: int) -> None:
    """The bridge logs every answer that is not a 202; the emulator, how each invocation ended."""
    log = rie.log.read_text()
    assert "the Runtime API answered" not in log
    assert "could not be delivered" not in log
    assert log.count("INVOKE RTDONE(status: success") == invocations


def test_answers_of_every_kind_are_accepted(tmp_path: Path) -> None:
    with running(tmp_path, sys.executable, str(ROOT / "tests/lambda_app.py")) as rie:
        events = b"".join(b"event: ping\ndata: %d\n\n" % number for number in range(3))
        head = {"statusCode": 200, "headers": {"content-type": "text/event-stream"}, "cookies": []}
        assert parts(rie.invoke("/stream")) == (head, events)
        json_head = {"headers": {"content-type": "application/json"}, "cookies": ["a=1"]}
        assert parts(rie.invoke("/refused")) == ({"statusCode": 500, **json_head}, b"{}")
        for method in ("GET", "HEAD"):
            empty = {"statusCode": 204, "headers": {}, "cookies": []}
            assert parts(rie.invoke("/empty", method)) == (empty, b"")
        assert parts(rie.invoke("/cut"))[1] == b'{"half": '
        assert json.loads(rie.invoke("/failed"))["errorType"] == "ValueError"
        assert b"timeout_error" in rie.invoke("/late")
        assert parts(rie.invoke("/stream")) == (head, events)
        check_accepted(rie, invocations=8)


def test_zip_serves_under_it(tmp_path: Path, emulator: Emulator, key: str) -> None:
    emulator.script(key, {"chunks": [{"text": "Hello."}], "repeat": True})
    task = unpack(built(), tmp_path / "task")
    environ = {"LAMBDA_TASK_ROOT": str(task), "GEMINI_ENDPOINT": emulator.url}
    command = [str(task / "bootstrap"), pythons.need(), "/var/runtime/bootstrap.py"]
    asked = {"model": "claude-opus-5", "max_tokens": 99, "stream": True}
    asked["messages"] = [{"role": "user", "content": "Hi"}]
    with running(tmp_path, *command, **environ) as rie:
        assert parts(rie.invoke("/", "HEAD"))[0]["statusCode"] == 200
        body = json.dumps(asked).encode()
        head, events = parts(rie.invoke("/v1/messages", "POST", body, **{"x-api-key": key}))
        assert head["headers"]["content-type"].startswith("text/event-stream")
        assert b"Hello." in events
        assert events.endswith(b'data: {"type":"message_stop"}\n\n')
        head, _ = parts(rie.invoke("/v1/messages", "POST", b"{}", **{"x-api-key": "bad-key"}))
        assert head["statusCode"] == 400
        check_accepted(rie, invocations=3)

"""The Lambda emulator itself: what becomes of functions that do not behave."""

from __future__ import annotations

import functools
import http.client
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.lambda_emulator.environments import WRAPPER, Function, Settings
from tests.lambda_emulator.events import MOST_PRELUDE_BYTES, SEPARATOR, Prelude
from tests.lambda_emulator.function_url import FunctionUrl
from tests.lambda_emulator.invocations import Invocation
from tests.lambda_emulator.runtime_api import ROOT, RuntimeApi
from tests.servers import LOCAL
from tests.team_load import until

INIT_ERROR = """#!/bin/sh
exec "$1" -c "
import json, os, urllib.request
body = json.dumps({'errorType': 'NoGood', 'errorMessage': ''}).encode()
urllib.request.urlopen('http://' + os.environ['AWS_LAMBDA_RUNTIME_API'] + '%s/init/error', body)
"
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., FunctionUrl]]:
    """A function whose wrapper is a given script."""
    servers = []

    def run(script: str, timeout: float = 30.0, *, freezes: bool = False) -> FunctionUrl:
        wrapper = tmp_path / "bootstrap"
        wrapper.write_text(script)
        wrapper.chmod(0o755)
        settings = Settings(tmp_path, sys.executable, WRAPPER, timeout=timeout, freezes=freezes)
        servers.append(FunctionUrl(Function(settings)))
        return servers[-1]

    yield run
    for server in servers:
        server.close()


@pytest.mark.parametrize(
    ("script", "timeout", "failure"),
    [
        pytest.param("#!/bin/sh\nexit 1\n", 30.0, "Runtime.ExitError", id="ends"),
        pytest.param("#!/bin/sh\nexec sleep 60\n", 0.5, "Runtime.ExitError", id="is killed"),
        pytest.param(INIT_ERROR % ROOT, 30.0, "NoGood", id="says why it cannot start"),
    ],
)
def test_function_that_does_not_answer_is_a_502(
    start: Callable[..., FunctionUrl], script: str, timeout: float, failure: str
) -> None:
    server = start(script, timeout)
    answer = LOCAL.get(server.url, timeout=20)
    assert (answer.status_code, answer.text) == (502, "Internal Server Error")
    (invocation,) = server._server.function.journal
    assert invocation.failure == failure


SCRIPTED = """#!/bin/sh
exec "$1" -c "
import os, urllib.request, http.client
api = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
api.request('GET', '%s/invocation/next')
answer = api.getresponse(); answer.read()
api = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
url = '%s/invocation/' + answer.headers['Lambda-Runtime-Aws-Request-Id'] + '/response'
body = %s
api.request('POST', url, body, %s, encode_chunked=True)
api.getresponse().read()
import time; time.sleep(60)
"
"""
STREAMING = {
    "Lambda-Runtime-Function-Response-Mode": "streaming",
    "Content-Type": "application/vnd.awslambda.http-integration-response",
    "Transfer-Encoding": "chunked",
}


ECHO = f"""#!/bin/sh
exec "$1" -c "
import os, urllib.request
root = 'http://' + os.environ['AWS_LAMBDA_RUNTIME_API'] + '{ROOT}/invocation/'
while True:
    with urllib.request.urlopen(root + 'next') as event:
        url = root + event.headers['Lambda-Runtime-Aws-Request-Id'] + '/response'
    urllib.request.urlopen(url, b'done').close()
"
"""


def scripted(body: str, headers: dict[str, str]) -> str:
    return SCRIPTED % (ROOT, ROOT, body, headers)


def test_buffered_answer_is_passed_on_as_it_is(start: Callable[..., FunctionUrl]) -> None:
    """What happens when the function and its URL do not agree on streaming."""
    answer = LOCAL.get(start(scripted("b'{1: 2}'", {})).url, timeout=20)
    assert (answer.content, answer.headers["content-type"]) == (
        b"{1: 2}",
        "application/octet-stream",
    )


@pytest.mark.parametrize("body", ["iter([b'no prelude'])", "iter([b'[]' + bytes(8)])"])
def test_bad_prelude_is_a_502(start: Callable[..., FunctionUrl], body: str) -> None:
    assert LOCAL.get(start(scripted(body, STREAMING)).url, timeout=20).status_code == 502


def test_answer_of_a_process_that_dies_is_cut(start: Callable[..., FunctionUrl]) -> None:
    die = "__import__('time').sleep(1) or os._exit(0)"  # when what it said has been passed on
    body = f"(p or {die} for p in [b'{{}}' + bytes(8), b'begun', b''])"
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        LOCAL.get(start(scripted(body, STREAMING)).url, timeout=20)


def test_prelude_may_come_in_pieces_but_not_without_end() -> None:
    prelude = Prelude()
    assert prelude.feed(b'{"statusCode": 2') is None
    assert prelude.feed(b"01}" + SEPARATOR + b"body") == ({"statusCode": 201}, b"body")
    with pytest.raises(ValueError, match="too long"):
        Prelude().feed(b" " * (MOST_PRELUDE_BYTES + 1))
    with pytest.raises(ValueError, match="unknown fields"):
        Prelude().feed(b'{"status": 200}' + SEPARATOR)


@pytest.mark.parametrize(
    ("path", "mode", "status", "error_type"),
    [
        ("response", "buffered", 400, "InvalidFunctionResponseMode"),
        ("elsewhere", "streaming", 404, "UnknownPath"),
    ],
)
def test_runtime_that_breaks_the_protocol_is_refused(
    path: str, mode: str, status: int, error_type: str
) -> None:
    api = RuntimeApi()
    api.invoke(invocation := Invocation(b"{}", 10.0))
    host = api.address
    try:
        assert call(host, "GET", f"{ROOT}/invocation/next", {})[0] == 200
        headers = {"Lambda-Runtime-Function-Response-Mode": mode}
        url = f"{ROOT}/invocation/{invocation.id}"
        assert call(host, "POST", f"{url}/{path}", headers) == (status, error_type)
        assert call(host, "POST", f"{url}/response", {}) == (202, None)
        assert call(host, "POST", f"{url}/response", {}) == (400, "InvalidRequestID")
    finally:
        api.close()


def call(host: str, method: str, path: str, headers: dict[str, str]) -> tuple[int, str | None]:
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        connection.request(method, path, b"{}" if method == "POST" else None, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()).get("errorType")
    finally:
        connection.close()


def test_process_stands_still_between_two_requests(start: Callable[..., FunctionUrl]) -> None:
    """It asks for the next one, and is stopped until there is one."""
    server = start(ECHO, freezes=True)
    for _ in range(2):
        assert LOCAL.get(server.url, timeout=20).content == b"done"
        (environment,) = server._server.function.environments
        until(functools.partial(has_stopped, environment.process.pid))


def has_stopped(process: int) -> bool:
    """Since it was last found so."""
    return os.WIFSTOPPED(os.waitpid(process, os.WUNTRACED | os.WNOHANG)[1])

"""A WSGI app with every kind of answer, served by the bridge: for AWS's own emulator to judge.

No messages and no models: each path is one way in which an answer may go well or wrong.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from proxy import config
from proxy.aws import server as aws
from proxy.aws.runtime_api import Runtime

EVENTS = [("Content-Type", "text/event-stream")]


def app(environ: Any, start_response: Any) -> Iterator[bytes]:
    yield from KINDS[environ["PATH_INFO"]](start_response)


def stream(start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", EVENTS)
    for number in range(3):
        yield b"event: ping\ndata: %d\n\n" % number


def cut(start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    yield b'{"half": '
    raise ValueError


def failed(start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [])
    raise ValueError
    yield b""


def refused(start_response: Any) -> Iterator[bytes]:
    start_response("500 Oh", [("Content-Type", "application/json"), ("Set-Cookie", "a=1")])
    yield b"{}"


def empty(start_response: Any) -> Iterator[bytes]:
    start_response("204 No Content", [])
    yield from ()


def late(start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", EVENTS)
    yield b"event: ping\n\n"
    time.sleep(60)


KINDS = {f"/{kind.__name__}": kind for kind in (stream, cut, failed, refused, empty, late)}

if __name__ == "__main__":
    runtime = Runtime(config.runtime_api())
    while True:
        aws.serve(runtime, app)

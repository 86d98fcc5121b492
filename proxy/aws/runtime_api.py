"""AWS Lambda's Runtime API over plain HTTP: an invocation in, its response out as it is made.

The paths, headers, chunks and trailers are those of docs.aws.amazon.com/lambda, "Using the Lambda
runtime API" and "custom runtime: response streaming".
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import time
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import NamedTuple

log = logging.getLogger(__name__)

ROOT = "/2018-06-01/runtime"
STREAMED = {
    "Lambda-Runtime-Function-Response-Mode": "streaming",
    "Transfer-Encoding": "chunked",
    "Content-Type": "application/vnd.awslambda.http-integration-response",
    "Trailer": "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
}
ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
ERROR_BODY = "Lambda-Runtime-Function-Error-Body"
LEAST_SECONDS = 0.1
"""A timeout of a socket must be above 0, however late it is."""

FAILURES = (OSError, HTTPException)
"""What is raised when the Runtime API takes no more of a response."""


class Invocation(NamedTuple):
    """One event. deadline: when Lambda ends the function, in seconds since the epoch."""

    id: str
    deadline: float
    event: bytes


class Runtime:
    """The Runtime API at one address. Every call has a connection of its own."""

    def __init__(self, address: str) -> None:
        self._address = address

    def next(self) -> Invocation:
        """Wait, without a timeout, for the next invocation."""
        with contextlib.closing(HTTPConnection(self._address)) as connection:
            connection.request("GET", f"{ROOT}/invocation/next")
            answer = connection.getresponse()
            return Invocation(
                answer.headers["Lambda-Runtime-Aws-Request-Id"],
                int(answer.headers["Lambda-Runtime-Deadline-Ms"]) / 1000,
                answer.read(),
            )

    def response_stream(self, invocation: Invocation) -> ResponseStream:
        """The streamed response to an invocation. It has until the deadline to be delivered."""
        seconds = max(LEAST_SECONDS, invocation.deadline - time.time())
        connection = HTTPConnection(self._address, timeout=seconds)
        return ResponseStream(connection, f"{ROOT}/invocation/{invocation.id}/response")

    def refuse(self, invocation: Invocation, error_type: str, message: str) -> None:
        """Report a failure before the first byte of a response."""
        self._report(f"{ROOT}/invocation/{invocation.id}/error", error_type, message)

    def report_init_error(self, error_type: str, message: str) -> None:
        """Report that the function cannot be started."""
        self._report(f"{ROOT}/init/error", error_type, message)

    def _report(self, path: str, error_type: str, message: str) -> None:
        with contextlib.closing(HTTPConnection(self._address)) as connection:
            connection.request("POST", path, _error(error_type, message), {ERROR_TYPE: error_type})
            _check(connection.getresponse())


class ResponseStream:
    """A response, sent piece by piece: `begin`, then `send`, then either `end` or `fail`."""

    def __init__(self, connection: HTTPConnection, path: str) -> None:
        self._connection = connection
        self._path = path

    def begin(self, prelude: bytes) -> None:
        self._connection.putrequest("POST", self._path)
        for name, value in STREAMED.items():
            self._connection.putheader(name, value)
        self._connection.endheaders()
        self.send(prelude)

    def send(self, piece: bytes) -> None:
        """Send at once; an empty piece would end the answer and is left out."""
        if piece:
            self._connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))

    def end(self) -> None:
        self._finish(b"")

    def fail(self, error_type: str, message: str) -> None:
        """End with an error in the trailers: the client sees a response that is cut."""
        body = base64.b64encode(_error(error_type, message)).decode()
        self._finish(f"{ERROR_TYPE}: {error_type}\r\n{ERROR_BODY}: {body}\r\n".encode())

    def _finish(self, trailers: bytes) -> None:
        self._connection.send(b"0\r\n%b\r\n" % trailers)
        _check(self._connection.getresponse())

    def close(self) -> None:
        self._connection.close()


def _error(error_type: str, message: str) -> bytes:
    error = {"errorType": error_type, "errorMessage": message, "stackTrace": []}
    return json.dumps(error).encode()


def _check(answer: HTTPResponse) -> None:
    content = answer.read()
    if answer.status != 202:
        log.warning(
            "the Runtime API answered %s: %s", answer.status, content.decode(errors="replace")
        )

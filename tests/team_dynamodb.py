"""DynamoDB's store as test_stores.py sees it: on moto, and how it fails there."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.endpoint import Endpoint
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from moto import mock_aws
from moto.core.models import botocore_stubber
from moto.dynamodb.models import DynamoDBBackend

from proxy.team.stores.dynamodb import DynamoStore
from tests import servers
from tests.team_clock import Clock

TABLE = "team"
REGION = "eu-central-1"
UNREACHABLE = {"slow": ReadTimeoutError, "down": EndpointConnectionError}
CODES = {"throttled": "ThrottlingException", "over": "ProvisionedThroughputExceededException"}


class Dynamo:
    faults = (*UNREACHABLE, *CODES)
    writes_only = ()
    fault_seconds = 60.0

    def __init__(self, folder: Path) -> None:
        self._stack = contextlib.ExitStack()
        patch = self._stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        self._stack.enter_context(mock_aws())
        self._stack.enter_context(isolated())
        create_table()

    def open(self, seconds: float = 60.0) -> DynamoStore:
        clock = Clock()
        return DynamoStore(TABLE, seconds, clock, clock.sleep)

    def fault(self, kind: str, operation: str = "") -> contextlib.AbstractContextManager[None]:
        """operation: of DynamoDB; "" for all."""

        def fail(name: str, _: Any) -> Any:
            if operation in ("", name):
                if kind in UNREACHABLE:
                    raise UNREACHABLE[kind](endpoint_url="https://dynamodb")
                return refused(CODES.get(kind, kind))
            return None

        return intercepted(fail)

    def half_write(self) -> contextlib.AbstractContextManager[None]:
        return self.fault("down", "TransactWriteItems")

    @contextlib.contextmanager
    def serve(self) -> Iterator[str]:
        """The address where other processes find it. moto's own server is a package of 30."""
        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                thread.join()

    def close(self) -> None:
        self._stack.close()


def environ(url: str) -> dict[str, str]:
    """Of a process that finds the table at this address."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "NO_PROXY": "127.0.0.1",
    }


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """As `Dynamo.serve`, in a process of its own: it does not share a core with who asks it."""
    port = servers.free_port()
    command = (sys.executable, "-m", "tests.team_dynamodb", str(port))
    with servers.running(command, None, f"http://127.0.0.1:{port}") as url:
        yield url


class Handler(BaseHTTPRequestHandler):
    """moto's DynamoDB over HTTP."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    """One packet for an answer: a second one would wait for the first to be acknowledged."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        address = f"https://dynamodb.{REGION}.amazonaws.com/"
        headers = HTTPHeaders.from_dict(dict(self.headers))
        answer = botocore_stubber("", AWSPreparedRequest("POST", address, headers, body, False))
        self.send_response(answer.status_code)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_: object) -> None:
        pass


def refused(code: str, *reasons: str) -> Any:
    """What botocore makes of an answer with an error. reasons: of a transaction, for each write."""
    error = {"Code": code, "Message": "arn:aws:iam::1:user/alice is not authorized"}
    canceled = [{"Code": reason} for reason in reasons]
    response = {"Error": error, "CancellationReasons": canceled, "ResponseMetadata": {}}
    return AWSResponse("https://dynamodb", 400, {}, None), response


@contextlib.contextmanager
def intercepted(before: Callable[[str, dict[str, Any]], Any]) -> Iterator[None]:
    """before: what happens with an operation and its request; None to let it happen."""
    call = Endpoint.make_request

    def make_request(endpoint: Endpoint, model: Any, request: dict[str, Any]) -> Any:
        return before(model.name, request) or call(endpoint, model, request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Endpoint, "make_request", make_request)
        yield


def create_table(**client: Any) -> None:
    """As template.yaml does."""
    boto3.client("dynamodb", **client).create_table(
        TableName=TABLE,
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")
        ],
        BillingMode="PAY_PER_REQUEST",
    )


@contextlib.contextmanager
def isolated() -> Iterator[None]:
    """DynamoDB isolates its transactions. moto does not: one that is canceled puts back the table
    as it was when it began, and what other threads have written since is gone (seen 2026-11-28 in
    5.2.5: 7 requests a minute were admitted by a limit of 5)."""
    lock = threading.RLock()

    def one_by_one(call: Callable[..., Any]) -> Callable[..., Any]:
        def locked(*arguments: Any, **named: Any) -> Any:
            with lock:
                return call(*arguments, **named)

        return locked

    with pytest.MonkeyPatch.context() as patch:
        for verb in ("transact_write_items", "update_item", "get_item", "query"):
            patch.setattr(DynamoDBBackend, verb, one_by_one(getattr(DynamoDBBackend, verb)))
        yield


if __name__ == "__main__":
    with contextlib.closing(Dynamo(Path())):
        ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()

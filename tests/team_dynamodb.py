"""DynamoDB's store as test_stores.py sees it: on moto, and how it fails there."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.endpoint import Endpoint
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from moto import mock_aws
from moto.dynamodb.models import DynamoDBBackend

from proxy.team.stores.dynamodb import DynamoStore

TABLE = "team"
REGION = "eu-central-1"
UNREACHABLE = {"slow": ReadTimeoutError, "down": EndpointConnectionError}
CODES = {"throttled": "ThrottlingException", "over": "ProvisionedThroughputExceededException"}


class Clock:
    """Goes on while somebody sleeps, and at no other time: no deadline depends on the machine."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class Dynamo:
    faults = (*UNREACHABLE, *CODES)
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

    def close(self) -> None:
        self._stack.close()


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
    """moto does not isolate its transactions from other threads: DynamoDB does."""
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

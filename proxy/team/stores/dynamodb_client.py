"""Calls to one DynamoDB table: within a deadline, tried again where that helps, and a StoreError
that says what to do where it does not.

A call may be repeated though nobody knows whether it was done: what dynamodb.py writes depends on
the state of a hold. boto3 comes with the managed Python runtime of Lambda; elsewhere it has to be
installed. It takes long to import, so this file is imported only where it is needed.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
)
from botocore.parsers import ResponseParserError

from . import StoreError

MAX_CONNECTIONS = 256
"""Kept open, each for one request at a time: as many as THREADS. botocore keeps 10, and would make
a new one, with its TLS handshake, for each request beyond."""

FIRST_PAUSE, MAX_PAUSE = 0.02, 0.32
"""Seconds before a call is tried again, at most: at first as long as two transactions take, and
twice as long each time. The half of them on average, so that those that met do not meet again."""

CONDITION_FAILED = "ConditionalCheckFailed"

CONFLICT = {
    "TransactionConflict",
    "TransactionConflictException",
    "TransactionInProgressException",
}
THROTTLED = {
    "ProvisionedThroughputExceeded",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingError",
    "ThrottlingException",
}
OUT_OF_ORDER = {"InternalServerError", "InternalServerErrorException", "ServiceUnavailable"}
RETRIED = CONFLICT | THROTTLED | OUT_OF_ORDER
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""

CREDENTIALS = {
    *("ExpiredTokenException", "IncompleteSignatureException", "InvalidSignatureException"),
    *("MissingAuthenticationTokenException", "UnrecognizedClientException"),
    *("CredentialRetrievalError", "NoCredentialsError", "PartialCredentialsError"),
}

ADVICE = (
    (CONFLICT, "too many requests change an account at once; put fewer people into one group"),
    (THROTTLED, "the table is throttled; bill it on demand or raise its capacity"),
    (OUT_OF_ORDER, "it is out of order; see https://health.aws.amazon.com"),
    (CREDENTIALS, "the credentials are missing or refused; give this process an IAM role or new"
        " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and check the machine's clock"),
    ({"AccessDeniedException"}, "this process may not use the table; give its IAM role the actions"
        " that template.yaml lists"),
    ({"ResourceNotFoundException"}, "there is no such table in this region; create it or correct"
        " PROXY_STORE and AWS_REGION"),
    ({"NoRegionError"}, "there is no region; set AWS_REGION"),
    ({"ValidationException", "ValidationError"}, "the table refuses an item; it needs the string"
        " keys pk and sk, and an item has at most 400 KB"),
)  # fmt: skip
"""Codes of errors, or names of botocore's -> what is wrong, and what to do."""

NO_ANSWER = "there is no answer in time; check the network, and the VPC's endpoint for DynamoDB"


class ConditionFailed(Exception):
    """Of a transaction: nothing was written."""


class Client:
    """seconds: for all calls between two calls of `begin`. clock, sleep: in seconds. Raises
    StoreError where boto3 lacks a setting."""

    def __init__(
        self,
        table: str,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = table
        self._seconds = seconds / 2
        """After which no call begins: a call takes as long again, to connect and to read."""
        self._clock = clock
        self._sleep = sleep
        self._until = threading.local()
        config = Config(
            connect_timeout=seconds / 4,
            read_timeout=seconds / 4,
            max_pool_connections=MAX_CONNECTIONS,
            retries={"total_max_attempts": 1},
            tcp_keepalive=True,
            parameter_validation=False,  # a tenth of what a call takes of the CPU
        )
        try:
            self._client = boto3.client("dynamodb", config=config)
        except BotoCoreError as error:
            raise self.error(_advice(type(error).__name__)) from None

    def begin(self) -> None:
        """The time of this thread's next calls runs from now."""
        self._until.value = self._clock() + self._seconds

    def call(self, operation: str, **arguments: Any) -> Any:
        """The answer. Raises ConditionFailed, StoreError."""
        pause, failure = FIRST_PAUSE, NO_ANSWER
        while self._clock() <= self._until.value:
            try:
                return getattr(self._client, operation)(**arguments)
            except ClientError as error:
                failure = self._retried(error)
            except (ConnectionError, HTTPClientError) as error:
                failure = f"{NO_ANSWER} ({type(error).__name__})"
            except (BotoCoreError, ResponseParserError, ValueError) as error:
                raise self.error(_advice(type(error).__name__)) from None
            self._sleep(random.uniform(0, pause))
            pause = min(2 * pause, MAX_PAUSE)
        raise self.error(failure)

    def close(self) -> None:
        self._client.close()

    def _retried(self, error: ClientError) -> str:
        """What to say if it goes on like this. Raises what does not pass by itself."""
        reasons = (*error.response.get("CancellationReasons", ()), error.response.get("Error", {}))
        codes = [each.get("Code", "None") for each in reasons]
        codes = [code for code in codes if code not in ("None", "TransactionCanceledException")]
        if CONDITION_FAILED in codes:
            raise ConditionFailed from None
        for code in codes:
            if code not in RETRIED:
                raise self.error(_advice(code)) from None
        return _advice(codes[0] if codes else "TransactionCanceledException")

    def error(self, text: str) -> StoreError:
        return StoreError(f"DynamoDB, table {self._table}: {text}")


def _advice(code: str) -> str:
    for codes, text in ADVICE:
        if code in codes:
            return text
    return code

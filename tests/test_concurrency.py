"""proxy/concurrency.py: so many answers at once, and a refusal for the next."""

from __future__ import annotations

import contextlib
import threading

import pytest

from proxy.concurrency import RETRY_AFTER_SECONDS, ConcurrencyLimit
from translate import ApiError


def test_the_limit_is_refused_at_once() -> None:
    limit = ConcurrencyLimit(2)
    with limit:
        with limit:
            for _ in range(2):
                with pytest.raises(ApiError) as caught, limit:
                    raise AssertionError("not to be entered")
                error = caught.value
                assert (error.status, error.type, error.cause) == (529, "overloaded_error", "busy")
                assert error.headers() == {"retry-after": str(RETRY_AFTER_SECONDS)}
                assert error.message == "Too many concurrent requests (limit 2). Retry later."
        with limit, pytest.raises(ApiError), limit:
            raise AssertionError("not to be entered")


def test_a_failure_gives_its_place_back() -> None:
    limit = ConcurrencyLimit(1)
    for _ in range(2):
        with pytest.raises(KeyError), limit:
            raise KeyError


def test_a_place_is_given_back_once() -> None:
    with pytest.raises(ValueError, match="released too many times"):
        ConcurrencyLimit(1).__exit__(None, None, None)


def test_the_limit_counts_over_threads() -> None:
    limit = ConcurrencyLimit(5)
    refused: list[ApiError] = []

    with contextlib.ExitStack() as held:

        def enter() -> None:
            try:
                held.enter_context(limit)
            except ApiError as error:
                refused.append(error)

        threads = [threading.Thread(target=enter) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 7

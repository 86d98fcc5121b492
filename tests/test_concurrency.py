"""proxy/concurrency.py: so many answers at once, and a refusal for the next."""

from __future__ import annotations

import contextlib
import threading

import pytest

from proxy import concurrency
from proxy.concurrency import RETRY_AFTER_SECONDS, ConcurrencyLimit, MemoryBudget
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


# --- Memory -----------------------------------------------------------------------------------


def test_memory_beyond_the_budget_is_refused() -> None:
    budget = MemoryBudget(100)
    with budget.reserve() as one, budget.reserve() as other:
        one.resize(60)
        other.resize(40)
        with pytest.raises(ApiError) as caught:
            other.resize(41)
        error = caught.value
        assert (error.status, error.type, error.cause) == (529, "overloaded_error", "busy")
        assert error.headers() == {"retry-after": str(RETRY_AFTER_SECONDS)}
        assert other.size == 40
        one.resize(10)
        other.resize(90)


def test_memory_is_given_back_after_a_failure() -> None:
    budget = MemoryBudget(100)
    for _ in range(2):
        with contextlib.suppress(KeyError), budget.reserve() as memory:
            memory.resize(100)
            raise KeyError


def test_memory_that_is_never_there_is_not_worth_a_retry() -> None:
    with MemoryBudget(3_000_000).reserve() as memory, pytest.raises(ApiError) as caught:
        memory.resize(5_000_000)
    assert (caught.value.status, caught.value.headers()) == (413, {})
    assert caught.value.message == (
        "The request needs 5 MB of memory; this server has 3 MB for one request."
    )


def test_large_requests_leave_memory_for_small_ones() -> None:
    size = 100_000_000
    budget = MemoryBudget(size)
    share = int(size * concurrency.LARGE_SHARE)
    with budget.reserve() as large, budget.reserve() as other, budget.reserve() as small:
        large.resize(share - 20_000_000)
        with pytest.raises(ApiError):
            other.resize(20_000_001)
        other.resize(20_000_000)
        small.resize(concurrency.LARGE_BYTES)
        large.resize(share - 30_000_000)
        with pytest.raises(ApiError, match=r"needs 75 MB .* has 75 MB"):
            other.resize(share + 1)

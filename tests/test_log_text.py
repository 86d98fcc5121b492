"""proxy/log_text.py: a log entry as a person reads it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from proxy import log_text

ENTRY: dict[str, Any] = {
    "method": "POST",
    "path": "/v1/messages",
    "status": 200,
    "model": "claude-opus-5-5",
    "gemini": "gemini-4-hydrogen",
    "tokens": {"in": 1_480, "cached": 17_020, "out": 75, "thoughts": 12},
    "usd": 0.004,
    "ms": 1_204,
}
NOON = time.mktime((2026, 11, 28, 12, 0, 5, 0, 0, -1))


def line(**fields: Any) -> str:
    """Without the time, which has a test of its own."""
    entry = {name: value for name, value in {**ENTRY, **fields}.items() if value is not None}
    return log_text.render(entry, NOON, has_color=False).removeprefix("12:00:05 ")


def test_request_in_a_line() -> None:
    assert log_text.render(ENTRY, NOON, has_color=False) == (
        "12:00:05 200 opus → gemini-4-hydrogen  18.5k in (92% cached) 75 out  1.2s  $0.004"
    )


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"usd": None}, "200 opus → gemini-4-hydrogen  18.5k in (92% cached) 75 out  1.2s"),
        ({"model": "gemini-4-hydrogen"}, "200 gemini-4-hydrogen  "),
        ({"model": "gpt-5"}, "200 gpt-5 → gemini-4-hydrogen  "),
        ({"model": None, "gemini": None}, "200 POST /v1/messages  "),
        ({"gemini": None}, "200 opus  "),
        ({"tokens": {"in": 75, "cached": 0, "out": 0}}, "75 in 0 out"),
        ({"tokens": None, "status": 429, "error": "exhausted"}, "hydrogen  exhausted  1.2s"),
        ({"tried": ["overloaded", "broken"]}, "  after overloaded, broken  "),
        ({"judge": {"flagged": 1, "not_flagged": 2}}, "  1 of 3 calls flagged  "),
        ({"judge": {"unavailable": "timeout"}}, "  no verdict: timeout  "),
    ],
)
def test_what_there_is_is_shown(fields: Any, shown: str) -> None:
    assert shown in line(**fields)


@pytest.mark.parametrize(
    ("status", "color"), [(200, log_text.GREEN), (404, log_text.YELLOW), (529, log_text.RED)]
)
def test_status_has_a_color(status: int, color: str) -> None:
    shown = log_text.render({**ENTRY, "status": status}, NOON, has_color=True)
    assert f"{color}{status}{log_text.RESET} opus" in shown


def test_what_is_no_request_is_a_line_too() -> None:
    entry = {"request_id": "req_1", "exception": "KeyError", "traceback": "  File"}
    assert log_text.render(entry, NOON, has_color=False) == "12:00:05 req_1 KeyError   File"


@pytest.mark.parametrize(
    ("tokens", "shown"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1k"),
        (18_500, "18.5k"),
        (1_048_576, "1.05M"),
        *((999_499, "999k"), (999_600, "1M"), (999_700_000, "1B"), (2_314_000_000, "2.31B")),
        *((999_600_000_000, "1,000B"), (123_456_000_000_000, "123,456B")),
    ],
)
def test_tokens_in_three_digits(tokens: int, shown: str) -> None:
    assert log_text.count(tokens) == shown


@pytest.mark.parametrize(
    ("usd", "shown"), [(0.00012, "$0.0001"), (0.0042, "$0.004"), (0.013, "$0.01"), (12.3, "$12.30")]
)
def test_dollars(usd: float, shown: str) -> None:
    assert log_text.dollars(usd) == shown

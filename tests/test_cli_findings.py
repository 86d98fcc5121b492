"""proxy/cli/findings.py: a finding comes of each check, whatever happens, and holds no secret."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from proxy.cli import fixes
from proxy.cli.findings import (
    MAX_DETAIL,
    Finding,
    bad,
    bounded,
    clean,
    good,
)
from proxy.config import BadSetting
from tests.crosses import crosses
from translate import ApiError, Cause

__all__ = ["crosses"]


def failing(error: BaseException) -> Callable[[], Finding]:
    def check() -> Finding:
        raise error

    return check


def test_finding_is_passed_on() -> None:
    assert bounded("x", 5, lambda: good("x", "fine")) == good("x", "fine")


@pytest.mark.parametrize(
    ("error", "detail", "fix"),
    [
        (ApiError(401, "Refused.", cause=Cause.KEY), "Refused.", fixes.ask("GEMINI_API_KEY")),
        (ApiError(400, "Odd."), "Odd.", fixes.AGAIN),
        (BadSetting("THREADS", "odd"), "THREADS: odd", "unset THREADS"),
        (SystemExit("s3cret"), "SystemExit", fixes.AGAIN),
        (ValueError("s3cret"), "ValueError", fixes.AGAIN),
    ],
)
def test_check_that_raises_has_failed(error: BaseException, detail: str, fix: str) -> None:
    assert bounded("x", 5, failing(error)) == bad("x", detail, fix)


def test_check_knows_a_fix_of_its_own() -> None:
    assert bounded("x", 5, failing(ApiError(400, "Odd.")), "curl x").fix == "curl x"
    assert bounded("x", 5, failing(ValueError()), "curl x").fix == "curl x"


def test_check_that_hangs_has_failed() -> None:
    hanging = threading.Event()
    found = bounded("x", 0.01, lambda: good("x", str(hanging.wait(20))), "curl x")
    hanging.set()
    assert found == bad("x", "nothing came of it within 0.01 s", "curl x")


def test_secrets_and_control_characters_are_left_out() -> None:
    found = clean(bad("x", "a\x1b[31m s3cret\n  b", "use s3cret"), ["s3cret"])
    assert found == bad("x", "a [31m [key] b", "use [key]")


def test_long_text_is_cut() -> None:
    assert clean(good("x", "y" * 9_999), []).detail == "y" * MAX_DETAIL + "..."

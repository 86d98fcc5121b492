"""proxy/cli/findings.py: a finding comes of each check, whatever happens, and holds no secret."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from proxy.cli.findings import (
    FIXES,
    MAX_DETAIL,
    Finding,
    bad,
    bounded,
    clean,
    for_shell,
    good,
)
from proxy.config import BadSetting
from translate import ApiError, Cause


def failing(error: BaseException) -> Callable[[], Finding]:
    def check() -> Finding:
        raise error

    return check


def test_finding_is_passed_on() -> None:
    assert bounded("x", 5, lambda: good("x", "fine")) == good("x", "fine")


@pytest.mark.parametrize(
    ("error", "detail", "fix"),
    [
        (ApiError(401, "Refused.", cause=Cause.KEY), "Refused.", FIXES[Cause.KEY]),
        (ApiError(400, "Odd."), "Odd.", ""),
        (BadSetting("THREADS", "odd"), "THREADS: odd", ""),
        (ValueError("s3cret"), "ValueError", ""),
    ],
)
def test_check_that_raises_has_failed(error: BaseException, detail: str, fix: str) -> None:
    assert bounded("x", 5, failing(error)) == bad("x", detail, fix)
    assert bounded("x", 5, failing(error), "try").fix == "try"


def test_check_that_hangs_has_failed() -> None:
    hanging = threading.Event()
    found = bounded("x", 0.01, lambda: good("x", str(hanging.wait(20))), "try")
    hanging.set()
    assert found == bad("x", "nothing came of it within 0.01 s", "try")


def test_secrets_and_control_characters_are_left_out() -> None:
    found = clean(bad("x", "a\x1b[31m s3cret\n  b", "use s3cret"), ["s3cret"])
    assert found == bad("x", "a [31m [key] b", "use [key]")


def test_long_text_is_cut() -> None:
    assert clean(good("x", "y" * 9_999), []).detail == "y" * MAX_DETAIL + "..."


@pytest.mark.parametrize(
    ("fix", "expected"),
    [
        ("export NO_PROXY=127.0.0.1,localhost", '$env:NO_PROXY = "127.0.0.1,localhost"'),
        ("export GEMINI_API_KEY=...  (free)", '$env:GEMINI_API_KEY = "..."  (free)'),
        ("unset ANTHROPIC_API_KEY", "Remove-Item Env:ANTHROPIC_API_KEY"),
        ("unset A B", "Remove-Item Env:A, Env:B"),
        ("curl -v https://x/", "curl.exe -v https://x/"),
        ("claude update", "claude update"),
    ],
)
def test_fix_is_in_the_form_of_the_shell(fix: str, expected: str) -> None:
    assert for_shell(fix, "nt") == expected
    assert for_shell(fix, "posix") == fix

"""What each cross of the doctor's has to have: a command that can be pasted as it is.

Every line of proxy/cli/ is covered, so each place that makes a cross is met by the tests that use
this.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.cli import checks, client_checks, doctor, findings, server_checks
from proxy.cli.fixes import EDITOR

PROGRAMS = frozenset(
    {
        *("export", "unset", "read", "sleep", "python", "curl", "nslookup", "npm", "claude"),
        *("sudo", "sudoedit", EDITOR, "gcloud", "aws", "brew", "winget", "w32tm"),
    }
)
"""What a command may begin with."""

PLACEHOLDER = re.compile(r"\.\.\.|<\w+>|\s\(")


def is_command(fix: str) -> bool:
    words = [shlex.split(part) for part in fix.split(" && ")]
    return all(each and each[0] in PROGRAMS for each in words) and not PLACEHOLDER.search(fix)


@pytest.fixture(autouse=True)
def crosses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each cross that a test's checks make has a command."""
    fixes: list[tuple[str, str]] = []

    def bad(name: str, detail: str, fix: str) -> Any:
        fixes.append((name, fix))
        return findings.Finding(name, findings.Status.BAD, detail, fix)

    for module in (checks, client_checks, doctor, findings, server_checks):
        monkeypatch.setattr(module, "bad", bad)
    yield
    assert [each for each in fixes if not is_command(each[1])] == []

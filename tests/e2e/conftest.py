"""What the tests with real clients share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.claude_code import VERSIONS, ClaudeCode


@pytest.fixture(params=VERSIONS)
def claude(request: pytest.FixtureRequest, tmp_path: Path, key: str) -> ClaudeCode:
    """Each version, in a home of its own, with the test's key."""
    return ClaudeCode(request.param, tmp_path, key)

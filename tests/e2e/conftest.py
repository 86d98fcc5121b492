"""What the tests with real clients share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.claude_code import VERSIONS, ClaudeCode

clients_of_run = pytest.StashKey[dict[str, None]]()


@pytest.fixture(scope="session")
def report_client(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes a client's name and version, in its own words: they are printed after the tests."""
    clients = request.config.stash.setdefault(clients_of_run, {})

    def report(client: str) -> None:
        clients[client] = None

    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for client in config.stash.get(clients_of_run, {}):
        terminalreporter.write_line(f"Tested with {client}")


@pytest.fixture(params=VERSIONS)
def claude(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    key: str,
    report_client: Callable[[str], None],
) -> ClaudeCode:
    """Each version, in a home of its own, with the test's key."""
    claude = ClaudeCode(request.param, tmp_path, key)
    report_client(f"Claude Code {claude.reported_version}")
    return claude

"""What Claude Code makes of the file that `python -m proxy managed-settings` prints, where an
administrator lays it down: in a view of the disk that only one process has.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from proxy.web.settings_file import PLACES
from tests.e2e.claude_code import NEWEST, RUN_SECONDS, VERSIONS, ClaudeCode
from tests.e2e.test_team import HELLO, Start, start
from tests.servers import ROOT, clean_environ

__all__ = ["start"]

PLACE = Path(PLACES["Linux, WSL"])
LAY_DOWN = f"""
set -e
mount --make-rprivate /
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work"
mount -t overlay -o "lowerdir=/etc,upperdir=$1/upper,workdir=$1/work" none /etc
mkdir -p {PLACE.parent}
cp "$2" {PLACE}
shift 2
exec "$@"
"""
"""Takes a folder, the file, and the command that sees it in its place."""

USAGE = {
    "promptTokenCount": 9_000,
    "cachedContentTokenCount": 1_000,
    "candidatesTokenCount": 9_066,
}
COST = (8_000 * 1.5 + 1_000 * 0.075 + 9_066 * 7.5) / 10**6
"""US$, of Hydrogen."""


def run_managed(claude: ClaudeCode, content: str, folder: Path) -> Any:
    """The session's events, with no other word of where the server is. Skips where this process may
    not mount."""
    file, view = folder / "managed-settings.json", folder / "view"
    file.write_text(content)
    view.mkdir()
    head = ["unshare", "--mount", "sh", "-c", LAY_DOWN, "sh", str(view), str(file)]
    has_program = shutil.which("unshare") is not None
    if not has_program or subprocess.run([*head, "true"], capture_output=True).returncode:
        pytest.skip("managed settings need a mount namespace: run it as root, on Linux")
    environ = claude._environ("", CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1")
    del environ["ANTHROPIC_BASE_URL"]
    command = [*head, *claude._command("Say hello.")]
    run = subprocess.run(
        command, cwd=claude.folder, env=environ, capture_output=True, timeout=RUN_SECONDS
    )
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith(b"{")]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("more", [[], ["--meter"]])
def test_managed_file_makes_dollars_right(
    start: Start, tmp_path: Path, version: str, more: list[str]
) -> None:
    """The oldest takes the address, and keeps its own prices."""
    reply = {**HELLO, "usage": USAGE, "repeat": True}
    with start(0.1, reply, PROXY_CLIENT_BUDGET="on") as near:
        command = [sys.executable, "-m", "proxy", "managed-settings", "--url", near.url, *more]
        printed = subprocess.run(
            command, cwd=ROOT, env=clean_environ(), capture_output=True, text=True, check=True
        )
        events = run_managed(ClaudeCode(version, tmp_path, near.token), printed.stdout, tmp_path)
    result = events[-1]
    assert result["result"] == "Hello."
    is_right = result["total_cost_usd"] == pytest.approx(COST, abs=1e-9)
    assert is_right is (version == NEWEST)
    has_event = "rate_limit_event" in [event["type"] for event in events]
    assert has_event is (version == NEWEST and bool(more))

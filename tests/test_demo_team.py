"""tests/demo_team.py: what a newcomer sees of it, and that nothing stays. What it serves is walked
through in e2e/test_demo_team.py.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.team import tokens
from tests import demo_team, servers
from tests.demo_team import PEOPLE
from tests.servers import LOCAL, ROOT


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT for one process")
def test_demo_of_a_team_ends_with_ctrl_c_and_leaves_nothing(tmp_path: Path) -> None:
    address = f"127.0.0.1:{servers.free_port()}"
    environ = {**servers.clean_environ(), "TMPDIR": str(tmp_path), "PROXY_LISTEN_ADDR": address}
    command = [sys.executable, "tests/demo_team.py"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        shown = ""
        for line in process.stdout:
            shown += line
            if line.startswith("Ctrl-C ends it"):
                break
        for person in PEOPLE:
            found = re.search(rf"^    {person}\b.*(gmp_\S+)$", shown, re.MULTILINE)
            assert found is not None, shown
            assert tokens.inspect(found[1]).person == person
            headers = {"x-api-key": found[1]}
            usage = LOCAL.get(f"http://{address}/usage.json", headers=headers, timeout=30).json()
            assert usage["total"]["requests"] == len(demo_team.USED[person])
        assert list(tmp_path.iterdir())
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert list(tmp_path.iterdir()) == []

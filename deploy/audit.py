"""`make audit`: known vulnerabilities of the versions in requirements.txt, as pip-audit finds them.

pip-audit ends well, too, where it could look nothing up; here that is an exit code of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parent.parent / "requirements.txt"
OPTIONS = ("--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off")
SECONDS = 300

VULNERABLE, NOT_CHECKED = 1, 3
"""Exit codes. Python itself ends with 1, argument errors with 2."""

BEYOND = "Never checked here: Python itself, the base images, and what Google's buildpack adds."


def audit(program: Sequence[str]) -> int:
    """Run pip-audit and print what it found; the exit code. program: its command."""
    try:
        command = [*program, *OPTIONS, "--requirement", str(LOCK)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        packages: list[Any] = json.loads(ran.stdout)["dependencies"]
    except (OSError, subprocess.TimeoutExpired, ValueError):
        print(f"NOT CHECKED: no network? pip-audit told nothing. {BEYOND}")
        return NOT_CHECKED
    return report(packages)


def report(packages: Sequence[Any]) -> int:
    """packages: as in pip-audit's JSON, with either `vulns` or a `skip_reason` each."""
    unchecked = [package["name"] for package in packages if "skip_reason" in package]
    vulnerable = [package for package in packages if package.get("vulns")]
    for package in vulnerable:
        for found in package["vulns"]:
            fixed = ", ".join(found["fix_versions"]) or "none yet"
            print(f"{package['name']} {package['version']}: {found['id']}, fixed in: {fixed}")
    print(f"Checked: {len(packages) - len(unchecked)} of {len(packages)} packages in {LOCK.name};")
    print(f"vulnerable: {len(vulnerable)}. {BEYOND}")
    if unchecked or not packages:
        print(f"NOT CHECKED: no network, or not in its database: {', '.join(unchecked) or 'all'}")
    if vulnerable:
        return VULNERABLE
    return NOT_CHECKED if unchecked or not packages else 0


if __name__ == "__main__":
    sys.exit(audit(sys.argv[1:]))

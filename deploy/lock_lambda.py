"""`make lock`: requirements.in -> requirements.lock, exact versions with their hashes.

They are those of requirements.txt, which all other hosts install. pip resolves for Lambda's
platform, whatever this machine's is. Both architectures must resolve to the same versions: there is
one zip for both.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from deploy import pythons

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "deploy/requirements.lock"
HEAD = """\
# What build/lambda.zip holds, exactly. Made by `make lock` from requirements.in; do not edit.
"""

LEFT_OUT = ("google-auth", "cryptography")
"""Only for Vertex AI, which is asked from Google Cloud, and for signing in with an OpenID provider;
the second has files for each architecture, and the zip is for both."""

ARCHITECTURES = ("aarch64", "x86_64")
PLATFORMS = ("manylinux_2_34", "manylinux_2_28", "manylinux2014", "manylinux_2_17")
"""Amazon Linux 2023, under the managed runtime, has glibc 2.34; pip wants each tag by name."""


REQUIREMENT = re.compile("[a-z]")
PINNED = re.compile(r"^([a-z][a-z0-9-]*)==([^\s;]+)", re.MULTILINE)


def wheels_for(architecture: str) -> list[str]:
    """pip's options for the wheels of the runtime."""
    options = ["--only-binary=:all:", "--implementation=cp", f"--python-version={pythons.VERSION}"]
    return options + [f"--platform={platform}_{architecture}" for platform in PLATFORMS]


def pip(*arguments: str) -> str:
    """Run pip and return what it prints; ends the program with pip's message where it fails."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(ran.stderr)
    return ran.stdout


def resolve(requirements: Path, pins: Mapping[str, str]) -> str:
    """The text of the lock. pip runs under the runtime's Python, to which markers refer."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.writelines(f"{name}=={version}\n" for name, version in pins.items())
        constraints.flush()
        return _resolve(requirements, constraints.name)


def pins(lock: Path) -> dict[str, str]:
    """The versions of a lock by name."""
    return dict(PINNED.findall(lock.read_text()))


def _resolve(requirements: Path, constraints: str) -> str:
    found: dict[str, set[str]] = {}
    wanted = [line for line in requirements.read_text().splitlines() if REQUIREMENT.match(line)]
    for architecture in ARCHITECTURES:
        report = pip(
            *("--python", pythons.need(), "install", "--dry-run", "--ignore-installed"),
            *("--target", "unused", "--report", "-", "--constraint", constraints),
            *wheels_for(architecture),
            *(line for line in wanted if not line.startswith(LEFT_OUT)),
        )
        for package in json.loads(report)["install"]:
            found.setdefault(_pinned(package), set()).add(_sha256(package))
    names = [pinned.partition("==")[0] for pinned in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SystemExit(f"The architectures resolve to different versions: {sorted(twice)}")
    return HEAD + "".join(_line(pinned, found[pinned]) for pinned in sorted(found))


def _pinned(package: Any) -> str:
    metadata = package["metadata"]
    return f"{metadata['name'].lower().replace('_', '-')}=={metadata['version']}"


def _sha256(package: Any) -> str:
    digest: str = package["download_info"]["archive_info"]["hashes"]["sha256"]
    return digest


def _line(pinned: str, hashes: set[str]) -> str:
    return (
        " \\\n    ".join([pinned, *(f"--hash=sha256:{digest}" for digest in sorted(hashes))]) + "\n"
    )


if __name__ == "__main__":
    LOCK.write_text(resolve(ROOT / "requirements.in", pins(ROOT / "requirements.txt")))
    print(LOCK.relative_to(ROOT))

"""Programs from npm, as tests use them: fetched once into .cache/, which is kept between runs."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import ROOT

INSTALL_SECONDS = 600
LOCKED = ("package.json", "package-lock.json")


@functools.cache
def install(package: str, version: str, program: str) -> Path:
    """A program of a package. Skips the test where npm is missing, fails it where npm fails."""
    return _installed(package, version, f".bin/{program}")


@functools.cache
def module(package: str, version: str) -> Path:
    """The folder of a package. As `install`: skips, or fails."""
    return _installed(package, version, package)


def _installed(package: str, version: str, wanted: str) -> Path:
    """wanted: in node_modules/."""
    folder = ROOT / ".cache" / package.rpartition("/")[2] / version
    path = folder / "node_modules" / wanted
    with _locked(folder):
        if not path.exists():
            _run(package, "install", "--prefix", str(folder), f"{package}@{version}")
    return path


@functools.cache
def project(source: Path) -> Path:
    """A copy of a folder of scripts beside the packages that its package-lock.json names.

    As `install`: skips, or fails. Node.js looks for packages beside the script.
    """
    files = {name: (source / name).read_bytes() for name in LOCKED}
    digest = hashlib.sha256(b"\0".join(files.values())).hexdigest()[:16]
    folder = (ROOT / ".cache").resolve() / source.name / digest  # npm takes no link for a prefix
    with _locked(folder):
        if not (folder / "installed").exists():
            for name, content in files.items():
                (folder / name).write_bytes(content)
            _run(f"what {source.name} needs", "ci", "--prefix", str(folder))
            (folder / "installed").touch()
        for script in source.glob("*.mjs"):
            shutil.copy(script, folder)
    return folder


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two runs of tests may want the same at once."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(what: str, *arguments: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"NOT TESTED with {what}: npm is missing. Install Node.js 20.")
    installed = subprocess.run(
        [npm, *arguments, "--no-audit", "--no-fund"],
        timeout=INSTALL_SECONDS,
        capture_output=True,
        text=True,
    )
    if installed.returncode:
        pytest.fail(f"npm could not install {what}:\n{installed.stderr[-2000:]}")

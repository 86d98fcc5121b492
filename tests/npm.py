"""Programs from npm, as tests use them: fetched once into .cache/, which is kept between runs."""

from __future__ import annotations

import fcntl
import functools
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers import ROOT

INSTALL_SECONDS = 600


@functools.cache
def install(package: str, version: str, program: str) -> Path:
    """A program of a package. Skips the test where npm is missing, fails it where npm fails.

    Locked, since two runs of tests may want the same at once.
    """
    folder = ROOT / ".cache" / package.rpartition("/")[2] / version
    path = folder / "node_modules/.bin" / program
    npm = shutil.which("npm")
    if not path.exists() and npm is None:
        pytest.skip(f"NOT TESTED with {package}: npm is missing. Install Node.js 20.")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return path
        command = [str(npm), "install", "--prefix", str(folder), "--no-audit", "--no-fund"]
        command.append(f"{package}@{version}")
        installed = subprocess.run(command, timeout=INSTALL_SECONDS, capture_output=True, text=True)
    if installed.returncode:
        pytest.fail(f"npm could not install {package}:\n{installed.stderr[-2000:]}")
    return path

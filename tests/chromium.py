"""Chromium, as tests of pages use it: the machine's own; in CI, Debian's is installed."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess

import pytest

INSTALL_SECONDS = 600
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
)
NAMES = ("chromium", "chromium-browser", "google-chrome")
HOW_TO_GET = (
    "Chromium is missing. Get it with `apt-get install chromium`, or from your system's packages."
)
INSTALL = "apt-get update -qq && apt-get install -qq --no-install-recommends chromium"


@functools.cache
def need() -> str:
    """Chromium's path. Where it is missing, CI installs it or fails, and others skip the test."""
    if found := find():
        return found
    if not os.environ.get("CI"):
        pytest.skip(f"NOT TESTED in a browser: {HOW_TO_GET}")
    command = ["/bin/sh", "-c", INSTALL]
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    ran = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=INSTALL_SECONDS
    )
    return find() or pytest.fail(f"CI could not install Chromium:\n{ran.stderr[-2000:]}")


def find() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)

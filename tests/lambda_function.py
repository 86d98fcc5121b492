"""build/lambda.zip as a function behind the emulated Function URL, for tests.

Knows how to build, unpack and start it with the runtime's Python. Where the machine has none,
the tests are skipped and say so.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy import build_lambda, pythons
from tests import servers
from tests.lambda_emulator.__main__ import unpack
from tests.lambda_emulator.environments import WRAPPER, Function, Settings
from tests.lambda_emulator.function_url import FunctionUrl


@dataclass(frozen=True)
class Deployed:
    """A function that answers at a URL. log: all that its processes write."""

    url: str
    function: Function
    log: Path

    def processes(self) -> list[int]:
        """Those that are alive."""
        return [each.process.pid for each in self.function.environments if not each.is_gone]


@functools.cache
def built() -> Path:
    """The zip, built once for all tests, from the sources as they are."""
    if pythons.find() is None:
        pytest.skip(f"NOT TESTED on AWS Lambda: {pythons.HOW_TO_GET}")
    return build_lambda.build()


@contextlib.contextmanager
def deployed(environ: dict[str, str], **settings: Any) -> Iterator[Deployed]:
    """The zip with its wrapper as the template sets it. settings: see the emulator's Settings."""
    with tempfile.TemporaryDirectory() as folder:
        task = unpack(built(), Path(folder, "task"))
        unpacked = _content(task)
        log = (servers.output or Path(folder)) / f"{uuid.uuid4().hex}.log"
        with log.open("w") as opened:
            function = Function(
                Settings(task, pythons.need(), {**WRAPPER, **environ}, log=opened, **settings)
            )
            server = FunctionUrl(function)
            try:
                yield Deployed(server.url, function, log)
            finally:
                server.close()
        assert _content(task) == unpacked, "Lambda's task folder is read-only"


def _content(folder: Path) -> dict[Path, float]:
    return {path: path.stat().st_mtime for path in folder.rglob("*") if path.is_file()}

"""`python -m tests.lambda_emulator`: build/lambda.zip behind a Function URL on this machine.

Knows how to unpack the zip and which variables to pass on.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import zipfile
from pathlib import Path

from deploy import pythons

from .environments import WRAPPER, Function, Settings
from .function_url import FunctionUrl

PASSED_ON = ("GEMINI_", "PROXY_", "ANTHROPIC_", "CLAUDE_CODE_SUBAGENT_MODEL", "THREADS")
"""How the names of variables begin that the function gets; it has no others of this process."""


def unpack(archive: Path, folder: Path) -> Path:
    """As Lambda does: with the modes in the zip, and read-only."""
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            path = Path(opened.extract(entry, folder))
            path.chmod(entry.external_attr >> 16 & 0o555)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.lambda_emulator")
    parser.add_argument("--zip", type=Path, default=Path("build/lambda.zip"))
    parser.add_argument("--port", type=int, default=9100)
    parser.add_argument("--timeout", type=float, default=900, help="seconds, as the function's")
    arguments = parser.parse_args()
    environ = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
    with tempfile.TemporaryDirectory() as folder:
        task = unpack(arguments.zip, Path(folder))
        settings = Settings(task, pythons.need(), {**environ, **WRAPPER}, arguments.timeout)
        server = FunctionUrl(Function(settings), arguments.port)
        print(f"{arguments.zip} as a Lambda function on {server.url}", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            server.close()


if __name__ == "__main__":
    main()

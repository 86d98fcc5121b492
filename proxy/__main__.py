"""`python -m proxy`: prints what will be served where, then replaces itself with the server.

The server is functions-framework; its command line is made here. Other commands are proxy/cli/'s.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - what is imported below has no sentence for it
    sys.exit("Python 3.11 or later is needed: https://www.python.org/downloads/")

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

IS_WINDOWS = os.name == "nt"


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve, or run the command that is given. Raises SystemExit with a command's exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if not given or given == ["serve"]:
        try:
            serve()
        except ModuleNotFoundError as error:
            from .program import NO_PACKAGES

            sys.exit(NO_PACKAGES.format(error=error))
        return
    from .cli.main import main as run  # not where requests are served

    sys.exit(run(given, os.environ, serve))


def serve(*, is_quiet: bool = False) -> None:
    """Print the banner, unless a program starts it, and replace this process with
    functions-framework."""
    from . import config, endpoints, listening, outbound, reachability  # not for `--help`
    from .banner import banner

    settings = config.read()
    outbound.check(endpoints.from_settings(settings).base_url)
    listening.check_free(settings)
    if settings.log_bodies:
        from .recording.recorder import open_recorder  # only where something is recorded

        open_recorder(settings, settings.host)
    if not is_quiet:
        print(banner(settings, reachability.look(settings)), flush=True)
    config.set_framework_variables(settings.workers)
    command = [sys.executable, "-m", "functions_framework", "--target=messages"]
    source = Path(__file__).parent.parent / "main.py"
    command += [f"--source={source}", f"--host={settings.host}", f"--port={settings.port}"]
    if IS_WINDOWS:  # an exec would end this process there, and with it what others wait for
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # is the server's
        sys.exit(subprocess.call(command))
    os.execv(command[0], command)


if __name__ == "__main__":
    main()

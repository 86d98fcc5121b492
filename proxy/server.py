"""What functions-framework's server is told before it starts.

The framework imports the function, and then starts gunicorn with settings of its own; neither
GUNICORN_CMD_ARGS nor a file is read. What it does not set has gunicorn's default: that is set here.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from . import config
from .config import Settings

COMMAND = "functions_framework._cli"
"""The module of the framework's command; on AWS Lambda and in tests there is none, nor a server."""

GUNICORN = (27, 0)
"""The version that buffering_worker.py is made for; with another, worker.py serves alone."""

WORKER = "proxy.worker.Worker"
BUFFERING_WORKER = "proxy.buffering_worker.BufferingWorker"

OTHER_GUNICORN = (
    "gunicorn {} is not the one that requirements.txt asks for: slow clients and those that do not "
    "close keep others waiting."
)

REST_SECONDS = 2
"""Of a stopping process, after the time that answers have; then it is killed."""

DEBUG = (
    "DEBUG is set in the environment: functions-framework would serve a console for Python to "
    "everybody who reaches it. Unset it, or start with `python -m proxy`, which does."
)


STDIN, STDIN_BYTES = 0, 1_024
"""Its file descriptor, and how much of it is read at once: nobody writes anything."""

M_MMAP_THRESHOLD = -3
"""glibc's number for the size from which a block of memory is the system's own (mallopt(3))."""

LARGE_BLOCK_BYTES = 4_194_304
"""Below, a block is reused: the system would clear its pages each time."""


def return_large_blocks() -> None:
    """Give the memory of large requests back when they are over.

    After the first free of a large block glibc takes such blocks from its heap, one for each
    thread, and keeps them: a dozen bodies of 31 MB left 450 MB (seen 2026-11-28).
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library, or Windows
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)


def refuse_debug() -> None:
    """End the start of the framework's command where DEBUG of the environment has reached it. By
    --debug somebody has meant it."""
    context = _command()
    if context is None or not context.params.get("debug"):
        return
    if context.get_parameter_source("debug").name == "ENVIRONMENT":
        raise SystemExit(DEBUG)


def listen_host() -> str | None:
    """Where the framework's command listens; None where it is not running."""
    context = _command()
    return None if context is None else str(context.params.get("host"))


def print_start(settings: Settings) -> None:
    """How to use the server, for a person who has started it by the framework's command: where the
    log is text, or standard error a terminal. Once, as the workers are forked later."""
    context = _command()
    is_read = settings.log_format == "TEXT" or sys.stderr.isatty()
    if context is None or not is_read or config.is_started_by_us():
        return
    from .banner import short_form  # not where nobody reads it

    host, port = context.params["host"], int(context.params["port"])
    print(short_form(settings, host, port), file=sys.stderr, flush=True)


def _command() -> Any:
    """That of the framework's command, with its options; None where it was not started by one."""
    command = sys.modules.get(COMMAND)
    return command.click.get_current_context(silent=True) if command else None


def use_worker(stop_seconds: float) -> None:
    """Have gunicorn start our worker, and end as it should. On Windows there is no gunicorn: this
    process serves.

    stop_seconds: how long answers may go on after SIGTERM.
    """
    if COMMAND not in sys.modules:
        return
    try:
        import gunicorn
        from gunicorn.config import GracefulTimeout, WhenReady, WorkerClass
    except ImportError:
        end_with_starter(lambda: os._exit(0))
        return
    is_known = gunicorn.version_info[:2] == GUNICORN
    if not is_known:
        print(f"gemini-messages: {OTHER_GUNICORN.format(gunicorn.__version__)}", file=sys.stderr)
    WorkerClass.default = BUFFERING_WORKER if is_known else WORKER
    GracefulTimeout.default = math.ceil(stop_seconds) + REST_SECONDS
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        WhenReady.default = staticmethod(ignore_hangup)
    else:
        WhenReady.default = staticmethod(end_on_hangup)


def end_with_starter(end: Callable[[], object]) -> None:
    """Call `end` once the program that started this server is gone, where one has arranged for it:
    the other end of standard input is closed when that program ends, by SIGKILL too.

    Not before a fork, which a thread does not survive: each worker of gunicorn's watches by itself.
    """
    if config.ends_with_stdin():
        threading.Thread(target=_end_after_stdin, args=(end,), daemon=True).start()


def _end_after_stdin(end: Callable[[], object]) -> None:
    with contextlib.suppress(OSError):  # closed
        while os.read(STDIN, STDIN_BYTES):
            pass
    end()


def ignore_hangup(_: Any) -> None:
    """For gunicorn's master, which would otherwise not heed that it was started by nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def end_on_hangup(_: Any) -> None:
    """For gunicorn's master: a closed terminal ends it. It would start its workers anew, to read
    settings that have not changed."""
    signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))

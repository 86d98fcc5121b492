"""Execution environments: processes started as Lambda starts them, reused, scaled and killed.

Knows the environment variables, the wrapper and the clock.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from .events import MOST_STREAM_BYTES
from .invocations import Invocation
from .runtime_api import RuntimeApi

TASK = "/var/task"
PATIENCE_SECONDS = 0.5
BOOTSTRAP = "/var/runtime/bootstrap.py"
WRAPPER = {"AWS_LAMBDA_EXEC_WRAPPER": f"{TASK}/bootstrap"}
"""The variable by which a function is started with a program of its own."""


class Throttled(Exception):
    """All environments that the function may have are busy."""


@dataclass(frozen=True)
class Settings:
    """How a function is configured. task: the unpacked zip. timeout: seconds. freezes: whether its
    processes stand still between requests, as AWS's do; not on Windows."""

    task: Path
    interpreter: str
    environ: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 900.0
    concurrency: int = 10
    most_bytes: int = MOST_STREAM_BYTES
    freezes: bool = False
    log: IO[str] | None = None

    def command(self) -> list[str]:
        """The wrapper with what it wraps; AWS's own runtime is not emulated."""
        wrapper = self.environ["AWS_LAMBDA_EXEC_WRAPPER"]
        return [wrapper.replace(TASK, str(self.task), 1), self.interpreter, BOOTSTRAP]

    def variables(self, runtime_api: str) -> dict[str, str]:
        """Exactly what is there: nothing of this process's environment."""
        return {
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_FUNCTION_NAME": "messages",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/messages",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0",
            "AWS_REGION": "us-east-1",
            "LANG": "en_US.UTF-8",
            "LAMBDA_RUNTIME_DIR": "/var/runtime",
            "LAMBDA_TASK_ROOT": str(self.task),
            "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
            "PYTHONPATH": "/var/runtime",
            "TZ": ":UTC",
            "_HANDLER": "main.messages",
            **self.environ,
            "AWS_LAMBDA_RUNTIME_API": runtime_api,
        }


class Environment:
    """One process and its Runtime API; it serves one invocation at a time."""

    def __init__(self, settings: Settings) -> None:
        self._freezes = settings.freezes
        self._api = RuntimeApi(settings.most_bytes)
        self._api.on_done = self._become_idle
        self._api.on_init_error = self._note_init_error
        self.init_error: Any = None
        self.is_busy = True
        self.is_gone = False
        self._invocation: Invocation | None = None
        self._clock: threading.Timer | None = None
        self.process = subprocess.Popen(
            settings.command(),
            cwd=settings.task,
            env=settings.variables(self._api.address),
            stdout=settings.log,
            stderr=settings.log,
            start_new_session=True,
        )
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def invoke(self, invocation: Invocation) -> None:
        """To be called on an environment that is new or not busy."""
        self.is_busy = True
        self._invocation = invocation
        self._clock = threading.Timer(invocation.seconds, self.process.kill)
        self._clock.daemon = True
        self._clock.start()
        if self.is_gone:
            self._end(self._why_gone())
        if self._freezes:
            self.process.send_signal(signal.SIGCONT)
        self._api.invoke(invocation)

    def has_answered(self) -> bool:
        return self._invocation is not None and self._invocation.is_answered

    def close(self) -> None:
        self.process.kill()
        self._watcher.join()

    def _become_idle(self, done: Invocation) -> None:
        """The runtime asks for work: what it had is done, answered or not."""
        self._end("Runtime.NoResponse")
        if self._freezes:
            self.process.send_signal(signal.SIGSTOP)
        self.is_busy = False

    def _note_init_error(self, error: Any) -> None:
        self.init_error = error

    def _watch(self) -> None:
        self.process.wait()
        self.is_gone = True
        self._end(self._why_gone())
        self._api.close()

    def _why_gone(self) -> str:
        return str(self.init_error["errorType"]) if self.init_error else "Runtime.ExitError"

    def _end(self, failure: str) -> None:
        """Whatever has no end yet ends so."""
        if self._clock is not None and self._invocation is not None:
            self._clock.cancel()
            self._invocation.end(failure)


class Function:
    """A function with as many environments as it needs and may have."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.environments: list[Environment] = []
        self.journal: list[Invocation] = []
        self._lock = threading.Lock()

    def invoke(self, event: bytes) -> Invocation:
        """Raises Throttled."""
        with self._lock:
            self.environments = [each for each in self.environments if not each.is_gone]
            idle = self._idle()
            if not idle and len(self.environments) >= self.settings.concurrency:
                raise Throttled
            if not idle:
                idle = [Environment(self.settings)]
                self.environments += idle
            invocation = Invocation(event, self.settings.timeout)
            self.journal.append(invocation)
            idle[0].invoke(invocation)
            return invocation

    def _idle(self) -> list[Environment]:
        """Who can take an invocation; one that has answered is about to be."""
        patience = time.monotonic() + PATIENCE_SECONDS
        while True:
            idle = [each for each in self.environments if not each.is_busy]
            done = [each for each in self.environments if each.has_answered()]
            if idle or not done or time.monotonic() > patience:
                return idle
            time.sleep(0.001)

    def close(self) -> None:
        for environment in self.environments:
            environment.close()

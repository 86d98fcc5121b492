"""Firestore's store as test_stores.py sees it: on Google's own emulator, and how it fails there."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from proxy.team.stores.firestore import FirestoreStore
from tests.team_clock import Clock

JAR = "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar"
MAIN = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
SDKS = ("/usr/lib/google-cloud-sdk", "/opt/google-cloud-sdk", "~/google-cloud-sdk")
HOW_TO_GET = (
    "Firestore's emulator is missing. Get it with Java 11 or later, and `gcloud components install"
    " cloud-firestore-emulator` (or apt's google-cloud-cli-firestore-emulator)."
)
READY_SECONDS = 120
WITH_ME = '"$@" & read -r _; kill -9 $!'
"""Runs a program until stdin ends, as it does when this process ends, in whatever way."""
STATUSES = {"throttled": "RESOURCE_EXHAUSTED", "denied": "PERMISSION_DENIED"}
Post = Callable[..., requests.Response]


def find() -> Path | None:
    """The emulator's jar."""
    gcloud = shutil.which("gcloud")
    own = [Path(gcloud).resolve().parents[1]] if gcloud else []
    jars = [Path(sdk).expanduser() / JAR for sdk in (*own, *SDKS)]
    return next((jar for jar in jars if jar.exists()), None)


@functools.cache
def serve() -> str:
    """Host and port of the emulator, which runs until this process ends. Where it is missing, CI
    fails and others skip."""
    jar = find()
    if jar is None or not shutil.which("java"):
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say(f"NOT TESTED on Firestore: {HOW_TO_GET}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    java = ["java", "-Duser.language=en", "-Xmx256m", "-cp", str(jar), MAIN, "start"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            ["/bin/sh", "-c", WITH_ME, "sh", *java, "--host=127.0.0.1", f"--port={port}"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,  # an interrupt is pytest's, which then ends it
        )
        atexit.register(end, process)
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until and process.poll() is None:
            with contextlib.suppress(requests.RequestException):
                requests.get(f"http://127.0.0.1:{port}/", timeout=5)
                return f"127.0.0.1:{port}"
            time.sleep(0.1)
        log.seek(0)
        pytest.fail(f"Firestore's emulator has not started:\n{log.read().decode()[-2000:]}")


def end(process: subprocess.Popen[bytes]) -> None:
    process.communicate()


def no_headers(seconds: float) -> Mapping[str, str]:
    raise AssertionError("the emulator asks for no credentials")


class Firestore:
    faults = ("slow", "down", "contended", "no database", *STATUSES)
    writes_only = ()
    fault_seconds = 60.0

    def __init__(self, folder: Path) -> None:
        self.emulator = serve()
        self.collection = f"team-{uuid.uuid4().hex}"

    def open(self, seconds: float = 60.0) -> FirestoreStore:
        clock = Clock()
        return FirestoreStore(
            *("demo-team", self.collection, no_headers, seconds),
            emulator=self.emulator,
            clock=clock,
            sleep=clock.sleep,
        )

    def fault(self, kind: str, method: str = "") -> contextlib.AbstractContextManager[None]:
        """method: of Firestore; "" for all."""

        def fail(url: str, post: Callable[[], requests.Response]) -> requests.Response:
            if not url.endswith(f":{method}" if method else ""):
                return post()
            if kind == "slow":
                raise requests.ReadTimeout
            if kind == "down":
                raise requests.ConnectionError
            status = {**STATUSES, "contended": "ABORTED", "no database": "NOT_FOUND"}[kind]
            return answered(409, {"error": {"status": status}})

        return intercepted(fail)

    def half_write(self) -> contextlib.AbstractContextManager[None]:
        return self.fault("down", "commit")

    def close(self) -> None:
        """Each store is closed by who opened it."""


def answered(code: int, body: Any) -> requests.Response:
    response = requests.Response()
    response.status_code = code
    response.json = lambda **_: body  # type: ignore[method-assign]
    return response


@contextlib.contextmanager
def intercepted(
    before: Callable[[str, Callable[[], requests.Response]], requests.Response],
) -> Iterator[None]:
    """before: what happens instead, with a URL and what would send it."""
    send = requests.Session.post

    def post(session: requests.Session, url: str, **named: Any) -> requests.Response:
        return before(url, lambda: send(session, url, **named))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.Session, "post", post)
        yield

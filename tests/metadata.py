"""A metadata server of Google Cloud on this machine: who a server there runs as.

Knows the few paths that google-auth asks; also the one where a person's login is exchanged for a
token.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ROOT = "/computeMetadata/v1"
FLAVOR = {"Metadata-Flavor": "Google"}
EMAIL = "me@project.test"
ACCOUNTS = [f"{ROOT}/instance/service-accounts/{name}" for name in ("default", EMAIL)]
LOGIN = "/token"
REFUSED = ("application/json", '{"error": "invalid_grant", "error_description": "a secret"}')


SECONDS = 30
"""After which it answers in any case: a test that waits for so long has found a fault."""


class Metadata:
    """tokens: how many were given out. seconds: how long each of them is good. statuses: those
    of the next answers; 200 when there is none left. is_open: cleared, it answers nobody."""

    def __init__(self, project: str, seconds: int) -> None:
        self.project = project
        self.seconds = seconds
        self.tokens = 0
        self.statuses: list[int] = []
        self.is_open = threading.Event()
        self.is_open.set()
        self.url = ""

    @property
    def environ(self) -> dict[str, str]:
        """What makes google-auth ask here, and nowhere else."""
        host = self.url.removeprefix("http://")
        return {
            "GCE_METADATA_HOST": host,
            "GCE_METADATA_IP": host,
            "GCE_METADATA_ROOT": host,
            "GOOGLE_APPLICATION_CREDENTIALS": "",
            "GOOGLE_CLOUD_QUOTA_PROJECT": "",
            "CLOUDSDK_CONFIG": "/nonexistent",
            "NO_GCE_CHECK": "false",
        }

    def answer(self, path: str) -> tuple[str, str] | None:
        """Content type and body."""
        bare = path.partition("?")[0].rstrip("/")
        if bare in [LOGIN, *(f"{account}/token" for account in ACCOUNTS)]:
            self.tokens += 1
            token = {
                "access_token": f"ya29.token-{self.tokens}",
                "expires_in": self.seconds,
                "token_type": "Bearer",
            }
            return "application/json", json.dumps(token)
        if bare in ACCOUNTS:
            return "application/json", json.dumps({"email": EMAIL, "scopes": [], "aliases": []})
        plain = {
            "": "computeMetadata/",
            f"{ROOT}/project/project-id": self.project,
            f"{ROOT}/universe/universe-domain": "googleapis.com",
            f"{ROOT}/universe/universe_domain": "googleapis.com",
        }
        return ("text/plain", plain[bare]) if bare in plain else None


@contextlib.contextmanager
def serving(project: str, seconds: int = 3600) -> Iterator[Metadata]:
    """A metadata server on a free port."""
    metadata = Metadata(project, seconds)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            metadata.is_open.wait(SECONDS)
            status = metadata.statuses.pop(0) if metadata.statuses else 200
            found = metadata.answer(self.path) if status == 200 else REFUSED
            body = found[1].encode() if found else b""
            self.send_response(status if found else 404)
            for name, value in FLAVOR.items():
                self.send_header(name, value)
            self.send_header("Content-Type", found[0] if found else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    metadata.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield metadata
    finally:
        metadata.is_open.set()
        server.shutdown()
        server.server_close()
        thread.join()

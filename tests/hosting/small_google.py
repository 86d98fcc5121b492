"""A small Google Cloud on a local port, as far as `gcloud run deploy --source` asks of it.

Keeps what it is given: the uploaded source, the build that is asked for, the service. gcloud
reaches it as its proxy, so that a request to anything else ends here, too.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]

APIS = (
    *("ARTIFACTREGISTRY", "CLOUDBUILD", "IAM", "RUN", "SERVICEUSAGE", "STORAGE"),
    *("LOGGING", "MONITORING"),
)
DOMAIN = "small-google.test"
BUILDER = "projects/x/serviceAccounts/1-compute@developer.gserviceaccount.com"
BUILD: Json = {
    "id": "a-build",
    "name": "projects/1/locations/y/builds/a-build",
    "projectId": "x",
    "logUrl": "https://logs",
    "status": "SUCCESS",
    "results": {"images": [{"name": "image", "digest": "sha256:" + 64 * "0"}]},
}
SOURCES = "run-sources-x-y"
STATUS: Json = {
    "conditions": [
        {"type": kind, "status": "True"} for kind in ("Ready", "ConfigurationsReady", "RoutesReady")
    ],
    "observedGeneration": 1,
    "latestReadyRevisionName": "messages-1",
    "latestCreatedRevisionName": "messages-1",
    "traffic": [{"revisionName": "messages-1", "percent": 100, "latestRevision": True}],
    "url": "https://messages.run.app",
}


class SmallGoogle:
    """What has been deployed so far."""

    def __init__(self) -> None:
        self.archive = b""
        self.build: Json = {}
        self.service: Json = {}
        self.metrics: dict[str, Json] = {}
        self.policies: list[Json] = []
        self.dashboards: list[Json] = []
        self.asked = ""
        self.revisions = 1
        self.unknown: list[str] = []

    def environ(self, home: Path, port: int) -> dict[str, str]:
        """Variables that give gcloud an account here, and no way to anywhere else."""
        token = home / "token"
        token.write_text("nobody's")
        proxy = f"http://127.0.0.1:{port}"
        overrides = {
            f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}": f"http://{api.lower()}.{DOMAIN}/"
            for api in APIS
        }
        names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
        nothing = {"no_proxy": "", "NO_PROXY": ""}
        own = {"CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token)}
        return {**overrides, **dict.fromkeys(names, proxy), **nothing, **own}

    def answer(self, method: str, url: str, body: bytes) -> Json | None:
        parts = urlsplit(url)
        asked = f"{method} {(parts.hostname or '').removesuffix(f'.{DOMAIN}')}{parts.path}"
        self.asked = asked
        for pattern, reply in REPLIES.items():
            if re.fullmatch(pattern, asked):
                return reply(self, body)
        self.unknown.append(asked)
        return None


def _upload(google: SmallGoogle, body: bytes) -> Json:
    """The archive is the last part of a multipart body."""
    archive = body[body.index(b"PK\x03\x04") : body.rindex(body.split()[0])]
    google.archive = archive.rstrip(b"\r\n")
    size = str(len(google.archive))
    return {"bucket": SOURCES, "name": "source.zip", "generation": "1", "size": size}


def _submit(google: SmallGoogle, body: bytes) -> Json:
    google.build = json.loads(body)
    kind = "type.googleapis.com/google.devtools.cloudbuild.v1.BuildOperationMetadata"
    operation = {"name": "operations/a-build", "metadata": {"@type": kind, "build": BUILD}}
    return {
        "buildOperation": operation,
        "baseImageUri": google.build["buildpackBuild"]["baseImage"],
    }


def _deploy(google: SmallGoogle, body: bytes) -> Json:
    google.service = json.loads(body)
    return _service(google, b"") or {}


def _service(google: SmallGoogle, _: bytes) -> Json | None:
    if not google.service:
        return None
    metadata = {**google.service["metadata"], "generation": 1}
    return {**google.service, "metadata": metadata, "status": STATUS}


def _put_metric(google: SmallGoogle, body: bytes) -> Json:
    metric = json.loads(body)
    google.metrics[metric["name"]] = metric
    return dict(metric)


def _metric(google: SmallGoogle, _: bytes) -> Json | None:
    return google.metrics.get(google.asked.rsplit("/", 1)[-1])


def _put_policy(google: SmallGoogle, body: bytes) -> Json:
    google.policies.append({"name": "projects/x/alertPolicies/1", **json.loads(body)})
    return google.policies[-1]


def _put_dashboard(google: SmallGoogle, body: bytes) -> Json:
    google.dashboards.append({"name": "projects/1/dashboards/1", **json.loads(body)})
    return google.dashboards[-1]


def _revisions(google: SmallGoogle, _: bytes) -> Json:
    """The oldest first, as nobody has promised."""
    revisions = [
        {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Revision",
            "metadata": {
                "name": f"messages-{number}",
                "namespace": "1",
                "creationTimestamp": f"2026-11-{number:02}T00:00:00Z",
                "labels": {"serving.knative.dev/service": "messages"},
            },
            "spec": {"containers": [{"image": "image"}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }
        for number in range(1, google.revisions + 1)
    ]
    kind = {"apiVersion": "serving.knative.dev/v1", "kind": "RevisionList"}
    return {**kind, "metadata": {}, "items": revisions}


def _always(answer: Json) -> Callable[[SmallGoogle, bytes], Json | None]:
    return lambda _google, _body: answer


REPLIES: dict[str, Callable[[SmallGoogle, bytes], Json | None]] = {
    r"GET serviceusage/v1/projects/x/services/.*": _always({"state": "ENABLED"}),
    r"GET artifactregistry/.*/repositories/.*": _always({"format": "DOCKER"}),
    r"GET cloudbuild/.*/defaultServiceAccount": _always({"serviceAccountEmail": BUILDER}),
    r"GET cloudbuild/.*/operations/a-build": _always({"done": True, "response": BUILD}),
    r"GET iam/.*/serviceAccounts/.*": _always({"email": BUILDER}),
    r"GET storage/.*/b": _always({"items": [{"id": SOURCES, "name": SOURCES}]}),
    rf"GET storage/.*/b/{SOURCES}": _always({"name": SOURCES}),
    r"POST storage/upload/.*": _upload,
    r"POST y-run/v2/.*/builds:submit": _submit,
    r"GET y-run/apis/.*/services/messages": _service,
    r"GET y-run/apis/.*/revisions": _revisions,
    r"POST y-run/apis/.*/services": _deploy,
    r"PUT y-run/apis/.*/services/messages": _deploy,
    r"GET logging/v2/projects/x/metrics/.*": _metric,
    r"POST logging/v2/projects/x/metrics": _put_metric,
    r"PUT logging/v2/projects/x/metrics/.*": _put_metric,
    r"GET monitoring/v3/projects/x/alertPolicies.*": lambda google, _: {
        "alertPolicies": google.policies
    },
    r"POST monitoring/v3/projects/x/alertPolicies": _put_policy,
    r"GET monitoring/v1/projects/x/dashboards.*": lambda google, _: {
        "dashboards": google.dashboards
    },
    r"POST monitoring/v1/projects/x/dashboards.*": _put_dashboard,
}
"""What is asked -> who answers."""


class Handler(BaseHTTPRequestHandler):
    google: SmallGoogle

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = self.google.answer(self.command, self.path, body)
        missing = {"error": {"code": 404, "message": "It is not here.", "status": "NOT_FOUND"}}
        sent = json.dumps(missing if found is None else found).encode()
        self.send_response(404 if found is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_CONNECT = answer

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def running(home: Path) -> Iterator[tuple[SmallGoogle, dict[str, str]]]:
    """A small Google, and the variables that lead gcloud to it."""
    google = SmallGoogle()
    handler = type("OwnHandler", (Handler,), {"google": google})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield google, google.environ(home, server.server_address[1])
        server.shutdown()
        thread.join()

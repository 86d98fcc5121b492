"""`make rollback-gcp`: traffic to the revision before, on the small Google Cloud of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hosting import small_google, tools
from tests.hosting.small_google import SmallGoogle
from tests.servers import ROOT

pytestmark = pytest.mark.cloud

SERVICE: dict[str, Any] = {
    "apiVersion": "serving.knative.dev/v1",
    "kind": "Service",
    "metadata": {"name": "messages", "namespace": "1", "annotations": {}},
    "spec": {
        "template": {"metadata": {}, "spec": {"containers": [{"image": "image"}]}},
        "traffic": [{"latestRevision": True, "percent": 100}],
    },
}
BACK = ("rollback-gcp", "PROJECT=x", "REGION=y")


@pytest.fixture
def google(tmp_path: Path) -> Iterator[tuple[SmallGoogle, dict[str, str]]]:
    """With a service, and an account there."""
    tools.gcloud()
    with small_google.running(tmp_path) as (google, account):
        google.service = SERVICE
        yield google, {**tools.alone(tmp_path), **account}


def test_rollback_leads_to_the_revision_before(
    google: tuple[SmallGoogle, dict[str, str]],
) -> None:
    """And back: until then, what is deployed gets no traffic."""
    cloud, environ = google
    cloud.revisions = 3
    made = tools.run(["make", *BACK], ROOT, environ)
    assert (made.returncode, cloud.unknown) == (0, []), made.stderr
    assert cloud.service["spec"]["traffic"] == [{"percent": 100, "revisionName": "messages-2"}]
    made = tools.run(["make", *BACK, "REVISION=LATEST"], ROOT, environ)
    assert made.returncode == 0, made.stderr
    assert cloud.service["spec"]["traffic"] == [{"percent": 100, "latestRevision": True}]


def test_rollback_needs_a_revision_before(google: tuple[SmallGoogle, dict[str, str]]) -> None:
    cloud, environ = google
    made = tools.run(["make", *BACK], ROOT, environ)
    assert made.returncode == 2
    assert "There is no revision before." in made.stdout
    assert cloud.service == SERVICE


def test_rollback_without_an_account_is_not_about_revisions(tmp_path: Path) -> None:
    """gcloud's own error stands alone."""
    tools.gcloud()
    made = tools.run(["make", *BACK], ROOT, tools.alone(tmp_path))
    assert made.returncode == 2
    assert "account" in made.stderr
    assert made.stdout == ""


def test_rollback_needs_a_region(tmp_path: Path) -> None:
    made = tools.run(["make", "rollback-gcp", "PROJECT=x"], ROOT, tools.alone(tmp_path))
    assert (made.returncode, "rollback-gcp needs REGION=" in made.stderr) == (2, True)

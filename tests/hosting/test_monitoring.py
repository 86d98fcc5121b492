"""`make monitor-gcp`: the real gcloud reads the files, and sends all that stands in them.

What it sends is looked at in a small Google Cloud on this machine, and its fields are compared with
those of the APIs that gcloud brings along. Whether Google accepts each filter and query is not
tried.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.hosting import small_google, tools
from tests.servers import ROOT

pytestmark = pytest.mark.cloud

FOLDER = ROOT / "deploy/monitoring"


def files(glob: str) -> dict[str, Any]:
    return {path.stem: yaml.safe_load(path.read_text()) for path in FOLDER.glob(glob)}


def contains(sent: Any, written: Any) -> bool:
    """Whether what is sent has all that is written; the tool adds defaults and changes order."""
    if isinstance(written, dict):
        return all(name in sent and contains(sent[name], value) for name, value in written.items())
    if isinstance(written, list):
        return all(any(contains(each, value) for each in sent) for value in written)
    return bool(sent == written or str(sent) == str(written))


def test_gcloud_sends_what_stands_in_the_files(tmp_path: Path) -> None:
    tools.gcloud()
    with small_google.running(tmp_path) as (google, environ):
        command = ["make", "monitor-gcp", "PROJECT=x"]
        made = tools.run(command, ROOT, tools.alone(tmp_path, **environ))
        assert made.returncode == 0, made.stdout + made.stderr
        again = tools.run([*command, "METRICS="], ROOT, tools.alone(tmp_path, **environ))
        assert again.returncode == 0, again.stdout + again.stderr
    assert google.unknown == []
    written = files("metrics/*.yaml")
    assert google.metrics.keys() == written.keys()
    assert [name for name in written if not contains(google.metrics[name], written[name])] == []
    alerts = files("alerts/*.yaml")
    sent = {each["displayName"]: each for each in google.policies}
    assert len(google.policies) == len(alerts), "they are not created twice"
    assert [n for n, each in alerts.items() if not contains(sent[each["displayName"]], each)] == []
    [dashboard] = google.dashboards
    assert contains(dashboard, files("dashboard.yaml")["dashboard"])


CHECK = """
import json, sys
from pathlib import Path
root = Path(sys.argv[1])
sys.path[:0] = [str(root / "lib"), str(root / "lib/third_party")]
from apitools.base.py import encoding
from googlecloudsdk.generated_clients.apis.logging.v2 import logging_v2_messages as logging
from googlecloudsdk.generated_clients.apis.monitoring.v1 import monitoring_v1_messages as boards
from googlecloudsdk.generated_clients.apis.monitoring.v3 import monitoring_v3_messages as alerts

KINDS = {"metric": logging.LogMetric, "alert": alerts.AlertPolicy, "dashboard": boards.Dashboard}

def unknown(message, path):
    found = [f"{path}.{name}" for name in message.all_unrecognized_fields()]
    for field in message.all_fields():
        value = message.get_assigned_value(field.name)
        for each in value if isinstance(value, list) else [value]:
            if hasattr(each, "all_unrecognized_fields"):
                found += unknown(each, f"{path}.{field.name}")
    return found

found = []
for kind, name, written in json.load(sys.stdin):
    found += unknown(encoding.PyValueToMessage(KINDS[kind], written), name)
print(json.dumps(found))
"""
"""In gcloud's own Python, with its APIs' messages: prints the fields that those do not have."""


def unknown_fields(files: list[tuple[str, str, Any]], folder: Path) -> list[str]:
    """files: kind, name and content."""
    info = [
        tools.gcloud(),
        "info",
        "--format",
        "value(installation.sdk_root, basic.python_location)",
    ]
    root, python = tools.run(info, folder, tools.alone(folder)).stdout.split()
    checked = subprocess.run(
        [python, "-c", CHECK, root], input=json.dumps(files), capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr
    return list(json.loads(checked.stdout))


def all_files() -> list[tuple[str, str, Any]]:
    globs = {"metric": "metrics/*.yaml", "alert": "alerts/*.yaml", "dashboard": "dashboard.yaml"}
    return [(kind, *each) for kind, glob in globs.items() for each in files(glob).items()]


def test_api_has_every_field(tmp_path: Path) -> None:
    """gcloud passes on what it does not know: Google would refuse it."""
    assert unknown_fields(all_files(), tmp_path) == []


def test_misspelt_fields_are_found(tmp_path: Path) -> None:
    wrong = [
        ("metric", "a", {"valueExtractorX": "EXTRACT(jsonPayload.usd)"}),
        ("alert", "b", {"conditions": [{"conditionThreshold": {"thresholdX": 1}}]}),
        ("dashboard", "c", {"mosaicLayout": {"tiles": [{"widget": {"titleX": ""}}]}}),
    ]
    assert unknown_fields(wrong, tmp_path) == [
        "a.valueExtractorX",
        "b.conditions.conditionThreshold.thresholdX",
        "c.mosaicLayout.tiles.widget.titleX",
    ]

"""The clouds' own tools as tests use them, and the places their settings are read from.

Knows where each tool comes from, and to skip loudly where it is missing.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests import npm, servers
from tests.servers import ROOT, Emulator

OSLS_VERSION = "4.3.1"
RUN_SECONDS = 120
SAM = ROOT / ".venv-sam/bin"
REGION = "eu-central-1"
STRANGE = ("AWS_", "CLOUDSDK_", "GOOGLE_", "SAM_", "SLS_", "MAKE", "MFLAGS")
"""How the variables begin that could bring somebody's account, or an outer make's flags."""
TEXT = "Words that only the emulator knows."


def gcloud() -> str:
    program = shutil.which("gcloud")
    if program is None:
        pytest.skip("NOT TESTED with gcloud: it is missing. Install the Google Cloud CLI.")
    return program


def sam(program: str = "sam") -> str:
    """A program of .venv-sam."""
    if not (SAM / "sam").exists():
        pytest.skip("NOT TESTED with SAM: it is missing. `make .venv-sam/done` installs it.")
    return str(SAM / program)


def aws() -> None:
    if shutil.which("aws") is None:
        pytest.skip("NOT TESTED with the AWS CLI: it is missing. Install it: pip install awscli.")


def osls() -> str:
    """The free Serverless Framework."""
    return str(npm.install("osls", OSLS_VERSION, "osls"))


def alone(home: Path, **more: str) -> dict[str, str]:
    """An environment without anybody's account, in which no tool calls home."""
    kept = {
        name: value
        for name, value in servers.clean_environ().items()
        if not name.startswith(STRANGE)
    }
    return {
        **kept,
        "HOME": str(home),
        "CLOUDSDK_CONFIG": str(home / "gcloud-account"),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": REGION,
        "SAM_CLI_TELEMETRY": "0",
        "SLS_TELEMETRY_DISABLED": "1",
        "SLS_NOTIFICATIONS_MODE": "off",
        **more,
    }


def run(
    command: list[str], folder: Path, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """A command's end, whatever it is."""
    return subprocess.run(
        command,
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )


def tracked(home: Path) -> list[str]:
    """The files of the repository."""
    return run(["git", "ls-files"], ROOT, alone(home)).stdout.split()


def recipe(home: Path, target: str, *variables: str) -> list[str]:
    """The commands that make would run for a target."""
    # `build` is a target; where nobody has written it yet, the folder stands in for it.
    (ROOT / "build").mkdir(exist_ok=True)
    made = run(["make", "-n", target, *variables], ROOT, alone(home))
    assert made.returncode == 0, made.stderr
    return made.stdout.replace("\\\n", " ").splitlines()


def artifact(folder: Path) -> None:
    """build/lambda.zip in a folder: the built one or, where there is none, a stand-in.

    The tools that get it only ask whether it is there and carry it as it is.
    """
    (folder / "build").mkdir()
    built = ROOT / "build/lambda.zip"
    if built.exists():
        shutil.copy(built, folder / "build")
    else:
        with zipfile.ZipFile(folder / "build/lambda.zip", "w") as archive:
            archive.writestr("main.py", "")


def answer(url: str, emulator: Emulator, key: str) -> str:
    """The text of a streamed answer of the function at this address; TEXT, if all is well."""
    emulator.script(key, {"chunks": [{"text": TEXT}]})
    body = {
        "model": "claude-opus-5",
        "max_tokens": 1000,
        "stream": True,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    streamed = servers.LOCAL.post(
        f"{url}/v1/messages", json=body, headers={"x-api-key": key}, timeout=RUN_SECONDS
    )
    assert streamed.headers["Content-Type"].startswith("text/event-stream"), streamed.text
    events = [json.loads(line[6:]) for line in streamed.text.splitlines() if line[:6] == "data: "]
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    return "".join(delta.get("text", "") for delta in deltas)

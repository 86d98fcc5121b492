"""`make token`: the secret comes from the cloud and stands in one command's environment, nowhere
else; stand-ins for gcloud and the AWS CLI write down what they and Python are given."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from proxy.team import tokens
from tests.hosting import tools
from tests.hosting.test_cloud_run import DEMAND, gcloud
from tests.servers import ROOT

pytestmark = pytest.mark.cloud

SECRET = "the-secret-that-signs-access-tokens"
STAND_IN = f"""#!{sys.executable}
import json, os, sys
with open(os.environ["LOG"], "a") as log:
    print(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]), file=log)
print(os.environ["STORED"])
sys.exit("IS_DOWN" in os.environ)
"""
PYTHON = f"""#!{sys.executable}
import json, os, sys
with open(os.environ["LOG"], "a") as log:
    print(json.dumps(["python", *sys.argv[1:]]), file=log)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
GCP, AWS = ("PROJECT=x", "NAME=alice"), ("REGION=y", "NAME=alice")
STORED = {GCP: SECRET, AWS: json.dumps({"GEMINI_API_KEY": "the-key", "PROXY_SECRET": SECRET})}


def make(
    folder: Path, *variables: str, **environ: str
) -> tuple[subprocess.CompletedProcess[str], list[list[str]]]:
    """What `make token` prints, and the arguments of all programs that it has started."""
    for name, text in {"gcloud": STAND_IN, "aws": STAND_IN, "python": PYTHON}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    log = folder / "log"
    log.write_text("")
    given = tools.alone(folder, LOG=str(log), **environ)
    given["PATH"] = f"{folder}:{given['PATH']}"
    # -o: whatever the packages are of the Python that runs the tests.
    command = ["make", "-o", ".venv/run", "token", f"BIN={folder}", *variables]
    return tools.run(command, ROOT, given), [
        json.loads(line) for line in log.read_text().splitlines()
    ]


@pytest.mark.parametrize("variables", [GCP, AWS])
def test_token_is_signed_by_the_clouds_secret(tmp_path: Path, variables: Any) -> None:
    more = ("PLAN=large", "GROUP=core", "DAYS=3")
    made, started = make(tmp_path, *variables, *more, STORED=STORED[variables])
    assert made.returncode == 0, made.stderr
    token = tokens.verify(made.stdout.strip(), [SECRET], now=1)
    assert (token.person, token.plan, token.group) == ("alice", "large", "core")
    assert token.expires - token.issued == 3 * 86_400
    assert made.stdout.count("\n") == 1
    assert made.stdout.strip() not in made.stderr
    for hidden in (SECRET, "the-key"):
        assert hidden not in made.stdout + made.stderr + json.dumps(started)


def test_plan_is_the_standard_one(tmp_path: Path) -> None:
    made, _ = make(tmp_path, *GCP, STORED=SECRET)
    token = tokens.verify(made.stdout.strip(), [SECRET], now=1)
    assert (token.plan, token.group, token.expires - token.issued) == ("standard", "", 90 * 86_400)


@pytest.mark.parametrize(
    ("variables", "missing"),
    [
        (("PROJECT=x",), "token needs NAME=..."),
        (("NAME=alice",), "token needs PROJECT=... or REGION=..."),
    ],
)
def test_make_demands_a_name_and_a_place(
    tmp_path: Path, variables: tuple[str, ...], missing: str
) -> None:
    made, started = make(tmp_path, *variables, STORED=SECRET)
    assert (made.returncode, made.stdout, started) == (2, "", [])
    assert missing in made.stderr


@pytest.mark.parametrize("variables", [GCP, AWS])
def test_secret_that_cannot_be_read_makes_no_token(tmp_path: Path, variables: Any) -> None:
    made, _ = make(tmp_path, *variables, STORED="", IS_DOWN="1", PROXY_SECRET="of-the-shell" * 3)
    assert (made.returncode, made.stdout) == (2, "")


@pytest.mark.parametrize("stored", ['{"GEMINI_API_KEY": "the-key"}', "the-key"])
def test_secret_without_a_signing_one_is_said(tmp_path: Path, stored: str) -> None:
    made, _ = make(tmp_path, *AWS, STORED=stored)
    assert (made.returncode, made.stdout) == (2, "")
    assert "PROXY_SECRET is not set" in made.stderr
    assert "the-key" not in made.stderr


def test_name_that_is_none_is_refused(tmp_path: Path) -> None:
    made, _ = make(tmp_path, "PROJECT=x", "NAME=a b", STORED=SECRET)
    assert (made.returncode, made.stdout) == (2, "")
    assert "a name has letters" in made.stderr


def test_gcloud_accepts_the_line_up_to_the_account(tmp_path: Path) -> None:
    _, started = make(tmp_path, *GCP, STORED=SECRET)
    [arguments] = [words[1:] for words in started if words[0] == "gcloud"]
    assert DEMAND in gcloud(arguments, tmp_path)


def test_aws_accepts_the_line_up_to_the_account(tmp_path: Path) -> None:
    tools.aws()
    _, started = make(tmp_path, *AWS, STORED=STORED[AWS])
    [arguments] = [words[1:] for words in started if words[0] == "aws"]
    errors = tools.run(["aws", *arguments], tmp_path, tools.alone(tmp_path)).stderr
    assert "Unable to locate credentials" in errors

"""`make rotate-gcp` and `make rotate-aws`: new values of secrets beside the old ones. Stand-ins for
the clouds' tools write down what they are given."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy import rotate
from deploy.rotate import KEY, SIGNING, TOKEN, CannotRotate
from proxy import config
from proxy.team import tokens
from proxy.team.tokens import Token
from tests.hosting import tools
from tests.hosting.test_cloud_run import DEMAND, gcloud
from tests.servers import ROOT

OLD, NEW = "old-value-of-32-characters-or-more", "new-value-of-32-characters-or-more"
FIELDS = {KEY: "old-key", TOKEN: "old-token", SIGNING: OLD}


def test_key_goes_before_the_old_one() -> None:
    """A server uses the first, and the next one where Google refuses it."""
    value, sentence = rotate.next_value(KEY, "old-key", "new-key", drop=False)
    assert config.read({KEY: value}).api_keys == ("new-key", "old-key")
    assert "delete the old key at Google" in sentence
    assert rotate.next_value(KEY, value, "", drop=True)[0] == "new-key"


def test_tokens_outlive_a_rotation() -> None:
    """Nobody needs a new token until the old value is dropped."""
    token = Token(("a",), "alice", "standard", 1, 100)
    before = tokens.create(token, OLD)
    value, _ = rotate.next_value(SIGNING, OLD, NEW, drop=False)
    team = config.read({SIGNING: value}).team
    assert team is not None
    assert tokens.verify(before, team.secrets, 1) == token
    after = tokens.create(token, team.secrets[0])
    assert tokens.verify(after, [NEW], 1) == token
    dropped, _ = rotate.next_value(SIGNING, value, "", drop=True)
    assert dropped == NEW


def test_shared_token_has_one_value() -> None:
    assert rotate.next_value(TOKEN, "old", "new", drop=False)[0] == "new"


@pytest.mark.parametrize("name", FIELDS)
def test_other_fields_stay(name: str) -> None:
    value, _ = rotate.rotate(name, json.dumps(FIELDS), NEW, drop=False, is_field=True)
    changed = json.loads(value)
    assert changed.pop(name).startswith(NEW)
    assert changed == {other: text for other, text in FIELDS.items() if other != name}


def test_field_that_is_missing_is_made() -> None:
    value, _ = rotate.rotate(SIGNING, '{"GEMINI_API_KEY": "k"}', NEW, drop=False, is_field=True)
    assert json.loads(value) == {KEY: "k", SIGNING: NEW}


@pytest.mark.parametrize(
    ("stored", "new", "drop", "is_field", "problem"),
    [
        ("", NEW, False, False, "empty, or could not be read"),
        (" \n", NEW, False, True, "empty, or could not be read"),
        ("the-key", NEW, False, True, "no JSON object"),
        ("[]", NEW, False, True, "no JSON object"),
        (OLD, "", True, False, "no old value to drop"),
        (f"{NEW},{OLD}", NEW, False, False, "there already"),
    ],
)
def test_secret_that_cannot_be_rotated(
    stored: str, new: str, drop: bool, is_field: bool, problem: str
) -> None:
    with pytest.raises(CannotRotate, match=problem) as raised:
        rotate.rotate(KEY, stored, new, drop=drop, is_field=is_field)
    assert OLD not in str(raised.value)


# --- make ---------------------------------------------------------------------------------------

STAND_IN = f"""#!{sys.executable}
import json, os, sys
puts = "add" in sys.argv or "put-secret-value" in sys.argv
given = sys.stdin.read() if puts else ""
with open(os.environ["LOG"], "a") as log:
    print(json.dumps([os.path.basename(sys.argv[0]), sys.argv[1:], given]), file=log)
print(os.environ["STORED"])
sys.exit("IS_DOWN" in os.environ)
"""
GCP, AWS = ("rotate-gcp", "PROJECT=x"), ("rotate-aws", "REGION=y")


def make(
    folder: Path, *arguments: str, **environ: str
) -> tuple[subprocess.CompletedProcess[str], list[Any]]:
    """What it prints, and name, arguments and input of each program that it has started."""
    for name in ("gcloud", "aws"):
        (folder / name).write_text(STAND_IN)
        (folder / name).chmod(0o755)
    log = folder / "log"
    log.write_text("")
    given = tools.alone(folder, LOG=str(log), **environ)
    given["PATH"] = f"{folder}:{given['PATH']}"
    made = tools.run(["make", "--no-print-directory", *arguments], ROOT, given)
    return made, [json.loads(line) for line in log.read_text().splitlines()]


@pytest.mark.cloud
@pytest.mark.parametrize(
    ("target", "stored"), [(GCP, OLD), (AWS, json.dumps(FIELDS))], ids=["gcp", "aws"]
)
@pytest.mark.parametrize("name", [SIGNING, KEY])
def test_secret_of_the_cloud_is_rotated(
    tmp_path: Path, target: tuple[str, ...], stored: str, name: str
) -> None:
    made, started = make(tmp_path, *target, f"SECRET={name}", STORED=stored, GEMINI_API_KEY="k2")
    assert made.returncode == 0, made.stderr
    (_, reading, _), (_, writing, written) = started
    value = json.loads(written)[name] if target == AWS else written
    first, _, rest = value.partition(",")
    assert rest == (FIELDS[name] if target == AWS else OLD)
    assert first == "k2" if name == KEY else len(first) >= config.MIN_SECRET
    if target == GCP:
        assert reading[-3:] == [name.lower().replace("_", "-"), "--project", "x"]
    # No value is an argument, or printed but by the tool's stand-in.
    for hidden in (first, rest):
        assert hidden not in json.dumps([reading, writing]) + made.stderr
    assert "Deploy now." in made.stderr


@pytest.mark.cloud
@pytest.mark.parametrize("target", [GCP, AWS])
def test_secret_that_cannot_be_read_stays(tmp_path: Path, target: tuple[str, ...]) -> None:
    for more in ({"STORED": "", "IS_DOWN": "1"}, {"STORED": ""}):
        made, started = make(tmp_path, *target, f"SECRET={SIGNING}", **more)
        assert (made.returncode, len(started)) == (2, 1)


@pytest.mark.cloud
def test_key_comes_from_the_environment(tmp_path: Path) -> None:
    for more in ({}, {"GEMINI_API_KEY": "a,b"}):
        made, started = make(tmp_path, *GCP, f"SECRET={KEY}", STORED="old", **more)
        assert (made.returncode, len(started)) == (2, 1)
        assert "export GEMINI_API_KEY=" in made.stderr


@pytest.mark.cloud
@pytest.mark.parametrize(
    ("target", "missing"),
    [
        (("rotate-gcp", "PROJECT=x"), "rotate-gcp needs SECRET="),
        (("rotate-aws", f"SECRET={KEY}"), "rotate-aws needs REGION="),
    ],
)
def test_make_demands_what_is_missing(
    tmp_path: Path, target: tuple[str, ...], missing: str
) -> None:
    made, started = make(tmp_path, *target, STORED=OLD)
    assert (made.returncode, started) == (2, [])
    assert missing in made.stderr


@pytest.mark.cloud
def test_tools_accept_the_lines_up_to_the_account(tmp_path: Path) -> None:
    tools.gcloud()
    tools.aws()
    _, google = make(tmp_path, *GCP, f"SECRET={SIGNING}", STORED=OLD)
    _, amazon = make(tmp_path, *AWS, f"SECRET={SIGNING}", STORED=json.dumps(FIELDS))
    for _, arguments, _ in google:
        assert DEMAND in gcloud(arguments, tmp_path)
    for _, arguments, _ in amazon:
        command = ["/bin/sh", "-c", f"echo value | aws {shlex.join(arguments)}"]
        errors = tools.run(command, tmp_path, tools.alone(tmp_path)).stderr
        assert "Unable to locate credentials" in errors

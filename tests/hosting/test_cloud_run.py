"""Cloud Run: the Makefile's lines are gcloud's, and what is uploaded is what the function needs.

Without an account gcloud gets as far as asking for one, and refuses before that what it does not
know.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import servers
from tests.hosting import tools
from tests.servers import ROOT, Emulator

pytestmark = pytest.mark.cloud

DEMAND = "You do not currently have an active account selected"
TARGET = ("PROJECT=x", "REGION=y")
KEY = "the-gemini-key"
SECRETS = {"GEMINI_API_KEY": "gemini-api-key:latest", "PROXY_TOKEN": "proxy-token:latest"}
STAND_IN = f"""#!{sys.executable}
import json, os, sys
given = sys.stdin.read() if "-" in sys.argv else None
with open(os.environ["GCLOUD_LOG"], "a") as log:
    print(json.dumps([sys.argv[1:], given]), file=log)
print("4711")
"""
"""A gcloud that writes down what it is asked."""


def asked_of_gcloud(folder: Path, *arguments: str) -> list[tuple[list[str], str | None]]:
    """What a make command asks of gcloud: arguments and input."""
    program = folder / "gcloud"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    log = folder / "log"
    log.unlink(missing_ok=True)
    environ = tools.alone(folder, GCLOUD_LOG=str(log))
    environ["PATH"] = f"{folder}:{environ['PATH']}"
    made = tools.run(["make", *arguments], ROOT, environ)
    assert made.returncode == 0, made.stderr
    return [tuple(json.loads(line)) for line in log.read_text().splitlines()]


def gcloud(arguments: Sequence[str], folder: Path) -> str:
    """What the real gcloud says to that."""
    return tools.run([tools.gcloud(), *arguments], folder, tools.alone(folder)).stderr


def flags(arguments: Sequence[str]) -> dict[str, str]:
    """Flag -> value; of a flag without one, the next flag."""
    following = [*arguments[1:], ""]
    pairs = zip(arguments, following, strict=True)
    return {flag: value for flag, value in pairs if flag.startswith("--")}


def pairs(text: str) -> dict[str, str]:
    """A=1,B=2 -> a dict."""
    return dict(pair.split("=", 1) for pair in text.split(","))


@pytest.fixture
def deploy(tmp_path: Path) -> list[str]:
    """The arguments of `make deploy-gcp`'s one command."""
    [(arguments, _)] = asked_of_gcloud(tmp_path, "deploy-gcp", *TARGET)
    return arguments


def test_gcloud_takes_every_line_up_to_its_demand_for_an_account(
    deploy: list[str], tmp_path: Path
) -> None:
    setup = asked_of_gcloud(tmp_path, "setup-gcp", "PROJECT=x", f"GEMINI_API_KEY={KEY}")
    # Lines of one form, as those of the two secrets are, are tried once.
    forms = {(*words[:2], *flags(words)): words for words, _ in setup}
    assert len(forms) >= 6
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda words: gcloud(words, tmp_path), [deploy, *forms.values()]))
    assert [words for words in said if DEMAND not in words] == []


def test_gcloud_refuses_a_flag_that_it_does_not_know(deploy: list[str], tmp_path: Path) -> None:
    said = gcloud([*deploy, "--concurency", "250"], tmp_path)
    assert "unrecognized arguments" in said
    assert DEMAND not in said


def test_an_instance_takes_as_many_streams_as_it_is_sent(deploy: list[str]) -> None:
    given = flags(deploy)
    threads = int(pairs(given["--set-env-vars"])["THREADS"])
    assert int(given["--concurrency"]) <= threads
    assert (given["--timeout"], given["--base-image"]) == ("3600", "python313")
    assert {"--cpu-boost", "--no-invoker-iam-check"} <= set(given)


def test_a_lent_key_needs_the_access_token(deploy: list[str], tmp_path: Path) -> None:
    assert pairs(flags(deploy)["--set-secrets"]) == SECRETS
    [(without, _)] = asked_of_gcloud(tmp_path, "deploy-gcp", *TARGET, "SECRETS=")
    assert "--clear-secrets" in without
    assert "GEMINI_API_KEY" not in " ".join(without)


def test_more_settings_go_beside_threads(tmp_path: Path) -> None:
    more = "GEMINI_SAFETY=OFF,ANTHROPIC_MODEL=gemini-4-neon"
    [(arguments, _)] = asked_of_gcloud(tmp_path, "deploy-gcp", *TARGET, f"SETTINGS={more}")
    assert pairs(flags(arguments)["--set-env-vars"]) == {"THREADS": "256", **pairs(more)}


def test_the_secrets_are_made_as_they_are_deployed(deploy: list[str], tmp_path: Path) -> None:
    setup = asked_of_gcloud(tmp_path, "setup-gcp", "PROJECT=x", f"GEMINI_API_KEY={KEY}")
    made = {words[2]: text for words, text in setup if words[:2] == ["secrets", "create"]}
    assert set(made) == {name.split(":")[0] for name in SECRETS.values()}
    assert made["gemini-api-key"] == KEY
    assert len(made["proxy-token"] or "") >= 32
    assert KEY not in json.dumps([words for words, _ in setup])
    account = flags(deploy)["--service-account"]
    readers = {
        words[2]: flags(words)["--member"]
        for words, _ in setup
        if flags(words).get("--role") == "roles/secretmanager.secretAccessor"
    }
    assert readers == dict.fromkeys(made, f"serviceAccount:{account}")


def test_a_setup_without_secrets_makes_none(tmp_path: Path) -> None:
    setup = asked_of_gcloud(tmp_path, "setup-gcp", "PROJECT=x", "SECRETS=")
    assert [words[0] for words, _ in setup] == ["services", "projects", "projects", "iam"]


@pytest.mark.parametrize(
    ("target", "missing"),
    [("deploy-gcp", "PROJECT"), ("setup-gcp", "PROJECT"), ("setup-aws", "REGION")],
)
def test_make_says_what_is_missing(target: str, missing: str, tmp_path: Path) -> None:
    made = tools.run(["make", target], ROOT, tools.alone(tmp_path))
    assert (made.returncode, f"{target} needs {missing}=" in made.stderr) == (2, True)


SERVICE: Any = yaml.safe_load((ROOT / "service.yaml").read_text())


def test_the_declared_service_is_the_one_that_is_deployed(deploy: list[str]) -> None:
    given = flags(deploy)
    template = SERVICE["spec"]["template"]
    spec, notes = template["spec"], template["metadata"]["annotations"]
    [container] = spec["containers"]
    environ = {entry["name"]: entry.get("value") for entry in container["env"]}
    lent = {
        entry["name"]: "{name}:{key}".format(**entry["valueFrom"]["secretKeyRef"])
        for entry in container["env"]
        if "valueFrom" in entry
    }
    assert SERVICE["metadata"]["name"] == deploy[2]
    assert SERVICE["metadata"]["annotations"]["run.googleapis.com/invoker-iam-disabled"] == "true"
    assert lent == pairs(given["--set-secrets"])
    assert {"THREADS": environ["THREADS"]} == pairs(given["--set-env-vars"])
    assert container["resources"]["limits"] == {"cpu": given["--cpu"], "memory": given["--memory"]}
    assert {
        "--concurrency": str(spec["containerConcurrency"]),
        "--timeout": str(spec["timeoutSeconds"]),
        "--service-account": spec["serviceAccountName"].replace("PROJECT", "x"),
        "--min-instances": notes["autoscaling.knative.dev/minScale"],
        "--max-instances": notes["autoscaling.knative.dev/maxScale"],
        "--execution-environment": notes["run.googleapis.com/execution-environment"],
    }.items() <= given.items()
    assert notes["run.googleapis.com/startup-cpu-boost"] == "true"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [("", "", DEMAND), ("timeoutSeconds", "timeoutSecond", "spec.template.spec.timeoutSecond")],
    ids=["as it is", "with a typing error"],
)
def test_gcloud_reads_the_declared_service(old: str, new: str, said: str, tmp_path: Path) -> None:
    text = (ROOT / "service.yaml").read_text()
    (tmp_path / "service.yaml").write_text(text.replace(old, new) if old else text)
    command = ["run", "services", "replace", "service.yaml", "--region", "y", "--project", "x"]
    assert said in gcloud(command, tmp_path)


def uploaded(folder: Path) -> set[str]:
    """What gcloud would send of a folder."""
    command = [tools.gcloud(), "meta", "list-files-for-upload"]
    return set(tools.run(command, folder, tools.alone(folder.parent)).stdout.split())


def is_needed(name: str) -> bool:
    return name in ("main.py", "requirements.txt") or name.startswith(("proxy/", "translate/"))


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    """What arrives at Google of a folder in which somebody has worked."""
    workplace, arrived = tmp_path / "workplace", tmp_path / "arrived"
    listed = tools.run(["git", "ls-files"], ROOT, tools.alone(tmp_path)).stdout.split()
    dirty = [".env", "secret.json", ".venv/lib/broken.py", "build/x.py", "node_modules/x.py"]
    dirty += ["proxy/__pycache__/old.pyc", "other/main.py"]
    for name in [*listed, *dirty]:
        target = workplace / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes() if name in listed else b"syntax error")
    shutil.copy(ROOT / ".gcloudignore", workplace)
    sent = uploaded(workplace)
    assert sent == {name for name in listed if is_needed(name)}
    for name in sent:
        (arrived / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(workplace / name, arrived / name)
    return arrived


def test_what_is_uploaded_compiles_and_serves(upload: Path, emulator: Emulator, key: str) -> None:
    compiled = [sys.executable, "-m", "compileall", "-f", "-q", "."]
    assert tools.run(compiled, upload, tools.alone(upload)).returncode == 0
    # As the buildpack starts it.
    port = servers.free_port()
    environ = {"FUNCTION_TARGET": "messages", "HOST": "127.0.0.1", "PORT": str(port)}
    environ["GEMINI_ENDPOINT"] = emulator.url
    command = [str(Path(sys.executable).with_name("functions-framework"))]
    with servers.running(command, environ, f"http://127.0.0.1:{port}", upload) as url:
        assert tools.answer(url, emulator, key) == tools.TEXT

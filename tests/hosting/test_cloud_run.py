"""Cloud Run: `make deploy-gcp` is a line of the real gcloud's, and what it deploys serves.

Without an account gcloud gets as far as asking for one, and refuses before that what it does not
know. With one, it deploys to a small Google Cloud on this machine (small_google.py), where what
it has sent is looked at.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.hosting import small_google, tools
from tests.hosting.small_google import SmallGoogle
from tests.servers import ROOT, Emulator

pytestmark = pytest.mark.cloud

DEMAND = "You do not currently have an active account selected"
TARGET = ("PROJECT=x", "REGION=y")
KEY = "the-gemini-key"
SECRETS = {"GEMINI_API_KEY": "gemini-api-key:latest", "PROXY_TOKEN": "proxy-token:latest"}
ACCOUNT = "gemini-messages@x.iam.gserviceaccount.com"
REPLACE = ["run", "services", "replace", "service.yaml", "--region", "y", "--project", "x"]
SAME = ("containerConcurrency", "timeoutSeconds", "serviceAccountName")
SAME_NOTES = (
    "autoscaling.knative.dev/maxScale",
    "run.googleapis.com/execution-environment",
    "run.googleapis.com/startup-cpu-boost",
)
STAND_IN = f"""#!{sys.executable}
import json, os, sys
given = sys.stdin.read() if "-" in sys.argv else None
with open(os.environ["GCLOUD_LOG"], "a") as log:
    print(json.dumps([sys.argv[1:], given]), file=log)
print("4711")
sys.exit("describe" in sys.argv and sys.argv[1] != "projects" and "IS_NEW" in os.environ)
"""
"""A gcloud that writes down what it is asked, and has nothing yet where IS_NEW is set."""


def asked_of_gcloud(
    folder: Path, *arguments: str, is_new: bool = True
) -> list[tuple[list[str], str | None]]:
    """What a make command asks of gcloud: arguments and input."""
    program = folder / "gcloud"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    log = folder / "log"
    log.unlink(missing_ok=True)
    environ = tools.alone(folder, GCLOUD_LOG=str(log), **({"IS_NEW": "1"} if is_new else {}))
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


@pytest.fixture
def line(tmp_path: Path) -> list[str]:
    """The arguments of `make deploy-gcp`'s one command."""
    [(arguments, _)] = asked_of_gcloud(tmp_path, "deploy-gcp", *TARGET)
    return arguments


def test_gcloud_accepts_every_line_up_to_the_account(line: list[str], tmp_path: Path) -> None:
    setup = asked_of_gcloud(tmp_path, "setup-gcp", *TARGET, f"GEMINI_API_KEY={KEY}", *STORE)
    # Lines of one form, as those of the two secrets are, are tried once.
    forms = {(*words[:2], *flags(words)): words for words, _ in setup}
    assert len(forms) >= 6
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda words: gcloud(words, tmp_path), [line, *forms.values()]))
    assert [words for words in said if DEMAND not in words] == []


def test_gcloud_refuses_an_unknown_flag(line: list[str], tmp_path: Path) -> None:
    said = gcloud([*line, "--concurency", "250"], tmp_path)
    assert "unrecognized arguments" in said
    assert DEMAND not in said


def test_secrets_are_made_as_they_are_deployed(tmp_path: Path) -> None:
    setup = asked_of_gcloud(tmp_path, "setup-gcp", "PROJECT=x", f"GEMINI_API_KEY={KEY}")
    made = {words[2]: text for words, text in setup if words[:2] == ["secrets", "create"]}
    assert set(made) == {name.split(":")[0] for name in SECRETS.values()}
    assert made["gemini-api-key"] == KEY
    assert len(made["proxy-token"] or "") >= 32
    assert KEY not in json.dumps([words for words, _ in setup])
    readers = {
        words[2]: flags(words)["--member"]
        for words, _ in setup
        if flags(words).get("--role") == "roles/secretmanager.secretAccessor"
    }
    assert readers == dict.fromkeys(made, f"serviceAccount:{ACCOUNT}")


APIS = ("iam", "run", "cloudbuild", "artifactregistry", "secretmanager")


@pytest.mark.parametrize("backend", ["developer", "vertex"])
def test_accounts_have_the_roles_to_build_and_serve(backend: str, tmp_path: Path) -> None:
    """Cloud Build works in the name of the default account, which new projects give no role."""
    arguments = ("PROJECT=x", f"GEMINI_API_KEY={KEY}", f"BACKEND={backend}")
    setup = [words for words, _ in asked_of_gcloud(tmp_path, "setup-gcp", *arguments)]
    [apis] = [words[2:-2] for words in setup if words[:2] == ["services", "enable"]]
    more = ["aiplatform"] if backend == "vertex" else []
    assert sorted(apis) == sorted(f"{name}.googleapis.com" for name in (*APIS, *more))
    given = [flags(words) for words in setup if words[:2] == ["projects", "add-iam-policy-binding"]]
    roles = {each["--role"]: each["--member"] for each in given}
    builder = {"roles/run.builder": "serviceAccount:4711-compute@developer.gserviceaccount.com"}
    user = {"roles/aiplatform.user": f"serviceAccount:{ACCOUNT}"} if more else {}
    assert roles == {**builder, **user}


def test_secrets_are_never_made_empty(tmp_path: Path) -> None:
    """Else it would be left as it is by the next setup, and each deployment would fail."""
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(AssertionError, match="Error"):
        asked_of_gcloud(
            tmp_path, "setup-gcp", "PROJECT=x", f"GEMINI_API_KEY={KEY}", f"PYTHON={broken}"
        )
    made = [json.loads(line)[0] for line in (tmp_path / "log").read_text().splitlines()]
    assert [words[2] for words in made if words[:2] == ["secrets", "create"]] == ["gemini-api-key"]


@pytest.mark.parametrize("target", ["setup-gcp", "setup-aws"])
def test_setup_needs_python(target: str, tmp_path: Path) -> None:
    given = ("PROJECT=x", "REGION=y", f"GEMINI_API_KEY={KEY}", "PYTHON=")
    made = tools.run(["make", target, *given], ROOT, tools.alone(tmp_path))
    assert (made.returncode, "Python 3.11 or later is needed" in made.stdout) == (2, True)


@pytest.mark.parametrize("target", ["setup-gcp", "deploy-gcp"])
def test_vertex_without_a_token_is_refused(target: str, tmp_path: Path) -> None:
    given = (*TARGET, "BACKEND=vertex", "SECRETS=")
    made = tools.run(["make", target, *given], ROOT, tools.alone(tmp_path))
    assert (made.returncode, "needs PROXY_TOKEN in SECRETS" in made.stderr) == (2, True)


STORE = ("STORE=firestore",)


def test_firestore_is_set_up_as_its_store_needs_it(tmp_path: Path) -> None:
    arguments = ("setup-gcp", *TARGET, "SECRETS=", *STORE)
    first = [words for words, _ in asked_of_gcloud(tmp_path, *arguments)]
    second = [words for words, _ in asked_of_gcloud(tmp_path, *arguments, is_new=False)]
    assert "firestore.googleapis.com" in first[0]
    [database] = [words for words in first if words[:3] == ["firestore", "databases", "create"]]
    assert flags(database)["--location"] == "y"
    assert flags(database)["--type"] == "firestore-native"
    assert [words for words in first if words not in second and "iam" not in words] == [database]
    [ttl] = [words for words in first if words[1:4] == ["fields", "ttls", "update"]]
    assert (ttl[4], flags(ttl)["--collection-group"]) == ("expires", "team")
    [index] = [words for words in first if words[1:4] == ["indexes", "fields", "update"]]
    assert (index[4], flags(index)["--collection-group"]) == ("counters", "team")
    roles = {flags(words).get("--role"): flags(words).get("--member") for words in first}
    assert roles["roles/datastore.user"] == f"serviceAccount:{ACCOUNT}"
    [(deploy, _)] = asked_of_gcloud(tmp_path, "deploy-gcp", *TARGET, *STORE)
    variables = flags(deploy)["--set-env-vars"].split(";")
    assert "PROXY_STORE=firestore://x/team" in variables


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((*TARGET, "STORE=redis"), "STORE may be firestore"),
        (("PROJECT=x", "SECRETS=", *STORE), "setup-gcp needs REGION="),
    ],
)
def test_store_is_checked_by_make(arguments: tuple[str, ...], problem: str, tmp_path: Path) -> None:
    made = tools.run(["make", "setup-gcp", *arguments], ROOT, tools.alone(tmp_path))
    assert (made.returncode, problem in made.stderr) == (2, True)


def test_team_has_a_secret_and_its_plans(tmp_path: Path) -> None:
    arguments = (*TARGET, f"GEMINI_API_KEY={KEY}", "TEAM=yes", "PLANS=plans.toml")
    setup = [words for words, _ in asked_of_gcloud(tmp_path, "setup-gcp", *arguments)]
    made = [words[2] for words in setup if words[:2] == ["secrets", "create"]]
    assert made == ["gemini-api-key", "proxy-token", "proxy-secret"]
    [(deploy, _)] = asked_of_gcloud(tmp_path, "deploy-gcp", *arguments)
    assert "PROXY_PLANS=plans.toml" in flags(deploy)["--set-env-vars"].split(";")
    assert "PROXY_SECRET=proxy-secret:latest" in flags(deploy)["--set-secrets"].split(",")


def test_setup_without_secrets_makes_none(tmp_path: Path) -> None:
    setup = asked_of_gcloud(tmp_path, "setup-gcp", "PROJECT=x", "SECRETS=")
    assert {words[0] for words, _ in setup} == {"services", "projects", "iam"}


def test_second_setup_leaves_what_is_there(tmp_path: Path) -> None:
    arguments = ("setup-gcp", "PROJECT=x", f"GEMINI_API_KEY={KEY}")
    first = asked_of_gcloud(tmp_path, *arguments)
    second = asked_of_gcloud(tmp_path, *arguments, is_new=False)
    made = [words[:3] for words, _ in first if words not in [again for again, _ in second]]
    assert made == [
        ["iam", "service-accounts", "create"],
        ["secrets", "create", "gemini-api-key"],
        ["secrets", "create", "proxy-token"],
    ]


def test_vertex_uses_the_services_own_account(tmp_path: Path) -> None:
    setup = asked_of_gcloud(tmp_path, "setup-gcp", "PROJECT=x", "BACKEND=vertex")
    made = [words[2] for words, _ in setup if words[:2] == ["secrets", "create"]]
    assert made == ["proxy-token"]
    assert "aiplatform.googleapis.com" in setup[0][0]
    roles = {flags(words).get("--role"): flags(words).get("--member") for words, _ in setup}
    assert roles["roles/aiplatform.user"] == f"serviceAccount:{ACCOUNT}"
    [(deploy, _)] = asked_of_gcloud(tmp_path, "deploy-gcp", *TARGET, "BACKEND=vertex")
    assert flags(deploy)["--set-env-vars"] == "^;^THREADS=256;GEMINI_BACKEND=vertex"
    assert flags(deploy)["--set-secrets"] == "PROXY_TOKEN=proxy-token:latest"
    assert DEMAND in gcloud(deploy, tmp_path)


@pytest.mark.parametrize(
    ("target", "missing"),
    [("deploy-gcp", "PROJECT"), ("setup-gcp", "PROJECT"), ("setup-aws", "REGION")],
)
def test_make_names_the_missing_variable(target: str, missing: str, tmp_path: Path) -> None:
    made = tools.run(["make", target], ROOT, tools.alone(tmp_path))
    assert (made.returncode, f"{target} needs {missing}=" in made.stderr) == (2, True)


class Service:
    """A service as gcloud asks for it."""

    def __init__(self, asked: Any) -> None:
        template = asked["spec"]["template"]
        self.spec, self.notes = template["spec"], template["metadata"]["annotations"]
        self.public = asked["metadata"]["annotations"]["run.googleapis.com/invoker-iam-disabled"]
        [self.container] = self.spec["containers"]

    @property
    def settings(self) -> dict[str, str]:
        """Variable -> its value, or the secret and version it comes from."""
        entries = self.container.get("env", [])
        return {entry["name"]: entry.get("value") or secret(entry) for entry in entries}

    @property
    def essence(self) -> Any:
        """What has to be said of it, however it was deployed."""
        return (
            {name: self.spec[name] for name in SAME},
            {name: self.notes[name].lower() for name in SAME_NOTES},
            (set(self.settings), self.container["resources"]["limits"], self.public.lower()),
        )


def secret(entry: Any) -> str:
    return "{name}:{key}".format(**entry["valueFrom"]["secretKeyRef"])


@dataclass(frozen=True)
class Workplace:
    """A folder in which somebody has worked, and an account with the small Google."""

    folder: Path
    google: SmallGoogle
    environ: dict[str, str]

    def run(self, *command: str) -> Service:
        """Run a command that goes well and asks for nothing unknown; the service there is then."""
        made = tools.run(list(command), self.folder, self.environ)
        assert (made.returncode, self.google.unknown) == (0, []), made.stderr
        return Service(self.google.service)

    def deploy(self, *variables: str) -> Service:
        return self.run("make", "deploy-gcp", *TARGET, *variables)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    tools.gcloud()
    home = tmp_path_factory.mktemp("google")
    folder = home / "workplace"
    dirty = [".env", "secret.json", ".venv/lib/broken.py", "build/x.py", "node_modules/x.py"]
    dirty += ["proxy/__pycache__/old.pyc", "other/main.py"]
    dirty += ["proxy/.env", "proxy/sa.json", "proxy/.DS_Store", "translate/old.py~"]
    dirty.append("translate/request/.env")
    for name in [*tools.tracked(home), *dirty]:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes() if name not in dirty else b"syntax error")
    with small_google.running(home) as (google, account):
        yield Workplace(folder, google, {**tools.alone(home), **account})


@pytest.fixture(scope="module")
def deployed(workplace: Workplace) -> Service:
    """After `make deploy-gcp` without another word."""
    return workplace.deploy()


def test_instance_takes_as_many_streams_as_it_is_sent(
    deployed: Service, workplace: Workplace
) -> None:
    assert deployed.spec["containerConcurrency"] <= int(deployed.settings["THREADS"])
    assert deployed.spec["timeoutSeconds"] == 3600
    assert deployed.notes["run.googleapis.com/startup-cpu-boost"] == "True"
    assert int(deployed.notes["autoscaling.knative.dev/maxScale"]) < 10
    built = workplace.google.build["buildpackBuild"]
    assert (built["functionTarget"], built["baseImage"]) == ("messages", "python313")


def test_token_guards_the_server_key(deployed: Service) -> None:
    assert deployed.settings == {"THREADS": "256", **SECRETS}
    assert deployed.spec["serviceAccountName"] == ACCOUNT
    # Claude Code cannot sign in to Google.
    assert deployed.public == "True"


def test_server_key_can_be_withdrawn(deployed: Service, workplace: Workplace) -> None:
    assert "GEMINI_API_KEY" in deployed.settings
    settings = {"GEMINI_SAFETY": "OFF", "GEMINI_FALLBACK_MODELS": "gemini-4-neon,gemini-3.8-flash"}
    given = ";".join(f"{name}={value}" for name, value in settings.items())
    more = workplace.deploy("SECRETS=", f"SETTINGS={given}")
    assert more.settings == {"THREADS": "256", **settings}


def test_declared_service_is_the_one_that_is_deployed(
    deployed: Service, workplace: Workplace
) -> None:
    text = (ROOT / "service.yaml").read_text()
    (workplace.folder / "service.yaml").write_text(text.replace("PROJECT", "x"))
    workplace.google.service = {}
    declared = workplace.run("gcloud", *REPLACE)
    # Here a new version of a secret has to be a new line: else no new instance would start.
    numbered = {name: value.replace("latest", "1") for name, value in deployed.settings.items()}
    assert declared.settings == numbered != deployed.settings
    assert declared.essence == deployed.essence
    assert "@sha256:" in declared.container["image"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [("", "", DEMAND), ("timeoutSeconds", "timeoutSecond", "spec.template.spec.timeoutSecond")],
    ids=["as it is", "with a typing error"],
)
def test_gcloud_reads_the_declared_service(old: str, new: str, said: str, tmp_path: Path) -> None:
    text = (ROOT / "service.yaml").read_text()
    (tmp_path / "service.yaml").write_text(text.replace(old, new) if old else text)
    assert said in gcloud(REPLACE, tmp_path)


def is_needed(name: str) -> bool:
    return name in ("main.py", "requirements.txt") or name.startswith(("proxy/", "translate/"))


@pytest.mark.usefixtures("deployed")
def test_upload_is_what_is_needed_and_serves(
    workplace: Workplace, tmp_path: Path, emulator: Emulator, key: str
) -> None:
    arrived = tmp_path / "arrived"
    with zipfile.ZipFile(io.BytesIO(workplace.google.archive)) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        archive.extractall(arrived)
    assert names == {name for name in tools.tracked(tmp_path) if is_needed(name)}
    # What the buildpack does: it compiles all there is, then starts the framework.
    compiled = [sys.executable, "-m", "compileall", "-f", "-q", "."]
    assert tools.run(compiled, arrived, tools.alone(tmp_path)).returncode == 0
    port = servers.free_port()
    environ = {"FUNCTION_TARGET": "messages", "HOST": "127.0.0.1", "PORT": str(port)}
    environ["GEMINI_ENDPOINT"] = emulator.url
    command = [str(Path(sys.executable).with_name("functions-framework"))]
    with servers.running(command, environ, f"http://127.0.0.1:{port}", arrived) as url:
        assert tools.answer(url, emulator, key) == tools.TEXT


def test_dockerfile_in_the_root_would_be_built(
    workplace: Workplace,
) -> None:
    assert not (ROOT / "Dockerfile").exists()
    misplaced = Path(shutil.copy(ROOT / "deploy/Dockerfile", workplace.folder))
    made = tools.run(["make", "deploy-gcp", *TARGET], workplace.folder, workplace.environ)
    misplaced.unlink()
    assert "not supported for services built from Dockerfile" in made.stderr

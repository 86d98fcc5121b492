"""The package, as a person installs it: built, installed, and run from an empty folder.

The new environment sees the packages of this one: what is tried is what we pack, and no network
is needed. Each entry point serves one request against the emulator.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from proxy import __version__
from tests import servers
from tests.servers import LOCAL, ROOT, Emulator

SOURCES = (
    *("CHANGELOG.md", "LICENSE.md", "MANIFEST.in", "README.md", "main.py", "pyproject.toml"),
    *("requirements.in", "proxy", "tests", "translate"),
)
"""What of the repository is there: not what somebody has built in it before."""

BUILD = "import sys; from setuptools import build_meta as b; getattr(b, sys.argv[1])(sys.argv[2])"
SETUPTOOLS = 77
"""The first that reads our pyproject.toml; requirements-dev.txt has it."""

CLAUDE = """\
#!{python}
import os, sys, urllib.request
address, token = os.environ["ANTHROPIC_BASE_URL"], os.environ["ANTHROPIC_AUTH_TOKEN"]
headers = {{"Authorization": f"Bearer {{token}}", "Content-Type": "application/json"}}
with urllib.request.urlopen(
    urllib.request.Request(f"{{address}}/v1/messages", sys.argv[1].encode(), headers)
) as answer:
    print(answer.read().decode())
"""
BODY = (
    '{"model": "claude-sonnet-5-5", "max_tokens": 99, '
    '"messages": [{"role": "user", "content": "Hi"}]}'
)
HELLO = {"chunks": [{"text": "Hello from a package."}], "finish": "STOP"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that is made of nothing but it."""
    if setuptools_version() < SETUPTOOLS:
        pytest.skip(
            "NOT TESTED as a package: setuptools is old or missing; requirements-dev.txt has it."
        )
    folder = tmp_path_factory.mktemp("package")
    source, output = folder / "source", folder / "dist"
    for name in SOURCES:
        path = ROOT / name
        copy = functools.partial(shutil.copytree, ignore=shutil.ignore_patterns("__pycache__"))
        (copy if path.is_dir() else shutil.copyfile)(path, _made(source) / name)
    build("build_sdist", source, output)
    with tarfile.open(next(output.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    build("build_wheel", folder / f"gemini_messages-{__version__}", output)
    return output


def setuptools_version() -> int:
    """The first number of it; 0 where there is none, as in a new environment of Python 3.12."""
    try:
        return int(importlib.metadata.version("setuptools").partition(".")[0])
    except importlib.metadata.PackageNotFoundError:
        return 0


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def build(step: str, source: Path, output: Path) -> None:
    subprocess.run([sys.executable, "-c", BUILD, step, output], cwd=source, check=True)


@pytest.fixture(scope="module")
def programs(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs in an environment where the wheel is installed."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin/python"
    where = sysconfig.get_path("purelib", vars={"base": str(folder)})
    Path(where, "those_of_the_tests.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    (wheel,) = built.glob("*.whl")
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)], check=True)
    checked = subprocess.run([*pip, "check"], capture_output=True, text=True)
    assert "gemini-messages" not in checked.stdout
    return python.parent


def test_sdist_has_the_sources_and_no_test(built: Path) -> None:
    with tarfile.open(built / f"gemini_messages-{__version__}.tar.gz") as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"main.py", "requirements.in", "CHANGELOG.md", "LICENSE.md"} <= names
    assert not [name for name in names if name.startswith("tests")]


def test_wheel_has_every_module_and_template(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        names = set(archive.namelist())
    modules = {path for package in ("proxy", "translate") for path in ROOT.glob(f"{package}/**/*")}
    files = {path for path in modules if path.is_file() and path.suffix != ".pyc"}
    ours = {"main.py", *(path.relative_to(ROOT).as_posix() for path in files)}
    assert {name for name in names if ".dist-info/" not in name} == ours


def test_readme_names_the_programs_of_the_package() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    section = (ROOT / "README.md").read_text().split("\n## As a package")[1].split("\n## ")[0]
    assert set(re.findall(r"^    (gemini-[a-z]+) ", section, re.MULTILINE)) == scripts.keys()


def test_version_of_the_package_is_the_programs(programs: Path, tmp_path: Path) -> None:
    command = [programs / "gemini-messages", "--version"]
    printed = subprocess.check_output(command, cwd=tmp_path, text=True)
    assert printed == f"gemini-messages {__version__}\n"


def test_server_answers_from_an_empty_folder(
    programs: Path, tmp_path: Path, emulator: Emulator, key: str
) -> None:
    emulator.script(key, HELLO)
    address = f"127.0.0.1:{servers.free_port()}"
    environ = {"PROXY_LISTEN_ADDR": address, "GEMINI_ENDPOINT": emulator.url}
    command = [str(programs / "gemini-messages")]
    with servers.running(command, environ, f"http://{address}", tmp_path) as url:
        answer = LOCAL.post(
            f"{url}/v1/messages",
            BODY,
            headers={"x-api-key": key, "Content-Type": "application/json"},
            timeout=30,
        )
        page = LOCAL.get(url, headers={"Accept": "text/html"}, timeout=30)
    assert answer.json()["content"] == [{"type": "text", "text": "Hello from a package."}]
    assert (page.status_code, "<style>" in page.text) == (200, True)
    assert list(tmp_path.iterdir()) == []


def test_doctor_of_a_package_names_what_can_be_typed(programs: Path, tmp_path: Path) -> None:
    """Nothing is set: it says which command would be a session."""
    environ = servers.clean_environ() | {"HOME": str(tmp_path), "HTTPS_PROXY": "http://127.0.0.1:9"}
    command = [programs / "gemini-messages", "doctor"]
    ran = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert "-> gemini-messages claude" in ran.stdout
    assert "python -m proxy" not in ran.stdout


def test_launcher_runs_claude_at_a_server_of_its_own(
    programs: Path, tmp_path: Path, emulator: Emulator, key: str
) -> None:
    emulator.script(key, HELLO)
    program = _made(tmp_path / "bin") / "claude"
    program.write_text(CLAUDE.format(python=sys.executable))
    program.chmod(0o755)
    environ = {**servers.clean_environ(), "HOME": str(tmp_path), "GEMINI_ENDPOINT": emulator.url}
    environ |= {"PATH": f"{program.parent}:{os.environ['PATH']}", "GEMINI_API_KEY": key}
    ran = subprocess.run(
        [programs / "gemini-claude", BODY],
        cwd=_made(tmp_path / "empty"),
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, "Hello from a package." in ran.stdout) == (0, True), ran.stderr
    assert list((tmp_path / "empty").iterdir()) == []

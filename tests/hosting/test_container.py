"""The container: the Dockerfile's own steps, followed in a folder, make a server that is healthy.

No engine runs here. What is not seen is the base image, and that its user may change nothing.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import pythons
from tests import servers
from tests.hosting import dockerfile, tools
from tests.hosting.dockerfile import Image
from tests.servers import ROOT, Emulator

PRIVATE = b"These words stay at home."


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which somebody has worked: what must not travel lies where it could."""
    folder = tmp_path_factory.mktemp("context")
    for name in tools.tracked(folder):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "proxy/__pycache__").mkdir()
    lies = [".env", "secret.json", "proxy/.env", "proxy/sa.json", "proxy/.DS_Store"]
    lies += ["proxy/__pycache__/stale.pyc", "translate/old.py~", "translate/request/.env"]
    for name in lies:
        (folder / name).write_bytes(PRIVATE)
    return folder


@pytest.fixture(scope="module")
def image(context: Path, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Built with the Python of the base image, where this machine has it."""
    steps = dict(dockerfile.steps((context / dockerfile.FILE).read_text()))
    assert f":{pythons.VERSION}-" in steps["FROM"]
    python = pythons.find() or sys.executable
    return dockerfile.build(context, tmp_path_factory.mktemp("image"), python)


def checked(image: Image, **environ: str) -> int:
    """The exit code of the health check."""
    command = image.program(image.health)
    return subprocess.run(command, env=image.environment(**environ), timeout=30).returncode


def test_container_answers_and_is_healthy(image: Image, emulator: Emulator, key: str) -> None:
    port = str(servers.free_port())
    here = {"HOST": "127.0.0.1", "HOME": str(image.root)}
    environ = image.environment(PORT=port, GEMINI_ENDPOINT=emulator.url, **here)
    command, url = image.program(image.command), f"http://127.0.0.1:{port}"
    assert checked(image, PORT=port) != 0
    with servers.running(command, environ, url, image.inside()) as address:
        assert tools.answer(address, emulator, key) == tools.TEXT
        # Neither a proxy nor a missing curl may make a good server look ill.
        assert checked(image, PORT=port, HTTP_PROXY="http://127.0.0.1:9", NO_PROXY="") == 0
    assert checked(image, PORT=port) != 0


def test_container_has_the_page(image: Image) -> None:
    files = (ROOT / "proxy/web/templates").iterdir()
    names = {path.name for path in image.inside("/app/proxy/web/templates").iterdir()}
    assert {path.name for path in files} <= names


def test_image_holds_the_function_only(image: Image, context: Path) -> None:
    inside = {path.relative_to(image.inside()) for path in image.inside().rglob("*.py")}
    listed = {path.relative_to(context) for path in context.glob("*/**/*.py")}
    needed = {path for path in listed if path.parts[0] in ("proxy", "translate")}
    assert inside == needed | {Path("main.py")}
    files = [path for path in image.inside().rglob("*") if path.is_file()]
    assert [path for path in files if PRIVATE in path.read_bytes()] == []
    assert dockerfile.is_sent(context, context / ".env") is False


def test_image_is_compiled_since_its_user_may_not_write(image: Image) -> None:
    assert image.user.partition(":")[0].isdecimal()
    assert (image.user.partition(":")[0] != "0", image.environ["HOME"]) == (True, "/tmp")
    sources = [*image.inside().rglob("*.py")]
    caches = [source.parent / "__pycache__" for source in sources]
    compiled = zip(sources, caches, strict=True)
    assert [s for s, cache in compiled if not list(cache.glob(f"{s.stem}.*.pyc"))] == []


def test_image_has_the_python_of_the_clouds(image: Image) -> None:
    version = re.fullmatch(r"python:(3\.\d+)-slim", image.base)
    assert version is not None
    template = (ROOT / "template.yaml").read_text()
    makefile = (ROOT / "Makefile").read_text()
    assert f"Runtime: python{version[1]}\n" in template
    assert f"--base-image python{version[1].replace('.', '')} " in makefile


def test_exposed_port_is_the_one_it_listens_on(image: Image) -> None:
    assert (image.port, image.environ["PORT"]) == (8080, "8080")


def test_unknown_instruction_is_an_error(tmp_path: Path) -> None:
    changed = tmp_path / dockerfile.FILE
    changed.parent.mkdir()
    changed.write_text("FROM python:3.13-slim\nONBUILD RUN true\n")
    with pytest.raises(KeyError, match="ONBUILD"):
        dockerfile.build(tmp_path, tmp_path / "image", sys.executable)

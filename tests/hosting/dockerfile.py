"""A Dockerfile's steps, done in a folder: for machines where no engine runs.

Knows the instructions that ours uses and stops at any other, so that no step can be left out.
Commands run as they are written, in a virtual environment in place of the base image.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests import servers

FILE = "deploy/Dockerfile"
BUILD_SECONDS = 300


@dataclass
class Image:
    """What was built: where its folders lie, and how it is to be run."""

    context: Path
    root: Path
    base: str = ""
    folder: Path = Path("/")
    environ: dict[str, str] = field(default_factory=dict)
    user: str = "root"
    port: int = 0
    health: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    @property
    def programs(self) -> Path:
        return self.root / "venv/bin"

    def inside(self, path: str = "") -> Path:
        """A path of the image, in this machine's file system."""
        return self.root / (self.folder / path).relative_to("/")

    def environment(self, **more: str) -> dict[str, str]:
        clean = servers.clean_environ()
        return {**clean, **self.environ, "PATH": f"{self.programs}:{clean['PATH']}", **more}

    def program(self, command: list[str]) -> list[str]:
        """A command in exec form, with its program found as the image would: in its own, else among
        the system's."""
        own = self.programs / command[0]
        return [str(own) if own.exists() else command[0], *command[1:]]


def build(context: Path, root: Path, python: str) -> Image:
    """Follow a context's FILE step by step; `python` stands in for the base image."""
    image = Image(context, root)
    found = steps((context / FILE).read_text())
    done = [(INSTRUCTIONS[instruction], rest) for instruction, rest in found]
    subprocess.run([python, "-m", "venv", str(root / "venv")], check=True)
    for step, rest in done:
        step(image, rest)
    return image


def steps(text: str) -> list[tuple[str, str]]:
    """Instruction and the rest of its line; comments gone, continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    found = [line.strip().partition(" ") for line in joined if line.strip()]
    return [(instruction, rest.strip()) for instruction, _, rest in found]


def _from(image: Image, rest: str) -> None:
    image.base = rest


def _env(image: Image, rest: str) -> None:
    image.environ |= dict(pair.split("=", 1) for pair in shlex.split(rest))


def _workdir(image: Image, rest: str) -> None:
    image.folder = image.folder / rest
    image.inside().mkdir(parents=True, exist_ok=True)


def _copy(image: Image, rest: str) -> None:
    """COPY file... folder/, or COPY folder/ folder/ (which copies what is in it)."""
    *sources, target = rest.split()
    for source in sources:
        origin = image.context / source
        names = [origin] if origin.is_file() else sorted(origin.rglob("*"))
        base = origin.parent if origin.is_file() else origin
        for name in names:
            if name.is_file() and is_sent(image.context, name):
                copied = image.inside(target) / name.relative_to(base)
                copied.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(name, copied)


def is_sent(context: Path, path: Path) -> bool:
    """Whether .dockerignore lets a file through: the last line that fits it, or a folder around
    it, decides."""
    name = path.relative_to(context)
    ways = [way.as_posix() for way in (name, *name.parents)][:-1]
    sent = True
    for line in (context / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = _compiled(line.removeprefix("!"))
            if any(pattern.fullmatch(way) for way in ways):
                sent = line.startswith("!")
    return sent


def _compiled(pattern: str) -> re.Pattern[str]:
    """A star stays in a folder, `**/` is any folders or none; of Docker's other wildcards, none."""
    assert not re.search(r"[?\[\\]", pattern), pattern
    found = re.split(r"(\*\*/|\*)", pattern)
    wildcards = {"**/": "(?:.*/)?", "*": "[^/]*"}
    return re.compile("".join(wildcards.get(each, re.escape(each)) for each in found))


def _run(image: Image, rest: str) -> None:
    command = ["/bin/sh", "-c", rest]
    folder, environ = image.inside(), image.environment()
    subprocess.run(command, cwd=folder, env=environ, check=True, timeout=BUILD_SECONDS)


def _user(image: Image, rest: str) -> None:
    image.user = rest


def _expose(image: Image, rest: str) -> None:
    image.port = int(rest)


def _healthcheck(image: Image, rest: str) -> None:
    image.health = json.loads(rest.partition(" CMD ")[2])


def _cmd(image: Image, rest: str) -> None:
    image.command = json.loads(rest)


INSTRUCTIONS = {
    "FROM": _from,
    "ENV": _env,
    "WORKDIR": _workdir,
    "COPY": _copy,
    "RUN": _run,
    "USER": _user,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "CMD": _cmd,
}

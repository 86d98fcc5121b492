"""`make build`: one build/lambda.zip, the same bytes for the same sources, lock, Python and zlib.

Byte code depends on the patch release of the runtime's Python, compressed bytes on the zlib of the
Python that runs this file. The binary modules of both architectures lie side by side (their names
differ), so that one file runs on arm64 and on x86_64. Byte code is compiled here and never checked
there: the task folder is read-only, so that otherwise every cold start would compile again.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from deploy import pythons, sbom
from deploy.lock_lambda import ARCHITECTURES, LOCK, ROOT, pip, wheels_for

SOURCES = ("main.py", "plans.toml", "proxy/**/*.py", "proxy/web/templates/*", "translate/**/*.py")
"""No other file beside them goes into the zip: it may be somebody's secret."""

WRAPPER = "bootstrap"
TASK = "/var/task"
"""Where Lambda unpacks the zip; tracebacks name it."""

LEFT_OUT = {"RECORD", "INSTALLER", "REQUESTED", "WHEEL", "sboms"}
"""Of a wheel's metadata: about the wheel and not its contents, different for each architecture."""

EPOCH = (1980, 1, 1, 0, 0, 0)
MAX_UNPACKED_BYTES = 250 * 1_048_576
"""Lambda's quota for a zip, unpacked (Lambda quotas, "Deployment package")."""


def build(root: Path = ROOT, output: Path = ROOT / "build/lambda.zip") -> Path:
    """Write the zip of a tree, and beside it what it contains. Downloads stay in build/ for the
    next time."""
    wheels = download(root / "build", root / "deploy/requirements.lock")
    files = {WRAPPER: root / "deploy" / WRAPPER, **sources(root)}
    pack(wheels, files, output)
    sbom.write(output, wheels)
    return output


def pack(wheels: Iterable[Path], files: dict[str, Path], output: Path) -> Path:
    """Write a zip of wheels and files (name in the zip -> file), byte-compiled."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        stage = Path(folder, "task")
        for wheel in sorted(wheels):
            unpack(wheel, stage)
        for name, file in files.items():
            write(stage / name, file.read_bytes())
        byte_compile(stage)
        draft = Path(folder, "lambda.zip")
        zip_up(stage, draft)
        draft.replace(output)
    return output


def download(folder: Path, lock: Path = LOCK) -> list[Path]:
    """The wheels of a lock, for both architectures; once for each lock, all of them or none."""
    wheels = folder / f"wheels-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    if not wheels.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as beside:
            draft = Path(beside, "wheels")
            for architecture in ARCHITECTURES:
                wanted = ("--no-deps", "--requirement", str(lock), "--dest", str(draft))
                pip("download", *wanted, *wheels_for(architecture))
            draft.rename(wheels)
    return list(wheels.glob("*.whl"))


def sources(root: Path) -> dict[str, Path]:
    """Our own files: name in the zip -> file."""
    found = [file for pattern in SOURCES for file in root.glob(pattern)]
    return {file.relative_to(root).as_posix(): file for file in found if file.is_file()}


def unpack(wheel: Path, stage: Path) -> None:
    """A wheel's modules and metadata. Programs and C headers stay behind."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            top, _, rest = name.partition("/")
            is_metadata = top.endswith(".dist-info")
            if name.endswith("/") or (is_metadata and rest.split("/")[0] in LEFT_OUT):
                continue
            if top.endswith(".data"):
                if not rest.startswith(("scripts/", "headers/")):
                    raise SystemExit(f"{wheel.name} has {name}: it would have to be installed")
                continue
            write(stage / name, archive.read(name))


def write(path: Path, content: bytes) -> None:
    """A new file; or the same again, from the wheel of the other architecture."""
    if path.exists() and path.read_bytes() != content:
        raise SystemExit(f"{path.name} differs between architectures: one zip cannot hold both")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def byte_compile(stage: Path) -> None:
    """With the runtime's Python, as if the files were where Lambda unpacks them."""
    command = [pythons.need(), "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(stage), "-p", TASK, str(stage)]
    subprocess.run(command, check=True, env={"PATH": os.defpath, "PYTHONHASHSEED": "0"})


def zip_up(stage: Path, output: Path) -> None:
    """Sorted, with one date, and with modes that depend on nobody's umask."""
    files = sorted(path for path in stage.rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in files)
    if size > MAX_UNPACKED_BYTES:
        raise SystemExit(f"{size:,} bytes unpacked; Lambda takes {MAX_UNPACKED_BYTES:,}")
    with zipfile.ZipFile(output, "w") as archive:
        for entry, path in _entries(files, stage):
            archive.writestr(entry, path.read_bytes(), compresslevel=9)


def _entries(files: Iterable[Path], stage: Path) -> Iterator[tuple[zipfile.ZipInfo, Path]]:
    for path in files:
        entry = zipfile.ZipInfo(path.relative_to(stage).as_posix(), EPOCH)
        entry.create_system = 3  # Unix: the mode is read
        entry.external_attr = (0o100755 if entry.filename == WRAPPER else 0o100644) << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        yield entry, path


def main() -> None:
    built = build()
    digest = hashlib.sha256(built.read_bytes()).hexdigest()
    print(f"{built.with_suffix('.cdx.json').relative_to(ROOT)}  what it contains (CycloneDX)")
    print(f"{built.relative_to(ROOT)}  {built.stat().st_size:,} bytes  sha256 {digest}")


if __name__ == "__main__":
    main()

"""requirements.txt, the lock that every host but Lambda installs, and `make audit` of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

from deploy import audit
from tests.servers import ROOT

LOCK = ROOT / "requirements.txt"
OTLP_LOCK = ROOT / "requirements-otlp.txt"


def locked(file: Path = LOCK) -> dict[str, tuple[Requirement, int]]:
    """Each requirement of the lock, with the number of its hashes."""
    text = file.read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found = [(Requirement(line.split(" --hash=")[0]), line.count("--hash=")) for line in lines]
    return {requirement.name: (requirement, hashes) for requirement, hashes in found}


def test_lock_satisfies_the_requirements() -> None:
    pins = locked()
    for line in (ROOT / "requirements.in").read_text().splitlines():
        if not line.startswith("#"):
            wanted = Requirement(line)
            (version,) = (each.version for each in pins[wanted.name][0].specifier)
            assert wanted.specifier.contains(version), "`make lock` is due"


@pytest.mark.parametrize("file", [LOCK, OTLP_LOCK], ids=lambda file: file.name)
def test_lock_has_exact_versions_with_hashes(file: Path) -> None:
    for requirement, hashes in locked(file).values():
        assert [each.operator for each in requirement.specifier] == ["=="], requirement
        assert hashes > 0, requirement
    assert "://" not in file.read_text(), "no index is named"


def test_lock_with_the_exporter_is_the_other_and_more() -> None:
    """So that it can be installed in place of it."""
    pins, more = locked(), locked(OTLP_LOCK)
    assert all(more[name][0].specifier == pin.specifier for name, (pin, _) in pins.items())
    lines = (ROOT / "requirements-otlp.in").read_text().splitlines()
    (wanted,) = (Requirement(line) for line in lines if not line.startswith(("#", "-r ")))
    (version,) = (each.version for each in more[wanted.name][0].specifier)
    assert wanted.specifier.contains(version), "`make lock` is due"


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_lock_is_for_every_python_and_machine(version: str, machine: str) -> None:
    environment = {
        **default_environment(),
        "python_version": version,
        "python_full_version": f"{version}.0",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "sys_platform": "linux",
    }
    for requirement, _ in locked().values():
        marker = requirement.marker
        assert marker is None or marker.evaluate(environment), requirement


def test_buildpack_finds_the_framework_in_the_lock() -> None:
    """Else it would add one of its own, without a hash, and the installation would fail."""
    assert [
        line for line in LOCK.read_text().splitlines() if line.startswith("functions-framework")
    ]


FOUND = {"id": "CVE-1", "fix_versions": ["2.0"], "aliases": [], "description": ""}
SOUND: Any = {"name": "flask", "version": "3.1.3", "vulns": []}
SKIPPED = {"name": "orjson", "skip_reason": "not found"}
BAD = {"name": "urllib3", "version": "1.0", "vulns": [FOUND]}


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """`make audit` with a pip-audit that prints and ends as given."""

    def run(packages: Any, exit_code: int = 0) -> int:
        program = tmp_path / "pip_audit.py"
        text = json.dumps({"dependencies": packages}) if packages is not None else ""
        program.write_text(f"import sys\nprint({text!r})\nsys.exit({exit_code})\n")
        return audit.audit([sys.executable, str(program)])

    return run


@pytest.mark.parametrize(
    ("packages", "exit_code", "expected", "words"),
    [
        ([SOUND], 0, 0, "Checked: 1 of 1 packages in requirements.txt"),
        ([SOUND, BAD], 1, audit.VULNERABLE, "urllib3 1.0: CVE-1, fixed in: 2.0"),
        (
            [SOUND, SKIPPED],
            0,
            audit.NOT_CHECKED,
            "NOT CHECKED: no network, or not in its database: orjson",
        ),
        ([BAD, SKIPPED], 1, audit.VULNERABLE, "NOT CHECKED"),
        ([], 0, audit.NOT_CHECKED, "NOT CHECKED"),
        (None, 1, audit.NOT_CHECKED, "NOT CHECKED: no network?"),
    ],
    ids=["sound", "vulnerable", "skipped", "vulnerable and skipped", "nothing", "offline"],
)
def test_audit_says_what_it_could_not_check(
    run: Any,
    capsys: pytest.CaptureFixture[str],
    packages: Any,
    exit_code: int,
    expected: int,
    words: str,
) -> None:
    assert run(packages, exit_code) == expected
    out = capsys.readouterr().out
    assert words in out
    assert "Never checked here: Python itself" in out


def test_audit_without_its_program_is_not_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.audit(["/nowhere/pip-audit"]) == audit.NOT_CHECKED
    assert "NOT CHECKED" in capsys.readouterr().out

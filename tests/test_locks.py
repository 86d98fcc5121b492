"""requirements.txt, the lock that every host but Lambda installs, made by `make lock`."""

from __future__ import annotations

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

from tests.servers import ROOT

LOCK = ROOT / "requirements.txt"


def locked() -> dict[str, tuple[Requirement, int]]:
    """Each requirement of the lock, with the number of its hashes."""
    text = LOCK.read_text().replace("\\\n", " ")
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


def test_lock_has_exact_versions_with_hashes() -> None:
    for requirement, hashes in locked().values():
        assert [each.operator for each in requirement.specifier] == ["=="], requirement
        assert hashes > 0, requirement
    assert "://" not in LOCK.read_text(), "no index is named"


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

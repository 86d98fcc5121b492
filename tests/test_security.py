"""SECURITY.md: what it names as code and as proof exists, and its links lead somewhere."""

from __future__ import annotations

import re

import pytest

from proxy import __version__
from tests.servers import ROOT

SECURITY = (ROOT / "SECURITY.md").read_text()
CODE, PROOF = "Where", "Proof"
TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)
}


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def threats() -> list[list[str]]:
    """The rows of all tables whose last columns are code and proof."""
    found = []
    for table in re.findall(r"(?:^\|.*\n)+", SECURITY, re.MULTILINE):
        head, _, *rows = [line.strip("|").split("|") for line in table.splitlines()]
        if [cell.strip() for cell in head[-2:]] == [CODE, PROOF]:
            found += rows
    return found


@pytest.mark.parametrize("row", threats(), ids=lambda row: row[0].strip())
def test_threat_has_code_and_proof_that_exist(row: list[str]) -> None:
    assert len(row) == 4
    code, proof = quoted(row[2]), quoted(row[3])
    assert code
    assert proof
    assert [path for path in code if not (ROOT / path).exists()] == []
    assert [name for name in proof if name not in TESTS] == []


def test_threats_are_of_everyone() -> None:
    """Each section that names an attacker has a table; what is not defended has none."""
    sections = SECURITY.split("\n## ")[1:]
    named = [section.splitlines()[0] for section in sections if f"| {PROOF} |" in section]
    assert len(named) == 8
    assert len(threats()) > 40
    last = sections[-1].splitlines()
    assert last[0] == "What is not defended"
    assert not [line for line in last if line.startswith("|")]


def test_supported_version_is_this_one() -> None:
    major, minor, _ = __version__.split(".")
    assert f"| {major}.{minor} | yes" in SECURITY


def test_report_needs_no_mail() -> None:
    assert "Report a vulnerability" in SECURITY
    assert not re.findall(r"[\w.]+@[\w.]+", SECURITY)

"""proxy/program.py: what a person has to type, by how the program was started."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from proxy import program

HINT = "If it does not work: python -m proxy doctor"
OWN = HINT.replace("python", program.PYTHON)


@pytest.fixture(params=["python", "python3"])
def environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Path:
    """The repository's own environment, whose Python runs and is not the PATH's. -> its bin/"""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.touch(0o755)
    monkeypatch.setattr(program, "ENVIRONMENT", tmp_path)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(python.with_name(request.param)))
    monkeypatch.setattr(sys, "argv", ["proxy/__main__.py"])
    monkeypatch.setenv("PATH", "/nowhere")
    return python.parent


def test_environment_that_is_not_active_is_named(environment: Path) -> None:
    assert program.as_typed(HINT) == OWN
    assert program.as_typed(OWN) == OWN


def test_environment_that_is_active_is_not_named(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(environment))
    assert program.as_typed(HINT) == HINT


def test_another_python_is_not_named(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/usr")
    assert program.as_typed(HINT) == HINT


def test_installed_program_is_named(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(environment / "gemini-messages")])
    assert program.as_typed(HINT) == "If it does not work: gemini-messages doctor"

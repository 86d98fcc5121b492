"""Each module of translate/ is covered completely by its own test file alone: in `make check`.

Reads the data of one run of the whole suite, in which conftest.py wrote down which test file ran
each line and branch. Code that runs at import, before any test file, counts for all of them.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import coverage

from tests.servers import ROOT

EXEMPT = {"translate/__init__.py", "translate/response/__init__.py", "translate/wire.py"}
"""They only name names and shapes: there is nothing in them to test."""

AT_IMPORT = "^$"
"""The context in which no test file runs."""


def modules() -> list[str]:
    """The files that need a test file of their own, as paths from the root."""
    found = (path.relative_to(ROOT).as_posix() for path in ROOT.glob("translate/**/*.py"))
    return sorted(set(found) - EXEMPT)


def test_file(module: str) -> str:
    """The test file of a module: its own name, or that of the package whose `__init__` it is."""
    path = Path(module)
    return f"tests/test_{path.parent.name if path.stem == '__init__' else path.stem}.py"


def uncovered(data: coverage.Coverage, module: str) -> str:
    """What a module's own test file leaves out, as coverage.py reports it; "" where it is nothing.

    data: a loaded run.
    """
    report = io.StringIO()
    contexts = [AT_IMPORT, f"^{test_file(module)}$"]
    percent = data.report(
        include=[str(ROOT / module)], contexts=contexts, file=report, skip_covered=False
    )
    if percent == 100:
        return ""
    (row,) = (line for line in report.getvalue().splitlines() if line.startswith(module))
    return row.partition("%")[2].strip()


def main() -> int:
    data = coverage.Coverage()
    data.load()
    failed = False
    for module in modules():
        if missing := uncovered(data, module):
            failed = True
            print(f"{module}: {test_file(module)} alone does not cover line or branch {missing}")
    if not failed:
        print("translate/: every module is covered completely by its own test file")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

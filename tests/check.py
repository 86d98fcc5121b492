"""`make quick`, `make check`, `make check-all`: what they check, in parts, some of them at once.

The parts are a table; each test file is in one of them, and none is run twice. Prints beforehand
how long it takes, then each part's result, what was skipped, and pytest's summary of all of them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests import team_firestore
from tests.servers import ROOT

FOLDER = ROOT / ".cache/check"
HANG_SECONDS = 1800
BIN = Path(sys.executable).parent
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
COVERED_PERCENT = 100 if team_firestore.find() else 90
"""Without Java and Firestore's emulator its store cannot be tried: those tests skip, and say so."""

COVERAGE = ("--cov", "--cov-report=term", f"--cov-fail-under={COVERED_PERCENT}")
MYPY_OF_EMULATOR = f"cd tests/emulator && {BIN}/mypy --config-file ../../pyproject.toml ."

Command = Sequence[str]


@dataclass(frozen=True)
class Part:
    """seconds: in check-all, three parts at once on two busy cores (2026-11-29). files: globs of
    test files, `-` before those that are left out. before, after: commands around pytest."""

    name: str
    seconds: int
    title: str
    files: str = ""
    options: Command = ()
    before: Sequence[Command] = ()
    after: Sequence[Command] = ()

    @property
    def tests(self) -> list[str]:
        """The test files of its own, as paths from the root."""
        found: set[str] = set()
        for glob in self.files.split():
            paths = {path.relative_to(ROOT).as_posix() for path in ROOT.glob(glob.lstrip("-"))}
            found = found - paths if glob.startswith("-") else found | paths
        return sorted(found)

    @property
    def commands(self) -> list[Command]:
        pytest = [[*PYTEST, *self.options, *self.tests]] if self.files else []
        return [*self.before, *pytest, *self.after]


UNIT = "tests/test_*.py -tests/test_lambda_*.py -tests/test_rie.py -tests/test_logs.py"
STYLE = Part(
    "style",
    9,
    "format, lint and types",
    before=(
        (f"{BIN}/ruff", "format", "--check", "."),
        (f"{BIN}/ruff", "check", "."),
        (f"{BIN}/mypy",),
        ("/bin/sh", "-c", MYPY_OF_EMULATOR),
    ),
)
CLOUDS = Part(
    "clouds",
    330,
    "gcloud, SAM, osls and the AWS CLI as far as they go; the zip for Lambda",
    "tests/hosting/test_*.py tests/test_lambda_*.py tests/test_rie.py tests/e2e/test_lambda*.py",
    before=(("make", "--no-print-directory", ".venv-sam/done"),),
)
CLIENTS = Part(
    "clients",
    285,
    "the real Claude Code, the SDK and a browser",
    "tests/e2e/test_claude_code.py tests/e2e/test_histories.py tests/e2e/test_sdk.py "
    "tests/e2e/test_browser.py tests/e2e/test_page.py tests/e2e/test_auto_mode.py "
    "tests/e2e/test_launcher.py tests/e2e/test_mistakes.py",
)
TEAM = Part(
    "team",
    180,
    "what a team sees in Claude Code and in a browser",
    "tests/e2e/test_*_page.py tests/e2e/test_team.py tests/e2e/test_share.py "
    "tests/e2e/test_client_budget.py tests/e2e/test_managed_settings.py "
    "tests/e2e/test_demo_team.py",
)
LIBRARIES = Part(
    "libraries",
    95,
    "what people write agents with: SDKs, LangChain, AI SDK, pydantic-ai, Agent SDK",
    "tests/e2e/test_client_libraries.py tests/e2e/test_examples.py",
    before=(("make", "--no-print-directory", ".venv-clients/done"),),
)
RECOVERY = Part(
    "recovery",
    195,
    "how the real client lives through failures; a minute of it is silence",
    "tests/e2e/test_recovery.py",
)
FAULTS = Part("faults", 41, "every fault of Gemini's", "tests/e2e/test_faults.py")
LOAD = Part(
    "load",
    60,
    "hundreds of clients at once, and a team of twenty",
    "tests/e2e/test_load.py tests/e2e/test_team_load.py",
)
COVERED = Part(
    "unit",
    490,
    "everything in this process, all of main, proxy and translate covered",
    UNIT,
    COVERAGE,
    after=((sys.executable, "-m", "tests.module_coverage"),),
)
SLOW = (
    "-tests/test_bad_requests.py -tests/test_*_processes.py -tests/test_firestore*.py "
    "-tests/test_packaging.py -tests/test_examples.py -tests/test_benchmark.py"
)
QUICK = Part("unit", 205, "everything in this process", f"{UNIT} {SLOW}")
LOGS = Part("logs", 5, "no key and no prompt in anything that was logged", "tests/test_logs.py")


@dataclass(frozen=True)
class Check:
    """parts: those that take longest first; workers at once. last: when all of them are done."""

    parts: Sequence[Part]
    workers: int
    last: Sequence[Part] = (LOGS,)
    clients: str = "all"

    @property
    def seconds(self) -> float:
        work = sum(part.seconds for part in self.parts)
        longest = max(part.seconds for part in self.parts)
        return max(work / self.workers, longest) + sum(part.seconds for part in self.last)


CHECKS = {
    "quick": Check((QUICK, STYLE), 2, last=()),
    "check": Check((COVERED, RECOVERY, CLIENTS, TEAM, FAULTS, STYLE), 2, clients="newest"),
    "check-all": Check(
        (COVERED, CLOUDS, RECOVERY, CLIENTS, TEAM, LOAD, LIBRARIES, FAULTS, STYLE), 3
    ),
}


@dataclass(frozen=True)
class Result:
    part: Part
    seconds: float
    failed: bool
    output: str

    @property
    def summary(self) -> str:
        """pytest's last words, "" where it did not run."""
        lines = re.findall(r"^=* ?(\d+ \w+.* in [\d.]+s).*$", self.output, re.MULTILINE)
        return lines[-1] if lines else ""

    @property
    def counts(self) -> Counter[str]:
        found = re.findall(r"(\d+) ([a-z]+)", self.summary.partition(" in ")[0])
        return Counter({kind.removesuffix("s"): int(number) for number, kind in found})


def run(part: Part, environ: dict[str, str]) -> Result:
    """A part's commands, up to the first that fails; its result is printed."""
    started = time.monotonic()
    log = FOLDER / f"{part.name}.log"
    with log.open("w") as file:
        failed = any(_fails(command, file, environ) for command in part.commands)
    result = Result(part, time.monotonic() - started, failed, log.read_text(errors="replace"))
    words = "FAILED" if result.failed else "ok"
    print(f"{words:7}{part.name:9}{result.seconds:4.0f} s  {result.summary}", flush=True)
    return result


def _fails(command: Command, log: IO[str], environ: dict[str, str]) -> bool:
    log.flush()
    try:
        ran = subprocess.run(
            command,
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            timeout=HANG_SECONDS,
        )
    except subprocess.TimeoutExpired as problem:
        log.write(f"{problem}\n")
        return True
    return ran.returncode != 0


def check(name: str) -> list[Result]:
    chosen = CHECKS[name]
    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / "written").mkdir(parents=True)
    environ = {
        **os.environ,
        "TEST_OUTPUT": str(FOLDER / "written"),
        "TEST_CLIENTS": chosen.clients,
    }
    print(
        f"make {name} takes up to {chosen.seconds / 60:.0f} minutes on two cores, and longer where"
    )
    print("much else runs there or tools have to be fetched first:")
    for part in (*chosen.parts, *chosen.last):
        print(f"       {part.name:9}{part.seconds:4} s  {part.title}")
    print(flush=True)
    with ThreadPoolExecutor(chosen.workers) as pool:
        results = list(pool.map(lambda part: run(part, environ), chosen.parts))
    return results + [run(part, environ) for part in chosen.last]


def report(results: Sequence[Result], seconds: float) -> int:
    """Prints what failed, what was skipped and which clients were tried; the last line is pytest's,
    for all parts."""
    for result in results:
        if result.failed:
            print(f"\n--- {result.part.name} ---\n{result.output}")
    skipped: Counter[str] = Counter()
    for result in results:
        for number, reason in re.findall(r"^SKIPPED \[(\d+)\] \S+ (.*)$", result.output, re.M):
            skipped[reason] += int(number)
    print("", *(f"{number} skipped: {reason}" for reason, number in skipped.items()), sep="\n")
    outputs = "\n".join(result.output for result in results)
    print(*sorted(set(re.findall(r"^Tested with .*$", outputs, re.M))), sep="\n")
    counts = sum((result.counts for result in results), Counter[str]())
    failed = [result.part.name for result in results if result.failed]
    if failed:
        print(f"FAILED: {', '.join(failed)}; the whole of it is in {FOLDER.relative_to(ROOT)}/")
    told = ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items()))
    print(f"{told} in {seconds:.2f}s")
    return int(bool(failed))


def unlisted() -> list[str]:
    """Test files that `check-all` would not run, or would run twice."""
    runs = Counter(file for part in (*CHECKS["check-all"].parts, LOGS) for file in part.tests)
    there = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/**/test_*.py")}
    return sorted(file for file in there | runs.keys() if runs[file] != 1)


def main() -> int:
    if files := unlisted():
        print(f"Not in exactly one part of tests/check.py: {', '.join(files)}")
        return 1
    started = time.monotonic()
    results = check(sys.argv[1])
    return report(results, time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main())

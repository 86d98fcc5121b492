"""`make bench`: this server beside no server, and beside others that are installed, in some three
minutes. Writes benchmarks/RESULTS.md and docs/benchmark.svg.

An upstream of our own answers at once. The targets run all the time and are measured in turn, in
rounds; the medians of the rounds are shown, and how many times ours they are. Milliseconds are this
machine's: the ratios are the figures to watch, and those of CPU time first.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.servers import LOCAL, ROOT, free_port, wait_for

from . import report
from .client import Answer, ask_at_once, ask_for, ask_in_turn
from .targets import (
    CLIENT_CORE,
    CORES,
    LARGE,
    SMALL,
    Running,
    Target,
    direct,
    litellm,
    ours,
    pin,
    router,
    running,
    spawned,
)

RESULTS, PICTURE = ROOT / "benchmarks/RESULTS.md", ROOT / "docs/benchmark.svg"
CHUNKS = 10
STREAM_CHUNKS, STREAM_PAUSE, STREAM_SPREAD = 60, 0.05, 1.0
"""Seconds: a fast model's stream, and the time in which all are begun."""

CONNECTIONS = 16


class Effort(NamedTuple):
    """Of a round, for each target. seconds: of full load."""

    rounds: int
    small: int
    large: int
    seconds: float
    streams: int


FULL = Effort(3, 80, 20, 3.0, 100)
QUICK = Effort(1, 5, 2, 0.3, 5)
"""To see that it works: too little for figures."""

Values = dict[str, float | None]
"""Name of a metric -> its value, in its unit."""


class Upstream:
    """The upstream's process."""

    def __init__(self, url: str) -> None:
        self.url = url

    def answer(self, chunks: int, seconds: float = 0.0) -> None:
        """From now on, in that many chunks, so far apart."""
        url = f"{self.url}/_answer?chunks={chunks}&seconds={seconds}"
        LOCAL.put(url, timeout=10).raise_for_status()


@contextlib.contextmanager
def upstream(folder: Path) -> Iterator[Upstream]:
    port = free_port()
    command = (sys.executable, "-m", "benchmarks.upstream", str(port))
    with spawned(command, {}, folder / "upstream.log", CLIENT_CORE) as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(process, url)
        yield Upstream(url)


def measure(server: Running, gemini: Upstream, effort: Effort) -> Values:
    """One round of one target."""
    return {
        **_one_by_one(server, gemini, effort),
        **_large(server, gemini, effort),
        **_full_load(server, gemini, effort),
        **_many_streams(server, gemini, effort),
    }


def _one_by_one(server: Running, gemini: Upstream, effort: Effort) -> Values:
    gemini.answer(CHUNKS)
    used = server.cpu()
    answers = asyncio.run(ask_in_turn(server.question(SMALL), effort.small))
    return {
        "first": _median(each.added * 1_000 for each in whole(answers)),
        "cpu": _cpu_each(server, used, len(answers)),
    }


def _large(server: Running, gemini: Upstream, effort: Effort) -> Values:
    gemini.answer(CHUNKS)
    answers = asyncio.run(ask_in_turn(server.question(LARGE), effort.large))
    return {"large": _median(each.added * 1_000 for each in whole(answers))}


def _full_load(server: Running, gemini: Upstream, effort: Effort) -> Values:
    gemini.answer(CHUNKS)
    answers = asyncio.run(ask_for(server.question(SMALL), CONNECTIONS, effort.seconds))
    took = max(each.ended for each in answers) - min(each.sent for each in answers)
    return {"rate": len(whole(answers)) / took}


def _many_streams(server: Running, gemini: Upstream, effort: Effort) -> Values:
    gemini.answer(STREAM_CHUNKS, STREAM_PAUSE)
    question = server.question(SMALL)
    answers = asyncio.run(ask_at_once(question, effort.streams, STREAM_SPREAD))
    good = whole(answers)
    late = sorted((c.read - c.written) * 1_000 for each in good for c in each.chunks)
    return {
        "streams": 100 * len(good) / len(answers),
        "late": late[len(late) * 99 // 100] if late else None,
        "memory": server.memory(),
    }


def whole(answers: Sequence[Answer]) -> list[Answer]:
    """Those that are; what others began with is printed."""
    if failed := Counter(each.head.decode() for each in answers if not each.is_whole):
        print("not complete:", dict(failed), file=sys.stderr, flush=True)
    return [each for each in answers if each.is_whole]


def _median(values: Iterator[float]) -> float | None:
    found = list(values)
    return statistics.median(found) if found else None


def _cpu_each(server: Running, before: float | None, count: int) -> float | None:
    """Milliseconds of CPU for each request."""
    after = server.cpu()
    return None if before is None or after is None else (after - before) / count * 1_000


def run(effort: Effort, with_others: bool) -> dict[str, Values]:
    """All targets -> the medians of their rounds."""
    pin(CLIENT_CORE)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        gemini = stack.enter_context(upstream(folder))
        targets: list[Target | None] = [direct(), ours(gemini.url)]
        if with_others:
            targets += [litellm(gemini.url, folder), router(gemini.url, folder)]
        servers = []
        for number, target in enumerate(filter(None, targets)):
            print(f"starting {target.name}", file=sys.stderr, flush=True)
            log = folder / f"{number}.log"
            servers.append(stack.enter_context(running(target, gemini.url, log)))
        found: dict[str, list[Values]] = {each.target.name: [] for each in servers}
        for number in range(effort.rounds):
            print(f"round {number + 1} of {effort.rounds}", file=sys.stderr, flush=True)
            first = number % len(servers)
            for each in servers[first:] + servers[:first]:
                found[each.target.name].append(measure(each, gemini, effort))
        return {
            each.target.name: {
                "start": each.seconds * 1_000 or None,
                **_medians(found[each.target.name]),
            }
            for each in servers
        }


def _medians(rounds: Sequence[Values]) -> Values:
    return {
        name: _median(value for each in rounds if (value := each[name]) is not None)
        for name in rounds[0]
    }


def machine() -> str:
    """The processor, as Linux names it, cores, system and Python."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
        return f"{names[0] if names else platform.machine()}, {_cores()}, {_system()}"
    return f"{platform.machine()}, {_cores()}, {_system()}"


def _cores() -> str:
    return f"{len(CORES) or os.cpu_count()} cores"


def _system() -> str:
    return f"{platform.system()}, Python {platform.python_version()}"


def versions(with_others: bool) -> list[str]:
    """Of what was measured, in their own words."""
    folder = Path(tempfile.gettempdir())
    others = [litellm("", folder), router("", folder)] if with_others else []
    return [_version(each) for each in (ours(""), *others) if each is not None]


def _version(target: Target) -> str:
    printed = subprocess.run(target.version, cwd=ROOT, capture_output=True, text=True, timeout=120)
    words = printed.stdout.split()
    return f"{target.name} {next((word for word in reversed(words) if word[0].isdigit()), '?')}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="to see that it works: no figures")
    parser.add_argument("--alone", action="store_true", help="without the others")
    parser.add_argument("--write", action="store_true", help=f"{RESULTS.name} and the picture")
    given = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    measured = run(QUICK if given.quick else FULL, not given.alone)
    print(report.table(measured))
    if given.write:
        today = datetime.datetime.now(datetime.UTC).date()
        about = report.About(
            f"{today}", machine(), "make bench WRITE=1", versions(not given.alone), load
        )
        RESULTS.write_text(report.page(about, measured), "utf-8")
        PICTURE.write_text(report.picture(measured), "utf-8")


if __name__ == "__main__":
    main()

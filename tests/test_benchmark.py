"""`make bench`: its method on this machine, without figures, and what it has written."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import __main__ as bench
from benchmarks import report, targets
from benchmarks.client import Client, Question, ask_in_turn
from tests import servers

RESULTS = bench.RESULTS.read_text("utf-8")
HEAD = b"HTTP/1.1 200 OK\r\nX: 0\r\n\r\n"
"""Ends as a body of chunks does."""

TWO = {
    "direct": {"start": None, "first": 0.3, "cpu": None, "streams": 100.0},
    targets.OURS: {"start": 1_984.4, "first": 2.0, "cpu": 2.88, "streams": 100.0},
    "B <&>": {"start": 36_257.0, "first": 24.0, "cpu": 52.9, "streams": None},
}


@pytest.fixture(scope="module")
def gemini(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bench.Upstream]:
    with bench.upstream(tmp_path_factory.mktemp("upstream")) as gemini:
        yield gemini


def test_benchmark_measures_and_prints_a_table() -> None:
    """As a person runs it, in a process of its own: it keeps itself to one core."""
    command = [sys.executable, "-m", "benchmarks", "--quick", "--alone"]
    ran = subprocess.run(
        command, cwd=servers.ROOT, env=servers.clean_environ(), capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    measured = report.read(ran.stdout)
    assert list(measured) == ["direct", targets.OURS]
    assert {measured[name]["streams"] for name in measured} == {100.0}
    assert all(value for name, value in measured[targets.OURS].items() if name not in {"cpu"})


def test_direct_client_adds_next_to_nothing(gemini: bench.Upstream) -> None:
    """The stamps are found, each once, in order, and by one clock."""
    gemini.answer(7, 0.001)
    question = targets.question(targets.direct(), gemini.url, targets.SMALL)
    for answer in asyncio.run(ask_in_turn(question, 3)):
        assert (answer.is_whole, len(answer.chunks)) == (True, 7)
        written = [each.written for each in answer.chunks]
        assert written == sorted(written)
        assert all(answer.sent <= c.received <= c.written <= c.read for c in answer.chunks)
        assert answer.added >= 0


@pytest.mark.parametrize(
    ("sent", "is_whole"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n@1.0 2.0@ message_stop", True),
        (b"HTTP/1.1 200 OK\r\n\r\n@1.0 2.0@ and no end", False),
        (b"HTTP/1.1 200 OK\r\n\r\nmessage_stop, and no text", False),
        (b"HTTP/1.1 529 Busy\r\n\r\n@1.0 2.0@ message_stop", False),
        (b"", False),
    ],
)
def test_answer_counts_only_where_it_is_whole(sent: bytes, is_whole: bool) -> None:
    async def ask() -> bool:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"{}")
            writer.write(sent)
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            client = Client(Question(f"http://127.0.0.1:{port}/", b"{}", {}, b"message_stop"))
            return (await client.ask()).is_whole

    assert asyncio.run(ask()) is is_whole


def test_stamp_in_two_pieces_is_found_once() -> None:
    ours, theirs = socket.socketpair()

    async def ask() -> list[float]:
        client = Client(Question("http://unused.test/", b"", {}, b"end"))
        client._reader, client._writer = await asyncio.open_connection(sock=ours)
        asked = asyncio.create_task(client.ask())
        loop = asyncio.get_running_loop()
        theirs.setblocking(False)
        await loop.sock_recv(theirs, 1_000)
        for piece in (HEAD, b"@1.5 2", b".5@ @3.5 4.5@", b" end\r\n0\r\n\r\n"):
            await loop.sock_sendall(theirs, piece)
            await asyncio.sleep(0)
        answer = await asked
        client.close()
        return [each.written for each in answer.chunks]

    assert asyncio.run(ask()) == [2.5, 4.5]
    theirs.close()


def test_others_are_measured_where_they_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    makers = (targets.litellm, targets.router)
    assert [make("http://gemini.test", tmp_path) for make in makers] == [None, None]
    for name in ("litellm", "ccr"):
        (tmp_path / name).write_text("#!/bin/sh\necho Version 1.2.3 of it\n")
        (tmp_path / name).chmod(0o755)
    found = [make("http://gemini.test", tmp_path) for make in makers]
    assert [each.command(8080)[0] for each in found if each and each.command] == [
        str(tmp_path / name) for name in ("litellm", "ccr")
    ]
    assert "http://gemini.test" in (tmp_path / "litellm.yaml").read_text()
    assert "8080" in (tmp_path / ".claude-code-router/config.json").read_text()


# --- What is written ------------------------------------------------------------------------------


def test_table_has_figures_and_how_many_times_ours() -> None:
    rows = report.table(TWO).splitlines()
    assert rows[0] == "| | direct | gemini-messages | B <&> |"
    assert rows[2] == "| from the start to the first answer, ms | - | 1,984 | 36,257 (18.3) |"
    assert rows[3] == "| added to the first text, ms | 0.30 (0.15) | 2.00 | 24.0 (12.0) |"
    shown = report.read(report.table(TWO))
    assert shown["B <&>"] | TWO["B <&>"] == shown["B <&>"]


def test_picture_shows_what_the_table_says() -> None:
    root = ElementTree.fromstring(report.picture(TWO))
    texts = ["".join(each.itertext()) for each in root if each.tag.endswith("text")]
    assert texts[:5] == [
        *("from the start to the first answer, ms", targets.OURS, "1,984"),
        *("B <&>", "36,257 (18.3 x)"),
    ]
    assert "direct" not in texts


def test_picture_of_the_readme_has_the_figures_of_the_results() -> None:
    assert report.picture(report.read(RESULTS)) == bench.PICTURE.read_text("utf-8")


def test_results_say_when_where_and_how() -> None:
    assert re.search(r"Measured on 20\d\d-\d\d-\d\d with `make bench WRITE=1`: ", RESULTS)
    assert re.search(r"\nMachine: .+, \d+ cores, .+; load of other work \d", RESULTS)
    named = re.findall(r"([\w-]+) \d[\w.]*(?=[,.])", RESULTS.splitlines()[2])
    assert set(report.read(RESULTS)) - {"direct"} <= set(named)

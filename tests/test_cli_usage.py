"""`python -m proxy usage`: tables, CSV and JSON, from a store and from a server."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy import clock
from proxy.cli import http_client, main, usage
from proxy.team.stores.sqlite import SqliteStore
from tests.servers import free_port
from tests.team_stores import closing
from tests.test_team import DAY, NOW
from tests.test_team_usage import ROWS, count

Run = Callable[..., tuple[Any, str, str]]
TABLE = """\
Use of everyone, 2026-10-30 to 2026-11-28

model     requests  errors  input  cached  output   US$  saved  estimated  seconds
hydrogen         4       1  1,000     30%     100  6.00   1.00       0.00      0.1
neon             3       0    101      0%      11  1.00   0.00       0.00      0.0
----------------------------------------------------------------------------------
total            7       1  1,101     27%     111  7.00   1.00       0.00      0.1
"""


@pytest.fixture(autouse=True)
def at_noon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    yield from closing(monkeypatch)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Of a store with ROWS."""
    store = SqliteStore(str(tmp_path / "team.sqlite"))
    count(store, *ROWS)
    return f"sqlite://{tmp_path}/team.sqlite"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit code or the sentence that ends the command, standard output, standard error."""

    def run(*arguments: str, **environ: str) -> tuple[Any, str, str]:
        code: Any
        try:
            code = main.main(["usage", *arguments], environ, lambda: None)
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return run


class Server:
    """In the place of http_client.request."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[Any] = []
        self.status_code = 200
        self.body = b""
        monkeypatch.setattr(http_client, "request", self._request)
        monkeypatch.setattr(http_client, "reads", lambda _: [self.body[:9], self.body[9:]])

    def _request(self, *arguments: Any) -> Any:
        self.asked.append(arguments)
        return self

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(monkeypatch)


def test_table_is_aligned_and_has_a_total(run: Run, url: str) -> None:
    assert run("--by", "model", PROXY_STORE=url) == (0, TABLE, "")


def test_class_that_is_not_known_is_a_dash(run: Run, url: str) -> None:
    output = run("--by", "class", PROXY_STORE=url)[1]
    assert [line.split()[0] for line in output.splitlines()[3:-2]] == ["-", "main", "subagent"]


def test_person_and_days_are_chosen(run: Run, url: str) -> None:
    output = run("--by", "day", "--person", "alice", "--since", "2026-11-28", PROXY_STORE=url)[1]
    assert output.startswith("Use of alice, 2026-11-28 to 2026-11-28\n")
    assert [line.split()[:2] for line in output.splitlines()[3:4]] == [[DAY, "2"]]


def test_nothing_used(run: Run, url: str) -> None:
    assert run("--person", "nobody", PROXY_STORE=url)[1].endswith(f"\n\n{usage.NOTHING}\n")


def test_csv_has_a_head_and_whole_figures(run: Run, url: str) -> None:
    output = run("--format", "csv", PROXY_STORE=url)[1]
    head, alice, bob = csv.reader(io.StringIO(output))
    assert head == [
        *("person", "requests", "errors", "input", "cached", "output"),
        *("usd", "saved_usd", "estimated_usd", "mean_ms"),
    ]
    assert alice == ["alice", "5", "1", "1100", "300", "110", "7", "1", "0.000000007", "100"]
    assert bob[:7] == ["bob", "2", "0", "1", "0", "1", "0.000000005"]


def test_json_is_the_servers_answer(run: Run, url: str) -> None:
    report = json.loads(run("--format", "json", PROXY_STORE=url)[1])
    assert report["by"].keys() == {"person", "model", "day", "class"}
    assert (report["person"], report["total"]["usd"]) == ("*", 7.000000005)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), usage.NO_STORE),
        (("--url", "https://host"), usage.NO_TOKEN),
    ],
)
def test_settings_that_are_missing(run: Run, arguments: tuple[str, ...], sentence: str) -> None:
    for environ in ({}, {"PROXY_SECRET": "s" * 32}):
        assert run(*arguments, **environ) == (sentence, "", "")


def test_span_that_cannot_be_read(run: Run, url: str) -> None:
    assert str(run("--since", "soon", PROXY_STORE=url)[0]).startswith("since: expected days like")


def test_store_that_is_down_is_a_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "damaged").write_bytes(b"no database" * 100)
    ended = run(PROXY_STORE=f"sqlite://{tmp_path}/damaged")
    assert ended == ("The store cannot be asked: SQLite: file is not a database.", "", "")


# --- A server ----------------------------------------------------------------------------------


def test_server_is_asked_by_the_token(run: Run, url: str, server: Server) -> None:
    report = json.loads(run("--format", "json", PROXY_STORE=url)[1])
    server.body = json.dumps({**report, "scope": "instance"}).encode()
    asking = ("--url", "https://host/", "--by", "model", "--person", "*")
    code, output, error = run(*asking, ANTHROPIC_AUTH_TOKEN="gmp_secret")
    assert (code, error) == (0, "")
    first, rest = output.split("\n", 1)
    assert first == "Use of everyone (by one instance of the server), 2026-10-30 to 2026-11-28"
    assert rest == TABLE.split("\n", 1)[1]
    ((method, address, seconds, headers),) = server.asked
    assert (method, address) == ("GET", "https://host/usage.json?since=30d&person=%2A")
    assert (seconds, headers) == (usage.SECONDS, {"Authorization": "Bearer gmp_secret"})


@pytest.mark.parametrize(
    ("address", "is_warned"),
    [
        ("http://team-server:8080", True),
        ("http://192.168.1.9:8080", True),
        ("http://localhost.evil.example", True),
        ("https://host", False),
        ("http://127.0.0.1:8080", False),
        ("http://[::1]:8080", False),
    ],
)
def test_token_in_clear_text_is_warned_of(
    run: Run, url: str, server: Server, address: str, is_warned: bool
) -> None:
    """Before it is sent; nothing of it stands in the warning."""
    server.body = run("--format", "json", PROXY_STORE=url)[1].encode()
    code, output, error = run("--url", address, ANTHROPIC_AUTH_TOKEN="gmp_secret")
    assert (code, output[:15]) == (0, "Use of everyone")
    assert error.startswith("WARNING: ") == bool(error) == is_warned
    assert "gmp_secret" not in error


def test_refusal_of_a_server_is_shown(run: Run, server: Server) -> None:
    server.status_code = 403
    server.body = json.dumps({"error": {"message": "Not\x1b[2J an operator." + "x" * 999}}).encode()
    code, output, error = run("--url", "https://host", ANTHROPIC_AUTH_TOKEN="gmp_secret")
    assert (str(code)[:22], output, error) == ("Not?[2J an operator.xx", "", "")
    assert len(str(code)) == usage.MAX_SENTENCE


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"total": 1, "by": {"person": [1]}}',
        b'{"person": "a", "since": "x", "until": "2026-11-28"}',
        b'{"person": "a", "since": "2026-11-28", "until": "2026-11-28", "total": {"usd": "1"}}',
        b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("status", [200, 404])
def test_answer_that_is_no_report(run: Run, server: Server, status: int, body: bytes) -> None:
    server.status_code, server.body = status, body
    ended = run("--url", "https://host", ANTHROPIC_AUTH_TOKEN="gmp_secret")
    assert ended == (usage.NO_REPORT, "", "")


@pytest.mark.parametrize("url", ["ftp://host", "http://[", "http://é..x", ""])
def test_url_is_one(run: Run, url: str) -> None:
    code, output, error = run("--url", url, ANTHROPIC_AUTH_TOKEN="gmp_secret")
    assert (code, output) == (2, "")
    assert "--url: expected a base URL like https://host" in error


def test_server_that_is_not_there_is_a_sentence(run: Run) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    code, output, error = run("--url", address, ANTHROPIC_AUTH_TOKEN="gmp_secret")
    assert (code, output) == (1, "")
    assert re.fullmatch(r"127\.0\.0\.1:\d+ could not be reached: connection refused\.\n", error)
    assert "gmp_secret" not in error

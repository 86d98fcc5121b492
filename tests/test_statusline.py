"""proxy/web/statusline.py: one line about a budget, in time or not at all."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from proxy.web import statusline
from proxy.web.statusline import render, status_line
from tests.servers import ROOT

NOW = 1_796_000_000.0
TOKEN = "s3cret-token"
SCRIPT = ROOT / "proxy/web/statusline.py"


def budget(used: float, limit: float | None, name: str = "usd_per_day", **more: str) -> Any:
    return {"person": "alice", "budget": name, "used": used, "limit": limit, **more}


def report(*budgets: Any) -> Any:
    return {"total": {"usd": 4.114}, "budgets": list(budgets)}


FOUR_OF_FIVE = report(budget(4.114, 5.0))
LINE = "$4.11 of $5.00 today (82 %)"


class Server:
    """Answers what is set, and keeps what it was sent."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answer: Any = FOUR_OF_FIVE
        self.status = 200
        self.location = ""
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.got: list[tuple[str, str | None]] = []


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.got.append((self.path, self.headers["Authorization"]))
            server.may_answer.wait()
            self.send_response(server.status)
            if server.location:
                self.send_header("Location", server.location)
            self.end_headers()
            self.wfile.write(json.dumps(server.answer).encode())

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                """Who asked has left."""

        def log_message(self, *_: Any) -> None:
            return

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{http.server_port}")
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.may_answer.set()
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def environ(server: Server, tmp_path: Path) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": server.url,
        "ANTHROPIC_AUTH_TOKEN": TOKEN,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (FOUR_OF_FIVE, LINE),
        (report(budget(1, 5), budget(30, 40, "usd_per_week")), "$30.00 of $40.00 this week (75 %)"),
        (
            report(budget(1, 5), {**budget(1_234.5, 2_000, "usd_per_month"), "group": "co\x1bre"}),
            "$1,234.50 of $2,000.00 this month (61 %, group core)",
        ),
        (report(budget(2, None), budget(99, 100, "tokens_per_day"), budget(0, 0)), "$4.11 today"),
        (report(), "$4.11 today"),
    ],
)
def test_line_is_of_the_fullest_budget(found: Any, line: str) -> None:
    assert render(found) == line


def test_server_is_asked_once_a_minute(server: Server, environ: dict[str, str]) -> None:
    assert status_line(environ, NOW) == LINE
    server.answer = report(budget(5, 5))
    assert status_line(environ, NOW + 59) == LINE
    assert server.got == [("/usage.json?since=1d", f"Bearer {TOKEN}")]
    assert status_line(environ, NOW + 60) == "$5.00 of $5.00 today (100 %)"
    assert status_line(environ, NOW - 9) != "", "a clock that was put back"
    assert len(server.got) == 3


def test_another_token_has_a_line_of_its_own(server: Server, environ: dict[str, str]) -> None:
    status_line(environ, NOW)
    server.answer = report()
    key = {"ANTHROPIC_AUTH_TOKEN": "", "ANTHROPIC_API_KEY": "another"}
    assert status_line({**environ, **key}, NOW) == "$4.11 today"
    assert server.got[1][1] == "Bearer another"


@pytest.mark.parametrize("end", ["/", "/v1", "/v1/"])
def test_base_url_may_have_an_end(server: Server, environ: dict[str, str], end: str) -> None:
    assert status_line({**environ, "ANTHROPIC_BASE_URL": f"{server.url}{end}"}, NOW) == LINE


def test_line_is_kept_for_its_owner_alone(environ: dict[str, str], tmp_path: Path) -> None:
    status_line(environ, NOW)
    (path,) = (tmp_path / "cache").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert TOKEN not in path.name + path.read_text()


def test_home_has_the_cache_by_default(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    del environ["XDG_CACHE_HOME"]
    assert status_line(environ, NOW) == LINE
    assert len([*(tmp_path / ".cache").iterdir()]) == 1


@pytest.mark.parametrize("name", ["ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN"])
def test_nobody_is_asked_without_a_server_and_a_token(
    server: Server, environ: dict[str, str], name: str
) -> None:
    assert status_line({**environ, name: ""}, NOW) == ""
    assert server.got == []


@pytest.mark.parametrize("status", [401, 404, 503])
def test_error_is_no_line_and_is_not_repeated(
    server: Server, environ: dict[str, str], status: int
) -> None:
    server.status = status
    assert [status_line(environ, NOW + second) for second in (0, 1)] == ["", ""]
    assert len(server.got) == 1


def test_old_line_is_shown_for_a_while(server: Server, environ: dict[str, str]) -> None:
    status_line(environ, NOW)
    server.status = 503
    assert status_line(environ, NOW + 599) == LINE
    assert status_line(environ, NOW + 700) == ""


def test_slow_server_is_waited_for_a_second(
    server: Server, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.may_answer.clear()
    monkeypatch.setattr(statusline, "WAIT_SECONDS", 0.05)
    assert status_line(environ, NOW) == ""


def test_token_follows_no_redirect(server: Server, environ: dict[str, str]) -> None:
    server.status, server.location = 302, f"{server.url}/elsewhere"
    assert status_line(environ, NOW) == ""
    assert [path for path, _ in server.got] == ["/usage.json?since=1d"]


def test_answer_that_is_none_is_no_line(server: Server, environ: dict[str, str]) -> None:
    server.answer = {"budgets": [{"budget": "usd_per_day", "limit": "much", "used": 1}]}
    assert status_line(environ, NOW) == ""


@pytest.mark.parametrize("text", ["", "{", "[]", '{"asked": "x"}'])
def test_damaged_cache_is_asked_anew(environ: dict[str, str], tmp_path: Path, text: str) -> None:
    status_line(environ, NOW)
    (path,) = (tmp_path / "cache").iterdir()
    path.write_text(text)
    assert status_line(environ, NOW + 1) == LINE


def test_disk_that_takes_nothing_is_no_error(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert status_line({**environ, "XDG_CACHE_HOME": str(tmp_path / "file")}, NOW) == LINE


def test_main_prints_the_line_or_nothing(
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    statusline.main()
    assert capsys.readouterr() == (f"{LINE}\n", "")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "")
    statusline.main()
    assert capsys.readouterr() == ("", "")


def test_script_stands_alone(environ: dict[str, str], tmp_path: Path) -> None:
    """Somewhere else, with what Claude Code writes into it; by Python 3.8's grammar."""
    copied = tmp_path / "copied.py"
    copied.write_text(SCRIPT.read_text())
    ast.parse(copied.read_text(), feature_version=(3, 8))
    command = [sys.executable, "-I", str(copied)]
    run = subprocess.run(
        command,
        input=b'{"model": {}}' * 10_000,
        env={**environ, "no_proxy": "127.0.0.1"},
        capture_output=True,
    )
    assert (run.returncode, run.stdout.decode(), run.stderr) == (0, f"{LINE}\n", b"")


def test_server_gives_the_script_to_anybody(make_client: Callable[..., FlaskClient]) -> None:
    answer = make_client(PROXY_TOKEN="token").get("/statusline.py")
    assert answer.status_code == 200
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.data == SCRIPT.read_bytes()


def test_readme_and_script_say_how_it_is_set_up() -> None:
    readme = (ROOT / "README.md").read_text()
    lines = [line for line in SCRIPT.read_text().splitlines() if line.startswith("    curl ")]
    lines += [line for line in SCRIPT.read_text().splitlines() if line.startswith('    {"status')]
    assert len(lines) == 2
    for line in lines:
        assert line in readme

"""proxy/cli/fixes.py: commands that can be pasted, for bash and for PowerShell."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from proxy.cli import fixes
from proxy.cli.fixes import for_shell
from tests.crosses import is_command

ALL = [
    *(fixes.AGAIN, fixes.INSTALL_CLAUDE, fixes.GOOGLE_LOGIN, fixes.NTP_CLOCK, fixes.DEBIAN_PYTHON),
    *fixes.CLOCK.values(),
    *fixes.PYTHON.values(),
    *fixes.OF_CAUSES.values(),
    *(fixes.see_log(host, "https://x/") for host in ("a.run.app", "a.on.aws", "127.0.0.1")),
    *(fixes.edit(Path("/a folder/x.json"), is_managed=managed) for managed in (False, True)),
    fixes.unset(["A", "B"]),
]


@pytest.mark.parametrize("fix", ALL)
def test_fix_is_a_command(fix: str) -> None:
    assert is_command(fix)
    assert subprocess.run(["bash", "-n", "-c", fix]).returncode == 0


@pytest.mark.parametrize(
    "fix",
    ["", "set the clock", "export A=...", "curl https://x (see also y)", "curl https://<host>"],
)
def test_sentence_and_placeholder_are_none(fix: str) -> None:
    assert not is_command(fix)


@pytest.mark.parametrize(
    ("fix", "expected"),
    [
        (fixes.extend("NO_PROXY", "a,b", {}), '$env:NO_PROXY = "a,b"'),
        (fixes.extend("NO_PROXY", "a,b", {"NO_PROXY": "x"}), '$env:NO_PROXY = "$env:NO_PROXY,a,b"'),
        (fixes.ask("A_KEY"), '$env:A_KEY = Read-Host "A_KEY"'),
        ("unset ANTHROPIC_API_KEY", "Remove-Item Env:ANTHROPIC_API_KEY"),
        ("unset A B", "Remove-Item Env:A, Env:B"),
        ("curl -v https://x/", "curl.exe -v https://x/"),
        (fixes.AGAIN, "Start-Sleep 60; python -m proxy doctor"),
        (fixes.edit(Path("/a b"), is_managed=True), "notepad '/a b'"),
        (fixes.edit(Path("/a")), "notepad /a"),
        ("claude update", "claude update"),
    ],
)
def test_fix_is_in_the_form_of_the_shell(fix: str, expected: str) -> None:
    assert for_shell(fix, "nt") == expected
    assert for_shell(fix, "posix") == fix


@pytest.mark.parametrize(("before", "after"), [("x.test", "x.test,a,b"), ("", "a,b")])
def test_list_is_extended_behind_what_it_has(before: str, after: str) -> None:
    environ = {"NO_PROXY": before}
    script = f'{fixes.extend("NO_PROXY", "a,b", environ)} && printf %s "$NO_PROXY"'
    ran = subprocess.run(["bash", "-c", script], env=environ, capture_output=True, text=True)
    assert ran.stdout == after


def test_secret_is_typed_and_not_shown() -> None:
    script = f"{fixes.ask('A_KEY')} && env"
    ran = subprocess.run(["bash", "-c", script], input="s3cret\n", capture_output=True, text=True)
    assert "A_KEY=s3cret" in ran.stdout.splitlines()

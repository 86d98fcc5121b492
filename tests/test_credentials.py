"""proxy/cli/credentials.py: a person's key, kept where nobody else reads it."""

from __future__ import annotations

import stat
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import credentials

KEY = "AIzaSy-test-key"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(tmp_path / "config")}


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is typed at the terminal, in turn."""
    typed: list[str] = []
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("getpass.getpass", lambda prompt: typed.pop(0))
    return typed


class Ring:
    """A key ring. backend: what `keyring` says it keeps things in."""

    def __init__(self, backend: object) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self._backend = backend

    def get_keyring(self) -> object:
        return self._backend

    def get_password(self, service: str, account: str) -> str | None:
        return self.kept.get((service, account))

    def set_password(self, service: str, account: str, value: str) -> None:
        self.kept[service, account] = value

    def delete_password(self, service: str, account: str) -> None:
        del self.kept[service, account]


class NoRing:
    """The class of keyring's backend that keeps nothing."""


def install_ring(monkeypatch: pytest.MonkeyPatch, backend: object) -> Ring:
    ring = Ring(backend)
    fail = types.ModuleType("keyring.backends.fail")
    fail.Keyring = NoRing  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", ring)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "keyring.backends", types.ModuleType("backends"))
    monkeypatch.setitem(sys.modules, "keyring.backends.fail", fail)
    return ring


@pytest.fixture(autouse=True)
def no_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)  # type: ignore[arg-type]


def test_key_in_the_environment_goes_first(environ: dict[str, str]) -> None:
    credentials.keep_key("kept", environ)
    assert credentials.find_key({**environ, "GEMINI_API_KEY": f" {KEY} "}) == KEY
    assert credentials.find_key(environ) == "kept"


def test_key_is_asked_for_once_and_kept(
    environ: dict[str, str], terminal: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert credentials.find_key(environ) == ""
    terminal.append(f" {KEY} ")
    assert credentials.ask_for_key(environ) == KEY
    assert credentials.find_key(environ) == KEY
    shown = capsys.readouterr()
    assert KEY not in shown.out + shown.err
    assert "--forget" in shown.err


def test_file_is_the_persons_alone(environ: dict[str, str]) -> None:
    for key in ("first", KEY):
        credentials.keep_key(key, environ)
    path = credentials.key_file(environ)
    assert path.read_text() == f"{KEY}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["key"]


def test_key_is_forgotten(environ: dict[str, str]) -> None:
    credentials.keep_key(KEY, environ)
    assert credentials.forget_key(environ)
    assert credentials.find_key(environ) == ""
    assert not credentials.forget_key(environ)


@pytest.mark.parametrize("typed", ["", " ", "schlüssel", "a\tb", "a b", '""', "sk-ant-api03-x"])
def test_what_is_no_key_is_asked_for_again(
    typed: str,
    environ: dict[str, str],
    terminal: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal += [typed, typed, KEY]
    assert credentials.ask_for_key(environ) == KEY
    shown = capsys.readouterr().err
    problem = "a key of Anthropic's" if typed.startswith("sk-ant-") else "That is no key."
    assert shown.count(problem) == 2
    assert typed not in shown or typed in ("", " ", '""')


def test_whoever_has_no_key_is_not_asked_for_ever(
    environ: dict[str, str], terminal: list[str]
) -> None:
    terminal += ["", "", ""]
    with pytest.raises(SystemExit) as end:
        credentials.ask_for_key(environ)
    assert end.value.code == 1
    assert credentials.find_key(environ) == ""


def test_ctrl_d_at_the_question_ends_it(
    environ: dict[str, str], terminal: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", end)
    with pytest.raises(SystemExit, match="no key"):
        credentials.ask_for_key(environ)


@pytest.mark.parametrize("typed", [f'"{KEY}"', f"'{KEY}'", f' "{KEY}" \r'])
def test_quotes_around_a_key_are_no_part_of_it(
    typed: str, environ: dict[str, str], terminal: list[str]
) -> None:
    terminal.append(typed)
    assert credentials.ask_for_key(environ) == KEY


def test_key_that_cannot_be_kept_is_used(
    environ: dict[str, str],
    terminal: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "config").write_text("a file is in the way")
    terminal.append(KEY)
    assert credentials.ask_for_key(environ) == KEY
    shown = capsys.readouterr().err
    assert "not kept" in shown
    assert KEY not in shown


def test_file_that_is_no_text_is_no_key(environ: dict[str, str]) -> None:
    credentials.keep_key(KEY, environ)
    credentials.key_file(environ).write_bytes(b"\xff\xfe")
    assert credentials.find_key(environ) == ""


def test_without_a_terminal_nobody_is_asked(environ: dict[str, str]) -> None:
    with pytest.raises(SystemExit, match="Set GEMINI_API_KEY"):
        credentials.ask_for_key(environ)


def test_key_ring_is_used_where_there_is_one(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = install_ring(monkeypatch, object())
    assert credentials.find_key(environ) == ""
    assert credentials.keep_key(KEY, environ) == "the system's key ring"
    assert list(ring.kept.values()) == [KEY]
    assert credentials.find_key(environ) == KEY
    assert not credentials.key_file(environ).exists()
    assert credentials.forget_key(environ)
    assert not credentials.forget_key(environ)


def test_key_ring_that_fails_is_passed_over(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise OSError("locked")

    ring = install_ring(monkeypatch, object())
    for name in ("get_password", "set_password", "delete_password"):
        monkeypatch.setattr(ring, name, fail)
    credentials.keep_key(KEY, environ)
    assert credentials.find_key(environ) == KEY
    assert credentials.forget_key(environ)


def test_key_ring_that_keeps_nothing_is_passed_over(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As keyring's own `null`, by which it is switched off."""
    ring = install_ring(monkeypatch, object())
    monkeypatch.setattr(ring, "set_password", lambda *_: None)
    assert credentials.keep_key(KEY, environ) == str(credentials.key_file(environ))
    assert credentials.find_key(environ) == KEY


def test_key_ring_that_is_badly_configured_is_none(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("no backend of that name")

    ring = install_ring(monkeypatch, object())
    monkeypatch.setattr(ring, "get_keyring", fail)
    assert credentials.find_key(environ) == ""


def test_key_ring_without_a_place_is_none(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = install_ring(monkeypatch, NoRing())
    credentials.keep_key(KEY, environ)
    assert ring.kept == {}
    assert credentials.key_file(environ).exists()


@pytest.mark.parametrize(
    ("platform", "environ", "path"),
    [
        ("linux", {"XDG_CONFIG_HOME": "/x"}, "/x/gemini-messages/key"),
        ("linux", {}, f"{Path.home()}/.config/gemini-messages/key"),
        ("win32", {"APPDATA": "/a"}, "/a/gemini-messages/key"),
        ("win32", {}, f"{Path.home()}/AppData/Roaming/gemini-messages/key"),
    ],
)
def test_file_stands_where_the_system_keeps_such(
    platform: str, environ: dict[str, str], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    assert str(credentials.key_file(environ)) == path

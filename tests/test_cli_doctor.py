"""proxy/cli/doctor.py and checks.py: each check once as it should be, and once as it should not."""

from __future__ import annotations

import json
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from proxy import clock, config, telemetry
from proxy.cli import checks, client_checks, doctor, fixes, main
from proxy.cli.findings import Finding, Status, good
from proxy.config import read
from tests import servers
from tests.crosses import crosses
from tests.servers import Emulator
from translate import ApiError, Cause
from translate.models import CHECKED

__all__ = ["crosses"]

FREE = {
    "code": 429,
    "status": "RESOURCE_EXHAUSTED",
    "message": "Quota exceeded for metric: generate_content_free_tier_requests, limit: 0",
}
PAID = {**FREE, "message": "Quota exceeded for metric: generate_content_paid_tier_requests"}
ANSWER = {"repeat": True, "chunks": [{"text": "Hello"}]}


@pytest.fixture(autouse=True)
def environ(
    emulator: Emulator, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The settings of a healthy machine, without Claude Code."""
    monkeypatch.setattr(clock, "today", lambda: CHECKED)
    monkeypatch.setattr(client_checks, "MANAGED_ELSEWHERE", str(tmp_path / "managed.json"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", *config.CA_VARIABLES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return {
        "GEMINI_ENDPOINT": emulator.url,
        "GEMINI_API_KEY": key,
        "PROXY_LISTEN_ADDR": f"127.0.0.1:{servers.free_port()}",
        "XDG_CONFIG_HOME": str(tmp_path),
        "PATH": str(tmp_path),
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:8080",
    }


def examine(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str], code: int = 1
) -> dict[str, Any]:
    """Name -> finding, of the whole command."""
    assert main.main(["doctor", "--json"], environ, lambda: None) == code
    text = capsys.readouterr().out
    for name in doctor.SECRETS:
        assert not environ.get(name) or environ[name] not in text
    report = json.loads(text)
    assert report["ok"] is (code == 0)
    return {each["name"]: each for each in report["checks"]}


def install_claude(folder: Path, output: str = "2.1.332 (Claude Code)") -> None:
    program = folder / "claude"
    program.write_text(f"#!/bin/sh\necho '{output}'\n")
    program.chmod(0o755)


def gemini(environ: dict[str, str]) -> checks.GeminiChecks:
    return checks.GeminiChecks(read(environ), environ)


def test_healthy_machine_has_no_cross(
    environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install_claude(tmp_path)
    found = examine(environ, capsys, code=0)
    assert list(found) == [
        *("python", "settings", "port", "name look-up", "HTTP proxy", "certificates"),
        *("clock", "endpoint", "key", "tier", "gemini-4-hydrogen", "gemini-3.5-flash-lite"),
        *("claude code", "its settings"),
    ]
    assert {each["status"] for each in found.values()} == {"ok"}
    assert found["tier"]["detail"] == "paid: gemini-4-carbon answers, too"


def test_refused_key_leaves_the_rest_unchecked(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = examine({**environ, "GEMINI_API_KEY": "bad-s3cret"}, capsys)
    assert found["key"]["detail"].startswith("Google refused the API key: ")
    assert found["key"]["fix"] == fixes.ask("GEMINI_API_KEY")
    assert found["tier"]["status"] == found["gemini-4-hydrogen"]["status"] == "not checked"
    assert found["claude code"]["fix"] == fixes.INSTALL_CLAUDE


def test_unknown_name_of_the_endpoint(
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def look_up(host: str, *_: object, **__: object) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    found = examine({**environ, "GEMINI_ENDPOINT": "http://name.invalid"}, capsys)
    assert found["name look-up"]["detail"] == "name.invalid: Name or service not known"
    assert found["name look-up"]["fix"] == "nslookup name.invalid"
    assert found["endpoint"]["detail"] == "name.invalid could not be reached: name not known."
    assert found["clock"]["status"] == found["key"]["status"] == "not checked"


def test_bad_setting_is_said(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    found = examine({**environ, "THREADS": "many"}, capsys)
    assert found["settings"]["detail"].startswith("THREADS: expected a whole number")
    assert found["settings"]["fix"] == "unset THREADS"
    assert found["gemini"]["status"] == "not checked"


def test_person_reads_lines(
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    findings = [good("python", "3.13"), Finding("key", Status.BAD, "refused", "export KEY=...")]
    monkeypatch.setattr(doctor, "check_here", lambda environ: iter(findings))
    assert main.main(["doctor"], environ, lambda: None) == 1
    assert capsys.readouterr().out.splitlines() == [
        "✓ python                 3.13",
        "✗ key                    refused",
        "                         -> export KEY=...",
        "",
        "1 of 2 checks failed.",
    ]
    del findings[1]
    assert main.main(["doctor"], environ, lambda: None) == 0
    assert capsys.readouterr().out.endswith("\nNothing is wrong.\n")


@pytest.mark.parametrize(("no_color", "mark"), [("", "\x1b[32mok\x1b[0m"), ("1", "ok")])
def test_marks_are_what_the_terminal_can_show(
    no_color: str, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal:
        encoding = "cp1252"

        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setattr(config, "no_color", lambda: bool(no_color))
    monkeypatch.setattr(sys, "stdout", Terminal())
    line = doctor._line(good("python", "3.13"))
    monkeypatch.undo()
    assert line.startswith(f"{mark} python")


# --- One by one -----------------------------------------------------------------------------------


def test_old_python_is_a_cross() -> None:
    assert checks.check_python((3, 10, 2)).status is Status.BAD


def test_slips_in_settings_are_a_cross() -> None:
    found = checks.check_slips({"PROXY_TOKNE": "x"})
    assert (found.status, "PROXY_TOKNE" in found.detail) == (Status.BAD, True)
    assert found.fix == "unset PROXY_TOKNE"
    found = checks.check_slips({"PROXY_TOKNE": "x", "PROXY_X": "", "GEMINI_API_KEY": "'k'"})
    assert found.fix == "unset PROXY_TOKNE PROXY_X"
    assert checks.check_slips({"GEMINI_API_KEY": "'k'"}).fix == fixes.ask("GEMINI_API_KEY")


@pytest.mark.parametrize("is_installed", [True, False])
def test_collector_without_an_sdk_is_a_cross(
    environ: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    is_installed: bool,
) -> None:
    install_claude(tmp_path)
    monkeypatch.setattr(telemetry, "is_installed", lambda: is_installed)
    environ[telemetry.VARIABLE] = "http://127.0.0.1:4318"
    finding = examine(environ, capsys, 0 if is_installed else 1)["telemetry"]
    assert finding["status"] == ("ok" if is_installed else "failed")
    assert finding["fix"] == ("" if is_installed else telemetry.INSTALL)


def test_taken_port_is_a_cross(environ: dict[str, str], emulator: Emulator) -> None:
    environ["PROXY_LISTEN_ADDR"] = emulator.url.removeprefix("http://")
    found = checks.check_port(read(environ))
    assert found.status is Status.BAD
    assert "another program has it" in found.detail
    assert found.fix == "export PROXY_LISTEN_ADDR=127.0.0.1:8081"


def test_port_of_a_running_server_is_fine(environ: dict[str, str], proxy: str) -> None:
    environ["PROXY_LISTEN_ADDR"] = proxy.removeprefix("http://")
    assert "gemini-messages 0.1.0 listens there" in checks.check_port(read(environ)).detail


def test_name_that_is_none_is_a_cross() -> None:
    assert checks.check_name(f"http://{'a' * 64}.invalid").status is Status.BAD


def test_http_proxy_is_shown_without_its_password() -> None:
    environ = {"HTTPS_PROXY": "http://me:s3cret@proxy.example:3128"}
    found = checks.check_http_proxy("https://x.example", environ)
    assert found == good("HTTP proxy", "http://proxy.example:3128 (HTTPS_PROXY)")
    assert checks.check_http_proxy("https://127.0.0.1", environ).detail == "none"
    with pytest.raises(config.BadSetting):
        checks.check_http_proxy("https://x.example", {"HTTPS_PROXY": "socks5://x"})


def test_name_of_the_http_proxy_is_looked_up(environ: dict[str, str]) -> None:
    environ |= {"GEMINI_ENDPOINT": "https://x.example", "HTTPS_PROXY": "proxy.example:3128"}
    assert gemini(environ).way_url() == "http://proxy.example:3128"
    environ["HTTPS_PROXY"] = "http://proxy.example:3128"
    assert gemini(environ).way_url() == "http://proxy.example:3128"


def test_certificates_that_cannot_be_read_are_a_cross(tmp_path: Path) -> None:
    with pytest.raises(config.BadSetting, match="cannot be read"):
        checks.check_certificates({"REQUESTS_CA_BUNDLE": str(tmp_path / "none.pem")})


@pytest.mark.parametrize(
    ("ahead", "status", "detail"),
    [
        (0, Status.GOOD, "agrees with the endpoint's"),
        (900, Status.BAD, "15 minutes ahead of the endpoint's"),
        (-900, Status.BAD, "15 minutes behind the endpoint's"),
    ],
)
def test_clock_is_compared_with_the_endpoints(
    ahead: int, status: Status, detail: str, environ: dict[str, str]
) -> None:
    checked = gemini(environ)
    assert checked.reach().status is Status.GOOD
    found = checked.check_clock(time.time() + ahead)
    assert (found.status, found.detail) == (status, detail)


def test_missing_key_is_a_cross(environ: dict[str, str]) -> None:
    environ["GEMINI_API_KEY"] = ""
    assert gemini(environ).check_key().detail.startswith("none found; ")
    environ["ANTHROPIC_AUTH_TOKEN"] = "somebody-elses"
    assert gemini(environ).check_key().detail.startswith("none found; ")
    environ["ANTHROPIC_AUTH_TOKEN"] = "AIza-a-key"
    assert gemini(environ).check_key() == good("key", "accepted")


def test_each_of_several_keys_is_tried(environ: dict[str, str]) -> None:
    environ["GEMINI_API_KEY"] = "test-a,test-b"
    assert gemini(environ).check_key() == good("key", "all accepted")
    environ["GEMINI_API_KEY"] = "test-a,bad-b"
    with pytest.raises(ApiError, match="Google refused") as caught:
        gemini(environ).check_key()
    assert caught.value.message.startswith("key 2 of 2: ")


def test_key_is_good_where_the_model_is_not(environ: dict[str, str]) -> None:
    environ["ANTHROPIC_MODEL"] = "models/gemini-0-none"
    assert gemini(environ).check_key() == good("key", "accepted")


@pytest.mark.parametrize(
    ("reply", "status", "detail"),
    [
        (ANSWER, Status.GOOD, "paid: gemini-4-carbon answers, too"),
        ({"status": FREE}, Status.GOOD, "free: gemini-4-carbon is not part of it"),
        ({"status": PAID}, Status.GOOD, "paid (its quota is used up at the moment)"),
        (
            {"status": {"code": 503, "status": "UNAVAILABLE", "message": "Overloaded."}},
            Status.UNKNOWN,
            "unknown: gemini-4-carbon was asked, and Overloaded.",
        ),
    ],
)
def test_tier_is_what_a_paid_model_answers(
    reply: Any,
    status: Status,
    detail: str,
    environ: dict[str, str],
    emulator: Emulator,
    key: str,
) -> None:
    emulator.script(key, reply)
    checked = gemini(environ)
    checked.check_key()
    found = checked.check_tier()
    assert (found.status, found.detail) == (status, detail)


def test_vertex_is_paid_and_has_no_key(environ: dict[str, str]) -> None:
    settings = read({**environ, "GEMINI_BACKEND": "vertex"})
    assert checks.GeminiChecks(settings, environ).check_tier().detail.startswith("paid: Vertex")
    assert checks._find_keys(settings, environ) == [("", "")]


def test_models_are_those_that_a_session_meets(environ: dict[str, str]) -> None:
    environ |= {
        "CLAUDE_CODE_SUBAGENT_MODEL": "gemini-3.6-flash",
        "PROXY_AUTO_MODE_MODEL": "gemini-3.8-flash",
        "GEMINI_FALLBACK_MODELS": "gemini-3.8-flash,gemini-4-carbon",
    }
    assert gemini(environ).models() == {
        "gemini-4-hydrogen": "ANTHROPIC_DEFAULT_OPUS_MODEL",
        "gemini-3.5-flash-lite": "ANTHROPIC_DEFAULT_HAIKU_MODEL",
        "gemini-3.6-flash": "CLAUDE_CODE_SUBAGENT_MODEL",
        "gemini-3.8-flash": "PROXY_AUTO_MODE_MODEL",
        "gemini-4-carbon": "GEMINI_FALLBACK_MODELS",
    }


def test_vertex_wants_a_login(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> Finding:
        raise ApiError(401, "No Google Cloud credentials found", cause=Cause.KEY)

    monkeypatch.setattr(checks.GeminiChecks, "check_key", fail)
    settings = read({**environ, "GEMINI_BACKEND": "vertex", "GOOGLE_CLOUD_PROJECT": "p"})
    found = {each.name: each for each in checks.check_gemini(settings, environ, time.time())}
    assert found["key"].fix == fixes.GOOGLE_LOGIN


@pytest.mark.parametrize(
    ("reply", "detail", "fix"),
    [
        ({"status": FREE}, "This key's tier", "export X=gemini-3.8-flash"),
        ({"status": {"code": 500, "status": "INTERNAL", "message": "Odd."}}, "Odd.", fixes.AGAIN),
        ({"chunks": [{"text": ""}]}, "", "export X=gemini-3.8-flash"),
    ],
)
def test_model_that_does_not_answer_is_a_cross(
    reply: Any, detail: str, fix: str, environ: dict[str, str], emulator: Emulator, key: str
) -> None:
    emulator.script(key, reply)
    checked = gemini(environ)
    checked.check_key()
    found = checked.check_model("gemini-4-hydrogen", "X")
    assert (found.status, found.fix) == (Status.BAD, fix)
    assert detail in found.detail


def test_model_is_left_at_its_first_token(
    environ: dict[str, str], emulator: Emulator, key: str
) -> None:
    emulator.script(key, {"chunks": [{"text": "word " * 99}, {"delay": 0.01}, {"text": "more"}]})
    checked = gemini(environ)
    checked.check_key()
    assert checked.check_model("gemini-4-hydrogen", "X").status is Status.GOOD

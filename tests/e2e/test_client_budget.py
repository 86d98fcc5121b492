"""Claude Code's own meter, fed by this server: what it shows, in gateway mode and without."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.claude_code import NEWEST, OLDEST, VERSIONS, ClaudeCode
from tests.e2e.test_team import HELLO, Start, start
from tests.servers import ROOT

__all__ = ["start"]

PLANS = """
contact = "Ask Bob."
[plans.standard]
usd_per_day = 100
[plans.none]
"""
METER = {"PROXY_CLIENT_BUDGET": "on", "PROXY_PLANS": PLANS}
GATEWAY = {"CLAUDE_CODE_USE_GATEWAY": "1"}
REPEATED = {**HELLO, "repeat": True}
CHEAP = {**REPEATED, "usage": {"promptTokenCount": 100, "candidatesTokenCount": 10}}
"""As often as the client asks, without a change in the cents."""


@pytest.mark.parametrize(("used", "surpassed"), [(50, None), (82, 0.75), (96, 0.95)])
def test_stream_has_an_event_with_the_share(
    start: Start, tmp_path: Path, used: int, surpassed: float | None
) -> None:
    with start(used, CHEAP, **METER) as near:
        claude = ClaudeCode(NEWEST, tmp_path, near.token)
        run = claude.ask(near.url, "Say hello.", **GATEWAY)
    (event,) = run.of_type("rate_limit_event")
    info = event["rate_limit_info"]
    status = "allowed_warning" if surpassed else "allowed"
    assert [info[name] for name in ("status", "overageStatus")] == [status, status]
    assert info["rateLimitType"] == "overage"
    assert info.get("utilization") == (surpassed and used / 100)
    assert info.get("surpassedThreshold") == surpassed
    assert datetime.fromtimestamp(info["resetsAt"], UTC).hour == 0


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("more", [{}, GATEWAY])
def test_meter_disturbs_nobody(
    start: Start, tmp_path: Path, version: str, more: dict[str, str]
) -> None:
    """The oldest has none, and without gateway mode the newest shows none."""
    with start(96, CHEAP, **METER) as near:
        run = ClaudeCode(version, tmp_path, near.token).ask(near.url, "Say hello.", **more)
    assert (run.exit_code, run.result["result"]) == (0, "Hello.")
    assert bool(run.of_type("rate_limit_event")) is (bool(more) and version != OLDEST)


def test_refusal_is_printed_bare(start: Start, tmp_path: Path) -> None:
    with start(101.23, CHEAP, **METER) as near:
        claude = ClaudeCode(NEWEST, tmp_path, near.token)
        shown = claude.ask(near.url, "Say hello.", **GATEWAY).result["result"]
    assert shown.startswith("spend limit reached · resets ")
    assert "$101.23 of $100.00 are used of alice's budget" in shown


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ("standard", "82% used $82.34 / $100.00 spent today · Resets "),
        ("none", "Spend (UTC) $82.34 today · $0.00 this week · $0.00 this month"),
    ],
)
def test_usage_in_the_terminal_has_the_dollars(
    start: Start, tmp_path: Path, plan: str, words: str
) -> None:
    with start(82.34, CHEAP, plan=plan, **METER) as near:
        claude = ClaudeCode(NEWEST, tmp_path, near.token)
        shown = claude.type_in(near.url, "/usage", lambda screen: words in screen, **GATEWAY)
    if plan == "standard":
        assert "Spend limit" in shown
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        assert f"Resets {tomorrow:%b} {tomorrow.day}, 12am (UTC)" in shown


@pytest.mark.parametrize("used", [82, 96])
def test_terminal_warns_and_its_status_line_has_the_dollars(
    start: Start, tmp_path: Path, used: int
) -> None:
    """The notice gives way to others after a while."""
    given = tmp_path / "status.json"
    given.touch()
    notice = f"You've used {used}% of your usage credits · resets "
    seen = set()

    def has_both(screen: str) -> bool:
        if notice in screen:
            seen.add(notice)
        return bool(seen) and f'"used_usd":{used}' in given.read_text()

    with start(used, CHEAP, **METER) as near:
        claude = ClaudeCode(NEWEST, tmp_path, near.token)
        claude.set(statusLine={"type": "command", "command": f"cat >> {given}"})
        claude.type_in(near.url, "Say hello.", has_both, **GATEWAY)
    assert '"limit_usd":100,"period":"daily"' in given.read_text()


@pytest.mark.parametrize("version", VERSIONS)
def test_status_line_of_the_script(start: Start, tmp_path: Path, version: str) -> None:
    """Without the meter, in the environment that Claude Code gives such a command."""
    words = "$82.34 of $100.00 today (82 %)"
    with start(82.34, CHEAP, PROXY_PLANS=PLANS) as near:
        claude = ClaudeCode(version, tmp_path, near.token)
        command = f"{sys.executable} {ROOT / 'proxy/web/statusline.py'}"
        claude.set(statusLine={"type": "command", "command": command})
        claude.type_in(near.url, "Say hello.", lambda screen: words in screen)

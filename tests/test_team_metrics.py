"""proxy/team/metrics.py and `GET /metrics`: what Prometheus reads, and who may read it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from proxy import __version__
from proxy.team import metrics, tokens, usage
from proxy.team.metrics import COUNTERS, MAX_GROUPS, MAX_SERIES, OTHER, Line, render
from proxy.team.stores import Usage
from tests.servers import Emulator
from tests.test_team import COST, DAY, HELLO, Team, access_token, at_noon
from tests.test_team_usage import count, message

__all__ = ["at_noon"]

PLANS = """
zone = "Europe/Berlin"
operators = ["bob"]
[plans.standard]
[groups.core]
usd_per_month = 500
open_streams = 8
tokens_per_day = 1_000_000
[groups.free]
"""
TODAY, YESTERDAY = "2026-11-28", "2026-11-27"
ROW = Usage(TODAY, "alice", "gemini-4-hydrogen", "main", 3, 1, 900, 300, 90, 5 * 10**8, 7, 9, 1_250)
ALICE = 'person="alice",model="gemini-4-hydrogen",class="main"'

# --- The format: https://prometheus.io/docs/instrumenting/exposition_formats/ -------------------

METRIC = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
HELP_LINE = re.compile(rf"# HELP ({METRIC}) (?:[^\\\n]|\\[\\n])+")
TYPE_LINE = re.compile(rf"# TYPE ({METRIC}) (counter|gauge|histogram|summary|untyped)")
SAMPLE_LINE = re.compile(rf"({METRIC})\{{({LABEL}(?:,{LABEL})*)\}} (\d+(?:\.\d+)?(?:e[+-]?\d+)?)")


class Parsed(NamedTuple):
    """types: name -> type. samples: (name, labels as written) -> value."""

    types: dict[str, str]
    samples: dict[tuple[str, str], float]


def parse(text: str) -> Parsed:
    """By the grammar; all lines of a metric in one group, HELP and TYPE once and before them."""
    parsed = Parsed({}, {})
    assert text.endswith("\n")
    name, lines = "", iter(text.removesuffix("\n").split("\n"))
    for line in lines:
        if found := HELP_LINE.fullmatch(line):
            name = found[1]
            kind = TYPE_LINE.fullmatch(next(lines))
            assert kind is not None
            assert kind[1] == name
            assert name not in parsed.types
            parsed.types[name] = kind[2]
            continue
        sample = SAMPLE_LINE.fullmatch(line)
        assert sample is not None, line
        assert sample[1] == name
        assert (name, sample[2]) not in parsed.samples
        parsed.samples[name, sample[2]] = float(sample[3])
    return parsed


def rendered(*rows: Usage, lines: Any = (), scope: str = "shared") -> Parsed:
    return parse(render(rows, TODAY, lines, scope))


def value(parsed: Parsed, name: str, labels: str = ALICE) -> float:
    return parsed.samples[f"gemini_messages_{name}", labels]


# --- render -----------------------------------------------------------------------------------


def test_figures_are_in_base_units() -> None:
    found = rendered(ROW)
    assert {name: value(found, name) for name in COUNTERS} == {
        "requests_total": 3,
        "errors_total": 1,
        "input_tokens_total": 900,
        "cached_input_tokens_total": 300,
        "output_tokens_total": 90,
        "cost_usd_total": 0.5,
        "cache_savings_usd_total": 9e-09,
        "request_seconds_total": 1.25,
    }
    assert value(found, "estimated_cost_usd") == 7e-09


def test_names_follow_the_conventions() -> None:
    lines = [Line("core", "usd_per_day", "usd", 1.5, 20, 3_600)]
    for name, kind in rendered(ROW, lines=lines).types.items():
        assert name.startswith(metrics.PREFIX)
        assert name.endswith("_total") == (kind == "counter")


def test_rows_of_a_label_set_are_added_up() -> None:
    """Models that are not known, which a client can make up, are one."""
    rows = [ROW._replace(model=f"gemini-made-up-{number}") for number in range(50)]
    found = rendered(*rows)
    labels = f'person="alice",model="{OTHER}",class="main"'
    assert value(found, "requests_total", labels) == 150
    assert len(found.samples) == 1 + len(COUNTERS) + 1


@pytest.mark.parametrize(
    ("request_class", "label"), [("", "unknown"), ("auto_mode", "auto_mode"), ("made up", OTHER)]
)
def test_classes_are_words_of_a_list(request_class: str, label: str) -> None:
    found = rendered(ROW._replace(request_class=request_class))
    assert value(found, "requests_total", ALICE.replace("main", label)) == 3


def test_counter_begins_at_zero_with_the_day() -> None:
    """What was used yesterday only is 0, so that Prometheus sees the reset."""
    found = rendered(ROW._replace(day=YESTERDAY))
    assert {value(found, name) for name in COUNTERS} == {0}


def test_counter_counts_today_only() -> None:
    assert value(rendered(ROW._replace(day=YESTERDAY), ROW), "requests_total") == 3


def test_series_are_bounded() -> None:
    """Nothing is lost, and who was first keeps a series of their own."""
    rows = [ROW._replace(person=f"p{number}") for number in range(MAX_SERIES + 50)]
    found = rendered(*rows)
    folded = f'person="{OTHER}",model="{OTHER}",class="{OTHER}"'
    assert value(found, "requests_total", folded) == 150
    assert value(found, "requests_total", ALICE.replace("alice", "p0")) == 3
    assert len([1 for name, _ in found.samples if name.endswith("requests_total")]) == (
        MAX_SERIES + 1
    )


def test_text_of_all_series_is_bounded() -> None:
    rows = [ROW._replace(person=f"p{number}".ljust(64, "x")) for number in range(MAX_SERIES)]
    assert len(render(rows, TODAY, [], "shared")) < 10_000_000


def test_budgets_of_one_unit_are_one_metric() -> None:
    lines = [
        Line("core", "usd_per_day", "usd", 1.5, 20, 3_600),
        Line("core", "open_streams", "streams", 2, 8, None),
        Line("core", "usd_per_month", "usd", 7, 100, 7_200),
    ]
    found = rendered(lines=lines)
    day, month = ('group="core",budget="usd_per_day"', 'group="core",budget="usd_per_month"')
    assert value(found, "budget_used_usd", day) == 1.5
    assert value(found, "budget_limit_usd", month) == 100
    assert value(found, "budget_reset_seconds", month) == 7_200
    streams = 'group="core",budget="open_streams"'
    assert value(found, "budget_limit_streams", streams) == 8
    assert ("gemini_messages_budget_reset_seconds", streams) not in found.samples


@pytest.mark.parametrize("scope", ["shared", "instance"])
def test_nothing_used_is_a_text_too(scope: str) -> None:
    labels = f'version="{__version__}",scope="{scope}"'
    assert rendered(scope=scope).samples == {("gemini_messages_info", labels): 1}


def test_label_values_are_escaped() -> None:
    found = rendered(ROW._replace(person='a"b\\c\nd'))
    assert value(found, "requests_total", ALICE.replace("alice", 'a\\"b\\\\c\\nd')) == 3


def test_large_and_tiny_numbers_are_numbers() -> None:
    row = ROW._replace(input=10**15, nano_usd=1)
    found = rendered(row)
    assert value(found, "input_tokens_total") == 10**15
    assert value(found, "cost_usd_total") == 1e-09


# --- GET /metrics -----------------------------------------------------------------------------


@pytest.fixture
def team(
    make_client: Callable[..., FlaskClient], emulator: Emulator, key: str, tmp_path: Path
) -> Team:
    found = Team(make_client, emulator, key, tmp_path / "team.sqlite")
    found.start(PROXY_PLANS=PLANS)
    return found


def scrape(team: Team, token: str = "") -> TestResponse:
    """As Prometheus does it, with `authorization` in its settings."""
    headers = {"Authorization": f"Bearer {token or access_token('bob')}"}
    return team.client.get("/metrics", headers=headers)


def test_operator_scrapes_what_the_team_used(team: Team) -> None:
    team.script(HELLO)
    assert team.post(access_token(group="core")).status_code == 200
    answer = scrape(team)
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    found = parse(answer.get_data(as_text=True))
    labels = ALICE.replace("main", "unknown")
    assert value(found, "cost_usd_total", labels) == COST / 10**9
    assert value(found, "input_tokens_total", labels) == 1_000
    assert value(found, "budget_used_usd", 'group="core",budget="usd_per_month"') == COST / 10**9
    assert value(found, "budget_used_tokens", 'group="core",budget="tokens_per_day"') == 1_100
    assert value(found, "budget_limit_streams", 'group="core",budget="open_streams"') == 8
    # At noon in UTC it is 13:00 in Berlin.
    assert value(found, "budget_reset_seconds", 'group="core",budget="tokens_per_day"') == 39_600


def test_scrape_reads_two_days_of_the_plans_zone(team: Team) -> None:
    older = ROW._replace(day="2026-11-26", person="carol")
    count(team.store, older, ROW._replace(day=YESTERDAY), ROW._replace(day=DAY, person="bob"))
    found = parse(scrape(team).get_data(as_text=True))
    assert value(found, "requests_total") == 0
    assert value(found, "requests_total", ALICE.replace("alice", "bob")) == 3
    assert not [labels for _, labels in found.samples if "carol" in labels]


def test_groups_of_which_budgets_are_read_are_bounded(team: Team) -> None:
    groups = "".join(f"[groups.g{n:03}]\nusd_per_day = 1\n" for n in range(MAX_GROUPS + 5))
    team.start(PROXY_PLANS=f"operators = ['bob']\n[plans.standard]\n{groups}")
    found = parse(scrape(team).get_data(as_text=True))
    limits = [labels for name, labels in found.samples if name.endswith("budget_limit_usd")]
    assert len(limits) == MAX_GROUPS


def test_others_than_operators_scrape_nothing(team: Team) -> None:
    assert message(scrape(team, access_token())) == (403, usage.NOT_AN_OPERATOR)
    derived = tokens.derive(access_token("bob"), "ci")
    assert message(scrape(team, derived))[0] == 403
    assert team.client.get("/metrics").status_code == 401
    team.store.mark("person:bob", "revoked.bob-1", 1)
    assert message(scrape(team))[0] == 401


def test_scrape_of_a_store_that_is_down_is_a_503(team: Team, tmp_path: Path) -> None:
    """And no text with zeros, which Prometheus would take for a reset."""
    (tmp_path / "team.sqlite").write_bytes(b"no database" * 100)
    assert message(scrape(team)) == (503, usage.DOWN)


def test_scrape_where_nobody_is_counted_is_a_404(team: Team, key: str) -> None:
    team.start(PROXY_SECRET="", PROXY_PLANS="", PROXY_STORE="", PROXY_TOKEN="shared")
    assert message(scrape(team, "shared")) == (404, usage.NOT_COUNTED)


def test_scrape_without_a_store_says_whose_figures(team: Team) -> None:
    team.start(PROXY_STORE="", PROXY_PLANS=PLANS)
    assert 'scope="instance"' in scrape(team).get_data(as_text=True)

"""deploy/monitoring: what it counts are real lines of the log, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from proxy import request_log
from proxy.request_log import RequestLog
from proxy.team import breaker
from tests.hosting.test_settings import loaded
from tests.servers import ROOT
from translate.errors import Cause

FOLDER = ROOT / "deploy/monitoring"
README = (ROOT / "README.md").read_text()
PREFIX = "gemini_messages_"
METRICS = {
    path.stem.removeprefix(PREFIX): yaml.safe_load(path.read_text())
    for path in FOLDER.glob("metrics/*.yaml")
}
ALERTS = {path.stem: yaml.safe_load(path.read_text()) for path in FOLDER.glob("alerts/*.yaml")}
DASHBOARD = (FOLDER / "dashboard.yaml").read_text()

ANSWER = {"status": 200, "usd": 0.25, "person": "alice", "first_byte_ms": 40}
ANSWER |= {"model": "claude-opus-5", "gemini": "gemini-4-hydrogen", "plan": "standard"}
ANSWER |= {"tokens": {"in": 1, "cached": 2, "out": 3}}

LINES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "answer": (ANSWER, {"answers", "cost_usd", "first_byte_ms"}),
    "server failure": ({"status": 529, "error": Cause.OVERLOADED}, {"answers", "failures"}),
    "failure within a stream": ({"status": 200, "error": "timeout"}, {"answers", "failures"}),
    "budget that ends within a stream": ({"status": 200, "error": "billing_error"}, {"answers"}),
    "client's mistake": ({"status": 400, "error": "invalid_request_error"}, {"answers"}),
    "quota of a minute": ({"status": 429, "error": Cause.QUOTA}, {"answers", "quota_refusals"}),
    "quota of a day": ({"status": 429, "error": Cause.EXHAUSTED}, {"answers", "quota_refusals"}),
    "limit of a plan": ({"status": 429, "error": "rate_limit_error"}, {"answers"}),
    "client that left": ({"status": 200, "client_left": True}, {"answers"}),
    "other route": ({"status": 500, "path": "/v1/models"}, set()),
}
"""Fields of a request's entry, and the metrics that count it."""


@pytest.fixture
def write(capsys: pytest.CaptureFixture[str]) -> Any:
    request_log.configure_logging("INFO", "JSON")

    def write(fields: Mapping[str, Any]) -> Any:
        fields = {"path": "/v1/messages", **fields}
        RequestLog("req_1", "POST", **fields).write()
        return json.loads(capsys.readouterr().out)

    return write


# --- Google Cloud Logging ---------------------------------------------------------------------

TERM = re.compile(r'jsonPayload\.([\w.]+)(>=|=|>|:)(\*|"[^"]*"|\d+|\([^)]*\))')
PLACE = re.compile(r'resource\.[\w.]+="[^"]+"')


def matches(text: str, line: Mapping[str, Any]) -> bool:
    """Whether a filter of the Logging query language finds a line: as much of it as is used."""

    def compare(term: re.Match[str]) -> str:
        found, value = line.get(term[1]), term[3]
        if term[2] == ":":
            return str(found is not None)
        if found is None:
            return "False"
        if term[2] == "=":
            return str(str(found) in value.strip("()").replace('"', "").split(" OR "))
        return str(found > float(value) or (term[2] == ">=" and found == float(value)))

    program = PLACE.sub("True", TERM.sub(compare, " ".join(text.split())))
    for word in ("AND", "OR", "NOT"):
        program = program.replace(f"{word} ", f"{word.lower()} ")
    assert re.fullmatch(r"(?:True|False|and|or|not|[() ])+", program), program
    return bool(eval(program))


@pytest.mark.parametrize("name", LINES)
def test_metrics_of_google_count_lines_of_the_log(write: Any, name: str) -> None:
    fields, counted = LINES[name]
    line = write(fields)
    assert {metric for metric in METRICS if matches(METRICS[metric]["filter"], line)} == counted


def test_store_that_is_down_is_counted(write: Any, capsys: pytest.CaptureFixture[str]) -> None:
    breaker.log.warning(breaker.DOWN_ENTRY)
    line = json.loads(capsys.readouterr().out)
    found = {metric for metric in METRICS if matches(METRICS[metric]["filter"], line)}
    assert found == {"store_down"}


def test_values_and_labels_are_fields_of_a_line(write: Any) -> None:
    line = write(ANSWER | {"error": "x"})
    for metric in METRICS.values():
        labels = metric.get("labelExtractors", {})
        for extractor in [*labels.values(), *filter(None, [metric.get("valueExtractor")])]:
            field = re.fullmatch(r"EXTRACT\(jsonPayload\.(\w+)\)", extractor)
            assert field is not None
            assert field[1] in line
        described = metric["metricDescriptor"].get("labels", [])
        assert labels.keys() == {each["key"] for each in described}


def test_alerts_and_charts_are_of_the_metrics() -> None:
    texts = [DASHBOARD, *(json.dumps(each) for each in ALERTS.values())]
    used = {name for text in texts for name in re.findall(rf"user[/_]{PREFIX}(\w+)", text)}
    assert {name.removesuffix("_sum") for name in used} == METRICS.keys()
    assert ALERTS.keys() == {"failures", "quota", "spend", "store-down"}
    for alert in ALERTS.values():
        assert alert["userLabels"] == {"app": "gemini-messages"}, "`make monitor-gcp` looks for it"


def test_queries_ask_for_fields_of_a_line(write: Any) -> None:
    line = write(ANSWER | {"error": "x"})
    line |= {f"tokens.{name}": count for name, count in line["tokens"].items()}
    sql = (FOLDER / "queries/log-analytics.sql").read_text()
    fields = re.findall(r"JSON_VALUE\(json_payload, '\$\.([\w.]+)'\)", sql)
    explorer = (FOLDER / "queries/logs-explorer.txt").read_text()
    fields += re.findall(r"jsonPayload\.([\w.]+)", explorer)
    assert len(fields) == 10
    assert [field for field in fields if field not in line] == []
    text = explorer.partition("\n")[2]
    assert matches(text, line)
    assert not matches(text, line | {"person": "bob"})


# --- CloudWatch -------------------------------------------------------------------------------

RESOURCES = loaded("template.yaml")["Resources"]


def of_type(kind: str) -> dict[str, Any]:
    return {
        name: each["Properties"]
        for name, each in RESOURCES.items()
        if each["Type"] == f"AWS::{kind}"
    }


FILTERS = {
    each["MetricTransformations"][0]["MetricName"]: each
    for each in of_type("Logs::MetricFilter").values()
}
NAMES = {
    "answers": "Answers",
    "failures": "Failures",
    "quota_refusals": "QuotaRefusals",
    "store_down": "StoreDown",
    "cost_usd": "CostUsd",
    "first_byte_ms": "FirstByteMs",
}
"""Google Cloud's metric -> CloudWatch's."""

SELECTOR = re.compile(r'\$\.([\w.]+) (>=|!=|=|>) (\*|"[^"]*"|\d+)')


def selects(text: str, line: Mapping[str, Any]) -> bool:
    """Whether a JSON filter pattern finds a line: as much of its language as is used."""

    def compare(term: re.Match[str]) -> str:
        found, operator, value = line.get(term[1]), term[2], term[3]
        if value == "*" or found is None:
            return str(found is not None)
        if operator in ("=", "!="):
            return str((str(found) == value.strip('"')) == (operator == "="))
        return str(found > float(value) or (operator == ">=" and found == float(value)))

    program = SELECTOR.sub(compare, text.strip("{} "))
    program = program.replace("&&", "and").replace("||", "or")
    assert re.fullmatch(r"(?:True|False|and|or|[() ])+", program), program
    return bool(eval(program))


@pytest.mark.parametrize("name", LINES)
def test_metrics_of_cloudwatch_count_the_same_lines(write: Any, name: str) -> None:
    fields, counted = LINES[name]
    line = write(fields)
    found = {metric for metric, each in FILTERS.items() if selects(each["FilterPattern"], line)}
    assert found == {NAMES[metric] for metric in counted}


def test_store_that_is_down_is_counted_by_cloudwatch() -> None:
    found = {
        metric
        for metric, each in FILTERS.items()
        if selects(each["FilterPattern"], breaker.DOWN_ENTRY)
    }
    assert found == {"StoreDown"}
    assert FILTERS.keys() == {*NAMES.values()}


def test_values_of_cloudwatch_are_fields_of_a_line(write: Any) -> None:
    line = write(ANSWER)
    values = {
        name: each["MetricTransformations"][0]["MetricValue"] for name, each in FILTERS.items()
    }
    fields = {value.removeprefix("$.") for value in values.values() if value != "1"}
    assert fields == {"usd", "first_byte_ms"}
    assert fields <= line.keys()


def test_alarms_and_dashboard_are_of_the_metrics() -> None:
    alarms = of_type("CloudWatch::Alarm")
    assert len(alarms) == len(ALERTS)
    [dashboard] = of_type("CloudWatch::Dashboard").values()
    body = json.loads(dashboard["DashboardBody"].replace("${AWS::StackName}", "s"))
    shown = {row[1] for each in body["widgets"] for row in each["properties"]["metrics"]}
    text = json.dumps(alarms, default=str)
    alarmed = set(re.findall(r'"MetricName": "(\w+)"', text))
    assert shown == {*NAMES.values()}
    assert alarmed == shown - {"FirstByteMs"}


def test_nothing_is_made_without_an_address() -> None:
    kinds = ("AWS::Logs::MetricFilter", "AWS::Logs::Query", "AWS::CloudWatch", "AWS::SNS")
    made = [each for each in RESOURCES.values() if each["Type"].startswith(kinds)]
    assert len(made) == len(FILTERS) + len(ALERTS) + 3
    assert {each["Condition"] for each in made} == {"HasAlarms"}


def test_query_of_insights_asks_for_fields_of_a_line(write: Any) -> None:
    line = write(ANSWER)
    line |= {f"tokens.{name}": count for name, count in line["tokens"].items()}
    [query] = of_type("Logs::QueryDefinition").values()
    text = query["QueryString"]
    names = re.findall(r"sum\(`?([\w.]+)`?\)|by (\w+), (\w+)|filter (\w+)|and (\w+) >", text)
    fields = {name for found in names for name in found if name}
    assert fields == {"path", "usd", "tokens.in", "tokens.cached", "tokens.out", "person", "gemini"}
    assert fields <= line.keys()


def test_alerts_have_rows_in_the_readme() -> None:
    section = README.split("### Alerts and dashboards\n")[1].split("\n### ")[0]
    for alert in ALERTS.values():
        title = alert["displayName"].removeprefix("gemini-messages: ")
        assert f"| {title} | {alert['conditions'][0]['displayName']}" in section

"""`GET /metrics`: what a team uses, as Prometheus reads it (text format 0.0.4), out of the store: a
scrape meets one instance of many, and an instance knows only itself.

The counters are those of today, and begin at 0 when the plans' zone has a new day: to Prometheus
that is a counter's reset, and `increase(...[7d])` is right over any number of them. They do not
count from the first of the month, since a store reads a total for each person, model, class and
day: a scrape a minute of two days costs a team of 20 five cents a day on Firestore (three totals
each, 120 reads), of a month up to 15 times as much, and takes as much longer of the time that a
verb of the store has (STORE_SECONDS). Nor are older days kept in memory: what an instance has not
heard of makes a counter go down when the next scrape meets it, which Prometheus takes for a reset,
and counts all of it anew. Who used something yesterday and nothing today has a 0, so that the reset
is seen although the next value may be higher than the last. A request that runs over midnight
counts for the day on which it began, and is missing here.

Labels have bounded values: people and groups by the operator, models by translate/models/, classes
by request_log.py. No id is one, and nothing that a client can make up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from translate import ApiError
from translate.models import TABLE

from .. import __version__
from ..payers import Counting, Payer
from ..request_log import REQUEST_CLASSES
from . import counters
from .budget import Budgets
from .counters import GROUP, KINDS
from .money import NANO
from .payer import JUDGE, MemberPayer
from .stores import FIGURES, Store, StoreError, Usage
from .usage import DOWN, NOT_AN_OPERATOR, NOT_COUNTED, is_operator
from .windows import day_at, window_at

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

PREFIX = "gemini_messages_"

MAX_SERIES = 5_000
"""Of a person, a model and a class, each with a line for every counter: 7 MB of text, and a tenth
of what a small Prometheus takes from all it scrapes. Those that come last in a day are added up
under OTHER."""

MAX_GROUPS = 100
"""Of which the budgets are read: one read of the store for each, with every scrape. The first by
name."""

OTHER = "_other"
"""A label's value for what has none of its own. No person's name begins so."""

UNKNOWN = "unknown"
"""The class of a request that did not say what it was for."""

CLASSES = frozenset({*REQUEST_CLASSES, "other", JUDGE})

Labels = tuple[tuple[str, str], ...]


class Sample(NamedTuple):
    labels: Labels
    value: float


class Family(NamedTuple):
    """All samples of one name."""

    name: str
    kind: str
    help: str
    samples: Sequence[Sample]


class Counter(NamedTuple):
    """figure: a field of Usage. unit: how many of its own are one of the metric's."""

    figure: str
    help: str
    unit: int = 1


COUNTERS = {
    "requests_total": Counter("requests", "Requests of today that have ended."),
    "errors_total": Counter("errors", "Requests of today that have ended with an error."),
    "input_tokens_total": Counter("input", "Tokens of input today, cached ones among them."),
    "cached_input_tokens_total": Counter("cached", "Tokens of input today from Google's cache."),
    "output_tokens_total": Counter("output", "Tokens of output today, thoughts among them."),
    "cost_usd_total": Counter("nano_usd", "US dollars at list price today.", NANO),
    "cache_savings_usd_total": Counter(
        "saved", "US dollars that cached tokens would have cost more today.", NANO
    ),
    "request_seconds_total": Counter("ms", "Seconds that the requests of today took.", 1_000),
}
"""Metric, without its prefix -> what it counts, by person, model and class."""

ESTIMATED = "estimated_cost_usd"
ESTIMATED_HELP = "US dollars of today's cost that Google did not report to the end."
"""No counter: what was estimated is taken back when a request ends after all."""

BUDGET_HELP = {
    "used": "Used of a group's budget, with what open answers hold.",
    "limit": "A group's budget.",
    "reset": "Seconds until a group's budget begins anew.",
}


class Line(NamedTuple):
    """One budget of a group. unit: usd, tokens, requests or streams. reset: seconds until it begins
    anew; None for what is open."""

    group: str
    budget: str
    unit: str
    used: float
    limit: float
    reset: int | None


def answer(payer: Payer, now: int) -> str:
    """For an operator's token. Raises ApiError."""
    if not isinstance(payer, MemberPayer):
        raise ApiError(404, NOT_COUNTED, retry=False)
    payer.check()
    if not is_operator(payer.member.token, payer.budgets):
        raise ApiError(403, NOT_AN_OPERATOR, retry=False)
    budgets = payer.budgets
    today = day_at(now, budgets.plans.zone)
    yesterday = (today - timedelta(days=1)).isoformat()
    try:
        rows = budgets.figures.usage(yesterday, today.isoformat())
        lines = list(_lines(budgets, budgets.figures, now))
    except StoreError:
        raise ApiError(503, DOWN) from None
    is_local = budgets.counting is Counting.PER_INSTANCE
    return render(rows, today.isoformat(), lines, "instance" if is_local else "shared")


def render(rows: Iterable[Usage], today: str, lines: Sequence[Line], scope: str) -> str:
    """The whole text. rows: of today and yesterday, sorted. scope: see `GET /usage.json`."""
    info = Sample((("version", __version__), ("scope", scope)), 1)
    families = [
        Family("info", "gauge", "Whose figures these are: shared, or of one instance.", [info]),
        *_counters(sums(rows, today)),
        *_budgets(lines),
    ]
    return "".join(text for family in families for text in _text(family))


def sums(rows: Iterable[Usage], today: str) -> Mapping[Labels, Mapping[str, int]]:
    """Labels -> the figures of today."""
    found: dict[Labels, dict[str, int]] = {}
    for row in rows:
        key = _labels(row)
        if key not in found and len(found) >= MAX_SERIES:
            key = tuple((name, OTHER) for name, _ in key)
        figures = found.setdefault(key, dict.fromkeys(FIGURES, 0))
        if row.day == today:
            for name in FIGURES:
                figures[name] += getattr(row, name)
    return found


def _labels(row: Usage) -> Labels:
    """A client can name models that do not exist."""
    request_class = row.request_class or UNKNOWN
    is_known = request_class == UNKNOWN or request_class in CLASSES
    return (
        ("person", row.person),
        ("model", row.model if row.model in TABLE else OTHER),
        ("class", request_class if is_known else OTHER),
    )


def _counters(found: Mapping[Labels, Mapping[str, int]]) -> Iterator[Family]:
    for name, counter in COUNTERS.items():
        samples = [
            Sample(key, figures[counter.figure] / counter.unit) for key, figures in found.items()
        ]
        yield Family(name, "counter", counter.help, samples)
    samples = [Sample(key, figures["estimated"] / NANO) for key, figures in found.items()]
    yield Family(ESTIMATED, "gauge", ESTIMATED_HELP, samples)


def _lines(budgets: Budgets, store: Store, now: int) -> Iterator[Line]:
    """Those of groups: the limits of people stand in no file, as their token names the plan."""
    zone = budgets.plans.zone
    for group in sorted(budgets.plans.groups)[:MAX_GROUPS]:
        limits = budgets.plans.of_group(group, now)
        assert limits is not None
        values = store.read(f"{GROUP}{group}")
        for line in counters.lines(f"{GROUP}{group}", limits, now, zone):
            if line.limit is None:
                continue
            field, period, is_money, _ = KINDS[line.kind]
            unit, size = ("usd", NANO) if is_money else (line.kind, 1)
            used, limit = values.get(line.name, 0) / size, line.limit / size
            reset = window_at(period, now, zone).ends - now if period else None
            yield Line(group, field, unit, used, limit, reset)


def _budgets(lines: Sequence[Line]) -> Iterator[Family]:
    for unit in dict.fromkeys(line.unit for line in lines):
        own = [line for line in lines if line.unit == unit]
        used = [Sample(_budget(line), line.used) for line in own]
        yield Family(f"budget_used_{unit}", "gauge", BUDGET_HELP["used"], used)
        limits = [Sample(_budget(line), line.limit) for line in own]
        yield Family(f"budget_limit_{unit}", "gauge", BUDGET_HELP["limit"], limits)
    resets = [Sample(_budget(line), line.reset) for line in lines if line.reset is not None]
    if resets:
        yield Family("budget_reset_seconds", "gauge", BUDGET_HELP["reset"], resets)


def _budget(line: Line) -> Labels:
    """budget: the field of the plan file."""
    return (("group", line.group), ("budget", line.budget))


def _text(family: Family) -> Iterator[str]:
    name = f"{PREFIX}{family.name}"
    yield f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n"
    for sample in family.samples:
        labels = ",".join(f'{key}="{_escape(value)}"' for key, value in sample.labels)
        yield f"{name}{{{labels}}} {_number(sample.value)}\n"


def _number(value: float) -> str:
    """Go's ParseFloat reads what Python writes; a whole number as such, for a person."""
    return str(int(value)) if value == int(value) else repr(value)


def _escape(value: str) -> str:
    r"""Of a label's value: \, " and line feeds."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

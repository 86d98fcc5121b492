"""What a team of some size takes: instances, environments, quota, store writes, US$ a month, and
which limit comes first. Change a figure and see:

    python -m benchmarks.scale --developers 10 1000 --requests_per_minute 5 --model gemini-3.8-flash

A model, not a measurement: every figure is a constant here, with where it comes from. List prices,
without free tiers; not in it: logs, images and secrets, which cost cents.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

from translate.models import CHECKED, Tokens, cost, find

DEVELOPERS = (10, 1_000, 100_000)


@dataclass(frozen=True)
class Work:
    """How developers work. All but `answers` and `seconds` are assumptions: your log, and `python
    -m proxy usage`, tell better."""

    at_work: float = 0.5
    """Of all developers, in the busiest minutes."""
    requests_per_minute: float = 3.0
    """Of a developer at work, with subagents."""
    answers: float = 4.0
    """Open at once for a developer at work, at most: themselves and three subagents."""
    seconds: float = 20.0
    """That an answer takes."""
    hours_per_day: float = 4.0
    """That a developer is at work with it."""
    days: float = 21.0
    """Of work in a month."""
    office_hours: float = 10.0
    """In which all of a day's work falls, spread evenly: in them an instance runs."""
    group: int = 40
    """People in one group of a plan file; 1: nobody is in a group."""
    model: str = "gemini-4-hydrogen"
    input_tokens: int = 40_000
    cached_tokens: int = 36_000
    """Of the input: a session repeats itself."""
    output_tokens: int = 500


# --- What things cost, and bear -------------------------------------------------------------------

CLOUD_RUN_ANSWERS, CLOUD_RUN_INSTANCES = 250, 5
"""`--concurrency` and the most instances: Makefile, deploy-gcp. The second is raised at will."""

CLOUD_RUN_FILL = 0.6
"""Of an instance's answers, at which Cloud Run starts another one (its documentation, "About
instance autoscaling", as remembered)."""

CHUNKS_PER_SECOND, CPU_PER_CHUNK, CPU_PER_REQUEST = 10, 0.000_13, 0.002
"""Of an open answer; seconds of CPU on a shared core (measured 2026-11-29, http, 81 kB)."""

CPU_FILL = 0.5
"""Of an instance's CPU: TLS and slower cores come on top."""

LAMBDA_RESERVED, LAMBDA_ACCOUNT = 20, 900
"""Environments, one for each open answer: MaxStreams in template.yaml, which is raised at will,
and the 1,000 of an account and region of which 100 stay unreserved (Lambda quotas)."""

CLOUD_RUN_SECOND, CLOUD_RUN_REQUEST, CLOUD_RUN_GB = 0.000_024 + 0.000_002_5, 0.000_000_4, 0.12
"""US$ for a second of 1 vCPU and 1 GiB, a request, a GB to the clients (price page, tier 1, read on
2026-11-29)."""

LAMBDA_SECOND, LAMBDA_REQUEST, LAMBDA_GB = 0.5 * 0.000_013_333_4, 0.000_000_2, 0.09
"""US$ for a second of 512 MB on arm64, a request, a GB out (price page, read on 2026-11-29)."""

UP_GB, DOWN_GB = 0.000_3, 0.000_03
"""Of a request. To Google it costs from AWS only."""

FIRESTORE_WRITES, FIRESTORE_WRITES_ALONE = 9, 6
FIRESTORE_PRICES = (0.000_000_9, 0.000_000_3, 0.000_000_1)
"""For a request, in a group and without; US$ for a write, a read, a delete: proxy/team/stores/
firestore.py. Reads are 2n + 2 in a group of n documents, and 2 without."""

FIRESTORE_SHARDS, FIRESTORE_PER_PERSON = 64, 20.0
"""Documents of a group at most (firestore_shards.py), and requests a minute that one of them, or
one person, bears for long: one write a second (README.md, "Google Cloud Run")."""

DYNAMODB_UNITS, DYNAMODB_UNITS_ALONE = (20, 8), (14, 5)
DYNAMODB_PRICES = (0.000_000_625, 0.000_000_125)
"""Write and read units for a request; US$ for each (proxy/team/stores/dynamodb.py)."""

SPEND_TIERS = {"tier 1": 10.0, "tier 2": 50.0, "tier 3": 200.0}
SPEND_MINUTES = 10
"""US$ that Gemini takes from a project in so many minutes, then it answers 429 (README.md, "The
free tier")."""


class Limit(NamedTuple):
    """developers: up to which it holds. answer: what is done then."""

    name: str
    developers: float
    answer: str


class Needs(NamedTuple):
    """Of a number of developers. At the busiest minute: instances, environments, requests, spend
    (US$ in ten minutes), projects (of Gemini's, at tier 3) and writes a second. In a month:
    requests, writes, and US$ of each service."""

    instances: int
    environments: int
    requests_per_minute: float
    spend: float
    projects: int
    writes_per_second: float
    requests: float
    writes: float
    cloud_run: float
    firestore: float
    aws_lambda: float
    dynamodb: float
    gemini: float


def needs(developers: int, work: Work) -> Needs:
    busy = developers * work.at_work
    per_minute = busy * work.requests_per_minute
    requests = developers * requests_per_month(work)
    spend = per_minute * SPEND_MINUTES * gemini_price(work)
    writes = FIRESTORE_WRITES if work.group > 1 else FIRESTORE_WRITES_ALONE
    open_on_average = requests * work.seconds / office_seconds(work)
    return Needs(
        instances=instances(busy * work.answers, per_minute, 1.0),
        environments=math.ceil(busy * work.answers),
        requests_per_minute=per_minute,
        spend=spend,
        projects=math.ceil(spend / SPEND_TIERS["tier 3"]),
        writes_per_second=per_minute / 60 * writes,
        requests=requests,
        writes=requests * writes,
        cloud_run=cloud_run_price(requests, open_on_average, work),
        firestore=requests * firestore_price(developers, work),
        aws_lambda=requests * lambda_price(work),
        dynamodb=requests * dynamodb_price(work),
        gemini=requests * gemini_price(work),
    )


def requests_per_month(work: Work) -> float:
    """Of one developer."""
    return work.requests_per_minute * 60 * work.hours_per_day * work.days


def office_seconds(work: Work) -> float:
    """Of a month."""
    return work.office_hours * 3_600 * work.days


def instances(answers: float, per_minute: float, fill: float) -> int:
    """For so many open answers. Each takes CPU, too. fill: of an instance's answers that are
    used."""
    cpu = answers * CHUNKS_PER_SECOND * CPU_PER_CHUNK + per_minute / 60 * CPU_PER_REQUEST
    return max(1, math.ceil(answers / (CLOUD_RUN_ANSWERS * fill)), math.ceil(cpu / CPU_FILL))


# --- US$ ------------------------------------------------------------------------------------------


def gemini_price(work: Work) -> float:
    """Of one request, at the list price of the day the table of models was checked."""
    tokens = Tokens(work.input_tokens, work.cached_tokens, work.output_tokens)
    return cost(find(work.model), CHECKED, tokens)


def cloud_run_price(requests: float, answers: float, work: Work) -> float:
    """Of a month: instances while there is work, which all answers share."""
    running = instances(answers, answers * 60 / work.seconds, CLOUD_RUN_FILL)
    seconds = min(office_seconds(work) * running, requests * work.seconds)
    return seconds * CLOUD_RUN_SECOND + requests * (CLOUD_RUN_REQUEST + DOWN_GB * CLOUD_RUN_GB)


def lambda_price(work: Work) -> float:
    """Of one request: an environment for as long as it takes."""
    return work.seconds * LAMBDA_SECOND + LAMBDA_REQUEST + (UP_GB + DOWN_GB) * LAMBDA_GB


def firestore_price(developers: int, work: Work) -> float:
    """Of one request. A group's figures are read from documents that its people are spread over."""
    people = min(work.group, developers)
    write, read, delete = FIRESTORE_PRICES
    if people < 2:
        return FIRESTORE_WRITES_ALONE * write + 2 * read + delete
    documents = expected_documents(people)
    return FIRESTORE_WRITES * write + (2 * documents + 2) * read + delete


def expected_documents(people: int) -> float:
    """That so many people fall into, each at random into one of all."""
    return FIRESTORE_SHARDS * (1 - (1 - 1 / FIRESTORE_SHARDS) ** people)


def dynamodb_price(work: Work) -> float:
    """Of one request."""
    units = DYNAMODB_UNITS if work.group > 1 else DYNAMODB_UNITS_ALONE
    return sum(count * price for count, price in zip(units, DYNAMODB_PRICES, strict=True))


# --- Limits ---------------------------------------------------------------------------------------


def limits(work: Work) -> list[Limit]:
    """From the first one on."""
    people = 1 / work.at_work
    per_answer = people / work.answers
    spent = work.requests_per_minute * SPEND_MINUTES * gemini_price(work)
    tiers = (
        Limit(f"Gemini's US$ {dollars:.0f} in ten minutes, {tier}", dollars / spent * people, MORE)
        for tier, dollars in SPEND_TIERS.items()
    )
    found = [
        *tiers,
        Limit(
            f"Cloud Run: {CLOUD_RUN_INSTANCES} instances",
            CLOUD_RUN_INSTANCES * CLOUD_RUN_ANSWERS * per_answer,
            "more instances in the Makefile",
        ),
        Limit(
            f"AWS: MaxStreams={LAMBDA_RESERVED}",
            LAMBDA_RESERVED * per_answer,
            "a higher MaxStreams",
        ),
        Limit("AWS: an account's environments", LAMBDA_ACCOUNT * per_answer, "a quota from AWS"),
    ]
    return sorted(found, key=lambda limit: limit.developers)


MORE = "a higher tier; then more projects, each with its own server"


def largest_group(work: Work) -> float:
    """Developers of one group that Firestore bears: as many documents as it has, each full."""
    return FIRESTORE_SHARDS * FIRESTORE_PER_PERSON / work.requests_per_minute / work.at_work


# --- In words -------------------------------------------------------------------------------------

ROWS = {
    "busiest minute: requests": "requests_per_minute",
    "Gemini, US$ in ten minutes": "spend",
    "Gemini projects of tier 3": "projects",
    "Cloud Run instances": "instances",
    "Lambda environments": "environments",
    "Firestore writes a second": "writes_per_second",
    "month: requests": "requests",
    "Firestore writes": "writes",
    "Cloud Run, US$": "cloud_run",
    "Firestore, US$": "firestore",
    "Lambda, US$": "aws_lambda",
    "DynamoDB, US$": "dynamodb",
    "Gemini, US$": "gemini",
}
"""Row of the table -> field of Needs."""


def lines(developers: Sequence[int], work: Work) -> Iterator[str]:
    found = [needs(each, work) for each in developers]
    yield f"| developers | {' | '.join(f'{each:,}' for each in developers)} |"
    yield f"| --- |{' ---: |' * len(developers)}"
    for title, name in ROWS.items():
        yield f"| {title} | {' | '.join(_number(getattr(each, name)) for each in found)} |"
    yield ""
    yield "Limits, from the first one on:"
    for limit in limits(work):
        yield f"- {limit.developers:,.0f} developers: {limit.name} ({limit.answer})"
    yield ""
    yield f"And at {largest_group(work):,.0f} developers in one group: Firestore (smaller groups)"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--developers", type=int, nargs="+", default=DEVELOPERS)
    for each in fields(Work):
        parser.add_argument(f"--{each.name}", type=type(each.default), default=each.default)
    given = vars(parser.parse_args(arguments))
    developers = given.pop("developers")
    print("\n".join(lines(developers, Work(**given))))


if __name__ == "__main__":
    main()

"""benchmarks/scale.py: its figures are those of the product, its arithmetic can be followed."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from benchmarks import scale
from benchmarks.scale import Work, limits, needs
from proxy.team.stores import firestore_shards
from proxy.team.stores.dynamodb import __doc__ as dynamodb
from proxy.team.stores.firestore import __doc__ as firestore
from tests.servers import ROOT

WORK = Work()
ALONE = Work(group=1)


def test_settings_are_those_of_the_deployments() -> None:
    makefile, template = ((ROOT / name).read_text() for name in ("Makefile", "template.yaml"))
    assert f"--concurrency {scale.CLOUD_RUN_ANSWERS} " in makefile
    most = re.search(r"(?:--max-instances |^INSTANCES = )(\d+)", makefile, re.MULTILINE)
    assert most is not None
    assert int(most[1]) == scale.CLOUD_RUN_INSTANCES
    assert f"MaxStreams:\n    Type: Number\n    Default: {scale.LAMBDA_RESERVED}\n" in template
    assert "MemorySize:\n    Type: Number\n    Default: 512\n" in template


def test_limits_are_those_that_the_documents_name() -> None:
    documents = (path for path in sorted(ROOT.glob("*.md")) if path.name != "CHANGELOG.md")
    text = " ".join(" ".join(path.read_text("utf-8").split()) for path in documents)
    low, middle, high = scale.SPEND_TIERS.values()
    assert f"${low:.0f}, ${middle:.0f} or ${high:.0f} in ten minutes" in text
    assert f"some {scale.FIRESTORE_PER_PERSON:.0f} requests a minute of each person" in text


def test_costs_of_a_store_are_those_that_it_documents() -> None:
    assert firestore
    assert dynamodb
    assert scale.FIRESTORE_SHARDS == firestore_shards.SHARDS
    in_group, alone = re.findall(r"US\$ (0\.\d+)(?:  |\. A refusal)", firestore)
    five = replace(WORK, group=5)
    assert scale.firestore_price(99, ALONE) * 1_000 == pytest.approx(float(alone), abs=1e-4)
    assert scale.firestore_price(99, five) * 1_000 == pytest.approx(float(in_group), abs=2e-4)
    in_group, alone = re.search(
        r"settled: US\$ (0\.\d+) for.*less: US\$ (0\.\d+)\.", dynamodb, re.DOTALL
    ).groups()
    assert scale.dynamodb_price(WORK) * 1_000 == pytest.approx(float(in_group), abs=1e-4)
    assert scale.dynamodb_price(ALONE) * 1_000 == pytest.approx(float(alone), abs=1e-4)


def test_group_of_forty_is_in_thirty_documents() -> None:
    """As proxy/team/stores/firestore.py has it."""
    assert round(scale.expected_documents(40)) == 30
    assert scale.expected_documents(1) == pytest.approx(1)


def test_thousand_at_work_by_hand() -> None:
    """Of 2,000 developers: 4,000 open answers, 3,000 requests a minute."""
    found = needs(2_000, WORK)
    assert (found.instances, found.environments) == (16, 4_000)
    assert found.requests_per_minute == 3_000
    assert scale.gemini_price(WORK) == pytest.approx(0.01245)
    assert found.spend == pytest.approx(30_000 * 0.01245)
    assert found.projects == 2
    assert found.writes_per_second == pytest.approx(50 * 9)
    assert found.requests == 2_000 * 3 * 60 * 4 * 21
    assert found.writes == found.requests * 9
    assert found.aws_lambda == pytest.approx(found.requests * 0.000_163, rel=0.01)
    # 30,240,000 requests of 20 s in 756,000 s are 800 open ones: six instances, each 60 % full.
    hosting = 6 * 756_000 * 0.000_026_5 + 30_240_000 * 0.000_004
    assert found.cloud_run == pytest.approx(hosting)


def test_few_developers_pay_for_no_more_than_they_use() -> None:
    found = needs(1, WORK)
    assert found.cloud_run < 15_120 * 20 * scale.CLOUD_RUN_SECOND + 0.1
    assert (found.instances, found.projects) == (1, 1)
    assert needs(1, WORK).firestore / found.requests == scale.firestore_price(99, ALONE)


def test_cpu_limits_an_instance_where_answers_are_fast() -> None:
    assert scale.instances(100, 0, 1.0) == 1
    assert scale.instances(100, 60 * 1_000, 1.0) == math_ceil_of_cpu(100, 1_000)


def math_ceil_of_cpu(answers: int, per_second: int) -> int:
    """Instances of half a CPU each."""
    return -(-(answers * 10 * 130 + per_second * 2_000) // 500_000)


def test_limits_come_in_order_and_hold_to_the_last_developer() -> None:
    found = limits(WORK)
    assert found == sorted(found, key=lambda limit: limit.developers)
    by_name = {limit.name: limit.developers for limit in found}
    for tier, dollars in scale.SPEND_TIERS.items():
        (most,) = (each for name, each in by_name.items() if name.endswith(tier))
        assert needs(int(most), WORK).spend <= dollars < needs(int(most) + 1, WORK).spend
    most = int(by_name["Cloud Run: 5 instances"])
    assert (needs(most, WORK).instances, needs(most + 1, WORK).instances) == (5, 6)
    most = int(by_name["AWS: MaxStreams=20"])
    assert needs(most, WORK).environments == 20


def test_largest_group_is_what_its_documents_bear() -> None:
    assert scale.largest_group(WORK) * 0.5 * 3 == pytest.approx(64 * 20)


def test_reader_changes_a_figure(capsys: pytest.CaptureFixture[str]) -> None:
    scale.main([])
    usual = capsys.readouterr().out
    assert usual.startswith("| developers | 10 | 1,000 | 100,000 |\n")
    scale.main(["--developers", "7", "--requests_per_minute", "6", "--model", "gemini-3.8-flash"])
    changed = capsys.readouterr().out
    assert changed.startswith("| developers | 7 |\n")
    assert "| busiest minute: requests | 21 |" in changed
    assert changed.count("developers: ") == usual.count("developers: ") == 6

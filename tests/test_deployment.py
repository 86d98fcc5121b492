"""DEPLOYMENT.md: figures follow from those above them, and links, settings and targets exist."""

from __future__ import annotations

import json
import math
import re

import pytest

from proxy import config, endpoints, json_codec, memory_limit
from tests.hosting.test_settings import loaded
from tests.servers import ROOT
from translate.models import TABLE

DEPLOYMENT = (ROOT / "DEPLOYMENT.md").read_text()
README = (ROOT / "README.md").read_text()
SECURITY = (ROOT / "SECURITY.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
PARAMETERS = loaded("template.yaml")["Parameters"]
CONCURRENCY = 250


def rows(head: str) -> list[list[str]]:
    """The cells of the table whose head begins like this."""
    table = DEPLOYMENT.split(f"\n{head}", 1)[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in table]


def number(text: str) -> float:
    """The first in a text."""
    found = re.search(r"\d[\d,]*(?:\.\d+)?", text)
    assert found is not None
    return float(found[0].replace(",", ""))


# --- Sizing -------------------------------------------------------------------------------------

MEASURED = {what: number(figure) for what, figure in rows("| What | Takes |")}
CHUNK_MS = MEASURED["a chunk"]
REQUEST_MS = MEASURED["a request of Claude Code's, 81 KB"]
[COUNTING_MS] = [figure for what, figure in MEASURED.items() if what.startswith("counting")]
COUNTING = {
    row.split("`")[1]: row.split("|")
    for row in README.split("### What counting costs\n")[1].split("\n### ")[0].splitlines()
    if "://`" in row
}
"""PROXY_STORE -> cells of README's table."""


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch) -> int:
    """Bytes for requests, of 1 GiB."""
    monkeypatch.setattr(memory_limit, "memory_limit", lambda: 2**30)
    return memory_limit.for_requests(1)


def conversation(size: int) -> bytes:
    """Claude Code's request, made so large by messages of 2,000 characters."""
    raw = (ROOT / "tests/fixtures/claude_code_request.json").read_bytes()
    body = json.loads(raw)
    turns = (size - len(raw)) // 2_000
    body["messages"] += [
        {"role": ("assistant", "user")[turn % 2], "content": "x" * 2_000}
        for turn in range(max(0, turns))
    ]
    return json.dumps(body, ensure_ascii=False).encode()


def test_memory_of_a_request_is_what_is_reserved(budget: int) -> None:
    assert f"Of 1 GiB, {budget // 1_000_000} MB are for requests" in DEPLOYMENT
    for request, held, at_once in rows("| Request | Holds at most |"):
        size = int(number(request)) * 1_000
        if size == 81_000:
            raw = (ROOT / "tests/fixtures/claude_code_request.json").read_bytes()
        else:
            raw = conversation(size)
        assert abs(len(raw) - size) < 0.02 * size
        reserved = json_codec.memory_size(raw)
        assert number(held) == round(reserved / 1_000_000, 1)
        assert int(number(at_once)) == budget // reserved


EACH_MS = 10 * CHUNK_MS + (REQUEST_MS + COUNTING_MS) / 20
"""CPU of an open answer, a second."""


def test_people_need_what_was_measured() -> None:
    assert round(CONCURRENCY * EACH_MS / 1_000, 1) == 0.5
    assert f"with {CONCURRENCY} answers takes half of its CPU" in DEPLOYMENT
    for people, answers, cpu, instances, streams in rows("| People at work |"):
        at_once = 4 * number(people)
        assert number(answers) == at_once
        assert number(cpu) == round(at_once * EACH_MS / 1_000, 2)
        assert number(instances) == math.ceil(at_once / CONCURRENCY)
        if at_once <= 900:
            assert streams == f"`MaxStreams={at_once:g}`"


def test_defaults_are_those_that_are_deployed() -> None:
    instances = re.search(r"^INSTANCES = (\d+)$", MAKEFILE, re.MULTILINE)
    assert instances is not None
    assert f"--concurrency {CONCURRENCY} " in MAKEFILE
    people = int(instances[1]) * CONCURRENCY // 4
    assert f"The default are {instances[1]} instances: {people} people." in DEPLOYMENT
    [started] = [row for row in rows("| | Cloud Run |") if row[0] == "How much can be started"]
    assert started[1:3] == [
        f"`INSTANCES`, {instances[1]}",
        f"`MaxStreams`, {PARAMETERS['MaxStreams']['Default']}",
    ]
    assert f"`PROXY_STOP_SECONDS`, {config.DEFAULTS['PROXY_STOP_SECONDS']};" in DEPLOYMENT


# --- Cost ---------------------------------------------------------------------------------------


def calculated(arithmetic: str) -> float:
    """Of figures with units, in the signs of a person."""
    plain = re.sub(r"(?<=\d),(?=\d{3})|\bs\b|GB", "", arithmetic)
    plain = plain.replace("×", "*").replace("÷", "/")
    assert re.fullmatch(r"[\d.+*/() ]+", plain), plain
    return float(eval(plain))


COSTS = {host: (arithmetic, float(usd)) for host, arithmetic, usd in rows("| Host | Arithmetic |")}


def test_costs_are_what_their_arithmetic_says() -> None:
    for arithmetic, usd in COSTS.values():
        if "README.md" not in arithmetic:
            assert round(calculated(arithmetic), 3) == usd
    at_once = calculated("20 × (0.000024 + 0.0000025)") / (COSTS["Lambda, however many"][1] / 1_000)
    assert math.ceil(at_once) == 4
    assert "from four answers at once on" in DEPLOYMENT


def test_stores_cost_what_readme_says() -> None:
    assert max(number(cells[2]) for cells in COUNTING.values()) == COUNTING_MS
    for host, (_, usd) in COSTS.items():
        for store, cells in COUNTING.items():
            assert f"`{store}`" not in host or usd == number(cells[6])
    assert len([host for host in COSTS if "://`" in host]) == 2


def test_geminis_price_is_that_of_the_table() -> None:
    [name] = [name for name in COSTS if "Gemini" in name]
    [price] = TABLE["gemini-4-hydrogen"].prices
    arithmetic = f"4,000 × {price.input:g} + 36,000 × {price.cached:g} + 500 × {price.output:g}"
    assert arithmetic in COSTS[name][0]
    each = COSTS[name][1] / 1_000
    found = re.search(r"that is (\d+), ([\d,]+) or ([\d,]+) requests in ten minutes", DEPLOYMENT)
    assert found is not None
    assert [int(number(text)) for text in found.groups()] == [
        int(limit / each) for limit in (10, 50, 200)
    ]


def test_size_of_a_function_is_the_default() -> None:
    assert PARAMETERS["MemorySize"]["Default"] == 512
    assert "answer alone (512 MB)" in DEPLOYMENT
    assert "MEMORY = 1Gi" in MAKEFILE


# --- Names --------------------------------------------------------------------------------------


def test_locations_are_asked_at_their_hosts() -> None:
    table = [row for row in rows("| `GOOGLE_CLOUD_LOCATION` |") if len(row) == 3]
    named = {re.findall(r"`([^`]+)`", where)[0]: host.strip("`") for where, host, _ in table}
    assert set(named) == {config.DEFAULTS["GOOGLE_CLOUD_LOCATION"], "eu", "us", "europe-west4"}
    for location, host in named.items():
        environ = {"GEMINI_BACKEND": "vertex", "GOOGLE_CLOUD_LOCATION": location}
        assert endpoints.from_settings(config.read(environ)).base_url == f"https://{host}"


def test_settings_it_names_exist() -> None:
    names = r"`((?:PROXY|GEMINI|GOOGLE|ANTHROPIC)_[A-Z_]+)[=`]"
    named = set(re.findall(names, DEPLOYMENT + SECURITY))
    assert len(named) > 8
    assert named <= set(config.VARIABLES)


def test_targets_and_variables_it_names_exist() -> None:
    commands = re.findall(r"(?:`|^    |&& )make ([a-z]+(?:-[a-z]+)?)\b([^`\n]*)", DEPLOYMENT, re.M)
    targets = {target for target, _ in commands} - {"rotate"}
    assert {"deploy-gcp", "rollback-gcp", "rotate-aws"} <= targets
    assert targets <= set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
    used = {name for _, given in commands for name in re.findall(r"\b([A-Z_]+)=", given)}
    assert {"PROJECT", "REGION", "SECRET", "DROP", "MEMORY", "INSTANCES", "REVISION"} <= used
    known = set(re.findall(r"\b[A-Z_]+\b", MAKEFILE))
    assert used <= known


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


TEXTS = {"README.md": README, "DEPLOYMENT.md": DEPLOYMENT, "SECURITY.md": SECURITY}


@pytest.mark.parametrize("name", TEXTS)
def test_links_between_documents_lead_somewhere(name: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", TEXTS[name])
    assert len(links) > 1
    for file, anchor in links:
        assert not file or (ROOT / file).is_file()
        if anchor:
            assert anchor in anchors(TEXTS[file or name])

"""README.md: its tables and commands are what the code does."""

import json
import re
from urllib.parse import unquote

import pytest

from proxy import config, oidc_settings, routes, telemetry
from proxy.payers import Counting
from proxy.team import (
    budget,
    holds,
    metrics,
    opening,
    overlap,
    own_token,
    plans,
    refusals,
    roster,
)
from proxy.team.client_budget import THRESHOLDS
from proxy.team.stores import dynamodb, firestore
from proxy.web import (
    blocks,
    id_token,
    oidc,
    oidc_provider,
    session,
    sign_in,
    team_actions,
    team_page,
)
from tests.e2e import claude_code
from tests.servers import ROOT
from translate.models import (
    CHECKED,
    CLASS_NAMES,
    CLASS_SETTINGS,
    CLASSES,
    DEFAULTS,
    LARGE_INPUT,
    TABLE,
    Model,
    Price,
    Rates,
    google_name,
)
from translate.models.names import MAX_NAME_LENGTH

README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


def table(heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, without its head."""
    section = README.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_every_setting_has_a_row_with_its_default() -> None:
    rows = {quoted(row[0])[0]: row[-1] for row in table("Configuration")}
    assert list(rows) == list(config.VARIABLES)
    for name, default in config.DEFAULTS.items():
        assert quoted(rows[name]) == [default]
    for model_class, name in CLASS_SETTINGS.items():
        assert quoted(rows[name]) == [DEFAULTS[model_class]]


def test_the_model_mapping_is_the_one_in_the_code() -> None:
    rows = table("Models")
    for model_class in DEFAULTS:
        words = {word for word in CLASSES if CLASSES[word] == model_class}
        row = next(r for r in rows if CLASS_SETTINGS[model_class] in r[1])
        assert quoted(row[1]) == [
            CLASS_SETTINGS[model_class],
            "ANTHROPIC_MODEL",
            DEFAULTS[model_class],
        ]
        assert set(quoted(row[0])) == (words if model_class != "sonnet" else set())


def test_names_of_classes_are_those_that_are_listed() -> None:
    paragraph = README.split("`/v1/models` lists")[1].split("\n\n")[0]
    assert [name for name in quoted(paragraph) if name.startswith("claude-")] == [
        *CLASS_NAMES.values()
    ]


def test_forms_of_names_are_understood() -> None:
    row = next(row for row in table("Models") if "`google/gemini-...`" in row[0])
    forms = [*quoted(row[0]), *quoted(table("Models")[1][0])]
    for form in forms:
        before, _, after = form.replace("gemini-...", "...").partition("...")
        assert google_name(f"{before}gemini-4-neon{after}") == "gemini-4-neon", form
    assert f"at most {MAX_NAME_LENGTH} characters" in README


def test_the_models_are_those_of_the_table() -> None:
    section = README.split("These are known by name")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows == [row(model) for model in TABLE.values()]
    assert {(model.context, model.output) for model in TABLE.values()} == {(1_048_576, 65_536)}
    assert f"above {LARGE_INPUT:,} tokens of input" in section
    assert f"Prices and dates as of {CHECKED}" in section
    assert "Context is 1,048,576 tokens and the longest answer 65,536" in section


def row(model: Model) -> str:
    budget = model.budget
    thinking = ", ".join(model.levels)
    if budget is not None:
        off = ", or off" if budget.can_be_off else ""
        thinking = f"{budget.minimum} to {budget.maximum} tokens{off}"
    cells = [
        f"`{model.name}`",
        thinking,
        "; ".join(cost(price) for price in model.prices),
        "yes" if model.is_free else "no",
        retirement(model),
    ]
    return f"| {' | '.join(cells)} |"


def cost(price: Price) -> str:
    since = f"from {price.since}: " if price.since else ""
    return f"{since}{rates(price)}" + (f", or {rates(price.large)}" if price.large else "")


def rates(price: Price | Rates) -> str:
    return f"{price.input:g} / {price.cached:g} / {price.output:g}"


def retirement(model: Model) -> str:
    days = [model.retires] if model.retires else []
    if model.vertex_retires:
        days.append(f"Vertex AI {model.vertex_retires}")
    return f"{', '.join(days)}, then `{model.successor}`" if days else ""


def test_every_make_command_exists() -> None:
    used = set(re.findall(r"^    make ([a-z][a-z-]*)", README, re.MULTILINE))
    targets = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
    assert used <= targets
    assert {"demo", "run", "quick", "check"} <= used


def test_the_picture_is_the_one_in_the_package() -> None:
    picture = (ROOT / "translate/__init__.py").read_text().split("\n\n")[1]
    assert picture in README


def test_the_first_screen_says_what_how_and_where() -> None:
    first_screen = "\n".join(README.splitlines()[:28])
    for needed in ("Messages API", "make demo", "make run", "ANTHROPIC_BASE_URL", "claude\n"):
        assert needed in first_screen
    assert "gemini-claude\n" in first_screen


@pytest.mark.parametrize("number", range(3))
def test_what_to_set_is_what_the_page_says(number: int) -> None:
    """In bash, PowerShell and settings.json."""
    block = blocks.blocks("http://127.0.0.1:8080", "your-gemini-api-key")[number]
    assert "".join(f"\n    {line}" for line in block.text.splitlines()) in README


def test_every_link_inside_leads_to_a_heading() -> None:
    headings = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}
    links = re.findall(r"\]\(#([^)]+)\)", README)
    assert set(links) <= anchors
    assert len(links) > 5


MAX_PICTURE_BYTES = 150_000


def test_pictures_are_there_and_small() -> None:
    pictures = re.findall(r'<img src="([^"]+)"[^>]* alt="([^"]+)">', README)
    files = [ROOT / unquote(source) for source, _ in pictures]
    assert files == sorted({*files}, key=files.index)
    assert {*files} == {*(ROOT / "docs").iterdir()}
    assert all(0 < file.stat().st_size < MAX_PICTURE_BYTES for file in files)
    assert README.count("<img") == len(pictures) >= 3


def test_clients_are_of_the_versions_that_are_tried() -> None:
    """After `make raise-clients`: write the new versions into the table."""
    rows = [row[0] for row in table("What is tested, and what is not")]
    assert rows[0] == f"Claude Code {claude_code.OLDEST} and {claude_code.NEWEST}"
    folder = ROOT / "tests/e2e/clients"
    pinned = json.loads((folder / "package.json").read_text())["dependencies"]
    lines = (folder / "requirements.txt").read_text().splitlines()
    pinned |= dict(line.split("==") for line in lines if "==" in line)
    named = re.findall(r"`([^`]+)` ([\d.]+)", rows[1])
    assert len(named) == 6
    assert [(name, pinned[name]) for name, _ in named] == named


def test_free_tier_is_that_of_the_table() -> None:
    section = README.split("### The free tier\n")[1].split("\n## ")[0]
    (fallbacks,) = re.findall(r"GEMINI_FALLBACK_MODELS=([^`]+)`", section)
    assert all(TABLE[name].is_free for name in [*DEFAULTS.values(), *fallbacks.split(",")])


def test_models_lead_to_auto_mode() -> None:
    section = README.split("## Models\n")[1].split("\n## ")[0]
    assert 'see "Auto mode" in\n[Configuration]' in section
    assert "**Auto mode.**" in README.split("## Configuration\n")[1].split("\n## ")[0]


def test_costs_are_those_of_the_picture() -> None:
    drawn = " ".join(re.findall(r">([^<]+)<", (ROOT / "docs/session.svg").read_text("utf-8")))
    figures = re.search(r"in the session of the picture (\$\d+\.\d+) for (\$\d+\.\d+)", README)
    assert figures is not None
    assert f"; {figures[2]} at Gemini" in drawn
    assert f"believes {figures[1]})" in drawn
    assert f"v{claude_code.NEWEST}" in drawn


# --- A team ------------------------------------------------------------------------------------

TEAM = README.split("## Share it with your team\n")[1].split("\n## ")[0]


def rows(heading: str) -> list[list[str]]:
    """Of the table under a heading of that section."""
    lines = TEAM.split(f"### {heading}\n")[1].split("\n### ")[0].splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("|")][2:]


def test_fields_of_a_plan_have_rows() -> None:
    fields = [name for row in rows("Plans") for name in quoted(row[0])]
    of_file = [name for name in plans.SECTIONS if name not in ("plans", "groups", "raises")]
    assert fields == [*of_file, "models", *plans.LIMITS]
    assert "`[[raises]]`" in TEAM


def test_bound_of_a_budget_is_the_one_in_the_code() -> None:
    assert f"up to {holds.HELD_OUTPUT:,} tokens of\noutput" in TEAM
    assert f"grows by {holds.STEP:,} tokens" in TEAM
    assert f"one step of {holds.STEP:,} tokens" in TEAM
    assert f"From {budget.WARNING_SHARE:.0%}".replace("%", " %") in TEAM
    shares = " and ".join(f"above {100 * share:.0f} %" for share in sorted(THRESHOLDS))
    assert f"| beside the prompt, {shares} |" in TEAM
    assert f"`retry-after: {refusals.BUSY_SECONDS}`" in TEAM


def test_requests_in_vain_are_those_of_the_code() -> None:
    assert f"at most {overlap.MAX_OVERLAPPED} requests for each instance" in TEAM
    assert f"less\nthan {100 * overlap.PLENTY:.0f} % of every limit" in TEAM
    assert overlap.PLENTY == budget.WARNING_SHARE


def test_us_dollars_of_counting_are_the_stores_own() -> None:
    """In their docstrings, which other tests compare with what they write."""
    in_group, alone = {}, {}
    for row in rows("What counting costs"):
        in_group[row[0]], alone[row[0]] = row[5], row[6]
    assert list(in_group) == ["none", "`sqlite://`", "`dynamodb://`", "`firestore://`"]
    dynamo, fire = str(dynamodb.__doc__), str(firestore.__doc__)
    assert f"US$ {in_group['`dynamodb://`']} for 1,000 of them" in dynamo
    assert f"US$ {alone['`dynamodb://`']}" in dynamo
    assert re.search(rf"all three .* US\$ {in_group['`firestore://`'].split()[0]} ", fire)
    assert f"US$ {alone['`firestore://`']}" in fire


def test_stores_are_those_that_can_be_opened() -> None:
    urls = [name for row in rows("Stores") for name in quoted(row[0])]
    assert "{}, {} or {}".format(*urls) == opening.URLS
    for counting in Counting:
        assert not counting or f"`{counting}`" in TEAM


def test_sign_in_has_the_bounds_that_are_named() -> None:
    section = README.split("**Signing in**")[1].split("\n\n")[1]
    assert f"{session.MAX_SECONDS // 3_600} hours" in section
    minutes = sign_in.WINDOW_SECONDS // 60
    limits = sign_in.MAX_FAILURES, sign_in.MAX_ALL_FAILURES
    assert "{} from an address, or {} in all, in {} minutes".format(*limits, minutes) in section


def test_sign_in_with_a_provider_has_the_bounds_that_are_named() -> None:
    section = README.split("**Signing in with a provider**")[1].split("**People and plans**")[0]
    assert f"`https://<this server>{routes.OIDC_CALLBACK}`" in section
    call, whole = oidc_provider.CALL_SECONDS, oidc_provider.ALL_SECONDS
    size = oidc_provider.MAX_BYTES // 1024
    assert f"{call:.0f} s and {size} KB an answer, {whole:.0f} s a sign-in" in section
    assert oidc.COOKIE_SECONDS == 600
    assert "cookie of ten minutes" in section
    assert f"`token revoke {oidc.TOKEN_ID} --person" in section
    for name in oidc_settings.NEEDED:
        assert name in section
    for algorithm in id_token.KEY_TYPES:
        assert algorithm in section


def test_page_of_the_team_has_the_bounds_that_are_named() -> None:
    section = README.split("**People and plans**")[1].split("A line of the log")[0]
    section = " ".join(section.split())
    assert f"the last day of use (within {roster.SEEN_DAYS})" in section
    assert f"{team_page.MAX_PEOPLE} to a page" in section
    assert f"good for {team_actions.GRACE_DAYS} days more" in section
    assert f"the newest {team_page.MAX_ACTS})" in section
    rows = [line for line in section.split(" | ") if line]
    for word in ("make a token", "replace one", "revoke one, or all", "raise a limit"):
        assert any(word in each for each in rows)


def test_metrics_are_those_of_a_scrape() -> None:
    helps = {f"`{metrics.PREFIX}{name}`": each.help for name, each in metrics.COUNTERS.items()}
    helps[f"`{metrics.PREFIX}{metrics.ESTIMATED}`"] = metrics.ESTIMATED_HELP
    for name, help_text in metrics.BUDGET_HELP.items():
        end = "_seconds" if name == "reset" else "_*"
        helps[f"`{metrics.PREFIX}budget_{name}{end}`"] = help_text
    (info, *others) = rows("Prometheus")
    assert dict(others) == helps
    assert info[0] == f"`{metrics.PREFIX}info`"
    assert f"{metrics.MAX_SERIES:,} combinations" in TEAM
    assert f"`{metrics.OTHER}`" in TEAM
    assert f"the first {metrics.MAX_GROUPS} groups" in TEAM


def test_pushed_metrics_are_those_of_the_code() -> None:
    lines = [
        f"| `{name}` | {'histogram' if buckets else 'counter'}, `{unit}` | {description} |"
        for name, unit, description, buckets in telemetry.INSTRUMENTS
    ]
    lines += [f"| `{name}` | {values} |" for name, values in telemetry.ATTRIBUTES.items()]
    section = TEAM.split("### OpenTelemetry\n")[1].split("\n### ")[0]
    found = [line for line in section.splitlines() if line.startswith("| `")]
    assert found == lines
    assert telemetry.INSTALL in section
    assert f"(within {telemetry.FLUSH_SECONDS:.0f} s)" in section
    assert f"(within {telemetry.INVOCATION_SECONDS:.0f} s," in section
    assert all(f"`{path}`" in section for path in routes.TELEMETRY[1:])


def test_shown_tokens_last_as_long_as_is_said() -> None:
    assert f"good as long, {own_token.MAX_DAYS} days at most" in README

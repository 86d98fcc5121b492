"""proxy/team/money.py: whole nano-US$ at the prices of the table."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.team import money
from proxy.team.money import NANO
from translate import models
from translate.models import TABLE, Tokens, find
from translate.models.cost import rates_on

TODAY, LATER = "2026-11-28", "2027-01-01"


@pytest.mark.parametrize("name", TABLE)
def test_prices_of_the_table_are_whole_nano_dollars(name: str) -> None:
    for price in TABLE[name].prices:
        for rate in (*price[:3], *(price.large or ())):
            assert money.nano_per_token(rate) == pytest.approx(rate * 1_000, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "day", "tokens", "nano_usd"),
    [
        ("gemini-4-hydrogen", TODAY, Tokens(1, 0, 0), 1_500),
        ("gemini-4-hydrogen", TODAY, Tokens(1, 1, 0), 75),
        ("gemini-4-hydrogen", TODAY, Tokens(0, 0, 1), 7_500),
        ("gemini-4-hydrogen", TODAY, Tokens(35_500, 17_000, 75), 29_587_500),
        ("gemini-3.8-flash", TODAY, Tokens(10, 0, 1), 11_250),
        ("gemini-3.8-flash", LATER, Tokens(10, 0, 1), 22_500),
        ("gemini-3.1-pro-preview", TODAY, Tokens(200_000, 100_000, 0), 220_000_000),
        ("gemini-3.1-pro-preview", TODAY, Tokens(200_001, 100_000, 0), 440_004_000),
        ("gemini-9-unheard-of", TODAY, Tokens(1, 0, 1), 18_000),
        ("gemini-9-unheard-of", TODAY, Tokens(), 0),
    ],
)
def test_cost_in_nano_dollars(name: str, day: str, tokens: Tokens, nano_usd: int) -> None:
    """Complaints 8, 9, 10: what is cached has a price of its own, a model without a price is not
    free, and a large input is dearer."""
    found = money.cost(find(name), day, tokens)
    assert found == nano_usd
    assert found == pytest.approx(models.cost(find(name), day, tokens) * NANO)


def test_unpriced_model_costs_the_dearest_row() -> None:
    """Complaint 9."""
    rates = [rates_on(each, TODAY, 1) for each in TABLE.values()]
    assert money.cost(find("gemini-9-unheard-of"), TODAY, Tokens(0, 0, 1)) == 1_000 * max(
        each.output for each in rates
    )


def test_cached_tokens_save_the_difference() -> None:
    neon = find("gemini-4-neon")
    assert money.saved(neon, TODAY, Tokens(100, 40, 9)) == 40 * (3_000 - 150)


@pytest.mark.parametrize(
    ("size", "tokens"), [(0, 0), (1, 1), (3, 1), (4, 2), (300_000, 100_000), (10**8, 1_048_576)]
)
def test_input_is_estimated_from_its_size(size: int, tokens: int) -> None:
    assert money.estimate_input((), size, find("gemini-4-neon")) == tokens


def test_media_are_estimated_by_their_kind() -> None:
    """A picture of 5 MB costs no more than a small one: a budget is not to be too small for it."""
    image = {"inlineData": {"mimeType": "image/png", "data": "A" * 5_000_000}}
    pdf = {"inlineData": {"mimeType": "application/pdf", "data": "A" * 700_000}}
    contents: Any = [
        {"role": "user", "parts": [{"text": "Look."}, image]},
        {"role": "user", "parts": [{"functionResponse": {"name": "Read", "parts": [pdf]}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "Bash"}}]},
    ]
    found = money.estimate_input(contents, 5_700_300, find("gemini-4-neon"))
    assert found == 100 + money.IMAGE_TOKENS + 100_000


@pytest.mark.parametrize(
    ("nano_usd", "text"),
    [
        (0, "$0.00"),
        (5 * NANO, "$5.00"),
        (1_234 * NANO + 560_000_000, "$1,234.56"),
        (10_000_000, "$0.01"),
        (9_999_999, "under $0.01"),
    ],
)
def test_dollars_for_a_person(nano_usd: int, text: str) -> None:
    assert money.dollars(nano_usd) == text

"""translate/models/cost.py: token counts at the prices of a day."""

from __future__ import annotations

import pytest

from translate.models import Tokens, cost, find

TODAY, LATER = "2026-11-28", "2027-01-01"
MILLION = 1_000_000


@pytest.mark.parametrize(
    ("name", "day", "counts", "dollars"),
    [
        ("gemini-4-hydrogen", TODAY, (MILLION, 0, 0), 1.50),
        ("gemini-4-hydrogen", TODAY, (0, MILLION, 0), 0.075),
        ("gemini-4-hydrogen", TODAY, (0, 0, MILLION), 7.50),
        ("gemini-4-hydrogen", TODAY, (18_500, 17_000, 75), 0.0295875),
        ("gemini-3.8-flash", TODAY, (MILLION, 0, MILLION), 4.50),
        ("gemini-3.8-flash", LATER, (MILLION, 0, MILLION), 9.00),
        ("gemini-3.1-pro-preview", TODAY, (100_000, 100_000, 0), 0.22),
        ("gemini-3.1-pro-preview", TODAY, (100_001, 100_000, 0), 0.440004),
        ("gemini-9-unheard-of", TODAY, (MILLION, 0, 0), 4.00),
        ("gemini-9-unheard-of", TODAY, (0, 0, MILLION), 15.00),
        ("gemini-9-unheard-of", TODAY, (0, 100_000, 0), 0.02),
        ("gemini-4-hydrogen", TODAY, (0, 0, 0), 0.0),
    ],
)
def test_cost_by_kind_of_token_day_and_tier(
    name: str, day: str, counts: tuple[int, int, int], dollars: float
) -> None:
    uncached, cached, output = counts
    tokens = Tokens(uncached + cached, cached, output)
    assert cost(find(name), day, tokens) == pytest.approx(dollars)

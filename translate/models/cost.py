"""What an answer costs: token counts -> US dollars, at the prices of a day.

The prices are table.py's. Whether a key is a free one, for which nothing is paid, nobody tells.
"""

from __future__ import annotations

from typing import NamedTuple

from .table import LARGE_INPUT, TABLE, Model, Rates

MILLION = 1_000_000


class Tokens(NamedTuple):
    """Of one request. input: with what came from the cache. output: with thoughts."""

    input: int = 0
    cached: int = 0
    output: int = 0


def cost(model: Model, day: str, tokens: Tokens) -> float:
    """US dollars for one request at the standard tier, or as much as the dearest model would cost
    where the price is not known. day: an ISO date."""
    rates = rates_on(model, day, tokens.input)
    uncached = tokens.input - tokens.cached
    dollars = uncached * rates.input + tokens.cached * rates.cached + tokens.output * rates.output
    return dollars / MILLION


def rates_on(model: Model, day: str, input_tokens: int) -> Rates:
    """The rates of a request with so much input."""
    price = model.price_on(day)
    if price is None:
        known = [rates_on(each, day, input_tokens) for each in TABLE.values() if each.prices]
        return Rates(*map(max, zip(*known, strict=True)))
    if price.large is not None and input_tokens > LARGE_INPUT:
        return price.large
    return Rates(price.input, price.cached, price.output)

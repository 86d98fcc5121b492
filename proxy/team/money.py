"""What tokens cost, in whole nano-US$, so that sums are exact: a dollar has 10**9 of them, and a
token of the cheapest model costs 10.

The prices are those of translate/models/; a model whose price is not known costs what the dearest
does.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator

from translate.models import LARGE_INPUT, Model, Tokens
from translate.models.cost import rates_on
from translate.wire import Content, Json, Part

NANO = 10**9
"""Of a dollar."""

NANO_PER_TOKEN = NANO // 10**6
"""For each dollar that a million tokens cost."""

BYTES_PER_TOKEN = 3
"""Of a request in JSON, to hold enough before Gemini has counted: of English it has about 4, of
code 3 to 3.5, and Claude Code sends both. An estimate that is too low would be held too little; one
that is too high is corrected within seconds, by the first chunk."""

IMAGE_TOKENS = 2_240
"""Of one image at the most (MEDIA_RESOLUTION_ULTRA_HIGH), however many bytes it has:
https://ai.google.dev/gemini-api/docs/media-resolution."""

PDF_BYTES_PER_TOKEN = 7
"""Of a PDF's base64: a page is 560 tokens, and 4 KB or more."""


def cost(model: Model, day: str, tokens: Tokens) -> int:
    """Nano-US$ of one request, on an ISO date."""
    uncached_rate, cached_rate, output_rate = _rates(model, day, tokens.input > LARGE_INPUT)
    uncached = tokens.input - tokens.cached
    return uncached * uncached_rate + tokens.cached * cached_rate + tokens.output * output_rate


def saved(model: Model, day: str, tokens: Tokens) -> int:
    """Nano-US$ that the tokens from the cache would have cost more outside it."""
    if not tokens.cached:
        return 0
    uncached_rate, cached_rate, _ = _rates(model, day, tokens.input > LARGE_INPUT)
    return tokens.cached * (uncached_rate - cached_rate)


@functools.lru_cache(256)
def _rates(model: Model, day: str, is_large: bool) -> tuple[int, int, int]:
    """Of input, cached input and output: nano-US$ for a token. A request needs them often."""
    rates = rates_on(model, day, LARGE_INPUT + is_large)
    return nano_per_token(rates.input), nano_per_token(rates.cached), nano_per_token(rates.output)


def nano_per_token(rate: float) -> int:
    """rate: US dollars for a million tokens. Prices have so few digits that this is exact."""
    return round(rate * NANO_PER_TOKEN)


def estimate_input(contents: Iterable[Content], size: int, model: Model) -> int:
    """Tokens of a request of so many bytes of JSON, rather too many than too few.

    contents: of the translated request, for the media in it.
    """
    media = [part["inlineData"] for part in _parts(contents) if "inlineData" in part]
    text = max(0, size - sum(len(each["data"]) for each in media))
    return min(-(-text // BYTES_PER_TOKEN) + sum(map(_estimate_medium, media)), model.context)


def _parts(contents: Iterable[Content]) -> Iterator[Part]:
    for content in contents:
        for part in content["parts"]:
            yield part
            yield from part.get("functionResponse", {}).get("parts", ())


def _estimate_medium(medium: Json) -> int:
    if medium["mimeType"].startswith("image/"):
        return IMAGE_TOKENS
    return len(medium["data"]) // PDF_BYTES_PER_TOKEN


def dollars(nano_usd: int) -> str:
    """For a person, to the cent."""
    cents = NANO // 100
    return f"${nano_usd / NANO:,.2f}" if nano_usd >= cents or not nano_usd else "under $0.01"

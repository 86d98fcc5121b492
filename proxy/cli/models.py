"""`python -m proxy models`: the table of models (translate/models/), for a person or a program.

The prices are those of the day, and the next that are announced.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from translate import models
from translate.models import CLASS_SETTINGS, TABLE, Model, Price

from .. import clock, config, endpoints

DESCRIPTION = f"""\
List the Gemini models that are known by name: which can be used with a free key, US dollars per
million tokens (input / cached input / output) today and next, tokens of context, when they retire
and which then answers. SERVES says which of Claude Code's models each stands for, with the settings
of this environment. Compared with Google's pages on {models.CHECKED}.

    python -m proxy models
    python -m proxy models --json
"""
HEAD = ("MODEL", "SERVES", "FREE", "US$ PER MILLION", "NEXT", "CONTEXT", "RETIRES")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", help="print JSON, for programs (default: a table)"
    )


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    settings = config.read(environ)
    platform, today = endpoints.from_settings(settings).platform, clock.today()
    served: dict[str, list[str]] = {}
    for model_class in CLASS_SETTINGS:
        model = models.resolve(
            f"claude-{model_class}", settings.model_settings, platform=platform, today=today
        )
        served.setdefault(model.name, []).append(model_class)
    listed = [models.for_platform(models.find(name), platform) for name in {**TABLE, **served}]
    if arguments.json:
        print(json.dumps([_facts(each, served.get(each.name, []), today) for each in listed]))
        return 0
    rows = [_row(model, served.get(model.name, []), today) for model in listed]
    for line in _aligned([HEAD, *rows]):
        print(line)
    return 0


def _facts(model: Model, served: Sequence[str], today: str) -> dict[str, Any]:
    now, later = model.price_on(today), model.next_price(today)
    return {
        "name": model.name,
        "serves": served,
        "is_free": model.is_free,
        "price": _rates(now),
        "next_price": _rates(later) | {"since": later.since} if later else None,
        "context": model.context,
        "output": model.output,
        "retires": model.retires,
        "successor": model.successor,
    }


def _rates(price: Price | None) -> dict[str, Any]:
    """Empty where the price is not known."""
    if price is None:
        return {}
    rates: dict[str, Any] = {name: getattr(price, name) for name in ("input", "cached", "output")}
    return rates | ({"large": price.large._asdict()} if price.large else {})


def _row(model: Model, served: Sequence[str], today: str) -> tuple[str, ...]:
    later = model.next_price(today)
    retires = f"{model.retires}, then {model.successor}" if model.retires else ""
    return (
        model.name,
        ", ".join(served),
        "yes" if model.is_free else "no",
        _prices(model.price_on(today)),
        f"{later.since}: {_prices(later)}" if later else "",
        f"{model.context:,}",
        retires,
    )


def _prices(price: Price | None) -> str:
    """`0.75 / 0.075 / 3.75`; large requests behind "or"."""
    if price is None:
        return "not known"
    tiers = [(price.input, price.cached, price.output), *([price.large] if price.large else [])]
    return " or ".join(" / ".join(f"{rate:g}" for rate in tier) for tier in tiers)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()

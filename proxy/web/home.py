"""The page at `/`: that the server works, and how to point Claude Code at it.

Who may see what of it is main.py's to know.
"""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from translate import models
from translate.models import Model, Platform, Price, Rates

from .. import __version__, log_text
from ..config import Settings
from . import render
from .blocks import blocks

ROW_TIME = "%H:%M:%S"


class Credential(NamedTuple):
    """What stands for the token in a block, what it is, and where to get it."""

    token: str
    sentence: str
    link: str = ""


OWN_KEY = Credential(
    "your-gemini-key",
    "Each caller brings a Gemini key; one of the free tier will do.",
    "https://aistudio.google.com/apikey",
)
TOKEN = Credential(
    "the-servers-access-token",
    "Callers bring this server’s access token: ask whoever runs it.",
)
LOCAL = Credential(
    "anything",
    "This server has a key of its own, for programs on this machine: any token will do.",
)


class Endpoint(NamedTuple):
    """What was heard of Gemini's endpoint. answer: half a sentence."""

    host: str
    is_good: bool
    answer: str


def home(
    settings: Settings,
    platform: Platform,
    url: str,
    *,
    today: str,
    counting: str = "",
    endpoint: Endpoint | None = None,
    recent: Sequence[Mapping[str, Any]] | None = None,
) -> bytes:
    """The page.

    url: this server's, as the browser has it. counting: for whom budgets hold, "" where there are
    none. endpoint, recent (entries of the log, the newest
    first): for a person at this machine; None for others.
    """
    credential = _credential(settings)
    classes = _classes(settings, platform, today)
    others = [
        model
        for name in models.TABLE
        if (model := models.serving(name, platform, today)).name == name and model not in classes
    ]
    has_free_tier = not settings.is_vertex
    rows = functools.partial(_model_row, today=today, has_free_tier=has_free_tier)
    return render(
        "home.html",
        version=__version__,
        url=url,
        counting=counting,
        endpoint=endpoint,
        credential=credential,
        blocks=blocks(url, credential.token),
        classes=[{**rows(model), "classes": names} for model, names in classes.items()],
        others=[rows(model) for model in others],
        has_free_tier=has_free_tier,
        recent=None if recent is None else [_recent_row(entry) for entry in recent],
        totals=_totals(recent or ()),
    )


def _credential(settings: Settings) -> Credential:
    if settings.takes_tokens:
        return TOKEN
    return LOCAL if settings.api_keys or settings.is_vertex else OWN_KEY


def _classes(settings: Settings, platform: Platform, today: str) -> dict[Model, list[str]]:
    """The models that serve classes, each with the classes it serves."""
    classes: dict[Model, list[str]] = {}
    for name in models.DEFAULTS:
        model = models.resolve(
            f"claude-{name}", settings.model_settings, platform=platform, today=today
        )
        classes.setdefault(model, []).append(name)
    return classes


def _model_row(model: Model, *, today: str, has_free_tier: bool) -> dict[str, Any]:
    """has_free_tier: whether the API has one."""
    price = model.price_on(today)
    return {
        "name": models.display_name(model),
        "id": model.name,
        "is_free": model.is_free and has_free_tier,
        "prices": _prices(price) if price else ["not known", "", ""],
        "notes": list(_notes(model, price, today)),
    }


def _prices(rates: Price | Rates) -> list[str]:
    """In, cached, out: in cents at least."""
    return [_dollars(each) for each in (rates.input, rates.cached, rates.output)]


def _dollars(usd: float) -> str:
    return f"${usd:.2f}" if round(usd, 2) == usd else f"${usd:g}"


def _notes(model: Model, price: Price | None, today: str) -> Iterator[str]:
    """What changes the price, or the model."""
    if price and price.large:
        yield f"above {models.LARGE_INPUT:,} tokens of input: {' / '.join(_prices(price.large))}"
    if later := model.next_price(today):
        yield f"from {later.since}: {' / '.join(_prices(later))}"
    if model.retires:
        yield f"from {model.retires}: {model.successor} in its place"


def _recent_row(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    model = entry.get("gemini") or entry.get("model")
    tokens = entry.get("tokens", {})
    return {
        "time": time.strftime(ROW_TIME, time.localtime(entry["created"])),
        "status": f"{entry['status']} {entry.get('error', '')}".strip(),
        "is_fine": entry["status"] < 400,
        "model": model or f"{entry['method']} {entry['path']}",
        "tokens": log_text.tokens(tokens) if any(tokens.values()) else "",
        "seconds": f"{entry['ms'] / 1000:.1f}",
        "usd": log_text.dollars(entry["usd"]) if entry.get("usd") else "",
    }


def _totals(entries: Sequence[Mapping[str, Any]]) -> str:
    """All of the entries, in a sentence."""
    tokens: Counter[str] = Counter()
    for entry in entries:
        tokens.update(entry.get("tokens", {}))
    read = tokens["in"] + tokens["cached"]
    share = f" ({100 * tokens['cached'] // read}% cached)" if tokens["cached"] else ""
    usd = sum(entry.get("usd") or 0 for entry in entries)
    return (
        f"{len(entries)} in all: {log_text.count(read)} tokens in{share}, "
        f"{log_text.count(tokens['out'])} out, {log_text.dollars(usd)} at list prices."
    )

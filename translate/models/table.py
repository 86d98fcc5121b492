"""What each Gemini model can do, what it costs and how long it stays: one editable table.

Facts seen by CHECKED in Google's model, deprecation and pricing pages. A name that is not in
the table gets its facts from the rules below it; an unknown `gemini-*` counts as the newest.
A day is an ISO date, so that days compare as they follow each other; which one it is today, the
caller says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

CHECKED = "2026-11-28"
"""The day on which the table was last compared with Google's pages."""

LEVELS = ("minimal", "low", "medium", "high", "xhigh")
"""Gemini's thinking levels, least first."""

LOW_TO_HIGH = LEVELS[1:4]
MINIMAL_TO_HIGH = LEVELS[:4]
LOW_TO_XHIGH = LEVELS[1:]

DYNAMIC = -1
"""A thinking budget that leaves the amount to the model."""


@dataclass(frozen=True)
class Budget:
    """Gemini 2.5 takes a number of thinking tokens instead of a level."""

    minimum: int
    maximum: int
    can_be_off: bool


class Rates(NamedTuple):
    """US dollars for a million tokens of each kind."""

    input: float
    cached: float
    output: float


class Price(NamedTuple):
    """US dollars for a million tokens at the standard tier, from a day on.

    since: the day, "" for the release's. large: the rates of a request whose input, with what is
    cached, is longer than LARGE_INPUT; None where they are the same.
    """

    input: float
    cached: float
    output: float
    since: str = ""
    large: Rates | None = None


LARGE_INPUT = 200_000
"""Tokens, above which some models cost more."""


@dataclass(frozen=True)
class Model:
    """One Gemini model. Token limits; `levels` is empty where levels are not understood."""

    name: str
    released: str = "2026-11-23"
    prices: tuple[Price, ...] = ()
    """In the order of their days; none where they are not known."""
    is_free: bool = False
    """Can be used with a free-tier key."""
    retires: str | None = None
    """The day, once announced, from which the Gemini API answers with `successor` instead."""
    vertex_retires: str | None = None
    """The day, once announced, from which Vertex AI does not find it."""
    successor: str | None = None
    """The model to ask instead, as Google names it, or the nearest that stays."""
    levels: tuple[str, ...] = LOW_TO_HIGH
    budget: Budget | None = None
    context: int = 1_048_576
    output: int = 65_536
    signs: bool = True
    """Gives thought signatures with calls and refuses calls that lost theirs (Gemini 3+)."""
    samples: bool = False
    """Honours temperature, topP and topK."""
    call_ids: bool = True
    """Matches calls and responses by id."""
    multimodal_results: bool = True
    """Takes images and PDFs inside a functionResponse."""
    json_with_tools: bool = True
    """Takes a schema for its answer and tools in one request."""
    mixes_tools: bool = True
    """Takes functions and built-in tools in one request."""
    prefill: bool = False
    """Continues a conversation that ends with the model's own turn."""

    def price_on(self, day: str) -> Price | None:
        """What it costs on a day; None where that is not known."""
        return next((price for price in reversed(self.prices) if price.since <= day), None)

    def next_price(self, day: str) -> Price | None:
        """What it will cost, once that is announced."""
        return next((price for price in self.prices if price.since > day), None)


def _older_model(name: str, released: str, budget: Budget | None, **more: Any) -> Model:
    """Gemini 2.5 and what is like it."""
    return Model(
        name,
        released,
        levels=(),
        budget=budget,
        signs=False,
        samples=True,
        call_ids=False,
        multimodal_results=False,
        json_with_tools=False,
        mixes_tools=False,
        prefill=True,
        **more,
    )


TABLE = {
    model.name: model
    for model in (
        Model(
            "gemini-4-hydrogen",
            "2026-11-12",
            (Price(1.50, 0.075, 7.50),),
            is_free=True,
            levels=LOW_TO_XHIGH,
        ),
        Model("gemini-4-neon", "2026-11-18", (Price(3.00, 0.15, 15.00),), levels=LOW_TO_XHIGH),
        Model(
            "gemini-4-carbon",
            "2026-11-10",
            (Price(2.00, 0.10, 10.00), Price(4.00, 0.20, 20.00, since="2026-12-01")),
        ),
        Model(
            "gemini-4-argon",
            "2026-10-13",
            (Price(2.00, 0.10, 10.00), Price(4.00, 0.20, 20.00, since="2026-12-01")),
        ),
        Model(
            "gemini-3.8-flash",
            "2026-09-02",
            (Price(0.75, 0.075, 3.75), Price(1.50, 0.15, 7.50, since="2027-01-01")),
            is_free=True,
        ),
        Model(
            "gemini-3.7-flash",
            "2026-08-13",
            (Price(0.75, 0.075, 3.75), Price(1.50, 0.15, 7.50, since="2027-01-01")),
            retires="2026-10-08",
            successor="gemini-3.8-flash",
        ),
        Model(
            "gemini-3.6-flash",
            "2026-07-21",
            (Price(0.75, 0.075, 3.75), Price(1.50, 0.15, 7.50, since="2027-01-01")),
            is_free=True,
            levels=MINIMAL_TO_HIGH,
        ),
        Model(
            "gemini-3.5-flash",
            "2026-05-19",
            (Price(1.50, 0.15, 9.00),),
            retires="2026-10-08",
            successor="gemini-3.6-flash",
            levels=MINIMAL_TO_HIGH,
        ),
        Model(
            "gemini-3.5-flash-lite",
            "2026-07-21",
            (Price(0.30, 0.03, 2.50),),
            is_free=True,
            levels=MINIMAL_TO_HIGH,
        ),
        Model(
            "gemini-3.1-flash-lite",
            "2026-05-07",
            (Price(0.25, 0.025, 1.50),),
            is_free=True,
            levels=MINIMAL_TO_HIGH,
            prefill=True,
        ),
        Model(
            "gemini-3.1-pro-preview",
            "2026-02-19",
            (Price(2.00, 0.20, 12.00, large=Rates(4.00, 0.40, 18.00)),),
            prefill=True,
        ),
        Model(
            "gemini-3.1-pro-preview-customtools",
            "2026-02-19",
            (Price(2.00, 0.20, 12.00, large=Rates(4.00, 0.40, 18.00)),),
            prefill=True,
        ),
        Model(
            "gemini-3-flash-preview",
            "2025-12-17",
            (Price(0.50, 0.05, 3.00),),
            is_free=True,
            levels=MINIMAL_TO_HIGH,
            prefill=True,
        ),
        _older_model(
            "gemini-2.5-pro",
            "2025-06-17",
            Budget(128, 32_768, can_be_off=False),
            prices=(Price(1.25, 0.125, 10.00, large=Rates(2.50, 0.25, 15.00)),),
            retires="2026-12-01",
            vertex_retires="2026-10-20",
            successor="gemini-3.8-flash",
        ),
        _older_model(
            "gemini-2.5-flash",
            "2025-06-17",
            Budget(1, 24_576, can_be_off=True),
            prices=(Price(0.30, 0.03, 2.50),),
            retires="2026-12-01",
            vertex_retires="2026-10-20",
            successor="gemini-3.5-flash-lite",
        ),
        _older_model(
            "gemini-2.5-flash-lite",
            "2025-07-22",
            Budget(512, 24_576, can_be_off=True),
            prices=(Price(0.10, 0.01, 0.40),),
            is_free=True,
            vertex_retires="2026-10-20",
            successor="gemini-3.5-flash-lite",
        ),
    )
}
"""Sources: https://ai.google.dev/gemini-api/docs/pricing and /deprecations; for Vertex AI
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/learn/model-versions."""

FORMER = {
    "gemini-3-pro-preview": ("2026-03-09", "gemini-3.1-pro-preview"),
    "gemini-2.0-flash": ("2026-06-01", "gemini-3.5-flash-lite"),
    "gemini-2.0-flash-lite": ("2026-06-01", "gemini-3.5-flash-lite"),
    "gemini-1.5-pro": ("2025-09-29", "gemini-3.8-flash"),
    "gemini-1.5-flash": ("2025-09-29", "gemini-3.5-flash-lite"),
    "gemini-1.5-flash-8b": ("2025-09-29", "gemini-3.5-flash-lite"),
}
"""Models that are gone from the table: name -> the day, on both APIs, and the successor."""

ALIASES = (
    "gemini-pro-latest",
    "gemini-flash-latest",
    "gemini-flash-lite-latest",
    "gemma-4-31b-it",
    "gemma-4-26b-a4b-it",
)
"""Names that Google has and the rules below are enough for: they are no typos."""

VERSION = re.compile(r"-\d{3}$")
"""The number of a stable version, as in `gemini-2.0-flash-001`: the same model."""

PREVIEW = re.compile(r"-(?:preview|exp)(?:-\d\d-\d\d(?:\d\d)?)?$")
"""What a preview has behind the name of its model, and the day: it is gone with that at the latest.
"""


def find(name: str) -> Model:
    """The facts about a Gemini model, from the table or by the rules for unknown names."""
    if name in TABLE:
        return TABLE[name]
    unversioned = VERSION.sub("", name)
    if unversioned in TABLE:
        return replace(TABLE[unversioned], name=name)
    model = _unlisted_model(name)
    stable = PREVIEW.sub("", unversioned)
    former = FORMER.get(unversioned) or FORMER.get(stable)
    if former:
        day, newer = former
        return replace(model, retires=day, vertex_retires=day, successor=newer)
    if stable in TABLE:
        kept = TABLE[stable]
        retires, vertex_retires = kept.retires, kept.vertex_retires
        return replace(
            model, retires=retires, vertex_retires=vertex_retires, successor=kept.successor
        )
    return model


def is_known(name: str) -> bool:
    """Whether Google is known to have, or to have had, a model of this name."""
    unversioned = VERSION.sub("", name)
    return unversioned in TABLE or unversioned in ALIASES or find(name).successor is not None


def successor(name: str) -> str | None:
    """Who takes the place of a model that Google does not have any more, whatever the day; None
    where nobody knows."""
    return find(name).successor


GENERATION = re.compile(r"gemini-(\d+)(?:\.(\d+))?")


def _unlisted_model(name: str) -> Model:
    if name.startswith("gemma-"):
        return replace(_older_model(name, Model.released, None), context=262_144, output=32_768)
    version = GENERATION.match(name)
    generation = (int(version[1]), int(version[2] or 0)) if version else (99, 0)
    if generation < (3, 0):
        return _older_model(name, Model.released, Budget(512, 24_576, can_be_off="flash" in name))
    light = "lite" in name or ("flash" in name and generation <= (3, 6))
    return Model(name, levels=MINIMAL_TO_HIGH if light else LOW_TO_HIGH)


# --- Google's two APIs to the same models ------------------------------------------------------


class Platform(NamedTuple):
    """stores: has the field `store`. call_ids: takes the ids of calls and responses. mixes_tools:
    serves functions and built-in tools in one request."""

    stores: bool = True
    call_ids: bool = True
    mixes_tools: bool = True


DEVELOPER = Platform()
"""The Gemini API, with a key."""

VERTEX = Platform(stores=False, call_ids=False, mixes_tools=False)
"""Vertex AI, with an identity of Google Cloud."""


def for_platform(model: Model, platform: Platform) -> Model:
    """The same model, without what that API does not serve, and with its day there."""
    if platform == DEVELOPER:
        return model
    return replace(
        model,
        retires=model.vertex_retires,
        call_ids=model.call_ids and platform.call_ids,
        mixes_tools=model.mixes_tools and platform.mixes_tools,
    )


def serving(name: str, platform: Platform, today: str) -> Model:
    """The model that answers for a name on a day, as that API serves it: the successor of a
    retired one, by whose rules the request has to be made, or the model itself."""
    model = for_platform(find(name), platform)
    if model.successor and model.retires and model.retires <= today:
        return serving(model.successor, platform, today)
    return model

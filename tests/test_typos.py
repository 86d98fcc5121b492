"""translate/models/typos.py: a typo is told from a name that is newer than the table."""

from __future__ import annotations

import pytest

from translate.models import ALIASES, TABLE
from translate.models.typos import MAX_LENGTH, MAX_WORDS, nearest

MEANT = {
    # A letter.
    "gemnii-4-neon": "gemini-4-neon",
    "gemini-4-hidrogen": "gemini-4-hydrogen",
    "gemini-4-noen": "gemini-4-neon",
    "gemini-3.8-flahs": "gemini-3.8-flash",
    "gemini-9-flsh": "gemini-3.8-flash",
    # A dot, a dash, the order.
    "gemini-3-8-flash": "gemini-3.8-flash",
    "gemini-38-flash": "gemini-3.8-flash",
    "gemini 3.8 flash": "gemini-3.8-flash",
    "gemini_3.8_flash": "gemini-3.8-flash",
    "gemini3.8flash": "gemini-3.8-flash",
    "gemini-flash-3.8": "gemini-3.8-flash",
    "gemini-3.5-flashlite": "gemini-3.5-flash-lite",
    # A part of it.
    "gemini-4": "gemini-4-hydrogen",
    "gemnii-4": "gemini-4-hydrogen",
    "gemini": "gemini-4-hydrogen",
    "neon": "gemini-4-neon",
    "flash": "gemini-3.8-flash",
    "flash-lite": "gemini-3.5-flash-lite",
    "hydrogn": "gemini-4-hydrogen",
    "gemma-4": "gemma-4-31b-it",
}

ELEMENTS = "helium lithium boron nitrogen oxygen sodium silicon iron krypton xenon radon"
VARIANTS = "pro ultra nano mini max live image audio tts exp embedding thinking omni computer-use"
NEWER = [
    *(f"gemini-5-{element}" for element in ELEMENTS.split()),
    *(f"gemini-5-{variant}" for variant in VARIANTS.split()),
    *(f"gemini-3.8-flash-{variant}" for variant in VARIANTS.split()),
    *("gemini-3.9-flash", "gemini-4.5-neon", "gemini-9", "gemini-9-unobtainium"),
    *("gemini-3.1-pro", "gemini-4-argon-preview", "gemini-4-carbon-cyber-permissive"),
]
FOREIGN = ["tuned-by-me", "some-model", "x", "command-r", "???", ""]


@pytest.mark.parametrize(("name", "meant"), MEANT.items())
def test_typo_is_like_a_model_that_stays(name: str, meant: str) -> None:
    assert nearest(name) == meant
    assert meant in ALIASES or TABLE[meant].successor is None


@pytest.mark.parametrize("name", [*NEWER, *FOREIGN])
def test_newer_and_foreign_names_are_no_typos(name: str) -> None:
    assert nearest(name) is None


def test_long_names_are_not_compared() -> None:
    assert nearest("gemnii-4-neon".ljust(MAX_LENGTH, "-")) == "gemini-4-neon"
    assert nearest("gemnii-4-neon".ljust(MAX_LENGTH + 1, "-")) is None
    words = ["flsh"] * (MAX_WORDS - 1)
    assert nearest("-".join([*words, "gemini"])) is not None
    assert nearest("-".join([*words, "gemini", "flsh"])) is None

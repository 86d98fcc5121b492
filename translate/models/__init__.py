"""Gemini models: their facts (table.py), their names (names.py), how they are listed (api.py).

One row of the table says all of a model; whoever uses one imports it from here.
"""

from .api import display_name, summary, to_models_api
from .names import CLASS_SETTINGS, CLASSES, DEFAULTS, Choice, choose, class_of, google_name, resolve
from .table import (
    CHECKED,
    DEVELOPER,
    DYNAMIC,
    FORMER,
    LARGE_INPUT,
    LEVELS,
    LOW_TO_HIGH,
    MINIMAL_TO_HIGH,
    TABLE,
    VERTEX,
    Budget,
    Model,
    Platform,
    Price,
    Rates,
    find,
    for_platform,
    serving,
    successor,
)

__all__ = [
    "CHECKED",
    "CLASSES",
    "CLASS_SETTINGS",
    "DEFAULTS",
    "DEVELOPER",
    "DYNAMIC",
    "FORMER",
    "LARGE_INPUT",
    "LEVELS",
    "LOW_TO_HIGH",
    "MINIMAL_TO_HIGH",
    "TABLE",
    "VERTEX",
    "Budget",
    "Choice",
    "Model",
    "Platform",
    "Price",
    "Rates",
    "choose",
    "class_of",
    "display_name",
    "find",
    "for_platform",
    "google_name",
    "resolve",
    "serving",
    "successor",
    "summary",
    "to_models_api",
]

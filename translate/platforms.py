"""Google's two front doors to the same models, and what only one of them takes.

Knows the differences in a request's body. It refuses to know addresses and credentials.
Sources: Google's v1beta reference and the v1beta1 one of Vertex AI, seen 2026-11-23.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from .models import Model


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


def fit(model: Model, platform: Platform) -> Model:
    """A model as it is behind that door."""
    if platform == DEVELOPER:
        return model
    return replace(
        model,
        call_ids=model.call_ids and platform.call_ids,
        mixes_tools=model.mixes_tools and platform.mixes_tools,
    )

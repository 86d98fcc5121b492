"""translate/models/api.py: a model in the shape of the Models API."""

from __future__ import annotations

from translate.models import TABLE, find, summary, to_models_api


def test_a_model_in_the_shape_of_the_models_api() -> None:
    assert to_models_api(TABLE["gemini-3.5-flash-lite"]) == {
        "type": "model",
        "id": "claude-gemini-3.5-flash-lite",
        "display_name": "Gemini 3.5 Flash Lite",
        "description": "$0.30 in, $2.50 out per million tokens; free tier",
        "created_at": "2026-07-21T00:00:00Z",
        "lifecycle": "active",
        "retires_at": None,
        "max_input_tokens": 1_048_576,
        "max_tokens": 65_536,
    }
    assert to_models_api(TABLE["gemini-4-neon"], "opus")["id"] == "opus"
    retiring = to_models_api(TABLE["gemini-2.5-flash"])
    assert (retiring["lifecycle"], retiring["retires_at"], retiring["description"]) == (
        "deprecated",
        "2026-12-01T00:00:00Z",
        "$0.30 in, $2.50 out per million tokens; gemini-3.5-flash-lite from 2026-12-01",
    )
    assert summary(find("gemini-9-unobtainium")) == "price not known"

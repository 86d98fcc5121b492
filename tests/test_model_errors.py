"""translate/response/model_errors.py: a model that cannot be had, and those that can."""

from __future__ import annotations

import pytest

from translate import models
from translate.errors import ApiError, Cause
from translate.response.google_errors import CHOOSE_MODEL_HINT, RULES
from translate.response.model_errors import (
    explain_model_error,
    explain_setting_error,
    free_models,
)

TODAY = models.CHECKED
FREE = [name for name, model in models.TABLE.items() if model.is_free]


def explain(cause: Cause, *tried: str, today: str = TODAY) -> ApiError:
    error = ApiError(429, f"No. {CHOOSE_MODEL_HINT}. So.", cause=cause, retry=False)
    return explain_model_error(error, tried, today)


def test_exhausted_model_names_free_models_that_are_left() -> None:
    error = explain(Cause.EXHAUSTED, "gemini-4-hydrogen", "gemini-3.8-flash")
    assert error.message == (
        "No. Free keys also have gemini-3.6-flash, gemini-3.5-flash-lite or gemini-3.1-flash-lite: "
        "choose with `/model gemini-3.6-flash`. So."
    )
    assert (error.status, error.cause, error.retry) == (429, Cause.EXHAUSTED, False)


def test_exhausted_model_with_one_left() -> None:
    assert f"have {FREE[-1]}: choose" in explain(Cause.EXHAUSTED, *FREE[:-1]).message


def test_exhausted_models_all_of_them() -> None:
    assert explain(Cause.EXHAUSTED, *FREE).message == f"No. {CHOOSE_MODEL_HINT}. So."


def test_free_models_stay_on_their_day(monkeypatch: pytest.MonkeyPatch) -> None:
    assert free_models(TODAY) == FREE
    gone = models.Model("gone", is_free=True, retires=TODAY, successor=FREE[0])
    monkeypatch.setitem(models.TABLE, "gone", gone)
    assert free_models(TODAY) == FREE
    assert free_models("2026-01-01") == [*FREE, "gone"]


def test_unknown_model_names_the_one_that_was_meant() -> None:
    message = explain(Cause.MODEL, "gemini-4-hydrogn").message
    assert message == f"No. Did you mean gemini-4-hydrogen? {CHOOSE_MODEL_HINT}. So."


def test_unknown_model_of_a_setting_names_the_setting() -> None:
    error = explain_setting_error(explain(Cause.MODEL, "gemini-4-hydrogn"), "ANTHROPIC_MODEL")
    assert error.message == (
        "No. Did you mean gemini-4-hydrogen? This server chose the model, not the request: set "
        "ANTHROPIC_MODEL there to another. So."
    )
    assert (error.status, error.cause, error.retry) == (424, Cause.MODEL, False)


def test_setting_is_not_named_for_a_model_of_the_request() -> None:
    unknown = explain(Cause.MODEL, "gemini-9")
    assert explain_setting_error(unknown, None) is unknown
    spent = explain(Cause.EXHAUSTED, "gemini-4-hydrogen")
    assert explain_setting_error(spent, "ANTHROPIC_MODEL") is spent


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not Cause.EXHAUSTED])
def test_other_errors_stay_as_they_are(cause: Cause) -> None:
    assert explain(cause, "gemini-4-hydrogen").message == f"No. {CHOOSE_MODEL_HINT}. So."


def test_hint_stands_in_the_errors_that_are_explained() -> None:
    for rule in RULES:
        if rule.cause in (Cause.EXHAUSTED, Cause.MODEL):
            assert CHOOSE_MODEL_HINT in rule.template


def test_error_without_the_hint_is_the_same() -> None:
    error = ApiError(429, "No.", cause=Cause.EXHAUSTED)
    assert explain_model_error(error, [], TODAY) is error

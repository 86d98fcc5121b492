"""A model that cannot be had -> an error that names those that can.

Google's own words name none. Which models free keys have is the table's (models/table.py).
"""

from __future__ import annotations

from collections.abc import Collection

from .. import models
from ..errors import FAILED_DEPENDENCY, ApiError, Cause
from .google_errors import CHOOSE_MODEL_HINT

MAX_NAMES = 3
"""Of models in an error: the first are the newest, and one is enough to go on."""


def explain_model_error(error: ApiError, tried: Collection[str], today: str) -> ApiError:
    """The error with the names of models to choose instead, where it is about a model.

    tried: the models that were asked, none of which could be had. today: an ISO date.
    """
    if error.cause is Cause.EXHAUSTED and (left := free_models(today, tried)):
        hint = f"Free keys also have {_either(left[:MAX_NAMES])}: choose with `/model {left[0]}`"
    elif error.cause is Cause.MODEL and (meant := _meant(tried)):
        hint = f"Did you mean {meant}? {CHOOSE_MODEL_HINT}"
    else:
        return error
    message = error.message.replace(CHOOSE_MODEL_HINT, hint, 1)
    if message == error.message:
        return error
    return ApiError(error.status, message, cause=error.cause, retry=error.retry)


def explain_setting_error(error: ApiError, setting: str | None) -> ApiError:
    """The error of a model that Google does not have, where this server chose it.

    setting: the server's by which it is chosen, None for a model that the request names. For a 404
    clients blame that of the request, and do not show the message.
    """
    if error.cause is not Cause.MODEL or setting is None:
        return error
    hint = f"This server chose the model, not the request: set {setting} there to another"
    message = error.message.replace(CHOOSE_MODEL_HINT, hint, 1)
    return ApiError(FAILED_DEPENDENCY, message, cause=error.cause, retry=False)


def free_models(today: str, tried: Collection[str] = ()) -> list[str]:
    """Names of the models that a free key has on a day, but for those that were tried."""
    return [
        name
        for name, model in models.TABLE.items()
        if model.is_free
        and name not in tried
        and models.serving(name, models.DEVELOPER, today).name == name
    ]


def _meant(tried: Collection[str]) -> str | None:
    """The model that was probably meant by a name with a typo."""
    return next((meant for name in tried if (meant := models.suggest(name))), None)


def _either(names: list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last

"""What is tried again: for each cause of a failure how often, after what pause, with what change.

The policies are a table; a Plan holds what they have changed by now. Who makes the attempts is
attempts.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from translate import ApiError, Cause, RequestOverrides, Translation, models
from translate.request import overrides

from .auth import Key

MAX_ATTEMPTS = 9
"""For one answer, whatever fails in turn: three models three times each, or nine keys."""

SAME_FOR_ALL_MODELS = frozenset({Cause.KEY, Cause.REGION, Cause.DISABLED, Cause.RESTRICTED})
"""Causes that no other model would mend."""


class RetryPolicy(NamedTuple):
    """pauses: seconds before each attempt, as many as there may be. change: what is different in
    the next one; false: nothing is left to change. last_change: the same for the last one, where it
    is another. other_model: whether a fallback model helps."""

    pauses: tuple[float, ...]
    change: Callable[[Plan, str], bool]
    last_change: Callable[[Plan, str], bool] | None = None
    other_model: bool = False

    def change_before(self, attempt: int) -> Callable[[Plan, str], bool]:
        is_last = attempt == len(self.pauses) - 1
        return self.last_change if is_last and self.last_change else self.change


def _unchanged(plan: Plan, message: str) -> bool:
    return True


def _apply(override: overrides.Override) -> Callable[[Plan, str], bool]:
    return lambda plan, message: plan.apply(override, message)


def _apply_or_repeat(override: overrides.Override) -> Callable[[Plan, str], bool]:
    """With the override where it changes something; the same again in any case."""
    return lambda plan, message: plan.apply(override, message) or True


class Plan:
    """What is asked of Gemini next.

    translate_with: translates the client's request with overrides. keys: in the order in which
    they are tried. fallbacks: models to ask when one is not available.
    """

    def __init__(
        self,
        translate_with: Callable[[RequestOverrides], Translation],
        keys: Sequence[Key],
        fallbacks: Sequence[str] = (),
    ) -> None:
        self._translate_with = translate_with
        self._keys = iter(keys)
        self.key = next(self._keys)
        self._fallbacks = iter(fallbacks)
        self._overrides = overrides.NO_OVERRIDES
        self._failed = 0
        """Attempts, of all models and for all causes."""
        self._failures: Counter[Cause] = Counter()
        """Cause -> attempts it has cost the model that is asked now."""
        self.translation = translate_with(overrides.NO_OVERRIDES)
        self.tried_models = [self.translation.model.name]
        """Those that were asked, in turn."""
        self.failed_attempts: list[str] = []
        """The causes of all attempts that failed and were followed by another."""
        self.warning = ""
        """What the client's owner should know: a retired model was asked for."""
        self._original_error: ApiError | None = None
        """Why the model that was asked for was given up, when a fallback model is asked."""

    def next_attempt(self, cause: Cause, error: ApiError | None) -> float | None:
        """Plan another attempt, and return after how many seconds; None: there is none.

        error: what the attempt ended with, where it was an error.
        """
        self._failed += 1
        if self._failed >= MAX_ATTEMPTS:
            return None
        message = error.message if error else ""
        policy = RETRY_POLICIES[cause]
        failures = self._failures[cause]
        self._failures[cause] += 1
        if failures < len(policy.pauses) and policy.change_before(failures)(self, message):
            self.failed_attempts.append(cause)
            return policy.pauses[failures]
        is_fallback_error = self._original_error is not None and cause not in SAME_FOR_ALL_MODELS
        if (policy.other_model or is_fallback_error) and self._use_fallback():
            if self._original_error is None and error is not None:
                self._original_error = error.with_traceback(None)
            self.failed_attempts.append(cause)
            return 0.0
        return None

    def final_error(self, error: ApiError | None) -> ApiError | None:
        """What the client is shown in the end; None for an answer that stays poor.

        error: of the last attempt. A fallback model's own error is hidden unless it is retryable,
        as then the whole can be tried again, or concerns the key.
        """
        if self._original_error is None or error is None:
            return self._original_error or error
        is_retryable = error.retry is not False and (error.status == 429 or error.status >= 500)
        is_shown = is_retryable or error.cause in SAME_FOR_ALL_MODELS
        return error if is_shown else self._original_error

    def headers(self) -> dict[str, str]:
        """What a curious client may know about the way its answer came about."""
        headers = {
            "x-gemini-model": self.translation.model.name,
            **attempts_header(self.failed_attempts),
        }
        warnings = [*self.translation.warnings, *([self.warning] if self.warning else [])]
        if warnings:
            headers["x-gemini-warning"] = " ".join(warnings)
        return headers

    def use_next_key(self, message: str) -> bool:
        """The next of the server's keys: one was withdrawn, or its successor is not yet known."""
        key = next(self._keys, None)
        self.key = key or self.key
        return key is not None

    def use_successor(self, message: str) -> bool:
        """The model that has taken the place of a retired one."""
        retired = self.translation.model
        replacement = models.successor(retired.name)
        if replacement is None or not self._switch_model(replacement):
            return False
        self.warning = f"{retired.name} is gone, ask for {replacement}."
        return True

    def apply(self, override: overrides.Override, message: str) -> bool:
        """Change the request; false where that changes nothing. message: Google's."""
        return self._translate(override(self._overrides, self.translation.functions, message))

    def _use_fallback(self) -> bool:
        """The next of the fallback models that can serve this request."""
        return any(self._switch_model(model) for model in self._fallbacks)

    def _switch_model(self, model: str) -> bool:
        """False where it is the model that is asked already, by its own name or a retired one."""
        self._failures.clear()
        current = self.translation.model.name
        if model == current or not self._translate(overrides.use_model(model)):
            return False
        self.tried_models.append(self.translation.model.name)
        return self.tried_models[-1] != current

    def _translate(self, changed: RequestOverrides) -> bool:
        if changed == self._overrides:
            return False
        try:
            self.translation = self._translate_with(changed)
        except ApiError:
            return False
        self._overrides = changed
        return True


NO_RETRY = RetryPolicy((), _unchanged)
AT_ONCE = (0.0,) * 8
ANSWER_NOW = _apply_or_repeat(overrides.ask_for_answer)

RETRY_POLICIES = {
    # A pooled connection may have died while the instance was frozen: at once, then in a while.
    Cause.CONNECTION: RetryPolicy((0.0, 0.5), _unchanged),
    # After its sleep a laptop has a network within seconds; for more nobody waits without a word.
    Cause.OFFLINE: RetryPolicy((0.5, 2.0, 4.0), _unchanged),
    Cause.OVERLOADED: RetryPolicy((0.5, 1.5), _unchanged, other_model=True),
    Cause.INTERNAL: RetryPolicy((0.5, 1.5), _unchanged),
    Cause.TIMEOUT: RetryPolicy((0.5,), _unchanged),
    Cause.BROKEN: RetryPolicy((0.0, 0.5), _unchanged),
    Cause.EMPTY: RetryPolicy((0.0, 0.5), _unchanged, ANSWER_NOW),
    Cause.THOUGHTS: RetryPolicy((0.0, 0.5), _unchanged, ANSWER_NOW),
    Cause.MALFORMED: RetryPolicy(
        (0.0, 0.0),
        _apply_or_repeat(overrides.validate_calls),
        _apply_or_repeat(overrides.ask_for_pieces),
    ),
    Cause.NO_JSON: RetryPolicy((0.0, 0.0), _apply_or_repeat(overrides.ask_for_json)),
    Cause.SIGNATURE: RetryPolicy((0.0,), _apply(overrides.drop_signatures)),
    Cause.SCHEMA: RetryPolicy((0.0,) * 4, _apply(overrides.use_openapi_schema)),
    Cause.THINKING: RetryPolicy((0.0,), _apply(overrides.drop_thinking)),
    Cause.PARAMETER: RetryPolicy((0.0,) * 3, _apply(overrides.drop_unknown_fields)),
    Cause.EXHAUSTED: RetryPolicy((), _unchanged, other_model=True),
    Cause.KEY: RetryPolicy(AT_ONCE, Plan.use_next_key),
    Cause.MODEL: RetryPolicy(AT_ONCE, Plan.use_successor, other_model=True),
    # The client's to wait for: it is back soon.
    Cause.QUOTA: NO_RETRY,
    # It was waited for as long as anybody will.
    Cause.SILENCE: NO_RETRY,
    # The client's to mend: it compacts, or shows the sentence to a person.
    Cause.CONTEXT: NO_RETRY,
    Cause.PAYLOAD: NO_RETRY,
    Cause.MEDIA: NO_RETRY,
    Cause.REQUEST: NO_RETRY,
    # Its owner's.
    Cause.REGION: NO_RETRY,
    Cause.BILLING: NO_RETRY,
    Cause.DISABLED: NO_RETRY,
    Cause.RESTRICTED: NO_RETRY,
    Cause.FORBIDDEN: NO_RETRY,
    # This server's own: Gemini was not asked.
    Cause.BUSY: NO_RETRY,
}
"""What is done about each cause before an answer has begun."""


def attempts_header(failed_attempts: Sequence[str]) -> dict[str, str]:
    """The header that says what has failed before, `overloaded x2, malformed`; none, if nothing."""
    causes = [
        cause if times == 1 else f"{cause} x{times}"
        for cause, times in Counter(failed_attempts).items()
    ]
    return {"x-gemini-tried": ", ".join(causes)} if causes else {}

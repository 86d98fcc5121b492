"""What is tried again before an answer has begun: how often, after what pause, with what change.

Knows the causes of failure (refusals.py names Google's) and a cure for each. It refuses to know
how a request is changed (request_overrides.py does), sockets, and what an answer looks like.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from translate import ApiError, RequestOverrides, Translation, models
from translate.request import overrides as request_overrides

from . import json_codec
from .auth import Key
from .gemini import ChunkStream, Gemini

Plan = Callable[[RequestOverrides], Translation]
"""Translates the client's request, with what has to be different."""


class Recovery:
    """What is asked of Gemini for one answer, attempt by attempt.

    keys: in the order in which they are tried. fallbacks: models to ask when one cannot be had.
    """

    def __init__(
        self, gemini: Gemini, plan: Plan, keys: Sequence[Key], fallbacks: Sequence[str]
    ) -> None:
        self._gemini = gemini
        self._plan = plan
        self._keys = iter(keys)
        self._key = next(self._keys)
        self._fallbacks = iter(fallbacks)
        self._overrides = request_overrides.NO_OVERRIDES
        self._tries: Counter[str] = Counter()
        """Cause -> attempts it has cost the model that is asked now."""
        self.asked = plan(request_overrides.NO_OVERRIDES)
        self.tried: list[str] = []
        """The causes of all attempts that failed and were followed by another."""
        self.warning = ""
        """What the client's owner should know: a model of the past was asked for."""
        self._left_for: ApiError | None = None
        """Why the model that was asked for was given up, when another stands in for it."""

    def ask(self, token: str | None) -> ChunkStream:
        """The stream of an attempt; with a continuation token, of what follows. Raises ApiError."""
        more = {} if token is None else {"continuationToken": token}
        body = json_codec.dumps({**self.asked.request, **more})
        return self._gemini.stream(self.asked.model.name, body, self._key)

    def prepare(self, cause: str, error: ApiError | None) -> float | None:
        """Make ready for another attempt, and say after how many seconds; None: there is none.

        error: what the attempt ended with, where it was an error.
        """
        said = error.message if error else ""
        cure = CURES.get(cause, NO_CURE)
        tries = self._tries[cause]
        self._tries[cause] += 1
        if tries < len(cure.pauses) and cure.change(self, said):
            self.tried.append(cause)
            return cure.pauses[tries]
        is_stand_ins = self._left_for is not None and cause not in OF_THE_KEY
        if (cure.other_model or is_stand_ins) and self.next_model():
            self._left_for = self._left_for or error
            self.tried.append(cause)
            return 0.0
        return None

    def verdict(self, error: ApiError | None) -> ApiError | None:
        """What the client is shown in the end: the error of the last attempt, or what it was in
        place of; None for an answer that stays poor.

        What is wrong with a stand-in is no news of the model that was asked for: it counts only
        where it passes, as then the whole can be tried again, or concerns the key.
        """
        if self._left_for is None or error is None:
            return self._left_for or error
        passes = error.retry is not False and (error.status == 429 or error.status >= 500)
        return error if passes or error.cause in OF_THE_KEY else self._left_for

    def next_key(self, said: str) -> bool:
        """The next of the server's keys: one was withdrawn, or its successor is not yet known."""
        key = next(self._keys, None)
        self._key = key or self._key
        return key is not None

    def next_model(self) -> bool:
        """The next of the fallback models that can serve this request."""
        return any(self._turn_to(model) for model in self._fallbacks)

    def successor(self, said: str) -> bool:
        """The model that has taken the place of one that is gone."""
        gone = self.asked.model
        heir = models.successor(gone.name)
        if heir is None or not self._turn_to(heir):
            return False
        self.warning = f"{gone.name} is gone, ask for {heir}."
        return True

    def mend(self, remedy: request_overrides.Override, said: str) -> bool:
        """Change the request; false where that changes nothing."""
        return self._replan(remedy(self._overrides, self.asked.functions, said))

    def _turn_to(self, model: str) -> bool:
        self._tries.clear()
        return model != self.asked.model.name and self._replan(request_overrides.use_model(model))

    def _replan(self, overrides: RequestOverrides) -> bool:
        if overrides == self._overrides:
            return False
        try:
            self.asked = self._plan(overrides)
        except ApiError:
            return False
        self._overrides = overrides
        return True


def _same(recovery: Recovery, said: str) -> bool:
    return True


def _by(remedy: request_overrides.Override) -> Callable[[Recovery, str], bool]:
    return lambda recovery, said: recovery.mend(remedy, said)


def _in_another_mode(recovery: Recovery, said: str) -> bool:
    """Calls held to their schemas, where they are not yet; the same again in any case."""
    recovery.mend(request_overrides.validate_calls, said)
    return True


class Cure(NamedTuple):
    """pauses: seconds before each attempt, as many as there may be. change: what is different
    in the next one; false: nothing is left to change. other_model: whether a fallback helps."""

    pauses: tuple[float, ...]
    change: Callable[[Recovery, str], bool] = _same
    other_model: bool = False


OF_THE_KEY = frozenset({"key", "region", "disabled", "restricted"})
"""Causes that are the same with every model."""

NO_CURE = Cure(())
AT_ONCE = (0.0,) * 8

CURES = {
    # A pooled connection may have died while the instance was frozen: at once, then in a while.
    "connection": Cure((0.0, 0.5)),
    "overloaded": Cure((0.5, 1.5), other_model=True),
    "internal": Cure((0.5, 1.5)),
    "timeout": Cure((0.5,)),
    "broken": Cure((0.0, 0.5)),
    "empty": Cure((0.0, 0.5)),
    "thoughts": Cure((0.0, 0.5)),
    "malformed": Cure((0.0, 0.0), _in_another_mode),
    "signature": Cure((0.0,), _by(request_overrides.drop_signatures)),
    "schema": Cure((0.0,) * 4, _by(request_overrides.use_openapi_schema)),
    "thinking": Cure((0.0,), _by(request_overrides.drop_thinking)),
    "parameter": Cure((0.0,) * 3, _by(request_overrides.drop_unknown_fields)),
    "exhausted": Cure((), other_model=True),
    "key": Cure(AT_ONCE, Recovery.next_key),
    "model": Cure(AT_ONCE, Recovery.successor, other_model=True),
}
"""Cause -> what is done about it. A quota that comes back soon is the client's to wait for."""


def told(tried: Sequence[str]) -> dict[str, str]:
    """The header that says what has failed before, `overloaded x2, malformed`; none, if nothing."""
    return {"x-gemini-tried": ", ".join(_counted(tried))} if tried else {}


def _counted(tried: Sequence[str]) -> Iterator[str]:
    for cause, times in Counter(tried).items():
        yield cause if times == 1 else f"{cause} x{times}"

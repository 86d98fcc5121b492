"""proxy/retry_policies.py: for each cause, how often, after what pause and with what change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from proxy.auth import Key
from proxy.retry_policies import MAX_ATTEMPTS, NO_RETRY, RETRY_POLICIES, Plan, attempts_header
from tests.fake_gemini import CARBON, EXHAUSTED, FLASH, MODEL
from tests.messages import assistant, result, thinking, use, user
from translate import ApiError, Cause, InvalidRequest, RequestOverrides, Translation, translate
from translate.request.overrides import ANSWER_NOW, CALL_IN_PIECES, JSON_ONLY, NO_OVERRIDES
from translate.response.google_errors import RULES
from translate.signatures import CALL, SENTINEL, wrap

SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}}
TOOLS = [{"name": name, "input_schema": SCHEMA} for name in "ABCDE"]
BODY: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 1000,
    "thinking": {"type": "adaptive"},
    "tools": TOOLS,
    "messages": [
        user("go"),
        assistant(thinking(wrap(CALL, MODEL, "AAAA")), use("a", "A")),
        user(result("a")),
    ],
}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
RETIRED, SUCCESSOR = "gemini-3-pro-preview", "gemini-3.1-pro-preview"
BEFORE_RETIREMENT = "2026-01-01"
"""A day on which the table does not yet expect what Google says: that a model is gone."""


class Trial(Plan):
    """A plan whose attempts fail. refuses: models that cannot serve the request. planned:
    overrides that were translated; models, keys: of each attempt."""

    def __init__(
        self,
        *fallbacks: str,
        keys: Sequence[str] = ("key",),
        refuses: Sequence[str] = (),
        today: str = BEFORE_RETIREMENT,
        **fields: Any,
    ) -> None:
        self.planned: list[RequestOverrides] = []

        def translate_with(overrides: RequestOverrides) -> Translation:
            self.planned.append(overrides)
            if overrides.model in refuses:
                raise ApiError(400, "It cannot.")
            return translate({**BODY, **fields}, {}, overrides=overrides, today=today)

        super().__init__(translate_with, [Key(key) for key in keys], fallbacks)
        self.models, self.keys = [self.translation.model.name], [self.key.value]

    def fail(self, cause: Cause, *messages: str) -> list[float | None]:
        """Fail once for each message of Google's; the pauses before the next attempts."""
        pauses = []
        for message in messages or [""]:
            pauses.append(self.next_attempt(cause, ApiError(400, message)))
            if pauses[-1] is not None:
                self.models.append(self.translation.model.name)
                self.keys.append(self.key.value)
        return pauses

    def fail_by(self, causes: Sequence[Cause]) -> list[float | None]:
        return [self.fail(cause)[0] for cause in causes]


# --- How often, and after what pause ----------------------------------------------------------

PAUSES: dict[Cause, list[float]] = {
    **{cause: [] for cause in Cause},
    Cause.CONNECTION: [0.0, 0.5],
    Cause.OFFLINE: [0.5, 2.0, 4.0],
    Cause.OVERLOADED: [0.5, 1.5],
    Cause.INTERNAL: [0.5, 1.5],
    Cause.TIMEOUT: [0.5],
    Cause.BROKEN: [0.0, 0.5],
    Cause.EMPTY: [0.0, 0.5],
    Cause.THOUGHTS: [0.0, 0.5],
    Cause.MALFORMED: [0.0, 0.0],
    Cause.NO_JSON: [0.0, 0.0],
    Cause.SIGNATURE: [0.0],
    Cause.SCHEMA: [0.0],
    Cause.THINKING: [0.0],
    Cause.PARAMETER: [0.0],
}
"""Of a request that has one key, a model of today and no fallback."""

NEVER_RETRIED = {cause for cause, policy in RETRY_POLICIES.items() if policy is NO_RETRY}
GOOGLES = {Cause.QUOTA, Cause.REQUEST, Cause.PAYLOAD, Cause.REGION, Cause.BILLING} | {
    *(Cause.DISABLED, Cause.RESTRICTED, Cause.FORBIDDEN, Cause.MEDIA)
}
"""Refusals that the client, or the owner of a key or a server, has to read."""


def test_policies_cover_every_cause() -> None:
    assert set(RETRY_POLICIES) == set(PAUSES) == set(Cause)
    assert {*GOOGLES, Cause.CONTEXT, Cause.SILENCE, Cause.BUSY} == NEVER_RETRIED
    assert {rule.cause for rule in RULES} - (set(Cause) - NEVER_RETRIED) == GOOGLES


@pytest.mark.parametrize("cause", Cause)
def test_pauses_of_each_cause(cause: Cause) -> None:
    trial, pauses = Trial(), PAUSES[cause]
    assert trial.fail(cause, *[""] * (len(pauses) + 2)) == [*pauses, None, None]
    assert trial.failed_attempts == [cause] * len(pauses)
    assert (trial.models, trial.warning) == ([MODEL] * (1 + len(pauses)), "")


@pytest.mark.parametrize("cause", sorted(NEVER_RETRIED))
def test_no_retry_in_spite_of_keys_and_fallbacks(cause: Cause) -> None:
    trial = Trial(FLASH, keys=["a", "b"])
    assert trial.fail(cause, "", "") == [None, None]
    assert (trial.failed_attempts, len(trial.models)) == ([], 1)


def test_failures_are_counted_by_cause() -> None:
    trial = Trial()
    causes = [Cause.EMPTY, Cause.OVERLOADED] * 2 + [Cause.MALFORMED, Cause.EMPTY]
    assert trial.fail_by(causes) == [0.0, 0.5, 0.5, 1.5, 0.0, None]
    assert trial.failed_attempts == causes[:-1]


def test_attempts_of_one_answer_are_limited() -> None:
    """Whatever fails in turn, and however many models there are."""
    models = (FLASH, CARBON, "gemini-3.5-flash-lite")
    for trial, causes in (
        (Trial(*models), [Cause.OVERLOADED] * 12),
        (Trial(), [*TRANSIENT, *LAST_DIFFERS] * 2),
    ):
        is_last = [pause is None for pause in trial.fail_by(causes)]
        assert is_last.index(True) == MAX_ATTEMPTS - 1
        assert all(is_last[MAX_ATTEMPTS - 1 :])


# --- With what change -------------------------------------------------------------------------


def openapi_functions(request: Any) -> str:
    """The functions that are declared in the OpenAPI form."""
    (entry,) = request["tools"]
    names = (each["name"] for each in entry["functionDeclarations"] if "parameters" in each)
    return "".join(sorted(names))


def refused(*indexes: int) -> list[str]:
    place = "* tools[0].function_declarations[{}].parameters.items: missing field."
    return [place.format(index) for index in indexes]


def unknown(*names: str) -> list[str]:
    text = 'Invalid JSON payload received. Unknown name "{}": Cannot find field.'
    return [text.format(name) for name in names]


def signature(request: Any) -> Any:
    return request["contents"][1]["parts"][0]["thoughtSignature"]


def has_thinking(request: Any) -> bool:
    return "thinkingConfig" in request["generationConfig"]


def stores(request: Any) -> Any:
    return request.get("store")


def mode(request: Any) -> Any:
    return request.get("toolConfig", {}).get("functionCallingConfig", {}).get("mode")


def last_text(request: Any) -> Any:
    """The instruction behind all else, as the override that it was; None where there is none."""
    text = request["contents"][-1]["parts"][-1].get("text", "")
    instruction = text.removeprefix("<system-reminder>\n").removesuffix("\n</system-reminder>")
    return {"instruction": instruction} if instruction else None


CONFIG = {"thinkingConfig"}
PIECES = {"instruction": CALL_IN_PIECES}
ANSWER = {"instruction": ANSWER_NOW}
FORMED = {"instruction": JSON_ONLY}
Look = Callable[[Any], Any]


LAST_DIFFERS = [Cause.EMPTY, Cause.THOUGHTS]
TRANSIENT = [Cause.CONNECTION, Cause.OVERLOADED, Cause.INTERNAL, Cause.TIMEOUT, Cause.BROKEN]


@pytest.mark.parametrize("cause", [*TRANSIENT, *LAST_DIFFERS])
def test_transient_failures_repeat_the_same_request(cause: Cause) -> None:
    trial = Trial()
    first = trial.translation
    trial.fail(cause, *[""] * (1 if cause in LAST_DIFFERS else 2))
    assert (trial.translation is first, trial.planned) == (True, [NO_OVERRIDES])


@pytest.mark.parametrize(
    ("cause", "messages", "changed", "look", "before", "after"),
    [
        (Cause.MALFORMED, [""], {"validated": True}, mode, None, "VALIDATED"),
        (Cause.MALFORMED, ["", ""], {"validated": True, **PIECES}, mode, None, "VALIDATED"),
        (Cause.MALFORMED, ["", ""], {"validated": True, **PIECES}, last_text, None, PIECES),
        (Cause.EMPTY, ["", ""], ANSWER, last_text, None, ANSWER),
        (Cause.THOUGHTS, ["", ""], ANSWER, last_text, None, ANSWER),
        (Cause.NO_JSON, [""], FORMED, last_text, None, FORMED),
        (Cause.SIGNATURE, [""], {"unsigned": True}, signature, "AAAA", SENTINEL),
        (Cause.THINKING, [""], {"without": CONFIG}, has_thinking, True, False),
        (Cause.PARAMETER, ["an invalid argument"], {"without": CONFIG}, has_thinking, True, False),
        (Cause.PARAMETER, unknown("store"), {"without": {"store"}}, stores, False, None),
        (Cause.PARAMETER, unknown(*"xyz"), {"without": {*"xyz"}}, has_thinking, True, True),
        (Cause.SCHEMA, refused(0), {"openapi": {*"A"}}, openapi_functions, "", "A"),
        (Cause.SCHEMA, refused(0, 1), {"openapi": {*"AB"}}, openapi_functions, "", "AB"),
        (Cause.SCHEMA, refused(0, 1, 2), {"openapi": {*"ABCDE"}}, openapi_functions, "", "ABCDE"),
    ],
)
def test_refused_request_is_changed(
    cause: Cause, messages: list[str], changed: Any, look: Look, before: Any, after: Any
) -> None:
    """A schema in its other form; after the second the others are not waited for."""
    trial = Trial()
    assert look(trial.translation.request) == before
    pauses = PAUSES[cause] if cause in LAST_DIFFERS else [0.0] * len(messages)
    assert trial.fail(cause, *messages) == pauses
    sets = {name: frozenset(value) for name, value in changed.items() if isinstance(value, set)}
    overrides = RequestOverrides(**{**changed, **sets})
    assert trial.translation == translate(BODY, {}, overrides=overrides)
    assert look(trial.translation.request) == after


@pytest.mark.parametrize(
    ("cause", "messages"),
    [
        (Cause.SCHEMA, refused(1, 1)),
        (Cause.SCHEMA, refused(0, 1, 2, 3)),
        (Cause.PARAMETER, unknown(*"wxyz")),
        (Cause.THINKING, ["", ""]),
    ],
)
def test_change_that_did_not_help_is_final(cause: Cause, messages: list[str]) -> None:
    trial = Trial()
    assert trial.fail(cause, *messages) == [*[0.0] * (len(messages) - 1), None]
    assert trial.failed_attempts == [cause] * (len(messages) - 1)


def test_overrides_add_up() -> None:
    trial = Trial()
    trial.fail_by([Cause.SIGNATURE, Cause.MALFORMED])
    trial.fail(Cause.SCHEMA, *refused(0))
    trial.fail(Cause.THINKING)
    overrides = RequestOverrides(None, True, frozenset("A"), True, frozenset({"thinkingConfig"}))
    assert trial.planned[-1] == overrides
    assert trial.translation == translate(BODY, {}, overrides=overrides)


def test_override_that_cannot_be_translated_is_undone() -> None:
    def translate_with(overrides: RequestOverrides) -> Translation:
        if overrides.validated:
            raise InvalidRequest("tools", "no")
        return translate(BODY, {}, overrides=overrides)

    plan = Plan(translate_with, [Key("key")])
    first = plan.translation
    assert (plan.next_attempt(Cause.MALFORMED, None), plan.translation) == (0.0, first)
    assert plan.next_attempt(Cause.SIGNATURE, ApiError(400, "")) == 0.0
    assert plan.translation == translate(BODY, {}, overrides=RequestOverrides(unsigned=True))


def test_bad_request_has_no_plan() -> None:
    with pytest.raises(InvalidRequest):
        Trial(messages=[{"role": "user", "content": ""}])


# --- Other models -----------------------------------------------------------------------------

NO_QUOTA, LOAD, GONE = Cause.EXHAUSTED, Cause.OVERLOADED, Cause.MODEL
UNKNOWN, LAST = "gemini-9-unobtainium", "gemini-3.7-flash"
OLDER = "gemini-2.5-flash"
OVERLOAD = [0.5, 1.5, 0, 0.5, 1.5, None]
LONG = [NO_QUOTA, Cause.CONTEXT, *[Cause.EMPTY] * 3]


@pytest.mark.parametrize(
    ("models", "refuses", "causes", "pauses", "used"),
    [
        ([MODEL, FLASH, CARBON], [], [NO_QUOTA] * 3, [0, 0, None], [FLASH, CARBON]),
        ([MODEL, FLASH], [], [LOAD] * 6, OVERLOAD, [MODEL, MODEL, FLASH, FLASH, FLASH]),
        ([MODEL, MODEL, FLASH], [FLASH], [NO_QUOTA], [None], []),
        ([MODEL, OLDER, MODEL, FLASH], [], [NO_QUOTA] * 3, [0, 0, 0], [OLDER, MODEL, FLASH]),
        ([MODEL, FLASH, CARBON, LAST], [], LONG, [0, 0, 0, 0.5, 0], [FLASH, *[CARBON] * 3, LAST]),
        *[
            ([MODEL, FLASH, CARBON], [], [NO_QUOTA, cause], [0, None], [FLASH])
            for cause in (Cause.KEY, Cause.REGION, Cause.DISABLED, Cause.RESTRICTED)
        ],
        ([RETIRED, FLASH], [], [GONE] * 4, [0, 0, None, None], [SUCCESSOR, FLASH]),
        ([RETIRED, FLASH], [SUCCESSOR], [GONE], [0], [FLASH]),
        ([UNKNOWN, FLASH], [], [GONE] * 2, [0, None], [FLASH]),
    ],
)
def test_fallback_models(
    models: list[str], refuses: list[str], causes: list[Cause], pauses: Any, used: list[str]
) -> None:
    """gemini-2.5-flash has no search beside functions: it serves this request without."""
    trial = Trial(*models[1:], model=models[0], refuses=refuses, tools=[*TOOLS, SEARCH])
    assert trial.fail_by(causes) == pauses
    assert trial.models == [models[0], *used]
    assert trial.failed_attempts == causes[: len(used)]
    assert bool(trial.warning) is (SUCCESSOR in used)


@pytest.mark.parametrize("cause", sorted(set(Cause) - {NO_QUOTA, LOAD, GONE}))
def test_other_causes_do_not_fall_back(cause: Cause) -> None:
    trial = Trial(FLASH)
    trial.fail(cause, *[""] * 10)
    assert set(trial.models) == {MODEL}


def test_retired_fallback_is_asked_as_its_successor_once() -> None:
    trial = Trial("gemini-2.5-pro", FLASH, CARBON, today="2026-12-01")
    assert trial.fail_by([NO_QUOTA] * 3) == [0, 0, None]
    assert trial.models == [MODEL, FLASH, CARBON]
    sentence = "gemini-2.5-pro is gone, ask for gemini-3.8-flash."
    trial = Trial("gemini-2.5-pro", today="2026-12-01")
    trial.fail(NO_QUOTA)
    assert trial.headers()["x-gemini-warning"] == sentence


def test_warnings_of_translation_and_plan_are_one_header() -> None:
    trial = Trial()
    trial.translation = trial.translation._replace(warnings=("First.", "Second."))
    trial.warning = "Third."
    assert trial.headers()["x-gemini-warning"] == "First. Second. Third."


def test_fallback_begins_without_overrides() -> None:
    trial = Trial(FLASH)
    trial.fail(Cause.MALFORMED)
    trial.fail(Cause.SCHEMA, *refused(0))
    trial.fail(Cause.EXHAUSTED)
    assert trial.planned[-1] == RequestOverrides(model=FLASH)
    assert signature(trial.translation.request) == SENTINEL
    trial.fail(Cause.MALFORMED)
    assert trial.planned[-1] == RequestOverrides(model=FLASH, validated=True)


@pytest.mark.parametrize(
    ("error", "is_shown"),
    [
        (ApiError(529, "Overloaded."), True),
        (ApiError(500, "Oops."), True),
        (ApiError(429, "Slow down.", retry_after=7), True),
        (ApiError(429, "limit: 0", retry=False), False),
        (ApiError(401, "The key was found in public.", cause=Cause.KEY, retry=False), True),
        (ApiError(403, "Not from here.", cause=Cause.REGION, retry=False), True),
        (ApiError(402, "Not on the free tier.", cause=Cause.BILLING, retry=False), False),
        (ApiError(404, "There is none."), False),
        (ApiError(400, "prompt is too long: 3 tokens > 2 maximum"), False),
        (None, False),
    ],
)
def test_final_error_of_a_fallback(error: ApiError | None, is_shown: bool) -> None:
    trial = Trial(FLASH, CARBON)
    assert trial.final_error(error) is error
    trial.next_attempt(Cause.EXHAUSTED, EXHAUSTED)
    trial.next_attempt(Cause.EXHAUSTED, error)
    assert trial.translation.model.name == CARBON
    assert trial.final_error(error) is (error if is_shown else EXHAUSTED)


# --- Keys and headers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "causes", "used"),
    [
        (["new", "old", "oldest"], [Cause.KEY] * 3, ["new", "old", "oldest"]),
        (
            ["new", "old"],
            [Cause.KEY, Cause.EMPTY, NO_QUOTA, Cause.KEY],
            ["new", "old", "old", "old"],
        ),
        ([*"abcdefghijklm"], [Cause.KEY] * 10, [*"abcdefghi"]),
    ],
    ids=["in turn", "the one that was taken stays", "even many have an end"],
)
def test_refused_key_is_followed_by_the_next(
    keys: list[str], causes: list[Cause], used: list[str]
) -> None:
    trial = Trial(FLASH, keys=keys)
    assert trial.fail_by(causes)[-1] is None
    assert (trial.keys, trial.key.value) == (used, used[-1])


@pytest.mark.parametrize(
    ("failed", "header"),
    [
        ([], ""),
        (["empty"], "empty"),
        (["overloaded", "malformed", "overloaded"], "overloaded x2, malformed"),
    ],
)
def test_header_of_failed_attempts(failed: list[str], header: str) -> None:
    assert attempts_header(failed) == ({"x-gemini-tried": header} if header else {})


def test_headers_of_a_plan() -> None:
    trial = Trial(model=RETIRED)
    assert trial.headers() == {"x-gemini-model": RETIRED}
    trial.fail(Cause.MODEL)
    assert trial.headers() == {
        "x-gemini-model": SUCCESSOR,
        "x-gemini-tried": "model",
        "x-gemini-warning": f"{RETIRED} is gone, ask for {SUCCESSOR}.",
    }

"""proxy/attempts.py: for each cause, how often, after what pause and with what change."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from proxy.attempts import CURES, Recovery, told
from proxy.auth import Key
from tests.messages import assistant, result, thinking, use, user
from translate import ApiError, InvalidRequest, RequestOverrides, Translation, translate
from translate.response.google_errors import RULES
from translate.signatures import CALL, SENTINEL, wrap

MODEL = "gemini-4-hydrogen"
SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}}
BODY: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 1000,
    "thinking": {"type": "adaptive"},
    "tools": [{"name": name, "input_schema": SCHEMA} for name in "ABCDE"],
    "messages": [
        user("go"),
        assistant(thinking(wrap(CALL, MODEL, "AAAA")), use("a", "A")),
        user(result("a")),
    ],
}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}


class Gemini:
    """Notes what it is asked, and answers nothing."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any, str]] = []

    def stream(self, model: str, body: bytes, key: Key) -> Any:
        self.asked.append((model, json.loads(body), key.value))
        return "stream"


class Attempts:
    """A recovery with a fake Gemini, asked as answer.py does it."""

    def __init__(
        self,
        body: Any = BODY,
        keys: Sequence[str] = ("key",),
        fallbacks: Sequence[str] = (),
        refuses: Sequence[str] = (),
    ) -> None:
        """refuses: models that cannot serve the request."""
        self.gemini = Gemini()
        self.plans: list[RequestOverrides] = []

        def plan(overrides: RequestOverrides) -> Translation:
            self.plans.append(overrides)
            if overrides.model in refuses:
                raise ApiError(400, "It cannot.")
            return translate(body, {}, overrides=overrides)

        pairs = [Key(key) for key in keys]
        self.recovery = Recovery(self.gemini, plan, pairs, fallbacks)  # type: ignore[arg-type]
        self.recovery.ask(None)

    def fail(self, cause: str, said: str = "") -> float | None:
        pause = self.recovery.prepare(cause, ApiError(400, said))
        if pause is not None:
            self.recovery.ask(None)
        return pause

    def fails(self, cause: str, *said: str) -> list[float | None]:
        return [self.fail(cause, each) for each in said]

    @property
    def models(self) -> list[str]:
        return [model for model, _, _ in self.gemini.asked]

    @property
    def keys(self) -> list[str]:
        return [key for _, _, key in self.gemini.asked]

    @property
    def last(self) -> Any:
        """The body of the last request."""
        return self.gemini.asked[-1][1]


def forms(request: Any) -> dict[str, bool]:
    """Function -> whether it is declared in the OpenAPI form."""
    (entry,) = request["tools"]
    return {each["name"]: "parameters" in each for each in entry["functionDeclarations"]}


def refused(index: int) -> str:
    return f"* tools[0].function_declarations[{index}].parameters.items: missing field."


def unknown(name: str) -> str:
    return f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'


# --- How often, and after what pause ----------------------------------------------------------

PAUSES: dict[str, list[float]] = {
    "connection": [0.0, 0.5],
    "overloaded": [0.5, 1.5],
    "internal": [0.5, 1.5],
    "timeout": [0.5],
    "broken": [0.0, 0.5],
    "empty": [0.0, 0.5],
    "thoughts": [0.0, 0.5],
    "malformed": [0.0, 0.0],
    "signature": [0.0],
    "schema": [0.0],
    "thinking": [0.0],
    "parameter": [0.0],
    "exhausted": [],
    "key": [],
    "model": [],
}


def test_each_cure_has_its_pauses_here() -> None:
    assert set(PAUSES) == set(CURES)


@pytest.mark.parametrize("cause", PAUSES)
def test_each_cause_has_its_own_bound(cause: str) -> None:
    attempts = Attempts()
    pauses = PAUSES[cause]
    assert attempts.fails(cause, *[""] * (len(pauses) + 2)) == [*pauses, None, None]
    assert attempts.recovery.tried == [cause] * len(pauses)
    assert attempts.models == [MODEL] * (1 + len(pauses))
    assert attempts.recovery.warning == ""


@pytest.mark.parametrize("cause", ["quota", "context", "request", "billing", "silence", "new", ""])
def test_what_has_no_cure_is_not_tried_again(cause: str) -> None:
    attempts = Attempts(keys=["a", "b"], fallbacks=["gemini-3.8-flash"])
    assert attempts.fails(cause, "", "") == [None, None]
    assert (attempts.recovery.tried, len(attempts.gemini.asked)) == ([], 1)


def test_causes_are_counted_apart() -> None:
    attempts = Attempts()
    causes = ["empty", "overloaded", "empty", "overloaded", "malformed", "empty"]
    assert [attempts.fail(cause) for cause in causes] == [0.0, 0.5, 0.5, 1.5, 0.0, None]
    assert attempts.recovery.tried == causes[:-1]


def test_each_refusal_is_cured_or_the_clients_to_read() -> None:
    assert {rule.cause for rule in RULES} - set(CURES) == {
        *("quota", "request", "payload"),
        *("region", "billing", "disabled", "restricted", "forbidden"),
    }


# --- With what change -------------------------------------------------------------------------

SAME = ["connection", "overloaded", "internal", "timeout", "broken", "empty", "thoughts"]


@pytest.mark.parametrize("cause", SAME)
def test_a_failure_by_chance_is_followed_by_the_same_request(cause: str) -> None:
    attempts = Attempts()
    first = attempts.gemini.asked[0]
    attempts.fails(cause, "", "")
    assert attempts.gemini.asked == [first] * (1 + len(PAUSES[cause]))
    assert len(attempts.plans) == 1


def test_a_malformed_call_is_followed_by_calls_held_to_their_schemas() -> None:
    attempts = Attempts()
    assert "toolConfig" not in attempts.last
    attempts.fail("malformed")
    second = attempts.last
    assert second["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    attempts.fail("malformed")
    assert (attempts.last, len(attempts.gemini.asked)) == (second, 3)


def test_a_refused_signature_is_followed_by_the_sentinel() -> None:
    def signature() -> Any:
        return attempts.last["contents"][1]["parts"][0]["thoughtSignature"]

    attempts = Attempts()
    assert signature() == "AAAA"
    attempts.fail("signature")
    assert signature() == SENTINEL


def test_each_refused_schema_is_followed_by_its_other_form() -> None:
    attempts = Attempts()
    assert not any(forms(attempts.last).values())
    for i, name in enumerate("AB"):
        assert attempts.fail("schema", refused(i)) == 0.0
        assert forms(attempts.last) == {each: each <= name for each in "ABCDE"}
    assert attempts.fail("schema", refused(2)) == 0.0
    assert all(forms(attempts.last).values()), "the others are not waited for"
    assert attempts.fail("schema", refused(3)) is None
    assert attempts.recovery.tried == ["schema"] * 3


def test_a_schema_that_is_refused_in_both_forms_is_the_clients_to_read() -> None:
    attempts = Attempts()
    assert attempts.fails("schema", refused(1), refused(1)) == [0.0, None]
    assert attempts.recovery.tried == ["schema"]


def test_refused_thinking_is_followed_by_a_request_without() -> None:
    attempts = Attempts()
    assert "thinkingConfig" in attempts.last["generationConfig"]
    attempts.fail("thinking")
    assert "thinkingConfig" not in attempts.last["generationConfig"]


def test_each_unknown_field_is_left_out() -> None:
    attempts = Attempts()
    assert attempts.fails("parameter", unknown("store"), "an invalid argument") == [0.0, 0.0]
    assert "store" not in attempts.last
    assert set(attempts.last["generationConfig"]) == {"maxOutputTokens"}
    assert attempts.fails("parameter", unknown("x"), unknown("y")) == [0.0, None]


def test_changes_add_up() -> None:
    attempts = Attempts()
    attempts.fail("signature")
    attempts.fail("malformed")
    attempts.fail("schema", refused(0))
    attempts.fail("thinking")
    assert attempts.plans[-1] == RequestOverrides(
        unsigned=True,
        validated=True,
        openapi=frozenset("A"),
        without=frozenset({"thinkingConfig"}),
    )
    assert attempts.recovery.asked == translate(BODY, {}, overrides=attempts.plans[-1])


def test_a_change_that_cannot_be_made_leaves_all_as_it_was() -> None:
    def plan(overrides: RequestOverrides) -> Translation:
        if overrides.validated:
            raise InvalidRequest("tools", "no")
        return translate(BODY, {}, overrides=overrides)

    gemini = Gemini()
    recovery = Recovery(gemini, plan, [Key("key")], [])  # type: ignore[arg-type]
    asked = recovery.asked
    assert recovery.prepare("malformed", None) == 0.0
    assert recovery.asked is asked
    assert recovery.prepare("signature", ApiError(400, "")) == 0.0
    assert recovery.asked == translate(BODY, {}, overrides=RequestOverrides(unsigned=True))


def test_a_request_that_cannot_be_served_at_all_is_not_begun() -> None:
    with pytest.raises(InvalidRequest):
        Attempts({**BODY, "messages": [{"role": "user", "content": ""}]})


# --- Other models -----------------------------------------------------------------------------

FLASH, CARBON = "gemini-3.8-flash", "gemini-4-carbon"


def test_a_quota_that_is_spent_is_followed_by_the_fallback_models_in_turn() -> None:
    attempts = Attempts(fallbacks=[FLASH, CARBON])
    assert attempts.fails("exhausted", "", "", "") == [0.0, 0.0, None]
    assert attempts.models == [MODEL, FLASH, CARBON]
    assert attempts.recovery.tried == ["exhausted", "exhausted"]
    assert (attempts.recovery.asked.model.name, attempts.recovery.warning) == (CARBON, "")


def test_an_overload_that_lasts_is_followed_by_a_fallback_model_with_its_own_attempts() -> None:
    attempts = Attempts(fallbacks=[FLASH])
    pauses = attempts.fails("overloaded", *[""] * 6)
    assert pauses == [0.5, 1.5, 0.0, 0.5, 1.5, None]
    assert attempts.models == [MODEL] * 3 + [FLASH] * 3


@pytest.mark.parametrize(
    "cause", [*sorted(set(CURES) - {"overloaded", "exhausted", "model"}), "quota", "context"]
)
def test_nothing_else_is_followed_by_another_model(cause: str) -> None:
    attempts = Attempts(fallbacks=[FLASH])
    attempts.fails(cause, *[""] * 10)
    assert set(attempts.models) == {MODEL}


def test_another_model_gets_no_signatures_and_no_remedies_of_the_first() -> None:
    attempts = Attempts(fallbacks=[FLASH])
    attempts.fail("malformed")
    attempts.fail("schema", refused(0))
    attempts.fail("exhausted")
    assert attempts.plans[-1] == RequestOverrides(model=FLASH)
    assert attempts.last["contents"][1]["parts"][0]["thoughtSignature"] == SENTINEL
    attempts.fail("malformed")
    assert attempts.plans[-1] == RequestOverrides(model=FLASH, validated=True)


def test_a_fallback_model_that_cannot_serve_the_request_is_passed_over() -> None:
    body = {**BODY, "tools": [*BODY["tools"], SEARCH]}
    attempts = Attempts(body, fallbacks=["gemini-2.5-flash", MODEL, FLASH])
    assert attempts.fails("exhausted", "", "") == [0.0, None]
    assert attempts.models == [MODEL, FLASH]


def test_without_a_fallback_model_that_can_the_error_is_shown() -> None:
    attempts = Attempts(fallbacks=[MODEL, FLASH], refuses=[FLASH])
    assert attempts.fail("exhausted") is None
    assert (attempts.recovery.tried, attempts.recovery.asked.model.name) == ([], MODEL)


def test_a_fallback_model_that_fails_in_its_own_way_is_followed_by_the_next() -> None:
    attempts = Attempts(fallbacks=[FLASH, CARBON, "gemini-3.7-flash"])
    assert attempts.fails("exhausted", "") == [0.0]
    assert attempts.fail("context") == 0.0
    assert attempts.recovery.prepare("empty", None) == 0.0
    assert attempts.recovery.prepare("empty", None) == 0.5
    assert attempts.recovery.prepare("empty", None) == 0.0
    assert attempts.recovery.asked.model.name == "gemini-3.7-flash"


OURS = ApiError(429, "Spent.", retry=False)


@pytest.mark.parametrize(
    ("theirs", "is_told"),
    [
        (ApiError(529, "Overloaded."), True),
        (ApiError(500, "Oops."), True),
        (ApiError(429, "Slow down.", retry_after=7), True),
        (ApiError(429, "limit: 0", retry=False), False),
        (ApiError(401, "The key was found in public.", cause="key", retry=False), True),
        (ApiError(403, "Not from here.", cause="region", retry=False), True),
        (ApiError(402, "Not on the free tier.", cause="billing", retry=False), False),
        (ApiError(404, "There is none."), False),
        (ApiError(400, "prompt is too long: 3 tokens > 2 maximum"), False),
    ],
)
def test_of_a_fallback_model_only_what_passes_is_told(theirs: ApiError, is_told: bool) -> None:
    recovery = Attempts(fallbacks=[FLASH, CARBON]).recovery
    assert recovery.verdict(theirs) is theirs
    recovery.prepare("exhausted", OURS)
    recovery.prepare("exhausted", theirs)
    assert recovery.asked.model.name == CARBON
    assert recovery.verdict(theirs) is (theirs if is_told else OURS)


def test_of_a_fallback_model_that_says_nothing_nothing_is_told() -> None:
    recovery = Attempts(fallbacks=[FLASH]).recovery
    assert recovery.verdict(None) is None
    recovery.prepare("exhausted", OURS)
    assert recovery.verdict(None) is OURS


@pytest.mark.parametrize("cause", ["key", "region", "disabled", "restricted"])
def test_what_is_the_same_with_every_model_is_not_asked_of_the_next(cause: str) -> None:
    attempts = Attempts(fallbacks=[FLASH, CARBON])
    assert attempts.fails("exhausted", "") == [0.0]
    assert attempts.fail(cause) is None
    assert attempts.models == [MODEL, FLASH]


# --- Models of the past -----------------------------------------------------------------------


def gone(**more: Any) -> Attempts:
    return Attempts({**BODY, "model": "gemini-3-pro-preview"}, **more)


def test_a_model_that_is_gone_is_followed_by_its_successor_and_a_warning() -> None:
    attempts = gone(fallbacks=[FLASH])
    assert attempts.fail("model") == 0.0
    assert attempts.models == ["gemini-3-pro-preview", "gemini-3.1-pro-preview"]
    assert attempts.recovery.tried == ["model"]
    assert attempts.recovery.warning.startswith("gemini-3-pro-preview is gone, ")
    assert "gemini-3.1-pro-preview" in attempts.recovery.warning


def test_a_successor_that_is_gone_too_is_followed_by_a_fallback_model() -> None:
    attempts = gone(fallbacks=[FLASH])
    assert attempts.fails("model", "", "", "") == [0.0, 0.0, None]
    assert attempts.models == ["gemini-3-pro-preview", "gemini-3.1-pro-preview", FLASH]


def test_a_successor_that_cannot_serve_the_request_is_passed_over() -> None:
    attempts = gone(fallbacks=[FLASH], refuses=["gemini-3.1-pro-preview"])
    assert attempts.fail("model") == 0.0
    assert attempts.models == ["gemini-3-pro-preview", FLASH]
    assert attempts.recovery.warning == ""


def test_a_model_nobody_has_heard_of_is_followed_by_a_fallback_model() -> None:
    attempts = Attempts({**BODY, "model": "gemini-9-unobtainium"}, fallbacks=[FLASH])
    assert attempts.fails("model", "", "") == [0.0, None]
    assert (attempts.models[1:], attempts.recovery.warning) == ([FLASH], "")


# --- Keys -------------------------------------------------------------------------------------


def test_a_refused_key_is_followed_by_the_next() -> None:
    attempts = Attempts(keys=["new", "old", "oldest"])
    assert attempts.fails("key", "", "", "") == [0.0, 0.0, None]
    assert attempts.keys == ["new", "old", "oldest"]
    assert len(attempts.plans) == 1


def test_the_key_that_was_taken_stays() -> None:
    attempts = Attempts(keys=["new", "old"], fallbacks=[FLASH])
    attempts.fail("key")
    attempts.fail("empty")
    attempts.fail("exhausted")
    assert attempts.keys == ["new", "old", "old", "old"]
    assert attempts.fail("key") is None
    attempts.recovery.ask("T1")
    assert attempts.keys[-1] == "old"


def test_even_many_keys_have_an_end() -> None:
    attempts = Attempts(keys=[str(i) for i in range(20)])
    assert attempts.fails("key", *[""] * 9) == [0.0] * 8 + [None]


# --- A request, and what is told of it --------------------------------------------------------


def test_the_rest_of_an_answer_is_asked_for_with_a_token() -> None:
    attempts = Attempts()
    assert attempts.recovery.ask("T1") == "stream"
    (_, first, _), (_, more, _) = attempts.gemini.asked
    assert more == {**first, "continuationToken": "T1"}
    attempts.recovery.ask(None)
    assert attempts.last == first


@pytest.mark.parametrize(
    ("tried", "expected"),
    [
        ([], ""),
        (["empty"], "empty"),
        (["overloaded", "malformed", "overloaded"], "overloaded x2, malformed"),
    ],
)
def test_what_was_tried_in_short(tried: list[str], expected: str) -> None:
    assert told(tried) == ({"x-gemini-tried": expected} if expected else {})

"""proxy/attempts.py: for each cause, how often, after what pause and with what change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from proxy import attempts
from proxy.attempts import NO_RETRY, RETRY_POLICIES, Plan
from proxy.auth import Key
from tests import fake_gemini
from tests.answers import call, chunk, text, thought
from tests.fake_gemini import BROKEN, CARBON, END, EXHAUSTED, FLASH, HI, MODEL, OVERLOADED, Stream
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
OVERLOAD = [0.5, 1.5, 0, 0.5, 1.5, None]
LONG = [NO_QUOTA, Cause.CONTEXT, *[Cause.EMPTY] * 3]


@pytest.mark.parametrize(
    ("models", "refuses", "causes", "pauses", "used"),
    [
        ([MODEL, FLASH, CARBON], [], [NO_QUOTA] * 3, [0, 0, None], [FLASH, CARBON]),
        ([MODEL, FLASH], [], [LOAD] * 6, OVERLOAD, [MODEL, MODEL, FLASH, FLASH, FLASH]),
        ([MODEL, MODEL, FLASH], [FLASH], [NO_QUOTA], [None], []),
        ([MODEL, "gemini-2.5-flash", MODEL, FLASH], [], [NO_QUOTA] * 2, [0, None], [FLASH]),
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
    """gemini-2.5-flash has no search beside functions, so it cannot serve this request."""
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
    assert attempts.attempts_header(failed) == ({"x-gemini-tried": header} if header else {})


def test_headers_of_a_plan() -> None:
    trial = Trial(model=RETIRED)
    assert trial.headers() == {"x-gemini-model": RETIRED}
    trial.fail(Cause.MODEL)
    assert trial.headers() == {
        "x-gemini-model": SUCCESSOR,
        "x-gemini-tried": "model",
        "x-gemini-warning": f"{RETIRED} is gone, ask for {SUCCESSOR}.",
    }


# --- The events of one answer -----------------------------------------------------------------


class Run:
    """All events of an answer, or the error that it ended with."""

    def __init__(self, *streams: list[Any], **more: Any) -> None:
        self.case = fake_gemini.make_case(*(Stream(*steps) for steps in streams), **more)
        self.gemini, self.poller = self.case.gemini, self.case.poller
        self.events: list[Any] = []
        self.error: ApiError | None = None
        try:
            for item in self.case.attempts.events():
                self.events += item  # type: ignore[operator]
        except ApiError as error:
            self.error = error
        self.failed_attempts = self.case.attempts.plan.failed_attempts

    @property
    def text(self) -> str:
        deltas = [each["delta"] for each in self.events if each["type"] == "content_block_delta"]
        return "".join(delta.get("text", "") for delta in deltas)


END_ALONE = chunk(**END)
HEL, LO = chunk(text("Hel")), chunk(text("lo."), **END)
CHECKPOINT = chunk(text("Hel"), continuationToken="t1")
HM = chunk(thought("Hm."))
NO_KEY = ApiError(401, "No.", cause=Cause.KEY)
REFUSED = ApiError(400, "No.", cause=Cause.REQUEST)
TOO_LONG = ApiError(400, "prompt is too long: 3 tokens > 2 maximum", cause=Cause.CONTEXT)


def test_attempt_follows_with_its_pause_key_and_change() -> None:
    malformed = chunk(finish="MALFORMED_FUNCTION_CALL")
    run = Run([NO_KEY], [OVERLOADED], [malformed], [HI], keys=["new", "old"], tools=TOOLS)
    assert (run.text, run.poller.pauses) == ("Hi.", [0.0, 0.5, 0.0])
    assert run.failed_attempts == ["key", "overloaded", "malformed"]
    assert [key for _, _, key in run.gemini.requests] == ["new", "old", "old", "old"]
    assert ["toolConfig" in body for _, body, _ in run.gemini.requests] == [False] * 3 + [True]
    assert all(stream.is_closed for stream in run.gemini.streams)


@pytest.mark.parametrize(
    ("streams", "text", "failed"),
    [
        ([[HM, BROKEN], [HI]], "Hi.", ["broken"]),
        ([[HM, OVERLOADED], [HI]], "Hi.", ["overloaded"]),
        ([[chunk(call("c", "Bash", {})), BROKEN], [HI]], "Hi.", ["broken"]),
        ([[HI, BROKEN]], "Hi.", []),
        ([[CHECKPOINT, BROKEN], [BROKEN], [LO]], "Hello.", ["resumed", "resumed"]),
        ([[HEL, BROKEN]], "Hel", None),
        ([[HEL], [HI]], "Hel", None),
        ([[chunk(text("Hel"), **END), chunk(text("lo")), OVERLOADED]], "Hello", None),
        ([[CHECKPOINT, chunk(text("lo")), BROKEN]], "Hello", None),
        ([[CHECKPOINT, REFUSED]], "Hel", None),
    ],
)
def test_failure_is_retried_until_a_text_is_shown(
    streams: list[Any], text: str, failed: list[str] | None
) -> None:
    run = Run(*streams)
    assert (run.text, run.error is None) == (text, failed is not None)
    assert run.failed_attempts == (failed or [])
    assert len(run.gemini.requests) == 1 + len(run.failed_attempts)
    types = [event["type"] for event in run.events]
    assert (types.count("message_start"), types[-1] == "message_stop") == (1, failed is not None)


@pytest.mark.parametrize(
    ("streams", "error"),
    [
        ([[ApiError(404, "No.")]], (404, "No.")),
        ([[REFUSED]], (400, "No.")),
        ([[HM]] * 3, (529, BROKEN.message)),
        ([[EXHAUSTED], *[[END_ALONE]] * 3], (429, "Exhausted.")),
        ([[EXHAUSTED], [TOO_LONG]], (429, "Exhausted.")),
        ([[HM, EXHAUSTED], [TOO_LONG]], (429, "Exhausted.")),
    ],
)
def test_error_of_the_last_attempt(streams: list[Any], error: tuple[int, str]) -> None:
    """A fallback's context is smaller: the client is not to compact a conversation for that."""
    run = Run(*streams)
    assert run.error is not None
    assert (run.error.status, run.error.message) == error
    assert len(run.gemini.requests) == len(streams)


FORM = {"output_format": {"type": "json_schema", "schema": {"type": "object"}}}
PROSE, HALF_JSON = chunk(text("I cannot."), **END), chunk(text('{"a": '), **END)
WHOLE_JSON = chunk(text('```\n{"a": 1}\n```'), **END)


@pytest.mark.parametrize(
    ("streams", "whole", "shown", "failed"),
    [
        ([[PROSE], [WHOLE_JSON]], False, '{"a": 1}', 1),
        ([[PROSE], [HALF_JSON], [WHOLE_JSON]], True, '{"a": {"a": 1}', 2),
        ([[HALF_JSON]], False, '{"a": ', 0),
        ([[PROSE], [HALF_JSON]], False, '{"a": ', 1),
        ([[PROSE]] * 3, False, "", 2),
        ([[HALF_JSON]] * 3, True, '{"a": ' * 3, 2),
    ],
)
def test_json_is_asked_for_until_some_is_shown(
    streams: list[Any], whole: bool, shown: str, failed: int
) -> None:
    """Then an error says so: a text would be taken for the JSON."""
    run = Run(*streams, whole=whole, **FORM)
    assert (run.text, run.failed_attempts) == (shown, [Cause.NO_JSON] * failed)
    assert (run.error and run.error.cause) == (None if "1}" in shown else Cause.NO_JSON)


def test_whole_answer_is_retried_behind_a_text() -> None:
    run = Run([HEL, BROKEN], [HI], whole=True)
    assert (run.error, [event["type"] for event in run.events].count("message_start")) == (None, 2)


@pytest.mark.parametrize("is_claude_code", [True, False])
def test_claude_code_does_not_think_by_default(is_claude_code: bool) -> None:
    fields: Any = {"model": "claude-opus-5-5", "thinking": None}
    case = fake_gemini.make_case(Stream(HI), is_claude_code=is_claude_code, **fields)
    assert case.attempts.plan.translation.shows_thinking is not is_claude_code


@pytest.mark.parametrize("thinking", [{}, {"thinking": {"type": "disabled"}}])
def test_signatures_are_carried_without_thinking(thinking: Any) -> None:
    signed = chunk(call("c", "Bash", {}, thoughtSignature="AAAA"), **END)
    run = Run([signed], tools=TOOLS, **thinking)
    assert "signature_delta" in str(run.events)


@pytest.mark.parametrize("cause", Cause)
def test_resumable_causes(cause: Cause) -> None:
    run = Run([CHECKPOINT, ApiError(400, "No.", cause=cause)], [LO])
    is_resumed = cause in attempts.RESUMABLE
    assert (run.text, run.error is None) == (("Hello.", True) if is_resumed else ("Hel", False))
    assert run.gemini.tokens == ([None, "t1"] if is_resumed else [None])
    assert run.gemini.requests[-1][1] == {
        **run.gemini.requests[0][1],
        **({"continuationToken": "t1"} if is_resumed else {}),
    }


def test_resumptions_are_counted_at_each_checkpoint() -> None:
    cut = [[chunk(text("a"), continuationToken=f"t{i}"), BROKEN] for i in range(5)]
    run = Run(*cut, [LO])
    assert (run.text, run.poller.pauses) == ("aaaaalo.", [0.0] * 5)
    assert run.gemini.tokens == [None, *(f"t{i}" for i in range(5))]


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    ("first", "requests"),
    [
        ([CHECKPOINT, BROKEN], 4),
        ([chunk(text("a"), continuationToken="t1", finish="CONTINUATION")], 5),
    ],
    ids=["it is cut", "it is long"],
)
def test_failed_resumptions_are_final(first: list[Any], requests: int, whole: bool) -> None:
    """After a while, and for good: from its beginning it would cost as much once more."""
    run = Run(first, *[[OVERLOADED] for _ in range(9)], whole=whole)
    assert (run.error, run.gemini.tokens) == (OVERLOADED, [None, *["t1"] * (requests - 1)])
    assert [stream.is_closed for stream in run.gemini.streams].count(True) == requests
    assert run.poller.pauses == list(attempts.RESUMPTION_PAUSES) == [0.0, 0.5, 1.5]


@pytest.mark.parametrize(
    ("tool", "seconds"),
    [(TOOLS[0], attempts.END_OF_BODY_SECONDS), (SEARCH, attempts.BUILT_IN_TOOL_SECONDS)],
)
def test_end_of_body_is_waited_for(tool: Any, seconds: float) -> None:
    """Once, whatever follows, unless the answer goes on."""
    more = [chunk(text("o")), chunk(text("."), **END), chunk(), chunk(**END), chunk()]
    run = Run([HEL, chunk(text("l"), **END), *more], tools=[tool])
    assert run.text == "Hello."
    assert run.gemini.streams[0].ends == [seconds, None, seconds]


def test_end_of_a_hop_is_waited_for() -> None:
    run = Run([chunk(text("Hel"), continuationToken="t1", finish="CONTINUATION"), BROKEN], [LO])
    assert (run.text, run.gemini.tokens) == ("Hello.", [None, "t1"])
    assert run.gemini.streams[0].ends == [attempts.END_OF_BODY_SECONDS]


def test_stop_sequence_ends_the_request() -> None:
    run = Run([chunk(text("a<stop>b")), BROKEN], stop_sequences=["<stop>"])
    assert (run.text, run.error, run.gemini.streams[0].is_closed) == ("a", None, True)
    assert run.events[-2]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "<stop>"}

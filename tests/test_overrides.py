"""translate/request/overrides.py: what is changed after a refusal, as Google's text names it."""

from dataclasses import asdict, replace

import pytest

from translate.request.overrides import (
    ANSWER_NOW,
    CALL_IN_PIECES,
    JSON_ONLY,
    NO_OVERRIDES,
    RESPONSE_FORMAT_FIELDS,
    THINKING_FIELDS,
    Override,
    RequestOverrides,
    ask_for_answer,
    ask_for_json,
    ask_for_pieces,
    drop_signatures,
    drop_thinking,
    drop_unknown_fields,
    use_model,
    use_openapi_schema,
    validate_calls,
)

FUNCTIONS = ("Bash", "Read", "mcp__x__move")
UNKNOWN = "Invalid JSON payload received. Unknown name "
CURRENT = RequestOverrides(model="m", openapi=frozenset({"Read"}), without=frozenset({"topK"}))


@pytest.mark.parametrize(("override", "expected"), [
    (drop_signatures,
        RequestOverrides("m", unsigned=True, openapi=CURRENT.openapi, without=CURRENT.without)),
    (validate_calls,
        RequestOverrides("m", validated=True, openapi=CURRENT.openapi, without=CURRENT.without)),
    (drop_thinking,
        RequestOverrides("m", openapi=CURRENT.openapi, without=CURRENT.without | THINKING_FIELDS)),
    (ask_for_pieces, replace(CURRENT, instruction=CALL_IN_PIECES)),
    (ask_for_answer, replace(CURRENT, instruction=ANSWER_NOW)),
    (ask_for_json, replace(CURRENT, instruction=JSON_ONLY)),
])  # fmt: skip
def test_an_override_adds_to_those_before(override: Override, expected: RequestOverrides) -> None:
    assert override(CURRENT, FUNCTIONS, "") == expected
    assert override(expected, FUNCTIONS, "") == expected


FORMS = {
    "by its place": (
        f"{UNKNOWN}\"const\" at 'tools[0].function_declarations[1].parameters.properties[3]'",
        {"Read"}),
    "several": (
        "* tools[0].function_declarations[0].parameters.properties: should be non-empty\n"
        "* tools[0].function_declarations[2].parameters.items: missing field.",
        {"Bash", "mcp__x__move"}),
    "by its name": (
        "Unable to submit request because `mcp__x__move` functionDeclaration"
        " `parameters.entries` schema didn't specify the schema type field.", {"mcp__x__move"}),
    "by a name that is none of them": (
        "Unable to submit request because `other` functionDeclaration `parameters.x` schema",
        set(FUNCTIONS)),
    "by a place where none is": (
        "* tools[0].function_declarations[3].parameters.items: missing field.", set(FUNCTIONS)),
    "an index that is no number Python reads": (
        f"* tools[0].function_declarations[{'9' * 5_000}].parameters: bad.", set(FUNCTIONS)),
    "not at all": ("reference to undefined schema at properties.x", set(FUNCTIONS)),
}  # fmt: skip


@pytest.mark.parametrize(("message", "expected"), FORMS.values(), ids=FORMS)
def test_a_schema_is_put_in_the_other_form(message: str, expected: set[str]) -> None:
    assert use_openapi_schema(NO_OVERRIDES, FUNCTIONS, message) == RequestOverrides(
        openapi=frozenset(expected)
    )
    before = RequestOverrides(openapi=frozenset({"x"}))
    assert use_openapi_schema(before, FUNCTIONS, message) == RequestOverrides(
        openapi=frozenset({"x", *expected})
    )
    before = RequestOverrides(openapi=frozenset({"x", "y"}))
    assert use_openapi_schema(before, FUNCTIONS, message).openapi == {"x", "y", *FUNCTIONS}


@pytest.mark.parametrize(
    "message",
    [
        "A schema in GenerationConfig in the request exceeds the maximum allowed nesting depth.",
        f"{UNKNOWN}\"$ref\" at 'generation_config.response_json_schema': Cannot find field.",
        "Invalid value at 'response_schema'",
    ],
)
def test_a_form_of_the_answer_is_asked_for_in_words(message: str) -> None:
    assert use_openapi_schema(CURRENT, FUNCTIONS, message) == RequestOverrides(
        "m", openapi=CURRENT.openapi, without=CURRENT.without | RESPONSE_FORMAT_FIELDS
    )


def test_the_only_schema_without_functions_is_the_answers() -> None:
    message = "The specified schema produces a constraint that has too many states for serving."
    assert use_openapi_schema(NO_OVERRIDES, (), message) == RequestOverrides(
        without=RESPONSE_FORMAT_FIELDS
    )


def test_a_function_that_is_named_goes_before_the_form() -> None:
    message = "tools[0].function_declarations[0].parameters, GenerationConfig"
    assert use_openapi_schema(NO_OVERRIDES, FUNCTIONS, message) == RequestOverrides(
        openapi=frozenset({"Bash"})
    )


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (f'{UNKNOWN}"topP": Cannot find field.', {"topP"}),
        (
            f'{UNKNOWN}"store": Cannot find field.\n{UNKNOWN}"topP" at \'generation_config\'',
            {"store", "topP"},
        ),
        ("Request contains an invalid argument.", {"thinkingConfig"}),
    ],
)
def test_a_field_gemini_does_not_know_is_left_out(message: str, expected: set[str]) -> None:
    assert drop_unknown_fields(NO_OVERRIDES, FUNCTIONS, message) == RequestOverrides(
        without=frozenset(expected)
    )
    assert drop_unknown_fields(CURRENT, FUNCTIONS, message).without == CURRENT.without | expected


def test_another_model_is_asked_without_overrides() -> None:
    assert use_model("gemini-3.8-flash") == RequestOverrides(model="gemini-3.8-flash")
    assert asdict(NO_OVERRIDES) == {
        "model": None,
        "unsigned": False,
        "openapi": frozenset(),
        "validated": False,
        "without": frozenset(),
        "instruction": "",
    }

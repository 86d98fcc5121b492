"""The rules of generationConfig, thinking, safety settings and sizes, by model.

Knows ranges and which settings exclude each other.
"""

from __future__ import annotations

from collections.abc import Iterator

from emulator_errors import BARE, refusal
from emulator_jsonschema import references
from emulator_request import Asked
from emulator_tools import schema_fields
from emulator_usage import tokens

MOST_STOP_SEQUENCES = 5
STOP_SEQUENCES = "the number of stop_sequences must not exceed 5"
MUST_BE_POSITIVE = "max_output_tokens must be positive."
RANGES = {"temperature": (0.0, 2.0), "topP": (0.0, 1.0)}
OUT_OF_RANGE = "{0} must be in the range [{1}, {2}]."
MIME_TYPES = ("text/plain", "application/json", "text/x.enum")
MIME_TYPE = (
    "allowed mimetypes are `text/plain`, `application/json`, `application/xml`,"
    " `application/yaml` and `text/x.enum`."
)
NEEDS_JSON = "response schema requires response_mime_type to be application/json."
TWO_SCHEMAS = "response_json_schema is mutually exclusive with response_schema."
SAFETY_TWICE = "Duplicate safety setting for category {}."

TOO_LONG = "The input token count ({}) exceeds the maximum number of tokens allowed ({})."
TOO_MUCH_OUTPUT = (
    "Unable to submit request because it has a maxOutputTokens value of {} but the supported"
    " range is from 1 (inclusive) to {} (exclusive). Update the value and try again."
)
ONE_CANDIDATE = "Only one candidate can be specified"
NO_PENALTY = "Penalty is not enabled for this model"
NO_JSON_WITH_FUNCTIONS = (
    "Function calling with a response mime type: 'application/json' is unsupported"
)
BUDGET_AND_LEVEL = "You can only set only one of thinking budget and thinking level."
NO_LEVEL = "Thinking level is not supported for this model."
NOT_THIS_LEVEL = (
    "Thinking level {} is not supported for this model. Please retry with other thinking level."
)
NO_BUDGET = "Thinking budget is not supported for this model."
INVALID_BUDGET = "The thinking budget ({}) is invalid."
DYNAMIC = -1

CACHED_CONFLICT = (
    "CachedContent can not be used with GenerateContent request setting system_instruction,"
    " tools or tool_config."
)
NOT_CACHED = "CachedContent not found (or permission denied)"
CACHED_PARTS = ("systemInstruction", "tools", "toolConfig")


def fields(asked: Asked) -> Iterator[tuple[str, str]]:
    """Single values out of their range."""
    config = asked.config
    at = "generation_config."
    if len(config.get("stopSequences", ())) > MOST_STOP_SEQUENCES:
        yield at + "stop_sequences", STOP_SEQUENCES
    if config.get("maxOutputTokens", 1) < 1:
        yield at + "max_output_tokens", MUST_BE_POSITIVE
    for name, (least, most) in RANGES.items():
        snake = {"topP": "top_p"}.get(name, name)
        if not least <= config.get(name, least) <= most:
            yield at + snake, OUT_OF_RANGE.format(snake, least, most)
    yield from _response_fields(asked)
    categories = [setting.get("category") for setting in asked.body.get("safetySettings", ())]
    for i, category in enumerate(categories):
        if category in categories[:i]:
            yield f"safety_settings[{i}]", SAFETY_TWICE.format(category)


def _response_fields(asked: Asked) -> Iterator[tuple[str, str]]:
    config = asked.config
    at = "generation_config."
    mime_type = config.get("responseMimeType", "text/plain")
    schemas = [name for name in ("responseSchema", "responseJsonSchema") if name in config]
    if mime_type not in MIME_TYPES:
        yield at + "response_mime_type", MIME_TYPE
    if schemas and mime_type == "text/plain":
        yield at + "response_schema", NEEDS_JSON
    if len(schemas) > 1:
        yield at + "response_json_schema", TWO_SCHEMAS
    yield from schema_fields(at + "response_schema", config.get("responseSchema"))


def limits(asked: Asked) -> Iterator[str]:
    """Sizes, and settings this model does not have."""
    config, model = asked.config, asked.model
    prompt = tokens(asked.canonical())
    if prompt > model.context:
        yield TOO_LONG.format(prompt, model.context)
    is_hop = asked.unary and "continuationToken" not in asked.body
    most = model.unary_output if is_hop else model.output
    if config.get("maxOutputTokens", 1) > most:
        yield TOO_MUCH_OUTPUT.format(config["maxOutputTokens"], most + 1)
    if config.get("candidateCount", 1) != 1:
        yield ONE_CANDIDATE
    if config.get("presencePenalty") or config.get("frequencyPenalty"):
        yield NO_PENALTY
    wants_json = config.get("responseMimeType") == "application/json"
    if wants_json and asked.declared and not model.json_with_functions:
        yield NO_JSON_WITH_FUNCTIONS
    yield from references(config.get("responseJsonSchema"), "response_json_schema")
    system = asked.body.get("systemInstruction", {})
    if any("text" not in part for part in system.get("parts", ())):
        yield BARE


def thinking(asked: Asked) -> Iterator[str]:
    """Levels since Gemini 3, budgets until Gemini 3."""
    budget = asked.thinking.get("thinkingBudget")
    level = asked.thinking.get("thinkingLevel", "THINKING_LEVEL_UNSPECIFIED")
    has_level = level != "THINKING_LEVEL_UNSPECIFIED"
    if has_level and budget is not None:
        yield BUDGET_AND_LEVEL
    if has_level and not asked.model.levels:
        yield NO_LEVEL
    if has_level and level not in asked.model.levels:
        yield NOT_THIS_LEVEL.format(level)
    if budget is not None:
        yield from _budget(asked, budget)


def _budget(asked: Asked, budget: int) -> Iterator[str]:
    allowed = asked.model.budget
    if allowed is None:
        yield NO_BUDGET
    elif budget == 0:
        if allowed.zero:
            yield allowed.zero
    elif budget != DYNAMIC and not allowed.least <= budget <= allowed.most:
        yield INVALID_BUDGET.format(budget)


def cached_content(asked: Asked) -> Iterator[str]:
    """Explicit caches cannot be made here, so none is found."""
    if "cachedContent" not in asked.body:
        return
    if any(name in asked.body for name in CACHED_PARTS):
        yield CACHED_CONFLICT
    raise refusal(NOT_CACHED, "PERMISSION_DENIED")

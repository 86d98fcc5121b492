"""A Messages request -> a GenerateContent request: the envelope around the conversation.

Here is the order in which the pieces are put together, and everything that is neither message
nor tool nor thinking: the system prompt, limits, the schema of an answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from .. import models
from ..errors import ApiError
from ..models import CHECKED, DEVELOPER, Model, Platform
from ..translation import Translation, domains
from ..wire import Block, GenerateContentRequest, Json, MessagesRequest, Part
from . import json_schema, messages, nesting, tools, validation
from .overrides import NO_OVERRIDES, RESPONSE_FORMAT_FIELDS, RequestOverrides
from .thinking import headroom, thinking_config, wants_thinking, with_default_thinking
from .unknown_blocks import lossy_types

BILLING_HEADER = "x-anthropic-billing-header:"
"""Claude Code's first system block: other for each kind of request, it would spoil the cache."""

HARMS = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")
"""Gemini's safety filters that can be set."""

SAMPLING = {"temperature": "temperature", "top_p": "topP", "top_k": "topK"}
"""Fields of the Messages API -> those of generationConfig."""

RESPONSE_SCHEMA = "the schema of the answer"
MAX_NAMES, MAX_NAME_LENGTH = 5, 64
"""In a warning, which is a header."""
UNPRINTED = re.compile(r"[^A-Za-z0-9_.:@/ -]")

ONE_CALL = "Call at most one tool in each of your turns."
"""Gemini has no field for it; a second call that comes all the same is dropped."""

NO_THREADS = (
    "thread: this server keeps no conversations. Send all of the conversation without `thread`."
)
"""The SDKs' tool runners then do so by themselves, for the rest of the loop (anthropic 2.14.0)."""

KEPT_WHOLE = "Nothing is taken out of the conversation: {} is ignored."
"""Warning about fields by which the server is to shorten it."""


def translate(
    body: object,
    model_settings: Mapping[str, str],
    *,
    is_subagent: bool = False,
    is_claude_code: bool = False,
    counting: bool = False,
    safety: str | None = None,
    declare: tools.Declare = tools.declaration,
    overrides: RequestOverrides = NO_OVERRIDES,
    platform: Platform = DEVELOPER,
    today: str = CHECKED,
) -> Translation:
    """A decoded Messages (or, `counting`, count_tokens) body -> what to ask of which model.

    model_settings: setting -> model name (see `models.choose`). safety: the threshold for all of
    Gemini's filters, None for its own. declare: translates one tool; a caller may pass one that
    remembers. overrides: what is different after a refusal. today: an ISO date. is_claude_code: a
    client that leaves `thinking` out where it wants none. Raises ApiError for a bad request.
    """
    request, deep = _limit_depth(_validate(body, counting, is_claude_code))
    model, warnings = models.choose(
        request["model"],
        model_settings,
        is_subagent=is_subagent,
        fallback=overrides.model,
        platform=platform,
        today=today,
    )
    tool_set = tools.classify_tools(request.get("tools", []), request.get("tool_choice"), model)
    declared = tools.tool_declarations(tool_set, declare, overrides.openapi)
    answer = _response_schema(request)
    schema, prompt_schema = _response_schemas(request, answer, model, overrides)
    texts = _extra_instructions(request, tool_set, prompt_schema)
    gemini_request = _conversation(request, model, tool_set, texts, declared.entries, overrides)
    if not counting:
        config = _generation_config(request, model, schema)
        gemini_request = _with_settings(gemini_request, config, platform, safety, overrides)
    warnings += deep + _warn_of_schemas(declared, answer)
    return _translation(request, model, tool_set, gemini_request, overrides, warnings, answer)


def _validate(body: object, counting: bool, is_claude_code: bool) -> MessagesRequest:
    """The request with its defaults."""
    request = validation.normalise(body, counting=counting)
    if request.get("thread") is not None:
        raise ApiError(400, NO_THREADS, error_code="thread_unsupported_request")
    return request if is_claude_code else with_default_thinking(request)


def _limit_depth(request: MessagesRequest) -> tuple[MessagesRequest, tuple[str, ...]]:
    """The request, and a warning of the blocks that are not sent as they are nested."""
    limited, deep = nesting.limit_messages(request["messages"])
    if not deep:
        return request, ()
    return {**request, "messages": limited}, (
        f"Nested too deeply, so shown to the model as text: {_names(deep)}.",
    )


def _translation(
    request: MessagesRequest,
    model: Model,
    tool_set: tools.ToolSet,
    gemini_request: GenerateContentRequest,
    overrides: RequestOverrides,
    warnings: tuple[str, ...],
    answer: json_schema.Cleaned | None,
) -> Translation:
    """answer: the schema of the answer."""
    return Translation(
        model=model,
        messages=request["messages"],
        trusts_signatures=not overrides.unsigned,
        request=gemini_request,
        functions=tool_set.function_names,
        tool_names=tool_set.tool_names,
        shows_thinking=wants_thinking(request),
        stop_sequences=request.get("stop_sequences", ()),
        max_tokens=request.get("max_tokens"),
        domains=domains(tool_set.search),
        input_schemas={tool["name"]: tool.get("input_schema", {}) for tool in tool_set.functions},
        max_calls=1 if _calls_singly(request) else None,
        carries_signatures=_carries_signatures(request),
        response_schema=answer.schema if answer else None,
        is_streamed=bool(request.get("stream")),
        warnings=(*warnings, *_ignored_fields(request), *_ignored_parts(request, model, tool_set)),
    )


def _warn_of_schemas(
    declarations: tools.Declarations, answer: json_schema.Cleaned | None
) -> tuple[str, ...]:
    """answer: the schema of the answer."""
    names = [*declarations.reduced, *([RESPONSE_SCHEMA] if answer and answer.is_reduced else [])]
    if not names:
        return ()
    return (f"Too large or too deep, with their references, to be sent whole: {_names(names)}.",)


def _ignored_fields(request: MessagesRequest) -> Iterator[str]:
    """A warning for each that the client may rely on. Thoughts are never sent to Gemini, so that
    there are none to clear."""
    if request.get("compaction"):
        yield KEPT_WHOLE.format("compaction")
    management = request.get("context_management")
    edits = management.get("edits") if isinstance(management, dict) else None
    kinds = [
        edit.get("type")
        for edit in (edits if isinstance(edits, list) else ())
        if isinstance(edit, dict)
    ]
    if any(not str(kind).startswith("clear_thinking") for kind in kinds):
        yield KEPT_WHOLE.format("context_management")


def _ignored_parts(
    request: MessagesRequest, model: Model, tool_set: tools.ToolSet
) -> Iterator[str]:
    """A warning of blocks of which something is lost, and of tools that the model cannot have."""
    if lossy := lossy_types(request["messages"], messages.REPLAYED):
        yield f"Shown to the model as text, or not at all: {_names(lossy)}."
    if tool_set.unavailable:
        names = _names(tool_set.unavailable)
        yield f"{model.name} cannot use {names} beside other tools: not offered."


def _names(names: Sequence[str]) -> str:
    """In a header: a few, and of each what may stand there."""
    shown = [UNPRINTED.sub("?", name[:MAX_NAME_LENGTH]) for name in names[:MAX_NAMES]]
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return f"{', '.join(shown)}{more}"


def _response_schemas(
    request: MessagesRequest,
    cleaned: json_schema.Cleaned | None,
    model: Model,
    overrides: RequestOverrides,
) -> tuple[Json | None, Json | None]:
    """The schema of the answer as a field, or for the prompt: where it was refused as a field, or
    would be."""
    schema = cleaned.schema if cleaned else None
    was_refused = not RESPONSE_FORMAT_FIELDS.isdisjoint(overrides.without)
    if was_refused or (request.get("tools") and not model.json_with_tools):
        return None, schema
    return schema, None


def _storage_opt_out(platform: Platform) -> Json:
    """Google is not to keep prompts and answers."""
    return {"store": False} if platform.stores else {}


def _safety_settings(threshold: str | None) -> Json:
    if threshold is None:
        return {}
    settings = [{"category": f"HARM_CATEGORY_{harm}", "threshold": threshold} for harm in HARMS]
    return {"safetySettings": settings}


def _conversation(
    request: MessagesRequest,
    model: Model,
    tool_set: tools.ToolSet,
    instructions: list[Part],
    declared: list[Json],
    overrides: RequestOverrides,
) -> GenerateContentRequest:
    """All that counts as input, in the order in which Gemini caches it."""
    gemini_request: GenerateContentRequest = {}
    system = [*_system(request.get("system", [])), *instructions]
    if system:
        gemini_request["systemInstruction"] = {"parts": system}
    if declared:
        gemini_request["tools"] = declared
    config = tools.tool_config(tool_set, request.get("tool_choice"), validated=overrides.validated)
    if config:
        gemini_request["toolConfig"] = config
    gemini_request["contents"] = messages.contents(
        request["messages"],
        model,
        signed=not overrides.unsigned,
        instruction=overrides.instruction,
    )
    return gemini_request


def _with_settings(
    gemini_request: GenerateContentRequest,
    config: Json,
    platform: Platform,
    safety: str | None,
    overrides: RequestOverrides,
) -> GenerateContentRequest:
    """The conversation and how to answer it, without the fields that were refused."""
    fields = {
        **gemini_request,
        "generationConfig": _without_fields(config, overrides),
        **_storage_opt_out(platform),
        **_safety_settings(safety),
    }
    return cast(GenerateContentRequest, _without_fields(fields, overrides))


def _without_fields(fields: Mapping[str, Any], overrides: RequestOverrides) -> Json:
    return {name: value for name, value in fields.items() if name not in overrides.without}


def _calls_singly(request: MessagesRequest) -> bool:
    return bool(request.get("tool_choice", {}).get("disable_parallel_tool_use"))


def _carries_signatures(request: MessagesRequest) -> bool:
    """Clients return thinking blocks that they did not ask for. But one that forces a certain call
    often reads `content[0].input`, and that is all it wants: nothing comes back of it."""
    is_one_shot = request.get("tool_choice", {}).get("type") == "tool"
    return wants_thinking(request) or not is_one_shot


def _system(blocks: Iterable[Block]) -> list[Part]:
    texts = [block["text"] for block in blocks]
    return [{"text": text} for text in texts if text and not text.startswith(BILLING_HEADER)]


def _extra_instructions(
    request: MessagesRequest, tool_set: tools.ToolSet, response_schema: Json | None
) -> list[Part]:
    """Texts for what Gemini has no field for. response_schema: one that goes into the prompt."""
    unavailable = ", ".join(tool_set.unavailable)
    instructions = [
        f"Not available in this conversation: {unavailable}." if unavailable else None,
        domains(tool_set.search).instruction("search the web"),
        domains(tool_set.built_in.get("urlContext", {})).instruction("fetch pages"),
        ONE_CALL if _calls_singly(request) else None,
    ]
    if response_schema is not None:
        instructions.append(
            f"Answer with JSON only, valid against this schema: {json.dumps(response_schema)}"
        )
    return [{"text": text} for text in instructions if text]


def _response_schema(request: MessagesRequest) -> json_schema.Cleaned | None:
    """The schema an answer must fit: `output_config.format`, or `output_format` before it."""
    older = request.get("output_format")
    output_format = request.get("output_config", {}).get("format", older)
    return json_schema.clean_schema(output_format["schema"]) if output_format else None


def _generation_config(
    request: MessagesRequest, model: Model, response_schema: Json | None
) -> Json:
    thinking = thinking_config(request, model)
    config: Json = {
        "maxOutputTokens": min(request["max_tokens"] + headroom(thinking, model), model.output)
    }
    if model.samples:
        for field, name in SAMPLING.items():
            if field in request:
                config[name] = request[field]  # type: ignore[literal-required]
    if thinking:
        config["thinkingConfig"] = thinking
    if response_schema is not None:
        config["responseMimeType"] = "application/json"
        config["responseJsonSchema"] = response_schema
    return config

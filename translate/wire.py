"""Both wire formats, as types: the glossary of this package.

The words say which side. Anthropic: message, block, event, delta, stop_reason, usage.
Gemini: content, part, chunk, candidate, finish_reason, usage_metadata.
Shapes only: what becomes of a field on the other side is said where it is translated.
Sources: the Messages API reference; Google's v1beta GenerateContent reference.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

Json = dict[str, Any]

# --- Anthropic: what a client sends ---------------------------------------------------------


class Source(TypedDict, total=False):
    """Where the bytes of an image or a document are: `base64`, `url`, `text` or `content`."""

    type: str
    media_type: str
    data: str
    url: str
    content: list[Block]


class Block(TypedDict, total=False):
    """One content block; which fields are present follows from `type`."""

    type: str
    text: str
    source: Any
    title: str
    context: str
    thinking: str
    signature: str
    id: str
    name: str
    input: Any
    tool_use_id: str
    tool_name: str
    content: Any
    is_error: bool
    tool: Json


class Message(TypedDict):
    """One turn. After `validation.normalise` the content is always a list of blocks."""

    role: Literal["user", "assistant", "system"]
    content: list[Block]


class Tool(TypedDict, total=False):
    name: str
    type: str
    description: str
    input_schema: Json
    defer_loading: bool
    strict: bool
    allowed_domains: list[str]
    blocked_domains: list[str]


class MessagesRequest(TypedDict, total=False):
    model: str
    messages: list[Message]
    system: list[Block]
    tools: list[Tool]
    tool_choice: Json
    max_tokens: int
    thinking: Json
    output_config: Json
    output_format: Json
    stop_sequences: list[str]
    temperature: float
    top_p: float
    top_k: int
    stream: bool
    thread: object
    compaction: object
    context_management: object


# --- Anthropic: what a client gets ----------------------------------------------------------


class Usage(TypedDict):
    """Token counts. `input_tokens` excludes what was read from a cache. `output_tokens_details`
    has the `thinking_tokens` among `output_tokens`."""

    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int
    output_tokens_details: NotRequired[Json]


Event = Json
"""One server-sent event; its `type` is also the SSE event name."""

# --- Gemini: what is sent to Google ---------------------------------------------------------


class FunctionCall(TypedDict, total=False):
    id: str
    name: str
    args: Json
    partialArgs: list[Json]
    willContinue: bool


class FunctionResponse(TypedDict, total=False):
    id: str
    name: str
    response: Json
    parts: list[Part]


class Part(TypedDict, total=False):
    """Exactly one of the data fields, and optional siblings beside it."""

    text: str
    inlineData: Json
    fileData: Json
    functionCall: FunctionCall
    functionResponse: FunctionResponse
    executableCode: Json
    codeExecutionResult: Json
    toolCall: Json
    toolResponse: Json
    thought: bool
    thoughtSignature: str


class Content(TypedDict, total=False):
    role: Literal["user", "model"]
    parts: list[Part]


class FunctionDeclaration(TypedDict, total=False):
    name: str
    description: str
    parametersJsonSchema: Json
    parameters: Json


class GenerateContentRequest(TypedDict, total=False):
    systemInstruction: Content
    tools: list[Json]
    toolConfig: Json
    contents: list[Content]
    generationConfig: Json
    safetySettings: list[Json]
    store: bool


# --- Gemini: what comes back ----------------------------------------------------------------


class UsageMetadata(TypedDict, total=False):
    """Running totals; `promptTokenCount` includes cached tokens, thoughts are counted apart."""

    promptTokenCount: int
    cachedContentTokenCount: int
    candidatesTokenCount: int
    thoughtsTokenCount: int
    toolUsePromptTokenCount: int
    totalTokenCount: int


class Candidate(TypedDict, total=False):
    content: Content
    finishReason: str
    finishMessage: str
    safetyRatings: list[Json]
    continuationToken: str
    groundingMetadata: Json
    urlContextMetadata: Json


class Chunk(TypedDict, total=False):
    """One `GenerateContentResponse` of a stream."""

    candidates: list[Candidate]
    promptFeedback: Json
    usageMetadata: UsageMetadata
    modelVersion: str
    responseId: str

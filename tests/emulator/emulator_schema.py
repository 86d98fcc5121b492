"""The request messages of Google's v1beta API, as literal tables.

Knows every field, enum and oneof of the Developer API; what only Vertex AI has is missing on
purpose, since it is refused as unknown. A type is a scalar, an enum, a message, `struct` (any
object) or `value` (any JSON); `x[]` is repeated, `map:x` a map from strings.
"""

from __future__ import annotations

SCALARS = {
    "string": "TYPE_STRING",
    "bool": "TYPE_BOOL",
    "int32": "TYPE_INT32",
    "int64": "TYPE_INT64",
    "float": "TYPE_FLOAT",
    "double": "TYPE_DOUBLE",
    "bytes": "TYPE_BYTES",
}
"""Our name -> Google's, as its errors tell it."""

ENUMS = {
    "Type": "TYPE_UNSPECIFIED STRING NUMBER INTEGER BOOLEAN ARRAY OBJECT NULL",
    "FunctionCallingConfig.Mode": "MODE_UNSPECIFIED AUTO ANY NONE VALIDATED",
    "FunctionDeclaration.Behavior": "UNSPECIFIED BLOCKING NON_BLOCKING",
    "FunctionResponse.Scheduling": "SCHEDULING_UNSPECIFIED SILENT WHEN_IDLE INTERRUPT",
    "ThinkingConfig.ThinkingLevel": "THINKING_LEVEL_UNSPECIFIED MINIMAL LOW MEDIUM HIGH XHIGH",
    "GenerationConfig.Modality": "MODALITY_UNSPECIFIED TEXT IMAGE AUDIO",
    "GenerationConfig.MediaResolution": (
        "MEDIA_RESOLUTION_UNSPECIFIED MEDIA_RESOLUTION_LOW MEDIA_RESOLUTION_MEDIUM"
        " MEDIA_RESOLUTION_HIGH"),
    "PartMediaResolution.Level": (
        "MEDIA_RESOLUTION_UNSPECIFIED MEDIA_RESOLUTION_LOW MEDIA_RESOLUTION_MEDIUM"
        " MEDIA_RESOLUTION_HIGH MEDIA_RESOLUTION_ULTRA_HIGH"),
    "ExecutableCode.Language": "LANGUAGE_UNSPECIFIED PYTHON",
    "CodeExecutionResult.Outcome": (
        "OUTCOME_UNSPECIFIED OUTCOME_OK OUTCOME_FAILED OUTCOME_DEADLINE_EXCEEDED"),
    "ToolType": (
        "TOOL_TYPE_UNSPECIFIED GOOGLE_SEARCH_WEB GOOGLE_SEARCH_IMAGE URL_CONTEXT GOOGLE_MAPS"
        " FILE_SEARCH MEDIA_PROCESSING"),
    "ComputerUse.Environment": "ENVIRONMENT_UNSPECIFIED ENVIRONMENT_BROWSER",
    "HarmCategory": (
        "HARM_CATEGORY_HARASSMENT HARM_CATEGORY_HATE_SPEECH HARM_CATEGORY_SEXUALLY_EXPLICIT"
        " HARM_CATEGORY_DANGEROUS_CONTENT HARM_CATEGORY_CIVIC_INTEGRITY"),
    "SafetySetting.HarmBlockThreshold": (
        "HARM_BLOCK_THRESHOLD_UNSPECIFIED BLOCK_LOW_AND_ABOVE BLOCK_MEDIUM_AND_ABOVE"
        " BLOCK_ONLY_HIGH BLOCK_NONE OFF"),
    "ServiceTier": "SERVICE_TIER_UNSPECIFIED STANDARD FLEX PRIORITY",
}  # fmt: skip

ENVELOPE = {
    "GenerateContentRequest": {
        "model": "string", "contents": "Content[]", "systemInstruction": "Content",
        "tools": "Tool[]", "toolConfig": "ToolConfig", "safetySettings": "SafetySetting[]",
        "generationConfig": "GenerationConfig", "cachedContent": "string",
        "serviceTier": "ServiceTier", "store": "bool", "continuationToken": "bytes"},
    "CountTokensRequest": {
        "model": "string", "contents": "Content[]",
        "generateContentRequest": "GenerateContentRequest"},
    "SafetySetting": {"category": "HarmCategory", "threshold": "SafetySetting.HarmBlockThreshold"},
}  # fmt: skip

CONTENTS = {
    "Content": {"role": "string", "parts": "Part[]"},
    "Part": {
        "text": "string", "inlineData": "Blob", "fileData": "FileData",
        "functionCall": "FunctionCall", "functionResponse": "FunctionResponse",
        "executableCode": "ExecutableCode", "codeExecutionResult": "CodeExecutionResult",
        "toolCall": "ToolCall", "toolResponse": "ToolResponse", "thought": "bool",
        "thoughtSignature": "bytes", "videoMetadata": "VideoMetadata",
        "mediaResolution": "PartMediaResolution", "partMetadata": "struct",
        "mediaProcessing": "struct", "speechMetadata": "struct"},
    "Blob": {"mimeType": "string", "data": "bytes"},
    "FileData": {"mimeType": "string", "fileUri": "string"},
    "FunctionCall": {"id": "string", "name": "string", "args": "struct"},
    "FunctionResponse": {
        "id": "string", "name": "string", "response": "struct", "parts": "FunctionResponsePart[]",
        "willContinue": "bool", "scheduling": "FunctionResponse.Scheduling"},
    "FunctionResponsePart": {"inlineData": "Blob", "fileData": "FileData"},
    "ExecutableCode": {"id": "string", "language": "ExecutableCode.Language", "code": "string"},
    "CodeExecutionResult": {
        "id": "string", "outcome": "CodeExecutionResult.Outcome", "output": "string"},
    "ToolCall": {"id": "string", "toolType": "ToolType", "args": "struct"},
    "ToolResponse": {"id": "string", "toolType": "ToolType", "response": "struct"},
    "VideoMetadata": {"startOffset": "string", "endOffset": "string", "fps": "double"},
    "PartMediaResolution": {"level": "PartMediaResolution.Level", "numTokens": "int32"},
}  # fmt: skip

TOOLS = {
    "Tool": {
        "functionDeclarations": "FunctionDeclaration[]", "googleSearch": "GoogleSearch",
        "urlContext": "UrlContext", "codeExecution": "CodeExecution", "googleMaps": "GoogleMaps",
        "fileSearch": "FileSearch", "computerUse": "ComputerUse", "mcpServers": "McpServer[]"},
    "FunctionDeclaration": {
        "name": "string", "description": "string", "parameters": "Schema",
        "parametersJsonSchema": "value", "response": "Schema", "responseJsonSchema": "value",
        "behavior": "FunctionDeclaration.Behavior"},
    "Schema": {
        "type": "Type", "format": "string", "title": "string", "description": "string",
        "nullable": "bool", "enum": "string[]", "items": "Schema", "maxItems": "int64",
        "minItems": "int64", "properties": "map:Schema", "required": "string[]",
        "minProperties": "int64", "maxProperties": "int64", "minimum": "double",
        "maximum": "double", "minLength": "int64", "maxLength": "int64", "pattern": "string",
        "example": "value", "anyOf": "Schema[]", "propertyOrdering": "string[]",
        "default": "value"},
    "GoogleSearch": {"searchTypes": "SearchTypes", "timeRangeFilter": "Interval"},
    "SearchTypes": {"webSearch": "WebSearch", "imageSearch": "ImageSearch"},
    "WebSearch": {},
    "ImageSearch": {},
    "Interval": {"startTime": "string", "endTime": "string"},
    "UrlContext": {},
    "CodeExecution": {},
    "GoogleMaps": {"enableWidget": "bool"},
    "FileSearch": {"fileSearchStoreNames": "string[]", "metadataFilter": "string", "topK": "int32"},
    "ComputerUse": {
        "environment": "ComputerUse.Environment", "excludedPredefinedFunctions": "string[]"},
    "McpServer": {"name": "string", "streamableHttpTransport": "StreamableHttpTransport"},
    "StreamableHttpTransport": {
        "url": "string", "headers": "map:string", "timeout": "string", "sseReadTimeout": "string",
        "terminateOnClose": "bool"},
    "ToolConfig": {
        "functionCallingConfig": "FunctionCallingConfig",
        "includeServerSideToolInvocations": "bool", "retrievalConfig": "RetrievalConfig"},
    "FunctionCallingConfig": {
        "mode": "FunctionCallingConfig.Mode", "allowedFunctionNames": "string[]"},
    "RetrievalConfig": {"latLng": "LatLng", "languageCode": "string"},
    "LatLng": {"latitude": "double", "longitude": "double"},
}  # fmt: skip

GENERATION = {
    "GenerationConfig": {
        "candidateCount": "int32", "stopSequences": "string[]", "maxOutputTokens": "int32",
        "temperature": "float", "topP": "float", "topK": "int32", "seed": "int32",
        "presencePenalty": "float", "frequencyPenalty": "float", "responseMimeType": "string",
        "responseSchema": "Schema", "responseJsonSchema": "value",
        "responseFormat": "ResponseFormat", "responseModalities": "GenerationConfig.Modality[]",
        "responseLogprobs": "bool", "logprobs": "int32", "enableEnhancedCivicAnswers": "bool",
        "thinkingConfig": "ThinkingConfig", "mediaResolution": "GenerationConfig.MediaResolution",
        "speechConfig": "struct", "imageConfig": "struct", "audioTranscriptionConfig": "struct"},
    "ThinkingConfig": {
        "includeThoughts": "bool", "thinkingBudget": "int32",
        "thinkingLevel": "ThinkingConfig.ThinkingLevel"},
    "ResponseFormat": {"text": "TextFormat"},
    "TextFormat": {"mimeType": "string", "schema": "value"},
}  # fmt: skip

MESSAGES: dict[str, dict[str, str]] = {**ENVELOPE, **CONTENTS, **TOOLS, **GENERATION}

ONEOFS: dict[str, dict[str, tuple[str, ...]]] = {
    "Part": {
        "data": (
            *("text", "inlineData", "fileData", "functionCall", "functionResponse"),
            *("executableCode", "codeExecutionResult", "toolCall", "toolResponse"),
        ),
    },
    "FunctionResponsePart": {"data": ("inlineData", "fileData")},
}
"""Message -> oneof -> its members, of which a message has at most one."""

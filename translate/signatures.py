"""Thought signatures: how they ride on the Anthropic side, there and back.

Gemini 3 and later refuse a tool turn whose first call lost its `thoughtSignature`, and a
Messages client has no such field. It does return `thinking` blocks byte for byte, so a
signature travels as the `signature` of the thinking block right before its tool_use, in an
envelope that names the model it came from: an empty block where the client asked for no thinking,
since all that were tried return that, too (Claude Code, both SDKs, LangChain, the AI SDK,
pydantic-ai, the Agent SDK, 2026-11-28). Parts that no block can hold, but that Gemini
wants back as they were, travel in the same way.
When something has to travel is response/pending_signatures.py's, and request/messages.py's.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import string
from typing import NamedTuple, cast

from .wire import Part

SENTINEL = "skip_thought_signature_validator"
"""Accepted by Gemini in place of a signature that is missing.

https://ai.google.dev/gemini-api/docs/thought-signatures (FAQ), seen 2026-11-23.
"""

CALL = "c"
"""The signature belongs to the next function call."""
TEXT = "t"
"""The signature belongs to an empty text part at this place."""
PART = "p"
"""It is no signature but a whole part, which stood at this place."""
TRACES = frozenset({"toolCall", "toolResponse"})
"""Fields of the parts that travel whole: what Gemini's own tools did."""

HEAD = re.compile(r"gs1\.([ctp])\.([A-Za-z0-9._-]+):")
BASE64 = (string.ascii_letters + string.digits + "+/_=-").encode()


class Signature(NamedTuple):
    """What an envelope holds. kind: CALL, TEXT or PART. value: base64."""

    kind: str
    value: str


def wrap(kind: str, model: str, value: str) -> str:
    """Pack Gemini's base64 `value` for a thinking block: `gs1.<kind>.<model>:<value>`."""
    return f"gs1.{kind}.{model}:{value}"


def unwrap(signature: str, model: str) -> Signature | None:
    """What `wrap` packed for this very model; None for anything foreign.

    A signature is only good for the model that made it, and a wrong one is worse than none.
    """
    head = HEAD.match(signature)
    if head is None or head[2] != model:
        return None
    value = signature[head.end() :]
    # Values have thousands of characters; translate() looks at them in a quarter of a regex's time.
    is_base64 = value.isascii() and not value.encode().translate(None, delete=BASE64)
    return Signature(head[1], value) if value and is_base64 else None


def pack(part: Part) -> str:
    """A whole part as the base64 value of an envelope."""
    return base64.b64encode(json.dumps(part, separators=(",", ":")).encode()).decode()


def carried_part(signature: Signature) -> Part | None:
    """The part that an envelope of kind TEXT or PART stands for; None for what a client changed."""
    if signature.kind == TEXT:
        return {"text": "", "thoughtSignature": signature.value}
    try:
        part = json.loads(base64.b64decode(signature.value, validate=True))
    except (ValueError, RecursionError):
        return None
    is_trace = isinstance(part, dict) and bool(part.keys() & TRACES)
    return cast(Part, part) if is_trace and part.keys() <= TRACES | {"thoughtSignature"} else None


LEGAL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
OUR_ID = re.compile(r"toolu_[0-9a-f]{8}_([A-Za-z0-9_-]{1,64})")


def tool_use_id(tag: str, call_id: str | None, position: int) -> str:
    """The id of a tool_use: Gemini's own inside one that is unique in the conversation.

    tag: 8 hex digits of the message's id. position: the call's place in the message.
    Claude Code names files after these ids, so they are short and of `[A-Za-z0-9_-]`.
    """
    if call_id is not None and LEGAL_ID.fullmatch(call_id):
        return f"toolu_{tag}_{call_id}"
    return f"toolu_{tag}{position:02d}"


MAX_ID_LENGTH = 256
"""Characters of an id that goes to Gemini: its own have 8, Anthropic's 30."""


def call_id(tool_use_id: str) -> str:
    """Gemini's own id inside a tool_use's where there is one, else all of it, or its checksum."""
    match = OUR_ID.fullmatch(tool_use_id)
    if match is None and len(tool_use_id) > MAX_ID_LENGTH:
        return checksum(tool_use_id)
    return match[1] if match else tool_use_id


def checksum(tool_use_id: str) -> str:
    """An id in the place of one that is too long or taken."""
    return hashlib.sha256(tool_use_id.encode("utf-8", "replace")).hexdigest()

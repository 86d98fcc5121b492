"""Thought signatures: issued for one part of one model, and recognised without any state.

Knows what Gemini 3 and later demand: nothing forged, nothing moved to another part or model, and a
signature on the first call of each step of the current turn.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator

from emulator_errors import Json, refusal
from emulator_request import Asked, members, parts, role
from emulator_schema import ONEOFS
from emulator_transcoder import decode_base64

CORRUPTED = "Corrupted thought signature."
INVALID = "Invalid thought signature."
MISSING = (
    "Function call is missing a thought_signature in functionCall parts. This is required for"
    " tools to work correctly, and missing thought_signature may lead to degraded model"
    " performance. Additional data, function call `default_api:{name}` , position {position}."
    " Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
)

SENTINELS = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
"""Accepted on calls in place of a signature, as they are or base64-encoded."""

ENCODED_SENTINELS = frozenset(sentinel.encode() for sentinel in SENTINELS)
TYPICAL_SIZE = 360
SECRET = b"the emulator's own; it protects nothing"
MAC_BYTES = 16
FIRST_BYTE = 0x12
"""Field 2 of a protobuf message: real signatures begin with `E` in base64."""

TEXT = "text"


def call_holder(call: Json) -> str:
    """What a call's signature is bound to: its id, or its name where calls have no ids."""
    return f"call:{call.get('id') or call['name']}"


def issue(model: str, holder: str, size: int = TYPICAL_SIZE) -> str:
    """A signature of about `size` bytes, in base64. holder: TEXT or a call_holder."""
    claims = json.dumps({"model": model, "holder": holder, "nonce": secrets.token_hex(4)}).encode()
    padding = secrets.token_bytes(max(0, size - len(claims) - MAC_BYTES - 6))
    inner = len(claims).to_bytes(2, "big") + claims + padding
    blob = bytes([FIRST_BYTE]) + _varint(len(inner) + MAC_BYTES) + inner
    return base64.b64encode(blob + _mac(blob)).decode()


def problem(signature: str, model: str, holder: str | None) -> str | None:
    """What is wrong with a signature found there. holder: None where none may be."""
    if is_sentinel(signature):
        return None if holder and holder != TEXT else CORRUPTED
    claims = _claims(decode_base64(signature))
    if claims is None:
        return CORRUPTED
    if claims["model"] != model:
        return INVALID
    return None if claims["holder"] == holder else CORRUPTED


def is_sentinel(signature: str) -> bool:
    return signature in SENTINELS or decode_base64(signature) in ENCODED_SENTINELS


def verify(asked: Asked) -> None:
    """Raise Refusal for the first bad or missing signature."""
    for content, part in _signed(asked):
        text = problem(part["thoughtSignature"], asked.model.name, _holder(content, part))
        if text:
            raise refusal(text)
    if asked.model.signs:
        _demand(asked)


def received(asked: Asked) -> list[Json]:
    """Every signature of a request, for the journal."""
    return [
        {
            "path": f"contents[{i}].parts[{j}]",
            "part": _member(part),
            "call_id": part.get("functionCall", {}).get("id"),
            "signature": part["thoughtSignature"],
            "sentinel": is_sentinel(part["thoughtSignature"]),
        }
        for i, content in enumerate(asked.contents)
        for j, part in enumerate(parts(content))
        if part.get("thoughtSignature")
    ]


def _demand(asked: Asked) -> None:
    """The first call of every step of the current turn is signed."""
    for position, content in enumerate(asked.contents, 1):
        calls = [part for part in parts(content) if "functionCall" in part]
        is_current = position > _turn_start(asked.contents)
        if is_current and calls and not calls[0].get("thoughtSignature"):
            name = calls[0]["functionCall"]["name"]
            raise refusal(MISSING.format(name=name, position=position))


def _turn_start(contents: list[Json]) -> int:
    """The position of the last thing the user said that answers no call."""
    said = [
        position
        for position, content in enumerate(contents, 1)
        if role(content) == "user" and not members(content, "functionResponse")
    ]
    return said[-1] if said else 0


def _signed(asked: Asked) -> Iterator[tuple[Json, Json]]:
    return (
        (content, part)
        for content in asked.contents
        for part in parts(content)
        if part.get("thoughtSignature")
    )


def _holder(content: Json, part: Json) -> str | None:
    if role(content) != "model":
        return None
    if "functionCall" in part:
        return call_holder(part["functionCall"])
    return TEXT if "text" in part else None


def _member(part: Json) -> str | None:
    return next((member for member in ONEOFS["Part"]["data"] if member in part), None)


def _claims(blob: bytes) -> Json | None:
    """What an own signature says; None for anything else."""
    signed, mac = blob[:-MAC_BYTES], blob[-MAC_BYTES:]
    if not hmac.compare_digest(_mac(signed), mac):
        return None
    start = 1 + next(i for i, byte in enumerate(signed[1:], 1) if byte < 0x80)
    size = int.from_bytes(signed[start : start + 2], "big")
    claims: Json = json.loads(signed[start + 2 : start + 2 + size])
    return claims


def _mac(blob: bytes) -> bytes:
    return hmac.new(SECRET, blob, hashlib.sha256).digest()[:MAC_BYTES]


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])

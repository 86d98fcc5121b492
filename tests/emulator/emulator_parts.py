"""A scripted part -> Gemini's part: ids for calls, signatures, what a template quotes.

Knows what the parts of one answer have in common.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Callable
from typing import Any

import emulator_judge
from emulator_errors import Json
from emulator_request import Asked, last_result, last_text
from emulator_signatures import TEXT, TYPICAL_SIZE, call_holder, issue

ID_ALPHABET = string.ascii_lowercase + string.digits
ID_LENGTH = 8
TEMPLATES: dict[str, Callable[[Asked], str]] = {
    "{last_result}": last_result,
    "{last_text}": last_text,
    "{verdicts}": lambda asked: emulator_judge.verdicts(last_text(asked)),
}
TEMPLATE = re.compile("|".join(map(re.escape, TEMPLATES)))


class Speaker:
    """Makes the parts of one answer; `issued` tells the signatures it gave."""

    def __init__(self, asked: Asked) -> None:
        self.issued: list[Json] = []
        self._asked = asked
        self._calls: list[Json] = []
        self._has_signed_call = False

    def part(self, spec: Json) -> Json:
        """The part for one PART of a script."""
        kind = next((name for name in spec if name != "sign"), "")
        part: Json = self._builders[kind](self._filled(spec.get(kind))) if kind else {"text": ""}
        if spec.get("sign"):
            part["thoughtSignature"] = self._sign(kind, part, spec["sign"])
        return part

    def is_heard(self, spec: Json) -> bool:
        """Thought summaries are only given to a request that includes them."""
        return "thought" not in spec or bool(self._asked.thinking.get("includeThoughts"))

    @property
    def _builders(self) -> dict[str, Callable[[Any], Json]]:
        return {
            "thought": lambda text: {"text": text, "thought": True},
            "text": lambda text: {"text": text},
            "call": self._call,
            "inline": lambda blob: {"inlineData": blob},
            "code": lambda code: {"executableCode": {"language": "PYTHON", "code": code}},
            "code_result": lambda output: {
                "codeExecutionResult": {"outcome": "OUTCOME_OK", "output": output}
            },
            "part": dict,
        }

    def _call(self, spec: Json) -> Json:
        call = {"name": spec["name"], **spec}
        call.setdefault("id", self._fresh_id())
        if call["id"] is None:
            del call["id"]
        self._calls.append(call)
        return {"functionCall": call}

    def _fresh_id(self) -> str | None:
        if not self._asked.model.call_ids:
            return None
        return "".join(secrets.choice(ID_ALPHABET) for _ in range(ID_LENGTH))

    def _sign(self, kind: str, part: Json, size: bool | int) -> str:
        """Alone after unsigned calls, a signature belongs to the first of them."""
        call: Json | None = part.get("functionCall")
        if kind == "" and self._calls and not self._has_signed_call:
            call = self._calls[0]
        self._has_signed_call = self._has_signed_call or call is not None
        holder = call_holder(call) if call else TEXT
        bytes_wanted = TYPICAL_SIZE if size is True else size
        signature = issue(self._asked.model.name, holder, bytes_wanted)
        names = {"call_id": call.get("id"), "name": call["name"]} if call else {}
        self.issued.append({"signature": signature, "call_id": None, "name": None, **names})
        return signature

    def _filled(self, value: Any) -> Any:
        """The value with the templates in its strings replaced."""
        if isinstance(value, str):
            return TEMPLATE.sub(lambda found: TEMPLATES[found[0]](self._asked), value)
        if isinstance(value, dict):
            return {name: self._filled(inner) for name, inner in value.items()}
        return [self._filled(inner) for inner in value] if isinstance(value, list) else value

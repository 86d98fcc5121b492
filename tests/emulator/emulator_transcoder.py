"""JSON -> request message, refusing what Google's front end refuses, in its words.

Knows how fields are spelled, how scalars are read, and how the path of a violation is told. All
violations of a request are collected; what comes out has camelCase names, lists where fields
repeat, numbers as numbers and enum values in capitals.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Any

from emulator_errors import Json, bad_request
from emulator_schema import ENUMS, MESSAGES, ONEOFS, SCALARS

PACKAGE = "type.googleapis.com/google.ai.generativelanguage.v1beta."
STRUCT = "type.googleapis.com/google.protobuf.Struct"
UNKNOWN = "Cannot find field."
NOT_A_LIST = "Proto field is not repeating, cannot start list."
NOT_AN_OBJECT = "Starting an object on a scalar field"
NOT_A_MAP = "Cannot bind a list to map for field '{}'."

STANDARD = re.compile(r"[A-Za-z0-9+/]*={0,2}")
URL_SAFE = re.compile(r"[A-Za-z0-9_-]*={0,2}")


def snake(name: str) -> str:
    """`functionDeclarations` -> `function_declarations`."""
    return re.sub(r"[A-Z]", lambda capital: "_" + capital[0].lower(), name)


SPELLINGS = {
    message: {spelling: name for name in fields for spelling in (snake(name), name)}
    for message, fields in MESSAGES.items()
}
"""Message -> each accepted spelling of a field -> its camelCase name."""

ENUM_VALUES = {name: frozenset(values.split()) for name, values in ENUMS.items()}


def transcode(message: str, raw: Json) -> Json:
    """Read a whole request. Raises Refusal with every violation."""
    reader = _Reader()
    read = reader.message(message, raw, "")
    if reader.violations:
        raise bad_request(reader.violations)
    return read


def decode_base64(text: str) -> bytes:
    """Standard or url-safe, with or without padding; ValueError for anything else."""
    if not (STANDARD.fullmatch(text) or URL_SAFE.fullmatch(text)):
        raise ValueError(text)
    bare = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        raise ValueError(text) from None


class _Reader:
    def __init__(self) -> None:
        self.violations: list[tuple[str, str]] = []

    def message(self, kind: str, raw: object, path: str) -> Json:
        if not isinstance(raw, dict):
            self._invalid(path, PACKAGE + kind, raw)
            return {}
        read: Json = {}
        for key, value in raw.items():
            name = SPELLINGS[kind].get(key)
            if name is None:
                self._unknown(key, path, UNKNOWN)
            elif self._is_free(kind, name, key, read, path):
                self._field(read, name, MESSAGES[kind][name], key, value, path)
        return read

    def _is_free(self, kind: str, name: str, key: str, read: Json, path: str) -> bool:
        """Whether no other member of the field's oneof is set."""
        for oneof, members in ONEOFS.get(kind, {}).items():
            if name in members and any(member in read for member in members):
                text = f"oneof field '{oneof}' is already set. Cannot set '{key}'"
                self.violations.append((path, f"Invalid value at '{path}' (oneof), {text}"))
                return False
        return True

    def _field(self, read: Json, name: str, kind: str, key: str, value: Any, path: str) -> None:
        """Read one field into its message; null is a field that is not set."""
        inner = f"{path}.{snake(name)}" if path else snake(name)
        if kind == "value":
            read[name] = value
        elif value is None:
            return
        elif kind.endswith("[]"):
            read[name] = self._repeated(kind[:-2], value, inner)
        elif isinstance(value, list):
            is_map = kind.startswith("map:")
            self._unknown(key, path, NOT_A_MAP.format(snake(name)) if is_map else NOT_A_LIST)
        elif kind.startswith("map:"):
            read[name] = self._map(kind[4:], value, inner)
        else:
            read[name] = self._single(kind, value, inner)

    def _repeated(self, kind: str, value: Any, path: str) -> list[Any]:
        """A repeated field may also be given as its only element."""
        if not isinstance(value, list):
            return [self._single(kind, value, path)]
        return [self._single(kind, item, f"{path}[{i}]") for i, item in enumerate(value)]

    def _map(self, kind: str, value: Any, path: str) -> Json:
        if not isinstance(value, dict):
            self._invalid(path, "Map", value)
            return {}
        return {
            key: self._single(kind, item, f"{path}[{i}].value")
            for i, (key, item) in enumerate(value.items())
        }

    def _single(self, kind: str, value: Any, path: str) -> Any:
        if kind in MESSAGES:
            return self.message(kind, value, path)
        if kind == "struct":
            if not isinstance(value, dict):
                self._invalid(path, STRUCT, value)
            return value
        if kind in ENUM_VALUES:
            return self._enum(kind, value, path)
        return self._scalar(kind, value, path)

    def _enum(self, kind: str, value: Any, path: str) -> Any:
        read = value.upper().replace("-", "_") if isinstance(value, str) else None
        if read not in ENUM_VALUES[kind]:
            self._invalid(path, PACKAGE + kind, value)
        return read

    def _scalar(self, kind: str, value: Any, path: str) -> Any:
        if isinstance(value, dict):
            text = f"Invalid value at '{path}' ({SCALARS[kind]}), {NOT_AN_OBJECT}"
            self.violations.append((path, text))
            return None
        try:
            return READERS[kind](value)
        except (ValueError, TypeError, OverflowError):
            self._invalid(path, SCALARS[kind], value)
            return None

    def _unknown(self, name: str, path: str, why: str) -> None:
        at = f" at '{path}'" if path else ""
        text = f'Invalid JSON payload received. Unknown name "{name}"{at}: {why}'
        self.violations.append((path, text))

    def _invalid(self, path: str, label: str, value: Any) -> None:
        shown = json.dumps(value, ensure_ascii=False)
        if label == SCALARS["bytes"] and isinstance(value, str):
            shown = f"Base64 decoding failed for {shown}"
        self.violations.append((path, f"Invalid value at '{path}' ({label}), {shown}"))


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _bytes(value: Any) -> str:
    decode_base64(_string(value))
    return _string(value)


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise TypeError


def _int(bits: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        whole = int(_number(value))
        if isinstance(value, float) and whole != value:
            raise ValueError(value)
        if not -(2 ** (bits - 1)) <= whole < 2 ** (bits - 1):
            raise ValueError(value)
        return whole

    return read


def _double(value: Any) -> float:
    return float(_number(value))


def _number(value: Any) -> str | int | float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError
    return value


READERS: dict[str, Callable[[Any], Any]] = {
    "string": _string,
    "bool": _bool,
    "int32": _int(32),
    "int64": _int(64),
    "float": _double,
    "double": _double,
    "bytes": _bytes,
}
"""Scalar -> how it is read; ValueError or TypeError for what it is not."""

"""Access tokens: who calls and by which plan, signed by the server and kept nowhere.

    gmp_<token>.<signature>                      made with the server's secret
    gmp_<token>.<restriction>.<signature>        derived from it by whoever holds it

A signature is the HMAC of what stands before it. The key of a token's is the server's secret; the
key of a restriction's is the signature before, which is not in the derived token any more: so a
holder can add restrictions and take none away (as with macaroons, Birgisson et al. 2014).
Signatures are compared as text, since two texts of base64 may stand for the same bytes.

What a plan allows is not in a token: it could not be changed afterwards.
"""

from __future__ import annotations

import base64
import fnmatch
import functools
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from itsdangerous import Signer

from translate import ApiError

PREFIX = "gmp_"
"""Scanners for secrets find a token by it, and who presents something else is refused before any
arithmetic."""

SALT, RESTRICTION_SALT = b"gemini-messages.token", b"gemini-messages.restriction"
"""The same secret may sign other things: those are no tokens."""

MAX_LENGTH = 4_096
"""Characters: all restrictions take less, and a server takes lines of 8,190 for a header."""

MAX_RESTRICTIONS = 4
"""On top of each other: a person's, a pipeline's, a job's, and one more."""

MAX_MODELS = 16
"""Patterns in a restriction; a plan has as many models as it wants."""

MAX_SIGNERS = 8
"""Secrets whose derived keys are kept: a new one, an old one, and some more. Of what is beyond
these, a key is derived for each signature, which doubles its 5 us."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
"""Of a person, a group or a plan: an address of mail fits, and all stores take it."""

ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
PATTERN = re.compile(r"[A-Za-z0-9.:/@\[\]?*_-]{1,100}")
"""Of names of models."""

LATEST = 253_402_300_799
"""The last second of the year 9999."""

PARTS = re.compile(rf"{PREFIX}([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){{1,{MAX_RESTRICTIONS + 1}}})")

NO_TOKEN = "The access token is damaged or not of this server: copy it again, all of it."
EXPIRED = "The access token {} expired. Get a new one from whoever runs this server."


class BadToken(ApiError):
    """Why a token is not taken. The client does not try again with the same one."""

    def __init__(self, message: str = NO_TOKEN) -> None:
        super().__init__(401, message, retry=False)


@dataclass(frozen=True)
class Token:
    """A token that was verified. ids: its own last, before it those that it was derived from.
    issued, expires: Unix seconds. models: of each restriction that names some, patterns of which
    one has to fit. group: "" for none."""

    ids: tuple[str, ...]
    person: str
    plan: str
    issued: int
    expires: int
    group: str = ""
    models: tuple[tuple[str, ...], ...] = ()

    @property
    def id(self) -> str:
        return self.ids[-1]

    def allows(self, *names: str) -> bool:
        """Whether its restrictions allow a model that has these names."""
        return all(matches(patterns, *names) for patterns in self.models)


def matches(patterns: Sequence[str], *names: str) -> bool:
    """Whether a pattern, as a shell has it, fits one of the names; case matters."""
    return any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in patterns)


def is_token(text: str) -> bool:
    return text.startswith(PREFIX)


def create(token: Token, secret: str) -> str:
    """A token of one id and without restrictions, as text. Raises ValueError."""
    fields: dict[str, Any] = {
        "id": token.id,
        "person": token.person,
        "plan": token.plan,
        "issued": token.issued,
        "expires": token.expires,
    }
    if token.group:
        fields["group"] = token.group
    if _read_token(fields) != token:
        raise ValueError("a token has one id and no restrictions")
    payload = _encode(fields)
    return f"{PREFIX}{payload}.{_sign_token(secret, payload)}"


def derive(
    text: str, identity: str, *, expires: int | None = None, models: Sequence[str] = ()
) -> str:
    """A narrower token, made without a secret. Raises ValueError for what would be no restriction
    or more than a token has, BadToken for no token.

    What it uses is charged to the same person, by the same plan.
    """
    if len(inspect(text).ids) > MAX_RESTRICTIONS:
        raise ValueError(f"a token has at most {MAX_RESTRICTIONS} restrictions")
    fields: dict[str, Any] = {"id": identity}
    if expires is not None:
        fields["expires"] = expires
    if models:
        fields["models"] = list(models)
    _read_restriction(fields)
    payload = _encode(fields)
    before, _, signature = text.rpartition(".")
    derived = f"{before}.{payload}.{_sign(signature.encode(), RESTRICTION_SALT, payload)}"
    if len(derived) > MAX_LENGTH:
        raise ValueError(f"a token has at most {MAX_LENGTH} characters")
    return derived


def verify(text: str, secrets: Sequence[str], now: int) -> Token:
    """The token in a text that somebody presents. Raises BadToken, whatever the text is.

    secrets: any of them may have signed it. now: Unix seconds.
    """
    payload, *restrictions, signature = _split(text)
    is_genuine = False
    for secret in secrets:
        expected = _sign_token(secret, payload)
        for restriction in restrictions:
            expected = _sign(expected.encode(), RESTRICTION_SALT, restriction)
        is_genuine |= hmac.compare_digest(expected, signature)
    if not is_genuine:
        raise BadToken
    token = _read(payload, restrictions)
    if token.expires <= now:
        raise BadToken(EXPIRED.format(token.id))
    return token


def inspect(text: str) -> Token:
    """What a token says of itself, which may be forged. Raises BadToken."""
    payload, *restrictions, _ = _split(text)
    return _read(payload, restrictions)


def _split(text: str) -> list[str]:
    if len(text) > MAX_LENGTH or not (found := PARTS.fullmatch(text)):
        raise BadToken
    return found[1].split(".")


def _read(payload: str, restrictions: Sequence[str]) -> Token:
    """Raises BadToken: also a restriction comes from outside, signed though it is."""
    try:
        token = _read_token(_decode(payload))
        for each in restrictions:
            token = _narrow(token, *_read_restriction(_decode(each)))
    except (ValueError, RecursionError):
        raise BadToken from None
    return token


def _read_token(fields: Mapping[str, Any]) -> Token:
    """Raises ValueError."""
    _check_names(fields, {"id", "person", "plan", "issued", "expires"}, {"group"})
    return Token(
        (_matched(ID, "id", fields["id"]),),
        _matched(NAME, "person", fields["person"]),
        _matched(NAME, "plan", fields["plan"]),
        _second("issued", fields["issued"]),
        _second("expires", fields["expires"]),
        _matched(NAME, "group", fields["group"]) if "group" in fields else "",
    )


def _read_restriction(fields: Mapping[str, Any]) -> tuple[str, int, tuple[str, ...] | None]:
    """Id, second at which it ends, patterns of models. Raises ValueError, also for a field that is
    not known: to ignore a restriction would widen the token."""
    _check_names(fields, {"id"}, {"expires", "models"})
    models = fields.get("models")
    if models is not None and not (isinstance(models, list) and 0 < len(models) <= MAX_MODELS):
        raise ValueError(f"models: expected 1 to {MAX_MODELS} patterns of names")
    return (
        _matched(ID, "id", fields["id"]),
        _second("expires", fields.get("expires", LATEST)),
        None if models is None else tuple(_matched(PATTERN, "models", each) for each in models),
    )


def _narrow(token: Token, identity: str, expires: int, models: tuple[str, ...] | None) -> Token:
    return replace(
        token,
        ids=(*token.ids, identity),
        expires=min(expires, token.expires),
        models=token.models if models is None else (*token.models, models),
    )


def _check_names(fields: Mapping[str, Any], needed: set[str], optional: set[str]) -> None:
    if not needed <= fields.keys() <= needed | optional:
        raise ValueError(f"expected {', '.join(sorted(needed))}")


def _matched(pattern: re.Pattern[str], name: str, value: object) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{name}: expected characters and a length like {pattern.pattern}")
    return value


def _second(name: str, value: object) -> int:
    if type(value) is not int or not 0 <= value <= LATEST:
        raise ValueError(f"{name}: expected Unix seconds")
    return value


def _sign_token(secret: str, payload: str) -> str:
    return _token_signer(secret).get_signature(payload).decode()


@functools.lru_cache(MAX_SIGNERS)
def _token_signer(secret: str) -> Signer:
    """The server's, whose key is derived once."""
    key = _signer(secret.encode(), SALT).derive_key()
    return Signer(key, SALT, key_derivation="none", digest_method=hashlib.sha256)


def _sign(key: bytes, salt: bytes, payload: str) -> str:
    return _signer(key, salt).get_signature(payload).decode()


def _signer(key: bytes, salt: bytes) -> Signer:
    return Signer(key, salt, key_derivation="hmac", digest_method=hashlib.sha256)


def _encode(fields: Mapping[str, Any]) -> str:
    text = json.dumps(fields, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(part: str) -> dict[str, Any]:
    """Raises ValueError, RecursionError."""
    decoded = json.loads(base64.urlsafe_b64decode(f"{part}{'=' * (-len(part) % 4)}"))
    if not isinstance(decoded, dict):
        raise ValueError("expected an object")
    return decoded

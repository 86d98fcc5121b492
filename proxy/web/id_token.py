"""ID tokens of OpenID providers: signature and claims, as OpenID Connect Core 1.0, 3.1.3.7, has
them, and whose address of mail is in them.

JSON Web Keys (RFC 7517) and signatures (RFC 7515) of RS256 and ES256; the arithmetic is
cryptography's.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

Claims = Mapping[str, Any]

MAX_LENGTH = 16_384
"""Characters of an ID token: one with a person's picture and groups has some thousand."""

MIN_RSA_BITS, MAX_RSA_BITS = 2_048, 8_192
"""RFC 7518, 3.3; above, a signature takes long to verify."""

ES256_BYTES = 64
"""Of a signature: two numbers of 32."""

SKEW_SECONDS = 60
"""Between this server's clock and the provider's."""

KEY_TYPES = {"RS256": "RSA", "ES256": "EC"}
"""Signatures that are taken: "none" and those with a shared secret are not."""

GOOGLE = "https://accounts.google.com"
GOOGLES_NAMES = (GOOGLE, "accounts.google.com")
"""https://developers.google.com/identity/openid-connect/openid-connect, "Validate an ID token"."""

GMAIL = "gmail.com"


class BadIdToken(Exception):
    """Why one is not taken, as half a sentence. Nothing of the token is in it."""


class NoSuchKey(BadIdToken):
    """None of the keys fits: the provider may have new ones."""


def verify(
    text: str, keys: Sequence[Any], issuer: str, client_id: str, nonce: str, now: int
) -> Claims:
    """The claims. keys: JSON Web Keys, as the provider publishes them. Raises BadIdToken."""
    if len(text) > MAX_LENGTH or text.count(".") != 2:
        raise BadIdToken("it is no ID token")
    signed, _, signature = text.rpartition(".")
    header, claims = (_decode_object(part) for part in signed.split("."))
    _check_signature(header, signed.encode(), _decode(signature), keys)
    _check_claims(claims, issuer, client_id, now)
    if not _is_equal(claims.get("nonce"), nonce):
        raise BadIdToken("it is of another sign-in (nonce)")
    return claims


def _check_signature(header: Claims, signed: bytes, signature: bytes, keys: Sequence[Any]) -> None:
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in KEY_TYPES or "crit" in header:
        raise BadIdToken("its signature is of no kind that is taken here (RS256, ES256)")
    fitting = list(_fitting(keys, algorithm, header.get("kid")))
    if not fitting:
        raise NoSuchKey("the provider has no such key")
    check = _is_rs256 if algorithm == "RS256" else _is_es256
    if not any(check(key, signed, signature) for key in fitting):
        raise BadIdToken("its signature is not the provider's")


def _fitting(keys: Sequence[Any], algorithm: str, kid: Any) -> Iterator[Claims]:
    for key in keys:
        if not isinstance(key, dict) or key.get("kty") != KEY_TYPES[algorithm]:
            continue
        is_for_it = key.get("use", "sig") == "sig" and key.get("alg", algorithm) == algorithm
        if is_for_it and (kid is None or key.get("kid") == kid):
            yield key


def _is_rs256(key: Claims, signed: bytes, signature: bytes) -> bool:
    try:
        numbers = rsa.RSAPublicNumbers(_number(key.get("e")), _number(key.get("n")))
        if not MIN_RSA_BITS <= numbers.n.bit_length() <= MAX_RSA_BITS:
            return False
        numbers.public_key().verify(signature, signed, padding.PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def _is_es256(key: Claims, signed: bytes, signature: bytes) -> bool:
    if key.get("crv") != "P-256" or len(signature) != ES256_BYTES:
        return False
    half = ES256_BYTES // 2
    first, second = (int.from_bytes(each) for each in (signature[:half], signature[half:]))
    try:
        point = ec.EllipticCurvePublicNumbers(
            _number(key.get("x")), _number(key.get("y")), ec.SECP256R1()
        )
        encoded = encode_dss_signature(first, second)
        point.public_key().verify(encoded, signed, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def _check_claims(claims: Claims, issuer: str, client_id: str, now: int) -> None:
    names = GOOGLES_NAMES if issuer == GOOGLE else (issuer,)
    if claims.get("iss") not in names:
        raise BadIdToken("it is of another issuer (iss)")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if client_id not in audiences:
        raise BadIdToken("it is for another client (aud)")
    if claims.get("azp", client_id if len(audiences) == 1 else None) != client_id:
        raise BadIdToken("it was asked for by another client (azp)")
    if not _second(claims, "exp") > now - SKEW_SECONDS:
        raise BadIdToken("it has expired (exp): compare this server's clock")
    if not max(_second(claims, "iat"), _second(claims, "nbf", 0)) <= now + SKEW_SECONDS:
        raise BadIdToken("it is from the future (iat): compare this server's clock")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise BadIdToken("it names nobody (sub)")


def mail(claims: Claims, issuer: str, domains: Sequence[str]) -> str:
    """The address of who has signed in, in small letters. Raises BadIdToken where it may not."""
    address = claims.get("email")
    # Some letters are ASCII in small, and are not themselves: U+212A is the sign of Kelvin.
    if not isinstance(address, str) or not address.isascii() or address.count("@") != 1:
        raise BadIdToken("it has no address of mail (email)")
    if not (claims.get("email_verified") is True or claims.get("email_verified") == "true"):
        raise BadIdToken("the provider has not verified the address of mail (email_verified)")
    address = address.lower()
    domain = address.partition("@")[2]
    # Google verifies what is neither Gmail nor a Workspace's once, when the account is made.
    is_lasting = issuer != GOOGLE or domain == GMAIL or claims.get("hd") in domains
    if domain not in domains or not is_lasting:
        raise BadIdToken("people of other domains use this server")
    return address


def _second(claims: Claims, name: str, default: int | None = None) -> float:
    value = claims.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadIdToken(f"it has no time ({name})")
    return value


def _is_equal(value: object, expected: str) -> bool:
    return isinstance(value, str) and hmac.compare_digest(value.encode(), expected.encode())


def _number(value: Any) -> int:
    """Raises ValueError."""
    if not isinstance(value, str) or len(value) > MAX_RSA_BITS // 4:
        raise ValueError("expected a number in base64url")
    return int.from_bytes(base64.urlsafe_b64decode(f"{value}{'=' * (-len(value) % 4)}"))


def _decode(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(f"{part}{'=' * (-len(part) % 4)}")
    except ValueError:
        raise BadIdToken("it is no ID token") from None


def _decode_object(part: str) -> dict[str, Any]:
    try:
        decoded = json.loads(_decode(part))
    except (ValueError, RecursionError):
        decoded = None
    if not isinstance(decoded, dict):
        raise BadIdToken("it is no ID token")
    return decoded

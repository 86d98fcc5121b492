"""proxy/web/id_token.py: which ID tokens are taken, and whose address of mail is."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from proxy.web import id_token
from proxy.web.id_token import GOOGLE, MAX_LENGTH, BadIdToken, NoSuchKey, mail, verify

NOW = 1_764_331_200
ISSUER, CLIENT, NONCE = "https://accounts.example.com", "proxy", "n" * 22
RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
SMALL_RSA = rsa.generate_private_key(public_exponent=65_537, key_size=1_024)
EC = ec.generate_private_key(ec.SECP256R1())
CLAIMS = {
    "iss": ISSUER,
    "aud": CLIENT,
    "sub": "1",
    "exp": NOW + 300,
    "iat": NOW,
    "nonce": NONCE,
    "email": "Alice@Example.com",
    "email_verified": True,
}


def encode(data: bytes | dict[str, Any]) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def number(value: int) -> str:
    return encode(value.to_bytes((value.bit_length() + 7) // 8 or 1))


def rsa_key(key: rsa.RSAPrivateKey = RSA, **more: Any) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    return {"kty": "RSA", "kid": "r", "n": number(numbers.n), "e": number(numbers.e), **more}


def ec_key(**more: Any) -> dict[str, Any]:
    numbers = EC.public_key().public_numbers()
    point = {"x": encode(numbers.x.to_bytes(32)), "y": encode(numbers.y.to_bytes(32))}
    return {"kty": "EC", "crv": "P-256", "kid": "e", **point, **more}


KEYS = [rsa_key(), ec_key()]


def sign(header: dict[str, Any], claims: Any, key: Any = RSA) -> str:
    signed = f"{encode(header)}.{encode(claims)}"
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(signed.encode(), padding.PKCS1v15(), SHA256())
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        pair = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(SHA256())))
        signature = b"".join(each.to_bytes(32) for each in pair)
    else:
        signature = key
    return f"{signed}.{encode(signature)}"


def token(header: Any = None, key: Any = RSA, **claims: Any) -> str:
    """Claims that are None are left out."""
    given = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    return sign(header or {"alg": "RS256", "kid": "r"}, given, key)


def check(text: str, keys: Any = KEYS, issuer: str = ISSUER) -> Any:
    return verify(text, keys, issuer, CLIENT, NONCE, NOW)


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ({"alg": "RS256", "kid": "r"}, RSA),
        ({"alg": "RS256", "typ": "JWT"}, RSA),
        ({"alg": "ES256", "kid": "e"}, EC),
        ({"alg": "ES256"}, EC),
    ],
)
def test_signature_of_the_provider_is_taken(header: Any, key: Any) -> None:
    assert check(token(header, key)) == CLAIMS


ES256_SIGNED = token({"alg": "ES256", "kid": "e"}, EC)
HMAC = hmac.new(encode(b"public key").encode(), b"x", hashlib.sha256).digest()


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (token({"alg": "none"}, b""), KEYS),
        (token({"alg": "None"}, b""), KEYS),
        (token({"alg": "HS256", "kid": "r"}, HMAC), KEYS),
        (token({"alg": "PS256", "kid": "r"}), KEYS),
        (token({"alg": ["RS256"], "kid": "r"}), KEYS),
        (token({"kid": "r"}), KEYS),
        (token({"alg": "RS256", "kid": "r", "crit": ["b64"], "b64": False}), KEYS),
        (token({"alg": "RS256", "kid": "other"}), KEYS),
        (token({"alg": "RS256", "kid": ["r"]}), KEYS),
        (token({"alg": "ES256", "kid": "r"}), KEYS),
        (token({"alg": "RS256", "kid": "e"}, EC), KEYS),
        (token({"alg": "RS256", "kid": "r"}, b"x" * 256), KEYS),
        (token({"alg": "RS256", "kid": "r"}, b""), KEYS),
        (token({"alg": "ES256", "kid": "e"}, b"x" * 63), KEYS),
        (token({"alg": "ES256", "kid": "e"}, b"\0" * 64), KEYS),
        (token(), [rsa_key(use="enc")]),
        (token(), [rsa_key(alg="RS512")]),
        (token(), [rsa_key(n=number(4))]),
        (token(), [rsa_key(n=None)]),
        (token(), [rsa_key(e=number(0))]),
        (token(), [rsa_key(n="A" * 9_000)]),
        (token(key=SMALL_RSA), [rsa_key(SMALL_RSA)]),
        (token(), [None, "r", {"kty": "oct", "k": "AA"}]),
        (token(), []),
        (ES256_SIGNED, [ec_key(crv="P-384")]),
        (ES256_SIGNED, [ec_key(x=encode(b"1" * 32))]),
        (token().replace(".", ".A", 1), KEYS),
        (token()[:-9], KEYS),
    ],
)
def test_other_signatures_are_refused(text: str, keys: Any) -> None:
    with pytest.raises(BadIdToken):
        check(text, keys)


def test_key_that_is_not_known_is_told_apart() -> None:
    with pytest.raises(NoSuchKey):
        check(token({"alg": "RS256", "kid": "new"}))


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "..", "a.b", "a.b.c.d", "ä.ö.ü", "!.!.!", "A.A.A"),
        f"{encode(b'[]')}.{encode(b'{}')}.AA",
        f"{encode(b'[' * 5_000)}.{encode(b'{}')}.AA",
        f"{encode(b'{}')}.{encode(b'1')}.AA",
        token() + "A" * MAX_LENGTH,
        token().rpartition(".")[0] + ".A",
    ],
)
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(BadIdToken):
        check(text)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.test"},
        {"iss": None},
        {"iss": [ISSUER]},
        {"aud": "another"},
        {"aud": None},
        {"aud": []},
        {"aud": {CLIENT: 1}},
        {"aud": [CLIENT, "another"]},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"azp": "another"},
        {"exp": NOW - 60},
        {"exp": None},
        {"exp": "9999999999"},
        {"exp": True},
        {"exp": float("nan")},
        {"iat": NOW + 61},
        {"iat": None},
        {"iat": float("nan")},
        {"nbf": NOW + 61},
        {"nonce": "m" * 22},
        {"nonce": None},
        {"nonce": [NONCE]},
        {"nonce": "ü"},
        {"sub": None},
        {"sub": ""},
        {"sub": 1},
    ],
)
def test_claims_of_others_are_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(BadIdToken):
        check(token(**claims))


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": [CLIENT]},
        {"azp": CLIENT},
        {"aud": [CLIENT, "another"], "azp": CLIENT},
        {"exp": NOW - 59},
        {"iat": NOW + 60},
        {"exp": NOW + 0.5},
        {"nbf": NOW},
    ],
)
def test_claims_that_are_right_are_taken(claims: dict[str, Any]) -> None:
    assert check(token(**claims))["sub"] == "1"


def test_google_has_two_names() -> None:
    for name in id_token.GOOGLES_NAMES:
        assert check(token(iss=name), issuer=GOOGLE)
    with pytest.raises(BadIdToken):
        check(token(iss="accounts.google.com"))


DOMAINS = ("example.com", "gmail.com")


@pytest.mark.parametrize(
    ("issuer", "claims", "address"),
    [
        (ISSUER, {}, "alice@example.com"),
        (ISSUER, {"email_verified": "true"}, "alice@example.com"),
        (GOOGLE, {"hd": "example.com"}, "alice@example.com"),
        (GOOGLE, {"email": "a@gmail.com"}, "a@gmail.com"),
    ],
)
def test_address_is_that_of_the_person(issuer: str, claims: Any, address: str) -> None:
    assert mail({**CLAIMS, **claims}, issuer, DOMAINS) == address


@pytest.mark.parametrize(
    ("issuer", "claims"),
    [
        (ISSUER, {"email": None}),
        (ISSUER, {"email": ["alice@example.com"]}),
        (ISSUER, {"email": "alice"}),
        (ISSUER, {"email": "alice@example.com@evil.test"}),
        (ISSUER, {"email": "alice@evil.test@example.com"}),
        (ISSUER, {"email": "mi\N{KELVIN SIGN}e@example.com"}),
        (ISSUER, {"email": "alice@sub.example.com"}),
        (ISSUER, {"email": "alice@evilexample.com"}),
        (ISSUER, {"email_verified": False}),
        (ISSUER, {"email_verified": None}),
        (ISSUER, {"email_verified": 1}),
        (GOOGLE, {}),
        (GOOGLE, {"hd": "evil.test"}),
    ],
)
def test_address_of_others_is_refused(issuer: str, claims: dict[str, Any]) -> None:
    with pytest.raises(BadIdToken):
        mail({**CLAIMS, **claims}, issuer, DOMAINS)

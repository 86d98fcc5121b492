"""proxy/team/tokens.py: what is signed is taken, and nothing else."""

from __future__ import annotations

import base64
import hmac
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import Signer

from proxy.team import tokens
from proxy.team.tokens import LATEST, MAX_LENGTH, MAX_RESTRICTIONS, BadToken, Token

NOW = 1_795_900_000
SECRET, OLD_SECRET, OTHER = "newest-secret", "older-secret", "secret-of-somebody-else"
ALICE = Token(("t1",), "alice@example.com", "standard", NOW, NOW + 3_600, "core")
TEXT = tokens.create(ALICE, SECRET)
CI = tokens.derive(TEXT, "ci", expires=NOW + 60, models=["gemini-*-flash", "claude-haiku-*"])


def verify(text: str, now: int = NOW, secrets: tuple[str, ...] = (SECRET, OLD_SECRET)) -> Token:
    return tokens.verify(text, secrets, now)


def part(fields: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


def restrict(text: str, fields: object) -> str:
    """As derive does, whatever the fields are."""
    before, _, signature = text.rpartition(".")
    payload = part(fields)
    return (
        f"{before}.{payload}.{tokens._sign(signature.encode(), tokens.RESTRICTION_SALT, payload)}"
    )


def test_token_holds_person_group_plan_and_times() -> None:
    assert verify(TEXT) == ALICE == tokens.inspect(TEXT)
    assert TEXT.startswith("gmp_")
    assert tokens.is_token(TEXT)
    assert not tokens.is_token("AIzaSy")
    assert len(TEXT) < 300


def test_token_without_group() -> None:
    token = Token(("t2",), "bob", "standard", NOW, NOW + 1)
    assert verify(tokens.create(token, SECRET)) == token


def test_token_of_every_secret_in_the_list_is_taken() -> None:
    old = tokens.create(ALICE, OLD_SECRET)
    assert verify(old) == ALICE
    for secrets in ((SECRET,), ()):
        with pytest.raises(BadToken, match="damaged"):
            verify(old, secrets=secrets)


def test_token_is_taken_until_it_expires() -> None:
    assert verify(TEXT, NOW + 3_599) == ALICE
    with pytest.raises(BadToken, match="The access token t1 expired") as caught:
        verify(TEXT, NOW + 3_600)
    assert (caught.value.status, caught.value.retry) == (401, False)


def test_token_of_a_bad_signature_tells_nothing_of_itself() -> None:
    with pytest.raises(BadToken) as caught:
        verify(tokens.create(ALICE, OTHER), NOW + 3_600)
    assert caught.value.message == tokens.NO_TOKEN


def test_signatures_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    compare = hmac.compare_digest

    def spy(expected: str, signature: str) -> bool:
        compared.append(signature)
        return compare(expected, signature)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    verify(CI)
    assert compared == [CI.rpartition(".")[2]] * 2, "with each secret, whichever fits"


def test_key_of_a_secret_is_derived_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each, up to a bound; and what is kept shows none."""
    derived: list[bytes | str] = []
    derive = Signer.derive_key

    def record(signer: Signer) -> bytes:
        if signer.key_derivation == "hmac":
            derived.append(signer.secret_key)
        return derive(signer)

    monkeypatch.setattr(Signer, "derive_key", record)
    tokens._token_signer.cache_clear()
    for _ in range(3):
        assert verify(TEXT) == verify(tokens.create(ALICE, OLD_SECRET)) == ALICE
    assert derived == [SECRET.encode(), OLD_SECRET.encode()]
    many = [f"{SECRET}{number}" for number in range(tokens.MAX_SIGNERS)]
    assert verify(TEXT, secrets=(*many, SECRET)) == ALICE
    assert tokens._token_signer.cache_info().currsize == tokens.MAX_SIGNERS
    assert SECRET not in f"{tokens._token_signer!r} {tokens._token_signer(SECRET)!r}"


def test_stranger_is_refused_before_any_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_token_signer", "_signer"):
        monkeypatch.delattr(tokens, name)
    for text in ("", "AIzaSy", "sk-ant-x", TEXT[4:], "gmp_", "gmp_a", TEXT + "x" * MAX_LENGTH):
        with pytest.raises(BadToken):
            verify(text)


@pytest.mark.parametrize(
    "fields",
    [
        {"ids": ("a", "b")},
        {"ids": ("",)},
        {"models": (("*",),)},
        {"person": "../x"},
        {"person": "x" * 65},
        {"plan": ""},
        {"group": "a b"},
        {"issued": -1},
        {"expires": LATEST + 1},
        {"expires": True},
    ],
)
def test_token_that_would_not_be_taken_is_not_made(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected|one id"):
        tokens.create(Token(**{**ALICE.__dict__, **fields}), SECRET)


# --- Derived tokens ----------------------------------------------------------------------------


def test_derived_token_is_narrower_and_charged_to_its_parent() -> None:
    token = verify(CI)
    assert (token.person, token.group, token.plan) == (ALICE.person, ALICE.group, ALICE.plan)
    assert (token.ids, token.id, token.expires) == (("t1", "ci"), "ci", NOW + 60)
    assert token.allows("gemini-3.8-flash")
    assert token.allows("claude-haiku-4-5", "gemini-3.5-flash-lite")
    assert not token.allows("gemini-4-neon", "claude-opus-5")
    assert ALICE.allows("gemini-4-neon")
    with pytest.raises(BadToken, match="ci expired"):
        verify(CI, NOW + 60)


def test_derived_token_cannot_be_widened() -> None:
    wider = verify(tokens.derive(CI, "job", expires=NOW + 999, models=["*"]))
    assert (wider.ids, wider.expires) == (("t1", "ci", "job"), NOW + 60)
    assert not wider.allows("gemini-4-neon")
    assert wider.allows("gemini-3.8-flash")
    head, restriction, signature = CI.split(".")
    for text in (f"{head}.{signature}", f"{head}.{part({'id': 'ci'})}.{signature}"):
        with pytest.raises(BadToken):
            verify(text)
    assert restriction not in tokens.derive(TEXT, "ci")


def test_derived_token_keeps_what_is_not_restricted() -> None:
    token = verify(tokens.derive(TEXT, "agent"))
    assert (token.expires, token.models) == (ALICE.expires, ())


def test_restrictions_are_bounded() -> None:
    text = TEXT
    for number in range(MAX_RESTRICTIONS):
        text = tokens.derive(text, f"r{number}")
    assert len(verify(text).ids) == MAX_RESTRICTIONS + 1
    with pytest.raises(ValueError, match="at most 4 restrictions"):
        tokens.derive(text, "more")
    with pytest.raises(BadToken):
        verify(restrict(text, {"id": "more"}))
    wide = tokens.derive(TEXT, "r", models=["x" * 100] * 16)
    with pytest.raises(ValueError, match="at most 4096 characters"):
        tokens.derive(wide, "r", models=["x" * 100] * 16)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        [],
        "x",
        {"id": 5},
        {"id": "a", "expires": "later"},
        {"id": "a", "expires": 1e300},
        {"id": "a", "models": []},
        {"id": "a", "models": "*"},
        {"id": "a", "models": ["a b"]},
        {"id": "a", "models": [5]},
        {"id": "a", "models": ["*"] * 17},
        {"id": "a", "person": "bob"},
        {"id": "a", "budget": 5},
    ],
)
def test_restriction_that_is_not_understood_is_not_ignored(fields: object) -> None:
    with pytest.raises(BadToken):
        verify(restrict(TEXT, fields))
    models = fields.get("models") if isinstance(fields, dict) else None
    if isinstance(models, list) and models:
        with pytest.raises(ValueError, match="models"):
            tokens.derive(TEXT, "a", models=models)


def test_restriction_that_cannot_be_decoded() -> None:
    before, _, signature = TEXT.rpartition(".")
    deep = base64.urlsafe_b64encode(b"[" * 2_400).decode().rstrip("=")
    for payload in (deep, "x", "____"):
        signed = tokens._sign(signature.encode(), tokens.RESTRICTION_SALT, payload)
        with pytest.raises(BadToken):
            verify(f"{before}.{payload}.{signed}")


# --- Altered tokens ----------------------------------------------------------------------------

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\0é"


def altered(text: str, dice: random.Random) -> str:
    """One to three changes: a character replaced, dropped, added, two parts exchanged, a cut."""
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(text)) if text else 0
        kind = dice.randrange(6)
        if kind == 0:
            text = text[:at] + dice.choice(ALPHABET) + text[at + 1 :]
        elif kind == 1:
            text = text[:at] + text[at + 1 :]
        elif kind == 2:
            text = text[:at] + dice.choice(ALPHABET) + text[at:]
        elif kind == 3:
            parts = text.split(".")
            dice.shuffle(parts)
            text = ".".join(parts)
        elif kind == 4:
            text = text[:at]
        else:
            text = text[:at] + text[at : at + 2].swapcase() + text[at + 2 :]
    return text


def test_100_000_altered_tokens_are_refused() -> None:
    dice = random.Random(12)
    genuine = [TEXT, CI, tokens.derive(CI, "job"), tokens.create(ALICE, OLD_SECRET)]
    accepted = []
    for number in range(100_000):
        text = altered(genuine[number % len(genuine)], dice)
        try:
            verify(text)
        except BadToken:
            continue
        if text not in genuine:
            accepted.append(text)
    assert accepted == []


@given(st.text() | st.text(ALPHABET).map(lambda text: f"gmp_{text}"))
def test_any_text_is_no_token(text: str) -> None:
    with pytest.raises(BadToken):
        verify(text)


@given(st.integers(0, len(CI) - 1), st.characters(codec="latin-1"))
def test_no_character_can_be_replaced(at: int, character: str) -> None:
    text = CI[:at] + character + CI[at + 1 :]
    if text != CI:
        with pytest.raises(BadToken):
            verify(text)

"""translate/signatures.py: what is packed comes back, and only to the model it came from."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translate.signatures import (
    CALL,
    PART,
    SENTINEL,
    TEXT,
    Signature,
    call_id,
    carried_part,
    pack,
    tool_use_id,
    unwrap,
    wrap,
)

BASE64 = st.text("ABCxyz019+/=-_", min_size=1, max_size=200)
MODEL = st.from_regex(r"gemini-[a-z0-9.-]{1,30}", fullmatch=True)


@given(st.sampled_from([CALL, TEXT, PART]), MODEL, BASE64)
def test_signature_survives_the_round_trip(kind: str, model: str, value: str) -> None:
    assert unwrap(wrap(kind, model, value), model) == Signature(kind, value)


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param("", id="none"),
        pytest.param("EqMDCqADARFNMg9Z", id="a bare Gemini or Claude signature"),
        pytest.param("gs1.c.gemini-4-neon:QUJD", id="another model's"),
        pytest.param("gs1.x.gemini-4-hydrogen:QUJD", id="an unknown kind"),
        pytest.param("gs2.c.gemini-4-hydrogen:QUJD", id="another version"),
        pytest.param("gs1.c.gemini-4-hydrogen:", id="empty"),
        pytest.param("gs1.c.gemini-4-hydrogen:QU JD", id="not base64"),
        pytest.param("gs1.c.gemini-4-hydrogen:QUJé", id="not ASCII"),
        pytest.param("gs1.c.gemini-4-hydrogen:QU\ud800", id="half a character"),
        pytest.param("gs1.c.gemini-4-hydrogen:QUJD\n", id="with more behind it"),
    ],
)
def test_signature_that_is_foreign_is_not_unwrapped(foreign: str) -> None:
    assert unwrap(foreign, "gemini-4-hydrogen") is None


def test_sentinel_is_googles_documented_one() -> None:
    assert SENTINEL == "skip_thought_signature_validator"


TRACE: Any = {"toolCall": {"id": "s1", "args": {}}}
MIXED = pack({**TRACE, "functionCall": {"name": "x"}})
DEEP = base64.b64encode(b"[" * 100_000).decode()


def test_envelope_stands_for_a_part() -> None:
    assert carried_part(Signature(TEXT, "QUJD")) == {"text": "", "thoughtSignature": "QUJD"}
    trace: Any = {"toolCall": {"id": "s1", "args": {"é": 1}}, "thoughtSignature": "QUJD"}
    packed = unwrap(wrap(PART, "gemini-4-neon", pack(trace)), "gemini-4-neon")
    assert packed is not None
    assert carried_part(packed) == trace


@pytest.mark.parametrize(
    "value",
    ["QUJD", "!", "W10=", pack({"text": "x"}), pack({"functionCall": {"name": "x"}}), MIXED, DEEP],
)
def test_envelope_that_was_changed_is_dropped(value: str) -> None:
    assert carried_part(Signature(PART, value)) is None


@pytest.mark.parametrize(
    ("given", "tool_use", "back"),
    [
        ("8qww9c6v", "toolu_0a1b2c3d_8qww9c6v", "8qww9c6v"),
        ("call_1-x", "toolu_0a1b2c3d_call_1-x", "call_1-x"),
        (None, "toolu_0a1b2c3d02", "toolu_0a1b2c3d02"),
        ("", "toolu_0a1b2c3d02", "toolu_0a1b2c3d02"),
        ("../etc/passwd", "toolu_0a1b2c3d02", "toolu_0a1b2c3d02"),
        ("x" * 65, "toolu_0a1b2c3d02", "toolu_0a1b2c3d02"),
    ],
)
def test_id_there_and_back(given: str | None, tool_use: str, back: str) -> None:
    assert tool_use_id("0a1b2c3d", given, 2) == tool_use
    assert call_id(tool_use) == back


def test_id_of_another_origin_is_kept() -> None:
    assert call_id("toolu_01XyZ") == "toolu_01XyZ"


def test_id_for_gemini_has_a_length() -> None:
    assert call_id("x" * 256) == "x" * 256
    long = call_id("x" * 257)
    assert len(long) == 64
    assert long == call_id("x" * 257) != call_id("x" * 258)

"""translate/response/pending_signatures.py: which signature is whose, wherever it comes."""

from typing import Any

import pytest

from translate.response.pending_signatures import PendingSignatures, SignedCall

PARTS = {
    "text": "on_text",
    "thought": "on_thought",
    "empty": "on_empty_part",
    "flush": "flush",
}
Part = tuple[str, str | None]
"""What comes and with which signature. `f1` and the like are whole calls, `p1` one in pieces."""


def fed(*parts: Part, waits: bool = True) -> list[Any]:
    """The calls that each part lets go: name, signature, signatures of texts before it."""
    pending = PendingSignatures(waits=waits)
    return [[short(call) for call in feed(pending, *part)] for part in parts]


def feed(pending: PendingSignatures, kind: str, signature: str | None) -> Any:
    if kind in PARTS:
        return getattr(pending, PARTS[kind])(signature)
    if kind.startswith("p"):
        return pending.on_call_in_pieces({"name": kind}, signature)
    return pending.on_call({"name": kind}, signature)


def short(signed: SignedCall) -> Any:
    given = signed.call["name"], signed.signature, *signed.text_signatures
    return given if len(given) > 2 else given[:2] if given[1] else given[0]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param([("f1", "A")], [[("f1", "A")]], id="its own"),
        pytest.param([("empty", "A"), ("f1", None)], [[], [("f1", "A")]], id="an empty part's"),
        pytest.param([("thought", "A"), ("f1", None)], [[], [("f1", "A")]], id="a thought's"),
        pytest.param(
            [("thought", "A"), ("thought", None), ("f1", None)],
            [[], [], [("f1", "A")]],
            id="an earlier thought's",
        ),
        pytest.param(
            [("f1", None), ("f2", None), ("empty", "A")],
            [[], [], [("f1", "A"), "f2"]],
            id="one behind a row of calls",
        ),
        pytest.param([("empty", "A"), ("p1", None)], [[], [("p1", "A")]], id="of a call in pieces"),
        pytest.param([("p1", "A")], [[("p1", "A")]], id="a call in pieces' own"),
    ],
)
def test_signature_reaches_its_call(parts: list[Part], expected: Any) -> None:
    assert fed(*parts) == expected


def test_signature_is_used_once() -> None:
    assert fed(("thought", "A"), ("f1", None), ("f2", None)) == [[], [("f1", "A")], ["f2"]]


def test_signature_behind_a_signed_call_is_let_go() -> None:
    assert fed(("f1", "A"), ("empty", "B"), ("f2", None)) == [[("f1", "A")], [], ["f2"]]


def test_signature_that_no_call_took_is_let_go_with_text() -> None:
    assert fed(("empty", "A"), ("text", None), ("f1", None), ("flush", None))[2:] == [[], ["f1"]]


def test_empty_part_without_a_signature_changes_nothing() -> None:
    parts: list[Part] = [("f1", None), ("empty", None), ("empty", "A")]
    assert fed(*parts) == [[], [], [("f1", "A")]]


@pytest.mark.parametrize("kind", ["text", "thought", "flush", "f2", "p2"])
def test_unsigned_calls_wait_until_something_else_comes(kind: str) -> None:
    signature = None if kind == "flush" else "B"
    first, (let_go, *_) = fed(("f1", None), (kind, signature))
    assert (first, let_go) == ([], "f1")


def test_unsigned_calls_do_not_wait_behind_a_signed_one() -> None:
    assert fed(("f1", "A"), ("f2", None)) == [[("f1", "A")], ["f2"]]


def test_unsigned_calls_wait_only_where_they_may() -> None:
    assert fed(("f1", None), ("empty", "A"), ("f2", None), waits=False) == [
        ["f1"],
        [],
        [("f2", "A")],
    ]


def test_unsigned_calls_are_counted() -> None:
    pending = PendingSignatures(waits=True)
    feed(pending, "f1", None)
    feed(pending, "f2", None)
    assert [call["name"] for call in pending.unsigned_calls] == ["f1", "f2"]
    feed(pending, "empty", "A")
    assert pending.unsigned_calls == []


def test_text_signature_goes_in_front_of_the_next_call() -> None:
    assert fed(("text", "T"), ("f1", "A"), ("f2", "B"))[1:] == [[("f1", "A", "T")], [("f2", "B")]]
    assert fed(("text", "T"), ("f1", None), ("flush", None))[2] == [("f1", None, "T")]
    assert fed(("text", "T"), ("p1", "A"))[1] == [("p1", "A", "T")]


def test_text_signature_is_the_last_one() -> None:
    assert fed(("text", "T"), ("text", "U"), ("text", None), ("f1", "A"))[3] == [("f1", "A", "U")]


def test_text_signature_is_not_that_of_calls_before_it() -> None:
    parts: list[Part] = [("text", "T"), ("f1", None), ("text", "U"), ("f2", "A")]
    assert fed(*parts)[2:] == [[("f1", None, "T")], [("f2", "A", "U")]]


def test_signature_that_a_call_does_not_need_goes_in_front() -> None:
    for call in ("f1", "p1"):
        assert fed(("empty", "T"), (call, "A"))[1] == [(call, "A", "T")]


def test_signatures_in_front_keep_their_order() -> None:
    assert fed(("text", "T"), ("empty", "U"), ("f1", "A"))[2] == [("f1", "A", "T", "U")]

"""translate/response/continuation.py: where a long or a broken answer can go on."""

from typing import Any

from translate.response.continuation import Continuation


def fed(*candidates: Any) -> Continuation:
    """Candidates as Gemini sends them; what has a `text` here has parts there."""
    continuation = Continuation()
    for candidate in candidates:
        add(continuation, **candidate)
    return continuation


def add(continuation: Continuation, text: str = "", **candidate: Any) -> None:
    fields: Any = {"continuationToken": candidate.get("token"), "finishReason": None}
    if candidate.get("ends"):
        fields["finishReason"] = "CONTINUATION"
    continuation.add(fields, has_parts=bool(text))


def test_hop_follows_an_end_with_a_new_token() -> None:
    continuation = fed({"text": "a", "token": "T1"}, {"ends": True})
    assert continuation.is_due is True
    assert (continuation.next_hop(), continuation.is_due) == ("T1", False)
    assert continuation.next_hop() is None


def test_hop_needs_an_end_and_a_token() -> None:
    for continuation in (fed(), fed({"token": "T1"}), fed({"text": "a", "ends": True})):
        assert (continuation.is_due, continuation.next_hop()) == (False, None)


def test_hop_that_hands_its_token_back_is_the_last() -> None:
    for last in ({"token": "T1", "ends": True}, {"ends": True}):
        continuation = fed({"token": "T1", "ends": True})
        continuation.next_hop()
        add(continuation, "a", **last)
        assert (continuation.is_due, continuation.next_hop()) == (False, None)


def test_hop_is_not_due_when_more_follows() -> None:
    continuation = fed({"token": "T1", "ends": True}, {"text": "a"})
    assert (continuation.is_due, continuation.next_hop()) == (False, None)


def test_resumption_goes_back_to_a_checkpoint() -> None:
    assert fed().resume() is None
    assert fed({"text": "a"}).resume() is None
    assert fed({"text": "a", "token": "T1"}, {}).resume() == "T1"
    assert fed({"text": "a", "token": "T1"}, {"text": "b", "token": "T2"}).resume() == "T2"


def test_resumption_never_repeats_what_was_shown() -> None:
    assert fed({"text": "a", "token": "T1"}, {"text": "b"}).resume() is None
    continuation = fed({"token": "T1"})
    assert (continuation.resume(), continuation.resume()) == ("T1", "T1")
    add(continuation, "a")
    assert continuation.resume() is None


def test_resumption_repeats_a_hop_without_parts() -> None:
    continuation = fed({"text": "a", "token": "T1", "ends": True})
    assert (continuation.next_hop(), continuation.resume()) == ("T1", "T1")


def test_resumed_hop_has_to_get_on_too() -> None:
    continuation = fed({"token": "T1"})
    continuation.resume()
    add(continuation, "a", token="T1", ends=True)
    assert continuation.next_hop() is None

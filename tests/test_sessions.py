"""proxy/sessions.py: what a session has cost."""

from __future__ import annotations

import pytest

from proxy import sessions
from proxy.sessions import MAX_SESSIONS, Session, Sessions

ENTRY = {"path": "/v1/messages", "person": "alice", "session": "s1", "usd": 0.25}


def test_session_is_the_sum_of_its_requests() -> None:
    found = Sessions()
    found.add(ENTRY, 1.0)
    found.add({**ENTRY, "person": "bob"}, 2.0)
    found.add({**ENTRY, "session": "s2"}, 3.0)
    found.add({**ENTRY, "usd": None}, 4.0)
    assert found.of("alice", 9) == [
        Session("s1", "alice", 1.0, 4.0, 2, 0.25),
        Session("s2", "alice", 3.0, 3.0, 1, 0.25),
    ]
    assert [each.id for each in found.of("alice", 1)] == ["s1"]
    assert found.of("carol", 9) == []


@pytest.mark.parametrize("missing", ["person", "session", "path"])
def test_what_is_of_no_session_does_not_count(missing: str) -> None:
    found = Sessions()
    found.add({name: value for name, value in ENTRY.items() if name != missing}, 1.0)
    assert found.of("alice", 9) == []


def test_sessions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 2)
    assert MAX_SESSIONS > 2
    found = Sessions()
    for identity in ("a", "b", "a", "c"):
        found.add({**ENTRY, "session": identity}, 1.0)
    assert [each.id for each in found.of("alice", 9)] == ["c", "a"]

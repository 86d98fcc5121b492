"""Each fault of tests/faults.py ends in the right answer or the right error; none hangs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests import faults
from tests.faults import CASES, Case, Outcome, Row, differences, disorder
from tests.servers import Emulator


@pytest.fixture(scope="module")
def rows(emulator: Emulator) -> dict[str, Row]:
    """The whole matrix, played once."""
    with faults.staged(emulator) as stage:
        return {row.case.name: row for row in stage.run(CASES)}


@pytest.fixture
def row(rows: dict[str, Row], case: Case) -> Row:
    return rows[case.name]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_client_gets_the_right_answer_or_error(row: Row) -> None:
    assert row.wrong == [], faults.described(row.got)


# --- The matrix itself ------------------------------------------------------------------------


def test_fault_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES) == 4 * len(faults.FAULTS)


def test_row_is_right_only_if_all_of_it_is() -> None:
    """A matrix that takes anything for right proves nothing."""
    expected = Outcome(text="a", message="half", tried="empty", pings=2, attempts=1)
    right = replace(expected, message="the half of it", pings=3)
    assert differences(expected, right) == []
    changes: list[dict[str, Any]] = [
        *({"status": 500}, {"error": "api_error"}, {"message": "else"}, {"message": ""}),
        *({"text": "aa"}, {"thinking": "a"}, {"stop": "end_turn"}, {"retry": "retry-after: 1"}),
        *({"tried": ""}, {"model": "m"}, {"warning": "w"}, {"attempts": 2}, {"pings": 1}),
        {"disorder": "it hangs"},
    ]
    for change in changes:
        (wrong,) = differences(expected, replace(right, **change))
        assert wrong.startswith(next(iter(change)))


BEGIN: list[Any] = [{"type": "message_start"}]
BLOCK: list[Any] = [
    {"type": "content_block_start", "index": 0},
    {"type": "content_block_delta", "index": 0},
    {"type": "ping"},
    {"type": "content_block_stop", "index": 0},
]
END: list[Any] = [{"type": "message_delta"}, {"type": "message_stop"}]
ERROR: list[Any] = [{"type": "error"}]


@pytest.mark.parametrize(
    "events", [[*BEGIN, *BLOCK, *END], [*BEGIN, *END], [*BEGIN, *BLOCK[:2], *ERROR], BEGIN + ERROR]
)
def test_stream_in_order(events: list[Any]) -> None:
    assert disorder(events) == ""


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        ([], "it ends with nothing"),
        ([*BEGIN, *BLOCK], "it ends with a message"),
        ([*BEGIN, *BLOCK, END[0]], "it ends with a reason"),
        ([*BEGIN, *BEGIN], "message_start when there was a message"),
        (BLOCK, "content_block_start when there was nothing"),
        ([*BEGIN, *BLOCK[:2], *END], "message_delta when there was a block"),
        ([*BEGIN, *BLOCK, *BLOCK], "content_block_start of 0 in 1"),
        ([*BEGIN, *END, *END], "message_delta when there was over"),
        ([*BEGIN, *ERROR, *END], "message_delta when there was over"),
        ([*BEGIN, *END, *ERROR], "error when there was over"),
        ([*BEGIN, *END, {"type": "ping"}], "ping when there was over"),
    ],
)
def test_stream_out_of_order(events: list[Any], problem: str) -> None:
    assert disorder(events) == problem

"""proxy/team/holds.py, counters.py: a limit that an operator raises holds for the next request, the
steps of an answer under way and warnings, until its window ends."""

from __future__ import annotations

from proxy.team.budget import Budgets
from proxy.team.holds import HELD_OUTPUT, STEP, Spent
from proxy.team.money import NANO
from proxy.team.stores import Hold, Outcome
from proxy.team.stores.sqlite import IN_MEMORY, SqliteStore
from proxy.team.tokens import BadToken
from tests.test_holds import NEON, NOW, OUTPUT, admit, budgets, closed, observe, refused, used
from translate.models import Tokens

__all__ = ["closed"]


class Calls(SqliteStore):
    """Counts its verbs."""

    def __init__(self) -> None:
        super().__init__(IN_MEMORY)
        self.calls: list[str] = []

    def hold(self, hold: Hold, now: int) -> Outcome:
        self.calls.append("hold")
        return super().hold(hold, now)

    def change(self, hold: Hold, now: int) -> Outcome:
        self.calls.append("change")
        return super().change(hold, now)


RAISED_DAY, ONE_DAY = (
    "raise.usd_day.2026-11-28",
    "[plans.standard]\nusd_per_day = 1\n[groups.core]\n",
)


def spend_usd(gate: Budgets, usd: float) -> None:
    charge = admit(gate, f"spent-{usd}", size=0, max_output=1)
    tokens = Tokens(output=int(usd * NANO / OUTPUT))
    charge.settle(NOW, [Spent(NEON, tokens, "main")])


def test_raised_limit_admits_at_no_cost_for_others() -> None:
    store = Calls()
    gate = budgets(ONE_DAY, store)
    admit(gate, "a").settle(NOW)
    assert store.calls == ["hold"]
    spend_usd(gate, 1)
    assert "$1.00 are used" in refused(gate).message
    store.mark("person:alice", RAISED_DAY, 2 * NANO)
    store.calls.clear()
    charge = admit(gate, "c")
    assert store.calls == ["hold", "hold"]
    (budget,) = charge.hold.budgets()
    assert budget.entry.limit == 2 * NANO
    assert charge.warning(NOW) is None


def test_raised_limit_is_that_of_warnings_before_it_is_needed() -> None:
    store = Calls()
    gate = budgets(ONE_DAY, store)
    spend_usd(gate, 0.8)
    assert admit(gate, "a", size=0, max_output=1).warning(NOW) is not None
    store.mark("person:alice", RAISED_DAY, 2 * NANO)
    store.calls.clear()
    assert admit(gate, "b", size=0, max_output=1).warning(NOW) is None
    assert store.calls == ["hold"]


def test_raised_limit_holds_for_the_steps_of_an_answer() -> None:
    """Also where it is raised while the answer is written."""
    store = Calls()
    gate = budgets(ONE_DAY, store)
    charge = admit(gate)
    spend_usd(gate, 0.8)
    store.mark("person:alice", RAISED_DAY, 2 * NANO)
    store.calls.clear()
    for output in (HELD_OUTPUT, HELD_OUTPUT + STEP, HELD_OUTPUT + 3 * STEP):
        observe(charge, Tokens(10_000, output=output), NOW)
    assert store.calls == ["change", "change", "change", "change"]
    assert used(gate) > NANO


def test_raise_that_is_not_enough_is_named_in_the_refusal() -> None:
    gate = budgets(ONE_DAY, store := Calls())
    spend_usd(gate, 1)
    store.mark("person:alice", RAISED_DAY, NANO + 10)
    store.calls.clear()
    assert "This request may take" in refused(gate).message
    assert store.calls == ["hold", "hold", "hold"]  # with the raise, then for one step
    store.mark("person:alice", RAISED_DAY, NANO - 10)
    assert "of $1.00 are used" in refused(gate).message


def test_raise_ends_with_its_window() -> None:
    gate = budgets(ONE_DAY, store := Calls())
    store.mark("person:alice", "raise.usd_day.2026-11-27", 2 * NANO)
    spend_usd(gate, 1)
    assert "$1.00 of $1.00 are used" in refused(gate).message


def test_raise_opens_nothing_to_a_revoked_token() -> None:
    gate = budgets(ONE_DAY, store := Calls())
    spend_usd(gate, 1)
    store.mark("person:alice", RAISED_DAY, 9 * NANO)
    store.mark("person:alice", "revoked.t1", 1)
    store.calls.clear()
    assert isinstance(refused(gate), BadToken)
    assert store.calls == ["hold"]


def test_raise_of_a_group_leaves_the_persons_limit() -> None:
    text = "[plans.standard]\nusd_per_day = 1\n[groups.core]\nusd_per_day = 0.5"
    gate = budgets(text, store := Calls())
    spend_usd(gate, 0.5)
    assert "group core" in refused(gate).message
    store.mark("group:core", RAISED_DAY, 9 * NANO)
    admit(gate, "c").settle(NOW)
    spend_usd(gate, 0.5)
    assert "group core" not in refused(gate, "d").message

"""proxy/team/holds.py and budget.py: one request's money, from admission to settlement, and the
bound that is stated there."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from proxy.payers import Counting
from proxy.team import counters, money, plans
from proxy.team.breaker import DOWN_SECONDS
from proxy.team.budget import Budgets, Charge
from proxy.team.holds import HELD_OUTPUT, HOLD_SECONDS, STEP, Request, Spent
from proxy.team.money import NANO
from proxy.team.refusals import BudgetError
from proxy.team.stores import Hold, Outcome, Store, StoreError, Usage
from proxy.team.stores.sqlite import IN_MEMORY, SqliteStore
from proxy.team.tokens import BadToken, Token
from tests.team_clock import Clock
from tests.team_stores import closing, still_breakers
from translate import ApiError
from translate.models import Tokens, find

NOW = int(datetime(2026, 11, 28, 18, 43, 12, tzinfo=UTC).timestamp())
DAY = "2026-11-28"
NEON, HYDROGEN = find("gemini-4-neon"), find("gemini-4-hydrogen")
ALICE = Token(("t1",), "alice", "standard", NOW - 60, NOW + 999, "core")
CI = Token(("t1", "ci"), "alice", "standard", NOW - 60, NOW + 999, "core", (("gemini-*",),))
PLANS = """
zone = "Europe/Berlin"
contact = "Ask Bob."
[plans.standard]
models = ["gemini-4-*", "claude-*"]
requests_per_minute = 3
open_streams = 2
usd_per_day = 1
usd_per_month = 5
[plans.tokens]
tokens_per_day = 20_000
[plans.closed]
usd_per_day = 0
[groups.core]
usd_per_week = 10
[groups.poor]
usd_per_week = 0.5
"""
FEW_LIMITS = """
[plans.standard]
usd_per_day = 1
[groups.core]
"""
OUTPUT = 15_000
"""Nano-US$ for a token of Neon's output; an input costs 3,000, from the cache 150."""


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from closing(monkeypatch)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Of breakers."""
    monkeypatch.setattr("proxy.clock.now", lambda: NOW)
    return still_breakers(monkeypatch)


def budgets(text: str = PLANS, store: Store | None = None, *, serves: bool = True) -> Budgets:
    return Budgets(plans.parse(text, "plans.toml"), store, serves_when_down=serves)


def admit(
    gate: Budgets,
    name: str = "a",
    *,
    token: Token = ALICE,
    size: int = 30_000,
    max_output: int = 32_000,
    now: int = NOW,
) -> Charge:
    estimated = money.estimate_input((), size, NEON)
    request = Request(name, NEON, estimated, max_output, DAY, "main")
    return gate.admit(gate.member(token, now), request, now)


def observe(charge: Charge, tokens: Tokens, now: int, *, is_complete: bool = False) -> None:
    charge.observe([Spent(NEON, tokens, "main")], now, is_complete=is_complete)


def refused(gate: Budgets, name: str = "b", **more: object) -> ApiError:
    with pytest.raises(ApiError) as caught:
        admit(gate, name, **more)  # type: ignore[arg-type]
    return caught.value


def values(gate: Budgets, account: str = "person:alice") -> dict[str, int]:
    """Of its counters that are not 0."""
    return {name: value for name, value in gate.figures.read(account).items() if value}


def used(gate: Budgets) -> int:
    return values(gate).get("usd_day:2026-11-28", 0)


# --- The life of a hold ------------------------------------------------------------------------


def test_hold_is_input_at_full_price_and_some_output() -> None:
    gate = budgets()
    admit(gate)
    held = 10_000 * 3_000 + HELD_OUTPUT * OUTPUT
    assert values(gate) == {
        "requests:2026-11-28T18:43": 1,
        "streams": 1,
        "usd_day:2026-11-28": held,
        "usd_week:2026-W48": held,
        "usd_month:2026-11": held,
    }
    assert values(gate, "group:core") == {
        "usd_day:2026-11-28": held,
        "usd_week:2026-W48": held,
        "usd_month:2026-11": held,
    }


def test_hold_of_a_short_answer_is_no_larger() -> None:
    gate = budgets()
    admit(gate, max_output=100, size=0)
    assert used(gate) == 100 * OUTPUT


def test_hold_is_corrected_at_the_first_chunk() -> None:
    """Complaint 2: worst cases fill a budget with nothing spent."""
    gate = budgets()
    charge = admit(gate)
    observe(charge, Tokens(12_000, 11_000, 5), NOW + 2)
    assert used(gate) == 1_000 * 3_000 + 11_000 * 150 + HELD_OUTPUT * OUTPUT
    assert charge.hold.nano_usd == 1_000 * 3_000 + 11_000 * 150 + 5 * OUTPUT


def test_hold_is_extended_in_steps_ahead_of_the_answer() -> None:
    """Complaint 7: a long stream goes on after the money is gone."""
    gate = budgets()
    charge = admit(gate, size=0, max_output=20_000)
    for output, held in (
        (1, HELD_OUTPUT),
        (HELD_OUTPUT - STEP // 2, HELD_OUTPUT),
        (HELD_OUTPUT - STEP // 2 + 1, HELD_OUTPUT + STEP),
        (HELD_OUTPUT, HELD_OUTPUT + STEP),
        (17_000, 20_000),
        (19_999, 20_000),
    ):
        observe(charge, Tokens(1, 0, output), NOW + 2)
        assert used(gate) == 3_000 + held * OUTPUT, output


def test_hold_is_settled_by_what_was_reported_last() -> None:
    """Complaints 5, 6: a client that leaves pays what Google reported, neither nothing nor all."""
    gate = budgets()
    charge = admit(gate)
    observe(charge, Tokens(12_000, 11_000, 5), NOW + 2)
    observe(charge, Tokens(12_000, 11_000, 700), NOW + 3)
    cost = 1_000 * 3_000 + 11_000 * 150 + 700 * OUTPUT
    for _ in range(2):
        charge.settle(NOW + 4, is_error=True, ms=4_000)
    observe(charge, Tokens(99_000, 0, 999), NOW + 5)
    assert values(gate) == {
        "requests:2026-11-28T18:43": 1,
        "usd_day:2026-11-28": cost,
        "usd_week:2026-W48": cost,
        "usd_month:2026-11": cost,
    }
    saved = 11_000 * (3_000 - 150)
    row = Usage(
        DAY, "alice", "gemini-4-neon", "main", 1, 1, 12_000, 11_000, 700, cost, 0, saved, 4_000
    )
    assert gate._local.usage(DAY, DAY) == [row]


def test_every_attempt_that_was_billed_is_counted() -> None:
    """Complaint 17: retries, fallbacks and auto mode go through the same gate."""
    gate = budgets()
    charge = admit(gate)
    observe(charge, Tokens(12_000, 0, 5), NOW)
    first, second = Spent(NEON, Tokens(12_000, 0, 5), "main"), Tokens(1_000, 0, 10)
    charge.observe([first, Spent(HYDROGEN, second, "main")], NOW)
    assert used(gate) >= 12_000 * 3_000 + 5 * OUTPUT + 1_000 * 1_500 + 10 * 7_500
    judge = Spent(HYDROGEN, Tokens(100, 0, 1), "judge")
    charge.observe([first, judge, Spent(HYDROGEN, second, "main")], NOW)
    charge.settle(NOW)
    found = [(row.model, row.request_class, row.requests, row.nano_usd) for row in gate_rows(gate)]
    assert found == [
        ("gemini-4-hydrogen", "judge", 0, 100 * 1_500 + 7_500),
        ("gemini-4-hydrogen", "main", 1, 1_000 * 1_500 + 10 * 7_500),
        ("gemini-4-neon", "main", 0, 12_000 * 3_000 + 5 * OUTPUT),
    ]
    assert used(gate) == sum(row.nano_usd for row in gate_rows(gate))


def gate_rows(gate: Budgets) -> Sequence[Usage]:
    return gate._local.usage("", "9")


def test_request_that_was_never_answered_costs_nothing() -> None:
    gate = budgets()
    charge = admit(gate)
    charge.observe([Spent(NEON, Tokens(), "main"), Spent(HYDROGEN, Tokens(), "main")], NOW)
    charge.settle(NOW, is_error=True)
    assert used(gate) == 0
    assert [(row.requests, row.errors, row.nano_usd) for row in gate_rows(gate)] == [(1, 1, 0)]


def test_new_model_has_a_name_once_it_answers() -> None:
    gate, new = budgets(), replace(NEON, name="gemini-9-new")
    for name, tokens in (("a", Tokens()), ("b", Tokens(9))):
        admit(gate, name).settle(NOW, [Spent(new, tokens, "main")])
    assert [row.model for row in gate_rows(gate)] == ["", "gemini-9-new"]


def test_hold_is_renewed_while_the_answer_goes_on() -> None:
    gate = budgets()
    charge = admit(gate, size=0)
    now = NOW
    for _ in range(4):
        now += HOLD_SECONDS // 2 + 1
        observe(charge, Tokens(1, 0, 1), now)
        admit(gate, f"{now}", token=ALICE, size=0, max_output=1, now=now).settle(now)
        assert used(gate) == 3_000 + HELD_OUTPUT * OUTPUT


def test_windows_are_those_of_the_beginning() -> None:
    gate = budgets()
    late = int(datetime(2026, 11, 28, 22, 59, 59, tzinfo=UTC).timestamp())
    charge = admit(gate, now=late)
    observe(charge, Tokens(10, 0, 5), late + 3)
    charge.settle(late + 4)
    assert set(values(gate)) & {"usd_day:2026-11-28", "usd_day:2026-11-29"} == {
        "usd_day:2026-11-28"
    }
    assert admit(gate, "b", now=late + 5).hold.values["person:alice", "usd_day:2026-11-29"] > 0


# --- Refusals ----------------------------------------------------------------------------------


def spend(gate: Budgets, output: int, name: str = "spent", **more: object) -> None:
    """By one answer."""
    charge = admit(gate, name, size=0, max_output=1, **more)  # type: ignore[arg-type]
    observe(charge, Tokens(0, 0, output), NOW, is_complete=True)
    charge.settle(NOW)


def test_spent_budget_is_refused_for_good() -> None:
    """Complaints 15, 16: whose, which window, spent of limit, reset, whom to ask; at once."""
    gate = budgets()
    spend(gate, 68_000)
    error = refused(gate)
    assert (error.status, error.type, error.retry) == (429, "billing_error", False)
    assert error.message == (
        "spend limit reached · resets Nov 28 · $1.02 of $1.00 are used of alice's budget for this"
        " day (2026-11-28). It is reset on Sun 29 Nov at 00:00 Europe/Berlin, in 4 h 17 min. · Ask"
        " Bob."
    )
    assert error.headers() == {
        "x-should-retry": "false",
        "retry-after": "15408",
        "anthropic-ratelimit-unified-status": "rejected",
        "anthropic-ratelimit-unified-reset": "1795906800",
        "anthropic-ratelimit-unified-overage-reset": "1795906800",
        "anthropic-ratelimit-unified-overage-utilization": "1",
        "anthropic-ratelimit-unified-overage-surpassed-threshold": "1",
        "anthropic-ratelimit-unified-overage-period": "daily",
        "anthropic-ratelimit-unified-overage-disabled-reason": "org_spend_cap_reached",
    }
    assert error.body("req_1")["error"]["type"] == "billing_error"
    admit(gate, "tomorrow", now=NOW + 15_408)


def test_spent_budget_that_is_reset_last_is_named() -> None:
    gate = budgets()
    spend(gate, 400_000)
    message = refused(gate).message
    assert "$6.00 of $5.00 are used of alice's budget for this month (2026-11)" in message
    assert message.startswith("spend limit reached · resets Nov 30 · ")
    assert "in 2 d 4 h" in message


def test_spent_budget_of_a_group_is_named() -> None:
    gate = budgets()
    bob = Token(("t2",), "bob", "standard", NOW, NOW + 9, "poor")
    carol = Token(("t3",), "carol", "standard", NOW, NOW + 9, "poor")
    spend(gate, 40_000, token=bob)
    error = refused(gate, token=carol)
    assert (
        "$0.60 of $0.50 are used of group poor's budget for this week (2026-W48)" in error.message
    )
    headers = error.headers()
    assert headers["anthropic-ratelimit-unified-overage-scope"] == "group_pool"
    assert headers["anthropic-ratelimit-unified-overage-period"] == "weekly"


def test_budget_held_by_others_is_busy() -> None:
    """Complaint 2: nobody is refused as if money were spent that is only held."""
    gate = budgets()
    charges = [admit(gate, f"{number}", size=800_000, max_output=1) for number in range(1)]
    error = refused(gate, size=250_000)
    assert (error.status, error.type, error.retry) == (429, "rate_limit_error", None)
    assert error.headers() == {"retry-after": "5"}
    assert (
        "Answers that are under way hold the rest of alice's budget for this day" in error.message
    )
    observe(charges[0], Tokens(266_667, 266_000, 1), NOW + 1)
    admit(gate, "again", size=250_000, now=NOW + 60)


def test_request_that_is_too_large_for_the_rest() -> None:
    gate = budgets()
    spend(gate, 60_000)
    error = refused(gate, size=90_000)
    assert (error.status, error.type, error.retry) == (429, "billing_error", False)
    assert error.message == (
        "This request may take $0.15, and $0.10 are left. $0.90 of $1.00 are used of alice's budget"
        " for this day (2026-11-28). It is reset on Sun 29 Nov at 00:00 Europe/Berlin, in 4 h 17"
        " min. Shorten the conversation (/compact), or use a model that costs less. Ask Bob."
    )
    assert "anthropic-ratelimit-unified-status" not in error.headers()


def test_request_is_admitted_with_one_step_of_output() -> None:
    gate = budgets()
    spend(gate, 60_000)
    admit(gate, "small", size=30_000, max_output=32_000)
    assert used(gate) == 60_000 * OUTPUT + 10_000 * 3_000 + STEP * OUTPUT


def test_budget_of_tokens_is_spent_too() -> None:
    gate = budgets()
    bob = Token(("t2",), "bob", "tokens", NOW, NOW + 9)
    charge = admit(gate, token=bob, size=0)
    observe(charge, Tokens(20_001, 0, 1), NOW, is_complete=True)
    charge.settle(NOW)
    message = refused(gate, token=bob).message
    assert "20,002 tokens of 20,000 tokens are used of bob's budget for this day" in message


def test_budget_of_nothing_is_spent() -> None:
    gate = budgets()
    assert refused(gate, token=Token(("t2",), "bob", "closed", NOW, NOW + 9)).retry is False


def test_too_many_requests_are_waited_for() -> None:
    gate = budgets()
    for number in range(3):
        admit(gate, f"{number}").settle(NOW)
    error = refused(gate)
    assert (error.type, error.retry, error.retry_after) == ("rate_limit_error", None, 48)
    assert error.message == "alice: more than 3 requests in this minute (plan standard)."
    admit(gate, "next", now=NOW + 48)


def test_too_many_streams_are_waited_for() -> None:
    gate = budgets()
    charges = [admit(gate, f"{number}", size=0, max_output=1) for number in range(2)]
    error = refused(gate)
    assert (error.type, error.retry, error.retry_after) == ("rate_limit_error", None, 5)
    assert error.message == "alice: more than 2 answers at once (plan standard)."
    charges[0].settle(NOW)
    admit(gate, "next")


def test_refused_request_uses_nothing_up() -> None:
    gate = budgets()
    charges = [admit(gate, f"{number}", size=0, max_output=1) for number in range(2)]
    for _ in range(5):
        refused(gate)
    charges[0].settle(NOW)
    admit(gate, "third of the minute")


# --- Tokens and models -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counter", "value"),
    [("revoked.t1", 1), ("revoked.ci", 1), ("revoked_before", NOW)],
)
def test_revoked_token_is_refused_everywhere(counter: str, value: int) -> None:
    """Complaint 12."""
    store = SqliteStore(IN_MEMORY)
    gate = budgets(store=store)
    gate.check_revoked(CI, NOW)
    store.mark("person:alice", counter, value)
    error = refused(gate, token=CI)
    assert (error.status, error.retry) == (401, False)
    assert error.message.startswith("The access token ci was revoked.")
    with pytest.raises(BadToken, match="ci was revoked"):
        gate.check_revoked(CI, NOW)
    assert values(gate).keys() == {counter}


def test_token_can_be_revoked_from_a_later_second() -> None:
    """A rotated token is good for a while: the mark is written once, and time does the rest."""
    store = SqliteStore(IN_MEMORY)
    gate = budgets(store=store)
    store.mark("person:alice", *counters.revocation("t1", NOW + 60, NOW))
    gate.check_revoked(CI, NOW + 59)
    admit(gate, token=CI)
    assert refused(gate, token=CI, now=NOW + 60).message.startswith("The access token ci was")
    with pytest.raises(BadToken, match="ci was revoked"):
        gate.check_revoked(CI, NOW + 60)
    store.mark("person:alice", *counters.revocation("t1", NOW, NOW))
    with pytest.raises(BadToken, match="ci was revoked"):
        gate.check_revoked(CI, NOW)


def test_revoked_person_gets_a_new_token() -> None:
    store = SqliteStore(IN_MEMORY)
    gate = budgets(store=store)
    store.mark("person:alice", "revoked_before", NOW)
    admit(gate, token=Token(("t9",), "alice", "standard", NOW, NOW + 9))
    budgets().check_revoked(ALICE, NOW)


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (Token(("t1",), "alice", "gone", NOW, NOW), "no plan 'gone', which the access token t1"),
        (Token(("t1",), "a", "standard", NOW, NOW, "x"), "no group 'x', which the access token t1"),
    ],
)
def test_token_of_a_plan_that_is_gone(token: Token, message: str) -> None:
    """Complaint 26: it does not mean a budget without limits."""
    with pytest.raises(BadToken, match=message):
        budgets().member(token, NOW)
    with pytest.raises(BadToken, match=r"names\.$"):
        budgets("[plans.b]\nopen_streams = 1").member(token, NOW)
    assert budgets("").member(token, NOW).allows("gemini-4-neon")


def test_model_outside_of_the_plan_is_a_404() -> None:
    gate = budgets()
    alice, ci = gate.member(ALICE, NOW), gate.member(CI, NOW)
    gate.check_model(alice, "claude-opus-5", "gemini-9")
    gate.check_model(ci, "gemini-4-neon")
    assert ci.allows("gemini-4-neon")
    assert not ci.allows("claude-opus-5")
    for member, name, message in (
        (
            alice,
            "gemini-3.8-flash",
            "model: gemini-3.8-flash is not in the plan 'standard'. Ask Bob.",
        ),
        (ci, "claude-opus-5", "model: the access token ci was made for other models than claude-"),
    ):
        with pytest.raises(ApiError) as caught:
            gate.check_model(member, name)
        assert caught.value.status == 404
        assert caught.value.message.startswith(message)


# --- A store that is down ----------------------------------------------------------------------


class Faulty(SqliteStore):
    """down: verbs that fail, as names; "answer" where "hold" has been done, and only its answer is
    lost."""

    def __init__(self) -> None:
        super().__init__(IN_MEMORY)
        self.is_shared = True
        self.down: set[str] = set()
        self.calls: list[str] = []

    def _fail(self, verb: str) -> None:
        self.calls.append(verb)
        if verb in self.down:
            raise StoreError(f"{verb} failed")

    def hold(self, hold: Hold, now: int) -> Outcome:
        if "answer" in self.down:
            super().hold(hold, now)
        self._fail("hold")
        return super().hold(hold, now)

    def change(self, hold: Hold, now: int) -> Outcome:
        self._fail("change")
        return super().change(hold, now)

    def settle(self, hold: Hold, now: int) -> None:
        self._fail("settle")
        super().settle(hold, now)

    def read(self, account: str) -> Mapping[str, int]:
        self._fail("read")
        return super().read(account)

    def check(self) -> None:
        self._fail("check")


def test_store_down_is_served_and_counted_here(clock: Clock) -> None:
    """Complaint 13: never a 401; it recovers by itself, and what was used meanwhile is counted."""
    store = Faulty()
    gate = budgets(FEW_LIMITS, store)
    assert gate.counting is Counting.SHARED
    store.down = {"hold", "check"}
    charge = admit(gate, "a", size=0)
    assert gate.counting is Counting.STORE_DOWN
    refused(gate, "too large", size=3_000_000)
    assert store.calls == ["hold"], "a store that failed is left alone for a while"
    observe(charge, Tokens(0, 0, 40_000), NOW, is_complete=True)
    charge.settle(NOW)
    retry(gate)
    assert gate.counting is Counting.STORE_DOWN
    store.down = set()
    retry(gate)
    assert gate.counting is Counting.SHARED
    assert used(gate) == 40_000 * OUTPUT
    assert "used of alice's" in refused(gate, "c", size=1_500_000).message


def test_store_that_is_back_is_found_by_a_request(clock: Clock) -> None:
    store = Faulty()
    gate = budgets(FEW_LIMITS, store)
    store.down = {"hold"}
    admit(gate, "a")
    store.down = set()
    clock.sleep(DOWN_SECONDS)
    admit(gate, "b")
    assert gate.counting is Counting.SHARED


def test_store_down_is_refused_where_that_is_set(clock: Clock) -> None:
    store = Faulty()
    gate = budgets(FEW_LIMITS, store, serves=False)
    store.down = {"hold"}
    for _ in range(2):
        error = refused(gate)
        assert (error.status, error.type, error.retry) == (429, "billing_error", False)
        assert error.headers() == {
            "x-should-retry": "false",
            "anthropic-ratelimit-unified-overage-disabled-reason": "fetch_error",
        }
    assert gate.counting is Counting.REFUSING
    store.down = set()
    clock.sleep(DOWN_SECONDS)
    admit(gate)


@pytest.mark.parametrize("serves", [False, True])
def test_request_refused_in_an_outage_holds_nothing(clock: Clock, serves: bool) -> None:
    """The store has done what it was asked, and was too slow to say so. What it was not asked for
    has nothing to give back."""
    store = Faulty()
    gate = budgets(FEW_LIMITS, store, serves=serves)
    store.down = {"hold"}
    if serves:  # fills the limits here
        admit(gate, "a", size=800_000)
        clock.sleep(DOWN_SECONDS)
    store.down = {"hold", "answer"}
    for name in "bcd":
        refused(gate, name, size=800_000)
    assert used(gate) > 0
    store.down = set()
    retry(gate)
    assert values(gate) == {}
    assert store.usage("", "9") == []
    assert store.calls.count("settle") == 1


def test_store_down_ends_no_answer() -> None:
    store = Faulty()
    gate = budgets(FEW_LIMITS, store)
    charge = admit(gate, size=0)
    store.down = {"change", "settle"}
    for second, output in enumerate((1, 9_000, 30_000)):
        observe(charge, Tokens(1, 0, output), NOW + second)
    charge.settle(NOW + 3)
    assert store.calls == ["hold", "change"], "no answer waits twice for a store that is down"
    assert used(gate) == HELD_OUTPUT * OUTPUT, "what waits is held"
    store.down = set()
    retry(gate)
    assert used(gate) == 3_000 + 30_000 * OUTPUT


def test_store_down_revokes_nothing(clock: Clock) -> None:
    store = Faulty()
    gate = budgets(FEW_LIMITS, store)
    store.mark("person:alice", "revoked.t1", 1)
    store.down = {"read"}
    gate.check_revoked(ALICE, NOW)
    store.down = set()
    gate.check_revoked(ALICE, NOW)
    assert store.calls == ["read"]
    clock.sleep(DOWN_SECONDS)
    with pytest.raises(BadToken):
        gate.check_revoked(ALICE, NOW)


def retry(gate: Budgets) -> None:
    """What a thread does now and then."""
    assert gate._store is not None
    gate._store.retry()


# --- The bound ---------------------------------------------------------------------------------


def stream(charge: Charge) -> None:
    """An answer of 32,000 tokens, a second for each thousand."""
    for second in range(1, 33):
        observe(charge, Tokens(0, 0, 1_000 * second), NOW + second)


def test_answer_is_cut_one_step_behind_its_hold() -> None:
    """Complaint 7."""
    gate = budgets()
    charge = admit(gate, size=0)
    spend(gate, 50_000)
    with pytest.raises(BudgetError, match="alice's budget for this day") as caught:
        stream(charge)
    assert caught.value.type == "billing_error"
    charge.settle(NOW + 99)
    assert NANO < used(gate) <= NANO + STEP * OUTPUT + 1_000 * OUTPUT


def test_answer_that_is_complete_is_never_cut() -> None:
    gate = budgets()
    charge = admit(gate, size=0)
    observe(charge, Tokens(0, 0, 200_000), NOW, is_complete=True)
    charge.settle(NOW)
    assert used(gate) == 200_000 * OUTPUT


def test_answer_waits_for_the_holds_of_others() -> None:
    """It goes on for a step; when another's hold is corrected, it has room again."""
    gate = budgets()
    other = admit(gate, "other", size=750_000, max_output=1)
    charge = admit(gate, size=0, max_output=32_000)
    observe(charge, Tokens(0, 0, 7_000), NOW + 1)
    assert used(gate) < NANO
    observe(charge, Tokens(0, 0, 11_000), NOW + 2)
    observe(other, Tokens(250_000, 250_000, 1), NOW + 2)
    observe(charge, Tokens(0, 0, 16_000), NOW + 3)
    assert used(gate) > 16_000 * OUTPUT


PEOPLE, STREAMS, CHUNK = 5, 8, 900
USD = {"person": 2 * NANO, "group": 6 * NANO}
TEAM_PLANS = """
[plans.p]
usd_per_day = 2
[groups.g]
usd_per_day = 6
"""


class Running:
    """An answer that Gemini gives: so much input, cached or not, and output chunk by chunk."""

    def __init__(self, charge: Charge, prompt: int, cached: int) -> None:
        self.charge = charge
        self.prompt = prompt
        self.cached = cached
        self.output = 0


class Team:
    """Sends, reads and leaves at random. real: what Google has counted, of people and the group."""

    def __init__(self, gate: Budgets, seed: int) -> None:
        self.dice = random.Random(seed)
        self.gate = gate
        self.tokens = [Token((f"t{n}",), f"p{n}", "p", 0, NOW + 9, "g") for n in range(PEOPLE)]
        self.running: dict[str, list[Running]] = {each.person: [] for each in self.tokens}
        self.real: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()

    def act(self, number: int, now: int) -> None:
        token = self.dice.choice(self.tokens)
        own = self.running[token.person]
        if len(own) < STREAMS and self.dice.random() < 0.3:
            self.send(token, f"r{number}", now)
        elif own:
            self.read(token.person, self.dice.choice(own), now)

    def send(self, token: Token, name: str, now: int) -> None:
        size = self.dice.randrange(3_000, 300_000)
        try:
            charge = admit(self.gate, name, token=token, size=size, now=now)
        except BudgetError as error:
            is_spent = error.message.startswith("spend limit reached")
            self.refusals["spent" if is_spent else "other"] += 1
            of_group = "group g's" in error.message
            spent = self.real["g" if of_group else token.person]
            assert not is_spent or spent >= USD["group" if of_group else "person"]
            return
        prompt = size // self.dice.randint(3, 5)
        self.running[token.person].append(Running(charge, prompt, self.dice.choice([0, prompt])))

    def read(self, person: str, answer: Running, now: int) -> None:
        answer.output += self.dice.randrange(CHUNK)
        before = answer.charge.hold.nano_usd
        ends = self.dice.random() < 0.05
        try:
            observe(answer.charge, Tokens(answer.prompt, answer.cached, answer.output), now)
        except BudgetError:
            ends = True
        for who in (person, "g"):
            self.real[who] += answer.charge.hold.nano_usd - before
        if ends:
            answer.charge.settle(now)
            self.running[person].remove(answer)


@pytest.mark.parametrize("seed", range(6))
def test_money_stays_within_the_stated_bound(seed: int) -> None:
    """Limit + open streams x one step (and one chunk), for people and their group, whatever they
    send, leave or lose; and nobody is refused as spent while it is not."""
    gate = budgets(TEAM_PLANS)
    team = Team(gate, seed)
    for number in range(3_000):
        team.act(number, NOW + number // 3)
    for person, answers in team.running.items():
        step = (STEP + CHUNK) * OUTPUT
        assert team.real[person] <= USD["person"] + STREAMS * step
        for answer in answers:
            answer.charge.settle(NOW + 1_000)
    assert 5 * NANO < team.real["g"] <= USD["group"] + PEOPLE * STREAMS * step
    assert team.refusals["spent"] > 100
    assert values(gate, "group:g")["usd_day:2026-11-28"] == team.real["g"]
    assert sum(row.nano_usd for row in gate_rows(gate)) == team.real["g"]
    assert "streams" not in values(gate, "group:g")


def test_tables_of_counters_and_refusals_agree() -> None:
    assert {kind.limit for kind in counters.KINDS.values()} == set(plans.LIMITS)
    for kind in counters.KINDS.values():
        assert kind.is_money is (kind.limit in plans.MONEY)
    assert money.NANO_PER_TOKEN * 1_000_000 == NANO

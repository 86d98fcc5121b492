"""How a refusal reads: whose budget, how much of it, until when, whom to ask; and what the client
does about it.

Claude Code prints the message of a 429 with `x-should-retry: false` at once; without that header it
waits as `retry-after` says and tries again. In a message that begins "spend limit reached · resets
Dec 1" it puts the reader's own time for the day, which has to be UTC's (2.1.330, seen 2026-11-28).
For its meter's headers see client_budget.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo

from translate import ApiError

from . import client_budget, counters
from .money import dollars
from .plans import Plans
from .stores import Refusal, kind_of
from .tokens import BadToken
from .windows import Period

BUSY_SECONDS = 5
"""For `retry-after` where the money is held by answers under way: a hold is corrected as soon as
Gemini begins to answer."""

STREAM_SECONDS = 5
"""For `retry-after` where too many answers are under way: one ends every few seconds."""

WORDS = {Period.DAY: "day", Period.WEEK: "week", Period.MONTH: "month"}

REVOKED = "The access token {} was revoked. Get a new one from whoever runs this server."
NO_PLAN = "This server's plan file has no {} {!r}, which the access token {} names.{}"
NO_MODEL = "model: {} is not in the plan {!r}.{}"
RESTRICTED = "model: the access token {} was made for other models than {}."
DOWN = "spend limit unavailable · This server cannot read who has used how much. Try again later."


class BudgetError(ApiError):
    """A request that a plan does not allow now. more_headers: for the client's display."""

    def __init__(
        self,
        message: str,
        *,
        is_final: bool,
        retry_after: int | None = None,
        more_headers: Mapping[str, str] | None = None,
    ) -> None:
        retry = False if is_final else None
        super().__init__(429, message, retry=retry, retry_after=retry_after)
        if is_final:
            self.type = "billing_error"
        self._more_headers = dict(more_headers or {})

    def headers(self) -> dict[str, str]:
        return {**super().headers(), **self._more_headers}


def store_down() -> BudgetError:
    """With PROXY_STORE_DOWN=refuse."""
    return BudgetError(DOWN, is_final=True, more_headers=client_budget.unreadable_headers())


def explain(
    refusals: Sequence[Refusal], token_id: str, plan: str, plans: Plans, now: int
) -> ApiError:
    """The one of several refusals that counts: what is final before what passes, and of the spent
    budgets the one that is reset last."""
    if any(counters.is_mark(each.entry) for each in refusals):
        return BadToken(REVOKED.format(token_id))
    return _Explanation(plan, plans, now).choose(refusals)


def warn(budget: Refusal, share: float, plan: str, plans: Plans, now: int) -> str:
    """That so much of a budget is used, for who still has some of it."""
    return _Explanation(plan, plans, now).warn(budget, share)


class _Explanation:
    """Of the refusals of one request, which came `now`."""

    def __init__(self, plan: str, plans: Plans, now: int) -> None:
        self._plan = plan
        self._zone = plans.zone
        self._contact = plans.contact
        self._now = now

    def choose(self, refusals: Sequence[Refusal]) -> BudgetError:
        budgets = [each for each in refusals if counters.is_budget(each.entry)]
        for is_it, explain in ((is_spent, self._spent), (is_too_large, self._too_large)):
            if found := [each for each in budgets if is_it(each)]:
                return explain(max(found, key=self._ends))
        for each in refusals:
            if kind_of(each.entry.counter) == "requests":
                return self._too_many_requests(each)
        for each in refusals:
            if kind_of(each.entry.counter) == "streams":
                return self._too_many_streams(each)
        return self._busy(max(budgets, key=self._ends))

    def _ends(self, refusal: Refusal) -> int:
        return counters.window(refusal.entry, self._now, self._zone).ends

    def _spent(self, refusal: Refusal) -> BudgetError:
        ends = self._ends(refusal)
        day = datetime.fromtimestamp(ends, UTC)
        sentence = f"{self._used(refusal)} It is reset {moment(ends, self._now, self._zone)}."
        parts = ["spend limit reached", f"resets {day:%b} {day.day}", sentence, self._contact]
        return BudgetError(
            " · ".join(filter(None, parts)),
            is_final=True,
            retry_after=ends - self._now,
            more_headers=client_budget.spent_headers(client_budget.to_cap(refusal, ends)),
        )

    def warn(self, budget: Refusal, share: float) -> str:
        ends = moment(self._ends(budget), self._now, self._zone)
        return f"{int(100 * share)}%: {self._used(budget)} It is reset {ends}."

    def _too_large(self, refusal: Refusal) -> BudgetError:
        entry = refusal.entry
        left = (entry.limit or 0) - (refusal.value - refusal.held)
        return BudgetError(
            f"This request may take {amount(refusal, entry.amount)}, and"
            f" {amount(refusal, left)} are left. {self._used(refusal)} It is reset"
            f" {moment(self._ends(refusal), self._now, self._zone)}. Shorten the conversation"
            f" (/compact), or use a model that costs less.{self._contact and f' {self._contact}'}",
            is_final=True,
        )

    def _busy(self, refusal: Refusal) -> BudgetError:
        return BudgetError(
            f"Answers that are under way hold the rest of {self._owner(refusal)}"
            f" ({amount(refusal, refusal.held)}). Try again in a few seconds.",
            is_final=False,
            retry_after=BUSY_SECONDS,
        )

    def _too_many_requests(self, refusal: Refusal) -> BudgetError:
        return BudgetError(
            f"{self._who(refusal)}: more than {refusal.entry.limit} requests in this minute"
            f" (plan {self._plan}).",
            is_final=False,
            retry_after=self._ends(refusal) - self._now,
        )

    def _too_many_streams(self, refusal: Refusal) -> BudgetError:
        return BudgetError(
            f"{self._who(refusal)}: more than {refusal.entry.limit} answers at once"
            f" (plan {self._plan}).",
            is_final=False,
            retry_after=STREAM_SECONDS,
        )

    def _used(self, refusal: Refusal) -> str:
        """How much of what."""
        entry = refusal.entry
        used, limit = amount(refusal, refusal.value - refusal.held), amount(refusal, entry.limit)
        return f"{used} of {limit} are used of {self._owner(refusal)}."

    def _owner(self, refusal: Refusal) -> str:
        """Whose, and in which window."""
        period = counters.kind(refusal.entry).period or Period.DAY
        name = counters.window(refusal.entry, self._now, self._zone).name
        return f"{self._who(refusal)}'s budget for this {WORDS[period]} ({name})"

    def _who(self, refusal: Refusal) -> str:
        account = refusal.entry.account
        if account.startswith(counters.GROUP):
            return f"group {account.removeprefix(counters.GROUP)}"
        return account.removeprefix(counters.PERSON)


def is_spent(refusal: Refusal) -> bool:
    """Whether a budget is used up, by what has really been used."""
    return refusal.value - refusal.held >= (refusal.entry.limit or 0)


def is_too_large(refusal: Refusal) -> bool:
    """Whether this request would not fit even if all open holds were given back."""
    entry = refusal.entry
    return refusal.value - refusal.held + entry.amount > (entry.limit or 0)


def amount(refusal: Refusal, value: int | None) -> str:
    """In the unit of a counter."""
    value = max(0, value or 0)
    return dollars(value) if counters.kind(refusal.entry).is_money else f"{value:,} tokens"


def moment(ends: int, now: int, zone: tzinfo) -> str:
    """When something is reset: in the plans' time zone, and how long that is from now."""
    local = datetime.fromtimestamp(ends, zone)
    hours, minutes = divmod((ends - now + 59) // 60, 60)
    days, hours = divmod(hours, 24)
    left = f"{days} d {hours} h" if days else f"{hours} h {minutes} min"
    return f"on {local:%a} {local.day} {local:%b} at {local:%H:%M} {zone}, in {left}"

"""The one gate for all that costs: who may ask for a model, and whether there is money for it.

Where a store is down, requests are served and counted here until it is back, or refused, as
PROXY_STORE_DOWN says; what was counted here is then counted there. Without a store each instance
counts for itself.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace

from translate import ApiError

from ..payers import Counting
from . import client_budget, counters, refusals
from .breaker import Breaker, NotAskedError
from .holds import Member, Refused, Request, RequestHold, Spent, used_share, without_limits
from .overlap import Overlap
from .plans import Plan, Plans
from .stores import Hold, Holds, Store, StoreError, abandoned
from .stores import refusals as refusals_of
from .stores.sqlite import IN_MEMORY, SqliteStore
from .tokens import BadToken, Token

WARNING_SHARE = 0.75
"""Of a budget, from which its person is warned: that of Claude Code's first notice."""


class Budgets:
    """Of one process. store: None for none. serves_when_down, client_budget: see PROXY_STORE_DOWN
    and PROXY_CLIENT_BUDGET."""

    def __init__(
        self,
        plans: Plans,
        store: Store | None = None,
        *,
        serves_when_down: bool = True,
        client_budget: bool = False,
    ) -> None:
        self.plans = plans
        self.client_budget = client_budget
        self._local = SqliteStore(IN_MEMORY)
        self._store = None if store is None else Breaker(store)
        self._serves_when_down = serves_when_down
        self._overlap = Overlap()

    @property
    def counting(self) -> Counting:
        """Whether limits hold for all instances together, as far as known."""
        if self._store is None or not self._store.store.is_shared:
            return Counting.PER_INSTANCE
        if not self._store.error:
            return Counting.SHARED
        return Counting.STORE_DOWN if self._serves_when_down else Counting.REFUSING

    @property
    def figures(self) -> Store:
        """Where is counted while all is well: the store, or without one this process."""
        return self._local if self._store is None else self._store.store

    def member(self, token: Token, now: int) -> Member:
        """Who presents a token. Raises BadToken where the plan file does not have its plan."""
        if not self.plans.plans:
            return Member(token, Plan())
        plan = self.plans.of_person(token.person, token.plan, now)
        group = self.plans.of_group(token.group, now) if token.group else None
        for kind, name, found in (("plan", token.plan, plan), ("group", token.group, group)):
            if name and found is None:
                text = refusals.NO_PLAN.format(kind, name, token.id, self._contact)
                raise BadToken(text)
        assert plan is not None
        return Member(token, plan, group)

    def check_model(self, member: Member, name: str, *others: str) -> None:
        """Raises ApiError 404, whose "model:" has Claude Code use its --fallback-model. others: the
        same model's other names."""
        if not member.plan.allows(name, *others):
            text = refusals.NO_MODEL.format(name, member.token.plan, self._contact)
            raise ApiError(404, text)
        if not member.token.allows(name, *others):
            raise ApiError(404, refusals.RESTRICTED.format(member.token.id, name))

    def check_revoked(self, token: Token, now: int) -> None:
        """For what costs nothing. Raises BadToken; a store that is down revokes nothing."""
        if self._store is None:
            return
        account = f"{counters.PERSON}{token.person}"
        try:
            found = self._store.read(account)
        except StoreError:
            return
        values = {(account, name): value for name, value in found.items()}
        if refusals_of(counters.marks(token, now), values, {}):
            raise BadToken(refusals.REVOKED.format(token.id))

    def admit(
        self, member: Member, request: Request, now: int, *, is_stream: bool = False
    ) -> Charge:
        """Hold the money for a request. Raises ApiError: BudgetError, or BadToken for a token that
        was revoked. For a stream it may still be on its way (overlap.py): wait for the charge."""
        hold = RequestHold(member, request, now, self.plans.zone)
        write = functools.partial(self._admit, hold, now)
        store = self._store
        if is_stream and store is not None and store.store.is_remote and not store.error:
            pending = self._overlap.start(hold.wanted(now), write, now)
            if pending is not None:
                return Charge(self, hold, pending=pending)
        return Charge(self, hold, write())

    def explain(self, error: Refused, member: Member, now: int) -> ApiError:
        token = member.token
        return refusals.explain(error.refusals, token.id, token.plan, self.plans, now)

    def _admit(self, hold: RequestHold, now: int) -> Holds:
        """The store that has taken it. Raises ApiError."""
        try:
            return self._hold(hold, now)
        except Refused as error:
            raise self.explain(error, hold.member, now) from None

    def _hold(self, hold: RequestHold, now: int) -> Holds:
        """Raises Refused, ApiError."""
        store = self._store
        if store is None:
            hold.admit(self._local, now)
            return self._local
        try:
            self._hold_in(store, hold, now)
            return store
        except StoreError as error:
            may_be_held = not isinstance(error, NotAskedError)
        try:
            if not self._serves_when_down:
                raise refusals.store_down()
            hold.admit(self._local, now)
            return self._local
        except (ApiError, Refused):
            if may_be_held:  # nobody settles it otherwise, and it fills the person's limits
                store.settle_later(hold.nothing(now))
            raise

    def _hold_in(self, store: Breaker, hold: RequestHold, now: int) -> None:
        """Raises Refused, StoreError."""
        try:
            hold.admit(store, now)
        except Refused as error:
            if store.store.is_remote:
                values = {each.key: each.value for each in error.refusals}
                self._overlap.note(values, now, refused=True)
            raise
        if store.store.is_remote:
            self._overlap.note(hold.values, now)

    def settle(self, settled: Hold, store: Holds, now: int) -> None:
        """store: that has the hold. Never raises: what cannot be settled now is settled later."""
        shared, is_settled = self._store, False
        with suppress(StoreError):
            store.settle(settled, now)
            is_settled = store is shared
        if shared is not None and not is_settled:
            to_hold = None if store is shared else without_limits(settled)
            shared.settle_later(settled, to_hold)

    def charge_refused(self, settled: Hold, now: int, *, is_estimated: bool) -> None:
        """For a request that was refused when it had been sent already: its cost, which no limit
        holds up. It is none of the requests a minute."""
        entries = tuple(each for each in settled.entries if counters.is_budget(each))
        usage = abandoned(settled.usage) if is_estimated else settled.usage
        settled = replace(settled, entries=entries, usage=usage)
        to_hold: Hold | None = without_limits(settled)
        assert self._store is not None  # where requests are sent before their hold is accepted
        try:
            self._store.hold(without_limits(settled), now)
            to_hold = None  # once settled, it would be held anew, and charged twice
            self._store.settle(settled, now)
        except StoreError:
            self._store.settle_later(settled, to_hold)

    @property
    def _contact(self) -> str:
        return f" {self.plans.contact}" if self.plans.contact else ""


class Charge:
    """What one request costs, for those who send it to Gemini. Settle it in any case.

    store: that has taken the hold; None where that is not known yet, or where it was refused when
    the request had been sent. pending: tells it.
    """

    def __init__(
        self,
        budgets: Budgets,
        hold: RequestHold,
        store: Holds | None = None,
        pending: Future[Holds] | None = None,
    ) -> None:
        self._budgets = budgets
        self._store = store
        self._pending = pending
        self.is_awaited = False
        self.hold = hold

    def wait(self) -> None:
        """Until the money is held: once, before anything of the answer is shown. Raises ApiError
        where it was refused."""
        pending, self._pending, self.is_awaited = self._pending, None, True
        try:
            if pending is not None:
                self._store = pending.result()
        finally:
            del pending  # an exception's traceback holds this frame, which would hold the exception

    def observe(self, spent: Sequence[Spent], now: int, *, is_complete: bool = False) -> None:
        """What Gemini has reported of all that was asked for this answer; the last is under way.
        Raises ApiError where the answer has to end for want of money; one that is complete does
        not. Wait first."""
        assert self._store is not None
        try:
            self.hold.observe(self._store, spent, now, is_complete=is_complete)
        except Refused as error:
            raise self._budgets.explain(error, self.hold.member, now) from None

    def warning(self, now: int) -> tuple[float, str] | None:
        """The used share of the budget that is fullest, and a sentence about it, from WARNING_SHARE
        on. Wait first."""
        budget = max(self.hold.budgets(), key=used_share, default=None)
        if budget is None or (share := used_share(budget)) < WARNING_SHARE:
            return None
        plan, plans = self.hold.member.token.plan, self._budgets.plans
        return share, refusals.warn(budget, share, plan, plans, now)

    def client_headers(self, now: int) -> dict[str, str]:
        """For the client's own meter, where it is switched on. Wait first."""
        if not self._budgets.client_budget:
            return {}
        zone = self._budgets.plans.zone
        return client_budget.answer_headers(
            [
                client_budget.to_cap(each, counters.window(each.entry, now, zone).ends)
                for each in self.hold.budgets()
                if counters.kind(each.entry).is_money
            ]
        )

    def settle(
        self, now: int, spent: Sequence[Spent] = (), *, is_error: bool = False, ms: int = 0
    ) -> None:
        """Once; what follows does nothing. Never raises. spent: as for `observe`, where something
        has been reported since."""
        with suppress(ApiError):
            self.wait()
        is_estimated = self._store is None and not any(any(each.tokens) for each in spent)
        if is_estimated:
            spent = [self.hold.estimated]
        settled = self.hold.settle(now, spent, is_error=is_error, ms=ms)
        if settled is None:
            return
        if self._store is None:
            self._budgets.charge_refused(settled, now, is_estimated=is_estimated)
        else:
            self._budgets.settle(settled, self._store, now)

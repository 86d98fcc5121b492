"""A person of a team, as the payer of one request: what is asked of Gemini is held, observed and
settled while the answer passes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from translate import ApiError

from .. import clock
from ..liveness import SILENCE
from ..payers import Items, Requests
from ..request_log import RequestLog
from . import money
from .budget import Budgets, Charge
from .holds import Member, Request, Spent

MESSAGE_STOP = "message_stop"

WARNING = "x-budget-warning"

JUDGE = "auto_mode"
"""The class of the requests of auto mode's judge."""


class MemberPayer:
    """See payers.py."""

    def __init__(self, budgets: Budgets, member: Member) -> None:
        self.budgets = budgets
        self.member = member

    @property
    def person(self) -> str:
        return self.member.token.person

    @property
    def plan(self) -> str:
        return self.member.token.plan

    def allows(self, *names: str) -> bool:
        return self.member.allows(*names)

    def check(self, *names: str) -> None:
        self.budgets.check_revoked(self.member.token, clock.now())
        if names:
            self.budgets.check_model(self.member, *names)

    def charged(self, items: Items, requests: Requests, log_entry: RequestLog, size: int) -> Items:
        charge = self._admit(requests, log_entry, size)
        is_error = False
        try:
            with contextlib.closing(items):
                for item in items:
                    if not charge.is_awaited:
                        _wait(charge, log_entry)
                    ends = item is not SILENCE and bool(item) and item[-1]["type"] == MESSAGE_STOP
                    spent = list(_spent(requests, log_entry))
                    if ends:
                        charge.settle(clock.now(), spent, ms=log_entry.elapsed())
                    yield item
                    charge.observe(spent, clock.now())
        except ApiError:
            is_error = True
            if not charge.is_awaited:
                _wait(charge, log_entry)  # a refusal comes before whatever Gemini has answered
            raise
        finally:
            spent = list(_spent(requests, log_entry))
            charge.settle(clock.now(), spent, is_error=is_error, ms=log_entry.elapsed())

    def _admit(self, requests: Requests, log_entry: RequestLog, size: int) -> Charge:
        translation = requests.translation
        model, request = translation.model, translation.request
        self.budgets.check_model(self.member, log_entry.model, model.name)
        config = request.get("generationConfig", {})
        order = Request(
            log_entry.request_id,
            model,
            money.estimate_input(request["contents"], size, model),
            config.get("maxOutputTokens", model.output),
            clock.today(),
            log_entry.request_class,
        )
        return self.budgets.admit(self.member, order, clock.now(), is_stream=log_entry.stream)


def _wait(charge: Charge, log_entry: RequestLog) -> None:
    """Until the money is held, and note what there is to say about it. Raises ApiError."""
    charge.wait()
    now = clock.now()
    log_entry.budget_headers = charge.client_headers(now)
    if warning := charge.warning(now):
        log_entry.budget = round(warning[0], 2)
        log_entry.budget_headers[WARNING] = warning[1]


def _spent(requests: Requests, log_entry: RequestLog) -> Iterator[Spent]:
    *earlier, current = requests.billed
    for each in earlier:
        yield Spent(each.model, each.tokens, log_entry.request_class)
    for each in requests.judged:
        yield Spent(each.model, each.tokens, JUDGE)
    yield Spent(current.model, current.tokens, log_entry.request_class)

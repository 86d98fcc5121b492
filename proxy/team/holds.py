"""The life of one request's money: held before, corrected as soon as Gemini has counted, extended
while the answer goes on, settled when it has ended, however it ends.

    ADMITTED     input at its full price, by its size, and up to HELD_OUTPUT tokens of output
    ANSWERING    input as Gemini counted it; output in steps of STEP tokens, ahead of what has come
    SETTLED      what Google reported last

The bound. What people of an account use together is at most its limit, and for each stream that
is open when the money ends one step of output, or one chunk where Gemini reports more at once; and
as far as an input has more tokens than its size let expect, those. For a hold is taken before the
request is sent, only while there is room; and an answer that is not granted the next step is ended
when it has used one more than it holds. What a store over a network adds: overlap.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import tzinfo
from enum import StrEnum
from typing import NamedTuple

from translate.models import TABLE, Model, Tokens

from . import counters, money
from .counters import GROUP, PERSON, Amounts, Line
from .plans import Limits, Plan
from .stores import Entry, Hold, Holds, Outcome, Refusal, StoreError, Usage
from .tokens import Token
from .windows import day_at

HELD_OUTPUT = 8_192
"""Tokens that are held at first, if the request may have so many: nearly all answers are shorter,
and a coding agent always asks for 32,000 or more, which would fill small budgets with nothing."""

STEP = 4_096
"""Tokens by which a hold is extended: US$ 0.03 to 0.08, and a write to the store for each minute or
half of it that an answer is written."""

AHEAD = STEP // 2
"""Tokens before the end of what is held, at which more is asked for: the answer does not wait."""

HOLD_SECONDS = 900
"""After which a hold that nobody has renewed is taken for abandoned: as long as Gemini may be
silent (PROXY_SILENCE_SECONDS). A request that ends later all the same is charged what it took."""

RETRY_SECONDS = 1
"""Between two attempts to extend a hold: those of others may have been corrected meanwhile."""


class State(StrEnum):
    """See above."""

    ADMITTED = "admitted"
    ANSWERING = "answering"
    SETTLED = "settled"


class Spent(NamedTuple):
    """By one request to Gemini."""

    model: Model
    tokens: Tokens
    request_class: str


class Request(NamedTuple):
    """What a request may cost. id: unique. input: tokens, as estimated. max_output: tokens,
    thoughts among them. day: on which prices are looked up. request_class: for the totals."""

    id: str
    model: Model
    input: int
    max_output: int
    day: str
    request_class: str = ""


class Member(NamedTuple):
    """Who is charged, and what they may. group: its limits, None for nobody of a group."""

    token: Token
    plan: Plan
    group: Limits | None = None

    def allows(self, *names: str) -> bool:
        """Whether one of a model's names is in the plan and in what the token was made for."""
        return self.plan.allows(*names) and self.token.allows(*names)


class Refused(Exception):
    """The store has no room."""

    def __init__(self, refusals: tuple[Refusal, ...]) -> None:
        super().__init__()
        self.refusals = refusals


class RequestHold:
    """Admit it before the request is sent, and settle it in any case. now: Unix seconds. zone: that
    of the plans."""

    def __init__(self, member: Member, request: Request, now: int, zone: tzinfo) -> None:
        self.member = member
        self.id = request.id
        self._request = request
        self._day = day_at(now, zone).isoformat()
        """For the totals."""
        self._plain_lines = tuple(_lines(member, now, zone))
        self._lines = self._plain_lines
        """With the limits that an operator has raised, as far as known."""
        self._state = State.ADMITTED
        self._input = request.input
        self._cached = 0
        self._output = min(request.max_output, HELD_OUTPUT)
        """Held; so are the other two."""
        self._reported = Spent(request.model, Tokens(), request.request_class)
        """By the request to Gemini that is under way."""
        self._earlier: list[Spent] = []
        """By those that are over."""
        self._held = Amounts()
        """By the store, as far as known."""
        self._ends = 0
        self._is_refused = False
        """What it wants to hold; it asks again at `_retry_at`."""
        self._retry_at = 0
        self.values: dict[tuple[str, str], int] = {}
        """Of its counters, when they were last written."""

    def admit(self, store: Holds, now: int) -> None:
        """Raises Refused, StoreError. Where the money is not enough for what is held otherwise, one
        step of output will do."""
        outcome = self._hold(store, now)
        if outcome.refusals and self._output > STEP and _concern_budgets(outcome):
            self._output = STEP
            outcome = self._hold(store, now)
        self._accept(outcome, now)

    def observe(
        self, store: Holds, spent: Sequence[Spent], now: int, *, is_complete: bool = False
    ) -> None:
        """What Gemini has reported of all that was asked for this answer; the last is under way.
        Raises Refused where the answer has to end here; one that is complete never has to."""
        if self._state is State.SETTLED:
            return
        *self._earlier, self._reported = spent
        tokens = self._reported.tokens
        is_first = self._state is State.ADMITTED and tokens.input > 0
        if is_first:
            self._state = State.ANSWERING
            self._input, self._cached = tokens.input, tokens.cached
        has_more = self._output < self._request.max_output
        is_due = has_more and tokens.output + AHEAD > self._output
        is_old = now > self._ends - HOLD_SECONDS // 2
        wants = is_first or is_due or is_old or self._is_refused
        if wants and not is_complete and now >= self._retry_at:
            self._change(store, now, extends=is_due)

    def _change(self, store: Holds, now: int, *, extends: bool) -> None:
        before = self._output
        if extends:
            steps = -(-(self._reported.tokens.output + AHEAD - before) // STEP)
            self._output = min(before + steps * STEP, self._request.max_output)
        try:
            outcome = store.change(self._to_hold(now), now)
            if self._has_raise(outcome):
                outcome = store.change(self._to_hold(now), now)
            self._accept(outcome, now)
        except (Refused, StoreError) as error:
            self._output = before
            self._is_refused = True
            self._retry_at = now + RETRY_SECONDS
            if isinstance(error, Refused) and self._is_beyond():
                raise

    def settle(
        self, now: int, spent: Sequence[Spent] = (), *, is_error: bool = False, ms: int = 0
    ) -> Hold | None:
        """The hold to settle, once; None after that. spent: see `observe`; empty where nothing has
        been reported since. ms: how long the request took."""
        if self._state is State.SETTLED:
            return None
        self._state = State.SETTLED
        if spent:
            *self._earlier, self._reported = spent
        self._input = self._cached = self._output = 0
        hold = self._to_hold(now)
        *others, last = hold.usage
        return replace(hold, usage=(*others, last._replace(errors=int(is_error), ms=ms)))

    def nothing(self, now: int) -> Hold:
        """By which all is given back, where a store may have it all the same."""
        entries = tuple(Entry(line.account, line.name, 0) for line in self._plain_lines)
        return Hold(self.id, entries, now + HOLD_SECONDS)

    def budgets(self) -> list[Refusal]:
        """Those of person and group that have a limit, as they were when this hold was last
        written, in the form of refusals."""
        entries = [line.entry(self._held) for line in self._lines if line.limit]
        return [
            Refusal(entry, self.values.get(entry.key, 0), entry.amount)
            for entry in entries
            if counters.is_budget(entry)
        ]

    @property
    def nano_usd(self) -> int:
        """By what is known."""
        return self._amounts().final_nano_usd

    @property
    def estimated(self) -> Spent:
        """Of a request that was sent in vain, and of which Gemini has reported nothing: its input,
        by its size."""
        return self._reported._replace(tokens=Tokens(self._request.input))

    def _hold(self, store: Holds, now: int) -> Outcome:
        outcome = store.hold(self.wanted(now), now)
        return store.hold(self.wanted(now), now) if self._has_raise(outcome) else outcome

    def wanted(self, now: int) -> Hold:
        """What is to be held at first: with the marks by which a token is revoked."""
        hold = self._to_hold(now)
        marks = tuple(counters.marks(self.member.token, now))
        return Hold(hold.id, (*marks, *hold.entries), hold.ends, hold.usage)

    def _has_raise(self, outcome: Outcome) -> bool:
        """Whether a refusal says of a budget that its limit has been raised: once more, then."""
        if not outcome.refusals or any(counters.is_mark(each.entry) for each in outcome.refusals):
            return False
        self._note_raises(outcome)
        limits = {(line.account, line.name): line.limit or 0 for line in self._lines}
        return any(limits[each.key] > (each.entry.limit or 0) for each in outcome.refusals)

    def _note_raises(self, outcome: Outcome) -> None:
        values = outcome.values
        self._lines = tuple(
            line.raised(values.get((line.account, line.raises), 0)) for line in self._plain_lines
        )

    def _accept(self, outcome: Outcome, now: int) -> None:
        if outcome.refusals:
            raise Refused(outcome.refusals)
        self._held = self._amounts()
        self._is_refused = False
        self._ends = now + HOLD_SECONDS
        self.values.update(outcome.values)
        self._note_raises(outcome)

    def _is_beyond(self) -> bool:
        """Whether the answer has used a step more than it holds."""
        step = money.cost(self._reported.model, self._request.day, Tokens(output=STEP))
        return self._amounts().final_nano_usd > self._held.nano_usd + step

    def _amounts(self) -> Amounts:
        day, (model, known, _) = self._request.day, self._reported
        held = Tokens(max(self._input, known.input), self._cached, max(self._output, known.output))
        earlier = sum(money.cost(each.model, day, each.tokens) for each in self._earlier)
        tokens = sum(each.tokens.input + each.tokens.output for each in self._earlier)
        return Amounts(
            earlier + money.cost(model, day, held),
            tokens + held.input + held.output,
            earlier + money.cost(model, day, known),
            tokens + known.input + known.output,
        )

    def _to_hold(self, now: int) -> Hold:
        amounts = self._amounts()
        entries = [line.entry(amounts) for line in self._lines]
        entries += [Entry(line.account, line.raises, 0) for line in self._lines if line.raises]
        return Hold(self.id, tuple(entries), now + HOLD_SECONDS, tuple(self._usage()))

    def _usage(self) -> Iterator[Usage]:
        """A row for each request to Gemini; the client's is counted in the last."""
        spent = [each for each in self._earlier if any(each.tokens)]
        spent.append(self._reported)
        for number, each in enumerate(spent, 1):
            yield Usage(
                self._day,
                self.member.token.person,
                _recorded_name(each),
                each.request_class,
                requests=int(number == len(spent)),
                input=each.tokens.input,
                cached=each.tokens.cached,
                output=each.tokens.output,
                nano_usd=money.cost(each.model, self._request.day, each.tokens),
                saved=money.saved(each.model, self._request.day, each.tokens),
            )


def used_share(budget: Refusal) -> float:
    """Of a budget that has a limit, what is used of it but for what is held."""
    return (budget.value - budget.held) / (budget.entry.limit or 1)


def _recorded_name(spent: Spent) -> str:
    """Of a model, for the totals; "" for a name that Gemini has not answered to. A client may make
    up as many as it likes, and each would be a row for good."""
    name = spent.model.name
    return name if name in TABLE or any(spent.tokens) else ""


def _lines(member: Member, now: int, zone: tzinfo) -> Iterator[Line]:
    """The counters of a request that began `now`: the person's first."""
    token = member.token
    yield from counters.lines(f"{PERSON}{token.person}", member.plan.limits, now, zone)
    if member.group is not None:
        yield from counters.lines(f"{GROUP}{token.group}", member.group, now, zone)


def _concern_budgets(outcome: Outcome) -> bool:
    """Whether less money or fewer tokens could help."""
    return all(counters.is_budget(each.entry) for each in outcome.refusals)


def without_limits(hold: Hold) -> Hold:
    """For what has been served already."""
    return replace(hold, entries=tuple(each._replace(limit=None) for each in hold.entries))

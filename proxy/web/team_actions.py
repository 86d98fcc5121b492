"""What an operator can have done on the page at `/team`: each action reads its fields, says what
will happen, and does it (team/acts.py).

The same fields stand in the query of the page that asks for a confirmation and in its form. A new
token's id is among them: a form that is sent twice makes one token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, NamedTuple, Protocol

from translate import ApiError

from ..team import acts
from ..team.counters import GROUP, PERSON, RAISED
from ..team.plans import NAME_FORM, read_limit
from ..team.token_registry import DAY_SECONDS, MAX_DAYS, ActError, Registry
from ..team.tokens import ID, NAME, Token

DAYS, GRACE_DAYS = 90, 7
"""Of a new token, and of an old one that is replaced, unless an operator says otherwise."""

MAX_GRACE_DAYS = 30
"""Time enough to carry a new token to where the old one is used; whoever needs more has two."""

NO_NAME = "{}: {}"
NO_ID = "{}: a token's id has letters, digits, - and _, 32 at most"
NO_COUNT = "{}: expected a number of days from {} to {:,}"
NO_LIMIT = "limit: expected one of {}"
NO_ACTION = "act: expected one of {}"
NO_TOKEN = "The store does not list the token {} of {}."
IS_MADE = (
    "The token {} was made already, and is shown only once. Who has not kept it revokes it and "
    "makes another."
)


class Done(NamedTuple):
    """token: the text of a new one, "" for none; made: what it says. sentence: what else."""

    token: str = ""
    made: Token | None = None
    sentence: str = ""


class Action(Protocol):
    """name: for the field `act`. title: a question. button: what answers it. done: what stands on
    the page afterwards; "" where that shows a new token. person: whose page it is."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def button(self) -> str: ...

    @property
    def done(self) -> str: ...

    @property
    def person(self) -> str: ...

    def describe(self, registry: Registry, now: int) -> Sequence[str]:
        """What will happen, in sentences. Raises ActError where it cannot, StoreError."""

    def perform(self, registry: Registry, by: str, now: int) -> Done:
        """Raises ActError, StoreError. by: who has confirmed it."""


@dataclass(frozen=True)
class Create:
    person: str
    plan: str
    group: str
    days: int
    new_id: str

    name: ClassVar = "create"
    button: ClassVar = "Make the token"
    done: ClassVar = ""

    @property
    def title(self) -> str:
        return f"A new token for {self.person}?"

    def describe(self, registry: Registry, now: int) -> Sequence[str]:
        token = self._token(now)
        acts.check_plan(registry, token)
        group = f", and in the budget of the group {self.group}" if self.group else ""
        found = [
            f"{self.person} can use this server by the plan {self.plan}{group}, until "
            f"{moment(token.expires, registry)}.",
            "The token is shown once, on the next page.",
        ]
        if self.person in registry.plans.operators:
            found.append(f"{self.person} is an operator: the token opens this page, too.")
        return found

    def perform(self, registry: Registry, by: str, now: int) -> Done:
        _check_new(registry, self.new_id)
        token = self._token(now)
        return Done(acts.issue(registry, token, by), token)

    def _token(self, now: int) -> Token:
        expires = now + self.days * DAY_SECONDS
        return Token((self.new_id,), self.person, self.plan, now, expires, self.group)


@dataclass(frozen=True)
class Rotate:
    person: str
    id: str
    grace: int
    new_id: str

    name: ClassVar = "rotate"
    button: ClassVar = "Replace the token"
    done: ClassVar = ""

    @property
    def title(self) -> str:
        return f"A new token in place of {self.id}?"

    def describe(self, registry: Registry, now: int) -> Sequence[str]:
        old = _find(registry, self.id, self.person)
        acts.check_plan(registry, old)
        acts.check_good(registry, old)
        when = f"from {moment(now + self._seconds, registry)} on" if self.grace else "at once"
        expires = moment(now + old.expires - old.issued, registry)
        return [
            f"{self.person} gets a token of the same plan ({old.plan}), until {expires}. It is "
            "shown once, on the next page.",
            f"The old one, {self.id}, and what is derived from it, are refused {when}.",
        ]

    def perform(self, registry: Registry, by: str, now: int) -> Done:
        _check_new(registry, self.new_id)
        old = _find(registry, self.id, self.person)
        new = acts.rotate(registry, old, by, now, identity=self.new_id, grace=self._seconds)
        when = f"from {moment(new.second, registry)} on" if self.grace else "now"
        return Done(new.text, new.token, f"The old one, {self.id}, is refused {when}.")

    @property
    def _seconds(self) -> int:
        return self.grace * DAY_SECONDS


@dataclass(frozen=True)
class Revoke:
    person: str
    id: str

    name: ClassVar = "revoke"
    button: ClassVar = "Revoke the token"
    done: ClassVar = "The token is revoked."

    @property
    def title(self) -> str:
        return f"Revoke the token {self.id} of {self.person}?"

    def describe(self, registry: Registry, now: int) -> Sequence[str]:
        _find(registry, self.id, self.person)
        return [
            "It, and what is derived from it, are refused from the next request on, on all "
            "instances. Answers under way are written to their end.",
            "This cannot be taken back: a new token can be made.",
        ]

    def perform(self, registry: Registry, by: str, now: int) -> Done:
        _find(registry, self.id, self.person)
        acts.revoke(registry, self.id, self.person, by, now)
        return Done()


@dataclass(frozen=True)
class RevokeAll:
    person: str

    name: ClassVar = "revoke-all"
    button: ClassVar = "Revoke all tokens"
    done: ClassVar = "All tokens that there were are revoked."

    @property
    def title(self) -> str:
        return f"Revoke all tokens of {self.person}?"

    def describe(self, registry: Registry, now: int) -> Sequence[str]:
        return [
            f"All tokens of {self.person} that exist now, listed or not, are refused from the next "
            "request on, on all instances. Answers under way are written to their end.",
            "This cannot be taken back: a new token can be made.",
        ]

    def perform(self, registry: Registry, by: str, now: int) -> Done:
        acts.revoke_before(registry, self.person, now + 1, by)
        return Done()


@dataclass(frozen=True)
class Raise:
    """person, group: one of them, the other is "". limit: a field of RAISED. value: as typed."""

    person: str
    group: str
    limit: str
    value: str

    name: ClassVar = "raise"
    button: ClassVar = "Set the limit"
    done: ClassVar = "The limit is set."

    @property
    def title(self) -> str:
        return f"Set the limit of {self._whose} for now?"

    def describe(self, registry: Registry, now: int) -> Sequence[str]:
        window = acts.check_raise(registry, self._account, self.limit, self._amount, now)
        until = moment(window.ends, registry)
        if not self._amount:
            return [f"{self._whose}: {self.limit} is that of the plan again, from now on."]
        shown = acts.amount(self.limit, self._amount)
        return [
            f"{self._whose}: {self.limit} is {shown} until {until}, then that of the plan again.",
            "It holds from the next request on, on all instances.",
        ]

    def perform(self, registry: Registry, by: str, now: int) -> Done:
        acts.raise_limit(registry, self._account, self.limit, self._amount, by, now)
        return Done()

    @property
    def _whose(self) -> str:
        return self.person or f"group {self.group}"

    @property
    def _account(self) -> str:
        return f"{PERSON}{self.person}" if self.person else f"{GROUP}{self.group}"

    @property
    def _amount(self) -> int:
        return read_limit(self.limit, self.value)


def read(given: Mapping[str, str]) -> Action:
    """Raises ApiError 400 with the field's name."""
    name = given.get("act", "")
    if name not in ACTIONS:
        raise ApiError(400, NO_ACTION.format(", ".join(ACTIONS)))
    return ACTIONS[name](given)


def hidden(action: Action) -> dict[str, str]:
    """The fields that stand for an action in a form."""
    return {"act": action.name, **{name: str(value) for name, value in vars(action).items()}}


def _create(given: Mapping[str, str]) -> Action:
    return Create(
        _name(given, "person"),
        _name(given, "plan"),
        _name(given, "group") if given.get("group") else "",
        _count(given, "days", DAYS, 1, MAX_DAYS),
        _new_id(given),
    )


def _rotate(given: Mapping[str, str]) -> Action:
    grace = _count(given, "grace", GRACE_DAYS, 0, MAX_GRACE_DAYS)
    return Rotate(_name(given, "person"), _identity(given, "id"), grace, _new_id(given))


def _revoke(given: Mapping[str, str]) -> Action:
    return Revoke(_name(given, "person"), _identity(given, "id"))


def _revoke_all(given: Mapping[str, str]) -> Action:
    return RevokeAll(_name(given, "person"))


def _raise(given: Mapping[str, str]) -> Action:
    person = _name(given, "person") if given.get("person") else ""
    limit, value = given.get("limit", ""), given.get("value", "").strip()
    if limit not in RAISED:
        raise ApiError(400, NO_LIMIT.format(", ".join(RAISED)))
    try:
        read_limit(limit, value)
    except ValueError as error:
        raise ApiError(400, f"value: {error}") from None
    return Raise(person, "" if person else _name(given, "group"), limit, value)


ACTIONS: Mapping[str, Callable[[Mapping[str, str]], Action]] = {
    Create.name: _create,
    Rotate.name: _rotate,
    Revoke.name: _revoke,
    RevokeAll.name: _revoke_all,
    Raise.name: _raise,
}
DONE = {each.name: each.done for each in (Revoke, RevokeAll, Raise)}
"""Action -> what the page says after it."""


def moment(second: int, registry: Registry) -> str:
    """In the plans' zone."""
    return f"{datetime.fromtimestamp(second, registry.plans.zone):%Y-%m-%d %H:%M %Z}"


def _find(registry: Registry, identity: str, person: str) -> Token:
    """Of those that are listed: what is not cannot have been meant. Raises ActError."""
    for token in registry.issued():
        if (token.id, token.person) == (identity, person):
            return token
    raise ActError(NO_TOKEN.format(identity, person))


def _check_new(registry: Registry, identity: str) -> None:
    if any(token.id == identity for token in registry.issued()):
        raise ActError(IS_MADE.format(identity))


def read_name(value: str, field: str = "person") -> str:
    """Raises ApiError 400."""
    if not NAME.fullmatch(value):
        raise ApiError(400, NO_NAME.format(field, NAME_FORM))
    return value


def _name(given: Mapping[str, str], field: str) -> str:
    return read_name(given.get(field, "").strip(), field)


def _identity(given: Mapping[str, str], field: str) -> str:
    value = given.get(field, "")
    if not ID.fullmatch(value):
        raise ApiError(400, NO_ID.format(field))
    return value


def _new_id(given: Mapping[str, str]) -> str:
    return _identity(given, "new_id") if "new_id" in given else acts.new_id()


def _count(given: Mapping[str, str], field: str, usual: int, least: int, highest: int) -> int:
    value = given.get(field, "").strip() or str(usual)
    is_count = value.isascii() and value.isdecimal() and len(value) < 6
    count = int(value) if is_count else -1
    if not least <= count <= highest:
        raise ApiError(400, NO_COUNT.format(field, least, highest))
    return count

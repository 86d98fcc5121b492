"""What a team's settings and its store know of access tokens: which were made, which are revoked,
and who did it. What operators do with them is acts.py's.

A token itself is kept nowhere. With a store two accounts hold what can be shown of them, as
counters whose names say all but a second:

    tokens    <id>.<issued>.<person>/<plan>/<group>   the Unix second in which it expires
    audit     <act>.<id>.<by>.<line>.<person>         the Unix second in which it was done

A line is a random number: who does the same twice, also within a second, has done two acts.

Each is one item of DynamoDB, which has room for 400 KB, and one document of Firestore, for 1 MB
and 40,000 entries of indexes (two for each counter): so it has a bound, and the oldest goes first.
"""

from __future__ import annotations

import itertools
import json
import secrets
import sys
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import NamedTuple

from .. import clock
from . import counters, people, tokens
from .people import BadRevocation
from .plans import Plans
from .stores import MAX_UNMARKED, Store, StoreError
from .tokens import BadToken, Token

TOKENS, AUDIT = "tokens", "audit"
"""Accounts of the store."""

DOT = "~"
"""In the name of who did it and of what, as dots stand between what a counter's name says."""

DAY_SECONDS = 86_400
EXPIRED_DAYS = 90
"""A token is listed so long after its end: as `revoke` finds it that somebody still asks about."""

MAX_TOKENS = 3_000
"""Listed, those that expire last."""

MAX_NAMES = 300_000
"""Bytes of an account's names: those of tokens have 50 each in a usual team."""

AUDIT_DAYS = 400
MAX_ACTS = 2_000
"""In the log, the newest. A team of 50 that replaces its tokens four times a year writes 400 a
year."""

LINE_BYTES = 4
"""Of a line's number: 2,000 lines that say the same have one in common once in 2,000 teams."""

MAX_REVOKED = 1_000
"""Tokens of one person that are revoked and have not expired: 110 KB of marks, and each request of
theirs reads all."""

MAX_DAYS = 3_660
"""Of a token, and of a grace: ten years."""

FULL = (
    "{0} has {1:,} revoked tokens that have not expired, and no more are kept: "
    "revoke all older ones: `token revoke --person {0} --issued-before DAY`."
)
NO_SECRET = "PROXY_SECRET is not set: set it to the server's, which signs access tokens with it."


class Signature(StrEnum):
    """Whether this server signed a token."""

    GOOD = "good"
    BAD = "not this server's: its secret did not sign it, or it is damaged"
    NOT_CHECKED = "not checked (PROXY_SECRET is not set)"


class ActError(Exception):
    """Why an act cannot be done, in a sentence for who wants it done."""


class Act(NamedTuple):
    """What somebody did to a token, or to a person's ("-" for its id). second: Unix."""

    second: int
    name: str
    id: str
    by: str
    person: str


class Registry:
    """Of a team. secrets: the first signs new tokens. store: None for none. revoked: as
    PROXY_REVOKED has them. Raises BadRevocation; the methods that ask the store raise
    StoreError."""

    def __init__(
        self,
        secrets: Sequence[str] = (),
        plans: Plans = Plans(),  # noqa: B008 - it is frozen
        store: Store | None = None,
        revoked: Sequence[str] = (),
    ) -> None:
        self.secrets = secrets
        self.plans = plans
        self.store = store
        self.revoked = revoked
        self._revocations = people.read_revocations(revoked, plans.zone)

    @property
    def secret(self) -> str:
        """What signs new tokens. Raises ActError where there is none."""
        if not self.secrets:
            raise ActError(NO_SECRET)
        return self.secrets[0]

    def signature(self, text: str) -> Signature:
        if not self.secrets:
            return Signature.NOT_CHECKED
        try:
            tokens.verify(text, self.secrets, now=-1)  # one that has expired, too
        except BadToken:
            return Signature.BAD
        return Signature.GOOD

    def remember(self, token: Token) -> None:
        if self.store:
            whose = f"{token.person}/{token.plan}/{token.group}"
            self.store.mark(TOKENS, f"{token.id}.{token.issued}.{whose}", token.expires)
            self._trim(TOKENS, EXPIRED_DAYS, MAX_TOKENS)

    def issued(self) -> list[Token]:
        """All tokens that were remembered, by person and second."""
        found = []
        for name, expires in self._read(TOKENS).items():
            identity, issued, whose = name.split(".", 2)
            person, plan, group = whose.split("/")
            found.append(Token((identity,), person, plan, int(issued), expires, group))
        return sorted(found, key=lambda token: (token.person, token.issued, token.id))

    def newest(self, person: str) -> Token | None:
        """Issued to them last: it names their plan and their group."""
        return next((each for each in reversed(self.issued()) if each.person == person), None)

    def make_room(self, person: str, now: int) -> None:
        """For the marks of one more token that is revoked. Raises ActError where there is none."""
        account = f"{counters.PERSON}{person}"
        values = self._read(account)
        needless = counters.needless_marks(values, now)
        self._drop(account, needless)
        marked = [name for name in values if name.startswith(counters.EXPIRES)]
        if len(set(marked).difference(needless)) >= MAX_REVOKED:
            raise ActError(FULL.format(person, MAX_REVOKED))

    def revoke(self, identity: str, person: str, second: int, now: int, expires: int) -> None:
        """Behind `make_room`. expires: of the token."""
        if self.store:
            account = f"{counters.PERSON}{person}"
            self.store.mark(account, f"{counters.EXPIRES}{identity}", expires)
            self.store.mark(account, *counters.revocation(identity, second, now))

    def expires(self, identity: str, now: int) -> int:
        """Of a token; one that is not listed expires within MAX_DAYS in any case."""
        listed = (each.expires for each in self.issued() if each.id == identity)
        return next(listed, now + MAX_DAYS * DAY_SECONDS)

    def revoke_before(self, person: str, second: int) -> None:
        """What is revoked stays so."""
        if self.store:
            account = f"{counters.PERSON}{person}"
            earlier = self.store.read(account).get(counters.REVOKED_BEFORE, 0)
            self.store.mark(account, counters.REVOKED_BEFORE, max(second, earlier))

    def revoked_from(self, token: Token, values: Mapping[str, int] | None = None) -> int | None:
        """The Unix second from which it is; None where it is not. values: of its person's account,
        where they have been read."""
        if self._revocations.has(token):
            return 0
        if values is None:
            values = self._read(f"{counters.PERSON}{token.person}")
        return counters.revoked_from(token, values)

    def second_before(self, person: str, day: str) -> int:
        """That a day or a moment begins with, in the plans' zone. Raises ActError where it is
        none."""
        try:
            if "," in day:
                raise BadRevocation(f"{day!r}: expected a day like 2026-11-28")
            return people.read_revocations([f"{person}<{day}"], self.plans.zone).before[person]
        except BadRevocation as error:
            raise ActError(f"{error}.") from None

    def merged(self, item: str) -> str:
        """PROXY_REVOKED with one more: of a person, the later of two days is enough."""
        person, is_person, _ = item.partition("<")
        kept = [each for each in self.revoked if each != item]
        if is_person:
            for each in [each for each in kept if each.startswith(f"{person}<")]:
                kept.remove(each)
                item = max(item, each, key=self._second)
        return ",".join([*kept, item])

    def _second(self, item: str) -> int:
        return self.second_before(*item.split("<", 1))

    def drop_raises(self, account: str, kept: Container[str]) -> None:
        """Of windows that are over: no hold does."""
        names = [name for name in self._read(account) if name.startswith(counters.RAISE)]
        self._drop(account, [name for name in names if name not in kept])

    def audit(
        self, act: str, identity: str, person: str, by: str, *, is_repeatable: bool = False
    ) -> None:
        """Write down who has done something, where an operator finds it: in the log in any case.
        identity: of the token, "-" for all; or what was raised. by: letters, digits and what names
        of people have, and colons. is_repeatable: what anybody may do as often as they like is one
        line, of the last time: it must not push out the others."""
        line = {"audit": f"token {act}", "id": identity, "person": person, "by": by}
        print(json.dumps(line), file=sys.stderr, flush=True)
        if self.store:
            what, who = (each.replace(".", DOT) for each in (identity, by))
            number = "" if is_repeatable else secrets.token_hex(LINE_BYTES)
            self.store.mark(AUDIT, f"{act}.{what}.{who}.{number}.{person}", clock.now())
            self._trim(AUDIT, AUDIT_DAYS, MAX_ACTS)

    def acts(self) -> list[Act]:
        """The oldest first."""
        found = []
        for name, second in self._read(AUDIT).items():
            act, what, who, _, person = name.split(".", 4)
            found.append(Act(second, act, what.replace(DOT, "."), who.replace(DOT, "."), person))
        return sorted(found)

    def _trim(self, account: str, days: int, limit: int) -> None:
        """Drop what is from longer ago, and all but the newest. What cannot be dropped now is
        dropped with the next."""
        with suppress(StoreError):
            values = self._read(account)
            since = clock.now() - days * DAY_SECONDS
            newest = sorted(values, key=values.__getitem__, reverse=True)
            sizes = itertools.accumulate(len(name) for name in newest)
            kept = {
                name
                for name, size in zip(newest[:limit], sizes, strict=False)
                if values[name] >= since and size <= MAX_NAMES
            }
            self._drop(account, [name for name in values if name not in kept])

    def _drop(self, account: str, names: Sequence[str]) -> None:
        if self.store:
            for first in range(0, len(names), MAX_UNMARKED):
                self.store.unmark(account, names[first : first + MAX_UNMARKED])

    def _read(self, account: str) -> Mapping[str, int]:
        return self.store.read(account) if self.store else {}

"""Who presents an access token, and what they may: the tokens that this server signs, and
PROXY_TOKEN, which all who have it share.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from .. import auth, clock
from ..payers import Counting, Holder
from . import refusals, tokens
from .budget import Budgets
from .payer import MemberPayer
from .plans import DEFAULT_PLAN
from .tokens import ID, LATEST, NAME, BadToken, Token

SHARED = Token(("shared",), "token", DEFAULT_PLAN, 0, LATEST)
"""Who presents PROXY_TOKEN: one person, whoever it is."""

ISSUED_BEFORE = re.compile(rf"({NAME.pattern})<(.+)")


class BadRevocation(ValueError):
    """What is wrong with an item of PROXY_REVOKED."""


@dataclass(frozen=True)
class Revocations:
    """Those of the settings, for servers without a store. ids: of tokens. before: person -> the
    Unix second; what was issued earlier is revoked."""

    ids: frozenset[str]
    before: Mapping[str, int]

    def has(self, token: Token) -> bool:
        return not self.ids.isdisjoint(token.ids) or token.issued < self.before.get(token.person, 0)


def read_revocations(items: Iterable[str], zone: tzinfo) -> Revocations:
    """From ids of tokens and `person<2026-11-28` (or a moment of that day, as ISO 8601 has it).
    zone: of what names none. Raises BadRevocation."""
    ids, before = set(), {}
    for item in items:
        if found := ISSUED_BEFORE.fullmatch(item):
            before[found[1]] = _read_second(item, found[2], zone)
        elif ID.fullmatch(item):
            ids.add(item)
        else:
            raise BadRevocation(f"{item!r} is neither a token's id nor like alice<2026-11-28")
    return Revocations(frozenset(ids), before)


def _read_second(item: str, text: str, zone: tzinfo) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRevocation(f"{item!r}: expected a day like 2026-11-28 behind <") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp())


class People:
    """Finds who presents what. secrets: any of them may have signed a token. shared_token:
    PROXY_TOKEN, "" for none."""

    def __init__(
        self,
        budgets: Budgets,
        secrets: Sequence[str],
        shared_token: str,
        revocations: Revocations,
    ) -> None:
        self.budgets = budgets
        self._secrets = secrets
        self._shared_token = shared_token
        self._revocations = revocations

    @property
    def counting(self) -> Counting:
        return self.budgets.counting

    def find(self, presented: Sequence[str]) -> Holder | None:
        """Raises BadToken for a token of this kind that is not good."""
        now = clock.now()
        for text in presented:
            if token := self._read(text, now):
                others = [each for each in presented if each != text]
                return Holder(f"token-{token.id}", self._payer(token, now), others)
        return None

    def payer(self, token: Token, now: int) -> MemberPayer:
        """Whose a token is that was presented before (web/session.py). Raises BadToken as `find`
        does, and for one that was revoked in the store."""
        self._check_revoked(token)
        payer = self._payer(token, now)
        payer.check()
        return payer

    def _read(self, text: str, now: int) -> Token | None:
        """None for what is no token."""
        if self._shared_token and auth.is_equal(text, self._shared_token):
            return SHARED
        if not tokens.is_token(text):
            return None
        token = tokens.verify(text, self._secrets, now)
        self._check_revoked(token)
        return token

    def _check_revoked(self, token: Token) -> None:
        """By the settings. Raises BadToken."""
        if self._revocations.has(token):
            raise BadToken(refusals.REVOKED.format(token.id))

    def _payer(self, token: Token, now: int) -> MemberPayer:
        return MemberPayer(self.budgets, self.budgets.member(token, now))

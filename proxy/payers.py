"""Who pays for a request, as the front door sees them: somebody whose use is not counted here, or a
person of a team (team/payer.py), who may ask for some models, and for so much.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from translate import Translation
from translate.response.usage import Billed
from translate.wire import Event

from .liveness import Silence
from .request_log import RequestLog

Items = Generator[list[Event] | Silence, None, None]
"""Of an answer, read by read."""


class Requests(Protocol):
    """What is asked of Gemini for one answer, as far as it has come (attempts.py). billed: the last
    is under way. judged: those of auto mode's judge."""

    judged: list[Billed]

    @property
    def billed(self) -> list[Billed]: ...

    @property
    def translation(self) -> Translation: ...


class Payer(Protocol):
    """person, plan: for the log, "" for nobody who is known."""

    @property
    def person(self) -> str: ...

    @property
    def plan(self) -> str: ...

    def allows(self, *names: str) -> bool:
        """Whether a model that has these names may be asked."""

    def check(self, *names: str) -> None:
        """For what costs nothing: that the payer is not revoked, and may ask for a model that has
        these names, if any. Raises ApiError."""

    def charged(self, items: Items, requests: Requests, log_entry: RequestLog, size: int) -> Items:
        """The items of an answer, paid for as they come. size: bytes of the client's request.

        Raises ApiError: before the first item where there is no money for it, and later where an
        answer has to end.
        """


class Uncounted:
    """Brings a key of their own, or shares a server that counts nobody."""

    person = plan = ""

    def allows(self, *names: str) -> bool:
        return True

    def check(self, *names: str) -> None:
        return None

    def charged(self, items: Items, requests: Requests, log_entry: RequestLog, size: int) -> Items:
        return items


UNCOUNTED = Uncounted()


class Counting(StrEnum):
    """For whom budgets hold at the moment, as the health answer says it."""

    NOT = ""
    SHARED = "shared"
    PER_INSTANCE = "per instance"
    STORE_DOWN = "store down, per instance"
    REFUSING = "store down, refusing"

    @property
    def sentence(self) -> str:
        """For a person."""
        return SENTENCES[self]


SENTENCES = {
    Counting.NOT: "",
    Counting.SHARED: "Budgets hold for all instances together.",
    Counting.PER_INSTANCE: "Budgets are counted by each instance for itself (no PROXY_STORE).",
    Counting.STORE_DOWN: "The store of the budgets is down: until it is back, each instance counts "
    "for itself.",
    Counting.REFUSING: "The store of the budgets is down: until it is back, requests are refused.",
}


class Holder(NamedTuple):
    """Of an access token. caller_id: for the log. others: what was presented beside the token."""

    caller_id: str
    payer: Payer
    others: list[str]


class AccessTokens(Protocol):
    """Those that this server takes instead of a key. counting: of what their holders use."""

    @property
    def counting(self) -> Counting: ...

    def find(self, presented: Sequence[str]) -> Holder | None:
        """Who presents one; None where there is none. Raises ApiError 401 for one that is not
        good."""

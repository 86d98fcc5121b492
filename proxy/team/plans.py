"""The plan file: what people and groups may use, as an operator writes it (TOML).

    zone = "Europe/Berlin"                  # in which a day, a week and a month begin
    contact = "Ask Bob (bob@example.com)."  # who can raise a limit
    operators = ["bob"]                     # who may see what the others have used

    [plans.standard]                        # of each person whose token names it
    models = ["gemini-*-flash*"]
    requests_per_minute = 30
    open_streams = 8
    tokens_per_day = 50_000_000
    usd_per_day = 5.00
    usd_per_week = 20
    usd_per_month = 60

    [groups.core]                           # of all its people together
    usd_per_month = 500

    [[raises]]                              # whichever is higher, until that day is over
    person = "alice"
    until = 2026-12-24
    usd_per_day = 20

A limit that is not given does not exist. Money is nano-US$ inside (see money.py).
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any, NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .. import spelling
from .money import NANO
from .tokens import NAME, PATTERN, matches

DEFAULT_PLAN = "default"
"""Of those who present PROXY_TOKEN, which names no plan."""

MAX_USD = 1_000_000
"""As much stands far above a team's use of a month, and a sum of such is far below 2**63."""

MAX_COUNT = 10**12
"""Tokens: a thousand times what one person uses in a day."""

MAX_TEXT = 1_000_000
"""Bytes of a plan file: ten thousand raises fit."""

AMOUNT = re.compile(r"[0-9]{1,13}(\.[0-9]{1,9})?")
"""As a person types it: no more digits than the largest has, or a nano-US$."""

SIMILAR = 0.6
"""How alike a field and a slip are (difflib)."""


NAME_FORM = "a name has letters, digits and . _ @ + -, 64 at most"
SECTIONS = ("zone", "contact", "operators", "plans", "groups", "raises")


class BadPlan(ValueError):
    """What is wrong with a plan file, and where."""


@dataclass(frozen=True)
class Limits:
    """None where there is no limit. Money in nano-US$."""

    requests_per_minute: int | None = None
    open_streams: int | None = None
    tokens_per_day: int | None = None
    usd_per_day: int | None = None
    usd_per_week: int | None = None
    usd_per_month: int | None = None

    def raised(self, others: Iterable[Limits]) -> Limits:
        """The highest of each; what has no limit gets none."""
        highest = {}
        for name in LIMITS:
            own = getattr(self, name)
            given = [value for each in others if (value := getattr(each, name)) is not None]
            highest[name] = own if own is None else max(own, *given, own)
        return Limits(**highest)


LIMITS = tuple(each.name for each in fields(Limits))
MONEY = tuple(name for name in LIMITS if name.startswith("usd_"))


@dataclass(frozen=True)
class Plan:
    """models: patterns, as a shell has them, of names as clients or as Google write them."""

    models: tuple[str, ...] = ("*",)
    limits: Limits = Limits()

    def allows(self, *names: str) -> bool:
        return matches(self.models, *names)


@dataclass(frozen=True)
class Raise:
    """ends: Unix seconds. person, group: one of them, the other is ""."""

    person: str
    group: str
    ends: int
    limits: Limits


@dataclass(frozen=True)
class Plans:
    """All of a plan file. groups: of a group that is not there nobody has a token."""

    zone: tzinfo = UTC
    contact: str = ""
    operators: frozenset[str] = frozenset()
    plans: Mapping[str, Plan] = field(default_factory=dict)
    groups: Mapping[str, Limits] = field(default_factory=dict)
    raises: tuple[Raise, ...] = ()

    def of_person(self, person: str, plan: str, now: int) -> Plan | None:
        """None where there is no such plan."""
        if (found := self.plans.get(plan)) is None:
            return None
        raised = [each.limits for each in self.raises if each.person == person and now < each.ends]
        return Plan(found.models, found.limits.raised(raised)) if raised else found

    def of_group(self, group: str, now: int) -> Limits | None:
        """None where there is no such group."""
        if (found := self.groups.get(group)) is None:
            return None
        raised = [each.limits for each in self.raises if each.group == group and now < each.ends]
        return found.raised(raised) if raised else found


def parse(text: str, source: str) -> Plans:
    """The plans in a text. source: what to call it in an error. Raises BadPlan."""
    if len(text) > MAX_TEXT:
        raise BadPlan(f"{source}: more than {MAX_TEXT} characters")
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise BadPlan(f"{source}: {error}") from None
    return _Reader(text, source).plans(document)


class _Reader:
    """Checks each field, so that a slip ends the start and not a budget."""

    def __init__(self, text: str, source: str) -> None:
        self._text = text
        self._source = source
        self._zone: tzinfo = UTC

    def plans(self, document: dict[str, Any]) -> Plans:
        self._check_names("", document, SECTIONS)
        self._zone = self._read_zone(document.get("zone", "UTC"))
        contact = document.get("contact", "")
        if not isinstance(contact, str) or not contact.isprintable() or len(contact) > 200:
            self._fail("contact", "expected one line of at most 200 characters")
        operators = self._operators(document.get("operators", []))
        plans = {
            name: Plan(self._models(path, table.pop("models", ["*"])), self._limits(path, table))
            for path, name, table in self._tables(document, "plans")
        }
        if "plans" in document and not plans:
            self._fail("plans", "expected at least one plan")
        groups = {
            name: self._limits(path, table)
            for path, name, table in self._tables(document, "groups")
        }
        raises = document.get("raises", [])
        if not isinstance(raises, list):
            self._fail("raises", "expected [[raises]]")
        read = tuple(
            self._raise(f"raises[{index}]", each, groups) for index, each in enumerate(raises)
        )
        return Plans(self._zone, contact, operators, plans, groups, read)

    def _operators(self, value: object) -> frozenset[str]:
        if not isinstance(value, list):
            self._fail("operators", 'expected a list of people like ["bob"]')
        for each in value:
            if not isinstance(each, str) or not NAME.fullmatch(each):
                self._fail("operators", f"{each!r}: {NAME_FORM}")
        return frozenset(value)

    def _tables(
        self, document: dict[str, Any], kind: str
    ) -> Iterable[tuple[str, str, dict[str, Any]]]:
        """Path, name and fields of each."""
        tables = document.get(kind, {})
        if not isinstance(tables, dict):
            self._fail(kind, f"expected [{kind}.NAME]")
        for name, table in tables.items():
            path = f"{kind}.{name}"
            if not NAME.fullmatch(name):
                self._fail(path, NAME_FORM)
            yield path, name, dict(self._table(path, table))

    def _table(self, path: str, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._fail(path, "expected a table")
        return value

    def _raise(self, path: str, value: object, groups: Mapping[str, Limits]) -> Raise:
        table = dict(self._table(path, value))
        self._check_names(path, table, ("person", "group", "until", *LIMITS))
        person, group = table.pop("person", ""), table.pop("group", "")
        until = table.pop("until", None)
        for name in (person, group):
            if not isinstance(name, str) or (name and not NAME.fullmatch(name)):
                self._fail(path, "expected the name of a person or a group")
        if bool(person) == bool(group):
            self._fail(path, "expected either person or group")
        if group and group not in groups:
            self._fail(f"{path}.group", f"no such group{did_you_mean(group, groups)}")
        limits = self._limits(path, table)
        if limits == Limits():
            self._fail(path, "raises no limit")
        return Raise(person, group, self._end(f"{path}.until", until), limits)

    def _end(self, path: str, value: object) -> int:
        """Of a day: when it is over."""
        if isinstance(value, datetime):
            return int((value if value.tzinfo else value.replace(tzinfo=self._zone)).timestamp())
        if isinstance(value, date):
            following = datetime.combine(value + timedelta(days=1), time(), self._zone)
            return int(following.timestamp())
        self._fail(path, "expected a day like 2026-12-24, or a day and a time, without quotes")

    def _models(self, path: str, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not value:
            self._fail(f"{path}.models", 'expected a list of names, or of patterns like "gemini-*"')
        for each in value:
            if not isinstance(each, str) or not PATTERN.fullmatch(each):
                self._fail(f"{path}.models", f"{each!r} is no name and no pattern")
        return tuple(value)

    def _limits(self, path: str, table: dict[str, Any]) -> Limits:
        allowed = ("models", *LIMITS) if path.startswith("plans.") else LIMITS
        self._check_names(path, table, allowed)
        return Limits(
            **{name: self._limit(f"{path}.{name}", name, value) for name, value in table.items()}
        )

    def _limit(self, path: str, name: str, value: Any) -> int:
        try:
            return to_limit(name, value)
        except ValueError as error:
            self._fail(path, f"{error}{', without quotes' if name in MONEY else ''}")

    def _read_zone(self, value: object) -> tzinfo:
        if value == "UTC":
            return UTC
        try:
            return ZoneInfo(str(value))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self._fail("zone", f'no time zone {value!r}: expected one like "Europe/Berlin"')

    def _check_names(self, path: str, table: Mapping[str, Any], known: Iterable[str]) -> None:
        known = list(known)
        for name in table:
            if name not in known:
                where = f"{path}.{name}" if path else name
                self._fail(where, f"is not a setting{did_you_mean(name, known)}")

    def _fail(self, path: str, problem: str) -> NoReturn:
        line = find_line(self._text, path)
        raise BadPlan(f"{self._source}{f', line {line}' if line else ''}: {path}: {problem}")


def to_limit(name: str, value: object) -> int:
    """In the units of Limits. name: of LIMITS. value: an int, or US$ also as a Decimal. Raises
    ValueError."""
    if name in MONEY:
        amount = Decimal(value) if isinstance(value, Decimal | int) else Decimal("NaN")
        if isinstance(value, bool) or not amount.is_finite() or not 0 <= amount <= MAX_USD:
            raise ValueError(f"expected US dollars, 0 to {MAX_USD:,}")
        return int(amount * NANO)
    if type(value) is not int or not 0 <= value <= MAX_COUNT:
        raise ValueError(f"expected a whole number, 0 to {MAX_COUNT:,}")
    return value


def read_limit(name: str, text: str) -> int:
    """The same from what a person has typed."""
    is_number = AMOUNT.fullmatch(text) is not None
    number: object = Decimal(text) if is_number and name in MONEY else None
    if text.isdecimal() and is_number:
        number = int(text)
    return to_limit(name, number)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """How an error ends about a name that is not known."""
    similar = difflib.get_close_matches(name, list(known), 1, SIMILAR)
    return spelling.did_you_mean(similar[0] if similar else None)


HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]")
ASSIGNMENT = re.compile(r"\s*([A-Za-z0-9_.\"'-]+?)\s*=")


def find_line(text: str, path: str) -> int | None:
    """The number of the line on which a field or its table stands, as far as it is written in the
    usual form: tomllib tells lines of syntax errors only."""
    table, counts, found = "", dict[str, int](), None
    for number, line in enumerate(text.splitlines(), 1):
        if header := HEADER.match(line):
            table = re.sub(r"[\"'\s]", "", header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = f"{table}[{counts[table]}]"
            name = table
        elif assignment := ASSIGNMENT.match(line):
            name = f"{table}.{assignment[1]}".strip(".")
        else:
            continue
        if path == name:
            return number
        if path.startswith((f"{name}.", f"{name}[")):
            found = number
    return found

"""The page at `/team`: the people of a team with what they have used of their plans, a person's
tokens, the plans, and who has done what, with the forms for it.

Who may see it, and what a form does, is team_site.py's. All lists are bounded, so that the page is
small whatever a team has (a test has the worst case).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from translate import ApiError

from ..team.counters import RAISED
from ..team.money import NANO, dollars
from ..team.plans import Limits, Plans, Raise
from ..team.roster import PERIODS, Person, State
from ..team.token_registry import Act, Registry
from ..team.tokens import NAME
from ..team.windows import Period
from . import render, team_actions
from .blocks import blocks
from .budgets import ALMOST, NAMES
from .session import Account
from .team_actions import DAYS, DONE, GRACE_DAYS, Action, Done, moment
from .usage_page import BAD_FIND, BAD_SORT, FIND, MAX_FIND

MAX_PEOPLE = 30
"""Of a page: of each one the account is read, too. The others are on the next pages."""

MAX_PAGE = 10_000
"""Far behind the last page of any team."""

MAX_DIGITS = 9
"""Of a page's number: Python reads no more than 4,300."""

MAX_TOKENS = 30
"""Of a person, those that were issued last; `token list` has all that have not expired."""

MAX_PLANS = 12
"""And groups, and raises of the file, as many each: those who need more know the file. Where there
are more, a form has a field for a name in place of a list."""

MAX_PATTERNS = 4
"""Of a plan's models."""

MAX_ACTS = 15
"""The newest; `token log` has all."""

SORTS: Mapping[str, Any] = {
    "person": lambda each: each.name,
    "plan": lambda each: each.plan,
    "day": lambda each: -each.spent[Period.DAY],
    "week": lambda each: -each.spent[Period.WEEK],
    "month": lambda each: -each.spent[Period.MONTH],
    "seen": lambda each: -int(each.last.replace("-", "") or 0),
}
"""What people can be sorted by: the largest and the latest first."""

COLUMNS = {
    "person": "Person",
    "plan": "Plan",
    "day": "US$ today",
    "week": "This week",
    "month": "This month",
    "": "Tokens",
    "seen": "Last seen",
}
"""Of the table -> headings. By "" nothing is sorted."""

MONEY_OF = {Period.DAY: "usd_per_day", Period.WEEK: "usd_per_week", Period.MONTH: "usd_per_month"}

NAMES_OF_RAISED = {field: NAMES[field] for field in sorted(RAISED, reverse=True)}
"""The likeliest first."""

BAD_PAGE = "page: expected a number"
BAD_PLAN = "plan: expected the name of a plan"


class Choice(NamedTuple):
    """What of the query says which people are shown. plan: "" for all. page: from 1 on."""

    sort: str = "month"
    find: str = ""
    plan: str = ""
    page: int = 1


class View(NamedTuple):
    """viewer: the operator; account: where they are signed in. acts: the oldest first. counting:
    for whom budgets hold, in a sentence. now: Unix seconds."""

    viewer: str
    account: Account | None
    registry: Registry
    acts: Sequence[Act]
    counting: str
    now: int

    @property
    def plans(self) -> Plans:
        return self.registry.plans

    @property
    def can_act(self) -> bool:
        """Whether there is a store, in which what is done is kept."""
        return self.registry.store is not None


def read_choice(query: Mapping[str, str]) -> Choice:
    """Raises ApiError 400."""
    usual = Choice()
    sort, find = query.get("sort") or usual.sort, query.get("find", "").strip()
    plan, page = query.get("plan", ""), query.get("page") or "1"
    if sort not in SORTS:
        raise ApiError(400, BAD_SORT.format(", ".join(SORTS)))
    if not FIND.fullmatch(find):
        raise ApiError(400, BAD_FIND)
    if plan and not NAME.fullmatch(plan):
        raise ApiError(400, BAD_PLAN)
    is_number = page.isascii() and page.isdecimal() and len(page) <= MAX_DIGITS
    if not (is_number and 0 < int(page) <= MAX_PAGE):
        raise ApiError(400, BAD_PAGE)
    return Choice(sort, find, plan, int(page))


class Selected(NamedTuple):
    """people: of one page. total: of all pages. choice: with a page that there is."""

    people: Sequence[Person]
    total: int
    choice: Choice

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // MAX_PEOPLE))


def select(people: Sequence[Person], choice: Choice) -> Selected:
    wanted = choice.find.lower()
    found = [
        each for each in people if wanted in each.name.lower() and choice.plan in ("", each.plan)
    ]
    found.sort(key=lambda each: (SORTS[choice.sort](each), each.name))
    selected = Selected((), len(found), choice)
    page = min(choice.page, selected.pages)
    first = (page - 1) * MAX_PEOPLE
    return Selected(found[first : first + MAX_PEOPLE], len(found), choice._replace(page=page))


def team(view: View, selected: Selected, states: Sequence[State], done: str = "") -> bytes:
    """The page. states: of the selected people, in their order. done: of DONE, "" for nothing."""
    choice = selected.choice
    last = selected.pages
    return render(
        "team.html",
        **_shared(view),
        done=DONE.get(done, ""),
        rows=[_row(each, state, view) for each, state in zip(selected.people, states, strict=True)],
        total=selected.total,
        page=choice.page,
        last_page=last,
        before=_link(choice, page=choice.page - 1) if choice.page > 1 else "",
        after=_link(choice, page=choice.page + 1) if choice.page < last else "",
        choice=choice,
        max_find=MAX_FIND,
        columns=COLUMNS,
        sort_links={sort: _link(choice, sort=sort, page=1) for sort in SORTS},
        plan_rows=list(_plan_rows(view.plans)),
        group_rows=[
            (name, list(_limits(limits)))
            for name, limits in list(view.plans.groups.items())[:MAX_PLANS]
        ],
        raise_rows=list(_raise_rows(view)),
        hidden_plans=sum(
            max(0, len(each) - MAX_PLANS)
            for each in (view.plans.plans, view.plans.groups, _raises(view))
        ),
        operators=sorted(view.plans.operators)[:MAX_PLANS],
        acts=_acts(view, view.acts),
    )


def person(view: View, shown: Person, state: State, done: str = "") -> bytes:
    """The page of one person."""
    registry = view.registry
    tokens = [
        {
            "id": token.id,
            "plan": token.plan,
            "group": token.group,
            "issued": moment(token.issued, registry),
            "expires": moment(token.expires, registry),
            "state": _state(token.expires, second, registry, view.now),
            "can_rotate": token.expires > view.now and second is None,
            "can_revoke": token.expires > view.now and (second is None or second > view.now),
        }
        for token, second in zip(shown.tokens, state.revoked, strict=True)
    ]
    return render(
        "team_person.html",
        **{**_shared(view), "limits": _raisable(state.limits)},
        done=DONE.get(done, ""),
        person=shown.name,
        is_operator=shown.name in view.plans.operators,
        plan=shown.plan,
        group=shown.group,
        last=shown.last,
        usage_link=f"usage?{urlencode({'person': shown.name})}",
        spent=[_spent(period, shown, state) for period in PERIODS],
        tokens=tokens[:MAX_TOKENS],
        hidden_tokens=max(0, len(tokens) - MAX_TOKENS),
        grace=GRACE_DAYS,
        acts=_acts(view, [act for act in view.acts if act.person == shown.name]),
    )


def confirm(view: View, action: Action, sentences: Sequence[str]) -> bytes:
    """The page between a form and what it does."""
    return render(
        "team_confirm.html",
        **_shared(view),
        action=action,
        sentences=sentences,
        fields=team_actions.hidden(action),
        back=link_to(action.person),
    )


def made(view: View, done: Done, url: str) -> bytes:
    """The one page that shows a new token. url: this server's."""
    assert done.made is not None
    return render(
        "team_token.html",
        **_shared(view),
        person=done.made.person,
        plan=done.made.plan,
        id=done.made.id,
        expires=moment(done.made.expires, view.registry),
        sentence=done.sentence,
        token=done.token,
        blocks=blocks(url, done.token)[:2],
        back=link_to(done.made.person),
    )


def link_to(person: str, **more: str) -> str:
    """person: "" for the page of all."""
    return f"?{urlencode({**({'person': person} if person else {}), **more})}"


def _shared(view: View) -> dict[str, Any]:
    return {
        "viewer": view.viewer,
        "account": view.account,
        "zone": str(view.plans.zone),
        "counting": view.counting,
        "can_act": view.can_act,
        "plans": _choices(view.plans.plans),
        "groups": _choices(view.plans.groups),
        "has_groups": bool(view.plans.groups),
        "days": DAYS,
        "limits": NAMES_OF_RAISED,
    }


def _raisable(limits: Limits | None) -> dict[str, str]:
    """Those that a person has; all where that is not known."""
    return {
        field: name
        for field, name in NAMES_OF_RAISED.items()
        if limits is None or getattr(limits, field) is not None
    }


def _choices(names: Mapping[str, object]) -> list[str]:
    """For a list in a form; none where they are too many."""
    return list(names) if len(names) <= MAX_PLANS else []


def _link(choice: Choice, **changes: Any) -> str:
    """This page with another choice; what is usual is left out."""
    usual, query = Choice()._asdict(), {**choice._asdict(), **changes}
    return f"?{urlencode({name: each for name, each in query.items() if each != usual[name]})}"


def _row(shown: Person, state: State, view: View) -> dict[str, Any]:
    return {
        "name": shown.name,
        "link": link_to(shown.name),
        "is_operator": shown.name in view.plans.operators,
        "plan": shown.plan or "not known",
        "group": shown.group,
        "spent": [_spent(period, shown, state) for period in PERIODS],
        "tokens": len(state.good(shown, view.now)),
        "last": shown.last,
    }


def _spent(period: Period, shown: Person, state: State) -> dict[str, str]:
    """state: as in budgets.py, whose colours these are."""
    used = shown.spent[period]
    limit = getattr(state.limits, MONEY_OF[period]) if state.limits else None
    text, mark = f"{used / NANO:,.2f}", ""
    if limit is not None:
        text = f"{text} of {limit / NANO:,.2f}"
        share = used / limit if limit else 1.0
        mark = "spent" if share >= 1 else "almost" if share >= ALMOST else ""
    words = {"spent": "used up", "almost": "almost used up", "": ""}[mark]
    return {
        "name": COLUMNS[period].removeprefix("US$ ").capitalize(),
        "text": text,
        "state": mark,
        "words": words,
    }


def _state(expires: int, second: int | None, registry: Registry, now: int) -> str:
    if second is not None and second <= now:
        return "revoked"
    if expires <= now:
        return "expired"
    return "good" if second is None else f"revoked from {moment(second, registry)} on"


def _limits(limits: Limits) -> Iterator[str]:
    for field, name in NAMES.items():
        value = getattr(limits, field)
        if value is not None:
            is_money = field.startswith("usd_")
            yield f"{name}: {value:,}" if not is_money else name.replace("US$", dollars(value))


def _plan_rows(plans: Plans) -> Iterator[dict[str, Any]]:
    for name, plan in list(plans.plans.items())[:MAX_PLANS]:
        models = list(plan.models[:MAX_PATTERNS])
        more = len(plan.models) - len(models)
        yield {
            "name": name,
            "models": ", ".join([*models, *([f"{more} more"] if more else [])]),
            "limits": list(_limits(plan.limits)),
        }


def _raise_rows(view: View) -> Iterator[dict[str, Any]]:
    for each in _raises(view)[:MAX_PLANS]:
        yield {
            "who": each.person or f"group {each.group}",
            "limits": list(_limits(each.limits)),
            "ends": moment(each.ends, view.registry),
        }


def _raises(view: View) -> list[Raise]:
    return [each for each in view.plans.raises if view.now < each.ends]


def _acts(view: View, acts: Sequence[Act]) -> list[dict[str, str]]:
    return [
        {
            "when": moment(act.second, view.registry),
            "name": act.name,
            "id": act.id if act.id != "-" else "all",
            "person": act.person,
            "by": act.by.partition(":")[0],
            "token": act.by.partition(":")[2],
        }
        for act in reversed(acts[-MAX_ACTS:])
    ]

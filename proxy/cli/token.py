"""`python -m proxy token ACTION`: access tokens are made, shown, narrowed, replaced and revoked.

A token stands on standard output alone, once; words are on standard error. One that a command needs
is read from standard input: what is an argument can be seen by others (`ps`), and a shell keeps it.
"""

from __future__ import annotations

import argparse
import getpass
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, NoReturn

from .. import clock, config
from ..team import acts, opening, tokens
from ..team.plans import NAME_FORM
from ..team.stores import StoreError
from ..team.token_registry import (
    AUDIT_DAYS,
    DAY_SECONDS,
    EXPIRED_DAYS,
    MAX_ACTS,
    MAX_DAYS,
    MAX_TOKENS,
    ActError,
    Registry,
    Signature,
)
from ..team.tokens import ID, LATEST, MAX_LENGTH, NAME, PATTERN, BadToken, Token

EXAMPLES = {
    "create": "python -m proxy token create --person alice --plan standard",
    "list": "python -m proxy token list",
    "show": "python -m proxy token show < token",
    "derive": "python -m proxy token derive --hours 8 --models 'gemini-3.8-*' < token",
    "rotate": "python -m proxy token rotate --grace 7d < token",
    "revoke": """python -m proxy token revoke 3f9a1c22 --person alice
    python -m proxy token revoke --person alice --issued-before 2026-11-28""",
    "log": "python -m proxy token log",
}
"""Action -> as it is typed."""

KEPT = {
    "list": f"""

The newest {MAX_TOKENS:,} are kept, until {EXPIRED_DAYS} days after their end.""",
    "log": f"""

The newest {MAX_ACTS:,} lines of {AUDIT_DAYS} days are kept.""",
}
"""Action -> what of it the store has."""

DESCRIPTION = """\
Access tokens of a team: PROXY_SECRET signs them, PROXY_PLANS has what each plan allows, and with
PROXY_STORE they can be listed, and revoked at once.

""" + "".join(f"    {each}\n" for each in EXAMPLES.values())
HOW_TO_USE = """\

It is printed this once. Where Claude Code runs:

    export ANTHROPIC_BASE_URL=https://...      # the server's address
    export ANTHROPIC_AUTH_TOKEN={}...
    claude
"""
HOUR_SECONDS = 3_600
UNITS = {"h": HOUR_SECONDS, "d": DAY_SECONDS}

AS_ARGUMENT = (
    "an access token is not taken as an argument, which others can see: pipe it to standard input"
)
NO_ID = "a token's id has letters, digits, - and _, 32 at most"
NO_TEAM = "PROXY_SECRET and PROXY_STORE are not set: set them to the server's."
NO_LIST = "Access tokens are kept nowhere without PROXY_STORE; this is what PROXY_REVOKED has."
NO_LOG = "Nothing is kept without PROXY_STORE: each command writes its line to standard error."
TOKEN = re.compile(rf"{tokens.PREFIX}[A-Za-z0-9_.-]")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of all actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_create(actions.add_parser("create", help="make a token and print it, once"))
    actions.add_parser("list", help="the tokens that have not expired (with a store)")
    actions.add_parser("show", help="what the token on standard input says")
    derive = actions.add_parser("derive", help="a narrower, shorter token, made without a secret")
    derive.add_argument(
        "--hours", default=8, type=_count, help="until it expires (default: %(default)s hours)"
    )
    derive.add_argument(
        "--models",
        nargs="+",
        default=[],
        type=_pattern,
        metavar="PATTERN",
        help="those it is good for (default: the same as before)",
    )
    rotate = actions.add_parser("rotate", help="a new token in place of that on standard input")
    text = "how long the old one is good, in hours or days: 12h, 7d, 0 (default: 7d)"
    rotate.add_argument("--grace", default=7 * DAY_SECONDS, type=_duration, help=text)
    _add_revoke(actions.add_parser("revoke", help="have a token refused, or a person's older ones"))
    actions.add_parser("log", help="who has made and revoked which (with a store)")
    for name, each in actions.choices.items():
        each.description = f"    {EXAMPLES[name]}{KEPT.get(name, '')}"
        each.formatter_class = argparse.RawDescriptionHelpFormatter
        _hide_tokens(each)
    _hide_tokens(parser)


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    try:
        return ACTIONS[arguments.action](arguments, environ)
    except ActError as error:
        raise SystemExit(str(error)) from None
    except StoreError as error:
        raise SystemExit(f"The store cannot be asked: {error}.") from None


def _open(environ: Mapping[str, str], *, needs_team: bool = False) -> Registry:
    """Raises BadSetting, and ActError where nothing of a team is set though it is needed."""
    team = config.read(environ).team
    if needs_team and team is None:
        raise ActError(NO_TEAM)
    return opening.open_registry(team)


def _create(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    registry, now = _open(environ), clock.now()
    ids, expires = (acts.new_id(),), now + arguments.days * DAY_SECONDS
    token = Token(ids, arguments.person, arguments.plan, now, expires, arguments.group or "")
    _hand_out(acts.issue(registry, token, local_user()), token, registry.plans.zone)
    return 0


def _list(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    registry, now = _open(environ, needs_team=True), clock.now()
    if not registry.store:
        _say(NO_LIST)
        for item in registry.revoked:
            print(item)
        return 0
    rows = [("ID", "PERSON", "EXPIRES", "REVOKED")]
    zone = registry.plans.zone
    for each in registry.issued():
        if each.expires > now:
            revoked = _revocation(registry.revoked_from(each), now, zone)
            rows.append((each.id, each.person, moment(each.expires, zone), revoked))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
    return 0


def _show(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Fails where the server would refuse the token."""
    text, now = read_token(), clock.now()
    token, registry = tokens.inspect(text), _open(environ)
    zone = registry.plans.zone
    signature, revoked = registry.signature(text), registry.revoked_from(token)
    has_expired = token.expires <= now
    lines = {
        "id": token.id,
        "derived from": " < ".join(reversed(token.ids[:-1])),
        "person": token.person,
        "plan": token.plan,
        "group": token.group,
        "issued": moment(token.issued, zone),
        "expires": moment(token.expires, zone) + (" (it has)" if has_expired else ""),
        "models": " and ".join(" or ".join(patterns) for patterns in token.models),
        "signature": signature.value,
        "revoked": _revocation(revoked, now, zone) or "no, as far as is known here",
    }
    for name, value in lines.items():
        if value:
            print(f"{name:<13} {value}")
    is_revoked = revoked is not None and revoked <= now
    return int(signature is Signature.BAD or is_revoked or has_expired)


def _derive(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    text, now = read_token(), clock.now()
    parent = tokens.inspect(text)
    if parent.expires <= now:
        raise BadToken(tokens.EXPIRED.format(parent.id))
    expires = now + arguments.hours * HOUR_SECONDS
    try:
        derived = tokens.derive(text, acts.new_id(), expires=expires, models=arguments.models)
    except ValueError as error:
        raise ActError(f"{error}.") from None
    _hand_out(derived, tokens.inspect(derived), UTC)
    return 0


def _rotate(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    text, now, registry = read_token(), clock.now(), _open(environ)
    zone = registry.plans.zone
    old = tokens.verify(text, [registry.secret, *registry.secrets[1:]], now)
    grace, identity = arguments.grace, acts.new_id()
    new = acts.rotate(registry, old, local_user(), now, identity=identity, grace=grace)
    _hand_out(new.text, new.token, zone)
    when = f"from {moment(new.second, zone)} on" if grace else "now"
    if registry.store:
        _say(f"The old one, {old.id}, is refused {when}.")
    else:
        _say(f"To have {old.id} refused {when}: PROXY_REVOKED={registry.merged(old.id)}")
    return 0


def _revoke(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    registry = _open(environ, needs_team=True)
    identity, person, day = arguments.id or "", arguments.person or "", arguments.issued_before
    if bool(identity) == bool(day) or (day and not person):
        raise ActError("Give the id of a token and its --person, or --person and --issued-before.")
    if day:
        second = registry.second_before(person, day)
        acts.revoke_before(registry, person, second, local_user())
        item = f"{person}<{day}"
        what = f"All tokens of {person} from before {moment(second, registry.plans.zone)}"
    else:
        acts.revoke(registry, identity, person, local_user(), clock.now())
        item, what = identity, f"The token {identity}, and what is derived from it:"
    if registry.store:
        _say(f"{what} refused from now on.")
    else:
        _say(f"{what} refused as soon as the server has this in PROXY_REVOKED:")
        print(registry.merged(item))
    return 0


def _log(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    registry = _open(environ, needs_team=True)
    if not registry.store:
        _say(NO_LOG)
    for act in registry.acts():
        when = moment(act.second, registry.plans.zone)
        print(f"{when}  {act.name:<6}  {act.id:<8}  of {act.person} by {act.by}")
    return 0


ACTIONS: Mapping[str, Callable[[argparse.Namespace, Mapping[str, str]], int]] = {
    "create": _create,
    "list": _list,
    "show": _show,
    "derive": _derive,
    "rotate": _rotate,
    "revoke": _revoke,
    "log": _log,
}


def read_token() -> str:
    """From standard input; at a terminal it is not shown. Raises BadToken for what is too long."""
    if sys.stdin.isatty():
        return getpass.getpass("Access token (it is not shown): ", sys.stderr).strip()
    return sys.stdin.buffer.read(MAX_LENGTH + 2).decode("ascii", "replace").strip()


def moment(second: int, zone: tzinfo) -> str:
    """For a person. The last day of the year 9999 is not there in every zone."""
    return f"{datetime.fromtimestamp(min(second, LATEST - DAY_SECONDS), zone):%Y-%m-%d %H:%M %Z}"


def _revocation(second: int | None, now: int, zone: tzinfo) -> str:
    if second is None:
        return ""
    return "yes" if second <= now else f"from {moment(second, zone)}"


def _hand_out(text: str, token: Token, zone: tzinfo) -> None:
    group = f", group {token.group}" if token.group else ""
    _say(f"Token {token.id} of {token.person}, plan {token.plan}{group}")
    _say(f"expires {moment(token.expires, zone)}")
    _say(HOW_TO_USE.format(tokens.PREFIX))
    print(text)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def local_user() -> str:
    """Of this machine, for the audit log."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):  # the last two before Python 3.13
        name = ""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:32] or "unknown"


def _add_create(create: argparse.ArgumentParser) -> None:
    create.add_argument("--person", required=True, type=checked_name, help="whose it is")
    create.add_argument(
        "--plan",
        default="standard",
        type=checked_name,
        help="what it allows (default: %(default)s)",
    )
    create.add_argument(
        "--group", type=checked_name, help="whose budget it counts in, too (default: none)"
    )
    create.add_argument(
        "--days", default=90, type=_count, help="until it expires (default: %(default)s days)"
    )


def _add_revoke(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", type=_identity, metavar="ID")
    text = "whose it is (default: as the store has it)"
    parser.add_argument("--person", type=checked_name, help=text)
    text = "in place of an ID, all of a person's older ones: 2026-11-28 (default: that ID alone)"
    parser.add_argument("--issued-before", default="", metavar="DAY", help=text)


def _hide_tokens(parser: Any) -> None:
    """argparse quotes what it does not take."""
    fail_with: Callable[[str], NoReturn] = parser.error

    def error(message: str) -> NoReturn:
        fail_with(AS_ARGUMENT if TOKEN.search(message) else message)

    parser.error = error


def checked_name(value: str) -> str:
    return _checked(NAME, value, NAME_FORM)


def _identity(value: str) -> str:
    return _checked(ID, value, NO_ID) if not tokens.is_token(value) else _refuse(AS_ARGUMENT)


def _pattern(value: str) -> str:
    return _checked(PATTERN, value, "expected names of models, or patterns like 'gemini-3.8-*'")


def _checked(form: re.Pattern[str], value: str, problem: str) -> str:
    return value if form.fullmatch(value) else _refuse(problem)


def _count(value: str) -> int:
    is_count = value.isascii() and value.isdecimal() and len(value) < 6
    count = int(value) if is_count else 0
    return count if 0 < count <= MAX_DAYS else _refuse(f"expected a number from 1 to {MAX_DAYS}")


def _duration(value: str) -> int:
    """Seconds."""
    if value == "0":
        return 0
    return (
        _count(value[:-1]) * UNITS[value[-1]]
        if value[-1:] in UNITS
        else _refuse("expected hours or days like 12h or 7d, or 0")
    )


def _refuse(problem: str) -> NoReturn:
    raise argparse.ArgumentTypeError(problem)

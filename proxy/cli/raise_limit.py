"""`python -m proxy raise-limit`: a budget of a person or a group is lifted until its day, week or
month ends. What is raised for longer stands in the plan file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from .. import clock, config
from ..team import acts, opening
from ..team.counters import GROUP, PERSON, RAISED
from ..team.plans import read_limit
from ..team.stores import StoreError
from ..team.token_registry import ActError
from .token import NO_TEAM, checked_name, local_user, moment

DESCRIPTION = """\
Lift a budget until its day, week or month ends: at once, for all instances, with the store that
PROXY_STORE names. The new limit is given, not what is added to it; 0 takes a raise back.

    python -m proxy raise-limit --person alice --usd-per-day 20
    python -m proxy raise-limit --group core --usd-per-month 800
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--person", type=checked_name, help="whose limit it is (default: --group)")
    whose.add_argument(
        "--group", type=checked_name, help="of all its people together (default: --person)"
    )
    limits = parser.add_mutually_exclusive_group(required=True)
    for field in RAISED:
        unit = "US$" if field.startswith("usd_") else "N"
        text = "the new limit, until its window ends (default: as it is)"
        limits.add_argument(f"--{field.replace('_', '-')}", metavar=unit, help=text)


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    team = config.read(environ).team
    if team is None:
        raise SystemExit(NO_TEAM)
    account = f"{PERSON}{arguments.person}" if arguments.person else f"{GROUP}{arguments.group}"
    field = next(each for each in RAISED if getattr(arguments, each) is not None)
    registry = opening.open_registry(team)
    try:
        limit = read_limit(field, getattr(arguments, field))
        window = acts.raise_limit(registry, account, field, limit, local_user(), clock.now())
    except ValueError as error:
        raise SystemExit(f"--{field.replace('_', '-')}: {error}.") from None
    except ActError as error:
        raise SystemExit(str(error)) from None
    except StoreError as error:
        raise SystemExit(f"The store cannot be asked: {error}.") from None
    until = moment(window.ends, registry.plans.zone)
    whose, shown = arguments.person or f"group {arguments.group}", acts.amount(field, limit)
    text = f"is {shown} until {until}" if limit else "is that of the plan again"
    print(f"{whose}: {field} {text}.", file=sys.stderr)
    return 0

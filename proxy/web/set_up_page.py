"""What stands on the page at `/` of a team's server.

Who sees which page is set_up_site.py's.
"""

from __future__ import annotations

import json
import shlex
from datetime import tzinfo
from typing import NamedTuple

from .. import routes
from ..team.tokens import Token
from ..team.windows import day_at
from . import render
from .blocks import SETTINGS_PLACE, Block, blocks, meter_blocks, more_blocks
from .session import Account
from .settings_file import PLACES

PLACEHOLDER = "your-access-token"
STATUS_LINE_FILE = "~/.claude/statusline.py"


class View(NamedTuple):
    """url: this server's. account: of who is signed in. has_meter: whether the server feeds Claude
    Code's own. counting: for whom budgets hold. zone: of the plans. can_show: whether a token can
    be shown. has_token: whether the person has presented one. text: of the one that is shown, ""
    for none; token: what it says."""

    url: str
    person: str
    plan: str
    account: Account | None
    is_operator: bool
    has_meter: bool
    counting: str
    zone: tzinfo
    can_show: bool
    has_token: bool
    text: str = ""
    token: Token | None = None


def stranger(contact: str, provider: str) -> bytes:
    """Nothing of those who use the server, nor of what it is made of. contact: of the plans.
    provider: with whom people sign in, "" for nobody."""
    return render("stranger.html", contact=contact, provider=provider)


def set_up(view: View) -> bytes:
    token = view.text or PLACEHOLDER
    first, more = blocks(view.url, token), more_blocks(view.url, token)
    return render(
        "set_up.html",
        **view._asdict(),
        placeholder=PLACEHOLDER,
        expires=view.token and f"{day_at(view.token.expires, view.zone)}",
        blocks=first,
        more=more,
        meter=meter_blocks() if view.has_meter else [],
        status_line=_status_line(view.url),
        places=PLACES,
    )


def _status_line(url: str) -> list[Block]:
    """What shows the budget below the prompt (statusline.py)."""
    script = f"{url}{routes.STATUS_LINE}"
    line = {"statusLine": {"type": "command", "command": f"python3 {STATUS_LINE_FILE}"}}
    return [
        Block(
            "Its script",
            "bash, once",
            f"curl -fsS -o {STATUS_LINE_FILE} {shlex.quote(script)}",
        ),
        Block("Status line", SETTINGS_PLACE, json.dumps(line, indent=2)),
    ]

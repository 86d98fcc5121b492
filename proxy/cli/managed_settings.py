"""`python -m proxy managed-settings`: the file with which an administrator points a team's Claude
Code at a server, with the prices of Gemini's models.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping

from .. import clock, config, endpoints
from ..web.settings_file import PLACES, managed_settings
from .doctor import read_url

_PLACES = "\n".join(f"    {place:<12} {path}" for place, path in PLACES.items())

DESCRIPTION = f"""\
Print the managed settings of Claude Code for a team: the server's address, and what each model
costs on this day, so that its dollars are right (/usage, the status line, --max-budget-usd). No
token stands in it. The settings in the environment say which model serves which name: let them be
the server's. Lay it down, as an administrator, at

{_PLACES}

    python -m proxy managed-settings --url https://the-address > managed-settings.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", type=read_url, required=True, help="the server's base URL")
    parser.add_argument(
        "--meter",
        action="store_true",
        help="switch Claude Code's own meter on, which costs WebSearch (see README.md); the server "
        "needs PROXY_CLIENT_BUDGET=on (default: off)",
    )


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    settings = config.read(environ)
    content = managed_settings(
        arguments.url.rstrip("/").removesuffix("/v1"),
        settings.model_settings,
        endpoints.from_settings(settings).platform,
        clock.today(),
        has_meter=arguments.meter,
    )
    print(json.dumps(content, indent=2))
    return 0

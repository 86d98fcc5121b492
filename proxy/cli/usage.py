"""`python -m proxy usage`: who has used what, from the store, or from a server that keeps one.

The figures are those of `GET /usage.json` (team/usage.py).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from datetime import date
from urllib.parse import urlencode

from .. import clock, config, routes
from ..team import opening, usage, usage_csv
from ..team.stores import StoreError
from ..team.usage import EVERYONE, FIELDS, MAX_DAYS, SINCE, BadSince, Table
from ..team.windows import day_at
from . import http_client
from .doctor import read_url

DESCRIPTION = f"""\
Show who has used what: requests, tokens, and US$ at list prices. It reads the store (PROXY_STORE,
with the days of PROXY_PLANS' time zone), or asks a server, as the holder of ANTHROPIC_AUTH_TOKEN.

    python -m proxy usage --by model --since 7d
    python -m proxy usage --by day --person alice --format csv
    python -m proxy usage --url https://... --person '{EVERYONE}'      # for operators
"""
SECONDS = 10
TOKEN = "ANTHROPIC_AUTH_TOKEN"
NO_STORE = "PROXY_STORE is not set: set it to the server's, or ask that by --url."
NO_TOKEN = f"{TOKEN} is not set: it is presented to the server."
NO_REPORT = "The server did not answer with a report: is it of this product, and of this version?"
NOTHING = "Nothing was used."

MAX_SENTENCE = 500
"""Of a server's error."""

COLUMNS: Mapping[str, Callable[[Table], str]] = {
    "requests": lambda row: f"{row['requests']:,}",
    "errors": lambda row: f"{row['errors']:,}",
    "input": lambda row: f"{row['input']:,}",
    "cached": lambda row: f"{row['cached'] / max(1, row['input']):.0%}",
    "output": lambda row: f"{row['output']:,}",
    "US$": lambda row: f"{row['usd']:,.2f}",
    "saved": lambda row: f"{row['saved_usd']:,.2f}",
    "estimated": lambda row: f"{row['estimated_usd']:,.2f}",
    "seconds": lambda row: f"{row['mean_ms'] / 1000:.1f}",
}
"""Of the table for a person. saved: by the cache. seconds: of a request, on average."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--by",
        choices=tuple(FIELDS),
        default="person",
        help="what a row is of (default: %(default)s)",
    )
    text = (
        f"days like 30d, {MAX_DAYS}d at most, or the first, like 2026-11-01 (default: %(default)s)"
    )
    parser.add_argument("--since", default=SINCE, help=text)
    text = (
        f"of one only, {EVERYONE} for everyone (default: everyone; with --url, whose token it is)"
    )
    parser.add_argument("--person", default="", help=text)
    parser.add_argument(
        "--format",
        choices=tuple(FORMATS),
        default="table",
        help="how it is printed (default: %(default)s)",
    )
    parser.add_argument(
        "--url", type=read_url, help="a server's base URL (default: none, PROXY_STORE is read)"
    )


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    try:
        report = (_ask if arguments.url else _read)(arguments, environ)
    except BadSince as error:
        raise SystemExit(f"{error}.") from None
    except StoreError as error:
        raise SystemExit(f"The store cannot be asked: {error}.") from None
    FORMATS[arguments.format](report, arguments.by)
    return 0


def _read(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Table:
    team = config.read(environ).team
    store = opening.open_store(team.store) if team else None
    if team is None or store is None:
        raise SystemExit(NO_STORE)
    zone = opening.read_plans(team.plans).zone
    span = usage.read_span(arguments.since, day_at(clock.now(), zone))
    return usage.read(store, span, arguments.person or EVERYONE)


def _ask(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Table:
    """Raises ApiError."""
    if not (token := environ.get(TOKEN, "").strip()):
        raise SystemExit(NO_TOKEN)
    if warning := http_client.warn_of_clear_text(arguments.url):
        print(f"WARNING: {warning}.", file=sys.stderr)
    query = {"since": arguments.since, "person": arguments.person}
    given = urlencode({name: value for name, value in query.items() if value})
    url = f"{arguments.url.rstrip('/')}{routes.USAGE}?{given}"
    headers = {"Authorization": f"Bearer {token}"}
    with http_client.request("GET", url, SECONDS, headers) as response:
        status, body = response.status_code, b"".join(http_client.reads(response))
    try:
        report = json.loads(body)
        if status != http_client.OK:
            raise SystemExit(_printable(str(report["error"]["message"])))
        _heading(report)
        for row in (report["total"], *report["by"][arguments.by]):
            _cells(row, arguments.by)
    except (ValueError, LookupError, TypeError, RecursionError):
        raise SystemExit(NO_REPORT) from None
    return dict(report)


def _printable(text: str) -> str:
    """A server's text, for a terminal."""
    return "".join(each if each.isprintable() else "?" for each in text[:MAX_SENTENCE])


def _print_table(report: Table, by: str) -> None:
    print(f"{_heading(report)}\n")
    rows = report["by"][by]
    if not rows:
        print(NOTHING)
        return
    lines = [(by, *COLUMNS), *(_cells(row, by) for row in rows)]
    lines.append(("total", *_cells(report["total"], by)[1:]))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for number, (name, *figures) in enumerate(lines):
        if number == len(lines) - 1:
            print("-" * (sum(widths) + 2 * len(figures)))
        aligned = (each.rjust(width) for each, width in zip(figures, widths[1:], strict=True))
        print("  ".join([name.ljust(widths[0]), *aligned]))


def _heading(report: Table) -> str:
    """Raises LookupError, ValueError, as `_cells` does."""
    who = "everyone" if report["person"] == EVERYONE else _printable(str(report["person"]))
    first, last = (date.fromisoformat(str(report[name])) for name in ("since", "until"))
    where = " (by one instance of the server)" if report.get("scope") == "instance" else ""
    return f"Use of {who}{where}, {first} to {last}"


def _cells(row: Table, by: str) -> tuple[str, ...]:
    """Raises LookupError, TypeError, ValueError for no row."""
    return (_printable(str(row.get(by, ""))) or "-", *(show(row) for show in COLUMNS.values()))


def _print_csv(report: Table, by: str) -> None:
    sys.stdout.write(usage_csv.write(report, by))


def _print_json(report: Table, by: str) -> None:
    """All of it, as the server answers it."""
    print(json.dumps(report, indent=2))


FORMATS: Mapping[str, Callable[[Table, str], None]] = {
    "table": _print_table,
    "csv": _print_csv,
    "json": _print_json,
}

"""What `make bench` has measured, as a table of ratios, as the page RESULTS.md, and as a picture.

measured: name of a target -> name of a metric (a row of METRICS) -> value, None for none.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .targets import OURS

Measured = Mapping[str, Mapping[str, float | None]]


class Metric(NamedTuple):
    """title: with its unit. is_shown: in the picture, too."""

    title: str
    is_shown: bool = False


METRICS = {
    "start": Metric("from the start to the first answer, ms", is_shown=True),
    "first": Metric("added to the first text, ms", is_shown=True),
    "large": Metric("the same with a request of 80 kB, ms"),
    "cpu": Metric("CPU for a request, ms", is_shown=True),
    "rate": Metric("answers a second over 16 connections (more is better)", is_shown=True),
    "streams": Metric("100 streams at once: complete, %"),
    "late": Metric("100 streams at once: 99 of 100 chunks late by at most, ms", is_shown=True),
    "memory": Metric("memory after them, MB", is_shown=True),
}
"""In the table's order. More is better of `rate` and `streams` only."""

NONE = "-"
PAGE = """\
# Benchmark

Measured on {date} with `{command}`: {versions}.
Machine: {machine}; load of other work {load:.1f}.

{table}
In brackets: how many times ours. *direct* is the client at the upstream itself, without a server:
what the method takes.

- The upstream is `upstream.py`, on the same machine: it answers at once, checks nothing, and
  writes its clock into each chunk. *Added* is what a request waits beyond it, there and back.
- Each server runs as it comes, in one process, on one core; the client and the upstream share
  the other. All run at once and are measured in turn; the figures are medians of the rounds. A
  request has 2 kB, an answer 10 chunks; the 100 streams have 60 chunks, 50 ms apart.
- Milliseconds are this machine's. With a load above 1 it had other work. The ratios are the figures
  to watch, and that of CPU time first.
- What is not measured: a network, TLS, retries, what an answer is worth. LiteLLM serves many
  more providers than this server does.

Once more, and with the others:

    make bench
    pip install 'litellm[proxy]'                        # on the PATH, in an environment of its own
    npm install -g @musistudio/claude-code-router@2.0.0
    make bench WRITE=1                                  # writes this page and docs/benchmark.svg
"""


class About(NamedTuple):
    """date: ISO. versions: of each server. load: of other work, on average of a minute before."""

    date: str
    machine: str
    command: str
    versions: Sequence[str]
    load: float


def table(measured: Measured) -> str:
    """In Markdown."""
    names = list(measured)
    lines = [f"| | {' | '.join(names)} |", f"| --- |{' ---: |' * len(names)}"]
    for key, metric in METRICS.items():
        cells = (_cell(measured[name].get(key), measured[OURS].get(key), name) for name in names)
        lines.append(f"| {metric.title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(value: float | None, own: float | None, name: str) -> str:
    if value is None:
        return NONE
    if name == OURS or not own:
        return number(value)
    return f"{number(value)} ({number(_shown(value) / _shown(own))})"


def _shown(value: float) -> float:
    """As the table has it, so that its ratios can be computed anew from it."""
    return float(number(value).replace(",", ""))


def number(value: float) -> str:
    """With the digits that mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def page(about: About, measured: Measured) -> str:
    return PAGE.format(
        date=about.date,
        command=about.command,
        machine=about.machine,
        versions=", ".join(about.versions),
        load=about.load,
        table=table(measured),
    )


def read(text: str) -> dict[str, dict[str, float | None]]:
    """What a page's table says."""
    head, _, *rows = [line for line in text.splitlines() if line.startswith("|")]
    names = _cells(head)
    keys = {metric.title: key for key, metric in METRICS.items()}
    measured: dict[str, dict[str, float | None]] = {name: {} for name in names}
    for row in rows:
        title, *cells = _cells(row, with_title=True)
        for name, cell in zip(names, cells, strict=True):
            digits = re.match(r"[\d.,]+", cell)
            measured[name][keys[title]] = float(digits[0].replace(",", "")) if digits else None
    return measured


def _cells(row: str, with_title: bool = False) -> list[str]:
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    return cells if with_title else cells[1:]


# --- The picture ----------------------------------------------------------------------------------

WIDTH, LEFT, BAR_WIDTH = 720, 150, 400
TITLE_HEIGHT, BAR_HEIGHT, GAP = 22, 18, 14
STYLE = """\
text{font:13px system-ui,sans-serif;fill:#1f2328}.t{font-weight:600}.o{fill:#1a73e8}.p{fill:#9aa4b0}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.o{fill:#6ea8fe}.p{fill:#6b7682}}"""


def picture(measured: Measured) -> str:
    """An SVG: for each metric that is shown, a bar for each server. Drawn from the figures as the
    page shows them, so that both say the same."""
    shown = read(table(measured))
    servers = [name for name in shown if name != "direct"]
    pieces, y = [], 0
    for key, metric in METRICS.items():
        values = {name: value for name in servers if (value := shown[name][key]) is not None}
        if metric.is_shown and values:
            y += GAP + TITLE_HEIGHT
            pieces.append(f'<text class="t" x="0" y="{y - 7}">{html.escape(metric.title)}</text>')
            for name, value in values.items():
                pieces += _bar(name, value, values, y)
                y += BAR_HEIGHT + 2
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + GAP}" '
        f'width="{WIDTH}" height="{y + GAP}" role="img">'
    )
    return "\n".join([head, f"<style>{STYLE}</style>", *pieces, "</svg>"]) + "\n"


def _bar(name: str, value: float, values: Mapping[str, float], y: int) -> Iterator[str]:
    width = max(1, round(BAR_WIDTH * value / max(values.values())))
    text, own = number(value), values.get(OURS)
    if name != OURS and own:
        text += f" ({number(value / own)} x)"
    bottom = y + BAR_HEIGHT - 5
    kind = "o" if name == OURS else "p"
    yield f'<text x="0" y="{bottom}">{html.escape(name)}</text>'
    yield f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{width}" height="{BAR_HEIGHT}" rx="2"/>'
    yield f'<text x="{LEFT + width + 8}" y="{bottom}">{text}</text>'

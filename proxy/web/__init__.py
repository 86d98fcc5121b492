"""Pages for a person with a browser. Without scripts; nothing is loaded from elsewhere.

Templates are Jinja's, which Flask brings and which escapes what is put into them; the one
stylesheet stands in each page, and the page's policy allows it by its hash.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path

import jinja2

FOLDER = Path(__file__).parent / "templates"
STYLE = (FOLDER / "style.css").read_text()
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Of every page."""


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def render(template: str, **values: object) -> bytes:
    """A page. Raises jinja2.UndefinedError for a value that is missing."""
    page = _environment().get_template(template).render(style=STYLE, **values)
    return page.encode()

"""Pages for a person with a browser. One answer holds all of a page: nothing is loaded beside it.

Templates are Jinja's, which Flask brings and which escapes what is put into them. The one
stylesheet and the one script stand in each page; its policy allows these two, by their hashes, and
nothing else, from this server neither.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from pathlib import Path
from urllib.parse import quote

import jinja2

FOLDER = Path(__file__).parent / "templates"
STYLE = re.sub(r"\s*([{};,])\s*", r"\1", (FOLDER / "style.css").read_text("utf-8"))
"""Without white space that means nothing: it is in each page."""

SCRIPT = (FOLDER / "copy.js").read_text("utf-8")
ICON = f"data:image/svg+xml,{quote((FOLDER / 'icon.svg').read_text('utf-8').strip())}"
"""In the page: a browser would ask for /favicon.ico otherwise, a 404 in the log for each visit."""


def _hash(text: str) -> str:
    """What a policy allows a text by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _headers(form_action: str, referrer_policy: str) -> dict[str, str]:
    """form_action: where a page's forms may be sent."""
    policy = (
        f"default-src 'none'; style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}; "
        f"img-src data:; base-uri 'none'; form-action {form_action}; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'"
    )
    return {
        "Content-Security-Policy": policy,
        "Referrer-Policy": referrer_policy,
        "Cache-Control": "no-store",
    }


HEADERS = _headers("'none'", "no-referrer")
"""Of every page that has no form."""

FORM_HEADERS = _headers("'self'", "same-origin")
"""Of one that has. With no-referrer a browser would not say where a form came from (Origin: null;
https://fetch.spec.whatwg.org, "serializing a request origin")."""


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
    shared = {"style": STYLE, "script": SCRIPT, "icon": ICON}
    return _environment().get_template(template).render(shared, **values).encode()

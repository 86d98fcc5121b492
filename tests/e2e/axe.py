"""axe-core on a page in Chromium: what it finds wrong for people who do not see it, or not well.

https://github.com/dequelabs/axe-core
"""

from __future__ import annotations

import json
from typing import Any

from tests import npm
from tests.devtools import Page

VERSION = "4.14.1"
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")

RUN = """
axe.run(document, {runOnly: TAGS, resultTypes: ["violations"]}).then((result) => ({
  rules: result.passes.length,
  found: result.violations.flatMap(({id, help, nodes}) => nodes.map(
    ({html, failureSummary}) => [id, help, html.slice(0, 120), failureSummary])),
}))
"""


def violations(page: Page) -> list[Any]:
    """Of a page that is open, as it is shown now: rule, what it asks for, element, how to mend it.

    Skips the test where npm is missing.
    """
    source = npm.module("axe-core", VERSION) / "axe.min.js"
    page.evaluate(f"{source.read_text('utf-8')}\n;true")
    result = page.evaluate(RUN.replace("TAGS", json.dumps(TAGS)))
    assert result["rules"] > 10, "axe-core has looked at nothing"
    found: list[Any] = result["found"]
    return found

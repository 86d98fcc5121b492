"""proxy/web: the page for a person with a browser."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from werkzeug.test import TestResponse

from proxy import config, request_log, web
from proxy.liveness import Poller, Waiting
from proxy.web import health, home
from tests.servers import ROOT
from tests.test_main import Front, front
from translate.models import DEVELOPER

__all__ = ["front"]

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
ACCEPTED = {
    "Chromium 150": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
    "image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
    "Firefox and Safari": BROWSER["Accept"],
}
"""What browsers ask for when a person opens an address (seen 2026-11-28)."""

MAX_PAGE_BYTES = 60_000


class Reader(HTMLParser):
    """What a page is made of: its tags with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = self.script = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script":
            self.script += data
        else:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def visit(front: Front, host: str = "localhost:8080", **headers: str) -> TestResponse:
    return front.client.get("/", headers={**BROWSER, "Host": host, **headers})


def page(url: str = "http://127.0.0.1:8080", **environ: str) -> str:
    settings = config.read(environ)
    return home.home(settings, DEVELOPER, url, today="2026-11-28").decode()


@pytest.mark.parametrize("browser", ACCEPTED)
def test_browser_gets_a_page_and_programs_json(front: Front, browser: str) -> None:
    shown = visit(front, Accept=ACCEPTED[browser])
    assert (shown.status_code, shown.mimetype) == (200, "text/html")
    assert int(shown.headers["Content-Length"]) == len(shown.data) < MAX_PAGE_BYTES
    for accept in ("*/*", "application/json", "application/json, text/html;q=0.5", ""):
        assert front.client.get("/", headers={"Accept": accept}).is_json
    assert front.client.get("/api/hello", headers=BROWSER).is_json


def test_health_names_its_instance(front: Front) -> None:
    assert "instance" not in front.client.get("/").get_json()
    front.set(PROXY_INSTANCE="blue")
    assert front.client.get("/").get_json()["instance"] == "blue"


def test_page_loads_nothing_and_runs_one_script(front: Front) -> None:
    shown = visit(front)
    reader = Reader(shown.text)
    assert not {"img", "iframe", "form", "object"} & {tag for tag, _ in reader.tags}
    assert reader.all("script") == [{}]
    (icon,) = reader.all("link")
    assert str(icon["href"]).startswith("data:image/svg+xml,")
    attributes = [name for _, given in reader.tags for name in given]
    assert not [name for name in attributes if name in ("style", "src") or name.startswith("on")]
    policy = dict(
        part.strip().split(" ", 1) for part in shown.headers["Content-Security-Policy"].split(";")
    )
    assert policy == {
        "default-src": "'none'",
        "style-src": allowed("style", shown.text),
        "script-src": allowed("script", shown.text),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
    }
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert shown.headers["Cache-Control"] == "no-store"


def allowed(tag: str, shown: str) -> str:
    """How a policy allows the one element of this name."""
    (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", shown, re.S)
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_page_can_be_read_by_everybody() -> None:
    reader = Reader(page())
    assert reader.all("html") == [{"lang": "en"}]
    assert "width=device-width" in str(reader.all("meta"))
    headings = [tag for tag, _ in reader.tags if tag in ("h1", "h2", "h3")]
    assert headings == ["h1", "h2", *4 * ["h3"], "h2"]
    assert [tag for tag, _ in reader.tags if tag in ("header", "main", "footer")] == [
        "header",
        "main",
        "footer",
    ]
    labels = {given.get("id") for _, given in reader.tags}
    for block in [*reader.all("pre"), *reader.all("section")]:
        assert block["aria-labelledby"] in labels
    assert all(block["tabindex"] == "0" for block in reader.all("pre"))
    assert all("scope" in cell for cell in reader.all("th"))
    assert "prefers-color-scheme: dark" in web.STYLE


def test_skip_link_leads_to_the_content() -> None:
    reader = Reader(page())
    (skip,) = [link for link in reader.all("a") if link.get("class") == "skip"]
    (content,) = reader.all("main")
    assert skip["href"] == f"#{content['id']}"


def test_copy_buttons_are_hidden_without_script() -> None:
    reader = Reader(page())
    buttons, blocks = reader.all("button"), reader.all("pre")
    assert [button["data-copy"] for button in buttons] == [block["id"] for block in blocks]
    assert all("hidden" in button for button in buttons)
    assert len(blocks) == 4


def test_files_of_pages_are_uploaded() -> None:
    uploaded = (ROOT / ".gcloudignore").read_text().splitlines()
    for file in web.FOLDER.iterdir():
        assert f"!/proxy/web/templates/*{file.suffix}" in uploaded


@pytest.mark.parametrize(
    ("environ", "token"),
    [
        ({}, "your-gemini-key"),
        ({"GEMINI_API_KEY": "secret-key"}, "anything"),
        ({"GEMINI_API_KEY": "secret-key", "PROXY_TOKEN": "secret-token"}, "access-token"),
        ({"GEMINI_BACKEND": "vertex", "GOOGLE_CLOUD_PROJECT": "p"}, "anything"),
    ],
)
def test_blocks_say_what_to_set(environ: dict[str, str], token: str) -> None:
    shown = page(**environ)
    assert "export ANTHROPIC_BASE_URL=http://127.0.0.1:8080\n" in shown
    assert re.search(rf"export ANTHROPIC_AUTH_TOKEN=\S*{token}\n", shown)
    assert shown.count(token) >= 4
    assert "secret" not in shown


def rows(shown: str) -> list[str]:
    """Each row of its tables as text."""
    found = re.findall(r"<tr.*?</tr>", shown, re.S)
    return [" ".join(Reader(row.replace("><", "> <")).text.split()) for row in found]


def test_models_and_prices_are_named() -> None:
    shown = rows(page(ANTHROPIC_DEFAULT_OPUS_MODEL="gemini-4-neon"))
    assert shown[:3] == [
        "Model In Cached Out",
        "opus Gemini 4 Neon gemini-4-neon $3.00 $0.15 $15.00",
        "sonnet Gemini 4 Hydrogen gemini-4-hydrogen free tier $1.50 $0.075 $7.50",
    ]


def test_other_models_are_named_with_what_changes() -> None:
    shown = rows(page())
    assert shown[1].startswith("opus, sonnet Gemini 4 Hydrogen")
    assert (
        "Gemini 4 Carbon gemini-4-carbon from 2026-12-01: $4.00 / $0.20 / $20.00 "
        "$2.00 $0.10 $10.00" in shown
    )
    assert (
        "Gemini 2.5 Pro gemini-2.5-pro above 200,000 tokens of input: $2.50 / $0.25 / $15.00 "
        "from 2026-12-01: gemini-3.8-flash in its place $1.25 $0.125 $10.00" in shown
    )
    assert not [row for row in shown if "gemini-3.7-flash" in row], "retired"


def test_model_without_known_price() -> None:
    assert "opus Gemini 9 gemini-9 not known" in rows(page(ANTHROPIC_DEFAULT_OPUS_MODEL="gemini-9"))


def test_vertex_has_no_free_tier() -> None:
    assert "free tier" in page()
    assert "free tier" not in page(GEMINI_BACKEND="vertex", GOOGLE_CLOUD_PROJECT="p")


@pytest.mark.parametrize(
    ("headers", "url"),
    [
        ({}, "http://localhost:8080"),
        ({"X-Forwarded-Proto": "https", "host": "x.run.app"}, "https://x.run.app"),
        ({"X-Forwarded-Proto": "javascript"}, "http://localhost:8080"),
    ],
)
def test_page_names_the_address_it_was_asked_at(
    front: Front, headers: dict[str, str], url: str
) -> None:
    assert f"ANTHROPIC_BASE_URL={url}\n" in visit(front, **headers).text


def test_what_a_visitor_sends_is_escaped(front: Front) -> None:
    shown = visit(front, host="localhost:80&lt;<script>alert(1)</script>")
    assert "alert(1)" not in Reader(shown.text).script
    assert shown.text.count("<script") == 1


ENTRY: dict[str, Any] = {
    "created": 0.0,
    "status": 200,
    "model": "<b>opus</b>",
    "gemini": "",
    "tokens": {"in": 1_480, "cached": 17_020, "out": 75},
    "ms": 1_204,
    "usd": 0.004,
}


def test_last_requests_are_shown_at_this_machine_only(front: Front) -> None:
    request_log.recent.clear()
    assert "None yet." in visit(front).text
    request_log.recent.extend([ENTRY, {**ENTRY, "status": 429, "error": "exhausted", "usd": None}])
    local = visit(front).text
    assert local.index("429 exhausted") < local.index("18.5k in (92% cached) 75 out")
    assert "$0.004" in local
    assert "&lt;b&gt;opus" in local
    assert "2 in all: 37k tokens in (92% cached), 150 out, $0.004 at list prices." in local
    for headers in ({"host": "x.run.app"}, {"X-Forwarded-For": "1.2.3.4"}):
        assert "Last requests" not in visit(front, **headers).text


@pytest.mark.parametrize("is_good", [True, False])
def test_endpoint_is_told(is_good: bool) -> None:
    endpoint = home.Endpoint("gemini.test", is_good, "NOT REACHED")
    settings = config.read({})
    shown = home.home(settings, DEVELOPER, "http://x", today="2026-11-28", endpoint=endpoint)
    assert ("dot bad" in shown.decode()) is not is_good
    assert b"<code>gemini.test</code>: NOT REACHED" in shown


def test_page_tells_whether_gemini_is_reached(front: Front) -> None:
    assert "</code>: it answers<" in visit(front).text
    assert "it answers" not in visit(front, host="x.run.app").text
    front.set(GEMINI_ENDPOINT="http://127.0.0.1:9")
    assert "NOT REACHED: Gemini could not be reached at 127.0.0.1:9" in visit(front).text


class Reached:
    """Stands in for Gemini: its answers' status, and how often it was asked."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.probes = 0

    def probe(self, poller: Poller) -> Waiting[int]:
        self.probes += 1
        yield from ()
        return self.status


def test_endpoint_is_not_asked_for_each_visitor(monkeypatch: pytest.MonkeyPatch) -> None:
    reached = Reached(404)
    endpoint = health.EndpointHealth(reached, "gemini.test")  # type: ignore[arg-type]
    for _ in range(3):
        assert endpoint.look(Poller()) == ("gemini.test", True, "it answers")
    assert reached.probes == 1
    monkeypatch.setattr(health, "KEPT_SECONDS", -1)
    endpoint.look(Poller())
    assert reached.probes == 2


def test_endpoint_that_answers_oddly_is_told() -> None:
    endpoint = health.EndpointHealth(Reached(503), "gemini.test")  # type: ignore[arg-type]
    assert endpoint.look(Poller()) == ("gemini.test", False, "it answers with HTTP 503")
